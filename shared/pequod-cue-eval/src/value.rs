//! Values: small, copied freely, everything large behind a number.

use std::num::NonZeroU32;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::Pos;
use smallvec::SmallVec;

use crate::kind::Kind;
use crate::program::{ExprId, Sym, ids};

/// Ids of which there is often none: they leave room for `None`.
macro_rules! optional_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(NonZeroU32);
        impl $name {
            /// That of a place in its vector.
            pub const fn new(at: u32) -> Self {
                Self(NonZeroU32::MIN.saturating_add(at))
            }

            /// That of what is pushed to a vector of this length.
            pub fn next(length: usize) -> Self {
                Self::new(u32::try_from(length).unwrap_or(u32::MAX))
            }

            /// As an index into its vector.
            pub const fn at(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    )*};
}

optional_ids! {
    /// A node of the graph.
    NodeId,
    /// A node's state while it is evaluated.
    WorkId,
    /// A piece of evaluation.
    TaskId,
    /// An environment.
    EnvId,
    /// An error.
    FaultId,
}

ids! {
    /// A number that is no small int.
    NumId,
    /// Bytes.
    BytesId,
    /// A bound.
    BoundId,
    /// A builtin used as a validator.
    ValidatorId,
    /// A conjunction of things that stay apart.
    ConjunctionId,
    /// A disjunction.
    DisjunctionId,
}

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An int of 64 bits, written without exponent.
    Int(i64),
    /// Every other number.
    Num(NumId),
    /// Text.
    Str(Sym),
    /// Bytes.
    Bytes(BytesId),
    /// `_`
    Top,
    /// `int`, `string`, …
    Type(Kind),
    /// `<5`
    Bound(BoundId),
    /// `strings.MinRunes(3)`
    Validator(ValidatorId),
    /// A function, by its place in the program's table.
    Builtin(u32),
    /// `int & >5`
    Conjunction(ConjunctionId),
    /// `1 | 2`
    Disjunction(DisjunctionId),
    /// An error.
    Fault(FaultId),
    /// A struct or list; or the value of that node.
    Node(NodeId),
}

/// What stands in a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Nothing yet.
    None,
    /// It is a struct.
    Struct,
    /// It is a list; open if it ends in `...`.
    List {
        /// Whether elements may be added.
        open: bool,
    },
    /// A value; a node means: look there instead.
    Value(Value),
}

/// A number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Num {
    /// How much.
    pub decimal: Decimal,
    /// `int` or `float`.
    pub kind: Kind,
}

/// `<5`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// How to compare.
    pub op: Op,
    /// With what.
    pub value: Value,
}

/// A builtin with all but its first argument.
#[derive(Debug, Clone)]
pub struct Validator {
    /// Which.
    pub builtin: u32,
    /// The other arguments.
    pub args: SmallVec<[Value; 2]>,
    /// The call; `None` for the function by its bare name.
    pub call: Option<ExprId>,
}

/// `*1 | 2`: the defaults come first.
#[derive(Debug, Clone)]
pub struct Disjunction {
    /// The arms.
    pub values: Box<[Value]>,
    /// How many are defaults.
    pub defaults: usize,
    /// Whether anything was marked.
    pub marked: bool,
    /// Whether it stands for one that is written, as a call of `or` does: what its arms are is still to be found out.
    pub written: bool,
}

/// Operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    BoolAnd,
    BoolOr,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Match,
    NotMatch,
    Add,
    Subtract,
    Multiply,
    Divide,
    Not,
}

impl Op {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BoolAnd => "&&",
            Self::BoolOr => "||",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Not => "!",
        }
    }
}

/// The class of an error. Only this steers evaluation; smaller is graver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultCode {
    /// A contradiction: no more input can help.
    Eval,
    /// `error("…")`
    User,
    /// `_|_` as written.
    Literal,
    /// A struct that contains itself.
    Structural,
    /// More input may help.
    Incomplete,
    /// A value that waits for itself; more input may help.
    Cycle,
}

/// What went wrong. Errors that meet are named, not copied: a struct meets those of all its fields one by one.
#[derive(Debug, Clone, Copy)]
pub enum Problems {
    /// One thing.
    One(u32),
    /// What one error is about, then what another is about.
    Both(FaultId, FaultId),
}

/// An error value.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its class.
    pub code: FaultCode,
    /// What went wrong; see `Session::problems_of`.
    pub problems: Problems,
    /// The node it arose for.
    pub node: Option<NodeId>,
    /// It is only there because of errors below.
    pub child: bool,
    /// There are errors below, too.
    pub recursive: bool,
    /// It comes from a field that is not allowed.
    pub close_check: bool,
}

/// One thing that went wrong. Its text is made when somebody reads it.
#[derive(Debug, Clone)]
pub struct Problem {
    /// With `{}` for the arguments.
    pub template: &'static str,
    /// What goes into the template.
    pub args: SmallVec<[Arg; 3]>,
    /// Where it was noticed.
    pub pos: Option<Pos>,
    /// Further places with part in it.
    pub others: SmallVec<[Pos; 2]>,
    /// The node whose path it carries.
    pub node: Option<NodeId>,
    /// What lies behind it (`error in call to …: …`).
    pub cause: Option<FaultId>,
    /// What is listed below it: the arms of a disjunction.
    pub children: Vec<FaultId>,
}

impl Problem {
    /// Whether a check rejects the value of its node: then it is about all that value was written of.
    pub(crate) fn rejects(&self) -> bool {
        [OUT_OF_BOUND, NOT_SATISFIED].contains(&self.template)
    }

    /// Whether it is about the places of its cause, too: not where an operand's inner fault only says why it is none.
    pub(crate) fn is_where_its_cause_is(&self) -> bool {
        self.template != NOT_DATA
    }
}

/// A value and the bound it fails.
pub(crate) const OUT_OF_BOUND: &str = "invalid value {} (out of bound {})";
/// A value and the validator it fails.
pub(crate) const NOT_SATISFIED: &str = "invalid value {} (does not satisfy {})";

/// An operand that has something in it that is no data.
pub(crate) const NOT_DATA: &str = "invalid {}-hand value to '{}' (type {})";

/// An argument of a problem's text.
#[derive(Debug, Clone)]
pub enum Arg {
    /// A value.
    Value(Value),
    /// What a node consists of, though it is in error.
    Content(NodeId),
    /// An expression, as written.
    Expr(ExprId),
    /// A label.
    Label(crate::kind::Label),
    /// A set of types.
    Kind(Kind),
    /// A text.
    Text(String),
    /// An operator.
    Op(Op),
    /// A number.
    Count(u64),
}
