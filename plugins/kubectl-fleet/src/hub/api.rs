//! The REST front: the same answers as the command line gives in JSON, to those who may have them.

use axum::Json;
use axum::extract::{Query as Parameters, State};
use axum::http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Asker, Hub, Refusal};
use crate::agent::now;
use crate::answer::{self, Answered, Count, answer};
use crate::freshness::Freshness;
use crate::mcp::{ClusterItem, KindItem};
use crate::query::parse::parse;
use crate::query::{Field, Query, words};
use crate::record::Record;

/// How many objects an answer holds unless more are asked for, and at most.
const USUAL: usize = 100;
const MOST: usize = 10_000;

/// What a search takes.
#[derive(Debug, Default, Deserialize)]
pub struct SearchParameters {
    /// The exact query.
    #[serde(default)]
    pub q: String,
    /// A question in plain words instead.
    #[serde(default)]
    pub ask: String,
    /// At most so many objects.
    pub limit: Option<usize>,
}

/// Names one object.
#[derive(Debug, Deserialize)]
pub struct ObjectParameters {
    /// Its readable id.
    pub id: String,
}

/// Values of a field.
#[derive(Debug, Deserialize)]
pub struct FacetParameters {
    /// The field.
    pub field: String,
    /// Of the objects that this query finds.
    #[serde(default)]
    pub q: String,
}

/// An object, and what the answer is worth.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ObjectAnswer {
    /// What is known of it.
    pub object: Record,
    /// How fresh and complete that is.
    pub freshness: Freshness,
}

/// How many objects have each value.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FacetAnswer {
    /// The values, the most frequent first.
    pub values: Vec<Count>,
    /// How fresh and complete that is.
    pub freshness: Freshness,
}

/// The clusters the caller may see something of.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ClustersAnswer {
    /// The clusters.
    pub clusters: Vec<ClusterItem>,
}

/// The kinds of these clusters.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KindsAnswer {
    /// The kinds.
    pub kinds: Vec<KindItem>,
}

/// The query that is meant, and the answer.
pub(crate) async fn found(
    asker: &Asker,
    parameters: &SearchParameters,
) -> Result<Answered, Refusal> {
    let known = answer::known(&*asker.store).await?;
    let query = if parameters.ask.is_empty() {
        parse(&parameters.q).map_err(|problem| Refusal::Input(problem.message))?
    } else {
        words::understand(&parameters.ask, &known.vocabulary)
    };
    let limit = parameters.limit.unwrap_or(USUAL).clamp(1, MOST);
    Ok(answer(&*asker.store, &known, &query, now(), limit).await?)
}

/// `GET /api/v1/search`
pub async fn search(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Result<Json<Answered>, Refusal> {
    let asker = hub.enter(&headers).await?;
    let answered = found(&asker, &parameters).await?;
    hub.noted(&asker, "search", &answered.query, answered.total)?;
    Ok(Json(answered))
}

/// One object by its id.
pub(crate) async fn one(asker: &Asker, id: &str) -> Result<ObjectAnswer, Refusal> {
    let known = answer::known(&*asker.store).await?;
    // An id is a value, whatever stands in it: it is not parsed as a query.
    let query = Query::default().is(Field::Id, [id]);
    let page = crate::store::Page {
        limit: 1,
        after: None,
    };
    if id.contains('*') {
        return Err(Refusal::NotFound);
    }
    let found = asker.store.list(&query, now(), page).await?;
    let object = found.records.into_iter().next().ok_or(Refusal::NotFound)?;
    let of_cluster = Query::default().is(Field::Cluster, [object.identity.cluster.clone()]);
    Ok(ObjectAnswer {
        freshness: answer::freshness(&known, &of_cluster, now()),
        object,
    })
}

/// `GET /api/v1/object`
pub async fn object(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Parameters(parameters): Parameters<ObjectParameters>,
) -> Result<Json<ObjectAnswer>, Refusal> {
    let asker = hub.enter(&headers).await?;
    let found = one(&asker, &parameters.id).await;
    let total = u64::from(found.is_ok());
    hub.noted(&asker, "object", &format!("id:{}", parameters.id), total)?;
    found.map(Json)
}

/// `GET /api/v1/facets`
pub async fn facets(
    State(hub): State<Hub>,
    headers: HeaderMap,
    Parameters(parameters): Parameters<FacetParameters>,
) -> Result<Json<FacetAnswer>, Refusal> {
    let asker = hub.enter(&headers).await?;
    let field = Field::named(&parameters.field)
        .ok_or_else(|| Refusal::Input(format!("`{}` is no field", parameters.field)))?;
    let known = answer::known(&*asker.store).await?;
    let mut query = parse(&parameters.q).map_err(|problem| Refusal::Input(problem.message))?;
    query.by = Some(field);
    let answered = answer(&*asker.store, &known, &query, now(), 1000).await?;
    hub.noted(&asker, "facets", &answered.query, answered.total)?;
    Ok(Json(FacetAnswer {
        values: answered.counts,
        freshness: answered.freshness,
    }))
}

/// `GET /api/v1/clusters`
pub async fn clusters(
    State(hub): State<Hub>,
    headers: HeaderMap,
) -> Result<Json<ClustersAnswer>, Refusal> {
    let asker = hub.enter(&headers).await?;
    let states = asker.store.clusters().await?;
    hub.noted(&asker, "clusters", "", states.len() as u64)?;
    let clusters = states
        .iter()
        .map(|state| ClusterItem::of(state, now()))
        .collect();
    Ok(Json(ClustersAnswer { clusters }))
}

/// `GET /api/v1/kinds`
pub async fn kinds(
    State(hub): State<Hub>,
    headers: HeaderMap,
) -> Result<Json<KindsAnswer>, Refusal> {
    let asker = hub.enter(&headers).await?;
    let capabilities = asker.store.capabilities().await?;
    let kinds = KindItem::all(&capabilities, "");
    hub.noted(&asker, "kinds", "", kinds.len() as u64)?;
    Ok(Json(KindsAnswer { kinds }))
}
