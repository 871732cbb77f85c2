//! The webhook as the API server sees it: bodies in, answers out.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its scene fails"
)]

mod answers;
mod bodies;
mod stamps;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use pequod_api::ClusterCuePolicySpec;
use pequod_policy::stamp::Keys;
use pequod_policy::{Policy, PolicySet};
use pequod_webhook::handler::{Current, Webhook};
use pequod_webhook::metrics::Metrics;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

const CLUSTER: &str = "11111111-1111-4111-8111-111111111111";

fn keys() -> Keys {
    Keys::new([("20260301T120000Z-000000".to_owned(), vec![7; 32])])
}

fn webhook(policies: PolicySet) -> Webhook {
    Webhook {
        policies: Current::new(policies),
        keys: Current::new(keys()),
        cluster: CLUSTER.into(),
        exempt: ["kube-system".to_owned(), "pequod".to_owned()].into(),
        deadline: Duration::from_secs(10),
        metrics: Metrics::register(&mut Registry::default()),
        turns: Arc::new(Semaphore::new(2)),
    }
}

/// The set of one policy.
fn policies(spec: Value) -> PolicySet {
    let spec: ClusterCuePolicySpec = serde_json::from_value(spec).unwrap();
    PolicySet::new([Arc::new(Policy::compile("workloads", &spec).unwrap())])
}

/// A file of `testdata`.
fn review(name: &str) -> Value {
    let path = format!("{}/testdata/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Status code and body of the answer.
async fn post(webhook: &Webhook, path: &str, body: impl Into<Body>) -> (u16, String) {
    let request = Request::post(path).body(body.into()).unwrap();
    let response = webhook.clone().router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The `response` of an answered review.
async fn ask(webhook: &Webhook, path: &str, review: &Value) -> Value {
    let (status, body) = post(webhook, path, review.to_string()).await;
    assert_eq!(status, 200, "{body}");
    let mut answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
    answer["response"].take()
}
