//! The definitions of the custom resources: the API server takes them, and keeps every field of every type.

use std::fmt::Debug;

use kube::api::PostParams;
use kube::{Api, Resource};
use pequod_api::{ClusterCuePolicy, ResourceGraph, Solution, Transform};
use pequod_testkit::ControlPlane;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Creates the object, writes its status, and compares what the API server kept with what was sent.
async fn keeps<K>(api: Api<K>, wanted: Value)
where
    K: Resource + Clone + Debug + Serialize + DeserializeOwned,
    K::DynamicType: Default,
{
    let typed: K = serde_json::from_value(wanted.clone()).unwrap();
    let created = api.create(&PostParams::default(), &typed).await.unwrap();
    let mut with_status = typed.clone();
    with_status
        .meta_mut()
        .resource_version
        .clone_from(&created.meta().resource_version);
    let name = created.meta().name.clone().unwrap();
    api.replace_status(&name, &PostParams::default(), &with_status)
        .await
        .unwrap();
    let kept = serde_json::to_value(api.get(&name).await.unwrap()).unwrap();
    for part in ["spec", "status"] {
        assert_eq!(kept[part], wanted[part], "{part} of {name}");
    }
}

fn conditions() -> Value {
    json!([{
        "type": "Ready", "status": "True", "reason": "AllReady", "message": "all nodes are ready",
        "lastTransitionTime": "2026-01-02T03:04:05Z", "observedGeneration": 1
    }])
}

fn target() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web"})
}

fn apply() -> Value {
    json!({"mode": "Adopt", "conflicts": "Force", "onPrune": "Orphan", "onDelete": "Orphan"})
}

#[tokio::test]
async fn a_transform_is_kept_whole() {
    let (cluster, namespace) = cluster("transform").await;
    let api = Api::<Transform>::namespaced(cluster.client(), &namespace);
    keeps(
        api,
        json!({
            "apiVersion": "platform.pequod.io/v1alpha1", "kind": "Transform", "metadata": {"name": "shop"},
            "spec": {
                "cueRef": {"type": "inline", "ref": "package x", "path": "sub", "pullSecretRef": {"name": "s"}},
                "input": {"image": "web:1", "deep": [{"a": {"b": [1, 2.5, null, true]}}]},
                "serviceAccountName": "deployer", "suspend": true, "approvedPlan": "sha256:0"
            },
            "status": {
                "observedGeneration": 1, "conditions": conditions(), "resourceGraphRef": {"name": "shop"},
                "resolvedCueRef": {"digest": "sha256:1", "form": "nodes"},
                "violations": [{"policy": "p", "node": "n", "path": "a.b", "message": "m", "severity": "Warning"}],
                "outputs": {"url": "http://x", "more": [1]}, "nodes": "3/3"
            }
        }),
    )
    .await;
}

#[tokio::test]
async fn a_resource_graph_is_kept_whole() {
    let (cluster, namespace) = cluster("graph").await;
    let api = Api::<ResourceGraph>::namespaced(cluster.client(), &namespace);
    let ready_when = json!([
        {"exists": true, "timeoutSeconds": 5},
        {"condition": {"type": "Ready", "status": "True", "reason": "Because"}},
        {"deploymentAvailable": true},
        {"cue": "current: object.status.ok"}
    ]);
    keeps(
        api,
        json!({
            "apiVersion": "platform.pequod.io/v1alpha1", "kind": "ResourceGraph", "metadata": {"name": "shop"},
            "spec": {
                "source": {"transform": "shop", "generation": 3, "moduleDigest": "sha256:1", "renderDigest": "sha256:2"},
                "serviceAccountName": "deployer",
                "nodes": [{
                    "id": "web", "target": target(), "digest": "sha256:3",
                    "dependsOn": [{"id": "config", "when": "Applied"}],
                    "readyWhen": ready_when, "apply": apply(), "ignore": ["/spec/replicas"]
                }],
                "store": {"secrets": ["shop-0"], "digest": "sha256:4"},
                "violations": [{"policy": "p", "path": "a", "message": "m", "severity": "Error"}]
            },
            "status": {
                "observedGeneration": 1, "phase": "Executing", "conditions": conditions(),
                "nodeStatus": {"web": {
                    "phase": "Applied", "appliedDigest": "sha256:3", "waitingSince": "2026-01-02T03:04:05Z",
                    "message": "0 of 3"
                }},
                "inventory": [{
                    "node": "web", "target": target(), "uid": "u", "apply": apply(), "dependsOn": ["config"],
                    "serviceAccountName": "deployer"
                }]
            }
        }),
    )
    .await;
}

#[tokio::test]
async fn a_policy_is_kept_whole() {
    let (cluster, _) = cluster("policy").await;
    let api = Api::<ClusterCuePolicy>::all(cluster.client());
    keeps(
        api,
        json!({
            "apiVersion": "policy.pequod.io/v1alpha1", "kind": "ClusterCuePolicy", "metadata": {"name": "owner"},
            "spec": {
                "cue": "policy: {}", "action": "Warn", "onError": "Allow",
                "kinds": [{"group": "apps", "kind": "Deployment"}], "excludedNamespaces": ["lab"]
            },
            "status": {"observedGeneration": 1, "conditions": conditions(), "activeDigest": "sha256:1"}
        }),
    )
    .await;
}

#[tokio::test]
async fn a_solution_is_kept_whole() {
    let (cluster, namespace) = cluster("solution").await;
    let api = Api::<Solution>::namespaced(cluster.client(), &namespace);
    let change = json!({
        "actor": "alice", "tool": "kubectl", "policyDigest": "sha256:5", "seen": "2026-01-02T03:04:05Z"
    });
    keeps(
        api,
        json!({
            "apiVersion": "dot-ai.io/v1", "kind": "Solution", "metadata": {"name": "shop"},
            "spec": {
                "intent": "a shop", "configuration": {"a": {"b": 1}}, "state": "deployed",
                "manifests": [{"kind": "ConfigMap", "data": {"k": "v"}}]
            },
            "status": {
                "observedGeneration": 1, "state": "Degraded", "ready": "1/2", "lastChange": change,
                "inventory": [{
                    "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "u",
                    "health": "InProgress", "message": "0 of 3", "intentDigest": "sha256:6", "lastChange": change
                }],
                "conditions": conditions()
            }
        }),
    )
    .await;
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_strict_validation() {
    let (cluster, namespace) = cluster("strict").await;
    let manifest = "{apiVersion: platform.pequod.io/v1alpha1, kind: Transform, metadata: {name: shop}, \
                    spec: {cueRef: {type: embedded, ref: webservice}, inputs: {}}}";
    let arguments = ["create", "--validate=strict", "-n", &namespace, "-f", "-"];
    let refused = cluster
        .kubectl_as("admin", arguments, manifest)
        .expect_code(1);
    assert!(
        refused.stderr.contains(r#"unknown field "spec.inputs""#),
        "{refused}"
    );
}

/// A control plane with the definitions and nothing that works on their objects.
async fn cluster(prefix: &str) -> (&'static ControlPlane, String) {
    static CLUSTER: OnceCell<ControlPlane> = OnceCell::const_new();
    let started = CLUSTER
        .get_or_try_init(|| async {
            let cluster = ControlPlane::start().await?;
            cluster.install_crds().await;
            Ok::<_, pequod_testkit::Error>(cluster)
        })
        .await;
    let cluster = started.unwrap_or_else(|error| panic!("{error}"));
    (cluster, cluster.namespace(prefix).await)
}
