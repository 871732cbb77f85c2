//! `encoding/yaml`; `Validate` is the façade's, since it needs the evaluator.

use pequod_cue_num::Decimal;
use pequod_cue_syntax::ast::NumberKind;
use pequod_cue_syntax::literal::Number;
use pequod_cue_yaml::{Key, Node, Value, emit, emit_stream, load};

use crate::datum::Datum;
use crate::function::{Args, Fault, Function, Result, functions, room_for};

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Marshal" (Whole) -> "string" = |a| {
        room_for_lines(a)?;
        Ok(Datum::text(emit(&value(a.datum(0)?)?)))
    };
    "MarshalStream" (WholeStream) -> "string" = |a| {
        room_for_lines(a)?;
        let values: Vec<Value> = a.list(0)?.iter().map(value).collect::<Result<_>>()?;
        Ok(Datum::text(emit_stream(&values)))
    };
    "Unmarshal" (Bytes) -> "_" = |a| {
        let nodes = documents(a.bytes(0)?)?;
        match &nodes[..] {
            [] => Ok(Datum::Opaque(Datum::NULL_BY_DEFAULT)),
            [one] => datum(&one.value),
            [_, second, ..] => Err(Fault::error(format!(
                "{}:{}: expected a single YAML document",
                second.line, second.column
            ))),
        }
    };
    "UnmarshalStream" (Bytes) -> "_" = |a| Ok(Datum::List(stream(a.bytes(0)?)?));
];

/// What is written is about as large as what is given, but for the white space before each line.
fn room_for_lines(args: &Args<'_>) -> Result<()> {
    fn indentation(datum: &Datum, depth: usize) -> usize {
        match datum {
            Datum::String(text) => depth.saturating_mul(2 + 2 * text.matches('\n').count()),
            Datum::List(list) => list.iter().fold(0, |sum, element| {
                sum.saturating_add(indentation(element, depth + 1))
            }),
            Datum::Struct(fields) => fields.iter().fold(0, |sum, (_, field)| {
                sum.saturating_add(indentation(field, depth + 1))
            }),
            _ => 2 * depth,
        }
    }
    room_for(indentation(args.datum(0)?, 0))
}

/// The documents as data; a text without any is one that says nothing.
pub(crate) fn stream(text: &[u8]) -> Result<Vec<Datum>> {
    match &*documents(text)? {
        [] => Ok(vec![Datum::Opaque(Datum::NULL_BY_DEFAULT)]),
        nodes => nodes.iter().map(|node| datum(&node.value)).collect(),
    }
}

fn documents(bytes: &[u8]) -> Result<Vec<Node>> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::error("yaml: invalid UTF-8"))?;
    load(text).map_err(|error| Fault::error(error.to_string()))
}

fn value(datum: &Datum) -> Result<Value> {
    Ok(match datum {
        Datum::Null => Value::Null,
        Datum::Bool(value) => Value::Bool(*value),
        Datum::Int(number) => Value::Number(number.to_string()),
        Datum::Float(number) => Value::Number(float_text(number)),
        Datum::String(text) => Value::String(text.to_string()),
        Datum::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        Datum::List(list) => {
            let nodes = list.iter().map(|element| Ok(value(element)?.into()));
            Value::Sequence(nodes.collect::<Result<_>>()?)
        }
        Datum::Struct(fields) => {
            let entries = fields
                .iter()
                .map(|(name, field)| Ok((Key::from(&**name), value(field)?.into())));
            Value::Mapping(entries.collect::<Result<_>>()?)
        }
        Datum::Opaque(_) | Datum::Shape(_) | Datum::Pattern(_) => {
            return Err(Fault::error("incomplete value cannot be converted to YAML"));
        }
    })
}

/// A float's text; a whole one gets the dot that tells it from an int.
fn float_text(value: &Decimal) -> String {
    let text = value.to_string();
    if text.contains(['.', 'E']) {
        text
    } else {
        text + "."
    }
}

fn datum(value: &Value) -> Result {
    Ok(match value {
        Value::Null => Datum::Null,
        Value::Bool(value) => Datum::Bool(*value),
        Value::Number(text) => {
            let number = Number::parse(text).map_err(|error| Fault::error(error.to_string()))?;
            let decimal =
                Decimal::parse(&number.decimal).map_err(|error| Fault::error(error.to_string()))?;
            if number.kind == NumberKind::Int {
                Datum::Int(decimal)
            } else {
                Datum::Float(decimal)
            }
        }
        Value::String(text) => Datum::text(text.as_str()),
        Value::Bytes(bytes) => Datum::bytes(bytes.as_slice()),
        Value::Sequence(nodes) => Datum::List(
            nodes
                .iter()
                .map(|node| datum(&node.value))
                .collect::<Result<_>>()?,
        ),
        Value::Mapping(entries) => {
            let fields = entries
                .iter()
                .map(|(key, node)| Ok((key.text.as_str().into(), datum(&node.value)?)));
            Datum::Struct(fields.collect::<Result<_>>()?)
        }
    })
}
