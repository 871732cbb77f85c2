//! When the store is flushed, and what may be claimed of it after a crash.
//!
//! A flush of the engine holds up all writes, for the longer the more it has to write to disk. So the files are written
//! to disk beforehand, as far as they are there ([`super::writing`]), and the time between two grows with the time that
//! one takes. What was written since the last one may be lost in a crash, in
//! part or as a whole. An agent notices when it reads its cluster next; until then nobody may be told that the store is
//! complete as of a later moment. Each flush therefore leaves what it found said of the clusters in a file beside
//! the points, and a directory that was not closed in good order says that again when it is opened.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::shard::Shard;
use crate::freshness::ClusterState;
use crate::store::wire::{self, Point};
use crate::store::{StoreError, Stored};

const FILE: &str = "flushed.json";

/// A flush takes at most one part in so many of the time: what comes while it is under way waits for it.
const SELDOM: u32 = 200;
/// However quick, not more often.
const AT_LEAST: Duration = Duration::from_secs(30);
/// However slow, not less often.
const AT_MOST: Duration = Duration::from_mins(15);

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Left {
    /// The directory was closed, and holds everything that was written.
    Closed,
    /// It was open. At the last flush this was said of the clusters.
    Open(Vec<ClusterState>),
}

/// Keeps the file. It has to be dropped after the shard, which flushes as it is dropped.
pub(super) struct Durable {
    file: PathBuf,
    last: Mutex<Last>,
}

struct Last {
    ended: Instant,
    /// What a flush takes: one that had little to do says little about the next.
    takes: Duration,
    /// Whether nothing was written since.
    is_all: bool,
}

impl Durable {
    /// Opens a directory's file, and takes back what the shard says beyond its last flush if a crash has come between.
    pub(super) fn open(directory: &Path, shard: &Shard) -> Stored<Self> {
        let durable = Self {
            file: directory.join(FILE),
            last: Mutex::new(Last {
                ended: Instant::now(),
                takes: Duration::ZERO,
                is_all: false,
            }),
        };
        // A directory without the file was left by a release that flushed after each claim.
        let left = match fs::read(&durable.file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                // Half a file: nothing is known of the flush, so nothing is claimed.
                .unwrap_or_else(|_| Left::Open(Vec::new())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Left::Closed,
            Err(error) => return Err(durable.broken(&error)),
        };
        let said = states(shard)?;
        let taken_back: Vec<Point> = match left {
            Left::Closed => Vec::new(),
            Left::Open(then) => said
                .iter()
                .filter_map(|now| {
                    let before = then.iter().find(|it| it.cluster == now.cluster);
                    let believed = before.map_or_else(|| unread(now), Clone::clone);
                    (believed != *now).then(|| Point::cluster(&believed))
                })
                .collect(),
        };
        if taken_back.is_empty() {
            durable.leave(&Left::Open(said))?;
        } else {
            shard.upsert(taken_back)?;
            durable.flush(shard)?;
        }
        Ok(durable)
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something was written.
    pub(super) fn wrote(&self) {
        self.last().is_all = false;
    }

    /// Whether nothing was written since the last flush.
    pub(super) fn is_all(&self) -> bool {
        self.last().is_all
    }

    /// Whether the time for a flush has come.
    pub(super) fn is_due(&self) -> bool {
        let last = self.last();
        !last.is_all && last.ended.elapsed() >= pause(last.takes)
    }

    /// Makes everything survive a crash. Nobody may write meanwhile.
    pub(super) fn flush(&self, shard: &Shard) -> Stored<()> {
        // Several agents of a process end together, each with a flush.
        if self.is_all() {
            return Ok(());
        }
        let said = states(shard)?;
        let begun = Instant::now();
        shard.flush();
        let left = self.leave(&Left::Open(said));
        let took = begun.elapsed();
        tracing::debug!(?took, "the store was flushed");
        let mut last = self.last();
        *last = Last {
            ended: Instant::now(),
            takes: expected(last.takes, took),
            is_all: left.is_ok(),
        };
        left
    }

    fn leave(&self, left: &Left) -> Stored<()> {
        let written = || -> io::Result<()> {
            let new = self.file.with_extension("new");
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(left)?)?;
            file.sync_all()?;
            fs::rename(&new, &self.file)
        };
        written().map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &io::Error) -> StoreError {
        StoreError::Unavailable {
            at: self.file.display().to_string(),
            why: error.to_string(),
            retry_after_seconds: None,
        }
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        // A shard whose last flush failed panics.
        if !std::thread::panicking()
            && let Err(error) = self.leave(&Left::Closed)
        {
            tracing::warn!(%error, "the store was not closed in good order");
        }
    }
}

/// What the next flush will take, when one was expected to take so long and took so long.
fn expected(before: Duration, took: Duration) -> Duration {
    took.max(before.saturating_sub(before / 16))
}

/// How long after a flush the next one is due.
fn pause(took: Duration) -> Duration {
    took.saturating_mul(SELDOM).clamp(AT_LEAST, AT_MOST)
}

/// What may be said of a cluster of which nothing was said at the last flush.
fn unread(state: &ClusterState) -> ClusterState {
    ClusterState {
        epoch: 0,
        complete_at: 0,
        kinds: std::collections::BTreeMap::new(),
        ..state.clone()
    }
}

fn states(shard: &Shard) -> Stored<Vec<ClusterState>> {
    let all = Some(wire::filter_what("cluster", None));
    let mut states = Vec::new();
    let mut from = None;
    loop {
        let (payloads, next) = shard.scroll(all.clone(), 1000, from)?;
        for payload in payloads {
            states.push(wire::part(payload, "state")?);
        }
        match next {
            Some(next) => from = Some(next),
            None => return Ok(states),
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::super::{Embedded, open};
    use super::*;
    use crate::freshness::{KindState, Phase};
    use crate::store::Store as _;

    fn state(cluster: &str, complete_at: i64) -> ClusterState {
        let watching = KindState {
            phase: Phase::Watching,
            objects: 1,
            problem: String::new(),
        };
        ClusterState {
            cluster: cluster.to_owned(),
            epoch: 1,
            complete_at,
            kinds: [("pods".to_owned(), watching)].into(),
            ..ClusterState::default()
        }
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), target).unwrap();
            }
        }
    }

    /// What a crash at this moment leaves of a directory.
    fn crashed(folder: &TempDir) -> TempDir {
        let left = tempfile::tempdir().unwrap();
        copy(folder.path(), left.path());
        left
    }

    fn points(folder: &TempDir) -> super::super::Engine {
        open(folder.path()).unwrap().into_points()
    }

    async fn say(engine: &super::super::Engine, state: ClusterState) {
        use crate::store::points::Points as _;
        engine.upsert(vec![Point::cluster(&state)]).await.unwrap();
    }

    async fn flush(engine: &super::super::Engine) {
        use crate::store::points::Points as _;
        engine.flush().await.unwrap();
    }

    async fn said(store: &Embedded) -> Vec<(String, i64, u64)> {
        let states = store.clusters().await.unwrap();
        states
            .into_iter()
            .map(|it| (it.cluster, it.complete_at, it.epoch))
            .collect()
    }

    #[tokio::test]
    async fn what_was_said_after_the_last_flush_is_taken_back_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let engine = points(&folder);
        say(&engine, state("a", 100)).await;
        flush(&engine).await;
        say(&engine, state("a", 200)).await;
        say(&engine, state("b", 200)).await;
        // A flush that the crash cut short: these two claims are there, what they are based on need not be.
        engine.held.shard.flush();
        let left = crashed(&folder);
        let store = open(left.path()).unwrap();
        let expected = vec![("a".to_owned(), 100, 1), ("b".to_owned(), 0, 0)];
        assert_eq!(said(&store).await, expected);
        assert!(!store.clusters().await.unwrap()[1].in_step());
        // And again, if the next one crashes at once.
        let left = crashed(&left);
        let store = open(left.path()).unwrap();
        assert_eq!(said(&store).await, expected);
    }

    #[tokio::test]
    async fn a_directory_that_was_closed_keeps_what_was_said_last() {
        let folder = tempfile::tempdir().unwrap();
        let engine = points(&folder);
        say(&engine, state("a", 100)).await;
        drop(engine);
        assert_eq!(
            said(&open(folder.path()).unwrap()).await,
            [("a".to_owned(), 100, 1)]
        );
        // So does one that was not, if nothing was said since.
        let store = open(folder.path()).unwrap();
        let left = crashed(&folder);
        assert_eq!(said(&open(left.path()).unwrap()).await, said(&store).await);
    }

    #[tokio::test]
    async fn half_a_file_is_no_reason_to_believe_anything() {
        let folder = tempfile::tempdir().unwrap();
        let engine = points(&folder);
        say(&engine, state("a", 100)).await;
        drop(engine);
        fs::write(folder.path().join(FILE), b"{\"open\":[{\"clus").unwrap();
        let store = open(folder.path()).unwrap();
        assert_eq!(said(&store).await, [("a".to_owned(), 0, 0)]);
    }

    #[tokio::test]
    async fn a_store_that_is_written_to_flushes_in_its_own_time() {
        let folder = tempfile::tempdir().unwrap();
        let engine = points(&folder);
        say(&engine, state("a", 100)).await;
        assert!(!engine.held.durable.is_due());
        engine.held.durable.last().ended -= AT_LEAST;
        // What is written meanwhile does not wait until the files are on disk.
        let ended = || engine.held.durable.last().ended;
        let (before, mut moment) = (ended(), 100);
        while ended() == before {
            moment += 1;
            say(&engine, state("a", moment)).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say(&engine, state("a", 1_000_000)).await;
        let left = crashed(&folder);
        let said = said(&open(left.path()).unwrap()).await;
        // The last one may have waited for the flush.
        assert!([moment - 1, moment].contains(&said[0].1), "{said:?}");
    }

    #[tokio::test]
    async fn a_flush_after_which_nothing_was_written_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let engine = points(&folder);
        let flushed = || engine.held.durable.last().ended;
        say(&engine, state("a", 100)).await;
        flush(&engine).await;
        let first = flushed();
        flush(&engine).await;
        assert_eq!(flushed(), first);
        say(&engine, state("a", 200)).await;
        flush(&engine).await;
        assert!(flushed() > first);
        let left = crashed(&folder);
        let store = open(left.path()).unwrap();
        assert_eq!(said(&store).await, [("a".to_owned(), 200, 1)]);
    }

    #[test]
    fn a_short_flush_does_not_make_the_next_one_expected_to_be_short() {
        let seconds = Duration::from_secs;
        assert_eq!(expected(seconds(1), seconds(3)), seconds(3));
        let mut after_many = seconds(3);
        assert!(expected(after_many, Duration::ZERO) > seconds(2));
        for _ in 0..100 {
            after_many = expected(after_many, Duration::from_millis(10));
        }
        assert_eq!(after_many, Duration::from_millis(10));
    }

    #[test]
    fn flushes_are_the_rarer_the_longer_they_take() {
        for (milliseconds, seconds) in [(0, 30), (50, 30), (300, 60), (2_000, 400), (60_000, 900)] {
            assert_eq!(
                pause(Duration::from_millis(milliseconds)),
                Duration::from_secs(seconds)
            );
        }
    }
}
