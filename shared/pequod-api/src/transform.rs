//! `Transform`: what a person asks of a platform.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;

/// What is asked of a platform: which module, and the input that it takes.
///
/// The controller renders the module with the input into a ResourceGraph of the same name, whose
/// objects are applied with the rights of `serviceAccountName` and of nobody else.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "platform.pequod.io",
    version = "v1alpha1",
    kind = "Transform",
    namespaced,
    status = "TransformStatus",
    shortname = "tf",
    category = "pequod",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Module","type":"string","jsonPath":".spec.cueRef.ref","priority":1}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].reason"}"#,
    printcolumn = r#"{"name":"Nodes","type":"string","jsonPath":".status.nodes"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransformSpec {
    /// Which CUE module renders the graph.
    pub cue_ref: CueRef,
    /// What the module's `input` is filled with; checked by the module's own schema. At most 512 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_object")]
    pub input: Option<serde_json::Value>,
    /// The ServiceAccount of this namespace with whose rights the objects are applied and deleted.
    #[serde(default = "default_service_account")]
    pub service_account_name: String,
    /// While true, nothing is rendered, applied or repaired; deletion still works.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// If set, only the plan with this digest (printed by `kubectl transform plan`) is carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_plan: Option<String>,
}

fn default_service_account() -> String {
    "default".to_owned()
}

/// Where a CUE module comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CueRef {
    /// The kind of source.
    #[serde(rename = "type")]
    pub kind: CueRefType,
    /// What the source calls it: CUE text (`inline`), a ConfigMap of this namespace (`configmap`), a
    /// module that comes with Pequod (`embedded`), an artifact (`oci`), a repository (`git`).
    #[serde(rename = "ref")]
    pub reference: String,
    /// The package's folder inside the module, if it is not the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A Secret of this namespace with the credentials of a private registry or repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_secret_ref: Option<LocalObjectReference>,
}

/// The kinds of module source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CueRefType {
    /// The CUE text itself, in `ref`.
    Inline,
    /// The keys of a ConfigMap that end in `.cue`, each a file of the package.
    Configmap,
    /// A module that comes with Pequod: `webservice`, `database`.
    Embedded,
    /// A CUE module artifact in an OCI registry.
    Oci,
    /// A git repository.
    Git,
}

/// The name of an object of the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalObjectReference {
    /// Its name.
    pub name: String,
}

/// What became of a Transform.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransformStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Validated`, `Rendered`, `Ready`, `Reconciling`, `Stalled` (the last three as kstatus reads them).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// The ResourceGraph that was rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_graph_ref: Option<LocalObjectReference>,
    /// Which module it was rendered from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_cue_ref: Option<ResolvedCueRef>,
    /// What the module's policies found in the input or the rendered objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub violations: Vec<Violation>,
    /// The module's `outputs`, each as it became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_object")]
    pub outputs: Option<serde_json::Value>,
    /// Ready nodes of all nodes, for example `3/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<String>,
}

/// A module, pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedCueRef {
    /// `sha256:` and the digest of the module's content.
    pub digest: String,
    /// In which form the module was written: `nodes`, the form of docs/guides/modules.md.
    pub form: String,
}

/// A policy that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The policy's name.
    pub policy: String,
    /// The node whose object it is about; absent where it is about the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Where in the object, for example `metadata.labels.owner`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// Whether it stops the Transform.
    #[serde(default)]
    pub severity: ViolationSeverity,
}

/// Whether a violation stops the Transform.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ViolationSeverity {
    /// Nothing is applied.
    #[default]
    Error,
    /// It is only reported.
    Warning,
}
