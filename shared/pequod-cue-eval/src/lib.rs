//! The CUE evaluator.
//!
//! Text becomes a [`Program`] ([`compile`]); a program and inputs become an [`Evaluation`]; the
//! rest of the workspace uses both through `pequod-cue`.
//!
//! The algorithms are those of the reference implementation's current evaluator, which define what
//! the language means where its specification is silent: a scheduler with conditions ([`sched`](Session)),
//! closedness by evidence, cycle detection by chains of references, disjunctions as products of
//! copies. The representation is our own: an immutable program of flat vectors, and one arena an
//! evaluation with numbers instead of pointers.
//!
//! | file | what |
//! | --- | --- |
//! | `compile`, `scope`, `program` | from the tree to flat expressions |
//! | `session`, `value`, `kind` | the arena and what lives in it |
//! | `fields` | arcs, constraints, literals of a struct |
//! | `sched`, `tasks`, `spare` | which piece of evaluation runs when, and what each does |
//! | `conjunct`, `arcs`, `unify`, `share` | bringing conjuncts together into a node |
//! | `eval`, `lookup`, `ops` | expressions, fields, operators |
//! | `close` | which fields are allowed |
//! | `cycle` | what may refer to itself |
//! | `disjunct`, `copies`, `plain`, `glance`, `arms`, `equal` | arms, copies, defaults |
//! | `fault`, `print` | errors and their texts |
//! | `export`, `syntax`, `order` | validation, JSON and CUE out, the order of fields |
//! | `builtin`, `call`, `language`, `validator` | functions: what they see, how they are called, those of the language |
//! | `budget` | steps, depth, bytes; what is not supported |

#![expect(unreachable_pub, reason = "what is public is said in this file alone")]
#![expect(
    clippy::unnecessary_wraps,
    reason = "everything that evaluates gives `Run`, so that a step can become one that waits"
)]
#![expect(
    clippy::single_match_else,
    clippy::many_single_char_names,
    reason = "the two sides of a comparison are x and y; the rarer case reads better last"
)]

mod accept;
mod arcs;
mod arms;
mod budget;
mod builtin;
mod call;
mod close;
mod compare;
mod compile;
mod conjunct;
mod copies;
mod cycle;
mod disjunct;
mod doubt;
mod dump;
mod equal;
mod eval;
mod evaluation;
mod export;
mod fault;
mod fields;
mod glance;
mod inspect;
mod issues;
mod kind;
mod language;
mod lookup;
mod ops;
mod order;
mod plain;
mod print;
mod program;
mod range;
mod sched;
mod schema;
mod scope;
mod session;
mod share;
mod spare;
mod syntax;
mod tasks;
mod unify;
mod validator;
mod value;

pub use budget::{Limits, Poison, Room, Work};
pub use builtin::{Builtin, Call, Choice, Library, Member, Runner, View};
pub use compile::{Question, REFERENCE, Text, UNSUPPORTED, Unit, compile, compile_units};
pub use dump::{Asked, DumpError, DumpNode};
pub use evaluation::{Evaluation, Input, ReadPath, Summary, Way};
pub use issues::Issue;
pub use kind::Kind;
pub use program::Program;
pub use schema::{Admitted, Field, Which};
pub use session::{Run, Stop};
pub use syntax::Shown;
pub use value::{FaultCode, NodeId, Value};
