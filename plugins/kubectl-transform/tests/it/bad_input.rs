//! Bad input: exit code 2, and an error that names file, line and column or the path. No cluster is asked.

use super::{inline, offline};

const NODE: &str = r#"object: {apiVersion: "v1", kind: "ConfigMap", metadata: name: "a"}"#;

#[track_caller]
fn refused(text: &str, wanted: &[&str]) {
    for verb in ["vet", "render"] {
        let output = offline(&[verb, "-"], text).expect_code(2);
        assert_eq!(output.stdout, "", "{verb}");
        for wanted in wanted {
            assert!(
                output.stderr.contains(wanted),
                "{verb}: {wanted:?} in\n{}",
                output.stderr
            );
        }
    }
}

#[test]
fn malformed_yaml() {
    refused("a: [1\nb: 2\n", &["error[input/yaml]", "<stdin>:"]);
}

#[test]
fn unknown_fields() {
    let text = inline("package t", "{}").replace("  input:", "  inputs:");
    refused(&text, &["<stdin>:9:3", "inputs"]);
}

#[test]
fn a_text_that_is_no_cue() {
    refused(
        &inline("package t\na: ]", "{}"),
        &["error[cue/syntax]", "inline.cue:2:4"],
    );
}

#[test]
fn a_cyclic_order() {
    let module = format!(
        "package t\ngraph: nodes: {{\n\ta: {{{NODE}, dependsOn: [\"b\"]}}\n\tb: {{object: {{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"b\"}}, dependsOn: [\"a\"]}}\n}}"
    );
    refused(
        &inline(&module, "{}"),
        &["error[render/order]", "a → b → a", "inline.cue:"],
    );
}

#[test]
fn two_nodes_with_one_id_in_a_list() {
    let module = format!("package t\ngraph: nodes: [{{id: \"a\", {NODE}}}, {{id: \"a\", {NODE}}}]");
    refused(
        &inline(&module, "{}"),
        &["error[render/duplicate]", "two nodes have the id `a`"],
    );
}

#[test]
fn two_nodes_with_one_object() {
    let module = format!("package t\ngraph: nodes: {{\n\ta: {NODE}\n\tb: {NODE}\n}}");
    refused(
        &inline(&module, "{}"),
        &[
            "error[render/duplicate]",
            "ConfigMap default/a",
            "inline.cue:4",
        ],
    );
}

#[test]
fn a_missing_kind() {
    let module = "package t\ngraph: nodes: a: object: {apiVersion: \"v1\", metadata: name: \"a\"}";
    refused(
        &inline(module, "{}"),
        &["error[render/object]", "no `kind`", "inline.cue:2"],
    );
}

#[test]
fn an_input_over_its_limit() {
    let input = format!("{{x: {}}}", "y".repeat(600_000));
    refused(
        &inline("package t\ninput: {...}\ngraph: nodes: {}", &input),
        &["error[render/limit]", "spec.input"],
    );
}

#[test]
fn a_module_over_its_limit() {
    let module = format!("package t // {}", "x".repeat(17 << 20));
    refused(&inline(&module, "{}"), &["error[module/limit]"]);
}

#[test]
fn a_wrong_input_names_its_path() {
    let module = "package t\n#Input: replicas: int\ninput: #Input\ngraph: nodes: {}";
    refused(
        &inline(module, "{replicas: many}"),
        &["spec.input.replicas"],
    );
    refused(&inline(module, "{replica: 1}"), &["spec.input.replica"]);
}

#[test]
fn a_violation_is_an_answer_and_no_error_of_the_input() {
    let file = super::sample("transform-with-policy-violation.yaml");
    let output = offline(&["vet", file.to_str().unwrap()], "").expect_code(1);
    assert!(
        output.stderr.contains("policy `pinned-image`"),
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains("spec.template.spec.containers"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_closed_pipe_ends_in_silence() {
    let plugin = env!("CARGO_BIN_EXE_kubectl-transform");
    let script = format!("set -o pipefail; {plugin} modules webservice | head -1");
    let mut shell = std::process::Command::new("bash");
    let output = pequod_testkit::run(shell.args(["-c", &script]), "").unwrap();
    assert_eq!(output.stderr, "");
    output.success();
}
