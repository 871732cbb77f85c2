//! One node: is its object ours to touch, and what became of applying it.

use std::sync::Arc;

use pequod_api::names::FIELD_MANAGER;
use pequod_api::{ApplyMode, ConflictPolicy, ObjectRef};
use pequod_kube::{Access, ApiError, ApplyOptions, Failure, FieldConflict, Kind, object};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Executor;
use crate::metrics::{ManagedLabels, ObjectLabels};
use crate::ownership::{Owner, Whose};
use crate::resolve::Node;

/// What was known about a node's object before it is applied.
pub(super) struct Before {
    /// As the watches see it: ours, or `None`.
    pub(super) live: Option<Arc<Value>>,
    /// What a list says.
    pub(super) listed: Listed,
    /// Its uid in the inventory.
    pub(super) uid: Option<String>,
    /// Whether the same content was applied before: what differs now is drift.
    pub(super) is_repair: bool,
}

/// What a list of a kind's objects says about one.
#[derive(Debug)]
pub(super) enum Listed {
    /// There was no list.
    NotAsked,
    /// It is not there.
    Absent,
    /// It is there: its metadata.
    Present(Value),
}

/// What became of a node.
#[derive(Debug)]
pub(super) struct Applied {
    /// The object as it is now.
    pub(super) object: Value,
    /// Whether it was left alone, being somebody else's (mode `Create`).
    pub(super) left_alone: bool,
    /// Fields taken back from managers that had changed them.
    pub(super) repaired: Vec<FieldConflict>,
}

/// Why a node's object was not applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum NodeError {
    #[error("{target} belongs to Transform {other}")]
    Others { target: ObjectRef, other: Owner },
    #[error("{target} is already claimed by ResourceGraph {other}")]
    Claimed { target: ObjectRef, other: Owner },
    #[error(
        "{0} exists and was not made by this Transform; to take it over, set `apply: mode: \"Adopt\"` on the node"
    )]
    Preexisting(ObjectRef),
    #[error("{0} is still being deleted")]
    Terminating(ObjectRef),
    #[error("{}", with_hint(.0))]
    Api(#[from] ApiError),
}

impl NodeError {
    /// Whether it may pass without anybody changing anything.
    pub(super) const fn is_transient(&self) -> bool {
        match self {
            Self::Terminating(_) => true,
            Self::Api(error) => error.is_transient(),
            _ => false,
        }
    }
}

fn with_hint(error: &ApiError) -> String {
    let detail = match &error.failure {
        Failure::FieldConflict(list) => {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            format!(
                "cannot {}: other managers own {}",
                error.what,
                list.join(", ")
            )
        }
        _ => error.to_string(),
    };
    match error.hint() {
        Some(hint) => format!("{detail}; {hint}"),
        None => detail,
    }
}

impl Executor {
    /// Applies a node's object, if it is ours to touch.
    #[tracing::instrument(skip_all, fields(node = %node.spec.id, target = %node.target))]
    pub(super) async fn apply_node(
        &self,
        owner: &Owner,
        access: &Access,
        node: &Node,
        desired: &Value,
        before: Before,
    ) -> Result<Applied, NodeError> {
        let began = Instant::now();
        let answer = self.try_node(owner, access, node, desired, before).await;
        let kind = node.target.kind.clone();
        let namespace = owner.namespace.clone();
        let result = if answer.is_ok() { "success" } else { "failure" };
        self.metrics()
            .apply_seconds
            .get_or_create(&ManagedLabels {
                namespace: namespace.clone(),
                kind: kind.clone(),
            })
            .observe(began.elapsed().as_secs_f64());
        self.metrics()
            .applied
            .get_or_create(&ObjectLabels {
                namespace,
                kind,
                result,
            })
            .inc();
        match &answer {
            Ok(_) => tracing::debug!("applied"),
            Err(error) => tracing::info!(%error, "not applied"),
        }
        answer
    }

    async fn try_node(
        &self,
        owner: &Owner,
        access: &Access,
        node: &Node,
        desired: &Value,
        before: Before,
    ) -> Result<Applied, NodeError> {
        let kind = node.kind.as_ref().map_err(Clone::clone)?;
        let target = &node.target;
        let existing = match (&before.live, before.listed) {
            (Some(live), _) => Some(live.as_ref().clone()),
            (None, Listed::Absent) => None,
            (None, Listed::Present(listed)) if node.spec.ignore.is_empty() => Some(listed),
            _ => access.get(kind, target).await?,
        };
        let mut take_over = false;
        if let Some(existing) = &existing {
            let is_known = before
                .uid
                .as_deref()
                .is_some_and(|uid| object::uid(existing) == Some(uid));
            match owner.whose(existing) {
                Whose::Ours => {}
                Whose::Other(other) => {
                    return Err(NodeError::Others {
                        target: target.clone(),
                        other,
                    });
                }
                // Ours, and somebody took the mark off.
                Whose::Unclaimed if is_known && node.spec.apply.mode != ApplyMode::Create => {}
                Whose::Unclaimed => match node.spec.apply.mode {
                    ApplyMode::Adopt => take_over = true,
                    ApplyMode::Apply => return Err(NodeError::Preexisting(target.clone())),
                    ApplyMode::Create | ApplyMode::Observe => {
                        return leave_alone(access, kind, target, existing).await;
                    }
                },
            }
            if object::is_terminating(existing) {
                return Err(NodeError::Terminating(target.clone()));
            }
            if node.spec.apply.mode == ApplyMode::Create {
                return leave_alone(access, kind, target, existing).await;
            }
        }
        let mut object = node.prepared(owner, desired, existing.as_ref());
        if let (Some(uid), Some(Value::Object(metadata))) = (
            existing.as_ref().and_then(object::uid),
            object.get_mut("metadata"),
        ) {
            // Bound to the very object that was looked at.
            metadata.insert("uid".to_owned(), json!(uid));
        }
        let force = take_over || node.spec.apply.conflicts == ConflictPolicy::Force;
        send(access, kind, target, &object, force, before.is_repair).await
    }
}

/// An object of mode `Create` that is there: as it is.
async fn leave_alone(
    access: &Access,
    kind: &Kind,
    target: &ObjectRef,
    existing: &Value,
) -> Result<Applied, NodeError> {
    // A list knows metadata only; readiness needs the rest.
    let object = match existing.get("kind").and_then(Value::as_str) {
        Some(kind) if kind == target.kind => Some(existing.clone()),
        _ => access.get(kind, target).await?,
    };
    Ok(Applied {
        object: object.unwrap_or_default(),
        left_alone: true,
        repaired: Vec::new(),
    })
}

/// Sends an object. A repair takes back what was ours and was merely written by others; what another manager claims
/// by applying it is a conflict, or the two would fight for ever.
async fn send(
    access: &Access,
    kind: &Kind,
    target: &ObjectRef,
    object: &Value,
    force: bool,
    is_repair: bool,
) -> Result<Applied, NodeError> {
    let mut options = ApplyOptions {
        manager: FIELD_MANAGER,
        force,
        dry_run: false,
    };
    let refused = match access.apply(kind, target, object, options).await {
        Ok(object) => {
            return Ok(Applied {
                object,
                left_alone: false,
                repaired: Vec::new(),
            });
        }
        Err(error) => error,
    };
    match &refused.failure {
        Failure::FieldConflict(conflicts)
            if is_repair && conflicts.iter().all(|conflict| !conflict.by_apply) =>
        {
            options.force = true;
            let object = access.apply(kind, target, object, options).await?;
            Ok(Applied {
                object,
                left_alone: false,
                repaired: conflicts.clone(),
            })
        }
        _ => Err(refused.into()),
    }
}
