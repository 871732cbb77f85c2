//! Taking down.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use pequod_testkit::wait;
use serde_json::json;

use crate::world::{World, condition, config_map, deployment, executor, node, node_with, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_graph_is_taken_down_in_reverse_order() {
    let world = World::new().await;
    let _controller = world.run();
    let stays = json!({"apply": {"onDelete": "Orphan"}});
    let nodes = [
        node(config_map("base", "1"), &[]),
        node(config_map("middle", "1"), &["base"]),
        node(deployment("top", 1), &["middle"]),
        node_with(config_map("data", "1"), &[], stays),
    ];
    let generation = world.publish(&nodes).await;
    world.until_ready(generation).await;
    // Holds the middle: what lies below it must wait.
    let maps = world.config_maps();
    let hold = json!({"metadata": {"finalizers": ["example.org/hold"]}});
    maps.patch("middle", &PatchParams::default(), &Patch::Merge(hold))
        .await
        .unwrap();
    world.delete_graph().await;
    wait::until(
        &maps,
        "middle",
        "is on its way out",
        |map: Option<&ConfigMap>| map.is_some_and(|map| map.metadata.deletion_timestamp.is_some()),
    )
    .await;
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(world.plane.client(), &world.namespace);
    assert!(deployments.get_opt("top").await.unwrap().is_none());
    assert!(
        maps.get("base")
            .await
            .unwrap()
            .metadata
            .deletion_timestamp
            .is_none()
    );
    let release = json!({"metadata": {"finalizers": null}});
    maps.patch("middle", &PatchParams::default(), &Patch::Merge(release))
        .await
        .unwrap();
    world.until_gone().await;
    assert!(maps.get_opt("base").await.unwrap().is_none());
    let data = maps.get("data").await.unwrap();
    assert!(!data.labels().contains_key("platform.pequod.io/transform"));
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_needs_no_stored_objects_and_spares_what_is_not_ours() {
    let world = World::new().await;
    let nodes = [
        node(config_map("ours", "1"), &[]),
        node(config_map("taken", "1"), &[]),
    ];
    let generation = world.publish(&nodes).await;
    let one = executor(&world.cluster, options());
    world.settle(&one).await.unwrap();
    world.until_ready(generation).await;
    // Somebody deletes one and makes another of the same name.
    let maps = world.config_maps();
    maps.delete("taken", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    world
        .plane
        .apply(
            &world.namespace,
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: taken}}",
        )
        .await;
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(world.plane.client(), &world.namespace);
    for name in world.graph().await.spec.store.secrets {
        secrets
            .delete(&name, &kube::api::DeleteParams::default())
            .await
            .unwrap();
    }
    world.delete_graph().await;
    world
        .settle(&executor(&world.cluster, options()))
        .await
        .unwrap();
    world.until_gone().await;
    assert!(maps.get_opt("ours").await.unwrap().is_none());
    assert!(maps.get_opt("taken").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_deletion_is_told_and_goes_on_when_it_is_allowed() {
    let world = World::new().await;
    let _controller = world.run();
    let generation = world.publish(&[node(config_map("a", "1"), &[])]).await;
    world.until_ready(generation).await;
    world
        .grant(r#"[{apiGroups: [""], resources: [configmaps], verbs: [get, list, watch]}]"#)
        .await;
    world.delete_graph().await;
    let graph = world
        .until("stalls", |g| {
            g.and_then(|g| condition(g, "Stalled")).is_some()
        })
        .await
        .unwrap();
    let (reason, message) = condition(&graph, "Stalled").unwrap();
    assert_eq!(reason, "DeletionRefused");
    assert!(message.contains("cannot delete ConfigMap"), "{message}");
    world
        .grant(r#"[{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]"#)
        .await;
    world.until_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_deleted_does_not_hang_on_a_graph() {
    let world = World::new().await;
    let _controller = world.run();
    let generation = world
        .publish(&[
            node(config_map("a", "1"), &[]),
            node(deployment("b", 1), &["a"]),
        ])
        .await;
    world.until_ready(generation).await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.plane.client());
    namespaces
        .delete(&world.namespace, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    wait::until(&namespaces, &world.namespace, "is gone", |namespace| {
        namespace.is_none()
    })
    .await;
}
