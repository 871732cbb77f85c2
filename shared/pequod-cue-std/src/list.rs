//! `list`, as far as it needs no evaluation: `Sort`, `UniqueItems`, `Contains` and `MatchN` are the evaluator's.

use std::cmp::Ordering;

use pequod_cue_num::Decimal;

use crate::datum::Datum;
use crate::function::{Args, Const, Fault, Function, Result, constants, functions};
use crate::strings::repeats;

/// The comparators.
pub(crate) const CONSTANTS: &[Const] = constants![
    "Comparer" = "{T: _, x: T, y: T, less: bool}";
    "Ascending" = "{T: number | string, x: T, y: T, less: bool, less: x < y}";
    "Descending" = "{T: number | string, x: T, y: T, less: bool, less: x > y}";
];

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Drop" (List, Int) -> "list" = |a| {
        let list = a.list(0)?;
        let count = index(a.int(1)?)?.min(list.len());
        Ok(Datum::List(list[count..].to_vec()))
    };
    "Take" (List, Int) -> "list" = |a| {
        let list = a.list(0)?;
        let count = index(a.int(1)?)?.min(list.len());
        Ok(Datum::List(list[..count].to_vec()))
    };
    "FlattenN" (Value, Int) -> "list" = |a| {
        let Datum::List(list) = a.datum(0)? else {
            return Err(Fault::error(format!("cannot use value of type {} as list", a.datum(0)?.kind())));
        };
        let mut flat = Vec::new();
        flatten(list, a.int(1)?, &mut flat);
        Ok(Datum::List(flat))
    };
    "Repeat" (List, Int) -> "list" = |a| {
        let list = a.list(0)?;
        let count = repeats(a.int(1)?, list.len())?;
        Ok(Datum::List(std::iter::repeat_n(list, count).flatten().cloned().collect()))
    };
    "Concat" (Lists) -> "list" = |a| {
        let mut all = Vec::new();
        for element in a.list(0)? {
            match element {
                Datum::List(list) => all.extend(list.iter().cloned()),
                other => return Err(Fault::error(format!("cannot use value of type {} as list", other.kind()))),
            }
        }
        Ok(Datum::List(all))
    };
    "Slice" (List, Int, Int) -> "list" = |a| {
        let list = a.list(0)?;
        let (low, high) = (a.int(1)?, a.int(2)?);
        let start = index(low)?;
        if low > high {
            return Err(Fault::error(format!("invalid index: {low} > {high}")));
        }
        let end = index(high)?;
        if end > list.len() {
            return Err(Fault::error("slice bounds out of range"));
        }
        Ok(Datum::List(list[start..end].to_vec()))
    };
    "Reverse" (List) -> "list" = |a| Ok(Datum::List(a.list(0)?.iter().rev().cloned().collect()));
    "MinItems" (ListShape, Int) -> "bool" = |a| {
        let (shape, least) = (a.shape(0)?, a.int(1)?);
        if i64::try_from(shape.count).unwrap_or(i64::MAX) >= least {
            return Ok(Datum::Bool(true));
        }
        let text = format!("len(list) < MinItems({least}) ({} < {least})", shape.count);
        Err(if shape.open { Fault::incomplete(text) } else { Fault::invalid(text) })
    };
    "MaxItems" (ListShape, Int) -> "bool" = |a| {
        let (shape, most) = (a.shape(0)?, a.int(1)?);
        if i64::try_from(shape.count).unwrap_or(i64::MAX) <= most {
            return Ok(Datum::Bool(true));
        }
        Err(Fault::invalid(format!("len(list) > MaxItems({most}) ({} > {most})", shape.count)))
    };
    "Avg" (Numbers) -> "number" = |a| {
        let numbers = not_empty(a)?;
        let count = Decimal::from_u64(numbers.len() as u64);
        calculated(sum(&numbers)?.divide(&count))
    };
    "Max" (Numbers) -> "number" = |a| Ok(extreme(&not_empty(a)?, Ordering::Less));
    "Min" (Numbers) -> "number" = |a| Ok(extreme(&not_empty(a)?, Ordering::Greater));
    "Product" (Factors) -> "number" = |a| {
        let product = a.numbers(0)?.into_iter().try_fold(Decimal::from_i64(1), |product, number| product.multiply(number));
        calculated(product)
    };
    "Range" (Number, Number, Number) -> "list" = |a| range(a.number(0)?, a.number(1)?, a.number(2)?);
    "Sum" (Numbers) -> "number" = |a| Ok(Datum::number(sum(&a.numbers(0)?)?));
    "SortStrings" (Strings) -> "list" = |a| {
        let mut texts = a.texts(0)?;
        texts.sort();
        Ok(Datum::texts(texts.into_iter().cloned()))
    };
    "IsSortedStrings" (Strings) -> "bool" = |a| Ok(Datum::Bool(a.texts(0)?.is_sorted()));
];

/// The most elements `Range` makes.
const MAX_RANGE: usize = 1_000_000;

fn index(value: i64) -> Result<usize> {
    usize::try_from(value).map_err(|_| Fault::error("negative index"))
}

fn flatten(list: &[Datum], depth: i64, flat: &mut Vec<Datum>) {
    for element in list {
        match element {
            Datum::List(inner) if depth != 0 => flatten(inner, depth - 1, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn not_empty<'a>(args: &Args<'a>) -> Result<Vec<&'a Decimal>> {
    let numbers = args.numbers(0)?;
    if numbers.is_empty() {
        Err(Fault::error("empty list"))
    } else {
        Ok(numbers)
    }
}

fn calculated(result: std::result::Result<Decimal, pequod_cue_num::NumError>) -> Result {
    result
        .map(Datum::number)
        .map_err(|error| Fault::error(error.to_string()))
}

fn sum(numbers: &[&Decimal]) -> Result<Decimal> {
    numbers
        .iter()
        .try_fold(Decimal::ZERO, |sum, number| sum.add(number))
        .map_err(|error| Fault::error(error.to_string()))
}

/// The first number that no later one exceeds in the given direction.
fn extreme(numbers: &[&Decimal], worse: Ordering) -> Datum {
    let mut best = numbers[0];
    for number in &numbers[1..] {
        if best.compare(number) == worse {
            best = number;
        }
    }
    Datum::number(best.clone())
}

fn range(start: &Decimal, limit: &Decimal, step: &Decimal) -> Result {
    if step.is_zero() {
        return Err(Fault::error("step must be non zero"));
    }
    let down = step.is_negative();
    let ahead = start.compare(limit);
    if !down && ahead == Ordering::Greater {
        return Err(Fault::error(
            "end must be greater than start when step is positive",
        ));
    }
    if down && ahead == Ordering::Less {
        return Err(Fault::error(
            "end must be less than start when step is negative",
        ));
    }
    let more = if down {
        Ordering::Greater
    } else {
        Ordering::Less
    };
    let mut numbers = Vec::new();
    let mut number = start.clone();
    while number.compare(limit) == more {
        if numbers.len() == MAX_RANGE {
            return Err(Fault::limit(format!(
                "range has more than {MAX_RANGE} elements"
            )));
        }
        let next = step
            .add(&number)
            .map_err(|error| Fault::error(error.to_string()))?;
        numbers.push(Datum::number(std::mem::replace(&mut number, next)));
    }
    Ok(Datum::List(numbers))
}
