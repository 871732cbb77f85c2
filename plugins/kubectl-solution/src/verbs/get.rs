//! `get`: a Solution with its members.

use std::fmt::Write as _;

use kube::Api;
use pequod_api::Solution;
use pequod_api::solution::{Change, SolutionState};
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Paint, Printer, Table};
use pequod_kube::Cluster;

use super::{health, painted, status};
use crate::cli::GetArgs;

pub(crate) async fn run(kubectl: &KubectlArgs, args: GetArgs) -> Result<Exit, Failure> {
    let cluster = kubectl.connect().await?;
    let solution = read(&cluster, &args.name).await?;
    let mut printer = Printer::new(args.output.output);
    let wide = printer.format() == Format::Wide;
    printer.one(
        &solution,
        |solution| {
            let name = solution.metadata.name.as_deref().unwrap_or_default();
            format!("solution.dot-ai.io/{name}")
        },
        |solution, printer| text(solution, wide, printer),
    )?;
    let deployed = status(&solution).state == SolutionState::Deployed;
    Ok(if deployed { Exit::Done } else { Exit::No })
}

/// The Solution of that name in the namespace that is meant.
pub(crate) async fn read(cluster: &Cluster, name: &str) -> Result<Solution, Failure> {
    let namespace = cluster.namespace();
    let api: Api<Solution> = Api::namespaced(cluster.client().clone(), namespace);
    let what = || format!("get Solution {namespace}/{name}");
    api.get(name)
        .await
        .map_err(|error| Failure::api(what(), &error))
}

fn text(solution: &Solution, wide: bool, printer: &Printer) -> String {
    let mut text = head(solution, printer);
    let status = status(solution);
    let mut table =
        Table::new(&["KIND", "NAME", "HEALTH", "CHANGED BY", "WITH"]).wide(&["SEEN", "MESSAGE"]);
    for member in &status.inventory {
        let own = member.object.namespace == solution.metadata.namespace;
        let name = match &member.object.namespace {
            Some(namespace) if !own => format!("{namespace}/{}", member.object.name),
            _ => member.object.name.clone(),
        };
        let change = member.last_change.as_ref();
        table.row([
            member.object.kind.clone(),
            name,
            health(&member.health, printer),
            change
                .map(|change| change.actor.clone())
                .unwrap_or_default(),
            change
                .and_then(|change| change.tool.clone())
                .unwrap_or_default(),
            change.map(|change| change.seen.clone()).unwrap_or_default(),
            member.message.clone().unwrap_or_default(),
        ]);
    }
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.to_text(wide));
    }
    text
}

/// The lines above the members.
pub(crate) fn head(solution: &Solution, printer: &Printer) -> String {
    let status = status(solution);
    let namespace = solution.metadata.namespace.as_deref().unwrap_or_default();
    let name = solution.metadata.name.as_deref().unwrap_or_default();
    let ready = status.ready.as_deref().unwrap_or("0/0");
    let mut text = format!(
        "Solution {namespace}/{name}  {}  {ready} ready\n",
        painted(status.state, printer)
    );
    let mut line = |label: &str, words: &str| {
        if !words.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}  {words}", printer.paint(Paint::Faint, label));
        }
    };
    line(
        "intent  ",
        solution.spec.intent.as_deref().unwrap_or_default(),
    );
    line(
        "changed ",
        &status.last_change.as_ref().map(changed).unwrap_or_default(),
    );
    let unready = status
        .conditions
        .iter()
        .find(|c| c.type_ == "Ready" && c.status != "True");
    line(
        "because ",
        unready
            .map(|condition| condition.message.as_str())
            .unwrap_or_default(),
    );
    text
}

/// `by ann with kubectl, seen 2026-03-01T12:00:00Z`
fn changed(change: &Change) -> String {
    let tool = change
        .tool
        .as_ref()
        .map(|tool| format!(" with {tool}"))
        .unwrap_or_default();
    format!("by {}{tool}, seen {}", change.actor, change.seen)
}
