//! Text to nodes.
//!
//! Anchors and aliases are expanded as they are met, as in the reference, so a small text can stand for a large
//! tree; a budget bounds what aliases may add.

use std::collections::HashMap;

use base64::Engine as _;
use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag as YamlTag};
use thiserror::Error as ThisError;

use crate::resolve::{Tag, resolve};
use crate::{Key, Node, Value};

/// The most nodes that aliases may add to a document.
const MAX_ALIAS_NODES: usize = 50_000;
/// The most levels of nesting.
const MAX_DEPTH: usize = 500;

/// What is wrong with a text, and where.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{line}:{column}: {message}")]
pub struct Error {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub message: String,
}

impl Error {
    fn new(at: Marker, message: impl Into<String>) -> Self {
        let (line, column) = position(at);
        Self {
            line,
            column,
            message: message.into(),
        }
    }
}

/// Reads every document of a text. A text without a document has none; the reference takes it for `null`.
///
/// # Errors
/// The first thing in the text that is not YAML, or that has no meaning in CUE.
pub fn load(text: &str) -> Result<Vec<Node>, Error> {
    if let Some(line) = tab_indented(text) {
        let message = "found character that cannot start any token";
        return Err(Error {
            line,
            column: 1,
            message: message.to_owned(),
        });
    }
    let mut loader = Loader {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        alias_nodes: 0,
        depth: 0,
    };
    loader.stream()
}

/// The line of a first token behind a tab: the event parser takes it, the reference does not.
fn tab_indented(text: &str) -> Option<u32> {
    let (line, first) = (1..)
        .zip(text.lines())
        .find(|(_, line)| !line.trim_start().is_empty() && !line.trim_start().starts_with('#'))?;
    first.starts_with('\t').then_some(line)
}

struct Loader<'t> {
    events: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Node>,
    alias_nodes: usize,
    depth: usize,
}

impl<'t> Loader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Error> {
        loop {
            match self.events.next_event() {
                None => return Ok(None),
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(event)) => return Ok(Some(event)),
                Some(Err(error)) => return Err(Error::new(*error.marker(), error.info())),
            }
        }
    }

    fn stream(&mut self) -> Result<Vec<Node>, Error> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                Event::StreamEnd => break,
                event => {
                    self.anchors.clear();
                    self.alias_nodes = 0;
                    documents.push(self.node(event, span)?);
                }
            }
        }
        Ok(documents)
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(span.start, "nested too deeply"));
        }
        let anchor = event.anchor_id();
        let (line, column) = position(span.start);
        let value = match event {
            Event::Scalar(text, style, _, tag) => scalar(
                &text,
                style == ScalarStyle::Plain,
                tag.as_deref(),
                span.start,
            )?,
            Event::SequenceStart(..) => self.sequence()?,
            Event::MappingStart(..) => self.mapping()?,
            Event::Alias(id) => {
                let target = self
                    .anchors
                    .get(&id)
                    .ok_or_else(|| Error::new(span.start, "anchor value contains itself"))?;
                self.alias_nodes += count(&target.value);
                if self.alias_nodes > MAX_ALIAS_NODES {
                    return Err(Error::new(
                        span.start,
                        "document contains excessive aliasing",
                    ));
                }
                target.value.clone()
            }
            _ => return Err(Error::new(span.start, "unexpected end of the document")),
        };
        let node = Node {
            value,
            line,
            column,
        };
        if let Some(id) = anchor {
            self.anchors.insert(id, node.clone());
        }
        self.depth -= 1;
        Ok(node)
    }

    fn sequence(&mut self) -> Result<Value, Error> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::SequenceEnd {
                break;
            }
            items.push(self.node(event, span)?);
        }
        Ok(Value::Sequence(items))
    }

    fn mapping(&mut self) -> Result<Value, Error> {
        let mut fields: Vec<(Key, Node)> = Vec::new();
        let mut merges: Vec<(Node, Marker)> = Vec::new();
        while let Some((event, span)) = self.next()? {
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = matches!(
                &event,
                Event::Scalar(text, ScalarStyle::Plain, _, None) if resolve(text) == Tag::Merge
            );
            let key = if is_merge {
                None
            } else {
                Some(self.key(event, span)?)
            };
            let (event, at) = self
                .next()?
                .ok_or_else(|| Error::new(span.start, "a key without a value"))?;
            let value = self.node(event, at)?;
            match key {
                Some(key) => fields.push((key, value)),
                None => merges.push((value, at.start)),
            }
        }
        if merges.is_empty() {
            return Ok(Value::Mapping(fields));
        }
        let mut merged = Vec::new();
        for (source, at) in merges {
            merge(source, at, &fields, &mut merged)?;
        }
        merged.extend(fields);
        Ok(Value::Mapping(merged))
    }

    fn key(&mut self, event: Event<'t>, span: Span) -> Result<Key, Error> {
        let (line, column) = position(span.start);
        let written = event.scalar().map(|(text, _)| text.to_owned());
        let node = self.node(event, span)?;
        let text = match node.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(text) | Value::String(text) => text,
            Value::Bytes(_) => written.unwrap_or_default(),
            Value::Sequence(_) => return Err(Error::new(span.start, "invalid map key: !!seq")),
            Value::Mapping(_) => return Err(Error::new(span.start, "invalid map key: !!map")),
        };
        Ok(Key { text, line, column })
    }
}

/// Takes over the fields of a merge's source that the mapping does not set itself; of several sources the first
/// that has a field gives it.
fn merge(
    source: Node,
    at: Marker,
    own: &[(Key, Node)],
    merged: &mut Vec<(Key, Node)>,
) -> Result<(), Error> {
    match source.value {
        Value::Mapping(fields) => {
            for (key, value) in fields {
                let taken = |have: &[(Key, Node)]| have.iter().any(|(k, _)| k.text == key.text);
                if !taken(own) && !taken(merged) {
                    merged.push((key, value));
                }
            }
            Ok(())
        }
        Value::Sequence(sources) => sources.into_iter().try_for_each(|source| {
            if matches!(source.value, Value::Sequence(_)) {
                return Err(Error::new(
                    at,
                    "map merge requires map or sequence of maps as the value",
                ));
            }
            merge(source, at, own, merged)
        }),
        _ => Err(Error::new(
            at,
            "map merge requires map or sequence of maps as the value",
        )),
    }
}

fn scalar(text: &str, plain: bool, tag: Option<&YamlTag>, at: Marker) -> Result<Value, Error> {
    let tag = match tag {
        None if plain => resolve(text),
        None => Tag::Str,
        // The non-specific tag `!` is none, for the reference.
        Some(tag) if tag.original() == "!" => resolve(text),
        Some(tag) => match tag.core_suffix() {
            Some("str") => Tag::Str,
            Some("null") => Tag::Null,
            Some("bool") => Tag::Bool,
            Some("int") => Tag::Int,
            Some("float") => {
                if !text.contains(['.', 'e', 'E', 'i', 'I', 'n', 'N']) {
                    let message = format!("illegal number start \"number & {text}\"");
                    return Err(Error::new(at, message));
                }
                Tag::Float
            }
            _ if tag.suffix() == "binary" => {
                let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                return base64::engine::general_purpose::STANDARD
                    .decode(compact)
                    .map(Value::Bytes)
                    .map_err(|_| Error::new(at, "!!binary value contains invalid base64 data"));
            }
            _ if tag.suffix() == "timestamp" => Tag::Timestamp,
            _ => {
                let written = tag.original();
                return Err(Error::new(at, format!("cannot unmarshal tag {written:?}")));
            }
        },
    };
    Ok(match tag {
        Tag::Null => Value::Null,
        Tag::Bool => Value::Bool(matches!(text, "true" | "True" | "TRUE")),
        Tag::Str | Tag::Timestamp | Tag::Merge => Value::String(text.to_owned()),
        Tag::Int => Value::Number(
            integer(text)
                .map_err(|why| Error::new(at, format!("cannot decode {text:?} as !!int: {why}")))?,
        ),
        Tag::Float => Value::Number(float(text, at)?),
    })
}

/// A YAML integer as a literal of CUE: without a plus sign, and octal with its newer prefix.
fn integer(text: &str) -> Result<String, String> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (sign, digits) = match unsigned.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", unsigned),
    };
    let Some(first) = digits.chars().next() else {
        return Err("empty number".to_owned());
    };
    if !first.is_ascii_digit() {
        return Err(format!("illegal number start {digits:?}"));
    }
    // A separator must stand between two digits in CUE.
    let bytes = digits.as_bytes();
    let stray = bytes
        .iter()
        .enumerate()
        .any(|(at, &byte)| byte == b'_' && !bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit));
    if stray {
        return Err("illegal '_' in number".to_owned());
    }
    if digits.len() > 1 && bytes[0] == b'0' && bytes[1].is_ascii_digit() {
        return Ok(format!("{sign}0o{}", &digits[1..]));
    }
    Ok(format!("{sign}{digits}"))
}

fn float(text: &str, at: Marker) -> Result<String, Error> {
    let name = match text {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some("+Inf"),
        "-.inf" | "-.Inf" | "-.INF" => Some("Inf"),
        ".nan" | ".NaN" | ".NAN" => Some("NaN"),
        // An integer over 64 bits; the reference fails on its own note about it.
        _ if !text.contains(['.', 'e', 'E']) => {
            let message = format!("illegal number start \"number & {text}\"");
            return Err(Error::new(at, message));
        }
        _ if text.starts_with('0') && text.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => {
            let message = format!(
                "cannot decode \"0o{}\" as !!float: illegal number",
                &text[1..]
            );
            return Err(Error::new(at, message));
        }
        _ => None,
    };
    match name {
        Some(name) => Err(Error::new(at, format!("illegal number start {name:?}"))),
        None => Ok(text.strip_prefix('+').unwrap_or(text).to_owned()),
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Sequence(items) => 1 + items.iter().map(|item| count(&item.value)).sum::<usize>(),
        Value::Mapping(fields) => {
            1 + fields
                .iter()
                .map(|(_, item)| 1 + count(&item.value))
                .sum::<usize>()
        }
        _ => 1,
    }
}

fn position(at: Marker) -> (u32, u32) {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    (number(at.line()), number(at.col()).saturating_add(1))
}
