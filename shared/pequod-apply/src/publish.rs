//! Writing a graph so that whoever reads it can always read all of it.
//!
//! 1. The Secrets with the objects are written, owned by the Transform for now.
//! 2. The ResourceGraph that names them is applied: in one step the new graph is what counts.
//! 3. The Secrets are given to the graph; those that it no longer names are removed.
//!
//! A crash after any step leaves the old graph or the new one, whole. What is left over has an owner, and is removed
//! by the next publication.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource as _;
use pequod_api::names::{FIELD_MANAGER, LABEL_TRANSFORM, LABEL_TRANSFORM_NAMESPACE};
use pequod_api::resource_graph::GraphSource;
use pequod_api::transform::Violation;
use pequod_api::{NodeId, ResourceGraph, ResourceGraphSpec, ResourceNode};
use pequod_kube::{Access, ApiError, ApplyOptions, Failure, object};
use serde_json::{Value, json};

use crate::execute::graph_ref;
use crate::ownership::Owner;
use crate::store::{Store, StoreError, pack};
use pequod_api::packed;

/// A graph to be written.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The Transform, whose name the graph has.
    pub owner: Owner,
    /// The Transform's uid.
    pub owner_uid: String,
    /// What it was rendered from.
    pub source: GraphSource,
    /// The ServiceAccount that is acted as.
    pub service_account_name: String,
    /// The nodes, in the module's order.
    pub nodes: Vec<ResourceNode>,
    /// Their objects.
    pub objects: BTreeMap<NodeId, Value>,
    /// What the policies found.
    pub violations: Vec<Violation>,
}

/// Writes a graph. Writing the same one again changes nothing.
///
/// # Errors
/// What the API server refuses; [`Failure::AlreadyExists`] where a graph of that name belongs to another Transform.
pub async fn publish(
    access: &Access,
    publication: Publication,
) -> Result<ResourceGraph, StoreError> {
    let Publication {
        owner,
        owner_uid,
        source,
        service_account_name,
        nodes,
        objects,
        violations,
    } = publication;
    let kind = access
        .kind(&ResourceGraph::api_version(&()), &ResourceGraph::kind(&()))
        .await?;
    let target = graph_ref(&owner);
    let existing = access.get(&kind, &target).await?;
    if let Some(existing) = &existing {
        check_free(existing, &owner, &owner_uid)?;
    }
    let transform = OwnerReference {
        api_version: pequod_api::Transform::api_version(&()).into_owned(),
        kind: pequod_api::Transform::kind(&()).into_owned(),
        name: owner.name.clone(),
        uid: owner_uid,
        controller: Some(true),
        block_owner_deletion: Some(false),
    };
    let store = Store::of(access.clone(), &owner.namespace, &owner.name).await?;
    let packed = pack(&objects)?;
    let is_known = existing
        .as_ref()
        .and_then(|graph| graph.pointer("/spec/store/digest")?.as_str())
        == Some(packed.digest.as_str());
    let first_owner = match existing.as_ref().and_then(object::uid) {
        Some(uid) => graph_owner(&owner, uid),
        None => OwnerReference {
            controller: None,
            ..transform.clone()
        },
    };
    let stored = store.write(&packed, &first_owner).await?;
    let mut spec = ResourceGraphSpec {
        source,
        service_account_name,
        nodes,
        store: stored.clone(),
        violations,
        packed_nodes: None,
    };
    packed::close_spec(&mut spec)?;
    // Without finalizer: that is the executor's, put there before it creates anything.
    let graph = json!({
        "apiVersion": target.api_version, "kind": target.kind,
        "metadata": {
            "name": owner.name, "namespace": owner.namespace,
            "labels": {LABEL_TRANSFORM: owner.name, LABEL_TRANSFORM_NAMESPACE: owner.namespace},
            "ownerReferences": [transform],
        },
        "spec": spec,
    });
    let options = ApplyOptions {
        manager: FIELD_MANAGER,
        force: true,
        dry_run: false,
    };
    let written = access.apply(&kind, &target, &graph, options).await?;
    if existing.is_none()
        && let Some(uid) = object::uid(&written)
    {
        store.write(&packed, &graph_owner(&owner, uid)).await?;
    }
    if !is_known {
        store.sweep(&stored).await?;
    }
    let mut graph =
        serde_json::from_value(written).map_err(|error| StoreError::Damaged(error.to_string()))?;
    packed::open(&mut graph)?;
    Ok(graph)
}

fn graph_owner(owner: &Owner, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: ResourceGraph::api_version(&()).into_owned(),
        kind: ResourceGraph::kind(&()).into_owned(),
        name: owner.name.clone(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(false),
    }
}

/// A graph that another Transform owns (an older one of the same name, say, whose objects are still being removed)
/// is not written over.
fn check_free(existing: &Value, owner: &Owner, owner_uid: &str) -> Result<(), ApiError> {
    let owners = existing
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let is_ours = owners.is_none_or(|owners| {
        owners.is_empty()
            || owners
                .iter()
                .any(|o| o.get("uid").and_then(Value::as_str) == Some(owner_uid))
    });
    if is_ours && !object::is_terminating(existing) {
        return Ok(());
    }
    Err(ApiError {
        what: format!("write ResourceGraph {owner}"),
        failure: Failure::AlreadyExists,
        message: "one of that name is there and belongs to a Transform that was deleted; it goes once its objects are \
                  gone"
            .to_owned(),
    })
}
