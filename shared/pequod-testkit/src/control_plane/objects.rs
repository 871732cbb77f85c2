//! Objects that tests put into a control plane.

use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, oneshot};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::ControlPlane;
use crate::error::Context as _;
use crate::{Error, Result, wait};

/// Field manager of what tests apply: none of the product's.
const MANAGER: &str = "test";
const NODES: [&str; 2] = ["node-a", "node-b"];

impl ControlPlane {
    /// A new namespace `PREFIX-xxxxx`, ready for Pods (its ServiceAccount `default` is there).
    pub async fn namespace(&self, prefix: &str) -> String {
        let namespaces = Api::<Namespace>::all(self.client());
        let wanted = json!({"metadata": {"generateName": format!("{prefix}-")}});
        let made = async {
            let wanted =
                serde_json::from_value(wanted).map_err(Error::while_doing("no namespace"))?;
            namespaces
                .create(&PostParams::default(), &wanted)
                .await
                .map_err(Error::while_doing("could not create a namespace"))
        };
        let name = made
            .await
            .unwrap_or_else(|error| panic!("{error}"))
            .name_any();
        let accounts = Api::<ServiceAccount>::namespaced(self.client(), &name);
        wait::until(&accounts, "default", "is there", |account| {
            account.is_some()
        })
        .await;
        name
    }

    /// Applies the objects of a YAML text (several documents, or JSON) as administrator, in their order; those without
    /// a namespace go to the given one. Gives back what the API server made of them.
    #[track_caller]
    pub fn apply<'a>(
        &'a self,
        namespace: &'a str,
        yaml: &'a str,
    ) -> impl Future<Output = Vec<DynamicObject>> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            let applied = self.try_apply(self.client(), namespace, yaml).await;
            applied.unwrap_or_else(|error| panic!("{caller}: {error}"))
        }
    }

    /// Like [`ControlPlane::apply`], by the given client; gives back the API server's refusal.
    pub async fn try_apply(
        &self,
        client: kube::Client,
        namespace: &str,
        yaml: &str,
    ) -> Result<Vec<DynamicObject>> {
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(yaml).map_err(Error::while_doing("not YAML"))?;
        let mut applied = Vec::new();
        for document in documents.into_iter().filter(|document| !document.is_null()) {
            applied.push(apply_one(client.clone(), namespace, document).await?);
        }
        Ok(applied)
    }

    /// Installs the custom resources of the suite and waits until they are served.
    pub async fn install_crds(&self) {
        let crds = Api::<CustomResourceDefinition>::all(self.client());
        for crd in pequod_api::custom_resource_definitions() {
            let name = crd.name_any();
            let patch = Patch::Apply(&crd);
            if let Err(error) = crds
                .patch(&name, &PatchParams::apply(MANAGER).force(), &patch)
                .await
            {
                panic!("the API server does not take the definition {name}: {error}");
            }
            let established = kube::runtime::conditions::is_crd_established();
            wait::until(&crds, &name, "is established", |crd| {
                kube::runtime::wait::Condition::matches_object(&established, crd)
            })
            .await;
        }
    }

    pub(super) async fn make_nodes(&self) -> Result<()> {
        let nodes = Api::<Node>::all(self.client());
        for name in NODES {
            let room = json!({"cpu": "64", "memory": "256Gi", "pods": "2000"});
            let node = json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
                "status": {"allocatable": room, "capacity": room},
            });
            let apply = PatchParams::apply(MANAGER);
            let failed = format!("could not make the node {name}");
            nodes
                .patch(name, &apply, &Patch::Apply(&node))
                .await
                .context(&failed)?;
            nodes
                .patch_status(name, &apply, &Patch::Apply(&node))
                .await
                .context(&failed)?;
        }
        for name in NODES {
            wait::until(&nodes, name, "is ready", |node| {
                node.and_then(|node| node.status.as_ref()?.conditions.as_ref())
                    .into_iter()
                    .flatten()
                    .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            })
            .await;
        }
        Ok(())
    }

    /// Waits for what every cluster has that is more than seconds old: the rules that are aggregated to `admin`, `edit`
    /// and `view`. Without them a binding to one of these gives nothing.
    pub(super) async fn until_settled(&self) {
        let roles = Api::<ClusterRole>::all(self.client());
        for name in ["view", "edit", "admin"] {
            wait::until(&roles, name, "has its rules", |role| {
                role.and_then(|role| role.rules.as_ref())
                    .is_some_and(|rules| !rules.is_empty())
            })
            .await;
        }
    }
}

async fn apply_one(
    client: kube::Client,
    namespace: &str,
    document: Value,
) -> Result<DynamicObject> {
    let object: DynamicObject =
        serde_json::from_value(document).map_err(Error::while_doing("not an object"))?;
    let types = object
        .types
        .clone()
        .ok_or_else(|| Error::new("an object without a kind"))?;
    let name = object.name_any();
    let failed = format!("could not apply {} {name}", types.kind);
    let kind = GroupVersionKind::try_from(&types).context(&failed)?;
    let (resource, capabilities) = oneshot::pinned_kind(&client, &kind)
        .await
        .context(&failed)?;
    let api: Api<DynamicObject> = if capabilities.scope == Scope::Cluster {
        Api::all_with(client, &resource)
    } else {
        let namespace = object.namespace().unwrap_or_else(|| namespace.to_owned());
        Api::namespaced_with(client, &namespace, &resource)
    };
    api.patch(&name, &PatchParams::apply(MANAGER), &Patch::Apply(&object))
        .await
        .context(&failed)
}

/// Base64, as kubeconfigs have it.
pub(super) fn base64(bytes: &[u8]) -> String {
    // `ByteString` is how the API's types write it.
    let text = serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()));
    text.ok()
        .and_then(|text| text.as_str().map(str::to_owned))
        .unwrap_or_default()
}
