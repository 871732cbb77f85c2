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
//! Counted by themselves, since they say nothing about the value:
//!
//! - `allows, FIELD`, `allows=false, FIELD`: a struct or list could have such a field or element.
//! - `pos=[…]` of an `err`: where the error is (`pos`), and whether the first of its places is one of these
//!   (`pos, first`).
//! - `suberr=(…)` of an `err`: the errors that it consists of, by their texts (`suberr`) and also by their places
//!   (`suberr, with places`).
//!
//! Not checked are attributes, lets and patterns inside expected values, places of errors inside them, and `permute`,
//! `shareID` and `debug`. A directive marked `todo` is one that the reference itself fails.

mod expected;
mod places;
mod tree;

use pequod_cue_syntax::ast::{Attribute, Decl, Expr, Field, File, LabelKind, Name};
use pequod_cue_syntax::{Argument, FileId, parse_expr_with, parse_file};
use pequod_diag::Place;

use crate::node::{Assertion, Node};
use crate::txtar::Archive;
use places::Base;

pub use places::DETAILS;
pub use tree::Tree;

/// Everything the archive asserts, held against what was found.
pub fn check(archive: &Archive, nodes: &[Node]) -> Vec<Assertion> {
    let tree = Tree::new(nodes);
    let mut checker = Checker {
        tree: &tree,
        assertions: Vec::new(),
        fields: Vec::new(),
    };
    for file in files(archive) {
        checker.file(&file);
    }
    checker.assertions
}

/// The files whose assertions are checked.
fn files(archive: &Archive) -> impl Iterator<Item = File> {
    let top_level = archive.sources().filter(|file| !file.name.contains('/'));
    top_level.filter_map(|file| parse_file(FileId(0), file.name.as_str(), file.data.as_str()).ok())
}

/// Whether the archive asserts anything.
pub fn any(archive: &Archive) -> bool {
    archive
        .sources()
        .any(|source| source.data.contains("@test("))
}

/// The fields that `allows` asks about, as it names them.
pub fn fields(archive: &Archive) -> Vec<String> {
    // The checker meets them all, whatever it finds.
    let tree = Tree::new(&[]);
    let mut checker = Checker {
        tree: &tree,
        assertions: Vec::new(),
        fields: Vec::new(),
    };
    files(archive).for_each(|file| checker.file(&file));
    checker.fields
}

struct Checker<'a> {
    tree: &'a Tree<'a>,
    assertions: Vec<Assertion>,
    /// What `allows` asks about.
    fields: Vec<String>,
}

impl Checker<'_> {
    fn file(&mut self, file: &File) {
        self.decls(&file.decls, "", file, None);
    }

    /// Attributes among declarations stand where the brace before them does.
    fn decls(&mut self, decls: &[Decl], path: &str, file: &File, brace: Option<u32>) {
        for decl in decls {
            match decl {
                Decl::Attribute(attribute) => {
                    let base = base(file, brace.unwrap_or(attribute.span.start));
                    self.attribute(attribute, path, file, base);
                }
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
            self.attribute(attribute, &path, file, base(file, field.span.start));
        }
        if let Expr::Struct(inner) = &field.value {
            self.decls(&inner.decls, &path, file, Some(inner.span.start));
        }
    }

    fn attribute(&mut self, attribute: &Attribute, path: &str, file: &File, base: Base<'_>) {
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
        let skipped = rest
            .iter()
            .any(|argument| argument.text.trim().starts_with("skip"));
        let outcome = self.directive(directive, first, rest, path, file);
        let outcomes = outcome.map(|outcome| (directive, outcome)).into_iter();
        let details = self.details(directive, first, rest, path, base);
        for (directive, outcome) in outcomes.chain(details) {
            self.assertions.push(Assertion {
                directive: directive.to_owned(),
                path: path.to_owned(),
                failure: outcome.err().unwrap_or_default(),
                todo: todo || skipped,
            });
        }
    }

    /// What comes of what an assertion says beyond the value.
    fn details(
        &mut self,
        directive: &str,
        first: &Argument<'_>,
        rest: &[Argument<'_>],
        path: &str,
        base: Base<'_>,
    ) -> Vec<(&'static str, Result<(), String>)> {
        match directive {
            "err" => places::check(rest, base, self.tree.find(&asked(path, rest), "")),
            "allows" => {
                let Some(field) = rest.iter().find(|argument| argument.key.is_empty()) else {
                    return Vec::new();
                };
                self.fields.push(field.raw_value.to_owned());
                let wanted = first.raw_value != "false";
                vec![("allows", self.allows(path, field.raw_value, wanted))]
            }
            _ => Vec::new(),
        }
    }

    fn allows(&self, path: &str, field: &str, wanted: bool) -> Result<(), String> {
        let node = self.tree.find(path, "").ok_or("there is no such value")?;
        if node.closed.is_none() {
            return Err("is neither a struct nor a list".to_owned());
        }
        if node.accepts.iter().any(|accepted| accepted == field) == wanted {
            Ok(())
        } else {
            Err(format!("{field} is allowed: {}", !wanted))
        }
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
                let text = rest.iter().find(|argument| argument.key.is_empty())?.text;
                self.equal(&asked(path, rest), text, file)
            }
            "err" => self.tree.error(&asked(path, rest), &ErrorSpec::new(rest)),
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

/// The path that an assertion is about: `at=` leads further.
fn asked(path: &str, arguments: &[Argument<'_>]) -> String {
    let at = arguments.iter().find(|argument| argument.key == "at");
    at.map_or(path.to_owned(), |at| tree::join(path, &at.value()))
}

/// The line of an offset.
fn base(file: &File, offset: u32) -> Base<'_> {
    let line = match file.source.place(offset) {
        Place::Text { line, .. } => line,
        Place::Path { .. } => 0,
    };
    Base {
        file: file.source.name(),
        line,
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
