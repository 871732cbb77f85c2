//! The engine's shard, and the frequencies of words that are counted beside it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use qdrant_edge::{
    CountRequest, CreateIndex, CreateVectorName, DenseVectorConfig, Distance, EdgeConfigBuilder,
    EdgeShard, EdgeSparseVectorParamsBuilder, FacetRequest, FacetValue, FieldIndexOperations,
    Filter, JsonPath, NamedQuery, Payload, PayloadFieldSchema, PayloadSchemaType, PointId,
    PointInsertOperations, PointOperations, PointStructPersisted, PointVectorsPersisted, QueryEnum,
    QueryRequest, Record, ScoringQuery, ScrollRequest, SparseVector, UpdateOperation,
    UpdateVectorsOp, VectorInternal, VectorNameConfig, VectorNameOperations, VectorOperations,
    VectorPersisted, VectorStorageDatatype, VectorStructInternal, VectorStructPersisted,
    WalOptions, WithPayloadInterface, WithVector,
};
use serde_json::Value;
use uuid::Uuid;

use super::words::{self, Frequencies};
use crate::meaning::Vector;
use crate::store::points::Target;
use crate::store::wire::{INDEXES, Point, WORDS};
use crate::store::{StoreError, Stored};

/// How many points are looked at in one go when all are.
const PAGE: usize = 10_000;

/// So many more are asked for than are wanted, in place of those that were found by accident.
const SPARE: usize = 8;

/// A directory of points. Whoever writes excludes all others who write.
pub(super) struct Shard {
    engine: EdgeShard,
    /// None until words are searched: who only reads by terms, or only writes, does not wait for them.
    frequencies: RwLock<Option<Frequencies>>,
}

pub(super) fn refused(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Refused(error.to_string())
}

fn path(key: &str) -> Stored<JsonPath> {
    key.parse()
        .map_err(|()| StoreError::Refused(format!("`{key}` is no key")))
}

fn parse(filter: Value) -> Stored<Filter> {
    serde_json::from_value(filter).map_err(|error| refused(&error))
}

fn value(payload: Option<Payload>) -> Value {
    Value::Object(payload.unwrap_or_default().0.into_iter().collect())
}

fn only_words() -> WithVector {
    WithVector::Selector(vec![WORDS.to_owned()])
}

/// The stored words of a point that was read with them.
fn stored_words(vector: Option<&VectorStructInternal>) -> Option<&SparseVector> {
    match vector {
        Some(VectorStructInternal::Named(named)) => match named.get(WORDS) {
            Some(VectorInternal::Sparse(words)) => Some(words),
            _ => None,
        },
        _ => None,
    }
}

/// Id and stored words of points.
fn with_words(records: &[Record]) -> impl Iterator<Item = (Uuid, &SparseVector)> {
    records.iter().filter_map(|record| match record.id {
        PointId::Uuid(id) => Some((id, stored_words(record.vector.as_ref())?)),
        PointId::NumId(_) => None,
    })
}

impl Shard {
    /// A new one in an empty directory.
    pub(super) fn create(directory: &Path) -> Stored<Self> {
        std::fs::create_dir_all(directory).map_err(|error| refused(&error))?;
        let config = EdgeConfigBuilder::new()
            .sparse_vector(WORDS, EdgeSparseVectorParamsBuilder::new().build())
            .wal_options(WalOptions {
                segment_capacity: 8 << 20,
                ..WalOptions::default()
            })
            .build();
        let shard = Self {
            engine: EdgeShard::new(directory, config).map_err(|error| refused(&error))?,
            frequencies: RwLock::default(),
        };
        for (key, kind) in INDEXES {
            let schema = match *kind {
                "integer" => PayloadSchemaType::Integer,
                _ => PayloadSchemaType::Keyword,
            };
            shard.update(UpdateOperation::FieldIndexOperation(
                FieldIndexOperations::CreateIndex(CreateIndex {
                    field_name: path(key)?,
                    field_schema: Some(PayloadFieldSchema::FieldType(schema)),
                }),
            ))?;
        }
        Ok(shard)
    }

    /// The one of a directory.
    pub(super) fn load(directory: &Path) -> Stored<Self> {
        Ok(Self {
            engine: EdgeShard::load(directory, None).map_err(|error| refused(&error))?,
            frequencies: RwLock::default(),
        })
    }

    /// Whether words are counted, so that they can be searched.
    pub(super) fn counts_words(&self) -> bool {
        self.frequencies
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }

    /// Counts the words of all points, if that was not done. Nobody may write meanwhile.
    pub(super) fn count_words(&self) -> Stored<()> {
        if self.counts_words() {
            return Ok(());
        }
        let mut counted = Frequencies::default();
        self.each_page(None, |records| {
            for (id, words) in with_words(records) {
                counted.add(id, words);
            }
        })?;
        *self
            .frequencies
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(counted);
        Ok(())
    }

    fn update(&self, operation: UpdateOperation) -> Stored<()> {
        self.engine
            .update(operation)
            .map_err(|error| refused(&error))
    }

    /// Changes what is counted. What a change that failed half-way counted wrong is right again when the directory is
    /// opened next; until then a word weighs a little more or less.
    fn counted(&self, change: impl FnOnce(&mut Frequencies)) {
        let mut frequencies = self
            .frequencies
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(frequencies) = &mut *frequencies {
            change(frequencies);
        }
    }

    /// Ids and words of all points that match, page by page.
    fn each_page(&self, filter: Option<&Filter>, mut look: impl FnMut(&[Record])) -> Stored<()> {
        let mut from = None;
        loop {
            let request = ScrollRequest {
                offset: from,
                limit: Some(PAGE),
                filter: filter.cloned(),
                with_payload: Some(WithPayloadInterface::Bool(false)),
                with_vector: only_words(),
                order_by: None,
            };
            let (records, next) = self
                .engine
                .scroll(request)
                .map_err(|error| refused(&error))?;
            look(&records);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Those of the points that are there, with their words, if those are counted.
    fn known(&self, ids: &[PointId]) -> Stored<Vec<Record>> {
        if !self.counts_words() {
            return Ok(Vec::new());
        }
        self.engine
            .retrieve(
                ids,
                Some(WithPayloadInterface::Bool(false)),
                Some(only_words()),
            )
            .map_err(|error| refused(&error))
    }

    pub(super) fn upsert(&self, points: Vec<Point>) -> Stored<()> {
        let ids: Vec<PointId> = points.iter().map(|it| PointId::Uuid(it.id)).collect();
        let before = self.known(&ids)?;
        let counts = self.counts_words();
        let mut after = Vec::new();
        let points = points
            .into_iter()
            .map(|point| {
                let mut vectors = HashMap::new();
                if !point.words.indices.is_empty() {
                    let stored = words::stored(point.id, point.words);
                    if counts {
                        after.push((point.id, stored.clone()));
                    }
                    vectors.insert(WORDS.to_owned(), VectorPersisted::Sparse(stored));
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
        self.update(UpdateOperation::PointOperation(insert))?;
        self.counted(|frequencies| {
            for (id, words) in with_words(&before) {
                frequencies.remove(id, words);
            }
            for (id, words) in &after {
                frequencies.add(*id, words);
            }
        });
        Ok(())
    }

    pub(super) fn delete(&self, ids: Vec<Uuid>) -> Stored<()> {
        let ids: Vec<PointId> = ids.into_iter().map(PointId::Uuid).collect();
        let before = self.known(&ids)?;
        let delete = PointOperations::DeletePoints { ids };
        self.update(UpdateOperation::PointOperation(delete))?;
        self.counted(|frequencies| {
            for (id, words) in with_words(&before) {
                frequencies.remove(id, words);
            }
        });
        Ok(())
    }

    pub(super) fn delete_where(&self, filter: Value) -> Stored<()> {
        let filter = parse(filter)?;
        let mut before: Vec<(Uuid, SparseVector)> = Vec::new();
        if self.counts_words() {
            self.each_page(Some(&filter), |records| {
                before.extend(with_words(records).map(|(id, words)| (id, words.clone())));
            })?;
        }
        let delete = PointOperations::DeletePointsByFilter(filter);
        self.update(UpdateOperation::PointOperation(delete))?;
        self.counted(|frequencies| {
            for (id, words) in &before {
                frequencies.remove(*id, words);
            }
        });
        Ok(())
    }

    pub(super) fn scroll(
        &self,
        filter: Option<Value>,
        limit: usize,
        from: Option<Uuid>,
    ) -> Stored<(Vec<Value>, Option<Uuid>)> {
        let request = ScrollRequest {
            offset: from.map(PointId::Uuid),
            limit: Some(limit),
            filter: filter.map(parse).transpose()?,
            with_payload: Some(WithPayloadInterface::Bool(true)),
            with_vector: WithVector::Bool(false),
            order_by: None,
        };
        let (records, next) = self
            .engine
            .scroll(request)
            .map_err(|error| refused(&error))?;
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

    pub(super) fn make_space(&self, name: String, dimensions: usize) -> Stored<()> {
        let dense = DenseVectorConfig {
            size: dimensions,
            distance: Distance::Cosine,
            multivector_config: None,
            datatype: Some(VectorStorageDatatype::Float16),
        };
        let create = VectorNameOperations::CreateVectorName(CreateVectorName {
            vector_name: name,
            config: VectorNameConfig::dense(dense),
        });
        self.update(UpdateOperation::VectorNameOperation(create))
    }

    pub(super) fn place(&self, space: &str, vectors: Vec<(Uuid, Vector)>) -> Stored<()> {
        let points = vectors
            .into_iter()
            .map(|(id, vector)| {
                let vector = VectorPersisted::Dense(vector.to_vec());
                PointVectorsPersisted {
                    id: PointId::Uuid(id),
                    vector: VectorStructPersisted::Named([(space.to_owned(), vector)].into()),
                }
            })
            .collect();
        let update = VectorOperations::UpdateVectors(UpdateVectorsOp {
            points,
            update_filter: None,
        });
        self.update(UpdateOperation::VectorOperation(update))
    }

    pub(super) fn nearest(
        &self,
        to: Target,
        filter: Value,
        limit: usize,
    ) -> Stored<Vec<(f32, Value)>> {
        let filter = parse(filter)?;
        match to {
            Target::Meaning(space, vector) => {
                let query = NamedQuery::new(VectorInternal::Dense(vector.to_vec()), space);
                let found = self.query(query, filter, limit, WithVector::Bool(false))?;
                Ok(found
                    .into_iter()
                    .map(|point| (point.score, value(point.payload)))
                    .collect())
            }
            Target::Words(question) => {
                let asked = self
                    .frequencies
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .as_ref()
                    .map(|frequencies| frequencies.question(&question))
                    .ok_or_else(|| refused(&"words are not counted yet"))?;
                if asked.indices.is_empty() {
                    return Ok(Vec::new());
                }
                let query = NamedQuery::new(VectorInternal::Sparse(asked), WORDS);
                let found = self.query(query, filter, limit + SPARE, only_words())?;
                Ok(found
                    .into_iter()
                    .filter(
                        |point| match (point.id, stored_words(point.vector.as_ref())) {
                            (PointId::Uuid(id), Some(words)) => {
                                words::is_meant(&question, id, words)
                            }
                            _ => false,
                        },
                    )
                    .map(|point| (point.score, value(point.payload)))
                    .take(limit)
                    .collect())
            }
        }
    }

    fn query(
        &self,
        query: NamedQuery<VectorInternal>,
        filter: Filter,
        limit: usize,
        with_vector: WithVector,
    ) -> Stored<Vec<qdrant_edge::ScoredPoint>> {
        self.engine
            .query(QueryRequest {
                prefetches: Vec::new(),
                query: Some(ScoringQuery::Vector(QueryEnum::Nearest(query))),
                filter: Some(filter),
                score_threshold: None,
                limit,
                offset: 0,
                params: None,
                with_vector,
                with_payload: WithPayloadInterface::Bool(true),
            })
            .map_err(|error| refused(&error))
    }

    pub(super) fn count(&self, filter: Value) -> Stored<u64> {
        let request = CountRequest {
            filter: Some(parse(filter)?),
            exact: true,
        };
        self.engine
            .count(request)
            .map(|count| count as u64)
            .map_err(|error| refused(&error))
    }

    pub(super) fn facet(
        &self,
        key: &str,
        filter: Option<Value>,
        limit: usize,
    ) -> Stored<Vec<(String, u64)>> {
        let request = FacetRequest {
            key: path(key)?,
            limit,
            filter: filter.map(parse).transpose()?,
            exact: true,
        };
        let found = self
            .engine
            .facet(request)
            .map_err(|error| refused(&error))?;
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
    }

    pub(super) fn flush(&self) {
        self.engine.flush();
    }
}
