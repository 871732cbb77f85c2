//! `kubectl storage forecast`, and what each scan adds to the history.

use std::collections::BTreeMap;

use pequod_cli::{Exit, Failure, Table};
use pequod_diag::{Code, Diagnostic};
use serde::Serialize;

use super::{ScanArgs, print::Output, state::Store};
use crate::{
    forecast::{Forecast, forecast},
    history::{History, samples},
    model::{Inventory, Seconds},
    usage::human,
};

/// History that a forecast stands on.
const DAYS: i64 = 120;

fn failed(error: &rusqlite::Error) -> Failure {
    Failure::input(
        Diagnostic::error(Code("storage/history"), "the history cannot be used").caused_by(error),
    )
}

/// Adds a scan to the history.
pub(super) fn remember(store: &Store, inventory: &Inventory, now: Seconds) -> Result<(), Failure> {
    let mut history = History::open(&store.history()).map_err(|error| failed(&error))?;
    history
        .add(&samples(inventory, now))
        .map_err(|error| failed(&error))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    series: String,
    size_bytes: u64,
    #[serde(flatten)]
    forecast: Option<Forecast>,
}

/// Bytes a day by which the snapshots of each volume grow, by series; none without a history.
pub(super) fn snapshot_growth(
    inventory: &Inventory,
    arguments: &ScanArgs,
) -> Result<BTreeMap<String, f64>, Failure> {
    let store = Store::of(inventory, arguments.state_dir.as_deref())?;
    let mut growth = BTreeMap::new();
    if !store.history().exists() {
        return Ok(growth);
    }
    let history = History::open(&store.history()).map_err(|error| failed(&error))?;
    let now = jiff::Timestamp::now().as_second();
    for series in history.series().map_err(|error| failed(&error))? {
        if !series.starts_with("snapshots ") {
            continue;
        }
        let (points, _) = history
            .points(&series, now - DAYS * 86_400)
            .map_err(|error| failed(&error))?;
        if let Some(found) = forecast(&points, 0.0, now) {
            growth.insert(series, found.bytes_per_day);
        }
    }
    Ok(growth)
}

/// What is forecast.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Warn about what is likely to be full within so many days.
    pub(super) warn_days: u32,
    /// Volumes too.
    pub(super) volumes: bool,
}

pub(super) fn show(
    inventory: &Inventory,
    arguments: &ScanArgs,
    wanted: Wanted,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let store = Store::of(inventory, arguments.state_dir.as_deref())?;
    let now = jiff::Timestamp::now().as_second();
    store.prepare()?;
    remember(&store, inventory, now)?;
    let history = History::open(&store.history()).map_err(|error| failed(&error))?;
    let mut rows = Vec::new();
    for series in history.series().map_err(|error| failed(&error))? {
        if series.starts_with("volume ") && !wanted.volumes {
            continue;
        }
        let (points, size_bytes) = history
            .points(&series, now - DAYS * 86_400)
            .map_err(|error| failed(&error))?;
        if size_bytes == 0 {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "bytes to compare a line with")]
        let size = size_bytes as f64;
        rows.push(Row {
            series,
            size_bytes,
            forecast: forecast(&points, size, now),
        });
    }
    let mut table = Table::new(&["SERIES", "SIZE", "PER DAY", "80%", "90%", "100%", "ERROR"])
        .wide(&["POINTS", "DAYS"]);
    let mut warn = false;
    for row in &rows {
        let Some(found) = &row.forecast else {
            table.row([
                row.series.clone(),
                human(row.size_bytes),
                "too short a history".to_owned(),
            ]);
            continue;
        };
        warn |= found.reaches(90, f64::from(wanted.warn_days));
        let mut cells = vec![
            row.series.clone(),
            human(row.size_bytes),
            per_day(found.bytes_per_day),
        ];
        cells.extend(found.crossings.iter().map(|at| {
            let days = |days: Option<f64>| {
                days.map_or_else(|| "-".to_owned(), |days| format!("{days:.0}d"))
            };
            match (at.earliest_days, at.latest_days) {
                (None, None) => "-".to_owned(),
                (early, late) => format!("{} ({}..{})", days(at.days), days(early), days(late)),
            }
        }));
        cells.push(
            found
                .back_test_error_percent
                .map_or_else(String::new, |error| format!("{error:.1}%")),
        );
        cells.push(found.points.to_string());
        cells.push(format!("{:.0}", found.days));
        table.row(cells);
    }
    output.rows(&rows, &table)?;
    Ok(if warn { Exit::No } else { Exit::Done })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole bytes for people"
)]
pub(super) fn per_day(bytes: f64) -> String {
    let sign = if bytes < 0.0 { "-" } else { "" };
    format!("{sign}{}", human(bytes.abs() as u64))
}
