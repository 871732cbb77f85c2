//! What callers may read, as the clusters' agents said, kept for a while.
//!
//! | known of a cluster | what is shown of it |
//! | --- | --- |
//! | a grant, younger than its time | what it allows |
//! | nothing, and the agent is there | nothing until it has answered, or for a few seconds if it does not |
//! | nothing, and the agent is gone | nothing; the answer is marked as incomplete |

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;

use super::recent::Recent;
use super::visible::{Fleet, Visible};
use crate::access::{Caller, Grant, Question, Scope};
use crate::agent::now;
use crate::freshness::ClusterState;
use crate::store::{Capability, Note, Store, Stored};

/// How long a silence is believed: asking again at every request would make every request wait.
const SILENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether an answer came.
const LOOK: Duration = Duration::from_millis(100);
/// For so long all questions are told the same of the clusters. What was true as of a moment stays so.
const STATES_LIVE: Duration = Duration::from_millis(250);
/// Kinds seldom change.
const KINDS_LIVE: Duration = Duration::from_secs(1);
/// More callers than that are not remembered.
const CALLERS: usize = 10_000;

/// What is known of one cluster.
#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    answer: Result<Grant, String>,
}

type OfCaller = Arc<tokio::sync::Mutex<BTreeMap<String, Known>>>;

/// Asks agents, and remembers.
pub struct Rights {
    store: Arc<dyn Store>,
    time_to_live: Duration,
    patience: Duration,
    known: Mutex<HashMap<Caller, OfCaller>>,
    states: Recent<Vec<ClusterState>>,
    kinds: Recent<Vec<Capability>>,
}

impl Rights {
    /// Answers hold for `time_to_live`; an agent has `patience` to give one.
    pub fn new(store: Arc<dyn Store>, time_to_live: Duration, patience: Duration) -> Self {
        Self {
            store,
            time_to_live,
            patience,
            known: Mutex::default(),
            states: Recent::new(STATES_LIVE),
            kinds: Recent::new(KINDS_LIVE),
        }
    }

    fn of(&self, caller: &Caller) -> OfCaller {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CALLERS {
            known.retain(|_, of| Arc::strong_count(of) > 1);
        }
        known.entry(caller.clone()).or_default().clone()
    }

    /// The store as a caller may see it.
    pub async fn visible(&self, caller: &Caller) -> Stored<Visible> {
        let of_caller = self.of(caller);
        // Of several requests of one caller only one asks.
        let mut known = of_caller.lock().await;
        let mut waiting: BTreeMap<String, String> = BTreeMap::new();
        let states = self.states.get(self.store.clusters()).await?;
        known.retain(|cluster, _| states.iter().any(|state| state.cluster == *cluster));
        for state in states.iter() {
            let cluster = &state.cluster;
            let fresh = known.get(cluster).is_some_and(|known| {
                let lives = if known.answer.is_ok() {
                    self.time_to_live
                } else {
                    SILENCE
                };
                known.at.elapsed() < lives
            });
            if fresh {
                continue;
            }
            let Some(caller) = caller.in_cluster(cluster) else {
                remember(&mut known, cluster, Ok(Grant::default()));
                continue;
            };
            if state.abandoned(now()) {
                let why = "its agent is not there to say what you may read".to_owned();
                remember(&mut known, cluster, Err(why));
                continue;
            }
            let id = Uuid::new_v4().to_string();
            let body = json!(Question { caller });
            let question = Note {
                what: Note::QUESTION.to_owned(),
                cluster: cluster.clone(),
                id: id.clone(),
                at: now(),
                body,
            };
            self.store.put_note(&question).await?;
            waiting.insert(cluster.clone(), id);
        }
        self.await_answers(&mut known, waiting).await?;
        let (mut scope, mut unknown) = (Scope::default(), BTreeMap::new());
        for (cluster, known) in known.iter() {
            match &known.answer {
                Ok(grant) => {
                    scope.0.insert(cluster.clone(), grant.clone());
                }
                Err(why) => {
                    unknown.insert(cluster.clone(), why.clone());
                }
            }
        }
        let kinds = self.kinds.get(self.store.capabilities()).await?;
        let fleet = Fleet { states, kinds };
        Ok(Visible::new(self.store.clone(), scope, unknown, fleet))
    }

    async fn await_answers(
        &self,
        known: &mut BTreeMap<String, Known>,
        mut waiting: BTreeMap<String, String>,
    ) -> Stored<()> {
        let begun = Instant::now();
        while !waiting.is_empty() && begun.elapsed() < self.patience {
            tokio::time::sleep(LOOK).await;
            let mut answered = Vec::new();
            for (cluster, id) in &waiting {
                let replies = self.store.notes(Note::REPLY, cluster).await?;
                let Some(reply) = replies.into_iter().find(|reply| reply.id == *id) else {
                    continue;
                };
                let answer = match serde_json::from_value::<Grant>(reply.body["grant"].clone()) {
                    Ok(grant) if reply.body.get("grant").is_some() => Ok(grant),
                    _ => Err("its API server did not say what you may read".to_owned()),
                };
                remember(known, cluster, answer);
                self.store
                    .delete_notes(Note::REPLY, cluster, std::slice::from_ref(id))
                    .await?;
                answered.push(cluster.clone());
            }
            waiting.retain(|cluster, _| !answered.contains(cluster));
        }
        for cluster in waiting.keys() {
            let why = "its agent did not say what you may read".to_owned();
            remember(known, cluster, Err(why));
        }
        Ok(())
    }
}

fn remember(known: &mut BTreeMap<String, Known>, cluster: &str, answer: Result<Grant, String>) {
    let at = Instant::now();
    known.insert(cluster.to_owned(), Known { at, answer });
}
