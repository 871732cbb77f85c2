//! `vet`: whether a Transform would render, and what its policies say.

use pequod_api::transform::{Violation, ViolationSeverity};
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer};
use pequod_diag::{Code, Diagnostic, Place};

use crate::cli::VetArgs;
use crate::{engine, input};

pub(crate) async fn run(kubectl: &KubectlArgs, args: VetArgs) -> Result<Exit, Failure> {
    let source = input::source(kubectl, &args.source).await?;
    let rendered = engine::render(
        &source.transform,
        &source.module,
        &source.program,
        &source.context,
        None,
    )
    .map_err(|refused| input::refused(refused, &source.name))?;
    let mut printer = Printer::new(Format::Table);
    let problems: Vec<Diagnostic> = rendered.violations.iter().map(problem).collect();
    printer.problems(&problems);
    if rendered.is_forbidden() {
        return Ok(Exit::No);
    }
    printer.say(&format!(
        "{}: {} nodes, {} outputs, module {}",
        source.name,
        rendered.nodes.len(),
        rendered.outputs.len(),
        source.module.digest
    ));
    Ok(Exit::Done)
}

/// A violation as every other problem is shown.
pub(crate) fn problem(violation: &Violation) -> Diagnostic {
    let place = Place::Path {
        document: match &violation.node {
            Some(node) => format!("node `{node}`"),
            None => "spec.input".to_owned(),
        },
        path: violation.path.clone(),
    };
    let message = format!("policy `{}`: {}", violation.policy, violation.message);
    let code = Code("policy/violation");
    match violation.severity {
        ViolationSeverity::Error => Diagnostic::error(code, message),
        ViolationSeverity::Warning => Diagnostic::warning(code, message),
    }
    .at(place)
}
