//! What literals stand for.
//!
//! [`unquote`] decodes a string or bytes literal, [`Number`] takes a number apart, and [`quote`],
//! [`quote_bytes`] and [`quote_multiline`] write literals.

mod number;
mod quote;
mod string;

pub use number::Number;
pub use quote::{quote, quote_bytes, quote_multiline, string_label_needs_quotes};
pub(crate) use string::Quoting;
pub use string::unquote;

use std::fmt;

/// Why a literal is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiteralError {
    /// Not well-formed.
    Syntax,
    /// `"""` must be followed by a line's end.
    OpeningNewline,
    /// The closing `"""` must be the first on its line.
    ClosingNewline,
    /// Opening and closing quotes differ.
    UnmatchedQuote,
    /// A line does not begin with the white space of the last one.
    Whitespace {
        /// The last line's.
        expected: String,
        /// This line's.
        actual: String,
    },
    /// Half of a UTF-16 pair.
    Surrogate,
    /// The line's end before the closing quotes is escaped.
    EscapedLastNewline,
    /// A number that is none; says how.
    Number(String),
}

impl fmt::Display for LiteralError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str("invalid syntax"),
            Self::OpeningNewline => f.write_str(
                "invalid string: opening quote of multiline string must be followed by newline",
            ),
            Self::ClosingNewline => f.write_str(
                "invalid string: closing quote of multiline string must follow a newline",
            ),
            Self::UnmatchedQuote => f.write_str("invalid string: unmatched quote"),
            Self::Whitespace { expected, actual } => write!(
                f,
                "invalid string: non-matching whitespace for multiline string (expected {expected:?}, got {actual:?})"
            ),
            Self::Surrogate => f.write_str("unmatched surrogate pair"),
            Self::EscapedLastNewline => {
                f.write_str("last newline of multiline string cannot be escaped")
            }
            Self::Number(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for LiteralError {}
