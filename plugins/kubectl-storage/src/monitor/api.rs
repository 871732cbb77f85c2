//! The HTTP API: reads of what was last published, as OpenAPI describes it.

#![expect(
    unused_qualifications,
    reason = "the macro that describes a route names its types in full"
)]

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{
        FromRequestParts, Query, Request, State,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{StatusCode, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use utoipa::{IntoParams, OpenApi, ToSchema};

use super::{
    auth::{Gate, Refused},
    state::{Change, CheckView, FindingView, Hub, SnapshotsView, StatusView, UsageView},
};

/// What the routes share.
#[derive(Debug, Clone)]
pub struct Served {
    /// What was last published.
    pub hub: Arc<Hub>,
    /// Who may ask.
    pub gate: Arc<Gate>,
}

/// A list, and when it was read.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Listed<T> {
    /// When it was read, in seconds since 1970; none before the first scan.
    read_at: Option<i64>,
    /// Whether that scan was complete.
    complete: bool,
    /// How many there are in all that match.
    total: u64,
    /// Those asked for.
    items: Vec<T>,
}

/// A refusal.
#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    /// In words.
    message: String,
}

/// Which findings.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// Only this code, for example PQS-1001.
    #[param(pattern = "^PQS-[0-9]{4}$")]
    code: Option<String>,
    /// Only this state.
    #[param(inline)]
    state: Option<Sureness>,
    /// Only this appliance or cluster.
    site: Option<String>,
    /// Leave out so many.
    #[param(minimum = 0, maximum = 1_000_000)]
    offset: Option<u32>,
    /// So many at most (10,000 when not given).
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Sureness {
    Reported,
    Candidate,
    Confirmed,
}

impl Sureness {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Candidate => "candidate",
            Self::Confirmed => "confirmed",
        }
    }
}

fn problem(status: StatusCode, message: impl Into<String>) -> Response {
    let body = Problem {
        message: message.into(),
    };
    (status, Json(body)).into_response()
}

/// A query that is understood, or a refusal that says what is wrong with it.
struct Asked<T>(T);

impl<S: Send + Sync, T: serde::de::DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(wrong) => Err(problem(StatusCode::BAD_REQUEST, wrong.body_text())),
        }
    }
}

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(title = "kubectl storage monitor", description = "What the storage monitor last saw.", license(name = "Apache-2.0")),
    paths(status, findings, usage, snapshots, checks, scan),
    components(schemas(Change, Problem)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The OpenAPI document, as JSON.
pub fn document() -> String {
    Document::openapi().to_json().unwrap_or_default()
}

/// The routes.
pub fn router(served: Served) -> Router {
    let guarded = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/findings", get(findings))
        .route("/api/v1/usage", get(usage))
        .route("/api/v1/snapshots", get(snapshots))
        .route("/api/v1/checks", get(checks))
        .route("/api/v1/scan", post(scan))
        .route("/api/v1/watch", get(watch))
        .layer(from_fn_with_state(Arc::clone(&served.gate), admitted))
        .with_state(served.hub);
    Router::new()
        .route(
            "/api/v1/openapi.json",
            get(async || ([(header::CONTENT_TYPE, "application/json")], document())),
        )
        .merge(guarded)
        .fallback(async || problem(StatusCode::NOT_FOUND, "no such path"))
        .method_not_allowed_fallback(async || {
            problem(StatusCode::METHOD_NOT_ALLOWED, "not with this method")
        })
}

async fn admitted(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match gate.admit(token).await {
        Ok(_) => next.run(request).await,
        Err(Refused::Unknown) => {
            let mut answer = problem(StatusCode::UNAUTHORIZED, "a token is needed");
            let scheme = header::HeaderValue::from_static("Bearer");
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
            answer
        }
        Err(Refused::Forbidden) => problem(
            StatusCode::FORBIDDEN,
            "the token's owner may not get storagefindings.storage.pequod.io",
        ),
        Err(Refused::Unavailable) => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "the API server could not be asked about the token",
        ),
        Err(Refused::TooMany(seconds)) => {
            let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, "too many requests");
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
            answer
        }
    }
}

/// How the last scan went
#[utoipa::path(get, path = "/api/v1/status", responses(
    (status = 200, body = StatusView), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn status(State(hub): State<Arc<Hub>>) -> Json<StatusView> {
    Json(hub.current().status.clone())
}

fn listed<T: Clone>(hub: &Hub, items: Vec<T>, total: usize) -> Json<Listed<T>> {
    let current = hub.current();
    Json(Listed {
        read_at: current.status.read_at,
        complete: current.status.complete,
        total: total as u64,
        items,
    })
}

/// Findings of the last scan
#[utoipa::path(get, path = "/api/v1/findings", params(Which), responses(
    (status = 200, body = Listed<FindingView>), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn findings(State(hub): State<Arc<Hub>>, Asked(which): Asked<Which>) -> Response {
    if let Some(code) = &which.code
        && crate::finding::code_named(code).is_none()
        && !(code.len() == 8
            && code.starts_with("PQS-")
            && code[4..].bytes().all(|c| c.is_ascii_digit()))
    {
        return problem(
            StatusCode::BAD_REQUEST,
            format!("`{code}` is no code of a finding"),
        );
    }
    if which
        .limit
        .is_some_and(|limit| !(1..=10_000).contains(&limit))
        || which.offset.is_some_and(|offset| offset > 1_000_000)
    {
        return problem(
            StatusCode::BAD_REQUEST,
            "limit is 1 to 10000, offset at most 1000000",
        );
    }
    let current = hub.current();
    let matching: Vec<_> = current
        .findings
        .iter()
        .filter(|row| which.code.as_ref().is_none_or(|code| row.code == *code))
        .filter(|row| which.state.is_none_or(|state| row.state == state.as_str()))
        .filter(|row| which.site.as_ref().is_none_or(|site| row.site == *site))
        .collect();
    let total = matching.len();
    let items = matching
        .into_iter()
        .skip(which.offset.unwrap_or_default() as usize)
        .take(which.limit.unwrap_or(10_000) as usize)
        .cloned()
        .collect();
    listed(&hub, items, total).into_response()
}

/// Space of pools, parents and classes
#[utoipa::path(get, path = "/api/v1/usage", responses(
    (status = 200, body = Listed<UsageView>), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn usage(State(hub): State<Arc<Hub>>) -> Json<Listed<UsageView>> {
    let items = hub.current().usage.clone();
    let total = items.len();
    listed(&hub, items, total)
}

/// Snapshots by volume
#[utoipa::path(get, path = "/api/v1/snapshots", responses(
    (status = 200, body = Listed<SnapshotsView>), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn snapshots(State(hub): State<Arc<Hub>>) -> Json<Listed<SnapshotsView>> {
    let items = hub.current().snapshots.clone();
    let total = items.len();
    listed(&hub, items, total)
}

/// Checks of the configuration that did not pass
#[utoipa::path(get, path = "/api/v1/checks", responses(
    (status = 200, body = Listed<CheckView>), (status = 401, body = Problem), (status = 403, body = Problem),
    (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn checks(State(hub): State<Arc<Hub>>) -> Json<Listed<CheckView>> {
    let items = hub.current().checks.clone();
    let total = items.len();
    listed(&hub, items, total)
}

/// Scan now instead of at the next interval
#[utoipa::path(post, path = "/api/v1/scan", responses(
    (status = 202, description = "It will begin at once, unless one is under way"), (status = 401, body = Problem),
    (status = 403, body = Problem), (status = 429, body = Problem), (status = 503, body = Problem)))]
async fn scan(State(hub): State<Arc<Hub>>) -> StatusCode {
    hub.wanted.notify_one();
    StatusCode::ACCEPTED
}

async fn watch(State(hub): State<Arc<Hub>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| tell(socket, hub))
}

/// Every finding there is, and then every change.
async fn tell(mut socket: WebSocket, hub: Arc<Hub>) {
    let mut changes = hub.listen();
    let known = hub.current();
    let first = known.findings.iter().map(|finding| Change::Found {
        finding: Box::new(finding.clone()),
    });
    for change in first {
        if !send(&mut socket, &change).await {
            return;
        }
    }
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            message = socket.recv() => match message {
                // Nothing is expected; pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Text(_))) => continue,
                _ => return,
            },
        };
        match change {
            Ok(change) => {
                if !send(&mut socket, &change).await {
                    return;
                }
            }
            // Too slow to be told everything: it has to begin again.
            Err(RecvError::Lagged(_) | RecvError::Closed) => return,
        }
    }
}

async fn send(socket: &mut WebSocket, change: &Change) -> bool {
    let Ok(text) = serde_json::to_string(change) else {
        return false;
    };
    socket.send(Message::Text(text.into())).await.is_ok()
}
