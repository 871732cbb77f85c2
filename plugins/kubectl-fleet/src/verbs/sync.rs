//! `sync` and `agent`: reading clusters.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt as _};
use kube::config::Kubeconfig;
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer};
use pequod_diag::{Code, Diagnostic};
use pequod_kube::lease::LeaderElection;
use pequod_server::Health;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use super::{open, operations};
use crate::agent::{self, AgentError, Options, Summary};
use crate::cli::{AgentArgs, ScopeArgs, StoreArgs, SyncArgs};
use crate::metrics::Metrics;

fn options(cluster: &str, scope: &ScopeArgs) -> Result<Options, Failure> {
    if !(0.0..=3600.0).contains(&scope.window_seconds) {
        let message = format!(
            "--window-seconds {} is not between 0 and 3600",
            scope.window_seconds
        );
        return Err(Failure::input(Diagnostic::error(
            Code("fleet/usage"),
            message,
        )));
    }
    Ok(Options {
        batch_window: Duration::from_secs_f64(scope.window_seconds),
        batch_size: scope.batch_size.clamp(1, 10_000),
        include: scope.include_kinds.clone(),
        exclude: scope.exclude_kinds.clone(),
        namespaces: scope.include_namespaces.clone(),
        exclude_namespaces: scope.exclude_namespaces.clone(),
        selector: scope.selector.clone(),
        take_over: scope.take_over,
        queue: scope.queue.clamp(1, 1_000_000),
        spool: scope.spool.clone(),
        spool_bytes: scope.spool_mib << 20,
        ..Options::new(cluster)
    })
}

/// Ends on SIGINT and SIGTERM, in order.
pub(super) fn shutdown() -> Result<CancellationToken, Failure> {
    pequod_server::process::shutdown_on_signal().map_err(|error| {
        Failure::input(
            Diagnostic::error(Code("fleet/signal"), "signals cannot be waited for")
                .caused_by(&error),
        )
    })
}

fn problem(error: &AgentError) -> Diagnostic {
    let problem = Diagnostic::error(Code("fleet/agent"), error.to_string());
    let problem = match std::error::Error::source(error) {
        Some(cause) => problem.caused_by(cause),
        None => problem,
    };
    match error {
        AgentError::Taken { .. } => {
            problem.hint("stop the other one, choose another id, or pass --take-over")
        }
        AgentError::OtherCluster { .. } => {
            problem.hint("choose another id, or forget the old cluster with `kubectl fleet leave`")
        }
        _ => problem,
    }
}

pub(super) async fn sync(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &SyncArgs,
) -> Result<Exit, Failure> {
    let contexts = contexts(kubectl, args)?;
    let opened = open(store).await?;
    let recorded = opened.recorded(args.history_days)?;
    let serving = opened.share().await;
    let stop = shutdown()?;
    let mut printer = Printer::new(Format::Table);
    let mut running = FuturesUnordered::new();
    for context in contexts {
        let mut flags = kubectl.clone();
        flags.context = Some(context.clone());
        let options = options(&context, &args.scope)?;
        let options = Options {
            context: context.clone(),
            once: !args.watch,
            // Each agent has its own.
            spool: options.spool.as_ref().map(|spool| spool.join(&context)),
            ..options
        };
        let (store, stop) = (recorded.clone(), stop.clone());
        running.push(async move {
            let outcome = match flags.connect().await {
                Ok(cluster) => agent::run(cluster.client().clone(), store, options, stop)
                    .await
                    .map_err(|error| Failure::remote(problem(&error))),
                Err(failure) => Err(failure),
            };
            (context, outcome)
        });
    }
    if args.watch {
        printer.say("following; other terminals can ask meanwhile; end with Ctrl-C");
    }
    let mut exit = Exit::Done;
    while let Some((context, outcome)) = running.next().await {
        match outcome {
            Ok(summary) => printer.say(&told(&context, &summary)),
            // One cluster that cannot be read does not keep the others from being read.
            Err(failure) => {
                printer.say(&format!("{context}:"));
                printer.problems(&failure.problems);
                exit = exit.max(failure.exit);
            }
        }
    }
    drop(running);
    drop(serving);
    Ok(exit)
}

fn told(context: &str, summary: &Summary) -> String {
    let state = &summary.state;
    let objects: u64 = state.kinds.values().map(|kind| kind.objects).sum();
    let judged = state.judge(state.heartbeat_at, None);
    let word = if judged.complete {
        "complete"
    } else {
        "incomplete"
    };
    let mut text = format!(
        "{context}: {objects} objects of {} kinds, {} written, {word}",
        state.kinds.len(),
        summary.written
    );
    for problem in judged.problems.iter().take(5) {
        text.extend(["\n  ", problem]);
    }
    text
}

/// The contexts that are meant.
fn contexts(kubectl: &KubectlArgs, args: &SyncArgs) -> Result<Vec<String>, Failure> {
    let unreadable = |error: kube::config::KubeconfigError| {
        Failure::input(
            Diagnostic::error(Code("fleet/kubeconfig"), "the kubeconfig cannot be read")
                .caused_by(&error),
        )
    };
    let kubeconfig = match &kubectl.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    }
    .map_err(unreadable)?;
    let known: Vec<&String> = kubeconfig
        .contexts
        .iter()
        .map(|context| &context.name)
        .collect();
    if args.all_contexts {
        return Ok(known.into_iter().cloned().collect());
    }
    let mut wanted = args.contexts.clone();
    if wanted.is_empty() {
        wanted.extend(
            kubectl
                .context
                .clone()
                .or(kubeconfig.current_context.clone())
                .filter(|it| !it.is_empty()),
        );
    }
    if wanted.is_empty() {
        let problem = Diagnostic::error(
            Code("fleet/context"),
            "no context is named, and none is the current one",
        );
        return Err(Failure::input(
            problem.hint("name some, or pass --all-contexts"),
        ));
    }
    wanted.dedup();
    match wanted.iter().find(|context| !known.contains(context)) {
        Some(unknown) => {
            let problem = Diagnostic::error(
                Code("fleet/context"),
                format!("the kubeconfig has no context `{unknown}`"),
            );
            let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            Err(Failure::input(
                problem.hint(format!("it has {}", names.join(", "))),
            ))
        }
        None => Ok(wanted),
    }
}

pub(super) async fn agent(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &AgentArgs,
) -> Result<Exit, Failure> {
    pequod_server::process::log(
        pequod_server::process::LogFormat::Json,
        &std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()),
    );
    let mut registry = Registry::default();
    let options = Options {
        cluster_secret_ref: args.cluster_secret_ref.clone(),
        metrics: Metrics::register(&mut registry),
        ..options(&args.cluster_id, &args.scope)?
    };
    let stop = shutdown()?;
    let health = Health::new();
    let check = health.check("store");
    let probes =
        operations::serve(args.health.health_address, health, registry, stop.clone()).await?;
    // A store that is not there yet is waited for: an agent may well start before it.
    let opened = loop {
        match open(store).await {
            Ok(opened) => break opened,
            Err(failure) if failure.exit == Exit::Remote => {
                tracing::warn!(problem = %failure.problems.0.first().map_or("", |it| it.message.as_str()), "waiting for the store");
                tokio::select! {
                    () = stop.cancelled() => return Ok(Exit::Done),
                    () = tokio::time::sleep(Duration::from_secs(5)) => {}
                }
            }
            Err(failure) => return Err(failure),
        }
    };
    check.ready();
    let _serving = opened.share().await;
    let cluster = kubectl.connect().await?;
    let client = cluster.client().clone();
    let read = async |stop: CancellationToken| {
        agent::run(
            client.clone(),
            Arc::clone(&opened.store),
            options.clone(),
            stop,
        )
        .await
        .map(|_| Exit::Done)
        .map_err(|error| Failure::remote(problem(&error)))
    };
    let outcome = match &args.lease_namespace {
        None => read(stop.clone()).await,
        Some(namespace) => {
            let name = format!("pequod-fleet-agent-{}", args.cluster_id);
            let election = LeaderElection::new(namespace, &name, &args.identity);
            let mut outcome = Ok(Exit::Done);
            while let Some(leadership) = election.acquire(client.clone(), &stop).await {
                // Whoever loses the lease stops; whoever is told to end gives it back.
                let lost = leadership.lost().child_token();
                let ends = {
                    let (lost, stop) = (lost.clone(), stop.clone());
                    tokio::spawn(async move {
                        stop.cancelled().await;
                        lost.cancel();
                    })
                };
                outcome = read(lost).await;
                ends.abort();
                leadership.release().await;
                if outcome.is_err() {
                    break;
                }
            }
            outcome
        }
    };
    stop.cancel();
    // How the probes ended says nothing about the work.
    let _ = probes.await;
    outcome
}
