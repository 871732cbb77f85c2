//! The archives' own assertions: `@test(…)` attributes in their sources.
//!
//! An assertion is about the field it stands behind, the struct it stands in, or the whole file.
//! What is checked of them:
//!
//! - `eq, VALUE`: the value has exactly these fields, elements, scalars, arms of disjunctions (in any
//!   order) and constraints. The expected value is read, never evaluated.
//! - `err, code=…, contains=…, at=…, any`: the value is an error of that class and text.
//! - `kind=…`, `closed`, `closed=false`.
//!
//! Not checked are positions, sub-errors, attributes, lets and patterns inside expected values, and
//! `allows`, `permute`, `shareID` and `debug`. A directive marked `todo` is one that the reference
//! itself fails.

mod expected;
mod tree;

use pequod_cue_syntax::ast::{Attribute, Decl, Expr, Field, File, LabelKind, Name};
use pequod_cue_syntax::{Argument, FileId, parse_expr_with, parse_file};

use crate::node::{Assertion, Node};
use crate::txtar::Archive;

pub use tree::Tree;

/// Everything the archive asserts, held against what was found.
pub fn check(archive: &Archive, nodes: &[Node]) -> Vec<Assertion> {
    let tree = Tree::new(nodes);
    let mut checker = Checker {
        tree: &tree,
        assertions: Vec::new(),
    };
    let top_level = archive.sources().filter(|file| !file.name.contains('/'));
    for source in top_level {
        if let Ok(file) = parse_file(FileId(0), source.name.as_str(), source.data.as_str()) {
            checker.file(&file);
        }
    }
    checker.assertions
}

struct Checker<'a> {
    tree: &'a Tree<'a>,
    assertions: Vec<Assertion>,
}

impl Checker<'_> {
    fn file(&mut self, file: &File) {
        self.decls(&file.decls, "", file);
    }

    fn decls(&mut self, decls: &[Decl], path: &str, file: &File) {
        for decl in decls {
            match decl {
                Decl::Attribute(attribute) => self.attribute(attribute, path, file),
                Decl::Field(field) => self.field(field, path, file),
                _ => {}
            }
        }
    }

    fn field(&mut self, field: &Field, parent: &str, file: &File) {
        let Some(label) = label_name(field) else {
            return;
        };
        let path = tree::join(parent, &label);
        for attribute in &field.attributes {
            self.attribute(attribute, &path, file);
        }
        if let Expr::Struct(inner) = &field.value {
            self.decls(&inner.decls, &path, file);
        }
    }

    fn attribute(&mut self, attribute: &Attribute, path: &str, file: &File) {
        if &*attribute.name != "test" {
            return;
        }
        let arguments = attribute.arguments();
        let Some((first, rest)) = arguments.split_first() else {
            return;
        };
        let named = if first.key.is_empty() {
            first.value()
        } else {
            first.key.to_owned()
        };
        let (directive, version) = named.split_once(':').unwrap_or((&named, ""));
        let todo = version == "todo" || rest.iter().any(|argument| argument.text.trim() == "todo");
        if !version.is_empty() && version != "todo" {
            return;
        }
        let Some(outcome) = self.directive(directive, first, rest, path, file) else {
            return;
        };
        let skipped = rest
            .iter()
            .any(|argument| argument.text.trim().starts_with("skip"));
        self.assertions.push(Assertion {
            directive: directive.to_owned(),
            path: path.to_owned(),
            failure: outcome.err().unwrap_or_default(),
            todo: todo || skipped,
        });
    }

    /// `None` for directives that are not checked.
    fn directive(
        &self,
        directive: &str,
        first: &Argument<'_>,
        rest: &[Argument<'_>],
        path: &str,
        file: &File,
    ) -> Option<Result<(), String>> {
        Some(match directive {
            "eq" => {
                let at = rest.iter().find(|argument| argument.key == "at");
                let path = at.map_or(path.to_owned(), |at| tree::join(path, &at.value()));
                let text = rest.iter().find(|argument| argument.key.is_empty())?.text;
                self.equal(&path, text, file)
            }
            "err" => {
                let at = rest.iter().find(|argument| argument.key == "at");
                let path = at.map_or(path.to_owned(), |at| tree::join(path, &at.value()));
                self.tree.error(&path, &ErrorSpec::new(rest))
            }
            "kind" => self.kind(path, &first.value()),
            "closed" => {
                let wanted = first.raw_value != "false";
                match self.tree.find(path, "") {
                    Some(node) if node.closed.unwrap_or(false) == wanted => Ok(()),
                    Some(_) => Err(format!("closed is not {wanted}")),
                    None => Err("there is no such value".to_owned()),
                }
            }
            _ => return None,
        })
    }

    fn equal(&self, path: &str, text: &str, file: &File) -> Result<(), String> {
        let (_, expected) = parse_expr_with(FileId(0), "@test", text.trim(), file.experiments)
            .map_err(|error| format!("the expected value cannot be read: {error}"))?;
        let node = self.tree.find(path, "").ok_or("there is no such value")?;
        self.tree.equal(node, &expected)
    }

    fn kind(&self, path: &str, wanted: &str) -> Result<(), String> {
        let node = self.tree.find(path, "").ok_or("there is no such value")?;
        let set = |kinds: &str| {
            let mut kinds: Vec<String> = kinds
                .trim_matches(['(', ')'])
                .split('|')
                .flat_map(|kind| match kind.trim() {
                    "number" => vec!["float".to_owned(), "int".to_owned()],
                    kind => vec![kind.to_owned()],
                })
                .collect();
            kinds.sort();
            kinds
        };
        if set(&node.kind) == set(wanted) {
            Ok(())
        } else {
            Err(format!("the kind is {}", node.kind))
        }
    }
}

/// What an error must be.
#[derive(Debug, Clone, Default)]
pub struct ErrorSpec {
    codes: Vec<String>,
    contains: String,
    any: bool,
}

impl ErrorSpec {
    fn new(arguments: &[Argument<'_>]) -> Self {
        let mut spec = Self::default();
        for argument in arguments {
            match argument.key {
                "code" => {
                    let codes = argument.value();
                    let codes = codes.trim_matches(['(', ')']).split('|');
                    spec.codes = codes.map(|code| code.trim().to_owned()).collect();
                }
                "contains" => spec.contains = argument.value(),
                "" if argument.value() == "any" => spec.any = true,
                _ => {}
            }
        }
        spec
    }

    fn holds(&self, node: &Node) -> Result<(), String> {
        if node.code.is_empty() {
            return Err("there is no error".to_owned());
        }
        if !self.codes.is_empty() && !self.codes.contains(&node.code) {
            return Err(format!("the code is {}, not {:?}", node.code, self.codes));
        }
        if !contains(&node.message, &self.contains) {
            return Err(format!(
                "the text {:?} lacks {:?}",
                node.message, self.contains
            ));
        }
        Ok(())
    }
}

/// Whether a text holds another, which may be a template: `%s` and the like stand for anything.
fn contains(text: &str, part: &str) -> bool {
    if text.contains(part) {
        return true;
    }
    let mut rest = text;
    let mut pieces = part.split('%').enumerate();
    pieces.all(|(index, piece)| {
        // Behind the sign stands a letter, or an index in brackets and a letter.
        let piece = match piece
            .strip_prefix('[')
            .and_then(|piece| piece.split_once(']'))
        {
            Some((_, piece)) if index > 0 => piece.get(1..),
            _ if index > 0 => piece.get(1..),
            _ => Some(piece),
        };
        piece.is_some_and(|piece| match rest.find(piece) {
            Some(at) => {
                rest = &rest[at + piece.len()..];
                true
            }
            None => false,
        })
    })
}

/// A field's label as a part of a path; `None` if only evaluation can tell.
fn label_name(field: &Field) -> Option<Name> {
    match &field.label.kind {
        LabelKind::Ident(ident) => Some(ident.name.clone()),
        LabelKind::String(lit) => Some(tree::quoted(&lit.value).into()),
        _ => None,
    }
}
