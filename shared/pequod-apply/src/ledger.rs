//! The status of a graph as this process knows it, and the one that is written.
//!
//! Changes are made here and written at once where they must be (the inventory, before a create) and otherwise once a
//! pass. One leader writes; should the status in the cluster be another than the one written last, somebody else
//! writes too, and what was known is thrown away: everything in it can be learnt anew from the objects' marks.

use pequod_api::ResourceGraph;
use pequod_api::resource_graph::ResourceGraphStatus;

/// A graph's status, ours and the cluster's.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// As it should be.
    pub(crate) status: ResourceGraphStatus,
    written: Option<ResourceGraphStatus>,
    version: String,
}

impl Ledger {
    /// Compares with the graph as it was just read. Answers whether what was known still holds.
    pub(crate) fn meet(&mut self, graph: &ResourceGraph) -> bool {
        let theirs = graph.status.clone().unwrap_or_default();
        self.version = graph.metadata.resource_version.clone().unwrap_or_default();
        let holds = self.written.as_ref() == Some(&theirs);
        if !holds {
            self.status = theirs.clone();
            self.written = Some(theirs);
        }
        holds
    }

    pub(crate) fn is_written(&self) -> bool {
        self.written.as_ref() == Some(&self.status)
    }

    /// The resource version that the next write is against.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The graph was changed by us elsewhere than in its status.
    pub(crate) fn moved(&mut self, version: String) {
        self.version = version;
    }

    pub(crate) fn wrote(&mut self, version: String) {
        self.written = Some(self.status.clone());
        self.version = version;
    }
}
