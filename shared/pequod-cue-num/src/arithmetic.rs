//! Operations and their rounding.
//!
//! Every result is exact if it has at most [`PRECISION`] digits, and else rounded half away from
//! zero. A quotient is reduced to its shortest form, keeping one digit behind the point where
//! there was one (`6.0/2` is `3.0`).
//!
//! Powers of ten beyond ±[`MAX_EXPONENT`] are an error, and not only those of results: the
//! reference looks at each that it adds up, so that `1.23e-100000 * 1e5` has no product. What has a
//! result can be written and read again.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{Signed, Zero};
use thiserror::Error;

use crate::decimal::{Decimal, Parts, count_digits, power_of_ten};
use crate::{MAX_EXPONENT, PRECISION};

/// Why an operation has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumError {
    /// The divisor is zero.
    #[error("division by zero")]
    DivisionByZero,
    /// Zero divided by zero.
    #[error("division undefined")]
    DivisionUndefined,
    /// An operand, a step or the result has a power of ten beyond ±[`MAX_EXPONENT`].
    #[error("exponent out of range")]
    ExponentRange,
    /// The terms of a sum stand further apart than [`MAX_EXPONENT`] digits.
    #[error("add: exponent out of range")]
    TermsApart,
    /// A power of e is too large.
    #[error("overflow")]
    Overflow,
    /// A power of e is too near to zero.
    #[error("underflow, subnormal")]
    Underflow,
    /// There is no such number: a root or logarithm of a negative one, 0 to the power of 0.
    #[error("invalid operation")]
    Invalid,
}

impl Decimal {
    /// The sum.
    pub fn add(&self, other: &Self) -> Result<Self, NumError> {
        if let (Some(a), Some(b)) = (self.small(), other.small())
            && let Some(sum) = a.checked_add(b)
        {
            return Ok(Self::from_i64(sum));
        }
        let (a, b) = (self.parts(), other.parts());
        if i64::from(a.exponent.abs_diff(b.exponent)) > MAX_EXPONENT {
            return Err(NumError::TermsApart);
        }
        let (sum, exponent) = sum(&a, &b);
        rounded(sum.is_negative(), sum.magnitude().clone(), exponent.into())
    }

    /// The difference.
    pub fn subtract(&self, other: &Self) -> Result<Self, NumError> {
        self.add(&other.negated())
    }

    /// The product.
    pub fn multiply(&self, other: &Self) -> Result<Self, NumError> {
        if let (Some(a), Some(b)) = (self.small(), other.small())
            && let Some(product) = a.checked_mul(b)
        {
            return Ok(Self::from_i64(product));
        }
        let (a, b) = (self.parts(), other.parts());
        let exponents = (i64::from(a.exponent), i64::from(b.exponent));
        in_range(exponents.0)?;
        in_range(exponents.1)?;
        rounded(
            a.negative != b.negative,
            a.coefficient * b.coefficient,
            exponents.0 + exponents.1,
        )
    }

    /// The quotient, reduced.
    pub fn divide(&self, other: &Self) -> Result<Self, NumError> {
        if other.is_zero() {
            return Err(if self.is_zero() {
                NumError::DivisionUndefined
            } else {
                NumError::DivisionByZero
            });
        }
        let (a, b) = (self.parts(), other.parts());
        let shift = i64::from(a.exponent) - i64::from(b.exponent);
        in_range(shift)?;
        if a.coefficient.is_zero() {
            return Ok(keep_point(false, BigUint::ZERO, shift));
        }
        // Scale so that the quotient has PRECISION digits, whatever the operands' lengths.
        let (mut dividend, mut divisor) = (a.coefficient, b.coefficient);
        let (na, nb) = (count_digits(&dividend), count_digits(&divisor));
        let mut scale = i64::try_from(nb).unwrap_or(0) - i64::try_from(na).unwrap_or(0);
        match na.cmp(&nb) {
            Ordering::Less => dividend *= ten_to(nb - na)?,
            Ordering::Greater => divisor *= ten_to(na - nb)?,
            Ordering::Equal => {}
        }
        if dividend < divisor {
            dividend *= 10u8;
            scale += 1;
        }
        dividend *= ten_to(PRECISION - 1)?;
        scale += i64::try_from(PRECISION).unwrap_or(0) - 1;
        let (mut quotient, rest) = dividend.div_rem(&divisor);
        if rest * 2u8 >= divisor {
            quotient += 1u8;
        }
        // Unlike other results, this one may have its last digit below the smallest power of ten.
        let (quotient, exponent) = shortened(quotient, shift - scale);
        in_range(top(&quotient, exponent))?;
        Ok(keep_point(a.negative != b.negative, quotient, exponent))
    }

    /// Euclidean division of whole numbers: the rest is never negative.
    pub fn int_div(&self, other: &Self) -> Result<Self, NumError> {
        self.whole(other, |a, b| {
            let (quotient, rest) = a.div_rem(b);
            if rest.is_negative() {
                if b.is_positive() {
                    quotient - 1
                } else {
                    quotient + 1
                }
            } else {
                quotient
            }
        })
    }

    /// The rest of [`Decimal::int_div`].
    pub fn int_mod(&self, other: &Self) -> Result<Self, NumError> {
        self.whole(other, |a, b| {
            let rest = a % b;
            if rest.is_negative() {
                rest + b.abs()
            } else {
                rest
            }
        })
    }

    /// Division of whole numbers, towards zero.
    pub fn int_quo(&self, other: &Self) -> Result<Self, NumError> {
        self.whole(other, |a, b| a / b)
    }

    /// The rest of [`Decimal::int_quo`].
    pub fn int_rem(&self, other: &Self) -> Result<Self, NumError> {
        self.whole(other, |a, b| a % b)
    }

    fn whole(
        &self,
        other: &Self,
        op: impl Fn(&BigInt, &BigInt) -> BigInt,
    ) -> Result<Self, NumError> {
        if other.is_zero() {
            return Err(NumError::DivisionByZero);
        }
        let (a, b) = (self.to_bigint(), other.to_bigint());
        let (a, b) = (a.ok_or(NumError::Overflow)?, b.ok_or(NumError::Overflow)?);
        Ok(Self::from_bigint(&op(&a, &b)))
    }

    /// The largest whole number not above it.
    #[must_use]
    pub fn floor(&self) -> Self {
        self.to_whole(|parts, quotient, exact| {
            if parts.negative && !exact {
                quotient + 1u8
            } else {
                quotient
            }
        })
    }

    /// The smallest whole number not below it.
    #[must_use]
    pub fn ceil(&self) -> Self {
        self.to_whole(|parts, quotient, exact| {
            if parts.negative || exact {
                quotient
            } else {
                quotient + 1u8
            }
        })
    }

    /// Without the digits behind the point.
    #[must_use]
    pub fn trunc(&self) -> Self {
        self.to_whole(|_, quotient, _| quotient)
    }

    /// The nearest whole number; halves go away from zero.
    #[must_use]
    pub fn round(&self) -> Self {
        if self.exponent() >= 0 {
            return self.clone();
        }
        let half = Parts {
            negative: self.is_negative(),
            coefficient: 5u8.into(),
            exponent: -1,
        };
        let (moved, exponent) = sum(&self.parts(), &half);
        let (coefficient, exponent) = shortened(moved.magnitude().clone(), exponent.into());
        decimal(moved.is_negative(), coefficient, exponent).trunc()
    }

    /// The nearest whole number; halves go to the even one.
    #[must_use]
    pub fn round_to_even(&self) -> Self {
        if self.exponent() >= 0 {
            return self.clone();
        }
        let low = self.trunc();
        let (rest, exponent) = sum(&self.parts(), &low.negated().parts());
        let rest = Self::from_parts(false, rest.magnitude().clone(), exponent);
        let half = Self::from_parts(false, 5u8.into(), -1);
        let up = match rest.compare(&half) {
            Ordering::Less => false,
            Ordering::Greater => true,
            Ordering::Equal => low.to_bigint().is_some_and(|whole| whole.is_odd()),
        };
        if !up {
            return low;
        }
        let one = Self::from_i64(if self.is_negative() { -1 } else { 1 });
        low.add(&one).unwrap_or(low)
    }

    /// Whether it is a whole number, however written.
    pub fn is_whole(&self) -> bool {
        self.exponent() >= 0 || self.trunc().compare(self).is_eq()
    }

    fn to_whole(&self, adjust: impl Fn(&Parts, BigUint, bool) -> BigUint) -> Self {
        if self.exponent() >= 0 {
            return self.clone();
        }
        let parts = self.parts();
        let places = parts.exponent.unsigned_abs();
        let (quotient, rest) = if u64::from(places) > count_digits(&parts.coefficient) {
            (BigUint::ZERO, parts.coefficient.clone())
        } else {
            parts.coefficient.div_rem(&power_of_ten(places))
        };
        let whole = adjust(&parts, quotient, rest.is_zero());
        Self::from_parts(parts.negative, whole, 0)
    }
}

pub(crate) fn ten_to(exponent: u64) -> Result<BigUint, NumError> {
    u32::try_from(exponent)
        .map(power_of_ten)
        .map_err(|_| NumError::Overflow)
}

/// The sum, with the lower exponent of both.
fn sum(a: &Parts, b: &Parts) -> (BigInt, i32) {
    let exponent = a.exponent.min(b.exponent);
    (aligned(a, exponent) + aligned(b, exponent), exponent)
}

/// The coefficient at a lower exponent, with its sign.
fn aligned(parts: &Parts, exponent: i32) -> BigInt {
    let magnitude = match parts.exponent.abs_diff(exponent) {
        0 => parts.coefficient.clone(),
        up => &parts.coefficient * power_of_ten(up),
    };
    BigInt::from_biguint(
        if parts.negative {
            Sign::Minus
        } else {
            Sign::Plus
        },
        magnitude,
    )
}

/// Rounds to the precision and checks the range.
pub(crate) fn rounded(
    negative: bool,
    coefficient: BigUint,
    exponent: i64,
) -> Result<Decimal, NumError> {
    in_range(exponent)?;
    let (coefficient, exponent) = shortened(coefficient, exponent);
    in_range(top(&coefficient, exponent))?;
    Ok(decimal(negative, coefficient, exponent))
}

/// Rounds to the precision.
fn shortened(coefficient: BigUint, exponent: i64) -> (BigUint, i64) {
    let digits = count_digits(&coefficient);
    if digits <= PRECISION {
        return (coefficient, exponent);
    }
    let drop = digits - PRECISION;
    let unit = power_of_ten(u32::try_from(drop).unwrap_or(u32::MAX));
    let (mut quotient, rest) = coefficient.div_rem(&unit);
    let mut exponent = exponent.saturating_add(drop.cast_signed());
    if rest * 2u8 >= unit {
        quotient += 1u8;
    }
    if count_digits(&quotient) > PRECISION {
        quotient /= 10u8;
        exponent += 1;
    }
    (quotient, exponent)
}

/// The power of ten of the first digit.
pub(crate) fn top(coefficient: &BigUint, exponent: i64) -> i64 {
    exponent.saturating_add(count_digits(coefficient).cast_signed() - 1)
}

fn in_range(power: i64) -> Result<(), NumError> {
    if power.abs() > MAX_EXPONENT {
        return Err(NumError::ExponentRange);
    }
    Ok(())
}

/// A number whose range was looked at.
fn decimal(negative: bool, coefficient: BigUint, exponent: i64) -> Decimal {
    let exponent = exponent.clamp(-2 * MAX_EXPONENT, 2 * MAX_EXPONENT);
    Decimal::from_parts(negative, coefficient, i32::try_from(exponent).unwrap_or(0))
}

/// A quotient without zeros at its end, but with one digit behind the point if there was a point.
fn keep_point(negative: bool, mut coefficient: BigUint, before: i64) -> Decimal {
    if coefficient.is_zero() {
        return decimal(false, coefficient, if before < 0 { -1 } else { 0 });
    }
    let mut exponent = before;
    loop {
        let (quotient, rest) = coefficient.div_rem(&BigUint::from(10u8));
        if !rest.is_zero() {
            break;
        }
        coefficient = quotient;
        exponent += 1;
    }
    if before < 0 && exponent >= 0 {
        exponent -= 1;
        coefficient *= 10u8;
    }
    decimal(negative, coefficient, exponent)
}
