//! Texts in the form that Go prints them.

use std::fmt::Write as _;

/// What may stand unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    /// Printable characters.
    Printable,
    /// ASCII only.
    Ascii,
    /// Graphic characters, which spaces of all kinds are, too.
    Graphic,
}

/// A text in double quotes, as `%q` writes it.
pub(crate) fn quote(text: &str) -> String {
    quoted(text, '"', Plain::Printable)
}

/// A text in quotes.
pub(crate) fn quoted(text: &str, quote: char, plain: Plain) -> String {
    let mut out = String::from(quote);
    for c in text.chars() {
        push(&mut out, c, quote, plain);
    }
    out.push(quote);
    out
}

fn push(out: &mut String, c: char, quote: char, plain: Plain) {
    // Writing to a String cannot fail.
    let _ = match c {
        '\\' => out.write_str("\\\\"),
        _ if c == quote => write!(out, "\\{c}"),
        _ if c.is_ascii() && (' '..='~').contains(&c) => out.write_char(c),
        '\u{7}' => out.write_str("\\a"),
        '\u{8}' => out.write_str("\\b"),
        '\u{c}' => out.write_str("\\f"),
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        '\u{b}' => out.write_str("\\v"),
        _ if !c.is_ascii() && plain == Plain::Printable && is_print(c) => out.write_char(c),
        _ if !c.is_ascii() && plain == Plain::Graphic && is_graphic(c) => out.write_char(c),
        _ if c < ' ' || c == '\u{7f}' => write!(out, "\\x{:02x}", u32::from(c)),
        _ if u32::from(c) < 0x1_0000 => write!(out, "\\u{:04x}", u32::from(c)),
        _ => write!(out, "\\U{:08x}", u32::from(c)),
    };
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // What a CUE string literal shows as it is follows the same rule.
    !pequod_cue_syntax::literal::quote(c.encode_utf8(&mut [0; 4])).starts_with("\"\\")
}

/// Printable characters and spaces.
pub(crate) fn is_graphic(c: char) -> bool {
    is_print(c)
        || matches!(
            c,
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        )
}
