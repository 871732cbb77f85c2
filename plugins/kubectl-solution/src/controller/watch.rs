//! Watching, and what is kept of what is seen.
//!
//! Of a member not the object is kept but what its Solution says of it: a few hundred bytes. Two watches a kind
//! bring them: of objects with the label of a Solution, and of objects of a Transform. The API server does the
//! choosing.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use pequod_api::names::{LABEL_SOLUTION, LABEL_TRANSFORM};
use pequod_kube::status::{self, Status};
use pequod_policy::intent_digest;
use pequod_policy::stamp::{Claim, Keys};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::kinds::Kind;

/// Why an object is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reason {
    /// It has the label of a Solution.
    Label,
    /// It has the labels of a Transform.
    Transform,
}

impl Reason {
    pub(super) const ALL: [Self; 2] = [Self::Label, Self::Transform];

    const fn selector(self) -> &'static str {
        match self {
            Self::Label => LABEL_SOLUTION,
            Self::Transform => LABEL_TRANSFORM,
        }
    }
}

/// Which object: versions of one group name the same object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// What is kept of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) api_version: String,
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    pub(super) health: Status,
    pub(super) message: String,
    /// The digest of what is asked for, whoever asked.
    pub(super) intent: String,
    /// Who is proven to have asked for it.
    pub(super) claim: Option<Claim>,
    /// The Solution that its label names.
    pub(super) solution: Option<String>,
}

/// What proves a stamp.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) keys: Keys,
    pub(super) cluster: Arc<str>,
}

/// What a watch reports.
#[derive(Debug)]
pub(super) enum Report<T> {
    /// A list begins.
    Begin,
    /// It is, or changed; in a list or later.
    Is(T),
    /// The list is complete.
    Complete,
    /// It is no more.
    Gone(T),
    /// Watching does not work at present.
    Broken,
}

/// A report about objects of a kind, with the number of the watch that made it.
pub(super) type ObjectReport = (u64, Kind, Reason, Report<(Key, Option<Seen>)>);

/// Reports a kind of objects until `stop`. The receiver must keep up; the channel is bounded.
pub(super) async fn objects(
    client: Client,
    (number, kind, reason): (u64, Kind, Reason),
    proof: Proof,
    out: mpsc::Sender<ObjectReport>,
    stop: CancellationToken,
) {
    let api: Api<DynamicObject> = Api::all_with(client, &kind.resource);
    let config = watcher::Config::default().labels(reason.selector());
    let read = |object: DynamicObject| read(object, &kind, &proof);
    let wrap = |report| (number, kind.clone(), reason, report);
    follow(api, config, stop, read, wrap, out).await;
}

/// Reports typed objects until `stop`.
pub(super) async fn typed<K, T, E>(
    api: Api<K>,
    read: impl Fn(K) -> T,
    wrap: impl Fn(Report<T>) -> E,
    out: mpsc::Sender<E>,
    stop: CancellationToken,
) where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    follow(api, watcher::Config::default(), stop, read, wrap, out).await;
}

async fn follow<K, T, E>(
    api: Api<K>,
    config: watcher::Config,
    stop: CancellationToken,
    read: impl Fn(K) -> T,
    wrap: impl Fn(Report<T>) -> E,
    out: mpsc::Sender<E>,
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let url = api.resource_url().to_owned();
    let mut stream = pin!(watcher(api, config).default_backoff());
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = stream.next() => event,
        };
        let report = match event {
            Some(Ok(watcher::Event::Init)) => Report::Begin,
            Some(Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object))) => {
                Report::Is(read(object))
            }
            Some(Ok(watcher::Event::InitDone)) => Report::Complete,
            Some(Ok(watcher::Event::Delete(object))) => Report::Gone(read(object)),
            Some(Err(error)) => {
                warn!(%error, url, "watch");
                Report::Broken
            }
            None => return,
        };
        if out.send(wrap(report)).await.is_err() {
            return;
        }
    }
}

/// `None` beside the key: it is there, but no member: a controller made it for another object.
fn read(object: DynamicObject, kind: &Kind, proof: &Proof) -> (Key, Option<Seen>) {
    let metadata = &object.metadata;
    let key = Key {
        group: kind.resource.group.clone(),
        kind: kind.resource.kind.clone(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    };
    if metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| owner.controller == Some(true))
    {
        return (key, None);
    }
    let uid = metadata.uid.clone().unwrap_or_default();
    let generation = metadata.generation;
    let solution = metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(LABEL_SOLUTION))
        .cloned();
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        // Items of a list leave out what the list says.
        fields.insert(
            "apiVersion".to_owned(),
            kind.resource.api_version.clone().into(),
        );
        fields.insert("kind".to_owned(), kind.resource.kind.clone().into());
    }
    let verdict = status::of(Some(&value));
    let seen = Seen {
        api_version: kind.resource.api_version.clone(),
        uid,
        generation,
        health: verdict.status,
        message: verdict.message,
        intent: intent_digest(&value),
        claim: proof.keys.verify(&proof.cluster, &value),
        solution,
    };
    (key, Some(seen))
}
