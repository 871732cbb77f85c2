//! What a program counts, and the endpoints that only operators look at.
//!
//! Names begin with `pequod_`; labels are a route, a result, a kind: never the name of an object, of which there
//! may be any number.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::health::Health;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds, in seconds, of the histogram of request durations.
const DURATION_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// Counts of requests by route and status code, their durations, and how many are under way.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    answers: Family<Answer, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    under_way: Gauge,
}

impl HttpMetrics {
    /// Adds the metrics to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            answers: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            under_way: Gauge::default(),
        };
        registry.register(
            "pequod_http_requests",
            "Requests answered, by route and status code",
            metrics.answers.clone(),
        );
        registry.register(
            "pequod_http_request_duration_seconds",
            "Time from a request's head to its answer, by route",
            metrics.durations.clone(),
        );
        registry.register(
            "pequod_http_requests_under_way",
            "Requests being worked on or waiting for their turn",
            metrics.under_way.clone(),
        );
        metrics
    }

    /// Counts every request of a router.
    pub fn count(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), observe))
    }
}

async fn observe(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unknown".to_owned(), |path| path.as_str().to_owned());
    let begun = Instant::now();
    let under_way = UnderWay::enter(&metrics.under_way);
    let response = next.run(request).await;
    drop(under_way);
    metrics
        .durations
        .get_or_create(&Route {
            route: route.clone(),
        })
        .observe(begun.elapsed().as_secs_f64());
    metrics
        .answers
        .get_or_create(&Answer {
            route,
            code: response.status().as_u16(),
        })
        .inc();
    response
}

/// Counts down even when the caller goes away and the request is dropped.
struct UnderWay(Gauge);

impl UnderWay {
    fn enter(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Clone)]
struct Operations {
    health: Health,
    registry: Arc<Registry>,
}

/// `/livez`, `/healthz` (both: the process answers), `/readyz` (all checks) and `/metrics`.
pub fn operations(health: Health, registry: Registry) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Operations {
            health,
            registry: Arc::new(registry),
        })
}

async fn readyz(State(state): State<Operations>) -> Response {
    let code = if state.health.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, state.health.report()).into_response()
}

async fn metrics(State(state): State<Operations>) -> Response {
    let mut body = String::new();
    match text::encode(&mut body, &state.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
