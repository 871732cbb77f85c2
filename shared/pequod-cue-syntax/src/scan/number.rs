//! Where a number ends.
//!
//! This finds the text of a number; [`crate::literal::Number`] then judges it. `1..2` is the
//! number `1` before two dots; a multiplier (`K`, `Mi`) ends the number.

use super::{Scanned, Scanner, token};
use crate::token::{Kind, Token};

impl Scanner<'_> {
    /// A number; `behind_point` if it began with `.`, which has been taken.
    pub(super) fn number(&mut self, behind_point: bool) -> Scanned<Token> {
        let start = self.at - usize::from(behind_point);
        let float = if behind_point {
            self.digits(10)?;
            self.exponent()?;
            true
        } else {
            self.whole_number()?
        };
        Ok(token(
            if float { Kind::Float } else { Kind::Int },
            start,
            self.at,
        ))
    }

    /// Everything that begins with a digit; returns whether it is a float.
    fn whole_number(&mut self) -> Scanned<bool> {
        let start = self.at;
        if self.eat(b'0') {
            let radix = match self.peek_byte(0) {
                Some(b'x' | b'X') => Some((16, "hexadecimal")),
                Some(b'b') => Some((2, "binary")),
                Some(b'o') => Some((8, "octal")),
                _ => None,
            };
            if let Some((radix, word)) = radix {
                self.at += 1;
                if !self.digits(radix)? {
                    return Err(self.error(start, format!("illegal {word} number")));
                }
                return Ok(false);
            }
            let more = self.digits(10)?;
            let fraction = self.peek_byte(0) == Some(b'.') && self.peek_byte(1) != Some(b'.');
            if more && !fraction && !matches!(self.peek_byte(0), Some(b'e' | b'E')) {
                return Err(self.error(start, "illegal integer number"));
            }
        } else {
            self.digits(10)?;
        }
        let mut float = false;
        if self.peek_byte(0) == Some(b'.') && self.peek_byte(1) != Some(b'.') {
            self.at += 1;
            float = true;
            self.digits(10)?;
        }
        Ok(match self.exponent()? {
            Some(exponent_is_float) => exponent_is_float,
            None => float,
        })
    }

    /// A multiplier or an exponent: whether the number is a float with it, `None` if there is
    /// neither.
    fn exponent(&mut self) -> Scanned<Option<bool>> {
        match self.peek_byte(0) {
            Some(b'K' | b'M' | b'G' | b'T' | b'P') => {
                self.at += 1;
                self.eat(b'i');
                Ok(Some(false))
            }
            Some(b'e' | b'E') => {
                self.at += 1;
                if !self.eat(b'-') {
                    self.eat(b'+');
                }
                if !self
                    .peek_byte(0)
                    .is_some_and(|byte| byte.is_ascii_digit() || byte == b'_')
                {
                    return Err(self.error(self.at, "illegal exponent in number"));
                }
                self.digits(10)?;
                Ok(Some(true))
            }
            _ => Ok(None),
        }
    }

    /// Digits with single underscores between; returns whether there were any.
    fn digits(&mut self, radix: u32) -> Scanned<bool> {
        let mut last = 0;
        let start = self.at;
        while let Some(byte) = self.peek_byte(0) {
            if byte == b'_' && last == b'_' {
                return Err(self.error(self.at, "illegal '_' in number"));
            }
            if byte != b'_' && !char::from(byte).is_digit(radix) {
                break;
            }
            last = byte;
            self.at += 1;
        }
        if last == b'_' {
            return Err(self.error(self.at - 1, "illegal '_' in number"));
        }
        Ok(self.at > start)
    }
}
