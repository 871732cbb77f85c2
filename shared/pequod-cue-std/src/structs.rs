//! `struct`

use crate::datum::Datum;
use crate::function::{Fault, Function, functions};

pub(crate) const FUNCTIONS: &[Function] = functions![
    "MinFields" (StructShape, Int) -> "bool" = |a| {
        let (shape, least) = (a.shape(0)?, a.int(1)?);
        let at_least = |count: usize| i64::try_from(count).unwrap_or(i64::MAX) >= least;
        if at_least(shape.count) {
            return Ok(Datum::Bool(true));
        }
        let text = format!("len(fields) < MinFields({least}) ({} < {least})", shape.count);
        // More fields may come.
        let open = shape.open || at_least(shape.count + shape.constraints);
        Err(if open { Fault::incomplete(text) } else { Fault::invalid(text) })
    };
    "MaxFields" (StructShape, Int) -> "bool" = |a| {
        let (shape, most) = (a.shape(0)?, a.int(1)?);
        if i64::try_from(shape.count).unwrap_or(i64::MAX) <= most {
            return Ok(Datum::Bool(true));
        }
        Err(Fault::invalid(format!("len(fields) > MaxFields({most}) ({} > {most})", shape.count)))
    };
];
