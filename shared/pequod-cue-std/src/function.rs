//! What a function is to the evaluator.

use std::sync::Arc;

use num_bigint::{BigInt, Sign};
use num_traits::ToPrimitive;
use pequod_cue_num::Decimal;
use pequod_cue_regex::Regex;

use crate::datum::{Datum, Shape};

/// What a function makes of its arguments.
pub type Result<T = Datum> = std::result::Result<T, Fault>;

/// A function of a package.
#[derive(Debug)]
pub struct Function {
    /// Its name, without the package's.
    pub name: &'static str,
    /// The types of its parameters. Called with one argument less, a function that answers yes or
    /// no is a validator.
    pub params: &'static [Param],
    /// The type of its result, as CUE names it; `rows` for a list of lists that are values of their own, not a document
    /// that is taken apart.
    pub result: &'static str,
    /// What it does.
    pub run: fn(&Args<'_>) -> Result,
}

/// A constant of a package, as CUE text.
#[derive(Debug)]
pub struct Const {
    /// Its name.
    pub name: &'static str,
    /// A literal.
    pub value: &'static str,
}

/// What an argument must be, and how it is given to the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// An int.
    Int,
    /// A whole number that is not negative.
    Unsigned,
    /// An int or float.
    Number,
    /// A bool.
    Bool,
    /// A string.
    String,
    /// A string that is a regular expression; given compiled, or as it is if it is none.
    Pattern,
    /// Bytes or a string; given as either.
    Bytes,
    /// Any concrete value, complete to its leaves.
    Data,
    /// The same; definitions and hidden fields must be complete, too.
    Whole,
    /// The same, but of a struct or a list only that it is one: either is an error though it be incomplete.
    Flat,
    /// The same, but of a struct only that it is one.
    Stream,
    /// As [`Param::Whole`], but of a struct only that it is one.
    WholeStream,
    /// As [`Param::Stream`]; what is no list among the elements of a list is an error though it be incomplete.
    Rows,
    /// What may be an address: text, or a list of ints.
    Address,
    /// The same, but a list that is incomplete is given as an empty one.
    Host,
    /// A list whose elements stay what they are: scalars and lists of such as data, all else opaque.
    List,
    /// A list of lists under the rule of [`Param::List`]; those may be open.
    Lists,
    /// Any value under the rule of [`Param::List`].
    Value,
    /// A list of strings.
    Strings,
    /// A list of numbers.
    Numbers,
    /// A list of numbers that are multiplied.
    Factors,
    /// A struct, of which only the [`Shape`] is given.
    StructShape,
    /// A list, of which only the [`Shape`] is given.
    ListShape,
    /// One of `unix`, `windows`, `plan9`; may be left out, and is `unix` then.
    Os,
    /// The same; may not be left out.
    OsRequired,
    /// The same; is `windows` when left out.
    OsWindows,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What went wrong, in the reference's words.
    pub text: String,
    /// What follows from it.
    pub kind: FaultKind,
}

/// What follows from a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The call is an error.
    Error,
    /// A validator says no, with a reason; in other places the function just answers no.
    Invalid,
    /// A validator says not yet, as more input may help; in other places the function just answers no.
    Incomplete,
    /// The function does not do that here: the evaluation must end.
    Unsupported,
    /// The result would be too large: the evaluation must end.
    Limit,
}

impl Fault {
    /// An error.
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: FaultKind::Error,
        }
    }

    /// A validator's no.
    pub fn invalid(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: FaultKind::Invalid,
        }
    }

    /// A result that would be too large.
    pub fn limit(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: FaultKind::Limit,
        }
    }

    /// What is not there.
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: FaultKind::Unsupported,
        }
    }

    /// A validator's not yet.
    pub fn incomplete(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: FaultKind::Incomplete,
        }
    }
}

/// The largest text or list that a function makes of less, in bytes or elements.
pub(crate) const MAX_RESULT: usize = 16 << 20;

/// That a result of this size may be made; asked before it is.
pub(crate) fn room_for(size: usize) -> Result<()> {
    if size > MAX_RESULT {
        return Err(Fault::limit("the result is too large"));
    }
    Ok(())
}

/// Arguments that fit the parameters.
#[derive(Debug, Clone, Copy)]
pub struct Args<'a>(pub &'a [Datum]);

impl<'a> Args<'a> {
    fn at(&self, index: usize) -> Result<&'a Datum> {
        self.0
            .get(index)
            .ok_or_else(|| Fault::error("not enough arguments in call"))
    }

    fn wrong(&self, index: usize, wanted: &str) -> Fault {
        let kind = self.0.get(index).map_or("_", Datum::kind);
        Fault::error(format!(
            "cannot use value of type {kind} as {wanted} in argument {index}"
        ))
    }

    /// Any argument.
    pub fn datum(&self, index: usize) -> Result<&'a Datum> {
        self.at(index)
    }

    /// Text.
    pub fn text(&self, index: usize) -> Result<&'a Arc<str>> {
        match self.at(index)? {
            Datum::String(text) => Ok(text),
            _ => Err(self.wrong(index, "string")),
        }
    }

    /// A regular expression.
    pub fn pattern(&self, index: usize) -> Result<Regex> {
        if let Datum::Pattern(regex) = self.at(index)? {
            return Ok(regex.clone());
        }
        Regex::new(self.text(index)?).map_err(|error| Fault::error(error.to_string()))
    }

    /// Text as bytes, or bytes.
    pub fn bytes(&self, index: usize) -> Result<&'a [u8]> {
        match self.at(index)? {
            Datum::String(text) => Ok(text.as_bytes()),
            Datum::Bytes(bytes) => Ok(bytes),
            _ => Err(self.wrong(index, "bytes")),
        }
    }

    /// Yes or no.
    pub fn bool(&self, index: usize) -> Result<bool> {
        match self.at(index)? {
            Datum::Bool(value) => Ok(*value),
            _ => Err(self.wrong(index, "bool")),
        }
    }

    /// A number.
    pub fn number(&self, index: usize) -> Result<&'a Decimal> {
        match self.at(index)? {
            Datum::Int(value) | Datum::Float(value) => Ok(value),
            _ => Err(self.wrong(index, "number")),
        }
    }

    /// A whole number of any length.
    pub fn big(&self, index: usize) -> Result<BigInt> {
        self.number(index)?
            .to_bigint()
            .ok_or_else(|| self.wrong(index, "int"))
    }

    /// A whole number of 64 bits, and a sign besides: what is beyond an i64 is the one nearest to it.
    pub fn int(&self, index: usize) -> Result<i64> {
        let value = self.big(index)?;
        if value.bits() > 64 {
            let text = format!("int {value} overflows int64 in argument {index}");
            return Err(Fault::error(text));
        }
        let nearest = if value.sign() == Sign::Minus {
            i64::MIN
        } else {
            i64::MAX
        };
        Ok(value.to_i64().unwrap_or(nearest))
    }

    /// A number as a floating point number.
    pub fn float(&self, index: usize) -> Result<f64> {
        self.number(index)?
            .to_string()
            .parse()
            .map_err(|_| self.wrong(index, "float64"))
    }

    /// A list.
    pub fn list(&self, index: usize) -> Result<&'a [Datum]> {
        match self.at(index)? {
            Datum::List(list) => Ok(list),
            _ => Err(self.wrong(index, "list")),
        }
    }

    /// A list of texts.
    pub fn texts(&self, index: usize) -> Result<Vec<&'a Arc<str>>> {
        let list = self.list(index)?.iter();
        list.map(|element| match element {
            Datum::String(text) => Ok(text),
            _ => Err(self.wrong(index, "list of strings")),
        })
        .collect()
    }

    /// A list of numbers.
    pub fn numbers(&self, index: usize) -> Result<Vec<&'a Decimal>> {
        let list = self.list(index)?.iter();
        list.map(|element| match element {
            Datum::Int(number) | Datum::Float(number) => Ok(number),
            _ => Err(self.wrong(index, "list of numbers")),
        })
        .collect()
    }

    /// A shape.
    pub fn shape(&self, index: usize) -> Result<Shape> {
        match self.at(index)? {
            Datum::Shape(shape) => Ok(*shape),
            Datum::List(list) => Ok(Shape {
                count: list.len(),
                open: false,
                constraints: 0,
            }),
            Datum::Struct(fields) => Ok(Shape {
                count: fields.len(),
                open: false,
                constraints: 0,
            }),
            _ => Err(self.wrong(index, "struct")),
        }
    }
}

/// A line of a table of functions.
macro_rules! functions {
    ($($name:literal ($($param:ident),*) -> $result:literal = $run:expr;)*) => {
        &[$($crate::function::Function {
            name: $name,
            params: &[$($crate::function::Param::$param),*],
            result: $result,
            run: $run,
        }),*]
    };
}
pub(crate) use functions;

/// Lines of a table of constants.
macro_rules! constants {
    ($($name:literal = $value:literal;)*) => {
        &[$($crate::function::Const { name: $name, value: $value }),*]
    };
}
pub(crate) use constants;
