//! `encoding/json`; `Validate` is the façade's, since it needs the evaluator.
//!
//! Numbers keep their text. What is read is CUE, since JSON is.

use std::fmt::Write as _;
use std::sync::Arc;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::ast::{Decl, Element, Expr, LabelKind, NumberKind, UnaryOp};
use pequod_cue_syntax::{FileId, parse_expr};

use crate::datum::Datum;
use crate::function::{Fault, Function, Result, functions, room_for};

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Valid" (Bytes) -> "bool" = |a| Ok(Datum::Bool(is_valid(a.bytes(0)?)));
    "Marshal" (Data) -> "string" = |a| Ok(Datum::text(encode(a.datum(0)?)?));
    "MarshalStream" (Stream) -> "string" = |a| {
        let mut text = String::new();
        for element in a.list(0)? {
            text.push_str(&encode(element)?);
            text.push('\n');
        }
        Ok(Datum::text(text))
    };
    "Unmarshal" (Bytes) -> "_" = |a| decode(a.bytes(0)?);
    "UnmarshalStream" (Bytes) -> "_" = |a| {
        let text = std::str::from_utf8(a.bytes(0)?).map_err(|_| invalid())?;
        let mut values = Vec::new();
        let mut rest = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
        let mut start = 0;
        while let Some(value) = rest.next() {
            value.map_err(|_| invalid())?;
            let end = rest.byte_offset();
            values.push(decode(&text.as_bytes()[start..end])?);
            start = end;
        }
        Ok(Datum::List(values))
    };
    "Compact" (Bytes) -> "string" = |a| Ok(Datum::text(respace(a.bytes(0)?, None)?));
    "Indent" (Bytes, String, String) -> "string" = |a| {
        Ok(Datum::text(respace(a.bytes(0)?, Some((a.text(1)?, a.text(2)?)))?))
    };
    "HTMLEscape" (Bytes) -> "string" = |a| {
        let mut text = String::new();
        for c in String::from_utf8_lossy(a.bytes(0)?).chars() {
            match c {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escape(&mut text, c),
                _ => text.push(c),
            }
        }
        Ok(Datum::text(text))
    };
];

fn invalid() -> Fault {
    Fault::error("json: invalid JSON")
}

fn is_valid(text: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// Data as compact JSON.
pub(crate) fn encode(datum: &Datum) -> Result<String> {
    let mut text = String::new();
    write(&mut text, datum)?;
    Ok(text)
}

/// A scalar as messages show it.
pub(crate) fn show(datum: &Datum) -> String {
    match datum {
        Datum::Bytes(bytes) => pequod_cue_syntax::literal::quote_bytes(bytes),
        Datum::String(text) => pequod_cue_syntax::literal::quote(text),
        other => encode(other).unwrap_or_default(),
    }
}

fn write(text: &mut String, datum: &Datum) -> Result<()> {
    match datum {
        Datum::Null => text.push_str("null"),
        Datum::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Datum::Int(value) | Datum::Float(value) => text.push_str(&value.to_string()),
        Datum::String(value) => quote(text, value),
        Datum::Bytes(value) => {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(value);
            quote(text, &encoded);
        }
        Datum::List(list) => {
            text.push('[');
            for (index, element) in list.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(text, element)?;
            }
            text.push(']');
        }
        Datum::Struct(fields) => {
            text.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quote(text, name);
                text.push(':');
                write(text, value)?;
            }
            text.push('}');
        }
        Datum::Opaque(_) | Datum::Shape(_) | Datum::Pattern(_) => {
            return Err(Fault::error("cannot convert incomplete value to JSON"));
        }
    }
    Ok(())
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            c if c < ' ' || matches!(c, '\u{2028}' | '\u{2029}') => escape(text, c),
            c => text.push(c),
        }
    }
    text.push('"');
}

fn escape(text: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\u{:04x}", u32::from(c));
}

/// JSON as data; a key given twice is there twice.
pub(crate) fn decode(text: &[u8]) -> Result {
    if !is_valid(text) {
        return Err(invalid());
    }
    let text = std::str::from_utf8(text).map_err(|_| invalid())?;
    let (_, expr) = parse_expr(FileId(0), "json", text.trim())
        .map_err(|errors| Fault::error(format!("json: could not parse JSON: {errors}")))?;
    literal(&expr).ok_or_else(invalid)
}

fn literal(expr: &Expr) -> Option<Datum> {
    Some(match expr {
        Expr::Null(_) => Datum::Null,
        Expr::Bool(value, _) => Datum::Bool(*value),
        Expr::Number(lit) => {
            let value = Decimal::parse(&lit.text).ok()?;
            if lit.kind == NumberKind::Int {
                Datum::Int(value)
            } else {
                Datum::Float(value)
            }
        }
        Expr::Unary(unary) if unary.op == UnaryOp::Minus => match literal(&unary.expr)? {
            Datum::Int(value) => Datum::Int(value.negated()),
            Datum::Float(value) => Datum::Float(value.negated()),
            _ => return None,
        },
        Expr::String(lit) => Datum::String(Arc::clone(&lit.value)),
        Expr::List(list) => {
            let elements = list.elements.iter().map(|element| match element {
                Element::Expr(expr) => literal(expr),
                _ => None,
            });
            Datum::List(elements.collect::<Option<_>>()?)
        }
        Expr::Struct(lit) => {
            let fields = lit.decls.iter().map(|decl| match decl {
                Decl::Field(field) => match &field.label.kind {
                    LabelKind::String(name) => {
                        Some((Arc::clone(&name.value), literal(&field.value)?))
                    }
                    _ => None,
                },
                _ => None,
            });
            Datum::Struct(fields.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The same JSON with other white space: none, or lines with a prefix and indentation.
fn respace(text: &[u8], lines: Option<(&Arc<str>, &Arc<str>)>) -> Result<String> {
    if !is_valid(text) {
        return Err(Fault::error("invalid JSON"));
    }
    let text = std::str::from_utf8(text).map_err(|_| Fault::error("invalid JSON"))?;
    let mut out = String::new();
    let mut depth = 0usize;
    let mut chars = text.chars().peekable();
    let mut opened = false;
    let newline = |out: &mut String, depth: usize| {
        if let Some((prefix, indent)) = lines {
            let more = prefix
                .len()
                .saturating_add(indent.len().saturating_mul(depth));
            room_for(out.len().saturating_add(more))?;
            out.push('\n');
            out.push_str(prefix);
            out.push_str(&indent.repeat(depth));
        }
        Ok(())
    };
    while let Some(c) = chars.next() {
        if c.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(c, '}' | ']');
        if std::mem::take(&mut opened) && !closes {
            newline(&mut out, depth)?;
        } else if closes && !out.ends_with(['{', '[']) {
            newline(&mut out, depth.saturating_sub(1))?;
        }
        out.push(c);
        match c {
            '"' => {
                while let Some(c) = chars.next() {
                    out.push(c);
                    if c == '"' {
                        break;
                    }
                    if c == '\\' {
                        out.extend(chars.next());
                    }
                }
            }
            '{' | '[' => {
                depth += 1;
                opened = true;
            }
            '}' | ']' => depth = depth.saturating_sub(1),
            ',' => newline(&mut out, depth)?,
            ':' if lines.is_some() => out.push(' '),
            _ => {}
        }
    }
    Ok(out)
}
