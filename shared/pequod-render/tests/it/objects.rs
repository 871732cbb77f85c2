//! Objects: what they must have, and what they are given.

use pequod_api::names::{ANNOTATION_NODE, LABEL_TRANSFORM, LABEL_TRANSFORM_NAMESPACE};
use pequod_render::{Cluster, Context, Scope, Stage};
use serde_json::{Value, json};

use super::{context, nothing, refusal, render, render_in};

fn module(objects: &[&str]) -> String {
    let mut text = "package shop\ngraph: nodes: {\n".to_owned();
    for (index, object) in objects.iter().enumerate() {
        text.push_str(&format!("\tn{index}: object: {object}\n"));
    }
    text + "}\n"
}

fn object(text: &str) -> Value {
    render(&module(&[text]), &nothing()).unwrap().nodes[0]
        .object
        .clone()
}

#[test]
fn an_object_is_given_a_namespace_and_the_marks_of_its_transform() {
    let object =
        object(r#"{apiVersion: "v1", kind: "ConfigMap", metadata: {name: "a", labels: x: "y"}}"#);
    assert_eq!(
        object["metadata"],
        json!({
            "name": "a", "namespace": "team",
            "labels": {"x": "y", LABEL_TRANSFORM: "shop", LABEL_TRANSFORM_NAMESPACE: "team"},
            "annotations": {ANNOTATION_NODE: "n0"}
        })
    );
}

#[test]
fn another_namespace_is_kept() {
    let object =
        object(r#"{apiVersion: "v1", kind: "ConfigMap", metadata: {name: "a", namespace: "b"}}"#);
    assert_eq!(object["metadata"]["namespace"], "b");
}

#[test]
fn a_cluster_scoped_kind_is_given_none() {
    let role = object(
        r#"{apiVersion: "rbac.authorization.k8s.io/v1", kind: "ClusterRole", metadata: name: "a"}"#,
    );
    assert_eq!(role["metadata"].get("namespace"), None);
    let (_, code, _) = refusal(
        &module(&[
            r#"{apiVersion: "v1", kind: "Namespace", metadata: {name: "a", namespace: "b"}}"#,
        ]),
        &nothing(),
    );
    assert_eq!(code, "render/object");
}

#[test]
fn the_scope_of_a_custom_kind_comes_from_the_cluster_and_counts_as_read() {
    let text = module(&[r#"{apiVersion: "x.io/v1", kind: "Thing", metadata: name: "a"}"#]);
    let unknown = render(&text, &nothing()).unwrap();
    assert_eq!(unknown.nodes[0].object["metadata"]["namespace"], "team");
    assert_eq!(
        unknown.context_read.get("cluster.kinds.x.io/v1/Thing"),
        Some(&Value::Null)
    );

    let kinds = [("x.io/v1/Thing".to_owned(), Scope::Cluster)].into();
    let known = Context {
        cluster: Cluster {
            kinds,
            ..Cluster::default()
        },
        ..context()
    };
    let rendered = render_in(&text, &nothing(), &known).unwrap();
    assert_eq!(rendered.nodes[0].object["metadata"].get("namespace"), None);
    assert_ne!(rendered.digest, unknown.digest);
}

#[test]
fn the_scope_of_a_kind_that_the_graph_itself_brings_is_known() {
    let text = module(&[
        r#"{apiVersion: "x.io/v1", kind: "Thing", metadata: name: "a"}"#,
        r#"{apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", metadata: name: "things.x.io",
		spec: {group: "x.io", scope: "Cluster", names: {kind: "Thing", plural: "things"}}}"#,
    ]);
    let rendered = render(&text, &nothing()).unwrap();
    assert_eq!(rendered.nodes[0].object["metadata"].get("namespace"), None);
    assert!(
        rendered.context_read.is_empty(),
        "{:?}",
        rendered.context_read
    );
}

#[test]
fn what_every_object_has_is_asked_for() {
    for (object, wanted) in [
        (
            r#"{kind: "ConfigMap", metadata: name: "a"}"#,
            "no `apiVersion`",
        ),
        (r#"{apiVersion: "v1", metadata: name: "a"}"#, "no `kind`"),
        (
            r#"{apiVersion: "v1", kind: "", metadata: name: "a"}"#,
            "empty `kind`",
        ),
        (
            r#"{apiVersion: "v1", kind: "ConfigMap"}"#,
            "no `metadata.name`",
        ),
        (
            r#"{apiVersion: "v1", kind: "ConfigMap", metadata: {}}"#,
            "no `metadata.name`",
        ),
        (
            r#"{apiVersion: "v1", kind: "ConfigMap", metadata: generateName: "a-"}"#,
            "generateName",
        ),
        (
            r#"{apiVersion: "v1", kind: "ConfigMap", metadata: name: 1}"#,
            "no text",
        ),
        (
            r#"{apiVersion: "v1", kind: "ConfigMapList", items: []}"#,
            "is a ConfigMapList",
        ),
        ("3", "no struct"),
    ] {
        let (stage, code, text) = refusal(&module(&[object]), &nothing());
        assert_eq!(
            (stage, code),
            (Stage::Module, "render/object"),
            "{object}: {text}"
        );
        assert!(text.contains(wanted), "{object}: {text}");
        assert!(text.starts_with("shop.cue:3"), "{object}: {text}");
    }
}

#[test]
fn two_nodes_with_one_object_are_refused_even_in_two_versions() {
    let (_, code, text) = refusal(
        &module(&[
            r#"{apiVersion: "apps/v1", kind: "Deployment", metadata: name: "a"}"#,
            r#"{apiVersion: "apps/v1beta1", kind: "Deployment", metadata: {name: "a", namespace: "team"}}"#,
        ]),
        &nothing(),
    );
    assert_eq!(code, "render/duplicate");
    assert!(
        text.contains("nodes `n0` and `n1` are both Deployment team/a"),
        "{text}"
    );
}

#[test]
fn what_is_only_looked_at_is_left_as_it_is() {
    let text = "package shop\ngraph: nodes: a: {object: {apiVersion: \"v1\", kind: \"Secret\", metadata: name: \"s\"}, apply: mode: \"Observe\"}\n";
    let rendered = render(text, &nothing()).unwrap();
    assert_eq!(
        rendered.nodes[0].object["metadata"],
        json!({"name": "s", "namespace": "team"})
    );
}

#[test]
fn a_name_that_no_label_can_hold_is_refused() {
    let long = Context {
        name: "a".repeat(64),
        ..context()
    };
    let refused = render_in(&module(&[]), &nothing(), &long).unwrap_err();
    assert_eq!(refused.stage, Stage::Input);
}
