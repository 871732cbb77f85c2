//! Events: what is told to sessions that asked for it.
//!
//! As on the appliance only what came through the API is told, creations and changes under the
//! name of the table's query, and nothing is told twice. [`Options::lose_events`] loses them all.
//!
//! [`Options::lose_events`]: super::Options::lose_events

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::sync::broadcast;

/// Tables of which events are told.
const TOLD: [&str; 10] = [
    "pool.dataset",
    "pool.snapshot",
    "zfs.snapshot",
    "sharing.nfs",
    "sharing.smb",
    "iscsi.target",
    "iscsi.extent",
    "iscsi.targetextent",
    "pool.snapshottask",
    "replication",
];

/// Something that changed.
#[derive(Debug, Clone)]
pub(super) struct Event {
    /// added, changed or removed.
    msg: &'static str,
    /// `pool.dataset.query`.
    pub(super) collection: String,
    id: Value,
    fields: Value,
}

impl Event {
    /// What a call that succeeded tells.
    pub(super) fn of(method: &str, params: &[Value], result: &Value) -> Option<Self> {
        let (table, verb) = method.rsplit_once('.')?;
        if !TOLD.contains(&table) {
            return None;
        }
        let given = params.first().cloned().unwrap_or_default();
        let (msg, id) = match verb {
            "create" => ("added", result.get("id").cloned().unwrap_or_default()),
            "update" => ("changed", given),
            "delete" => ("removed", given),
            _ => return None,
        };
        let fields = if msg == "removed" {
            Value::Null
        } else {
            result.clone()
        };
        Some(Self {
            msg,
            collection: format!("{table}.query"),
            id,
            fields,
        })
    }

    /// As the older protocol says it.
    pub(super) fn older(&self) -> String {
        json!({"msg": self.msg, "collection": self.collection, "id": self.id, "fields": self.fields})
            .to_string()
    }

    /// As JSON-RPC says it.
    pub(super) fn newer(&self) -> String {
        json!({"jsonrpc": "2.0", "method": "collection_update", "params": {"msg": self.msg,
            "collection": self.collection, "id": self.id, "fields": self.fields}})
        .to_string()
    }
}

/// What one session asked for.
pub(super) struct Subscriptions {
    names: BTreeSet<String>,
    source: broadcast::Receiver<Event>,
}

impl Subscriptions {
    pub(super) fn new(source: broadcast::Receiver<Event>) -> Self {
        Self {
            names: BTreeSet::new(),
            source,
        }
    }

    /// Asks for a collection; whether there is such a one.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let known = name
            .strip_suffix(".query")
            .is_some_and(|table| TOLD.contains(&table));
        if known {
            self.names.insert(name.to_owned());
        }
        known
    }

    /// The next one that was asked for.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            match self.source.recv().await {
                Ok(event) if self.names.contains(&event.collection) => return event,
                // Others, or too many at once: those are lost.
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}
