//! Strings and bytes: from the value to its literal.

use std::fmt::Write as _;

use crate::chars::is_identifier;

/// A string literal on one line.
///
/// ```
/// use pequod_cue_syntax::literal::quote;
///
/// assert_eq!(quote("a\t\"b\"\u{1}"), r#""a\t\"b\"\u0001""#);
/// ```
pub fn quote(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        escape(&mut literal, c, '"', "\\");
    }
    literal.push('"');
    literal
}

/// A bytes literal on one line; what is not UTF-8 is escaped byte by byte.
pub fn quote_bytes(bytes: &[u8]) -> String {
    let mut literal = String::with_capacity(bytes.len() + 2);
    literal.push('\'');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c < ' ' && !matches!(c, '\u{7}'..='\r') {
                // Writing to a String cannot fail.
                let _ = write!(literal, "\\x{:02x}", u32::from(c));
            } else {
                escape(&mut literal, c, '\'', "\\");
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(literal, "\\x{byte:02x}");
        }
    }
    literal.push('\'');
    literal
}

/// A string literal over several lines, all but the first beginning with `indent`.
pub fn quote_multiline(text: &str, indent: &str) -> String {
    let hashes = "#".repeat(hashes_needed(text));
    let backslash = format!("\\{hashes}");
    let mut literal = format!("{hashes}\"\"\"\n");
    for line in text.split('\n') {
        if !line.is_empty() {
            literal.push_str(indent);
            for c in line.chars() {
                escape(&mut literal, c, '\0', &backslash);
            }
        }
        literal.push('\n');
    }
    if text.is_empty() {
        literal.pop();
    }
    let _ = write!(literal, "{indent}\"\"\"{hashes}");
    literal
}

/// How many hashes keep `"""` in a text from ending it.
fn hashes_needed(text: &str) -> usize {
    let mut needed = 0;
    let mut rest = text;
    while let Some(at) = rest.find("\"\"\"") {
        rest = rest[at..].trim_start_matches('"');
        let after = rest.trim_start_matches('#');
        needed = needed.max(rest.len() - after.len() + 1);
        rest = after;
    }
    needed
}

fn escape(literal: &mut String, c: char, quote: char, backslash: &str) {
    let short = match c {
        '\\' => Some('\\'),
        _ if c == quote && quote != '\0' => Some(c),
        '\u{7}' => Some('a'),
        '\u{8}' => Some('b'),
        '\u{c}' => Some('f'),
        '\n' => Some('n'),
        '\r' => Some('r'),
        '\t' => Some('t'),
        '\u{b}' => Some('v'),
        _ => None,
    };
    // Writing to a String cannot fail.
    let _ = match short {
        Some(short) => write!(literal, "{backslash}{short}"),
        None if is_printable(c) => write!(literal, "{c}"),
        None if u32::from(c) < 0x1_0000 => write!(literal, "{backslash}u{:04x}", u32::from(c)),
        None => write!(literal, "{backslash}U{:08x}", u32::from(c)),
    };
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    crate::chars::is_graphic(c)
}

/// Whether a field's name must be quoted to stand for itself as a label.
pub fn string_label_needs_quotes(name: &str) -> bool {
    name.starts_with(['#', '_']) || !is_identifier(name)
}

#[cfg(test)]
mod tests {
    use super::{quote, quote_bytes, quote_multiline};
    use crate::literal::unquote;

    #[test]
    fn what_is_quoted_comes_back() {
        for text in [
            "",
            "a",
            "é\u{7f}\u{200b}😀\u{e000}",
            "\\(x)",
            "\"\"\"#\n\n a",
            "\r\t\u{0}",
        ] {
            assert_eq!(
                unquote(&quote(text)).ok().as_deref(),
                Some(text.as_bytes()),
                "{text:?}"
            );
            let many = quote_multiline(text, "\t");
            assert_eq!(
                unquote(&many).ok().as_deref(),
                Some(text.as_bytes()),
                "{many}"
            );
        }
    }

    #[test]
    fn bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unquote(&quote_bytes(&all)).unwrap(), all);
    }
}
