//! What a refusal of the API server means, and what to do about it.

use std::fmt;
use std::time::Duration;

use kube::core::Status;
use kube::core::response::StatusDetails;
use pequod_diag::{Code, Diagnostic, Exit};

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldConflict {
    /// The other manager, for example `kubectl-edit`.
    pub manager: String,
    /// The field, for example `.spec.replicas`.
    pub field: String,
    /// Whether the other manager claims the field by applying it. Otherwise it only wrote it once.
    pub by_apply: bool,
}

impl fmt::Display for FieldConflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (owned by {})", self.field, self.manager)
    }
}

/// The kinds of refusal that somebody may act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The object, or its namespace, is not there.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// The API server does not serve the kind.
    NoKind,
    /// Other managers own fields of the applied object.
    FieldConflict(Vec<FieldConflict>),
    /// The object is not the one, or not the version, that was meant.
    Precondition,
    /// The fields cannot be changed once the object is there.
    Immutable(Vec<String>),
    /// The object is not valid.
    Invalid,
    /// The rights do not suffice.
    Forbidden,
    /// Nobody is logged in.
    Unauthorized,
    /// The namespace is being deleted: nothing can be created in it.
    NamespaceTerminating,
    /// Too many requests; it may be tried again after the time.
    Throttled(Duration),
    /// No answer, or one that says nothing about the request.
    Unreachable,
    /// The answer cannot be read.
    Unreadable,
}

/// A request that was refused or not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {what}: {message}")]
pub struct ApiError {
    /// What was tried, for example `apply Deployment shop/web`.
    pub what: String,
    /// What the refusal means.
    pub failure: Failure,
    /// What the API server said.
    pub message: String,
}

impl ApiError {
    /// Reads a client's error.
    pub fn new(what: String, error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self {
                what,
                failure: failure_of(status),
                message: if status.message.is_empty() {
                    format!("the API server answered {} {}", status.code, status.reason)
                } else {
                    status.message.clone()
                },
            },
            kube::Error::SerdeError(_)
            | kube::Error::BuildRequest(_)
            | kube::Error::FromUtf8(_) => Self {
                what,
                failure: Failure::Unreadable,
                message: error.to_string(),
            },
            _ => Self {
                what,
                failure: Failure::Unreachable,
                message: chain(error),
            },
        }
    }

    /// Whether the same request may succeed a little later though nobody changes anything.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self.failure,
            Failure::Throttled(_) | Failure::Unreachable | Failure::Precondition | Failure::NoKind
        )
    }

    /// After what time at the earliest the API server wants to be asked again.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.failure {
            Failure::Throttled(time) => Some(time),
            _ => None,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match &self.failure {
            Failure::FieldConflict(_) => Some(
                "set `apply: conflicts: \"Force\"` on the node to take the fields over, or list them under `ignore` \
                 to leave them to the other manager"
                    .to_owned(),
            ),
            Failure::Immutable(fields) => Some(format!(
                "{} cannot be changed in place: give the object another name, or delete it so that it is made anew \
                 (its data may go with it)",
                if fields.is_empty() { "a field".to_owned() } else { fields.join(", ") }
            )),
            Failure::Forbidden => {
                Some("grant the right to the ServiceAccount that the Transform names".to_owned())
            }
            Failure::NoKind => Some("install the CustomResourceDefinition of the kind".to_owned()),
            _ => None,
        }
    }

    /// As a problem for a person.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let code = match &self.failure {
            Failure::NotFound => "kube/not-found",
            Failure::AlreadyExists => "kube/exists",
            Failure::NoKind => "kube/no-kind",
            Failure::FieldConflict(_) => "kube/conflict",
            Failure::Precondition => "kube/precondition",
            Failure::Immutable(_) => "kube/immutable",
            Failure::Invalid => "kube/invalid",
            Failure::Forbidden => "kube/forbidden",
            Failure::Unauthorized => "kube/unauthorized",
            Failure::NamespaceTerminating => "kube/namespace-terminating",
            Failure::Throttled(_) => "kube/throttled",
            Failure::Unreachable => "kube/unreachable",
            Failure::Unreadable => "kube/unreadable",
        };
        let problem = Diagnostic::error(Code(code), self.to_string());
        match self.hint() {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }

    /// How a command that met it ends.
    pub const fn exit(&self) -> Exit {
        Exit::Remote
    }
}

/// An error and its causes in one line; clients nest them.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn failure_of(status: &Status) -> Failure {
    let details = status.details.as_ref();
    match (status.code, status.reason.as_str()) {
        (404, _) => Failure::NotFound,
        (_, "AlreadyExists") => Failure::AlreadyExists,
        (409, _) => match field_conflicts(details) {
            conflicts if conflicts.is_empty() => Failure::Precondition,
            conflicts => Failure::FieldConflict(conflicts),
        },
        (422, _) => immutable(status).map_or(Failure::Invalid, Failure::Immutable),
        (400, _) => Failure::Invalid,
        (403, _) if is_terminating(details) => Failure::NamespaceTerminating,
        (403, _) => Failure::Forbidden,
        (401, _) => Failure::Unauthorized,
        (429, _) => {
            let seconds = details.map_or(1, |d| d.retry_after_seconds.max(1));
            Failure::Throttled(Duration::from_secs(seconds.into()))
        }
        _ => Failure::Unreachable,
    }
}

fn is_terminating(details: Option<&StatusDetails>) -> bool {
    details.is_some_and(|d| d.causes.iter().any(|c| c.reason == "NamespaceTerminating"))
}

/// A cause reads `conflict with "kubectl-edit" using apps/v1`: managers that wrote are followed by the version that
/// they wrote in, managers that apply are not.
fn field_conflicts(details: Option<&StatusDetails>) -> Vec<FieldConflict> {
    let mut found: Vec<_> = details
        .into_iter()
        .flat_map(|details| &details.causes)
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            manager: cause
                .message
                .split('"')
                .nth(1)
                .unwrap_or(&cause.message)
                .to_owned(),
            field: cause.field.clone(),
            by_apply: !cause.message.contains(" using "),
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The API server has no reason of its own for immutable fields; these are the words of its validations.
fn immutable(status: &Status) -> Option<Vec<String>> {
    const WORDS: [&str; 5] = [
        "immutable",
        "may not change",
        "may not be changed",
        "updates to statefulset spec",
        "cannot change",
    ];
    let speaks_of_it = |text: &str| {
        let text = text.to_ascii_lowercase();
        WORDS.iter().any(|word| text.contains(word))
    };
    let mut fields: Vec<String> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .filter(|cause| speaks_of_it(&cause.message))
        .map(|cause| cause.field.clone())
        .collect();
    fields.dedup();
    if fields.is_empty() && !speaks_of_it(&status.message) {
        return None;
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &serde_json::Value) -> ApiError {
        let status: Status = serde_json::from_value(json.clone()).unwrap();
        ApiError::new(
            "apply Deployment shop/web".into(),
            &kube::Error::Api(Box::new(status)),
        )
    }

    #[test]
    fn a_conflict_names_every_manager_and_field() {
        let error = read(&serde_json::json!({
            "code": 409, "reason": "Conflict", "message": "Apply failed with 2 conflicts",
            "details": {"causes": [
                {"reason": "FieldManagerConflict", "field": ".spec.replicas",
                 "message": "conflict with \"kubectl-edit\" with subresource \"scale\" using apps/v1"},
                {"reason": "FieldManagerConflict", "field": ".spec.paused",
                 "message": "conflict with \"argo\""},
            ]}
        }));
        let Failure::FieldConflict(found) = &error.failure else {
            panic!("{error:?}")
        };
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                ".spec.paused (owned by argo)",
                ".spec.replicas (owned by kubectl-edit)"
            ]
        );
        assert_eq!([found[0].by_apply, found[1].by_apply], [true, false]);
        assert!(!error.is_transient());
    }

    #[test]
    fn an_immutable_field_is_named_with_the_way_out() {
        let error = read(&serde_json::json!({
            "code": 422, "reason": "Invalid", "message": "Deployment \"web\" is invalid",
            "details": {"causes": [
                {"reason": "FieldValueInvalid", "field": "spec.selector", "message": "field is immutable"},
            ]}
        }));
        assert_eq!(
            error.failure,
            Failure::Immutable(vec!["spec.selector".into()])
        );
        assert!(
            error
                .hint()
                .unwrap()
                .starts_with("spec.selector cannot be changed in place")
        );
    }

    #[test]
    fn another_uid_is_a_precondition_that_failed() {
        let error = read(
            &serde_json::json!({"code": 409, "reason": "Conflict", "message": "uid mismatch"}),
        );
        assert_eq!(error.failure, Failure::Precondition);
    }

    #[test]
    fn throttling_says_when_to_come_back() {
        let error = read(&serde_json::json!({
            "code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 7}
        }));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(error.is_transient());
    }

    #[test]
    fn a_terminating_namespace_is_not_a_lack_of_rights() {
        let error = read(&serde_json::json!({
            "code": 403, "reason": "Forbidden",
            "details": {"causes": [{"reason": "NamespaceTerminating", "message": "…", "field": "metadata.namespace"}]}
        }));
        assert_eq!(error.failure, Failure::NamespaceTerminating);
    }
}
