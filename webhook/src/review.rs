//! AdmissionReview v1, as far as the webhook needs it.
//!
//! The object stays the JSON that the API server sent: a typed form would lose what its type does not know, and
//! with it the digest of what was asked for.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pequod_policy::{Finding, Verdict};
use serde::Serialize;
use serde_json::{Map, Value, json};
use thiserror::Error;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// A body that is no AdmissionReview; answered with 400.
#[derive(Debug, Error)]
pub enum NotAReview {
    /// It is not JSON.
    #[error("the body is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is something else.
    #[error("the body is `{found}`, not an AdmissionReview of {API_VERSION}")]
    Kind {
        /// What it says it is.
        found: String,
    },
    /// A field is missing or of another type.
    #[error("the AdmissionReview has no usable `{0}`")]
    Field(&'static str),
}

/// What is being done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is new.
    Create,
    /// It changes.
    Update,
    /// It goes, or something else that leaves it as it is.
    Other,
}

/// A request to write an object.
#[derive(Debug, Clone)]
pub struct Review {
    /// Names this call; to be given back.
    pub uid: String,
    /// What is being done.
    pub operation: Operation,
    /// API group of the object.
    pub group: String,
    /// Kind of the object.
    pub kind: String,
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// The user, as the API server authenticated them.
    pub user: String,
    /// The field manager that the request named, or nothing.
    pub manager: String,
    /// The object as it would be stored; null when it is deleted.
    pub object: Value,
    /// The object as it is stored now; null when it is new.
    pub old: Value,
    /// What policies see as `request`.
    pub request: Value,
}

impl Review {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, NotAReview> {
        let Value::Object(mut review) = serde_json::from_slice(body)? else {
            return Err(NotAReview::Kind {
                found: "a value".to_owned(),
            });
        };
        let text = |key| review.get(key).and_then(Value::as_str).unwrap_or_default();
        if (text("apiVersion"), text("kind")) != (API_VERSION, KIND) {
            let found = format!("{} {}", text("apiVersion"), text("kind"));
            return Err(NotAReview::Kind {
                found: found.trim().to_owned(),
            });
        }
        let Some(Value::Object(request)) = review.remove("request") else {
            return Err(NotAReview::Field("request"));
        };
        Self::from_request(request)
    }

    fn from_request(mut request: Map<String, Value>) -> Result<Self, NotAReview> {
        // The uid names the call and nothing else: policies that saw it would answer differently every time.
        let uid = match request.remove("uid") {
            Some(Value::String(uid)) if !uid.is_empty() => uid,
            _ => return Err(NotAReview::Field("request.uid")),
        };
        let object = request.remove("object").unwrap_or_default();
        let old = request.get("oldObject").cloned().unwrap_or_default();
        let request = Value::Object(request);
        let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str);
        let operation = match text("/operation") {
            Some("CREATE") => Operation::Create,
            Some("UPDATE") => Operation::Update,
            Some("DELETE" | "CONNECT") => Operation::Other,
            _ => return Err(NotAReview::Field("request.operation")),
        };
        let owned = |pointer: &str| text(pointer).unwrap_or_default().to_owned();
        Ok(Self {
            uid,
            operation,
            group: owned("/kind/group"),
            kind: text("/kind/kind")
                .ok_or(NotAReview::Field("request.kind"))?
                .to_owned(),
            namespace: owned("/namespace"),
            user: owned("/userInfo/username"),
            manager: owned("/options/fieldManager"),
            object,
            old,
            request,
        })
    }
}

/// The answer to a [`Review`].
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    api_version: &'static str,
    kind: &'static str,
    response: Response,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

impl Answer {
    fn new(response: Response) -> Self {
        Self {
            api_version: API_VERSION,
            kind: KIND,
            response,
        }
    }

    /// The write goes through.
    pub fn allow(uid: String) -> Self {
        Self::new(Response {
            uid,
            allowed: true,
            ..Response::default()
        })
    }

    /// The write does not go through.
    pub fn deny(uid: String, code: u16, reason: &str, message: &str) -> Self {
        let status = json!({"code": code, "reason": reason, "message": message});
        Self::new(Response {
            uid,
            status: Some(status),
            ..Response::default()
        })
    }

    /// What policies said.
    pub fn of(uid: String, verdict: &Verdict, policies: &str) -> Self {
        let cause = |finding: &Finding| {
            json!({
                "reason": "PolicyViolation",
                "field": finding.path,
                "message": finding.to_string(),
            })
        };
        let status = verdict.message().map(|message| {
            let denials = verdict.with(pequod_api::PolicyAction::Deny);
            let causes: Vec<Value> = denials.map(cause).collect();
            json!({
                "code": 403, "reason": "Forbidden", "message": message,
                "details": {"causes": causes},
            })
        });
        let mut audit_annotations = verdict.audit_annotations();
        if !audit_annotations.is_empty() {
            audit_annotations.insert("policies".to_owned(), policies.to_owned());
        }
        Self::new(Response {
            uid,
            allowed: verdict.allowed(),
            status,
            warnings: verdict.warnings(),
            audit_annotations,
            ..Response::default()
        })
    }

    /// The write goes through, changed by a JSON patch.
    pub fn patched(uid: String, patch: &Value) -> Self {
        Self::new(Response {
            uid,
            allowed: true,
            patch_type: Some("JSONPatch"),
            patch: Some(STANDARD.encode(patch.to_string())),
            ..Response::default()
        })
    }

    /// Whether the write goes through.
    pub fn allowed(&self) -> bool {
        self.response.allowed
    }
}
