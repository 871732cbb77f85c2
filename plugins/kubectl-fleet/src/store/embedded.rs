//! The store without a server: Qdrant's engine in this process, one directory.
//!
//! One process at a time holds the directory (a lock file says who); others reach it through [`super::shared`]. The
//! engine's write-ahead log is neither read back nor cut by this release of it, so two rules follow: a flush is what
//! makes writes durable ([`durable`] says when), and a directory whose log has outgrown its data is written anew when
//! it is opened. So is one that an earlier release laid out differently; it is complete under another name before it
//! takes the old one's place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use self::durable::Durable;
use self::shard::{Shard, refused};
use self::writing::Writing;
use super::points::{PointStore, Points, Target};
use super::wire::{self, Point};
use super::{SCHEMA, StoreError, Stored};
use crate::meaning::Vector;

mod durable;
mod shard;
mod words;
mod writing;

/// The embedded store.
pub type Embedded = PointStore<Engine>;

/// How the engine is given the points of a schema. 1: words as they are; 2: each in several lists ([`words`]).
const LAYOUT: u32 = 2;

/// A log of more bytes than this, and of more than twice the data, is worth a new directory.
const LOG_BYTES: u64 = 256 << 20;

/// Qdrant's engine over a directory.
pub struct Engine {
    held: Arc<Held>,
    writing: Writing,
}

/// A directory that is open. Closed in this order, once the last work in it has ended: first the points, then what
/// says that they are all there, then others may have it.
struct Held {
    shard: Shard,
    durable: Durable,
    /// Where the shard is.
    points: PathBuf,
    _lock: File,
}

/// Where the points of a layout are.
fn place(directory: &Path, layout: u32) -> PathBuf {
    directory.join(match layout {
        1 => format!("points-v{SCHEMA}"),
        layout => format!("points-v{SCHEMA}-{layout}"),
    })
}

/// Opens the store in a directory, made if it is not there. [`StoreError::Busy`] if another process has it.
pub fn open(directory: &Path) -> Stored<Embedded> {
    let broken = |error: &dyn std::fmt::Display| StoreError::Unavailable {
        at: directory.display().to_string(),
        why: error.to_string(),
        retry_after_seconds: None,
    };
    fs::create_dir_all(directory).map_err(|error| broken(&error))?;
    let lock = File::create(directory.join("lock")).map_err(|error| broken(&error))?;
    if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
        return Err(StoreError::Busy(directory.display().to_string()));
    }
    let points = place(directory, LAYOUT);
    let half_made = directory.join("points.new");
    if half_made.exists() {
        fs::remove_dir_all(&half_made).map_err(|error| broken(&error))?;
    }
    let is_there = |points: &Path| points.join("edge_config.json").exists();
    // A renewal that was cut short between its two steps.
    let aside = points.with_extension("old");
    if aside.exists() {
        let settled = if is_there(&points) {
            fs::remove_dir_all(&aside)
        } else {
            fs::rename(&aside, &points)
        };
        settled.map_err(|error| broken(&error))?;
    }
    let earlier: Vec<PathBuf> = (1..LAYOUT).map(|it| place(directory, it)).collect();
    let old = earlier.iter().rev().find(|it| is_there(it));
    let shard = match old {
        _ if is_there(&points) => {
            if outgrown(&points) {
                renew(&points, &points, &half_made)?
            } else {
                Shard::load(&points).map_err(|error| broken(&error))?
            }
        }
        Some(old) => renew(old, &points, &half_made)?,
        None => Shard::create(&points)?,
    };
    // What was copied to the end, or given up.
    for path in earlier {
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|error| broken(&error))?;
        }
    }
    let durable = Durable::open(directory, &shard)?;
    let held = Arc::new(Held {
        shard,
        durable,
        points,
        _lock: lock,
    });
    let writing = Writing::new(held.clone()).map_err(|error| broken(&error))?;
    Ok(PointStore::new(Engine { held, writing }))
}

fn outgrown(points: &Path) -> bool {
    let log = size(&points.join("wal"));
    log > LOG_BYTES && log > 2 * size(&points.join("segments"))
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |it| it.len());
    };
    entries
        .flatten()
        .map(|entry| {
            if entry.path().is_dir() {
                size(&entry.path())
            } else {
                entry.metadata().map_or(0, |it| it.len())
            }
        })
        .sum()
}

/// Copies every point of one directory into a new one, which then takes the place of another, or of the same.
fn renew(from: &Path, to: &Path, half_made: &Path) -> Stored<Shard> {
    let old = Shard::load(from)?;
    let new = Shard::create(half_made)?;
    let mut next = None;
    loop {
        let (payloads, following) = old.scroll(None, 1000, next)?;
        let copies = payloads
            .into_iter()
            .map(wire::point)
            .collect::<Stored<Vec<Point>>>()?;
        new.upsert(copies)?;
        match following {
            Some(following) => next = Some(following),
            None => break,
        }
    }
    drop(new);
    drop(old);
    let aside: PathBuf = to.with_extension("old");
    let mut moved = Ok(());
    if to.exists() {
        moved = fs::rename(to, &aside);
    }
    moved = moved.and_then(|()| fs::rename(half_made, to));
    if aside.exists() {
        moved = moved.and_then(|()| fs::remove_dir_all(&aside));
    }
    moved.map_err(|error| refused(&error))?;
    Shard::load(to)
}

impl Engine {
    /// Does what does not change the shard where it cannot hold up anything else.
    fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shard) -> Stored<T> + Send + 'static,
    ) -> BoxFuture<'_, Stored<T>> {
        let held = self.held.clone();
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || work(&held.shard));
            done.await.unwrap_or_else(|error| Err(refused(&error)))
        })
    }

    fn write(
        &self,
        work: impl FnOnce(&Shard) -> Stored<()> + Send + 'static,
    ) -> BoxFuture<'_, Stored<()>> {
        Box::pin(self.writing.turn(move |held| {
            // One that failed may have done a part.
            let done = work(&held.shard);
            held.durable.wrote();
            done
        }))
    }
}

impl Points for Engine {
    fn upsert(&self, points: Vec<Point>) -> BoxFuture<'_, Stored<()>> {
        self.write(|shard| shard.upsert(points))
    }

    fn delete(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Stored<()>> {
        self.write(|shard| shard.delete(ids))
    }

    fn delete_where(&self, filter: Value) -> BoxFuture<'_, Stored<()>> {
        self.write(|shard| shard.delete_where(filter))
    }

    fn scroll(
        &self,
        filter: Value,
        limit: usize,
        from: Option<Uuid>,
    ) -> BoxFuture<'_, Stored<(Vec<Value>, Option<Uuid>)>> {
        self.read(move |shard| shard.scroll(Some(filter), limit, from))
    }

    fn make_space(&self, name: String, dimensions: usize) -> BoxFuture<'_, Stored<()>> {
        self.write(move |shard| shard.make_space(name, dimensions))
    }

    fn place(&self, space: String, vectors: Vec<(Uuid, Vector)>) -> BoxFuture<'_, Stored<()>> {
        self.write(move |shard| shard.place(&space, vectors))
    }

    fn nearest(
        &self,
        to: Target,
        filter: Value,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(f32, Value)>>> {
        Box::pin(async move {
            if matches!(to, Target::Words(_)) && !self.held.shard.counts_words() {
                self.write(Shard::count_words).await?;
            }
            self.read(move |shard| shard.nearest(to, filter, limit))
                .await
        })
    }

    fn count(&self, filter: Value) -> BoxFuture<'_, Stored<u64>> {
        self.read(|shard| shard.count(filter))
    }

    fn facet(
        &self,
        key: &'static str,
        filter: Option<Value>,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(String, u64)>>> {
        self.read(move |shard| shard.facet(key, filter, limit))
    }

    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async move {
            if !self.held.durable.is_all() {
                let points = self.held.points.clone();
                let _ = tokio::task::spawn_blocking(move || writing::write_out(&points)).await;
            }
            let flush = |held: &Held| held.durable.flush(&held.shard);
            self.writing.turn(flush).await
        })
    }
}

#[cfg(test)]
mod tests {
    use qdrant_edge::{
        EdgeConfigBuilder, EdgeShard, EdgeSparseVectorParamsBuilder, Modifier, PointId,
        PointInsertOperations, PointOperations, PointStructPersisted, SparseVector,
        UpdateOperation, VectorPersisted, VectorStructPersisted,
    };

    use super::*;
    use crate::text;

    fn capability(kind: &str) -> Point {
        let capability = serde_json::json!({
            "cluster": "a", "group": "", "version": "v1", "kind": kind, "resource": "things", "namespaced": true,
        });
        Point::capability(&serde_json::from_value(capability).unwrap())
    }

    async fn found(engine: &Engine, words: &str) -> Vec<String> {
        let question = Target::Words(text::question([words]));
        let all = wire::filter_what("capability", None);
        let found = engine.nearest(question, all, 10).await.unwrap();
        let kind = |payload: &Value| payload["capability"]["kind"].as_str().unwrap().to_owned();
        found.iter().map(|(_, payload)| kind(payload)).collect()
    }

    /// As the first release laid it out: words under their own numbers, their weights by the engine.
    fn first_layout(directory: &Path, points: Vec<Point>) {
        fs::create_dir_all(directory).unwrap();
        let words = EdgeSparseVectorParamsBuilder::new()
            .modifier(Modifier::Idf)
            .build();
        let config = EdgeConfigBuilder::new()
            .sparse_vector(wire::WORDS, words)
            .build();
        let shard = EdgeShard::new(directory, config).unwrap();
        let points = points
            .into_iter()
            .map(|point| {
                let words = VectorPersisted::Sparse(SparseVector {
                    indices: point.words.indices,
                    values: point.words.values,
                });
                let Value::Object(payload) = point.payload else {
                    panic!("a payload is a map");
                };
                PointStructPersisted {
                    id: PointId::Uuid(point.id),
                    vector: VectorStructPersisted::Named([(wire::WORDS.to_owned(), words)].into()),
                    payload: Some(qdrant_edge::Payload(payload.into_iter().collect())),
                }
            })
            .collect();
        let insert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
        shard
            .update(UpdateOperation::PointOperation(insert))
            .unwrap();
    }

    #[tokio::test]
    async fn a_directory_of_an_earlier_release_is_laid_out_anew() {
        let folder = tempfile::tempdir().unwrap();
        let old = place(folder.path(), 1);
        first_layout(&old, vec![capability("Database"), capability("Queue")]);
        // What a copy that was cut short left.
        fs::create_dir_all(folder.path().join("points.new/segments")).unwrap();
        let engine = open(folder.path()).unwrap().into_points();
        assert_eq!(found(&engine, "database").await, ["Database"]);
        assert!(!old.exists());
        drop(engine);
        let engine = open(folder.path()).unwrap().into_points();
        assert_eq!(found(&engine, "queue").await, ["Queue"]);
    }

    #[tokio::test]
    async fn a_renewal_that_was_cut_short_between_its_steps_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(folder.path()).unwrap().into_points();
        engine.upsert(vec![capability("Database")]).await.unwrap();
        drop(engine);
        let points = place(folder.path(), LAYOUT);
        fs::rename(&points, points.with_extension("old")).unwrap();
        let engine = open(folder.path()).unwrap().into_points();
        assert_eq!(found(&engine, "database").await, ["Database"]);
    }

    #[tokio::test]
    async fn words_weigh_the_same_after_writing_anew_deleting_and_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let engine = open(folder.path()).unwrap().into_points();
        let kinds = ["Database", "DatabaseUser", "Queue"];
        let all: Vec<Point> = kinds.iter().map(|kind| capability(kind)).collect();
        let scores = async |engine: &Engine| {
            let question = Target::Words(text::question(["database"]));
            let all = wire::filter_what("capability", None);
            let found = engine.nearest(question, all, 10).await.unwrap();
            found
                .into_iter()
                .map(|(score, _)| score.to_bits())
                .collect::<Vec<u32>>()
        };
        engine.upsert(all).await.unwrap();
        let first = scores(&engine).await;
        assert_eq!(first.len(), 2);
        engine.upsert(vec![capability("Database")]).await.unwrap();
        engine.upsert(vec![capability("Topic")]).await.unwrap();
        assert_ne!(scores(&engine).await, first);
        engine.delete(vec![capability("Topic").id]).await.unwrap();
        assert_eq!(scores(&engine).await, first);
        drop(engine);
        let engine = open(folder.path()).unwrap().into_points();
        assert_eq!(scores(&engine).await, first);
        engine
            .delete_where(wire::filter_cluster("a"))
            .await
            .unwrap();
        engine.upsert(vec![capability("Queue")]).await.unwrap();
        assert!(found(&engine, "database").await.is_empty());
        assert_eq!(found(&engine, "queue").await, ["Queue"]);
    }

    #[tokio::test]
    async fn a_write_that_was_given_up_is_not_done_behind_the_next_ones_back() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(open(folder.path()).unwrap().into_points());
        let id = Uuid::from_u128(1);
        let point = || Point {
            id,
            payload: serde_json::json!({ wire::WHAT: "object" }),
            words: text::Sparse::default(),
            meaning: None,
        };
        engine.upsert(vec![point()]).await.unwrap();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let busy = engine.write(move |_| gone.recv().map_err(|error| refused(&error)));
        let delete = engine.clone();
        let given_up = async {
            let given_up = tokio::spawn(async move { delete.delete(vec![id]).await });
            tokio::task::yield_now().await;
            given_up.abort();
            assert!(given_up.await.unwrap_err().is_cancelled());
            go.send(()).unwrap();
        };
        let (done, ()) = tokio::join!(busy, given_up);
        done.unwrap();
        engine.flush().await.unwrap();
        let all = wire::filter_what("object", None);
        assert_eq!(engine.count(all).await.unwrap(), 1);
    }
}
