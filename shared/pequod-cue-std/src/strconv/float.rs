//! Binary floating-point numbers as text.
//!
//! Digits are exact: the shortest that are read back as the same number, or as many as wanted of
//! its decimal expansion, rounded half to even.

use pequod_cue_num::Decimal;

use crate::datum::Datum;
use crate::function::{Fault, Result};

/// The most digits that are written.
const MAX_DIGITS: i64 = 10_000;

/// A number as the reference makes one of a floating-point result.
pub(crate) fn datum(value: f64) -> Result {
    if !value.is_finite() {
        return Err(Fault::unsupported("a result that is no finite number"));
    }
    if value == 0.0 && value.is_sign_negative() {
        return Err(Fault::unsupported("negative zero"));
    }
    Decimal::parse(&format!("{value:E}"))
        .map(Datum::Float)
        .map_err(|error| Fault::error(error.to_string()))
}

/// The digits of a number without the point, and where that stands: `0.d₁d₂… × 10^point`.
struct Digits {
    digits: String,
    point: i64,
}

/// A number in a format of Go's `strconv`: `b`, `e`, `E`, `f`, `g` or `G`.
pub(super) fn format(value: f64, format: u8, precision: i64, bits: i64) -> Result<String> {
    if !matches!(bits, 32 | 64) {
        return Err(Fault::error(
            "strconv: illegal AppendFloat/FormatFloat bitSize",
        ));
    }
    if precision > MAX_DIGITS {
        return Err(Fault::limit("too many digits"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "that is what was asked for"
    )]
    let narrow = value as f32;
    let value = if bits == 32 { f64::from(narrow) } else { value };
    if !value.is_finite() {
        return Ok(if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned());
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let size = value.abs();
    // How many digits are asked for; none for the shortest.
    let precision = usize::try_from(precision).ok();
    let scientific = |digits: usize| cut(&format!("{size:.digits$e}"));
    let shortest = || {
        cut(&if bits == 32 {
            format!("{:e}", narrow.abs())
        } else {
            format!("{size:e}")
        })
    };
    let text = match format {
        b'b' => binary(size, bits),
        b'e' | b'E' => {
            let digits = precision.map_or_else(shortest, scientific);
            let places = precision.unwrap_or(digits.digits.len() - 1);
            with_exponent(&digits, places, format)
        }
        b'f' => match precision {
            Some(places) => format!("{size:.places$}"),
            None => plain(&shortest()),
        },
        b'g' | b'G' => {
            let wanted = precision.map(|digits| digits.max(1));
            let mut digits = wanted.map_or_else(shortest, |digits| scientific(digits - 1));
            let kept = digits.digits.trim_end_matches('0').len();
            digits.digits.truncate(kept.max(1));
            if kept == 0 {
                digits.point = 1;
            }
            let count = i64::try_from(digits.digits.len()).unwrap_or(i64::MAX);
            let limit = match wanted.map(|wanted| i64::try_from(wanted).unwrap_or(i64::MAX)) {
                None => 6,
                Some(wanted) if wanted > count && count >= digits.point => count,
                Some(wanted) => wanted,
            };
            let exponent = digits.point - 1;
            if exponent < -4 || exponent >= limit {
                with_exponent(&digits, digits.digits.len() - 1, format - 2)
            } else {
                plain(&digits)
            }
        }
        b'x' | b'X' => return Err(Fault::unsupported("hexadecimal floating-point numbers")),
        other => return Ok(format!("%{}", char::from(other))),
    };
    Ok(format!("{sign}{text}"))
}

/// Takes `1.5e-7` apart.
fn cut(scientific: &str) -> Digits {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    Digits {
        digits: mantissa.replace('.', ""),
        point: exponent.parse::<i64>().unwrap_or(0) + 1,
    }
}

fn with_exponent(digits: &Digits, places: usize, letter: u8) -> String {
    let (first, rest) = digits.digits.split_at(1);
    let point = if places > 0 { "." } else { "" };
    let exponent = if digits.digits.bytes().all(|digit| digit == b'0') {
        0
    } else {
        digits.point - 1
    };
    let sign = if exponent < 0 { '-' } else { '+' };
    let letter = char::from(letter);
    let zeros = "0".repeat(places.saturating_sub(rest.len()));
    let rest = &rest[..rest.len().min(places)];
    format!(
        "{first}{point}{rest}{zeros}{letter}{sign}{:02}",
        exponent.abs()
    )
}

fn plain(digits: &Digits) -> String {
    let text = &digits.digits;
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    if digits.point <= 0 {
        let all_zero = text.bytes().all(|digit| digit == b'0');
        return if all_zero {
            "0".to_owned()
        } else {
            format!("0.{}{text}", zeros(-digits.point))
        };
    }
    if digits.point >= length {
        return format!("{text}{}", zeros(digits.point - length));
    }
    let (whole, fraction) = text.split_at(usize::try_from(digits.point).unwrap_or(0));
    format!("{whole}.{fraction}")
}

/// The mantissa as a whole number, and the power of two.
fn binary(size: f64, bits: i64) -> String {
    let (mantissa, exponent) = if bits == 32 {
        #[expect(clippy::cast_possible_truncation, reason = "it has been one before")]
        let raw = (size as f32).to_bits();
        let (exponent, fraction) = (i64::from(raw >> 23), u64::from(raw & 0x7f_ffff));
        if exponent == 0 {
            (fraction, -149)
        } else {
            (fraction | 1 << 23, exponent - 150)
        }
    } else {
        let raw = size.to_bits();
        let (exponent, fraction) = (i64::try_from(raw >> 52).unwrap_or(0), raw & ((1 << 52) - 1));
        if exponent == 0 {
            (fraction, -1074)
        } else {
            (fraction | 1 << 52, exponent - 1075)
        }
    };
    format!("{mantissa}p{exponent:+}")
}
