//! How it stands with a Transform, and waiting until it stands otherwise.

use std::time::Duration;

use futures::StreamExt as _;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use pequod_api::Transform;

/// What a Transform's status says about a generation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ready,
    Stalled(String),
    Working(String),
}

pub(crate) fn outcome(transform: &Transform) -> Outcome {
    let generation = transform.metadata.generation;
    let Some(status) = transform
        .status
        .as_ref()
        .filter(|s| s.observed_generation == generation)
    else {
        return Outcome::Working("waiting for the controller".to_owned());
    };
    let condition = |kind: &str| status.conditions.iter().find(|c| c.type_ == kind);
    let is_true = |kind: &str| condition(kind).filter(|c| c.status == "True");
    if let Some(stalled) = is_true("Stalled") {
        return Outcome::Stalled(stalled.message.clone());
    }
    if is_true("Ready").is_some() {
        return Outcome::Ready;
    }
    let nodes = status.nodes.as_deref().unwrap_or("0/0");
    let why = condition("Ready")
        .map(|c| c.message.as_str())
        .unwrap_or_default();
    Outcome::Working(format!("{nodes} nodes ready {why}").trim_end().to_owned())
}

/// Whether nothing will happen until somebody changes something.
pub(crate) fn is_stalled(transform: &Transform) -> bool {
    matches!(outcome(transform), Outcome::Stalled(_))
}

/// Watches a Transform until `end` gives an answer, or the time is over. `None` stands for a Transform that is not
/// there.
pub(crate) async fn follow<T>(
    api: &Api<Transform>,
    name: &str,
    limit: Duration,
    mut end: impl FnMut(Option<&Transform>) -> Option<T>,
) -> Option<T> {
    let watching = async {
        let stream = watcher::watch_object(api.clone(), name).default_backoff();
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.next().await {
            let Ok(transform) = event else { continue };
            if let Some(answer) = end(transform.as_ref()) {
                return Some(answer);
            }
        }
        None
    };
    tokio::time::timeout(limit, watching).await.ok().flatten()
}
