//! What comes after what, and what a status says meanwhile.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use pequod_api::NodePhase;
use pequod_api::resource_graph::GraphPhase;
use serde_json::json;

use crate::world::{World, condition, config_map, deployment, executor, node, node_with, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_is_applied_in_order_and_becomes_ready() {
    let world = World::new().await;
    let _controller = world.run();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "front"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    });
    let nodes = [
        node(service, &["web"]),
        node(deployment("web", 2), &["config"]),
        node(config_map("config", "1"), &[]),
    ];
    let generation = world.publish(&nodes).await;
    let graph = world.until_ready(generation).await;
    let status = graph.status.as_ref().unwrap();
    assert_eq!(status.phase, GraphPhase::Ready);
    assert!(
        status
            .node_status
            .values()
            .all(|node| node.phase == NodePhase::Ready)
    );
    assert_eq!(condition(&graph, "Reconciling"), None);
    assert_eq!(condition(&graph, "Stalled"), None);
    assert!(
        status.inventory.iter().all(|item| item.uid.is_some()),
        "{:?}",
        status.inventory
    );

    let deployments: Api<Deployment> = Api::namespaced(world.plane.client(), &world.namespace);
    let web = deployments.get("web").await.unwrap();
    let config = world.config_maps().get("config").await.unwrap();
    let made = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
        meta.resource_version
            .clone()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(made(&config.metadata) < made(&web.metadata));
    let fields = web.metadata.managed_fields.unwrap();
    assert!(
        fields
            .iter()
            .any(|f| f.manager.as_deref() == Some("pequod-operator"))
    );
    assert_eq!(
        web.metadata.labels.unwrap()["platform.pequod.io/transform"],
        "shop"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_gets_ready_fails_in_time_and_blocks_only_what_comes_after() {
    let world = World::new().await;
    let _controller = world.run();
    let never = json!({"readyWhen": [{"condition": {"type": "Never"}, "timeoutSeconds": 1}]});
    let nodes = [
        node_with(deployment("slow", 1), &[], never),
        node(config_map("after", "1"), &["slow"]),
        node(config_map("aside", "1"), &[]),
    ];
    world.publish(&nodes).await;
    let message = world.until_node("slow", NodePhase::Failed).await;
    assert!(
        message.starts_with("not ready after 1 seconds: condition Never is not True"),
        "{message}"
    );
    let message = world.until_node("after", NodePhase::Blocked).await;
    assert_eq!(message, "waits for `slow`, which failed");
    world.until_node("aside", NodePhase::Ready).await;
    let graph = world
        .until("stalls", |g| {
            g.and_then(|g| condition(g, "Stalled")).is_some()
        })
        .await
        .unwrap();
    assert_eq!(condition(&graph, "Stalled").unwrap().0, "NodeFailed");
    assert!(
        world
            .config_maps()
            .get_opt("after")
            .await
            .unwrap()
            .is_none()
    );

    // It is tried again when something changes.
    let generation = world
        .publish(&[node(deployment("slow", 1), &[]), nodes[1].clone()])
        .await;
    world.until_ready(generation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_to_applied_does_not_wait_for_readiness() {
    let world = World::new().await;
    let never = json!({"readyWhen": [{"condition": {"type": "Never"}}]});
    let mut after = node(config_map("after", "1"), &[]);
    after.0.depends_on =
        serde_json::from_value(json!([{"id": "slow", "when": "Applied"}])).unwrap();
    world
        .publish(&[node_with(deployment("slow", 1), &[], never), after])
        .await;
    let executor = executor(&world.cluster, options());
    executor.reconcile(&world.owner).await.unwrap();
    assert!(
        world
            .config_maps()
            .get_opt("after")
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_ready_nodes_takes_one_pass_and_three_status_writes_at_most() {
    let world = World::new().await;
    let names: Vec<String> = (0..20).map(|i| format!("c{i:02}")).collect();
    let nodes: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let before: Vec<&str> = i
                .checked_sub(1)
                .map(|b| names[b].as_str())
                .into_iter()
                .collect();
            node(config_map(name, "1"), &before)
        })
        .collect();
    let generation = world.publish(&nodes).await;
    let executor = executor(&world.cluster, options());
    executor.reconcile(&world.owner).await.unwrap();
    let graph = world.until_ready(generation).await;
    let writes = graph.metadata.managed_fields.unwrap();
    assert!(writes.len() <= 4, "{writes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_and_its_object_can_come_in_one_graph() {
    let world = World::new().await;
    world
        .grant_cluster(r#"[{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]"#)
        .await;
    let controller = world.run();
    let group = format!("{}.example.org", world.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("buckets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "buckets", "singular": "bucket", "kind": "Bucket", "listKind": "BucketList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let bucket = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Bucket", "metadata": {"name": "data"}, "spec": {"size": 1}
    });
    let name = format!("buckets.{group}");
    let nodes = [node(definition, &[]), node(bucket, &[&name])];
    let generation = world.publish(&nodes).await;
    world.until_ready(generation).await;

    // And the definition may be gone before the object is deleted.
    let crds: Api<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> =
        Api::all(world.plane.client());
    drop(controller);
    crds.delete(&name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    pequod_testkit::wait::until(&crds, &name, "is gone", |crd| crd.is_none()).await;
    world.delete_graph().await;
    let fresh = executor(&world.cluster, options());
    tokio::time::timeout(Duration::from_secs(30), world.settle(&fresh))
        .await
        .unwrap()
        .unwrap();
    world.until_gone().await;
}
