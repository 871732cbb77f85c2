//! The webhook away: what still works, and what must not.

use std::time::Duration;

use crate::Scene;

/// A cluster whose webhook is gone, with `failurePolicy: Fail`, must be able to come back by itself.
#[tokio::test]
async fn without_the_webhook_nothing_is_locked_out_that_a_cluster_needs() {
    let mut scene = Scene::start().await;
    let namespace = scene.namespace("outage").await;
    let webhook = scene.webhook.take().unwrap();
    let (port, health) = (webhook.port, webhook.health);
    webhook.process.kill().await;

    let config_map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}";
    let (done, words) = scene.apply_as("admin", &namespace, config_map);
    assert!(
        !done && words.contains("validate.policy.pequod.io"),
        "it fails closed: {words}"
    );

    for (namespace, text) in [
        (
            "default",
            "{apiVersion: v1, kind: Node, metadata: {name: node-z}}",
        ),
        (
            "kube-node-lease",
            "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: node-z}}",
        ),
        (
            "default",
            "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: any}}",
        ),
        ("kube-system", config_map),
        (crate::HOME, config_map),
        (
            "default",
            "{apiVersion: storage.k8s.io/v1, kind: CSINode, metadata: {name: node-z}, spec: {drivers: []}}",
        ),
        (
            "default",
            "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, endpoints: [], metadata: {name: s}}",
        ),
    ] {
        let (done, words) = scene.apply_as("admin", namespace, text);
        assert!(done, "{text}: {words}");
    }
    // Deleting is never asked about: whatever is there can go.
    scene
        .kubectl(["delete", "namespace", &namespace, "--wait=false"])
        .success();

    // And it comes back, with the certificate it had.
    let again = scene.start_webhook("webhook-again", port, health, &[]);
    scene.until_ready(health).await;
    let (done, words) = scene.apply_as("admin", "default", config_map);
    assert!(done, "{words}");
    scene.webhook = Some(again);
}

#[tokio::test]
async fn a_webhook_that_is_told_to_stop_finishes_what_it_began() {
    let mut scene = Scene::start().await;
    let webhook = scene.webhook.take().unwrap();
    let (mut begun, mut refused) = (0, 0);
    let stopping = tokio::spawn(webhook.process.stop());
    // While it drains (2 s here), everything is still answered.
    let end = tokio::time::Instant::now() + Duration::from_millis(1_500);
    while tokio::time::Instant::now() < end {
        let text = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m-{begun}}}}}");
        begun += 1;
        refused += usize::from(!scene.apply_as("admin", "default", &text).0);
    }
    assert_eq!(refused, 0, "of {begun}");
    assert_eq!(stopping.await.unwrap(), "exit status 0");
}
