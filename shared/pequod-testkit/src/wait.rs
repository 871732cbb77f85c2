//! Waiting for an object by watch.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How long [`until`] waits: long enough for a busy machine, short enough for a test that hangs.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until the object of that name satisfies the condition (called with `None` when it is not there), and gives it
/// back as it was then.
///
/// Panics after [`PATIENCE`], with what was waited for and the object as it was last seen.
#[track_caller]
pub fn until<K>(
    api: &Api<K>,
    name: &str,
    what: &str,
    condition: impl FnMut(Option<&K>) -> bool,
) -> impl Future<Output = Option<K>>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + 'static,
    K::DynamicType: Default,
{
    within(PATIENCE, api, name, what, condition)
}

/// Like [`until`], with a patience of one's own.
#[track_caller]
pub fn within<K>(
    patience: Duration,
    api: &Api<K>,
    name: &str,
    what: &str,
    mut condition: impl FnMut(Option<&K>) -> bool,
) -> impl Future<Output = Option<K>>
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned + Send + 'static,
{
    let caller = std::panic::Location::caller();
    async move {
        let mut changes = Box::pin(watcher::watch_object(api.clone(), name));
        let (mut last, mut trouble) = (None, None);
        let wait = async {
            while let Some(change) = changes.next().await {
                match change {
                    Ok(object) if condition(object.as_ref()) => return object,
                    Ok(object) => last = object,
                    Err(error) => trouble = Some(error.to_string()),
                }
            }
            None
        };
        let Ok(object) = tokio::time::timeout(patience, wait).await else {
            let seen = last.map_or_else(
                || "it is not there".to_owned(),
                |object| serde_json::to_string_pretty(&object).unwrap_or_default(),
            );
            let trouble = trouble
                .map(|error| format!("\nthe watch failed: {error}"))
                .unwrap_or_default();
            panic!(
                "{caller}: after {patience:?} `{name}` still not: {what}{trouble}\nlast seen: {seen}"
            );
        };
        object
    }
}
