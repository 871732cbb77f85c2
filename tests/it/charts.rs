//! The charts: installed, upgraded and removed by helm, on a control plane of their own.

use pequod_testkit::installation::{
    NAMESPACE, chart, install_charts, start_webhook, until_admitting, until_ready,
};
use pequod_testkit::{ControlPlane, free_ports};

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

    let webhook = start_webhook(&cluster, port, health).unwrap();
    until_ready(&webhook, health).await.unwrap();
    until_admitting(&cluster).await.unwrap();
    let suite = chart("pequod");
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
    let crds = chart("pequod-crds");
    cluster.helm(["upgrade", "pequod-crds", &crds]).success();

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
        .helm(["uninstall", "pequod-crds", "--wait"])
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
