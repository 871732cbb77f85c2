//! Numbers: from the literal to its digits.
//!
//! Whole numbers are decimal, or hexadecimal, octal or binary behind `0x`, `0o`, `0b`; underscores
//! may stand between digits. A multiplier (`K` to `P` by 1000, `Ki` to `Pi` by 1024) makes an int
//! of any decimal number, and the product must be whole.

use num_bigint::{BigInt, BigUint};

use super::LiteralError;
use crate::ast::NumberKind;

/// A number, taken apart.
///
/// ```
/// use pequod_cue_syntax::literal::Number;
///
/// assert_eq!(Number::parse("0xff").unwrap().decimal, "255");
/// assert_eq!(Number::parse("1.5Ki").unwrap().decimal, "1536");
/// assert_eq!(Number::parse("1_000.50e3").unwrap().decimal, "1000.50e3");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Number {
    /// Its type.
    pub kind: NumberKind,
    /// The number in decimal notation: digits, perhaps a fraction, perhaps `e` and an exponent.
    /// All digits of the literal are kept.
    pub decimal: String,
}

/// The digits that the reference computes multiplied numbers with.
const PRECISION: usize = 34;

impl Number {
    /// Reads a number, which may have a sign.
    pub fn parse(text: &str) -> Result<Self, LiteralError> {
        let (sign, digits) = match text.as_bytes().first() {
            Some(b'-') => ("-", &text[1..]),
            Some(b'+') => ("", &text[1..]),
            _ => ("", text),
        };
        let number = Self::unsigned(digits, text)?;
        Ok(Self {
            kind: number.kind,
            decimal: format!("{sign}{}", number.decimal),
        })
    }

    fn unsigned(text: &str, whole: &str) -> Result<Self, LiteralError> {
        let illegal = |what: &str| LiteralError::Number(format!("illegal {what} {whole:?}"));
        for (prefix, radix, what) in [
            ("0x", 16, "hexadecimal number"),
            ("0X", 16, "hexadecimal number"),
            ("0o", 8, "octal number"),
            ("0b", 2, "binary number"),
        ] {
            if let Some(rest) = text.strip_prefix(prefix) {
                let (digits, rest) = take_digits(rest, radix)?;
                let value = BigUint::parse_bytes(digits.as_bytes(), radix)
                    .filter(|_| rest.is_empty())
                    .ok_or_else(|| illegal(what))?;
                return Ok(Self {
                    kind: NumberKind::Int,
                    decimal: value.to_string(),
                });
            }
        }
        let (integer, rest) = take_digits(text, 10)?;
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (digits, rest) = take_digits(rest, 10)?;
                (Some(digits), rest)
            }
            None => (None, rest),
        };
        if integer.is_empty() && fraction.as_ref().is_none_or(String::is_empty) {
            let what = if fraction.is_some() {
                "fraction"
            } else {
                "number start"
            };
            return Err(illegal(what));
        }
        let leading_zero = integer.len() > 1 && integer.starts_with('0');
        let mut mantissa = if integer.is_empty() {
            "0".to_owned()
        } else {
            integer
        };
        if let Some(digits) = fraction.as_deref().filter(|digits| !digits.is_empty()) {
            mantissa.push('.');
            mantissa.push_str(digits);
        }
        let mut chars = rest.chars();
        match chars.next() {
            None if fraction.is_some() => Ok(Self {
                kind: NumberKind::Float,
                decimal: mantissa,
            }),
            None if leading_zero => Err(illegal("integer number")),
            None => Ok(Self {
                kind: NumberKind::Int,
                decimal: mantissa,
            }),
            Some('e' | 'E') => {
                let exponent = chars.as_str();
                let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
                let (clean, rest) = take_digits(digits, 10)?;
                if clean.is_empty() {
                    return Err(illegal("exponent"));
                }
                if !rest.is_empty() {
                    return Err(illegal("number"));
                }
                let sign = &exponent[..exponent.len() - digits.len()];
                Ok(Self {
                    kind: NumberKind::Float,
                    decimal: format!("{mantissa}e{sign}{clean}"),
                })
            }
            Some(unit @ ('K' | 'M' | 'G' | 'T' | 'P')) => {
                if leading_zero && fraction.is_none() {
                    return Err(illegal("integer number"));
                }
                let base: u32 = match chars.as_str() {
                    "" => 1000,
                    "i" => 1024,
                    _ => return Err(illegal("trailing characters in number")),
                };
                let power = match unit {
                    'K' => 1,
                    'M' => 2,
                    'G' => 3,
                    'T' => 4,
                    _ => 5,
                };
                let decimal = multiply(&mantissa, BigUint::from(base).pow(power))?;
                Ok(Self {
                    kind: NumberKind::Int,
                    decimal,
                })
            }
            Some(_) => Err(illegal("number")),
        }
    }
}

/// Digits without the underscores between them, and what follows.
fn take_digits(text: &str, radix: u32) -> Result<(String, &str), LiteralError> {
    let end = text
        .find(|c: char| !c.is_digit(radix) && c != '_')
        .unwrap_or(text.len());
    let digits = &text[..end];
    if digits.contains("__") || digits.ends_with('_') {
        return Err(LiteralError::Number("illegal '_' in number".to_owned()));
    }
    Ok((digits.replace('_', ""), &text[end..]))
}

/// A decimal number times a whole one; the product must be whole.
fn multiply(mantissa: &str, factor: BigUint) -> Result<String, LiteralError> {
    let inexact = || LiteralError::Number("number cannot be represented as int".to_owned());
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let product: BigInt = digits.parse::<BigInt>().map_err(|_| inexact())? * BigInt::from(factor);
    let mut product = product.to_string();
    let mut places = fraction.len();
    if product.len() > PRECISION {
        let dropped = product.len() - PRECISION;
        let round_up = product.as_bytes()[PRECISION] >= b'5';
        product.truncate(PRECISION);
        if round_up {
            let rounded: BigInt = product.parse::<BigInt>().map_err(|_| inexact())? + 1;
            product = rounded.to_string();
        }
        if dropped > places {
            product.extend(std::iter::repeat_n('0', dropped - places));
            places = 0;
        } else {
            places -= dropped;
        }
    }
    if product.len() <= places {
        product = format!("{}{product}", "0".repeat(places + 1 - product.len()));
    }
    let tail = product.split_off(product.len() - places);
    if tail.bytes().any(|byte| byte != b'0') {
        return Err(inexact());
    }
    Ok(product)
}

#[cfg(test)]
mod tests {
    use super::Number;
    use crate::ast::NumberKind::{Float, Int};

    #[test]
    fn forms_and_types() {
        for (text, kind, decimal) in [
            ("0", Int, "0"),
            ("1_000", Int, "1000"),
            ("0b1_01", Int, "5"),
            ("0o17", Int, "15"),
            ("0XfF", Int, "255"),
            ("1.50", Float, "1.50"),
            ("5.", Float, "5"),
            (".5", Float, "0.5"),
            ("00.5", Float, "00.5"),
            ("1E-3", Float, "1e-3"),
            ("-7", Int, "-7"),
            ("+7", Int, "7"),
            ("2M", Int, "2000000"),
            ("0Ki", Int, "0"),
            ("1.5Gi", Int, "1610612736"),
            (".5K", Int, "500"),
            (
                "123456789012345678901234567890123456789012",
                Int,
                "123456789012345678901234567890123456789012",
            ),
        ] {
            let number = Number::parse(text).unwrap();
            assert_eq!(
                (number.kind, number.decimal.as_str()),
                (kind, decimal),
                "{text}"
            );
        }
    }

    #[test]
    fn malformed_numbers_are_refused() {
        for text in [
            "", ".", "-", "01", "0x", "0b2", "1__0", "1_", "1e", "1.3Ki", "1KiB", "1A", "0xfg",
            "e3", "1.e", "0_x",
        ] {
            assert!(Number::parse(text).is_err(), "{text}");
        }
    }
}
