//! Both WebSocket dialects: one socket, one login, calls one after the other.
//!
//! A connection that breaks is made again once per call; what is called here only reads, so asking
//! twice does no harm. Logins are what the appliance limits (20 a minute per address, shared with
//! every CSI driver behind the same NAT), so there is never a second attempt at one.

use std::{sync::Arc, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use rustls::pki_types::ServerName;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

use super::{
    Answer, CallError, ErrorKind,
    client::{Address, kind_of},
};

const CONNECT_SECONDS: Duration = Duration::from_secs(15);
/// A full list of a large appliance takes minutes on old releases.
const CALL_SECONDS: Duration = Duration::from_mins(5);
/// What the appliance closes the connection for.
const LARGEST_REQUEST: usize = 65_536;
/// A list of 10,000 volumes with every property is 59 MB.
const LARGEST_ANSWER: usize = 512 << 20;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// JSON-RPC 2.0 at `/api/current`: 25.04 and later.
    JsonRpc,
    /// The older protocol at `/websocket`.
    Legacy,
}

impl Dialect {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonRpc => "JSON-RPC",
            Self::Legacy => "WebSocket (legacy)",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::JsonRpc => "/api/current",
            Self::Legacy => "/websocket",
        }
    }
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A logged-in connection.
#[derive(Debug)]
pub struct WebSocket {
    address: Address,
    dialect: Dialect,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    socket: Option<Socket>,
    last_id: u64,
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Connection, format!("{what}: {error}"))
}

impl WebSocket {
    /// Connects and logs in. [`ErrorKind::NoMethod`] says that the appliance lacks this dialect.
    pub async fn connect(address: &Address, dialect: Dialect) -> Result<Self, CallError> {
        let mut state = State {
            socket: Some(open(address, dialect).await?),
            last_id: 0,
        };
        login(&mut state, address, dialect).await?;
        Ok(Self {
            address: address.clone(),
            dialect,
            state: Mutex::new(state),
        })
    }

    /// What is spoken.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Calls a method that only reads.
    pub async fn call(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        let mut state = self.state.lock().await;
        for again in [true, false] {
            if state.socket.is_none() {
                state.socket = Some(open(&self.address, self.dialect).await?);
                login(&mut state, &self.address, self.dialect).await?;
            }
            let result = exchange(&mut state, self.dialect, method, params).await;
            match result {
                Err(error)
                    if again && matches!(error.kind, ErrorKind::Connection | ErrorKind::Login) =>
                {
                    state.socket = None;
                }
                // An unreadable frame leaves no way to tell where the next begins.
                Err(error) => {
                    if matches!(error.kind, ErrorKind::Connection | ErrorKind::Unreadable) {
                        state.socket = None;
                    }
                    return Err(error);
                }
                Ok(answer) => return Ok(answer),
            }
        }
        Err(CallError::new(
            ErrorKind::Connection,
            "the connection broke twice",
        ))
    }
}

impl WebSocket {
    /// Calls a method that changes something: sent once. After a broken connection nobody knows
    /// whether it arrived, and only reading tells.
    pub async fn change(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        let mut state = self.state.lock().await;
        if state.socket.is_none() {
            state.socket = Some(open(&self.address, self.dialect).await?);
            login(&mut state, &self.address, self.dialect).await?;
        }
        let result = exchange(&mut state, self.dialect, method, params).await;
        if result.as_ref().is_err_and(|error| {
            matches!(
                error.kind,
                ErrorKind::Connection | ErrorKind::Unreadable | ErrorKind::Login
            )
        }) {
            state.socket = None;
        }
        result
    }
}

async fn open(address: &Address, dialect: Dialect) -> Result<Socket, CallError> {
    let place = format!("{}:{}", address.host, address.port);
    let late = || CallError::new(ErrorKind::Connection, format!("{place} does not answer"));
    let work = async {
        let stream = TcpStream::connect((address.host.as_str(), address.port))
            .await
            .map_err(|error| broken(&format!("cannot connect to {place}"), &error))?;
        let name = ServerName::try_from(address.host.clone())
            .map_err(|error| broken(&format!("{} is no host name", address.host), &error))?;
        let stream = TlsConnector::from(Arc::new(address.trust.config()?))
            .connect(name, stream)
            .await
            .map_err(|error| {
                CallError::new(
                    ErrorKind::Certificate,
                    format!("{place}: the TLS connection was not accepted: {error}"),
                )
            })?;
        let mut limits = WebSocketConfig::default();
        limits.max_message_size = Some(LARGEST_ANSWER);
        limits.max_frame_size = Some(LARGEST_ANSWER);
        let url = format!("wss://{place}{}", dialect.path());
        match client_async_with_config(url, stream, Some(limits)).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(answer)) => Err(CallError::new(
                ErrorKind::NoMethod,
                format!("{place} has no {}: {}", dialect.path(), answer.status()),
            )),
            Err(error) => Err(broken(&format!("{place}{}", dialect.path()), &error)),
        }
    };
    timeout(CONNECT_SECONDS, work).await.map_err(|_| late())?
}

async fn login(state: &mut State, address: &Address, dialect: Dialect) -> Result<(), CallError> {
    if dialect == Dialect::Legacy {
        let hello = json!({"msg": "connect", "version": "1", "support": ["1"]}).to_string();
        send(state, hello).await?;
        receive(state).await?;
    }
    let key = json!(address.key.expose());
    let answer = exchange(state, dialect, "auth.login_with_api_key", &[key]).await?;
    if answer.decode::<bool>()? {
        return Ok(());
    }
    Err(CallError::new(
        ErrorKind::Login,
        format!(
            "{} does not accept the API key: wrong, expired or revoked",
            address.host
        ),
    ))
}

async fn send(state: &mut State, text: String) -> Result<(), CallError> {
    let Some(socket) = &mut state.socket else {
        return Err(CallError::new(ErrorKind::Connection, "not connected"));
    };
    socket
        .send(Message::Text(text.into()))
        .await
        .map_err(|error| broken("cannot send", &error))
}

async fn receive(state: &mut State) -> Result<Vec<u8>, CallError> {
    let Some(socket) = &mut state.socket else {
        return Err(CallError::new(ErrorKind::Connection, "not connected"));
    };
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(tungstenite::Bytes::from(text).into()),
            Some(Ok(Message::Close(frame))) => {
                let why = frame
                    .map(|frame| frame.reason.to_string())
                    .unwrap_or_default();
                return Err(broken("the appliance closed the connection", &why));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken("the connection broke", &error)),
            None => {
                return Err(CallError::new(
                    ErrorKind::Connection,
                    "the connection ended",
                ));
            }
        }
    }
}

/// An answer of either dialect; the result stays text.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default)]
    id: Option<Value>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

async fn exchange(
    state: &mut State,
    dialect: Dialect,
    method: &str,
    params: &[Value],
) -> Result<Answer, CallError> {
    state.last_id += 1;
    let id = state.last_id;
    let request = match dialect {
        Dialect::JsonRpc => json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}),
        Dialect::Legacy => {
            json!({"id": id.to_string(), "msg": "method", "method": method, "params": params})
        }
    }
    .to_string();
    if request.len() > LARGEST_REQUEST {
        return Err(CallError::new(
            ErrorKind::Refused,
            format!(
                "a request of {} bytes: the appliance takes {LARGEST_REQUEST}",
                request.len()
            ),
        ));
    }
    send(state, request).await?;
    let wait = async {
        loop {
            let message = receive(state).await?;
            let range = match serde_json::from_slice::<Envelope<'_>>(&message) {
                Ok(envelope) if !is_ours(&envelope, id) => continue,
                Ok(Envelope {
                    error: Some(error), ..
                }) => return Err(refusal(method, error)),
                Ok(envelope) => envelope
                    .result
                    .map(|result| place_in(&message, result.get())),
                Err(error) => {
                    return Err(CallError::new(
                        ErrorKind::Unreadable,
                        format!("the answer to {method} breaks off or is no JSON: {error}"),
                    ));
                }
            };
            return Ok(match range {
                Some((start, end)) => Answer::part(message, start, end),
                None => Answer::whole(b"null".to_vec()),
            });
        }
    };
    timeout(CALL_SECONDS, wait).await.map_err(|_| {
        CallError::new(
            ErrorKind::Connection,
            format!("no answer to {method} within five minutes"),
        )
    })?
}

fn is_ours(envelope: &Envelope<'_>, id: u64) -> bool {
    match &envelope.id {
        Some(Value::Number(number)) => number.as_u64() == Some(id),
        Some(Value::String(text)) => *text == id.to_string(),
        // A request that could not be parsed is answered without its id.
        _ => envelope.error.is_some(),
    }
}

/// Where a part of a message lies in it.
fn place_in(message: &[u8], part: &str) -> (usize, usize) {
    let start = (part.as_ptr() as usize).saturating_sub(message.as_ptr() as usize);
    (start, start + part.len())
}

fn refusal(method: &str, error: &RawValue) -> CallError {
    let error: Value = serde_json::from_str(error.get()).unwrap_or_default();
    if error.get("code").and_then(Value::as_i64) == Some(-32_601) {
        return CallError::new(ErrorKind::NoMethod, format!("this release has no {method}"));
    }
    let data = error
        .get("data")
        .filter(|data| data.is_object())
        .unwrap_or(&error);
    let reason = data
        .get("reason")
        .or_else(|| error.get("message"))
        .and_then(Value::as_str)
        .unwrap_or("refused without a reason");
    let errno = data
        .get("error")
        .and_then(Value::as_i64)
        .unwrap_or_default();
    CallError::new(kind_of(errno, reason), format!("{method}: {reason}"))
}
