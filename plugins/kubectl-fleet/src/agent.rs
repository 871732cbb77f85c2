//! Reads a cluster and keeps its part of the store in step with it.
//!
//! One task finds out which kinds there are ([`discovery`]), one task per kind lists and watches it ([`kind`]), and one
//! owner of all pending changes writes them in batches ([`writer`]). Each piece of state has one owner, and they talk
//! over channels with bounds: when the store is slow or away, the writer stops taking changes, the watchers stop
//! reading, the API server ends their watches in the end, and each of them reads its kind anew and sends what differs.
//! So an outage of any length loses nothing and needs no more memory than the bounds.

pub mod discovery;
mod kind;
mod lag;
mod lean;
mod raw;
mod rights;
mod spool;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::freshness::{ClusterState, KindState, Phase, UNSETTLED};
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::observe::Served;
use crate::query::{Field, Query};
use crate::store::{Page, Store, StoreError};
use kind::{Event, KindTask, Rediscover};

/// What of a cluster is read, and how often what is said.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster's id in the fleet.
    pub cluster: String,
    /// The Secret that holds its kubeconfig, where one is kept.
    pub cluster_secret_ref: String,
    /// The kubeconfig context it is read through, from a laptop.
    pub context: String,
    /// Changes are collected for this long, unless there are `batch_size` of them before.
    pub batch_window: Duration,
    /// The largest batch.
    pub batch_size: usize,
    /// So many changes wait in memory at most, when the store is slow or away.
    pub queue: usize,
    /// Then they wait in this folder, if there is one.
    pub spool: Option<PathBuf>,
    /// They take about so much room there at most, in bytes. Beyond it the watches wait.
    pub spool_bytes: u64,
    /// How long it waits after a first failure; twice as long after each further one.
    pub patience: Duration,
    /// Where it counts what it does.
    pub metrics: Metrics,
    /// How often the agent shows that it is alive.
    pub heartbeat: Duration,
    /// How often discovery is repeated without a reason.
    pub rediscover: Duration,
    /// Only these kinds, if there are any: patterns of full names (`pods`, `*.cert-manager.io`).
    pub include: Vec<String>,
    /// Never these.
    pub exclude: Vec<String>,
    /// Only objects in these namespaces, and of the whole cluster, if there are any: patterns.
    pub namespaces: Vec<String>,
    /// Never objects of these.
    pub exclude_namespaces: Vec<String>,
    /// Only objects that this label selector selects.
    pub selector: Option<String>,
    /// Leave when everything was read once.
    pub once: bool,
    /// Take the cluster over from another agent.
    pub take_over: bool,
}

impl Options {
    /// The usual choices for a cluster.
    pub fn new(cluster: impl Into<String>) -> Self {
        Self {
            cluster: cluster.into(),
            cluster_secret_ref: String::new(),
            context: String::new(),
            batch_window: Duration::from_secs(5),
            batch_size: 1000,
            queue: 5_000,
            spool: None,
            spool_bytes: 256 << 20,
            patience: Duration::from_secs(1),
            metrics: Metrics::default(),
            heartbeat: Duration::from_secs(10),
            rediscover: Duration::from_mins(1),
            include: Vec::new(),
            exclude: Vec::new(),
            namespaces: Vec::new(),
            exclude_namespaces: Vec::new(),
            selector: None,
            once: false,
            take_over: false,
        }
    }
}

/// Why an agent ended.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The cluster does not answer at all.
    #[error("cluster `{cluster}` cannot be read")]
    Cluster {
        /// Its id.
        cluster: String,
        /// Why.
        #[source]
        source: RawError,
    },
    /// The store refuses.
    #[error("the state of cluster `{cluster}` cannot be stored")]
    Store {
        /// Its id.
        cluster: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// Another agent is at work under the same id.
    #[error("another agent is reading cluster `{cluster}`")]
    Taken {
        /// The id.
        cluster: String,
    },
    /// A part of the agent failed. It must not go on as if it had not.
    #[error("the agent of cluster `{cluster}` is broken: {why}")]
    Broken {
        /// The id.
        cluster: String,
        /// What failed.
        why: String,
    },
    /// The id belongs to another cluster.
    #[error(
        "`{cluster}` is the id of another cluster: its kube-system namespace is {stored}, here it is {here}"
    )]
    OtherCluster {
        /// The id.
        cluster: String,
        /// The uid that is stored.
        stored: String,
        /// The uid that this cluster has.
        here: String,
    },
}

pub use raw::RawError;

/// Now, in seconds since 1970.
pub fn now() -> i64 {
    Timestamp::now().as_second()
}

/// What an agent did, when it left.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// The last state it wrote.
    pub state: ClusterState,
    /// How many changes it wrote.
    pub written: u64,
}

/// What is known of each kind's objects: point ids with the digest of what a reader sees.
pub(crate) type Known = FxHashMap<Uuid, u64>;

/// How often a busy API server is asked again for what an agent cannot begin without.
const PATIENT: u32 = 5;

/// Reads a cluster until `shutdown`, or once.
pub async fn run(
    client: kube::Client,
    store: Arc<dyn Store>,
    options: Options,
    shutdown: CancellationToken,
) -> Result<Summary, AgentError> {
    let cluster = options.cluster.clone();
    let unreadable = |source| AgentError::Cluster {
        cluster: cluster.clone(),
        source,
    };
    let unstorable = |source| AgentError::Store {
        cluster: cluster.clone(),
        source,
    };

    let here = raw::cluster_uid(&client).await.map_err(unreadable)?;
    let version = raw::version(&client, PATIENT).await.map_err(unreadable)?;
    let Some(states) = present(&options, &shutdown, || store.clusters())
        .await
        .map_err(unstorable)?
    else {
        return Ok(Summary::default());
    };
    let before = states
        .into_iter()
        .find(|state| state.cluster == cluster)
        .unwrap_or_default();
    if !before.cluster_uid.is_empty() && before.cluster_uid != here {
        return Err(AgentError::OtherCluster {
            cluster,
            stored: before.cluster_uid,
            here,
        });
    }
    if !before.agent.is_empty() && !before.abandoned(now()) && !options.take_over {
        return Err(AgentError::Taken { cluster });
    }

    let state = ClusterState {
        cluster: cluster.clone(),
        cluster_uid: here,
        cluster_secret_ref: options.cluster_secret_ref.clone(),
        context: options.context.clone(),
        version,
        agent: Uuid::new_v4().to_string(),
        heartbeat_seconds: u32::try_from(options.heartbeat.as_secs())
            .unwrap_or(u32::MAX)
            .max(1),
        heartbeat_at: now(),
        epoch: before.epoch,
        complete_at: before.complete_at,
        waiting: 0,
        dropped: 0,
        undiscovered: Vec::new(),
        kinds: BTreeMap::new(),
        withheld: String::new(),
    };
    present(&options, &shutdown, || store.put_cluster(&state))
        .await
        .map_err(unstorable)?;
    let Some(known) = present(&options, &shutdown, || stored_objects(&*store, &cluster))
        .await
        .map_err(unstorable)?
    else {
        return Ok(Summary::default());
    };
    let (events, received) = mpsc::channel(2048);
    let stop = shutdown.child_token();
    // Whoever drops this agent takes its watches with it.
    let _ends = stop.clone().drop_guard();
    let lag = lag::Lag::default();
    let writer =
        writer::Writer::new(store.clone(), state, lag.clone(), &options).map_err(|error| {
            AgentError::Broken {
                cluster: cluster.clone(),
                why: format!("changes cannot wait on disk: {error}"),
            }
        })?;
    let listening = tokio::spawn(listen(
        client.clone(),
        options.heartbeat,
        events.clone(),
        stop.clone(),
    ));
    let options = Arc::new(options);
    let rights = tokio::spawn(rights::answer(
        client.clone(),
        store.clone(),
        options.clone(),
        stop.clone(),
    ));
    let keeper = Keeper {
        client,
        store: store.clone(),
        options: options.clone(),
        events,
        known,
        rediscover: Arc::default(),
        lag,
        listing: Arc::new(Semaphore::new(8)),
        tasks: BTreeMap::new(),
        running: JoinSet::new(),
        definitions: discovery::Definitions::new(),
        defined_after: None,
        first: true,
    };
    let keeping = tokio::spawn(keeper.keep(stop.clone()));
    let grasping = tokio::spawn(grasp(store.clone(), options.clone(), stop.clone()));
    let outcome = writer.write(received, stop.clone()).await;
    stop.cancel();
    // The keeper ends on the token; a panic in it would have been reported by its own task.
    let _ = keeping.await;
    let _ = tokio::join!(listening, rights, grasping);
    if options.once && outcome.is_ok() {
        grasp_rest(&*store, &cluster, &shutdown).await;
    }
    outcome
}

/// Gives objects the vectors of their meaning, behind what is written and never before it.
async fn grasp(store: Arc<dyn Store>, options: Arc<Options>, stop: CancellationToken) {
    let usual = options.batch_window.max(Duration::from_secs(1));
    let mut wait = usual;
    let mut failed = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = match store.grasp(&options.cluster).await {
            Ok(0) => usual,
            // The writer comes first, and it is the one whose store this is.
            Ok(_) => Duration::from_millis(10),
            Err(error) => {
                if !failed {
                    tracing::warn!(cluster = %options.cluster, %error, "objects are found by their words only");
                }
                (wait * 2).clamp(usual, Duration::from_mins(2))
            }
        };
        failed = wait > usual;
    }
}

/// Does the rest of it before an agent that reads once leaves.
async fn grasp_rest(store: &dyn Store, cluster: &str, shutdown: &CancellationToken) {
    while !shutdown.is_cancelled() {
        match store.grasp(cluster).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%cluster, %error, "objects are found by their words only");
                return;
            }
        }
    }
    if let Err(error) = store.flush().await {
        tracing::warn!(%cluster, %error, "the store could not be flushed");
    }
}

/// Asks the API server something small at every heartbeat. Watches are silent when nothing happens and when the wire is
/// cut: what tells the two apart is an answer. One that came late, or to an agent that was itself held up, says as much
/// less: whoever has no time for a small question may be as late with what the watches have to say, and later.
async fn listen(
    client: kube::Client,
    heartbeat: Duration,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    let mut beats = tokio::time::interval(heartbeat);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = tokio::time::Instant::now();
    let heard = async {
        loop {
            beats.tick().await;
            let begun = tokio::time::Instant::now();
            let (since, asked) = (begun - std::mem::replace(&mut last, begun), now());
            if !raw::answers(&client).await {
                continue;
            }
            let late = since.saturating_sub(heartbeat) + begun.elapsed();
            let moment = asked - 2 * i64::try_from(late.as_secs()).unwrap_or(i64::MAX / 4);
            if events.send(Event::Heard(moment)).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = heard => {}
    }
}

/// Asks a store that may be away until it is there. None: the agent was told to end.
async fn present<T, W>(
    options: &Options,
    shutdown: &CancellationToken,
    mut work: impl FnMut() -> W,
) -> Result<Option<T>, StoreError>
where
    W: Future<Output = Result<T, StoreError>>,
{
    let mut wait = options.patience;
    loop {
        match work().await {
            Ok(done) => return Ok(Some(done)),
            Err(error) if error.is_transient() => {
                tracing::warn!(cluster = %options.cluster, %error, "waiting for the store");
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(wait) => {}
        }
        wait = (wait * 2).min(options.patience * 30);
    }
}

/// What the store has of a cluster, by group and kind.
async fn stored_objects(
    store: &dyn Store,
    cluster: &str,
) -> Result<BTreeMap<(String, String), Known>, StoreError> {
    let query = Query::default().is(Field::Cluster, [cluster]);
    let mut known: BTreeMap<(String, String), Known> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.list(&query, 0, Page { limit: 1000, after }).await?;
        for record in page.records {
            let Identity {
                api_group, kind, ..
            } = &record.identity;
            known
                .entry((api_group.clone(), kind.clone()))
                .or_default()
                .insert(record.identity.point(), record.visible());
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(known),
        }
    }
}

/// Knows which kinds there are and keeps a task for each.
struct Keeper {
    client: kube::Client,
    store: Arc<dyn Store>,
    options: Arc<Options>,
    events: mpsc::Sender<Event>,
    /// What the store has of kinds that no task reads: their tasks have the rest.
    known: BTreeMap<(String, String), Known>,
    rediscover: Arc<Rediscover>,
    lag: lag::Lag,
    listing: Arc<Semaphore>,
    tasks: BTreeMap<(String, String), (Served, CancellationToken)>,
    running: JoinSet<((String, String), Known)>,
    /// The definitions of custom kinds, and the change of them after which they were read.
    definitions: discovery::Definitions,
    defined_after: Option<u64>,
    first: bool,
}

impl Keeper {
    async fn keep(mut self, stop: CancellationToken) {
        let mut delay = self.options.patience;
        loop {
            let change = self.rediscover.changes.load(Ordering::SeqCst);
            let mut settled = false;
            match discovery::discover(&self.client).await {
                Ok(found) => {
                    delay = self.options.patience;
                    settled = self.follow(found, change, &stop).await;
                }
                Err(error) => {
                    // Nothing is concluded from a discovery that failed: the kinds are those of before.
                    tracing::warn!(cluster = %self.options.cluster, %error, "discovery failed");
                    let _ = self
                        .events
                        .send(Event::Undiscovered(vec![UNSETTLED.to_owned()], 0))
                        .await;
                    delay = (delay * 2).min(Duration::from_mins(1));
                }
            }
            let pause = if self.first || !settled {
                delay
            } else {
                self.options.rediscover
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.rediscover.wake.notified() => {
                    // A definition's kind is served a moment after the definition appears.
                    tokio::time::sleep(self.options.patience / 2).await;
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.running.shutdown().await;
    }

    /// Follows what was found after a change of the definitions; whether nothing is missing from it.
    async fn follow(
        &mut self,
        mut found: discovery::Discovered,
        change: u64,
        stop: &CancellationToken,
    ) -> bool {
        // A definition that is established and not served yet is a kind that would be missed.
        let unread = self.first
            || self.defined_after != Some(change)
            || found.served.iter().any(|served| {
                discovery::wanted(served, &self.options)
                    && !self
                        .tasks
                        .contains_key(&(served.group.clone(), served.kind.clone()))
            });
        let mut late = BTreeSet::new();
        if unread {
            match discovery::definitions(&self.client).await {
                Ok(definitions) => self.definitions = definitions,
                // Who may not read definitions is told of new kinds by discovery alone.
                Err(error) if error.code() == Some(403) => {}
                Err(_) => {
                    late.insert(UNSETTLED.to_owned());
                }
            }
        }
        late.extend(found.lacks(&self.definitions));
        let settled = late.is_empty();
        self.defined_after = settled.then_some(change);
        found.undiscovered.extend(late);
        while let Some(ended) = self.running.try_join_next() {
            if let Err(error) = ended {
                let _ = self.events.send(Event::Broken(error.to_string())).await;
            }
        }
        let wanted: BTreeMap<(String, String), Served> = found
            .served
            .iter()
            .filter(|served| discovery::wanted(served, &self.options))
            .map(|served| ((served.group.clone(), served.kind.clone()), served.clone()))
            .collect();
        // One whose group does not answer is unknown, not gone.
        let unknown_group = |group: &String| found.undiscovered.contains(group);
        let is_gone =
            |key: &&(String, String)| !wanted.contains_key(*key) && !unknown_group(&key.0);

        // Kinds that left.
        let left: Vec<(String, String)> = self.tasks.keys().filter(is_gone).cloned().collect();
        for key in left {
            if let Some((served, token)) = self.tasks.remove(&key) {
                token.cancel();
                while let Some(ended) = self.running.join_next().await {
                    let Ok((ended, known)) = ended else { continue };
                    self.known.insert(ended.clone(), known);
                    if ended == key {
                        break;
                    }
                }
                let known = self.known.remove(&key).unwrap_or_default();
                let _ = self
                    .events
                    .send(Event::Left(served.full_name(), known.into_keys().collect()))
                    .await;
            }
        }
        // What the store still has of kinds that left while no agent was looking, or before this one could read them:
        // a group that did not answer at first may be gone by the time discovery is whole again.
        let gone: Vec<(String, String)> = self.known.keys().filter(is_gone).cloned().collect();
        for key in gone {
            let known = self.known.remove(&key).unwrap_or_default();
            let _ = self
                .events
                .send(Event::Left(key.1, known.into_keys().collect()))
                .await;
        }

        let fresh: Vec<_> = wanted
            .iter()
            .filter(|(key, _)| !self.tasks.contains_key(*key))
            .collect();
        if !fresh.is_empty() || self.first {
            let capabilities =
                discovery::capabilities(&self.options.cluster, &wanted, &self.definitions);
            if let Err(error) = self
                .store
                .put_capabilities(&self.options.cluster, &capabilities)
                .await
            {
                tracing::warn!(cluster = %self.options.cluster, %error, "kinds could not be stored");
            }
            let names = fresh.iter().map(|(_, served)| served.full_name()).collect();
            let _ = self.events.send(Event::Begun(names)).await;
            for (key, served) in fresh {
                let served = capabilities
                    .iter()
                    .find(|capability| {
                        capability.served.kind == served.kind
                            && capability.served.group == served.group
                    })
                    .map_or_else(|| served.clone(), |capability| capability.served.clone());
                let token = stop.child_token();
                let task = KindTask {
                    client: self.client.clone(),
                    options: self.options.clone(),
                    served: served.clone(),
                    known: self.known.remove(key).unwrap_or_default(),
                    events: self.events.clone(),
                    listing: self.listing.clone(),
                    rediscover: self.rediscover.clone(),
                    watched: lag::Watched::new(self.lag.clone()),
                };
                self.tasks.insert(key.clone(), (served, token.clone()));
                let key = key.clone();
                self.running
                    .spawn(async move { (key, task.run(token).await) });
            }
        }
        self.first = false;
        let _ = self
            .events
            .send(Event::Undiscovered(found.undiscovered, change))
            .await;
        settled
    }
}

/// The state of a kind before its first list is done.
fn listing() -> KindState {
    KindState {
        phase: Phase::Listing,
        objects: 0,
        problem: String::new(),
    }
}
