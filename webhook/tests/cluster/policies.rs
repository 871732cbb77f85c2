//! Policies, as a person at a terminal meets them.

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use pequod_api::ClusterCuePolicy;
use pequod_testkit::wait;
use serde_json::json;

use crate::Scene;

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: shop}]}
";

/// A policy for one namespace only: tests share the cluster.
fn policy(namespace: &str, action: &str) -> ClusterCuePolicy {
    serde_json::from_value(json!({
        "apiVersion": "policy.pequod.io/v1alpha1", "kind": "ClusterCuePolicy",
        "metadata": {"name": format!("owner-{namespace}")},
        "spec": {
            "action": action,
            "kinds": [{"group": "apps", "kind": "Deployment"}],
            "cue": format!(
                "package owners\n\
                 policy: \"has-owner\": {{\n\
                 \tmessage: \"say who owns it: set the label `owner`\"\n\
                 \tmatch: metadata: namespace: \"{namespace}\"\n\
                 \tobject: metadata: labels: owner!: string\n\
                 }}\n"
            )
        }
    }))
    .unwrap()
}

/// Puts the policy in force.
async fn enforce(scene: &Scene, policy: &ClusterCuePolicy) {
    let api: Api<ClusterCuePolicy> = Api::all(scene.client());
    let name = policy.metadata.name.as_deref().unwrap();
    let params = PatchParams::apply("test").force();
    let applied = api
        .patch(name, &params, &Patch::Apply(policy))
        .await
        .unwrap();
    wait::until(&api, name, "is in force", |found| {
        found
            .and_then(|found| found.status.as_ref())
            .is_some_and(|status| {
                status.observed_generation == applied.metadata.generation
                    && status
                        .conditions
                        .iter()
                        .any(|c| c.type_ == "Ready" && c.status == "True")
                    && status.active_digest.is_some()
            })
    })
    .await;
}

#[tokio::test]
async fn a_violation_is_denied_with_policy_path_and_message() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("deny").await;
    enforce(scene, &policy(&namespace, "Deny")).await;
    let (done, words) = scene.apply_as("admin", &namespace, DEPLOYMENT);
    assert!(!done, "{words}");
    for part in [
        "validate.policy.pequod.io",
        &format!("owner-{namespace}/has-owner"),
        "metadata.labels.owner",
        "say who owns it: set the label `owner`",
    ] {
        assert!(words.contains(part), "{part} in: {words}");
    }
    let owned = DEPLOYMENT.replace(
        "{name: web}\nspec",
        "{name: web, labels: {owner: ann}}\nspec",
    );
    let (done, words) = scene.apply_as("admin", &namespace, &owned);
    assert!(done, "{words}");
}

#[tokio::test]
async fn a_warning_is_shown_and_an_audit_is_not() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("warn").await;
    enforce(scene, &policy(&namespace, "Warn")).await;
    let (done, words) = scene.apply_as("admin", &namespace, DEPLOYMENT);
    assert!(
        done && words.contains("Warning: ") && words.contains("has-owner"),
        "{words}"
    );

    enforce(scene, &policy(&namespace, "Audit")).await;
    let other = DEPLOYMENT.replace("{name: web}\nspec", "{name: other}\nspec");
    let (done, words) = scene.apply_as("admin", &namespace, &other);
    assert!(done && !words.contains("has-owner"), "{words}");
}

#[tokio::test]
async fn a_policy_that_does_not_compile_is_refused() {
    let scene = Scene::shared().await;
    let text = "{apiVersion: policy.pequod.io/v1alpha1, kind: ClusterCuePolicy, metadata: {name: broken}, \
                spec: {cue: \"package p\\npolicy: x: {\\n\\tobject: nothing.here\\n}\\n\"}}";
    let (done, words) = scene.apply_as("admin", "default", text);
    assert!(!done && words.contains("broken.cue:3:"), "{words}");
}

#[tokio::test]
async fn a_policy_that_is_deleted_is_forgotten() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("forget").await;
    let policy = policy(&namespace, "Deny");
    enforce(scene, &policy).await;
    assert!(!scene.apply_as("admin", &namespace, DEPLOYMENT).0);
    let api: Api<ClusterCuePolicy> = Api::all(scene.client());
    let name = policy.metadata.name.as_deref().unwrap();
    api.delete(name, &DeleteParams::default()).await.unwrap();
    let begun = std::time::Instant::now();
    while !scene.apply_as("admin", &namespace, DEPLOYMENT).0 {
        assert!(begun.elapsed().as_secs() < 30, "it is still in force");
    }
}

#[tokio::test]
async fn only_who_may_change_policies_may_exempt_a_namespace() {
    let scene = Scene::shared().await;
    let namespace = scene.namespace("exempt").await;
    scene
        .kubectl([
            "create",
            "clusterrole",
            "namespaces",
            "--verb=*",
            "--resource=namespaces",
        ])
        .success();
    let binding = [
        "create",
        "clusterrolebinding",
        "bob",
        "--clusterrole=namespaces",
        "--user=bob",
    ];
    scene.kubectl(binding).success();
    let label = [
        "label",
        "namespace",
        &namespace,
        "policy.pequod.io/exempt=true",
    ];
    let refused = scene.kubectl_as("bob", label, "").expect_code(1);
    assert!(
        refused
            .stderr
            .contains("exempts a namespace from all policies"),
        "{refused}"
    );
    let harmless = ["label", "namespace", &namespace, "team=shop"];
    scene.kubectl_as("bob", harmless, "").success();

    enforce(scene, &policy(&namespace, "Deny")).await;
    assert!(!scene.apply_as("admin", &namespace, DEPLOYMENT).0);
    scene.kubectl(label).success();
    assert!(
        scene.apply_as("admin", &namespace, DEPLOYMENT).0,
        "it is exempt now"
    );
}
