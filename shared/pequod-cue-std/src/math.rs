//! `math`.
//!
//! Powers, exponentials and logarithms are calculated with 34 digits. Of the functions on floating
//! point numbers only those are here whose result IEEE 754 prescribes to the last bit; for the others, such as
//! sines, every library has last digits of its own, so they say that they are not supported rather
//! than answer almost the same. What has no finite result is an error.

use num_traits::{Signed as _, ToPrimitive as _};
use pequod_cue_num::Decimal;

use crate::datum::Datum;
use crate::function::{Args, Const, Fault, Function, Result, constants, functions};

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
    "Pow" (Number, Number) -> "number" = |a| calculated(a.number(0)?.pow(a.number(1)?));
    "Pow10" (Int) -> "number" = |a| power_of_ten(&a.big(0)?);
    "Cbrt" (Number) -> "number" = |a| calculated(a.number(0)?.cbrt());
    "Exp" (Number) -> "number" = |a| calculated(a.number(0)?.exp());
    "Exp2" (Number) -> "number" = |a| calculated(Decimal::from_i64(2).pow(a.number(0)?));
    "Log" (Number) -> "number" = |a| calculated(a.number(0)?.ln());
    "Log10" (Number) -> "number" = |a| calculated(a.number(0)?.log10());
    "Log2" (Number) -> "number" = |a| calculated(a.number(0)?.log2());
    "Sqrt" (Number) -> "float" = |a| from_f64(f64_of(a, 0)?.sqrt());
    "Hypot" (Number, Number) -> "float" = |a| {
        let (p, q) = (f64_of(a, 0)?.abs(), f64_of(a, 1)?.abs());
        let (large, small) = if p < q { (q, p) } else { (p, q) };
        if large == 0.0 {
            return from_f64(0.0);
        }
        let ratio = small / large;
        // In the order and with the roundings of the reference: no fused operation.
        #[expect(clippy::suboptimal_flops, reason = "each step is rounded")]
        let root = (1.0 + ratio * ratio).sqrt();
        from_f64(large * root)
    };
    "Mod" (Number, Number) -> "float" = |a| from_f64(f64_of(a, 0)? % f64_of(a, 1)?);
    "Ilogb" (Number) -> "int" = |a| Ok(Datum::int(binary_exponent(f64_of(a, 0)?)?));
    "Logb" (Number) -> "float" = |a| {
        let exponent = binary_exponent(f64_of(a, 0)?)?;
        from_f64(exponent.to_f64().unwrap_or(f64::NAN))
    };
    "Acos" (Number) -> "float" = |a| inexact(a, 1, "Acos");
    "Acosh" (Number) -> "float" = |a| inexact(a, 1, "Acosh");
    "Asin" (Number) -> "float" = |a| inexact(a, 1, "Asin");
    "Asinh" (Number) -> "float" = |a| inexact(a, 1, "Asinh");
    "Atan" (Number) -> "float" = |a| inexact(a, 1, "Atan");
    "Atan2" (Number, Number) -> "float" = |a| inexact(a, 2, "Atan2");
    "Atanh" (Number) -> "float" = |a| inexact(a, 1, "Atanh");
    "Cos" (Number) -> "float" = |a| inexact(a, 1, "Cos");
    "Cosh" (Number) -> "float" = |a| inexact(a, 1, "Cosh");
    "Erf" (Number) -> "float" = |a| inexact(a, 1, "Erf");
    "Erfc" (Number) -> "float" = |a| inexact(a, 1, "Erfc");
    "Erfcinv" (Number) -> "float" = |a| inexact(a, 1, "Erfcinv");
    "Erfinv" (Number) -> "float" = |a| inexact(a, 1, "Erfinv");
    "Expm1" (Number) -> "float" = |a| inexact(a, 1, "Expm1");
    "Gamma" (Number) -> "float" = |a| inexact(a, 1, "Gamma");
    "J0" (Number) -> "float" = |a| inexact(a, 1, "J0");
    "J1" (Number) -> "float" = |a| inexact(a, 1, "J1");
    "Log1p" (Number) -> "float" = |a| inexact(a, 1, "Log1p");
    "Sin" (Number) -> "float" = |a| inexact(a, 1, "Sin");
    "Sinh" (Number) -> "float" = |a| inexact(a, 1, "Sinh");
    "Tan" (Number) -> "float" = |a| inexact(a, 1, "Tan");
    "Tanh" (Number) -> "float" = |a| inexact(a, 1, "Tanh");
    "Y0" (Number) -> "float" = |a| inexact(a, 1, "Y0");
    "Y1" (Number) -> "float" = |a| inexact(a, 1, "Y1");
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

/// The result of a calculation with decimals.
fn calculated(result: std::result::Result<Decimal, pequod_cue_num::NumError>) -> Result {
    result.map(Datum::number).map_err(|error| match error {
        // Officially it is infinite, and what follows is calculated with that.
        pequod_cue_num::NumError::DivisionByZero => Fault::unsupported(error.to_string()),
        _ => Fault::error(error.to_string()),
    })
}

/// The largest power of ten that is written with all its zeros.
const MAX_POWER_OF_TEN: i64 = 100_000;

fn power_of_ten(exponent: &num_bigint::BigInt) -> Result {
    let exponent = exponent
        .to_i32()
        .ok_or_else(|| Fault::error(format!("int {exponent} overflows int32 in argument 0")))?;
    if i64::from(exponent) > MAX_POWER_OF_TEN {
        return Err(Fault::limit("a number of too many digits"));
    }
    Decimal::parse(&format!("1E{exponent}"))
        .map(Datum::number)
        .map_err(|error| Fault::error(error.to_string()))
}

/// An argument as floating point number; one that is too large is refused.
fn f64_of(args: &Args<'_>, index: usize) -> Result<f64> {
    let value = args.float(index)?;
    if value.is_finite() {
        return Ok(value);
    }
    let shown = crate::json::show(args.datum(index)?);
    let kind = args.datum(index)?.kind();
    Err(Fault::error(format!(
        "cannot use {shown} (type {kind}) as float64 in argument {index}: value was rounded up"
    )))
}

/// A floating point number as the shortest decimal that stands for it.
fn from_f64(value: f64) -> Result {
    if !value.is_finite() {
        // The reference goes on with it.
        return Err(Fault::unsupported(format!(
            "the result is no number: {value}"
        )));
    }
    Decimal::parse(&format!("{value:E}"))
        .map(Datum::Float)
        .map_err(|error| Fault::error(error.to_string()))
}

/// The n of 2^n ≤ |value| < 2^(n+1).
fn binary_exponent(value: f64) -> Result<i64> {
    if value == 0.0 {
        return Err(Fault::error("zero has no binary exponent"));
    }
    let raw = |value: f64| i64::try_from(value.to_bits() >> 52 & 0x7ff).unwrap_or(0);
    // Subnormal numbers are made normal first.
    Ok(match raw(value) {
        0 => raw(value * 2f64.powi(54)) - 54 - 1023,
        exponent => exponent - 1023,
    })
}

/// A function whose last digits depend on who calculates it.
fn inexact(args: &Args<'_>, count: usize, name: &str) -> Result {
    for index in 0..count {
        f64_of(args, index)?;
    }
    Err(Fault::unsupported(format!("math.{name}")))
}

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

#[cfg(test)]
mod tests {
    use crate::{Args, Datum, FaultKind, find};
    use pequod_cue_num::Decimal;

    fn call(name: &str, args: &[&str]) -> Result<String, FaultKind> {
        let number = |text: &&str| Datum::number(Decimal::parse(text).unwrap());
        let args: Vec<Datum> = args.iter().map(number).collect();
        let found = (find("math", name).unwrap().run)(&Args(&args)).map_err(|fault| fault.kind)?;
        Ok(format!("{} {}", found.kind(), crate::json::show(&found)))
    }

    #[test]
    fn powers_and_logarithms() {
        assert_eq!(call("Pow", &["8", "4"]).unwrap(), "int 4096");
        assert_eq!(call("Pow", &["1e3", "2"]).unwrap(), "int 1000000");
        assert_eq!(call("Log10", &["0.001"]).unwrap(), "int -3");
        assert_eq!(call("Pow10", &["-3"]).unwrap(), "float 0.001");
        assert_eq!(call("Pow10", &["4"]).unwrap(), "int 10000");
        assert_eq!(
            call("Exp2", &["3.5"]).unwrap(),
            "float 11.31370849898476039041350979367758"
        );
        assert_eq!(call("Pow", &["0", "-1"]), Err(FaultKind::Unsupported));
        assert_eq!(call("Pow10", &["2000000000"]), Err(FaultKind::Limit));
    }

    #[test]
    fn floating_point_where_every_bit_is_prescribed() {
        assert_eq!(call("Sqrt", &["2"]).unwrap(), "float 1.4142135623730951");
        assert_eq!(call("Sqrt", &["10000"]).unwrap(), "float 1E+2");
        assert_eq!(call("Hypot", &["3", "4"]).unwrap(), "float 5");
        assert_eq!(call("Mod", &["-7.5", "2"]).unwrap(), "float -1.5");
        assert_eq!(call("Ilogb", &["8"]).unwrap(), "int 3");
        assert_eq!(call("Logb", &["1e-310"]).unwrap(), "float -1.03E+3");
        assert_eq!(call("Sqrt", &["-1"]), Err(FaultKind::Unsupported));
        assert_eq!(call("Sqrt", &["1e400"]), Err(FaultKind::Error));
    }

    #[test]
    fn an_almost_equal_answer_is_none() {
        assert_eq!(call("Sin", &["1"]), Err(FaultKind::Unsupported));
        assert_eq!(call("Sin", &["1e400"]), Err(FaultKind::Error));
    }
}
