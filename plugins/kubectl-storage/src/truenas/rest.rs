//! REST v2.0, for appliances without a WebSocket that can be reached.
//!
//! Every call is a login of its own and leaves a line in the appliance's audit log.

use pequod_diag::Secret;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{Answer, CallError, ErrorKind, client::Address, client::kind_of};

/// A client without a connection of its own.
#[derive(Debug)]
pub struct Rest {
    client: reqwest::Client,
    root: String,
    key: Secret<String>,
}

impl Rest {
    pub(super) fn new(address: &Address) -> Result<Self, CallError> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(address.trust.config()?)
            .http1_only()
            .connect_timeout(std::time::Duration::from_secs(15))
            // nginx in front gives up after a minute.
            .timeout(std::time::Duration::from_secs(90))
            .build()
            .map_err(|error| CallError::new(ErrorKind::Connection, error.to_string()))?;
        let root = format!("https://{}:{}/api/v2.0/", address.host, address.port);
        Ok(Self {
            client,
            root,
            key: address.key.clone(),
        })
    }

    /// Calls a method that only reads.
    pub async fn call(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        let (path, body) = resource(method, params);
        let mut request = self
            .client
            .get(format!("{}{path}", self.root))
            .bearer_auth(self.key.expose());
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request
            .send()
            .await
            .map_err(|error| failed(method, &error))?;
        let status = response.status();
        let bytes = response
            .bytes()
            .await
            .map_err(|error| failed(method, &error))?;
        if status.is_success() {
            return Ok(Answer::whole(bytes));
        }
        Err(refusal(method, status, &bytes))
    }
}

/// Path and body of a reading method: `pool.dataset.query` is `pool/dataset` with the filters in
/// the body, which the appliance takes from a GET too and which knows no limit of length.
fn resource(method: &str, params: &[Value]) -> (String, Option<Value>) {
    let listed = method.strip_suffix(".query");
    let named = listed
        .or_else(|| method.strip_suffix(".config"))
        .unwrap_or(method);
    let body = listed.is_some().then(|| {
        json!({"query-filters": params.first().cloned().unwrap_or_else(|| json!([])),
            "query-options": params.get(1).cloned().unwrap_or_else(|| json!({}))})
    });
    (named.replace('.', "/"), body)
}

fn failed(method: &str, error: &reqwest::Error) -> CallError {
    let mut reason = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        reason = format!("{reason}: {cause}");
        next = cause.source();
    }
    let kind = if reason.contains("certificate") {
        ErrorKind::Certificate
    } else {
        ErrorKind::Connection
    };
    CallError::new(kind, format!("{method}: {reason}"))
}

fn refusal(method: &str, status: StatusCode, body: &[u8]) -> CallError {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let reason = body
        .get("message")
        .and_then(Value::as_str)
        .filter(|reason| !reason.is_empty())
        .map_or_else(|| format!("answered {status}"), str::to_owned);
    let kind = match status.as_u16() {
        401 => ErrorKind::Login,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NoMethod,
        502 | 504 => ErrorKind::Connection,
        _ => kind_of(
            body.get("errno")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            &reason,
        ),
    };
    CallError::new(kind, format!("{method}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_become_resources() {
        assert_eq!(
            resource("system.version", &[]),
            ("system/version".to_owned(), None)
        );
        assert_eq!(resource("iscsi.global.config", &[]).0, "iscsi/global");
        let (path, body) = resource("pool.dataset.query", &[json!([["id", "=", "tank"]])]);
        assert_eq!(path, "pool/dataset");
        assert_eq!(body.unwrap()["query-filters"], json!([["id", "=", "tank"]]));
    }
}
