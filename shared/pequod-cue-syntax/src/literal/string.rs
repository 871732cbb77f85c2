//! Strings and bytes: from the literal to what it stands for.
//!
//! Escapes begin with a backslash and as many hashes as the literal's quotes have. `\xNN` and
//! octal `\NNN` are for bytes only. `\u` twice may form a UTF-16 pair. Carriage returns are
//! dropped. Between three quotes the first line's end and the last one do not count, nor does the
//! white space that the last line begins with, at the beginning of every line.

use super::LiteralError;

/// How a literal is quoted; for an interpolation, taken from its first and last piece.
#[derive(Debug, Clone)]
pub(crate) struct Quoting {
    quote: u8,
    hashes: usize,
    multiline: bool,
    indent: String,
}

/// Why decoding stopped.
enum Step {
    Char(char),
    Byte(u8),
    /// The closing quotes.
    End,
    /// `\(`
    Expression,
    /// An escaped line end.
    Joined,
    /// Half of a UTF-16 pair.
    Half(u32),
}

/// The value of a whole literal, quotes included.
///
/// ```
/// use pequod_cue_syntax::literal::unquote;
///
/// assert_eq!(unquote(r##"#"a\#tb\t"#"##).unwrap(), b"a\tb\\t");
/// ```
pub fn unquote(literal: &str) -> Result<Vec<u8>, LiteralError> {
    let (quoting, start) = Quoting::of(literal, literal)?;
    quoting.decode(&literal[start..])
}

impl Quoting {
    /// Reads the quotes of a literal's first and last piece. Returns where the text of the first
    /// begins, its line's indentation excluded.
    pub(crate) fn of(first: &str, last: &str) -> Result<(Self, usize), LiteralError> {
        let hashes = first.len() - first.trim_start_matches('#').len();
        let body = &first.as_bytes()[hashes..];
        let Some(&quote @ (b'"' | b'\'')) = body.first() else {
            return Err(LiteralError::Syntax);
        };
        let multiline = body.len() > 3 && body[1] == quote && body[2] == quote && body[3] != b'#';
        let count = if multiline { 3 } else { 1 };
        let mut quoting = Self {
            quote,
            hashes,
            multiline,
            indent: String::new(),
        };
        let closing = quoting.closing();
        if !last.as_bytes().ends_with(&closing) {
            return Err(LiteralError::UnmatchedQuote);
        }
        let mut start = hashes + count;
        if multiline {
            start += match (body[3], body.get(4)) {
                (b'\n', _) => 1,
                (b'\r', Some(b'\n')) => 2,
                _ => return Err(LiteralError::OpeningNewline),
            };
            let before = &last[..last.len() - closing.len()];
            let line = before.rfind('\n').map(|at| &before[at + 1..]);
            let Some(indent) = line.filter(|line| line.chars().all(char::is_whitespace)) else {
                return Err(LiteralError::ClosingNewline);
            };
            indent.clone_into(&mut quoting.indent);
            let rest = &first[start..];
            if !rest.starts_with('\n') {
                if !rest.starts_with(indent) {
                    return Err(quoting.whitespace(rest));
                }
                start += indent.len();
            }
        }
        Ok((quoting, start))
    }

    fn closing(&self) -> Vec<u8> {
        let mut closing = vec![self.quote; if self.multiline { 3 } else { 1 }];
        closing.resize(closing.len() + self.hashes, b'#');
        closing
    }

    fn whitespace(&self, line: &str) -> LiteralError {
        let rest = line.trim_start_matches([' ', '\t']);
        let actual = line[..line.len() - rest.len()].to_owned();
        LiteralError::Whitespace {
            expected: self.indent.clone(),
            actual,
        }
    }

    /// Decodes a piece up to the closing quotes or the `\(` it must end with.
    pub(crate) fn decode(&self, piece: &str) -> Result<Vec<u8>, LiteralError> {
        let closing = self.closing();
        let closes_early = |rest: &str| {
            self.multiline && rest.as_bytes().starts_with(&closing) && rest.len() > closing.len()
        };
        let mut rest = piece;
        if closes_early(rest) {
            return Err(LiteralError::Syntax);
        }
        let mut decoded = Vec::with_capacity(piece.len());
        let mut newline_last = false;
        let mut joined_last = false;
        while let Some(byte) = rest.bytes().next() {
            if byte == b'\r' {
                rest = &rest[1..];
                joined_last = false;
                continue;
            }
            if byte == b'\n' {
                rest = self.skip_indent(&rest[1..])?;
                if closes_early(rest) {
                    return Err(LiteralError::Syntax);
                }
                decoded.push(b'\n');
                newline_last = true;
                joined_last = false;
                continue;
            }
            let (step, after) = self.step(rest, &closing)?;
            rest = after;
            match step {
                Step::Char(c) => {
                    decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Step::Byte(byte) => decoded.push(byte),
                Step::Half(high) => {
                    let (Step::Half(low), after) = self.step(rest, &closing)? else {
                        return Err(LiteralError::Surrogate);
                    };
                    rest = after;
                    let (Some(high), Some(low)) = (
                        high.checked_sub(0xd800).filter(|&h| h < 0x400),
                        low.checked_sub(0xdc00),
                    ) else {
                        return Err(LiteralError::Surrogate);
                    };
                    let c = char::from_u32(0x1_0000 + high * 0x400 + low)
                        .ok_or(LiteralError::Surrogate)?;
                    decoded.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Step::Joined => {
                    rest = self.skip_indent(rest)?;
                    joined_last = true;
                    continue;
                }
                Step::End => {
                    if joined_last {
                        return Err(LiteralError::EscapedLastNewline);
                    }
                    if newline_last {
                        decoded.pop();
                    }
                    return Ok(decoded);
                }
                Step::Expression => return Ok(decoded),
            }
            newline_last = false;
            joined_last = false;
        }
        Err(LiteralError::UnmatchedQuote)
    }

    /// The rest of a line behind the white space that all lines begin with.
    fn skip_indent<'a>(&self, line: &'a str) -> Result<&'a str, LiteralError> {
        if !self.multiline {
            return Err(LiteralError::Syntax);
        }
        match line.strip_prefix(self.indent.as_str()) {
            Some(rest) => Ok(rest),
            None if line.starts_with('\n') || line.starts_with("\r\n") => Ok(line),
            None => Err(self.whitespace(line)),
        }
    }

    /// Decodes one character, escaped or not. The text is not empty.
    fn step<'a>(&self, text: &'a str, closing: &[u8]) -> Result<(Step, &'a str), LiteralError> {
        let Some(c) = text.chars().next() else {
            return Err(LiteralError::UnmatchedQuote);
        };
        let after = &text[c.len_utf8()..];
        if c == char::from(self.quote) && text.as_bytes().starts_with(closing) {
            return match (text.len() == closing.len(), self.multiline) {
                (true, _) => Ok((Step::End, "")),
                // Quotes in the middle of a line are text.
                (false, true) => Ok((Step::Char(c), after)),
                (false, false) => Err(LiteralError::Syntax),
            };
        }
        if c == '\0' {
            return Err(LiteralError::Syntax);
        }
        let escape = (c == '\\').then_some(after.as_bytes());
        match escape {
            Some(rest)
                if rest.len() > self.hashes && rest[..self.hashes].iter().all(|&b| b == b'#') =>
            {
                self.escape(&after[self.hashes..])
            }
            _ => Ok((Step::Char(c), after)),
        }
    }

    /// Decodes what stands behind a backslash and its hashes.
    fn escape<'a>(&self, text: &'a str) -> Result<(Step, &'a str), LiteralError> {
        let Some(c) = text.chars().next() else {
            return Err(LiteralError::Syntax);
        };
        let after = &text[c.len_utf8()..];
        let plain = |c| Ok((Step::Char(c), after));
        match c {
            'a' => plain('\u{7}'),
            'b' => plain('\u{8}'),
            'f' => plain('\u{c}'),
            'n' => plain('\n'),
            'r' => plain('\r'),
            't' => plain('\t'),
            'v' => plain('\u{b}'),
            '/' | '\\' => plain(c),
            '"' | '\'' if c == char::from(self.quote) => plain(c),
            '(' if after.is_empty() => Ok((Step::Expression, after)),
            '\n' => Ok((Step::Joined, after)),
            '\r' if after.starts_with('\n') => Ok((Step::Joined, &after[1..])),
            'x' if self.quote == b'\'' => {
                let (value, after) = digits(after, 2, 16)?;
                byte(value, after)
            }
            '0'..='7' if self.quote == b'\'' => {
                let (value, after) = digits(text, 3, 8)?;
                byte(value, after)
            }
            'u' => {
                let (value, after) = digits(after, 4, 16)?;
                code_point(value, after)
            }
            'U' => {
                let (value, after) = digits(after, 8, 16)?;
                code_point(value, after)
            }
            _ => Err(LiteralError::Syntax),
        }
    }
}

fn digits(text: &str, count: usize, radix: u32) -> Result<(u32, &str), LiteralError> {
    let digits = text.get(..count).ok_or(LiteralError::Syntax)?;
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(LiteralError::Syntax);
    }
    let value = u32::from_str_radix(digits, radix).map_err(|_| LiteralError::Syntax)?;
    Ok((value, &text[count..]))
}

fn byte(value: u32, after: &str) -> Result<(Step, &str), LiteralError> {
    let byte = u8::try_from(value).map_err(|_| LiteralError::Syntax)?;
    Ok((Step::Byte(byte), after))
}

fn code_point(value: u32, after: &str) -> Result<(Step, &str), LiteralError> {
    match char::from_u32(value) {
        Some(c) => Ok((Step::Char(c), after)),
        None if (0xd800..0xe000).contains(&value) => Ok((Step::Half(value), after)),
        None => Err(LiteralError::Syntax),
    }
}

#[cfg(test)]
mod tests {
    use super::unquote;
    use crate::literal::LiteralError;

    fn text(literal: &str) -> Result<String, LiteralError> {
        unquote(literal).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(
            text(r#""\a\b\f\n\r\t\v\/\\\"""#).unwrap(),
            "\u{7}\u{8}\u{c}\n\r\t\u{b}/\\\""
        );
        assert_eq!(text(r#""\u00e9\U0001F600""#).unwrap(), "é😀");
        assert_eq!(text(r#""\ud83d\ude00""#).unwrap(), "😀");
        assert_eq!(
            unquote(r"'\x80\377\u00e9'").unwrap(),
            [0x80, 0xff, 0xc3, 0xa9]
        );
    }

    #[test]
    fn half_a_pair_is_refused() {
        assert_eq!(text(r#""\ud83d""#), Err(LiteralError::Surrogate));
        assert_eq!(text(r#""\ude00\ud83d""#), Err(LiteralError::Surrogate));
        assert_eq!(text(r#""\ud83dx""#), Err(LiteralError::Surrogate));
    }

    #[test]
    fn bytes_escapes_are_not_for_strings() {
        assert_eq!(text(r#""\x41""#), Err(LiteralError::Syntax));
        assert_eq!(text(r#""\101""#), Err(LiteralError::Syntax));
        assert_eq!(text(r"'\400'"), Err(LiteralError::Syntax));
    }

    #[test]
    fn hashes_change_what_escapes() {
        assert_eq!(text("#\"a\\n\\#n\"\"#").unwrap(), "a\\n\n\"");
        assert_eq!(text(r##"#"""#"##).unwrap(), "\"");
        assert_eq!(text(r#""\("#), Err(LiteralError::UnmatchedQuote));
    }

    #[test]
    fn indentation_of_the_last_line_is_removed() {
        assert_eq!(
            text("\"\"\"\n\t\ta\n\t\t  b\n\n\t\tc\n\t\t\"\"\"").unwrap(),
            "a\n  b\n\nc"
        );
        assert_eq!(text("\"\"\"\n\t\"\"\"").unwrap(), "");
        assert_eq!(text("\"\"\"\r\n\ta\r\n\t\"\"\"").unwrap(), "a");
        assert_eq!(
            text("\"\"\"\n\t\"\"\"\"\n\t\"\"\""),
            Err(LiteralError::Syntax)
        );
        assert_eq!(text("\"\"\"\n\tx\"\"\"\"\n\t\"\"\"").unwrap(), "x\"\"\"\"");
        assert!(matches!(
            text("\"\"\"\n\ta\n  b\n\t\"\"\""),
            Err(LiteralError::Whitespace { .. })
        ));
        assert_eq!(text("\"\"\"\n\ta\"\"\""), Err(LiteralError::ClosingNewline));
        assert_eq!(text("\"\"\"a\"\"\""), Err(LiteralError::OpeningNewline));
    }
}
