//! What can be wrong with an expression, in Go's words.

use thiserror::Error as ThisError;

/// The kinds of mistake, with the texts of Go's `regexp/syntax.ErrorCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ThisError)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `[[:nope:]]`, `\p{Nope}`, `[z-a]`.
    #[error("invalid character class range")]
    InvalidCharRange,
    /// `\y`.
    #[error("invalid escape sequence")]
    InvalidEscape,
    /// `(?P<n`, `(?P<a-b>x)`.
    #[error("invalid named capture")]
    InvalidNamedCapture,
    /// `(?x)`, `(?=a)`.
    #[error("invalid or unsupported Perl syntax")]
    InvalidPerlOp,
    /// `a**`.
    #[error("invalid nested repetition operator")]
    InvalidRepeatOp,
    /// `a{1001}`, `a{2,1}`, or nested counts that multiply to over 1,000.
    #[error("invalid repeat count")]
    InvalidRepeatSize,
    /// `[a`.
    #[error("missing closing ]")]
    MissingBracket,
    /// `(a`.
    #[error("missing closing )")]
    MissingParen,
    /// `*a`.
    #[error("missing argument to repetition operator")]
    MissingRepeatArgument,
    /// `a\`.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// `a)`.
    #[error("unexpected )")]
    UnexpectedParen,
    /// More than 1,000 levels.
    #[error("expression nests too deeply")]
    NestingDepth,
    /// A program over the size limit.
    #[error("expression too large")]
    TooLarge,
}

/// A mistake and the part of the text that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, ThisError)]
#[error("error parsing regexp: {kind}: `{part}`")]
pub struct Error {
    kind: ErrorKind,
    part: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, part: impl Into<String>) -> Self {
        Self {
            kind,
            part: part.into(),
        }
    }

    /// The kind of mistake.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The part of the text that holds it.
    pub fn part(&self) -> &str {
        &self.part
    }
}
