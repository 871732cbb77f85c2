//! `kubectl storage`: Kubernetes, democratic-csi and TrueNAS SCALE seen as one.
//!
//! Data flows one way: two inventories ([`model`]) go into the [`matcher`], which answers with
//! [`finding`]s; the [`ledger`] remembers them from scan to scan and decides which of them may be
//! acted upon. Everything up to there is pure: no clock, no network, no files, and the answer does
//! not depend on the order in which anything was read.

pub mod finding;
pub mod ledger;
pub mod matcher;
pub mod model;
