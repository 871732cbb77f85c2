//! What applying a graph would change, without changing anything.
//!
//! For every node the API server is asked by a dry run of the very request that the executor would send, so defaults,
//! webhooks, conflicts and refusals show as they would be. The comparison is pure. The plan's digest covers what the
//! plan was made from and, for each object, its uid and what the dry run came to, without status, managed fields,
//! resource version and whatever the API server assigns anew each time: two plans have one digest if carrying them
//! out does the same.

mod diff;

use std::collections::BTreeMap;

use futures::StreamExt as _;
use pequod_api::names::FIELD_MANAGER;
use pequod_api::resource_graph::InventoryItem;
use pequod_api::{ApplyMode, ConflictPolicy, NodeId, ObjectRef, RemovalPolicy, ResourceNode};
use pequod_kube::{Access, ApiError, ApplyOptions, Failure, FieldConflict, Kind, object};
use serde::Serialize;
use serde_json::{Value, json};

use crate::digest::digest;
use crate::inventory;
use crate::ownership::{self, Owner, Whose};
use crate::resolve::{Node, resolve};

pub use diff::FieldChange;

/// What a plan is asked of.
#[derive(Debug)]
pub struct PlanRequest<'a> {
    /// The Transform.
    pub owner: &'a Owner,
    /// What the graph was rendered from: module, input and the context that was read.
    pub render_digest: &'a str,
    /// The nodes.
    pub nodes: &'a [ResourceNode],
    /// Their objects. A node without one waits for a live value.
    pub objects: &'a BTreeMap<NodeId, Value>,
    /// The inventory of the graph that is there, if there is one.
    pub inventory: &'a [InventoryItem],
    /// How many requests are under way at once.
    pub parallelism: usize,
}

/// What becomes of a node's object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed.
    Change,
    /// Nothing.
    None,
    /// It is taken over and perhaps changed.
    Adopt,
    /// It is only read.
    Observe,
    /// It is deleted: its node left the graph.
    Delete,
    /// It stays, and is let go.
    Orphan,
    /// Other managers own fields of it.
    Conflict,
    /// The API server, or our own rules, would refuse it.
    Refused,
    /// It waits for a live value.
    Unknown,
}

/// A node in a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeChange {
    /// The node.
    pub node: NodeId,
    /// Its object.
    pub target: ObjectRef,
    /// What becomes of it.
    pub action: Action,
    /// Field by field; values of Secrets are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
    /// Who owns what, for a conflict: `FIELD (owned by MANAGER)`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// Why, or what the plan could not find out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the digest covers; not for people.
    #[serde(skip)]
    basis: Value,
}

/// What applying a graph would change.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The nodes in the graph's order, then what leaves it.
    pub changes: Vec<NodeChange>,
    /// `sha256:` and the digest of all that the plan rests on.
    pub digest: String,
}

impl Plan {
    /// How many nodes have an action.
    pub fn count(&self, action: Action) -> usize {
        self.changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    }

    /// Whether applying would change anything (or could not).
    pub fn has_differences(&self) -> bool {
        self.changes
            .iter()
            .any(|c| !matches!(c.action, Action::None | Action::Observe))
    }

    /// Whether a node would be refused.
    pub fn is_refused(&self) -> bool {
        self.changes
            .iter()
            .any(|c| matches!(c.action, Action::Conflict | Action::Refused))
    }
}

/// Makes a plan, with the rights of `access`.
///
/// # Errors
/// Only where the API server cannot be asked at all; what it refuses of a node is in the plan.
pub async fn plan(access: &Access, request: &PlanRequest<'_>) -> Result<Plan, ApiError> {
    let nodes = resolve(access, request.owner, request.nodes).await;
    if let Some(error) = nodes.values().find_map(|node| node.kind.as_ref().err())
        && matches!(error.failure, Failure::Unreachable | Failure::Unauthorized)
    {
        return Err(error.clone());
    }
    let planner = Planner { access, request };
    // In the order of the graph. Collected first: a stream of borrowing closures is not `Send` in the compiler's eyes.
    let asked: Vec<_> = request
        .nodes
        .iter()
        .filter_map(|spec| nodes.get(&spec.id))
        .map(|node| planner.node(node))
        .collect();
    let mut changes: Vec<NodeChange> = futures::stream::iter(asked)
        .buffered(request.parallelism.max(1))
        .collect()
        .await;
    let leaving = inventory::leaving(request.inventory, nodes.values().map(|node| &node.target));
    // A graph without nodes deletes nothing; the executor refuses it.
    if !request.nodes.is_empty() {
        for at in leaving {
            changes.extend(planner.leaving(&request.inventory[at]).await);
        }
    }
    let basis: Vec<&Value> = changes.iter().map(|change| &change.basis).collect();
    let digest = digest(&json!({"render": request.render_digest, "objects": basis}));
    Ok(Plan { changes, digest })
}

struct Planner<'a> {
    access: &'a Access,
    request: &'a PlanRequest<'a>,
}

impl Planner<'_> {
    async fn node(&self, node: &Node) -> NodeChange {
        let mut change = NodeChange {
            node: node.spec.id.clone(),
            target: node.target.clone(),
            action: Action::None,
            fields: Vec::new(),
            conflicts: Vec::new(),
            message: None,
            basis: Value::Null,
        };
        self.fill(node, &mut change).await;
        let answer = std::mem::take(&mut change.basis);
        change.basis = json!({"node": node.spec.id, "target": change.target, "action": change.action, "answer": answer});
        change
    }

    async fn fill(&self, node: &Node, change: &mut NodeChange) {
        let Some(desired) = self.request.objects.get(&node.spec.id) else {
            change.action = Action::Unknown;
            change.message = Some("waits for a live value".to_owned());
            return;
        };
        let kind = match &node.kind {
            Ok(kind) => kind,
            Err(error) => return self.without_kind(&node.spec, desired, error, change),
        };
        let live = match self.access.get(kind, &change.target).await {
            Ok(live) => live,
            Err(error) => return refuse(change, &error),
        };
        if node.spec.apply.mode == ApplyMode::Observe {
            change.action = Action::Observe;
            change.basis = json!({"exists": live.is_some()});
            return;
        }
        let mut take_over = false;
        if let Some(live) = &live {
            match (self.request.owner.whose(live), node.spec.apply.mode) {
                (Whose::Other(other), _) => {
                    change.action = Action::Refused;
                    change.message = Some(format!("it belongs to Transform {other}"));
                    return;
                }
                (_, ApplyMode::Create) => return,
                (Whose::Ours, _) => {}
                (Whose::Unclaimed, ApplyMode::Adopt) => take_over = true,
                (Whose::Unclaimed, _) if self.is_recorded(live, &change.target) => {}
                (Whose::Unclaimed, _) => {
                    change.action = Action::Refused;
                    change.message = Some(
                        "it exists and was not made by this Transform; to take it over, set `apply: mode: \"Adopt\"` \
                         on the node"
                            .to_owned(),
                    );
                    return;
                }
            }
        }
        let object = node.prepared(self.request.owner, desired, live.as_ref());
        let force = take_over || node.spec.apply.conflicts == ConflictPolicy::Force;
        self.try_it(kind, &object, live, take_over, force, change)
            .await;
    }

    fn is_recorded(&self, live: &Value, target: &ObjectRef) -> bool {
        let wanted = inventory::key(target);
        self.request.inventory.iter().any(|item| {
            inventory::key(&item.target) == wanted
                && item.uid.is_some()
                && item.uid.as_deref() == object::uid(live)
        })
    }

    async fn try_it(
        &self,
        kind: &Kind,
        object: &Value,
        live: Option<Value>,
        take_over: bool,
        force: bool,
        change: &mut NodeChange,
    ) {
        let options = ApplyOptions {
            manager: FIELD_MANAGER,
            force,
            dry_run: true,
        };
        let answer = match self
            .access
            .apply(kind, &change.target, object, options)
            .await
        {
            Ok(answer) => answer,
            Err(error) => return self.refused(object, live.as_ref(), &error, change),
        };
        if let Some(live) = live {
            let (old, new) = (diff::comparable(&live), diff::comparable(&answer));
            change.fields = diff::fields(&old, &new);
            change.action = match (take_over, change.fields.is_empty()) {
                (true, _) => Action::Adopt,
                (false, true) => Action::None,
                (false, false) => Action::Change,
            };
            change.basis = json!({"uid": object::uid(&live), "object": new});
            return;
        }
        change.action = Action::Create;
        // What the API server assigns anew each time (an address, a random label) differs between two tries.
        let again = self
            .access
            .apply(kind, &change.target, object, options)
            .await;
        let settled = diff::settled(
            &diff::comparable(&answer),
            again.as_ref().ok().map(diff::comparable),
        );
        change.fields = diff::fields(&Value::Null, &diff::comparable(object));
        change.basis = json!({"object": settled});
    }

    /// The kind is not served: no harm if the graph itself brings its definition.
    fn without_kind(
        &self,
        node: &ResourceNode,
        desired: &Value,
        error: &ApiError,
        change: &mut NodeChange,
    ) {
        let (group, kind) = (node.target.group(), &node.target.kind);
        let is_brought = self.request.objects.values().any(|object| {
            object.get("kind").and_then(Value::as_str) == Some("CustomResourceDefinition")
                && object.pointer("/spec/group").and_then(Value::as_str) == Some(group)
                && object.pointer("/spec/names/kind").and_then(Value::as_str) == Some(kind)
        });
        if error.failure == Failure::NoKind && is_brought {
            unchecked(
                desired,
                "its kind comes with this graph and is not served yet",
                change,
            );
        } else {
            refuse(change, error);
        }
    }

    fn refused(
        &self,
        object: &Value,
        live: Option<&Value>,
        error: &ApiError,
        change: &mut NodeChange,
    ) {
        let namespace_is_brought = change.target.namespace.as_ref().is_some_and(|namespace| {
            self.request.objects.values().any(|object| {
                object.get("kind").and_then(Value::as_str) == Some("Namespace")
                    && object::name(object) == namespace
            })
        });
        match &error.failure {
            Failure::NotFound if live.is_none() && namespace_is_brought => {
                unchecked(
                    object,
                    "its namespace comes with this graph and is not there yet",
                    change,
                );
            }
            Failure::FieldConflict(conflicts) => {
                change.action = Action::Conflict;
                change.conflicts = conflicts.iter().map(FieldConflict::to_string).collect();
                change.message = error.hint();
                change.basis = json!({"conflicts": change.conflicts});
            }
            _ => refuse(change, error),
        }
    }

    async fn leaving(&self, item: &InventoryItem) -> Option<NodeChange> {
        let kind = self
            .access
            .kind(&item.target.api_version, &item.target.kind)
            .await
            .ok()?;
        let live = self.access.get(&kind, &item.target).await.ok()??;
        if self.request.owner.whose(&live) != Whose::Ours {
            return None;
        }
        let stays = ownership::is_protected(&live) || item.apply.on_prune == RemovalPolicy::Orphan;
        let action = if stays {
            Action::Orphan
        } else {
            Action::Delete
        };
        Some(NodeChange {
            node: item.node.clone(),
            target: item.target.clone(),
            action,
            fields: Vec::new(),
            conflicts: Vec::new(),
            message: None,
            basis: json!({"target": item.target, "action": action, "uid": object::uid(&live)}),
        })
    }
}

fn unchecked(object: &Value, why: &str, change: &mut NodeChange) {
    change.action = Action::Create;
    change.fields = diff::fields(&Value::Null, &diff::comparable(object));
    change.message = Some(format!("not checked by the API server: {why}"));
    change.basis = json!({"object": diff::comparable(object)});
}

fn refuse(change: &mut NodeChange, error: &ApiError) {
    change.action = Action::Refused;
    change.message = Some(match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    });
    change.basis = json!({"refused": change.message});
}
