//! In which order things are taken down.
//!
//! The reverse of the order in which they were put up, with a difference: the edges come from a record that may
//! span several versions of a graph. An edge to something that is gone says nothing, and edges of different
//! versions may even form a cycle. Both must not keep anything from being removed, so unknown ends are ignored and
//! a cycle is removed as one group.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::algo::{condensation, toposort};
use petgraph::graph::DiGraph;

/// What is still there, and what of it came after what.
fn arrows<'a, 'e, N: Ord + 'e>(
    remaining: &'a BTreeSet<N>,
    edges: impl IntoIterator<Item = (&'e N, &'e N)>,
) -> DiGraph<&'a N, ()> {
    let mut graph = DiGraph::new();
    let index: BTreeMap<&N, _> = remaining
        .iter()
        .map(|id| (id, graph.add_node(id)))
        .collect();
    for (node, after) in edges {
        if let (Some(&node), Some(&after)) = (index.get(node), index.get(after)) {
            graph.update_edge(node, after, ());
        }
    }
    graph
}

/// Which of `remaining` may be removed now: those that nothing remaining came after. `edges` are pairs of a node
/// and one that it came after.
///
/// Never empty while something remains.
///
/// ```
/// use pequod_graph::removal;
///
/// let edges = [("web", "db"), ("db", "config")];
/// let edges = || edges.iter().map(|(node, after)| (node, after));
/// let remaining = ["config", "db", "web"].into();
/// assert_eq!(removal::frontier(&remaining, edges()), [&"web"]);
/// let remaining = ["config", "db"].into();
/// assert_eq!(removal::frontier(&remaining, edges()), [&"db"]);
/// ```
pub fn frontier<'a, 'e, N: Ord + 'e>(
    remaining: &'a BTreeSet<N>,
    edges: impl IntoIterator<Item = (&'e N, &'e N)>,
) -> Vec<&'a N> {
    let groups = condensation(arrows(remaining, edges), true);
    let mut free: Vec<&N> = groups
        .node_indices()
        .filter(|&group| {
            groups
                .neighbors_directed(group, Direction::Incoming)
                .next()
                .is_none()
        })
        .flat_map(|group| groups[group].iter().copied())
        .collect();
    free.sort();
    free
}

/// The whole order: groups to be removed one after the other.
pub fn order<'a, 'e, N: Ord + 'e>(
    all: &'a BTreeSet<N>,
    edges: impl IntoIterator<Item = (&'e N, &'e N)>,
) -> Vec<Vec<&'a N>> {
    let groups = condensation(arrows(all, edges), true);
    let mut depth = vec![0_usize; groups.node_count()];
    for group in toposort(&groups, None).unwrap_or_default() {
        for earlier in groups.neighbors_directed(group, Direction::Incoming) {
            depth[group.index()] = depth[group.index()].max(depth[earlier.index()] + 1);
        }
    }
    let mut waves = vec![Vec::new(); depth.iter().max().map_or(0, |deepest| deepest + 1)];
    for group in groups.node_indices() {
        waves[depth[group.index()]].extend(groups[group].iter().copied());
    }
    for wave in &mut waves {
        wave.sort();
    }
    waves
}
