//! From the tree to a program.
//!
//! Names become (environments up, label); literals values; everything else keeps its shape. What
//! can be said without data is said here: unknown names, unused aliases, marks outside
//! disjunctions, and every construct that is not supported.

use std::sync::Arc;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::{FileId, Source, Span, ast, parse_file};
use pequod_diag::{Code, Diagnostic, Diagnostics};

use crate::builtin::{Builtin, LANGUAGE, Library, Member};
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::program::{
    Clause, Comp, CompId, Decl, DeclId, Expr, ExprId, ListElem, ListId, ListLit, Program, StructId,
    StructLit,
};
use crate::scope::{Binding, Entry, Scope};
use crate::session::LITERAL;
use crate::value::{Bound, BoundId, BytesId, ConjunctionId, Op, Value};

/// A text to compile.
#[derive(Debug, Clone)]
pub struct Text {
    /// The name errors carry.
    pub name: String,
    /// The text.
    pub text: Arc<str>,
}

/// Names that are unknown, or used wrongly.
pub const REFERENCE: Code = Code("cue/reference");
/// A construct that is not supported.
pub const UNSUPPORTED: Code = Code("cue/unsupported");

/// Compiles the files of one package.
pub fn compile(texts: &[Text], library: &'static dyn Library) -> Result<Program, Diagnostics> {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let id = FileId(u32::try_from(at).unwrap_or(u32::MAX));
        match parse_file(id, text.name.as_str(), text.text.clone()) {
            Ok(file) => files.push(file),
            Err(errors) => problems.extend(errors.0),
        }
    }
    if !problems.is_empty() {
        return Err(Diagnostics(problems));
    }
    let mut compiler = Compiler {
        program: Program::default(),
        scopes: Vec::new(),
        package: Scope::default(),
        problems: Vec::new(),
        library,
        imports: Vec::new(),
        explicit_open: false,
        alias_v2: false,
        short_circuit: false,
    };
    compiler.files(&files);
    if compiler.problems.is_empty() {
        Ok(compiler.program)
    } else {
        Err(Diagnostics(compiler.problems))
    }
}

struct Import {
    name: String,
    path: String,
    span: Span,
    used: bool,
}

struct Compiler<'a> {
    program: Program,
    scopes: Vec<Scope<'a>>,
    /// Top-level fields of all files.
    package: Scope<'a>,
    problems: Vec<Diagnostic>,
    library: &'static dyn Library,
    imports: Vec<Import>,
    explicit_open: bool,
    alias_v2: bool,
    short_circuit: bool,
}

impl<'a> Compiler<'a> {
    fn files(&mut self, files: &'a [ast::File]) {
        for file in files {
            self.program.files.push(file.source.clone());
        }
        for file in files {
            for decl in &file.decls {
                if let ast::Decl::Field(field) = decl
                    && let ast::LabelKind::Ident(ident) = &field.label.kind
                {
                    let label = self.program.label_of(&ident.name);
                    self.package.names.insert(
                        ident.name.clone(),
                        Entry {
                            binding: Binding::Field(label),
                            declared: None,
                            used: true,
                        },
                    );
                }
            }
        }
        for file in files {
            self.explicit_open = file.experiments.explicit_open;
            self.alias_v2 = file.experiments.alias_v2;
            self.short_circuit = file.experiments.short_circuit;
            self.imports(file);
            let length = u32::try_from(file.source.text().len()).unwrap_or(u32::MAX);
            let span = Span::new(file.source.id(), 0, length);
            let lit = self.struct_lit(&file.decls, span, true, 0);
            let root = self.program.add_expr(Expr::Struct(lit), span);
            self.program.roots.push(root);
            for import in std::mem::take(&mut self.imports) {
                if !import.used {
                    self.error(
                        REFERENCE,
                        import.span,
                        format!("imported and not used: {:?}", import.path),
                    );
                }
            }
        }
    }

    fn imports(&mut self, file: &ast::File) {
        for import in &file.imports {
            let path = import.package_path().to_owned();
            let name = import.local_name().to_owned();
            match self.library.package(&path) {
                Some(true) => {}
                Some(false) => self.unsupported(import.span, format!("package {path:?}")),
                None if path
                    .split('/')
                    .next()
                    .is_some_and(|first| first.contains('.')) =>
                {
                    self.unsupported(import.span, format!("import of module package {path:?}"));
                }
                None => self.error(
                    REFERENCE,
                    import.span,
                    format!("cannot find package {path:?}"),
                ),
            }
            self.imports.push(Import {
                name,
                path,
                span: import.span,
                used: false,
            });
        }
    }

    fn error(&mut self, code: Code, span: Span, message: String) {
        let place = self
            .program
            .files
            .get(span.file.0 as usize)
            .map(|s: &Arc<Source>| s.place(span.start));
        let mut problem = Diagnostic::error(code, message);
        problem.place = place;
        self.problems.push(problem);
    }

    fn unsupported(&mut self, span: Span, what: impl std::fmt::Display) {
        self.error(UNSUPPORTED, span, format!("{what} is not supported"));
    }

    fn bottom(&mut self, span: Span) -> ExprId {
        self.program
            .add_expr(Expr::Value(Value::Fault(LITERAL)), span)
    }

    fn bad(&mut self, span: Span, message: impl Into<String>) -> ExprId {
        self.error(REFERENCE, span, message.into());
        self.bottom(span)
    }

    fn add(&mut self, expr: Expr, span: Span) -> ExprId {
        self.program.add_expr(expr, span)
    }

    fn push(&mut self, up: u32) {
        self.scopes.push(Scope {
            up,
            ..Scope::default()
        });
    }

    fn pop(&mut self) {
        let Some(scope) = self.scopes.pop() else {
            return;
        };
        let mut unused: Vec<_> = scope
            .names
            .into_iter()
            .filter_map(|(name, entry)| {
                entry
                    .declared
                    .filter(|_| !entry.used)
                    .map(|span| (span, name))
            })
            .collect();
        unused.sort_unstable();
        for (span, name) in unused {
            self.error(
                REFERENCE,
                span,
                format!("unreferenced alias or let clause {name}"),
            );
        }
    }

    fn bind(&mut self, name: &ast::Ident, binding: Binding<'a>, must_use: bool) {
        if must_use && &*name.name == "_" {
            self.error(
                REFERENCE,
                name.span,
                "cannot use _ as alias or let clause".to_owned(),
            );
            return;
        }
        let Some(scope) = self.scopes.last_mut() else {
            return;
        };
        let declared = must_use.then_some(name.span);
        if let Some(old) = scope.names.get(&name.name)
            && must_use
        {
            let what = if old.declared.is_some() {
                format!("alias {:?} already declared", name.name)
            } else {
                format!(
                    "cannot have both alias and field with name {:?} in same scope",
                    name.name
                )
            };
            self.error(REFERENCE, name.span, what);
            return;
        }
        scope.names.insert(
            name.name.clone(),
            Entry {
                binding,
                declared,
                used: false,
            },
        );
    }

    // Structs.

    fn struct_lit(
        &mut self,
        decls: &'a [ast::Decl],
        span: Span,
        is_file: bool,
        up: u32,
    ) -> StructId {
        self.push(up);
        // Fields first, so that a let of the same name is noticed.
        for decl in decls {
            if let ast::Decl::Field(field) = decl
                && let ast::LabelKind::Ident(ident) = &field.label.kind
                && !is_file
            {
                let label = self.program.label_of(&ident.name);
                self.bind(ident, Binding::Field(label), false);
            }
        }
        let lets = self.declare_names(decls);
        let mut ids = Vec::with_capacity(decls.len());
        let (mut embeds, mut ellipsis) = (false, false);
        for (at, decl) in decls.iter().enumerate() {
            let compiled = match decl {
                ast::Decl::Field(field) => self.field(field),
                ast::Decl::Let(clause) => {
                    let value = self.expr(&clause.value);
                    lets.get(&at).map(|label| Decl::Let {
                        label: *label,
                        value,
                        span: clause.span,
                    })
                }
                ast::Decl::Embed(embed) => {
                    embeds = true;
                    Some(Decl::Embed(self.expr(&embed.expr)))
                }
                ast::Decl::Comprehension(comp) => {
                    embeds = true;
                    Some(Decl::Comprehension(self.comprehension(comp)))
                }
                ast::Decl::Ellipsis(_) => {
                    ellipsis = true;
                    Some(Decl::Ellipsis)
                }
                ast::Decl::Attribute(_) => None,
            };
            if let Some(compiled) = compiled {
                ids.push(DeclId(
                    u32::try_from(self.program.decls.len()).unwrap_or(u32::MAX),
                ));
                self.program.decls.push(compiled);
            }
        }
        self.pop();
        let id = StructId(u32::try_from(self.program.structs.len()).unwrap_or(u32::MAX));
        self.program.structs.push(StructLit {
            decls: ids.into(),
            span,
            is_file,
            embeds,
            ellipsis,
            explicit_open: self.explicit_open,
        });
        id
    }

    /// Binds lets and aliases of a struct. Gives the labels of the lets by place.
    fn declare_names(
        &mut self,
        decls: &'a [ast::Decl],
    ) -> std::collections::BTreeMap<usize, Label> {
        let mut lets = std::collections::BTreeMap::new();
        for (at, decl) in decls.iter().enumerate() {
            match decl {
                ast::Decl::Let(clause) => {
                    let label = self.let_label(&clause.ident.name);
                    lets.insert(at, label);
                    self.bind(&clause.ident, Binding::Let(label), true);
                }
                ast::Decl::Field(field) => {
                    if let Some(alias) = &field.label.alias {
                        self.bind_field_alias(alias, field);
                    }
                    if let Some(alias) = &field.alias
                        && &*alias.field.name != "_"
                    {
                        self.bind_field_alias(&alias.field, field);
                    }
                }
                _ => {}
            }
        }
        lets
    }

    fn bind_field_alias(&mut self, alias: &'a ast::Ident, field: &'a ast::Field) {
        let binding = match &field.label.kind {
            ast::LabelKind::Ident(ident) => Binding::Field(self.program.label_of(&ident.name)),
            ast::LabelKind::String(text) => Binding::Field(self.program.regular_label(&text.value)),
            ast::LabelKind::Interpolation(text) => Binding::Interpolated(text),
            ast::LabelKind::Dynamic(expr) => Binding::Dynamic(expr),
            // Only visible in the value: bound there.
            ast::LabelKind::Pattern(_) => return,
        };
        self.bind(alias, binding, true);
    }

    fn let_label(&mut self, name: &Arc<str>) -> Label {
        let index = u32::try_from(self.program.lets.len()).unwrap_or(u32::MAX);
        self.program.lets.push(name.clone());
        Label::new(LabelKind::Let, index)
    }

    fn field(&mut self, field: &'a ast::Field) -> Option<Decl> {
        let presence = match field.constraint {
            ast::Constraint::Regular => Presence::Member,
            ast::Constraint::Required => Presence::Required,
            ast::Constraint::Optional => Presence::Optional,
        };
        // The scope of the value's own names.
        self.push(0);
        let mut named = false;
        if let ast::LabelKind::Pattern(pattern) = &field.label.kind {
            if let Some(alias) = &pattern.alias {
                self.bind(alias, Binding::PatternLabel, false);
            }
            let fields = field
                .label
                .alias
                .iter()
                .chain(field.alias.as_ref().map(|alias| &alias.field));
            for alias in fields.filter(|alias| &*alias.name != "_") {
                self.bind(alias, Binding::PatternField, true);
            }
        }
        if let Some(name) = field.alias.as_ref().and_then(|alias| alias.label.as_ref())
            && &*name.name != "_"
        {
            let binding = match &field.label.kind {
                ast::LabelKind::Ident(ident) => Binding::LabelText(ident.name.clone()),
                ast::LabelKind::String(text) => Binding::LabelText(text.value.clone()),
                _ => {
                    named = true;
                    Binding::PatternLabel
                }
            };
            self.bind(name, binding, false);
        }
        if let Some(alias) = &field.value_alias {
            self.bind(alias, Binding::Value, true);
        }
        let value = self.expr(&field.value);
        self.pop();
        let span = field.span;
        Some(match &field.label.kind {
            ast::LabelKind::Ident(ident) => {
                if &*ident.name == "_" {
                    self.error(REFERENCE, ident.span, "cannot use _ as label".to_owned());
                    return None;
                }
                let label = self.program.label_of(&ident.name);
                Decl::Field {
                    label,
                    presence,
                    value,
                    span,
                    doc: field.doc.clone(),
                }
            }
            ast::LabelKind::String(text) => {
                let label = self.program.regular_label(&text.value);
                Decl::Field {
                    label,
                    presence,
                    value,
                    span,
                    doc: field.doc.clone(),
                }
            }
            ast::LabelKind::Interpolation(text) => {
                let key = self.interpolation(text);
                Decl::Dynamic {
                    key,
                    presence,
                    value,
                    named,
                    span,
                }
            }
            ast::LabelKind::Dynamic(expr) => {
                let key = self.expr(expr);
                Decl::Dynamic {
                    key,
                    presence,
                    value,
                    named,
                    span,
                }
            }
            ast::LabelKind::Pattern(pattern) => {
                let filter = self.expr(&pattern.expr);
                Decl::Pattern {
                    filter,
                    value,
                    span,
                }
            }
        })
    }

    fn comprehension(&mut self, comp: &'a ast::Comprehension) -> CompId {
        let mut clauses = Vec::new();
        let mut scopes = 0;
        if let Some(ast::Clause::Let(_)) = comp.clauses.first() {
            self.error(
                REFERENCE,
                comp.span,
                "first comprehension clause must be 'if' or 'for'".to_owned(),
            );
        }
        for clause in &comp.clauses {
            match clause {
                ast::Clause::For(clause) => {
                    let source = self.expr(&clause.source);
                    self.push(1);
                    scopes += 1;
                    let variable = |s: &mut Self, name: &'a ast::Ident| {
                        if &*name.name == "_" {
                            return Label::NONE;
                        }
                        let label = s.program.regular_label(&name.name);
                        s.bind(name, Binding::Field(label), false);
                        label
                    };
                    let key = clause
                        .key
                        .as_ref()
                        .map_or(Label::NONE, |key| variable(self, key));
                    let value = variable(self, &clause.value);
                    clauses.push(Clause::For { key, value, source });
                }
                ast::Clause::If(clause) => clauses.push(Clause::If(self.expr(&clause.condition))),
                ast::Clause::Let(clause) => {
                    let value = self.expr(&clause.value);
                    self.push(1);
                    scopes += 1;
                    let label = self.program.regular_label(&clause.ident.name);
                    self.bind(&clause.ident, Binding::Field(label), true);
                    clauses.push(Clause::Let { label, value });
                }
                ast::Clause::Try(clause) => self.unsupported(clause.span, "try".to_owned()),
            }
        }
        let value = self.struct_expr(&comp.value);
        for _ in 0..scopes {
            self.pop();
        }
        let fallback = comp
            .fallback
            .as_ref()
            .map(|fallback| self.struct_expr(&fallback.value));
        let id = CompId(u32::try_from(self.program.comps.len()).unwrap_or(u32::MAX));
        self.program.comps.push(Comp {
            clauses: clauses.into(),
            value,
            fallback,
            span: comp.span,
        });
        id
    }

    fn struct_expr(&mut self, lit: &'a ast::Struct) -> ExprId {
        let id = self.struct_lit(&lit.decls, lit.span, false, 1);
        self.add(Expr::Struct(id), lit.span)
    }

    // Expressions.

    fn expr(&mut self, expr: &'a ast::Expr) -> ExprId {
        let span = expr.span();
        match expr {
            ast::Expr::Ident(ident) => self.ident(ident),
            ast::Expr::Null(_) => self.add(Expr::Value(Value::Null), span),
            ast::Expr::Bool(value, _) => self.add(Expr::Value(Value::Bool(*value)), span),
            ast::Expr::Number(lit) => self.number(lit),
            ast::Expr::String(lit) => {
                let sym = self.program.names.intern(&lit.value, 0);
                self.add(Expr::Value(Value::Str(sym)), span)
            }
            ast::Expr::Bytes(lit) => self.bytes(lit.value.clone(), span),
            ast::Expr::Interpolation(lit) => self.interpolation(lit),
            ast::Expr::Bottom(_) => self.bottom(span),
            ast::Expr::Struct(lit) => self.struct_expr(lit),
            ast::Expr::List(lit) => self.list(lit),
            ast::Expr::Paren(inner) => self.expr(&inner.expr),
            ast::Expr::Selector(selector) => self.selector(selector),
            ast::Expr::Index(index) => {
                let base = self.expr(&index.base);
                let at = self.expr(&index.index);
                self.add(Expr::Index { base, index: at }, span)
            }
            ast::Expr::Slice(slice) => {
                let base = self.expr(&slice.base);
                let low = slice.low.as_ref().map(|low| self.expr(low));
                let high = slice.high.as_ref().map(|high| self.expr(high));
                self.add(Expr::Slice { base, low, high }, span)
            }
            ast::Expr::Call(call) => {
                let function = self.expr(&call.function);
                let args: Box<[_]> = call.arguments.iter().map(|arg| self.expr(arg)).collect();
                self.add(Expr::Call(function, args), span)
            }
            ast::Expr::Unary(unary) => self.unary(unary),
            ast::Expr::Binary(binary) => self.binary(binary),
            ast::Expr::Postfix(postfix) => match postfix.op {
                ast::PostfixOp::Open => {
                    if !self.explicit_open {
                        return self.bad(
                            span,
                            "postfix ... operator requires @experiment(explicitopen)",
                        );
                    }
                    let inner = self.expr(&postfix.expr);
                    self.add(Expr::Open(inner), span)
                }
                ast::PostfixOp::Optional => {
                    self.unsupported(span, "the optional marker (?)".to_owned());
                    self.bottom(span)
                }
            },
        }
    }

    fn bytes(&mut self, value: Arc<[u8]>, span: Span) -> ExprId {
        let id = BytesId(u32::try_from(self.program.bytes.len()).unwrap_or(u32::MAX));
        self.program.bytes.push(value);
        self.add(Expr::Value(Value::Bytes(id)), span)
    }

    fn number(&mut self, lit: &ast::NumberLit) -> ExprId {
        let kind = match lit.kind {
            ast::NumberKind::Int => Kind::INT,
            ast::NumberKind::Float => Kind::FLOAT,
        };
        match Decimal::parse(&lit.text) {
            Ok(decimal) => {
                let value = self.program.number(decimal, kind);
                self.add(Expr::Value(value), lit.span)
            }
            Err(error) => self.bad(lit.span, error.to_string()),
        }
    }

    fn interpolation(&mut self, lit: &'a ast::Interpolation) -> ExprId {
        let parts: Box<[_]> = lit
            .parts
            .iter()
            .map(|part| match part {
                ast::Part::Expr(expr) => self.expr(expr),
                ast::Part::Text(text) if lit.bytes => self.bytes(text.clone(), lit.span),
                ast::Part::Text(text) => {
                    let sym = self.program.names.intern(&String::from_utf8_lossy(text), 0);
                    self.add(Expr::Value(Value::Str(sym)), lit.span)
                }
            })
            .collect();
        self.add(
            Expr::Interpolation {
                bytes: lit.bytes,
                parts,
            },
            lit.span,
        )
    }

    fn list(&mut self, lit: &'a ast::List) -> ExprId {
        self.push(1);
        let mut elems = Vec::with_capacity(lit.elements.len());
        for element in &lit.elements {
            match element {
                ast::Element::Expr(expr) => elems.push(ListElem::Expr(self.expr(expr))),
                ast::Element::Comprehension(comp) => {
                    elems.push(ListElem::Comprehension(self.comprehension(comp)));
                }
                ast::Element::Alias(name, _) => {
                    self.bad(name.span, "alias not allowed in a list");
                }
            }
        }
        let rest = lit.ellipsis.as_ref().and_then(|rest| rest.expr.as_ref());
        let rest = rest.map(|expr| self.expr(expr));
        let open = lit.ellipsis.is_some();
        self.pop();
        let id = ListId(u32::try_from(self.program.lists.len()).unwrap_or(u32::MAX));
        self.program.lists.push(ListLit {
            elems: elems.into(),
            open,
            rest,
        });
        self.add(Expr::List(id), lit.span)
    }

    fn selector(&mut self, selector: &'a ast::Selector) -> ExprId {
        let span = selector.span;
        let name = match &selector.selector {
            ast::SelectorLabel::Ident(ident) => &ident.name,
            ast::SelectorLabel::String(text) => &text.value,
        };
        if let ast::Expr::Ident(ident) = selector.base.without_parens()
            && !self.is_bound(&ident.name)
            && let Some(import) = self
                .imports
                .iter_mut()
                .find(|import| import.name == *ident.name)
        {
            import.used = true;
            let path = import.path.clone();
            return self.member(&path, name, span);
        }
        let base = self.expr(&selector.base);
        let label = match &selector.selector {
            ast::SelectorLabel::Ident(_) => self.program.label_of(name),
            ast::SelectorLabel::String(_) => self.program.regular_label(name),
        };
        self.add(Expr::Select { base, label }, span)
    }

    fn is_bound(&self, name: &str) -> bool {
        self.scopes
            .iter()
            .any(|scope| scope.names.contains_key(name))
    }

    fn member(&mut self, path: &str, name: &str, span: Span) -> ExprId {
        match self.library.member(path, name) {
            Some(Member::Function(builtin)) => self.builtin(builtin, span),
            Some(Member::Constant(text)) => self.constant(text, span),
            Some(Member::Unsupported(_)) => {
                self.unsupported(span, format!("{path}.{name}"));
                self.bottom(span)
            }
            None if self.library.package(path) == Some(true) => {
                self.bad(span, format!("undefined field: {name} in package {path:?}"))
            }
            None => self.bottom(span),
        }
    }

    fn builtin(&mut self, builtin: &'static Builtin, span: Span) -> ExprId {
        let at = match self
            .program
            .builtins
            .iter()
            .position(|b| std::ptr::eq(*b, builtin))
        {
            Some(at) => at,
            None => {
                self.program.builtins.push(builtin);
                self.program.builtins.len() - 1
            }
        };
        self.add(
            Expr::Value(Value::Builtin(u32::try_from(at).unwrap_or(u32::MAX))),
            span,
        )
    }

    /// A constant of a package: a literal.
    fn constant(&mut self, text: &str, span: Span) -> ExprId {
        if let Some(text) = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            let sym = self.program.names.intern(text, 0);
            return self.add(Expr::Value(Value::Str(sym)), span);
        }
        let kind = if text.contains(['.', 'e', 'E']) {
            Kind::FLOAT
        } else {
            Kind::INT
        };
        match Decimal::parse(text) {
            Ok(decimal) => {
                let value = self.program.number(decimal, kind);
                self.add(Expr::Value(value), span)
            }
            Err(error) => self.bad(span, error.to_string()),
        }
    }

    fn unary(&mut self, unary: &'a ast::Unary) -> ExprId {
        let span = unary.span;
        let op = match unary.op {
            ast::UnaryOp::Plus => Op::Add,
            ast::UnaryOp::Minus => Op::Subtract,
            ast::UnaryOp::Not => Op::Not,
            ast::UnaryOp::Default => {
                return self.bad(span, "preference mark not allowed at this position");
            }
            ast::UnaryOp::Less => Op::Less,
            ast::UnaryOp::LessEqual => Op::LessEqual,
            ast::UnaryOp::Greater => Op::Greater,
            ast::UnaryOp::GreaterEqual => Op::GreaterEqual,
            ast::UnaryOp::Equal => Op::Equal,
            ast::UnaryOp::NotEqual => Op::NotEqual,
            ast::UnaryOp::Match => Op::Match,
            ast::UnaryOp::NotMatch => Op::NotMatch,
        };
        let inner = self.expr(&unary.expr);
        let expr = match op {
            Op::Add | Op::Subtract | Op::Not => Expr::Unary(op, inner),
            _ => Expr::Bound(op, inner),
        };
        self.add(expr, span)
    }

    fn binary(&mut self, binary: &'a ast::Binary) -> ExprId {
        let span = binary.span;
        let op = match binary.op {
            ast::BinaryOp::Or => {
                let mut arms = Vec::new();
                let mut marked = false;
                for operand in binary.chain() {
                    self.arm(operand, false, &mut arms, &mut marked);
                }
                return self.add(
                    Expr::Disjunction {
                        arms: arms.into(),
                        marked,
                    },
                    span,
                );
            }
            ast::BinaryOp::And => {
                let mut operands = binary.chain().into_iter();
                let Some(first) = operands.next() else {
                    return self.bottom(span);
                };
                let mut left = self.expr(first);
                for operand in operands {
                    let right = self.expr(operand);
                    let span = Span {
                        end: operand.span().end,
                        ..span
                    };
                    left = self.add(Expr::And(left, right), span);
                }
                return left;
            }
            ast::BinaryOp::BoolOr => Op::BoolOr,
            ast::BinaryOp::BoolAnd => Op::BoolAnd,
            ast::BinaryOp::Equal => Op::Equal,
            ast::BinaryOp::NotEqual => Op::NotEqual,
            ast::BinaryOp::Less => Op::Less,
            ast::BinaryOp::LessEqual => Op::LessEqual,
            ast::BinaryOp::Greater => Op::Greater,
            ast::BinaryOp::GreaterEqual => Op::GreaterEqual,
            ast::BinaryOp::Match => Op::Match,
            ast::BinaryOp::NotMatch => Op::NotMatch,
            ast::BinaryOp::Add => Op::Add,
            ast::BinaryOp::Subtract => Op::Subtract,
            ast::BinaryOp::Multiply => Op::Multiply,
            ast::BinaryOp::Divide => Op::Divide,
        };
        if self.short_circuit && matches!(op, Op::BoolAnd | Op::BoolOr) {
            self.unsupported(span, "the experiment shortcircuit".to_owned());
        }
        // Long chains of one operator lean to the left: no recursion for them.
        let mut operands = binary.chain().into_iter();
        let Some(first) = operands.next() else {
            return self.bottom(span);
        };
        let mut left = self.operand(first, op);
        for operand in operands {
            let right = self.operand(operand, op);
            let span = Span {
                end: operand.span().end,
                ..span
            };
            left = self.add(Expr::Binary(op, left, right), span);
        }
        left
    }

    fn operand(&mut self, expr: &'a ast::Expr, op: Op) -> ExprId {
        let id = self.expr(expr);
        let never = match self.program.expr(id) {
            Expr::Bound(..) => true,
            Expr::Value(value) => {
                matches!(
                    value,
                    Value::Type(_) | Value::Top | Value::Bound(_) | Value::Conjunction(_)
                )
            }
            _ => false,
        };
        if never {
            let text = self
                .program
                .files
                .get(expr.span().file.0 as usize)
                .map(|s| s.slice(expr.span()).to_owned());
            let text = text.unwrap_or_default();
            self.error(
                REFERENCE,
                expr.span(),
                format!(
                    "invalid operand {text} ('{}' requires concrete value)",
                    op.as_str()
                ),
            );
        }
        id
    }

    fn arm(
        &mut self,
        expr: &'a ast::Expr,
        mark: bool,
        arms: &mut Vec<(ExprId, bool)>,
        marked: &mut bool,
    ) {
        match expr {
            ast::Expr::Binary(binary) if binary.op == ast::BinaryOp::Or => {
                for operand in binary.chain() {
                    self.arm(operand, mark, arms, marked);
                }
            }
            ast::Expr::Unary(unary) if unary.op == ast::UnaryOp::Default => {
                *marked = true;
                self.arm(&unary.expr, true, arms, marked);
            }
            _ => {
                let value = self.expr(expr);
                arms.push((value, mark));
            }
        }
    }

    // Names.

    fn ident(&mut self, ident: &ast::Ident) -> ExprId {
        let span = ident.span;
        let name = &ident.name;
        if &**name == "_" {
            return self.add(Expr::Value(Value::Top), span);
        }
        let mut up = 0;
        let mut found = None;
        for (at, scope) in self.scopes.iter_mut().enumerate().rev() {
            if let Some(entry) = scope.names.get_mut(name) {
                entry.used = true;
                found = Some((at, entry.binding.clone()));
                break;
            }
            up += scope.up;
        }
        match found {
            None => self.outer_ident(ident, up),
            Some((at, binding)) => self.bound_ident(at, binding, up, span),
        }
    }

    fn bound_ident(&mut self, at: usize, binding: Binding<'a>, up: u32, span: Span) -> ExprId {
        match binding {
            Binding::Field(label) => self.add(Expr::Field { up, label }, span),
            Binding::Let(label) => self.add(Expr::Let { up, label }, span),
            Binding::Value => self.add(Expr::SelfValue { up }, span),
            Binding::PatternLabel => self.add(Expr::LabelValue { up }, span),
            Binding::PatternField => {
                let label = self.add(Expr::LabelValue { up: 0 }, span);
                self.add(Expr::Dynamic { up, label }, span)
            }
            Binding::LabelText(text) => {
                let sym = self.program.names.intern(&text, 0);
                self.add(Expr::Value(Value::Str(sym)), span)
            }
            Binding::Dynamic(_) | Binding::Interpolated(_) => {
                // The label is evaluated where the field stands.
                let inner = self.scopes.split_off(at + 1);
                let label = match binding {
                    Binding::Dynamic(expr) => self.expr(expr),
                    Binding::Interpolated(lit) => self.interpolation(lit),
                    _ => self.bottom(span),
                };
                self.scopes.extend(inner);
                self.add(Expr::Dynamic { up, label }, span)
            }
        }
    }

    fn outer_ident(&mut self, ident: &ast::Ident, up: u32) -> ExprId {
        let span = ident.span;
        let name = &ident.name;
        if self.imports.iter().any(|import| import.name == **name) {
            self.unsupported(span, format!("the package {name} as a value"));
            return self.bottom(span);
        }
        if let Some(Entry {
            binding: Binding::Field(label),
            ..
        }) = self.package.names.get(name)
        {
            let label = *label;
            return self.add(Expr::Field { up, label }, span);
        }
        match self.predeclared(name, span) {
            Some(expr) => expr,
            None => self.bad(span, format!("reference {name:?} not found")),
        }
    }

    fn predeclared(&mut self, name: &str, span: Span) -> Option<ExprId> {
        let plain = name.strip_prefix("__").unwrap_or(name);
        let kind = match plain {
            "string" => Some(Kind::STRING),
            "bytes" => Some(Kind::BYTES),
            "bool" => Some(Kind::BOOL),
            "int" => Some(Kind::INT),
            "float" => Some(Kind::FLOAT),
            "number" => Some(Kind::NUMBER),
            _ => None,
        };
        if let Some(kind) = kind {
            return Some(self.add(Expr::Value(Value::Type(kind)), span));
        }
        if let Some(builtin) = LANGUAGE.iter().find(|builtin| builtin.name == plain) {
            return Some(self.builtin(builtin, span));
        }
        let (low, high, kind) = match plain {
            "uint" => ("0", "", Kind::INT),
            "rune" => ("0", "1114111", Kind::INT),
            "int8" => ("-128", "127", Kind::INT),
            "int16" => ("-32768", "32767", Kind::INT),
            "int32" => ("-2147483648", "2147483647", Kind::INT),
            "int64" => ("-9223372036854775808", "9223372036854775807", Kind::INT),
            "int128" => (
                "-170141183460469231731687303715884105728",
                "170141183460469231731687303715884105727",
                Kind::INT,
            ),
            "uint8" => ("0", "255", Kind::INT),
            "uint16" => ("0", "65535", Kind::INT),
            "uint32" => ("0", "4294967295", Kind::INT),
            "uint64" => ("0", "18446744073709551615", Kind::INT),
            "uint128" => ("0", "340282366920938463463374607431768211455", Kind::INT),
            "float32" => (
                "-3.40282346638528859811704183484516925440e+38",
                "3.40282346638528859811704183484516925440e+38",
                Kind::FLOAT,
            ),
            "float64" => (
                "-1.797693134862315708145274237317043567981e+308",
                "1.797693134862315708145274237317043567981e+308",
                Kind::FLOAT,
            ),
            "self" if self.alias_v2 => {
                self.unsupported(span, "self".to_owned());
                return Some(self.bottom(span));
            }
            "closeAll" | "reclose" | "no_sharing" | "test_experiment" if name.starts_with("__") => {
                self.unsupported(span, name.to_owned());
                return Some(self.bottom(span));
            }
            _ => return None,
        };
        let mut values = Vec::new();
        if kind == Kind::INT {
            values.push(Value::Type(Kind::INT));
        }
        for (op, text) in [(Op::GreaterEqual, low), (Op::LessEqual, high)] {
            if let Ok(decimal) = Decimal::parse(text) {
                let value = self.program.number(decimal, kind);
                let id = BoundId(u32::try_from(self.program.bounds.len()).unwrap_or(u32::MAX));
                self.program.bounds.push(Bound { op, value });
                values.push(Value::Bound(id));
            }
        }
        let id = ConjunctionId(u32::try_from(self.program.conjunctions.len()).unwrap_or(u32::MAX));
        self.program.conjunctions.push(values.into());
        Some(self.add(Expr::Value(Value::Conjunction(id)), span))
    }
}
