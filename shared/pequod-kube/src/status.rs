//! Whether an object is what it was asked to be: the kstatus rules.
//!
//! They are those of sigs.k8s.io/cli-utils `pkg/kstatus`, which Flux, kapp and others share: an object is *current*
//! when its controller has seen its newest generation and brought it about; conditions `Reconciling` and `Stalled`
//! speak for themselves; built-in kinds, which have neither, are read each in its own way; anything else is asked for
//! its condition `Ready`, and is current if it has none.
//!
//! Two rules differ, on purpose. A Job is current when it is complete, not when it has started (as Flux reads it):
//! whoever waits for a migration waits for its end. A Pod that cannot be scheduled is in progress, not failed: a node
//! may be on its way, and the caller has a time limit.

mod builtin;

use serde_json::Value;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// As it was asked to be.
    Current,
    /// On the way.
    InProgress,
    /// It will not get there without a change.
    Failed,
    /// Being deleted.
    Terminating,
    /// Not there.
    NotFound,
    /// It cannot be told.
    Unknown,
}

/// What an object is, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it is.
    pub status: Status,
    /// Why, for people; may be empty.
    pub message: String,
}

impl Verdict {
    /// As it was asked to be.
    pub const fn current() -> Self {
        Self {
            status: Status::Current,
            message: String::new(),
        }
    }

    /// On the way.
    pub fn in_progress(message: impl Into<String>) -> Self {
        Self {
            status: Status::InProgress,
            message: message.into(),
        }
    }

    /// It will not get there without a change.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            status: Status::Failed,
            message: message.into(),
        }
    }
}

/// Reads an object; `None` is one that is not there.
///
/// ```
/// use pequod_kube::status::{Status, of};
/// use serde_json::json;
///
/// let stale = json!({
///     "apiVersion": "example.org/v1", "kind": "Bucket",
///     "metadata": {"name": "b", "generation": 2},
///     "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}
/// });
/// assert_eq!(of(Some(&stale)).status, Status::InProgress);
/// assert_eq!(of(None).status, Status::NotFound);
/// ```
pub fn of(object: Option<&Value>) -> Verdict {
    let Some(object) = object else {
        return Verdict {
            status: Status::NotFound,
            message: "it is not there".to_owned(),
        };
    };
    if crate::object::is_terminating(object) {
        return Verdict {
            status: Status::Terminating,
            message: "it is being deleted".to_owned(),
        };
    }
    if let Some(stale) = stale(object) {
        return stale;
    }
    if let Some(verdict) = by_standard_conditions(object) {
        return verdict;
    }
    builtin::read(object).unwrap_or_else(|| by_ready(object))
}

/// The controller has not seen the newest generation yet.
fn stale(object: &Value) -> Option<Verdict> {
    let observed = number(object, "/status/observedGeneration")?;
    let generation = number(object, "/metadata/generation")?;
    (observed != generation).then(|| {
        Verdict::in_progress(format!(
            "generation {generation} was not seen yet (only {observed})"
        ))
    })
}

fn by_standard_conditions(object: &Value) -> Option<Verdict> {
    if let Some(condition) = condition(object, "Stalled").filter(|c| c.status == "True") {
        return Some(Verdict::failed(condition.text()));
    }
    let reconciling = condition(object, "Reconciling").filter(|c| c.status == "True")?;
    Some(Verdict::in_progress(reconciling.text()))
}

fn by_ready(object: &Value) -> Verdict {
    match condition(object, "Ready") {
        Some(ready) if ready.status != "True" => Verdict::in_progress(ready.text()),
        _ => Verdict::current(),
    }
}

/// A condition of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConditionView<'a> {
    /// Its type.
    pub kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub status: &'a str,
    /// Its reason; may be empty.
    pub reason: &'a str,
    /// Its message; may be empty.
    pub message: &'a str,
    /// The generation that it speaks of, if it says so.
    pub observed_generation: Option<i64>,
}

impl ConditionView<'_> {
    /// What it says, for people.
    pub fn text(&self) -> String {
        match (self.reason, self.message) {
            ("", "") => format!("{} is {}", self.kind, self.status),
            ("", message) => message.to_owned(),
            (reason, "") => format!("{} is {}: {reason}", self.kind, self.status),
            (reason, message) => format!("{reason}: {message}"),
        }
    }
}

/// The condition of a type.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<ConditionView<'a>> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    all.iter()
        .find(|c| c.get("type").and_then(Value::as_str) == Some(kind))
        .map(|c| {
            let text = |key: &str| c.get(key).and_then(Value::as_str).unwrap_or_default();
            ConditionView {
                kind: text("type"),
                status: text("status"),
                reason: text("reason"),
                message: text("message"),
                observed_generation: c.get("observedGeneration").and_then(Value::as_i64),
            }
        })
}

fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
