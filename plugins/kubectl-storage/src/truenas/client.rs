//! Connects to an appliance in the newest dialect it has.
//!
//! JSON-RPC is tried first, the older WebSocket next, REST last: from 25.04 on REST is deprecated
//! and each of its calls is a login of its own. A key never travels over a plain connection: the
//! appliance would revoke it at once and for good, so there is no flag to allow it.

use pequod_diag::Secret;
use serde_json::Value;

use crate::cleanup::Change;

use super::{
    Answer, CallError, Caller, ErrorKind,
    events::Hints,
    rest::Rest,
    tls::Trust,
    websocket::{Dialect, WebSocket},
};

/// An appliance and the way to it.
#[derive(Debug, Clone)]
pub struct Address {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether the configuration asks for a plain connection; it is refused.
    pub plain: bool,
    /// How its certificate is checked.
    pub trust: Trust,
    /// The key.
    pub key: Secret<String>,
}

/// A connection.
#[derive(Debug)]
pub enum Client {
    /// A WebSocket in either dialect, logged in.
    WebSocket(Box<WebSocket>),
    /// REST.
    Rest(Rest),
}

impl Client {
    /// Connects and logs in.
    pub async fn connect(address: &Address) -> Result<Self, CallError> {
        if address.plain {
            return Err(CallError::new(
                ErrorKind::Plain,
                format!(
                    "the configuration for {} asks for http: an API key that travels in plain is \
                     revoked by the appliance for good; set httpConnection.protocol to https",
                    address.host
                ),
            ));
        }
        for dialect in [Dialect::JsonRpc, Dialect::Legacy] {
            match WebSocket::connect(address, dialect).await {
                Ok(socket) => return Ok(Self::WebSocket(Box::new(socket))),
                // This dialect is not there: the next one.
                Err(error) if error.kind == ErrorKind::NoMethod => {}
                Err(error) => return Err(error),
            }
        }
        Rest::new(address).map(Self::Rest)
    }

    /// Connects by REST, whatever else there is.
    pub fn rest(address: &Address) -> Result<Self, CallError> {
        if address.plain {
            return Err(CallError::new(
                ErrorKind::Plain,
                "a key is never sent in plain",
            ));
        }
        Rest::new(address).map(Self::Rest)
    }

    /// Connects in one WebSocket dialect.
    pub async fn websocket(address: &Address, dialect: Dialect) -> Result<Self, CallError> {
        Ok(Self::WebSocket(Box::new(
            WebSocket::connect(address, dialect).await?,
        )))
    }

    /// Asks the appliance to tell of changes. REST knows none.
    pub async fn listen(&self, release: (u16, u16)) -> Result<(), CallError> {
        match self {
            Self::WebSocket(socket) => socket.listen(release).await,
            Self::Rest(_) => Ok(()),
        }
    }

    /// Waits until the appliance tells of something, for ever if it tells nothing.
    pub async fn hints(&self) -> Hints {
        match self {
            Self::WebSocket(socket) => socket.hints().await,
            Self::Rest(_) => std::future::pending().await,
        }
    }

    /// What is spoken.
    pub fn dialect(&self) -> &'static str {
        match self {
            Self::WebSocket(socket) => socket.dialect().name(),
            Self::Rest(_) => "REST v2.0",
        }
    }
}

impl Caller for Client {
    async fn call(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        match self {
            Self::WebSocket(socket) => socket.call(method, params).await,
            Self::Rest(rest) => rest.call(method, params).await,
        }
    }
}

impl Change for Client {
    async fn change(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        match self {
            Self::WebSocket(socket) => socket.change(method, params).await,
            // Every release has a WebSocket; REST is a way to read when that cannot be reached.
            Self::Rest(_) => Err(CallError::new(
                ErrorKind::Refused,
                format!("{method}: nothing is changed over REST; the WebSocket must be reachable"),
            )),
        }
    }
}

/// What an errno of the middleware means.
pub(super) fn kind_of(errno: i64, reason: &str) -> ErrorKind {
    match errno {
        2 => ErrorKind::NotFound,
        13 => ErrorKind::Forbidden,
        16 if reason.contains("Rate Limit") => ErrorKind::Throttled,
        201 | 202 => ErrorKind::NoMethod,
        207 => ErrorKind::Login,
        _ => ErrorKind::Refused,
    }
}
