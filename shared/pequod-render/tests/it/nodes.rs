//! Nodes: their fields, ids and order.

use pequod_api::node::{ReadyPredicate, RemovalPolicy};
use pequod_api::{ApplyMode, ConflictPolicy, DependencyWhen};
use pequod_render::{Form, MAX_NODES, Stage};

use super::{config_maps, nothing, refusal, render};

#[test]
fn fields_of_a_node_are_read() {
    let module = config_maps(&[
        ("a", ""),
        (
            "b",
            r#"dependsOn: ["a", {id: "c", when: "Applied"}]
		readyWhen: [{exists: true, timeoutSeconds: 5}, {condition: {type: "Ready"}}, {deploymentAvailable: true}]
		apply: {mode: "Create", conflicts: "Force", onPrune: "Orphan", onDelete: "Orphan"}
		ignore: ["/data/x"]"#,
        ),
        ("c", ""),
    ]);
    let rendered = render(&module, &nothing()).unwrap();
    assert_eq!(rendered.form, Form::Nodes);
    let ids: Vec<_> = rendered
        .nodes
        .iter()
        .map(|node| node.spec.id.0.as_str())
        .collect();
    assert_eq!(ids, ["a", "b", "c"]);
    let b = &rendered.nodes[1].spec;
    assert_eq!(b.depends_on[0].when, DependencyWhen::Ready);
    assert_eq!(
        (b.depends_on[1].id.0.as_str(), b.depends_on[1].when),
        ("c", DependencyWhen::Applied)
    );
    assert_eq!(b.ready_when[0].timeout_seconds, Some(5));
    assert_eq!(b.ready_when[0].predicate, ReadyPredicate::Exists(true));
    assert!(
        matches!(&b.ready_when[1].predicate, ReadyPredicate::Condition(c) if c.status == "True")
    );
    assert_eq!(b.apply.mode, ApplyMode::Create);
    assert_eq!(b.apply.conflicts, ConflictPolicy::Force);
    assert_eq!(
        (b.apply.on_prune, b.apply.on_delete),
        (RemovalPolicy::Orphan, RemovalPolicy::Orphan)
    );
    assert_eq!(b.ignore, ["/data/x"]);
}

#[test]
fn an_unknown_field_is_refused_with_its_place() {
    let (stage, code, text) = refusal(&config_maps(&[("a", "dependOn: []")]), &nothing());
    assert_eq!((stage, code), (Stage::Module, "render/node"));
    assert!(text.starts_with("shop.cue:5:"), "{text}");
    assert!(text.contains("unknown field `dependOn`"), "{text}");
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (more, wanted) in [
        ("dependsOn: \"b\"", "no list"),
        ("dependsOn: [1]", "dependsOn[0]"),
        ("readyWhen: [{exists: false}]", "can only be true"),
        ("readyWhen: [{exist: true}]", "no predicate `exist`"),
        (
            "readyWhen: [{exists: true, deploymentAvailable: true}]",
            "exactly one",
        ),
        ("readyWhen: [{condition: {status: \"True\"}}]", "type"),
        ("apply: mode: \"Replace\"", "Replace"),
        ("apply: prune: true", "prune"),
        ("ignore: [\"spec/replicas\"]", "JSON pointer"),
        ("ignore: [\"/metadata/name\"]", "called"),
    ] {
        let (_, code, text) = refusal(&config_maps(&[("a", more)]), &nothing());
        assert_eq!(code, "render/node", "{more}: {text}");
        assert!(text.contains(wanted), "{more}: {text}");
        assert!(text.contains("shop.cue:5"), "{more}: {text}");
    }
}

#[test]
fn readiness_in_cue_is_refused_by_name() {
    let (_, code, _) = refusal(
        &config_maps(&[("a", "readyWhen: [{cue: \"x\"}]")]),
        &nothing(),
    );
    assert_eq!(code, "render/unsupported");
}

#[test]
fn a_cycle_is_named() {
    let module = config_maps(&[
        ("a", "dependsOn: [\"c\"]"),
        ("b", "dependsOn: [\"a\"]"),
        ("c", "dependsOn: [\"b\"]"),
    ]);
    let (_, code, text) = refusal(&module, &nothing());
    assert_eq!(code, "render/order");
    assert!(
        text.contains("a → c → b → a") || text.contains("a → b → c → a"),
        "{text}"
    );
}

#[test]
fn an_unknown_dependency_is_named() {
    let (_, code, text) = refusal(&config_maps(&[("a", "dependsOn: [\"z\"]")]), &nothing());
    assert_eq!(code, "render/order");
    assert!(text.contains("`a` depends on `z`"), "{text}");
}

#[test]
fn a_list_of_nodes_is_read_and_two_with_one_id_are_refused() {
    let list = |second: &str| {
        format!(
            "package shop\ngraph: nodes: [\n\t{{id: \"a\", object: {{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"a\"}}}},\n\t{{id: \"{second}\", object: {{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"b\"}}}},\n]\n"
        )
    };
    assert_eq!(render(&list("b"), &nothing()).unwrap().form, Form::NodeList);
    let (_, code, text) = refusal(&list("a"), &nothing());
    assert_eq!(code, "render/duplicate");
    assert!(text.contains("two nodes have the id `a`"), "{text}");
}

#[test]
fn a_module_without_nodes_is_refused() {
    let (stage, code, _) = refusal("package shop\nx: 1\n", &nothing());
    assert_eq!((stage, code), (Stage::Module, "render/contract"));
    let (_, code, _) = refusal("package shop\ngraph: nodes: 3\n", &nothing());
    assert_eq!(code, "render/contract");
}

#[test]
fn more_nodes_than_the_limit_are_refused() {
    let module = format!(
        "package shop\nimport \"list\"\ngraph: nodes: {{\n\tfor i in list.Range(0, {}, 1) {{\n\t\t\"n\\(i)\": object: {{}}\n\t}}\n}}\n",
        MAX_NODES + 1
    );
    let (_, code, text) = refusal(&module, &nothing());
    assert_eq!(code, "render/limit", "{text}");
}

#[test]
fn a_field_that_stays_open_is_an_error_with_its_place() {
    let module = "package shop\ngraph: nodes: a: object: {\n\tapiVersion: \"v1\"\n\tkind: \"ConfigMap\"\n\tmetadata: name: \"a\"\n\tdata: x: string\n}\n";
    let (stage, code, text) = refusal(module, &nothing());
    assert_eq!((stage, code), (Stage::Module, "cue/incomplete"));
    assert!(text.contains("shop.cue:6"), "{text}");
}

#[test]
fn a_node_that_reads_what_is_not_there_yet_waits() {
    let module = "package shop\nobserved: [string]: {...}\ngraph: nodes: {\n\ta: object: {apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"a\"}\n\tb: object: {apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"b\", data: x: observed.a.data.x}\n}\n";
    let rendered = render(module, &nothing()).unwrap();
    assert_eq!(rendered.nodes.len(), 1);
    assert_eq!(rendered.pending[0].id.0, "b");
    assert_eq!(
        rendered.pending[0].waits_for.len(),
        1,
        "{:?}",
        rendered.pending
    );
}
