//! Policies, asked about objects.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its scene fails"
)]

use std::sync::Arc;

use pequod_api::{ClusterCuePolicySpec, PolicyAction};
use pequod_policy::{Input, Policy, PolicySet, Verdict};
use serde_json::{Value, json};

fn spec(cue: &str) -> ClusterCuePolicySpec {
    serde_json::from_value(json!({ "cue": cue })).unwrap()
}

fn compiled(name: &str, spec: &ClusterCuePolicySpec) -> Arc<Policy> {
    Arc::new(Policy::compile(name, spec).unwrap())
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"name": "web", "image": "shop:1.2.3"}, {"name": "side", "image": "side:latest"}
        ]}}}
    })
}

fn judge_with(set: &PolicySet, stop: &dyn Fn() -> bool) -> Verdict {
    let object = deployment();
    let request = json!({"operation": "CREATE", "userInfo": {"username": "ann"}});
    let input = Input {
        group: "apps",
        kind: "Deployment",
        namespace: "shop",
        object: &object,
        request: &request,
    };
    set.judge(&input, stop)
}

fn judge(spec: &ClusterCuePolicySpec) -> Verdict {
    judge_with(&PolicySet::new([compiled("p", spec)]), &|| false)
}

const OWNER: &str = "package p\npolicy: owner: object: metadata: labels: owner!: string\n";

#[test]
fn every_violation_has_its_path() {
    let verdict = judge(&spec(
        "package p\n\
         policy: owner: {message: \"who?\", object: metadata: labels: owner!: string}\n\
         policy: image: object: spec: template: spec: containers: [...{image: !~\":latest$\", ...}]\n\
         policy: fine: object: spec: replicas: <=3\n",
    ));
    let found: Vec<(&str, &str)> = verdict
        .findings()
        .iter()
        .map(|f| (f.rule.as_str(), f.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("image", "spec.template.spec.containers[1].image"),
            ("owner", "metadata.labels.owner")
        ]
    );
    assert!(!verdict.allowed());
}

#[test]
fn a_rule_that_does_not_match_is_not_asked() {
    let text = "package p\npolicy: x: {match: kind: \"Service\", object: nothing!: string}\n";
    assert!(judge(&spec(text)).findings().is_empty());
    let other = json!({"cue": OWNER, "kinds": [{"group": "", "kind": "Pod"}]});
    assert!(
        judge(&serde_json::from_value(other).unwrap())
            .findings()
            .is_empty()
    );
    let excluded = json!({"cue": OWNER, "excludedNamespaces": ["shop"]});
    assert!(
        judge(&serde_json::from_value(excluded).unwrap())
            .findings()
            .is_empty()
    );
}

#[test]
fn severity_and_action_are_capped_by_each_other() {
    let effect = |action: &str, severity: &str| {
        let cue = format!("{OWNER}policy: owner: severity: \"{severity}\"\n");
        let spec = json!({"action": action, "cue": cue});
        judge(&serde_json::from_value(spec).unwrap()).findings()[0].effect
    };
    assert_eq!(effect("Deny", "Error"), PolicyAction::Deny);
    assert_eq!(effect("Deny", "Warning"), PolicyAction::Warn);
    assert_eq!(effect("Warn", "Error"), PolicyAction::Warn);
    assert_eq!(effect("Audit", "Warning"), PolicyAction::Audit);
}

#[test]
fn a_policy_that_cannot_finish_answers_with_its_on_error() {
    let endless = "package p\nimport \"list\"\n\
        policy: x: object: {metadata: labels: app: \"web\", _n: [for a in list.Range(0, 3000, 1) for b in list.Range(0, 3000, 1) {a + b}], ...}\n";
    for (on_error, allowed) in [("Deny", false), ("Allow", true)] {
        let spec = json!({"cue": endless, "onError": on_error});
        let Ok(policy) = Policy::compile("p", &serde_json::from_value(spec).unwrap()) else {
            // Its budget is spent before it is asked the first time: it is refused, which is as good.
            continue;
        };
        let verdict = judge_with(&PolicySet::new([Arc::new(policy)]), &|| false);
        assert_eq!(verdict.allowed(), allowed, "{verdict:?}");
        assert!(
            verdict.findings()[0].detail.contains("cannot be evaluated"),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_broken_policy_answers_with_its_on_error() {
    let spec: ClusterCuePolicySpec =
        serde_json::from_value(json!({"cue": "package p\npolicy: {", "action": "Deny"})).unwrap();
    let problems = Policy::compile("p", &spec).unwrap_err();
    assert!(problems.to_string().starts_with("p.cue:"), "{problems}");
    let set = PolicySet::new([Arc::new(Policy::broken("p", &spec, &problems))]);
    assert!(!judge_with(&set, &|| false).allowed());
}

#[test]
fn texts_that_are_no_policies_are_refused() {
    for (text, word) in [
        ("package p\n", "no field `policy`"),
        ("package p\npolicy: 3\n", "not a struct"),
        ("package p\npolicy: x: 3\n", "not a struct"),
        (
            "package p\npolicy: x: {objct: a: 1}\n",
            "unknown field `objct`",
        ),
        ("package p\npolicy: x: message: \"m\"\n", "no `object`"),
        (
            "package p\npolicy: x: {severity: \"Fatal\", object: {}}\n",
            "neither Error nor Warning",
        ),
        (
            "package p\npolicy: x: {match: kind: \"A\" | \"B\", object: {}}\n",
            "not concrete",
        ),
        (
            "package p\npolicy: x: {match: kind: request.kind, object: {}}\n",
            "not concrete",
        ),
    ] {
        let problems = Policy::compile("p", &spec(text)).unwrap_err();
        assert!(problems.to_string().contains(word), "{text}: {problems}");
    }
}

#[test]
fn the_digest_of_a_set_is_that_of_its_content() {
    let (a, b) = (spec(OWNER), spec("package p\npolicy: x: object: {}\n"));
    let set = |policies: &[(&str, &ClusterCuePolicySpec)]| {
        let policies = policies.iter().map(|(name, spec)| compiled(name, spec));
        PolicySet::new(policies).digest().to_owned()
    };
    assert_eq!(set(&[("a", &a), ("b", &b)]), set(&[("b", &b), ("a", &a)]));
    assert_ne!(set(&[("a", &a)]), set(&[("b", &a)]));
    assert_ne!(set(&[("a", &a)]), set(&[("a", &b)]));
}
