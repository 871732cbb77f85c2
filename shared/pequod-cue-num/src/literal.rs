//! Number literals, and numbers in data.

use num_bigint::BigUint;
use num_traits::{Num, Zero};
use thiserror::Error;

use crate::arithmetic::top;
use crate::decimal::{Decimal, power_of_ten};

/// Why a text is no number.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LiteralError {
    /// Not of the form of a number.
    #[error("invalid number {0:?}")]
    Malformed(String),
    /// `1.3Ki`: the multiplier makes it whole, and it isn't.
    #[error("number cannot be represented as int")]
    NotWhole,
    /// A power of ten beyond what can be counted with.
    #[error("number {0:?} is out of range")]
    Range(String),
}

impl Decimal {
    /// Reads a CUE literal, a JSON number, or what [`Decimal`] prints: digits with `_` between
    /// them, a fraction, an exponent, a base (`0x`, `0o`, `0b`) or a multiplier (`K`, `Ki`, …).
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        let malformed = || LiteralError::Malformed(text.to_owned());
        let (negative, body) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if let Ok(small) = body.parse::<u32>()
            && body.as_bytes().first() != Some(&b'+')
        {
            let value = i64::from(small);
            return Ok(Self::from_i64(if negative { -value } else { value }));
        }
        let digits: String = body.chars().filter(|c| *c != '_').collect();
        for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)] {
            if let Some(digits) = digits.strip_prefix(prefix) {
                let value = BigUint::from_str_radix(digits, radix).map_err(|_| malformed())?;
                return Ok(Self::from_parts(negative, value, 0));
            }
        }
        if let Some((number, factor)) = split_multiplier(&digits) {
            let value = plain(number, negative).ok_or_else(malformed)??;
            let scaled = value
                .multiply(&factor)
                .map_err(|_| LiteralError::Range(text.to_owned()))?;
            if !scaled.is_whole() {
                return Err(LiteralError::NotWhole);
            }
            return scaled
                .to_bigint()
                .map(|whole| Self::from_bigint(&whole))
                .ok_or(LiteralError::NotWhole);
        }
        plain(&digits, negative).ok_or_else(malformed)?
    }
}

/// `12.5e3` without anything else.
fn plain(text: &str, negative: bool) -> Option<Result<Decimal, LiteralError>> {
    let (mantissa, power) = match text.split_once(['e', 'E']) {
        Some((mantissa, power)) => (mantissa, Some(power)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    let range = || Some(Err(LiteralError::Range(text.to_owned())));
    let power = match power {
        None => 0i64,
        Some(power) => {
            let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
            if digits.is_empty() || !all_digits(digits) {
                return None;
            }
            match power.parse::<i64>() {
                Ok(power) if power.abs() <= crate::MAX_EXPONENT => power,
                _ => return range(),
            }
        }
    };
    let Ok(places) = i64::try_from(fraction.len()) else {
        return range();
    };
    let Ok(exponent) = i32::try_from(power - places) else {
        return range();
    };
    let coefficient = BigUint::from_str_radix(&format!("{whole}{fraction}"), 10).ok()?;
    // What is written with a power of ten must be readable, too; what is written without one may be
    // as long as it likes.
    let top = top(&coefficient, exponent.into());
    if top < -crate::MAX_EXPONENT || exponent > 0 && top > crate::MAX_EXPONENT {
        return range();
    }
    Some(Ok(Decimal::from_parts(negative, coefficient, exponent)))
}

fn split_multiplier(text: &str) -> Option<(&str, Decimal)> {
    let (number, binary) = match text.strip_suffix('i') {
        Some(number) => (number, true),
        None => (text, false),
    };
    let step = "KMGTPEZY".find(number.chars().next_back()?)? + 1;
    let step = u32::try_from(step).ok()?;
    let factor = if binary {
        BigUint::from(1024u32).pow(step)
    } else {
        power_of_ten(3 * step)
    };
    debug_assert!(!factor.is_zero());
    Some((
        number.get(..number.len() - 1)?,
        Decimal::from_parts(false, factor, 0),
    ))
}
