//! Certificates, rotated while the API server calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use pequod_testkit::wait;
use serde_json::json;

use crate::{HOME, Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_certificate_rotates() {
    let scene = Scene::start().await;
    let namespace = scene.namespace("rotation").await;
    let secrets: Api<Secret> = Api::namespaced(scene.client(), HOME);
    let certificate = |secret: &Secret| secret.data.as_ref().unwrap()["tls.crt"].0.clone();
    let authorities = |secret: &Secret| {
        let bundle = secret.data.as_ref().unwrap()["ca.crt"].0.clone();
        String::from_utf8(bundle)
            .unwrap()
            .matches("BEGIN CERTIFICATE")
            .count()
    };
    let before = certificate(&secrets.get("pequod-webhook-tls").await.unwrap());

    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let load: Vec<_> = (0..4)
        .map(|worker| {
            let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
            let api: Api<ConfigMap> = Api::namespaced(scene.client(), &namespace);
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let object: ConfigMap = serde_json::from_value(json!({
                        "metadata": {"name": format!("c-{worker}-{number}"), "labels": {"dot-ai.io/solution": "x"}}
                    }))
                    .unwrap();
                    // failurePolicy is Fail for /validate: a call that fails is a write that fails.
                    let made = api.create(&PostParams::default(), &object).await.unwrap();
                    // And Ignore for /mutate: a call that fails is a stamp that is not there.
                    let annotations = made.metadata.annotations.unwrap_or_default();
                    assert!(annotations.contains_key("dot-ai.io/stamp"), "call {number} failed");
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        })
        .collect();

    let ask = json!({"metadata": {"annotations": {"policy.pequod.io/rotate": "now"}}});
    secrets
        .patch(
            "pequod-webhook-tls",
            &PatchParams::default(),
            &Patch::Merge(ask),
        )
        .await
        .unwrap();
    wait::until(
        &secrets,
        "pequod-webhook-tls",
        "has a new certificate and both authorities",
        |secret| {
            secret.is_some_and(|secret| certificate(secret) != before && authorities(secret) == 2)
        },
    )
    .await;
    wait::until(
        &secrets,
        "pequod-webhook-tls",
        "has dropped the old authority",
        |secret| {
            secret.is_some_and(|secret| certificate(secret) != before && authorities(secret) == 1)
        },
    )
    .await;
    // Some more calls with the new one alone.
    let enough = calls.load(Ordering::Relaxed) + 100;
    while calls.load(Ordering::Relaxed) < enough
        && !load.iter().any(tokio::task::JoinHandle::is_finished)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.unwrap();
    }
    let calls = calls.load(Ordering::Relaxed);
    assert!(calls > 200, "{calls} calls are no load");
    eprintln!("{calls} writes, none failed");
}

#[tokio::test]
async fn a_ca_bundle_that_somebody_else_changed_is_put_right() {
    let scene = Scene::shared().await;
    let api: Api<k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration> =
        Api::all(scene.client());
    let bundle =
        |found: &k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration| {
            let webhooks = found.webhooks.clone().unwrap();
            webhooks[0]
                .client_config
                .ca_bundle
                .clone()
                .map(|bundle| bundle.0)
        };
    let right = bundle(&api.get(crate::NAME).await.unwrap());
    let secrets: Api<Secret> = Api::namespaced(scene.client(), HOME);
    let other = secrets
        .get("pequod-webhook-tls")
        .await
        .unwrap()
        .data
        .unwrap()["tls.crt"]
        .clone();
    let wrong = json!({"webhooks": [{"name": "solution.stamp.pequod.io", "clientConfig": {"caBundle": other}}]});
    api.patch(
        crate::NAME,
        &PatchParams::default(),
        &Patch::Strategic(wrong),
    )
    .await
    .unwrap();
    wait::until(
        &api,
        crate::NAME,
        "has the right CA bundle again",
        |found| found.is_some_and(|found| bundle(found) == right),
    )
    .await;
}
