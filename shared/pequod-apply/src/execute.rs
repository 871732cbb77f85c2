//! The executor: brings a graph about, pass by pass.
//!
//! A pass looks at what is there, does all that can be done now, writes the status once and returns; what it waits
//! for wakes it up again ([`crate::live`]), and a timer only where a time limit or a pause ends. Nothing it needs
//! lives only in memory: a pass after a crash is like any other.

mod node;
mod pass;
mod summary;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use pequod_api::names::{ANNOTATION_SUSPEND, FIELD_MANAGER, FINALIZER_GRAPH};
use pequod_api::{NodeId, ObjectRef, ResourceGraph};
use pequod_kube::events::Events;
use pequod_kube::retry::Backoff;
use pequod_kube::{Access, ApiError, Cluster, ConnectError, Failure, Kind};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::inventory::ObjectKey;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::metrics::{ControllerLabels, Metrics, PassLabels};
use crate::objects::{Objects, Rendered};
use crate::ownership::Owner;
use crate::store::{Store, StoreError};
use pequod_api::packed;

pub(crate) use summary::Summary;

/// How the executor works.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many requests of one graph are under way at once.
    pub parallelism: usize,
    /// How long a node may take to become ready where its checks do not say.
    pub ready_timeout: Duration,
    /// How pauses grow between tries of what was refused.
    pub retry: Backoff,
    /// How often a graph is looked at whose ServiceAccount may not watch.
    pub poll: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            parallelism: 16,
            ready_timeout: Duration::from_mins(10),
            retry: Backoff {
                first: Duration::from_secs(1),
                longest: Duration::from_mins(5),
            },
            poll: Duration::from_secs(5),
        }
    }
}

/// When a graph is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// When something happens to it.
    Event,
    /// When something happens to it, or after the time.
    Within(Duration),
    /// Never: it is gone.
    Gone,
}

/// Why a pass could not be finished. It is to be repeated, with growing pauses.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server refused something about the graph itself.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The graph's objects cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No client for the ServiceAccount.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The ResourceGraph is not what its type says.
    #[error("the ResourceGraph {graph} cannot be read")]
    Unreadable {
        /// Which.
        graph: Owner,
        /// Why.
        source: serde_json::Error,
    },
    /// Somebody else writes the status. What was known was thrown away.
    #[error(
        "the status of ResourceGraph {0} was written by somebody else; is a second controller running?"
    )]
    NotAlone(Owner),
}

/// Makes the [`Objects`] of a graph from those that were rendered.
pub type Loader = Arc<
    dyn Fn(&ResourceGraph, std::collections::BTreeMap<NodeId, Value>) -> Arc<dyn Objects>
        + Send
        + Sync,
>;

/// What is known of a graph between two passes; all of it can be learnt again.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) ledger: Ledger,
    objects: Option<(String, Arc<dyn Objects>)>,
    pub(crate) tries: HashMap<NodeId, Tries>,
}

/// The failed tries of a node.
#[derive(Debug, Clone)]
pub(crate) struct Tries {
    count: u32,
    not_before: Instant,
    digest: String,
    seen: Option<u128>,
}

/// Executes graphs.
#[derive(Clone)]
pub struct Executor {
    cluster: Cluster,
    access: Access,
    live: Live,
    events: Events,
    metrics: Metrics,
    options: Options,
    loader: Loader,
    runs: Arc<Mutex<HashMap<String, Arc<tokio::sync::Mutex<Run>>>>>,
    claims: Arc<Mutex<HashMap<ObjectKey, Owner>>>,
}

impl Executor {
    /// An executor with the given rights on ResourceGraphs, their Secrets and ServiceAccounts (to impersonate).
    pub fn new(cluster: Cluster, events: Events, metrics: Metrics, options: Options) -> Self {
        Self {
            access: cluster.access(),
            cluster,
            live: Live::default(),
            events,
            metrics,
            options,
            loader: Arc::new(|_, objects| Arc::new(Rendered::new(objects))),
            runs: Arc::default(),
            claims: Arc::default(),
        }
    }

    /// With objects that are not simply those that were rendered.
    #[must_use]
    pub fn with_loader(mut self, loader: Loader) -> Self {
        self.loader = loader;
        self
    }

    /// The graphs that something happened to: what is to be reconciled.
    pub fn woken(&self) -> impl Stream<Item = Owner> + Send + use<> {
        self.live.woken()
    }

    /// One pass.
    #[tracing::instrument(skip(self), fields(graph = %owner))]
    pub async fn reconcile(&self, owner: &Owner) -> Result<Next, ReconcileError> {
        let began = Instant::now();
        let answer = self.one_pass(owner).await;
        let result = if answer.is_ok() { "success" } else { "failure" };
        let controller = "resourcegraph";
        self.metrics
            .reconciled
            .get_or_create(&PassLabels { controller, result })
            .inc();
        self.metrics
            .reconcile_seconds
            .get_or_create(&ControllerLabels { controller })
            .observe(began.elapsed().as_secs_f64());
        answer
    }

    async fn one_pass(&self, owner: &Owner) -> Result<Next, ReconcileError> {
        let kind = self.graph_kind().await?;
        let Some(found) = self.access.get(&kind, &graph_ref(owner)).await? else {
            self.forget(owner);
            return Ok(Next::Gone);
        };
        let graph = read(owner, found)?;
        let run = self.run_of(&graph);
        let mut run = run.lock().await;
        run.ledger.meet(&graph);
        if graph.metadata.deletion_timestamp.is_some() {
            return self.take_down(owner, &graph, &mut run).await;
        }
        let suspended = graph
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(ANNOTATION_SUSPEND));
        if suspended.is_some_and(|value| value == "true") {
            return Ok(Next::Event);
        }
        self.ensure_finalizer(&kind, owner, &graph, &mut run)
            .await?;
        self.bring_about(owner, &graph, &mut run).await
    }

    pub(crate) async fn graph_kind(&self) -> Result<Kind, ApiError> {
        let version = ResourceGraph::api_version(&());
        self.access.kind(&version, &ResourceGraph::kind(&())).await
    }

    fn run_of(&self, graph: &ResourceGraph) -> Arc<tokio::sync::Mutex<Run>> {
        let uid = graph.metadata.uid.clone().unwrap_or_default();
        lock(&self.runs).entry(uid).or_default().clone()
    }

    fn forget(&self, owner: &Owner) {
        self.live.leave(owner);
        lock(&self.claims).retain(|_, by| by != owner);
    }

    /// Ends what is known of a graph that was taken down.
    pub(crate) fn forget_run(&self, owner: &Owner, graph: &ResourceGraph) {
        self.forget(owner);
        lock(&self.runs).remove(graph.metadata.uid.as_deref().unwrap_or_default());
    }

    /// A graph without our finalizer could vanish with its objects left behind.
    async fn ensure_finalizer(
        &self,
        kind: &Kind,
        owner: &Owner,
        graph: &ResourceGraph,
        run: &mut Run,
    ) -> Result<(), ReconcileError> {
        let mut finalizers = graph.metadata.finalizers.clone().unwrap_or_default();
        if finalizers.iter().any(|name| name == FINALIZER_GRAPH) {
            return Ok(());
        }
        finalizers.push(FINALIZER_GRAPH.to_owned());
        self.set_finalizers(kind, owner, run, &finalizers).await
    }

    pub(crate) async fn set_finalizers(
        &self,
        kind: &Kind,
        owner: &Owner,
        run: &mut Run,
        finalizers: &[String],
    ) -> Result<(), ReconcileError> {
        let patch = json!({"metadata": {
            "resourceVersion": run.ledger.version(), "finalizers": finalizers,
        }});
        let answer = self
            .access
            .merge(kind, &graph_ref(owner), FIELD_MANAGER, &patch)
            .await?;
        let version = pequod_kube::object::meta(&answer, "resourceVersion").unwrap_or_default();
        run.ledger.moved(version.to_owned());
        Ok(())
    }

    /// The objects of a graph, read once for every store.
    async fn objects_of(
        &self,
        owner: &Owner,
        graph: &ResourceGraph,
        run: &mut Run,
    ) -> Result<Arc<dyn Objects>, ReconcileError> {
        let digest = &graph.spec.store.digest;
        if let Some((known, objects)) = &run.objects
            && known == digest
        {
            return Ok(objects.clone());
        }
        let store = Store::of(self.access.clone(), &owner.namespace, &owner.name).await?;
        let objects = (self.loader)(graph, store.read(&graph.spec.store).await?);
        run.objects = Some((digest.clone(), objects.clone()));
        Ok(objects)
    }

    /// Writes the status, if it differs from the one written last.
    pub(crate) async fn write_status(
        &self,
        owner: &Owner,
        run: &mut Run,
    ) -> Result<(), ReconcileError> {
        if run.ledger.is_written() {
            return Ok(());
        }
        let kind = self.graph_kind().await?;
        let closed = packed::close_status(&run.ledger.status).map_err(StoreError::from)?;
        for last in [false, true] {
            let version = run.ledger.version();
            let status = &closed;
            let answer = self
                .access
                .set_status(&kind, &graph_ref(owner), FIELD_MANAGER, version, status)
                .await;
            match answer {
                Ok(object) => {
                    let version = pequod_kube::object::meta(&object, "resourceVersion");
                    run.ledger.wrote(version.unwrap_or_default().to_owned());
                    return Ok(());
                }
                Err(error) if error.failure == Failure::Precondition && !last => {
                    self.catch_up(&kind, owner, run).await?;
                }
                // It went away meanwhile: the next pass finds out.
                Err(error) if error.failure == Failure::NotFound => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The graph changed since it was read. If it was not the status that changed, ours may be written over it.
    async fn catch_up(
        &self,
        kind: &Kind,
        owner: &Owner,
        run: &mut Run,
    ) -> Result<(), ReconcileError> {
        let Some(found) = self.access.get(kind, &graph_ref(owner)).await? else {
            return Ok(());
        };
        let graph = read(owner, found)?;
        let ours = run.ledger.status.clone();
        if !run.ledger.meet(&graph) {
            return Err(ReconcileError::NotAlone(owner.clone()));
        }
        run.ledger.status = ours;
        Ok(())
    }

    pub(crate) fn account(&self, owner: &Owner, name: &str) -> Result<Access, ConnectError> {
        self.cluster.as_service_account(&owner.namespace, name)
    }

    pub(crate) const fn live(&self) -> &Live {
        &self.live
    }

    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) const fn own_access(&self) -> &Access {
        &self.access
    }

    /// Claims an object for a graph, in this process: two graphs that both find it absent must not both create it.
    fn claim(&self, key: &ObjectKey, owner: &Owner) -> Result<(), Owner> {
        let mut claims = lock(&self.claims);
        match claims.get(key) {
            Some(by) if by != owner => Err(by.clone()),
            _ => {
                claims.insert(key.clone(), owner.clone());
                Ok(())
            }
        }
    }

    pub(crate) fn give_up_claim(&self, key: &ObjectKey, owner: &Owner) {
        let mut claims = lock(&self.claims);
        if claims.get(key) == Some(owner) {
            claims.remove(key);
        }
    }

    /// Publishes events after the work, without holding it up.
    pub(crate) fn announce(&self, graph: &ResourceGraph, news: Vec<News>) {
        let events = self.events.clone();
        let about: ObjectReference = graph.object_ref(&());
        tokio::spawn(async move {
            for one in news.into_iter().take(MOST_NEWS) {
                match one {
                    News::Good(reason, note) => events.normal(&about, reason, note).await,
                    News::Bad(reason, note) => events.warning(&about, reason, note).await,
                }
            }
        });
    }
}

/// How many events a pass may publish: a graph of thousands that fails must not flood the cluster.
const MOST_NEWS: usize = 10;

/// What a pass has to tell.
#[derive(Debug)]
pub(crate) enum News {
    /// Reason and note.
    Good(&'static str, String),
    /// Reason and note.
    Bad(&'static str, String),
}

/// A graph as it was read, with everything in the open.
fn read(owner: &Owner, found: Value) -> Result<ResourceGraph, ReconcileError> {
    let mut graph: ResourceGraph =
        serde_json::from_value(found).map_err(|source| ReconcileError::Unreadable {
            graph: owner.clone(),
            source,
        })?;
    packed::open(&mut graph).map_err(StoreError::from)?;
    Ok(graph)
}

pub(crate) fn graph_ref(owner: &Owner) -> ObjectRef {
    ObjectRef {
        api_version: ResourceGraph::api_version(&()).into_owned(),
        kind: ResourceGraph::kind(&()).into_owned(),
        namespace: Some(owner.namespace.clone()),
        name: owner.name.clone(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
