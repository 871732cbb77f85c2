//! JSON, YAML and text as trees of CUE.
//!
//! Every value keeps its place in its file. A field whose name is an identifier can be referred to from CUE.

use std::cell::Cell;
use std::sync::Arc;

use pequod_cue_syntax::ast::{
    BytesLit, Constraint, Decl, Element, Embed, Expr, Field, File, Ident, Label, LabelKind, List,
    NumberKind, NumberLit, Quotes, StringLit, Struct, Unary, UnaryOp,
};
use pequod_cue_syntax::{Experiments, FileId, Source, Span, is_identifier, parse_expr};
use pequod_cue_yaml::{Node, Value};
use pequod_diag::Diagnostic;

use crate::argument::Encoding;
use crate::{codes, json};

/// The documents of a file as trees, one after the other.
///
/// `name` is what errors call the file.
pub fn documents(
    id: FileId,
    name: &str,
    bytes: &[u8],
    encoding: &Encoding,
) -> Result<(Arc<Source>, Vec<Expr>), Diagnostic> {
    let text = match encoding {
        Encoding::Binary => String::new(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    let source = Arc::new(Source::new(id, name, text.as_str()));
    let whole = Span::new(id, 0, u32::try_from(text.len()).unwrap_or(u32::MAX));
    let expressions = match encoding {
        Encoding::Json => {
            let values = match json::check(&text) {
                Ok(values) => values,
                // What follows a whole value cannot be the beginning of anything.
                Err((at, _)) if json::check(&text[..at]).is_ok_and(|before| before.len() == 1) => {
                    let c = text[at..].chars().next().unwrap_or_default();
                    let message = format!("invalid character '{c}' after top-level value");
                    return Err(bad_json(&source, at, &message));
                }
                Err((at, message)) => return Err(bad_json(&source, at, &message)),
            };
            let mut values = values.into_iter();
            match (values.next(), values.next()) {
                (None, _) => {
                    return Err(bad_json(&source, 0, "unexpected end of JSON input"));
                }
                (Some(value), None) => vec![json_expr(&source, &text, value)?],
                (Some(_), Some(second)) => {
                    let c = text[second.start..].chars().next().unwrap_or_default();
                    let message = format!("invalid character '{c}' after top-level value");
                    return Err(bad_json(&source, second.start, &message));
                }
            }
        }
        Encoding::JsonLines => json_values(&source, &text)?
            .into_iter()
            .map(|value| json_expr(&source, &text, value))
            .collect::<Result<_, _>>()?,
        Encoding::Yaml => {
            let nodes = pequod_cue_yaml::load(&text).map_err(|error| {
                let place = pequod_diag::Place::Text {
                    file: name.to_owned(),
                    line: error.line,
                    column: error.column,
                };
                Diagnostic::error(codes::DATA, error.message).at(place)
            })?;
            let yaml = Yaml::new(&source);
            if nodes.is_empty() {
                vec![null_or_anything(whole)]
            } else {
                nodes.iter().map(|node| yaml.expr(node)).collect()
            }
        }
        Encoding::Text => vec![Expr::String(StringLit {
            value: text.as_str().into(),
            quotes: Quotes::default(),
            span: whole,
        })],
        Encoding::Binary => vec![Expr::Bytes(BytesLit {
            value: bytes.into(),
            quotes: Quotes::default(),
            span: whole,
        })],
        Encoding::Cue | Encoding::Other(_) => {
            let message = format!("encoding {:?} not (yet) supported", encoding.name());
            return Err(Diagnostic::error(codes::UNSUPPORTED, message));
        }
    };
    Ok((source, expressions))
}

/// `*null | _`: nothing, which gives way to anything.
fn null_or_anything(span: Span) -> Expr {
    Expr::Binary(Box::new(pequod_cue_syntax::ast::Binary {
        op: pequod_cue_syntax::ast::BinaryOp::Or,
        op_span: span,
        lhs: Expr::Unary(Box::new(Unary {
            op: UnaryOp::Default,
            expr: Expr::Null(span),
            span,
        })),
        rhs: Expr::Ident(Ident {
            name: "_".into(),
            span,
        }),
        span,
    }))
}

fn bad_json(source: &Source, at: usize, message: &str) -> Diagnostic {
    let place = source.place(u32::try_from(at).unwrap_or(u32::MAX));
    let message = format!("invalid JSON for file {:?}: {message}", &**source.name());
    Diagnostic::error(codes::DATA, message).at(place)
}

fn json_values(source: &Source, text: &str) -> Result<Vec<std::ops::Range<usize>>, Diagnostic> {
    json::check(text).map_err(|(at, message)| bad_json(source, at, &message))
}

/// JSON is CUE, nearly: its own literals are read by CUE's reader.
fn json_expr(
    source: &Source,
    text: &str,
    range: std::ops::Range<usize>,
) -> Result<Expr, Diagnostic> {
    // Blanks before the value keep its offsets those of the file; surrogates are spelled out.
    let mut padded: String = text[..range.start]
        .chars()
        .map(|c| if c == '\n' { '\n' } else { ' ' })
        .collect();
    padded.extend(std::iter::repeat_n(' ', range.start - padded.len()));
    let shifted = range.start - padded.len();
    debug_assert_eq!(shifted, 0, "blanks are as long as what they stand for");
    padded.push_str(&text[range]);
    let (_, mut expr) =
        parse_expr(source.id(), source.name().clone(), padded).map_err(|problems| {
            let mut first = problems
                .0
                .into_iter()
                .next()
                .unwrap_or_else(|| Diagnostic::error(codes::DATA, "invalid JSON"));
            first.message = format!(
                "invalid JSON for file {:?}: {}",
                &**source.name(),
                first.message
            );
            first
        })?;
    name_fields(&mut expr);
    Ok(expr)
}

/// Makes labels that are identifiers referable.
fn name_fields(expr: &mut Expr) {
    match expr {
        Expr::Struct(lit) => {
            for decl in &mut lit.decls {
                if let Decl::Field(field) = decl {
                    if let LabelKind::String(text) = &field.label.kind {
                        field.label.kind = label_kind(&text.value, text.span);
                    }
                    name_fields(&mut field.value);
                }
            }
        }
        Expr::List(list) => {
            for element in &mut list.elements {
                if let Element::Expr(expr) = element {
                    name_fields(expr);
                }
            }
        }
        _ => {}
    }
}

fn label_kind(text: &str, span: Span) -> LabelKind {
    if is_identifier(text) && !text.starts_with(['_', '#']) {
        LabelKind::Ident(Ident {
            name: text.into(),
            span,
        })
    } else {
        LabelKind::String(StringLit {
            value: text.into(),
            quotes: Quotes::default(),
            span,
        })
    }
}

/// A regular field.
pub(crate) fn field(name: &str, span: Span, value: Expr) -> Decl {
    Decl::Field(Box::new(Field {
        label: Label {
            alias: None,
            kind: label_kind(name, span),
            span,
        },
        alias: None,
        constraint: Constraint::Regular,
        value_alias: None,
        span: span.to(Span {
            file: span.file,
            ..value.span()
        }),
        value,
        attributes: Vec::new(),
        doc: None,
    }))
}

/// A file that holds one value.
pub fn file_of(source: Arc<Source>, value: Expr) -> File {
    let decls = match value {
        Expr::Struct(lit) => lit.decls,
        expr => vec![Decl::Embed(Box::new(Embed { expr, doc: None }))],
    };
    File {
        source,
        preamble: Vec::new(),
        package: None,
        imports: Vec::new(),
        decls,
        experiments: Experiments::default(),
        comments: Vec::new(),
    }
}

struct Yaml<'a> {
    source: &'a Source,
    /// The last place that was looked up, with its offset. Lines may be as long as the file: the next is mostly behind it.
    last: Cell<(u32, u32, u32)>,
}

impl<'a> Yaml<'a> {
    const fn new(source: &'a Source) -> Self {
        Self {
            source,
            last: Cell::new((0, 0, 0)),
        }
    }
    /// The stretch at a line and column, as long as a text is.
    fn span(&self, line: u32, column: u32, length: usize) -> Span {
        let size = u32::try_from(self.source.text().len()).unwrap_or(u32::MAX);
        let (known_line, known_column, known) = self.last.get();
        let (from, begun) = if known_line == line && known_column <= column {
            (known, known_column)
        } else {
            (self.source.line_start(line).unwrap_or(size), 1)
        };
        let rest = self.source.text().get(from as usize..).unwrap_or("");
        let before: usize = rest
            .chars()
            .take(column.saturating_sub(begun) as usize)
            .map(char::len_utf8)
            .sum();
        let start = from
            .saturating_add(u32::try_from(before).unwrap_or(0))
            .min(size);
        self.last.set((line, column.max(1), start));
        let end = start
            .saturating_add(u32::try_from(length).unwrap_or(0))
            .min(size);
        Span::new(self.source.id(), start, end)
    }

    fn expr(&self, node: &Node) -> Expr {
        let span = self.span(node.line, node.column, 1);
        match &node.value {
            Value::Null => Expr::Null(span),
            Value::Bool(value) => Expr::Bool(*value, span),
            Value::Number(text) => number(text, span),
            Value::String(text) => Expr::String(StringLit {
                value: text.as_str().into(),
                quotes: Quotes::default(),
                span,
            }),
            Value::Bytes(bytes) => Expr::Bytes(BytesLit {
                value: bytes.as_slice().into(),
                quotes: Quotes::default(),
                span,
            }),
            Value::Sequence(nodes) => Expr::List(Box::new(List {
                elements: nodes
                    .iter()
                    .map(|node| Element::Expr(self.expr(node)))
                    .collect(),
                ellipsis: None,
                span,
            })),
            Value::Mapping(pairs) => Expr::Struct(Box::new(Struct {
                decls: pairs
                    .iter()
                    .map(|(key, node)| {
                        let span = self.span(key.line, key.column, key.text.len());
                        field(&key.text, span, self.expr(node))
                    })
                    .collect(),
                braces: true,
                span,
            })),
        }
    }
}

fn number(text: &str, span: Span) -> Expr {
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) if text.starts_with('-') => (Some(UnaryOp::Minus), digits),
        Some(digits) => (None, digits),
        None => (None, text),
    };
    let hex = digits.starts_with("0x") || digits.starts_with("0X");
    let kind = if !hex && digits.contains(['.', 'e', 'E']) {
        NumberKind::Float
    } else {
        NumberKind::Int
    };
    let literal = Expr::Number(NumberLit {
        text: digits.into(),
        kind,
        span,
    });
    match sign {
        Some(op) => Expr::Unary(Box::new(Unary {
            op,
            expr: literal,
            span,
        })),
        None => literal,
    }
}

#[cfg(test)]
mod tests {
    use pequod_cue_syntax::FileId;
    use pequod_cue_syntax::ast::{Decl, Element, Expr};

    use super::documents;
    use crate::argument::Encoding;

    /// The offsets of all scalars.
    fn offsets(expr: &Expr, found: &mut Vec<u32>) {
        match expr {
            Expr::Struct(lit) => {
                for decl in &lit.decls {
                    if let Decl::Field(field) = decl {
                        offsets(&field.value, found);
                    }
                }
            }
            Expr::List(list) => {
                for element in &list.elements {
                    if let Element::Expr(expr) = element {
                        offsets(expr, found);
                    }
                }
            }
            other => found.push(other.span().start),
        }
    }

    #[test]
    fn yaml_values_keep_their_places_in_lines_of_many() {
        let text = "a: {é: 1, b: [2, \"é\", 3], c: 4}\nd: [{e: 5}, 6]\nf: 7\n";
        let (_, values) = documents(FileId(0), "x.yaml", text.as_bytes(), &Encoding::Yaml).unwrap();
        let mut found = Vec::new();
        offsets(&values[0], &mut found);
        let shown: String = found
            .iter()
            .map(|at| text[*at as usize..].chars().next().unwrap())
            .collect();
        assert_eq!(shown, "12\"34567");
    }
}
