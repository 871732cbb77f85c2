//! `encoding/toml`, after [TOML 1.0](https://toml.io/en/v1.0.0).
//!
//! What is written has its keys in order of their bytes: first the plain ones of a table, then its tables.
//! Lists of structs are arrays of tables. Dates and numbers that are none (`inf`, `nan`) are not
//! read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::ast::NumberKind;
use pequod_cue_syntax::literal::Number;
use toml_edit::{DocumentMut, Item, Table, Value};

use crate::datum::Datum;
use crate::function::{Fault, Function, Result, functions};

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Marshal" (Whole) -> "string" = |a| marshal(a.datum(0)?).map(Datum::text);
    "Unmarshal" (Bytes) -> "_" = |a| {
        let text = std::str::from_utf8(a.bytes(0)?).map_err(|_| Fault::error("toml: invalid UTF-8"))?;
        unmarshal(text)
    };
];

fn marshal(datum: &Datum) -> Result<String> {
    let mut out = String::new();
    match datum {
        Datum::Struct(fields) => write_table(&mut out, "", &sorted(fields))?,
        Datum::List(list) if is_array_of_tables(list) => write_tables(&mut out, "", list)?,
        Datum::Null => {
            return Err(Fault::error("toml: cannot encode a nil interface"));
        }
        other => write_value(&mut out, other)?,
    }
    Ok(out)
}

type Fields<'a> = BTreeMap<&'a str, &'a Datum>;

/// Fields by name; nothing stands for null.
fn sorted(fields: &[(std::sync::Arc<str>, Datum)]) -> Fields<'_> {
    let fields = fields.iter().filter(|(_, field)| *field != Datum::Null);
    fields.map(|(name, field)| (&**name, field)).collect()
}

fn is_array_of_tables(list: &[Datum]) -> bool {
    !list.is_empty()
        && list
            .iter()
            .all(|element| matches!(element, Datum::Struct(_)))
}

fn is_table(datum: &Datum) -> bool {
    match datum {
        Datum::Struct(_) => true,
        Datum::List(list) => is_array_of_tables(list),
        _ => false,
    }
}

/// What stands behind a table's header; an empty line before each table in it but the first thing.
fn write_table(out: &mut String, path: &str, fields: &Fields<'_>) -> Result<()> {
    let mut first = true;
    for (name, field) in fields.iter().filter(|(_, field)| !is_table(field)) {
        write_key(out, name);
        out.push_str(" = ");
        write_value(out, field)?;
        out.push('\n');
        first = false;
    }
    for (name, field) in fields.iter().filter(|(_, field)| is_table(field)) {
        if !std::mem::take(&mut first) {
            out.push('\n');
        }
        let mut inner = path.to_owned();
        if !inner.is_empty() {
            inner.push('.');
        }
        write_key(&mut inner, name);
        match field {
            Datum::Struct(fields) => {
                // Writing to a String cannot fail.
                let _ = writeln!(out, "[{inner}]");
                write_table(out, &inner, &sorted(fields))?;
            }
            Datum::List(list) => write_tables(out, &inner, list)?,
            _ => {}
        }
    }
    Ok(())
}

fn write_tables(out: &mut String, path: &str, list: &[Datum]) -> Result<()> {
    for (at, element) in list.iter().enumerate() {
        if at > 0 {
            out.push('\n');
        }
        if let Datum::Struct(fields) = element {
            let _ = writeln!(out, "[[{path}]]");
            write_table(out, path, &sorted(fields))?;
        }
    }
    Ok(())
}

fn write_key(out: &mut String, key: &str) {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !key.is_empty() && key.chars().all(bare) {
        out.push_str(key);
    } else {
        write_string(out, key);
    }
}

fn write_value(out: &mut String, datum: &Datum) -> Result<()> {
    match datum {
        Datum::Null => {
            return Err(Fault::error(
                "toml: encoding a nil interface is not supported",
            ));
        }
        Datum::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Datum::Int(value) => match value.to_i64() {
            Some(value) => out.push_str(&value.to_string()),
            // Wider than the format's own whole numbers.
            None => write_string(out, &value.to_string()),
        },
        Datum::Float(value) => out.push_str(&float(value)?),
        Datum::String(text) => write_string(out, text),
        Datum::Bytes(bytes) => {
            let numbers: Vec<Datum> = bytes
                .iter()
                .map(|byte| Datum::int((*byte).into()))
                .collect();
            write_value(out, &Datum::List(numbers))?;
        }
        Datum::List(list) => {
            out.push('[');
            for (at, element) in list.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_value(out, element)?;
            }
            out.push(']');
        }
        Datum::Struct(fields) => {
            out.push('{');
            for (at, (name, field)) in sorted(fields).into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write_key(out, name);
                out.push_str(" = ");
                write_value(out, field)?;
            }
            out.push('}');
        }
        Datum::Opaque(_) | Datum::Shape(_) | Datum::Pattern(_) => {
            return Err(Fault::error("incomplete value cannot be converted to TOML"));
        }
    }
    Ok(())
}

/// As the nearest floating point number, without an exponent.
fn float(value: &Decimal) -> Result<String> {
    let value: f64 = value
        .to_string()
        .parse()
        .map_err(|_| Fault::error("toml: cannot encode number"))?;
    if !value.is_finite() {
        return Err(Fault::unsupported("a number of this size in TOML"));
    }
    Ok(if value.fract() == 0.0 {
        format!("{value:.1}")
    } else {
        format!("{value}")
    })
}

/// In single quotes if nothing needs an escape.
fn write_string(out: &mut String, text: &str) {
    if !text.contains(|c: char| c == '\'' || (c.is_control() && c != '\t')) {
        out.push('\'');
        out.push_str(text);
        out.push('\'');
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c.is_ascii_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn unmarshal(text: &str) -> Result {
    let document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| Fault::error(error.message().to_owned()))?;
    table(document.as_table())
}

fn table(table: &Table) -> Result {
    let fields = table.iter().map(|(name, field)| {
        let field = match field {
            Item::None => Datum::Null,
            Item::Value(value) => read_value(value)?,
            Item::Table(inner) => self::table(inner)?,
            Item::ArrayOfTables(tables) => {
                Datum::List(tables.iter().map(self::table).collect::<Result<_>>()?)
            }
        };
        Ok((name.into(), field))
    });
    Ok(Datum::Struct(fields.collect::<Result<_>>()?))
}

fn read_value(value: &Value) -> Result {
    Ok(match value {
        Value::String(text) => Datum::text(text.value().as_str()),
        Value::Integer(number) => {
            read_number(number.as_repr().and_then(|repr| repr.as_raw().as_str()))?
        }
        Value::Float(number) => {
            read_number(number.as_repr().and_then(|repr| repr.as_raw().as_str()))?
        }
        Value::Boolean(value) => Datum::Bool(*value.value()),
        Value::Datetime(_) => return Err(Fault::unsupported("a date in TOML")),
        Value::Array(list) => Datum::List(list.iter().map(read_value).collect::<Result<_>>()?),
        Value::InlineTable(fields) => {
            let fields = fields
                .iter()
                .map(|(name, field)| Ok((name.into(), read_value(field)?)));
            Datum::Struct(fields.collect::<Result<_>>()?)
        }
    })
}

/// A number keeps the digits it was written with.
fn read_number(text: Option<&str>) -> Result {
    let text = text.unwrap_or_default();
    let (negative, plain) = match text.strip_prefix('-') {
        Some(plain) => (true, plain),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if plain.starts_with(['i', 'n']) {
        return Err(Fault::unsupported(format!("the number {text} in TOML")));
    }
    let number = Number::parse(plain).map_err(|error| Fault::error(error.to_string()))?;
    let decimal =
        Decimal::parse(&number.decimal).map_err(|error| Fault::error(error.to_string()))?;
    let decimal = if negative { decimal.negated() } else { decimal };
    Ok(if number.kind == NumberKind::Int {
        Datum::Int(decimal)
    } else {
        Datum::Float(decimal)
    })
}

#[cfg(test)]
mod tests {
    use super::{marshal, unmarshal};
    use crate::json_data;

    fn written(json: &str) -> String {
        marshal(&json_data(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn plain_keys_stand_before_tables() {
        assert_eq!(
            written(
                r#"{"z": {"y": 1, "x": {"w": 2}}, "a": true, "m": [{"n": {"o": 1}, "p": 2}, {}]}"#
            ),
            "a = true\n\n[[m]]\np = 2\n\n[m.n]\no = 1\n\n[[m]]\n\n[z]\ny = 1\n\n[z.x]\nw = 2\n"
        );
        assert_eq!(
            written(r#"{"c1": {"c2": {"c3": "baz"}}, "d": {}}"#),
            "[c1]\n[c1.c2]\nc3 = 'baz'\n\n[d]\n"
        );
        assert_eq!(
            written(r#"{"a": [{"b": 1}, 2, [], [{"c": null}]]}"#),
            "a = [{b = 1}, 2, [], [{}]]\n"
        );
    }

    #[test]
    fn strings_are_escaped_only_if_they_must_be() {
        assert_eq!(
            written(r#"{"a b": "x\\y\"", "": "tab\t"}"#),
            "'' = 'tab\t'\n'a b' = 'x\\y\"'\n"
        );
        assert_eq!(written(r#""it's\n\u0007""#), r#""it's\n\u0007""#);
    }

    #[test]
    fn numbers_are_as_wide_as_the_format_has_them() {
        assert_eq!(
            written("[1e2, 1.50, 1e-7, 100000000000000000000, 1e30]"),
            "[100.0, 1.5, 0.0000001, '100000000000000000000', 1000000000000000019884624838656.0]"
        );
        assert!(marshal(&json_data(b"[1e400]").unwrap()).is_err());
        assert!(marshal(&json_data(b"[null]").unwrap()).is_err());
    }

    #[test]
    fn what_is_read_keeps_its_order_and_its_digits() {
        let text =
            "a1 = \"A\"\nb1.b2 = 0x1F\n[[t]]\nx = -1.50\n[[t]]\n[t.u]\ny = [1_000, '''z''']\n";
        let read = unmarshal(text).unwrap();
        let wanted =
            r#"{"a1": "A", "b1": {"b2": 31}, "t": [{"x": -1.50}, {"u": {"y": [1000, "z"]}}]}"#;
        assert_eq!(read, json_data(wanted.as_bytes()).unwrap());
        for wrong in [
            "= 1",
            "a = 1\na = 2",
            "[a]\n[a]",
            "a = 2001-01-01",
            "a = inf",
        ] {
            assert!(unmarshal(wrong).is_err(), "{wrong}");
        }
    }
}
