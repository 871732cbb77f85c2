//! `Solution`: an application as one object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::node::ObjectRef;
use crate::schema;

/// An application: what was asked for, what it consists of, how it stands and who changed it last.
///
/// Members are the objects of its namespace that carry the label `dot-ai.io/solution` with its name, and the
/// inventory of the Transform of its name. The truth is in `status`; `spec` is kept as it was written.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "dot-ai.io",
    version = "v1",
    kind = "Solution",
    namespaced,
    status = "SolutionStatus",
    shortname = "sol",
    category = "pequod",
    derive = "PartialEq",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.ready"}"#,
    printcolumn = r#"{"name":"Changed by","type":"string","jsonPath":".status.lastChange.actor"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct SolutionSpec {
    /// What the application is for, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
    /// What it was configured with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_object")]
    pub configuration: Option<serde_json::Value>,
    /// Manifests that the writer wants kept with it; never read by Pequod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_objects")]
    pub manifests: Option<Vec<serde_json::Value>>,
    /// A state that the writer wants kept with it; never read by Pequod, which writes `status.state`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeclaredState>,
}

/// The states that a writer may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeclaredState {
    /// In use.
    Active,
    /// Deployed.
    Deployed,
    /// Broken.
    Failed,
    /// Gone.
    Deleted,
}

/// What is true of the application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SolutionStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The whole in one word.
    #[serde(default)]
    pub state: SolutionState,
    /// Ready members of all members, for example `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// The members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<SolutionMember>,
    /// The newest change of a member whose author is proven; if there is none, the newest at all, `unresolved`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<Change>,
    /// `Ready`, as kstatus reads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
}

/// The whole of an application in one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SolutionState {
    /// Nothing is known yet, or there is no member.
    #[default]
    Pending,
    /// Members are on their way.
    Progressing,
    /// All members are ready.
    Deployed,
    /// A member that was ready is not any more.
    Degraded,
    /// A member failed.
    Failed,
}

/// One object of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SolutionMember {
    /// The object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Its uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Its generation, where its kind has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Its health by the kstatus rules: `Current`, `InProgress`, `Failed`, `Terminating`, `NotFound`, `Unknown`.
    pub health: String,
    /// What explains the health.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Digest of what was asked for, from a proven stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent_digest: Option<String>,
    /// Its last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<Change>,
}

/// Who changed something, with what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The user, or `unresolved` where no stamp proves one.
    pub actor: String,
    /// The tool: the field manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Digest of the policies in force when it was admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<String>,
    /// When it was first seen in the cluster (RFC 3339).
    pub seen: String,
}
