//! What can be wrong with a text.

use pequod_diag::{Code, Diagnostic, Diagnostics};

use crate::position::Source;

/// The code of all syntax errors.
pub const SYNTAX: Code = Code("cue/syntax");

/// One problem, before its place is worked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) offset: u32,
    pub(crate) message: String,
}

impl SyntaxError {
    pub(crate) fn new(offset: u32, message: impl Into<String>) -> Self {
        Self {
            offset,
            message: message.into(),
        }
    }
}

/// The problems in the order of the text.
pub(crate) fn diagnostics(source: &Source, mut errors: Vec<SyntaxError>) -> Diagnostics {
    errors.sort_by_key(|error| error.offset);
    errors.dedup();
    Diagnostics(
        errors
            .into_iter()
            .map(|error| Diagnostic::error(SYNTAX, error.message).at(source.place(error.offset)))
            .collect(),
    )
}
