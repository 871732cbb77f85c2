//! `@tag(name, short=a|b, type=int, var=now)`: values given from outside.

use pequod_cue_syntax::ast::{
    Binary, BinaryOp, Constraint, Decl, Element, Expr, Field, File, LabelKind, Quotes, StringLit,
    Struct,
};
use pequod_cue_syntax::{FileId, Source, Span, is_identifier, parse_expr};
use pequod_diag::Diagnostic;

use crate::codes;

/// The value of a variable that tags may ask for by `var=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagValue {
    /// Text.
    Text(String),
    /// A number as written.
    Number(String),
}

/// A tag of a field.
struct Tag {
    key: String,
    kind: Kind,
    shorts: Vec<String>,
    variable: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Int,
    Number,
    Bool,
}

/// What was said on the command line, and which of it was used.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    /// `a=b` or `a`.
    pub(crate) given: Vec<String>,
    /// Names that build attributes asked for.
    pub(crate) asked: std::collections::BTreeSet<String>,
}

impl Tags {
    /// Whether a build attribute's name is set.
    pub(crate) fn is_set(&mut self, name: &str) -> bool {
        self.asked.insert(name.to_owned());
        self.given.iter().any(|given| given == name)
    }

    /// Puts what was given into the fields of some files.
    pub(crate) fn inject(
        &self,
        files: &mut [&mut File],
        variables: Option<&std::collections::BTreeMap<String, TagValue>>,
    ) -> Vec<Diagnostic> {
        let mut problems = Vec::new();
        for file in files.iter_mut() {
            let source = file.source.clone();
            let mut walk = Walk {
                source: &source,
                problems: &mut problems,
            };
            let mut ignored = Vec::new();
            walk.decls(&mut file.decls, &mut |_, tag| {
                ignored.push(tag.key.clone());
                Ok(None)
            });
        }
        if !problems.is_empty() {
            return problems;
        }
        let mut used = vec![false; self.given.len()];
        for (given, used) in self.given.iter().zip(&mut used) {
            let pair = given.split_once('=');
            *used = pair.is_none() && self.asked.contains(given);
            for file in files.iter_mut() {
                let source = file.source.clone();
                let mut walk = Walk {
                    source: &source,
                    problems: &mut problems,
                };
                walk.decls(&mut file.decls, &mut |span, tag| {
                    let value = match pair {
                        Some((name, value)) if name == tag.key => value,
                        None if tag.shorts.contains(given) => given,
                        _ => return Ok(None),
                    };
                    *used = true;
                    value_of(tag, value, span).map(Some)
                });
            }
            if !*used && problems.is_empty() {
                let message = match pair {
                    Some((name, _)) => format!("no tag for {name:?}"),
                    None => format!("tag {given:?} not used in any file"),
                };
                problems.push(Diagnostic::error(codes::LOAD, message));
            }
        }
        if let Some(variables) = variables {
            self.inject_variables(files, variables, &mut problems);
        }
        problems
    }

    fn inject_variables(
        &self,
        files: &mut [&mut File],
        variables: &std::collections::BTreeMap<String, TagValue>,
        problems: &mut Vec<Diagnostic>,
    ) {
        for file in files.iter_mut() {
            let source = file.source.clone();
            let mut walk = Walk {
                source: &source,
                problems,
            };
            walk.decls(&mut file.decls, &mut |span, tag| {
                let given = self.given.iter().any(|given| match given.split_once('=') {
                    Some((name, _)) => name == tag.key,
                    None => tag.shorts.contains(given),
                });
                if tag.variable.is_empty() || given {
                    return Ok(None);
                }
                match variables.get(&tag.variable) {
                    Some(TagValue::Text(text)) => Ok(Some(text_expr(text, span))),
                    Some(TagValue::Number(text)) => parsed(&tag.key, text, span).map(Some),
                    None => Err(format!("tag variable '{}' not found", tag.variable)),
                }
            });
        }
    }
}

/// What a text given for a tag is as an expression.
fn value_of(tag: &Tag, value: &str, span: Span) -> Result<Expr, String> {
    match tag.kind {
        Kind::Text => Ok(text_expr(value, span)),
        Kind::Int | Kind::Number => parsed(&tag.key, value, span),
        Kind::Bool => match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Expr::Bool(true, span)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Expr::Bool(false, span)),
            _ => Err(format!(
                "invalid boolean value {value:?} for tag {:?}",
                tag.key
            )),
        },
    }
}

fn parsed(key: &str, value: &str, span: Span) -> Result<Expr, String> {
    let wrong = || format!("invalid number for environment variable {key}");
    let (_, mut expr) = parse_expr(FileId(0), key, value).map_err(|_| wrong())?;
    match &mut expr {
        Expr::Number(lit) => lit.span = span,
        Expr::Unary(unary) if matches!(unary.expr, Expr::Number(_)) => {
            unary.span = span;
            if let Expr::Number(lit) = &mut unary.expr {
                lit.span = span;
            }
        }
        _ => return Err(wrong()),
    }
    Ok(expr)
}

fn text_expr(text: &str, span: Span) -> Expr {
    Expr::String(StringLit {
        value: text.into(),
        quotes: Quotes::default(),
        span,
    })
}

/// What a tag's field is to be unified with; nothing if it is not this tag's turn.
type Answer<'v> = dyn FnMut(Span, &Tag) -> Result<Option<Expr>, String> + 'v;

struct Walk<'a> {
    source: &'a Source,
    problems: &'a mut Vec<Diagnostic>,
}

impl Walk<'_> {
    fn problem(&mut self, span: Span, message: String) {
        let place = self.source.place(span.start);
        self.problems
            .push(Diagnostic::error(codes::LOAD, message).at(place));
    }

    fn decls(&mut self, decls: &mut [Decl], answer: &mut Answer<'_>) {
        for decl in decls {
            match decl {
                Decl::Field(field) => self.field(field, answer),
                Decl::Embed(embed) => self.expr(&mut embed.expr, answer),
                Decl::Let(clause) => self.expr(&mut clause.value, answer),
                Decl::Comprehension(comp) => {
                    self.refuse(
                        &mut comp.value.decls,
                        "@tag not allowed within comprehension",
                    );
                }
                Decl::Ellipsis(_) | Decl::Attribute(_) => {}
            }
        }
    }

    fn field(&mut self, field: &mut Field, answer: &mut Answer<'_>) {
        let named = matches!(field.label.kind, LabelKind::Ident(_) | LabelKind::String(_));
        if !named || field.constraint != Constraint::Regular {
            self.refuse_field(field, "@tag not allowed within field constraint");
            return;
        }
        self.expr(&mut field.value, answer);
        for attribute in field.attributes.clone() {
            if &*attribute.name != "tag" {
                continue;
            }
            let span = attribute.span;
            let result = tag_of(&attribute).and_then(|tag| answer(field.value.span(), &tag));
            match result {
                Ok(None) => {}
                Ok(Some(value)) => unify(field, value),
                Err(message) => self.problem(span, message),
            }
        }
    }

    fn expr(&mut self, expr: &mut Expr, answer: &mut Answer<'_>) {
        match expr {
            Expr::Struct(lit) => self.decls(&mut lit.decls, answer),
            Expr::Paren(inner) => self.expr(&mut inner.expr, answer),
            Expr::Binary(binary) => {
                self.expr(&mut binary.lhs, answer);
                self.expr(&mut binary.rhs, answer);
            }
            Expr::Unary(unary) => self.expr(&mut unary.expr, answer),
            Expr::List(list) => {
                for element in &mut list.elements {
                    if let Element::Expr(expr) = element {
                        self.refuse_expr(expr, "@tag not allowed within lists");
                    }
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, decls: &mut [Decl], message: &str) {
        for decl in decls {
            match decl {
                Decl::Field(field) => self.refuse_field(field, message),
                Decl::Embed(embed) => self.refuse_expr(&mut embed.expr, message),
                Decl::Comprehension(comp) => self.refuse(&mut comp.value.decls, message),
                _ => {}
            }
        }
    }

    fn refuse_field(&mut self, field: &mut Field, message: &str) {
        self.refuse_expr(&mut field.value, message);
        let spans: Vec<Span> = field
            .attributes
            .iter()
            .filter(|attribute| &*attribute.name == "tag")
            .map(|attribute| attribute.span)
            .collect();
        for span in spans {
            self.problem(span, message.to_owned());
        }
    }

    fn refuse_expr(&mut self, expr: &mut Expr, message: &str) {
        match expr {
            Expr::Struct(lit) => self.refuse(&mut lit.decls, message),
            Expr::Paren(inner) => self.refuse_expr(&mut inner.expr, message),
            Expr::Binary(binary) => {
                self.refuse_expr(&mut binary.lhs, message);
                self.refuse_expr(&mut binary.rhs, message);
            }
            Expr::List(list) => {
                for element in &mut list.elements {
                    if let Element::Expr(expr) = element {
                        self.refuse_expr(expr, message);
                    }
                }
            }
            _ => {}
        }
    }
}

fn tag_of(attribute: &pequod_cue_syntax::ast::Attribute) -> Result<Tag, String> {
    let arguments = attribute.arguments();
    let key = arguments
        .first()
        .map(pequod_cue_syntax::Argument::value)
        .unwrap_or_default();
    if !is_identifier(&key) {
        return Err(format!("invalid identifier {key:?}"));
    }
    let mut tag = Tag {
        key,
        kind: Kind::Text,
        shorts: Vec::new(),
        variable: String::new(),
    };
    for argument in &arguments[1..] {
        let value = argument.value();
        match argument.key {
            "type" => {
                tag.kind = match &*value {
                    "string" => Kind::Text,
                    "int" => Kind::Int,
                    "number" => Kind::Number,
                    "bool" => Kind::Bool,
                    other => return Err(format!("invalid type {other:?}")),
                }
            }
            "short" => tag.shorts = value.split('|').map(ToOwned::to_owned).collect(),
            "var" => tag.variable = value,
            _ => {}
        }
    }
    Ok(tag)
}

/// `field: old & value`
pub(crate) fn unify(field: &mut Field, value: Expr) {
    let span = field.value.span();
    let old = std::mem::replace(&mut field.value, Expr::Bottom(span));
    field.value = both(old, value);
}

/// `a & b`
pub(crate) fn both(lhs: Expr, rhs: Expr) -> Expr {
    let span = lhs.span();
    // An operand of lower precedence keeps to itself: the tree says so, not the text.
    Expr::Binary(Box::new(Binary {
        op: BinaryOp::And,
        op_span: span,
        lhs,
        rhs,
        span,
    }))
}

/// A struct that stands for itself.
pub(crate) fn structure(decls: Vec<Decl>, span: Span) -> Expr {
    Expr::Struct(Box::new(Struct {
        decls,
        braces: true,
        span,
    }))
}
