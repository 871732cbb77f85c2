//! Nodes as the cluster knows them, and their objects as they are sent. Shared by the plan and the executor, so that
//! what is tried is what is sent.

use std::collections::{BTreeMap, HashMap};

use pequod_api::names::FIELD_MANAGER;
use pequod_api::{NodeId, ObjectRef, ResourceNode};
use pequod_kube::{Access, ApiError, Kind, fields};
use serde_json::{Value, json};

use crate::ownership::Owner;

/// A node, with its target as the cluster knows it: a namespace where the kind has one, none where it has not.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) spec: ResourceNode,
    pub(crate) target: ObjectRef,
    pub(crate) kind: Result<Kind, ApiError>,
}

/// Asks for every kind once.
pub(crate) async fn resolve(
    access: &Access,
    owner: &Owner,
    specs: &[ResourceNode],
) -> BTreeMap<NodeId, Node> {
    let mut kinds: HashMap<(&str, &str), Result<Kind, ApiError>> = HashMap::new();
    let mut nodes = BTreeMap::new();
    for spec in specs {
        let wanted = (spec.target.api_version.as_str(), spec.target.kind.as_str());
        let kind = if let Some(known) = kinds.get(&wanted) {
            known.clone()
        } else {
            let found = access.kind(wanted.0, wanted.1).await;
            kinds.insert(wanted, found.clone());
            found
        };
        let mut target = spec.target.clone();
        if let Ok(kind) = &kind {
            let namespace = target
                .namespace
                .take()
                .unwrap_or_else(|| owner.namespace.clone());
            target.namespace = kind.namespaced.then_some(namespace);
        }
        nodes.insert(
            spec.id.clone(),
            Node {
                spec: spec.clone(),
                target,
                kind,
            },
        );
    }
    nodes
}

impl Node {
    /// The object as it is sent: with our mark, and without fields that were given way to and are another's now.
    pub(crate) fn prepared(
        &self,
        owner: &Owner,
        desired: &Value,
        existing: Option<&Value>,
    ) -> Value {
        let mut object = desired.clone();
        if let Some(existing) = existing {
            for pointer in &self.spec.ignore {
                if !fields::other_owners(existing, FIELD_MANAGER, pointer).is_empty() {
                    fields::remove(&mut object, pointer);
                }
            }
        }
        owner.mark(&mut object, &self.spec.id.0);
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            // The API server wants the namespace of the path, or none.
            match &self.target.namespace {
                Some(namespace) => metadata.insert("namespace".to_owned(), json!(namespace)),
                None => metadata.shift_remove("namespace"),
            };
        }
        object
    }
}
