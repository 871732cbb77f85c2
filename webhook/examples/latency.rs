//! How long an answer takes inside the webhook: from the body of a review to the body of its answer.
//!
//! Prints one line a set of policies: its size, how many of them match, requests, p50 and p99 in microseconds.
//! Meaningful only when built for release; `cargo xtask bench webhook` does that.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use pequod_api::ClusterCuePolicySpec;
use pequod_policy::stamp::Keys;
use pequod_policy::{Policy, PolicySet};
use pequod_webhook::handler::{Current, Webhook};
use pequod_webhook::metrics::Metrics;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

const REVIEW: &str = include_str!("../testdata/create-deployment.json");
const REQUESTS: usize = 2_000;

/// `count` policies, of which every tenth, and at least one, is about Deployments.
fn policies(count: usize) -> Result<(PolicySet, usize), Box<dyn Error>> {
    let mut set = Vec::new();
    let mut matching = 0;
    for number in 0..count {
        let kind = if number % 10 == 0 {
            "Deployment"
        } else {
            "Service"
        };
        matching += usize::from(kind == "Deployment");
        let cue = format!(
            "package p\npolicy: \"images\": {{\n\tmessage: \"pin every image\"\n\tmatch: kind: \"{kind}\"\n\
             \tobject: spec: template: spec: containers: [...{{image: =~\":\" & !~\":latest$\", ...}}]\n}}\n"
        );
        let spec: ClusterCuePolicySpec = serde_json::from_value(json!({ "cue": cue }))?;
        set.push(Arc::new(Policy::compile(
            &format!("policy-{number}"),
            &spec,
        )?));
    }
    Ok((PolicySet::new(set), matching))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for count in [1, 100] {
        let (policies, matching) = policies(count)?;
        let webhook = Webhook {
            policies: Current::new(policies),
            keys: Current::new(Keys::default()),
            cluster: "bench".into(),
            exempt: Arc::default(),
            deadline: Duration::from_secs(10),
            metrics: Metrics::register(&mut Registry::default()),
            turns: Arc::new(Semaphore::new(2)),
        };
        let router = webhook.router();
        let mut times = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let request = Request::post("/validate").body(Body::from(REVIEW))?;
            let begun = Instant::now();
            let response = router.clone().oneshot(request).await?;
            let body = to_bytes(response.into_body(), 1 << 20).await?;
            times.push(begun.elapsed());
            if !String::from_utf8_lossy(&body).contains("\"allowed\":true") {
                return Err(format!("denied: {}", String::from_utf8_lossy(&body)).into());
            }
        }
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 1_000].as_micros();
        println!(
            "policies={count} matching={matching} requests={REQUESTS} p50_us={} p99_us={}",
            at(500),
            at(990)
        );
    }
    Ok(())
}
