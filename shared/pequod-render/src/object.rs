//! What every object of Kubernetes has, checked, and what Pequod adds to it.

use pequod_api::names::{ANNOTATION_NODE, LABEL_TRANSFORM, LABEL_TRANSFORM_NAMESPACE};
use pequod_api::{ApplyMode, ObjectRef};
use pequod_diag::{Diagnostic, Place};
use serde_json::{Map, Value};

use crate::codes;
use crate::context::{Context, Scope, Scopes};
use crate::node::Node;

/// Completes an object and says which one it is.
///
/// An object of a namespaced kind that names no namespace gets the Transform's. Labels and the annotation tell
/// whose it is; what is only looked at is left as it is.
pub(crate) fn complete(
    node: &Node,
    object: &mut Value,
    context: &Context,
    scopes: &mut Scopes<'_>,
) -> Result<ObjectRef, Diagnostic> {
    let problem = |what: String| {
        Diagnostic::error(
            codes::OBJECT,
            format!("the object of node `{}` {what}", node.id),
        )
        .at(node.place.clone())
    };
    let Value::Object(fields) = object else {
        return Err(problem("is no struct".to_owned()));
    };
    let text = |name: &str| match fields.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::String(_)) => Err(problem(format!("has an empty `{name}`"))),
        Some(_) => Err(problem(format!("has a `{name}` that is no text"))),
        None => Err(problem(format!("has no `{name}`"))),
    };
    let api_version = text("apiVersion")?;
    let kind = text("kind")?;
    if kind.ends_with("List") && fields.get("items").is_some_and(Value::is_array) {
        return Err(problem(format!("is a {kind}")).hint("make a node of each item"));
    }
    let scope = scopes.of(&api_version, &kind);

    let metadata = match fields.get_mut("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return Err(problem("has a `metadata` that is no struct".to_owned())),
        None => return Err(problem("has no `metadata.name`".to_owned())),
    };
    let name = match metadata.get("name") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        Some(Value::String(_)) => return Err(problem("has an empty `metadata.name`".to_owned())),
        Some(_) => return Err(problem("has a `metadata.name` that is no text".to_owned())),
        None if metadata.contains_key("generateName") => {
            return Err(problem("has a `generateName` instead of a name".to_owned())
                .hint("give it a name: an object without one cannot be found again"));
        }
        None => return Err(problem("has no `metadata.name`".to_owned())),
    };
    let namespace = match (scope, metadata.get("namespace")) {
        (Scope::Namespaced, None) => {
            put_after(
                metadata,
                "name",
                "namespace",
                context.namespace.clone().into(),
            );
            Some(context.namespace.clone())
        }
        (Scope::Namespaced, Some(Value::String(namespace))) if !namespace.is_empty() => {
            Some(namespace.clone())
        }
        (Scope::Cluster, None) => None,
        (Scope::Cluster, Some(_)) => {
            return Err(problem(format!(
                "has a `metadata.namespace`, but a {kind} lies in none"
            )));
        }
        (Scope::Namespaced, Some(_)) => {
            return Err(problem(
                "has a `metadata.namespace` that is empty or no text".to_owned(),
            ));
        }
    };
    if node.apply.mode != ApplyMode::Observe {
        let labels = [
            (LABEL_TRANSFORM, context.name.as_str()),
            (LABEL_TRANSFORM_NAMESPACE, context.namespace.as_str()),
        ];
        add(metadata, "labels", &labels).map_err(problem)?;
        add(metadata, "annotations", &[(ANNOTATION_NODE, &node.id.0)]).map_err(problem)?;
    }
    Ok(ObjectRef {
        api_version,
        kind,
        namespace,
        name,
    })
}

/// Puts a field behind another, where a reader expects it.
fn put_after(fields: &mut Map<String, Value>, after: &str, name: &str, value: Value) {
    let at = fields
        .keys()
        .position(|key| key == after)
        .map_or(fields.len(), |at| at + 1);
    fields.shift_insert(at, name.to_owned(), value);
}

fn add(
    metadata: &mut Map<String, Value>,
    name: &str,
    entries: &[(&str, &str)],
) -> Result<(), String> {
    let map = metadata
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(map) = map else {
        return Err(format!("has a `metadata.{name}` that is no struct"));
    };
    for (key, value) in entries {
        map.insert((*key).to_owned(), Value::from(*value));
    }
    Ok(())
}

/// The first two nodes, in the module's order, that stand for one object.
pub(crate) fn two_with_one_target<'a>(
    targets: impl Iterator<Item = (&'a Node, &'a ObjectRef)>,
) -> Option<Diagnostic> {
    let mut seen = std::collections::BTreeMap::new();
    for (node, target) in targets {
        let key = (
            target.group(),
            &target.kind,
            &target.namespace,
            &target.name,
        );
        if let Some(first) = seen.insert(key, node) {
            return Some(
                Diagnostic::error(
                    codes::DUPLICATE,
                    format!("nodes `{}` and `{}` are both {target}", first.id, node.id),
                )
                .at(node.place.clone())
                .label(first.place.clone(), format!("node `{}`", first.id)),
            );
        }
    }
    None
}

/// A name that cannot be a label's value cannot be found again by label.
pub(crate) fn check_name(context: &Context) -> Result<(), Diagnostic> {
    let at = |path: &str| Place::Path {
        document: String::new(),
        path: path.to_owned(),
    };
    for (path, name) in [
        ("metadata.name", &context.name),
        ("metadata.namespace", &context.namespace),
    ] {
        if name.is_empty() {
            return Err(Diagnostic::error(codes::INPUT, "is empty").at(at(path)));
        }
        if name.len() > 63 {
            return Err(Diagnostic::error(
                codes::INPUT,
                format!("`{name}` is longer than the 63 characters that a label can hold"),
            )
            .at(at(path)));
        }
    }
    Ok(())
}
