//! What the fleet knows of one object: metadata and the status a reader cares about, never the whole object.

use std::collections::BTreeMap;
use std::hash::{Hash as _, Hasher as _};

use rustc_hash::FxHasher;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::health::Health;
use crate::identity::Identity;

/// One condition of an object, without its timestamps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// For example `Ready`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why, in words; cut to [`MESSAGE_BYTES`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The longest message that is kept of a condition or of an object's state, in bytes.
pub const MESSAGE_BYTES: usize = 512;

/// The user-relevant status of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Status {
    /// `status.phase`, where the kind has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Replica counts by field name: `replicas`, `readyReplicas`, `availableReplicas` …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, i64>,
    /// The conditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The kind's printer columns as kubectl shows them, name and cell, ages left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<(String, String)>,
}

/// How many of the wanted replicas are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// Replicas are wanted, none is ready.
    None,
    /// Some are ready.
    Partial,
    /// All are ready.
    Full,
    /// None is wanted.
    Zero,
}

impl Availability {
    /// As it is written in queries and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Partial => "partial",
            Self::Full => "full",
            Self::Zero => "zero",
        }
    }
}

/// One object of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The readable id.
    pub id: String,
    /// What makes it this object.
    #[serde(flatten)]
    pub identity: Identity,
    /// Group and version it was read in.
    pub api_version: String,
    /// The plural name of its kind in the API, as in `kubectl get deployments`.
    pub resource: String,
    /// The object's uid: a deleted and newly made object of the same name has another one.
    pub uid: String,
    /// Labels, each as `key=value` and as `key`, sorted.
    pub labels: Vec<String>,
    /// Annotations, without copies of the object and without anything secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Owners, as `Kind/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// Owners' uids, in the order of `owners`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owner_uids: Vec<String>,
    /// Container images, where the object has containers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// What it is about, in the words of [`crate::concepts`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// Its state in one word.
    pub health: Health,
    /// Why it is not current, in one word.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Why it is not current, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// How many of the wanted replicas are ready, where the kind has replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
    /// Status details.
    pub status: Status,
    /// When the object was made, seconds since 1970; 0 if unknown.
    pub created_at: i64,
    /// When the agent last saw something change in it that a reader can see, seconds since 1970.
    pub updated_at: i64,
}

impl Record {
    /// The labels as a map.
    pub fn label_map(&self) -> BTreeMap<&str, &str> {
        self.labels
            .iter()
            .filter_map(|label| label.split_once('='))
            .collect()
    }

    /// A digest of what a reader can see: all but `updated_at`. Two records with the same digest need no write.
    /// It is kept for every object of a cluster, so it is small; it never leaves the agent.
    pub fn visible(&self) -> u64 {
        let Self {
            id,
            identity: _,
            api_version: _,
            resource,
            uid,
            labels,
            annotations,
            owners,
            owner_uids,
            images,
            about,
            health,
            reason,
            message,
            availability,
            status,
            created_at,
            updated_at: _,
        } = self;
        let mut hasher = FxHasher::default();
        (
            id,
            resource,
            uid,
            labels,
            annotations,
            owners,
            owner_uids,
            images,
            about,
        )
            .hash(&mut hasher);
        (health, reason, message, availability, status, created_at).hash(&mut hasher);
        // Fx leaves the low bits weak on short inputs.
        hasher.finish().rotate_left(26) ^ hasher.finish()
    }
}

/// Cuts a text at a character border so that it takes at most `bytes`.
pub fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn cuts_at_a_character() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("ééééé", 8), "éé…");
    }
}
