//! `apply`: hands a Transform to the controller, and waits for it if asked to.

use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use pequod_api::{Transform, names};
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, Progress};
use pequod_diag::{Code, Diagnostic, Place};
use pequod_kube::ApiError;

use super::outcome::{Outcome, follow, outcome};
use super::vet;
use crate::cli::{ApplyArgs, DryRun};
use crate::{engine, input};

pub(crate) async fn run(kubectl: &KubectlArgs, args: ApplyArgs) -> Result<Exit, Failure> {
    let (text, mut transform) = input::read_transform(&args.file)?;
    input::agree_on_namespace(kubectl, &text.name, &transform)?;
    let cluster = kubectl.connect().await?;
    let namespace = transform
        .metadata
        .namespace
        .clone()
        .unwrap_or_else(|| cluster.namespace().to_owned());
    transform.metadata.namespace = Some(namespace.clone());
    // What only the cluster writes is not ours to send.
    transform.status = None;
    transform.metadata.managed_fields = None;
    transform.metadata.resource_version = None;

    let mut printer = Printer::new(Format::Table);
    if !check(&transform, &cluster, &text.name, &mut printer).await? {
        return Ok(Exit::No);
    }

    let name = transform.metadata.name.clone().unwrap_or_default();
    let shown = format!("transform.platform.pequod.io/{name}");
    if args.dry_run == DryRun::Client {
        printer.line(&format!("{shown} checked (client dry run)"))?;
        return Ok(Exit::Done);
    }
    let api: Api<Transform> = Api::namespaced(cluster.client().clone(), &namespace);
    let mut params = PatchParams::apply(names::CLI_FIELD_MANAGER);
    params.dry_run = args.dry_run == DryRun::Server;
    params.force = args.force_conflicts;
    let applied = api
        .patch(&name, &params, &Patch::Apply(&transform))
        .await
        .map_err(|error| refused(&namespace, &name, &error))?;
    if args.dry_run == DryRun::Server {
        printer.line(&format!("{shown} applied (server dry run)"))?;
        return Ok(Exit::Done);
    }
    printer.line(&format!("{shown} applied"))?;
    if args.wait.wait {
        return wait_ready(&api, &applied, args.wait.timeout, &mut printer).await;
    }
    Ok(Exit::Done)
}

/// What the API server has against it. A conflict is about the Transform here, not about a node of its graph.
fn refused(namespace: &str, name: &str, error: &kube::Error) -> Failure {
    let error = ApiError::new(format!("apply Transform {namespace}/{name}"), error);
    let is_conflict = matches!(error.failure, pequod_kube::Failure::FieldConflict(_));
    let mut failure = Failure::from(error);
    if is_conflict && let Some(problem) = failure.problems.0.first_mut() {
        problem.hint = Some("--force-conflicts takes the fields over".to_owned());
    }
    failure
}

/// Renders as the controller will. Answers whether nothing stands against it.
async fn check(
    transform: &Transform,
    cluster: &pequod_kube::Cluster,
    file: &str,
    printer: &mut Printer,
) -> Result<bool, Failure> {
    let prepared = input::prepared(transform, cluster, None, file).await?;
    let input::Prepared {
        module,
        program,
        context,
    } = &prepared;
    let rendered = engine::render(transform, module, program, context, None)
        .map_err(|refused| input::refused(refused, file))?;
    let problems: Vec<Diagnostic> = rendered.violations.iter().map(vet::problem).collect();
    printer.problems(&problems);
    Ok(!rendered.is_forbidden())
}

async fn wait_ready(
    api: &Api<Transform>,
    applied: &Transform,
    limit: Duration,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    let name = applied.metadata.name.clone().unwrap_or_default();
    let mut progress = Progress::start("waiting for the controller");
    let mut last = String::new();
    let ended = follow(api, &name, limit, |transform| {
        let Some(transform) = transform else {
            return Some(Outcome::Stalled("it was deleted".into()));
        };
        // A watch may begin with what was there before.
        if transform.metadata.generation < applied.metadata.generation {
            return None;
        }
        match outcome(transform) {
            Outcome::Working(words) => {
                progress.say(&words);
                last = words;
                None
            }
            ended => Some(ended),
        }
    })
    .await;
    drop(progress);
    let place = Place::Path {
        document: format!("Transform {name}"),
        path: String::new(),
    };
    match ended {
        Some(Outcome::Ready) => {
            printer.say("ready");
            Ok(Exit::Done)
        }
        Some(Outcome::Stalled(why) | Outcome::Working(why)) => {
            printer.problem(&Diagnostic::error(Code("transform/stalled"), why).at(place));
            Ok(Exit::No)
        }
        None => {
            let what = format!("not ready after {} seconds: {last}", limit.as_secs());
            printer.problem(
                &Diagnostic::error(Code("transform/timeout"), what)
                    .at(place)
                    .hint(format!("kubectl transform status {name}")),
            );
            Ok(Exit::No)
        }
    }
}
