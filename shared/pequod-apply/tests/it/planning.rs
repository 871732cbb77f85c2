//! What a plan says, and that it changes nothing.

use kube::api::{Patch, PatchParams};
use pequod_apply::Action;
use serde_json::json;

use crate::world::{World, config_map, deployment, executor, node, node_with, options};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_become_of_every_node() {
    let world = World::new().await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"}, "spec": {"ports": [{"port": 80}]}
    });
    let first = [
        node(config_map("same", "1"), &[]),
        node(config_map("changes", "1"), &[]),
        node(config_map("leaves", "1"), &[]),
    ];
    let generation = world.publish(&first).await;
    let one = executor(&world.cluster, options());
    world.settle(&one).await.unwrap();
    world.until_ready(generation).await;
    world
        .plane
        .apply(
            &world.namespace,
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: theirs}, data: {k: x}}",
        )
        .await;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}
    });
    let next = [
        first[0].clone(),
        node(config_map("changes", "2"), &[]),
        node(deployment("new", 1), &[]),
        node(service, &[]),
        node(secret, &[]),
        node(config_map("theirs", "1"), &[]),
    ];
    let plan = world.plan(&next).await;
    let told: Vec<_> = plan
        .changes
        .iter()
        .map(|c| (c.node.0.as_str(), c.action))
        .collect();
    assert_eq!(
        told,
        [
            ("same", Action::None),
            ("changes", Action::Change),
            ("new", Action::Create),
            ("svc", Action::Create),
            ("s", Action::Create),
            ("theirs", Action::Refused),
            ("leaves", Action::Delete),
        ]
    );
    let changed = &plan.changes[1].fields;
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(
        (changed[0].path.as_str(), &changed[0].old, &changed[0].new),
        ("data.k", &Some(json!("1")), &Some(json!("2")))
    );
    assert!(!format!("{plan:?}").contains("hunter2"));
    assert!(!serde_json::to_string(&plan).unwrap().contains("aHVudGVyMg"));

    // Asking again gives the same digest, and nothing was changed.
    assert_eq!(world.plan(&next).await.digest, plan.digest);
    let maps = world.config_maps();
    assert_eq!(maps.get("changes").await.unwrap().data.unwrap()["k"], "1");
    assert!(maps.get_opt("leaves").await.unwrap().is_some());

    // What moved in the cluster is another plan.
    let edit = Patch::Merge(json!({"data": {"k": "edited"}}));
    maps.patch("same", &PatchParams::default(), &edit)
        .await
        .unwrap();
    let moved = world.plan(&next).await;
    assert_ne!(moved.digest, plan.digest);
    assert_eq!(moved.changes[0].action, Action::Conflict);
    assert!(moved.has_differences() && moved.is_refused());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_what_is_there_is_empty() {
    let world = World::new().await;
    let force = json!({"apply": {"conflicts": "Force"}});
    let nodes = [
        node(deployment("web", 1), &[]),
        node_with(config_map("c", "1"), &["web"], force),
    ];
    let _controller = world.run();
    let generation = world.publish(&nodes).await;
    world.until_ready(generation).await;
    let plan = world.plan(&nodes).await;
    assert!(!plan.has_differences(), "{plan:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_the_graph_is_planned_though_it_is_not_there_yet() {
    let world = World::new().await;
    world
        .grant_cluster(r#"[{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]"#)
        .await;
    let name = format!("{}-inner", world.namespace);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let mut inside = config_map("a", "1");
    inside["metadata"]["namespace"] = json!(name);
    let plan = world
        .plan(&[node(namespace, &[]), node(inside, &[&name])])
        .await;
    assert!(
        plan.changes
            .iter()
            .all(|change| change.action == Action::Create),
        "{plan:?}"
    );
    assert!(
        plan.changes[1]
            .message
            .as_ref()
            .unwrap()
            .contains("its namespace comes with this graph")
    );
}
