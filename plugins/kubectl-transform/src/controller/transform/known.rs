//! What a Transform was rendered to last, so that a change of its graph's state costs no rendering.
//!
//! Everything that rendering depends on is the *basis*; with the same basis and the graph still being the one that
//! was written, the outcome is the same. All of it can be learnt again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::ResourceExt as _;
use pequod_api::{ResourceGraph, Transform};
use pequod_modules::Module;
use pequod_render::Context;
use serde_json::json;

use super::status::Outcome;

/// Outcomes by the Transform's uid.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    basis: String,
    /// uid and generation of the graph as it was written.
    graph: (Option<String>, Option<i64>),
    outcome: Outcome,
}

/// A digest of everything that the outcome depends on.
pub(crate) fn basis(transform: &Transform, module: &Module, context: &Context) -> String {
    pequod_render::digest(&json!({
        "spec": transform.spec,
        "module": module.digest,
        "context": context,
    }))
}

impl Known {
    pub(crate) fn get(
        &self,
        transform: &Transform,
        basis: &str,
        graph: Option<&ResourceGraph>,
    ) -> Option<Outcome> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = known.get(&transform.uid()?)?;
        let graph = graph?;
        let is_same = entry.basis == basis
            && entry.graph == (graph.uid(), graph.metadata.generation)
            && graph.metadata.deletion_timestamp.is_none();
        is_same.then(|| entry.outcome.clone())
    }

    pub(crate) fn put(
        &self,
        transform: &Transform,
        basis: String,
        outcome: &Outcome,
        graph: &ResourceGraph,
    ) {
        let Some(uid) = transform.uid() else { return };
        let graph = (graph.uid(), graph.metadata.generation);
        let entry = Entry {
            basis,
            graph,
            outcome: outcome.clone(),
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(uid, entry);
    }

    pub(crate) fn forget(&self, transform: &Transform) {
        if let Some(uid) = transform.uid() {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&uid);
        }
    }
}
