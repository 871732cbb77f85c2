//! ResourceGraphs as they are shown.

use pequod_api::{ResourceGraph, packed};

/// The graph with its nodes, states and inventory; one that cannot be unpacked is shown as it is, without them.
pub(crate) fn opened(mut graph: ResourceGraph) -> ResourceGraph {
    if let Err(error) = packed::open(&mut graph) {
        tracing::warn!(graph = ?graph.metadata.name, %error, "it cannot be unpacked");
    }
    graph
}
