//! What a rendering is named after.

use pequod_render::{Context, MAX_INPUT_BYTES, Stage};
use serde_json::json;

use super::{context, nothing, refusal, render, render_in};

const MODULE: &str = "package shop\n#Input: {a: int, b: *\"x\" | string, c: [string]: int}\ninput: #Input\ncontext: {name: string, ...}\ngraph: nodes: n: object: {apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: context.name, data: {a: \"\\(input.a)\", for k, v in input.c {\"\\(k)\": \"\\(v)\"}}}\n";

#[test]
fn the_order_of_the_input_never_shows() {
    let one = render(MODULE, &json!({"a": 1, "c": {"x": 1, "y": 2}})).unwrap();
    let two = render(MODULE, &json!({"c": {"y": 2, "x": 1}, "a": 1})).unwrap();
    assert_eq!(one, two);
    assert_eq!(
        one.nodes[0].object.to_string(),
        two.nodes[0].object.to_string()
    );
}

#[test]
fn only_the_context_that_was_read_counts() {
    let first = render(MODULE, &json!({"a": 1})).unwrap();
    assert_eq!(first.context_read.keys().collect::<Vec<_>>(), ["name"]);
    let other = Context {
        labels: [("x".into(), "y".into())].into(),
        ..context()
    };
    assert_eq!(
        render_in(MODULE, &json!({"a": 1}), &other).unwrap().digest,
        first.digest
    );
    let renamed = Context {
        name: "other".into(),
        ..context()
    };
    assert_ne!(
        render_in(MODULE, &json!({"a": 1}), &renamed)
            .unwrap()
            .digest,
        first.digest
    );
    assert_ne!(
        render(MODULE, &json!({"a": 2})).unwrap().digest,
        first.digest
    );
}

#[test]
fn a_wrong_input_is_the_writers() {
    for (input, wanted) in [
        (json!({"a": "1"}), "spec.input.a"),
        (json!({"a": 1, "z": 1}), "spec.input.z"),
        (json!({}), "spec.input.a"),
        (json!([1]), "not an object"),
    ] {
        let (stage, _, text) = refusal(MODULE, &input);
        assert_eq!(stage, Stage::Input, "{input}: {text}");
        assert!(text.contains(wanted), "{input}: {text}");
    }
}

#[test]
fn an_input_over_its_limit_is_refused() {
    let (stage, code, text) = refusal(MODULE, &json!({"b": "x".repeat(MAX_INPUT_BYTES)}));
    assert_eq!((stage, code), (Stage::Input, "render/limit"));
    assert!(text.contains("spec.input"), "{text}");
}

#[test]
fn outputs_are_given_as_far_as_they_are_known() {
    let module = format!("{MODULE}outputs: {{url: \"http://\\(context.name)\", later: string}}\n");
    let rendered = render(&module, &json!({"a": 1})).unwrap();
    assert_eq!(json!(rendered.outputs), json!({"url": "http://shop"}));
}

#[test]
fn an_error_anywhere_in_the_module_is_an_error() {
    let (stage, code, text) = refusal("package shop\ngraph: nodes: {}\nx: 1 & 2\n", &nothing());
    assert_eq!((stage, code), (Stage::Module, "cue/conflict"));
    assert!(text.contains("shop.cue:3"), "{text}");
}

#[test]
fn a_text_that_is_no_cue_is_named_with_line_and_column() {
    let (stage, code, text) = refusal("package shop\ngraph: nodes: {\n\ta: ]\n}\n", &nothing());
    assert_eq!((stage, code), (Stage::Module, "cue/syntax"));
    assert!(text.starts_with("shop.cue:3:5"), "{text}");
}
