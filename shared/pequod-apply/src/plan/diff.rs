//! The comparison of two objects, field by field.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Where: `spec.template.spec.containers[web].image`.
    pub path: String,
    /// As it is; absent where there was nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// As it will be; absent where there will be nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// What stands for a value that must not be seen.
const MASKED: &str = "(secret)";
/// What stands for such a value where it differs from the one before.
const MASKED_NEW: &str = "(another secret)";

/// An object without what changes by itself or says nothing about what was asked for.
pub(super) fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.shift_remove("status");
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            for name in [
                "managedFields",
                "resourceVersion",
                "generation",
                "uid",
                "creationTimestamp",
                "selfLink",
            ] {
                metadata.shift_remove(name);
            }
        }
    }
    object
}

/// What two answers to one request agree on: the rest is made up anew each time. A Service's addresses and ports are
/// always left out, being drawn from a small range.
pub(super) fn settled(one: &Value, other: Option<Value>) -> Value {
    let mut settled = match other {
        Some(other) => common(one, &other),
        None => one.clone(),
    };
    if settled.get("kind").and_then(Value::as_str) == Some("Service")
        && let Some(Value::Object(spec)) = settled.get_mut("spec")
    {
        for name in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
            spec.shift_remove(name);
        }
        for port in spec
            .get_mut("ports")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(port) = port.as_object_mut() {
                port.shift_remove("nodePort");
            }
        }
    }
    settled
}

fn common(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => Value::Object(
            one.iter()
                .filter_map(|(key, value)| Some((key.clone(), common(value, other.get(key)?))))
                .collect(),
        ),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => Value::Array(
            one.iter()
                .zip(other)
                .map(|(one, other)| common(one, other))
                .collect(),
        ),
        (one, other) if one == other => one.clone(),
        _ => Value::Null,
    }
}

/// The fields in which two objects differ, in the order of the new one, then of the old one. Our own marks are not
/// told: every object has them.
pub(super) fn fields(old: &Value, new: &Value) -> Vec<FieldChange> {
    let is_secret = [old, new].iter().any(|object| {
        object.get("kind").and_then(Value::as_str) == Some("Secret")
            && object.get("apiVersion").and_then(Value::as_str) == Some("v1")
    });
    let mut found = Vec::new();
    walk(
        &mut String::new(),
        Some(old).filter(|v| !v.is_null()),
        Some(new),
        &mut found,
    );
    found.retain(|change| !change.path.contains("platform.pequod.io/"));
    if is_secret {
        found.iter_mut().for_each(mask);
    }
    found
}

fn mask(change: &mut FieldChange) {
    let mut parts = change.path.splitn(2, '.');
    if !matches!(parts.next(), Some("data" | "stringData")) {
        return;
    }
    let differs = change.old.is_some() && change.old != change.new;
    if let Some(old) = &mut change.old {
        *old = MASKED.into();
    }
    if let Some(new) = &mut change.new {
        *new = if differs {
            MASKED_NEW.into()
        } else {
            MASKED.into()
        };
    }
}

fn walk(path: &mut String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<FieldChange>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => walk_maps(path, old, new, found),
        // What is new as a whole is told leaf by leaf too; so a Secret's values can be masked.
        (None, Some(Value::Object(new))) if !new.is_empty() => {
            walk_maps(path, &Map::new(), new, found);
        }
        (Some(Value::Object(old)), None) if !old.is_empty() => {
            walk_maps(path, old, &Map::new(), found);
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => walk_lists(path, old, new, found),
        (old, new) => found.push(FieldChange {
            path: path.clone(),
            old: old.cloned(),
            new: new.cloned(),
        }),
    }
}

fn walk_maps(
    path: &mut String,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    found: &mut Vec<FieldChange>,
) {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    for key in new.keys().chain(gone) {
        let length = path.len();
        if key.contains(['.', '/']) {
            // Writing to a String cannot fail.
            let _ = write!(path, "[{key:?}]");
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(key);
        }
        walk(path, old.get(key), new.get(key), found);
        path.truncate(length);
    }
}

/// Lists of named things are compared by name, others by place.
fn walk_lists(path: &mut String, old: &[Value], new: &[Value], found: &mut Vec<FieldChange>) {
    fn name(value: &Value) -> Option<&str> {
        value.get("name").and_then(Value::as_str)
    }
    let mut at = |label: String, old: Option<&Value>, new: Option<&Value>| {
        let length = path.len();
        path.push_str(&label);
        walk(path, old, new, found);
        path.truncate(length);
    };
    let unique = |list: &[Value]| {
        let mut names: Vec<_> = list.iter().map(name).collect();
        names.sort_unstable();
        names.iter().all(Option::is_some) && names.windows(2).all(|pair| pair[0] != pair[1])
    };
    if unique(old) && unique(new) {
        let find =
            |list: &'_ [Value], wanted: Option<&str>| list.iter().position(|v| name(v) == wanted);
        for value in new {
            let before = find(old, name(value)).map(|i| &old[i]);
            at(
                format!("[{}]", name(value).unwrap_or_default()),
                before,
                Some(value),
            );
        }
        for value in old.iter().filter(|value| find(new, name(value)).is_none()) {
            at(
                format!("[{}]", name(value).unwrap_or_default()),
                Some(value),
                None,
            );
        }
    } else {
        for place in 0..old.len().max(new.len()) {
            at(format!("[{place}]"), old.get(place), new.get(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(old: &Value, new: &Value) -> Vec<String> {
        let show = |v: &Option<Value>| v.as_ref().map_or("-".to_owned(), Value::to_string);
        fields(old, new)
            .iter()
            .map(|c| format!("{} {} {}", c.path, show(&c.old), show(&c.new)))
            .collect()
    }

    #[test]
    fn named_lists_are_compared_by_name() {
        let old = json!({"spec": {"c": [{"name": "a", "x": 1}, {"name": "b"}], "l": [1, 2]}});
        let new = json!({"spec": {"c": [{"name": "b"}, {"name": "a", "x": 2}], "l": [1, 3, 4]}});
        assert_eq!(
            told(&old, &new),
            ["spec.c[a].x 1 2", "spec.l[1] 2 3", "spec.l[2] - 4"]
        );
    }

    #[test]
    fn a_secrets_values_are_never_told() {
        let secret = |v: &str| json!({"apiVersion": "v1", "kind": "Secret", "data": {"p": v}, "type": "Opaque"});
        let changed = told(&secret("aaaa"), &secret("bbbb"));
        assert_eq!(changed, [r#"data.p "(secret)" "(another secret)""#]);
        let fresh = fields(&Value::Null, &secret("aaaa"));
        assert!(!format!("{fresh:?}").contains("aaaa"), "{fresh:?}");
    }

    #[test]
    fn what_is_assigned_anew_each_time_does_not_count() {
        let one = json!({"kind": "Job", "spec": {"selector": {"uid": "1"}, "n": 1}});
        let other = json!({"kind": "Job", "spec": {"selector": {"uid": "2"}, "n": 1}});
        assert_eq!(
            settled(&one, Some(other.clone())),
            settled(&other, Some(one.clone()))
        );
        let service = |ip: &str| json!({"kind": "Service", "spec": {"clusterIP": ip, "ports": [{"port": 1, "nodePort": 3}]}});
        assert_eq!(settled(&service("1"), None), settled(&service("2"), None));
    }
}
