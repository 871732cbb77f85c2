//! When a status is written: a moment after something changed, never before all lists are complete, and not when it
//! would be the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::watcher;
use kube::{Api, Client, Resource as _};
use pequod_api::names::{LABEL_PART_OF, PART_OF};
use pequod_api::{ObjectRef, ResourceGraph, Solution, SolutionSpec, Transform, packed};
use pequod_policy::stamp::Keys;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::index::{Index, Name, Owner};
use super::kinds::{self, Kind};
use super::status;
use super::watch::{self, ObjectReport, Proof, Reason, Report};
use crate::cli::ControllerArgs;

/// How long after a change a status is written: changes come in swarms.
const SETTLE: Duration = Duration::from_millis(300);
/// How long after a write that failed it is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is asked which kinds there are.
const KINDS: Duration = Duration::from_mins(1);
/// How long writing waits for lists that do not come. A kind that is slower is taken as broken.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the controller counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Metrics {
    writes: Counter,
    solutions: Gauge,
    kinds: Gauge,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "pequod_solution_writes",
            "Statuses written",
            metrics.writes.clone(),
        );
        registry.register(
            "pequod_solutions",
            "Solutions in the cluster",
            metrics.solutions.clone(),
        );
        registry.register(
            "pequod_solution_kinds",
            "Kinds watched for members",
            metrics.kinds.clone(),
        );
        metrics
    }
}

/// What is reported to the worker.
#[derive(Debug)]
pub(super) enum Event {
    Solution(Report<Box<Solution>>),
    Transform(Report<(Name, Owner)>),
    Graph(Report<(Name, Vec<ObjectRef>)>),
    Keys(Keys),
}

/// The controller, ready to run.
#[derive(Clone)]
pub(super) struct Controller {
    pub(super) client: Client,
    pub(super) cluster: Arc<str>,
    pub(super) args: ControllerArgs,
    pub(super) metrics: Metrics,
}

impl Controller {
    /// Works until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let (events, inbox) = mpsc::channel(256);
        let (objects, seen) = mpsc::channel(256);
        self.watch_own(&events, &stop);
        let worker = Worker {
            client: self.client,
            cluster: self.cluster,
            metrics: self.metrics,
            index: Index::default(),
            lists: BTreeMap::from([("solutions", None), ("transforms", None), ("graphs", None)]),
            keys: None,
            watches: HashMap::new(),
            number: 0,
            refresh: Instant::now(),
            objects,
            due: BTreeMap::new(),
            begun: Instant::now(),
        };
        worker.work(inbox, seen, stop).await;
    }

    fn watch_own(&self, events: &mpsc::Sender<Event>, stop: &CancellationToken) {
        let client = || self.client.clone();
        tokio::spawn(watch::typed(
            Api::<Solution>::all(client()),
            Box::new,
            Event::Solution,
            events.clone(),
            stop.clone(),
        ));
        let owner = |transform: Transform| {
            let metadata = transform.metadata;
            let name = (
                metadata.namespace.unwrap_or_default(),
                metadata.name.unwrap_or_default(),
            );
            let deleted = metadata.deletion_timestamp.is_some();
            (
                name,
                Owner {
                    uid: metadata.uid.unwrap_or_default(),
                    deleted,
                },
            )
        };
        let transforms = Api::<Transform>::all(client());
        tokio::spawn(watch::typed(
            transforms,
            owner,
            Event::Transform,
            events.clone(),
            stop.clone(),
        ));
        let graphs = Api::<ResourceGraph>::all(client());
        tokio::spawn(watch::typed(
            graphs,
            inventory_of,
            Event::Graph,
            events.clone(),
            stop.clone(),
        ));
        tokio::spawn(follow_keys(
            Api::namespaced(client(), &self.args.replica.lease_namespace),
            self.args.stamp_secret.clone(),
            events.clone(),
            stop.clone(),
        ));
    }
}

/// The Transform that the graph belongs to, and every object that it may have made.
fn inventory_of(mut graph: ResourceGraph) -> (Name, Vec<ObjectRef>) {
    if let Err(error) = packed::open(&mut graph) {
        tracing::warn!(graph = ?graph.metadata.name, %error, "its inventory cannot be read");
    }
    let namespace = graph.metadata.namespace.unwrap_or_default();
    let inventory = graph.status.map(|status| status.inventory);
    let targets = inventory.into_iter().flatten().map(|item| item.target);
    ((namespace, graph.spec.source.transform), targets.collect())
}

/// Reports the stamp keys whenever they change; none, while there is no Secret.
async fn follow_keys(
    api: Api<Secret>,
    name: String,
    events: mpsc::Sender<Event>,
    stop: CancellationToken,
) {
    use futures::StreamExt as _;
    use kube::runtime::WatchStreamExt as _;

    let mut stream = std::pin::pin!(watcher::watch_object(api, &name).default_backoff());
    let mut told = false;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = stream.next() => event,
        };
        let secret = match event {
            Some(Ok(secret)) => secret,
            Some(Err(error)) => {
                warn!(%error, secret = name, "the stamp keys cannot be read");
                if told {
                    continue;
                }
                // Without them, all authors stay unresolved; the rest of a status is true all the same.
                None
            }
            None => return,
        };
        told = true;
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let keys = Keys::new(data.into_iter().map(|(id, key)| (id, key.0)));
        if events.send(Event::Keys(keys)).await.is_err() {
            return;
        }
    }
}

struct Worker {
    client: Client,
    cluster: Arc<str>,
    metrics: Metrics,
    index: Index,
    /// Of our own kinds: what a list has had so far, `None` before the first, empty when complete.
    lists: BTreeMap<&'static str, Option<Listing>>,
    keys: Option<Keys>,
    watches: HashMap<Kind, Watch>,
    /// How many watches there have been.
    number: u64,
    /// When it is asked next which kinds there are.
    refresh: Instant,
    objects: mpsc::Sender<ObjectReport>,
    due: BTreeMap<Name, Instant>,
    begun: Instant,
}

/// The two watches of a kind.
struct Watch {
    /// What an older watch still reports does not count.
    number: u64,
    stop: CancellationToken,
}

/// How far a list is.
#[derive(Debug)]
enum Listing {
    Under(BTreeSet<Name>),
    Complete,
}

impl Worker {
    async fn work(
        mut self,
        mut inbox: mpsc::Receiver<Event>,
        mut seen: mpsc::Receiver<ObjectReport>,
        stop: CancellationToken,
    ) {
        loop {
            let next = self.due.values().min().copied().filter(|_| self.complete());
            let wake = next.unwrap_or_else(|| Instant::now() + Duration::from_secs(1));
            tokio::select! {
                () = stop.cancelled() => break,
                Some(event) = inbox.recv() => self.own(event),
                Some((number, kind, reason, report)) = seen.recv() => {
                    if self.watches.get(&kind).is_some_and(|watch| watch.number == number) {
                        let touched = self.index.object(&kind, reason, report);
                        self.touch(touched);
                    }
                }
                () = tokio::time::sleep_until(self.refresh), if self.keys.is_some() => {
                    self.refresh = Instant::now() + KINDS;
                    self.refresh(&stop).await;
                }
                () = tokio::time::sleep_until(wake) => {}
            }
            if self.complete() {
                self.write_due().await;
            }
        }
        for watch in self.watches.values() {
            watch.stop.cancel();
        }
    }

    /// Whether everything was seen once. Before, what is missing may only not have been listed yet.
    fn complete(&self) -> bool {
        let own = self
            .lists
            .values()
            .all(|list| matches!(list, Some(Listing::Complete)));
        let late = self.begun.elapsed() > PATIENCE;
        own && self.keys.is_some() && !self.watches.is_empty() && (late || self.index.complete())
    }

    fn touch(&mut self, names: impl IntoIterator<Item = Name>) {
        let at = Instant::now() + SETTLE;
        for name in names {
            self.due.entry(name).or_insert(at);
        }
    }

    /// Starts and stops watches as kinds come and go.
    async fn refresh(&mut self, stop: &CancellationToken) {
        let Some(keys) = self.keys.clone() else {
            return;
        };
        let kinds = match kinds::list(&self.client).await {
            Ok(kinds) => kinds,
            Err(error) => return warn!(%error, "it cannot be told which kinds there are"),
        };
        let gone: Vec<Kind> = self
            .watches
            .keys()
            .filter(|kind| !kinds.contains(kind))
            .cloned()
            .collect();
        for kind in gone {
            if let Some(watch) = self.watches.remove(&kind) {
                watch.stop.cancel();
            }
            let touched = self.index.unwatch(&kind);
            self.touch(touched);
        }
        for kind in kinds {
            if self.watches.contains_key(&kind) {
                continue;
            }
            let stop = stop.child_token();
            self.number += 1;
            self.index.watch(&kind);
            for reason in Reason::ALL {
                let proof = Proof {
                    keys: keys.clone(),
                    cluster: Arc::clone(&self.cluster),
                };
                tokio::spawn(watch::objects(
                    self.client.clone(),
                    (self.number, kind.clone(), reason),
                    proof,
                    self.objects.clone(),
                    stop.clone(),
                ));
            }
            self.watches.insert(
                kind,
                Watch {
                    number: self.number,
                    stop,
                },
            );
        }
        self.metrics
            .kinds
            .set(i64::try_from(self.watches.len()).unwrap_or(i64::MAX));
    }

    fn own(&mut self, event: Event) {
        match event {
            Event::Solution(report) => self.solution(report),
            Event::Transform(report) => self.transform(report),
            Event::Graph(report) => self.graph(report),
            Event::Keys(keys) => self.new_keys(keys),
        }
    }

    /// With other keys other stamps are believed: everything is to be looked at again.
    fn new_keys(&mut self, keys: Keys) {
        if self
            .keys
            .as_ref()
            .is_some_and(|old| old.ids().eq(keys.ids()))
        {
            return;
        }
        info!(keys = keys.ids().count(), "stamp keys in use");
        self.keys = Some(keys);
        let watches: Vec<(Kind, Watch)> = self.watches.drain().collect();
        for (kind, watch) in watches {
            watch.stop.cancel();
            let touched = self.index.unwatch(&kind);
            self.touch(touched);
        }
        self.refresh = Instant::now();
        self.begun = Instant::now();
    }

    fn solution(&mut self, report: Report<Box<Solution>>) {
        let name = |solution: &Solution| {
            let metadata = &solution.metadata;
            (
                metadata.namespace.clone().unwrap_or_default(),
                metadata.name.clone().unwrap_or_default(),
            )
        };
        match report {
            Report::Is(solution) => {
                let name = name(&solution);
                self.listed("solutions", &name);
                self.index.solutions.insert(name.clone(), *solution);
                self.touch([name]);
            }
            Report::Gone(solution) => {
                let name = name(&solution);
                self.index.solutions.remove(&name);
                // A Transform's comes back.
                self.touch([name]);
            }
            Report::Begin => self.begin("solutions"),
            Report::Complete => {
                let known = self.index.solutions.keys().cloned().collect();
                for name in self.end("solutions", known) {
                    self.index.solutions.remove(&name);
                }
            }
            Report::Broken => {}
        }
        self.metrics
            .solutions
            .set(i64::try_from(self.index.solutions.len()).unwrap_or(i64::MAX));
    }

    fn transform(&mut self, report: Report<(Name, Owner)>) {
        match report {
            Report::Is((name, owner)) => {
                self.listed("transforms", &name);
                self.index.transforms.insert(name.clone(), owner);
                self.touch([name]);
            }
            Report::Gone((name, _)) => {
                self.index.transforms.remove(&name);
            }
            Report::Begin => self.begin("transforms"),
            Report::Complete => {
                let known = self.index.transforms.keys().cloned().collect();
                for name in self.end("transforms", known) {
                    self.index.transforms.remove(&name);
                }
            }
            Report::Broken => {}
        }
    }

    fn graph(&mut self, report: Report<(Name, Vec<ObjectRef>)>) {
        match report {
            Report::Is((name, targets)) => {
                self.listed("graphs", &name);
                if self.index.inventory(&name, targets) {
                    self.touch([name]);
                }
            }
            Report::Gone((name, _)) => {
                if self.index.inventory(&name, Vec::new()) {
                    self.touch([name]);
                }
            }
            Report::Begin => self.begin("graphs"),
            Report::Complete => {
                for name in self.end("graphs", self.index.inventoried()) {
                    self.index.inventory(&name, Vec::new());
                    self.touch([name]);
                }
            }
            Report::Broken => {}
        }
    }

    fn begin(&mut self, list: &'static str) {
        self.lists
            .insert(list, Some(Listing::Under(BTreeSet::new())));
    }

    fn listed(&mut self, list: &'static str, name: &Name) {
        if let Some(Some(Listing::Under(names))) = self.lists.get_mut(list) {
            names.insert(name.clone());
        }
    }

    /// The list is complete: those of the known that it did not have.
    fn end(&mut self, list: &'static str, known: Vec<Name>) -> Vec<Name> {
        match self.lists.insert(list, Some(Listing::Complete)) {
            Some(Some(Listing::Under(listed))) => known
                .into_iter()
                .filter(|name| !listed.contains(name))
                .collect(),
            _ => Vec::new(),
        }
    }

    async fn write_due(&mut self) {
        let now = Instant::now();
        let ready: Vec<Name> = self
            .due
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in ready {
            self.due.remove(&name);
            if let Err(error) = self.write(&name).await {
                let (namespace, name_) = &name;
                warn!(%error, namespace, name = name_, "the status of a Solution was not written");
                self.due.insert(name, Instant::now() + RETRY);
            }
        }
    }

    async fn write(&mut self, name: &Name) -> Result<(), kube::Error> {
        let api: Api<Solution> = Api::namespaced(self.client.clone(), &name.0);
        let Some(solution) = self.index.solutions.get(name) else {
            return self.create(&api, name).await;
        };
        if solution.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let members = self.index.members(name);
        let generation = solution.metadata.generation;
        let status = status::of(
            members,
            solution.status.as_ref(),
            generation,
            Timestamp::now(),
        );
        if solution.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let mut solution = solution.clone();
        solution.status = Some(status);
        let written = api
            .replace_status(&name.1, &PostParams::default(), &solution)
            .await;
        match written {
            Ok(written) => {
                self.metrics.writes.inc();
                self.index.solutions.insert(name.clone(), written);
                Ok(())
            }
            // Deleted meanwhile: the watch will say so.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Every Transform has a Solution; it goes when the Transform goes.
    async fn create(&mut self, api: &Api<Solution>, name: &Name) -> Result<(), kube::Error> {
        let Some(owner) = self
            .index
            .transforms
            .get(name)
            .filter(|owner| !owner.deleted)
        else {
            return Ok(());
        };
        let solution = Solution {
            metadata: ObjectMeta {
                name: Some(name.1.clone()),
                namespace: Some(name.0.clone()),
                labels: Some(BTreeMap::from([(
                    LABEL_PART_OF.to_owned(),
                    PART_OF.to_owned(),
                )])),
                owner_references: Some(vec![OwnerReference {
                    api_version: Transform::api_version(&()).into_owned(),
                    kind: Transform::kind(&()).into_owned(),
                    name: name.1.clone(),
                    uid: owner.uid.clone(),
                    ..OwnerReference::default()
                }]),
                ..ObjectMeta::default()
            },
            spec: SolutionSpec::default(),
            status: None,
        };
        match api.create(&PostParams::default(), &solution).await {
            Ok(created) => {
                self.index.solutions.insert(name.clone(), created);
                self.touch([name.clone()]);
                Ok(())
            }
            // Somebody else was faster; the watch will say so.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inventory_of_a_graph_that_is_too_big_to_lie_in_the_open_is_read_too() {
        let item = |n: usize| {
            serde_json::json!({
                "node": format!("node-{n}"),
                "target": {"apiVersion": "v1", "kind": "ConfigMap", "namespace": "shop", "name": format!("map-{n}")},
            })
        };
        let mut graph: ResourceGraph = serde_json::from_value(serde_json::json!({
            "apiVersion": "platform.pequod.io/v1alpha1",
            "kind": "ResourceGraph",
            "metadata": {"name": "big", "namespace": "shop"},
            "spec": {
                "source": {"transform": "big", "generation": 1, "moduleDigest": "", "renderDigest": ""},
                "serviceAccountName": "default",
                "store": {"digest": "", "count": 0, "chunks": []},
            },
            "status": {"inventory": (0..3000).map(item).collect::<Vec<_>>()},
        }))
        .unwrap();
        graph.status = graph
            .status
            .map(|status| packed::close_status(&status).unwrap());
        assert!(
            graph
                .status
                .as_ref()
                .is_some_and(|status| status.inventory.is_empty())
        );
        let (name, targets) = inventory_of(graph);
        assert_eq!(name, ("shop".to_owned(), "big".to_owned()));
        assert_eq!(targets.len(), 3000);
    }
}
