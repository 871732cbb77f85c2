//! `ResourceGraph`: what a Transform was rendered to, and how far its execution is.
//!
//! The objects are not in it. Real modules render megabytes, and whoever may read a ResourceGraph may not
//! therefore read the Secrets in it; so the objects lie in chunked, compressed Secrets that the graph owns, and
//! a node carries their digest.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::{ApplyPolicy, Dependency, NodeId, ObjectRef, ReadyCheck};
use crate::schema;
use crate::transform::Violation;

/// A rendered graph and the state of its execution. Written by Pequod, not by people.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "platform.pequod.io",
    version = "v1alpha1",
    kind = "ResourceGraph",
    namespaced,
    status = "ResourceGraphStatus",
    shortname = "rg",
    category = "pequod",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceGraphSpec {
    /// What the graph was rendered from.
    pub source: GraphSource,
    /// The ServiceAccount with whose rights the objects are applied and deleted.
    pub service_account_name: String,
    /// The nodes, in the module's order.
    #[serde(default)]
    pub nodes: Vec<ResourceNode>,
    /// The nodes of a graph that is too big to hold them in the open: JSON, as a zstd frame, in base64. `nodes` is empty
    /// then. `kubectl transform graph` reads both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed_nodes: Option<String>,
    /// Where the objects lie.
    pub store: ObjectStore,
    /// Findings of the module's policies that did not stop the rendering.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
}

/// What a graph was rendered from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GraphSource {
    /// The Transform's name.
    pub transform: String,
    /// The Transform's generation.
    pub generation: i64,
    /// Digest of the module's content.
    pub module_digest: String,
    /// Digest over module, input and the context keys that were read.
    pub render_digest: String,
}

/// Where the objects of a graph lie: Secrets in the graph's namespace, owned by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStore {
    /// Names of the Secrets, in order; their `chunk` values joined are one zstd frame.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Digest of the uncompressed content.
    #[serde(default)]
    pub digest: String,
}

/// One node: everything about it but its object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceNode {
    /// The node's id.
    pub id: NodeId,
    /// The object it stands for.
    pub target: ObjectRef,
    /// `sha256:` and the digest of its object as rendered.
    pub digest: String,
    /// What it comes after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// When it counts as ready; empty: the kstatus rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ready_when: Vec<ReadyCheck>,
    /// How it is applied and removed.
    #[serde(default)]
    pub apply: ApplyPolicy,
    /// JSON pointers of fields that other managers may own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// How far the execution of a graph is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceGraphStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The whole in one word.
    #[serde(default)]
    pub phase: GraphPhase,
    /// `Ready`, `Reconciling`, `Stalled`, as kstatus reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The state of every node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_status: BTreeMap<NodeId, NodeStatus>,
    /// `nodeStatus` and `inventory` of a graph that is too big to hold them in the open: JSON, as a zstd frame, in
    /// base64. Both are empty then. `kubectl transform tree` reads both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<String>,
    /// Everything that this graph may have created: written before the first create, shortened only when a
    /// delete was confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryItem>,
}

/// The whole of a graph in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GraphPhase {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    Executing,
    /// All nodes are ready.
    Ready,
    /// A node failed; what does not depend on it went on.
    Failed,
    /// The objects are being removed.
    Deleting,
}

/// The state of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum NodePhase {
    /// Waits for its dependencies.
    #[default]
    Pending,
    /// A dependency failed.
    Blocked,
    /// Accepted by the API server, not ready yet.
    Applied,
    /// Ready.
    Ready,
    /// Refused, or not ready in time; tried again when something changes.
    Failed,
    /// Being removed.
    Deleting,
}

/// The state of one node, with what explains it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// The state.
    #[serde(default)]
    pub phase: NodePhase,
    /// Digest of the object that was applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_digest: Option<String>,
    /// Digest of the set of fields that were ours after that apply; another one means that somebody changed or
    /// removed a field since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_fields: Option<String>,
    /// When its waiting for readiness began (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<String>,
    /// What it waits for, or why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// An object that this graph may have created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryItem {
    /// The node it belongs or belonged to.
    pub node: NodeId,
    /// The object.
    pub target: ObjectRef,
    /// Its uid, once it is known: an object of the same name with another uid is not ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// What becomes of it, kept here so that deletion needs no desired state.
    #[serde(default)]
    pub apply: ApplyPolicy,
    /// What it came after, so that deletion can go in reverse without a desired state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<NodeId>,
    /// The ServiceAccount with whose rights it was applied.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub service_account_name: String,
}
