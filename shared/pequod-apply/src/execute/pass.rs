//! One pass over a graph that is wanted.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use pequod_api::names::FIELD_MANAGER;
use pequod_api::resource_graph::{InventoryItem, NodeStatus};
use pequod_api::{ApplyMode, DependencyWhen, NodeId, NodePhase, ResourceGraph};
use pequod_graph::{Edge, Graph, State, When};
use pequod_kube::status::Status;
use pequod_kube::{Access, Failure, Kind, fields, object};
use serde_json::Value;
use tokio::time::Instant;

use super::node::{Applied, Before, Listed, NodeError};
use super::summary::{Hopeless, Summary};
use super::{Executor, News, Next, ReconcileError, Run, Tries};
use crate::inventory::{self, key};
use crate::metrics::ManagedLabels;
use crate::objects::{Desired, Objects};
use crate::ownership::{Owner, Whose};
use crate::readiness;
use crate::remove::Why;
use crate::resolve::{Node, resolve};
use crate::state::{Happened, for_order, next};

/// From how many unknown objects of a kind and namespace on one list is cheaper than asking for each.
const LIST_FROM: usize = 4;
/// How long a pass waits for new watches.
const WATCH_PATIENCE: Duration = Duration::from_secs(5);

/// Everything a pass works with.
struct Pass<'a> {
    executor: &'a Executor,
    owner: &'a Owner,
    access: Access,
    nodes: BTreeMap<NodeId, Node>,
    order: Graph<NodeId>,
    objects: Arc<dyn Objects>,
    /// Metadata from lists: what is not in a listed namespace is absent.
    listed: HashMap<(String, Option<String>), HashMap<String, Value>>,
    /// Where in the inventory a node's object is; nothing moves in it before pruning.
    items: HashMap<NodeId, usize>,
    /// Nodes whose object must be sent.
    unsent: BTreeMap<NodeId, (Arc<Value>, String)>,
    news: Vec<News>,
    wake: Option<Duration>,
}

impl Executor {
    pub(super) async fn bring_about(
        &self,
        owner: &Owner,
        graph: &ResourceGraph,
        run: &mut Run,
    ) -> Result<Next, ReconcileError> {
        let generation = graph.metadata.generation;
        if run.ledger.status.observed_generation != generation {
            // A new generation is tried at once, and cancels every wait.
            run.tries.clear();
            for status in run.ledger.status.node_status.values_mut() {
                status.waiting_since = None;
            }
        }
        run.ledger.status.observed_generation = generation;
        let access = self.account(owner, &graph.spec.service_account_name)?;
        let mut nodes = resolve(&access, owner, &graph.spec.nodes).await;
        remember_targets(&mut nodes, &run.ledger.status.inventory);
        let order = match check(graph, &nodes, run) {
            Ok(order) => order,
            Err(hopeless) => {
                let fresh = Summary::hopeless(&hopeless).write(run, generation);
                self.write_status(owner, run).await?;
                if fresh {
                    self.announce(graph, vec![News::Bad(hopeless.reason, hopeless.message)]);
                }
                return Ok(Next::Event);
            }
        };
        let objects = self.objects_of(owner, graph, run).await?;
        let mut pass = Pass {
            executor: self,
            owner,
            access,
            nodes,
            order,
            objects,
            listed: HashMap::new(),
            items: HashMap::new(),
            unsent: BTreeMap::new(),
            news: Vec::new(),
            wake: None,
        };
        pass.record(graph, run).await?;
        pass.look(graph, run).await?;
        pass.send_all(run).await;
        pass.hold_and_block(run);
        pass.prune(run).await;
        let leaving = pass.leaving(run).len();
        let summary = Summary::of(&run.ledger.status, pass.nodes.len(), leaving);
        if summary.write(run, generation) && summary.is_ready() {
            pass.news.push(News::Good("Ready", summary.message.clone()));
        }
        let (news, wake) = (std::mem::take(&mut pass.news), pass.wake);
        self.write_status(owner, run).await?;
        self.announce(graph, news);
        Ok(wake.map_or(Next::Event, Next::Within))
    }
}

/// While a kind cannot be found, its objects are where they were.
fn remember_targets(nodes: &mut BTreeMap<NodeId, Node>, inventory: &[InventoryItem]) {
    for item in inventory {
        if let Some(node) = nodes.get_mut(&item.node)
            && node.kind.is_err()
            && (&node.target.kind, &node.target.name) == (&item.target.kind, &item.target.name)
            && node.target.group() == item.target.group()
        {
            node.target = item.target.clone();
        }
    }
}

/// What makes a graph impossible to carry out, before anything is touched.
fn check(
    graph: &ResourceGraph,
    nodes: &BTreeMap<NodeId, Node>,
    run: &Run,
) -> Result<Graph<NodeId>, Hopeless> {
    let hopeless = |reason, message| Hopeless { reason, message };
    if graph.spec.nodes.is_empty() && !run.ledger.status.inventory.is_empty() {
        return Err(hopeless(
            "EmptyRender",
            format!(
                "the graph has no nodes, but {} objects were made; nothing is deleted for an empty render (delete the \
                 Transform to remove them)",
                run.ledger.status.inventory.len()
            ),
        ));
    }
    let edges = graph.spec.nodes.iter().flat_map(|node| {
        node.depends_on.iter().map(|dependency| Edge {
            node: node.id.clone(),
            after: dependency.id.clone(),
            when: match dependency.when {
                DependencyWhen::Applied => When::Applied,
                DependencyWhen::Ready => When::Ready,
            },
        })
    });
    let ids = graph.spec.nodes.iter().map(|node| node.id.clone());
    let order = Graph::build(ids, edges).map_err(|e| hopeless("InvalidGraph", e.to_string()))?;
    let targets = nodes.iter().map(|(id, node)| (id, &node.target));
    if let Some((first, second, target)) = inventory::shared_target(targets) {
        return Err(hopeless(
            "InvalidGraph",
            format!("nodes `{first}` and `{second}` both stand for {target}"),
        ));
    }
    Ok(order)
}

impl Pass<'_> {
    /// Writes down what may be created, before anything is.
    async fn record(&mut self, graph: &ResourceGraph, run: &mut Run) -> Result<(), ReconcileError> {
        let account = &graph.spec.service_account_name;
        // In the order of the graph, so that the record does not depend on ids.
        // A node whose kind is not known cannot be sent in this pass, and where its object lies is not known either.
        let nodes = graph.spec.nodes.iter().filter_map(|spec| {
            let node = self.nodes.get(&spec.id).filter(|node| node.kind.is_ok())?;
            Some((&node.spec, &node.target))
        });
        let grown = inventory::extend(&mut run.ledger.status.inventory, nodes, account);
        let places: HashMap<_, _> = run
            .ledger
            .status
            .inventory
            .iter()
            .enumerate()
            .map(|(at, item)| (key(&item.target), at))
            .collect();
        self.items = self
            .nodes
            .iter()
            .filter_map(|(id, node)| Some((id.clone(), *places.get(&key(&node.target))?)))
            .collect();
        let nodes = &self.nodes;
        let status = &mut run.ledger.status.node_status;
        status.retain(|id, _| nodes.contains_key(id));
        for id in nodes.keys() {
            status.entry(id.clone()).or_default();
        }
        if grown {
            let generation = graph.metadata.generation;
            Summary::begun(nodes.len()).write(run, generation);
            self.executor.write_status(self.owner, run).await?;
        }
        Ok(())
    }

    /// Looks at what is there: which nodes must be sent, and what has become of the others.
    async fn look(&mut self, graph: &ResourceGraph, run: &mut Run) -> Result<(), ReconcileError> {
        let kinds: BTreeMap<_, _> = self
            .nodes
            .values()
            .filter(|node| node.spec.apply.mode != ApplyMode::Observe)
            .filter_map(|node| {
                let kind = node.kind.as_ref().ok()?;
                let namespace = node.target.namespace.clone();
                let name = (
                    kind.resource.group.clone(),
                    kind.resource.kind.clone(),
                    namespace.clone(),
                );
                Some((name, (kind.clone(), namespace)))
            })
            .collect();
        let kinds: Vec<_> = kinds.into_values().collect();
        let account = &graph.spec.service_account_name;
        let live = self.executor.live();
        let watched = live
            .follow(self.owner, account, &self.access, &kinds, WATCH_PATIENCE)
            .await;
        self.ask(!watched, run).await;
        let ids: Vec<NodeId> = self.nodes.keys().cloned().collect();
        for id in ids {
            self.look_at(&id, run);
        }
        self.list_unknown().await;
        Ok(())
    }

    /// Asks for objects that no watch shows: those that are another's (only observed, or left alone when they were to
    /// be created), and all where a watch is refused.
    async fn ask(&mut self, all: bool, run: &Run) {
        let is_unwatched = |node: &Node| {
            let known = run.ledger.status.node_status.get(&node.spec.id);
            let was_sent = known.is_some_and(|status| status.applied_digest.is_some());
            match node.spec.apply.mode {
                ApplyMode::Observe => true,
                ApplyMode::Create if was_sent => {
                    let live = self.executor.live().get(&key(&node.target));
                    all || live.is_none_or(|live| self.owner.whose(&live) != Whose::Ours)
                }
                _ => all && was_sent,
            }
        };
        let wanted: Vec<(&Node, &Kind)> = self
            .nodes
            .values()
            .filter(|node| is_unwatched(node))
            .filter_map(|node| Some((node, node.kind.as_ref().ok()?)))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let (access, live) = (&self.access, self.executor.live());
        futures::stream::iter(wanted)
            .for_each_concurrent(
                self.executor.options().parallelism,
                |(node, kind)| async move {
                    match access.get(kind, &node.target).await {
                        Ok(Some(object)) => {
                            live.put(object);
                        }
                        Ok(None) => live.remove(&key(&node.target)),
                        Err(error) => tracing::debug!(%error, "an object could not be read"),
                    }
                },
            )
            .await;
        self.wake_within(self.executor.options().poll);
    }

    /// What is to be done about a node: send it, or read what has become of it.
    fn look_at(&mut self, id: &NodeId, run: &mut Run) {
        let Some(node) = self.nodes.get(id) else {
            return;
        };
        let live = self.executor.live().get(&key(&node.target));
        if node.spec.apply.mode == ApplyMode::Observe {
            self.read(id, live.as_deref(), run);
            return;
        }
        let desired = match self.objects.object(&node.spec, &|_| None) {
            Ok(Desired::Known { object, digest }) => (object, digest),
            Ok(Desired::Waits(paths)) => {
                let message = format!("waits for {}", paths.join(", "));
                set(run, id, Happened::Held, Some(message));
                return;
            }
            Err(problem) => {
                self.fail(id, run, Happened::Refused, problem.to_string());
                return;
            }
        };
        let status = &run.ledger.status.node_status[id];
        let is_applied = status.applied_digest.as_ref() == Some(&desired.1);
        if node.spec.apply.mode == ApplyMode::Create && is_applied && live.is_some() {
            // Whoever made it: once it is there it is left alone.
            self.read(id, live.as_deref(), run);
            return;
        }
        let live = live.filter(|live| self.owner.whose(live) == Whose::Ours);
        let is_untouched = live.as_deref().is_some_and(|live| {
            status.applied_fields.is_some()
                && fields::applied_set(live, FIELD_MANAGER) == status.applied_fields
        });
        if is_applied && is_untouched {
            self.read(id, live.as_deref(), run);
            return;
        }
        if let Some(pause) = Self::pause_of(id, &desired.1, live.as_deref(), run) {
            self.wake_within(pause);
            return;
        }
        self.unsent.insert(id.clone(), desired);
    }

    /// How long a node that was refused is still left alone; nothing if it changed meanwhile.
    fn pause_of(id: &NodeId, digest: &str, live: Option<&Value>, run: &Run) -> Option<Duration> {
        let tries = run.tries.get(id)?;
        let is_same = tries.digest == digest && tries.seen == live.and_then(object::version);
        let pause = tries.not_before.saturating_duration_since(Instant::now());
        (is_same && !pause.is_zero()).then_some(pause)
    }

    /// Whether what is there is ready.
    fn read(&mut self, id: &NodeId, live: Option<&Value>, run: &mut Run) {
        let Some(node) = self.nodes.get(id) else {
            return;
        };
        let verdict = readiness::of(&node.spec, live, self.objects.as_ref());
        let limit = readiness::time_limit(&node.spec, self.executor.options().ready_timeout);
        match verdict.status {
            Status::Current => {
                set(run, id, Happened::Ready, None);
                if let Some(status) = run.ledger.status.node_status.get_mut(id) {
                    status.waiting_since = None;
                }
            }
            Status::Failed => self.fail(id, run, Happened::Refused, verdict.message),
            _ => {
                let now = Timestamp::now();
                let status = run.ledger.status.node_status.entry(id.clone()).or_default();
                let since = status
                    .waiting_since
                    .as_deref()
                    .and_then(|text| text.parse::<Timestamp>().ok())
                    .unwrap_or(now);
                status.waiting_since = Some(since.to_string());
                let waited = Duration::try_from(now.duration_since(since)).unwrap_or_default();
                if waited >= limit {
                    let message = format!(
                        "not ready after {} seconds: {}",
                        limit.as_secs(),
                        verdict.message
                    );
                    self.fail(id, run, Happened::TimedOut, message);
                } else {
                    set(run, id, Happened::NotReady, Some(verdict.message));
                    self.wake_within(limit.saturating_sub(waited));
                }
            }
        }
    }

    fn fail(&mut self, id: &NodeId, run: &mut Run, happened: Happened, message: String) {
        let was = run
            .ledger
            .status
            .node_status
            .get(id)
            .map(|status| status.phase);
        if was != Some(NodePhase::Failed) {
            self.news
                .push(News::Bad("NodeFailed", format!("node `{id}`: {message}")));
        }
        set(run, id, happened, Some(message));
    }

    fn wake_within(&mut self, time: Duration) {
        self.wake = Some(self.wake.map_or(time, |known| known.min(time)));
    }

    /// Lists what is there where many unknown objects are to be made: whether one exists must be known before it is
    /// applied, and one list is cheaper than many questions.
    async fn list_unknown(&mut self) {
        let mut unknown: BTreeMap<(String, Option<String>), (Kind, usize)> = BTreeMap::new();
        for id in self.unsent.keys() {
            let Some(node) = self.nodes.get(id) else {
                continue;
            };
            let Ok(kind) = &node.kind else { continue };
            if self.executor.live().get(&key(&node.target)).is_some() {
                continue;
            }
            unknown
                .entry((kind_key(kind), node.target.namespace.clone()))
                .or_insert_with(|| (kind.clone(), 0))
                .1 += 1;
        }
        for ((name, namespace), (kind, count)) in unknown {
            if count < LIST_FROM {
                continue;
            }
            match self
                .access
                .list_metadata(&kind, namespace.as_deref(), None)
                .await
            {
                Ok(items) => {
                    let by_name = items
                        .into_iter()
                        .map(|item| (object::name(&item).to_owned(), item))
                        .collect();
                    self.listed.insert((name, namespace), by_name);
                }
                // Then each is asked for on its own.
                Err(error) => tracing::debug!(%error, "no list"),
            }
        }
    }

    /// What a node is to the order: what must be sent counts as waiting whatever it was before.
    fn state(&self, id: &NodeId, run: &Run) -> State {
        if self.unsent.contains_key(id) {
            return State::Waiting;
        }
        run.ledger
            .status
            .node_status
            .get(id)
            .map_or(State::Waiting, |status| for_order(status.phase))
    }

    /// Sends what may go; what becomes ready lets others go, without waiting for the rest of its wave.
    async fn send_all(&mut self, run: &mut Run) {
        let mut queue: VecDeque<NodeId> = self
            .unsent
            .keys()
            .filter(|id| self.order.may_go(id, |before| self.state(before, run)))
            .cloned()
            .collect();
        let mut queued: BTreeSet<NodeId> = queue.iter().cloned().collect();
        let (executor, owner, access) = (self.executor, self.owner, self.access.clone());
        let access = &access;
        let mut flying = FuturesUnordered::new();
        loop {
            while flying.len() < executor.options().parallelism {
                let Some(id) = queue.pop_front() else { break };
                let Some(node) = self.nodes.get(&id).cloned() else {
                    continue;
                };
                let Some((desired, digest)) = self.unsent.get(&id).cloned() else {
                    continue;
                };
                if let Err(other) = executor.claim(&key(&node.target), owner) {
                    let error = NodeError::Claimed {
                        target: node.target.clone(),
                        other,
                    };
                    self.refused(&id, &digest, &error, run);
                    continue;
                }
                let before = self.before(&node, &digest, run);
                flying.push(async move {
                    let answer = executor
                        .apply_node(owner, access, &node, &desired, before)
                        .await;
                    (id, digest, answer)
                });
            }
            let Some((id, digest, answer)) = flying.next().await else {
                break;
            };
            match answer {
                Ok(applied) => self.applied(&id, &digest, applied, run),
                Err(error) => self.refused(&id, &digest, &error, run),
            }
            for (dependent, _) in self.order.dependents(&id) {
                if self.unsent.contains_key(dependent)
                    && !queued.contains(dependent)
                    && self
                        .order
                        .may_go(dependent, |before| self.state(before, run))
                {
                    queued.insert(dependent.clone());
                    queue.push_back(dependent.clone());
                }
            }
        }
    }

    fn item<'r>(&self, id: &NodeId, run: &'r Run) -> Option<&'r InventoryItem> {
        run.ledger.status.inventory.get(*self.items.get(id)?)
    }

    fn before(&self, node: &Node, digest: &str, run: &Run) -> Before {
        let status = &run.ledger.status.node_status[&node.spec.id];
        let live = self
            .executor
            .live()
            .get(&key(&node.target))
            .filter(|live| self.owner.whose(live) == Whose::Ours);
        let place = node
            .kind
            .as_ref()
            .ok()
            .map(|kind| (kind_key(kind), node.target.namespace.clone()));
        let listed = match place.and_then(|place| self.listed.get(&place)) {
            None => Listed::NotAsked,
            Some(items) => items
                .get(&node.target.name)
                .cloned()
                .map_or(Listed::Absent, Listed::Present),
        };
        let uid = self
            .item(&node.spec.id, run)
            .and_then(|item| item.uid.clone());
        Before {
            live,
            listed,
            uid,
            is_repair: status.applied_digest.as_deref() == Some(digest),
        }
    }

    fn applied(&mut self, id: &NodeId, digest: &str, applied: Applied, run: &mut Run) {
        self.unsent.remove(id);
        let Some(node) = self.nodes.get(id).cloned() else {
            return;
        };
        let Applied {
            object,
            left_alone,
            repaired,
        } = applied;
        let (namespace, kind) = (self.owner.namespace.clone(), node.target.kind.clone());
        let status = run.ledger.status.node_status.entry(id.clone()).or_default();
        let is_repair = status.applied_digest.as_deref() == Some(digest);
        if is_repair && !left_alone {
            self.executor
                .metrics()
                .repaired
                .get_or_create(&ManagedLabels { namespace, kind })
                .inc();
            let by: Vec<String> = repaired.iter().map(ToString::to_string).collect();
            let note = match by.as_slice() {
                [] => format!("{} was changed or removed, and was set back", node.target),
                by => format!(
                    "{} was changed and set back: {}",
                    node.target,
                    by.join(", ")
                ),
            };
            self.news.push(News::Good("DriftRepaired", note));
        } else {
            status.waiting_since = None;
        }
        status.applied_digest = Some(digest.to_owned());
        status.applied_fields = fields::applied_set(&object, FIELD_MANAGER);
        set(run, id, Happened::Accepted, None);
        if is_repair {
            // Somebody who undoes it at once is not fought at full speed.
            self.pause_after(id, digest, None, run);
        } else {
            run.tries.remove(id);
        }
        if !left_alone
            && let Some(item) = self
                .items
                .get(id)
                .and_then(|at| run.ledger.status.inventory.get_mut(*at))
        {
            item.uid = object::uid(&object).map(str::to_owned);
        }
        self.executor.live().put(object.clone());
        self.read(id, Some(&object), run);
    }

    fn refused(&mut self, id: &NodeId, digest: &str, error: &NodeError, run: &mut Run) {
        self.unsent.remove(id);
        let seen = self
            .nodes
            .get(id)
            .and_then(|node| self.executor.live().get(&key(&node.target)));
        if let NodeError::Api(api) = error {
            if matches!(api.failure, Failure::Precondition)
                && let Some(node) = self.nodes.get(id)
            {
                // It is another object than the one that was looked at: look again.
                self.executor.live().remove(&key(&node.target));
            }
            if matches!(api.failure, Failure::NoKind | Failure::NotFound)
                && let Some(node) = self.nodes.get(id)
            {
                self.access.discovery().forget(&node.target.api_version);
            }
        }
        let least = match error {
            NodeError::Api(api) => api.retry_after(),
            _ => None,
        };
        self.pause_after(id, digest, seen.as_deref().and_then(object::version), run);
        if let Some(least) = least
            && let Some(tries) = run.tries.get_mut(id)
        {
            tries.not_before = tries.not_before.max(Instant::now() + least);
        }
        if error.is_transient() {
            set(
                run,
                id,
                Happened::Held,
                Some(format!("trying again: {error}")),
            );
        } else {
            self.fail(id, run, Happened::Refused, error.to_string());
        }
    }

    fn pause_after(&mut self, id: &NodeId, digest: &str, seen: Option<u128>, run: &mut Run) {
        let count = run
            .tries
            .get(id)
            .map_or(1, |tries| tries.count.saturating_add(1));
        let pause = self
            .executor
            .options()
            .retry
            .pause(count, id.0.len() as u64);
        self.wake_within(pause);
        let tries = Tries {
            count,
            not_before: Instant::now() + pause,
            digest: digest.to_owned(),
            seen,
        };
        run.tries.insert(id.clone(), tries);
    }

    /// What must be sent and could not be: because of a failure before it, or because it is not its turn.
    fn hold_and_block(&mut self, run: &mut Run) {
        let blocked: BTreeMap<NodeId, NodeId> = self
            .order
            .blocked(|id| self.state(id, run))
            .into_iter()
            .map(|blocked| (blocked.node.clone(), blocked.by.clone()))
            .collect();
        for id in self.unsent.keys() {
            if let Some(by) = blocked.get(id) {
                set(
                    run,
                    id,
                    Happened::Blocked,
                    Some(format!("waits for `{by}`, which failed")),
                );
                continue;
            }
            let waits: Vec<String> = self
                .order
                .dependencies(id)
                .into_iter()
                .filter(|(before, when)| !self.state(before, run).satisfies(*when))
                .map(|(before, _)| format!("`{before}`"))
                .collect();
            let message = (!waits.is_empty()).then(|| format!("waits for {}", waits.join(", ")));
            set(run, id, Happened::Held, message);
        }
    }

    /// The places in the inventory of what left the graph.
    fn leaving(&self, run: &Run) -> Vec<usize> {
        let targets = self.nodes.values().map(|node| &node.target);
        inventory::leaving(&run.ledger.status.inventory, targets)
    }

    /// Removes what left the graph, once all that is in it is ready.
    async fn prune(&mut self, run: &mut Run) {
        let status = &run.ledger.status;
        let all_ready = status
            .node_status
            .values()
            .all(|node| node.phase == NodePhase::Ready);
        let leaving = self.leaving(run);
        if leaving.is_empty() || !all_ready {
            return;
        }
        let removal = self
            .executor
            .remove_items(self.owner, run, &leaving, Why::Pruned)
            .await;
        self.news.extend(removal.news);
        if let Some(pause) = removal.look_again {
            self.wake_within(pause);
        }
    }
}

fn kind_key(kind: &Kind) -> String {
    format!("{}/{}", kind.resource.group, kind.resource.kind)
}

fn set(run: &mut Run, id: &NodeId, happened: Happened, message: Option<String>) {
    let status: &mut NodeStatus = run.ledger.status.node_status.entry(id.clone()).or_default();
    status.phase = next(status.phase, happened);
    status.message = message.filter(|text| !text.is_empty());
}
