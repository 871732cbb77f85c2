//! The store without a server: Qdrant's engine in this process, one directory.
//!
//! One process at a time holds the directory (a lock file says who); others reach it through [`super::shared`]. The
//! engine's write-ahead log is neither read back nor cut by this release of it, so two rules follow: a flush is what
//! makes writes durable, and a directory whose log has outgrown its data is written anew when it is opened.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use qdrant_edge::{
    CountRequest, CreateIndex, CreateVectorName, DenseVectorConfig, Distance, EdgeConfigBuilder,
    EdgeShard, EdgeSparseVectorParamsBuilder, FacetRequest, FacetValue, FieldIndexOperations,
    Filter, JsonPath, Modifier, NamedQuery, Payload, PayloadFieldSchema, PayloadSchemaType,
    PointId, PointInsertOperations, PointOperations, PointStructPersisted, PointVectorsPersisted,
    QueryEnum, QueryRequest, ScoringQuery, ScrollRequest, SparseVector, UpdateOperation,
    UpdateVectorsOp, VectorInternal, VectorNameConfig, VectorNameOperations, VectorOperations,
    VectorPersisted, VectorStructPersisted, WalOptions, WithPayloadInterface, WithVector,
};
use serde_json::Value;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::points::{PointStore, Points, Target};
use super::wire::{self, INDEXES, Point, WORDS};
use super::{SCHEMA, StoreError, Stored};
use crate::meaning::Vector;

/// The embedded store.
pub type Embedded = PointStore<Engine>;

/// A log of more bytes than this, and of more than twice the data, is worth a new directory.
const LOG_BYTES: u64 = 256 << 20;

/// Qdrant's engine over a directory.
pub struct Engine {
    shard: Arc<EdgeShard>,
    /// Writes and flushes exclude each other: the engine expects it. They are done in the order in which they were asked
    /// for, and one that is given up while it waits is never done: whoever writes next can rely on what it read since.
    writing: Arc<Mutex<()>>,
    _lock: File,
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
    let points = directory.join(format!("points-v{SCHEMA}"));
    let half_made = directory.join("points.new");
    if half_made.exists() {
        fs::remove_dir_all(&half_made).map_err(|error| broken(&error))?;
    }
    let shard = if points.join("edge_config.json").exists() {
        let shard = EdgeShard::load(&points, None).map_err(|error| broken(&error))?;
        if outgrown(&points) {
            renew(shard, &points, &half_made)?
        } else {
            shard
        }
    } else {
        create(&points)?
    };
    Ok(PointStore::new(Engine {
        shard: Arc::new(shard),
        writing: Arc::default(),
        _lock: lock,
    }))
}

fn create(directory: &Path) -> Stored<EdgeShard> {
    fs::create_dir_all(directory).map_err(|error| refused(&error))?;
    let words = EdgeSparseVectorParamsBuilder::new()
        .modifier(Modifier::Idf)
        .build();
    let config = EdgeConfigBuilder::new()
        .sparse_vector(WORDS, words)
        .wal_options(WalOptions {
            segment_capacity: 8 << 20,
            ..WalOptions::default()
        })
        .build();
    let shard = EdgeShard::new(directory, config).map_err(|error| refused(&error))?;
    for (key, kind) in INDEXES {
        let schema = match *kind {
            "integer" => PayloadSchemaType::Integer,
            _ => PayloadSchemaType::Keyword,
        };
        shard
            .update(UpdateOperation::FieldIndexOperation(
                FieldIndexOperations::CreateIndex(CreateIndex {
                    field_name: path(key)?,
                    field_schema: Some(PayloadFieldSchema::FieldType(schema)),
                }),
            ))
            .map_err(|error| refused(&error))?;
    }
    Ok(shard)
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

/// Copies every point into a new directory, which then takes the old one's place.
fn renew(old: EdgeShard, points: &Path, half_made: &Path) -> Stored<EdgeShard> {
    let new = create(half_made)?;
    let mut from = None;
    loop {
        let (payloads, next) = scroll(&old, None, 1000, from)?;
        let copies = payloads
            .into_iter()
            .map(wire::point)
            .collect::<Stored<Vec<Point>>>()?;
        upsert(&new, copies)?;
        match next {
            Some(next) => from = Some(next),
            None => break,
        }
    }
    drop(new);
    drop(old);
    let aside: PathBuf = points.with_extension("old");
    let moved = fs::rename(points, &aside).and_then(|()| fs::rename(half_made, points));
    moved
        .and_then(|()| fs::remove_dir_all(&aside))
        .map_err(|error| refused(&error))?;
    EdgeShard::load(points, None).map_err(|error| refused(&error))
}

fn refused(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Refused(error.to_string())
}

fn path(key: &str) -> Stored<JsonPath> {
    key.parse()
        .map_err(|()| StoreError::Refused(format!("`{key}` is no key")))
}

fn parse(filter: Value) -> Stored<Filter> {
    serde_json::from_value(filter).map_err(|error| refused(&error))
}

fn upsert(shard: &EdgeShard, points: Vec<Point>) -> Stored<()> {
    let points = points
        .into_iter()
        .map(|point| {
            let mut vectors = HashMap::new();
            if !point.words.indices.is_empty() {
                let words = SparseVector {
                    indices: point.words.indices,
                    values: point.words.values,
                };
                vectors.insert(WORDS.to_owned(), VectorPersisted::Sparse(words));
            }
            if let Some((space, vector)) = point.meaning {
                vectors.insert(space, VectorPersisted::Dense(vector.to_vec()));
            }
            let payload = match point.payload {
                Value::Object(map) => Payload(map.into_iter().collect()),
                _ => Payload::default(),
            };
            PointStructPersisted {
                id: PointId::Uuid(point.id),
                vector: VectorStructPersisted::Named(vectors),
                payload: Some(payload),
            }
        })
        .collect();
    let insert = PointOperations::UpsertPoints(PointInsertOperations::PointsList(points));
    shard
        .update(UpdateOperation::PointOperation(insert))
        .map_err(|error| refused(&error))
}

fn scroll(
    shard: &EdgeShard,
    filter: Option<Filter>,
    limit: usize,
    from: Option<Uuid>,
) -> Stored<(Vec<Value>, Option<Uuid>)> {
    let request = ScrollRequest {
        offset: from.map(PointId::Uuid),
        limit: Some(limit),
        filter,
        with_payload: Some(WithPayloadInterface::Bool(true)),
        with_vector: WithVector::Bool(false),
        order_by: None,
    };
    let (records, next) = shard.scroll(request).map_err(|error| refused(&error))?;
    let payloads = records
        .into_iter()
        .map(|record| value(record.payload))
        .collect();
    let next = match next {
        Some(PointId::Uuid(id)) => Some(id),
        _ => None,
    };
    Ok((payloads, next))
}

fn value(payload: Option<Payload>) -> Value {
    Value::Object(payload.unwrap_or_default().0.into_iter().collect())
}

impl Engine {
    /// Runs work of the engine where it cannot hold up anything else.
    fn run<T: Send + 'static>(
        &self,
        writes: bool,
        work: impl FnOnce(&EdgeShard) -> Stored<T> + Send + 'static,
    ) -> BoxFuture<'_, Stored<T>> {
        let (shard, writing) = (self.shard.clone(), self.writing.clone());
        Box::pin(async move {
            let turn = if writes {
                Some(writing.lock_owned().await)
            } else {
                None
            };
            let done = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                work(&shard)
            });
            done.await.unwrap_or_else(|error| Err(refused(&error)))
        })
    }
}

impl Points for Engine {
    fn upsert(&self, points: Vec<Point>) -> BoxFuture<'_, Stored<()>> {
        self.run(true, |shard| upsert(shard, points))
    }

    fn delete(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Stored<()>> {
        self.run(true, |shard| {
            let ids = ids.into_iter().map(PointId::Uuid).collect();
            let delete = PointOperations::DeletePoints { ids };
            shard
                .update(UpdateOperation::PointOperation(delete))
                .map_err(|error| refused(&error))
        })
    }

    fn delete_where(&self, filter: Value) -> BoxFuture<'_, Stored<()>> {
        self.run(true, |shard| {
            let delete = PointOperations::DeletePointsByFilter(parse(filter)?);
            shard
                .update(UpdateOperation::PointOperation(delete))
                .map_err(|error| refused(&error))
        })
    }

    fn scroll(
        &self,
        filter: Value,
        limit: usize,
        from: Option<Uuid>,
    ) -> BoxFuture<'_, Stored<(Vec<Value>, Option<Uuid>)>> {
        self.run(false, move |shard| {
            scroll(shard, Some(parse(filter)?), limit, from)
        })
    }

    fn make_space(&self, name: String, dimensions: usize) -> BoxFuture<'_, Stored<()>> {
        self.run(true, move |shard| {
            let dense = DenseVectorConfig {
                size: dimensions,
                distance: Distance::Cosine,
                multivector_config: None,
                datatype: None,
            };
            let create = VectorNameOperations::CreateVectorName(CreateVectorName {
                vector_name: name,
                config: VectorNameConfig::dense(dense),
            });
            shard
                .update(UpdateOperation::VectorNameOperation(create))
                .map_err(|error| refused(&error))
        })
    }

    fn place(&self, space: String, vectors: Vec<(Uuid, Vector)>) -> BoxFuture<'_, Stored<()>> {
        self.run(true, move |shard| {
            let points = vectors
                .into_iter()
                .map(|(id, vector)| {
                    let vector = VectorPersisted::Dense(vector.to_vec());
                    PointVectorsPersisted {
                        id: PointId::Uuid(id),
                        vector: VectorStructPersisted::Named([(space.clone(), vector)].into()),
                    }
                })
                .collect();
            let update = VectorOperations::UpdateVectors(UpdateVectorsOp {
                points,
                update_filter: None,
            });
            shard
                .update(UpdateOperation::VectorOperation(update))
                .map_err(|error| refused(&error))
        })
    }

    fn nearest(
        &self,
        to: Target,
        filter: Value,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(f32, Value)>>> {
        self.run(false, move |shard| {
            let query = match to {
                Target::Words(words) => {
                    let words = SparseVector {
                        indices: words.indices,
                        values: words.values,
                    };
                    NamedQuery::new(VectorInternal::Sparse(words), WORDS)
                }
                Target::Meaning(space, vector) => {
                    NamedQuery::new(VectorInternal::Dense(vector.to_vec()), space)
                }
            };
            let query = QueryEnum::Nearest(query);
            let found = shard
                .query(QueryRequest {
                    prefetches: Vec::new(),
                    query: Some(ScoringQuery::Vector(query)),
                    filter: Some(parse(filter)?),
                    score_threshold: None,
                    limit,
                    offset: 0,
                    params: None,
                    with_vector: WithVector::Bool(false),
                    with_payload: WithPayloadInterface::Bool(true),
                })
                .map_err(|error| refused(&error))?;
            Ok(found
                .into_iter()
                .map(|point| (point.score, value(point.payload)))
                .collect())
        })
    }

    fn count(&self, filter: Value) -> BoxFuture<'_, Stored<u64>> {
        self.run(false, |shard| {
            let request = CountRequest {
                filter: Some(parse(filter)?),
                exact: true,
            };
            shard
                .count(request)
                .map(|count| count as u64)
                .map_err(|error| refused(&error))
        })
    }

    fn facet(
        &self,
        key: &'static str,
        filter: Value,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(String, u64)>>> {
        self.run(false, move |shard| {
            let request = FacetRequest {
                key: path(key)?,
                limit,
                filter: Some(parse(filter)?),
                exact: true,
            };
            let found = shard.facet(request).map_err(|error| refused(&error))?;
            let text = |value| match value {
                FacetValue::Keyword(text) => text,
                FacetValue::Int(number) => number.to_string(),
                FacetValue::Uuid(number) => Uuid::from_u128(number).to_string(),
                FacetValue::Bool(truth) => truth.to_string(),
            };
            Ok(found
                .hits
                .into_iter()
                .map(|hit| (text(hit.value), hit.count as u64))
                .collect())
        })
    }

    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        self.run(true, |shard| {
            shard.flush();
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_that_was_given_up_is_not_done_behind_the_next_ones_back() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Arc::new(open(folder.path()).unwrap().into_points());
        let id = Uuid::from_u128(1);
        let point = || Point {
            id,
            payload: serde_json::json!({ wire::WHAT: "object" }),
            words: crate::text::Sparse::default(),
            meaning: None,
        };
        engine.upsert(vec![point()]).await.unwrap();
        let turn = engine.writing.clone().lock_owned().await;
        let delete = engine.clone();
        let given_up = tokio::spawn(async move { delete.delete(vec![id]).await });
        tokio::task::yield_now().await;
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        drop(turn);
        engine.flush().await.unwrap();
        let all = wire::filter_what("object", None);
        assert_eq!(engine.count(all).await.unwrap(), 1);
    }
}
