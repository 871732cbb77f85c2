//! CUE source text to a tree, and back.
//!
//! [`parse_file`] turns a text into an [`ast::File`]: the scanner finds words, the parser a tree, and
//! [`literal`] what literals stand for. The language is that of CUE 0.17; what it is, is said by the
//! [specification](https://cuelang.org/docs/reference/spec/) and, where that is silent, by the
//! behaviour of the reference implementation.

pub mod ast;
mod attribute;
mod chars;
mod error;
mod experiment;
mod format;
pub mod literal;
mod names;
mod parse;
mod position;
mod print;
mod scan;
mod stack;
mod token;

pub use attribute::Argument;
pub use chars::is_identifier;
pub use error::SYNTAX;
pub use experiment::{ExperimentError, Experiments};
pub use format::{format_file, format_simplified};
pub use names::{for_each_identifier, for_each_name};
pub use parse::{parse_expr, parse_expr_with, parse_file};
pub use position::{FileId, Pos, Source, Span};
pub use print::{print_decl, print_expr, print_file};
pub use stack::{Recursive, Stack};

/// How many operators of one precedence may follow each other: `a | b | c …`.
pub const MAX_CHAIN: usize = 10_000;

/// How deep expressions and structs may be nested.
pub const MAX_DEPTH: u32 = 1_000;
