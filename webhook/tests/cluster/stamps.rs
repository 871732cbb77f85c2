//! Stamps, made and believed.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::Value;

use crate::Scene;

fn member(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  labels: {{dot-ai.io/solution: shop}}\n\
         data: {{key: {value}}}\n"
    )
}

async fn read(scene: &Scene, namespace: &str, name: &str) -> ConfigMap {
    let api: Api<ConfigMap> = Api::namespaced(scene.client(), namespace);
    api.get(name).await.unwrap()
}

/// The stamp, as data.
fn stamp(object: &ConfigMap) -> Option<Value> {
    let text = object
        .metadata
        .annotations
        .as_ref()?
        .get("dot-ai.io/stamp")?;
    Some(serde_json::from_str(text).unwrap())
}

/// Alice may edit the namespace.
fn let_alice_in(scene: &Scene, namespace: &str) {
    scene
        .kubectl([
            "create",
            "rolebinding",
            "alice",
            "-n",
            namespace,
            "--clusterrole=edit",
            "--user=alice",
        ])
        .success();
}

#[tokio::test]
async fn who_asks_is_written_on_a_member_and_on_nothing_else() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("stamp").await;
    let_alice_in(scene, &namespace);
    let (done, words) = scene.apply_as("alice", &namespace, &member("a", "x"));
    assert!(done, "{words}");
    let stamp = stamp(&read(scene, &namespace, "a").await).unwrap();
    assert_eq!(stamp["actor"], "alice");
    assert_eq!(stamp["manager"], "kubectl-client-side-apply");

    let bystander = member("b", "x").replace("  labels: {dot-ai.io/solution: shop}\n", "");
    let (done, words) = scene.apply_as("alice", &namespace, &bystander);
    assert!(done, "{words}");
    assert_eq!(
        super::stamps::stamp(&read(scene, &namespace, "b").await),
        None
    );
}

#[tokio::test]
async fn applying_the_same_again_writes_nothing() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("stamp").await;
    let_alice_in(scene, &namespace);
    for flags in [
        &["apply", "-f", "-"][..],
        &["apply", "--server-side", "-f", "-"][..],
    ] {
        let name = if flags.len() == 3 {
            "client-side"
        } else {
            "server-side"
        };
        let apply = |user| {
            let arguments = flags.iter().copied().chain(["-n", namespace.as_str()]);
            scene
                .kubectl_as(user, arguments, &member(name, "x"))
                .success();
        };
        apply("alice");
        let first = read(scene, &namespace, name).await;
        assert!(stamp(&first).is_some());
        apply("alice");
        let second = read(scene, &namespace, name).await;
        assert_eq!(
            first.metadata.resource_version, second.metadata.resource_version,
            "{name}"
        );
        // Another person who asks for the same has changed nothing either.
        scene
            .kubectl_as(
                "admin",
                ["annotate", "-n", &namespace, "configmap", name, "note=read"],
                "",
            )
            .success();
        assert_eq!(
            stamp(&read(scene, &namespace, name).await),
            stamp(&first),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_dry_run_leaves_nothing_behind() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("stamp").await;
    let_alice_in(scene, &namespace);
    let arguments = [
        "apply",
        "--dry-run=server",
        "-o",
        "json",
        "-n",
        &namespace,
        "-f",
        "-",
    ];
    let shown = scene
        .kubectl_as("alice", arguments, &member("a", "x"))
        .success();
    assert!(
        shown.contains("dot-ai.io/stamp"),
        "the preview is the truth: {shown}"
    );
    let api: Api<ConfigMap> = Api::namespaced(scene.client(), &namespace);
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn nobody_can_put_another_name_on_what_they_change() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("stamp").await;
    let_alice_in(scene, &namespace);
    scene
        .kubectl_as(
            "admin",
            ["apply", "-n", &namespace, "-f", "-"],
            &member("a", "x"),
        )
        .success();
    let mut object = read(scene, &namespace, "a").await;
    let before = stamp(&object).unwrap();
    assert_ne!(before["actor"], "alice");

    // Alice keeps the stamp and changes the content.
    let alice: Api<ConfigMap> = Api::namespaced(scene.client_of("alice"), &namespace);
    object
        .data
        .as_mut()
        .unwrap()
        .insert("key".to_owned(), "other".to_owned());
    let changed = alice
        .replace("a", &kube::api::PostParams::default(), &object)
        .await
        .unwrap();
    assert_eq!(stamp(&changed).unwrap()["actor"], "alice");

    // And changes only the stamp.
    let mut object = changed.clone();
    let forged = before.to_string();
    object
        .metadata
        .annotations
        .as_mut()
        .unwrap()
        .insert("dot-ai.io/stamp".to_owned(), forged);
    let kept = alice
        .replace("a", &kube::api::PostParams::default(), &object)
        .await
        .unwrap();
    assert_eq!(stamp(&kept), stamp(&changed));
}
