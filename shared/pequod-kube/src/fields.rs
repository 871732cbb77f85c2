//! Who owns which field, read from `metadata.managedFields`.
//!
//! The API server records for every manager the set of fields that it owns (KEP-555). A write by somebody else takes
//! a field out of our set; so the set of what we own is also the test of drift: as long as it is the one that our
//! last apply left, nobody has changed or removed a field that we set. No values need to be compared, and neither
//! defaults nor what a mutating webhook adds can look like drift.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// An entry of `managedFields`.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The manager.
    pub manager: &'a str,
    /// Whether it applies; otherwise it wrote.
    pub by_apply: bool,
    /// The subresource through which it wrote; empty for the object itself.
    pub subresource: &'a str,
    fields: &'a Value,
}

/// All entries.
pub fn owners(object: &Value) -> impl Iterator<Item = Owner<'_>> {
    let entries = object
        .get("metadata")
        .and_then(|meta| meta.get("managedFields"))
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    entries.iter().filter_map(|entry| {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or_default();
        Some(Owner {
            manager: text("manager"),
            by_apply: text("operation") == "Apply",
            subresource: text("subresource"),
            fields: entry.get("fieldsV1")?,
        })
    })
}

/// A short digest of the set of fields that `manager` owns by applying; `None` if it owns none.
pub fn applied_set(object: &Value, manager: &str) -> Option<String> {
    let ours =
        owners(object).find(|o| o.by_apply && o.manager == manager && o.subresource.is_empty())?;
    let mut text = String::new();
    write_sorted(ours.fields, &mut text);
    let digest = Sha256::digest(text.as_bytes());
    let head = digest
        .iter()
        .take(8)
        .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    Some(format!("{head:016x}"))
}

fn write_sorted(value: &Value, text: &mut String) {
    let Value::Object(map) = value else { return };
    let mut keys: Vec<&String> = map.keys().collect();
    keys.sort();
    text.push('{');
    for key in keys {
        text.push_str(&Value::String(key.clone()).to_string());
        write_sorted(&map[key], text);
    }
    text.push('}');
}

/// The managers other than `manager` that own the field at a JSON pointer, or something below it.
pub fn other_owners<'a>(object: &'a Value, manager: &str, pointer: &str) -> Vec<&'a str> {
    let Some(steps) = steps(pointer) else {
        return Vec::new();
    };
    owners(object)
        .filter(|o| !(o.by_apply && o.manager == manager))
        .filter(|o| owns(o.fields, object, &steps))
        .map(|o| o.manager)
        .collect()
}

/// The unescaped steps of a JSON pointer (RFC 6901); `None` if it is none, or points to the whole.
pub fn steps(pointer: &str) -> Option<Vec<String>> {
    let rest = pointer.strip_prefix('/')?;
    Some(
        rest.split('/')
            .map(|step| step.replace("~1", "/").replace("~0", "~"))
            .collect(),
    )
}

/// Whether a set (`f:name`, `k:{"name":"web"}`, `v:value`, `i:0`) has the path, or an ancestor as a whole.
fn owns(set: &Value, value: &Value, steps: &[String]) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return true;
    };
    let Value::Object(set) = set else {
        return false;
    };
    // A leaf `{}` above the path owns all below it: an atomic list or map.
    if set.is_empty() {
        return true;
    }
    match value {
        Value::Array(items) => step
            .parse::<usize>()
            .ok()
            .and_then(|at| Some((at, items.get(at)?)))
            .is_some_and(|(at, item)| {
                element_key(set, at, item).is_some_and(|below| owns(below, item, rest))
            }),
        _ => set
            .get(&format!("f:{step}"))
            .is_some_and(|below| owns(below, value.get(step).unwrap_or(&Value::Null), rest)),
    }
}

/// The entry of a list's element: by its index, its value, or the keys that tell it from the others.
fn element_key<'a>(set: &'a Map<String, Value>, at: usize, item: &Value) -> Option<&'a Value> {
    set.iter().find_map(|(key, below)| {
        let matches = match key.split_once(':')? {
            ("i", index) => index.parse() == Ok(at),
            ("v", text) => serde_json::from_str::<Value>(text).is_ok_and(|v| v == *item),
            ("k", text) => serde_json::from_str::<Map<String, Value>>(text)
                .is_ok_and(|keys| keys.iter().all(|(name, v)| item.get(name) == Some(v))),
            _ => false,
        };
        matches.then_some(below)
    })
}

/// Takes the field at a JSON pointer out of an object. Elements of lists are not removed, since the others would
/// move; a pointer may go through them.
pub fn remove(object: &mut Value, pointer: &str) -> Option<Value> {
    let steps = steps(pointer)?;
    let (last, path) = steps.split_last()?;
    let mut at = object;
    for step in path {
        at = match at {
            Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?)?,
            other => other.get_mut(step)?,
        };
    }
    at.as_object_mut()?.shift_remove(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Value {
        json!({
            "metadata": {"managedFields": [
                {"manager": "us", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:paused": {}}}},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale",
                 "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "argo", "operation": "Apply", "fieldsV1": {"f:spec": {"f:containers": {
                    "k:{\"name\":\"web\"}": {".": {}, "f:image": {}, "f:args": {}}}}}},
            ]},
            "spec": {"replicas": 3, "containers": [{"name": "db"}, {"name": "web", "image": "x", "args": ["a"]}]}
        })
    }

    #[test]
    fn finds_the_other_owners_of_a_field() {
        let object = deployment();
        let of = |pointer| other_owners(&object, "us", pointer);
        assert_eq!(of("/spec/replicas"), ["kube-controller-manager"]);
        assert_eq!(of("/spec/paused"), [""; 0]);
        assert_eq!(of("/spec/containers/1/image"), ["argo"]);
        assert_eq!(of("/spec/containers/0/image"), [""; 0]);
        assert_eq!(
            of("/spec/containers/1/args/0"),
            ["argo"],
            "an atomic list is owned as a whole"
        );
        assert_eq!(of("/spec"), ["kube-controller-manager", "argo"]);
        assert_eq!(of("nonsense"), [""; 0]);
    }

    #[test]
    fn the_set_we_own_changes_when_somebody_takes_a_field() {
        let object = deployment();
        let before = applied_set(&object, "us").unwrap();
        let mut taken = object.clone();
        taken["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
            .as_object_mut()
            .unwrap()
            .remove("f:replicas");
        assert_ne!(applied_set(&taken, "us").unwrap(), before);
        let mut reordered = object.clone();
        reordered["metadata"]["managedFields"][0]["fieldsV1"] =
            json!({"f:spec": {"f:paused": {}, "f:replicas": {}}});
        assert_eq!(applied_set(&reordered, "us").unwrap(), before);
        assert_eq!(applied_set(&object, "nobody"), None);
    }

    #[test]
    fn removes_a_field_and_leaves_lists_alone() {
        let mut object = deployment();
        assert_eq!(remove(&mut object, "/spec/replicas"), Some(json!(3)));
        assert_eq!(
            remove(&mut object, "/spec/containers/1/image"),
            Some(json!("x"))
        );
        assert_eq!(remove(&mut object, "/spec/containers/0"), None);
        assert_eq!(remove(&mut object, "/spec/none/below"), None);
    }
}
