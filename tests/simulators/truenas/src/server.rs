//! The three protocols, on one port.
//!
//! | path | protocol |
//! | --- | --- |
//! | `/api/current` | JSON-RPC 2.0 over WebSocket (25.04 and later) |
//! | `/websocket` | the older protocol over WebSocket |
//! | `/api/v2.0/…` | REST (until 25.10) |
//! | `/api/versions` | list of API versions (25.04 and later) |
//!
//! As on the appliance a message may have 8 KiB before and 64 KiB after the login, twenty logins a
//! minute are answered, and a key that comes over a plain connection is revoked when
//! [`Options::revoke_on_plain`] says so (the appliance spares loopback).

mod events;
mod json_rpc;
mod legacy;
mod rest;

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Extension, Path, Request, State, WebSocketUpgrade},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use hyper_util::{
    rt::TokioExecutor, rt::TokioIo, server::conn::auto, service::TowerToHyperService,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
};
use tokio_rustls::TlsAcceptor;

use crate::{MethodError, Nas};
use events::{Event, Subscriptions};

const BEFORE_LOGIN: usize = 8192;
const AFTER_LOGIN: usize = 65_536;
const LOGINS_PER_MINUTE: usize = 20;

/// How the server behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// The key that is accepted.
    pub api_key: String,
    /// A key that is accepted too and may only read (the role READONLY_ADMIN).
    pub read_key: Option<String>,
    /// How many logins a minute are answered.
    pub logins_per_minute: usize,
    /// Whether it speaks TLS, with a certificate of its own.
    pub tls: bool,
    /// Whether a key over a plain connection is revoked.
    pub revoke_on_plain: bool,
    /// Whether sessions that asked for events are told nothing.
    pub lose_events: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_key: "1-simulated".to_owned(),
            read_key: None,
            logins_per_minute: LOGINS_PER_MINUTE,
            tls: true,
            revoke_on_plain: true,
            lose_events: false,
        }
    }
}

/// A running simulator.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its certificate, PEM; empty without TLS.
    pub certificate: String,
    /// SHA-256 of the certificate, in hex.
    pub fingerprint: String,
    /// The appliance, to look at and to break.
    pub nas: Arc<Mutex<Nas>>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Ends it.
    pub async fn stop(self) {
        // Fails only when everything has ended already.
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

#[derive(Clone)]
struct Shared {
    nas: Arc<Mutex<Nas>>,
    options: Options,
    logins: Arc<Mutex<Vec<Instant>>>,
    revoked: Arc<Mutex<bool>>,
    events: broadcast::Sender<Event>,
}

/// What a session may do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Right {
    Nothing,
    Read,
    Everything,
}

impl Right {
    /// The refusal of a method, if it is not allowed.
    fn refuse(self, method: &str) -> Option<MethodError> {
        let verb = method.rsplit('.').next().unwrap_or(method);
        let reads = [
            "query",
            "config",
            "sessions",
            "version",
            "info",
            "ping",
            "subscribe",
        ]
        .contains(&verb)
            || verb.starts_with("get_");
        match self {
            Self::Nothing => Some(MethodError::new(
                207,
                "ENOTAUTHENTICATED",
                "Not authenticated",
            )),
            Self::Read if !reads => Some(MethodError::new(13, "EACCES", "Not authorized")),
            _ => None,
        }
    }
}

/// Whether the connection is encrypted.
#[derive(Clone, Copy)]
struct Encrypted(bool);

impl Shared {
    fn nas(&self) -> MutexGuard<'_, Nas> {
        self.nas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls a method, and tells who wants to hear of it.
    fn call(&self, nas: &mut Nas, method: &str, params: &[Value]) -> Result<Value, MethodError> {
        let result = nas.call(method, params)?;
        if !self.options.lose_events
            && let Some(event) = Event::of(method, params, &result)
        {
            // Fails only when nobody listens.
            let _ = self.events.send(event);
        }
        Ok(result)
    }

    /// What the key may. Errors when there were too many attempts.
    fn login(&self, key: &str, encrypted: bool) -> Result<Right, MethodError> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|at| at.elapsed() < Duration::from_mins(1));
        if logins.len() >= self.options.logins_per_minute {
            return Err(MethodError::new(16, "EBUSY", "Rate Limit Exceeded"));
        }
        logins.push(Instant::now());
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        if !encrypted && self.options.revoke_on_plain && self.nas().profile.json_rpc() {
            *revoked = true;
        }
        Ok(if *revoked {
            Right::Nothing
        } else if key == self.options.api_key {
            Right::Everything
        } else if Some(key) == self.options.read_key.as_deref() {
            Right::Read
        } else {
            Right::Nothing
        })
    }
}

/// Starts a simulator on a listener.
pub fn start(listener: TcpListener, nas: Nas, options: Options) -> Result<Running, std::io::Error> {
    let address = listener.local_addr()?;
    let mut certificate = String::new();
    let mut fingerprint = String::new();
    let mut acceptor = None;
    if options.tls {
        let names = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "nas.test".to_owned(),
        ];
        let made = rcgen::generate_simple_self_signed(names).map_err(std::io::Error::other)?;
        certificate = made.cert.pem();
        for byte in Sha256::digest(made.cert.der()) {
            let _ = write!(fingerprint, "{byte:02x}");
        }
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())
            .map_err(std::io::Error::other)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![made.cert.der().clone()], key)
            })
            .map_err(std::io::Error::other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        acceptor = Some(TlsAcceptor::from(Arc::new(config)));
    }
    let nas = Arc::new(Mutex::new(nas));
    let shared = Shared {
        nas: Arc::clone(&nas),
        options,
        logins: Arc::default(),
        revoked: Arc::default(),
        events: broadcast::channel(1024).0,
    };
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, router(shared), acceptor, stopped));
    Ok(Running {
        address,
        certificate,
        fingerprint,
        nas,
        stop,
        task,
    })
}

async fn accept(
    listener: TcpListener,
    router: Router,
    acceptor: Option<TlsAcceptor>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.changed() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let acceptor = acceptor.clone();
        let router = router.clone();
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let serve = async {
                let service = router.layer(Extension(Encrypted(acceptor.is_some())));
                let builder = auto::Builder::new(TokioExecutor::new());
                match acceptor {
                    Some(acceptor) => {
                        let Ok(stream) = acceptor.accept(stream).await else {
                            return;
                        };
                        let _ = builder
                            .serve_connection_with_upgrades(
                                TokioIo::new(stream),
                                TowerToHyperService::new(service),
                            )
                            .await;
                    }
                    None => {
                        let _ = builder
                            .serve_connection_with_upgrades(
                                TokioIo::new(stream),
                                TowerToHyperService::new(service),
                            )
                            .await;
                    }
                }
            };
            tokio::select! {
                () = serve => {}
                _ = stopped.changed() => {}
            }
        });
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/api/current", get(current))
        .route("/websocket", get(websocket))
        .route("/api/versions", get(versions))
        .route("/api/v2.0/{*path}", any(v2))
        .with_state(shared)
}

async fn versions(State(shared): State<Shared>) -> Response {
    if shared.nas().profile.json_rpc() {
        Json(json!(["v25.04.0"])).into_response()
    } else {
        axum::http::StatusCode::NOT_FOUND.into_response()
    }
}

async fn current(
    State(shared): State<Shared>,
    Extension(Encrypted(encrypted)): Extension<Encrypted>,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !shared.nas().profile.json_rpc() {
        return axum::http::StatusCode::NOT_FOUND.into_response();
    }
    upgrade.on_upgrade(move |socket| json_rpc::serve(socket, shared, encrypted))
}

async fn websocket(
    State(shared): State<Shared>,
    Extension(Encrypted(encrypted)): Extension<Encrypted>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| legacy::serve(socket, shared, encrypted))
}

async fn v2(
    State(shared): State<Shared>,
    Extension(Encrypted(encrypted)): Extension<Encrypted>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    if !shared.nas().profile.rest() {
        return axum::http::StatusCode::NOT_FOUND.into_response();
    }
    rest::serve(&shared, encrypted, &path, request).await
}

/// The login methods, which both WebSocket protocols share. None for any other method.
fn login(
    shared: &Shared,
    method: &str,
    params: &[Value],
    encrypted: bool,
) -> Option<Result<(Value, Right), MethodError>> {
    let first = params.first().unwrap_or(&Value::Null);
    match method {
        "auth.login_with_api_key" => {
            let key = first.as_str().unwrap_or_default();
            Some(
                shared
                    .login(key, encrypted)
                    .map(|right| (json!(right != Right::Nothing), right)),
            )
        }
        "auth.login_ex" if shared.nas().profile.json_rpc() => {
            let key = first
                .get("api_key")
                .and_then(Value::as_str)
                .unwrap_or_default();
            Some(shared.login(key, encrypted).map(|right| {
                let kind = if right == Right::Nothing {
                    "AUTH_ERR"
                } else {
                    "SUCCESS"
                };
                (json!({"response_type": kind}), right)
            }))
        }
        _ => None,
    }
}
