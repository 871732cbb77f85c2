//! The one owner of what is still to be written, and of what is said about the cluster.
//!
//! Changes wait for the window or until they are many; of several changes to one object only the last is sent. What is
//! said is only what the store already holds: when a flush begins, the state of all kinds is kept aside, and it becomes
//! what readers are told once everything seen before it was written. While the store is slow or away, changes go on
//! being taken in: up to a bound in memory, then to disk ([`super::spool`]), then not at all, and the watches wait.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::kind::Event;
use super::lag::Lag;
use super::spool::Spool;
use super::{AgentError, Options, Summary, listing, now};
use crate::freshness::{ClusterState, KindState, Phase, UNSETTLED};
use crate::metrics::Metrics;
use crate::store::{Change, Store, StoreError};

/// What a watch may lag behind the API server's own answer to a write: nothing younger is claimed to be known. It covers
/// the moment between two watches. Where watches were seen to lag by more, twice as much is added.
const WATCH_LAG_SECONDS: i64 = 2;

/// What could be said at a moment, if everything seen until then were written.
#[derive(Debug, Clone, Default)]
struct Snapshot {
    moment: i64,
    kinds: BTreeMap<String, KindState>,
    undiscovered: Vec<String>,
    discovered: bool,
}

pub(super) struct Writer {
    store: Arc<dyn Store>,
    /// What was last said.
    state: ClusterState,
    /// What the store holds.
    safe: Snapshot,
    /// How things are.
    kinds: BTreeMap<String, KindState>,
    undiscovered: Vec<String>,
    discovered: bool,
    /// The newest change of the definitions that was seen, and the one that the kinds are known after.
    unsettled: u64,
    settled: u64,
    /// When the API server was last asked something that it answered.
    heard: i64,
    lag: Lag,
    pending: FxHashMap<Uuid, Change>,
    spool: Spool,
    /// Changes of the flush under way that are not written yet.
    in_hand: u64,
    /// Changes that were being written when the agent was told to end.
    unwritten: u64,
    broken: Option<String>,
    /// How much came in since the last flush that readers are to be told.
    unsaid: u64,
    window: Duration,
    size: usize,
    queue: usize,
    patience: Duration,
    heartbeat: Duration,
    once: bool,
    counted_epoch: bool,
    said: Instant,
    written: u64,
    metrics: Metrics,
}

impl Writer {
    pub(super) fn new(
        store: Arc<dyn Store>,
        state: ClusterState,
        lag: Lag,
        options: &Options,
    ) -> std::io::Result<Self> {
        Ok(Self {
            store,
            heard: state.heartbeat_at,
            lag,
            state,
            safe: Snapshot::default(),
            kinds: BTreeMap::new(),
            undiscovered: Vec::new(),
            discovered: false,
            unsettled: 0,
            settled: 0,
            pending: FxHashMap::default(),
            spool: Spool::open(options.spool.as_deref(), options.spool_bytes)?,
            in_hand: 0,
            unwritten: 0,
            broken: None,
            unsaid: 0,
            window: options.batch_window,
            size: options.batch_size.max(1),
            queue: options.queue.max(options.batch_size).max(1),
            patience: options.patience,
            heartbeat: options.heartbeat,
            once: options.once,
            counted_epoch: false,
            said: Instant::now(),
            written: 0,
            metrics: options.metrics.clone(),
        })
    }

    /// Writes until `stop`, or until everything was read once.
    pub(super) async fn write(
        mut self,
        mut events: Receiver<Event>,
        stop: CancellationToken,
    ) -> Result<Summary, AgentError> {
        let mut heartbeat = tokio::time::interval(self.heartbeat);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut due: Option<Instant> = None;
        loop {
            // The first change, and the first news of a kind, open the window, whenever they came in.
            if due.is_none()
                && (self.unsaid > 0 || !self.pending.is_empty() || !self.spool.is_empty())
            {
                due = Some(Instant::now() + self.window);
            }
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
                    Some(event) => {
                        self.take(event);
                        flush = self.pending.len() >= self.size;
                    }
                },
                () = window_ends => flush = true,
                _ = heartbeat.tick() => beat = true,
            }
            let all_read = self.once && self.read_everything() && events.is_empty();
            if flush || all_read {
                flush = true;
                due = None;
                self.unsaid = 0;
                self.flush(&mut events, &stop).await?;
            }
            // A full batch in the middle of a long list does not need a word each time.
            if beat || flush && (self.window > Duration::ZERO || self.changed()) {
                self.speak(&mut events, &stop).await?;
            }
            if let Some(why) = self.broken.take() {
                return Err(self.broken(why));
            }
            if all_read && self.pending.is_empty() && self.spool.is_empty() && events.is_empty() {
                break;
            }
        }
        self.leave(events).await
    }

    fn lost(&self, error: &std::io::Error) -> AgentError {
        self.broken(format!("changes that waited on disk are lost: {error}"))
    }

    fn broken(&self, why: String) -> AgentError {
        AgentError::Broken {
            cluster: self.state.cluster.clone(),
            why,
        }
    }

    /// Every kind is in its final phase, and no other has come meanwhile.
    fn read_everything(&self) -> bool {
        self.discovered
            && self.settled >= self.unsettled
            && !self.kinds.is_empty()
            && self.kinds.values().all(|kind| kind.phase != Phase::Listing)
    }

    fn changed(&self) -> bool {
        self.state.kinds != self.kinds || self.state.undiscovered != self.undiscovered
    }

    /// What cannot be answered for at the moment.
    fn unknown(&self) -> Vec<String> {
        let mut unknown = self.undiscovered.clone();
        if self.settled < self.unsettled && !unknown.iter().any(|it| it == UNSETTLED) {
            unknown.push(UNSETTLED.to_owned());
        }
        unknown
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            moment: now().min(self.heard) - WATCH_LAG_SECONDS - 2 * self.lag.lately(now()),
            kinds: self.kinds.clone(),
            undiscovered: self.unknown(),
            discovered: self.discovered,
        }
    }

    /// Takes an event in.
    fn take(&mut self, event: Event) {
        match event {
            Event::Broken(why) => {
                self.broken = Some(why);
            }
            Event::Changed(change) => {
                let id = match &change {
                    Change::Put(record) => record.identity.point(),
                    Change::Delete(id) => *id,
                };
                self.pending.insert(id, change);
                if self.pending.len() >= self.queue {
                    self.spill();
                }
                return;
            }
            Event::Heard(moment) => {
                self.heard = self.heard.max(moment);
                return;
            }
            Event::State(kind, phase, objects, problem) => {
                let state = KindState {
                    phase,
                    objects,
                    problem,
                };
                self.kinds.insert(kind, state);
            }
            Event::Begun(kinds) => {
                for kind in kinds {
                    self.kinds.entry(kind).or_insert_with(listing);
                }
            }
            Event::Left(kind, objects) => {
                self.kinds.remove(&kind);
                self.pending
                    .extend(objects.into_iter().map(|id| (id, Change::Delete(id))));
            }
            Event::Unsettled(change) => self.unsettled = self.unsettled.max(change),
            Event::Undiscovered(groups, change) => {
                self.discovered = self.discovered || groups != [UNSETTLED];
                self.undiscovered = groups;
                self.settled = self.settled.max(change);
            }
        }
        self.unsaid += 1;
    }

    /// Puts what waits in memory on disk. If the disk does not take it, it stays, and nothing more is taken in.
    fn spill(&mut self) {
        if !self.spool.can_take() {
            return;
        }
        match self.spool.append(self.pending.values()) {
            Ok(count) => {
                self.metrics.spilled.inc_by(count);
                self.pending.clear();
            }
            Err(error) => {
                tracing::warn!(cluster = %self.state.cluster, %error, "changes cannot wait on disk; the watches wait instead");
            }
        }
    }

    fn waiting(&self) -> u64 {
        self.pending.len() as u64 + self.spool.waiting() + self.in_hand + self.unwritten
    }

    /// Does something that may take long, and goes on taking events in while there is room for them.
    async fn meanwhile<T>(
        &mut self,
        events: &mut Receiver<Event>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        loop {
            let ended = events.is_closed() && events.is_empty();
            let room = !ended && (self.pending.len() < self.queue || self.spool.can_take());
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(event) = events.recv(), if room => {
                    self.take(event);
                }
            }
        }
    }

    /// Writes everything that was seen until now, however long the store takes to be there.
    async fn flush(
        &mut self,
        events: &mut Receiver<Event>,
        stop: &CancellationToken,
    ) -> Result<(), AgentError> {
        let snapshot = self.snapshot();
        let mut changes: Vec<Change> = std::mem::take(&mut self.pending).into_values().collect();
        self.in_hand = changes.len() as u64;
        // What lies on disk is older than what is in memory. What is put there from here on is younger.
        if let Some(part) = self.spool.oldest() {
            let mut spooled = part.read().map_err(|error| self.lost(&error))?;
            loop {
                let some = spooled.next(self.size).map_err(|error| self.lost(&error))?;
                if some.is_empty() {
                    break;
                }
                if !self.send(some, events, stop).await? {
                    self.give_up();
                    return Ok(());
                }
            }
            self.spool.done(&part).map_err(|error| self.lost(&error))?;
        }
        while !changes.is_empty() {
            let rest = changes.split_off(changes.len().min(self.size));
            if !self.send(changes, events, stop).await? {
                self.give_up();
                return Ok(());
            }
            changes = rest;
            self.in_hand = changes.len() as u64;
        }
        self.safe = snapshot;
        Ok(())
    }

    /// The agent ends: what is in hand stays unwritten.
    fn give_up(&mut self) {
        self.unwritten += std::mem::take(&mut self.in_hand);
    }

    /// Writes one batch. `false`: the agent ends, and the next one finds what differs.
    async fn send(
        &mut self,
        changes: Vec<Change>,
        events: &mut Receiver<Event>,
        stop: &CancellationToken,
    ) -> Result<bool, AgentError> {
        let changes = Arc::new(changes);
        match self.apply(changes.clone(), events, stop).await {
            Ok(true) => self.count(changes.len() as u64),
            Ok(false) => return Ok(false),
            // One of them is not to the store's taste: find it.
            Err(_) => {
                for change in changes.iter() {
                    let one = Arc::new(vec![change.clone()]);
                    match self.apply(one, events, stop).await {
                        Ok(true) => self.count(1),
                        Ok(false) => return Ok(false),
                        Err(error) => {
                            tracing::error!(cluster = %self.state.cluster, %error, "a change is given up");
                            self.state.dropped += 1;
                            self.metrics.dropped.inc();
                        }
                    }
                }
            }
        }
        if self.said.elapsed() >= self.heartbeat {
            self.speak(events, stop).await?;
        }
        Ok(true)
    }

    fn count(&mut self, written: u64) {
        self.written += written;
        self.metrics.written.inc_by(written);
    }

    async fn apply(
        &mut self,
        changes: Arc<Vec<Change>>,
        events: &mut Receiver<Event>,
        stop: &CancellationToken,
    ) -> Result<bool, StoreError> {
        let store = self.store.clone();
        let work = self.insist(stop, move || {
            let (store, changes) = (store.clone(), changes.clone());
            async move { store.apply(&changes).await }
        });
        self.meanwhile(events, work).await
    }

    /// Does something with the store until it does not fail by absence. `false`: the agent ends.
    fn insist<F, W>(
        &self,
        stop: &CancellationToken,
        mut work: F,
    ) -> impl Future<Output = Result<bool, StoreError>> + use<F, W>
    where
        F: FnMut() -> W,
        W: Future<Output = Result<(), StoreError>>,
    {
        let (stop, metrics) = (stop.clone(), self.metrics.clone());
        let (cluster, patience) = (self.state.cluster.clone(), self.patience);
        async move {
            let mut wait = patience / 2;
            loop {
                let error = match work().await {
                    Ok(()) => return Ok(true),
                    Err(error) => error,
                };
                metrics.store_failures.inc();
                if !error.is_transient() {
                    return Err(error);
                }
                tracing::warn!(%cluster, %error, "the store is away; trying again");
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
                wait = (wait * 2).min(patience * 30);
            }
        }
    }

    /// Says how things are, as far as the store holds what it is based on.
    async fn speak(
        &mut self,
        events: &mut Receiver<Event>,
        stop: &CancellationToken,
    ) -> Result<(), AgentError> {
        if self.waiting() == 0 {
            self.safe = self.snapshot();
        }
        self.make_state();
        self.said = Instant::now();
        // Another agent under this id would fight with this one for ever.
        let store = self.store.clone();
        let known = self
            .meanwhile(events, async move { store.clusters().await })
            .await;
        let taken = known.is_ok_and(|states| {
            states.iter().any(|state| {
                state.cluster == self.state.cluster
                    && state.agent != self.state.agent
                    && !state.abandoned(now())
            })
        });
        if taken {
            return Err(AgentError::Taken {
                cluster: self.state.cluster.clone(),
            });
        }
        let (store, state) = (self.store.clone(), Arc::new(self.state.clone()));
        let work = self.insist(stop, move || {
            let (store, state) = (store.clone(), state.clone());
            async move { store.put_cluster(&state).await }
        });
        match self.meanwhile(events, work).await {
            Ok(_) => Ok(()),
            Err(source) => Err(AgentError::Store {
                cluster: self.state.cluster.clone(),
                source,
            }),
        }
    }

    fn make_state(&mut self) {
        self.state.heartbeat_at = now();
        self.state.waiting = self.waiting();
        // What is not in step now is not said to be, even if it was when the store was last complete.
        self.state.kinds = self
            .kinds
            .iter()
            .map(|(name, current)| {
                let said = match self.safe.kinds.get(name) {
                    _ if current.phase != Phase::Watching => current.clone(),
                    Some(safe) => safe.clone(),
                    None => listing(),
                };
                (name.clone(), said)
            })
            .collect();
        let mut unknown = self.unknown();
        for group in &self.safe.undiscovered {
            if !unknown.contains(group) {
                unknown.push(group.clone());
            }
        }
        self.state.undiscovered = unknown;
        if self.safe.discovered && self.state.in_step() {
            self.state.complete_at = self.safe.moment.max(self.state.complete_at);
            if !self.counted_epoch {
                self.state.epoch += 1;
                self.counted_epoch = true;
            }
        }
        let state = &self.state;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let behind = state
            .kinds
            .values()
            .filter(|kind| kind.phase != Phase::Watching)
            .count();
        self.metrics.waiting.set(number(state.waiting));
        self.metrics.epoch.set(number(state.epoch));
        self.metrics.complete_at.set(state.complete_at);
        self.metrics.kinds.set(number(state.kinds.len() as u64));
        self.metrics.kinds_behind.set(number(behind as u64));
        self.metrics.objects.set(number(
            state.kinds.values().map(|kind| kind.objects).sum::<u64>(),
        ));
    }

    /// The last word: who read once says so, who was stopped is no longer there.
    async fn leave(mut self, mut events: Receiver<Event>) -> Result<Summary, AgentError> {
        let ended = CancellationToken::new();
        ended.cancel();
        if !self.once {
            while let Ok(event) = events.try_recv() {
                self.take(event);
            }
            events.close();
            self.flush(&mut events, &ended).await?;
        }
        if self.waiting() == 0 {
            self.safe = self.snapshot();
        }
        self.make_state();
        self.state.heartbeat_seconds = 0;
        let (store, state) = (self.store.clone(), Arc::new(self.state.clone()));
        let said = self
            .insist(&ended, move || {
                let (store, state) = (store.clone(), state.clone());
                async move { store.put_cluster(&state).await }
            })
            .await;
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

#[cfg(test)]
mod tests;
