//! REST v2.0: a thin cover over the methods.

use axum::{
    body::to_bytes,
    extract::Request,
    http::{Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::Shared;
use crate::{MethodError, Trouble};

const LARGEST_BODY: usize = 1 << 20;

pub(super) async fn serve(
    shared: &Shared,
    encrypted: bool,
    path: &str,
    request: Request,
) -> Response {
    let key = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    // REST never revokes and never throttles: it authenticates each request.
    let _ = encrypted;
    if key != shared.options.api_key {
        return (StatusCode::UNAUTHORIZED, "Invalid API key").into_response();
    }
    let method = request.method().clone();
    let query = request.uri().query().unwrap_or_default().to_owned();
    // The router has decoded the path once; ids carry slashes, so the raw one is needed.
    let raw = request
        .uri()
        .path()
        .strip_prefix("/api/v2.0/")
        .unwrap_or(path)
        .trim_matches('/')
        .to_owned();
    let Ok(body) = to_bytes(request.into_body(), LARGEST_BODY).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "").into_response();
    };
    let body: Value = if body.is_empty() {
        Value::Null
    } else {
        match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(error) => {
                return reply(
                    StatusCode::BAD_REQUEST,
                    &json!({"message": error.to_string()}),
                );
            }
        }
    };
    let Some((name, params, single)) = resolve(&method, &raw, &query, body) else {
        return reply(StatusCode::NOT_FOUND, &json!({"message": ""}));
    };
    let mut nas = shared.nas();
    let mut truncate = false;
    let result = match nas.script.take(&name) {
        Some(Trouble::Fail(wrong)) => Err(wrong),
        Some(Trouble::Proxy(status)) => {
            return (
                StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY),
                "",
            )
                .into_response();
        }
        Some(Trouble::Drop) => return (StatusCode::BAD_GATEWAY, "").into_response(),
        Some(Trouble::Truncate) => {
            truncate = true;
            shared.call(&mut nas, &name, &params)
        }
        None => shared.call(&mut nas, &name, &params),
    };
    match result {
        Ok(value) if truncate => {
            let text = value.to_string();
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            (
                StatusCode::OK,
                [(header::CONTENT_TYPE, "application/json")],
                half,
            )
                .into_response()
        }
        Ok(Value::Array(rows)) if single => match rows.into_iter().next() {
            Some(row) => reply(StatusCode::OK, &row),
            None => reply(StatusCode::NOT_FOUND, &json!({"message": ""})),
        },
        Ok(value) => reply(StatusCode::OK, &value),
        Err(wrong) => refuse(&wrong),
    }
}

fn refuse(wrong: &MethodError) -> Response {
    match (&wrong.attribute, wrong.errno) {
        (Some(attribute), errno) => reply(
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!({attribute.as_str(): [{"message": wrong.reason, "errno": errno}]}),
        ),
        (None, 201) => reply(StatusCode::NOT_FOUND, &json!({"message": ""})),
        (None, 13) => (StatusCode::FORBIDDEN, "").into_response(),
        (None, errno) => reply(
            StatusCode::UNPROCESSABLE_ENTITY,
            &json!({"message": format!("[{}] {}", wrong.errname, wrong.reason), "errno": errno}),
        ),
    }
}

fn reply(status: StatusCode, value: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        value.to_string(),
    )
        .into_response()
}

/// Method, parameters, and whether one row is asked for.
fn resolve(
    method: &Method,
    path: &str,
    query: &str,
    body: Value,
) -> Option<(String, Vec<Value>, bool)> {
    let fixed = match path {
        "system/version" => Some("system.version"),
        "system/info" => Some("system.info"),
        "iscsi/global" => Some("iscsi.global.config"),
        "iscsi/global/sessions" => Some("iscsi.global.sessions"),
        "nfs/get_nfs3_clients" => Some("nfs.get_nfs3_clients"),
        "nfs/get_nfs4_clients" => Some("nfs.get_nfs4_clients"),
        "core/ping" => Some("core.ping"),
        "zfs/snapshot/clone" => Some("zfs.snapshot.clone"),
        "pool/dataset/destroy_snapshots" => Some("pool.dataset.destroy_snapshots"),
        "replication/run_onetime" => Some("replication.run_onetime"),
        "filesystem/setperm" => Some("filesystem.setperm"),
        "filesystem/chown" => Some("filesystem.chown"),
        _ => None,
    };
    if path == "core/get_jobs" {
        let (filters, options) = listing(query, &body);
        return Some(("core.get_jobs".to_owned(), vec![filters, options], false));
    }
    if let Some(name) = fixed {
        let params = if body.is_null() {
            Vec::new()
        } else {
            vec![body]
        };
        return Some((name.to_owned(), params, false));
    }
    if let Some((namespace, id)) = path.split_once("/id/") {
        let namespace = namespace.replace('/', ".");
        let id = decode(id);
        let id = id
            .parse::<u64>()
            .map_or_else(|_| json!(id), |number| json!(number));
        return match *method {
            Method::GET => {
                let (_, options) = listing(query, &Value::Null);
                let filters = json!([["id", "=", id]]);
                Some((format!("{namespace}.query"), vec![filters, options], true))
            }
            Method::PUT => Some((format!("{namespace}.update"), vec![id, body], false)),
            Method::DELETE => Some((format!("{namespace}.delete"), vec![id, body], false)),
            _ => None,
        };
    }
    let namespace = path.replace('/', ".");
    match *method {
        Method::GET => {
            let (filters, options) = listing(query, &body);
            Some((format!("{namespace}.query"), vec![filters, options], false))
        }
        Method::POST => Some((format!("{namespace}.create"), vec![body], false)),
        _ => None,
    }
}

/// Filters and options, of the body or of the query string.
fn listing(query: &str, body: &Value) -> (Value, Value) {
    let mut filters = body
        .get("query-filters")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let mut options = body
        .get("query-options")
        .cloned()
        .unwrap_or_else(|| json!({}));
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name), decode(value));
        let parsed = || serde_json::from_str(&value).unwrap_or_else(|_| json!(value));
        if let Some(name) = name.strip_prefix("extra.") {
            options["extra"][name] = parsed();
        } else if ["limit", "offset", "count"].contains(&name.as_str()) {
            options[&name] = parsed();
        } else if name == "sort" {
            options["order_by"] = value.split(',').collect();
        } else {
            let (field, op) = name.split_once("__").unwrap_or((&name, "="));
            let op = match op {
                "eq" => "=",
                "neq" => "!=",
                "gt" => ">",
                "lt" => "<",
                "gte" => ">=",
                "lte" => "<=",
                "regex" => "~",
                other => other,
            };
            filters.push(json!([field, op, parsed()]));
        }
    }
    (Value::Array(filters), options)
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%')
            .then(|| text.get(at + 1..at + 3))
            .flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_with_slashes_come_encoded() {
        let (name, params, single) = resolve(
            &Method::GET,
            "pool/dataset/id/tank%2Fk8s%2Fpvc-1",
            "",
            Value::Null,
        )
        .unwrap();
        assert_eq!((name.as_str(), single), ("pool.dataset.query", true));
        assert_eq!(params, [json!([["id", "=", "tank/k8s/pvc-1"]]), json!({})]);
    }

    #[test]
    fn query_strings_become_filters() {
        let (filters, options) = listing("name__regex=pvc&limit=5&extra.flat=false", &Value::Null);
        assert_eq!(filters, json!([["name", "~", "pvc"]]));
        assert_eq!(options, json!({"limit": 5, "extra": {"flat": false}}));
    }
}
