//! The webhook as the API server, a person and a forger meet it.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt as _};
use pequod_api::{ClusterCuePolicy, Solution, names};
use pequod_testkit::{ControlPlane, Installation, run, wait, workspace_root};

use crate::suite::installed;

/// Sends a body to the webhook and gives back the status of the answer. Over HTTP/1.1: curl asks first whether a large
/// body is wanted, and so sees the refusal before it sends.
fn post(url: &str, path: &str, body: &str) -> String {
    let mut command = std::process::Command::new("curl");
    let write = [
        "--silent",
        "--show-error",
        "--insecure",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
    ];
    command.arg("--http1.1").args(write).args([
        "-H",
        "Content-Type: application/json",
        "--data-binary",
        "@-",
    ]);
    command.arg(format!("{url}{path}"));
    let answer = run(&mut command, body).unwrap();
    answer.stdout
}

#[tokio::test]
async fn a_body_that_is_no_review_gets_400_and_one_that_is_too_large_413() {
    let (_, installation) = installed().await;
    for path in ["/validate", "/mutate"] {
        assert_eq!(
            post(installation.webhook_url(), path, r#"{"kind": "Pod"}"#),
            "400"
        );
        let large = format!(r#"{{"kind": "{}"}}"#, "x".repeat(9 << 20));
        assert_eq!(post(installation.webhook_url(), path, &large), "413");
    }
}

#[tokio::test]
async fn the_sample_policy_denies_with_name_path_and_message_and_lets_others_through() {
    let (cluster, _) = installed().await;
    let namespace = cluster.namespace("policy").await;
    let sample =
        workspace_root().join("samples/policy_v1alpha1_clustercuepolicy_pinned-images.yaml");
    cluster
        .kubectl(["apply", "-f", &sample.to_string_lossy()])
        .success();
    let policies = Api::<ClusterCuePolicy>::all(cluster.client());
    wait::until(&policies, "pinned-images", "is in force", |policy| {
        policy
            .and_then(|policy| policy.status.as_ref()?.active_digest.as_ref())
            .is_some()
    })
    .await;
    let create = |image: &'static str| ["create", "deployment", "web", image, "-n"];
    let with = |image| create(image).into_iter().chain([namespace.as_str()]);
    let denied = cluster
        .kubectl(with("--image=example.com/web:latest"))
        .expect_code(1);
    for part in [
        "pinned-images",
        "pin the image",
        "spec.template.spec.containers[0].image",
    ] {
        assert!(denied.stderr.contains(part), "{denied}");
    }
    cluster
        .kubectl(with("--image=example.com/web:1.2"))
        .success();
}

#[tokio::test]
async fn a_policy_that_does_not_compile_is_refused() {
    let (cluster, _) = installed().await;
    let policy = "{apiVersion: policy.pequod.io/v1alpha1, kind: ClusterCuePolicy, metadata: {name: broken}, \
                  spec: {cue: 'policy: {'}}";
    let refused = cluster
        .try_apply(cluster.client(), "default", policy)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("guard") || refused.to_string().contains("denied"),
        "{refused}"
    );
}

/// A ConfigMap that is a member of the Solution `app`, with a stamp on it or without one.
fn member_map(name: &str, stamp: &str) -> String {
    let mut annotations = serde_json::Map::new();
    if !stamp.is_empty() {
        annotations.insert(names::ANNOTATION_STAMP.to_owned(), stamp.into());
    }
    serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
        "metadata": {"name": name, "labels": {names::LABEL_SOLUTION: "app"}, "annotations": annotations}
    })
    .to_string()
}

/// The actor that the Solution gives for its member ConfigMap, once it is known.
async fn actor_of(cluster: &ControlPlane, namespace: &str, member: &str) -> String {
    let solutions = Api::<Solution>::namespaced(cluster.client(), namespace);
    let seen = wait::until(
        &solutions,
        "app",
        "knows who wrote its members",
        |solution| actor(solution, member).is_some(),
    )
    .await;
    actor(seen.as_ref(), member).unwrap()
}

fn actor(solution: Option<&Solution>, member: &str) -> Option<String> {
    let inventory = &solution?.status.as_ref()?.inventory;
    let member = inventory.iter().find(|it| it.object.name == member)?;
    Some(member.last_change.as_ref()?.actor.clone())
}

#[tokio::test]
async fn a_stamp_names_the_writer_and_at_the_webhook_nobody_can_put_another_there() {
    let (cluster, _) = installed().await;
    let namespace = cluster.namespace("stamps").await;
    let role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: alice}, \
                roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, \
                subjects: [{kind: User, name: alice}, {kind: User, name: bob}]}";
    cluster.apply(&namespace, role).await;
    let solution =
        "{apiVersion: dot-ai.io/v1, kind: Solution, metadata: {name: app}, spec: {intent: try}}";
    cluster.apply(&namespace, solution).await;
    cluster
        .try_apply(
            cluster.client_of("alice"),
            &namespace,
            &member_map("genuine", ""),
        )
        .await
        .unwrap();
    let maps = Api::<ConfigMap>::namespaced(cluster.client(), &namespace);
    let genuine = wait::until(&maps, "genuine", "is stamped", |map| {
        map.is_some_and(|map| map.annotations().contains_key(names::ANNOTATION_STAMP))
    })
    .await;
    let stamp = genuine.unwrap().annotations()[names::ANNOTATION_STAMP].clone();
    assert_eq!(actor_of(cluster, &namespace, "genuine").await, "alice");

    // Bob copies Alice's stamp to an object of his own: at the webhook, it is replaced by his.
    cluster
        .try_apply(
            cluster.client_of("bob"),
            &namespace,
            &member_map("copied", &stamp),
        )
        .await
        .unwrap();
    assert_eq!(actor_of(cluster, &namespace, "copied").await, "bob");

    // Nor can he alter hers.
    let altered = format!("{stamp}x");
    let annotate = |value: String| format!("{}={value}", names::ANNOTATION_STAMP);
    let value = annotate(altered);
    let forge = [
        "annotate",
        "--overwrite",
        "configmap",
        "genuine",
        &value,
        "-n",
        &namespace,
    ];
    cluster.kubectl_as("bob", forge, "");
    let maps = maps.get("genuine").await.unwrap();
    println!(
        "the stamp after the forgery: {:?}",
        maps.annotations().get(names::ANNOTATION_STAMP)
    );
    let actor = actor_of(cluster, &namespace, "genuine").await;
    assert!(actor == "alice" || actor == "unresolved", "{actor}");
}

/// Whoever gets past the webhook can write any stamp; what proves is what is in it.
#[tokio::test]
async fn past_the_webhook_a_stamp_that_was_copied_or_altered_or_is_out_of_date_is_not_believed() {
    let cluster = ControlPlane::start().await.unwrap();
    let _installation = Installation::install(&cluster).await.unwrap();
    let namespace = cluster.namespace("stamps").await;
    let solution =
        "{apiVersion: dot-ai.io/v1, kind: Solution, metadata: {name: app}, spec: {intent: try}}";
    cluster.apply(&namespace, solution).await;
    let maps = Api::<ConfigMap>::namespaced(cluster.client(), &namespace);
    let mut stamps = Vec::new();
    for name in ["genuine", "altered", "outdated"] {
        cluster.apply(&namespace, &member_map(name, "")).await;
        let stamped = wait::until(&maps, name, "is stamped", |map| {
            map.is_some_and(|map| map.annotations().contains_key(names::ANNOTATION_STAMP))
        });
        let map = stamped.await.unwrap();
        stamps.push(map.annotations()[names::ANNOTATION_STAMP].clone());
        assert_eq!(actor_of(&cluster, &namespace, name).await, "admin");
    }

    cluster
        .kubectl(["delete", "mutatingwebhookconfiguration", "pequod-webhook"])
        .success();
    // The API server's own copy of its configuration follows; until then writes are stamped anew.
    let begin = std::time::Instant::now();
    loop {
        let create = ["create", "-n", &namespace, "-o", "yaml", "-f", "-"];
        let made = cluster.kubectl_as("admin", create, &member_map("plain", ""));
        cluster
            .kubectl(["delete", "configmap", "plain", "-n", &namespace])
            .success();
        if !made.success().contains(names::ANNOTATION_STAMP) {
            break;
        }
        assert!(begin.elapsed() < wait::PATIENCE, "writes are still stamped");
    }

    cluster
        .apply(&namespace, &member_map("copied", &stamps[0]))
        .await;
    let forged = stamps[1].replace("admin", "alice");
    assert_ne!(
        forged, stamps[1],
        "the author can be read in a stamp: {forged}"
    );
    let annotate = format!("{}={forged}", names::ANNOTATION_STAMP);
    for change in [
        vec!["annotate", "--overwrite", "configmap", "altered", &annotate],
        vec![
            "patch",
            "configmap",
            "outdated",
            "--type=merge",
            "-p",
            r#"{"data":{"k":"other"}}"#,
        ],
    ] {
        cluster
            .kubectl(change.into_iter().chain(["-n", &namespace]))
            .success();
    }
    let solutions = Api::<Solution>::namespaced(cluster.client(), &namespace);
    for name in ["copied", "altered", "outdated"] {
        wait::until(
            &solutions,
            "app",
            "does not believe the stamp",
            |solution| actor(solution, name).as_deref() == Some("unresolved"),
        )
        .await;
    }
    assert_eq!(actor_of(&cluster, &namespace, "genuine").await, "admin");
}
