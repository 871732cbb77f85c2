//! Numbers as text.
//!
//! The form of General Decimal Arithmetic's `to-scientific-string`: digits as they are while the
//! point stands inside or at most five zeros before them, else with an exponent: `1.50`, `1E+3`,
//! `1E-7`.

use std::fmt;

use crate::Decimal;

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(small) = self.small() {
            return write!(f, "{small}");
        }
        let parts = self.parts();
        let digits = parts.coefficient.to_string();
        let exponent = i64::from(parts.exponent);
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        if parts.negative {
            f.write_str("-")?;
        }
        // `0.000` keeps its zeros: each counts as a digit when deciding about the form.
        let counted = if digits == "0" && (-2_000..0).contains(&exponent) {
            length - exponent
        } else {
            length
        };
        if exponent <= 0 && exponent + counted > -6 {
            return plain(f, &digits, exponent);
        }
        let (first, rest) = digits.split_at(1);
        f.write_str(first)?;
        if !rest.is_empty() {
            write!(f, ".{rest}")?;
        }
        write!(f, "E{:+}", exponent + length - 1)
    }
}

/// Digits with a point in them; the exponent is not positive.
fn plain(f: &mut fmt::Formatter<'_>, digits: &str, exponent: i64) -> fmt::Result {
    if exponent == 0 {
        return f.write_str(digits);
    }
    let places = usize::try_from(-exponent).unwrap_or(usize::MAX);
    match digits.len().checked_sub(places) {
        Some(0) | None => {
            f.write_str("0.")?;
            for _ in digits.len()..places {
                f.write_str("0")?;
            }
            f.write_str(digits)
        }
        Some(point) => {
            let (whole, fraction) = digits.split_at(point);
            write!(f, "{whole}.{fraction}")
        }
    }
}
