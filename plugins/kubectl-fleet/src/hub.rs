//! `serve`: the fleet for everybody who may see some of it, over HTTP.
//!
//! A request is let in by [`authn`], slowed down by [`rates`], answered from a [`visible::Visible`] store that holds
//! nothing but what the caller may read in each member cluster ([`rights`]), and written down by [`audit`]. The fronts
//! are [`api`] (REST, described by [`openapi`]), [`watch`] (WebSocket), MCP over streamable HTTP, and [`page`] for
//! browsers. They all ask [`crate::answer`], as the command line does.

pub mod api;
pub mod audit;
pub mod authn;
pub mod oidc;
pub mod openapi;
pub mod page;
pub mod rates;
mod recent;
pub mod rights;
pub mod visible;
pub mod watch;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::access::Caller;
use crate::store::{Store, StoreError};
use audit::Audit;
use authn::Authenticator;
use rates::Rates;
use rights::Rights;

/// What all requests share.
#[derive(Clone)]
pub struct Hub(Arc<Parts>);

/// The parts of a hub.
pub struct Parts {
    /// Everything that is known, for everybody.
    pub store: Arc<dyn Store>,
    /// Who asks.
    pub authenticator: Authenticator,
    /// What they may see; none shows everything, which only a hub for its own user does.
    pub rights: Option<Rights>,
    /// How often they may ask.
    pub rates: Rates,
    /// What is written down of it.
    pub audit: Audit,
    /// Ends watches.
    pub shutdown: CancellationToken,
}

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody known asks.
    #[error("{0}")]
    Unauthenticated(String),
    /// They ask too often.
    #[error("too many requests; try again in {0} seconds")]
    TooMany(u64),
    /// What they ask cannot be read.
    #[error("{0}")]
    Input(String),
    /// There is no such thing, or none they may see.
    #[error("there is no such object, or you may not read it")]
    NotFound,
    /// The store, or the audit log.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(why) => Self::Input(why),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl Refusal {
    /// As an HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Input(_) => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut answer = (status, axum::Json(json!({ "error": self.to_string() }))).into_response();
        let headers = answer.headers_mut();
        match &self {
            Self::Unauthenticated(_) => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"pequod-fleet\""),
                );
            }
            Self::TooMany(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            }
            _ => {}
        }
        answer
    }
}

/// Somebody who was let in.
pub struct Asker {
    /// Who.
    pub caller: Caller,
    /// What they may see.
    pub store: Arc<dyn Store>,
}

impl Hub {
    /// Of its parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Lets a request in.
    pub async fn enter(&self, headers: &HeaderMap) -> Result<Asker, Refusal> {
        let caller = self.0.authenticator.caller(headers).await?;
        self.0.rates.take(&caller.user)?;
        let store = self.visible(&caller).await?;
        Ok(Asker { caller, store })
    }

    /// What somebody may see at the moment.
    pub(crate) async fn visible(&self, caller: &Caller) -> Result<Arc<dyn Store>, Refusal> {
        match &self.0.rights {
            None => Ok(self.0.store.clone()),
            Some(rights) => Ok(Arc::new(rights.visible(caller).await?)),
        }
    }

    /// Writes down what was answered. What cannot be written down is not answered.
    pub fn noted(
        &self,
        asker: &Asker,
        action: &str,
        query: &str,
        total: u64,
    ) -> Result<(), Refusal> {
        self.0
            .audit
            .note(&asker.caller, action, query, total)
            .map_err(|error| {
                tracing::error!(%error, "the audit log cannot be written");
                Refusal::Unavailable("the audit log cannot be written".to_owned())
            })
    }

    /// Everything it serves.
    pub fn router(self) -> Router {
        Router::new()
            .route("/", get(page::search))
            .route("/clusters", get(page::clusters))
            .route("/object", get(page::object))
            .route("/login", get(page::login).post(page::sign_in))
            .route("/login/start", get(page::begin))
            .route("/login/callback", get(page::callback))
            .route("/logout", post(page::sign_out))
            .route("/style.css", get(page::style))
            .route("/api/v1/search", get(api::search))
            .route("/api/v1/object", get(api::object))
            .route("/api/v1/facets", get(api::facets))
            .route("/api/v1/clusters", get(api::clusters))
            .route("/api/v1/kinds", get(api::kinds))
            .route("/api/v1/watch", any(watch::watch))
            .route("/mcp", any(mcp))
            .route(
                "/openapi.json",
                get(async || axum::Json(openapi::document())),
            )
            .layer(from_fn(guarded))
            .with_state(self)
    }
}

/// Answers are for the one who asked, and for no frame, cache or script of somebody else.
async fn guarded(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// MCP over streamable HTTP, without sessions: each request is answered with the rights of the one who sent it.
async fn mcp(State(hub): State<Hub>, request: Request) -> Response {
    use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
    use rmcp::transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService,
    };

    let asker = match hub.enter(request.headers()).await {
        Ok(asker) => asker,
        Err(refusal) => return refusal.into_response(),
    };
    if let Err(refusal) = hub.noted(&asker, "mcp", "", 0) {
        return refusal.into_response();
    }
    let mut config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    config.legacy_session_mode = false;
    config.json_response = true;
    let store = asker.store;
    let service = StreamableHttpService::new(
        move || Ok(crate::mcp::Fleet::new(store.clone(), None)),
        Arc::new(LocalSessionManager::default()),
        config,
    );
    service.handle(request).await.map(axum::body::Body::new)
}
