//! CUE for Rust: the one door to the evaluator.
//!
//! A [`Package`] of sources is compiled once into a [`Program`], which is immutable, shared and
//! cheap to clone. Every evaluation has its own memory: [`Program::evaluate`] takes [`Inputs`] (JSON
//! unified at top-level paths, and *external roots* whose reads are recorded) and a [`Budget`], and
//! gives an [`Evaluation`], whose [`Value`]s can be walked, validated and encoded.
//!
//! The language is that of CUE 0.17. What is not supported is an error of the code
//! [`codes::UNSUPPORTED`] naming construct and place, and a spent budget is one of
//! [`codes::LIMIT`]; neither is ever a value.

mod evaluation;
mod inputs;
mod library;
mod openapi;
mod package;
mod path;
mod sort;
mod unique;
mod validate;

/// For comparison with the reference.
pub mod inspect {
    pub use pequod_cue_eval::{Asked, DumpError, DumpNode, FaultCode};
}

pub use evaluation::{Evaluation, Node, Program, Value};
pub use inputs::{Budget, Inputs};
pub use package::{Package, SourceFile};
pub use pequod_cue_eval::{Issue, Question, Shown, Unit};

/// What a value is, or may still become: a set of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// An error.
    Bottom,
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction or exponent.
    Float,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// Fields.
    Struct,
    /// Elements.
    List,
    /// More than one of these.
    Mixed,
}

/// The codes of this crate's diagnostics.
pub mod codes {
    use pequod_diag::Code;

    /// The text is no CUE.
    pub const SYNTAX: Code = Code("cue/syntax");
    /// A name refers to nothing, or to nothing that can be referred to.
    pub const REFERENCE: Code = Code("cue/reference");
    /// A value contradicts another.
    pub const CONFLICT: Code = Code("cue/conflict");
    /// `error("…")` of the package was reached.
    pub const USER: Code = Code("cue/user");
    /// A struct contains itself.
    pub const STRUCTURAL_CYCLE: Code = Code("cue/structural-cycle");
    /// A value that more input could still decide.
    pub const INCOMPLETE: Code = Code("cue/incomplete");
    /// A value that depends on itself.
    pub const CYCLE: Code = Code("cue/cycle");
    /// A construct this implementation does not have.
    pub const UNSUPPORTED: Code = Code("cue/unsupported");
    /// The budget of the evaluation is spent.
    pub const LIMIT: Code = Code("cue/limit");
}

/// One path read under an external root, for example `observed.db.status.host`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read {
    /// Root first: `["observed", "db", "status", "host"]`.
    pub path: Vec<String>,
    /// Whether something was there.
    pub present: bool,
}

impl Read {
    /// The name of the external root.
    pub fn root(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

/// What was read under external roots, sorted and without repetitions.
///
/// The longest paths are listed: reading `observed.db.status.host` is one entry.
pub type ReadSet = std::collections::BTreeSet<Read>;

/// How much work an evaluation was. Equal work for equal inputs, on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Nodes whose conjuncts were brought together.
    pub unifications: u64,
    /// Conjuncts looked at.
    pub conjuncts: u64,
    /// Arms of disjunctions tried.
    pub disjuncts: u64,
    /// Steps counted against the budget.
    pub steps: u64,
}
