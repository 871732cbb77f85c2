//! The number itself.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{ToPrimitive, Zero};

/// `coefficient × 10^exponent`, with a sign.
///
/// Two decimals of the same value may differ in how they are written: `1.5` and `1.50` compare
/// equal ([`Decimal::compare`]) and print differently. There is no negative zero, no infinity
/// and no NaN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal(Repr);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// A whole number; the exponent is 0.
    Small(i64),
    /// Everything else.
    Big(Box<Parts>),
}

/// A decimal taken apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Parts {
    pub(crate) negative: bool,
    pub(crate) coefficient: BigUint,
    pub(crate) exponent: i32,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(Repr::Small(0));

    /// A whole number.
    pub const fn from_i64(value: i64) -> Self {
        Self(Repr::Small(value))
    }

    /// A whole number.
    pub fn from_u64(value: u64) -> Self {
        i64::try_from(value)
            .map_or_else(|_| Self::from_parts(false, value.into(), 0), Self::from_i64)
    }

    /// A whole number of any length.
    pub fn from_bigint(value: &BigInt) -> Self {
        Self::from_parts(value.sign() == Sign::Minus, value.magnitude().clone(), 0)
    }

    pub(crate) fn from_parts(negative: bool, coefficient: BigUint, exponent: i32) -> Self {
        let negative = negative && !coefficient.is_zero();
        if exponent == 0
            && let Some(small) = coefficient.to_i64()
        {
            return Self(Repr::Small(if negative { -small } else { small }));
        }
        Self(Repr::Big(Box::new(Parts {
            negative,
            coefficient,
            exponent,
        })))
    }

    pub(crate) fn parts(&self) -> Parts {
        match &self.0 {
            Repr::Small(value) => Parts {
                negative: *value < 0,
                coefficient: value.unsigned_abs().into(),
                exponent: 0,
            },
            Repr::Big(parts) => (**parts).clone(),
        }
    }

    /// The value, if it is kept as a small whole number.
    pub(crate) const fn small(&self) -> Option<i64> {
        match &self.0 {
            Repr::Small(value) => Some(*value),
            Repr::Big(_) => None,
        }
    }

    /// Whether it is zero, however written.
    pub fn is_zero(&self) -> bool {
        match &self.0 {
            Repr::Small(value) => *value == 0,
            Repr::Big(parts) => parts.coefficient.is_zero(),
        }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        match &self.0 {
            Repr::Small(value) => *value < 0,
            Repr::Big(parts) => parts.negative,
        }
    }

    /// The power of ten of the last digit; negative if digits stand behind the point.
    pub fn exponent(&self) -> i32 {
        match &self.0 {
            Repr::Small(_) => 0,
            Repr::Big(parts) => parts.exponent,
        }
    }

    /// How many digits the coefficient has.
    pub fn digits(&self) -> u64 {
        match &self.0 {
            Repr::Small(value) => u64::from(value.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1,
            Repr::Big(parts) => count_digits(&parts.coefficient),
        }
    }

    /// The value as a whole number, if it is one that fits.
    pub fn to_i64(&self) -> Option<i64> {
        self.small().or_else(|| self.to_bigint()?.to_i64())
    }

    /// The value as a whole number, if it is one. Powers of ten above
    /// [`crate::MAX_EXPONENT`] are none.
    pub fn to_bigint(&self) -> Option<BigInt> {
        if let Some(value) = self.small() {
            return Some(value.into());
        }
        let parts = self.parts();
        let magnitude = match parts.exponent {
            0 => parts.coefficient,
            up if up > 0 => {
                if i64::from(up) > crate::MAX_EXPONENT {
                    return None;
                }
                parts.coefficient * power_of_ten(up.unsigned_abs())
            }
            down => {
                // A fraction of many digits is only whole if it is zero.
                if u64::from(down.unsigned_abs()) >= count_digits(&parts.coefficient)
                    && !parts.coefficient.is_zero()
                {
                    return None;
                }
                let (quotient, rest) =
                    num_integer::div_rem(parts.coefficient, power_of_ten(down.unsigned_abs()));
                if !rest.is_zero() {
                    return None;
                }
                quotient
            }
        };
        let sign = if parts.negative {
            Sign::Minus
        } else {
            Sign::Plus
        };
        Some(BigInt::from_biguint(sign, magnitude))
    }

    /// The nearest binary floating-point number. For functions that are defined on those.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// With the other sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        match &self.0 {
            Repr::Small(value) => match value.checked_neg() {
                Some(value) => Self(Repr::Small(value)),
                None => Self::from_parts(false, value.unsigned_abs().into(), 0),
            },
            Repr::Big(parts) => {
                Self::from_parts(!parts.negative, parts.coefficient.clone(), parts.exponent)
            }
        }
    }

    /// Compares values, not spellings.
    pub fn compare(&self, other: &Self) -> Ordering {
        if let (Some(a), Some(b)) = (self.small(), other.small()) {
            return a.cmp(&b);
        }
        let (a, b) = (self.parts(), other.parts());
        match (a.coefficient.is_zero(), b.coefficient.is_zero()) {
            (true, true) => return Ordering::Equal,
            (true, false) => {
                return if b.negative {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
            }
            (false, true) => {
                return if a.negative {
                    Ordering::Less
                } else {
                    Ordering::Greater
                };
            }
            (false, false) => {}
        }
        if a.negative != b.negative {
            return if a.negative {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
        let order = compare_magnitudes(&a, &b);
        if a.negative { order.reverse() } else { order }
    }
}

/// Compares two non-zero magnitudes. The number of digits decides most cases without arithmetic.
fn compare_magnitudes(a: &Parts, b: &Parts) -> Ordering {
    let top = |p: &Parts| {
        i64::from(p.exponent) + i64::try_from(count_digits(&p.coefficient)).unwrap_or(i64::MAX)
    };
    top(a)
        .cmp(&top(b))
        .then_with(|| match a.exponent.cmp(&b.exponent) {
            Ordering::Equal => a.coefficient.cmp(&b.coefficient),
            // With the first digits at the same height, the exponents differ by no more than the
            // lengths of the coefficients.
            Ordering::Greater => {
                (&a.coefficient * power_of_ten(a.exponent.abs_diff(b.exponent))).cmp(&b.coefficient)
            }
            Ordering::Less => a
                .coefficient
                .cmp(&(&b.coefficient * power_of_ten(a.exponent.abs_diff(b.exponent)))),
        })
}

pub(crate) fn power_of_ten(exponent: u32) -> BigUint {
    BigUint::from(10u8).pow(exponent)
}

/// How many decimal digits a number has; 1 for zero.
pub(crate) fn count_digits(value: &BigUint) -> u64 {
    if let Some(small) = value.to_u64() {
        return u64::from(small.checked_ilog10().unwrap_or(0)) + 1;
    }
    // log10(2) from below gives the count or one less; one comparison decides.
    let bits = value.bits();
    let estimate = u64::try_from(u128::from(bits - 1) * 30_103 / 100_000).unwrap_or(u64::MAX);
    let mut digits = estimate.max(1);
    let mut bound = power_of_ten(u32::try_from(digits).unwrap_or(u32::MAX));
    while *value >= bound {
        digits += 1;
        bound *= 10u8;
    }
    // The estimate is low for long numbers; it is never high.
    digits
}
