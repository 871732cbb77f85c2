//! `plan`: what applying a Transform would change.

use std::fmt::Write as _;

use kube::Api;
use pequod_api::{ResourceGraph, Transform};
use pequod_apply::ownership::Owner;
use pequod_apply::{Action, NodeChange, Plan};
use pequod_cli::{Exit, Failure, KubectlArgs, Paint, Printer};
use pequod_diag::Diagnostic;
use pequod_kube::{Access, Cluster};
use pequod_modules::Module;
use serde::Serialize;

use super::vet;
use crate::cli::PlanArgs;
use crate::controller::transform::plan_of;
use crate::graphs::opened;
use crate::{engine, input};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    violations: &'a [pequod_api::transform::Violation],
}

pub(crate) async fn run(kubectl: &KubectlArgs, args: PlanArgs) -> Result<Exit, Failure> {
    let (text, transform) = input::read_transform(&args.file)?;
    input::agree_on_namespace(kubectl, &text.name, &transform)?;
    let cluster = kubectl.connect().await?;
    let module = match &args.module {
        Some(folder) => Some(Module::from_directory(folder).map_err(Failure::input)?),
        None => None,
    };
    let prepared = input::prepared(&transform, &cluster, module, &text.name).await?;
    let rendered = engine::render(
        &transform,
        &prepared.module,
        &prepared.program,
        &prepared.context,
        None,
    )
    .map_err(|refused| input::refused(refused, &text.name))?;
    let owner = Owner {
        namespace: prepared.context.namespace.clone(),
        name: prepared.context.name.clone(),
    };
    let graph = existing(&cluster, &owner).await?;
    let access = access(&cluster, &owner, &transform, args.as_me)?;
    let plan = plan_of(&access, &owner, &rendered, graph.as_ref()).await?;

    let mut printer = Printer::new(args.output.output);
    let problems: Vec<Diagnostic> = rendered.violations.iter().map(vet::problem).collect();
    printer.problems(&problems);
    let shown = Shown {
        plan: &plan,
        violations: &rendered.violations,
    };
    printer.one(
        &shown,
        |shown| shown.plan.digest.clone(),
        |shown, printer| people(shown.plan, printer),
    )?;
    if plan.is_refused() {
        return Ok(Exit::Remote);
    }
    Ok(
        if plan.has_differences() || !rendered.violations.is_empty() {
            Exit::No
        } else {
            Exit::Done
        },
    )
}

/// With the rights that the controller would use. Who may not impersonate sees what their own rights show.
fn access(
    cluster: &Cluster,
    owner: &Owner,
    transform: &Transform,
    as_me: bool,
) -> Result<Access, Failure> {
    if as_me {
        return Ok(cluster.access());
    }
    cluster
        .as_service_account(&owner.namespace, &transform.spec.service_account_name)
        .map_err(|error| Failure::remote(error.to_diagnostic()))
}

async fn existing(cluster: &Cluster, owner: &Owner) -> Result<Option<ResourceGraph>, Failure> {
    let api: Api<ResourceGraph> = Api::namespaced(cluster.client().clone(), &owner.namespace);
    api.get_opt(&owner.name)
        .await
        .map(|found| found.map(opened))
        .map_err(|error| Failure::api(format!("get ResourceGraph {owner}"), &error))
}

fn people(plan: &Plan, printer: &Printer) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        line(&mut text, change, printer);
    }
    let count = |action| plan.count(action);
    let _ = writeln!(
        text,
        "Plan: {} to create, {} to change, {} to delete, {} to adopt, {} unchanged",
        count(Action::Create),
        count(Action::Change),
        count(Action::Delete),
        count(Action::Adopt),
        count(Action::None) + count(Action::Observe),
    );
    for (action, what) in [
        (Action::Orphan, "to let go"),
        (Action::Conflict, "in conflict with other field managers"),
        (Action::Refused, "refused"),
        (Action::Unknown, "not known yet"),
    ] {
        if count(action) > 0 {
            let _ = writeln!(text, "      {} {what}", count(action));
        }
    }
    let _ = writeln!(text, "Digest: {}", plan.digest);
    text
}

fn line(text: &mut String, change: &NodeChange, printer: &Printer) {
    let (sign, word, paint) = match change.action {
        Action::Create => ("+", "create", Paint::Good),
        Action::Change => ("~", "change", Paint::Attention),
        Action::Adopt => ("=", "adopt", Paint::Attention),
        Action::Delete => ("-", "delete", Paint::Bad),
        Action::Orphan => ("o", "let go", Paint::Attention),
        Action::Conflict => ("!", "conflict", Paint::Bad),
        Action::Refused => ("!", "refused", Paint::Bad),
        Action::Unknown => ("?", "unknown", Paint::Attention),
        Action::Observe => (" ", "observe", Paint::Faint),
        Action::None => (" ", "unchanged", Paint::Faint),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} {} {} (node {})",
        printer.paint(paint, sign),
        printer.paint(paint, word),
        change.target,
        change.node
    );
    for field in &change.fields {
        let show = |value: &Option<serde_json::Value>| {
            value
                .as_ref()
                .map_or_else(|| "(none)".to_owned(), ToString::to_string)
        };
        let _ = match (&field.old, &field.new) {
            (None, Some(new)) => writeln!(text, "    {}: {new}", field.path),
            (Some(_), None) => writeln!(text, "    {}: removed", field.path),
            (old, new) => writeln!(text, "    {}: {} → {}", field.path, show(old), show(new)),
        };
    }
    for conflict in &change.conflicts {
        let _ = writeln!(text, "    {conflict}");
    }
    if let Some(message) = &change.message {
        let _ = writeln!(text, "    {}", message.replace('\n', "\n    "));
    }
}
