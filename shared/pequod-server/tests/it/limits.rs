use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use pequod_server::{Limits, limited};
use tokio::sync::Notify;
use tower::ServiceExt as _;

fn router(limits: Limits, gate: Arc<Notify>) -> Router {
    let slow = async move || {
        gate.notified().await;
        "done"
    };
    limited(
        Router::new()
            .route("/echo", post(async |body: Bytes| body))
            .route("/slow", get(slow)),
        limits,
    )
}

async fn status(router: &Router, method: &str, path: &str, body: Vec<u8>) -> StatusCode {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body))
        .unwrap();
    router.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn a_body_over_the_limit_gets_413() {
    let router = router(
        Limits {
            body_bytes: 10,
            ..Limits::default()
        },
        Arc::default(),
    );
    assert_eq!(
        status(&router, "POST", "/echo", vec![b'a'; 10]).await,
        StatusCode::OK
    );
    assert_eq!(
        status(&router, "POST", "/echo", vec![b'a'; 11]).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_over_its_deadline_gets_504() {
    let router = router(Limits::default(), Arc::default());
    assert_eq!(
        status(&router, "GET", "/slow", vec![]).await,
        StatusCode::GATEWAY_TIMEOUT
    );
}

#[tokio::test(start_paused = true)]
async fn one_request_too_many_waits_and_is_then_turned_away() {
    let gate = Arc::new(Notify::new());
    let limits = Limits {
        concurrency: 1,
        queue: Duration::from_secs(1),
        ..Limits::default()
    };
    let router = router(limits, Arc::clone(&gate));
    let first = tokio::spawn({
        let router = router.clone();
        async move { status(&router, "GET", "/slow", vec![]).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(
        status(&router, "POST", "/echo", vec![]).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    gate.notify_one();
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    assert_eq!(
        status(&router, "POST", "/echo", vec![]).await,
        StatusCode::OK
    );
}
