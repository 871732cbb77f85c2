//! A store that holds only what somebody may read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::access::Scope;
use crate::freshness::ClusterState;
use crate::observe::Served;
use crate::query::{Field, Query};
use crate::store::{Answer, Capability, Change, Found, Note, Page, Store, StoreError, Stored};
use futures::future::BoxFuture;

/// The store, as one caller sees it. It cannot be written to.
pub struct Visible {
    inner: Arc<dyn Store>,
    scope: Scope,
    /// Clusters whose answer is not known, and why.
    unknown: BTreeMap<String, String>,
    fleet: Fleet,
}

/// All clusters and kinds, as they were when somebody came in: their question needs them more than once. What an agent
/// said then stays true, as of the moment that it named.
#[derive(Clone)]
pub struct Fleet {
    /// What was said of the clusters.
    pub states: Arc<Vec<ClusterState>>,
    /// What they serve.
    pub kinds: Arc<Vec<Capability>>,
}

impl Visible {
    /// Of a store, within a scope. Of unknown clusters nothing is shown but that they are unknown.
    pub fn new(
        inner: Arc<dyn Store>,
        scope: Scope,
        unknown: BTreeMap<String, String>,
        fleet: Fleet,
    ) -> Self {
        Self {
            inner,
            scope,
            unknown,
            fleet,
        }
    }

    fn within(&self, query: &Query) -> Query {
        Query {
            scope: Some(Box::new(self.scope.clone())),
            ..query.clone()
        }
    }
}

fn refused<T: Send>() -> BoxFuture<'static, Stored<T>> {
    Box::pin(async { Err(StoreError::Refused("this store is read-only".to_owned())) })
}

impl Store for Visible {
    fn apply<'a>(&'a self, _: &'a [Change]) -> BoxFuture<'a, Stored<()>> {
        refused()
    }

    fn list<'a>(&'a self, query: &'a Query, now: i64, page: Page) -> BoxFuture<'a, Stored<Answer>> {
        Box::pin(async move { self.inner.list(&self.within(query), now, page).await })
    }

    fn search<'a>(
        &'a self,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Found>> {
        Box::pin(async move { self.inner.search(&self.within(query), now, limit).await })
    }

    fn grasp<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Stored<usize>> {
        refused()
    }

    fn count<'a>(&'a self, query: &'a Query, now: i64) -> BoxFuture<'a, Stored<u64>> {
        Box::pin(async move { self.inner.count(&self.within(query), now).await })
    }

    fn facet<'a>(
        &'a self,
        field: Field,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Vec<(String, u64)>>> {
        Box::pin(async move {
            self.inner
                .facet(field, &self.within(query), now, limit)
                .await
        })
    }

    fn clusters(&self) -> BoxFuture<'_, Stored<Vec<ClusterState>>> {
        Box::pin(async move {
            let mut seen = Vec::new();
            for state in self.fleet.states.iter() {
                let mut state = state.clone();
                if let Some(why) = self.unknown.get(&state.cluster) {
                    seen.push(ClusterState {
                        cluster: state.cluster,
                        heartbeat_seconds: state.heartbeat_seconds,
                        heartbeat_at: state.heartbeat_at,
                        epoch: 1,
                        complete_at: state.heartbeat_at,
                        withheld: why.clone(),
                        ..ClusterState::default()
                    });
                    continue;
                }
                let Some(grant) = self
                    .scope
                    .0
                    .get(&state.cluster)
                    .filter(|grant| !grant.is_empty())
                else {
                    continue;
                };
                // Which kinds there are is told by discovery to everybody; how many objects, only to who may list them.
                if !grant.everything {
                    let covered: BTreeSet<String> = self
                        .fleet
                        .kinds
                        .iter()
                        .filter(|kind| kind.cluster == state.cluster)
                        .map(|kind| &kind.served)
                        .filter(|kind| grant.covers(&(kind.group.clone(), kind.kind.clone())))
                        .map(Served::full_name)
                        .collect();
                    for (name, kind) in &mut state.kinds {
                        if !covered.contains(name) {
                            kind.objects = 0;
                        }
                    }
                    state.cluster_secret_ref.clear();
                }
                seen.push(state);
            }
            Ok(seen)
        })
    }

    fn put_cluster<'a>(&'a self, _: &'a ClusterState) -> BoxFuture<'a, Stored<()>> {
        refused()
    }

    fn capabilities(&self) -> BoxFuture<'_, Stored<Vec<Capability>>> {
        Box::pin(async move {
            let is_seen = |capability: &&Capability| {
                let grant = self.scope.0.get(&capability.cluster);
                grant.is_some_and(|grant| !grant.is_empty())
            };
            let known = self.fleet.kinds.iter().filter(is_seen);
            Ok(known.cloned().collect())
        })
    }

    fn put_capabilities<'a>(
        &'a self,
        _: &'a str,
        _: &'a [Capability],
    ) -> BoxFuture<'a, Stored<()>> {
        refused()
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Stored<()>> {
        refused()
    }

    fn put_note<'a>(&'a self, _: &'a Note) -> BoxFuture<'a, Stored<()>> {
        refused()
    }

    fn notes<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Stored<Vec<Note>>> {
        refused()
    }

    fn delete_notes<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a [String],
    ) -> BoxFuture<'a, Stored<()>> {
        refused()
    }

    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        refused()
    }
}
