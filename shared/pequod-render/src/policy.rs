//! The module's own policies, asked about every rendered object.
//!
//! A policy has `match` (every field in it must be in the object, and equal; absent: every object), `object` (CUE
//! that the object is unified with and must stay valid), `message` and `severity`. `request` belongs to admission
//! and is passed over here.

use pequod_api::transform::{Violation, ViolationSeverity};
use pequod_cue::{Evaluation, Value as Cue, ValueKind, codes as cue_codes};
use pequod_diag::{Diagnostic, Diagnostics, Place};
use serde_json::Value;

use crate::{RenderedNode, codes};

const FIELDS: &[&str] = &["match", "object", "message", "severity", "request"];

struct Policy {
    name: String,
    path: String,
    matches: Value,
    has_object: bool,
    message: Option<String>,
    severity: ViolationSeverity,
}

/// What the policies of the package find in the objects, in the order of policies and nodes.
pub(crate) fn violations(
    evaluation: &mut Evaluation,
    nodes: &[RenderedNode],
) -> Result<Vec<Violation>, Diagnostics> {
    let policies = match evaluation.root().lookup("policy") {
        None => return Ok(Vec::new()),
        Some(value) => read_all(value)?,
    };
    let mut found = Vec::new();
    for policy in policies.iter().filter(|policy| policy.has_object) {
        let constraint = format!("{}.object", policy.path);
        for node in nodes
            .iter()
            .filter(|node| contains(&node.object, &policy.matches))
        {
            match evaluation.check(&constraint, &node.object) {
                Ok(()) => {}
                // Not an answer: the question could not be evaluated.
                Err(problems) if problems.iter().any(is_no_answer) => return Err(problems),
                Err(problems) => found.push(violation(policy, node, &constraint, &problems)),
            }
        }
    }
    Ok(found)
}

fn is_no_answer(problem: &Diagnostic) -> bool {
    matches!(problem.code, cue_codes::UNSUPPORTED | cue_codes::LIMIT)
}

fn violation(
    policy: &Policy,
    node: &RenderedNode,
    constraint: &str,
    problems: &Diagnostics,
) -> Violation {
    let path = problems
        .iter()
        .find_map(|problem| path_in_object(problem, constraint));
    let detail = problems
        .iter()
        .next()
        .map(|problem| problem.message.clone());
    Violation {
        policy: policy.name.clone(),
        node: Some(node.spec.id.0.clone()),
        path: path.unwrap_or_default(),
        message: policy.message.clone().or(detail).unwrap_or_default(),
        severity: policy.severity,
    }
}

/// The path that a problem names, without the policy's own part of it.
fn path_in_object(problem: &Diagnostic, constraint: &str) -> Option<String> {
    let path = problem.path.as_ref()?.below(constraint);
    (!path.is_empty()).then(|| path.to_string())
}

fn read_all(value: Cue<'_>) -> Result<Vec<Policy>, Diagnostics> {
    if value.kind() != ValueKind::Struct {
        value.validate(false)?;
        return Err(wrong(value, "`policy` is no struct of policies").into());
    }
    value
        .fields()
        .into_iter()
        .map(|(name, value)| read(name, value))
        .collect()
}

fn wrong(value: Cue<'_>, what: &str) -> Diagnostic {
    let place = value.position().unwrap_or_else(|| Place::Path {
        document: String::new(),
        path: value.path(),
    });
    Diagnostic::error(codes::POLICY, what).at(place)
}

fn read(name: String, value: Cue<'_>) -> Result<Policy, Diagnostics> {
    if value.kind() != ValueKind::Struct {
        value.validate(false)?;
        return Err(wrong(value, &format!("policy `{name}` is no struct")).into());
    }
    for (field, value) in value.fields() {
        if !FIELDS.contains(&field.as_str()) {
            return Err(wrong(
                value,
                &format!("policy `{name}` has the unknown field `{field}`"),
            )
            .hint(format!("a policy has the fields {}", FIELDS.join(", ")))
            .into());
        }
    }
    let matches = match value.lookup("match") {
        None => Value::Object(serde_json::Map::new()),
        Some(matches) => {
            matches.validate(true)?;
            matches.to_json()?
        }
    };
    let severity = match value.lookup("severity") {
        None => ViolationSeverity::Error,
        Some(severity) => match severity.as_str() {
            Some("Error") => ViolationSeverity::Error,
            Some("Warning") => ViolationSeverity::Warning,
            _ => {
                let what = format!("the severity of policy `{name}` is neither Error nor Warning");
                return Err(wrong(severity, &what).into());
            }
        },
    };
    let message = value
        .lookup("message")
        .and_then(|text| text.as_str().map(ToOwned::to_owned));
    Ok(Policy {
        path: value.path(),
        has_object: value.lookup("object").is_some(),
        name,
        matches,
        message,
        severity,
    })
}

/// Whether everything in `wanted` is in `object`, and equal. Lists must be equal as a whole.
fn contains(object: &Value, wanted: &Value) -> bool {
    match (object, wanted) {
        (Value::Object(object), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| object.get(key).is_some_and(|value| contains(value, wanted))),
        (object, wanted) => object == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::contains;
    use serde_json::json;

    #[test]
    fn a_match_wants_its_own_fields_and_no_others() {
        let object = json!({"kind": "Deployment", "metadata": {"name": "a", "labels": {"x": "1"}}});
        assert!(contains(&object, &json!({})));
        assert!(contains(
            &object,
            &json!({"kind": "Deployment", "metadata": {"name": "a"}})
        ));
        assert!(!contains(&object, &json!({"kind": "Service"})));
        assert!(!contains(&object, &json!({"metadata": {"namespace": "b"}})));
    }
}
