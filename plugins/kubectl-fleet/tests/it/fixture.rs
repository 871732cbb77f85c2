//! Records for tests.

use kubectl_fleet::observe::{self, Served};
use kubectl_fleet::record::Record;
use serde_json::{Value, json};

/// The moment at which the tests ask.
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn served(group: &str, kind: &str, resource: &str) -> Served {
    Served {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        resource: resource.into(),
        namespaced: true,
        aliases: vec![kind.to_lowercase()],
        categories: Vec::new(),
        about: Vec::new(),
    }
}

pub(crate) fn of(cluster: &str, served: &Served, object: &Value, age_seconds: i64) -> Record {
    let mut record = observe::record(cluster, served, object, Vec::new(), NOW - 5).unwrap();
    record.created_at = NOW - age_seconds;
    record
}

pub(crate) fn pod(
    cluster: &str,
    namespace: &str,
    name: &str,
    failing: bool,
    age_seconds: i64,
) -> Record {
    let app = name.split('-').next().unwrap();
    let status = if failing {
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]})
    } else {
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
    };
    let object = json!({
        "metadata": {"name": name, "namespace": namespace, "uid": format!("{cluster}-{namespace}-{name}"),
            "labels": {"app.kubernetes.io/name": app, "tier": "backend"}},
        "spec": {"containers": [{"image": format!("registry.example.com/{app}:1")}]},
        "status": status,
    });
    of(cluster, &served("", "Pod", "pods"), &object, age_seconds)
}
