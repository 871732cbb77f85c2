//! What was known at a moment in the past: an append log of changes beside the embedded store.
//!
//! A file a day, of lines of JSON. Whoever begins to record writes a checkpoint first (every object there is), and so
//! does a new day, so that each file can be read by itself and the oldest can be removed. A state at a moment is the last
//! checkpoint before it with the changes since. Changes that were made while nobody recorded are in the next checkpoint,
//! at its time.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Answer, Capability, Change, Found, Note, Page, Store, StoreError, Stored};
use crate::freshness::ClusterState;
use crate::query::{Field, Query};
use crate::record::Record;

/// The folder inside the store's.
pub const FOLDER: &str = "history";

/// A line of the log.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// Forget everything: so many objects follow, and that is all there is at this moment.
    Checkpoint { at: i64, objects: u64 },
    /// A change at a moment, in milliseconds since 1970.
    Change { at: i64, change: Change },
}

/// The file of a moment.
fn name(at_milliseconds: i64) -> String {
    let day = Timestamp::from_millisecond(at_milliseconds).unwrap_or_default();
    format!("{}.jsonl", day.strftime("%Y-%m-%d"))
}

/// A store whose changes are written down.
pub struct Recorded {
    inner: Arc<dyn Store>,
    folder: PathBuf,
    days: usize,
    /// The file that is written to; none before the first change, and when a checkpoint is due.
    current: Mutex<Option<(String, File)>>,
}

impl Recorded {
    /// Keeps the changes of a store in a folder, for so many days.
    pub fn new(inner: Arc<dyn Store>, folder: PathBuf, days: usize) -> Self {
        Self {
            inner,
            folder,
            days: days.max(1),
            current: Mutex::default(),
        }
    }

    async fn write(&self, changes: &[Change]) -> Stored<()> {
        let failed = |error: io::Error| StoreError::Unavailable {
            at: self.folder.display().to_string(),
            why: error.to_string(),
            retry_after_seconds: None,
        };
        let mut current = self.current.lock().await;
        let now = Timestamp::now().as_millisecond();
        let wanted = name(now);
        let mut file = match current.take() {
            Some((open, file)) if open == wanted => file,
            _ => {
                let objects = super::all(&*self.inner, &Query::default(), 0).await?;
                self.begin(&wanted, now, &objects).map_err(failed)?
            }
        };
        let mut text = Vec::new();
        for change in changes {
            let line = Line::Change {
                at: now,
                change: change.clone(),
            };
            append(&mut text, &line).map_err(failed)?;
        }
        // Without the file there is no log: the next change begins with a checkpoint.
        file.write_all(&text).map_err(failed)?;
        *current = Some((wanted, file));
        Ok(())
    }

    fn begin(&self, wanted: &str, now: i64, objects: &[Record]) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(wanted);
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let mut text = Vec::new();
        // A line that was cut off by a crash stays one of its own.
        text.push(b'\n');
        let count = objects.len() as u64;
        append(
            &mut text,
            &Line::Checkpoint {
                at: now,
                objects: count,
            },
        )?;
        for record in objects {
            let change = Change::Put(Box::new(record.clone()));
            append(&mut text, &Line::Change { at: now, change })?;
        }
        file.write_all(&text)?;
        let files = files(&self.folder)?;
        for old in files.iter().take(files.len().saturating_sub(self.days)) {
            fs::remove_file(old)?;
        }
        Ok(file)
    }
}

fn append(text: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    serde_json::to_writer(&mut *text, line)?;
    text.push(b'\n');
    Ok(())
}

/// The files of a log, the oldest first.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Since when something is known, in milliseconds since 1970.
pub fn begun(folder: &Path) -> io::Result<Option<i64>> {
    for path in files(folder)? {
        for line in BufReader::new(File::open(&path)?).lines() {
            if let Ok(Line::Checkpoint { at, .. }) = serde_json::from_str(&line?) {
                return Ok(Some(at));
            }
        }
    }
    Ok(None)
}

/// The objects at a moment, in milliseconds since 1970; none if the log does not reach so far back.
pub fn at(folder: &Path, moment: i64) -> io::Result<Option<BTreeMap<Uuid, Record>>> {
    let last = name(moment);
    let mut known: Option<BTreeMap<Uuid, Record>> = None;
    // A checkpoint that was cut off by a crash says nothing: how many of its objects are still missing.
    let mut begun: Option<(BTreeMap<Uuid, Record>, u64)> = None;
    for path in files(folder)? {
        if path.file_name().is_some_and(|it| *it > *last) {
            break;
        }
        for line in BufReader::new(File::open(&path)?).lines() {
            // A line that cannot be read was cut off; a checkpoint follows it.
            let Ok(line) = serde_json::from_str::<Line>(&line?) else {
                continue;
            };
            match line {
                Line::Checkpoint { at, .. } | Line::Change { at, .. } if at > moment => break,
                Line::Checkpoint { objects, .. } => {
                    begun = Some((BTreeMap::new(), objects));
                }
                Line::Change { change, .. } => match (&mut begun, &mut known) {
                    (Some((objects, missing)), _) => {
                        put(objects, change);
                        *missing = missing.saturating_sub(1);
                    }
                    (None, Some(objects)) => put(objects, change),
                    (None, None) => {}
                },
            }
            if begun.as_ref().is_some_and(|(_, missing)| *missing == 0) {
                known = begun.take().map(|(objects, _)| objects);
            }
        }
    }
    Ok(known)
}

/// What one object was.
#[derive(Debug, Default)]
pub struct Past {
    /// Its readable id.
    pub id: String,
    /// Its states, the oldest first, each with the moment from which on it held, in milliseconds since 1970; none is its
    /// absence.
    pub states: Vec<(i64, Option<Record>)>,
    /// Whether it is asked for.
    wanted: bool,
}

impl Past {
    fn say(&mut self, at: i64, record: Option<&Record>, most: usize) {
        let last = self
            .states
            .last()
            .map(|(_, it)| it.as_ref().map(Record::visible));
        if last.unwrap_or_default() == record.map(Record::visible) {
            return;
        }
        if let Some(record) = record {
            self.id.clone_from(&record.id);
        }
        self.states.push((at, record.cloned()));
        if self.states.len() > most {
            self.states.remove(0);
        }
    }
}

/// The last states, at most so many each, of every object that was as is asked for in any of its states; by id.
pub fn past(folder: &Path, most: usize, wanted: impl Fn(&Record) -> bool) -> io::Result<Vec<Past>> {
    let most = most.max(1);
    let mut known: BTreeMap<Uuid, Past> = BTreeMap::new();
    // What a checkpoint has not is gone; one that was cut off says nothing.
    let mut begun: Option<(i64, u64, BTreeMap<Uuid, Record>)> = None;
    for path in files(folder)? {
        for line in BufReader::new(File::open(&path)?).lines() {
            let Ok(line) = serde_json::from_str::<Line>(&line?) else {
                continue;
            };
            match (line, &mut begun) {
                (Line::Checkpoint { at, objects }, _) => {
                    begun = Some((at, objects, BTreeMap::new()));
                }
                (Line::Change { change, .. }, Some((_, missing, objects))) => {
                    put(objects, change);
                    *missing = missing.saturating_sub(1);
                }
                (Line::Change { at, change }, None) => match change {
                    Change::Put(record) => {
                        let past = known.entry(record.identity.point()).or_default();
                        past.wanted |= wanted(&record);
                        past.say(at, Some(&record), most);
                    }
                    Change::Delete(id) => known.entry(id).or_default().say(at, None, most),
                },
            }
            if begun.as_ref().is_some_and(|(_, missing, _)| *missing == 0)
                && let Some((at, _, objects)) = begun.take()
            {
                for (id, past) in &mut known {
                    if !objects.contains_key(id) {
                        past.say(at, None, most);
                    }
                }
                for (id, record) in &objects {
                    let past = known.entry(*id).or_default();
                    past.wanted |= wanted(record);
                    past.say(at, Some(record), most);
                }
            }
        }
    }
    let mut known: Vec<Past> = known.into_values().filter(|past| past.wanted).collect();
    known.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(known)
}

fn put(objects: &mut BTreeMap<Uuid, Record>, change: Change) {
    match change {
        Change::Put(record) => {
            objects.insert(record.identity.point(), *record);
        }
        Change::Delete(id) => {
            objects.remove(&id);
        }
    }
}

impl Store for Recorded {
    fn apply<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Stored<()>> {
        Box::pin(async move {
            // First the log: a change that is in the store and not in it would be missing for good; one that is in it
            // twice, because the store was away, says the same twice.
            self.write(changes).await?;
            self.inner.apply(changes).await
        })
    }

    fn list<'a>(&'a self, query: &'a Query, now: i64, page: Page) -> BoxFuture<'a, Stored<Answer>> {
        self.inner.list(query, now, page)
    }

    fn search<'a>(
        &'a self,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Found>> {
        self.inner.search(query, now, limit)
    }

    fn grasp<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<usize>> {
        self.inner.grasp(cluster)
    }

    fn count<'a>(&'a self, query: &'a Query, now: i64) -> BoxFuture<'a, Stored<u64>> {
        self.inner.count(query, now)
    }

    fn facet<'a>(
        &'a self,
        field: Field,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Vec<(String, u64)>>> {
        self.inner.facet(field, query, now, limit)
    }

    fn clusters(&self) -> BoxFuture<'_, Stored<Vec<ClusterState>>> {
        self.inner.clusters()
    }

    fn put_cluster<'a>(&'a self, state: &'a ClusterState) -> BoxFuture<'a, Stored<()>> {
        Box::pin(async move {
            // An agent's first word, before it changes anything: what is known begins here, also if nothing changes.
            self.write(&[]).await?;
            self.inner.put_cluster(state).await
        })
    }

    fn capabilities(&self) -> BoxFuture<'_, Stored<Vec<Capability>>> {
        self.inner.capabilities()
    }

    fn put_capabilities<'a>(
        &'a self,
        cluster: &'a str,
        kinds: &'a [Capability],
    ) -> BoxFuture<'a, Stored<()>> {
        self.inner.put_capabilities(cluster, kinds)
    }

    fn forget<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<()>> {
        Box::pin(async move {
            // What is left is said by the next checkpoint.
            *self.current.lock().await = None;
            self.inner.forget(cluster).await
        })
    }

    fn put_note<'a>(&'a self, note: &'a Note) -> BoxFuture<'a, Stored<()>> {
        self.inner.put_note(note)
    }

    fn notes<'a>(&'a self, what: &'a str, cluster: &'a str) -> BoxFuture<'a, Stored<Vec<Note>>> {
        self.inner.notes(what, cluster)
    }

    fn delete_notes<'a>(
        &'a self,
        what: &'a str,
        cluster: &'a str,
        ids: &'a [String],
    ) -> BoxFuture<'a, Stored<()>> {
        self.inner.delete_notes(what, cluster, ids)
    }

    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        self.inner.flush()
    }
}
