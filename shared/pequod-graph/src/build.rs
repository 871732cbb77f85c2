//! From ids and edges to a graph that is known to have an order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

use petgraph::Direction;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

/// What a node waits for in another.
///
/// `Applied` is the weaker one: a ready node is applied too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum When {
    /// It was accepted.
    Applied,
    /// It is ready.
    Ready,
}

/// `node` comes after `after`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge<N> {
    /// The node that waits.
    pub node: N,
    /// The node that comes first.
    pub after: N,
    /// What is waited for.
    pub when: When,
}

/// Why ids and edges are no graph with an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError<N: Display> {
    /// Two nodes have one id.
    #[error("two nodes have the id `{0}`")]
    Duplicate(N),
    /// An edge names a node that is not there.
    #[error("node `{node}` depends on `{after}`, which is not a node of the graph")]
    Unknown {
        /// The node that waits.
        node: N,
        /// The id that no node has.
        after: N,
    },
    /// Nodes wait for each other. The first id is repeated at the end.
    #[error("nodes depend on each other: {}", Chain(.0))]
    Cycle(Vec<N>),
}

/// `a → b → a`.
struct Chain<'a, N>(&'a [N]);

impl<N: Display> Display for Chain<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, id) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" → ")?;
            }
            id.fmt(f)?;
        }
        Ok(())
    }
}

/// Nodes and their order. Without cycles, by construction.
///
/// ```
/// use pequod_graph::{Edge, Graph, When};
///
/// let after = |node, after| Edge { node, after, when: When::Ready };
/// let graph = Graph::build(["web", "db", "config"], [after("web", "db"), after("web", "config")])?;
/// assert_eq!(graph.waves(), [vec![&"config", &"db"], vec![&"web"]]);
///
/// let error = Graph::build(["a", "b"], [after("a", "b"), after("b", "a")]).unwrap_err();
/// assert_eq!(error.to_string(), "nodes depend on each other: a → b → a");
/// # Ok::<_, pequod_graph::GraphError<&str>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Graph<N> {
    /// Arrows go from what comes first to what waits for it. Indices are in the order of the ids.
    pub(crate) inner: DiGraph<N, When>,
    pub(crate) index: BTreeMap<N, NodeIndex>,
}

impl<N: Ord + Clone + Display> Graph<N> {
    /// Builds a graph.
    ///
    /// Of several edges between two nodes the strongest counts.
    ///
    /// # Errors
    /// A duplicate id, an edge to an unknown node, or a cycle: always the first in the order of the ids, whatever
    /// the order of the arguments.
    pub fn build(
        nodes: impl IntoIterator<Item = N>,
        edges: impl IntoIterator<Item = Edge<N>>,
    ) -> Result<Self, GraphError<N>> {
        let mut ids: Vec<N> = nodes.into_iter().collect();
        ids.sort();
        if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(GraphError::Duplicate(pair[0].clone()));
        }
        let mut inner = DiGraph::new();
        let index: BTreeMap<N, NodeIndex> = ids
            .into_iter()
            .map(|id| (id.clone(), inner.add_node(id)))
            .collect();

        // Sorted by (node, after, when): of two equal pairs the stronger comes last and wins.
        let edges: BTreeSet<Edge<N>> = edges.into_iter().collect();
        let mut strongest = BTreeMap::new();
        for Edge { node, after, when } in edges {
            let (Some(&to), Some(&from)) = (index.get(&node), index.get(&after)) else {
                return Err(GraphError::Unknown { node, after });
            };
            strongest.insert((from, to), when);
        }
        for ((from, to), when) in strongest {
            inner.add_edge(from, to, when);
        }
        let graph = Self { inner, index };
        match graph.cycle() {
            Some(cycle) => Err(GraphError::Cycle(cycle)),
            None => Ok(graph),
        }
    }

    /// A shortest cycle through the smallest id that lies on one, as a chain of "depends on".
    fn cycle(&self) -> Option<Vec<N>> {
        let start = tarjan_scc(&self.inner)
            .into_iter()
            .filter(|group| {
                group.len() > 1 || group.iter().any(|&n| self.inner.contains_edge(n, n))
            })
            .flatten()
            .min()?;
        // Breadth first along "depends on", smallest ids first, until the start is met again.
        let mut came_from: BTreeMap<NodeIndex, NodeIndex> = BTreeMap::new();
        let mut layer = vec![start];
        while !layer.is_empty() {
            let mut next = BTreeSet::new();
            for &node in &layer {
                for before in self.befores(node) {
                    if before == start {
                        let mut chain = vec![start, node];
                        let mut at = node;
                        while at != start {
                            at = came_from[&at];
                            chain.push(at);
                        }
                        chain.reverse();
                        return Some(chain.into_iter().map(|n| self.inner[n].clone()).collect());
                    }
                    if let Entry::Vacant(first) = came_from.entry(before) {
                        first.insert(node);
                        next.insert(before);
                    }
                }
            }
            layer = next.into_iter().collect();
        }
        None
    }

    /// What `node` waits for, in the order of the ids.
    pub(crate) fn befores(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut found: Vec<_> = self
            .inner
            .neighbors_directed(node, Direction::Incoming)
            .collect();
        found.sort();
        found
    }

    /// The ids, in their order.
    pub fn ids(&self) -> impl Iterator<Item = &N> {
        self.index.keys()
    }

    /// What a node comes directly after, in the order of the ids.
    pub fn dependencies(&self, id: &N) -> Vec<(&N, When)> {
        self.edges_of(id, Direction::Incoming)
    }

    /// What comes directly after a node, in the order of the ids.
    pub fn dependents(&self, id: &N) -> Vec<(&N, When)> {
        self.edges_of(id, Direction::Outgoing)
    }

    fn edges_of(&self, id: &N, direction: Direction) -> Vec<(&N, When)> {
        let Some(&node) = self.index.get(id) else {
            return Vec::new();
        };
        let mut found: Vec<_> = self
            .inner
            .edges_directed(node, direction)
            .map(|edge| {
                let other = if direction == Direction::Incoming {
                    edge.source()
                } else {
                    edge.target()
                };
                (other, *edge.weight())
            })
            .collect();
        found.sort();
        found
            .into_iter()
            .map(|(other, when)| (&self.inner[other], when))
            .collect()
    }

    /// Groups that could go together: all that a node waits for lies in earlier groups, and at least one in the
    /// group just before.
    pub fn waves(&self) -> Vec<Vec<&N>> {
        let mut depth = vec![0_usize; self.inner.node_count()];
        // petgraph's order is a topological one; depths do not depend on which.
        for node in petgraph::algo::toposort(&self.inner, None).unwrap_or_default() {
            for before in self.inner.neighbors_directed(node, Direction::Incoming) {
                depth[node.index()] = depth[node.index()].max(depth[before.index()] + 1);
            }
        }
        let mut waves = vec![Vec::new(); depth.iter().max().map_or(0, |deepest| deepest + 1)];
        for (id, node) in &self.index {
            waves[depth[node.index()]].push(id);
        }
        waves
    }

    /// The prune set: which of `recorded` are not nodes of this graph, in their order.
    pub fn absent_from<'a>(&self, recorded: impl IntoIterator<Item = &'a N>) -> BTreeSet<&'a N>
    where
        N: 'a,
    {
        recorded
            .into_iter()
            .filter(|id| !self.index.contains_key(*id))
            .collect()
    }
}
