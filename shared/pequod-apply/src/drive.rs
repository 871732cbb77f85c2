//! The loop around the executor: which graph is looked at, and when.
//!
//! A graph is looked at when it is changed (its own status does not count), when one of its objects does, and when the
//! executor asked for it. One graph is never looked at twice at once, and what happens meanwhile is looked at after.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Predicate as _, PredicateConfig, WatchStreamExt as _, predicates, watcher};
use kube::{Api, Client, ResourceExt as _};
use pequod_api::ResourceGraph;
use pequod_kube::retry::Backoff;
use tokio_util::sync::CancellationToken;

use crate::execute::{Executor, Next, ReconcileError};
use crate::ownership::Owner;

/// Only metadata is watched: graphs are big, and the executor reads the one that it works on.
type Seen = PartialObjectMeta<ResourceGraph>;

/// How long the things that happen to a graph are gathered before it is looked at.
const GATHER: Duration = Duration::from_millis(20);

struct Context {
    executor: Executor,
    failures: Mutex<HashMap<Owner, u32>>,
}

/// Runs until stopped; passes that are under way are finished. Of one namespace or of all, `concurrency` graphs are
/// worked on at once.
pub async fn run(
    client: Client,
    namespace: Option<&str>,
    executor: Executor,
    concurrency: u16,
    stop: CancellationToken,
) {
    let api: Api<Seen> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let (reader, writer) = reflector::store();
    let changed = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer)
        .applied_objects()
        .predicate_filter(
            predicates::generation
                .combine(predicates::annotations)
                .combine(predicates::finalizers),
            PredicateConfig::default(),
        );
    let woken = executor
        .woken()
        .map(|owner| ObjectRef::new(&owner.name).within(&owner.namespace));
    let context = Arc::new(Context {
        executor,
        failures: Mutex::default(),
    });
    Controller::for_stream(changed, reader)
        .with_config(Config::default().concurrency(concurrency).debounce(GATHER))
        .reconcile_on(woken)
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(look, after_failure, context)
        .for_each(|outcome| async move {
            // A graph that is gone by now is no failure; the others were told where they happened.
            if let Err(error) = outcome {
                tracing::debug!(%error, "a pass ended");
            }
        })
        .await;
}

fn owner_of(graph: &Seen) -> Owner {
    Owner {
        namespace: graph.namespace().unwrap_or_default(),
        name: graph.name_any(),
    }
}

async fn look(graph: Arc<Seen>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let owner = owner_of(&graph);
    let next = context.executor.reconcile(&owner).await?;
    context
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(&owner);
    Ok(match next {
        Next::Event | Next::Gone => Action::await_change(),
        Next::Within(time) => Action::requeue(time),
    })
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that the controller asks for"
)]
fn after_failure(graph: Arc<Seen>, error: &ReconcileError, context: Arc<Context>) -> Action {
    let owner = owner_of(&graph);
    let mut failures = context
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let count = failures.entry(owner.clone()).or_default();
    *count = count.saturating_add(1);
    let pause = Backoff::default().pause(*count, owner.name.len() as u64);
    tracing::warn!(graph = %owner, error = %chain(error), ?pause, "a pass failed");
    Action::requeue(pause)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
