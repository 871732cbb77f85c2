//! One kind of a cluster: read once, then watched, and read again whenever the thread is lost.
//!
//! | state | leaves it by |
//! | --- | --- |
//! | listing | the whole collection was read: what the store has beyond it is deleted → watching |
//! | listing | an error: kept as it was, after a pause → listing |
//! | watching | the server ends the watch: from the last resource version, if that succeeds at once → watching |
//! | watching | 410, or an error: → listing |
//! | any | the kind left, or the agent ends |
//!
//! Nothing is deleted on an unfinished list. Where the server can, the list is a stream (`sendInitialEvents`), which
//! costs neither side a copy of the whole collection; else it comes in pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::lag::Watched;
use super::raw::{self, RawError, TABLE};
use super::{Known, Options, now};
use crate::freshness::Phase;
use crate::observe::{self, Served};
use crate::query::glob;
use crate::record::Record;
use crate::store::Change;

/// What the tasks of an agent tell its writer.
pub(super) enum Event {
    /// Something has to be written.
    Changed(Change),
    /// A kind's state. Everything it sent before counts with it.
    State(String, Phase, u64, String),
    /// These kinds are being read now.
    Begun(Vec<String>),
    /// A kind and its objects are gone.
    Left(String, Vec<Uuid>),
    /// The definitions changed: which kinds there are is not known for certain until they were discovered again.
    Unsettled(u64),
    /// Groups that do not answer, after this change of the definitions.
    Undiscovered(Vec<String>, u64),
    /// What the API server answered lets everything up to this moment be known, but for what watches always lag.
    Heard(i64),
    /// A task ended that should not have: nothing about its kind can be said any more.
    Broken(String),
}

/// The task of one kind.
pub(super) struct KindTask {
    pub(super) client: kube::Client,
    pub(super) options: Arc<Options>,
    pub(super) served: Served,
    pub(super) known: Known,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) listing: Arc<Semaphore>,
    pub(super) rediscover: Arc<Rediscover>,
    pub(super) watched: Watched,
}

/// Asks for a discovery, and says what for.
#[derive(Default)]
pub(super) struct Rediscover {
    /// Wakes who discovers.
    pub(super) wake: Notify,
    /// Counts the changes of the definitions.
    pub(super) changes: AtomicU64,
}

/// Why the reading of a kind was interrupted.
enum Lost {
    /// The server's word or silence.
    Server(RawError),
    /// The writer is gone: the agent ends.
    Writer,
}

impl From<RawError> for Lost {
    fn from(error: RawError) -> Self {
        Self::Server(error)
    }
}

/// How long a server lets a watch live.
const WATCH_SECONDS: u64 = 280;
/// How long a watch may be silent. A server sends a bookmark about once a minute, so a longer silence is a connection
/// that died without a word; asking again from the last resource version costs next to nothing.
const SILENCE: Duration = Duration::from_secs(75);
/// For how long there may be no watch before what is claimed ends.
const BLIND: Duration = Duration::from_millis(500);
/// How many objects a page has.
const PAGE: usize = 500;

impl KindTask {
    /// Runs until `stop`; gives back what it knows of the store.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Known {
        let mut stream = true;
        let mut failures = 0u32;
        loop {
            let read = self.read(&mut stream, &mut failures);
            let lost = tokio::select! {
                () = stop.cancelled() => return self.known,
                lost = read => lost,
            };
            let error = match lost {
                Lost::Writer => return self.known,
                Lost::Server(error) => error,
            };
            let expired = error.is_expired();
            failures += u32::from(!expired);
            tracing::debug!(kind = %self.served.full_name(), %error, "lost the thread");
            // Whatever happens from here on is not seen: no reader may be told otherwise, not even for a second.
            let phase = match error.code() {
                Some(403) => Phase::Forbidden,
                _ if failures > 1 => Phase::Unreachable,
                _ => Phase::Listing,
            };
            if self.say(phase, error.to_string()).await.is_err() {
                return self.known;
            }
            if error.code() == Some(404) {
                self.rediscover.wake.notify_one();
            }
            let pause = error
                .retry_after()
                .unwrap_or_else(|| pause(self.options.patience, failures, expired));
            tokio::select! {
                () = stop.cancelled() => return self.known,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn say(&self, phase: Phase, problem: String) -> Result<(), Lost> {
        let objects = self.known.len() as u64;
        let state = Event::State(
            self.served.full_name(),
            phase,
            objects,
            crate::record::cut(&problem, 256),
        );
        self.events.send(state).await.map_err(|_| Lost::Writer)
    }

    /// Lists and watches until something breaks.
    async fn read(&mut self, stream: &mut bool, failures: &mut u32) -> Lost {
        match self.try_read(stream, failures).await {
            Ok(never) => match never {},
            Err(lost) => lost,
        }
    }

    async fn try_read(
        &mut self,
        stream: &mut bool,
        failures: &mut u32,
    ) -> Result<std::convert::Infallible, Lost> {
        let permit = self
            .listing
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Lost::Writer)?;
        let mut version = if *stream {
            match self.list_stream().await {
                Err(Lost::Server(error)) if matches!(error.code(), Some(400 | 422)) => {
                    // The server, or the one behind it, does not know how to.
                    *stream = false;
                    self.list_pages().await?
                }
                other => other?,
            }
        } else {
            self.list_pages().await?
        };
        drop(permit);
        self.options.metrics.lists.inc();
        *failures = 0;
        self.say(Phase::Watching, String::new()).await?;
        loop {
            self.watch(&mut version).await?;
        }
    }

    fn address(&self, parameters: &str) -> String {
        let include = if self.served.metadata_only() {
            "Metadata"
        } else {
            "Object"
        };
        let mut path = format!(
            "{}?includeObject={include}&{parameters}",
            self.served.path()
        );
        if let Some(selector) = &self.options.selector {
            path.push_str("&labelSelector=");
            path.extend(selector.bytes().map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            }));
        }
        path
    }

    /// Reads the whole collection as a stream; its resource version.
    async fn list_stream(&mut self) -> Result<String, Lost> {
        let path = self.address(
            "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=600",
        );
        let mut lines = raw::lines(&self.client, &path, TABLE).await?;
        let mut seen = FxHashSet::default();
        let mut columns = Vec::new();
        while let Some(event) = lines.next(Duration::from_mins(1)).await? {
            let (what, rows) = open(&event, &mut columns);
            match what {
                "ADDED" | "MODIFIED" => {
                    for (object, cells) in rows {
                        self.present(object, observe::columns(&columns, cells), Some(&mut seen))
                            .await?;
                    }
                }
                // An object may leave while the others are still being sent.
                "DELETED" => {
                    for (object, _) in rows {
                        if let Some(id) = self.absent(object).await? {
                            seen.remove(&id);
                        }
                    }
                }
                "BOOKMARK" => {
                    for (object, _) in rows {
                        let end =
                            object.pointer("/metadata/annotations/k8s.io~1initial-events-end");
                        if end.and_then(Value::as_str) == Some("true") {
                            self.sweep(&seen).await?;
                            return Ok(resource_version(object));
                        }
                    }
                }
                _ => return Err(problem(&path, &event).into()),
            }
        }
        Err(RawError::Connection {
            path,
            why: "the list broke off".to_owned(),
        }
        .into())
    }

    /// Reads the whole collection in pages; its resource version.
    async fn list_pages(&mut self) -> Result<String, Lost> {
        let mut seen = FxHashSet::default();
        let mut next = String::new();
        let mut columns = Vec::new();
        loop {
            let path = self.address(&format!("limit={PAGE}{next}"));
            let page = raw::get(&self.client, &path, TABLE).await?;
            if let Some(definitions) = page.get("columnDefinitions").and_then(Value::as_array) {
                columns.clone_from(definitions);
            }
            for (object, cells) in rows(&page) {
                self.present(object, observe::columns(&columns, cells), Some(&mut seen))
                    .await?;
            }
            match page.pointer("/metadata/continue").and_then(Value::as_str) {
                Some(more) if !more.is_empty() => next = format!("&continue={more}"),
                _ => {
                    self.sweep(&seen).await?;
                    return Ok(resource_version(&page));
                }
            }
        }
    }

    /// Watches from a resource version on until the server ends it.
    async fn watch(&mut self, version: &mut String) -> Result<(), Lost> {
        let path = self.address(&format!(
            "watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}"
        ));
        // Between two watches nothing is seen. What comes to more than a moment ends what is claimed: it is read anew,
        // since the end of a list is marked, and the end of what a watch makes good is not.
        let blind = |why: &str| RawError::Connection {
            path: path.split('?').next().unwrap_or(&path).to_owned(),
            why: why.to_owned(),
        };
        let answer = raw::lines(&self.client, &path, TABLE);
        let Ok(answer) = tokio::time::timeout(BLIND, answer).await else {
            return Err(blind("the next watch did not begin at once").into());
        };
        let mut lines = answer?;
        let mut columns = Vec::new();
        let began = tokio::time::Instant::now();
        while let Some(event) = lines.next(SILENCE).await? {
            let (what, rows) = open(&event, &mut columns);
            for (object, cells) in rows {
                match what {
                    "ADDED" | "MODIFIED" => {
                        self.watched.saw(object, now());
                        self.present(object, observe::columns(&columns, cells), None)
                            .await?;
                    }
                    "DELETED" => {
                        self.absent(object).await?;
                    }
                    "BOOKMARK" => {}
                    _ => return Err(problem(&path, &event).into()),
                }
                let newer = resource_version(object);
                if !newer.is_empty() {
                    *version = newer;
                }
            }
            if what == "ERROR" {
                return Err(problem(&path, &event).into());
            }
        }
        // A server that ends every watch at once must not be asked in a circle.
        if began.elapsed() < Duration::from_secs(1) {
            return Err(blind("the watch ended as soon as it had begun").into());
        }
        Ok(())
    }

    fn concerns(&self, record: &Record) -> bool {
        let namespace = &record.identity.namespace;
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| glob(pattern, namespace));
        namespace.is_empty()
            || (!fits(&self.options.exclude_namespaces)
                && (self.options.namespaces.is_empty() || fits(&self.options.namespaces)))
    }

    async fn present(
        &mut self,
        object: &Value,
        columns: Vec<(String, String)>,
        seen: Option<&mut FxHashSet<Uuid>>,
    ) -> Result<(), Lost> {
        let Some(record) =
            observe::record(&self.options.cluster, &self.served, object, columns, now())
        else {
            return Ok(());
        };
        if !self.concerns(&record) {
            return Ok(());
        }
        let id = record.identity.point();
        if let Some(seen) = seen {
            seen.insert(id);
        }
        let visible = record.visible();
        if self.known.insert(id, visible) == Some(visible) {
            self.options.metrics.unseen.inc();
            return Ok(());
        }
        self.settle().await?;
        self.send(Change::Put(Box::new(record))).await
    }

    async fn absent(&mut self, object: &Value) -> Result<Option<Uuid>, Lost> {
        let Some(record) =
            observe::record(&self.options.cluster, &self.served, object, Vec::new(), 0)
        else {
            return Ok(None);
        };
        let id = record.identity.point();
        if self.known.contains_key(&id) {
            self.settle().await?;
            // Known until it is said: a kind may leave at any moment, and its objects with what is known of them.
            self.send(Change::Delete(id)).await?;
            self.known.remove(&id);
        }
        Ok(Some(id))
    }

    /// The whole collection was read: what was not in it is gone.
    async fn sweep(&mut self, seen: &FxHashSet<Uuid>) -> Result<(), Lost> {
        let gone: Vec<Uuid> = self
            .known
            .keys()
            .filter(|id| !seen.contains(*id))
            .copied()
            .collect();
        for id in gone {
            self.send(Change::Delete(id)).await?;
            self.known.remove(&id);
        }
        // What a storm left behind is given back.
        if self.known.capacity() > 4 * self.known.len().max(64) {
            self.known = self.known.drain().collect::<FxHashMap<_, _>>();
        }
        Ok(())
    }

    /// Something about the definitions changed: there may be kinds that nobody watches yet.
    async fn settle(&self) -> Result<(), Lost> {
        if !matches!(
            self.served.kind.as_str(),
            "CustomResourceDefinition" | "APIService"
        ) {
            return Ok(());
        }
        let change = self.rediscover.changes.fetch_add(1, Ordering::SeqCst) + 1;
        let said = self.events.send(Event::Unsettled(change)).await;
        self.rediscover.wake.notify_one();
        said.map_err(|_| Lost::Writer)
    }

    async fn send(&self, change: Change) -> Result<(), Lost> {
        self.events
            .send(Event::Changed(change))
            .await
            .map_err(|_| Lost::Writer)
    }
}

/// Type and rows of a watch event; the columns if it brings them.
fn open<'a>(
    event: &'a Value,
    columns: &mut Vec<Value>,
) -> (&'a str, Vec<(&'a Value, &'a [Value])>) {
    let what = event.get("type").and_then(Value::as_str).unwrap_or("ERROR");
    let Some(object) = event.get("object") else {
        return ("ERROR", Vec::new());
    };
    if what == "ERROR" {
        return (what, Vec::new());
    }
    if let Some(definitions) = object.get("columnDefinitions").and_then(Value::as_array)
        && !definitions.is_empty()
    {
        columns.clone_from(definitions);
    }
    (what, rows(object))
}

/// The objects of a table, a list or a single object, with their cells.
fn rows(answer: &Value) -> Vec<(&Value, &[Value])> {
    if let Some(rows) = answer.get("rows").and_then(Value::as_array) {
        return rows
            .iter()
            .filter_map(|row| {
                let cells = row
                    .get("cells")
                    .and_then(Value::as_array)
                    .map_or(&[][..], Vec::as_slice);
                Some((row.get("object")?, cells))
            })
            .collect();
    }
    if let Some(items) = answer.get("items").and_then(Value::as_array) {
        return items.iter().map(|item| (item, &[][..])).collect();
    }
    if answer.get("kind").and_then(Value::as_str) == Some("Table") {
        Vec::new()
    } else {
        vec![(answer, &[])]
    }
}

fn resource_version(object: &Value) -> String {
    object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The problem of an ERROR event.
fn problem(path: &str, event: &Value) -> RawError {
    let code = event
        .pointer("/object/code")
        .and_then(Value::as_u64)
        .and_then(|code| u16::try_from(code).ok());
    let message = event
        .pointer("/object/message")
        .and_then(Value::as_str)
        .unwrap_or("an unknown event");
    RawError::Status {
        path: path.split('?').next().unwrap_or(path).to_owned(),
        code: code.unwrap_or(500),
        message: message.to_owned(),
        retry_after_seconds: None,
    }
}

/// How long to wait after so many failures in a row: 1, 2, 4 … 60 times the patience, half of it by chance, so that the
/// watchers of a cluster that comes back do not all come at once.
fn pause(patience: Duration, failures: u32, expired: bool) -> Duration {
    let whole = if expired {
        patience / 5
    } else {
        patience * 2u32.pow(failures.saturating_sub(1).min(6)).min(60)
    };
    let chance = u32::from(Uuid::new_v4().as_bytes()[0]);
    whole / 2 + whole * chance / 512
}
