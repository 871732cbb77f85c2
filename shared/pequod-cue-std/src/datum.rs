//! Data.

use std::sync::Arc;

use num_bigint::BigInt;
use pequod_cue_num::Decimal;
use pequod_cue_regex::Regex;

/// How many zeros a calculated int is written with at most.
const MAX_ZEROS: i32 = 10_000;

/// A value that is plain data, or holds what is not.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An int.
    Int(Decimal),
    /// A float.
    Float(Decimal),
    /// Text.
    String(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// Elements.
    List(Vec<Datum>),
    /// Regular fields in output order.
    Struct(Vec<(Arc<str>, Datum)>),
    /// What only the evaluator understands: it gave this number, and takes it back.
    Opaque(u64),
    /// What `struct` and `list` functions ask about; only as an argument.
    Shape(Shape),
    /// A regular expression; only as an argument.
    Pattern(Regex),
}

/// How large a struct or list is, and whether it may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Regular fields, or elements.
    pub count: usize,
    /// Whether more may be added.
    pub open: bool,
    /// Optional and required fields.
    pub constraints: usize,
}

impl Datum {
    /// As [`Datum::Opaque`] in a result: anything at all, and null if nothing else is said. What an
    /// empty document is.
    pub const NULL_BY_DEFAULT: u64 = u64::MAX;

    /// Text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// An int.
    pub fn int(value: i64) -> Self {
        Self::Int(Decimal::from_i64(value))
    }

    /// An int from a length or an index.
    pub fn count(value: usize) -> Self {
        Self::int(i64::try_from(value).unwrap_or(i64::MAX))
    }

    /// An int of any length.
    pub fn big(value: &BigInt) -> Self {
        Self::Int(Decimal::from_bigint(value))
    }

    /// A calculated number: an int if it is whole.
    pub fn number(value: Decimal) -> Self {
        if !value.is_whole() {
            return Self::Float(value);
        }
        // With all its digits, unless they are too many to be written.
        let digits = (value.exponent() <= MAX_ZEROS).then(|| value.to_bigint());
        match digits.flatten() {
            Some(digits) => Self::big(&digits),
            None => Self::Int(value),
        }
    }

    /// A list of texts.
    pub fn texts<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::text(text)).collect())
    }

    /// Bytes.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Bytes(bytes.into())
    }

    /// The name of its type.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Struct(_) => "struct",
            Self::Opaque(_) | Self::Shape(_) | Self::Pattern(_) => "_",
        }
    }

    /// Whether two values are the same to `==`: numbers by value, structs by their fields in any
    /// order; inside lists and structs, ints and floats differ.
    pub fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a) | Self::Float(a), Self::Int(b) | Self::Float(b)) => a.compare(b).is_eq(),
            (Self::List(a), Self::List(b)) => {
                a.len() == b.len()
                    && a.iter()
                        .zip(b)
                        .all(|(a, b)| a.kind() == b.kind() && a.same(b))
            }
            (Self::Struct(a), Self::Struct(b)) => {
                a.len() == b.len()
                    && a.iter().all(|(name, a)| {
                        let other = b.iter().find(|(other, _)| other == name);
                        other.is_some_and(|(_, b)| a.kind() == b.kind() && a.same(b))
                    })
            }
            _ => self == other,
        }
    }
}
