//! What a node of a graph is: the vocabulary shared by the module contract (`graph.nodes` in CUE),
//! a rendered graph, and the record in a ResourceGraph.
//!
//! The values are written the same way in all three places, so a platform author reads one table
//! (docs/guides/modules.md) and finds its words again in `kubectl get -o yaml`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The id of a node: its label under `graph.nodes`.
///
/// Any label of CUE is an id; ordering is by text.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct NodeId(pub String);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for NodeId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

/// Which object of the cluster a node stands for.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Group and version, for example `apps/v1`.
    pub api_version: String,
    /// Kind, for example `Deployment`.
    pub kind: String,
    /// Namespace; absent for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl ObjectRef {
    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// Whether two references name one object: versions of one group name the same object.
    pub fn same_object(&self, other: &Self) -> bool {
        (self.group(), &self.kind, &self.namespace, &self.name)
            == (other.group(), &other.kind, &other.namespace, &other.name)
    }
}

/// `Deployment shop/web`, as messages name an object.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// What is done to the object of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApplyMode {
    /// Apply it, and again whenever it differs.
    #[default]
    Apply,
    /// Create it if it is not there, and leave it alone from then on.
    Create,
    /// Apply it even though somebody else made it; Pequod takes it over.
    Adopt,
    /// Only read it: it is never changed and never removed.
    Observe,
}

/// What happens when another field manager owns a field that a node sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConflictPolicy {
    /// The node fails and says which manager owns which field.
    #[default]
    Error,
    /// The field is taken over.
    Force,
}

/// What happens to an object that is no longer wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RemovalPolicy {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays, without Pequod's labels.
    Orphan,
}

/// How a node is applied and removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplyPolicy {
    /// What is done to the object.
    #[serde(default)]
    pub mode: ApplyMode,
    /// What happens on a field conflict.
    #[serde(default)]
    pub conflicts: ConflictPolicy,
    /// What happens when the node leaves the graph.
    #[serde(default)]
    pub on_prune: RemovalPolicy,
    /// What happens when the Transform is deleted.
    #[serde(default)]
    pub on_delete: RemovalPolicy,
}

/// What a dependent waits for.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum DependencyWhen {
    /// The dependency was accepted by the API server.
    Applied,
    /// The dependency is ready.
    #[default]
    Ready,
}

/// An edge of the graph: this node comes after that one.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    /// The node that comes first.
    pub id: NodeId,
    /// What is waited for.
    #[serde(default)]
    pub when: DependencyWhen,
}

/// One test of readiness; a node is ready when all its checks hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadyCheck {
    /// The test.
    #[serde(flatten)]
    pub predicate: ReadyPredicate,
    /// After how many seconds without success the node counts as failed; 0 or absent: the graph's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
}

/// The tests of readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReadyPredicate {
    /// The object exists.
    Exists(bool),
    /// A condition of `status.conditions` has the given status and, if given, reason.
    Condition(ConditionMatch),
    /// The Deployment has its condition `Available` and has observed its newest generation.
    DeploymentAvailable(bool),
    /// A CUE text, evaluated with `object` as the live object, gives `current: true`.
    Cue(String),
}

/// A condition to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConditionMatch {
    /// The condition's type, for example `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status it must have.
    #[serde(default = "ConditionMatch::default_status")]
    pub status: String,
    /// The reason it must have, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ConditionMatch {
    fn default_status() -> String {
        "True".to_owned()
    }
}
