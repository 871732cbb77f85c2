use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use pequod_server::Stopping;
use tokio::sync::Notify;

use crate::{plain, provider};

fn router(begun: Arc<Notify>, gate: Arc<Notify>) -> Router {
    let slow = async move || {
        begun.notify_one();
        gate.notified().await;
        "slow"
    };
    Router::new()
        .route("/", get(async || "quick"))
        .route("/slow", get(slow))
}

#[tokio::test]
async fn a_request_that_is_under_way_is_still_answered() {
    provider();
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = plain(router(begun.clone(), gate.clone()), Stopping::promptly()).await;
    let request = tokio::spawn(reqwest::get(format!("{}/slow", server.url)));
    begun.notified().await;
    server.shutdown.cancel();
    gate.notify_one();
    assert_eq!(
        request.await.unwrap().unwrap().text().await.unwrap(),
        "slow"
    );
    server.stop().await;
}

#[tokio::test]
async fn while_draining_it_accepts_and_says_close() {
    provider();
    let stopping = Stopping {
        linger: Duration::from_mins(1),
        grace: Duration::from_secs(1),
    };
    let server = plain(router(Arc::default(), Arc::default()), stopping).await;
    let before = reqwest::get(&server.url).await.unwrap();
    assert!(before.headers().get("connection").is_none());
    server.shutdown.cancel();
    // The phase changes soon after the token fired; the linger is far away.
    let mut after = reqwest::get(&server.url).await.unwrap();
    while after.headers().get("connection").is_none() {
        after = reqwest::get(&server.url).await.unwrap();
    }
    assert_eq!(after.headers()["connection"], "close");
    assert_eq!(after.text().await.unwrap(), "quick");
    server.task.abort();
}

#[tokio::test]
async fn after_draining_it_refuses() {
    provider();
    let server = plain(router(Arc::default(), Arc::default()), Stopping::promptly()).await;
    let url = server.url.clone();
    server.stop().await;
    assert!(reqwest::get(&url).await.is_err());
}

#[tokio::test]
async fn what_does_not_finish_within_the_grace_is_cut_off() {
    provider();
    let begun = Arc::new(Notify::new());
    let stopping = Stopping {
        linger: Duration::ZERO,
        grace: Duration::from_millis(20),
    };
    let server = plain(router(begun.clone(), Arc::default()), stopping).await;
    let request = tokio::spawn(reqwest::get(format!("{}/slow", server.url)));
    begun.notified().await;
    server.stop().await;
    assert!(request.await.unwrap().is_err());
}
