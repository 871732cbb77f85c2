//! `events`: what happened, read live from each cluster with the caller's own rights. Events are never stored.

use futures::stream::{FuturesUnordered, StreamExt as _};
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, Table};
use pequod_diag::{Code, Diagnostic};
use serde::Serialize;
use serde_json::Value;

use super::open;
use crate::agent::now;
use crate::cli::{EventsArgs, StoreArgs};
use crate::query::glob;

/// An event, as it is shown.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    cluster: String,
    namespace: String,
    last_seen: i64,
    r#type: String,
    reason: String,
    object: String,
    count: u64,
    message: String,
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn event(cluster: &str, object: &Value) -> Event {
    let seconds = |path: &str| {
        text(object, path)
            .parse::<jiff::Timestamp>()
            .map_or(0, jiff::Timestamp::as_second)
    };
    let last_seen = [
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]
    .into_iter()
    .map(seconds)
    .max()
    .unwrap_or(0);
    Event {
        cluster: cluster.to_owned(),
        namespace: text(object, "/metadata/namespace").to_owned(),
        last_seen,
        r#type: text(object, "/type").to_owned(),
        reason: text(object, "/reason").to_owned(),
        object: format!(
            "{}/{}",
            text(object, "/involvedObject/kind"),
            text(object, "/involvedObject/name")
        ),
        count: object.get("count").and_then(Value::as_u64).unwrap_or(1),
        message: crate::redact::text(text(object, "/message"), 512),
    }
}

pub(super) async fn events(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &EventsArgs,
) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let states = opened.known().await?.states;
    drop(opened);
    let asked: Vec<(String, String)> = states
        .into_iter()
        .filter(|state| {
            args.clusters.is_empty() || args.clusters.iter().any(|it| glob(it, &state.cluster))
        })
        .map(|state| (state.cluster, state.context))
        .collect();
    if asked.is_empty() {
        let problem = Diagnostic::error(Code("fleet/cluster"), "no such cluster is known");
        return Err(Failure::input(problem.hint("see `kubectl fleet clusters`")));
    }
    let mut running: FuturesUnordered<_> = asked
        .into_iter()
        .map(|(cluster, context)| async move {
            let mut flags = kubectl.clone();
            if flags.context.is_none() && !context.is_empty() {
                flags.context = Some(context);
            }
            let read = read(&flags).await;
            (cluster, read)
        })
        .collect();
    let mut printer = Printer::new(args.output.output);
    let mut shown: Vec<Event> = Vec::new();
    let mut exit = Exit::Done;
    while let Some((cluster, read)) = running.next().await {
        match read {
            Ok(objects) => shown.extend(objects.iter().map(|object| event(&cluster, object))),
            Err(failure) => {
                printer.say(&format!("{cluster}:"));
                printer.problems(&failure.problems);
                exit = exit.max(failure.exit);
            }
        }
    }
    shown.retain(|event| {
        args.object
            .as_ref()
            .is_none_or(|object| glob(&object.to_lowercase(), &event.object.to_lowercase()))
            && (!args.warnings || event.r#type != "Normal")
    });
    shown.sort_by_key(|event| std::cmp::Reverse(event.last_seen));
    shown.truncate(args.limit);
    shown.reverse();
    let now = now();
    let plain = matches!(printer.format(), Format::Json | Format::Yaml);
    printer.many(
        &shown,
        |event| format!("{}/{}/{}", event.cluster, event.namespace, event.object),
        |events| {
            let mut table = Table::new(&[
                "CLUSTER",
                "NAMESPACE",
                "LAST SEEN",
                "TYPE",
                "REASON",
                "OBJECT",
                "COUNT",
                "MESSAGE",
            ]);
            for event in events {
                let seen = if plain {
                    event.last_seen.to_string()
                } else {
                    pequod_cli::age((now - event.last_seen).max(0))
                };
                table.row([
                    event.cluster.clone(),
                    event.namespace.clone(),
                    seen,
                    event.r#type.clone(),
                    event.reason.clone(),
                    event.object.clone(),
                    event.count.to_string(),
                    event.message.clone(),
                ]);
            }
            table
        },
    )?;
    Ok(exit)
}

/// The events of a cluster, or of a namespace of it.
async fn read(flags: &KubectlArgs) -> Result<Vec<Value>, Failure> {
    let cluster = flags.connect().await?;
    let place = flags
        .namespace
        .as_ref()
        .map_or_else(String::new, |namespace| format!("/namespaces/{namespace}"));
    let path = format!("/api/v1{place}/events?limit=5000");
    let list = super::live::get(&cluster, &path).await?;
    Ok(list
        .get("items")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default())
}
