//! Waiting for an object, by watching it.

use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use pequod_api::ObjectRef;
use serde_json::Value;

use crate::access::Access;
use crate::discovery::Kind;

/// A typed access to the objects of a kind, in the target's namespace.
pub fn api_of(access: &Access, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    let client = access.client().clone();
    match namespace.filter(|_| kind.namespaced) {
        Some(namespace) => Api::namespaced_with(client, namespace, &kind.resource),
        None => Api::all_with(client, &kind.resource),
    }
}

/// Watches one object until `done` says so of what is there (`None` while it is not), or the time is over. Answers
/// what was there last, and whether `done` was reached.
pub async fn until(
    access: &Access,
    kind: &Kind,
    target: &ObjectRef,
    limit: Duration,
    mut done: impl FnMut(Option<&Value>) -> bool,
) -> (Option<Value>, bool) {
    let api = api_of(access, kind, target.namespace.as_deref());
    let mut last: Option<Value> = None;
    let watching = async {
        let stream = watcher::watch_object(api, &target.name).default_backoff();
        let mut stream = std::pin::pin!(stream.map_err(|error| tracing::debug!(%error, "watch")));
        while let Some(event) = stream.next().await {
            let Ok(found) = event else { continue };
            last = found.and_then(|object| serde_json::to_value(object).ok());
            if done(last.as_ref()) {
                return true;
            }
        }
        false
    };
    let reached = tokio::time::timeout(limit, watching).await.unwrap_or(false);
    (last, reached)
}
