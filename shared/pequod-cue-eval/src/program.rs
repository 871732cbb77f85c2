//! A compiled package: flat vectors and numbers instead of pointers, immutable and shared.
//!
//! References are pairs of (how many environments up, label), so that running the conjuncts of a
//! struct under another environment *is* copying the struct: that is CUE's late binding.

use std::sync::Arc;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::{Experiments, Pos, Source, Span};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::builtin::Builtin;
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::value::{Bound, Num, Op, Value};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// As an index into its vector.
            pub const fn at(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}
pub(crate) use ids;

ids! {
    /// An expression.
    ExprId,
    /// A declaration of a struct.
    DeclId,
    /// A struct literal.
    StructId,
    /// A list literal.
    ListId,
    /// A comprehension.
    CompId,
    /// An interned text.
    Sym,
}

/// An expression.
#[derive(Debug, Clone)]
pub enum Expr {
    /// A literal, a type, a builtin.
    Value(Value),
    /// `{…}`
    Struct(StructId),
    /// `[…]`
    List(ListId),
    /// `*a | b`
    Disjunction {
        /// The arms and whether they are marked.
        arms: Box<[(ExprId, bool)]>,
        /// Whether any is.
        marked: bool,
    },
    /// `a & b`
    And(ExprId, ExprId),
    /// Every other operator between two operands.
    Binary(Op, ExprId, ExprId),
    /// `-a`, `+a`, `!a`
    Unary(Op, ExprId),
    /// `<a`, `=~a`, …
    Bound(Op, ExprId),
    /// `f(a)`
    Call(ExprId, Box<[ExprId]>),
    /// `"\(a)"`; the parts are expressions, too.
    Interpolation {
        /// Whether it makes bytes.
        bytes: bool,
        /// Texts and values in turn.
        parts: Box<[ExprId]>,
    },
    /// `a[b]`
    Index {
        /// In what.
        base: ExprId,
        /// Which.
        index: ExprId,
    },
    /// `a[b:c]`
    Slice {
        /// Of what.
        base: ExprId,
        /// From.
        low: Option<ExprId>,
        /// To.
        high: Option<ExprId>,
    },
    /// `a.b`
    Select {
        /// In what.
        base: ExprId,
        /// Which.
        label: Label,
        /// Where the label stands.
        at: Pos,
    },
    /// A field of an enclosing struct, or a comprehension's variable.
    Field {
        /// How many environments up.
        up: u32,
        /// Which.
        label: Label,
    },
    /// The value itself, by its alias: `f: X={…}`.
    SelfValue {
        /// How many environments up, plus one; 0 is the node at hand.
        up: u32,
    },
    /// The label a pattern matched: `[X=string]`.
    LabelValue {
        /// How many environments up.
        up: u32,
    },
    /// A field whose label is computed: `X=(a): …`.
    Dynamic {
        /// How many environments up.
        up: u32,
        /// The label, evaluated there.
        label: ExprId,
    },
    /// An imported package, by its place in the program.
    Import(u32),
    /// A struct with one member of a builtin package, by its place in the program.
    BuiltinPackage(u32),
    /// A `let`.
    Let {
        /// How many environments up.
        up: u32,
        /// Which.
        label: Label,
    },
    /// `a...`
    Open(ExprId),
}

impl Expr {
    /// Whether it names a node.
    pub const fn is_reference(&self) -> bool {
        matches!(
            self,
            Self::Index { .. }
                | Self::Select { .. }
                | Self::Field { .. }
                | Self::SelfValue { .. }
                | Self::Dynamic { .. }
                | Self::Let { .. }
                | Self::Import(_)
                | Self::BuiltinPackage(_)
        )
    }
}

/// What a struct is made of.
#[derive(Debug, Clone)]
pub enum Decl {
    /// `a: x`, `a?: x`, `a!: x`
    Field {
        /// Its label.
        label: Label,
        /// What it says about presence.
        presence: Presence,
        /// Its value.
        value: ExprId,
        /// The whole field.
        span: Span,
        /// The comment above it.
        doc: Option<Arc<str>>,
    },
    /// `let a = x`
    Let {
        /// Its label.
        label: Label,
        /// Its value.
        value: ExprId,
        /// The clause.
        span: Span,
    },
    /// `(a): x`, `"\(a)": x`
    Dynamic {
        /// What makes the label.
        key: ExprId,
        /// What it says about presence.
        presence: Presence,
        /// Its value.
        value: ExprId,
        /// Whether the value may ask for the label.
        named: bool,
        /// The whole field.
        span: Span,
    },
    /// `[a]: x`
    Pattern {
        /// What labels it is about.
        filter: ExprId,
        /// What their values must be.
        value: ExprId,
        /// The whole field.
        span: Span,
    },
    /// `for … {…}`
    Comprehension(CompId),
    /// `...`
    Ellipsis,
    /// An expression standing by itself.
    Embed(ExprId),
}

/// A struct literal.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent findings about one literal"
)]
pub struct StructLit {
    /// Its declarations.
    pub decls: Box<[DeclId]>,
    /// Where.
    pub span: Span,
    /// Whether it is a whole file.
    pub is_file: bool,
    /// Whether something is embedded.
    pub embeds: bool,
    /// Whether it ends in `...`.
    pub ellipsis: bool,
    /// Whether `x...` is the way to open in this file.
    pub explicit_open: bool,
}

/// An element of a list literal.
#[derive(Debug, Clone, Copy)]
pub enum ListElem {
    /// A value.
    Expr(ExprId),
    /// Values.
    Comprehension(CompId),
}

/// A list literal.
#[derive(Debug, Clone)]
pub struct ListLit {
    /// Its elements.
    pub elems: Box<[ListElem]>,
    /// Whether `...` stands at the end.
    pub open: bool,
    /// What stands behind the dots.
    pub rest: Option<ExprId>,
}

impl ListLit {
    /// The elements that are expressions.
    pub(crate) fn exprs(&self) -> impl Iterator<Item = ExprId> + '_ {
        self.elems.iter().filter_map(|elem| match elem {
            ListElem::Expr(expr) => Some(*expr),
            ListElem::Comprehension(_) => None,
        })
    }
}

/// A step of a comprehension.
#[derive(Debug, Clone)]
pub enum Clause {
    /// `for k, v in x`
    For {
        /// The label's name.
        key: Label,
        /// The value's name.
        value: Label,
        /// Over what.
        source: ExprId,
    },
    /// `if x`
    If(ExprId),
    /// `let a = x`
    Let {
        /// Its name.
        label: Label,
        /// Its value.
        value: ExprId,
    },
    /// `try`, or `try a = x`
    Try(Option<(Label, ExprId)>),
}

/// A comprehension.
#[derive(Debug, Clone)]
pub struct Comp {
    /// Its steps.
    pub clauses: Box<[Clause]>,
    /// The struct it yields.
    pub value: ExprId,
    /// What it yields instead if it yields nothing.
    pub fallback: Option<ExprId>,
    /// Where.
    pub span: Span,
}

/// Interned texts.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pub(crate) texts: Vec<Arc<str>>,
    index: FxHashMap<Arc<str>, u32>,
}

impl Names {
    /// None yet, with room for some.
    pub(crate) fn with_room(room: usize) -> Self {
        Self {
            texts: Vec::with_capacity(room),
            index: FxHashMap::with_capacity_and_hasher(room, FxBuildHasher),
        }
    }

    pub(crate) fn find(&self, text: &str) -> Option<Sym> {
        self.index.get(text).copied().map(Sym)
    }

    pub(crate) fn intern(&mut self, text: &str, offset: usize) -> Sym {
        if let Some(sym) = self.find(text) {
            return sym;
        }
        self.add(text.into(), offset)
    }

    /// Interns a text without copying it.
    pub(crate) fn intern_shared(&mut self, text: &Arc<str>) -> Sym {
        self.find(text).unwrap_or_else(|| self.add(text.clone(), 0))
    }

    fn add(&mut self, text: Arc<str>, offset: usize) -> Sym {
        let id = u32::try_from(self.texts.len() + offset).unwrap_or(u32::MAX);
        self.texts.push(text.clone());
        self.index.insert(text, id);
        Sym(id)
    }
}

/// What stands between a hidden name and its package: it occurs in no name.
pub(crate) const SCOPE: char = '\0';

/// A compiled package with those it imports.
#[derive(Debug, Default)]
pub struct Program {
    pub(crate) exprs: Vec<Expr>,
    pub(crate) spans: Vec<Span>,
    pub(crate) decls: Vec<Decl>,
    pub(crate) structs: Vec<StructLit>,
    pub(crate) lists: Vec<ListLit>,
    pub(crate) comps: Vec<Comp>,
    pub(crate) names: Names,
    pub(crate) nums: Vec<Num>,
    pub(crate) bytes: Vec<Arc<[u8]>>,
    pub(crate) bounds: Vec<Bound>,
    pub(crate) conjunctions: Vec<Box<[Value]>>,
    pub(crate) builtins: Vec<&'static Builtin>,
    pub(crate) files: Vec<Arc<Source>>,
    /// By file.
    pub(crate) experiments: Vec<Experiments>,
    /// References with a `?` behind them.
    pub(crate) optional: FxHashSet<ExprId>,
    /// Of every package one struct a file; the first is the one that is evaluated.
    pub(crate) packages: Vec<Vec<ExprId>>,
    /// Of every member of a builtin package that is used other than by calling it a struct with that one field.
    pub(crate) builtin_packages: Vec<ExprId>,
    /// Expressions that are not part of any.
    pub(crate) questions: Vec<ExprId>,
    pub(crate) lets: Vec<Arc<str>>,
}

impl Program {
    pub(crate) fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.at()]
    }

    pub(crate) fn span(&self, id: ExprId) -> Span {
        self.spans[id.at()]
    }

    /// What the file of an expression has switched on.
    pub(crate) fn experiments(&self, id: ExprId) -> Experiments {
        let file = self.spans[id.at()].file.0 as usize;
        self.experiments.get(file).copied().unwrap_or_default()
    }

    pub(crate) fn decl(&self, id: DeclId) -> &Decl {
        &self.decls[id.at()]
    }

    pub(crate) fn add_expr(&mut self, expr: Expr, span: Span) -> ExprId {
        let id = ExprId(u32::try_from(self.exprs.len()).unwrap_or(u32::MAX));
        self.exprs.push(expr);
        self.spans.push(span);
        id
    }

    /// The label of a name. Hidden ones are those of a package: two packages' `_a` are two labels.
    pub(crate) fn label_of(&mut self, name: &Arc<str>, package: &str) -> Label {
        let sym = if name.starts_with('_') && !package.is_empty() {
            self.names.intern(&format!("{name}{SCOPE}{package}"), 0)
        } else {
            self.names.intern_shared(name)
        };
        let kind = if name.starts_with("_#") {
            LabelKind::HiddenDefinition
        } else if name.starts_with('#') {
            LabelKind::Definition
        } else if name.starts_with('_') {
            LabelKind::Hidden
        } else {
            LabelKind::Regular
        };
        Label::new(kind, sym.0)
    }

    pub(crate) fn regular_label(&mut self, name: &Arc<str>) -> Label {
        Label::new(LabelKind::Regular, self.names.intern_shared(name).0)
    }

    pub(crate) fn number(&mut self, decimal: Decimal, kind: Kind) -> Value {
        if kind == Kind::INT
            && let Some(small) = decimal.to_i64()
            && decimal.exponent() == 0
        {
            return Value::Int(small);
        }
        let id = u32::try_from(self.nums.len()).unwrap_or(u32::MAX);
        self.nums.push(Num { decimal, kind });
        Value::Num(crate::value::NumId(id))
    }
}
