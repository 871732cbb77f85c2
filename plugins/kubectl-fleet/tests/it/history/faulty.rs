//! A client of a real API server, whose answers go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// Numbers that look random and are the same in every run of a seed.
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(
            (seed + 1).wrapping_mul(0x2545_f491_4f6c_dd1d),
        ))
    }

    pub(crate) fn roll(&self, sides: u64) -> u64 {
        let mut x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % sides
    }
}

/// What goes wrong at the moment.
pub(crate) struct Faults {
    requests: AtomicBool,
    stale: AtomicBool,
    group: String,
    count: AtomicU64,
}

impl Faults {
    pub(crate) fn new(group: String) -> Self {
        Self {
            requests: AtomicBool::new(false),
            stale: AtomicBool::new(false),
            group,
            count: AtomicU64::new(0),
        }
    }

    pub(crate) fn on(&self, dice: &Dice) {
        self.requests.store(dice.roll(4) > 0, Ordering::Relaxed);
        self.stale.store(dice.roll(4) == 0, Ordering::Relaxed);
    }

    /// The group does not answer discovery.
    pub(crate) fn make_stale(&self) {
        self.stale.store(true, Ordering::Relaxed);
    }

    pub(crate) fn off(&self) {
        self.requests.store(false, Ordering::Relaxed);
        self.stale.store(false, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn happened(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

fn refused(code: u16) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "injected"});
    let mut answer = Response::new(Body::from(serde_json::to_vec(&status).unwrap()));
    *answer.status_mut() = code.try_into().unwrap();
    if code == 429 {
        answer
            .headers_mut()
            .insert("retry-after", http::HeaderValue::from_static("1"));
    }
    answer
}

/// Ends an answer after a while, in the middle of a line.
async fn broken_off(answer: Response<Body>, life: Duration, missing: usize) -> Response<Body> {
    let (parts, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(life, async {
        while let Some(Ok(frame)) = body.frame().await {
            bytes.extend(frame.into_data().unwrap_or_default());
        }
    })
    .await;
    bytes.truncate(bytes.len() - bytes.len().min(missing));
    Response::from_parts(parts, Body::from(bytes))
}

/// The aggregated discovery document as it is when the server behind a group does not answer.
async fn with_stale_group(answer: Response<Body>, group: &str) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let Ok(mut document) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes.to_vec()));
    };
    for item in document["items"].as_array_mut().into_iter().flatten() {
        if item["metadata"]["name"] == group {
            for version in item["versions"].as_array_mut().into_iter().flatten() {
                version["freshness"] = json!("Stale");
                version["resources"] = json!([]);
            }
        }
    }
    parts.headers.remove("content-length");
    Response::from_parts(parts, Body::from(serde_json::to_vec(&document).unwrap()))
}

/// A client some of whose requests are refused, whose watches end early or with 410, and whose discovery is stale.
pub(crate) fn faulty(inner: Client, dice: Arc<Dice>, faults: Arc<Faults>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, dice, faults) = (inner.clone(), dice.clone(), faults.clone());
        async move {
            if request.uri().path() == "/apis" && faults.stale.load(Ordering::Relaxed) {
                faults.happened();
                let answer = inner.send(request).await?;
                return Ok(with_stale_group(answer, &faults.group).await);
            }
            if !faults.requests.load(Ordering::Relaxed) {
                return inner.send(request).await;
            }
            let query = request.uri().query().unwrap_or_default().to_owned();
            let (watch, list) = (
                query.contains("watch=true"),
                query.contains("sendInitialEvents"),
            );
            let refusal = match dice.roll(12) {
                0 => Some(500),
                1 => Some(429),
                // A server without streaming lists.
                2 if list => Some(422),
                3 if watch && !list => Some(410),
                _ => None,
            };
            if let Some(code) = refusal {
                faults.happened();
                return Ok(refused(code));
            }
            let breaks = watch && dice.roll(2) == 0;
            let (life, missing) = (Duration::from_millis(dice.roll(700)), dice.roll(40));
            let answer = inner.send(request).await?;
            if breaks {
                faults.happened();
                return Ok(broken_off(answer, life, usize::try_from(missing).unwrap()).await);
            }
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, "default")
}
