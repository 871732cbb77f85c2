//! A server that speaks Qdrant's REST protocol over Qdrant's own engine, with faults on request.
//!
//! The server itself cannot be had as a package, its engine can: so filters, scores and facets are the real ones, and
//! what is simulated is the protocol around them (paths, envelope, errors, aliases, strict mode; from the API reference
//! of release 1.19). Faults are what a real server does on a bad day: refuse with 503 or 429, close the connection, be
//! slow, or do a write and fail to say so.

mod collection;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use collection::Collection;

/// What goes wrong with the next requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 503, nothing is done.
    Unavailable,
    /// 429 with `Retry-After: 1`, nothing is done.
    TooMany,
    /// The request is done, and answered with 500.
    DoneButFailed,
    /// The request takes a second.
    Slow,
}

#[derive(Default)]
struct Server {
    collections: BTreeMap<String, Collection>,
    aliases: BTreeMap<String, String>,
    faults: Vec<Fault>,
    down: bool,
    api_key: Option<String>,
    requests: Vec<String>,
    points_written: u64,
}

/// A running simulator. It ends with its value.
pub struct Qdrant {
    server: Arc<Mutex<Server>>,
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

fn lock(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Qdrant {
    /// Starts one on a free loopback port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let server = Arc::<Mutex<Server>>::default();
        let router = Router::new()
            .fallback(handle)
            .layer(axum::extract::DefaultBodyLimit::max(32 << 20))
            .with_state(server.clone());
        let task = tokio::spawn(async move {
            // Ends only when the task is aborted.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            server,
            address,
            task,
        })
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, requests need this key.
    pub fn require_api_key(&self, key: &str) {
        lock(&self.server).api_key = Some(key.to_owned());
    }

    /// The next requests meet these faults, one each.
    pub fn fail(&self, faults: &[Fault]) {
        lock(&self.server).faults.extend(faults.iter().rev());
    }

    /// While down, every request is refused with 503.
    pub fn set_down(&self, down: bool) {
        lock(&self.server).down = down;
    }

    /// Method and path of every request so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.server).requests.clone()
    }

    /// How many points were written so far.
    pub fn points_written(&self) -> u64 {
        lock(&self.server).points_written
    }

    /// The collection an alias names.
    pub fn alias(&self, alias: &str) -> Option<String> {
        lock(&self.server).aliases.get(alias).cloned()
    }
}

impl Drop for Qdrant {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An answer that is not a result.
struct Refusal(StatusCode, String);

impl Refusal {
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
    fn bad(why: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, why.to_string())
    }

    fn missing(what: &str) -> Self {
        Self(
            StatusCode::NOT_FOUND,
            format!("Not found: Collection `{what}` doesn't exist!"),
        )
    }
}

type Outcome = Result<Value, Refusal>;

async fn handle(
    State(server): State<Arc<Mutex<Server>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = {
        let mut server = lock(&server);
        server.requests.push(format!("{method} {}", uri.path()));
        if let Some(key) = &server.api_key
            && headers.get("api-key").and_then(|it| it.to_str().ok()) != Some(key)
        {
            return (
                StatusCode::UNAUTHORIZED,
                "Must provide an API key or an Authorization bearer token",
            )
                .into_response();
        }
        if server.down {
            Some(Fault::Unavailable)
        } else {
            server.faults.pop()
        }
    };
    match fault {
        Some(Fault::Unavailable) => {
            return envelope(Err(Refusal(
                StatusCode::SERVICE_UNAVAILABLE,
                "Service unavailable".into(),
            )));
        }
        Some(Fault::TooMany) => {
            let mut refusal = envelope(Err(Refusal(
                StatusCode::TOO_MANY_REQUESTS,
                "Rate limiting exceeded".into(),
            )));
            refusal
                .headers_mut()
                .insert("retry-after", axum::http::HeaderValue::from_static("1"));
            return refusal;
        }
        Some(Fault::Slow) => tokio::time::sleep(Duration::from_secs(1)).await,
        Some(Fault::DoneButFailed) | None => {}
    }
    let path = uri.path().to_owned();
    let done = tokio::task::spawn_blocking(move || {
        let body = if body.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_slice(&body)
        };
        let body =
            body.map_err(|error| Refusal::bad(format!("Format error in JSON body: {error}")))?;
        lock(&server).route(&method, &path, &body)
    });
    let outcome = done.await.unwrap_or_else(|error| {
        Err(Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        ))
    });
    if fault == Some(Fault::DoneButFailed) {
        return envelope(Err(Refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Service internal error".into(),
        )));
    }
    envelope(outcome)
}

fn envelope(outcome: Outcome) -> Response {
    match outcome {
        Ok(result) => {
            axum::Json(json!({ "result": result, "status": "ok", "time": 0.0 })).into_response()
        }
        Err(Refusal(status, error)) => (
            status,
            axum::Json(json!({ "status": { "error": error }, "time": 0.0 })),
        )
            .into_response(),
    }
}

impl Server {
    fn real(&self, name: &str) -> String {
        self.aliases
            .get(name)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }

    fn route(&mut self, method: &Method, path: &str, body: &Value) -> Outcome {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["aliases"]) => {
                let aliases: Vec<Value> = self
                    .aliases
                    .iter()
                    .map(|(alias, real)| json!({ "alias_name": alias, "collection_name": real }))
                    .collect();
                Ok(json!({ "aliases": aliases }))
            }
            ("POST", ["collections", "aliases"]) => self.change_aliases(body),
            ("GET", ["collections", name, "exists"]) => {
                Ok(json!({ "exists": self.collections.contains_key(&self.real(name)) }))
            }
            ("PUT", ["collections", name]) => {
                if self.collections.contains_key(*name) {
                    return Err(Refusal(
                        StatusCode::CONFLICT,
                        format!("Wrong input: Collection `{name}` already exists!"),
                    ));
                }
                self.collections
                    .insert((*name).to_owned(), Collection::create(body)?);
                Ok(json!(true))
            }
            ("DELETE", ["collections", name]) => {
                Ok(json!(self.collections.remove(*name).is_some()))
            }
            (method, ["collections", name, rest @ ..]) => {
                let real = self.real(name);
                let collection = self
                    .collections
                    .get_mut(&real)
                    .ok_or_else(|| Refusal::missing(name))?;
                let outcome = collection.route(method, rest, body)?;
                self.points_written += outcome.1;
                Ok(outcome.0)
            }
            _ => Err(Refusal(StatusCode::NOT_FOUND, "no such path".to_owned())),
        }
    }

    fn change_aliases(&mut self, body: &Value) -> Outcome {
        // All or nothing, as on the server.
        let mut aliases = self.aliases.clone();
        for action in body
            .get("actions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = |path: &str| {
                action
                    .pointer(path)
                    .and_then(Value::as_str)
                    .map(ToOwned::to_owned)
            };
            if let (Some(alias), Some(real)) = (
                text("/create_alias/alias_name"),
                text("/create_alias/collection_name"),
            ) {
                if !self.collections.contains_key(&real) {
                    return Err(Refusal::missing(&real));
                }
                aliases.insert(alias, real);
            } else if let Some(alias) = text("/delete_alias/alias_name") {
                aliases.remove(&alias);
            } else {
                return Err(Refusal::bad("unknown alias action"));
            }
        }
        self.aliases = aliases;
        Ok(json!(true))
    }
}
