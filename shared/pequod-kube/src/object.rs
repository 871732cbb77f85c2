//! Reading a plain JSON object as a Kubernetes object.

use pequod_api::ObjectRef;
use serde_json::Value;

/// A text under `metadata`.
pub fn meta<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str()
}

/// Its name.
pub fn name(object: &Value) -> &str {
    meta(object, "name").unwrap_or_default()
}

/// Its namespace.
pub fn namespace(object: &Value) -> Option<&str> {
    meta(object, "namespace").filter(|text| !text.is_empty())
}

/// Its uid.
pub fn uid(object: &Value) -> Option<&str> {
    meta(object, "uid")
}

/// A label's value.
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// An annotation's value.
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(key)?
        .as_str()
}

/// Whether its deletion has begun.
pub fn is_terminating(object: &Value) -> bool {
    meta(object, "deletionTimestamp").is_some()
}

/// Its resource version as a number: since Kubernetes 1.35 (KEP-5504) two of one kind may be compared; before, they
/// were etcd's revisions and could be in fact.
pub fn version(object: &Value) -> Option<u128> {
    meta(object, "resourceVersion")?.parse().ok()
}

/// Which object it is; `None` where it lacks `apiVersion`, `kind` or a name.
pub fn reference(object: &Value) -> Option<ObjectRef> {
    Some(ObjectRef {
        api_version: object.get("apiVersion")?.as_str()?.to_owned(),
        kind: object.get("kind")?.as_str()?.to_owned(),
        namespace: namespace(object).map(str::to_owned),
        name: meta(object, "name")?.to_owned(),
    })
}
