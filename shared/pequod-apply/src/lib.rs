//! Plans and executes a graph of objects.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`objects`] | what a node's object is now: asked through a trait, since this crate knows no CUE |
//! | [`store`] | the objects of a graph as chunked, compressed Secrets |
//! | [`publish`] | writing a graph so that a crash at any point leaves the old one or the new one |
//! | [`plan`] | what applying would change, field by field, without changing anything |
//! | [`execute`] | a reconcile pass: apply what may go, read what became of it, prune, write the status once |
//! | `remove` | taking down in reverse order, from the inventory alone |
//! | [`live`] | the objects of all graphs as they are now, kept by watches; what wakes a graph up |
//! | [`drive`] | the loop: which graph is looked at, and when |
//! | [`ownership`], [`inventory`], [`readiness`], [`state`] | the rules, pure |
//!
//! What holds whatever happens: the inventory is written before the first create and shrinks only after a delete was
//! confirmed; an object is touched only if it is unclaimed or ours; an empty, failed or partial render deletes nothing;
//! every request about a node's object is made as the graph's ServiceAccount.

pub mod drive;
pub mod execute;
pub mod inventory;
pub mod live;
pub mod metrics;
pub mod objects;
pub mod ownership;
pub mod plan;
pub mod publish;
pub mod readiness;
pub mod state;
pub mod store;

mod digest;
mod ledger;
mod remove;
mod resolve;

pub use digest::digest;
pub use execute::{Executor, Next, Options, ReconcileError};
pub use metrics::Metrics;
pub use objects::{Desired, Objects, Rendered};
pub use plan::{Action, NodeChange, Plan, PlanRequest, plan};
pub use publish::{Publication, publish};
