//! What leaves a graph.

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::{World, condition, config_map, deployment, executor, node, node_with, options};

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_graph_is_removed_once_the_rest_is_ready() {
    let world = World::new().await;
    let _controller = world.run();
    let orphan = json!({"apply": {"onPrune": "Orphan"}});
    let nodes = [
        node(config_map("stays", "1"), &[]),
        node(config_map("leaves", "1"), &[]),
        node_with(config_map("let-go", "1"), &[], orphan),
        node(config_map("protected", "1"), &[]),
    ];
    let generation = world.publish(&nodes).await;
    world.until_ready(generation).await;
    let protect = json!({"metadata": {"annotations": {"platform.pequod.io/protect": "true"}}});
    let maps = world.config_maps();
    maps.patch("protected", &PatchParams::default(), &Patch::Merge(protect))
        .await
        .unwrap();

    let generation = world
        .publish(&[nodes[0].clone(), node(deployment("new", 1), &[])])
        .await;
    let graph = world.until_ready(generation).await;
    let inventory = graph.status.unwrap().inventory;
    let names: Vec<_> = inventory
        .iter()
        .map(|item| item.target.name.as_str())
        .collect();
    assert_eq!(names, ["stays", "new"]);
    assert!(maps.get_opt("leaves").await.unwrap().is_none());
    for name in ["let-go", "protected"] {
        let left = maps.get(name).await.unwrap();
        let labels = left.metadata.labels.unwrap_or_default();
        assert!(
            !labels.contains_key("platform.pequod.io/transform"),
            "{name}: {labels:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pruned_while_the_rest_is_not_ready() {
    let world = World::new().await;
    let generation = world.publish(&[node(config_map("old", "1"), &[])]).await;
    let executor = executor(&world.cluster, options());
    world.settle(&executor).await.unwrap();
    world.until_ready(generation).await;
    let never = json!({"readyWhen": [{"condition": {"type": "Never"}}]});
    world
        .publish(&[node_with(deployment("new", 1), &[], never)])
        .await;
    for _ in 0..3 {
        executor.reconcile(&world.owner).await.unwrap();
    }
    assert!(world.config_maps().get_opt("old").await.unwrap().is_some());
    assert_eq!(world.inventory().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_graph_deletes_nothing_and_says_so() {
    let world = World::new().await;
    let _controller = world.run();
    let generation = world.publish(&[node(config_map("a", "1"), &[])]).await;
    world.until_ready(generation).await;
    world.publish(&[]).await;
    let graph = world
        .until("stalls", |g| {
            g.and_then(|g| condition(g, "Stalled")).is_some()
        })
        .await
        .unwrap();
    assert_eq!(condition(&graph, "Stalled").unwrap().0, "EmptyRender");
    assert!(world.config_maps().get_opt("a").await.unwrap().is_some());
    assert_eq!(world.inventory().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_secrets_of_the_store_are_removed_and_the_new_ones_belong_to_the_graph() {
    let world = World::new().await;
    world.publish(&[node(config_map("a", "1"), &[])]).await;
    let first = world.graph().await.spec.store.secrets;
    world.publish(&[node(config_map("a", "2"), &[])]).await;
    let graph = world.graph().await;
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::namespaced(world.plane.client(), &world.namespace);
    for name in first {
        assert!(secrets.get_opt(&name).await.unwrap().is_none(), "{name}");
    }
    for name in &graph.spec.store.secrets {
        let secret = secrets.get(name).await.unwrap();
        let owners = secret.metadata.owner_references.unwrap();
        assert_eq!(owners[0].uid, graph.metadata.uid.clone().unwrap());
        assert_eq!(owners.len(), 1, "{owners:?}");
    }
}
