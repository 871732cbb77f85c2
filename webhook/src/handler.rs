//! The three questions the API server asks.
//!
//! | path | asked about | answer |
//! | --- | --- | --- |
//! | `/validate` | every write that the match conditions let through | what the policies say; for a ClusterCuePolicy, whether it compiles |
//! | `/mutate` | members of a Solution or a Transform | the object's stamp |
//! | `/guard` | a namespace whose exemption is changed by somebody who may not | no |
//!
//! Nothing here calls the API server, waits for anything but the processor, or remembers a request: a dry run is
//! answered like any other and leaves as little behind.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use pequod_api::ClusterCuePolicySpec;
use pequod_api::names::ANNOTATION_STAMP;
use pequod_policy::stamp::{Change, Claim, Keys, Subject, stamp};
use pequod_policy::{Input, Policy, PolicySet, Verdict};
use pequod_server::Limits;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tracing::{info, warn};

use crate::metrics::Metrics;
use crate::review::{Answer, Operation, Review};

/// A larger body is answered with 413. Four times what etcd stores, since a review carries two objects.
pub const MAX_BODY_BYTES: usize = 8 << 20;
/// The API group of the policies themselves. They are never judged by policies: whatever a policy denies,
/// it can be repaired.
const POLICY_GROUP: &str = "policy.pequod.io";

/// A value that is replaced as a whole, by one writer, and read by every request.
#[derive(Debug)]
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Current<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Current<T> {
    /// The first value.
    pub fn new(value: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(value))))
    }

    /// The value now.
    pub fn get(&self) -> Arc<T> {
        // Only a pointer is ever written: a poisoned lock still holds a whole value.
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value from now on.
    pub fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// What requests are answered from.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The policies in force.
    pub policies: Current<PolicySet>,
    /// The keys that sign stamps.
    pub keys: Current<Keys>,
    /// The cluster's id: the uid of its namespace `kube-system`.
    pub cluster: Arc<str>,
    /// Namespaces in which nothing is judged or stamped, should the match conditions have let it through.
    pub exempt: Arc<[String]>,
    /// How long the policies may take together. Below the timeout that the API server has, so that a denial
    /// names the policy instead of the clock.
    pub deadline: Duration,
    /// What is counted.
    pub metrics: Metrics,
    /// One turn a core: evaluation is nothing but computing.
    pub turns: Arc<Semaphore>,
}

impl Webhook {
    /// The routes, with their limits.
    pub fn router(self) -> Router {
        let limits = Limits {
            body_bytes: MAX_BODY_BYTES,
            concurrency: 512,
            queue: self.deadline / 2,
            // The policies have their own, sooner one; this is for all else, a slow body for example.
            deadline: self.deadline * 2,
        };
        let router = Router::new()
            .route("/validate", post(validate))
            .route("/mutate", post(mutate))
            .route("/guard", post(guard))
            .with_state(self);
        pequod_server::limited(router, limits)
    }

    fn is_exempt(&self, review: &Review) -> bool {
        self.exempt.contains(&review.namespace)
    }
}

fn parse(body: &[u8]) -> Result<Review, Box<Response>> {
    Review::parse(body)
        .map_err(|error| Box::new((StatusCode::BAD_REQUEST, format!("{error}\n")).into_response()))
}

async fn validate(State(webhook): State<Webhook>, body: Bytes) -> Response {
    let review = match parse(&body) {
        Ok(review) => review,
        Err(response) => return *response,
    };
    drop(body);
    if review.object.is_null() || review.operation == Operation::Other {
        return Json(Answer::allow(review.uid)).into_response();
    }
    if review.group == POLICY_GROUP {
        return validate_policy(&webhook, review).await;
    }
    if webhook.is_exempt(&review) {
        return Json(Answer::allow(review.uid)).into_response();
    }
    judge(&webhook, review).await
}

async fn judge(webhook: &Webhook, review: Review) -> Response {
    let policies = webhook.policies.get();
    let uid = review.uid.clone();
    if policies.is_empty() {
        return Json(Answer::allow(uid)).into_response();
    }
    let begun = Instant::now();
    let end = begun + webhook.deadline;
    // Closing is the only way to fail, and nobody closes it.
    let Ok(turn) = Arc::clone(&webhook.turns).acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let digest = policies.digest().to_owned();
    let (kind, group, namespace) = (
        review.kind.clone(),
        review.group.clone(),
        review.namespace.clone(),
    );
    let user = review.user.clone();
    let judged = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let input = Input {
            group: &review.group,
            kind: &review.kind,
            namespace: &review.namespace,
            object: &review.object,
            request: &review.request,
        };
        policies.judge(&input, &|| Instant::now() >= end)
    });
    let verdict = match judged.await {
        Ok(verdict) => verdict,
        Err(error) => {
            warn!(%error, kind, group, "the evaluation of the policies was aborted");
            let message = "the policies could not be evaluated: internal error";
            return Json(Answer::deny(uid, 500, "InternalError", message)).into_response();
        }
    };
    webhook.metrics.judged(&verdict, begun.elapsed());
    log(&verdict, &group, &kind, &namespace, &user);
    Json(Answer::of(uid, &verdict, &digest)).into_response()
}

fn log(verdict: &Verdict, group: &str, kind: &str, namespace: &str, user: &str) {
    for finding in verdict.findings() {
        let (policy, rule, path) = (&finding.policy, &finding.rule, &finding.path);
        // Not the message: it may repeat a value of the object, and the object may be a Secret.
        info!(effect = ?finding.effect, policy, rule, path, group, kind, namespace, user, "violation");
    }
}

/// A policy is refused when it does not compile.
async fn validate_policy(webhook: &Webhook, review: Review) -> Response {
    let uid = review.uid;
    let name = review
        .object
        .pointer("/metadata/name")
        .and_then(Value::as_str);
    let name = name.unwrap_or_default().to_owned();
    let Some(spec) = review
        .object
        .get("spec")
        .filter(|_| review.kind == "ClusterCuePolicy")
    else {
        return Json(Answer::allow(uid)).into_response();
    };
    if review
        .object
        .pointer("/metadata/deletionTimestamp")
        .is_some()
        || review.old.get("spec") == Some(spec)
    {
        // Its text does not change: labels, finalizers and the like stay possible whatever is in it.
        return Json(Answer::allow(uid)).into_response();
    }
    let spec: ClusterCuePolicySpec = match serde_json::from_value(spec.clone()) {
        Ok(spec) => spec,
        Err(error) => {
            return Json(Answer::deny(uid, 422, "Invalid", &format!("spec: {error}")))
                .into_response();
        }
    };
    let Ok(turn) = Arc::clone(&webhook.turns).acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let compiled = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        Policy::compile(&name, &spec)
    });
    let answer = match compiled.await {
        Ok(Ok(_)) => Answer::allow(uid),
        Ok(Err(problems)) => {
            let message = format!("spec.cue does not compile:\n{problems}");
            Answer::deny(uid, 422, "Invalid", &message)
        }
        Err(error) => {
            warn!(%error, "the compilation of a policy was aborted");
            Answer::deny(uid, 500, "InternalError", "spec.cue could not be compiled")
        }
    };
    Json(answer).into_response()
}

async fn mutate(State(webhook): State<Webhook>, body: Bytes) -> Response {
    let review = match parse(&body) {
        Ok(review) => review,
        Err(response) => return *response,
    };
    Json(stamped(&webhook, &review)).into_response()
}

fn stamped(webhook: &Webhook, review: &Review) -> Answer {
    let Review {
        uid,
        operation,
        object,
        old,
        user,
        manager,
        ..
    } = review;
    let allow = || Answer::allow(uid.clone());
    let Some(subject) = Subject::of(&webhook.cluster, object) else {
        return allow();
    };
    // The request's namespace is the one that counts; an object may leave its own out.
    let subject = Subject {
        namespace: &review.namespace,
        ..subject
    };
    // What has a controller is that one's word, not a person's.
    let controlled = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array)
        .is_some_and(|owners| owners.iter().any(|owner| owner["controller"] == true));
    if *operation == Operation::Other || webhook.is_exempt(review) || controlled {
        return allow();
    }
    let policies = webhook.policies.get();
    let claim = |intent| Claim {
        actor: user.clone(),
        manager: manager.clone(),
        intent,
        policies: policies.digest().to_owned(),
    };
    let old = Some(old).filter(|old| !old.is_null());
    let path = format!(
        "/metadata/annotations/{}",
        ANNOTATION_STAMP.replace('/', "~1")
    );
    match stamp(&webhook.keys.get(), subject, object, old, claim) {
        Change::Keep => allow(),
        Change::Remove => Answer::patched(uid.clone(), &json!([{"op": "remove", "path": path}])),
        Change::Set(text) => {
            webhook.metrics.stamped();
            let mut patch = Vec::new();
            if object
                .pointer("/metadata/annotations")
                .is_none_or(Value::is_null)
            {
                patch.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
            }
            patch.push(json!({"op": "add", "path": path, "value": text}));
            Answer::patched(uid.clone(), &Value::Array(patch))
        }
    }
}

/// The match conditions ask the API server's authorizer and send only what is to be refused.
async fn guard(body: Bytes) -> Response {
    match parse(&body) {
        Ok(review) => {
            let message = format!(
                "the label `{}` exempts a namespace from all policies: setting or removing it needs the right \
                 to update clustercuepolicies.{POLICY_GROUP}",
                pequod_api::names::LABEL_POLICY_EXEMPT
            );
            Json(Answer::deny(review.uid, 403, "Forbidden", &message)).into_response()
        }
        Err(response) => *response,
    }
}
