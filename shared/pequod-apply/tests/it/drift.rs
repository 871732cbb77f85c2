//! What others change.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt as _};
use pequod_api::NodePhase;
use pequod_testkit::wait;
use serde_json::json;

use crate::world::{World, config_map, deployment, node, node_with};

fn value(map: &k8s_openapi::api::core::v1::ConfigMap) -> Option<&str> {
    map.data.as_ref()?.get("k").map(String::as_str)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_field_is_set_back_and_a_deleted_object_made_anew() {
    let world = World::new().await;
    let _controller = world.run();
    let generation = world.publish(&[node(config_map("a", "ours"), &[])]).await;
    world.until_ready(generation).await;
    let maps = world.config_maps();
    let edit = |data| Patch::Merge(json!({"data": {"k": data, "other": "theirs"}}));
    let manager = PatchParams {
        field_manager: Some("kubectl-edit".into()),
        ..PatchParams::default()
    };
    maps.patch("a", &manager, &edit("changed")).await.unwrap();
    let map = wait::until(&maps, "a", "is set back", |map| {
        map.and_then(value) == Some("ours")
    })
    .await
    .unwrap();
    assert_eq!(
        map.data.as_ref().unwrap()["other"],
        "theirs",
        "what we do not set is others' business"
    );
    let unset = Patch::Merge(json!({"data": {"k": null}}));
    maps.patch("a", &manager, &unset).await.unwrap();
    wait::until(&maps, "a", "is set back", |map| {
        map.and_then(value) == Some("ours")
    })
    .await;

    let uid = map.uid();
    maps.delete("a", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    wait::until(&maps, "a", "is made anew", |map| {
        map.is_some_and(|map| map.uid() != uid)
    })
    .await;
    let unmark =
        Patch::Merge(json!({"metadata": {"labels": {"platform.pequod.io/transform": null}}}));
    maps.patch("a", &manager, &unmark).await.unwrap();
    wait::until(&maps, "a", "is marked again", |map| {
        map.is_some_and(|map| map.labels().contains_key("platform.pequod.io/transform"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ignored_field_is_left_to_whoever_takes_it() {
    let world = World::new().await;
    let _controller = world.run();
    let ignore = json!({"ignore": ["/spec/replicas"]});
    let generation = world
        .publish(&[node_with(deployment("web", 1), &[], ignore.clone())])
        .await;
    world.until_ready(generation).await;
    let deployments: Api<Deployment> = Api::namespaced(world.plane.client(), &world.namespace);
    let scale = Patch::Merge(json!({"spec": {"replicas": 3}}));
    let manager = PatchParams {
        field_manager: Some("autoscaler".into()),
        ..PatchParams::default()
    };
    deployments.patch("web", &manager, &scale).await.unwrap();
    // A new version of the graph goes through and does not scale back.
    let mut object = deployment("web", 1);
    object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/web:2");
    let generation = world.publish(&[node_with(object, &[], ignore)]).await;
    world.until_ready(generation).await;
    let web = deployments.get("web").await.unwrap();
    let spec = web.spec.unwrap();
    assert_eq!(spec.replicas, Some(3));
    assert_eq!(
        spec.template.spec.unwrap().containers[0].image.as_deref(),
        Some("registry.example/web:2")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_applier_is_not_fought_and_is_named() {
    let world = World::new().await;
    let _controller = world.run();
    let generation = world.publish(&[node(config_map("a", "ours"), &[])]).await;
    world.until_ready(generation).await;
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "theirs"}});
    let params = PatchParams::apply("argo").force();
    world
        .config_maps()
        .patch("a", &params, &Patch::Apply(theirs))
        .await
        .unwrap();
    let message = world.until_node("a", NodePhase::Failed).await;
    assert!(message.contains(".data.k (owned by argo)"), "{message}");
    assert!(message.contains("Force"), "{message}");
    let map = world.config_maps().get("a").await.unwrap();
    assert_eq!(value(&map), Some("theirs"));
}
