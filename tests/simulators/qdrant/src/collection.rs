//! One collection: the engine, and the rules that the server puts around it.

use std::collections::BTreeSet;

use qdrant_edge::{
    CountRequest, CreateIndex, CreateVectorName, EdgeConfigBuilder, EdgeShard,
    EdgeSparseVectorParamsBuilder, FacetRequest, FacetValue, FieldIndexOperations, Filter,
    Modifier, NamedQuery, PointInsertOperations, PointOperations, PointStructPersisted,
    PointVectorsPersisted, QueryEnum, QueryRequest, ScoringQuery, ScrollRequest, SparseVector,
    UpdateOperation, UpdateVectorsOp, VectorInternal, VectorNameOperations, VectorOperations,
    WithPayloadInterface, WithVector,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Refusal;

/// A collection and the folder it lives in.
pub(crate) struct Collection {
    shard: EdgeShard,
    indexed: BTreeSet<String>,
    strict: bool,
    _folder: tempfile::TempDir,
}

fn read<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, Refusal> {
    T::deserialize(value)
        .map_err(|error| Refusal::bad(format!("Format error in JSON body: {what}: {error}")))
}

fn flag(body: &Value, path: &str) -> bool {
    body.pointer(path).and_then(Value::as_bool).unwrap_or(false)
}

impl Collection {
    pub(crate) fn create(body: &Value) -> Result<Self, Refusal> {
        let folder = tempfile::tempdir().map_err(Refusal::bad)?;
        let mut config = EdgeConfigBuilder::new();
        for (name, parameters) in body
            .get("sparse_vectors")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let mut vector = EdgeSparseVectorParamsBuilder::new();
            if parameters.get("modifier").and_then(Value::as_str) == Some("idf") {
                vector = vector.modifier(Modifier::Idf);
            }
            config = config.sparse_vector(name.clone(), vector.build());
        }
        let shard = EdgeShard::new(folder.path(), config.build()).map_err(Refusal::bad)?;
        let strict = flag(body, "/strict_mode_config/enabled")
            && body.pointer("/strict_mode_config/unindexed_filtering_retrieve")
                == Some(&json!(false));
        Ok(Self {
            shard,
            indexed: BTreeSet::new(),
            strict,
            _folder: folder,
        })
    }

    /// The result of a request, and how many points it wrote.
    pub(crate) fn route(
        &mut self,
        method: &str,
        rest: &[&str],
        body: &Value,
    ) -> Result<(Value, u64), Refusal> {
        let read_only = |result| Ok((result, 0));
        match (method, rest) {
            ("PUT", ["index"]) => self.index(body).map(|()| (completed(), 0)),
            ("PUT", ["points"]) => self.upsert(body).map(|count| (completed(), count)),
            ("PUT", ["vectors", name]) => self.make_vector(name, body).map(|()| (completed(), 0)),
            ("PUT", ["points", "vectors"]) => self.place(body).map(|()| (completed(), 0)),
            ("POST", ["points", "delete"]) => self.delete(body).map(|()| (completed(), 0)),
            ("POST", ["points", "scroll"]) => read_only(self.scroll(body)?),
            ("POST", ["points", "query"]) => read_only(self.query(body)?),
            ("POST", ["points", "count"]) => {
                let request = CountRequest {
                    filter: self.filter(body)?,
                    exact: true,
                };
                read_only(json!({ "count": self.shard.count(request).map_err(Refusal::bad)? }))
            }
            ("POST", ["facet"]) => read_only(self.facet(body)?),
            _ => Err(Refusal(
                axum::http::StatusCode::NOT_FOUND,
                "no such path".to_owned(),
            )),
        }
    }

    fn update(&self, operation: PointOperations) -> Result<(), Refusal> {
        self.shard
            .update(UpdateOperation::PointOperation(operation))
            .map_err(Refusal::bad)
    }

    fn index(&mut self, body: &Value) -> Result<(), Refusal> {
        let mut create = body.clone();
        // `is_tenant` only steers where the server puts points; the engine's own schema knows it too.
        if create.get("field_schema").is_none() {
            create["field_schema"] = Value::Null;
        }
        let create: CreateIndex = read(&create, "index")?;
        self.indexed.insert(
            body.get("field_name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        );
        let operation =
            UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(create));
        self.shard.update(operation).map_err(Refusal::bad)
    }

    /// The filter of a request. In strict mode, every key it uses must have an index.
    fn filter(&self, body: &Value) -> Result<Option<Filter>, Refusal> {
        let Some(filter) = body.get("filter").filter(|filter| !filter.is_null()) else {
            return Ok(None);
        };
        if self.strict
            && let Some(key) = keys(filter)
                .into_iter()
                .find(|key| !self.indexed.contains(key))
        {
            return Err(Refusal::bad(format!(
                "Bad request: Index required but not found for \"{key}\" of one of the following types: [keyword]. \
                 Help: Create an index for this key or use a different filter."
            )));
        }
        read(filter, "filter").map(Some)
    }

    fn upsert(&self, body: &Value) -> Result<u64, Refusal> {
        let points: Vec<PointStructPersisted> =
            read(body.get("points").unwrap_or(&Value::Null), "points")?;
        let count = points.len() as u64;
        self.update(PointOperations::UpsertPoints(
            PointInsertOperations::PointsList(points),
        ))?;
        Ok(count)
    }

    fn delete(&self, body: &Value) -> Result<(), Refusal> {
        if let Some(filter) = self.filter(body)? {
            return self.update(PointOperations::DeletePointsByFilter(filter));
        }
        let ids = read(body.get("points").unwrap_or(&Value::Null), "points")?;
        self.update(PointOperations::DeletePoints { ids })
    }

    fn scroll(&self, body: &Value) -> Result<Value, Refusal> {
        let request = ScrollRequest {
            offset: body
                .get("offset")
                .filter(|it| !it.is_null())
                .map(|it| read(it, "offset"))
                .transpose()?,
            limit: body.get("limit").map(|it| read(it, "limit")).transpose()?,
            filter: self.filter(body)?,
            ..ScrollRequest::default()
        };
        let (records, next) = self.shard.scroll(request).map_err(Refusal::bad)?;
        let points: Vec<Value> = records
            .iter()
            .map(|record| json!({ "id": record.id, "payload": record.payload }))
            .collect();
        Ok(json!({ "points": points, "next_page_offset": next }))
    }

    fn make_vector(&self, name: &str, body: &Value) -> Result<(), Refusal> {
        let create = CreateVectorName {
            vector_name: name.to_owned(),
            config: read(body, "vector")?,
        };
        self.shard
            .update(UpdateOperation::VectorNameOperation(
                VectorNameOperations::CreateVectorName(create),
            ))
            .map_err(Refusal::bad)
    }

    fn place(&self, body: &Value) -> Result<(), Refusal> {
        let points: Vec<PointVectorsPersisted> =
            read(body.get("points").unwrap_or(&Value::Null), "points")?;
        let update = UpdateVectorsOp {
            points,
            update_filter: None,
        };
        self.shard
            .update(UpdateOperation::VectorOperation(
                VectorOperations::UpdateVectors(update),
            ))
            .map_err(Refusal::bad)
    }

    fn query(&self, body: &Value) -> Result<Value, Refusal> {
        let query = body.get("query").unwrap_or(&Value::Null);
        let vector = if query.is_array() {
            VectorInternal::Dense(read(query, "query")?)
        } else {
            let words: SparseVector = read(query, "query")?;
            VectorInternal::Sparse(words)
        };
        let using = body
            .get("using")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let query = QueryEnum::Nearest(NamedQuery::new(vector, using));
        let found = self
            .shard
            .query(QueryRequest {
                prefetches: Vec::new(),
                query: Some(ScoringQuery::Vector(query)),
                filter: self.filter(body)?,
                score_threshold: None,
                limit: body.get("limit").map_or(Ok(10), |it| read(it, "limit"))?,
                offset: 0,
                params: None,
                with_vector: WithVector::Bool(false),
                with_payload: WithPayloadInterface::Bool(true),
            })
            .map_err(Refusal::bad)?;
        let points: Vec<Value> = found
            .iter()
            .map(|point| json!({ "id": point.id, "version": 0, "score": point.score, "payload": point.payload }))
            .collect();
        Ok(json!({ "points": points }))
    }

    fn facet(&self, body: &Value) -> Result<Value, Refusal> {
        let key = body.get("key").and_then(Value::as_str).unwrap_or_default();
        if !self.indexed.contains(key) {
            return Err(Refusal::bad(format!(
                "Bad request: No appropriate index for faceting: `{key}`"
            )));
        }
        let request = FacetRequest {
            key: read(&json!(key), "key")?,
            limit: body.get("limit").map_or(Ok(10), |it| read(it, "limit"))?,
            filter: self.filter(body)?,
            exact: flag(body, "/exact"),
        };
        let found = self.shard.facet(request).map_err(Refusal::bad)?;
        let hits: Vec<Value> = found
            .hits
            .into_iter()
            .map(|hit| {
                let value = match hit.value {
                    FacetValue::Keyword(text) => json!(text),
                    FacetValue::Int(number) => json!(number),
                    FacetValue::Bool(truth) => json!(truth),
                    FacetValue::Uuid(number) => json!(number.to_string()),
                };
                json!({ "value": value, "count": hit.count })
            })
            .collect();
        Ok(json!({ "hits": hits }))
    }
}

fn completed() -> Value {
    json!({ "operation_id": 0, "status": "completed" })
}

/// The keys a filter uses.
fn keys(filter: &Value) -> Vec<String> {
    match filter {
        Value::Object(map) => {
            let mut found: Vec<String> = map.values().flat_map(keys).collect();
            found.extend(
                map.get("key")
                    .and_then(Value::as_str)
                    .map(ToOwned::to_owned),
            );
            found
        }
        Value::Array(list) => list.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}
