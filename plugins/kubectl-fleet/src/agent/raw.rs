//! Requests to an API server whose answers are read as they are: any kind, tables, streams.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;

use super::lean::Lean;

/// Objects as tables: printer columns and the object itself in one answer.
pub(super) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// What went wrong with a request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RawError {
    /// There was no answer, or it broke off.
    #[error("no answer to {path}: {why}")]
    Connection {
        /// What was asked for.
        path: String,
        /// What happened.
        why: String,
    },
    /// The API server said no.
    #[error("{path} answered {code}: {message}")]
    Status {
        /// What was asked for.
        path: String,
        /// The HTTP status.
        code: u16,
        /// The server's words.
        message: String,
        /// How long it asked to be left alone, in seconds.
        retry_after_seconds: Option<u64>,
    },
    /// The answer is not what it should be.
    #[error("{path} answered something unexpected: {why}")]
    Unexpected {
        /// What was asked for.
        path: String,
        /// What is wrong.
        why: String,
    },
}

impl RawError {
    /// The HTTP status, if there was one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The resource version is too old: everything has to be read anew.
    pub(super) fn is_expired(&self) -> bool {
        matches!(self.code(), Some(410 | 504))
    }

    /// How long the server asked to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status {
                retry_after_seconds,
                ..
            } => retry_after_seconds.map(Duration::from_secs),
            _ => None,
        }
    }
}

fn broken(path: &str, error: &dyn std::error::Error) -> RawError {
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        why = format!("{why}: {next}");
        cause = next.source();
    }
    RawError::Connection {
        path: path.split('?').next().unwrap_or(path).to_owned(),
        why,
    }
}

async fn send(client: &kube::Client, path: &str, accept: &str) -> Result<Body, RawError> {
    let request = Request::get(path)
        .header("accept", accept)
        .body(Body::empty())
        .map_err(|error| broken(path, &error))?;
    answered(client, path, request).await
}

async fn answered(
    client: &kube::Client,
    path: &str,
    request: Request<Body>,
) -> Result<Body, RawError> {
    let answer = client
        .send(request)
        .await
        .map_err(|error| broken(path, &error))?;
    if answer.status().is_success() {
        return Ok(answer.into_body());
    }
    let retry_after_seconds = answer
        .headers()
        .get("retry-after")
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse().ok());
    let code = answer.status();
    let body = answer
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let status: Value = serde_json::from_slice(&body).unwrap_or_default();
    Err(RawError::Status {
        path: path.split('?').next().unwrap_or(path).to_owned(),
        code: code.as_u16(),
        message: status
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or(reason(code))
            .to_owned(),
        retry_after_seconds,
    })
}

fn reason(code: StatusCode) -> &'static str {
    code.canonical_reason().unwrap_or("no reason given")
}

/// The answer to a JSON document that is sent.
pub(super) async fn post(
    client: &kube::Client,
    path: &str,
    body: &Value,
) -> Result<Value, RawError> {
    let bytes = serde_json::to_vec(body).map_err(|error| broken(path, &error))?;
    let request = Request::post(path)
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .body(Body::from(bytes))
        .map_err(|error| broken(path, &error))?;
    document(path, answered(client, path, request)).await
}

/// A JSON document.
pub(super) async fn get(
    client: &kube::Client,
    path: &str,
    accept: &str,
) -> Result<Value, RawError> {
    document(path, send(client, path, accept)).await
}

async fn document(
    path: &str,
    answer: impl Future<Output = Result<Body, RawError>>,
) -> Result<Value, RawError> {
    let whole = async {
        let body = answer.await?;
        let bytes = body
            .collect()
            .await
            .map_err(|error| broken(path, &error))?
            .to_bytes();
        parsed(path, &bytes)
    };
    match tokio::time::timeout(Duration::from_mins(1), whole).await {
        Ok(done) => done,
        Err(_) => Err(RawError::Connection {
            path: path.to_owned(),
            why: "no answer for 60 seconds".to_owned(),
        }),
    }
}

/// The document that an answer from a path is.
fn parsed(path: &str, bytes: &[u8]) -> Result<Value, RawError> {
    match serde_json::from_slice(bytes) {
        Ok(Lean(document)) => Ok(document),
        Err(error) => Err(RawError::Unexpected {
            path: path.to_owned(),
            why: error.to_string(),
        }),
    }
}

/// A stream of JSON documents, one a line.
pub(super) struct Lines {
    path: String,
    body: Body,
    buffer: Vec<u8>,
    /// Where the next line begins: what is before it goes when the buffer is filled up.
    begin: usize,
    /// Up to here there is no end of that line.
    searched: usize,
}

/// A line longer than this is no object of an API server.
const LINE_BYTES: usize = 64 << 20;

pub(super) async fn lines(
    client: &kube::Client,
    path: &str,
    accept: &str,
) -> Result<Lines, RawError> {
    let body = send(client, path, accept).await?;
    Ok(Lines {
        path: path.split('?').next().unwrap_or(path).to_owned(),
        body,
        buffer: Vec::new(),
        begin: 0,
        searched: 0,
    })
}

impl Lines {
    /// The next document; none when the server has ended the stream. `silence` is the longest time without a byte.
    pub(super) async fn next(&mut self, silence: Duration) -> Result<Option<Value>, RawError> {
        loop {
            let new = &self.buffer[self.searched..];
            if let Some(at) = new.iter().position(|&byte| byte == b'\n') {
                let end = self.searched + at;
                let line = &self.buffer[self.begin..end];
                (self.begin, self.searched) = (end + 1, end + 1);
                return parsed(&self.path, line).map(Some);
            }
            self.buffer.drain(..self.begin);
            (self.begin, self.searched) = (0, self.buffer.len());
            if self.buffer.len() > LINE_BYTES {
                return Err(RawError::Unexpected {
                    path: self.path.clone(),
                    why: "a line without an end".to_owned(),
                });
            }
            match tokio::time::timeout(silence, self.body.frame()).await {
                Err(_) => {
                    let why = format!("silent for {} seconds", silence.as_secs());
                    return Err(RawError::Connection {
                        path: self.path.clone(),
                        why,
                    });
                }
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(broken(&self.path, &error)),
                Ok(Some(Ok(frame))) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
            }
        }
    }
}

/// A JSON document that an agent cannot begin without. A server that is only busy is asked again a few times.
async fn get_patiently(client: &kube::Client, path: &str, times: u32) -> Result<Value, RawError> {
    let mut pause = Duration::from_millis(300);
    for _ in 0..times {
        match get(client, path, "application/json").await {
            Err(error) if error.code().is_some_and(|code| code == 429 || code >= 500) => {
                tokio::time::sleep(
                    error
                        .retry_after()
                        .unwrap_or(pause)
                        .min(Duration::from_secs(30)),
                )
                .await;
                pause *= 2;
            }
            done => return done,
        }
    }
    get(client, path, "application/json").await
}

/// What makes a cluster this cluster: the uid of its kube-system namespace.
pub(super) async fn cluster_uid(client: &kube::Client) -> Result<String, RawError> {
    let path = "/api/v1/namespaces/kube-system";
    let namespace = get_patiently(client, path, 5).await?;
    match namespace.pointer("/metadata/uid").and_then(Value::as_str) {
        Some(uid) => Ok(uid.to_owned()),
        None => Err(RawError::Unexpected {
            path: path.to_owned(),
            why: "a namespace without a uid".to_owned(),
        }),
    }
}

/// Whether the API server answers a list as one does that knows what its storage holds: newer ones wait for their caches,
/// which watches are served from, before they do. Who may not list is answered as well.
pub(super) async fn answers(client: &kube::Client) -> bool {
    const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    match get(client, "/api/v1/namespaces?limit=1", METADATA).await {
        Ok(_) => true,
        Err(error) => error.code() == Some(403),
    }
}

/// The Kubernetes version. A server that is busy is asked again so many times.
pub(super) async fn version(client: &kube::Client, times: u32) -> Result<String, RawError> {
    let version = get_patiently(client, "/version", times).await?;
    Ok(version
        .get("gitVersion")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned())
}
