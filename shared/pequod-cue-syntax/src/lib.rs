//! CUE source text to a tree, and back.
//!
//! [`parse_file`] turns a text into an [`ast::File`]: scanner (`scan`), parser (`parse`) and the decoding of
//! literals  in one pass. The language is that of CUE 0.17; what it is, is said by the
//! [specification](https://cuelang.org/docs/reference/spec/) and, where that is silent, by the
//! behaviour of the reference implementation.

pub mod ast;
mod experiment;
mod position;

pub use experiment::{ExperimentError, Experiments};
pub use position::{FileId, Pos, Source, Span};

/// How many operators of one precedence may follow each other: `a | b | c …`.
pub const MAX_CHAIN: usize = 10_000;

/// How deep expressions and structs may be nested.
pub const MAX_DEPTH: u32 = 1_000;
