//! Taking down, in reverse order, from the inventory alone.
//!
//! No desired state is needed: an item of the inventory says which object, under which policy, as whom, and after
//! what it came. Nothing here can stick on what is not there any more: a missing object, a missing kind and a missing
//! namespace are all simply gone. And nothing is removed that is not ours: the object must carry this graph's mark,
//! and the request is bound to its uid.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt as _;
use pequod_api::names::{FIELD_MANAGER, FINALIZER_GRAPH};
use pequod_api::resource_graph::InventoryItem;
use pequod_api::{ApplyMode, NodeId, NodePhase, ObjectRef, RemovalPolicy, ResourceGraph};
use pequod_graph::removal;
use pequod_kube::{Access, ApiError, Deletion, Failure, Kind, Propagation, object};

use crate::execute::{Executor, News, Next, ReconcileError, Run, Summary, graph_ref};
use crate::inventory::key;
use crate::metrics::ObjectLabels;
use crate::ownership::{self, Owner, Whose};

/// How soon is looked again at what is on its way out, if no watch tells before.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Why objects are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Their nodes left the graph.
    Pruned,
    /// The graph is deleted.
    Deleted,
}

/// What became of an item.
enum Outcome {
    /// It is gone, or let go.
    Done(Option<News>),
    /// It is on its way.
    Waiting,
    /// It could not be removed.
    Refused(ApiError),
}

/// What a round of removals came to.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    pub(crate) news: Vec<News>,
    /// What was refused, and why.
    pub(crate) refused: Vec<(NodeId, String)>,
    /// After what time is to be looked again; nothing when all is done.
    pub(crate) look_again: Option<Duration>,
}

impl Executor {
    /// Removes all that a deleted graph has made, then lets it go.
    pub(crate) async fn take_down(
        &self,
        owner: &Owner,
        graph: &ResourceGraph,
        run: &mut Run,
    ) -> Result<Next, ReconcileError> {
        let finalizers = graph.metadata.finalizers.clone().unwrap_or_default();
        if !finalizers.iter().any(|name| name == FINALIZER_GRAPH) {
            self.forget_run(owner, graph);
            return Ok(Next::Gone);
        }
        let all: Vec<usize> = (0..run.ledger.status.inventory.len()).collect();
        let removal = self.remove_items(owner, run, &all, Why::Deleted).await;
        self.announce(graph, removal.news);
        let left = run.ledger.status.inventory.len();
        let items: BTreeSet<&NodeId> = run
            .ledger
            .status
            .inventory
            .iter()
            .map(|item| &item.node)
            .collect();
        let nodes = &mut run.ledger.status.node_status;
        nodes.retain(|id, _| items.contains(id));
        for status in nodes.values_mut() {
            status.phase = NodePhase::Deleting;
            status.message = None;
        }
        for (id, message) in &removal.refused {
            nodes.entry(id.clone()).or_default().message = Some(message.clone());
        }
        let stuck = removal
            .refused
            .first()
            .map(|(id, message)| format!("node `{id}`: {message}"));
        Summary::deleting(left, stuck.as_deref()).write(run, graph.metadata.generation);
        self.write_status(owner, run).await?;
        if left > 0 {
            return Ok(Next::Within(removal.look_again.unwrap_or(LOOK_AGAIN)));
        }
        let kind = self.graph_kind().await?;
        let rest: Vec<String> = finalizers
            .into_iter()
            .filter(|name| name != FINALIZER_GRAPH)
            .collect();
        match self.set_finalizers(&kind, owner, run, &rest).await {
            Err(ReconcileError::Api(error)) if error.failure == Failure::NotFound => {}
            answer => answer?,
        }
        tracing::info!(graph = %graph_ref(owner), "taken down");
        self.forget_run(owner, graph);
        Ok(Next::Gone)
    }

    /// Removes items, as far as it goes now, and takes those that are gone out of the inventory.
    pub(crate) async fn remove_items(
        &self,
        owner: &Owner,
        run: &mut Run,
        which: &[usize],
        why: Why,
    ) -> Removal {
        let inventory = run.ledger.status.inventory.clone();
        let mut by_node: BTreeMap<&NodeId, Vec<usize>> = BTreeMap::new();
        for &at in which {
            by_node.entry(&inventory[at].node).or_default().push(at);
        }
        let edges: Vec<(usize, usize)> = which
            .iter()
            .flat_map(|&at| {
                let before = inventory[at].depends_on.iter();
                before
                    .filter_map(|id| by_node.get(id))
                    .flatten()
                    .map(move |&other| (at, other))
            })
            .collect();
        let mut remaining: BTreeSet<usize> = which.iter().copied().collect();
        let mut done = BTreeSet::new();
        let mut removal = Removal::default();
        loop {
            let free =
                removal::frontier(&remaining, edges.iter().map(|(node, after)| (node, after)));
            let free: Vec<usize> = free
                .into_iter()
                .copied()
                .filter(|at| !done.contains(at))
                .collect();
            removal.refused.clear();
            let outcomes: Vec<(usize, Outcome)> = futures::stream::iter(free)
                .map(|at| {
                    let item = &inventory[at];
                    async move { (at, self.remove_one(owner, item, why).await) }
                })
                .buffer_unordered(self.options().parallelism)
                .collect()
                .await;
            let mut went_on = false;
            for (at, outcome) in outcomes {
                match outcome {
                    Outcome::Done(news) => {
                        removal.news.extend(news);
                        self.give_up_claim(&key(&inventory[at].target), owner);
                        remaining.remove(&at);
                        done.insert(at);
                        went_on = true;
                    }
                    Outcome::Waiting => removal.look_again = Some(LOOK_AGAIN),
                    Outcome::Refused(error) => {
                        removal.look_again.get_or_insert(self.options().poll);
                        removal
                            .refused
                            .push((inventory[at].node.clone(), error.to_string()));
                    }
                }
            }
            if !went_on || remaining.is_empty() {
                break;
            }
        }
        let gone: BTreeSet<_> = done.iter().map(|&at| key(&inventory[at].target)).collect();
        run.ledger
            .status
            .inventory
            .retain(|item| !gone.contains(&key(&item.target)));
        removal
    }

    async fn remove_one(&self, owner: &Owner, item: &InventoryItem, why: Why) -> Outcome {
        let access = match self.account(owner, &item.service_account_name) {
            Ok(access) => access,
            Err(error) => {
                return Outcome::Refused(ApiError {
                    what: format!("delete {}", item.target),
                    failure: Failure::Unreachable,
                    message: error.to_string(),
                });
            }
        };
        let outcome = match remove(&access, owner, item, why).await {
            Ok(outcome) => outcome,
            Err(error)
                if error.failure == Failure::Forbidden && self.leaves_with(owner, item).await =>
            {
                Outcome::Done(None)
            }
            Err(error) => Outcome::Refused(error),
        };
        let result = match &outcome {
            Outcome::Done(_) => "success",
            Outcome::Refused(_) => "failure",
            Outcome::Waiting => return outcome,
        };
        let labels = ObjectLabels {
            namespace: owner.namespace.clone(),
            kind: item.target.kind.clone(),
            result,
        };
        self.metrics().removed.get_or_create(&labels).inc();
        if matches!(outcome, Outcome::Done(_)) {
            self.live().remove(&key(&item.target));
        }
        outcome
    }

    /// Whether the object lies in the graph's namespace and that is being deleted: then the rights may have gone
    /// before it, and it goes anyway.
    async fn leaves_with(&self, owner: &Owner, item: &InventoryItem) -> bool {
        if item.target.namespace.as_deref() != Some(&owner.namespace) {
            return false;
        }
        let access = self.own_access();
        let target = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            namespace: None,
            name: owner.namespace.clone(),
        };
        match access.kind("v1", "Namespace").await {
            Ok(kind) => match access.get(&kind, &target).await {
                Ok(found) => found.is_none_or(|namespace| object::is_terminating(&namespace)),
                Err(_) => false,
            },
            Err(_) => false,
        }
    }
}

async fn remove(
    access: &Access,
    owner: &Owner,
    item: &InventoryItem,
    why: Why,
) -> Result<Outcome, ApiError> {
    let target = &item.target;
    let kind = match access.kind(&target.api_version, &target.kind).await {
        Ok(kind) => kind,
        // A kind that is not served has no objects.
        Err(error) if error.failure == Failure::NoKind => return Ok(Outcome::Done(None)),
        Err(error) => return Err(error),
    };
    let Some(found) = access.get(&kind, target).await? else {
        return Ok(Outcome::Done(None));
    };
    let Some(uid) = object::uid(&found) else {
        return Ok(Outcome::Done(None));
    };
    if owner.whose(&found) != Whose::Ours {
        let is_known = item.uid.as_deref() == Some(uid);
        let news = is_known.then(|| {
            News::Bad(
                "NotRemoved",
                format!("{target} no longer carries our mark, and stays"),
            )
        });
        return Ok(Outcome::Done(news));
    }
    let policy = match why {
        Why::Pruned => item.apply.on_prune,
        Why::Deleted => item.apply.on_delete,
    };
    let protected = ownership::is_protected(&found);
    if protected || policy == RemovalPolicy::Orphan || item.apply.mode == ApplyMode::Observe {
        access
            .merge(&kind, target, FIELD_MANAGER, &ownership::release(uid))
            .await?;
        let word = if protected {
            "is protected"
        } else {
            "was let go"
        };
        return Ok(Outcome::Done(Some(News::Good(
            "Orphaned",
            format!("{target} {word}, and stays"),
        ))));
    }
    let news = (why == Why::Pruned).then(|| News::Good("Pruned", format!("{target} was deleted")));
    if !object::is_terminating(&found) {
        match access
            .delete(&kind, target, uid, propagation(&kind))
            .await?
        {
            Deletion::Gone => return Ok(Outcome::Done(news)),
            Deletion::Begun => {}
        }
    }
    // Some kinds answer with the object even when it went at once.
    match access.get(&kind, target).await? {
        Some(still) if object::uid(&still) == Some(uid) => Ok(Outcome::Waiting),
        _ => Ok(Outcome::Done(news)),
    }
}

/// Whatever may own others goes after them, so that "gone" means gone with its pods; the plain kinds go at once.
fn propagation(kind: &Kind) -> Propagation {
    let plain = matches!(
        kind.resource.group.as_str(),
        "" | "rbac.authorization.k8s.io" | "networking.k8s.io" | "policy" | "autoscaling"
    );
    if plain {
        Propagation::Background
    } else {
        Propagation::Foreground
    }
}
