//! `history`: what was known at a moment, and what has changed since.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use pequod_cli::{Exit, Failure, Printer, Table};
use pequod_diag::{Code, Diagnostic};
use serde::Serialize;
use uuid::Uuid;

use super::open;
use super::opened::{directory, failure};
use crate::agent::now;
use crate::cli::{HistoryArgs, StoreArgs};
use crate::query::Query;
use crate::query::parse::{self, parse};
use crate::record::Record;
use crate::store::{self, history};

/// An object at a moment, or how it differs from then.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// `=` as it was; `+` came, `-` left, `~` changed since.
    change: &'static str,
    id: String,
    health: String,
    reason: String,
}

/// A moment in seconds since 1970: `2h` ago, `10:30` today, or a whole timestamp.
fn moment(text: &str, now: &Zoned) -> Option<i64> {
    if let Some(seconds) = parse::seconds(text) {
        return Some(now.timestamp().as_second() - seconds);
    }
    if let Ok(time) = text.parse::<jiff::civil::Time>() {
        let today = now.date().to_datetime(time);
        return Some(
            today
                .to_zoned(now.time_zone().clone())
                .ok()?
                .timestamp()
                .as_second(),
        );
    }
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

pub(super) async fn history(store: &StoreArgs, args: &HistoryArgs) -> Result<Exit, Failure> {
    let query = parse(&args.words.join(" ")).map_err(Failure::input)?;
    let usage = |message: String| Failure::input(Diagnostic::error(Code("fleet/history"), message));
    if store.qdrant.is_some() {
        return Err(usage(
            "history is kept beside the embedded store only".to_owned(),
        ));
    }
    if !query.text.is_empty() || query.by.is_some() {
        return Err(usage(
            "history knows exact terms only: no words, no by:".to_owned(),
        ));
    }
    if let Some(most) = args.last {
        return last(store, args, &query, most).await;
    }
    let text = args.at.as_ref().or(args.since.as_ref());
    let here = Timestamp::now().to_zoned(TimeZone::system());
    let then = text
        .and_then(|text| moment(text, &here))
        .ok_or_else(|| usage("say when: 2h, 10:30, or 2026-01-31T10:30:00Z".to_owned()))?;
    let opened = open(store).await?;
    let query = opened.known().await?.vocabulary.resolve(&query).0;
    let folder = directory(store)?.join(history::FOLDER);
    // A log that cannot be read is one that is not there.
    let mut known = history::at(&folder, then * 1000 + 999).unwrap_or_default();
    let mut printer = Printer::new(args.output.output);
    if known.is_none()
        && args.since.is_some()
        && let Ok(Some(begun)) = history::begun(&folder)
    {
        known = history::at(&folder, begun).unwrap_or_default();
        let begun = Timestamp::from_millisecond(begun).unwrap_or_default();
        printer.say(&format!("Warning: recorded since {begun:.0} only"));
    }
    let Some(known) = known else {
        return Err(Failure::input(
            Diagnostic::error(
                Code("fleet/history"),
                "nothing was recorded then".to_owned(),
            )
            .hint("`kubectl fleet sync --watch --history-days 7` records from now on"),
        ));
    };
    let before: BTreeMap<Uuid, Record> = known
        .into_iter()
        .filter(|(_, record)| query.matches(record, then))
        .collect();
    let row = |change, record: &Record, health: String| Row {
        change,
        id: record.id.clone(),
        health,
        reason: record.reason.clone(),
    };
    let mut rows = Vec::new();
    if args.since.is_some() {
        let after = store::all(&*opened.store, &query, now())
            .await
            .map_err(|error| failure(&error))?;
        let after: BTreeMap<Uuid, Record> = after
            .into_iter()
            .map(|record| (record.identity.point(), record))
            .collect();
        for (id, record) in &after {
            let is = record.health.as_str();
            match before.get(id) {
                None => rows.push(row("+", record, is.to_owned())),
                Some(old) if old.visible() != record.visible() => {
                    let was = old.health.as_str();
                    let health = if was == is {
                        is.to_owned()
                    } else {
                        format!("{was} → {is}")
                    };
                    rows.push(row("~", record, health));
                }
                Some(_) => {}
            }
        }
        for (id, record) in &before {
            if !after.contains_key(id) {
                rows.push(row("-", record, record.health.as_str().to_owned()));
            }
        }
    } else {
        rows.extend(
            before
                .values()
                .map(|record| row("=", record, record.health.as_str().to_owned())),
        );
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    printer.many(
        &rows,
        |row| row.id.clone(),
        |rows| {
            let mut table = Table::new(&["", "ID", "HEALTH", "REASON"]);
            for row in rows {
                table.row([
                    row.change.to_owned(),
                    row.id.clone(),
                    row.health.clone(),
                    row.reason.clone(),
                ]);
            }
            table
        },
    )?;
    Ok(Exit::Done)
}

/// A state of an object.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    id: String,
    /// From when on it was so.
    since: String,
    health: String,
    reason: String,
    /// What the kind's printer columns said.
    columns: Vec<String>,
}

/// The last states of each object that the query finds in one of them.
async fn last(
    store: &StoreArgs,
    args: &HistoryArgs,
    query: &Query,
    most: usize,
) -> Result<Exit, Failure> {
    let query = open(store)
        .await?
        .known()
        .await?
        .vocabulary
        .resolve(query)
        .0;
    let folder = directory(store)?.join(history::FOLDER);
    let moment = now();
    // A log that cannot be read is one that is not there.
    let known = history::past(&folder, most, |record| query.matches(record, moment));
    let mut rows = Vec::new();
    for past in known.unwrap_or_default() {
        for (at, record) in past.states.into_iter().rev() {
            let at = Timestamp::from_millisecond(at).unwrap_or_default();
            let record = record.as_ref();
            let columns = record.map(|it| it.status.columns.as_slice());
            rows.push(State {
                id: past.id.clone(),
                since: format!("{at:.0}"),
                health: record.map_or("gone", |it| it.health.as_str()).to_owned(),
                reason: record.map(|it| it.reason.clone()).unwrap_or_default(),
                columns: columns
                    .unwrap_or_default()
                    .iter()
                    .map(|(name, cell)| format!("{name}={cell}"))
                    .collect(),
            });
        }
    }
    let mut printer = Printer::new(args.output.output);
    printer.many(
        &rows,
        |row| row.id.clone(),
        |rows| {
            let mut table = Table::new(&["ID", "SINCE", "HEALTH", "REASON"]).wide(&["COLUMNS"]);
            for row in rows {
                table.row([
                    row.id.clone(),
                    row.since.clone(),
                    row.health.clone(),
                    row.reason.clone(),
                    row.columns.join(" "),
                ]);
            }
            table
        },
    )?;
    if rows.is_empty() {
        printer.say("nothing was recorded; see `kubectl fleet sync --history-days`");
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_people_write_them() {
        let now: Zoned = "2026-02-03T12:00:00+00:00[UTC]".parse().unwrap();
        let noon = now.timestamp().as_second();
        for (text, expected) in [
            ("2h", Some(noon - 7200)),
            ("10:30", Some(noon - 5400)),
            ("2026-02-03T11:00:00Z", Some(noon - 3600)),
            ("yesterday", None),
        ] {
            assert_eq!(moment(text, &now), expected, "{text}");
        }
    }
}
