//! What the fleet is made of, and what is wrong with it: `clusters`, `kinds`, `capabilities`, `top problems`.

use std::collections::{BTreeMap, BTreeSet};

use pequod_cli::{Exit, Failure, Format, Printer, Table};
use serde::Serialize;

use super::{open, show};
use crate::agent::now;
use crate::answer::freshness;
use crate::cli::{CapabilitiesArgs, ListArgs, ProblemsArgs, StoreArgs};
use crate::concepts;
use crate::freshness::{ClusterState, Judged, Phase};
use crate::health::Health;
use crate::query::{Field, Query, Term, Test};
use crate::store;
use crate::text;
use crate::verbs::opened::failure;

#[derive(Serialize)]
struct ClusterRow<'a> {
    #[serde(flatten)]
    state: &'a ClusterState,
    judged: Judged,
    objects: u64,
}

pub(super) async fn clusters(store: &StoreArgs, list: &ListArgs) -> Result<Exit, Failure> {
    let known = open(store).await?.known().await?;
    let now = now();
    let rows: Vec<ClusterRow<'_>> = known
        .states
        .iter()
        .map(|state| ClusterRow {
            state,
            judged: state.judge(now, None),
            objects: state.kinds.values().map(|kind| kind.objects).sum(),
        })
        .collect();
    let mut printer = Printer::new(list.output.output);
    printer.many(
        &rows,
        |row| format!("cluster/{}", row.state.cluster),
        |rows| {
            let mut table = Table::new(&[
                "CLUSTER",
                "COMPLETE",
                "SEEN",
                "COMPLETE AS OF",
                "OBJECTS",
                "KINDS",
                "WAITING",
                "DROPPED",
            ])
            .wide(&["VERSION", "EPOCH", "CONTEXT", "PROBLEMS"]);
            for row in rows {
                let watching = row
                    .state
                    .kinds
                    .values()
                    .filter(|kind| kind.phase == Phase::Watching)
                    .count();
                table.row([
                    row.state.cluster.clone(),
                    if row.judged.complete { "True" } else { "False" }.to_owned(),
                    show::since(row.state.heartbeat_at, now),
                    show::since(row.state.complete_at, now),
                    row.objects.to_string(),
                    format!("{watching}/{}", row.state.kinds.len()),
                    row.state.waiting.to_string(),
                    row.state.dropped.to_string(),
                    row.state.version.clone(),
                    row.state.epoch.to_string(),
                    row.state.context.clone(),
                    row.judged.problems.join("; "),
                ]);
            }
            table
        },
    )?;
    let complete = !rows.is_empty() && rows.iter().all(|row| row.judged.complete);
    Ok(match (complete, list.require_complete) {
        (true, _) => Exit::Done,
        (false, true) => Exit::Remote,
        (false, false) => Exit::No,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KindRow {
    name: String,
    kind: String,
    short_names: Vec<String>,
    namespaced: bool,
    objects: u64,
    clusters: usize,
    about: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
}

pub(super) async fn kinds(store: &StoreArgs, list: &ListArgs) -> Result<Exit, Failure> {
    show_kinds(store, list, &[]).await
}

pub(super) async fn capabilities(
    store: &StoreArgs,
    args: &CapabilitiesArgs,
) -> Result<Exit, Failure> {
    show_kinds(store, &args.list, &args.words).await
}

async fn show_kinds(store: &StoreArgs, list: &ListArgs, words: &[String]) -> Result<Exit, Failure> {
    let known = open(store).await?.known().await?;
    let mut rows: BTreeMap<String, KindRow> = BTreeMap::new();
    for capability in &known.capabilities {
        let served = &capability.served;
        let name = served.full_name();
        let state = known
            .states
            .iter()
            .find(|state| state.cluster == capability.cluster);
        let objects = state
            .and_then(|state| state.kinds.get(&name))
            .map_or(0, |kind| kind.objects);
        let singular = served.kind.to_lowercase();
        let row = rows.entry(name.clone()).or_insert_with(|| KindRow {
            name,
            kind: served.kind.clone(),
            short_names: served
                .aliases
                .iter()
                .filter(|alias| !alias.is_empty() && **alias != singular)
                .cloned()
                .collect(),
            namespaced: served.namespaced,
            objects: 0,
            clusters: 0,
            about: served.about.clone(),
            description: capability.description.clone(),
        });
        row.objects += objects;
        row.clusters += 1;
    }
    let wanted: BTreeSet<String> = words.iter().flat_map(|word| text::words(word)).collect();
    let concepts: Vec<&str> = words
        .iter()
        .filter_map(|word| concepts::named(word))
        .collect();
    let fits = |row: &KindRow| {
        let own: BTreeSet<String> = [&row.name, &row.kind, &row.description]
            .into_iter()
            .flat_map(|it| text::words(it))
            .collect();
        wanted.is_empty()
            || row
                .about
                .iter()
                .any(|about| concepts.contains(&about.as_str()))
            || wanted.iter().all(|word| own.contains(word))
    };
    let rows: Vec<KindRow> = rows.into_values().filter(fits).collect();
    let mut printer = Printer::new(list.output.output);
    printer.many(
        &rows,
        |row| row.name.clone(),
        |rows| {
            let mut table = Table::new(&[
                "NAME",
                "SHORT",
                "KIND",
                "NAMESPACED",
                "OBJECTS",
                "CLUSTERS",
                "ABOUT",
            ])
            .wide(&["DESCRIPTION"]);
            for row in rows {
                table.row([
                    row.name.clone(),
                    row.short_names.join(","),
                    row.kind.clone(),
                    row.namespaced.to_string(),
                    row.objects.to_string(),
                    row.clusters.to_string(),
                    row.about.join(","),
                    row.description.clone(),
                ]);
            }
            table
        },
    )?;
    Ok(show::worth(
        &mut printer,
        &freshness(&known, &Query::default(), now()),
        list,
    ))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemRow {
    health: Health,
    kind: String,
    reason: String,
    count: u64,
    clusters: Vec<String>,
    example: String,
    message: String,
}

pub(super) async fn problems(store: &StoreArgs, args: &ProblemsArgs) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let known = opened.known().await?;
    let now = now();
    let mut query = Query::default().is(Field::Cluster, args.clusters.clone());
    let current = vec![
        Health::Current.as_str().to_owned(),
        Health::Unknown.as_str().to_owned(),
    ];
    query.terms.push(Term {
        negated: true,
        test: Test::Is(Field::Health, current),
    });
    let records = store::all(&*opened.store, &query, now)
        .await
        .map_err(|error| failure(&error))?;
    // Failures before what is only on its way; there, the more frequent first.
    let severity = |health: Health| match health {
        Health::Failed => 0,
        Health::Terminating => 1,
        _ => 2,
    };
    let mut groups: BTreeMap<(u8, String, String), Vec<&crate::record::Record>> = BTreeMap::new();
    for record in &records {
        let key = (
            severity(record.health),
            record.identity.kind.clone(),
            record.reason.clone(),
        );
        groups.entry(key).or_default().push(record);
    }
    let mut rows: Vec<ProblemRow> = groups
        .into_values()
        .map(|members| {
            let clusters: BTreeSet<String> = members
                .iter()
                .map(|record| record.identity.cluster.clone())
                .collect();
            ProblemRow {
                health: members[0].health,
                kind: members[0].identity.kind.clone(),
                reason: members[0].reason.clone(),
                count: members.len() as u64,
                clusters: clusters.into_iter().collect(),
                example: members[0].id.clone(),
                message: members[0].message.clone(),
            }
        })
        .collect();
    rows.sort_by(|a, b| {
        severity(a.health)
            .cmp(&severity(b.health))
            .then(b.count.cmp(&a.count))
    });
    let mut printer = Printer::new(args.list.output.output);
    let painted: Vec<String> = rows
        .iter()
        .map(|row| show::health(&printer, row.health))
        .collect();
    let plain = matches!(printer.format(), Format::Json | Format::Yaml | Format::Name);
    printer.many(
        &rows,
        |row| format!("{}/{}", row.kind, row.reason),
        |rows| {
            let mut table =
                Table::new(&["COUNT", "KIND", "REASON", "CLUSTERS", "EXAMPLE", "HEALTH"])
                    .wide(&["MESSAGE"]);
            for (row, health) in rows.iter().zip(&painted) {
                table.row([
                    row.count.to_string(),
                    row.kind.clone(),
                    row.reason.clone(),
                    row.clusters.join(","),
                    row.example.clone(),
                    if plain {
                        row.health.as_str().to_owned()
                    } else {
                        health.clone()
                    },
                    row.message.clone(),
                ]);
            }
            table
        },
    )?;
    let exit = show::worth(&mut printer, &freshness(&known, &query, now), &args.list);
    Ok(if rows.is_empty() {
        exit
    } else {
        exit.max(Exit::No)
    })
}
