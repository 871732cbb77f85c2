//! The words of the language.

use crate::ast::{BinaryOp, Quotes, UnaryOp};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The end of the text.
    Eof,
    /// `@name(…)`
    Attribute,
    Ident,
    Int,
    Float,
    /// A whole string or bytes literal.
    String,
    /// A string or bytes literal up to its first `\(`.
    Interpolation,
    Bottom,
    Add,
    Subtract,
    Multiply,
    Divide,
    And,
    Or,
    BoolAnd,
    BoolOr,
    Bind,
    Equal,
    Less,
    Greater,
    Not,
    Arrow,
    NotEqual,
    LessEqual,
    GreaterEqual,
    Match,
    NotMatch,
    ParenOpen,
    BracketOpen,
    BraceOpen,
    /// `,`
    Comma,
    /// A comma that nobody wrote: a line ended where one may stand.
    Newline,
    Period,
    Ellipsis,
    ParenClose,
    BracketClose,
    BraceClose,
    Semicolon,
    Colon,
    Option,
    Tilde,
    If,
    Else,
    For,
    In,
    Let,
    Try,
    Fallback,
    Otherwise,
    Func,
    True,
    False,
    Null,
}

impl Kind {
    /// The keyword of this spelling.
    pub(crate) fn keyword(text: &str) -> Option<Self> {
        Some(match text {
            "if" => Self::If,
            "else" => Self::Else,
            "for" => Self::For,
            "in" => Self::In,
            "let" => Self::Let,
            "try" => Self::Try,
            "fallback" => Self::Fallback,
            "otherwise" => Self::Otherwise,
            "func" => Self::Func,
            "true" => Self::True,
            "false" => Self::False,
            "null" => Self::Null,
            _ => return None,
        })
    }

    /// How messages call it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Eof => "EOF",
            Self::Attribute => "ATTRIBUTE",
            Self::Ident => "IDENT",
            Self::Int => "INT",
            Self::Float => "FLOAT",
            Self::String => "STRING",
            Self::Interpolation => "INTERPOLATION",
            Self::Bottom => "_|_",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::And => "&",
            Self::Or => "|",
            Self::BoolAnd => "&&",
            Self::BoolOr => "||",
            Self::Bind => "=",
            Self::Equal => "==",
            Self::Less => "<",
            Self::Greater => ">",
            Self::Not => "!",
            Self::Arrow => "<-",
            Self::NotEqual => "!=",
            Self::LessEqual => "<=",
            Self::GreaterEqual => ">=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
            Self::ParenOpen => "(",
            Self::BracketOpen => "[",
            Self::BraceOpen => "{",
            Self::Comma | Self::Newline => ",",
            Self::Period => ".",
            Self::Ellipsis => "...",
            Self::ParenClose => ")",
            Self::BracketClose => "]",
            Self::BraceClose => "}",
            Self::Semicolon => ";",
            Self::Colon => ":",
            Self::Option => "?",
            Self::Tilde => "~",
            Self::If => "if",
            Self::Else => "else",
            Self::For => "for",
            Self::In => "in",
            Self::Let => "let",
            Self::Try => "try",
            Self::Fallback => "fallback",
            Self::Otherwise => "otherwise",
            Self::Func => "func",
            Self::True => "true",
            Self::False => "false",
            Self::Null => "null",
        }
    }

    /// Whether messages show the text, too.
    pub(crate) const fn is_literal(self) -> bool {
        matches!(
            self,
            Self::Ident
                | Self::Int
                | Self::Float
                | Self::String
                | Self::Interpolation
                | Self::Bottom
        )
    }

    /// Whether it is a word that may serve as a name in places.
    pub(crate) const fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::If
                | Self::Else
                | Self::For
                | Self::In
                | Self::Let
                | Self::Try
                | Self::Fallback
                | Self::Otherwise
                | Self::Func
                | Self::True
                | Self::False
                | Self::Null
        )
    }

    /// Whether it is a comma, written or not.
    pub(crate) const fn is_comma(self) -> bool {
        matches!(self, Self::Comma | Self::Newline)
    }

    /// Whether the end of the line behind it separates, as a comma does.
    pub(crate) const fn ends_line(self) -> bool {
        self.is_literal()
            || self.is_keyword()
            || matches!(
                self,
                Self::Attribute
                    | Self::Semicolon
                    | Self::Option
                    | Self::Ellipsis
                    | Self::ParenClose
                    | Self::BracketClose
                    | Self::BraceClose
            )
    }

    /// The operator it is between two operands.
    pub(crate) const fn binary(self) -> Option<BinaryOp> {
        Some(match self {
            Self::Or => BinaryOp::Or,
            Self::And => BinaryOp::And,
            Self::BoolOr => BinaryOp::BoolOr,
            Self::BoolAnd => BinaryOp::BoolAnd,
            Self::Equal => BinaryOp::Equal,
            Self::NotEqual => BinaryOp::NotEqual,
            Self::Less => BinaryOp::Less,
            Self::LessEqual => BinaryOp::LessEqual,
            Self::Greater => BinaryOp::Greater,
            Self::GreaterEqual => BinaryOp::GreaterEqual,
            Self::Match => BinaryOp::Match,
            Self::NotMatch => BinaryOp::NotMatch,
            Self::Add => BinaryOp::Add,
            Self::Subtract => BinaryOp::Subtract,
            Self::Multiply => BinaryOp::Multiply,
            Self::Divide => BinaryOp::Divide,
            _ => return None,
        })
    }

    /// The operator it is before an operand.
    pub(crate) const fn unary(self) -> Option<UnaryOp> {
        Some(match self {
            Self::Add => UnaryOp::Plus,
            Self::Subtract => UnaryOp::Minus,
            Self::Not => UnaryOp::Not,
            Self::Multiply => UnaryOp::Default,
            Self::Less => UnaryOp::Less,
            Self::LessEqual => UnaryOp::LessEqual,
            Self::Greater => UnaryOp::Greater,
            Self::GreaterEqual => UnaryOp::GreaterEqual,
            Self::Equal => UnaryOp::Equal,
            Self::NotEqual => UnaryOp::NotEqual,
            Self::Match => UnaryOp::Match,
            Self::NotMatch => UnaryOp::NotMatch,
            _ => return None,
        })
    }
}

/// A word and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// How it is quoted, if it is a literal with quotes.
    pub(crate) quotes: Quotes,
    /// The comment directly above it, as an index into the file's comments.
    pub(crate) doc: Option<u32>,
}
