//! The older protocol at `/websocket`: a handshake, then numbered method calls.

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};

use super::{Right, Shared, Subscriptions, login};
use crate::Trouble;

pub(super) async fn serve(mut socket: WebSocket, shared: Shared, encrypted: bool) {
    let (mut connected, mut known) = (false, Right::Nothing);
    let mut told = Subscriptions::new(shared.events.subscribe());
    loop {
        let message = tokio::select! {
            message = socket.recv() => message,
            event = told.next() => {
                if socket.send(Message::Text(event.older().into())).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let Some(Ok(message)) = message else { return };
        let Message::Text(text) = message else {
            continue;
        };
        let Ok(request) = serde_json::from_str::<Value>(&text) else {
            return;
        };
        let answer = match request.get("msg").and_then(Value::as_str) {
            Some("connect") => {
                connected = true;
                Some(json!({"msg": "connected", "session": "simulated"}).to_string())
            }
            Some("ping") => Some(json!({"msg": "pong", "id": request.get("id")}).to_string()),
            Some("method") if connected => match answer(&shared, &request, encrypted, &mut known) {
                Some(answer) => Some(answer),
                None => return,
            },
            Some("sub") if known != Right::Nothing => {
                let name = request.get("name").and_then(Value::as_str);
                Some(if told.add(name.unwrap_or_default()) {
                    json!({"msg": "ready", "subs": [request.get("id")]}).to_string()
                } else {
                    json!({"msg": "nosub", "id": request.get("id"),
                        "error": {"error": 2, "reason": "no such event"}})
                    .to_string()
                })
            }
            _ => Some(json!({"msg": "failed", "version": "1"}).to_string()),
        };
        if let Some(answer) = answer
            && socket.send(Message::Text(answer.into())).await.is_err()
        {
            return;
        }
    }
}

fn answer(shared: &Shared, request: &Value, encrypted: bool, known: &mut Right) -> Option<String> {
    let id = request.get("id").cloned().unwrap_or_default();
    let method = request
        .get("method")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let params = request
        .get("params")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let result = match login(shared, method, &params, encrypted) {
        Some(tried) => tried.map(|(value, right)| {
            *known = right;
            value
        }),
        None if method == "core.ping" => Ok(json!("pong")),
        None if let Some(refused) = known.refuse(method) => Err(refused),
        None => {
            let mut nas = shared.nas();
            match nas.script.take(method) {
                Some(Trouble::Fail(wrong)) => Err(wrong),
                Some(Trouble::Drop | Trouble::Proxy(_)) => return None,
                Some(Trouble::Truncate) => {
                    let whole = shared.call(&mut nas, method, &params).unwrap_or_default();
                    let text = json!({"id": id, "msg": "result", "result": whole}).to_string();
                    return Some(text.chars().take(text.chars().count() / 2).collect());
                }
                None => shared.call(&mut nas, method, &params),
            }
        }
    };
    Some(match result {
        Ok(result) => json!({"id": id, "msg": "result", "result": result}).to_string(),
        Err(wrong) => {
            let mut error = wrong.data();
            error["type"] = if wrong.attribute.is_some() {
                json!("VALIDATION")
            } else {
                Value::Null
            };
            json!({"id": id, "msg": "result", "error": error}).to_string()
        }
    })
}
