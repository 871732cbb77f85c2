//! From an object of the API server to a [`Record`].

use std::collections::BTreeMap;

use serde_json::Value;

use crate::concepts;
use crate::health::{self, Health};
use crate::identity::Identity;
use crate::record::{Condition, MESSAGE_BYTES, Record, Status, cut};
use crate::redact;

/// A kind as the API server serves it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Served {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version it is read in.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The plural name in paths.
    pub resource: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Other names for it: singular, short names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Its categories, such as `all`.
    #[serde(default)]
    pub categories: Vec<String>,
    /// What its definition says of it, in the words of [`concepts`].
    #[serde(default)]
    pub about: Vec<String>,
}

impl Served {
    /// `apps/v1`, or `v1` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// `deployments.apps`, or `pods` for the core group: how kubectl names a kind without doubt.
    pub fn full_name(&self) -> String {
        if self.group.is_empty() {
            self.resource.clone()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }

    /// The path of its collection.
    pub fn path(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}/{}", self.version, self.resource)
        } else {
            format!("/apis/{}/{}/{}", self.group, self.version, self.resource)
        }
    }

    /// Kinds whose content is a secret or a bulk of data: only their metadata is read.
    pub fn metadata_only(&self) -> bool {
        self.group.is_empty() && matches!(self.resource.as_str(), "secrets" | "configmaps")
    }
}

/// How many labels of one object are kept.
const LABELS: usize = 64;

/// What the fleet keeps of an object. `columns` are its printer columns, `now` is in seconds since 1970.
/// An object without a name is no object.
pub fn record(
    cluster: &str,
    served: &Served,
    object: &Value,
    columns: Vec<(String, String)>,
    now: i64,
) -> Option<Record> {
    let metadata = object.get("metadata")?;
    let word = |key: &str| {
        metadata
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let name = word("name");
    if name.is_empty() {
        return None;
    }
    let identity = Identity {
        cluster: cluster.to_owned(),
        api_group: served.group.clone(),
        kind: served.kind.clone(),
        namespace: word("namespace"),
        name,
    };
    let owners = metadata
        .get("ownerReferences")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let verdict = if served.metadata_only() {
        let terminating = metadata.get("deletionTimestamp").is_some();
        health::Verdict {
            health: if terminating {
                Health::Terminating
            } else {
                Health::Current
            },
            reason: String::new(),
            message: String::new(),
        }
    } else {
        health::judge(&served.group, &served.kind, object)
    };
    let api_version = served.api_version();
    let images = if served.metadata_only() {
        Vec::new()
    } else {
        images(object)
    };
    Some(Record {
        id: identity.readable(&api_version),
        labels: labels(metadata),
        annotations: redact::annotations(metadata.get("annotations").and_then(Value::as_object)),
        owners: owners
            .iter()
            .map(|owner| format!("{}/{}", string(owner, "kind"), string(owner, "name")))
            .collect(),
        owner_uids: owners
            .iter()
            .map(|owner| string(owner, "uid").to_owned())
            .collect(),
        about: about(served, &images),
        images,
        health: verdict.health,
        reason: cut(&verdict.reason, 128),
        message: redact::text(&verdict.message, MESSAGE_BYTES),
        availability: if served.metadata_only() {
            None
        } else {
            health::availability(&served.group, &served.kind, object)
        },
        status: if served.metadata_only() {
            Status {
                columns,
                ..Status::default()
            }
        } else {
            status(object, columns)
        },
        created_at: metadata
            .get("creationTimestamp")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<jiff::Timestamp>().ok())
            .map_or(0, jiff::Timestamp::as_second),
        updated_at: now,
        uid: word("uid"),
        resource: served.resource.clone(),
        api_version,
        identity,
    })
}

/// What an object is about: by its kind, by what its definition says of the kind, and by its images.
fn about(served: &Served, images: &[String]) -> Vec<String> {
    let texts = std::iter::once(served.group.as_str()).chain(images.iter().map(String::as_str));
    let mut about = concepts::of(&served.kind, texts);
    about.extend(served.about.iter().cloned());
    about.sort_unstable();
    about.dedup();
    about
}

fn string<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn labels(metadata: &Value) -> Vec<String> {
    let mut labels = Vec::new();
    if let Some(raw) = metadata.get("labels").and_then(Value::as_object) {
        for (key, value) in raw.iter().take(LABELS) {
            labels.push(key.clone());
            if let Some(value) = value.as_str() {
                labels.push(format!("{key}={value}"));
            }
        }
    }
    labels.sort_unstable();
    labels
}

/// The images of a Pod or of anything with a Pod template.
fn images(object: &Value) -> Vec<String> {
    const SPECS: &[&str] = &[
        "/spec",
        "/spec/template/spec",
        "/spec/jobTemplate/spec/template/spec",
    ];
    let mut images: Vec<String> = SPECS
        .iter()
        .filter_map(|path| object.pointer(path))
        .flat_map(|spec| {
            ["initContainers", "containers"]
                .into_iter()
                .filter_map(|key| spec.get(key))
        })
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(|container| container.get("image").and_then(Value::as_str))
        .map(|image| cut(image, 256))
        .collect();
    images.sort_unstable();
    images.dedup();
    images.truncate(16);
    images
}

fn status(object: &Value, columns: Vec<(String, String)>) -> Status {
    let Some(status) = object.get("status") else {
        return Status {
            columns,
            ..Status::default()
        };
    };
    let conditions = status
        .get("conditions")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let mut replicas: BTreeMap<String, i64> = status
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| {
            let key = key.as_str();
            key == "replicas"
                || key.ends_with("Replicas")
                || key.starts_with("number")
                || key.ends_with("NumberScheduled")
        })
        .filter_map(|(key, value)| Some((key.clone(), value.as_i64()?)))
        .collect();
    if let Some(wanted) = object.pointer("/spec/replicas").and_then(Value::as_i64) {
        replicas.insert("wanted".to_owned(), wanted);
    }
    Status {
        phase: status
            .get("phase")
            .and_then(Value::as_str)
            .map(|phase| cut(phase, 128)),
        replicas,
        conditions: conditions
            .iter()
            .filter(|condition| !string(condition, "type").is_empty())
            .take(32)
            .map(|condition| Condition {
                kind: cut(string(condition, "type"), 128),
                status: cut(string(condition, "status"), 16),
                reason: cut(string(condition, "reason"), 128),
                message: redact::text(string(condition, "message"), MESSAGE_BYTES),
            })
            .collect(),
        columns,
    }
}

/// The cells of a printer row worth keeping: not the name, not what changes by itself with time.
pub fn columns(definitions: &[Value], cells: &[Value]) -> Vec<(String, String)> {
    definitions
        .iter()
        .zip(cells)
        .filter(|(definition, _)| {
            let name = string(definition, "name");
            !matches!(name, "Name" | "Age" | "Created At")
                && string(definition, "type") != "date"
                && definition
                    .get("priority")
                    .and_then(Value::as_i64)
                    .unwrap_or(0)
                    == 0
        })
        .filter_map(|(definition, cell)| {
            let text = match cell {
                Value::String(text) => timeless(text),
                Value::Null => return None,
                other => other.to_string(),
            };
            Some((
                string(definition, "name").to_owned(),
                redact::text(&text, 128),
            ))
        })
        .take(16)
        .collect()
}

/// `3 (5m ago)` without the part that a clock changes.
fn timeless(cell: &str) -> String {
    match cell.split_once(" (") {
        Some((count, rest)) if rest.ends_with(" ago)") => count.to_owned(),
        _ => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn deployments() -> Served {
        Served {
            group: "apps".into(),
            version: "v1".into(),
            kind: "Deployment".into(),
            resource: "deployments".into(),
            namespaced: true,
            aliases: vec!["deployment".into(), "deploy".into()],
            categories: vec!["all".into()],
            about: Vec::new(),
        }
    }

    fn nginx() -> Value {
        json!({
            "metadata": {
                "name": "nginx", "namespace": "default", "uid": "u1", "generation": 1,
                "resourceVersion": "7", "creationTimestamp": "2025-12-13T10:00:00Z",
                "labels": {"app": "nginx", "env": "prod"},
                "annotations": {"description": "Web server"},
                "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"image": "nginx:1.29"}]}}},
            "status": {"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "updatedReplicas": 3,
                "conditions": [{"type": "Available", "status": "True", "lastUpdateTime": "2025-12-13T10:05:00Z"}]},
        })
    }

    #[test]
    fn the_requirements_example_is_kept_as_it_asks() {
        let record = record("cluster-a", &deployments(), &nginx(), Vec::new(), 0).unwrap();
        assert_eq!(record.id, "cluster-a/default/apps/v1/Deployment/nginx");
        assert_eq!(record.labels, ["app", "app=nginx", "env", "env=prod"]);
        assert_eq!(record.status.replicas["readyReplicas"], 3);
        assert_eq!(record.health, Health::Current);
        assert_eq!(record.images, ["nginx:1.29"]);
        assert_eq!(record.created_at, 1_765_620_000);
    }

    #[test]
    fn what_no_reader_sees_changes_nothing() {
        let served = deployments();
        let before = record("a", &served, &nginx(), Vec::new(), 0).unwrap();
        let mut touched = nginx();
        touched["metadata"]["resourceVersion"] = json!("8");
        touched["metadata"]["managedFields"] = json!([]);
        touched["status"]["conditions"][0]["lastUpdateTime"] = json!("2026-01-01T00:00:00Z");
        let after = record("a", &served, &touched, Vec::new(), 99).unwrap();
        assert_eq!(before.visible(), after.visible());
        touched["status"]["readyReplicas"] = json!(2);
        assert_ne!(
            before.visible(),
            record("a", &served, &touched, Vec::new(), 0)
                .unwrap()
                .visible()
        );
    }

    #[test]
    fn a_secrets_content_is_not_even_looked_at() {
        let secrets = Served {
            group: String::new(),
            kind: "Secret".into(),
            resource: "secrets".into(),
            ..deployments()
        };
        let object = json!({"metadata": {"name": "s", "namespace": "n"}, "data": {"password": "aHVudGVyMg=="},
            "status": {"phase": "hunter2"}, "spec": {"containers": [{"image": "hunter2"}]}});
        let record = record("a", &secrets, &object, Vec::new(), 0).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            !text.contains("aHVudGVyMg") && !text.contains("hunter2"),
            "{text}"
        );
    }

    #[test]
    fn cells_that_only_time_changes_are_left_out() {
        let definitions = [
            json!({"name": "Name", "type": "string"}),
            json!({"name": "Restarts", "type": "string"}),
            json!({"name": "Age", "type": "string"}),
            json!({"name": "IP", "type": "string", "priority": 1}),
        ];
        let cells = [
            json!("web"),
            json!("3 (5m ago)"),
            json!("5m"),
            json!("10.0.0.1"),
        ];
        assert_eq!(
            columns(&definitions, &cells),
            [("Restarts".to_owned(), "3".to_owned())]
        );
    }
}
