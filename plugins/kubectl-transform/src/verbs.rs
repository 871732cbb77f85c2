//! The verbs: each reads its arguments, calls what does the work, and prints.

pub(crate) mod apply;
pub(crate) mod cue;
pub(crate) mod delete;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod list;
pub(crate) mod modules;
pub(crate) mod plan;
pub(crate) mod render;
pub(crate) mod status;
pub(crate) mod vet;

mod masked;
mod outcome;
mod tree;
