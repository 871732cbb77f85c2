//! Powers, roots, logarithms and exponentials.
//!
//! Calculated with whole numbers scaled by a power of ten, with far more digits than a result has,
//! and then rounded once: half away from zero, to [`PRECISION`] digits. What is inexact has all its
//! digits, `0.5000…` too; a power with a whole, not negative exponent has as many as it needs.

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};

use crate::PRECISION;
use crate::arithmetic::{NumError, rounded, ten_to};
use crate::decimal::{Decimal, count_digits};

/// How many digits stand behind the point in the middle of a calculation.
const SCALE: u64 = 110;

/// From this power of e on, and as far below zero, the reference has no result.
const MAX_POWER_OF_E: i64 = 23_000;

/// Powers of ten beyond this need not be calculated: they have no result.
const MAX_POWER_OF_TEN: i64 = crate::MAX_EXPONENT + 1;

impl Decimal {
    /// e to the power of this.
    pub fn exp(&self) -> Result<Self, NumError> {
        if self.is_zero() {
            return Ok(Self::from_i64(1));
        }
        let power = self.scaled()?;
        if power.magnitude() >= (scale() * MAX_POWER_OF_E).magnitude() {
            return Err(if power.is_negative() {
                NumError::Underflow
            } else {
                NumError::Overflow
            });
        }
        exp_of(&power)
    }

    /// The natural logarithm; none but of what is greater than zero.
    pub fn ln(&self) -> Result<Self, NumError> {
        finish(&self.ln_scaled()?)
    }

    /// The logarithm to base 10.
    pub fn log10(&self) -> Result<Self, NumError> {
        let ln = self.ln_scaled()?;
        finish(&(ln * scale() / ln10()))
    }

    /// The logarithm to base 2, as a quotient of two natural logarithms.
    pub fn log2(&self) -> Result<Self, NumError> {
        self.ln()?.divide(&Self::from_i64(2).ln()?)
    }

    /// The third root.
    pub fn cbrt(&self) -> Result<Self, NumError> {
        if self.is_zero() {
            return Ok(Self::ZERO);
        }
        let parts = self.parts();
        // Enough digits, and an exponent that three divides.
        let exponent = i64::from(parts.exponent);
        let third = exponent.div_euclid(3) - PRECISION.cast_signed() - 10;
        let shift = u64::try_from(exponent - 3 * third).unwrap_or(0);
        let root = (parts.coefficient * ten_to(shift)?).nth_root(3);
        padded(parts.negative, root, third)
    }

    /// This to the power of another.
    pub fn pow(&self, exponent: &Self) -> Result<Self, NumError> {
        if exponent.is_zero() {
            return if self.is_zero() {
                Err(NumError::Invalid)
            } else {
                Ok(Self::from_i64(1))
            };
        }
        if self.is_zero() {
            return if exponent.is_negative() {
                Err(NumError::DivisionByZero)
            } else {
                Ok(Self::ZERO)
            };
        }
        if exponent.is_whole() {
            let power = exponent
                .to_i64_of_any_form()
                .ok_or(NumError::ExponentRange)?;
            return self.integer_power(power);
        }
        if self.is_negative() {
            return Err(NumError::Invalid);
        }
        let power = exponent
            .scaled()
            .and_then(|exponent| exp_of(&(self.ln_scaled()? * exponent / scale())));
        power.map_err(|error| match error {
            NumError::Overflow | NumError::Underflow => NumError::ExponentRange,
            other => other,
        })
    }

    fn to_i64_of_any_form(&self) -> Option<i64> {
        if self.exponent() > 18 {
            return None;
        }
        self.to_bigint()?.to_i64()
    }

    fn integer_power(&self, power: i64) -> Result<Self, NumError> {
        let parts = self.parts();
        let negative = parts.negative && power % 2 != 0;
        let mut result = (BigUint::one(), 0i64);
        let mut square = (parts.coefficient, i64::from(parts.exponent));
        let mut rest = power.unsigned_abs();
        while rest > 0 {
            if rest % 2 == 1 {
                result = shortened((result.0 * &square.0, sum(result.1, square.1)?))?;
            }
            rest /= 2;
            if rest > 0 {
                let doubled = sum(square.1, square.1)?;
                square = shortened((&square.0 * &square.0, doubled))?;
            }
        }
        if power > 0 {
            return rounded(negative, result.0, result.1);
        }
        let digits = count_digits(&result.0) + PRECISION + 2;
        let quotient = ten_to(digits)? / result.0;
        padded(
            negative,
            quotient,
            -result.1 - i64::try_from(digits).unwrap_or(0),
        )
    }

    /// This with [`SCALE`] digits behind the point, the rest cut off.
    fn scaled(&self) -> Result<BigInt, NumError> {
        let parts = self.parts();
        let magnitude = count_digits(&parts.coefficient).cast_signed() + i64::from(parts.exponent);
        if magnitude > 12 {
            return Err(if parts.negative {
                NumError::Underflow
            } else {
                NumError::Overflow
            });
        }
        let shift = i64::from(parts.exponent) + SCALE.cast_signed();
        let coefficient = match u64::try_from(shift) {
            Ok(shift) => parts.coefficient * ten_to(shift)?,
            Err(_) if magnitude < -SCALE.cast_signed() => BigUint::ZERO,
            Err(_) => parts.coefficient / ten_to(shift.unsigned_abs())?,
        };
        Ok(BigInt::from_biguint(
            if parts.negative {
                Sign::Minus
            } else {
                Sign::Plus
            },
            coefficient,
        ))
    }

    fn ln_scaled(&self) -> Result<BigInt, NumError> {
        if self.is_zero() {
            return Err(NumError::DivisionByZero);
        }
        if self.is_negative() {
            return Err(NumError::Invalid);
        }
        let parts = self.parts();
        // self = m × 10^e with m in [0.1, 1), then m × 2^t in [0.75, 1.5).
        let digits = count_digits(&parts.coefficient);
        let e = i64::from(parts.exponent) + digits.cast_signed();
        let one = scale();
        let mut m = if digits > SCALE {
            parts.coefficient / ten_to(digits - SCALE)?
        } else {
            parts.coefficient * ten_to(SCALE - digits)?
        };
        let low = one.magnitude() * 3u8 / 4u8;
        let mut twos = 0;
        while m < low {
            m *= 2u8;
            twos += 1;
        }
        let m = BigInt::from(m);
        let fraction = (&m - &one) * &one / (&m + &one);
        Ok(two_atanh(&fraction) + BigInt::from(e) * ln10() - BigInt::from(twos) * ln2())
    }
}

/// A logarithm, rounded.
fn finish(scaled: &BigInt) -> Result<Decimal, NumError> {
    if scaled.is_zero() {
        return Ok(Decimal::ZERO);
    }
    let exponent = -SCALE.cast_signed();
    padded(scaled.is_negative(), scaled.magnitude().clone(), exponent)
}

fn scale() -> BigInt {
    BigInt::from(10u8).pow(110)
}

fn sum(a: i64, b: i64) -> Result<i64, NumError> {
    // Far beyond what any result may have.
    a.checked_add(b)
        .filter(|sum| sum.abs() <= 1 << 40)
        .ok_or(NumError::ExponentRange)
}

/// A number of at most thrice the digits of a result.
fn shortened((coefficient, exponent): (BigUint, i64)) -> Result<(BigUint, i64), NumError> {
    let digits = count_digits(&coefficient);
    let most = 3 * PRECISION;
    if digits <= most {
        return Ok((coefficient, exponent));
    }
    let less = digits - most;
    let exponent = sum(exponent, less.cast_signed())?;
    Ok((coefficient / ten_to(less)?, exponent))
}

/// Rounded, and with all the digits that a result may have.
fn padded(negative: bool, coefficient: BigUint, exponent: i64) -> Result<Decimal, NumError> {
    let digits = count_digits(&coefficient);
    if digits >= PRECISION {
        return rounded(negative, coefficient, exponent);
    }
    let more = PRECISION - digits;
    rounded(
        negative,
        coefficient * ten_to(more)?,
        exponent - more.cast_signed(),
    )
}

/// e to the power of a scaled number.
fn exp_of(power: &BigInt) -> Result<Decimal, NumError> {
    // e^x = 10^k × e^r, where r is less than ln 10.
    let (k, rest) = power.div_mod_floor(&ln10());
    let k = k
        .to_i64()
        .filter(|k| k.abs() <= MAX_POWER_OF_TEN)
        .ok_or(NumError::ExponentRange)?;
    let one = scale();
    // A small number has few terms; what was halved is squared again.
    let halvings = 8;
    let small = rest >> halvings;
    let mut term = one.clone();
    let mut total = one.clone();
    for n in 1u32.. {
        term = term * &small / &one / n;
        if term.is_zero() {
            break;
        }
        total += &term;
    }
    for _ in 0..halvings {
        total = &total * &total / &one;
    }
    padded(false, total.magnitude().clone(), k - SCALE.cast_signed())
}

/// 2 artanh x = ln((1 + x) / (1 - x)), for a small scaled x.
fn two_atanh(x: &BigInt) -> BigInt {
    let one = scale();
    let square = x * x / &one;
    let mut power = x.clone();
    let mut total = BigInt::ZERO;
    for n in 0u32.. {
        let term = &power / (2 * n + 1);
        if term.is_zero() {
            break;
        }
        total += term;
        power = power * &square / &one;
    }
    total * 2
}

fn ln2() -> BigInt {
    two_atanh(&(scale() / 3))
}

/// ln 10 = 3 ln 2 + ln 1.25
fn ln10() -> BigInt {
    ln2() * 3 + two_atanh(&(scale() / 9))
}

#[cfg(test)]
mod tests {
    use crate::{Decimal, NumError};

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn results_have_all_their_digits() {
        let cases = [
            (number("1").exp(), "2.718281828459045235360287471352662"),
            (number("-5").exp(), "0.006737946999085467096636048423148424"),
            (
                number("-1000").exp(),
                "5.075958897549456765291809479574337E-435",
            ),
            (number("4").ln(), "1.386294361119890618834464242916353"),
            (number("2").log10(), "0.3010299956639811952137388947244930"),
            (
                number("1000.0").log10(),
                "3.000000000000000000000000000000000",
            ),
            (number("5").log2(), "2.321928094887362347870319429489391"),
            (number("0.5").log2(), "-1.0"),
            (number("2").cbrt(), "1.259921049894873164767210607278228"),
            (number("-8").cbrt(), "-2.000000000000000000000000000000000"),
            (
                number("0.001").cbrt(),
                "0.1000000000000000000000000000000000",
            ),
            (number("1").ln(), "0"),
            (number("0").exp(), "1"),
        ];
        for (found, wanted) in cases {
            assert_eq!(found.unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn powers_are_exact_where_they_can_be() {
        let pow = |a, b| number(a).pow(&number(b)).map(|found| found.to_string());
        assert_eq!(pow("2.50", "2").unwrap(), "6.2500");
        assert_eq!(pow("-2", "3").unwrap(), "-8");
        assert_eq!(pow("1e3", "2").unwrap(), "1E+6");
        assert_eq!(
            pow("10", "-3").unwrap(),
            "0.001000000000000000000000000000000000"
        );
        assert_eq!(
            pow("255", "-3").unwrap(),
            "6.030862941101084801471530557628665E-8"
        );
        assert_eq!(
            pow("2", "-0.5").unwrap(),
            "0.7071067811865475244008443621048490"
        );
        assert_eq!(
            pow("1.1", "100").unwrap(),
            "13780.61233982227018411833717208964"
        );
        assert_eq!(
            pow("9223372036854775807", "5").unwrap(),
            "6.674959487252844003865940043113719E+94"
        );
        assert_eq!(pow("0", "0"), Err(NumError::Invalid));
        assert_eq!(pow("-8", "0.3"), Err(NumError::Invalid));
        assert_eq!(pow("0", "-1"), Err(NumError::DivisionByZero));
        for (base, exponent) in [
            ("10", "1000001"),
            ("10", "-100000"),
            ("2", "-332192"),
            ("1e2000", "1000.5"),
            ("1e2000", "-1000.5"),
            ("1e2000", "9223372036854775807"),
            ("1e-2000", "9223372036854775807"),
        ] {
            assert_eq!(pow(base, exponent), Err(NumError::ExponentRange), "{base}");
        }
    }

    #[test]
    fn what_is_too_large_or_too_small_has_no_result() {
        assert_eq!(number("1e400").exp(), Err(NumError::Overflow));
        assert_eq!(number("-1e400").exp(), Err(NumError::Underflow));
        assert_eq!(number("23000").exp(), Err(NumError::Overflow));
        assert_eq!(number("-23000").exp(), Err(NumError::Underflow));
        assert_eq!(
            number("-22999.9").exp().unwrap().to_string(),
            "1.863569840788672525403698565411152E-9989"
        );
        assert_eq!(number("-1").ln(), Err(NumError::Invalid));
        assert_eq!(number("0").ln(), Err(NumError::DivisionByZero));
        assert_eq!(number("1e-400").exp().unwrap().to_string().len(), 35);
    }
}
