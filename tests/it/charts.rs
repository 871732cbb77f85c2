//! The charts: installed, upgraded and removed by helm, on a control plane of their own.

use std::collections::BTreeMap;
use std::process::Command;

use k8s_openapi::api::rbac::v1::ClusterRole;
use pequod_testkit::installation::{
    NAMESPACE, chart, install_charts, start_webhook, until_admitting, until_ready,
};
use pequod_testkit::{ControlPlane, Tools, bin, free_ports, run, wait};
use serde_json::Value;

#[tokio::test]
async fn charts_can_be_installed_upgraded_and_removed_without_a_trace_that_blocks() {
    let cluster = ControlPlane::start().await.unwrap();
    let [port, health] = free_ports(2).unwrap()[..] else {
        panic!("two were asked for")
    };
    install_charts(&cluster, &format!("https://127.0.0.1:{port}")).unwrap();
    let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
    let present = cluster.kubectl(["get", kinds, "-o", "name"]).success();
    assert_eq!(present.lines().count(), 2, "{present}");
    // Nobody answers yet: what is never judged goes through nevertheless, the rest does not.
    cluster
        .kubectl(["create", "configmap", "x", "-n", "kube-system"])
        .success();
    cluster
        .kubectl(["create", "configmap", "x", "-n", NAMESPACE])
        .success();
    let refused = cluster
        .kubectl(["create", "configmap", "x", "-n", "default"])
        .expect_code(1);
    assert!(
        refused.stderr.contains("validate.policy.pequod.io"),
        "{refused}"
    );
    // So do the installation's own roles and kinds: it can be repaired and upgraded while it does not answer.
    let [suite, crds] = ["pequod", "pequod-crds"].map(chart);
    let more = ["--reuse-values", "--set", "logLevel=debug"];
    cluster
        .helm(
            ["upgrade", "pequod", &suite, "-n", NAMESPACE]
                .into_iter()
                .chain(more),
        )
        .success();
    cluster
        .helm(["upgrade", "pequod-crds", &crds, "-n", NAMESPACE])
        .success();
    let annotate = |kind: &str, name: &str| {
        cluster.kubectl(["annotate", kind, name, "example.com/touched=yes"])
    };
    annotate("clusterrole", "pequod-webhook").success();
    annotate("crd", "transforms.platform.pequod.io").success();
    let other = annotate("clusterrole", "view").expect_code(1);
    assert!(
        other.stderr.contains("validate.policy.pequod.io"),
        "{other}"
    );
    // What follows from other objects goes on by itself.
    let aggregated = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: pequod-fleet-agent, \
                      labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}, rules: [{apiGroups: [example.com], \
                      resources: [marks], verbs: [get]}]}";
    cluster.apply("default", aggregated).await;
    let roles = kube::Api::<ClusterRole>::all(cluster.client());
    wait::until(
        &roles,
        "view",
        "has the rule that is aggregated to it",
        |view| {
            let rules = view.and_then(|view| view.rules.as_ref());
            rules.is_some_and(|rules| {
                rules
                    .iter()
                    .any(|rule| rule.resources == Some(vec!["marks".to_owned()]))
            })
        },
    )
    .await;

    let webhook = start_webhook(&cluster, port, health).unwrap();
    until_ready(&webhook, health).await.unwrap();
    until_admitting(&cluster).await.unwrap();
    let upgrade = [
        "upgrade",
        "pequod",
        &suite,
        "-n",
        NAMESPACE,
        "--reuse-values",
    ];
    cluster
        .helm(upgrade.into_iter().chain(["--set", "webhook.replicas=2"]))
        .success();
    let replicas = [
        "get",
        "deployment",
        "pequod-webhook",
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.spec.replicas}",
    ];
    assert_eq!(cluster.kubectl(replicas).success(), "2");

    cluster
        .helm(["uninstall", "pequod", "-n", NAMESPACE, "--wait"])
        .success();
    assert_eq!(cluster.kubectl(["get", kinds, "-o", "name"]).success(), "");
    cluster
        .kubectl(["create", "configmap", "x", "-n", "default"])
        .success();
    let owned = [
        "get",
        "clusterroles,clusterrolebindings",
        "-l",
        "app.kubernetes.io/part-of=pequod",
        "-o",
        "name",
    ];
    assert_eq!(cluster.kubectl(owned).success(), "");

    cluster
        .helm(["uninstall", "pequod-crds", "-n", NAMESPACE, "--wait"])
        .success();
    let kept = cluster
        .kubectl(["get", "crd", "transforms.platform.pequod.io", "-o", "name"])
        .success();
    assert!(
        !kept.is_empty(),
        "the definitions, and with them everybody's Transforms, stay"
    );
}

#[tokio::test]
async fn a_value_of_the_wrong_kind_is_refused_by_the_charts_schema() {
    let cluster = ControlPlane::shared().await;
    let suite = chart("pequod");
    let refused = cluster.helm([
        "template",
        "pequod",
        &suite,
        "--set",
        "webhook.replicas=many",
    ]);
    assert!(
        refused.code != Some(0) && refused.stderr.contains("replicas"),
        "{refused}"
    );
}

/// The chart writes out what the program would print: neither may change alone.
#[test]
fn the_chart_has_the_webhooks_that_the_program_prints() {
    let tools = Tools::find_or_build().unwrap();
    let suite = chart("pequod");
    let helm = run(
        Command::new(tools.path("helm")).args(["template", "pequod", &suite, "-n", NAMESPACE]),
        "",
    );
    let program = run(
        Command::new(bin("pequod-webhook")).args(["manifests", "--namespace", NAMESPACE]),
        "",
    );
    let charted = webhooks(&helm.unwrap().success());
    assert_eq!(charted.len(), 2);
    assert_eq!(charted, webhooks(&program.unwrap().success()));
}

/// The webhooks of every configuration in a stream of documents, by kind.
fn webhooks(stream: &str) -> BTreeMap<String, Value> {
    stream
        .split("\n---\n")
        .filter_map(|document| serde_saphyr::from_str::<Value>(document).ok())
        .filter(|object| object["webhooks"].is_array())
        .map(|object| {
            let kind = object["kind"].as_str().unwrap_or_default().to_owned();
            (kind, object["webhooks"].clone())
        })
        .collect()
}

#[test]
fn the_image_has_every_program_that_a_chart_starts() {
    let root = pequod_testkit::workspace_root();
    let image = std::fs::read_to_string(root.join("Containerfile")).unwrap();
    let mut started = 0;
    for template in std::fs::read_dir(root.join("charts/pequod/templates")).unwrap() {
        let text = std::fs::read_to_string(template.unwrap().path()).unwrap();
        for rest in text.split("/usr/local/bin/").skip(1) {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let program = &rest[..end.unwrap_or(rest.len())];
            for part in ["--bin ", "target/release/"] {
                assert!(image.contains(&format!("{part}{program}")), "{program}");
            }
            started += 1;
        }
    }
    assert!(started >= 5, "only {started} programs are started");
}
