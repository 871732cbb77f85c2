//! Where records live: one trait, several stores, the same answers from each.
//!
//! All stores hold the same points in Qdrant's model: an id, a payload whose filter keys are indexed before the first
//! point, and a sparse vector of words. What differs is only how they are reached: [`embedded`] runs Qdrant's engine in
//! this process over one directory, [`qdrant`] talks to a server, [`shared`] to another process of ours that holds the
//! directory open. [`history`] writes down what changes. Filters are translated once, in [`wire`], to the JSON that engine
//! and server both read.

pub mod embedded;
pub mod history;
pub mod points;
pub mod qdrant;
pub mod shared;
pub mod wire;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::freshness::ClusterState;
use crate::meaning::ModelError;
use crate::observe::Served;
use crate::query::{Field, Query};
use crate::record::Record;

/// The version of what is stored. A store of another version is filled anew under another name, then swapped in.
pub const SCHEMA: u32 = 1;

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreError {
    /// It cannot be reached, or is overloaded: the same request may work later.
    #[error("the store at {at} does not answer: {why}")]
    Unavailable {
        /// Where it should be.
        at: String,
        /// What happened.
        why: String,
        /// How long it asked to be left alone, in seconds.
        retry_after_seconds: Option<u64>,
    },
    /// It understood and said no.
    #[error("the store refused: {0}")]
    Refused(String),
    /// What it holds is not what was expected.
    #[error("the store holds something unexpected: {0}")]
    Corrupt(String),
    /// Another process has it open.
    #[error("the store in {0} is open in another process")]
    Busy(String),
}

impl StoreError {
    /// Whether the same request may work later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Busy(_))
    }
}

impl From<ModelError> for StoreError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Unavailable { at, why } => Self::Unavailable {
                at,
                why,
                retry_after_seconds: None,
            },
            ModelError::Refused(_) => Self::Refused(error.to_string()),
            ModelError::Unexpected(_) => Self::Corrupt(error.to_string()),
        }
    }
}

/// What a store answers.
pub type Stored<T> = Result<T, StoreError>;

/// One change, in the order in which it has to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// The object is now so.
    Put(Box<Record>),
    /// The object is gone.
    Delete(Uuid),
}

/// Which part of an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// At most so many.
    pub limit: usize,
    /// Go on after this id.
    pub after: Option<Uuid>,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The records.
    pub records: Vec<Record>,
    /// Where the next part begins; none at the end.
    pub next: Option<Uuid>,
}

/// A kind that some cluster serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// The cluster.
    pub cluster: String,
    /// The kind.
    #[serde(flatten)]
    pub served: Served,
    /// What its definition says it is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// A message between a hub and an agent that reach each other only through the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// [`Note::QUESTION`] or [`Note::REPLY`].
    pub what: String,
    /// The cluster that is asked.
    pub cluster: String,
    /// Which question; an answer has its question's.
    pub id: String,
    /// When it was written, seconds since 1970.
    pub at: i64,
    /// What it says.
    pub body: serde_json::Value,
}

impl Note {
    /// From a hub to an agent.
    pub const QUESTION: &'static str = "question";
    /// From an agent to a hub.
    pub const REPLY: &'static str = "reply";
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found {
    /// The records, best first, with their scores.
    pub records: Vec<(f32, Record)>,
    /// Why only words were searched although meaning was to be, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_words: Option<String>,
}

/// A place for records. `now` is in seconds since 1970.
pub trait Store: Send + Sync {
    /// Does the changes in their order; when it answers, they are there for every reader.
    fn apply<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Stored<()>>;

    /// Records that match the query's terms, in the order of their ids.
    fn list<'a>(&'a self, query: &'a Query, now: i64, page: Page) -> BoxFuture<'a, Stored<Answer>>;

    /// The records that fit the query's words best among those that match its terms. Where the store has a model, what
    /// is near in meaning counts as well.
    fn search<'a>(
        &'a self,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Found>>;

    /// Gives some of a cluster's objects that have none yet the vector of their meaning; how many were looked at, 0 when
    /// there is nothing left to do. A store without a model has nothing to do.
    fn grasp<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<usize>>;

    /// How many records match.
    fn count<'a>(&'a self, query: &'a Query, now: i64) -> BoxFuture<'a, Stored<u64>>;

    /// The values of a field among the records that match, and how many have each, most frequent first.
    fn facet<'a>(
        &'a self,
        field: Field,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Vec<(String, u64)>>>;

    /// The states of all clusters.
    fn clusters(&self) -> BoxFuture<'_, Stored<Vec<ClusterState>>>;

    /// Writes the state of a cluster.
    fn put_cluster<'a>(&'a self, state: &'a ClusterState) -> BoxFuture<'a, Stored<()>>;

    /// The kinds of all clusters.
    fn capabilities(&self) -> BoxFuture<'_, Stored<Vec<Capability>>>;

    /// Replaces the kinds of a cluster.
    fn put_capabilities<'a>(
        &'a self,
        cluster: &'a str,
        kinds: &'a [Capability],
    ) -> BoxFuture<'a, Stored<()>>;

    /// Forgets a cluster and everything in it.
    fn forget<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<()>>;

    /// Leaves a message.
    fn put_note<'a>(&'a self, note: &'a Note) -> BoxFuture<'a, Stored<()>>;

    /// The messages of a kind to or from a cluster.
    fn notes<'a>(&'a self, what: &'a str, cluster: &'a str) -> BoxFuture<'a, Stored<Vec<Note>>>;

    /// Takes messages away.
    fn delete_notes<'a>(
        &'a self,
        what: &'a str,
        cluster: &'a str,
        ids: &'a [String],
    ) -> BoxFuture<'a, Stored<()>>;

    /// Makes everything written so far survive a crash of the machine. A store that cannot do that at each write does it
    /// in its own time as well, and takes back after a crash what [`Store::put_cluster`] said since.
    fn flush(&self) -> BoxFuture<'_, Stored<()>>;
}

/// Every record that matches, page by page.
pub async fn all(store: &dyn Store, query: &Query, now: i64) -> Stored<Vec<Record>> {
    let mut records = Vec::new();
    let mut after = None;
    loop {
        let answer = store.list(query, now, Page { limit: 1000, after }).await?;
        records.extend(answer.records);
        match answer.next {
            Some(next) => after = Some(next),
            None => return Ok(records),
        }
    }
}
