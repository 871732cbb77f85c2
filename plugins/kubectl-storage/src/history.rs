//! What was taken when, for more than 90 days, in one SQLite file.
//!
//! | level | one point a | kept for |
//! | --- | --- | --- |
//! | 0 | scan | 2 days |
//! | 1 | hour | 14 days |
//! | 2 | day | 400 days |
//!
//! Volumes and their snapshots, of which there may be ten thousand, are kept by day only.
//!
//! A point of a higher level is the last one of its hour or day, so that adding is one insert and
//! nothing is ever averaged away: what a volume took at the end of a day is a fact.

use std::{collections::BTreeSet, path::Path};

use rusqlite::{Connection, params};

use crate::{
    forecast::Point,
    model::{Inventory, Seconds, Text},
    usage,
};

const HOUR: i64 = 3600;
const DAY: i64 = 86_400;
/// Level, width of a bucket, how long it is kept.
const LEVELS: [(i64, i64, i64); 3] = [(0, 1, 2 * DAY), (1, HOUR, 14 * DAY), (2, DAY, 400 * DAY)];

/// A sample of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// `pool nas tank`, `parent nas tank/k8s`, `class cluster name`, `volume nas dataset`,
    /// `snapshots nas dataset`.
    pub series: String,
    /// When.
    pub at: Seconds,
    /// Bytes taken.
    pub used_bytes: u64,
    /// Bytes there are in all; 0 when that has no meaning.
    pub size_bytes: u64,
    /// Whether only the last point of each day is kept.
    pub daily: bool,
}

/// The store.
#[derive(Debug)]
pub struct History(Connection);

impl History {
    /// Opens or makes it.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        Self::prepare(Connection::open(path)?)
    }

    /// One that is gone when it is dropped.
    pub fn in_memory() -> rusqlite::Result<Self> {
        Self::prepare(Connection::open_in_memory()?)
    }

    fn prepare(connection: Connection) -> rusqlite::Result<Self> {
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        // A crash may lose the last samples, never the file.
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
             CREATE TABLE IF NOT EXISTS point (
                 level INTEGER NOT NULL, series INTEGER NOT NULL, bucket INTEGER NOT NULL,
                 at INTEGER NOT NULL, used INTEGER NOT NULL, size INTEGER NOT NULL,
                 PRIMARY KEY (level, series, bucket)) WITHOUT ROWID;",
        )?;
        Ok(Self(connection))
    }

    /// Adds samples, and drops what is too old at their time.
    pub fn add(&mut self, samples: &[Sample]) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut name = transaction
                .prepare_cached("INSERT INTO series (name) VALUES (?1) ON CONFLICT DO NOTHING")?;
            let mut id = transaction.prepare_cached("SELECT id FROM series WHERE name = ?1")?;
            let mut point = transaction.prepare_cached(
                "INSERT INTO point (level, series, bucket, at, used, size) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET at = excluded.at, used = excluded.used, size = excluded.size
                 WHERE excluded.at >= at",
            )?;
            let mut ids: std::collections::HashMap<&str, i64> = std::collections::HashMap::new();
            for sample in samples {
                let known = ids.get(sample.series.as_str()).copied();
                let series = if let Some(known) = known {
                    known
                } else {
                    name.execute([&sample.series])?;
                    let fresh = id.query_row([&sample.series], |row| row.get(0))?;
                    ids.insert(&sample.series, fresh);
                    fresh
                };
                let [used, size] = [sample.used_bytes, sample.size_bytes]
                    .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
                let levels = LEVELS.into_iter().skip(if sample.daily { 2 } else { 0 });
                for (level, width, _) in levels {
                    let bucket = sample.at.div_euclid(width);
                    point.execute(params![level, series, bucket, sample.at, used, size])?;
                }
            }
        }
        if let Some(newest) = samples.iter().map(|sample| sample.at).max() {
            for (level, width, keep) in LEVELS {
                transaction.execute(
                    "DELETE FROM point WHERE level = ?1 AND bucket < ?2",
                    params![level, (newest - keep).div_euclid(width)],
                )?;
            }
        }
        transaction.commit()
    }

    /// Every series, in the order of names.
    pub fn series(&self) -> rusqlite::Result<Vec<String>> {
        let mut statement = self
            .0
            .prepare_cached("SELECT name FROM series ORDER BY name")?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect()
    }

    /// A series since a time, each moment at the finest level that still has it, and its size at
    /// the end.
    pub fn points(&self, series: &str, since: Seconds) -> rusqlite::Result<(Vec<Point>, u64)> {
        let mut statement = self.0.prepare_cached(
            "SELECT at, used, size FROM point WHERE series = (SELECT id FROM series WHERE name = ?1)
             AND at >= ?2 GROUP BY at ORDER BY at",
        )?;
        let rows = statement.query_map(params![series, since], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
            ))
        })?;
        let mut points = Vec::new();
        let mut size = 0;
        for row in rows {
            let (at, used, total) = row?;
            size = u64::try_from(total).unwrap_or_default();
            #[expect(clippy::cast_precision_loss, reason = "bytes to draw a line through")]
            let bytes = used as f64;
            points.push(Point { at, bytes });
        }
        Ok((points, size))
    }
}

/// What a scan adds: pools, parents, classes, volumes and their snapshots.
pub fn samples(inventory: &Inventory, at: Seconds) -> Vec<Sample> {
    let mut samples = of_usage(inventory, at);
    let parents: BTreeSet<(&Text, &Text)> = inventory
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.instances)
        .map(|instance| (&instance.nas, &instance.parent))
        .collect();
    for nas in &inventory.appliances {
        for dataset in &nas.datasets {
            if parents.contains(&(&nas.name, &Text::from(dataset.parent()))) {
                samples.push(Sample {
                    series: format!("volume {} {}", nas.name, dataset.id),
                    at,
                    used_bytes: dataset.referenced_bytes.unwrap_or(dataset.used_bytes),
                    size_bytes: dataset
                        .volsize_bytes
                        .or(dataset.refquota_bytes)
                        .unwrap_or_default(),
                    daily: true,
                });
            }
        }
    }
    let snapshots = usage::snapshots(inventory).into_iter().map(|row| Sample {
        series: format!("snapshots {} {}", row.nas, row.dataset),
        at,
        used_bytes: row.used_bytes,
        size_bytes: 0,
        daily: true,
    });
    samples.extend(snapshots);
    samples
}

fn of_usage(inventory: &Inventory, at: Seconds) -> Vec<Sample> {
    let list = usage::usage(inventory);
    let pool_size = |site: &str, pool: &str| {
        list.iter()
            .find(|row| row.kind == "pool" && *row.site == *site && *row.name == *pool)
            .map(|row| row.used_bytes + row.available_bytes.unwrap_or_default())
            .unwrap_or_default()
    };
    list.iter()
        .map(|row| Sample {
            series: format!("{} {} {}", row.kind, row.site, row.name),
            at,
            used_bytes: row.used_bytes,
            size_bytes: match row.kind {
                "class" => 0,
                // A parent can grow until its pool is full.
                _ => pool_size(&row.site, row.name.split('/').next().unwrap_or_default()),
            },
            daily: false,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: Seconds, used_bytes: u64) -> Sample {
        Sample {
            series: "pool nas tank".to_owned(),
            at,
            used_bytes,
            size_bytes: 1000,
            daily: false,
        }
    }

    #[test]
    fn a_volume_is_kept_by_day() {
        let mut history = History::in_memory().unwrap();
        for hour in 0..(10 * 24) {
            let daily = Sample {
                daily: true,
                ..sample(hour * HOUR, u64::try_from(hour).unwrap())
            };
            history.add(&[daily]).unwrap();
        }
        let (points, _) = history.points("pool nas tank", 0).unwrap();
        let hours: Vec<i64> = points.iter().map(|point| point.at / HOUR).collect();
        assert_eq!(hours, (0..10).map(|day| day * 24 + 23).collect::<Vec<_>>());
    }

    #[test]
    fn a_year_is_kept_by_day_and_the_last_days_in_full() {
        let mut history = History::in_memory().unwrap();
        for quarter in 0..(500 * 96) {
            let at = quarter * 900;
            let bytes = u64::try_from(quarter).unwrap();
            history.add(&[sample(at, bytes)]).unwrap();
        }
        let (points, size) = history.points("pool nas tank", 0).unwrap();
        assert_eq!(size, 1000);
        let last = points.last().unwrap().at;
        let oldest = last - points[0].at;
        assert!((399 * DAY..=401 * DAY).contains(&oldest), "{oldest}");
        let recent = points.iter().filter(|point| last - point.at < DAY).count();
        assert_eq!(recent, 96);
        assert!(
            points.len() < 400 + 14 * 24 + 2 * 96 + 5,
            "{}",
            points.len()
        );
        assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
    }

    #[test]
    fn a_file_is_read_back_and_broken_ones_are_errors() {
        let path = std::env::temp_dir().join(format!("pequod-history-{}.db", std::process::id()));
        let mut history = History::open(&path).unwrap();
        history.add(&[sample(10, 5), sample(20, 6)]).unwrap();
        drop(history);
        let again = History::open(&path).unwrap();
        assert_eq!(again.series().unwrap(), ["pool nas tank"]);
        assert_eq!(again.points("pool nas tank", 15).unwrap().0.len(), 1);
        drop(again);
        std::fs::write(
            &path,
            "no database at all, but long enough to be looked at as one",
        )
        .unwrap();
        assert!(History::open(&path).is_err());
        std::fs::remove_file(path).unwrap();
    }
}
