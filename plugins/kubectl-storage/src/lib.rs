//! `kubectl storage`: Kubernetes, democratic-csi and TrueNAS SCALE seen as one.
//!
//! Data flows one way: two inventories ([`model`]), read by [`kubernetes`] and [`truenas`], go into
//! the [`matcher`], which answers with [`finding`]s; the [`ledger`] remembers them from scan to scan
//! and decides which of them may be acted upon. From the model to the ledger everything is pure: no
//! clock, no network, no files, and the answer does not depend on the order in which anything was
//! read.

pub mod adopt;
pub mod approval;
pub mod cleanup;
pub mod cli;
pub mod explain;
pub mod finding;
pub mod forecast;
pub mod history;
pub mod kubernetes;
pub mod ledger;
pub mod matcher;
pub mod model;
pub mod monitor;
pub mod retention;
pub mod snapshots;
pub mod truenas;
pub mod usage;
pub mod validate;
