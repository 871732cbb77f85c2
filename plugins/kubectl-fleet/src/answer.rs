//! Answers a question from a store, and says what the answer is worth. Every front asks here.

use std::collections::BTreeMap;

use pequod_diag::{Code, Diagnostic};
use schemars::JsonSchema;
use serde::Serialize;

use crate::freshness::{ClusterState, Freshness};
use crate::query::vocabulary::Vocabulary;
use crate::query::{Field, Query, glob, is_glob};
use crate::record::Record;
use crate::store::{Answer, Capability, Page, Store, StoreError, Stored};

/// An answer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// The query that was answered, in its exact form.
    pub query: String,
    /// How many objects match in all. With searched words: how many are shown.
    pub total: u64,
    /// The objects.
    pub items: Vec<Record>,
    /// The counts, if they were asked for instead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<Count>,
    /// How fresh and complete it is.
    pub freshness: Freshness,
    /// What was to be searched and was not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Words that name no kind of the fleet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_kinds: Vec<String>,
}

/// How many objects have a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// The value.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// What a fleet knows of itself.
pub struct Known {
    /// The states of its clusters.
    pub states: Vec<ClusterState>,
    /// Its kinds.
    pub capabilities: Vec<Capability>,
    /// Its words.
    pub vocabulary: Vocabulary,
}

/// Reads what a fleet knows of itself.
pub async fn known(store: &dyn Store) -> Stored<Known> {
    let states = store.clusters().await?;
    let capabilities = store.capabilities().await?;
    let namespaces = store
        .facet(Field::Namespace, &Query::default(), 0, 10_000)
        .await?;
    let mut kinds = BTreeMap::new();
    for capability in &capabilities {
        let served = &capability.served;
        kinds
            .entry((served.group.clone(), served.kind.clone()))
            .or_insert_with(|| served.clone());
    }
    let vocabulary = Vocabulary {
        clusters: states.iter().map(|state| state.cluster.clone()).collect(),
        namespaces: namespaces
            .into_iter()
            .map(|(namespace, _)| namespace)
            .filter(|it| it != "-")
            .collect(),
        kinds: kinds.into_values().collect(),
    };
    Ok(Known {
        states,
        capabilities,
        vocabulary,
    })
}

/// Answers a query with at most `limit` objects.
pub async fn answer(
    store: &dyn Store,
    known: &Known,
    query: &Query,
    now: i64,
    limit: usize,
) -> Stored<Answered> {
    let (resolved, unknown_kinds) = known.vocabulary.resolve(query);
    let (mut items, mut counts, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    let total;
    if let Some(field) = resolved.by {
        counts = store
            .facet(field, &resolved, now, limit)
            .await?
            .into_iter()
            .map(|(value, count)| Count { value, count })
            .collect();
        total = store.count(&resolved, now).await?;
    } else if resolved.text.is_empty() {
        let mut after = None;
        let mut all = false;
        while items.len() < limit && !all {
            let page = Page {
                limit: (limit - items.len()).min(1000),
                after,
            };
            let Answer { records, next } = store.list(&resolved, now, page).await?;
            items.extend(records);
            after = next;
            all = after.is_none();
        }
        total = if all {
            items.len() as u64
        } else {
            store.count(&resolved, now).await?
        };
        items.sort_by(|a, b| a.identity.cmp(&b.identity));
    } else {
        let found = store.search(&resolved, now, limit).await?;
        let told = |why| format!("only words were searched, and not meaning: {why}");
        warnings.extend(found.only_words.map(told));
        items = found.records.into_iter().map(|(_, it)| it).collect();
        total = items.len() as u64;
    }
    Ok(Answered {
        query: resolved.to_string(),
        total,
        items,
        counts,
        freshness: freshness(known, &resolved, now),
        warnings,
        unknown_kinds,
    })
}

/// What is known about an answer to a query: of the clusters and kinds that it is about.
pub fn freshness(known: &Known, query: &Query, now: i64) -> Freshness {
    let clusters = query.values(Field::Cluster);
    let concerned: Vec<ClusterState> = known
        .states
        .iter()
        .filter(|state| {
            clusters.is_none_or(|patterns| patterns.iter().any(|it| glob(it, &state.cluster)))
        })
        .cloned()
        .collect();
    let mut freshness = Freshness::of(
        &concerned,
        now,
        known.vocabulary.concerned(query).as_deref(),
    );
    // A cluster that was asked for by name and is not known is missing from the answer.
    for name in clusters.into_iter().flatten().filter(|name| !is_glob(name)) {
        if !known.vocabulary.clusters.contains(name) {
            freshness.missing(name);
        }
    }
    freshness
}

/// A store's problem, for people.
pub fn problem(error: &StoreError) -> Diagnostic {
    let problem = Diagnostic::error(Code("fleet/store"), error.to_string());
    match error {
        StoreError::Busy(_) => {
            problem.hint("another `kubectl fleet` is just starting or ending; try again")
        }
        StoreError::Unavailable { .. } => {
            problem.hint("see --store, --qdrant and the environment of both")
        }
        _ => problem,
    }
}
