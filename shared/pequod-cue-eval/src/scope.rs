//! Names: which declaration an identifier means, and how many environments up it lies.
//!
//! Scopes are searched from the inside out. Struct and list literals, `for` and `let` clauses each
//! are an environment when evaluated; a field's own scope (for the alias of its value, or the label
//! its pattern matched) is none, so it counts nothing.

use std::sync::Arc;

use pequod_cue_syntax::Span;
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
    pub(crate) names: FxHashMap<Arc<str>, Entry>,
}

/// A name in a scope.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) binding: Binding,
    /// Where, for names that must be used.
    pub(crate) declared: Option<Span>,
    pub(crate) used: bool,
}
