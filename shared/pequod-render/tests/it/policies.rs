//! Policies of the module.

use pequod_api::transform::ViolationSeverity;
use serde_json::json;

use super::{nothing, refusal, render};

const DEPLOYMENT: &str = "package shop\ninput: {image: *\"a:1\" | string, replicas: *1 | int}\ngraph: nodes: {\n\tconfig: object: {apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"c\"}\n\tweb: object: {apiVersion: \"apps/v1\", kind: \"Deployment\", metadata: {name: \"w\", labels: {}}, spec: {replicas: input.replicas, template: spec: containers: [{name: \"a\", image: input.image}]}}\n}\n";

fn with(policy: &str) -> String {
    format!("{DEPLOYMENT}policy: {policy}\n")
}

#[test]
fn a_policy_that_holds_says_nothing() {
    let module = with(
        r#"pinned: {match: kind: "Deployment", object: spec: template: spec: containers: [...{image: !~":latest$", ...}]}"#,
    );
    assert!(render(&module, &nothing()).unwrap().violations.is_empty());
}

#[test]
fn a_violation_names_policy_node_path_and_message() {
    let module = with(
        r#"pinned: {message: "pin it", match: kind: "Deployment", object: spec: template: spec: containers: [...{image: !~":latest$", ...}]}"#,
    );
    let rendered = render(&module, &json!({"image": "a:latest"})).unwrap();
    assert!(rendered.is_forbidden());
    let [violation] = rendered.violations.as_slice() else {
        panic!("{:?}", rendered.violations)
    };
    assert_eq!(violation.policy, "pinned");
    assert_eq!(violation.node.as_deref(), Some("web"));
    assert_eq!(violation.message, "pin it");
    assert!(
        violation.path.starts_with("spec.template.spec.containers"),
        "{}",
        violation.path
    );
    assert!(violation.path.ends_with("image"), "{}", violation.path);
}

#[test]
fn a_required_field_that_is_missing_is_a_violation() {
    let module =
        with(r#"owner: {match: kind: "Deployment", object: metadata: labels: owner!: string}"#);
    let rendered = render(&module, &nothing()).unwrap();
    let [violation] = rendered.violations.as_slice() else {
        panic!("{:?}", rendered.violations)
    };
    assert_eq!(violation.path, "metadata.labels.owner");
    assert!(!violation.message.is_empty());
}

#[test]
fn a_warning_forbids_nothing() {
    let module = with(
        r#"many: {severity: "Warning", match: kind: "Deployment", object: spec: replicas: >=2}"#,
    );
    let rendered = render(&module, &nothing()).unwrap();
    assert!(!rendered.is_forbidden());
    assert_eq!(rendered.violations[0].severity, ViolationSeverity::Warning);
    assert!(
        render(&module, &json!({"replicas": 3}))
            .unwrap()
            .violations
            .is_empty()
    );
}

#[test]
fn without_a_match_every_object_is_meant() {
    let module = with(r#"named: {object: metadata: name: "w"}"#);
    let rendered = render(&module, &nothing()).unwrap();
    let nodes: Vec<_> = rendered
        .violations
        .iter()
        .map(|v| v.node.as_deref().unwrap())
        .collect();
    assert_eq!(nodes, ["config"]);
}

#[test]
fn a_malformed_policy_is_refused_by_name() {
    for (policy, wanted) in [
        ("p: {severty: \"Error\"}", "unknown field `severty`"),
        (
            "p: {severity: \"Fatal\", object: {}}",
            "neither Error nor Warning",
        ),
        ("p: 3", "no struct"),
    ] {
        let (_, code, text) = refusal(&with(policy), &nothing());
        assert_eq!(code, "render/policy", "{text}");
        assert!(text.contains(wanted), "{text}");
    }
}
