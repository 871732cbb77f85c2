//! `describe`: an object as it is now, read from its cluster with the caller's own rights.

use std::sync::Arc;

use http::Request;
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, to_json, to_yaml};
use pequod_diag::{Code, Diagnostic};
use pequod_kube::ApiError;
use serde_json::{Value, json};

use super::{object, open};
use crate::answer::{self, Known};
use crate::cli::{ObjectArgs, StoreArgs};
use crate::mcp;
use crate::record::Record;
use crate::redact::REDACTED;

pub(super) async fn describe(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &ObjectArgs,
) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let known = opened.known().await?;
    let query = object::query(kubectl, args, &known)?;
    let records = object::records(&*opened.store, &query).await?;
    let mut printer = Printer::new(args.list.output.output);
    let mut exit = Exit::Done;
    for record in &records {
        let flags = through(kubectl, &known, record);
        match read(&flags, record, &known.vocabulary).await {
            Ok(document) => {
                let text = if printer.format() == Format::Json {
                    to_json(&document)?
                } else {
                    format!("---\n{}", to_yaml(&document)?)
                };
                printer.data(&text)?;
            }
            Err(failure) => {
                printer.say(&format!("{}:", record.id));
                printer.problems(&failure.problems);
                exit = exit.max(failure.exit);
            }
        }
    }
    Ok(exit)
}

/// Serves an assistant of whoever started it: it may read objects live, with their rights and through their kubeconfig.
pub(super) async fn serve_mcp(kubectl: KubectlArgs, store: &StoreArgs) -> Result<(), Failure> {
    let opened = open(store).await?;
    let store = opened.store.clone();
    let details: mcp::Details = Arc::new(move |record| {
        let (store, kubectl) = (store.clone(), kubectl.clone());
        Box::pin(async move {
            let known = answer::known(&*store).await.map_err(|it| it.to_string())?;
            let flags = through(&kubectl, &known, &record);
            let mut document = read(&flags, &record, &known.vocabulary)
                .await
                .map_err(|failure| told(&failure))?;
            Ok(mcp::ObjectOutput {
                id: record.id,
                object: match document["object"].take() {
                    Value::Object(object) => object,
                    _ => serde_json::Map::new(),
                },
                events: match document["events"].take() {
                    Value::Array(events) => events,
                    _ => Vec::new(),
                },
            })
        })
    });
    mcp::serve(opened.store, Some(details)).await
}

/// A failure in one line.
fn told(failure: &Failure) -> String {
    let problems = failure.problems.0.iter();
    let words: Vec<&str> = problems.map(|problem| problem.message.as_str()).collect();
    words.join("; ")
}

/// The context it was read through, unless the caller says otherwise.
fn through(kubectl: &KubectlArgs, known: &Known, record: &Record) -> KubectlArgs {
    let mut flags = kubectl.clone();
    if flags.context.is_none() {
        let mut states = known.states.iter();
        flags.context = states
            .find(|state| state.cluster == record.identity.cluster)
            .map(|state| state.context.clone())
            .filter(|context| !context.is_empty());
    }
    flags
}

async fn read(
    flags: &KubectlArgs,
    record: &Record,
    vocabulary: &crate::query::vocabulary::Vocabulary,
) -> Result<Value, Failure> {
    let identity = &record.identity;
    let served = vocabulary
        .kinds
        .iter()
        .find(|served| served.group == identity.api_group && served.kind == identity.kind)
        .ok_or_else(|| {
            Failure::remote(Diagnostic::error(
                Code("fleet/kind"),
                format!("no cluster serves {} any more", identity.kind),
            ))
        })?;
    let cluster = flags.connect().await?;
    let base = if served.group.is_empty() {
        format!("/api/{}", served.version)
    } else {
        format!("/apis/{}/{}", served.group, served.version)
    };
    let place = if identity.namespace.is_empty() {
        String::new()
    } else {
        format!("/namespaces/{}", identity.namespace)
    };
    let mut object = get(
        &cluster,
        &format!("{base}{place}/{}/{}", served.resource, identity.name),
    )
    .await?;
    tidy(&mut object, served.metadata_only());
    let uid = object
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    // Events belong to a description, but a caller who may not read them still sees the object.
    let namespace = if identity.namespace.is_empty() {
        "default"
    } else {
        &identity.namespace
    };
    let events = get(
        &cluster,
        &format!("/api/v1/namespaces/{namespace}/events?fieldSelector=involvedObject.uid={uid}"),
    )
    .await;
    let events: Vec<Value> = events
        .ok()
        .and_then(|list| list.get("items").and_then(Value::as_array).cloned())
        .unwrap_or_default()
        .iter()
        .map(|event| {
            json!({ "type": event["type"], "reason": event["reason"], "message": event["message"],
            "count": event["count"], "last": event["lastTimestamp"] })
        })
        .collect();
    Ok(json!({ "cluster": identity.cluster, "object": object, "events": events }))
}

pub(super) async fn get(cluster: &pequod_kube::Cluster, path: &str) -> Result<Value, Failure> {
    let request = Request::get(path).body(Vec::new());
    let request = request.map_err(|error| {
        Failure::input(Diagnostic::error(Code("fleet/path"), error.to_string()))
    })?;
    cluster
        .client()
        .request::<Value>(request)
        .await
        .map_err(|error| {
            Failure::remote(ApiError::new(format!("could not read {path}"), &error).to_diagnostic())
        })
}

/// Bookkeeping is left out; the content of Secrets and ConfigMaps is shown by its keys only.
fn tidy(object: &mut Value, secret: bool) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    if !secret {
        return;
    }
    for key in ["data", "stringData", "binaryData"] {
        for (_, value) in object
            .get_mut(key)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            *value = json!(REDACTED);
        }
    }
}
