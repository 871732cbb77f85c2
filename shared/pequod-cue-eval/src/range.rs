//! Ranges of numbers and their predeclared names (language specification, "Predeclared identifiers").

use std::cmp::Ordering;

use pequod_cue_num::Decimal;

use crate::kind::Kind;
use crate::session::Session;
use crate::value::{Op, Value};

/// A range with a name.
#[derive(Debug)]
pub(crate) struct Range {
    pub(crate) name: &'static str,
    pub(crate) low: &'static str,
    /// None where there is no upper end.
    pub(crate) high: Option<&'static str>,
    pub(crate) kind: Kind,
    /// Whether a value that is such a range is called so: nobody writes `rune` for a number.
    told: bool,
}

const fn int(name: &'static str, low: &'static str, high: &'static str) -> Range {
    Range {
        name,
        low,
        high: Some(high),
        kind: Kind::INT,
        told: true,
    }
}

const fn float(name: &'static str, low: &'static str, high: &'static str) -> Range {
    Range {
        kind: Kind::FLOAT,
        ..int(name, low, high)
    }
}

const RANGES: [Range; 14] = [
    Range {
        high: None,
        ..int("uint", "0", "")
    },
    Range {
        told: false,
        ..int("rune", "0", "1114111")
    },
    int("int8", "-128", "127"),
    int("int16", "-32768", "32767"),
    int("int32", "-2147483648", "2147483647"),
    int("int64", "-9223372036854775808", "9223372036854775807"),
    int(
        "int128",
        "-170141183460469231731687303715884105728",
        "170141183460469231731687303715884105727",
    ),
    int("uint8", "0", "255"),
    int("uint16", "0", "65535"),
    int("uint32", "0", "4294967295"),
    int("uint64", "0", "18446744073709551615"),
    int("uint128", "0", "340282366920938463463374607431768211455"),
    float(
        "float32",
        "-3.40282346638528859811704183484516925440e+38",
        "3.40282346638528859811704183484516925440e+38",
    ),
    float(
        "float64",
        "-1.797693134862315708145274237317043567981e+308",
        "1.797693134862315708145274237317043567981e+308",
    ),
];

impl Range {
    /// The range of a name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        RANGES.iter().find(|range| range.name == name)
    }
}

impl Session<'_> {
    /// The name of a conjunction that is a range and nothing else.
    pub(crate) fn range_name(&self, values: &[Value]) -> Option<&'static str> {
        let (mut int, mut low, mut high) = (false, None, None);
        for value in values {
            let before = match value {
                Value::Type(Kind::INT) => std::mem::replace(&mut int, true),
                Value::Bound(id) => {
                    let bound = self.bound(*id);
                    let end = self.decimal(bound.value)?;
                    let side = match bound.op {
                        Op::GreaterEqual => &mut low,
                        Op::LessEqual => &mut high,
                        _ => return None,
                    };
                    side.replace(end).is_some()
                }
                _ => return None,
            };
            if before {
                return None;
            }
        }
        let is = |end: &Option<Decimal>, text: Option<&str>| match (end, text) {
            (Some(end), Some(text)) => {
                Decimal::parse(text).is_ok_and(|there| end.compare(&there) == Ordering::Equal)
            }
            (end, text) => end.is_none() && text.is_none(),
        };
        let range = RANGES.iter().find(|range| {
            range.told
                && (range.kind == Kind::INT) == int
                && is(&low, Some(range.low))
                && is(&high, range.high)
        });
        range.map(|range| range.name)
    }
}
