//! JSON-RPC 2.0 at `/api/current`.

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::{Value, json};

use super::{AFTER_LOGIN, BEFORE_LOGIN, Right, Shared, Subscriptions, login};
use crate::{MethodError, Trouble};

pub(super) async fn serve(mut socket: WebSocket, shared: Shared, encrypted: bool) {
    let mut known = Right::Nothing;
    let mut told = Subscriptions::new(shared.events.subscribe());
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            event = told.next() => {
                if socket.send(Message::Text(event.newer().into())).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(Ok(message)) = message else { return };
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) | Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        let anonymous = known == Right::Nothing;
        let limit = if anonymous { BEFORE_LOGIN } else { AFTER_LOGIN };
        if text.len() > limit {
            let close = if anonymous {
                CloseFrame {
                    code: 1007,
                    reason: "Anonymous connection max message length is 8 kB".into(),
                }
            } else {
                CloseFrame {
                    code: 1009,
                    reason: "Max message length is 64 kB".into(),
                }
            };
            let _ = socket.send(Message::Close(Some(close))).await;
            return;
        }
        let answer = match serde_json::from_str::<Value>(&text) {
            Ok(Value::Object(request)) => {
                let request = Value::Object(request);
                match answer(&shared, &request, encrypted, &mut known, &mut told) {
                    Some(answer) => answer,
                    None => return,
                }
            }
            _ => json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "Parse error"}})
                .to_string(),
        };
        if socket.send(Message::Text(answer.into())).await.is_err() {
            return;
        }
    }
}

/// The answer's text; none when the connection is to be dropped.
fn answer(
    shared: &Shared,
    request: &Value,
    encrypted: bool,
    known: &mut Right,
    told: &mut Subscriptions,
) -> Option<String> {
    let id = request.get("id").cloned().unwrap_or_default();
    let error = |code: i64, message: &str, data: Value| {
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "data": data}})
            .to_string()
    };
    let Some(method) = request.get("method").and_then(Value::as_str) else {
        return Some(error(-32600, "Invalid Request", Value::Null));
    };
    let params = match request.get("params") {
        None => Vec::new(),
        Some(Value::Array(params)) => params.clone(),
        Some(_) => return Some(error(-32600, "Invalid Request", Value::Null)),
    };
    let failed = |wrong: &MethodError| match wrong.errno {
        201 => error(-32601, "Method does not exist", Value::Null),
        _ if wrong.attribute.is_some() => error(-32602, "Invalid params", wrong.data()),
        _ => error(-32001, "Method call error", wrong.data()),
    };
    let result = match login(shared, method, &params, encrypted) {
        Some(tried) => tried.map(|(value, right)| {
            *known = right;
            value
        }),
        None if method == "core.ping" => Ok(json!("pong")),
        None if let Some(refused) = known.refuse(method) => Err(refused),
        None if method == "core.subscribe" => {
            let name = params.first().and_then(Value::as_str).unwrap_or_default();
            if told.add(name) {
                Ok(json!(format!("subscription-{name}")))
            } else {
                Err(MethodError::invalid(
                    "name",
                    format!("{name}: no such event"),
                ))
            }
        }
        None => {
            let mut nas = shared.nas();
            match nas.script.take(method) {
                Some(Trouble::Fail(wrong)) => Err(wrong),
                Some(Trouble::Drop | Trouble::Proxy(_)) => return None,
                Some(Trouble::Truncate) => {
                    let whole = shared.call(&mut nas, method, &params).unwrap_or_default();
                    let text = json!({"jsonrpc": "2.0", "id": id, "result": whole}).to_string();
                    return Some(text.chars().take(text.chars().count() / 2).collect());
                }
                None => shared.call(&mut nas, method, &params),
            }
        }
    };
    Some(match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string(),
        Err(wrong) => failed(&wrong),
    })
}
