//! `ClusterCuePolicy`: CUE policies for the admission webhook.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// A set of CUE policies that every matching object must satisfy.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "policy.pequod.io",
    version = "v1alpha1",
    kind = "ClusterCuePolicy",
    plural = "clustercuepolicies",
    status = "ClusterCuePolicyStatus",
    shortname = "ccp",
    category = "pequod",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Action","type":"string","jsonPath":".spec.action"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterCuePolicySpec {
    /// The CUE text: a package with a map `policy`, each entry a policy with `match`, `object`,
    /// `message` and `severity`; `request` is filled with the admission request.
    pub cue: String,
    /// The most that a violation can do.
    #[serde(default)]
    pub action: PolicyAction,
    /// What is answered when a policy runs into a limit or a construct that is not supported.
    #[serde(default)]
    pub on_error: OnError,
    /// For which kinds the policies are asked; empty: for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindSelector>,
    /// Namespaces in which the policies are not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_namespaces: Vec<String>,
}

/// The most that a violation can do.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PolicyAction {
    /// The violation is only counted and logged.
    Audit,
    /// The writer gets a warning.
    Warn,
    /// The write is refused.
    #[default]
    Deny,
}

/// What is answered when a policy cannot be evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnError {
    /// The write is refused.
    #[default]
    Deny,
    /// The write goes through, with a warning.
    Allow,
}

/// A kind that policies are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KindSelector {
    /// The API group; `*` is any, empty is the core group.
    #[serde(default)]
    pub group: String,
    /// The kind; `*` is any.
    pub kind: String,
}

/// What became of a policy object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterCuePolicyStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: the text compiled, and which digest is in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Digest of the version in force; differs from the spec's while that does not compile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_digest: Option<String>,
}
