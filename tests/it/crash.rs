//! A controller that is killed at any moment loses nothing, doubles nothing and leaves nothing behind.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use pequod_api::{ResourceGraph, Transform, names};
use pequod_testkit::installation::{install_charts, start_transform_controller};
use pequod_testkit::{ControlPlane, free_ports, wait};

use crate::samples::{is_ready, let_default_edit};

const NODES: usize = 50;
const KILLS: u64 = 10;

/// A Transform of ConfigMaps, each after the two before it.
fn chain() -> String {
    let mut module =
        "package crash\n\ncontext: {name: string, namespace: string, ...}\n".to_owned();
    for node in 0..NODES {
        let before: Vec<_> = (node.saturating_sub(2)..node)
            .map(|it| format!("\"n{it}\""))
            .collect();
        let _ = writeln!(
            module,
            "graph: nodes: n{node}: {{\n\tobject: {{apiVersion: \"v1\", kind: \"ConfigMap\", \
             metadata: name: \"n{node}\", data: at: \"{node}\"}}\n\tdependsOn: [{}]\n}}",
            before.join(", ")
        );
    }
    let spec = serde_json::json!({"cueRef": {"type": "inline", "ref": module}});
    serde_json::json!({
        "apiVersion": "platform.pequod.io/v1alpha1", "kind": "Transform", "metadata": {"name": "crash"}, "spec": spec
    })
    .to_string()
}

#[tokio::test]
async fn killed_at_ten_random_moments_all_nodes_are_ready_once_and_none_is_orphaned() {
    // A control plane of its own: the webhook does not run here, its configurations go.
    let cluster = ControlPlane::start().await.unwrap();
    install_charts(&cluster, "https://127.0.0.1:1").unwrap();
    let kinds = "validatingwebhookconfiguration,mutatingwebhookconfiguration";
    cluster.kubectl(["delete", kinds, "--all"]).success();
    let namespace = cluster.namespace("crash").await;
    let_default_edit(&cluster, &namespace).await;
    let health = free_ports(1).unwrap()[0];
    cluster.apply(&namespace, &chain()).await;

    let random = RandomState::new();
    let mut moments = Vec::new();
    for kill in 0..KILLS {
        let controller = start_transform_controller(&cluster, health).unwrap();
        // The moment is what is drawn here; nothing is waited for.
        let moment = Duration::from_millis(random.hash_one(kill) % 1200);
        tokio::time::sleep(moment).await;
        controller.kill().await;
        moments.push(moment);
    }
    println!("killed after {moments:?}");
    let _controller = start_transform_controller(&cluster, health).unwrap();
    let transforms = Api::<Transform>::namespaced(cluster.client(), &namespace);
    wait::until(&transforms, "crash", "is ready", |it| is_ready(it, "True")).await;

    let maps = Api::<ConfigMap>::namespaced(cluster.client(), &namespace);
    let ours = ListParams::default().labels(names::LABEL_TRANSFORM);
    let there: BTreeMap<_, _> = maps
        .list(&ours)
        .await
        .unwrap()
        .into_iter()
        .map(|map| (map.name_any(), map.uid().unwrap()))
        .collect();
    assert_eq!(there.len(), NODES, "{there:?}");
    let graphs = Api::<ResourceGraph>::namespaced(cluster.client(), &namespace);
    let graph = graphs.get("crash").await.unwrap();
    let inventory: BTreeMap<_, _> = graph
        .status
        .unwrap()
        .inventory
        .into_iter()
        .map(|item| (item.target.name, item.uid.unwrap()))
        .collect();
    assert_eq!(
        inventory, there,
        "what is there is what the graph knows of, uid by uid"
    );

    transforms
        .delete("crash", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    wait::until(&transforms, "crash", "is gone", |it| it.is_none()).await;
    assert_eq!(
        maps.list(&ours).await.unwrap().items.len(),
        0,
        "none is orphaned"
    );
    let stores = [
        "get",
        "secrets",
        "-n",
        &namespace,
        "-l",
        names::LABEL_GRAPH,
        "-o",
        "name",
    ];
    let stores = cluster.kubectl(stores).success();
    println!("stores left to the garbage collector: {stores}");
}
