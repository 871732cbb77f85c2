//! The one owner of what is still to be written, and of what is said about the cluster.
//!
//! Changes wait for the window or until they are many; of several changes to one object only the last is sent. A state
//! is written only together with, and after, the changes it is based on: a reader who sees "pods: watching" has all
//! Pods. When the store does not answer, nothing more is taken in, and everything is tried again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::kind::Event;
use super::{AgentError, Options, Summary, listing, now};
use crate::freshness::{ClusterState, KindState, Phase};
use crate::store::{Change, Store, StoreError};

pub(super) struct Writer {
    store: Arc<dyn Store>,
    /// What was last said.
    state: ClusterState,
    /// What can be said once the pending changes are written.
    kinds: BTreeMap<String, KindState>,
    undiscovered: Vec<String>,
    discovered: bool,
    pending: FxHashMap<Uuid, Change>,
    window: Duration,
    size: usize,
    heartbeat: Duration,
    once: bool,
    counted_epoch: bool,
    written: u64,
}

impl Writer {
    pub(super) fn new(store: Arc<dyn Store>, state: ClusterState, options: &Options) -> Self {
        Self {
            store,
            state,
            kinds: BTreeMap::new(),
            undiscovered: Vec::new(),
            discovered: false,
            pending: FxHashMap::default(),
            window: options.batch_window,
            size: options.batch_size.max(1),
            heartbeat: options.heartbeat,
            once: options.once,
            counted_epoch: false,
            written: 0,
        }
    }

    /// Writes until `stop`, or until everything was read once.
    pub(super) async fn write(
        mut self,
        mut events: mpsc::Receiver<Event>,
        stop: CancellationToken,
    ) -> Result<Summary, AgentError> {
        let mut heartbeat = tokio::time::interval(self.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut due: Option<Instant> = None;
        loop {
            let window_ends = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let (mut flush, mut beat) = (false, false);
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.recv() => match event {
                    None => break,
                    Some(Event::Broken(why)) => {
                        return Err(AgentError::Broken { cluster: self.state.cluster.clone(), why });
                    }
                    Some(event) => {
                        let says_something = self.take(event);
                        // The first change, and the first news of a kind, open the window.
                        if due.is_none() && (says_something || !self.pending.is_empty()) {
                            due = Some(Instant::now() + self.window);
                        }
                        flush = self.pending.len() >= self.size;
                    }
                },
                () = window_ends => flush = true,
                _ = heartbeat.tick() => beat = true,
            }
            if self.once && self.read_everything() && events.is_empty() {
                flush = true;
            }
            if flush {
                self.flush(&stop).await?;
                due = None;
            }
            if flush || beat {
                // A full batch in the middle of a long list does not need a word each time.
                if beat
                    || self.pending.is_empty() && (self.window > Duration::ZERO || self.changed())
                {
                    self.speak(&stop).await?;
                }
            }
            if self.once && self.read_everything() && self.pending.is_empty() && events.is_empty() {
                break;
            }
        }
        self.leave(events).await
    }

    /// Every kind is in its final phase.
    fn read_everything(&self) -> bool {
        self.discovered
            && !self.kinds.is_empty()
            && self.kinds.values().all(|kind| kind.phase != Phase::Listing)
    }

    fn changed(&self) -> bool {
        self.state.kinds != self.kinds || self.state.undiscovered != self.undiscovered
    }

    /// Takes an event in; whether it changes what is to be said.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Broken(_) => false,
            Event::Changed(change) => {
                let id = match &change {
                    Change::Put(record) => record.identity.point(),
                    Change::Delete(id) => *id,
                };
                self.pending.insert(id, change);
                false
            }
            Event::State(kind, phase, objects, problem) => {
                self.kinds.insert(
                    kind,
                    KindState {
                        phase,
                        objects,
                        problem,
                    },
                );
                true
            }
            Event::Begun(kinds) => {
                for kind in kinds {
                    self.kinds.entry(kind).or_insert_with(listing);
                }
                true
            }
            Event::Left(kind, objects) => {
                self.kinds.remove(&kind);
                self.pending
                    .extend(objects.into_iter().map(|id| (id, Change::Delete(id))));
                true
            }
            Event::Undiscovered(groups) => {
                self.discovered = self.discovered || groups != ["*"];
                self.undiscovered = groups;
                true
            }
        }
    }

    /// Writes everything that is pending, however long the store takes to be there.
    async fn flush(&mut self, stop: &CancellationToken) -> Result<(), AgentError> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.pending).into_values().collect();
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(self.size));
            let store = self.store.clone();
            let written = self.insist(stop, || store.apply(&changes)).await;
            match written {
                Ok(true) => self.written += changes.len() as u64,
                // The agent ends while the store is away: the next one finds what differs.
                Ok(false) => {
                    self.state.waiting += (changes.len() + rest.len()) as u64;
                    return Ok(());
                }
                Err(error) if changes.len() == 1 => {
                    tracing::error!(cluster = %self.state.cluster, %error, "a change is given up");
                    self.state.dropped += 1;
                }
                // One of them is not to the store's taste: find it.
                Err(_) => {
                    for change in &changes {
                        let store = self.store.clone();
                        match self
                            .insist(stop, || store.apply(std::slice::from_ref(change)))
                            .await
                        {
                            Ok(done) => self.written += u64::from(done),
                            Err(error) => {
                                tracing::error!(cluster = %self.state.cluster, %error, "a change is given up");
                                self.state.dropped += 1;
                            }
                        }
                    }
                }
            }
            changes = rest;
        }
        Ok(())
    }

    /// Does something with the store until it does not fail by absence. `false`: the agent ends.
    async fn insist<'a, F, W>(
        &self,
        stop: &CancellationToken,
        mut work: F,
    ) -> Result<bool, StoreError>
    where
        F: FnMut() -> W,
        W: Future<Output = Result<(), StoreError>> + 'a,
    {
        let mut wait = Duration::from_millis(500);
        loop {
            match work().await {
                Ok(()) => return Ok(true),
                Err(error) if error.is_transient() => {
                    tracing::warn!(cluster = %self.state.cluster, %error, "the store is away; trying again");
                    let pause = match error {
                        StoreError::Unavailable {
                            retry_after_seconds: Some(seconds),
                            ..
                        } => Duration::from_secs(seconds.min(300)),
                        _ => wait,
                    };
                    let chance = u32::from(Uuid::new_v4().as_bytes()[0]);
                    tokio::select! {
                        () = stop.cancelled() => return Ok(false),
                        () = tokio::time::sleep(pause + pause * chance / 1024) => {}
                    }
                    wait = (wait * 2).min(Duration::from_secs(30));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Says how things are, after what it is based on was written.
    async fn speak(&mut self, stop: &CancellationToken) -> Result<(), AgentError> {
        self.make_state();
        // Another agent under this id would fight with this one for ever.
        let taken = match self.store.clusters().await {
            Ok(states) => states.iter().any(|state| {
                state.cluster == self.state.cluster
                    && state.agent != self.state.agent
                    && !state.abandoned(now())
            }),
            Err(_) => false,
        };
        if taken {
            return Err(AgentError::Taken {
                cluster: self.state.cluster.clone(),
            });
        }
        let (store, state) = (self.store.clone(), self.state.clone());
        let said = self.insist(stop, || store.put_cluster(&state)).await;
        let kept = match said {
            Ok(_) => self.store.flush().await,
            Err(error) => Err(error),
        };
        match kept {
            Err(error) if !error.is_transient() => Err(AgentError::Store {
                cluster: self.state.cluster.clone(),
                source: error,
            }),
            _ => Ok(()),
        }
    }

    fn make_state(&mut self) {
        let moment = now();
        self.state.heartbeat_at = moment;
        self.state.waiting = self.pending.len() as u64;
        if !self.pending.is_empty() {
            // The kinds' new states rest on changes that are not written yet.
            return;
        }
        self.state.kinds.clone_from(&self.kinds);
        self.state.undiscovered.clone_from(&self.undiscovered);
        if self.discovered && self.state.in_step() {
            self.state.complete_at = moment;
            if !self.counted_epoch {
                self.state.epoch += 1;
                self.counted_epoch = true;
            }
        }
    }

    /// The last word: who read once says so, who was stopped is no longer there.
    async fn leave(mut self, mut events: mpsc::Receiver<Event>) -> Result<Summary, AgentError> {
        let ended = CancellationToken::new();
        ended.cancel();
        if !self.once {
            while let Ok(event) = events.try_recv() {
                self.take(event);
            }
            self.flush(&ended).await?;
        }
        self.make_state();
        self.state.heartbeat_seconds = 0;
        let (store, state) = (self.store.clone(), self.state.clone());
        let said = self.insist(&ended, || store.put_cluster(&state)).await;
        if let Err(source) = said {
            return Err(AgentError::Store {
                cluster: self.state.cluster,
                source,
            });
        }
        if let Err(error) = self.store.flush().await {
            tracing::warn!(cluster = %self.state.cluster, %error, "the store could not be flushed");
        }
        Ok(Summary {
            state: self.state,
            written: self.written,
        })
    }
}
