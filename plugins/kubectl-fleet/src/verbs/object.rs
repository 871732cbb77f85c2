//! One object: `tree` and `diff`.

use std::collections::{BTreeMap, BTreeSet};

use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, Table};
use pequod_diag::{Code, Diagnostic};
use serde::Serialize;

use super::{open, show};
use crate::agent::now;
use crate::answer::{Known, freshness};
use crate::cli::{ObjectArgs, StoreArgs};
use crate::query::{Field, Query};
use crate::record::Record;
use crate::store::{self, Store};
use crate::verbs::opened::failure;

/// The query for an object that a command line names.
pub(super) fn query(
    kubectl: &KubectlArgs,
    args: &ObjectArgs,
    known: &Known,
) -> Result<Query, Failure> {
    let missing = |what: &str| {
        Failure::input(Diagnostic::error(
            Code("fleet/usage"),
            format!("{what} is missing"),
        ))
    };
    let (kind, name) = match (args.kind.split_once('/'), &args.name) {
        (Some((kind, name)), None) => (kind, name.to_owned()),
        (None, Some(name)) => (args.kind.as_str(), name.clone()),
        (Some(_), Some(name)) => {
            let message = format!(
                "the name is given twice: in `{}` and as `{name}`",
                args.kind
            );
            return Err(Failure::input(Diagnostic::error(
                Code("fleet/usage"),
                message,
            )));
        }
        (None, None) => return Err(missing("the name of the object")),
    };
    let mut query = Query::default()
        .is(Field::Kind, [kind])
        .is(Field::Name, [name])
        .is(Field::Cluster, args.clusters.clone());
    if let Some(namespace) = &kubectl.namespace {
        query = query.is(Field::Namespace, [namespace.clone()]);
    }
    let (query, unknown) = known.vocabulary.resolve(&query);
    if unknown.is_empty() {
        return Ok(query);
    }
    let message = format!(
        "no cluster of the fleet serves a kind `{}`",
        unknown.join(", ")
    );
    Err(Failure::input(
        Diagnostic::error(Code("fleet/kind"), message).hint("see `kubectl fleet kinds`"),
    ))
}

/// The records of a query; none is a failure.
pub(super) async fn records(store: &dyn Store, query: &Query) -> Result<Vec<Record>, Failure> {
    let mut records = store::all(store, query, now())
        .await
        .map_err(|error| failure(&error))?;
    records.sort_by(|a, b| a.identity.cmp(&b.identity));
    if records.is_empty() {
        let mut failure = Failure::no();
        failure.problems.0.push(Diagnostic::error(
            Code("fleet/not-found"),
            format!("nothing matches {query}"),
        ));
        return Err(failure);
    }
    Ok(records)
}

#[derive(Serialize)]
struct Node {
    #[serde(flatten)]
    record: Record,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    owned: Vec<Node>,
}

/// Deeper than this, ownership is a circle.
const DEPTH: usize = 12;

pub(super) async fn tree(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &ObjectArgs,
) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let known = opened.known().await?;
    let query = query(kubectl, args, &known)?;
    let mut roots = Vec::new();
    for record in records(&*opened.store, &query).await? {
        let top = owner_of_all(&*opened.store, record).await?;
        if !roots.iter().any(|node: &Node| node.record.id == top.id) {
            roots.push(grow(&*opened.store, top).await?);
        }
    }
    let mut printer = Printer::new(args.list.output.output);
    match printer.format() {
        Format::Json | Format::Yaml => {
            #[derive(Serialize)]
            struct Trees {
                items: Vec<Node>,
            }
            show::document(&mut printer, "FleetTree", &Trees { items: roots })?;
        }
        Format::Name => {
            let mut names = Vec::new();
            for root in &roots {
                ids(root, &mut names);
            }
            for name in names {
                printer.line(&name)?;
            }
        }
        Format::Table | Format::Wide => {
            let mut lines = String::new();
            for root in &roots {
                draw(&printer, root, "", "", &mut lines);
            }
            printer.data(&lines)?;
        }
    }
    // A tree crosses kinds: all of them count for its worth.
    let whole = Query::default().is(
        Field::Cluster,
        query.values(Field::Cluster).unwrap_or_default().to_vec(),
    );
    Ok(show::worth(
        &mut printer,
        &freshness(&known, &whole, now()),
        &args.list,
    ))
}

/// Follows the owners up to the one that nobody owns.
async fn owner_of_all(store: &dyn Store, mut record: Record) -> Result<Record, Failure> {
    for _ in 0..DEPTH {
        let Some(uid) = record.owner_uids.first() else {
            break;
        };
        let query = Query::default()
            .is(Field::Cluster, [record.identity.cluster.clone()])
            .is(Field::Uid, [uid.clone()]);
        match store::all(store, &query, now())
            .await
            .map_err(|error| failure(&error))?
            .into_iter()
            .next()
        {
            Some(owner) => record = owner,
            None => break,
        }
    }
    Ok(record)
}

/// Everything an object owns, level by level: one question a level, however many objects there are.
async fn grow(store: &dyn Store, root: Record) -> Result<Node, Failure> {
    let cluster = root.identity.cluster.clone();
    let mut owned: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let mut seen: BTreeSet<String> = [root.uid.clone()].into();
    let mut level = vec![root.uid.clone()];
    for _ in 0..DEPTH {
        level.retain(|uid| !uid.is_empty());
        if level.is_empty() {
            break;
        }
        let query = Query::default()
            .is(Field::Cluster, [cluster.clone()])
            .is(Field::OwnerUid, level.clone());
        let mut children = store::all(store, &query, now())
            .await
            .map_err(|error| failure(&error))?;
        children.sort_by(|a, b| a.identity.cmp(&b.identity));
        level.clear();
        for child in children {
            if !seen.insert(child.uid.clone()) {
                continue;
            }
            level.push(child.uid.clone());
            let owner = child
                .owner_uids
                .iter()
                .find(|uid| seen.contains(*uid))
                .cloned()
                .unwrap_or_default();
            owned.entry(owner).or_default().push(child);
        }
    }
    Ok(build(root, &mut owned))
}

fn build(record: Record, owned: &mut BTreeMap<String, Vec<Record>>) -> Node {
    let children = owned.remove(&record.uid).unwrap_or_default();
    Node {
        owned: children
            .into_iter()
            .map(|child| build(child, owned))
            .collect(),
        record,
    }
}

fn ids(node: &Node, names: &mut Vec<String>) {
    names.push(node.record.id.clone());
    for child in &node.owned {
        ids(child, names);
    }
}

fn draw(printer: &Printer, node: &Node, first: &str, rest: &str, lines: &mut String) {
    let record = &node.record;
    let place = if first.is_empty() {
        format!("{} ", record.identity.cluster)
    } else {
        String::new()
    };
    let reason = if record.reason.is_empty() {
        String::new()
    } else {
        format!(" ({})", record.reason)
    };
    let state = show::health(printer, record.health);
    let (kind, name) = (&record.identity.kind, &record.identity.name);
    lines.extend([
        first, &place, kind, "/", name, "  ", &state, &reason, "
",
    ]);
    for (at, child) in node.owned.iter().enumerate() {
        let last = at + 1 == node.owned.len();
        let (branch, below) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        draw(
            printer,
            child,
            &format!("{rest}{branch}"),
            &format!("{rest}{below}"),
            lines,
        );
    }
}

#[derive(Serialize)]
struct Difference {
    field: String,
    values: BTreeMap<String, String>,
}

pub(super) async fn diff(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &ObjectArgs,
) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let known = opened.known().await?;
    let query = query(kubectl, args, &known)?;
    let records = records(&*opened.store, &query).await?;
    let place = |record: &Record| {
        if kubectl.namespace.is_some() || record.identity.namespace.is_empty() {
            record.identity.cluster.clone()
        } else {
            format!("{}/{}", record.identity.cluster, record.identity.namespace)
        }
    };
    let sides: Vec<(String, BTreeMap<String, String>)> = records
        .iter()
        .map(|record| (place(record), fields(record)))
        .collect();
    let keys: BTreeSet<&String> = sides.iter().flat_map(|(_, fields)| fields.keys()).collect();
    let mut differences: Vec<Difference> = keys
        .into_iter()
        .filter(|key| {
            sides
                .windows(2)
                .any(|pair| pair[0].1.get(*key) != pair[1].1.get(*key))
        })
        .map(|key| Difference {
            field: key.clone(),
            values: sides
                .iter()
                .map(|(place, fields)| {
                    (place.clone(), fields.get(key).cloned().unwrap_or_default())
                })
                .collect(),
        })
        .collect();
    // A cluster that was meant and has no such object differs most.
    let has: BTreeSet<&str> = records
        .iter()
        .map(|record| record.identity.cluster.as_str())
        .collect();
    let meant = query.values(Field::Cluster);
    let lacking: Vec<&String> = known
        .vocabulary
        .clusters
        .iter()
        .filter(|cluster| {
            meant.is_none_or(|patterns| patterns.iter().any(|it| crate::query::glob(it, cluster)))
        })
        .filter(|cluster| !has.contains(cluster.as_str()))
        .collect();
    for cluster in lacking {
        differences.push(Difference {
            field: "(object)".to_owned(),
            values: [(cluster.clone(), "missing".to_owned())].into(),
        });
    }
    let mut printer = Printer::new(args.list.output.output);
    if differences.is_empty() && matches!(printer.format(), Format::Table | Format::Wide) {
        printer.say(&format!("no difference in {} places", sides.len()));
    } else {
        printer.many(
            &differences,
            |it| it.field.clone(),
            |differences| {
                let mut table = Table::new(&["FIELD", "WHERE", "VALUE"]);
                for it in differences {
                    for (place, value) in &it.values {
                        table.row([it.field.clone(), place.clone(), value.clone()]);
                    }
                }
                table
            },
        )?;
    }
    let exit = show::worth(&mut printer, &freshness(&known, &query, now()), &args.list);
    Ok(if differences.is_empty() {
        exit
    } else {
        exit.max(Exit::No)
    })
}

/// What of an object is compared: what somebody chose, and how it is.
fn fields(record: &Record) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in record.label_map() {
        fields.insert(format!("label {key}"), value.to_owned());
    }
    for (key, value) in &record.annotations {
        fields.insert(format!("annotation {key}"), value.clone());
    }
    for (key, value) in &record.status.replicas {
        if matches!(
            key.as_str(),
            "wanted" | "readyReplicas" | "availableReplicas"
        ) {
            fields.insert(format!("replicas {key}"), value.to_string());
        }
    }
    fields.insert("images".to_owned(), record.images.join(", "));
    fields.insert("health".to_owned(), record.health.as_str().to_owned());
    fields.insert("reason".to_owned(), record.reason.clone());
    fields.insert("apiVersion".to_owned(), record.api_version.clone());
    fields
}
