//! Orders things that come after one another.
//!
//! [`Graph`] is built from ids and edges and answers the questions of an executor: what may go now
//! ([`Graph::frontier`]), what cannot go because something before it failed ([`Graph::blocked`]), in which waves
//! everything would go ([`Graph::waves`]). [`removal`] answers them for taking down, where the record may be old and
//! odd: unknown ends are ignored and a cycle goes as one group, since a deletion must never stick. [`Graph::absent_from`]
//! is the prune set.
//!
//! Pure, and generic over the id. Every answer is in the order of the ids, so the order in which nodes and edges
//! arrive never shows.

mod build;
mod progress;
pub mod removal;

pub use build::{Edge, Graph, GraphError, When};
pub use progress::{Blocked, State};
