//! `CleanupPlan`, `StorageFinding` and `StorageExemption`: what `kubectl storage` keeps in a cluster.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A plan of clean-up that waits for another person's approval.
///
/// A ValidatingAdmissionPolicy of the chart binds `author` to whoever creates it and `approver` to
/// whoever sets it, who must be somebody else; nothing but `approver` may change afterwards.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "storage.pequod.io",
    version = "v1alpha1",
    kind = "CleanupPlan",
    plural = "cleanupplans",
    category = "pequod",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".spec.phase"}"#,
    printcolumn = r#"{"name":"Items","type":"integer","jsonPath":".spec.items"}"#,
    printcolumn = r#"{"name":"Author","type":"string","jsonPath":".spec.author"}"#,
    printcolumn = r#"{"name":"Approver","type":"string","jsonPath":".spec.approver"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CleanupPlanSpec {
    /// SHA-256 of the plan.
    pub digest: String,
    /// `quarantine` or `purge`.
    pub phase: String,
    /// How many things it deals with.
    pub items: u32,
    /// Every step, in words.
    pub steps: Vec<String>,
    /// Who made it.
    pub author: String,
    /// Who allows it; set by that person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
}

/// A finding of the storage monitor. Deleting it dismisses it until it changes; it never deletes
/// anything else.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "storage.pequod.io",
    version = "v1alpha1",
    kind = "StorageFinding",
    plural = "storagefindings",
    shortname = "sf",
    category = "pequod",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Code","type":"string","jsonPath":".spec.code"}"#,
    printcolumn = r#"{"name":"Severity","type":"string","jsonPath":".spec.severity"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".spec.state"}"#,
    printcolumn = r#"{"name":"Subject","type":"string","jsonPath":".spec.subject"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageFindingSpec {
    /// Stable code, `PQS-1001`.
    pub code: String,
    /// How grave.
    pub severity: String,
    /// `reported`, `candidate` or `confirmed`.
    pub state: String,
    /// Appliance or cluster.
    pub site: String,
    /// What it is about.
    pub subject: String,
    /// One sentence.
    pub message: String,
    /// The exact next command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Something that is not to be reported, with a reason and an end.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "storage.pequod.io",
    version = "v1alpha1",
    kind = "StorageExemption",
    plural = "storageexemptions",
    category = "pequod",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Subject","type":"string","jsonPath":".spec.subject"}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".spec.expires"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".spec.reason"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageExemptionSpec {
    /// Dataset, snapshot, or `namespace/name`: what a finding calls its subject. A `*` at the end
    /// stands for anything.
    pub subject: String,
    /// Only findings with these codes; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Why.
    pub reason: String,
    /// Until when (RFC 3339). Afterwards it is reported again.
    pub expires: String,
}
