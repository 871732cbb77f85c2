//! The trait over anything that keeps Qdrant points: what engine and server do alike is done once, here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::wire::{self, Group, Point};
use super::{Answer, Capability, Change, Found, Note, Page, Store, StoreError, Stored};
use crate::freshness::ClusterState;
use crate::meaning::{self, Meaning, Vector};
use crate::query::{Field, Query, Term, Test, glob, is_glob};
use crate::record::Record;
use crate::text::{self, Sparse};

/// The operations of a collection of points. Filters are in Qdrant's JSON.
pub trait Points: Send + Sync {
    /// Writes points.
    fn upsert(&self, points: Vec<Point>) -> BoxFuture<'_, Stored<()>>;
    /// Deletes points by id.
    fn delete(&self, ids: Vec<Uuid>) -> BoxFuture<'_, Stored<()>>;
    /// Deletes the points that match.
    fn delete_where(&self, filter: Value) -> BoxFuture<'_, Stored<()>>;
    /// Payloads of matching points by ascending id, from `after` on (that one included), and where to go on.
    fn scroll(
        &self,
        filter: Value,
        limit: usize,
        from: Option<Uuid>,
    ) -> BoxFuture<'_, Stored<(Vec<Value>, Option<Uuid>)>>;
    /// Scores and payloads of the matching points that are nearest.
    fn nearest(
        &self,
        to: Target,
        filter: Value,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(f32, Value)>>>;
    /// Makes a space for vectors of so many numbers, if it is not there.
    fn make_space(&self, name: String, dimensions: usize) -> BoxFuture<'_, Stored<()>>;
    /// Gives points that are there a vector in a space.
    fn place(&self, space: String, vectors: Vec<(Uuid, Vector)>) -> BoxFuture<'_, Stored<()>>;
    /// How many points match.
    fn count(&self, filter: Value) -> BoxFuture<'_, Stored<u64>>;
    /// The values of a key among matching points; among all of them without a filter, which costs as much as there are
    /// values and not as there are points.
    fn facet(
        &self,
        key: &'static str,
        filter: Option<Value>,
        limit: usize,
    ) -> BoxFuture<'_, Stored<Vec<(String, u64)>>>;
    /// Makes everything survive a crash, as [`Store::flush`] says.
    fn flush(&self) -> BoxFuture<'_, Stored<()>>;
}

/// What points are to be near to.
pub enum Target {
    /// Words.
    Words(Sparse),
    /// A vector in a space.
    Meaning(String, Vector),
}

/// Patterns are expanded to the values they fit; beyond so many different values a field has none that can be told.
const EXPANDED_VALUES: usize = 2_000_000;
/// No value of any field.
const NOTHING: &str = "\u{0}";

/// How many objects are given a vector at a time.
const GRASPED: usize = 256;

/// A store made of points.
pub struct PointStore<P> {
    points: P,
    meaning: Option<Arc<Meaning>>,
    /// Whether the space of its vectors was made.
    made: OnceCell<()>,
    /// Where each cluster's objects without a vector begin.
    grasped: Mutex<BTreeMap<String, Uuid>>,
}

impl<P: Points> PointStore<P> {
    /// Over a collection.
    pub fn new(points: P) -> Self {
        Self {
            points,
            meaning: None,
            made: OnceCell::new(),
            grasped: Mutex::default(),
        }
    }

    fn grasped(&self) -> MutexGuard<'_, BTreeMap<String, Uuid>> {
        self.grasped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The collection alone.
    pub fn into_points(self) -> P {
        self.points
    }

    /// With a model, so that meaning is searched as well.
    #[must_use]
    pub fn with(mut self, meaning: Option<Arc<Meaning>>) -> Self {
        self.meaning = meaning;
        self
    }

    /// The points that are near to words in meaning.
    async fn near(
        &self,
        meaning: &Meaning,
        words: &[String],
        filter: Value,
        limit: usize,
    ) -> Stored<Vec<(f32, Record)>> {
        let vector = meaning.vector(&words.join(" ")).await?;
        let space = meaning.space().await?.name.clone();
        let found = self
            .points
            .nearest(Target::Meaning(space, vector), filter, limit)
            .await?;
        scored(found)
    }

    /// The query with every pattern replaced by the values it fits.
    async fn expand(&self, query: &Query, now: i64) -> Stored<Query> {
        let open = |term: &Term| matches!(&term.test, Test::Is(_, values) if values.iter().any(|value| is_glob(value)));
        if !query.terms.iter().any(open) {
            return Ok(query.clone());
        }
        let exact = Query {
            terms: query
                .terms
                .iter()
                .filter(|term| !open(term))
                .cloned()
                .collect(),
            scope: query.scope.clone(),
            ..Query::default()
        };
        let mut expanded = query.clone();
        for term in expanded.terms.iter_mut().filter(|term| open(term)) {
            let Test::Is(field, values) = &mut term.test else {
                continue;
            };
            // Where that is quicker, for all values that there are: those of no matching object do no harm.
            let among = (!field.is_of_few_values() && !exact.terms.is_empty())
                .then(|| wire::filter(&exact, now));
            let known = self
                .points
                .facet(field.key(), among, EXPANDED_VALUES)
                .await?;
            if known.len() >= EXPANDED_VALUES {
                return Err(StoreError::Refused(format!(
                    "`{}` has too many values for a pattern; add an exact term",
                    field.word()
                )));
            }
            let mut fitting: Vec<String> = known
                .into_iter()
                .map(|(value, _)| value)
                .filter(|value| values.iter().any(|pattern| glob(pattern, value)))
                .collect();
            if fitting.is_empty() {
                fitting.push(NOTHING.to_owned());
            }
            *values = fitting;
        }
        Ok(expanded)
    }

    async fn filter(&self, query: &Query, now: i64) -> Stored<Value> {
        Ok(wire::filter(&self.expand(query, now).await?, now))
    }

    async fn all_payloads(&self, filter: Value) -> Stored<Vec<Value>> {
        let mut payloads = Vec::new();
        let mut from = None;
        loop {
            let (page, next) = self.points.scroll(filter.clone(), 1000, from).await?;
            payloads.extend(page);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(payloads),
            }
        }
    }
}

fn scored(found: Vec<(f32, Value)>) -> Stored<Vec<(f32, Record)>> {
    found
        .into_iter()
        .map(|(score, payload)| Ok((score, wire::record(payload)?)))
        .collect()
}

impl<P: Points> Store for PointStore<P> {
    fn apply<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Stored<()>> {
        Box::pin(async move {
            for group in wire::groups(changes, self.meaning.as_deref()) {
                match group {
                    Group::Put(points) => self.points.upsert(points).await?,
                    Group::Delete(ids) => self.points.delete(ids).await?,
                }
            }
            Ok(())
        })
    }

    fn list<'a>(&'a self, query: &'a Query, now: i64, page: Page) -> BoxFuture<'a, Stored<Answer>> {
        Box::pin(async move {
            let filter = self.filter(query, now).await?;
            let (payloads, next) = self
                .points
                .scroll(filter, page.limit.max(1), page.after)
                .await?;
            let records = payloads
                .into_iter()
                .map(wire::record)
                .collect::<Stored<Vec<Record>>>()?;
            Ok(Answer { records, next })
        })
    }

    fn search<'a>(
        &'a self,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Found>> {
        Box::pin(async move {
            let filter = self.filter(query, now).await?;
            let words = text::question(query.text.iter().map(String::as_str));
            if words.indices.is_empty() {
                return Ok(Found::default());
            }
            let by_words = self
                .points
                .nearest(Target::Words(words), filter.clone(), limit)
                .await?;
            let by_words = scored(by_words)?;
            let Some(meaning) = &self.meaning else {
                return Ok(Found {
                    records: by_words,
                    only_words: None,
                });
            };
            // A model that is away is no reason to find nothing.
            Ok(match self.near(meaning, &query.text, filter, limit).await {
                Ok(near) => Found {
                    records: meaning::fused(by_words, near, limit),
                    only_words: None,
                },
                Err(error) => Found {
                    records: by_words,
                    only_words: Some(error.to_string()),
                },
            })
        })
    }

    fn grasp<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<usize>> {
        Box::pin(async move {
            let Some(meaning) = &self.meaning else {
                return Ok(0);
            };
            let space = meaning.space().await?;
            let filter = wire::filter_without(&space.name, cluster);
            self.made
                .get_or_try_init(|| self.points.make_space(space.name.clone(), space.dimensions))
                .await?;
            // On from where the last ones were: those before have theirs, and are not looked through each time.
            let from = self.grasped().remove(cluster);
            let (mut payloads, mut next) =
                self.points.scroll(filter.clone(), GRASPED, from).await?;
            if payloads.is_empty() && from.is_some() {
                (payloads, next) = self.points.scroll(filter, GRASPED, None).await?;
            }
            let records = payloads
                .into_iter()
                .map(wire::record)
                .collect::<Stored<Vec<Record>>>()?;
            let texts: Vec<String> = records.iter().map(meaning::text).collect();
            let vectors = meaning.vectors(&texts).await?;
            // A text that the model refuses stays without: its object is found by its words.
            let placed: Vec<(Uuid, Vector)> = records
                .iter()
                .zip(vectors)
                .filter_map(|(record, vector)| Some((record.identity.point(), vector?)))
                .collect();
            let mut count = placed.len();
            if count > 0 {
                self.points.place(space.name.clone(), placed).await?;
            }
            if let Some(next) = next {
                self.grasped().insert(cluster.to_owned(), next);
                count = records.len();
            }
            Ok(count)
        })
    }

    fn count<'a>(&'a self, query: &'a Query, now: i64) -> BoxFuture<'a, Stored<u64>> {
        Box::pin(async move { self.points.count(self.filter(query, now).await?).await })
    }

    fn facet<'a>(
        &'a self,
        field: Field,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Vec<(String, u64)>>> {
        Box::pin(async move {
            // Only the clusters' names are in points that are no objects.
            let everything = query.terms.is_empty() && query.scope.is_none();
            let filter = if everything && field != Field::Cluster {
                None
            } else {
                Some(self.filter(query, now).await?)
            };
            let mut values = self.points.facet(field.key(), filter, limit).await?;
            // Equal counts come in the order of their values, in every store.
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            Ok(values)
        })
    }

    fn clusters(&self) -> BoxFuture<'_, Stored<Vec<ClusterState>>> {
        Box::pin(async move {
            let payloads = self
                .all_payloads(wire::filter_what("cluster", None))
                .await?;
            let mut states = payloads
                .into_iter()
                .map(|payload| wire::part(payload, "state"))
                .collect::<Stored<Vec<ClusterState>>>()?;
            states.sort_by(|a, b| a.cluster.cmp(&b.cluster));
            Ok(states)
        })
    }

    fn put_cluster<'a>(&'a self, state: &'a ClusterState) -> BoxFuture<'a, Stored<()>> {
        self.points.upsert(vec![Point::cluster(state)])
    }

    fn capabilities(&self) -> BoxFuture<'_, Stored<Vec<Capability>>> {
        Box::pin(async move {
            let payloads = self
                .all_payloads(wire::filter_what("capability", None))
                .await?;
            payloads
                .into_iter()
                .map(|payload| wire::part(payload, "capability"))
                .collect()
        })
    }

    fn put_capabilities<'a>(
        &'a self,
        cluster: &'a str,
        kinds: &'a [Capability],
    ) -> BoxFuture<'a, Stored<()>> {
        Box::pin(async move {
            self.points
                .delete_where(wire::filter_what("capability", Some(cluster)))
                .await?;
            self.points
                .upsert(kinds.iter().map(Point::capability).collect())
                .await
        })
    }

    fn forget<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<()>> {
        self.points.delete_where(wire::filter_cluster(cluster))
    }

    fn put_note<'a>(&'a self, note: &'a Note) -> BoxFuture<'a, Stored<()>> {
        self.points.upsert(vec![Point::note(note)])
    }

    fn notes<'a>(&'a self, what: &'a str, cluster: &'a str) -> BoxFuture<'a, Stored<Vec<Note>>> {
        Box::pin(async move {
            let payloads = self
                .all_payloads(wire::filter_what(what, Some(cluster)))
                .await?;
            payloads
                .into_iter()
                .map(|payload| wire::part(payload, "note"))
                .collect()
        })
    }

    fn delete_notes<'a>(
        &'a self,
        what: &'a str,
        cluster: &'a str,
        ids: &'a [String],
    ) -> BoxFuture<'a, Stored<()>> {
        let ids = ids.iter().map(|id| wire::note_id(what, cluster, id));
        self.points.delete(ids.collect())
    }

    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        self.points.flush()
    }
}
