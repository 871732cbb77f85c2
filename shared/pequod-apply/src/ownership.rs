//! Whose an object is, and how it is marked as ours.
//!
//! The mark is on the object itself: the Transform's name and namespace as labels, the node's id as annotation. So it
//! survives the loss of everything that Pequod knows, and no two graphs can both believe an object theirs.

use pequod_api::names::{
    ANNOTATION_NODE, ANNOTATION_PROTECT, LABEL_TRANSFORM, LABEL_TRANSFORM_NAMESPACE,
};
use pequod_kube::object::{annotation, label};
use serde_json::{Map, Value, json};

/// The Transform that a graph belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The Transform's namespace.
    pub namespace: String,
    /// Its name, and that of its graph.
    pub name: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Ours.
    Ours,
    /// Nobody's that we know of.
    Unclaimed,
    /// Another Transform's.
    Other(Owner),
}

impl Owner {
    /// The Transform that an object says it belongs to.
    pub fn of(object: &Value) -> Option<Self> {
        let name = label(object, LABEL_TRANSFORM)?.to_owned();
        let namespace = label(object, LABEL_TRANSFORM_NAMESPACE)?.to_owned();
        Some(Self { namespace, name })
    }

    /// Whose an object is.
    pub fn whose(&self, object: &Value) -> Whose {
        match Self::of(object) {
            None => Whose::Unclaimed,
            Some(owner) if owner == *self => Whose::Ours,
            Some(other) => Whose::Other(other),
        }
    }

    /// Marks an object as ours.
    pub fn mark(&self, object: &mut Value, node: &str) {
        let Some(metadata) = map(object, "metadata") else {
            return;
        };
        if let Some(labels) = map_in(metadata, "labels") {
            labels.insert(LABEL_TRANSFORM.to_owned(), json!(self.name));
            labels.insert(LABEL_TRANSFORM_NAMESPACE.to_owned(), json!(self.namespace));
        }
        if let Some(annotations) = map_in(metadata, "annotations") {
            annotations.insert(ANNOTATION_NODE.to_owned(), json!(node));
        }
    }
}

/// The merge patch that takes our mark off the object of the given uid.
pub fn release(uid: &str) -> Value {
    json!({"metadata": {
        "uid": uid,
        "labels": {LABEL_TRANSFORM: null, LABEL_TRANSFORM_NAMESPACE: null},
        "annotations": {ANNOTATION_NODE: null},
    }})
}

/// Whether a person has said that it is never to be removed.
pub fn is_protected(object: &Value) -> bool {
    annotation(object, ANNOTATION_PROTECT) == Some("true")
}

fn map<'a>(object: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    map_in(object.as_object_mut()?, key)
}

/// The map under a key, made where there is none (or a null).
fn map_in<'a>(object: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    let entry = object.entry(key).or_insert(Value::Null);
    if entry.is_null() {
        *entry = json!({});
    }
    entry.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_object_is_ours_and_nobody_elses() {
        let us = Owner {
            namespace: "shop".into(),
            name: "web".into(),
        };
        let others = Owner {
            namespace: "shop".into(),
            name: "api".into(),
        };
        let mut object = json!({"metadata": {"labels": null}});
        assert_eq!(us.whose(&object), Whose::Unclaimed);
        us.mark(&mut object, "config");
        assert_eq!(us.whose(&object), Whose::Ours);
        assert_eq!(others.whose(&object), Whose::Other(us));
        assert_eq!(object["metadata"]["annotations"][ANNOTATION_NODE], "config");
    }
}
