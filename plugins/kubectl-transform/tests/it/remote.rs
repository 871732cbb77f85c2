//! Modules of registries and repositories: through the controller, and from the command line.

use kube::Api;
use pequod_api::Transform;
use pequod_testkit::registry::INSIDER;
use pequod_testkit::{ControlPlane, GitServer, Registry, wait};
use serde_json::json;

use super::lifecycle::{cluster, condition, namespace, transform};

const MODULE_FILE: &str = "module: \"acme.example/shop@v0\"\nlanguage: version: \"v0.17.0\"\n";

/// A module whose only node is a ConfigMap with this value; its package `shop` imports another of its own.
fn files(value: &str) -> Vec<(&'static str, String)> {
    let package = r#"package shop

import "acme.example/shop/parts"

context: {name: string, namespace: string, ...}
graph: nodes: settings: object: parts.#Settings & {metadata: name: context.name}
"#;
    let parts = format!(
        "package parts\n\n#Settings: {{apiVersion: \"v1\", kind: \"ConfigMap\", metadata: name: string, data: value: {value:?}}}\n"
    );
    vec![
        ("cue.mod/module.cue", MODULE_FILE.to_owned()),
        ("shop/shop.cue", package.to_owned()),
        ("parts/parts.cue", parts),
    ]
}

fn borrowed<'a>(files: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect()
}

/// A Transform `shop` of a module whose package lies in the folder `shop`.
fn text(kind: &str, reference: &str, secret: Option<&str>) -> String {
    let secret = secret.map_or_else(String::new, |name| {
        format!(", pullSecretRef: {{name: {name}}}")
    });
    format!(
        "apiVersion: platform.pequod.io/v1alpha1\nkind: Transform\nmetadata: {{name: shop}}\nspec:\n  cueRef: {{type: {kind}, ref: \"{reference}\", path: shop{secret}}}\n"
    )
}

fn apply(cluster: &ControlPlane, namespace: &str, text: &str) {
    let arguments = ["apply", "-", "--wait", "--timeout", "90s"];
    transform(cluster, namespace, &arguments, text).success();
}

fn value(cluster: &ControlPlane, namespace: &str) -> String {
    let path = "jsonpath={.data.value}";
    cluster
        .kubectl(["-n", namespace, "get", "configmap", "shop", "-o", path])
        .success()
}

async fn resolved(cluster: &ControlPlane, namespace: &str) -> String {
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), namespace);
    let transform = transforms.get("shop").await.unwrap();
    let resolved = transform.status.and_then(|status| status.resolved_cue_ref);
    resolved.unwrap().digest
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_of_a_registry_is_applied_and_a_pinned_one_stays_what_it_is() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "oci").await;
    let registry = Registry::start().await.unwrap();
    let old = registry
        .push_module("acme/shop", "v1", &borrowed(&files("old")))
        .await
        .unwrap();
    let tagged = format!("{}/acme/shop:v1", registry.host());
    apply(cluster, &namespace, &text("oci", &tagged, None));
    assert_eq!(value(cluster, &namespace), "old");
    let digest = resolved(cluster, &namespace).await;
    assert!(digest.starts_with("sha256:"), "{digest}");

    // The tag moves; the pin does not.
    registry
        .push_module("acme/shop", "v1", &borrowed(&files("new")))
        .await
        .unwrap();
    let pinned = format!("{}/acme/shop@{old}", registry.host());
    apply(cluster, &namespace, &text("oci", &pinned, None));
    assert_eq!(value(cluster, &namespace), "old");
    assert_eq!(resolved(cluster, &namespace).await, digest);

    // The same engine behind both fronts: what is rendered here is what the controller stored.
    let rendered = transform(
        cluster,
        &namespace,
        &["render", "-", "-o", "json"],
        &text("oci", &pinned, None),
    )
    .success();
    assert!(rendered.contains("\"old\""), "{rendered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_registry_is_read_with_the_pull_secret_of_the_namespace() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "pull").await;
    let registry = Registry::start_closed().await.unwrap();
    registry
        .push_module("acme/shop", "v1", &borrowed(&files("mine")))
        .await
        .unwrap();
    let reference = format!("{}/acme/shop:v1", registry.host());

    // Without it, both fronts say what is missing.
    let without = text("oci", &reference, None);
    let refused = transform(cluster, &namespace, &["apply", "-"], &without).expect_code(2);
    assert!(refused.stderr.contains("pullSecretRef"), "{refused:?}");
    cluster.apply(&namespace, &without).await;
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    let is_refused = |transform: Option<&Transform>| {
        let (status, _) = condition(transform?, "Rendered")?;
        Some(status == "False")
    };
    wait::until(&transforms, "shop", "is refused", |t| {
        is_refused(t) == Some(true)
    })
    .await;
    let status = transform(cluster, &namespace, &["status", "shop"], "");
    assert!(status.stdout.contains("401"), "{}", status.stdout);

    let (user, password) = INSIDER;
    let config = json!({"auths": {registry.host(): {"username": user, "password": password}}});
    cluster
        .kubectl([
            "-n",
            &namespace,
            "create",
            "secret",
            "generic",
            "pull",
            "--type=kubernetes.io/dockerconfigjson",
            &format!("--from-literal=.dockerconfigjson={config}"),
        ])
        .success();
    apply(cluster, &namespace, &text("oci", &reference, Some("pull")));
    assert_eq!(value(cluster, &namespace), "mine");

    // Nothing of the password stands anywhere that can be read without the Secret.
    let all = cluster
        .kubectl([
            "-n",
            &namespace,
            "get",
            "transforms,resourcegraphs,events",
            "-o",
            "yaml",
        ])
        .success();
    assert!(!all.contains(password), "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_applied_at_a_tag_and_at_a_pinned_commit() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "git").await;
    let server = GitServer::start(true).unwrap();
    let old = server
        .commit("platform", "v1", &borrowed(&files("old")))
        .unwrap();
    server
        .commit("platform", "v2", &borrowed(&files("new")))
        .unwrap();
    let (user, password) = INSIDER;
    cluster
        .kubectl([
            "-n",
            &namespace,
            "create",
            "secret",
            "generic",
            "pull",
            &format!("--from-literal=username={user}"),
            &format!("--from-literal=password={password}"),
        ])
        .success();
    let of = |revision: &str| {
        let reference = format!("{}?ref={revision}", server.url("platform"));
        text("git", &reference, Some("pull"))
    };
    apply(cluster, &namespace, &of("v2"));
    assert_eq!(value(cluster, &namespace), "new");
    apply(cluster, &namespace, &of(&old));
    assert_eq!(value(cluster, &namespace), "old");
}

/// A ServiceAccount that may not read the Secret gains nothing by a Transform that names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_secret_is_read_with_the_rights_of_the_service_account() {
    let cluster = cluster().await;
    let namespace = cluster.namespace("rights").await;
    cluster
        .kubectl([
            "-n",
            &namespace,
            "create",
            "secret",
            "generic",
            "pull",
            "--from-literal=username=a",
            "--from-literal=password=b",
        ])
        .success();
    let text = text("oci", "127.0.0.1:1/acme/shop:v1", Some("pull"));
    cluster.apply(&namespace, &text).await;
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    wait::until(
        &transforms,
        "shop",
        "says that the Secret cannot be read",
        |t| {
            t.and_then(|t| t.status.as_ref()).is_some_and(|status| {
                status
                    .conditions
                    .iter()
                    .any(|condition| condition.message.contains("cannot be read"))
            })
        },
    )
    .await;
}

/// A registry that is gone leaves everything as it is, and what was kept is enough for a pin.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_gone_deletes_nothing() {
    let cluster = cluster().await;
    let namespace = namespace(cluster, "gone").await;
    let registry = Registry::start().await.unwrap();
    let digest = registry
        .push_module("acme/shop", "v1", &borrowed(&files("kept")))
        .await
        .unwrap();
    let pinned = format!("{}/acme/shop@{digest}", registry.host());
    let missing = format!("{}/acme/shop:v2", registry.host());
    let kept = text("oci", &pinned, None);
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    let is_ready = |transform: Option<&Transform>| {
        let observed = transform.and_then(|t| t.status.as_ref()?.observed_generation);
        let ready = transform.and_then(|t| condition(t, "Ready"));
        observed.is_some()
            && observed == transform.and_then(|t| t.metadata.generation)
            && ready.is_some_and(|(status, _)| status == "True")
    };
    cluster.apply(&namespace, &kept).await;
    wait::until(&transforms, "shop", "is ready", is_ready).await;
    drop(registry);
    cluster
        .apply(&namespace, &text("oci", &missing, None))
        .await;
    wait::until(&transforms, "shop", "says that the registry is gone", |t| {
        t.and_then(|t| t.status.as_ref()).is_some_and(|status| {
            status
                .conditions
                .iter()
                .any(|condition| condition.message.contains("acme/shop:v2"))
        })
    })
    .await;
    assert_eq!(value(cluster, &namespace), "kept");
    cluster.apply(&namespace, &kept).await;
    wait::until(&transforms, "shop", "is ready from what was kept", is_ready).await;
    assert_eq!(value(cluster, &namespace), "kept");
}
