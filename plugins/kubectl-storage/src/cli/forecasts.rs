//! `kubectl storage forecast`, and what each scan adds to the history.

use std::collections::BTreeMap;

use pequod_cli::{Exit, Failure, Table};
use pequod_diag::{Code, Diagnostic};
use serde::Serialize;

use super::{ScanArgs, print::Output, state::Store};
use crate::{
    finding::{Code as Kind, Finding, Severity, Subject},
    forecast::{Forecast, forecast},
    history::{History, samples},
    model::{Inventory, Seconds},
    usage::human,
};

/// History that a forecast stands on.
const DAYS: i64 = 120;

/// Days before which a scan says that a pool will be full.
const SOON: u32 = 7;

fn failed(error: &rusqlite::Error) -> Failure {
    Failure::input(
        Diagnostic::error(Code("storage/history"), "the history cannot be used").caused_by(error),
    )
}

/// Adds a scan to the history, and opens it.
pub(super) fn remember(
    store: &Store,
    inventory: &Inventory,
    now: Seconds,
) -> Result<History, Failure> {
    let mut history = History::open(&store.history()).map_err(|error| failed(&error))?;
    history
        .add(&samples(inventory, now))
        .map_err(|error| failed(&error))?;
    Ok(history)
}

/// Pools that are likely to be 90 % full within [`SOON`], at the early end of the band. An error once it is 100 %.
///
/// A history of less than a day says nothing about days.
pub(super) fn filling(
    history: &History,
    inventory: &Inventory,
    now: Seconds,
) -> Result<Vec<Finding>, Failure> {
    let mut findings = Vec::new();
    for nas in &inventory.appliances {
        for pool in &nas.pools {
            let series = format!("pool {} {}", nas.name, pool.name);
            let (points, size_bytes) = history
                .points(&series, now - DAYS * 86_400)
                .map_err(|error| failed(&error))?;
            #[expect(clippy::cast_precision_loss, reason = "bytes to compare a line with")]
            let found = forecast(&points, size_bytes as f64, now);
            let Some(found) = found.filter(|found| {
                size_bytes > 0 && found.days >= 1.0 && found.reaches(90, f64::from(SOON))
            }) else {
                continue;
            };
            let subject = Subject::new(&nas.name, "Pool", pool.name.clone());
            let reaches = |percent: u32| {
                let at = found.crossings.iter().find(|at| at.percent == percent);
                let at = at.and_then(|at| at.earliest_days.map(|early| (early, at.days)));
                at.map(|(early, days)| match days {
                    Some(days) => {
                        format!("{percent} % in {days:.0} days, at the earliest {early:.0}")
                    }
                    None => format!("{percent} % in {early:.0} days at the earliest"),
                })
            };
            let expected: Vec<String> = [90, 100].into_iter().filter_map(reaches).collect();
            let error = found
                .back_test_error_percent
                .map_or_else(String::new, |error| {
                    format!(
                        "; the same method missed the last third of the history by {error:.1} %"
                    )
                });
            let message = format!(
                "{}, growing by {} a day{error}",
                expected.join(", "),
                per_day(found.bytes_per_day)
            );
            let mut finding = Finding::reported(Kind::Filling, subject, message);
            if found.reaches(100, f64::from(SOON)) {
                finding.severity = Severity::Error;
            }
            finding.next = Some("kubectl storage forecast --volumes".to_owned());
            findings.push(finding);
        }
    }
    Ok(findings)
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
    let history = remember(&store, inventory, now)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        history::Sample,
        model::nas::{Nas, Pool},
    };

    const DAY: Seconds = 86_400;

    /// What is said of a pool of 1,000 bytes of which so many were taken in the course of some time.
    fn said(took: Seconds, from: i64, to: i64) -> Vec<Finding> {
        const NOW: Seconds = 1_700_000_000;
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory {
            appliances: vec![Nas {
                name: "nas".into(),
                pools: vec![Pool {
                    name: "tank".into(),
                    ..Pool::default()
                }],
                ..Nas::default()
            }],
            ..Inventory::default()
        };
        let store = Store::of(&inventory, Some(folder.path())).unwrap();
        let mut history = History::open(&store.history()).unwrap();
        for step in 0..=20 {
            let sample = Sample {
                series: "pool nas tank".to_owned(),
                at: NOW - took * (20 - step) / 20,
                used_bytes: u64::try_from(from + (to - from) * step / 20).unwrap(),
                size_bytes: 1_000,
                daily: false,
            };
            history.add(&[sample]).unwrap();
        }
        filling(&history, &inventory, NOW).unwrap()
    }

    #[test]
    fn a_pool_is_warned_of_a_week_before_it_is_nearly_full() {
        // 900 in five days, 1,000 in ten.
        let soon = said(10 * DAY, 600, 800);
        assert_eq!(soon.len(), 1, "{soon:?}");
        assert_eq!(soon[0].code.id(), "PQS-5001");
        assert_eq!(soon[0].severity, Severity::Warning);
        assert!(soon[0].message.starts_with("90 % in 5 days"), "{soon:?}");
        // 1,000 in five days.
        assert_eq!(said(10 * DAY, 700, 900)[0].severity, Severity::Error);
        // 900 in twenty days; never; and after half a day nobody can say.
        assert_eq!(said(10 * DAY, 300, 500), []);
        assert_eq!(said(10 * DAY, 800, 800), []);
        assert_eq!(said(DAY / 2, 840, 880), []);
    }
}
