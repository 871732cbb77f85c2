//! What a node's object is now.

use std::collections::BTreeMap;
use std::sync::Arc;

use pequod_api::{NodeId, ResourceNode};
use pequod_diag::{Code, Diagnostic};
use pequod_kube::status::Verdict;
use serde_json::Value;

use crate::digest::digest;

/// An object to be applied.
#[derive(Debug, Clone)]
pub enum Desired {
    /// It is known.
    Known {
        /// The object.
        object: Arc<Value>,
        /// Its digest.
        digest: String,
    },
    /// It waits for live values, named by their paths (`observed.db.status.host`).
    Waits(Vec<String>),
}

/// The live objects of a graph, by node.
pub type LiveByNode<'a> = &'a (dyn Fn(&NodeId) -> Option<Arc<Value>> + Sync);

/// What the nodes of a graph are now. Asked again whenever something changed, so that an object may depend on what
/// others have become.
pub trait Objects: Send + Sync {
    /// The object of a node.
    fn object(&self, node: &ResourceNode, live: LiveByNode<'_>) -> Result<Desired, Diagnostic>;

    /// What a `cue` readiness check says of a live object.
    fn check(&self, text: &str, live: &Value) -> Result<Verdict, Diagnostic>;
}

/// Objects that were rendered once and do not change.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    objects: BTreeMap<NodeId, (Arc<Value>, String)>,
}

impl Rendered {
    /// Of rendered objects.
    pub fn new(objects: BTreeMap<NodeId, Value>) -> Self {
        let objects = objects
            .into_iter()
            .map(|(id, object)| {
                let digest = digest(&object);
                (id, (Arc::new(object), digest))
            })
            .collect();
        Self { objects }
    }
}

impl Objects for Rendered {
    fn object(&self, node: &ResourceNode, _: LiveByNode<'_>) -> Result<Desired, Diagnostic> {
        let Some((object, digest)) = self.objects.get(&node.id) else {
            return Err(Diagnostic::error(
                Code("apply/no-object"),
                format!(
                    "the object of node `{}` is not in the graph's store",
                    node.id
                ),
            ));
        };
        if *digest != node.digest {
            return Err(Diagnostic::error(
                Code("apply/digest"),
                format!(
                    "the stored object of node `{}` is not the one the graph speaks of",
                    node.id
                ),
            ));
        }
        Ok(Desired::Known {
            object: object.clone(),
            digest: digest.clone(),
        })
    }

    fn check(&self, _: &str, _: &Value) -> Result<Verdict, Diagnostic> {
        Err(Diagnostic::error(
            Code("apply/unsupported"),
            "a readiness check `cue` is not supported yet",
        )
        .hint("use `condition`, `deploymentAvailable` or `exists`"))
    }
}
