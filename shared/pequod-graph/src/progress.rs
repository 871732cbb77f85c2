//! What may go now, and what cannot.

use std::collections::VecDeque;
use std::fmt::Display;

use petgraph::Direction;
use petgraph::visit::EdgeRef as _;

use crate::{Graph, When};

/// How far a node is, as far as the order cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Not applied.
    Waiting,
    /// Accepted, not ready.
    Applied,
    /// Ready.
    Ready,
    /// Refused, or not ready in time. Its dependents do not go on.
    Failed,
}

impl State {
    /// Whether a node in this state is what an edge waits for.
    pub const fn satisfies(self, when: When) -> bool {
        match when {
            When::Applied => matches!(self, Self::Applied | Self::Ready),
            When::Ready => matches!(self, Self::Ready),
        }
    }
}

/// A node that cannot go, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocked<'a, N> {
    /// The node.
    pub node: &'a N,
    /// The failed node that it comes after, perhaps through others.
    pub by: &'a N,
}

impl<N: Ord + Clone + Display> Graph<N> {
    /// Whether everything that a node comes after is as far as it must be.
    pub fn may_go(&self, id: &N, state: impl Fn(&N) -> State) -> bool {
        self.dependencies(id)
            .iter()
            .all(|(before, when)| state(before).satisfies(*when))
    }

    /// The waiting nodes that may go now, in the order of the ids.
    pub fn frontier(&self, state: impl Fn(&N) -> State) -> Vec<&N> {
        self.index
            .iter()
            .filter(|(id, node)| {
                state(id) == State::Waiting
                    && self
                        .inner
                        .edges_directed(**node, Direction::Incoming)
                        .all(|edge| state(&self.inner[edge.source()]).satisfies(*edge.weight()))
            })
            .map(|(id, _)| id)
            .collect()
    }

    /// The waiting nodes that come after a failed one, directly or through other waiting nodes, in the order of
    /// the ids. Of several failed ones the smallest id is named.
    pub fn blocked(&self, state: impl Fn(&N) -> State) -> Vec<Blocked<'_, N>> {
        let mut by = vec![None; self.inner.node_count()];
        for (id, &failed) in &self.index {
            if state(id) != State::Failed {
                continue;
            }
            let mut queue = VecDeque::from([failed]);
            while let Some(node) = queue.pop_front() {
                for next in self.inner.neighbors_directed(node, Direction::Outgoing) {
                    if by[next.index()].is_none() && state(&self.inner[next]) == State::Waiting {
                        by[next.index()] = Some(id);
                        queue.push_back(next);
                    }
                }
            }
        }
        self.index
            .iter()
            .filter_map(|(node, index)| by[index.index()].map(|by| Blocked { node, by }))
            .collect()
    }
}
