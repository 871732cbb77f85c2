//! Objects that were there before.

use kube::ResourceExt as _;
use pequod_api::NodePhase;
use serde_json::json;

use crate::world::{World, config_map, node, node_with};

const THEIRS: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: theirs, more: kept}}";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_refused_with_the_way_to_adopt_it() {
    let world = World::new().await;
    let _controller = world.run();
    world.plane.apply(&world.namespace, THEIRS).await;
    world.publish(&[node(config_map("a", "ours"), &[])]).await;
    let message = world.until_node("a", NodePhase::Failed).await;
    assert!(
        message.contains(r#"set `apply: mode: "Adopt"` on the node"#),
        "{message}"
    );
    assert_eq!(
        world.config_maps().get("a").await.unwrap().data.unwrap()["k"],
        "theirs"
    );
    world.delete_graph().await;
    world.until_gone().await;
    assert!(world.config_maps().get_opt("a").await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn adopting_takes_over_and_keeps_what_is_not_ours() {
    let world = World::new().await;
    let _controller = world.run();
    world.plane.apply(&world.namespace, THEIRS).await;
    let adopt = json!({"apply": {"mode": "Adopt"}});
    let generation = world
        .publish(&[node_with(config_map("a", "ours"), &[], adopt)])
        .await;
    world.until_ready(generation).await;
    let map = world.config_maps().get("a").await.unwrap();
    let data = map.data.clone().unwrap();
    assert_eq!(
        (data["k"].as_str(), data["more"].as_str()),
        ("ours", "kept")
    );
    assert_eq!(world.inventory().await[0].uid, map.uid());
}

#[tokio::test(flavor = "multi_thread")]
async fn create_leaves_alone_what_is_there() {
    let world = World::new().await;
    let _controller = world.run();
    world.plane.apply(&world.namespace, THEIRS).await;
    let create = json!({"apply": {"mode": "Create"}});
    let nodes = [
        node_with(config_map("a", "ours"), &[], create.clone()),
        node_with(config_map("b", "first"), &[], create.clone()),
    ];
    let generation = world.publish(&nodes).await;
    world.until_ready(generation).await;
    let maps = world.config_maps();
    assert_eq!(maps.get("a").await.unwrap().data.unwrap()["k"], "theirs");
    assert_eq!(maps.get("b").await.unwrap().data.unwrap()["k"], "first");
    let generation = world
        .publish(&[
            nodes[0].clone(),
            node_with(config_map("b", "second"), &[], create),
        ])
        .await;
    world.until_ready(generation).await;
    assert_eq!(maps.get("b").await.unwrap().data.unwrap()["k"], "first");
    world.delete_graph().await;
    world.until_gone().await;
    assert!(maps.get_opt("a").await.unwrap().is_some());
    assert!(maps.get_opt("b").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_observed_is_waited_for_and_never_changed() {
    let world = World::new().await;
    let _controller = world.run();
    let observe = json!({"apply": {"mode": "Observe"}});
    let nodes = [
        node_with(config_map("a", "ours"), &[], observe),
        node(config_map("b", "1"), &["a"]),
    ];
    let generation = world.publish(&nodes).await;
    world.until_node("a", NodePhase::Applied).await;
    assert!(world.config_maps().get_opt("b").await.unwrap().is_none());
    world.plane.apply(&world.namespace, THEIRS).await;
    world.until_ready(generation).await;
    world.delete_graph().await;
    world.until_gone().await;
    let map = world.config_maps().get("a").await.unwrap();
    assert_eq!(map.data.clone().unwrap()["k"], "theirs");
    assert!(map.labels().is_empty());
}
