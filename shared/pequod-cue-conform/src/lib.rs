//! How far the CUE evaluator agrees with the reference implementation.
//!
//! The reference's own test archives are evaluated by both, node by node, and the archives' own
//! assertions (`@test`) are checked against us. Nothing of the reference is copied: the archives are
//! read from the Go module that tests/tools/oracle pins.
//!
//! What agrees is a table (docs/cue-conformance.md). What does not is a ledger
//! (docs/cue-ledger.toml): per folder, how many nodes agree at each level, and why the rest does not.
//! A check fails if any number gets worse, and also if one gets better without the ledger saying so.

pub mod assertion;
pub mod bench;
pub mod compare;
pub mod fuzz;
pub mod ledger;
pub mod line_server;
pub mod node;
pub mod oracle;
pub mod orders;
pub mod page;
pub mod report;
pub mod scripts;
pub mod share;
pub mod subject;
pub mod suite;
pub mod txtar;
pub mod worker;
