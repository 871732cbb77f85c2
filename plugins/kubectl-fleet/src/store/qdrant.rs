//! The store as a Qdrant server, over its REST API.
//!
//! The collection is reached by an alias. Opening makes `NAME-v1` with all its indexes and points the alias at it; a
//! release with another schema makes `NAME-v2`, and only when that is there does the alias move, in one step. The
//! server's strict mode is switched on where it has one, so that a filter without an index is refused and not slow.

use std::time::Duration;

use futures::future::BoxFuture;
use pequod_diag::Secret;
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::points::{PointStore, Points, Target};
use super::wire::{INDEXES, Point, WORDS};
use super::{SCHEMA, StoreError, Stored};
use crate::meaning::Vector;

/// The store on a server.
pub type Remote = PointStore<Server>;

/// How many points go into one request.
const BATCH: usize = 1000;

/// A batch of points as it is sent.
#[derive(Serialize)]
struct Upsert<'a> {
    points: &'a [Point],
}

/// A Qdrant server and a collection on it.
pub struct Server {
    client: reqwest::Client,
    endpoint: String,
    collection: String,
    api_key: Option<Secret<String>>,
}

/// Opens the collection on a server; it is made if it is not there.
pub async fn open(
    endpoint: &str,
    collection: &str,
    api_key: Option<Secret<String>>,
) -> Stored<Remote> {
    // Already installed is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_mins(1))
        .build()
        .map_err(|error| StoreError::Refused(error.to_string()))?;
    let endpoint = endpoint.trim_end_matches('/').to_owned();
    let server = Server {
        client,
        endpoint,
        collection: collection.to_owned(),
        api_key,
    };
    server.prepare().await?;
    Ok(PointStore::new(server))
}

impl Server {
    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Stored<Value> {
        let body = body.map(|body| body.to_string().into_bytes());
        self.send(method, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Stored<Value> {
        let unavailable = |why: String, retry_after_seconds| StoreError::Unavailable {
            at: self.endpoint.clone(),
            why,
            retry_after_seconds,
        };
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.endpoint));
        if let Some(key) = &self.api_key {
            request = request.header("api-key", key.expose());
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let answer = request
            .send()
            .await
            .map_err(|error| unavailable(chain(&error), None))?;
        let status = answer.status();
        let retry = answer
            .headers()
            .get("retry-after")
            .and_then(|it| it.to_str().ok())
            .and_then(|it| it.parse().ok());
        let bytes = answer
            .bytes()
            .await
            .map_err(|error| unavailable(chain(&error), None))?;
        let mut body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return match body.get_mut("result") {
                Some(result) => Ok(result.take()),
                None => Err(StoreError::Corrupt(format!(
                    "{path} answered without a result"
                ))),
            };
        }
        let why = body
            .pointer("/status/error")
            .and_then(Value::as_str)
            .map_or_else(|| format!("it answered {status}"), ToOwned::to_owned);
        if status.is_server_error()
            || matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            )
        {
            return Err(unavailable(why, retry));
        }
        Err(StoreError::Refused(why))
    }

    async fn points(&self, method: Method, path: &str, body: Value) -> Stored<Value> {
        self.call(
            method,
            &format!("/collections/{}{path}", self.collection),
            Some(body),
        )
        .await
    }

    /// Makes the collection of this schema if it is missing, then points the alias at it.
    async fn prepare(&self) -> Stored<()> {
        let real = format!("{}-v{SCHEMA}", self.collection);
        let there = self
            .call(Method::GET, &format!("/collections/{real}/exists"), None)
            .await?;
        if there.get("exists") != Some(&Value::Bool(true)) {
            let made = self
                .call(
                    Method::PUT,
                    &format!("/collections/{real}"),
                    Some(json!({
                        "vectors": {},
                        "sparse_vectors": { WORDS: { "modifier": "idf" } },
                        "on_disk_payload": true,
                        "strict_mode_config": { "enabled": true, "unindexed_filtering_retrieve": false, "unindexed_filtering_update": false },
                    })),
                )
                .await;
            // Two agents may come at the same time; both make the same.
            if let Err(error) = made
                && !error.to_string().contains("already exists")
            {
                return Err(error);
            }
        }
        for (key, kind) in INDEXES {
            let schema = match *key {
                "cluster" => json!({ "type": "keyword", "is_tenant": true }),
                _ => json!(kind),
            };
            let path = format!("/collections/{real}/index?wait=true");
            self.call(
                Method::PUT,
                &path,
                Some(json!({ "field_name": key, "field_schema": schema })),
            )
            .await?;
        }
        let aliases = self.call(Method::GET, "/aliases", None).await?;
        let now = aliases
            .get("aliases")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .find(|alias| alias.get("alias_name").and_then(Value::as_str) == Some(&self.collection))
            .and_then(|alias| alias.get("collection_name").and_then(Value::as_str));
        if now == Some(&real) {
            return Ok(());
        }
        let create =
            json!({ "create_alias": { "collection_name": real, "alias_name": self.collection } });
        let actions = match now {
            Some(_) => vec![
                json!({ "delete_alias": { "alias_name": self.collection } }),
                create,
            ],
            None => vec![create],
        };
        self.call(
            Method::POST,
            "/collections/aliases",
            Some(json!({ "actions": actions })),
        )
        .await?;
        Ok(())
    }
}

/// An error with its causes, as reqwest hides what matters in them.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt(format!("an answer without {what}"))
}

fn payload(point: &mut Value) -> Value {
    point
        .get_mut("payload")
        .map(Value::take)
        .unwrap_or_default()
}

impl Points for Server {
    fn upsert(&self, points: Vec<Point>) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async move {
            for batch in points.chunks(BATCH) {
                let path = format!("/collections/{}/points?wait=true", self.collection);
                let body = serde_json::to_vec(&Upsert { points: batch })
                    .map_err(|error| StoreError::Corrupt(error.to_string()))?;
                self.send(Method::PUT, &path, Some(body)).await?;
            }
            Ok(())
        })
    }

    fn delete(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async move {
            for batch in ids.chunks(BATCH) {
                self.points(
                    Method::POST,
                    "/points/delete?wait=true",
                    json!({ "points": batch }),
                )
                .await?;
            }
            Ok(())
        })
    }

    fn delete_where(&self, filter: Value) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async move {
            self.points(
                Method::POST,
                "/points/delete?wait=true",
                json!({ "filter": filter }),
            )
            .await
            .map(|_| ())
        })
    }

    fn scroll(
        &self,
        filter: Value,
        limit: usize,
        from: Option<Uuid>,
    ) -> BoxFuture<'_, Stored<(Vec<Value>, Option<Uuid>)>> {
        Box::pin(async move {
            let mut body = json!({ "filter": filter, "limit": limit, "with_payload": true, "with_vector": false });
            if let Some(from) = from {
                body["offset"] = json!(from);
            }
            let mut result = self.points(Method::POST, "/points/scroll", body).await?;
            let next = result
                .get("next_page_offset")
                .and_then(Value::as_str)
                .and_then(|id| id.parse().ok());
            let points = result
                .get_mut("points")
                .and_then(Value::as_array_mut)
                .ok_or_else(|| corrupt("points"))?;
            Ok((points.iter_mut().map(payload).collect(), next))
        })
    }

    fn make_space(&self, name: String, dimensions: usize) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async move {
            let path = format!("/vectors/{name}?wait=true");
            let body = json!({ "dense": { "size": dimensions, "distance": "Cosine", "datatype": "float16" } });
            match self.points(Method::PUT, &path, body).await {
                // Another agent was first.
                Err(StoreError::Refused(why)) if why.contains("already exists") => Ok(()),
                made => made.map(|_| ()),
            }
        })
    }

    fn place(&self, space: String, vectors: Vec<(Uuid, Vector)>) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async move {
            let points: Vec<Value> = vectors
                .iter()
                .map(|(id, vector)| json!({ "id": id, "vector": { &space: &vector[..] } }))
                .collect();
            let body = json!({ "points": points });
            self.points(Method::PUT, "/points/vectors?wait=true", body)
                .await
                .map(|_| ())
        })
    }

    fn nearest(
        &self,
        to: Target,
        filter: Value,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(f32, Value)>>> {
        Box::pin(async move {
            let (query, using) = match to {
                Target::Words(words) => (
                    json!({ "indices": words.indices, "values": words.values }),
                    WORDS.to_owned(),
                ),
                Target::Meaning(space, vector) => (json!(&vector[..]), space),
            };
            let body = json!({
                "query": query, "using": using, "filter": filter, "limit": limit, "with_payload": true,
            });
            let mut result = self.points(Method::POST, "/points/query", body).await?;
            let points = result
                .get_mut("points")
                .and_then(Value::as_array_mut)
                .ok_or_else(|| corrupt("points"))?;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "scores are computed as f32 and only widened by JSON"
            )]
            let score =
                |point: &Value| point.get("score").and_then(Value::as_f64).unwrap_or(0.0) as f32;
            Ok(points
                .iter_mut()
                .map(|point| (score(point), payload(point)))
                .collect())
        })
    }

    fn count(&self, filter: Value) -> BoxFuture<'_, Stored<u64>> {
        Box::pin(async move {
            let result = self
                .points(
                    Method::POST,
                    "/points/count",
                    json!({ "filter": filter, "exact": true }),
                )
                .await?;
            result
                .get("count")
                .and_then(Value::as_u64)
                .ok_or_else(|| corrupt("a count"))
        })
    }

    fn facet(
        &self,
        key: &'static str,
        filter: Option<Value>,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(String, u64)>>> {
        Box::pin(async move {
            let body = json!({ "key": key, "filter": filter, "limit": limit, "exact": true });
            let result = self.points(Method::POST, "/facet", body).await?;
            let hits = result
                .get("hits")
                .and_then(Value::as_array)
                .ok_or_else(|| corrupt("hits"))?;
            Ok(hits
                .iter()
                .filter_map(|hit| {
                    Some((
                        hit.get("value")?.as_str()?.to_owned(),
                        hit.get("count")?.as_u64()?,
                    ))
                })
                .collect())
        })
    }

    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        // Every write waits until the server has it in its log.
        Box::pin(async { Ok(()) })
    }
}
