//! What one request may cost, and what happens to one too many.
//!
//! A request that cannot be worked on at once waits in a queue, for a bounded time, and is then turned away with a
//! clear text. A server that takes everything answers nothing in time, and its callers' timeouts name no cause.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

/// The limits of a router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body; a larger one is answered with 413.
    pub body_bytes: usize,
    /// Requests worked on at once.
    pub concurrency: usize,
    /// How long a request may wait for its turn; afterwards it is answered with 503.
    pub queue: Duration,
    /// How long a request may take once it is its turn; afterwards it is answered with 504.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            concurrency: 256,
            queue: Duration::from_secs(1),
            deadline: Duration::from_secs(10),
        }
    }
}

/// Puts the limits around every route of a router.
pub fn limited(router: Router, limits: Limits) -> Router {
    let turns = Arc::new(Semaphore::new(limits.concurrency));
    router
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(from_fn(move |request, next| {
            in_turn(Arc::clone(&turns), limits, request, next)
        }))
}

async fn in_turn(turns: Arc<Semaphore>, limits: Limits, request: Request, next: Next) -> Response {
    let Ok(turn) = tokio::time::timeout(limits.queue, turns.acquire()).await else {
        let text = format!(
            "overloaded: {} requests are being worked on, and this one waited {:?} for its turn\n",
            limits.concurrency, limits.queue
        );
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let answer = tokio::time::timeout(limits.deadline, next.run(request)).await;
    drop(turn);
    answer.unwrap_or_else(|_| {
        let text = format!("no answer within {:?}\n", limits.deadline);
        (StatusCode::GATEWAY_TIMEOUT, text).into_response()
    })
}
