//! Names: which declaration an identifier means, and how many environments up it lies.
//!
//! Scopes are searched from the inside out. Struct and list literals, `for` and `let` clauses each
//! are an environment when evaluated; a field's own scope (for the alias of its value, or the label
//! its pattern matched) is none, so it counts nothing.

use std::sync::Arc;

use pequod_cue_syntax::{Span, ast};
use pequod_diag::{Path, Step};
use rustc_hash::FxHashMap;

use crate::kind::Label;
use crate::program::ExprId;

/// What a name is bound to.
#[derive(Debug, Clone)]
pub(crate) enum Binding {
    /// A field, or a variable of a comprehension.
    Field(Label),
    /// A `let`.
    Let(Label),
    /// `X=(expr): …`, `X="\(…)": …`: a field whose label is evaluated again; none until the label
    /// is compiled, since labels may refer to one another only in the order written.
    Dynamic(Option<ExprId>),
    /// `[X=pattern]: …`: the label that matched.
    PatternLabel,
    /// `X=[pattern]: …`: the field that matched.
    PatternField,
    /// `f: X={…}`: the value itself.
    Value,
    /// The label of the field as text.
    LabelText(Arc<str>),
}

/// A scope.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// How many environments it is: 1 or 0.
    pub(crate) up: u32,
    /// Which field's value it is.
    pub(crate) field: Within,
    pub(crate) names: FxHashMap<Arc<str>, Entry>,
}

/// Whether a scope is that of a field's value, and of which.
#[derive(Debug, Default, Clone)]
pub(crate) enum Within {
    /// It is not.
    #[default]
    NoField,
    /// One that is written as a name, with whether it is a text.
    Named { name: Arc<str>, text: bool },
    /// One whose label is not known yet, or a pattern.
    Unnamed,
}

impl Within {
    pub(crate) fn of(label: &ast::LabelKind) -> Self {
        match label {
            ast::LabelKind::Ident(ident) => Self::Named {
                name: ident.name.clone(),
                text: false,
            },
            ast::LabelKind::String(text) => Self::Named {
                name: text.value.clone(),
                text: true,
            },
            _ => Self::Unnamed,
        }
    }
}

/// The path to the innermost scope, as far as it is known.
pub(crate) fn path(scopes: &[Scope]) -> Path {
    let mut steps = Vec::new();
    for scope in scopes {
        match &scope.field {
            Within::NoField => {}
            Within::Named { name, text } if *text || !name.starts_with(['_', '#']) => {
                steps.push(Step::Field(name.to_string()));
            }
            Within::Named { name, .. } => steps.push(Step::Hidden(name.to_string())),
            Within::Unnamed => break,
        }
    }
    Path(steps)
}

/// A name in a scope.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) binding: Binding,
    /// Where, for names that must be used.
    pub(crate) declared: Option<Span>,
    pub(crate) used: bool,
}
