//! Changes of what a query finds, over a WebSocket, as they reach the store.
//!
//! Rights are asked for again as they run out, and so is the token: who loses either sees objects leave, or the socket
//! close.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query as Parameters, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asker, Hub, Refusal};
use crate::agent::now;
use crate::answer;
use crate::query::Query;
use crate::query::parse::parse;
use crate::record::Record;
use crate::store;

/// How often the store is asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// A watch of more objects would cost more than it is worth.
const OBJECTS: u64 = 20_000;

/// What is watched.
#[derive(Debug, Deserialize)]
pub struct WatchParameters {
    /// The query.
    #[serde(default)]
    q: String,
}

/// `GET /api/v1/watch`
pub async fn watch(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Parameters(parameters): Parameters<WatchParameters>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refusal> {
    let asker = hub.enter(&headers).await?;
    let query = parse(&parameters.q).map_err(|problem| Refusal::Input(problem.message))?;
    let known = answer::known(&*asker.store).await?;
    let query = known.vocabulary.resolve(&query).0;
    if !query.text.is_empty() || query.by.is_some() {
        let why = "only exact terms can be watched: no words, no by:";
        return Err(Refusal::Input(why.to_owned()));
    }
    let total = asker.store.count(&query, now()).await?;
    hub.noted(&asker, "watch", &query.to_string(), total)?;
    Ok(upgrade.on_upgrade(move |socket| follow(hub, headers, asker, query, socket)))
}

async fn follow(
    hub: Hub,
    headers: HeaderMap,
    mut asker: Asker,
    query: Query,
    mut socket: WebSocket,
) {
    let mut before: Option<BTreeMap<String, (u64, Record)>> = None;
    loop {
        let messages = match look(&asker, &query, &mut before).await {
            Ok(messages) => messages,
            // The store may come back; a refusal stays one.
            Err(Refusal::Unavailable(why)) => vec![json!({"type": "problem", "error": why})],
            Err(refusal) => {
                let last = json!({"type": "problem", "error": refusal.to_string()});
                let _ = socket.send(Message::text(last.to_string())).await;
                return;
            }
        };
        for message in messages {
            if socket
                .send(Message::text(message.to_string()))
                .await
                .is_err()
            {
                return;
            }
        }
        tokio::select! {
            () = hub.0.shutdown.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
            // Nothing is expected from the other side but its end.
            came = socket.recv() => match came {
                None | Some(Err(_) | Ok(Message::Close(_))) => return,
                Some(Ok(_)) => {}
            },
        }
        let entered = async {
            let caller = hub.0.authenticator.caller(&headers).await?;
            let store = hub.visible(&caller).await?;
            Ok::<_, Refusal>(Asker { caller, store })
        };
        match entered.await {
            Ok(again) => asker = again,
            Err(Refusal::Unavailable(_)) => {}
            Err(_) => return,
        }
    }
}

/// What changed since the last look.
async fn look(
    asker: &Asker,
    query: &Query,
    before: &mut Option<BTreeMap<String, (u64, Record)>>,
) -> Result<Vec<Value>, Refusal> {
    if asker.store.count(query, now()).await? > OBJECTS {
        return Err(Refusal::Input(format!(
            "more than {OBJECTS} objects cannot be watched: ask for less"
        )));
    }
    let records = store::all(&*asker.store, query, now()).await?;
    let after: BTreeMap<String, (u64, Record)> = records
        .into_iter()
        .map(|record| (record.id.clone(), (record.visible(), record)))
        .collect();
    let mut messages = Vec::new();
    if let Some(before) = before {
        for (id, (digest, record)) in &after {
            match before.get(id) {
                None => messages.push(json!({"type": "added", "id": id, "object": record})),
                Some((old, _)) if old != digest => {
                    messages.push(json!({"type": "changed", "id": id, "object": record}));
                }
                Some(_) => {}
            }
        }
        for id in before.keys().filter(|id| !after.contains_key(*id)) {
            messages.push(json!({"type": "gone", "id": id}));
        }
    } else {
        let known = answer::known(&*asker.store).await?;
        let freshness = answer::freshness(&known, query, now());
        messages.push(json!({"type": "snapshot", "total": after.len(), "freshness": freshness}));
    }
    *before = Some(after);
    Ok(messages)
}
