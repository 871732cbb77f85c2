//! Answers what somebody may read in this cluster, for a hub that asks through the store ([`crate::access`]).
//!
//! Every answer is the API server's own: a SubjectAccessReview for each kind, and for the narrower reviews that the
//! cluster's RBAC objects make worth asking. The agent needs no right to impersonate anybody for it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::raw::{self, RawError};
use super::{Options, now};
use crate::access::{Caller, EVERYWHERE, Grant, Question, Rbac, Review};
use crate::observe::Served;
use crate::store::{Note, Store};

/// A question that nobody took an answer to for so long has nobody who waits.
const FORGOTTEN_SECONDS: i64 = 120;
/// How many reviews are asked for at a time.
const AT_ONCE: usize = 16;
/// How often the store is looked at for questions.
const LOOK: Duration = Duration::from_millis(500);

/// Answers questions until `stop`.
pub(super) async fn answer(
    client: kube::Client,
    store: Arc<dyn Store>,
    options: Arc<Options>,
    stop: CancellationToken,
) {
    let answering = async {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = answer_all(&client, &*store, &options).await {
                tracing::debug!(cluster = %options.cluster, %error, "questions about rights cannot be read");
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = answering => {}
    }
}

async fn answer_all(
    client: &kube::Client,
    store: &dyn Store,
    options: &Options,
) -> Result<(), crate::store::StoreError> {
    let questions = store.notes(Note::QUESTION, &options.cluster).await?;
    if questions.is_empty() {
        return Ok(());
    }
    let capabilities = store.capabilities().await?;
    let served: Vec<Served> = capabilities
        .into_iter()
        .filter(|capability| capability.cluster == options.cluster)
        .map(|capability| capability.served)
        .collect();
    for note in questions {
        let gone = [note.id.clone()];
        if now() - note.at < FORGOTTEN_SECONDS
            && let Ok(question) = serde_json::from_value::<Question>(note.body)
        {
            let body = match grant(client, &served, &question.caller).await {
                Ok(grant) => json!({ "grant": grant }),
                Err(error) => {
                    tracing::warn!(cluster = %options.cluster, %error, "rights cannot be reviewed");
                    json!({ "problem": error.to_string() })
                }
            };
            let reply = Note {
                what: Note::REPLY.to_owned(),
                cluster: options.cluster.clone(),
                id: note.id,
                at: now(),
                body,
            };
            store.put_note(&reply).await?;
        }
        store
            .delete_notes(Note::QUESTION, &options.cluster, &gone)
            .await?;
    }
    let old: Vec<String> = store
        .notes(Note::REPLY, &options.cluster)
        .await?
        .into_iter()
        .filter(|note| now() - note.at > FORGOTTEN_SECONDS)
        .map(|note| note.id)
        .collect();
    if old.is_empty() {
        return Ok(());
    }
    store
        .delete_notes(Note::REPLY, &options.cluster, &old)
        .await
}

/// What somebody may read.
pub(super) async fn grant(
    client: &kube::Client,
    served: &[Served],
    caller: &Caller,
) -> Result<Grant, RawError> {
    let mut grant = Grant::default();
    let all = Review {
        verb: "list",
        namespace: String::new(),
        name: String::new(),
    };
    if review(client, caller, "*", "*", &all).await? {
        grant.everything = true;
        return Ok(grant);
    }
    let rbac = rbac(client).await?;
    let mut asking = futures::stream::iter(served.iter().cloned().map(|served| {
        let (rbac, all, caller) = (&rbac, &all, caller);
        async move { of_kind(client, rbac, caller, &served, all).await }
    }))
    .buffer_unordered(AT_ONCE);
    while let Some(found) = asking.next().await {
        let (served, allowed) = found?;
        let kind = (served.group.clone(), served.kind.clone());
        for review in allowed {
            if !review.name.is_empty() {
                let namespace = if served.namespaced && review.namespace.is_empty() {
                    EVERYWHERE.to_owned()
                } else {
                    review.namespace
                };
                grant.names.insert((namespace, kind.clone(), review.name));
            } else if review.namespace.is_empty() {
                grant.kinds.insert(kind.clone());
            } else {
                grant
                    .namespaces
                    .entry(review.namespace)
                    .or_default()
                    .insert(kind.clone());
            }
        }
    }
    Ok(grant)
}

/// The reviews of a kind that are allowed.
async fn of_kind(
    client: &kube::Client,
    rbac: &Rbac,
    caller: &Caller,
    served: &Served,
    all: &Review,
) -> Result<(Served, Vec<Review>), RawError> {
    let mut allowed: Vec<Review> = Vec::new();
    let mut reviews = vec![all.clone()];
    reviews.extend(rbac.worth_asking(caller, served));
    for asked in reviews {
        // What is allowed already needs no narrower answer.
        let known = allowed.iter().any(|it| {
            it.name.is_empty() && (it.namespace.is_empty() || it.namespace == asked.namespace)
        });
        if !known && review(client, caller, &served.group, &served.resource, &asked).await? {
            allowed.push(asked);
        }
    }
    Ok((served.clone(), allowed))
}

async fn review(
    client: &kube::Client,
    caller: &Caller,
    group: &str,
    resource: &str,
    review: &Review,
) -> Result<bool, RawError> {
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": caller.user, "groups": caller.groups,
            "resourceAttributes": {
                "group": group, "resource": resource, "verb": review.verb,
                "namespace": review.namespace, "name": review.name,
            },
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let answer = raw::post(client, path, &body).await?;
    let is = |key: &str| answer.pointer(key).and_then(Value::as_bool) == Some(true);
    Ok(is("/status/allowed") && !is("/status/denied"))
}

async fn rbac(client: &kube::Client) -> Result<Rbac, RawError> {
    let mut rbac = Rbac::default();
    for resource in ["clusterroles", "roles"] {
        each(client, resource, |object| rbac.role(object)).await?;
    }
    for resource in ["clusterrolebindings", "rolebindings"] {
        each(client, resource, |object| rbac.binding(object)).await?;
    }
    Ok(rbac)
}

async fn each(
    client: &kube::Client,
    resource: &str,
    mut take: impl FnMut(&Value),
) -> Result<(), RawError> {
    let mut next = String::new();
    loop {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{resource}?limit=500{next}");
        let page = raw::get(client, &path, "application/json").await?;
        for object in page
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            take(object);
        }
        match page.pointer("/metadata/continue").and_then(Value::as_str) {
            Some(more) if !more.is_empty() => next = format!("&continue={more}"),
            _ => return Ok(()),
        }
    }
}
