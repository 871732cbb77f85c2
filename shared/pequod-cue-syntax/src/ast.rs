//! The tree of a CUE file.
//!
//! The tree is immutable and complete: every construct of the language has its node, every node
//! its [`Span`]. It says what was written, not what it means: names are not resolved, references
//! not followed, literals only decoded (`"\u0041"` is `A`; `1_000` stays text, since numbers are
//! the evaluator's business).
//!
//! Depth is bounded by the parser, with one exception to know when walking: a chain of binary
//! operators (`a | b | c …`) leans to the left and may be [`crate::MAX_CHAIN`] long.
//! [`Binary::chain`] walks it without recursion.

use std::sync::Arc;

use crate::experiment::Experiments;
use crate::position::{Pos, Source, Span};

/// A name, shared between all its occurrences in a file.
pub type Name = Arc<str>;

/// A parsed file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The text it was read from.
    pub source: Arc<Source>,
    /// Attributes before the package clause: `@if(…)`, `@ignore()`, `@extern(…)`, `@experiment(…)`.
    pub preamble: Vec<Attribute>,
    /// The package clause.
    pub package: Option<Package>,
    /// Imports, in the order written.
    pub imports: Vec<Import>,
    /// Everything after the imports; attributes between package clause and imports come first.
    pub decls: Vec<Decl>,
    /// The per-file experiments in force.
    pub experiments: Experiments,
    /// All comments in the order written; documentation stands on its node, too.
    pub comments: Vec<Comment>,
}

/// A run of comment lines with no other text between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// From the first `//` to the end of the last line.
    pub span: Span,
    /// Whether it stands alone on its lines, or behind something.
    pub placement: Placement,
}

/// Where a comment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// On lines of its own, directly above what follows.
    Doc,
    /// Behind something on the same line.
    Line,
    /// On lines of its own, with an empty line or the end after it.
    Free,
}

/// `package name`
#[derive(Debug, Clone, PartialEq)]
pub struct Package {
    /// The name; `_` means none.
    pub name: Ident,
    /// The whole clause.
    pub span: Span,
    /// The comment above it.
    pub doc: Option<Arc<str>>,
}

/// One import: `name "path"`, inside parentheses or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The name given to it here, if any.
    pub name: Option<Ident>,
    /// The path as written, decoded: `"example.com/x@v0:y"`.
    pub path: Name,
    /// The whole specification.
    pub span: Span,
    /// The path's literal.
    pub path_span: Span,
    /// The comment above it.
    pub doc: Option<Arc<str>>,
}

impl Import {
    /// The name the package is known by in this file: the given one, else what follows the
    /// colon, else the last path element without its version.
    pub fn local_name(&self) -> &str {
        match &self.name {
            Some(name) => &name.name,
            None => Self::implied_name(&self.path),
        }
    }

    /// The name a path implies when an import gives none.
    pub fn implied_name(path: &str) -> &str {
        if let Some((_, qualifier)) = path.rsplit_once(':')
            && !qualifier.contains('/')
        {
            return qualifier;
        }
        let path = path.split_once('@').map_or(path, |(path, _)| path);
        path.rsplit('/').next().unwrap_or(path)
    }

    /// The path without the qualifier behind the colon.
    pub fn package_path(&self) -> &str {
        match self.path.rsplit_once(':') {
            Some((path, qualifier)) if !qualifier.contains('/') => path,
            _ => &self.path,
        }
    }
}

/// An identifier; keywords appear as identifiers where the language allows them as names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ident {
    /// The name with its prefix: `#Def`, `_hidden`, `_#both`.
    pub name: Name,
    /// Where.
    pub span: Span,
}

impl Ident {
    /// Where it begins.
    pub const fn pos(&self) -> Pos {
        self.span.pos()
    }
}

/// An attribute: `@name(body)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// What stands between `@` and the parenthesis.
    pub name: Name,
    /// What stands between the parentheses, as written.
    pub body: Name,
    /// The whole attribute.
    pub span: Span,
}

/// What a struct or file is made of. Most are fields; the rest is boxed so that they take no more room.
#[derive(Debug, Clone, PartialEq)]
pub enum Decl {
    /// `label: value`
    Field(Box<Field>),
    /// `let name = value`
    Let(Box<LetClause>),
    /// An expression standing by itself.
    Embed(Box<Embed>),
    /// `for … {…}`, `if … {…}`
    Comprehension(Box<Comprehension>),
    /// `...`
    Ellipsis(Span),
    /// `@name(…)` standing by itself.
    Attribute(Box<Attribute>),
}

impl Decl {
    /// The stretch of text it covers.
    pub fn span(&self) -> Span {
        match self {
            Self::Field(field) => field.span,
            Self::Let(clause) => clause.span,
            Self::Embed(embed) => embed.expr.span(),
            Self::Comprehension(comprehension) => comprehension.span,
            Self::Ellipsis(span) => *span,
            Self::Attribute(attribute) => attribute.span,
        }
    }
}

/// `label: value`
///
/// `a: b: 1` is a field `a` whose value is a [`Struct`] without braces.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// What stands before the colon.
    pub label: Label,
    /// `~X` or `~(K, V)` behind the label.
    pub alias: Option<Box<PostfixAlias>>,
    /// `?`, `!` or nothing.
    pub constraint: Constraint,
    /// `X` of `label: X={…}`.
    pub value_alias: Option<Box<Ident>>,
    /// What stands behind the colon.
    pub value: Expr,
    /// Attributes behind the value.
    pub attributes: Vec<Attribute>,
    /// From the label to the last attribute.
    pub span: Span,
    /// The comment above it.
    pub doc: Option<Arc<str>>,
}

/// What a field says about its presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Constraint {
    /// `a: 1`: it is there.
    Regular,
    /// `a?: 1`: what it must be, if it is there.
    Optional,
    /// `a!: 1`: it must be given elsewhere.
    Required,
}

/// A field's label with its old-style alias.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// `X` of `X=label: …`, also of `X=[pattern]: …`.
    pub alias: Option<Box<Ident>>,
    /// The label itself.
    pub kind: LabelKind,
    /// From the alias to the label's end.
    pub span: Span,
}

/// The forms of a label.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelKind {
    /// `a`, `#a`, `_a`, `true`, `if`: referable in the scope it stands in.
    Ident(Ident),
    /// `"a"`: not referable.
    String(StringLit),
    /// `"\(x)"`
    Interpolation(Box<Interpolation>),
    /// `(x)`
    Dynamic(Box<Expr>),
    /// `[x]`
    Pattern(Box<Pattern>),
}

/// `[expr]` or `[X=expr]` as a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// `X` of `[X=expr]`: the label of the field that matches.
    pub alias: Option<Ident>,
    /// What the labels must be.
    pub expr: Expr,
    /// With the brackets.
    pub span: Span,
}

/// `~X` or `~(K, V)` behind a label.
#[derive(Debug, Clone, PartialEq)]
pub struct PostfixAlias {
    /// `K`: the label.
    pub label: Option<Ident>,
    /// `X` or `V`: the field.
    pub field: Ident,
    /// With the tilde.
    pub span: Span,
}

/// An expression standing by itself in a struct or file.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// The expression.
    pub expr: Expr,
    /// The comment above it.
    pub doc: Option<Arc<str>>,
}

/// `let name = value`, as a declaration and as a clause of a comprehension.
#[derive(Debug, Clone, PartialEq)]
pub struct LetClause {
    /// The name.
    pub ident: Ident,
    /// Its value.
    pub value: Expr,
    /// The whole clause.
    pub span: Span,
}

/// `for … if … let … {…}`, with what to take if nothing comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Comprehension {
    /// At least one.
    pub clauses: Vec<Clause>,
    /// What is yielded.
    pub value: Struct,
    /// `else {…}`, `otherwise {…}`, `fallback {…}`
    pub fallback: Option<Fallback>,
    /// From the first clause to the last brace.
    pub span: Span,
    /// The comment above it.
    pub doc: Option<Arc<str>>,
}

/// A step of a comprehension.
#[derive(Debug, Clone, PartialEq)]
pub enum Clause {
    /// `for key, value in source`
    For(ForClause),
    /// `if condition`
    If(IfClause),
    /// `let name = value`
    Let(LetClause),
    /// `try` or `try name = value`
    Try(TryClause),
}

impl Clause {
    /// The stretch of text it covers.
    pub const fn span(&self) -> Span {
        match self {
            Self::For(clause) => clause.span,
            Self::If(clause) => clause.span,
            Self::Let(clause) => clause.span,
            Self::Try(clause) => clause.span,
        }
    }
}

/// `for key, value in source`
#[derive(Debug, Clone, PartialEq)]
pub struct ForClause {
    /// Name of label or index.
    pub key: Option<Ident>,
    /// Name of the element.
    pub value: Ident,
    /// What to go over.
    pub source: Expr,
    /// The whole clause.
    pub span: Span,
}

/// `if condition`
#[derive(Debug, Clone, PartialEq)]
pub struct IfClause {
    /// What must hold.
    pub condition: Expr,
    /// The whole clause.
    pub span: Span,
}

/// `try` or `try name = value`
#[derive(Debug, Clone, PartialEq)]
pub struct TryClause {
    /// Name and value of the second form.
    pub binding: Option<(Ident, Expr)>,
    /// The whole clause.
    pub span: Span,
}

/// What a comprehension yields if its clauses yield nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Fallback {
    /// The struct.
    pub value: Struct,
    /// With the keyword.
    pub span: Span,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A reference, or `_`.
    Ident(Ident),
    /// `null`
    Null(Span),
    /// `true`, `false`
    Bool(bool, Span),
    /// `1`, `1.5`, `0xff`, `2Ki`
    Number(NumberLit),
    /// `"a"`, `"""…"""`, `#"a"#`
    String(StringLit),
    /// `'a'`, `'''…'''`, `#'a'#`
    Bytes(BytesLit),
    /// `"a \(x)"`, `'a \(x)'`
    Interpolation(Box<Interpolation>),
    /// `_|_`
    Bottom(Span),
    /// `{…}`
    Struct(Box<Struct>),
    /// `[…]`
    List(Box<List>),
    /// `(x)`
    Paren(Box<Paren>),
    /// `x.y`, `x."y"`
    Selector(Box<Selector>),
    /// `x[y]`
    Index(Box<Index>),
    /// `x[y:z]`
    Slice(Box<Slice>),
    /// `f(x, …)`
    Call(Box<Call>),
    /// `-x`, `*x`, `<x`
    Unary(Box<Unary>),
    /// `x + y`
    Binary(Box<Binary>),
    /// `x?`, `x...`
    Postfix(Box<Postfix>),
}

impl Expr {
    /// The stretch of text it covers.
    pub fn span(&self) -> Span {
        match self {
            Self::Ident(ident) => ident.span,
            Self::Null(span) | Self::Bool(_, span) | Self::Bottom(span) => *span,
            Self::Number(lit) => lit.span,
            Self::String(lit) => lit.span,
            Self::Bytes(lit) => lit.span,
            Self::Interpolation(lit) => lit.span,
            Self::Struct(lit) => lit.span,
            Self::List(lit) => lit.span,
            Self::Paren(expr) => expr.span,
            Self::Selector(expr) => expr.span,
            Self::Index(expr) => expr.span,
            Self::Slice(expr) => expr.span,
            Self::Call(expr) => expr.span,
            Self::Unary(expr) => expr.span,
            Self::Binary(expr) => expr.span,
            Self::Postfix(expr) => expr.span,
        }
    }

    /// Where it begins.
    pub fn pos(&self) -> Pos {
        self.span().pos()
    }

    /// The expression without the parentheses around it.
    pub fn without_parens(&self) -> &Self {
        let mut expr = self;
        while let Self::Paren(inner) = expr {
            expr = &inner.expr;
        }
        expr
    }
}

/// A number as written. Taking it apart is the evaluator's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberLit {
    /// The text, checked to be well-formed.
    pub text: Name,
    /// `int` or `float`: two types in CUE.
    pub kind: NumberKind,
    /// Where.
    pub span: Span,
}

/// The two types of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberKind {
    /// No fraction and no exponent, or a multiplier such as `Ki`.
    Int,
    /// Everything else.
    Float,
}

/// How a string or bytes literal was quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Quotes {
    /// How many `#` on each side.
    pub hashes: u32,
    /// Whether three quotes, over several lines.
    pub multiline: bool,
}

/// A string literal without interpolation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringLit {
    /// What it stands for.
    pub value: Name,
    /// How it was written.
    pub quotes: Quotes,
    /// Where.
    pub span: Span,
}

/// A bytes literal without interpolation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BytesLit {
    /// What it stands for.
    pub value: Arc<[u8]>,
    /// How it was written.
    pub quotes: Quotes,
    /// Where.
    pub span: Span,
}

/// A string or bytes literal with expressions in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Interpolation {
    /// Whether it makes bytes (`'…'`) rather than a string.
    pub bytes: bool,
    /// Text and expressions in turn; the first and the last are text, perhaps empty.
    pub parts: Vec<Part>,
    /// How it was written.
    pub quotes: Quotes,
    /// Where.
    pub span: Span,
}

/// A part of an interpolation.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Decoded text; always UTF-8 unless the literal makes bytes.
    Text(Arc<[u8]>),
    /// `\(expr)`
    Expr(Expr),
}

/// A struct literal, or the value of `a` in `a: b: 1`.
#[derive(Debug, Clone, PartialEq)]
pub struct Struct {
    /// What is in it, in the order written.
    pub decls: Vec<Decl>,
    /// Whether braces were written.
    pub braces: bool,
    /// With the braces.
    pub span: Span,
}

/// A list literal.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// What is in it, in the order written.
    pub elements: Vec<Element>,
    /// `...` or `...T` at the end.
    pub ellipsis: Option<Ellipsis>,
    /// With the brackets.
    pub span: Span,
}

/// An element of a list literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Element {
    /// A value.
    Expr(Expr),
    /// `for … {…}`: every struct yielded is an element.
    Comprehension(Box<Comprehension>),
    /// `X=value`: well-formed, but of no use outside a label; resolving it is an error.
    Alias(Ident, Expr),
}

/// `...T` at the end of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Ellipsis {
    /// What further elements must be.
    pub expr: Option<Expr>,
    /// With the dots.
    pub span: Span,
}

/// `(x)`
#[derive(Debug, Clone, PartialEq)]
pub struct Paren {
    /// What is inside.
    pub expr: Expr,
    /// With the parentheses.
    pub span: Span,
}

/// `x.y`
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    /// What to look in.
    pub base: Expr,
    /// What to look for.
    pub selector: SelectorLabel,
    /// The whole expression.
    pub span: Span,
}

/// What stands behind the dot.
#[derive(Debug, Clone, PartialEq)]
pub enum SelectorLabel {
    /// `x.y`, `x.#y`, `x._y`
    Ident(Ident),
    /// `x."y"`
    String(StringLit),
}

impl SelectorLabel {
    /// Where.
    pub const fn span(&self) -> Span {
        match self {
            Self::Ident(ident) => ident.span,
            Self::String(lit) => lit.span,
        }
    }
}

/// `x[y]`
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// What to look in.
    pub base: Expr,
    /// What to look for.
    pub index: Expr,
    /// The whole expression.
    pub span: Span,
}

/// `x[low:high]`
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// What to cut.
    pub base: Expr,
    /// First element.
    pub low: Option<Expr>,
    /// After the last element.
    pub high: Option<Expr>,
    /// The whole expression.
    pub span: Span,
}

/// `f(x, …)`
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What is called.
    pub function: Expr,
    /// With what.
    pub arguments: Vec<Expr>,
    /// The whole expression.
    pub span: Span,
}

/// `-x`
#[derive(Debug, Clone, PartialEq)]
pub struct Unary {
    /// What to do.
    pub op: UnaryOp,
    /// With what.
    pub expr: Expr,
    /// The whole expression; the operator stands at its beginning.
    pub span: Span,
}

/// `x + y`
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// What to do.
    pub op: BinaryOp,
    /// Where the operator is.
    pub op_span: Span,
    /// The left side.
    pub lhs: Expr,
    /// The right side.
    pub rhs: Expr,
    /// The whole expression.
    pub span: Span,
}

impl Binary {
    /// The operands of the longest chain of this operator that ends here, from left to right:
    /// `a`, `b`, `c` for `a | b | c`.
    pub fn chain(&self) -> Vec<&Expr> {
        let mut operands = Vec::with_capacity(4);
        let mut left = &self.lhs;
        operands.push(&self.rhs);
        while let Expr::Binary(inner) = left
            && inner.op == self.op
        {
            operands.push(&inner.rhs);
            left = &inner.lhs;
        }
        operands.push(left);
        operands.reverse();
        operands
    }
}

/// Takes a long chain apart from its right end, so that dropping it needs no deep stack.
impl Drop for Binary {
    fn drop(&mut self) {
        let mut left = std::mem::replace(&mut self.lhs, Expr::Bottom(self.span));
        while let Expr::Binary(inner) = &mut left {
            let next = std::mem::replace(&mut inner.lhs, Expr::Bottom(inner.span));
            left = next;
        }
    }
}

/// `x?` or `x...`
#[derive(Debug, Clone, PartialEq)]
pub struct Postfix {
    /// To what.
    pub expr: Expr,
    /// What to do.
    pub op: PostfixOp,
    /// The whole expression; the operator stands at its end.
    pub span: Span,
}

/// Operators behind their operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PostfixOp {
    /// `x?`: inside `try`, absence ends the attempt.
    Optional,
    /// `x...`: opens a closed struct.
    Open,
}

/// Operators before their operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `!`
    Not,
    /// `*`: the default of a disjunction.
    Default,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
}

impl UnaryOp {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Not => "!",
            Self::Default => "*",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Match => "=~",
            Self::NotMatch => "!~",
        }
    }
}

/// Operators between their operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// `|`
    Or,
    /// `&`
    And,
    /// `||`
    BoolOr,
    /// `&&`
    BoolAnd,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
    /// `=~`
    Match,
    /// `!~`
    NotMatch,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
}

impl BinaryOp {
    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Or => "|",
            Self::And => "&",
            Self::BoolOr => "||",
            Self::BoolAnd => "&&",
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
        }
    }

    /// How tightly it binds: from 1 (`|`) to 7 (`*`).
    pub const fn precedence(self) -> u8 {
        match self {
            Self::Or => 1,
            Self::And => 2,
            Self::BoolOr => 3,
            Self::BoolAnd => 4,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual
            | Self::Match
            | Self::NotMatch => 5,
            Self::Add | Self::Subtract => 6,
            Self::Multiply | Self::Divide => 7,
        }
    }
}
