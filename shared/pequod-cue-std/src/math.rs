//! `math`, as far as it is exact: rounding, absolute values, multiples. Powers, roots and functions of
//! analysis are not here.

use num_traits::Signed as _;
use pequod_cue_num::Decimal;

use crate::datum::Datum;
use crate::function::{Const, Fault, Function, Result, constants, functions};

pub(crate) const FUNCTIONS: &[Function] = functions![
    // The reference gives 0 for wholes of more digits than a result may have.
    "Floor" (Number) -> "int" = |a| short_whole(&a.number(0)?.floor());
    "Ceil" (Number) -> "int" = |a| short_whole(&a.number(0)?.ceil());
    "Trunc" (Number) -> "int" = |a| whole(&a.number(0)?.trunc());
    "Round" (Number) -> "int" = |a| whole(&a.number(0)?.round());
    "RoundToEven" (Number) -> "int" = |a| whole(&a.number(0)?.round_to_even());
    "MultipleOf" (Number, Number) -> "bool" = |a| {
        let quotient = a.number(0)?.divide(a.number(1)?).map_err(|error| Fault::error(error.to_string()))?;
        Ok(Datum::Bool(quotient.is_whole()))
    };
    "Abs" (Number) -> "number" = |a| {
        let number = a.number(0)?;
        Ok(Datum::number(if number.is_negative() { number.negated() } else { number.clone() }))
    };
    "Signbit" (Number) -> "bool" = |a| Ok(Datum::Bool(a.number(0)?.is_negative()));
    "Copysign" (Number, Number) -> "number" = |a| {
        let (number, sign) = (a.number(0)?, a.number(1)?);
        let same = number.is_negative() == sign.is_negative();
        Ok(Datum::number(if same { number.clone() } else { number.negated() }))
    };
    "Dim" (Number, Number) -> "number" = |a| {
        let difference = a.number(0)?.subtract(a.number(1)?).map_err(|error| Fault::error(error.to_string()))?;
        Ok(if difference.is_negative() { Datum::int(0) } else { Datum::number(difference) })
    };
    "Jacobi" (Int, Int) -> "int" = |a| {
        let (mut x, mut y) = (a.big(0)?, a.big(1)?);
        let two = num_bigint::BigInt::from(2);
        if (&y % &two) == num_bigint::BigInt::ZERO {
            return Err(Fault::error(format!("big: invalid 2nd argument to Int.Jacobi: need odd integer but got {y}")));
        }
        let mut symbol = 1;
        if y.is_negative() {
            if x.is_negative() {
                symbol = -1;
            }
            y = -y;
        }
        loop {
            x = ((x % &y) + &y) % &y;
            if y == num_bigint::BigInt::from(1) {
                return Ok(Datum::int(symbol));
            }
            if x == num_bigint::BigInt::ZERO {
                return Ok(Datum::int(0));
            }
            let twos = x.trailing_zeros().unwrap_or(0);
            let low = |value: &num_bigint::BigInt, modulus: u8| u8::try_from(value % modulus).unwrap_or(0);
            if twos % 2 == 1 && matches!(low(&y, 8), 3 | 5) {
                symbol = -symbol;
            }
            let odd = &x >> twos;
            if low(&y, 4) == 3 && low(&odd, 4) == 3 {
                symbol = -symbol;
            }
            x = std::mem::replace(&mut y, odd);
        }
    };
];

/// A whole number with all its digits written.
fn whole(value: &Decimal) -> Result {
    if value.exponent() > 100_000 {
        return Err(Fault::limit("a number of too many digits"));
    }
    let digits = value.to_bigint();
    digits
        .map(|digits| Datum::big(&digits))
        .ok_or_else(|| Fault::limit("a number of too many digits"))
}

fn short_whole(value: &Decimal) -> Result {
    let length =
        i64::try_from(value.digits()).unwrap_or(i64::MAX) + i64::from(value.exponent().max(0));
    if length > 34 {
        return Err(Fault::unsupported(
            "rounding down or up of more than 34 digits",
        ));
    }
    whole(value)
}

pub(crate) const CONSTANTS: &[Const] = constants![
    "MaxExp" = "2147483647";
    "MinExp" = "-2147483648";
    "MaxPrec" = "4294967295";
    "ToNearestEven" = "0";
    "ToNearestAway" = "1";
    "ToZero" = "2";
    "AwayFromZero" = "3";
    "ToNegativeInf" = "4";
    "ToPositiveInf" = "5";
    "Below" = "-1";
    "Exact" = "0";
    "Above" = "1";
    "MaxBase" = "62";
    "E" = "2.71828182845904523536028747135266249775724709369995957496696763";
    "Pi" = "3.14159265358979323846264338327950288419716939937510582097494459";
    "Phi" = "1.61803398874989484820458683436563811772030917980576286213544861";
    "Sqrt2" = "1.41421356237309504880168872420969807856967187537694807317667974";
    "SqrtE" = "1.64872127070012814684865078781416357165377610071014801157507931";
    "SqrtPi" = "1.77245385090551602729816748334114518279754945612238712821380779";
    "SqrtPhi" = "1.27201964951406896425242246173749149171560804184009624861664038";
    "Ln2" = "0.693147180559945309417232121458176568075500134360255254120680009";
    "Log2E" = "1.442695040888963407359924681001892137426645954152985934135449408";
    "Ln10" = "2.3025850929940456840179914546843642076011014886287729760333278";
    "Log10E" = "0.43429448190325182765112891891660508229439700580366656611445378";
];
