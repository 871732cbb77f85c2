//! A value to text: block style, two spaces a level, lists indented under their key.
//!
//! A text is written plain where every reader takes it for the same text, in double quotes where a reader of YAML
//! 1.1 would take it for something else (`yes`, `n`, `2001-01-01`, `1e3`), in single quotes where only its
//! characters are in the way, and as a literal block where it has line breaks.
//!
//! One difference from the reference is meant: it writes U+2028 and U+2029 into single quotes with line breaks around
//! them, which does not read back as the same text; here they are escaped.

use std::fmt::Write as _;

use base64::Engine as _;

use crate::resolve::{Tag, is_octal_like, resolve};
use crate::{Node, Value};

/// A value as one document, ending in a line break.
pub fn emit(value: &Value) -> String {
    let mut text = String::new();
    push_document(&mut text, value);
    text
}

/// Values as a stream of documents, with `---` between them.
pub fn emit_stream<'v>(values: impl IntoIterator<Item = &'v Value>) -> String {
    let mut text = String::new();
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        push_document(&mut text, value);
    }
    text
}

/// Appends a value as one document.
pub fn push_document(text: &mut String, value: &Value) {
    block(text, value, 0);
}

/// Writes a value from where the line stands, and ends the line. `indent` is that of the value's own lines.
fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Sequence(items) if !items.is_empty() => sequence(text, items, indent),
        Value::Mapping(fields) if !fields.is_empty() => {
            for (index, (key, item)) in fields.iter().enumerate() {
                if index > 0 {
                    pad(text, indent);
                }
                mapping_key(text, &key.text, indent);
                child(text, &item.value, indent);
            }
        }
        _ => {
            leaf(text, value, indent);
            text.push('\n');
        }
    }
}

fn sequence(text: &mut String, items: &[Node], indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            pad(text, indent);
        }
        text.push_str("- ");
        if has_lines(&item.value) {
            block(text, &item.value, indent + 2);
        } else {
            leaf(text, &item.value, indent);
            text.push('\n');
        }
    }
}

/// The value of a key: on the key's line if it is a leaf, below it otherwise.
fn child(text: &mut String, value: &Value, indent: usize) {
    if has_lines(value) {
        text.push('\n');
        pad(text, indent + 2);
        block(text, value, indent + 2);
    } else {
        text.push(' ');
        leaf(text, value, indent);
        text.push('\n');
    }
}

fn has_lines(value: &Value) -> bool {
    match value {
        Value::Sequence(items) => !items.is_empty(),
        Value::Mapping(fields) => !fields.is_empty(),
        _ => false,
    }
}

/// The longest key, in bytes, that stands on the line of its colon.
const MAX_SIMPLE_KEY: usize = 128;

/// A key and its colon. A long one, or one with line breaks, is written as an explicit key on lines of its own.
fn mapping_key(text: &mut String, key: &str, indent: usize) {
    let breaks = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    if key.len() > MAX_SIMPLE_KEY || key.contains(breaks) {
        text.push_str("? ");
        string(text, key, Place::Value { indent });
        text.push('\n');
        pad(text, indent);
    } else {
        string(text, key, Place::Key);
    }
    text.push(':');
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

fn leaf(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => {
            let _ = write!(text, "{value}");
        }
        Value::Number(number) => text.push_str(&plain_number(number)),
        Value::String(value) => string(text, value, Place::Value { indent }),
        Value::Bytes(bytes) => {
            text.push_str("!!binary ");
            let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
            if encoded.is_empty() {
                text.push_str("\"\"");
            } else {
                text.push_str(&encoded);
            }
        }
        Value::Sequence(_) => text.push_str("[]"),
        Value::Mapping(_) => text.push_str("{}"),
    }
}

/// Numbers keep their text; integers with a base or separators are written in base ten, which every reader knows.
fn plain_number(number: &str) -> String {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", number),
    };
    let digits = digits.replace('_', "");
    let base = match digits.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => return format!("{sign}{digits}"),
    };
    match u128::from_str_radix(&digits[2..], base) {
        Ok(value) => format!("{sign}{value}"),
        Err(_) => format!("{sign}{digits}"),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    Value { indent: usize },
}

fn string(text: &mut String, value: &str, place: Place) {
    let shape = Shape::of(value);
    let style = if value.contains('\n') {
        Style::Literal
    } else if is_legacy(value) || !matches!(resolve(value), Tag::Str | Tag::Merge) {
        Style::Double
    } else if shape.plain {
        Style::Plain
    } else {
        Style::Single
    };
    match (style, place) {
        (Style::Plain, _) => text.push_str(value),
        (Style::Literal, Place::Value { indent }) if shape.literal => literal(text, value, indent),
        (Style::Single, _) if shape.single => single(text, value),
        _ => double(text, value),
    }
}

#[derive(Clone, Copy)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// Texts that readers of YAML 1.1 take for a truth value, a date, a time or a number of base 60.
fn is_legacy(text: &str) -> bool {
    let word = matches!(
        text,
        "y" | "Y"
            | "yes"
            | "Yes"
            | "YES"
            | "n"
            | "N"
            | "t"
            | "T"
            | "f"
            | "F"
            | "no"
            | "No"
            | "NO"
            | "on"
            | "On"
            | "ON"
            | "off"
            | "Off"
            | "OFF"
            | ".Nan"
    );
    word || is_octal_like(text) || is_like_date(text) || is_like_hexadecimal(text)
}

fn is_like_hexadecimal(text: &str) -> bool {
    text.strip_prefix("0x")
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// `^[\-+0-9:\. \t]+([-:]|[tT])[\-+0-9:\. \t]+[zZ]?$`: some of the characters of dates, a separator, some more.
fn is_like_date(text: &str) -> bool {
    let filler = |c: u8| matches!(c, b'-' | b'+' | b'0'..=b'9' | b':' | b'.' | b' ' | b'\t');
    let body = text.strip_suffix(['z', 'Z']).unwrap_or(text).as_bytes();
    let separator = |at: usize| {
        matches!(body[at], b'-' | b':' | b't' | b'T')
            && body[..at].iter().all(|&c| filler(c))
            && body[at + 1..].iter().all(|&c| filler(c))
    };
    body.len() >= 3 && (1..body.len() - 1).any(separator)
}

/// In which styles a text can be written, by its characters (the analysis of libyaml's emitter).
struct Shape {
    plain: bool,
    single: bool,
    literal: bool,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Self {
            plain: true,
            single: true,
            literal: true,
        };
        if text.is_empty() {
            shape.literal = false;
            return shape;
        }
        if text.starts_with("---") || text.starts_with("...") {
            shape.plain = false;
        }
        let characters: Vec<char> = text.chars().collect();
        let blank = |at: usize| {
            characters
                .get(at)
                .is_none_or(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
        };
        let (mut after_space, mut after_break) = (false, false);
        for (at, &character) in characters.iter().enumerate() {
            let first = at == 0;
            let indicator = match character {
                '#' => first || blank(at - 1),
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`' => first,
                '?' | '-' => first && blank(at + 1),
                ':' => blank(at + 1),
                _ => false,
            };
            shape.plain &= !indicator;
            let last = at + 1 == characters.len();
            match character {
                ' ' => {
                    shape.plain &= !first && !last;
                    shape.literal &= !last;
                    if after_break {
                        shape.plain = false;
                        shape.single = false;
                    }
                    (after_space, after_break) = (true, false);
                    continue;
                }
                '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\r' => {
                    shape.plain = false;
                    if after_space {
                        shape.single = false;
                        shape.literal = false;
                    }
                    if character != '\n' {
                        // Not reproducible inside single quotes.
                        shape.single = false;
                        shape.literal = false;
                    }
                    (after_space, after_break) = (false, true);
                    continue;
                }
                '\t' => (shape.plain, shape.single) = (false, false),
                _ if is_printable(character) => {}
                _ => (shape.plain, shape.single, shape.literal) = (false, false, false),
            }
            (after_space, after_break) = (false, false);
        }
        shape
    }
}

/// Characters beyond the first 65,536 are not, for libyaml.
fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}')
        && character != '\u{FEFF}'
}

fn single(text: &mut String, value: &str) {
    text.push('\'');
    text.push_str(&value.replace('\'', "''"));
    text.push('\'');
}

/// A literal block. Its header says how it ends, and its indentation where the text itself begins with a space.
fn literal(text: &mut String, value: &str, indent: usize) {
    text.push('|');
    if value.starts_with([' ', '\n']) {
        text.push('2');
    }
    let ends_in_break = value.ends_with('\n');
    if !ends_in_break {
        text.push('-');
    } else if value == "\n" || value.ends_with("\n\n") {
        text.push('+');
    }
    let body = value.strip_suffix('\n').unwrap_or(value);
    for line in body.split('\n') {
        text.push('\n');
        if !line.is_empty() {
            pad(text, indent + 2);
            text.push_str(line);
        }
    }
}

fn double(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\0' => text.push_str("\\0"),
            '\x07' => text.push_str("\\a"),
            '\x08' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\x0B' => text.push_str("\\v"),
            '\x0C' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            '\x1B' => text.push_str("\\e"),
            '\u{85}' => text.push_str("\\N"),
            '\u{A0}' => text.push('\u{A0}'),
            '\u{2028}' => text.push_str("\\L"),
            '\u{2029}' => text.push_str("\\P"),
            '\u{FEFF}' => text.push_str("\\uFEFF"),
            _ if is_printable(character) => text.push(character),
            _ => {
                let code = u32::from(character);
                let _ = match code {
                    0..=0xFF => write!(text, "\\x{code:02X}"),
                    0x100..=0xFFFF => write!(text, "\\u{code:04X}"),
                    _ => write!(text, "\\U{code:08X}"),
                };
            }
        }
    }
    text.push('"');
}
