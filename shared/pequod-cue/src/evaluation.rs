//! Compile, evaluate, read.

use std::sync::Arc;

use pequod_diag::{Diagnostic, Diagnostics, Place};
use serde_json::Value as Json;

use crate::{Budget, Counters, Inputs, Package, ReadSet, ValueKind, codes};

/// A compiled package: immutable, shared by its clones, usable from many threads.
#[derive(Debug, Clone)]
pub struct Program {
    package: Arc<Package>,
}

impl Program {
    /// Compiles a package. All problems that can be found without data are reported at once, among
    /// them every unsupported construct.
    pub fn compile(package: &Package) -> Result<Self, Diagnostics> {
        Ok(Self {
            package: Arc::new(package.clone()),
        })
    }

    /// Evaluates the whole package with some data. Errors *in* the result are in the result
    /// ([`Value::validate`]); what fails here is an input that fits nowhere, an unsupported
    /// construct, or a spent budget.
    pub fn evaluate(
        &self,
        inputs: &Inputs<'_>,
        budget: &Budget<'_>,
    ) -> Result<Evaluation, Diagnostics> {
        let _ = (inputs, budget, &self.package);
        Err(unsupported().into())
    }
}

fn unsupported() -> Diagnostic {
    Diagnostic::error(codes::UNSUPPORTED, "evaluation is not there yet")
}

/// The result of an evaluation.
#[derive(Debug)]
pub struct Evaluation {
    never: std::convert::Infallible,
}

impl Evaluation {
    /// The package's value.
    pub fn root(&self) -> Value<'_> {
        match self.never {}
    }

    /// Everything that was read under external roots.
    pub fn reads(&self) -> ReadSet {
        match self.never {}
    }

    /// How much work it was.
    pub fn counters(&self) -> Counters {
        match self.never {}
    }

    /// Unifies data with the value at a path and says whether the result holds: what `cue vet -c`
    /// would say about the data and that constraint. An error if there is no such path.
    pub fn check(&mut self, constraint: &str, data: &Json) -> Result<(), Diagnostics> {
        let _ = (constraint, data);
        match self.never {}
    }
}

/// A value of an [`Evaluation`].
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    evaluation: &'a Evaluation,
}

impl<'a> Value<'a> {
    /// The value at a path: labels joined by dots, quoted where they are no identifiers, elements
    /// of lists by index: `graph.nodes."my-db".object`, `items[0]`.
    pub fn lookup(&self, path: &str) -> Option<Self> {
        let _ = path;
        match self.evaluation.never {}
    }

    /// The regular fields of a struct, or the elements of a list, in output order.
    pub fn fields(&self) -> Vec<(String, Self)> {
        match self.evaluation.never {}
    }

    /// The elements of a list; nothing for anything else.
    pub fn elements(&self) -> Vec<Self> {
        match self.evaluation.never {}
    }

    /// What it is.
    pub fn kind(&self) -> ValueKind {
        match self.evaluation.never {}
    }

    /// Its text, if it is a string (or has one as its default).
    pub fn as_str(&self) -> Option<&'a str> {
        match self.evaluation.never {}
    }

    /// Whether it is a single piece of data, or a struct or list (of whatever). Defaults count.
    pub fn is_concrete(&self) -> bool {
        match self.evaluation.never {}
    }

    /// Whether it (or something in it) is incomplete, so that more input could decide it, and
    /// nothing in it is an error.
    pub fn is_incomplete(&self) -> bool {
        match self.evaluation.never {}
    }

    /// The errors in it; with `concrete`, also everything that is not data yet.
    pub fn validate(&self, concrete: bool) -> Result<(), Diagnostics> {
        let _ = concrete;
        match self.evaluation.never {}
    }

    /// As JSON text in output order, numbers as written; fails where [`Value::validate`] does.
    pub fn to_json_text(&self, pretty: bool) -> Result<String, Diagnostics> {
        let _ = pretty;
        match self.evaluation.never {}
    }

    /// As JSON data.
    pub fn to_json(&self) -> Result<Json, Diagnostics> {
        match self.evaluation.never {}
    }

    /// Where it was written first.
    pub fn position(&self) -> Option<Place> {
        match self.evaluation.never {}
    }

    /// The comments above its fields, one paragraph a field.
    pub fn doc_comment(&self) -> Option<String> {
        match self.evaluation.never {}
    }

    /// What was read under external roots to arrive at this value and everything in it.
    pub fn reads(&self) -> ReadSet {
        match self.evaluation.never {}
    }

    /// The path from the root.
    pub fn path(&self) -> String {
        match self.evaluation.never {}
    }
}
