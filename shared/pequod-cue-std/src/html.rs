//! `html`: characters that mean something in HTML, as references.

use crate::datum::Datum;
use crate::function::{Fault, Function, Result, functions};

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Escape" (String) -> "string" = |a| {
        let mut out = String::new();
        for c in a.text(0)?.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '\'' => out.push_str("&#39;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '"' => out.push_str("&#34;"),
                c => out.push(c),
            }
        }
        Ok(Datum::text(out))
    };
    "Unescape" (String) -> "string" = |a| unescape(a.text(0)?).map(Datum::text);
];

/// The names that are known here, of some two thousand.
const NAMES: &[(&str, char)] = &[
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
];

fn unescape(text: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(number) = rest.strip_prefix('#') {
            if let Some((c, after)) = numeric(number) {
                out.push(c);
                rest = after;
            } else {
                out.push('&');
            }
            continue;
        }
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        if name.is_empty() {
            out.push('&');
            continue;
        }
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let (Some((_, c)), Some(after)) = (known, after.strip_prefix(';')) else {
            return Err(Fault::unsupported(format!(
                "the HTML character reference &{name}"
            )));
        };
        out.push(*c);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What browsers show for the numbers 128 to 159, which are no characters.
const WINDOWS_1252: [char; 32] = [
    '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}',
    '\u{2c6}', '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}',
    '\u{90}', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}',
    '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}', '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
];

/// A decimal or hexadecimal number behind `&#`, and what follows it.
fn numeric(text: &str) -> Option<(char, &str)> {
    let (radix, digits) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits),
        None => (10, text),
    };
    let length = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    if length == 0 {
        return None;
    }
    let (number, after) = digits.split_at(length);
    let value = u32::from_str_radix(number, radix).unwrap_or(u32::MAX);
    let c = match value {
        0x80..=0x9f => WINDOWS_1252[(value - 0x80) as usize],
        0 => char::REPLACEMENT_CHARACTER,
        value => char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    Some((c, after.strip_prefix(';').unwrap_or(after)))
}
