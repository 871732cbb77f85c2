//! Operations and their rounding.
//!
//! Every result is exact if it has at most [`PRECISION`] digits, and else rounded half away from
//! zero. A quotient is reduced to its shortest form, keeping one digit behind the point where
//! there was one (`6.0/2` is `3.0`).

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
    /// The result is larger than 10^100000.
    #[error("overflow")]
    Overflow,
    /// The result is nearer to zero than 10^-100000.
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
        let exponent = a.exponent.min(b.exponent);
        let sum = aligned(&a, exponent)? + aligned(&b, exponent)?;
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
        rounded(
            a.negative != b.negative,
            a.coefficient * b.coefficient,
            i64::from(a.exponent) + i64::from(b.exponent),
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
        if a.coefficient.is_zero() {
            return keep_point(&rounded(false, BigUint::ZERO, shift)?.parts());
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
        keep_point(&rounded(a.negative != b.negative, quotient, shift - scale)?.parts())
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
        let half = Self::from_parts(self.is_negative(), 5u8.into(), -1);
        self.add(&half)
            .map_or_else(|_| self.clone(), |moved| moved.trunc())
    }

    /// The nearest whole number; halves go to the even one.
    #[must_use]
    pub fn round_to_even(&self) -> Self {
        let low = self.trunc();
        let Ok(rest) = self.subtract(&low) else {
            return self.clone();
        };
        let half = Self::from_parts(false, 5u8.into(), -1);
        let magnitude = if rest.is_negative() {
            rest.negated()
        } else {
            rest
        };
        let up = match magnitude.compare(&half) {
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
        self.exponent() >= 0
            || self
                .subtract(&self.trunc())
                .is_ok_and(|rest| rest.is_zero())
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

/// The coefficient at a lower exponent, with its sign.
fn aligned(parts: &Parts, exponent: i32) -> Result<BigInt, NumError> {
    let up = parts.exponent.abs_diff(exponent);
    if i64::from(up) > 2 * MAX_EXPONENT {
        return Err(NumError::Overflow);
    }
    let magnitude = if up == 0 {
        parts.coefficient.clone()
    } else {
        &parts.coefficient * power_of_ten(up)
    };
    Ok(BigInt::from_biguint(
        if parts.negative {
            Sign::Minus
        } else {
            Sign::Plus
        },
        magnitude,
    ))
}

/// Rounds to the precision and checks the range.
pub(crate) fn rounded(
    negative: bool,
    mut coefficient: BigUint,
    mut exponent: i64,
) -> Result<Decimal, NumError> {
    let mut digits = count_digits(&coefficient);
    if digits > PRECISION {
        let drop = digits - PRECISION;
        let unit = ten_to(drop)?;
        let (mut quotient, rest) = coefficient.div_rem(&unit);
        if rest * 2u8 >= unit {
            quotient += 1u8;
        }
        exponent += i64::try_from(drop).unwrap_or(i64::MAX);
        if count_digits(&quotient) > PRECISION {
            quotient /= 10u8;
            exponent += 1;
        }
        coefficient = quotient;
        digits = PRECISION;
    }
    if !coefficient.is_zero() {
        let top = exponent + i64::try_from(digits).unwrap_or(0) - 1;
        if top > MAX_EXPONENT {
            return Err(NumError::Overflow);
        }
        if top < -MAX_EXPONENT {
            return Err(NumError::Underflow);
        }
    }
    let exponent = i32::try_from(exponent.clamp(-2 * MAX_EXPONENT, MAX_EXPONENT)).unwrap_or(0);
    Ok(Decimal::from_parts(negative, coefficient, exponent))
}

/// Removes zeros at the end, but leaves one digit behind the point if there was a point.
#[expect(clippy::unnecessary_wraps, reason = "ends every quotient")]
fn keep_point(parts: &Parts) -> Result<Decimal, NumError> {
    if parts.coefficient.is_zero() {
        let exponent = if parts.exponent < 0 { -1 } else { 0 };
        return Ok(Decimal::from_parts(false, BigUint::ZERO, exponent));
    }
    let mut coefficient = parts.coefficient.clone();
    let mut exponent = parts.exponent;
    loop {
        let (quotient, rest) = coefficient.div_rem(&BigUint::from(10u8));
        if !rest.is_zero() {
            break;
        }
        coefficient = quotient;
        exponent += 1;
    }
    if parts.exponent < 0 && exponent >= 0 {
        exponent -= 1;
        coefficient *= 10u8;
    }
    Ok(Decimal::from_parts(parts.negative, coefficient, exponent))
}
