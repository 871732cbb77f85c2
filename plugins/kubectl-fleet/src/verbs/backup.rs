//! `backup` and `restore`: everything a store holds, as lines of JSON, the same for every kind of store.
//!
//! The first line says what it is, the last how many lines stand between them: a file that was cut off is noticed.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write};
use std::path::Path;

use pequod_cli::{Exit, Failure, Format, Printer};
use pequod_diag::{Code, Diagnostic};
use serde::{Deserialize, Serialize};

use super::open;
use super::opened::failure;
use crate::agent::now;
use crate::cli::{BackupArgs, RestoreArgs, StoreArgs};
use crate::freshness::ClusterState;
use crate::query::Query;
use crate::record::Record;
use crate::store::{Capability, Change, Page, SCHEMA};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    /// What the file is.
    PequodFleet {
        schema: u32,
        at: i64,
    },
    Object(Box<Record>),
    Cluster(Box<ClusterState>),
    Capability(Box<Capability>),
    /// How many lines stand before this one, the first not counted.
    End {
        lines: u64,
    },
}

fn broken(file: &Path, error: &dyn std::error::Error) -> Failure {
    let message = format!("{} cannot be used", file.display());
    Failure::input(Diagnostic::error(Code("fleet/backup"), message).caused_by(error))
}

fn wrong(file: &Path, why: &str) -> Failure {
    let message = format!("{} {why}", file.display());
    Failure::input(Diagnostic::error(Code("fleet/backup"), message))
}

pub(super) async fn backup(store: &StoreArgs, args: &BackupArgs) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let store = &*opened.store;
    // Beside the target, then in its place: a backup that failed does not replace one that did not.
    let half = args.file.with_extension("part");
    let file = File::create(&half).map_err(|error| broken(&half, &error))?;
    let mut out = BufWriter::new(file);
    let mut lines = 0;
    let mut write = |line: &Line| {
        lines += 1;
        serde_json::to_writer(&mut out, line)
            .map_err(std::io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|error| broken(&half, &error))
    };
    write(&Line::PequodFleet {
        schema: SCHEMA,
        at: now(),
    })?;
    // The states first: an object that is younger than its cluster's state claims nothing.
    for state in store.clusters().await.map_err(|error| failure(&error))? {
        write(&Line::Cluster(Box::new(state)))?;
    }
    for capability in store
        .capabilities()
        .await
        .map_err(|error| failure(&error))?
    {
        write(&Line::Capability(Box::new(capability)))?;
    }
    let mut objects = 0;
    let mut after = None;
    loop {
        let page = Page { limit: 1000, after };
        let answer = store
            .list(&Query::default(), 0, page)
            .await
            .map_err(|error| failure(&error))?;
        for record in answer.records {
            objects += 1;
            write(&Line::Object(Box::new(record)))?;
        }
        after = answer.next;
        if after.is_none() {
            break;
        }
    }
    let between = lines - 1;
    serde_json::to_writer(&mut out, &Line::End { lines: between })
        .map_err(std::io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| {
            out.into_inner()
                .map_err(std::io::IntoInnerError::into_error)
        })
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&half, &args.file))
        .map_err(|error| broken(&half, &error))?;
    Printer::new(Format::Table).say(&format!("{objects} objects are in {}", args.file.display()));
    Ok(Exit::Done)
}

/// Reads a whole backup line by line, or says what is wrong with it.
fn read(file: &Path, mut take: impl FnMut(Line)) -> Result<(), Failure> {
    let opened = File::open(file).map_err(|error| broken(file, &error))?;
    let mut lines = BufReader::new(opened).lines();
    let mut next = || -> Result<Option<Line>, Failure> {
        let Some(text) = lines.next() else {
            return Ok(None);
        };
        let text = text.map_err(|error| broken(file, &error))?;
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| broken(file, &error))
    };
    match next()? {
        Some(Line::PequodFleet { schema, .. }) if schema == SCHEMA => {}
        Some(Line::PequodFleet { schema, .. }) => {
            let why = format!("is a backup of schema {schema}, and this program has {SCHEMA}");
            return Err(wrong(file, &why));
        }
        _ => return Err(wrong(file, "is no backup of a fleet")),
    }
    let mut count = 0;
    loop {
        match next()? {
            Some(Line::End { lines }) if lines == count => return Ok(()),
            Some(Line::End { .. }) | None => {
                return Err(wrong(file, "is not whole: nothing was restored"));
            }
            Some(line) => take(line),
        }
        count += 1;
    }
}

pub(super) async fn restore(store: &StoreArgs, args: &RestoreArgs) -> Result<Exit, Failure> {
    // Once to see that it is whole, once to do it.
    read(&args.file, |_| {})?;
    let opened = open(store).await?;
    let store = &*opened.store;
    let there = store
        .count(&Query::default(), 0)
        .await
        .map_err(|error| failure(&error))?;
    if there > 0 {
        let message = format!("the store holds {there} objects already");
        return Err(Failure::input(
            Diagnostic::error(Code("fleet/backup"), message)
                .hint("restore into an empty one: another --store or --collection"),
        ));
    }
    let (mut objects, mut states) = (Vec::new(), Vec::new());
    let mut capabilities: Vec<Capability> = Vec::new();
    read(&args.file, |line| match line {
        Line::Object(record) => objects.push(Change::Put(record)),
        Line::Cluster(state) => states.push(*state),
        Line::Capability(capability) => capabilities.push(*capability),
        Line::PequodFleet { .. } | Line::End { .. } => {}
    })?;
    let count = objects.len();
    for batch in objects.chunks(1000) {
        store.apply(batch).await.map_err(|error| failure(&error))?;
    }
    for mut state in states {
        let kinds: Vec<Capability> = capabilities
            .iter()
            .filter(|it| it.cluster == state.cluster)
            .cloned()
            .collect();
        store
            .put_capabilities(&state.cluster, &kinds)
            .await
            .map_err(|error| failure(&error))?;
        // What was true when it was made is not followed by anybody now.
        state.heartbeat_seconds = 0;
        store
            .put_cluster(&state)
            .await
            .map_err(|error| failure(&error))?;
    }
    store.flush().await.map_err(|error| failure(&error))?;
    Printer::new(Format::Table).say(&format!("{count} objects restored"));
    Ok(Exit::Done)
}
