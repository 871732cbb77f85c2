//! Both WebSocket dialects: one socket, one login, calls one after the other.
//!
//! A connection that breaks is made again once per call; what is called here only reads, so asking
//! twice does no harm. Logins are what the appliance limits (20 a minute per address, shared with
//! every CSI driver behind the same NAT), so there is never a second attempt at one.
//!
//! Between two calls the appliance may tell of changes ([`WebSocket::hints`]); after each new
//! login it is asked to again.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
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
    Answer, Bytes, CallError, ErrorKind,
    client::{Address, kind_of},
    events::{Hints, collections},
};

const CONNECT_SECONDS: Duration = Duration::from_secs(15);
/// A full list of a large appliance takes minutes on old releases.
const CALL_SECONDS: Duration = Duration::from_mins(5);
/// What the appliance closes the connection for.
const LARGEST_REQUEST: usize = 65_536;
/// A list of 10,000 volumes with every property is 59 MB.
const LARGEST_ANSWER: usize = 512 << 20;
/// From here on the buffer that an answer was read into is not kept for the next.
const LARGE_ANSWER: usize = 1 << 20;

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

#[derive(Debug, Default)]
struct State {
    socket: Option<Socket>,
    last_id: u64,
    /// Messages that came before anybody waited for them.
    early: VecDeque<Bytes>,
    /// The release whose events are wanted.
    told_by: Option<(u16, u16)>,
    hints: Hints,
}

impl State {
    /// Opens and logs in, where there is no connection.
    async fn connected(&mut self, address: &Address, dialect: Dialect) -> Result<(), CallError> {
        if self.socket.is_some() {
            return Ok(());
        }
        self.early.clear();
        self.socket = Some(open(address, dialect).await?);
        let ready = self.introduce(address, dialect).await;
        if ready.is_err() {
            self.socket = None;
        }
        ready
    }

    async fn introduce(&mut self, address: &Address, dialect: Dialect) -> Result<(), CallError> {
        login(self, address, dialect).await?;
        if self.told_by.is_some() {
            subscribe(self, dialect).await?;
            // Nobody listened meanwhile.
            self.hints = Hints::ALL;
        }
        Ok(())
    }
}

fn broken(what: &str, error: &dyn std::fmt::Display) -> CallError {
    CallError::new(ErrorKind::Connection, format!("{what}: {error}"))
}

impl WebSocket {
    /// Connects and logs in. [`ErrorKind::NoMethod`] says that the appliance lacks this dialect.
    pub async fn connect(address: &Address, dialect: Dialect) -> Result<Self, CallError> {
        let mut state = State::default();
        state.connected(address, dialect).await?;
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
            state.connected(&self.address, self.dialect).await?;
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
    /// Asks the appliance to tell of changes from now on, also after the connection was made
    /// again. What it does not want to tell it does not tell.
    pub async fn listen(&self, release: (u16, u16)) -> Result<(), CallError> {
        let mut state = self.state.lock().await;
        if state.told_by.is_some() {
            return Ok(());
        }
        state.told_by = Some(release);
        if state.socket.is_none() {
            return Ok(());
        }
        let asked = subscribe(&mut state, self.dialect).await;
        if asked.is_err() {
            state.socket = None;
        }
        asked
    }

    /// Waits until the appliance tells of something. It may be dropped at any time; calls wait
    /// until it is. A connection that breaks here is made again by the next call.
    pub async fn hints(&self) -> Hints {
        let mut state = self.state.lock().await;
        loop {
            let hints = std::mem::take(&mut state.hints);
            if !hints.is_empty() {
                return hints;
            }
            if let Ok(message) = receive(&mut state).await {
                state.hints = Hints::of(&message);
            } else {
                state.socket = None;
                drop(state);
                return std::future::pending().await;
            }
        }
    }

    /// Calls a method that changes something: sent once. After a broken connection nobody knows
    /// whether it arrived, and only reading tells.
    pub async fn change(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        let mut state = self.state.lock().await;
        state.connected(&self.address, self.dialect).await?;
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

/// Asks for events. Only a broken connection is a failure.
async fn subscribe(state: &mut State, dialect: Dialect) -> Result<(), CallError> {
    let Some(release) = state.told_by else {
        return Ok(());
    };
    for name in collections(release) {
        match dialect {
            // The answer (`ready` or `nosub`) is of no interest.
            Dialect::Legacy => {
                state.last_id += 1;
                let request = json!({"msg": "sub", "id": state.last_id.to_string(), "name": name});
                send(state, request.to_string()).await?;
            }
            Dialect::JsonRpc => {
                let name = [json!(name)];
                match exchange(state, dialect, "core.subscribe", &name).await {
                    Err(error)
                        if matches!(error.kind, ErrorKind::Connection | ErrorKind::Unreadable) =>
                    {
                        return Err(error);
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
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

async fn receive(state: &mut State) -> Result<Bytes, CallError> {
    if let Some(message) = state.early.pop_front() {
        return Ok(message);
    }
    let Some(socket) = &mut state.socket else {
        return Err(CallError::new(ErrorKind::Connection, "not connected"));
    };
    loop {
        let message = socket.next().await;
        if let Some(message) = text_of(message)? {
            if message.len() >= LARGE_ANSWER {
                // The socket reads on into the buffer that this message lies in, and would keep
                // all of it for as long as the session lasts. Asked for more while the message is
                // in use it takes a new one, and this one goes with the message.
                // Trouble that shows here shows in the next call too.
                let next = socket.next().now_or_never();
                if let Some(Ok(Some(early))) = next.map(text_of) {
                    state.early.push_back(early);
                }
            }
            return Ok(message);
        }
    }
}

/// The text of what came; none when it is no text.
fn text_of(
    message: Option<Result<Message, tungstenite::Error>>,
) -> Result<Option<Bytes>, CallError> {
    match message {
        Some(Ok(Message::Text(text))) => Ok(Some(Bytes::from(text))),
        Some(Ok(Message::Close(frame))) => {
            let why = frame
                .map(|frame| frame.reason.to_string())
                .unwrap_or_default();
            Err(broken("the appliance closed the connection", &why))
        }
        Some(Ok(_)) => Ok(None),
        Some(Err(error)) => Err(broken("the connection broke", &error)),
        None => Err(CallError::new(
            ErrorKind::Connection,
            "the connection ended",
        )),
    }
}

/// An answer of either dialect; the result stays text.
#[derive(Deserialize)]
struct Envelope<'a> {
    /// Says in the older dialect what kind of message it is.
    #[serde(borrow, default)]
    msg: Option<&'a RawValue>,
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
                Ok(envelope) if !is_ours(&envelope, id) => {
                    state.hints = state.hints.and(Hints::of(&message));
                    continue;
                }
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
                None => Answer::whole(Bytes::from_static(b"null")),
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
    // An event carries the number of the row that changed, which may be that of our call.
    let event = ["\"added\"", "\"changed\"", "\"removed\""];
    if envelope.msg.is_some_and(|msg| event.contains(&msg.get())) {
        return false;
    }
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
