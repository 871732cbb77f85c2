//! Where a string ends.
//!
//! A string ends at as many quotes and hashes as it began with. Between three quotes it may span
//! lines, and then the closing quotes must be the first on their line; the white space before
//! them must begin every other line. What the text between means is [`crate::literal`]'s part.

use super::{BOM_BEGIN, Scanned, Scanner, offset, token};
use crate::ast::Quotes;
use crate::token::{Kind, Token};

/// A string that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenString {
    quote: u8,
    quotes: Quotes,
    /// Where it began.
    start: usize,
    /// The white space that all its lines have begun with so far.
    indent: Option<(usize, usize)>,
}

impl OpenString {
    const fn quote_count(&self) -> usize {
        if self.quotes.multiline { 3 } else { 1 }
    }
}

impl Scanner<'_> {
    /// Whether hashes stand here and a quote behind them.
    pub(super) fn begins_raw_string(&self) -> bool {
        let rest = self.text[self.at..].trim_start_matches('#');
        rest.starts_with(['"', '\''])
    }

    /// A string from its first hash or quote on.
    pub(super) fn string(&mut self) -> Scanned<Token> {
        let start = self.at;
        while self.eat(b'#') {}
        let hashes = self.at - start;
        let quote = self.peek_byte(0).unwrap_or(b'"');
        self.at += 1;
        let mut open = OpenString {
            quote,
            quotes: Quotes {
                hashes: offset(hashes),
                multiline: false,
            },
            start,
            indent: None,
        };
        let more = (0..2).take_while(|_| self.eat(quote)).count();
        if more > 0 {
            // `""`, `#""#` are empty, and `#"""#` is one quote; but `#""a"#` begins with a quote.
            let closing = self.text[self.at..]
                .bytes()
                .take_while(|&b| b == b'#')
                .count();
            if closing >= hashes && (more == 1 || hashes > 0) {
                self.at += hashes;
                return Ok(self.quoted(Kind::String, open));
            }
        }
        if more == 2 {
            open.quotes.multiline = true;
            let opening = self.at;
            self.eat(b'\r');
            if !self.eat(b'\n') {
                let message = format!(
                    "expected newline after multiline quote {}",
                    &self.text[start..opening]
                );
                return Err(self.error(start, message));
            }
        } else if more == 1 {
            // One quote too many: it is content. The scan goes on behind it, as the reference's does,
            // which has taken hashes that are too few to close, too.
            let hashes_here = self.text[self.at..]
                .bytes()
                .take_while(|&b| b == b'#')
                .count();
            self.at += hashes_here;
        }
        let kind = self.string_rest(open, open.quotes.multiline)?;
        Ok(self.quoted(kind, open))
    }

    fn quoted(&self, kind: Kind, open: OpenString) -> Token {
        Token {
            quotes: open.quotes,
            ..token(kind, open.start, self.at)
        }
    }

    /// Goes on with the string whose interpolated expression ended at the parenthesis just read.
    /// Returns the piece from that parenthesis to the string's end or to the next `\(`, both
    /// parentheses included; the second comes again as a word.
    pub(crate) fn resume_interpolation(&mut self) -> Scanned<Token> {
        let start = self.at.saturating_sub(1);
        let Some(open) = self.open.pop() else {
            return Err(self.error(start, "unexpected ')'"));
        };
        let kind = self.string_rest(open, false)?;
        self.comma_due = self.insert_commas;
        let end = self.at + usize::from(kind == Kind::Interpolation);
        self.last_end = offset(end);
        Ok(Token {
            quotes: open.quotes,
            ..token(kind, start, end)
        })
    }

    /// Reads to the closing quotes or to a `\(`.
    fn string_rest(&mut self, mut open: OpenString, at_line_start: bool) -> Scanned<Kind> {
        // Whether only white space stands between the line's beginning and here.
        let mut may_close = at_line_start;
        let mut line_start = self.at;
        loop {
            // At the beginning of a line the white space counts, too.
            if !open.quotes.multiline || !may_close {
                self.skip_plain(open.quote);
            }
            let here = self.at;
            let Some(c) = self.peek().filter(|&c| open.quotes.multiline || c != '\n') else {
                return Err(self.error(open.start, "string literal not terminated"));
            };
            self.bump()?;
            if (!open.quotes.multiline || may_close) && self.closes(c, open) {
                self.check_indent(open, line_start, here)?;
                return Ok(Kind::String);
            }
            if c == '\r' && open.quotes.multiline {
                continue;
            }
            if may_close && !matches!(c, ' ' | '\t') && (c != '\n' || here > line_start) {
                open.indent = Some(self.common_indent(open.indent, (line_start, here)));
            }
            match c {
                '\n' => {
                    may_close = true;
                    line_start = self.at;
                }
                ' ' | '\t' if open.quotes.multiline => {}
                _ => may_close = false,
            }
            if c == '\\' && self.escape(open)? {
                self.open.push(open);
                return Ok(Kind::Interpolation);
            }
        }
    }

    /// Goes to the next character within a line that is more than itself: a quote, a backslash, what must not occur.
    fn skip_plain(&mut self, quote: u8) {
        self.skip_to(|byte| {
            byte == quote || matches!(byte, b'\\' | b'\n' | b'\r' | b'\0' | BOM_BEGIN)
        });
    }

    /// Takes the rest of the closing quotes, if they stand here behind `first`.
    fn closes(&mut self, first: char, open: OpenString) -> bool {
        if first != char::from(open.quote) {
            return false;
        }
        let quotes = open.quote_count() - 1;
        let hashes = open.quotes.hashes as usize;
        let rest = &self.text.as_bytes()[self.at..];
        let closes = rest.len() >= quotes + hashes
            && rest[..quotes].iter().all(|&byte| byte == open.quote)
            && rest[quotes..quotes + hashes]
                .iter()
                .all(|&byte| byte == b'#');
        if closes {
            self.at += quotes + hashes;
        }
        closes
    }

    fn common_indent(
        &self,
        known: Option<(usize, usize)>,
        (start, end): (usize, usize),
    ) -> (usize, usize) {
        let Some((known_start, known_end)) = known else {
            return (start, end);
        };
        let bytes = self.text.as_bytes();
        let common = bytes[known_start..known_end]
            .iter()
            .zip(&bytes[start..end])
            .take_while(|(a, b)| a == b)
            .count();
        (known_start, known_start + common)
    }

    fn check_indent(&self, open: OpenString, line_start: usize, closing: usize) -> Scanned<()> {
        let Some((start, end)) = open.indent else {
            return Ok(());
        };
        let closing_indent = self.text.get(line_start..closing).unwrap_or_default();
        if self.text[start..end].starts_with(closing_indent) {
            Ok(())
        } else {
            Err(self.error(open.start, "non-matching whitespace for multiline strings"))
        }
    }

    /// Checks what stands behind a backslash; returns whether it is an interpolation.
    fn escape(&mut self, open: OpenString) -> Scanned<bool> {
        for _ in 0..open.quotes.hashes {
            if !self.eat(b'#') {
                return Ok(false);
            }
        }
        let start = self.at;
        let (count, radix) = match self.peek_byte(0) {
            Some(b'(') => return Ok(true),
            Some(b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'/') => (0, 0),
            Some(byte) if byte == open.quote => (0, 0),
            Some(b'0'..=b'7') if open.quote == b'"' => {
                return Err(self.error(start, "octal escape not allowed in string literal"));
            }
            Some(b'x') if open.quote == b'"' => {
                return Err(self.error(start, "hexadecimal escape not allowed in string literal"));
            }
            Some(b'0'..=b'7') => {
                self.at -= 1;
                (3, 8)
            }
            Some(b'x') => (2, 16),
            Some(b'u') => (4, 16),
            Some(b'U') => (8, 16),
            Some(_) => return Err(self.error(start, "unknown escape sequence")),
            None => return Err(self.error(start, "escape sequence not terminated")),
        };
        self.at += 1;
        let mut value = 0u32;
        for _ in 0..count {
            let Some(c) = self.peek() else {
                return Err(self.error(self.at, "escape sequence not terminated"));
            };
            let Some(digit) = c.to_digit(radix) else {
                let message = format!(
                    "illegal character U+{:04X} {c:?} in escape sequence",
                    u32::from(c)
                );
                return Err(self.error(self.at, message));
            };
            value = value.saturating_mul(radix).saturating_add(digit);
            self.at += c.len_utf8();
        }
        let largest = if count == 2 || radix == 8 {
            0xff
        } else {
            u32::from(char::MAX)
        };
        if value > largest {
            let message = "escape sequence is invalid Unicode code point";
            return Err(self.error(start, message));
        }
        Ok(false)
    }
}
