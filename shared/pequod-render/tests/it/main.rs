//! The module contract, rule by rule.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_push_string,
    reason = "tests: what fails here fails the test"
)]

mod digests;
mod nodes;
mod objects;
mod policies;
mod samples;

use pequod_cue::{Budget, Package, Program};
use pequod_render::{Context, Refused, Rendered, Request, Stage};
use serde_json::{Value, json};

/// What is rendered when a test says nothing else.
fn context() -> Context {
    Context {
        name: "shop".into(),
        namespace: "team".into(),
        ..Context::default()
    }
}

fn render_in(module: &str, input: &Value, context: &Context) -> Result<Rendered, Refused> {
    let program =
        Program::compile(&Package::of("shop.cue", module)).map_err(|problems| Refused {
            stage: Stage::Module,
            problems,
        })?;
    pequod_render::render(&Request {
        program: &program,
        module_digest: "sha256:module",
        input,
        context,
        observed: &Value::Null,
        budget: Budget::default(),
    })
}

fn render(module: &str, input: &Value) -> Result<Rendered, Refused> {
    render_in(module, input, &context())
}

/// Why a module is refused: stage, code, text, place.
#[track_caller]
fn refusal(module: &str, input: &Value) -> (Stage, &'static str, String) {
    match render(module, input) {
        Ok(rendered) => panic!("was rendered to {} nodes", rendered.nodes.len()),
        Err(Refused { stage, problems }) => {
            let first = problems.iter().next().expect("a refusal has a reason");
            (stage, first.code.0, problems.to_string())
        }
    }
}

/// A module of ConfigMaps with the given further fields of each node.
fn config_maps(nodes: &[(&str, &str)]) -> String {
    let mut text = "package shop\ngraph: nodes: {\n".to_owned();
    for (id, more) in nodes {
        text.push_str(&format!(
            "\t\"{id}\": {{\n\t\tobject: {{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: \"{id}\"}}\n\t\t{more}\n\t}}\n"
        ));
    }
    text + "}\n"
}

fn nothing() -> Value {
    json!({})
}
