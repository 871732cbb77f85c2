//! What is refused, and what is said about it.

use pequod_api::NodePhase;
use serde_json::json;

use crate::world::{World, condition, config_map, deployment, executor, node, node_with, options};

#[tokio::test(flavor = "multi_thread")]
async fn the_service_accounts_rights_are_all_there_are() {
    let world = World::without_rights().await;
    world
        .grant(r#"[{apiGroups: [""], resources: [configmaps], verbs: ["*"]}]"#)
        .await;
    let _controller = world.run();
    let nodes = [
        node(config_map("allowed", "1"), &[]),
        node(deployment("forbidden", 1), &[]),
        node(config_map("after", "1"), &["forbidden"]),
    ];
    let generation = world.publish(&nodes).await;
    world.until_node("allowed", NodePhase::Ready).await;
    let message = world.until_node("forbidden", NodePhase::Failed).await;
    assert!(message.contains("system:serviceaccount:"), "{message}");
    world.until_node("after", NodePhase::Blocked).await;
    // Rights that come later are found without a change of the graph.
    world
        .grant(r#"[{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]"#)
        .await;
    world.until_ready(generation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_may_not_watch_is_polled() {
    let world = World::without_rights().await;
    world.grant(r#"[{apiGroups: ["", apps], resources: [configmaps, deployments], verbs: [get, create, patch, delete]}]"#).await;
    let _controller = world.run();
    let generation = world
        .publish(&[
            node(deployment("web", 1), &[]),
            node(config_map("c", "1"), &["web"]),
        ])
        .await;
    world.until_ready(generation).await;
    world.delete_graph().await;
    world.until_gone().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_graphs_never_share_an_object() {
    let world = World::new().await;
    let _controller = world.run();
    let generation = world.publish(&[node(config_map("a", "1"), &[])]).await;
    world.until_ready(generation).await;
    let yaml = "{apiVersion: platform.pequod.io/v1alpha1, kind: Transform, metadata: {name: other}, spec: {cueRef: {type: inline, ref: 'package x'}}}";
    let made = world.plane.apply(&world.namespace, yaml).await;
    let mut other = world.publication(&[
        node(config_map("a", "2"), &[]),
        node(config_map("b", "1"), &[]),
    ]);
    other.owner.name = "other".into();
    other.owner_uid = made[0].metadata.uid.clone().unwrap();
    pequod_apply::publish(&world.cluster.access(), other)
        .await
        .unwrap();
    let graph = pequod_testkit::wait::until(&world.graphs(), "other", "fails", |graph| {
        crate::world::phase_of(graph, "a") == Some(NodePhase::Failed)
    })
    .await
    .unwrap();
    let message = graph.status.unwrap().node_status[&"a".into()]
        .message
        .clone()
        .unwrap();
    assert!(message.contains("/shop"), "{message}");
    // And deleting the other one leaves the object alone.
    world
        .graphs()
        .delete("other", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    pequod_testkit::wait::until(&world.graphs(), "other", "is gone", |graph| graph.is_none()).await;
    let map = world.config_maps().get("a").await.unwrap();
    assert_eq!(map.data.unwrap()["k"], "1");
    assert!(world.config_maps().get_opt("b").await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_graph_touches_nothing() {
    let world = World::new().await;
    let executor = executor(&world.cluster, options());
    let cases = [
        (
            vec![
                node(config_map("a", "1"), &["b"]),
                node(config_map("b", "1"), &["a"]),
            ],
            "nodes depend on each other: a → b → a",
        ),
        (
            vec![node(config_map("a", "1"), &["gone"])],
            "node `a` depends on `gone`",
        ),
        (
            vec![node(config_map("a", "1"), &[]), {
                let mut twin = node(config_map("a", "2"), &[]);
                twin.0.id = "twin".into();
                twin
            }],
            "both stand for ConfigMap",
        ),
    ];
    for (nodes, message) in cases {
        world.publish(&nodes).await;
        executor.reconcile(&world.owner).await.unwrap();
        let (reason, said) = condition(&world.graph().await, "Stalled").unwrap();
        assert_eq!(reason, "InvalidGraph");
        assert!(said.contains(message), "{said}");
        assert!(world.config_maps().get_opt("a").await.unwrap().is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_field_is_named_with_the_way_out() {
    let world = World::new().await;
    let _controller = world.run();
    let generation = world.publish(&[node(deployment("web", 1), &[])]).await;
    world.until_ready(generation).await;
    let mut object = deployment("web", 1);
    object["spec"]["selector"]["matchLabels"]["app"] = json!("other");
    object["spec"]["template"]["metadata"]["labels"]["app"] = json!("other");
    world.publish(&[node(object, &[])]).await;
    let message = world.until_node("web", NodePhase::Failed).await;
    assert!(
        message.contains("spec.selector cannot be changed in place"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cue_check_fails_and_says_that_it_is_not_supported() {
    let world = World::new().await;
    let _controller = world.run();
    let check = json!({"readyWhen": [{"cue": "current: true"}]});
    world
        .publish(&[node_with(config_map("a", "1"), &[], check)])
        .await;
    let message = world.until_node("a", NodePhase::Failed).await;
    assert!(message.contains("not supported"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_graph_is_left_alone_until_it_is_resumed() {
    let world = World::new().await;
    let generation = world.publish(&[node(config_map("a", "1"), &[])]).await;
    let suspend = |value: serde_json::Value| {
        kube::api::Patch::Merge(
            json!({"metadata": {"annotations": {"platform.pequod.io/suspend": value}}}),
        )
    };
    let params = kube::api::PatchParams::default();
    world
        .graphs()
        .patch("shop", &params, &suspend(json!("true")))
        .await
        .unwrap();
    let one = executor(&world.cluster, options());
    one.reconcile(&world.owner).await.unwrap();
    assert!(world.config_maps().get_opt("a").await.unwrap().is_none());
    let _controller = world.run();
    world
        .graphs()
        .patch("shop", &params, &suspend(json!(null)))
        .await
        .unwrap();
    world.until_ready(generation).await;
}
