//! From a Transform to a rendered graph: the one way there, for the command line and the controller.

use std::time::{Duration, Instant};

use pequod_api::Transform;
use pequod_cue::{Budget, Program};
use pequod_diag::{Diagnostic, Place};
use pequod_modules::Module;
use pequod_render::{Context, Refused, Rendered, Request, Stage, codes};
use serde_json::Value;

/// Renders a Transform. `deadline` is a front's own patience beyond the budget of the evaluation, which is the same
/// for all.
pub fn render(
    transform: &Transform,
    module: &Module,
    program: &Program,
    context: &Context,
    deadline: Option<Duration>,
) -> Result<Rendered, Refused> {
    let late = Instant::now();
    let stop = move || deadline.is_some_and(|deadline| late.elapsed() > deadline);
    let rendered = pequod_render::render(&request(
        transform,
        module,
        program,
        context,
        Budget {
            stop: Some(&stop),
            ..Budget::default()
        },
    ))?;
    if let Some(pending) = rendered.pending.first() {
        let what = format!(
            "node `{}` reads `{}`: values of live objects are not supported yet",
            pending.id,
            pending.waits_for.join("`, `")
        );
        let place = Place::Path {
            document: String::new(),
            path: format!("graph.nodes.{}", pending.id),
        };
        let problem = Diagnostic::error(codes::UNSUPPORTED, what)
            .at(place)
            .hint("order the nodes with dependsOn, and pass what the node needs by name");
        return Err(Refused {
            stage: Stage::Module,
            problems: problem.into(),
        });
    }
    Ok(rendered)
}

/// `graph.nodes` as the module says it.
pub fn exported_nodes(
    transform: &Transform,
    module: &Module,
    program: &Program,
    context: &Context,
) -> Result<String, Refused> {
    pequod_render::exported_nodes(&request(
        transform,
        module,
        program,
        context,
        Budget::default(),
    ))
}

/// A module that does not compile, as a refusal.
pub fn unusable(problems: pequod_diag::Diagnostics) -> Refused {
    Refused {
        stage: Stage::Module,
        problems,
    }
}

fn request<'a>(
    transform: &'a Transform,
    module: &'a Module,
    program: &'a Program,
    context: &'a Context,
    budget: Budget<'a>,
) -> Request<'a> {
    Request {
        program,
        module_digest: &module.digest,
        input: transform.spec.input.as_ref().unwrap_or(&Value::Null),
        context,
        observed: &Value::Null,
        budget,
    }
}
