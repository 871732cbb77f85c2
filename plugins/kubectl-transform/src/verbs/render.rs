//! `render`: what would be applied.

use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, to_json, to_yaml};
use pequod_render::Rendered;
use serde_json::{Value, json};

use super::masked;
use crate::cli::{RenderArgs, RenderFormat};
use crate::{engine, input};

pub(crate) async fn run(kubectl: &KubectlArgs, args: RenderArgs) -> Result<Exit, Failure> {
    let source = input::source(kubectl, &args.source).await?;
    let mut printer = Printer::new(Format::Yaml);
    if args.output == RenderFormat::Value {
        let text = engine::exported_nodes(
            &source.transform,
            &source.module,
            &source.program,
            &source.context,
        )
        .map_err(|refused| input::refused(refused, &source.name))?;
        printer.line(text.trim_end())?;
        return Ok(Exit::Done);
    }
    let rendered = engine::render(
        &source.transform,
        &source.module,
        &source.program,
        &source.context,
        None,
    )
    .map_err(|refused| input::refused(refused, &source.name))?;
    for violation in &rendered.violations {
        printer.problem(&super::vet::problem(violation));
    }
    printer.data(&print(&rendered, args.output, args.show_secrets)?)?;
    Ok(Exit::Done)
}

fn print(rendered: &Rendered, form: RenderFormat, show_secrets: bool) -> Result<String, Failure> {
    let objects = rendered.nodes.iter().map(|node| {
        if show_secrets {
            node.object.clone()
        } else {
            masked::object(&node.object)
        }
    });
    match form {
        RenderFormat::Json => {
            let items: Vec<Value> = objects.collect();
            to_json(&json!({ "apiVersion": "v1", "kind": "List", "items": items }))
        }
        RenderFormat::Name => {
            let names: Vec<_> = rendered
                .nodes
                .iter()
                .map(|node| node.spec.target.to_string())
                .collect();
            Ok(names.join(
                "
",
            ) + "
")
        }
        RenderFormat::Yaml | RenderFormat::Value => {
            let mut text = String::new();
            for object in objects {
                text.push_str("---\n");
                text.push_str(&to_yaml(&object)?);
            }
            Ok(text)
        }
    }
}
