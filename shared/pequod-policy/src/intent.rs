//! What somebody asked for when they wrote an object: everything in it that is theirs to say.
//!
//! The same digest is taken twice: by the webhook, of the object as it is admitted, and by the Solution
//! controller, of the object as it was stored. A stamp is believed only while both are equal. So whatever the API
//! server or a controller adds in between is left out:
//!
//! * `status`, and of `metadata` all but the labels (annotations belong to controllers as much as to people:
//!   `deployment.kubernetes.io/revision` changes with every rollout);
//! * the version, of which an object has several at once, but not the group and the kind;
//! * the fields of built-in kinds that storage allocates or a controller fills in (the private `ALLOCATED` table).
//!
//! Where a kind of somebody else's is changed after admission in another way, its stamp does not match, and its
//! author is unresolved. That is the safe side: a wrong author is worse than none.

use serde_json::{Map, Value};

use crate::canonical;

/// Fields that somebody else than the writer fills in after admission: group, kind, path. `*` is every item.
const ALLOCATED: &[(&str, &str, &[&str])] = &[
    ("", "Namespace", &["spec", "finalizers"]),
    ("", "PersistentVolumeClaim", &["spec", "volumeName"]),
    ("", "Pod", &["spec", "nodeName"]),
    ("", "Service", &["spec", "clusterIP"]),
    ("", "Service", &["spec", "clusterIPs"]),
    ("", "Service", &["spec", "healthCheckNodePort"]),
    ("", "Service", &["spec", "ipFamilies"]),
    ("", "Service", &["spec", "ipFamilyPolicy"]),
    ("", "Service", &["spec", "ports", "*", "nodePort"]),
    ("batch", "Job", &["spec", "selector"]),
    ("batch", "Job", &["spec", "template", "metadata", "labels"]),
];

/// The digest of what was asked for with `object`: `sha256:` and hexadecimal.
pub fn intent_digest(object: &Value) -> String {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let group = text("apiVersion")
        .split_once('/')
        .map_or("", |(group, _)| group);
    let kind = text("kind");

    let mut intent = Map::new();
    intent.insert("group".to_owned(), group.into());
    intent.insert("kind".to_owned(), kind.into());
    if let Some(labels) = object.pointer("/metadata/labels") {
        intent.insert(
            "metadata".to_owned(),
            serde_json::json!({ "labels": labels }),
        );
    }
    for (key, value) in object.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            intent.insert(key.clone(), value.clone());
        }
    }
    let mut intent = Value::Object(intent);
    for (_, _, path) in ALLOCATED
        .iter()
        .filter(|(g, k, _)| (*g, *k) == (group, kind))
    {
        remove(&mut intent, path);
    }
    let mut spelled = String::new();
    canonical::write(&intent, &mut spelled);
    canonical::digest(&spelled)
}

fn remove(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([last], Value::Object(fields)) => {
            fields.shift_remove(*last);
        }
        (["*", rest @ ..], Value::Array(items)) => {
            for item in items {
                remove(item, rest);
            }
        }
        ([first, rest @ ..], Value::Object(fields)) => {
            if let Some(inner) = fields.get_mut(*first) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::intent_digest;

    fn service(spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec})
    }

    #[test]
    fn what_the_server_adds_is_not_intent() {
        let asked = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {"replicas": 2}
        });
        let mut stored = asked.clone();
        stored["metadata"]["uid"] = "1".into();
        stored["metadata"]["generation"] = 7.into();
        stored["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "3"});
        stored["status"] = json!({"replicas": 2});
        assert_eq!(intent_digest(&asked), intent_digest(&stored));

        let asked = service(&json!({"ports": [{"port": 80}], "type": "NodePort"}));
        let stored = service(&json!({
            "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "type": "NodePort",
            "ports": [{"port": 80, "nodePort": 31000}], "ipFamilies": ["IPv4"]
        }));
        assert_eq!(intent_digest(&asked), intent_digest(&stored));
    }

    #[test]
    fn what_a_person_changes_is() {
        let base = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "c", "labels": {"app": "web"}}, "data": {"a": "1"}
        });
        let changed = |path: &str, value: Value| {
            let mut object = base.clone();
            *object.pointer_mut(path).unwrap() = value;
            intent_digest(&object)
        };
        assert_ne!(intent_digest(&base), changed("/data/a", "2".into()));
        assert_ne!(
            intent_digest(&base),
            changed("/metadata/labels/app", "shop".into())
        );
        assert_ne!(intent_digest(&base), changed("/kind", "Secret".into()));
        assert_ne!(
            intent_digest(&base),
            changed("/apiVersion", "x.io/v1".into())
        );
    }
}
