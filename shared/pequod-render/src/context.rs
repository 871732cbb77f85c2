//! What a module may know of its surroundings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whether objects of a kind lie in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In none.
    Cluster,
}

/// What is known of the cluster. Nothing, where none was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Cluster {
    /// The API server's version, for example `v1.35.4`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The kinds that are served, for example `apps/v1/Deployment`, and their scope.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Scope>,
}

/// The module's `context`. `--context-file` holds it as YAML or JSON; the controller makes it from the Transform and
/// the cluster; both fill this type, so both render the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Context {
    /// The Transform's name.
    pub name: String,
    /// The Transform's namespace.
    pub namespace: String,
    /// The Transform's labels.
    pub labels: BTreeMap<String, String>,
    /// The Transform's annotations, without those that tools keep their notes in.
    pub annotations: BTreeMap<String, String>,
    /// The cluster.
    pub cluster: Cluster,
}

/// Annotations that change with every write, whoever writes.
const NOTES: &[&str] = &["kubectl.kubernetes.io/last-applied-configuration"];

impl Context {
    /// The context of a Transform. Its namespace is `namespace` where it does not say one.
    pub fn of(transform: &pequod_api::Transform, namespace: &str, cluster: Cluster) -> Self {
        let metadata = &transform.metadata;
        let mut annotations = metadata.annotations.clone().unwrap_or_default();
        annotations.retain(|key, _| !NOTES.contains(&key.as_str()));
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            namespace: metadata
                .namespace
                .clone()
                .unwrap_or_else(|| namespace.to_owned()),
            labels: metadata.labels.clone().unwrap_or_default(),
            annotations,
            cluster,
        }
    }

    /// As the data that fills `context`.
    pub(crate) fn value(&self) -> Value {
        // Strings and maps of strings: there is nothing that JSON could refuse.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The value at a path below the root, for the digest.
    pub(crate) fn at(value: &Value, path: &[String]) -> Value {
        path.iter()
            .try_fold(value, |value, key| value.get(key))
            .cloned()
            .unwrap_or_default()
    }
}

/// The cluster-scoped kinds of Kubernetes itself, with their group: these are known without asking.
const CLUSTER_SCOPED: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
    ),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
    ),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("policy.pequod.io", "ClusterCuePolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "ResourceSlice"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"),
];

/// Groups whose kinds are all known, so that what is not in [`CLUSTER_SCOPED`] lies in a namespace.
fn is_builtin(group: &str) -> bool {
    group.is_empty()
        || group.ends_with(".k8s.io") && CLUSTER_SCOPED.iter().any(|(known, _)| *known == group)
        || matches!(group, "apps" | "autoscaling" | "batch" | "policy")
}

/// Tells the scope of kinds, and remembers which it had to look up in the context.
#[derive(Debug)]
pub(crate) struct Scopes<'a> {
    context: &'a Context,
    /// Custom kinds that the graph itself defines.
    defined: BTreeMap<(String, String), Scope>,
    /// Keys of `context.cluster.kinds` that were looked up.
    pub(crate) read: BTreeSet<String>,
}

impl<'a> Scopes<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Self {
            context,
            defined: BTreeMap::new(),
            read: BTreeSet::new(),
        }
    }

    /// Takes note of a CustomResourceDefinition of the graph.
    pub(crate) fn define(&mut self, object: &Value) {
        if object["kind"] != "CustomResourceDefinition" {
            return;
        }
        let spec = &object["spec"];
        if let (Some(group), Some(kind), Some(scope)) = (
            spec["group"].as_str(),
            spec["names"]["kind"].as_str(),
            spec["scope"].as_str(),
        ) {
            let scope = if scope == "Cluster" {
                Scope::Cluster
            } else {
                Scope::Namespaced
            };
            self.defined
                .insert((group.to_owned(), kind.to_owned()), scope);
        }
    }

    /// The scope of a kind. A kind that nobody knows is taken to lie in a namespace, as nearly all do.
    pub(crate) fn of(&mut self, api_version: &str, kind: &str) -> Scope {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        if CLUSTER_SCOPED.contains(&(group, kind)) {
            return Scope::Cluster;
        }
        if is_builtin(group) {
            return Scope::Namespaced;
        }
        if let Some(scope) = self.defined.get(&(group.to_owned(), kind.to_owned())) {
            return *scope;
        }
        let key = format!("{api_version}/{kind}");
        let scope = self
            .context
            .cluster
            .kinds
            .get(&key)
            .copied()
            .unwrap_or(Scope::Namespaced);
        self.read.insert(key);
        scope
    }
}
