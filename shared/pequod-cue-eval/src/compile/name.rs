//! Names: fields, aliases, packages and what the language predeclares.

use std::sync::Arc;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::{FileId, Span, ast, parse_file};

use super::Compiler;
use crate::builtin::{Builtin, Member};
use crate::kind::{Kind, Label, Presence};
use crate::language::LANGUAGE;
use crate::program::{Decl, DeclId, Expr, ExprId, StructId, StructLit};
use crate::range::Range;
use crate::scope::{Binding, Entry};
use crate::session::NO_SHARING;
use crate::value::{Bound, BoundId, ConjunctionId, Op, Value};

/// What a member of a package is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// It is called.
    Call,
    /// Anything else.
    Value,
}

impl Compiler {
    /// What is called: a function of a package directly, and not by way of the node that it is.
    pub(super) fn callee(&mut self, function: &ast::Expr) -> ExprId {
        match function {
            ast::Expr::Selector(selector) => self.selector(selector, Use::Call),
            other => self.expr(other),
        }
    }

    pub(super) fn selector(&mut self, selector: &ast::Selector, usage: Use) -> ExprId {
        let span = selector.span;
        let name = match &selector.selector {
            ast::SelectorLabel::Ident(ident) => &ident.name,
            ast::SelectorLabel::String(text) => &text.value,
        };
        if let ast::Expr::Ident(ident) = selector.base.without_parens()
            && self.infers
        {
            self.infer_import(ident);
        }
        if let ast::Expr::Ident(ident) = selector.base.without_parens()
            && !self.is_bound(&ident.name)
            && let Some(import) = self
                .imports
                .iter_mut()
                .find(|import| import.name == *ident.name)
        {
            import.used = true;
            if import.unit.is_none() {
                let path = import.path.clone();
                return self.member(&path, name, usage, span);
            }
        }
        let base = self.expr(&selector.base);
        let label = match &selector.selector {
            ast::SelectorLabel::Ident(_) if &**name == "_" => Label::BLANK,
            ast::SelectorLabel::Ident(_) => self.label_of(name),
            ast::SelectorLabel::String(_) => self.program.regular_label(name),
        };
        let at = selector.selector.span().pos();
        self.add(Expr::Select { base, label, at }, span)
    }

    pub(super) fn is_bound(&self, name: &str) -> bool {
        self.scopes
            .iter()
            .any(|scope| scope.names.contains_key(name))
    }

    fn member(&mut self, path: &str, name: &str, usage: Use, span: Span) -> ExprId {
        match self.library.member(path, name) {
            Some(Member::Function(builtin)) if usage == Use::Call => self.builtin(builtin, span),
            Some(Member::Function(builtin)) => {
                self.field_of_package(path, name, span, |it| Ok(it.builtin(builtin, span)))
            }
            Some(Member::Constant(text)) => {
                self.field_of_package(path, name, span, |it| it.constant(path, text, span))
            }
            // What a package exports begins with a capital: anything else is not there.
            Some(Member::Unsupported(_)) if name.starts_with(|c: char| c.is_ascii_lowercase()) => {
                self.absent_member(name, span)
            }
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

    /// A member that a package has not: looked for in vain, as in any open struct.
    fn absent_member(&mut self, name: &str, span: Span) -> ExprId {
        let empty = self.struct_lit(&[], span, false, 1);
        let base = self.add(Expr::Struct(empty), span);
        let label = self.label_of(&name.into());
        let at = span.pos();
        self.add(Expr::Select { base, label, at }, span)
    }

    pub(super) fn builtin(&mut self, builtin: &'static Builtin, span: Span) -> ExprId {
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

    pub(super) fn ident(&mut self, ident: &ast::Ident) -> ExprId {
        let span = ident.span;
        let name = &ident.name;
        if &**name == "_" {
            return self.add(Expr::Value(Value::Top), span);
        }
        let mut up = 0;
        let mut found = None;
        for scope in self.scopes.iter_mut().rev() {
            if let Some(entry) = scope.names.get_mut(name) {
                entry.used = true;
                found = Some(entry.binding.clone());
                break;
            }
            up += scope.up;
        }
        match found {
            None => self.outer_ident(ident, up),
            Some(binding) => self.bound_ident(binding, up, span),
        }
    }

    pub(super) fn bound_ident(&mut self, binding: Binding, up: u32, span: Span) -> ExprId {
        match binding {
            // The reference takes an empty label for none.
            Binding::Field(label) if label == self.program.regular_label(&"".into()) => {
                self.bad(span, "unsupported field alias \"\"")
            }
            Binding::Field(label) => self.add(Expr::Field { up, label }, span),
            Binding::Let(label) => {
                for open in &self.lets.open {
                    self.lets.uses.push((*open, label, span));
                }
                self.add(Expr::Let { up, label }, span)
            }
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
            Binding::Dynamic(Some(label)) => self.add(Expr::Dynamic { up, label }, span),
            Binding::Dynamic(None) => self.bad(span, "cyclic reference in field alias"),
        }
    }

    pub(super) fn outer_ident(&mut self, ident: &ast::Ident, up: u32) -> ExprId {
        let span = ident.span;
        let name = &ident.name;
        if let Some(import) = self.imports.iter_mut().find(|import| import.name == **name) {
            import.used = true;
            if let Some(unit) = import.unit {
                let unit = u32::try_from(unit).unwrap_or(u32::MAX);
                return self.add(Expr::Import(unit), span);
            }
            // One that does not exist was refused where it is imported.
            if self.library.package(&import.path).is_some() {
                self.unsupported(span, format!("the package {name} as a value"));
            }
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

    pub(super) fn predeclared(&mut self, name: &str, span: Span) -> Option<ExprId> {
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
        let same = |builtin: &&Builtin| builtin.name == plain || builtin.name == name;
        if let Some(builtin) = LANGUAGE.iter().find(same) {
            return Some(self.builtin(builtin, span));
        }
        if let Some(range) = Range::named(plain) {
            return Some(self.range(range, span));
        }
        match plain {
            "self" if !self.experiments.alias_v2 => {
                let what = format!("predeclared identifier {name:?} requires @experiment(aliasv2)");
                Some(self.bad(span, what))
            }
            "self" => Some(self.add(Expr::SelfValue { up: 1 }, span)),
            "no_sharing" if name.starts_with("__") => {
                Some(self.add(Expr::Value(Value::Fault(NO_SHARING)), span))
            }
            _ => None,
        }
    }

    fn range(&mut self, range: &Range, span: Span) -> ExprId {
        let mut values = Vec::new();
        if range.kind == Kind::INT {
            values.push(Value::Type(Kind::INT));
        }
        for (op, end) in [
            (Op::GreaterEqual, Some(range.low)),
            (Op::LessEqual, range.high),
        ] {
            if let Some(Ok(decimal)) = end.map(Decimal::parse) {
                let value = self.program.number(decimal, range.kind);
                let id = BoundId(u32::try_from(self.program.bounds.len()).unwrap_or(u32::MAX));
                self.program.bounds.push(Bound { op, value });
                values.push(Value::Bound(id));
            }
        }
        let id = ConjunctionId(u32::try_from(self.program.conjunctions.len()).unwrap_or(u32::MAX));
        self.program.conjunctions.push(values.into());
        self.add(Expr::Value(Value::Conjunction(id)), span)
    }

    /// A value of a package that is no function, such as `math.Pi` or `list.Ascending`, which is written in CUE.
    fn constant(&mut self, path: &str, text: &'static str, span: Span) -> Result<ExprId, ExprId> {
        let id = FileId(u32::try_from(self.program.files.len()).unwrap_or(u32::MAX));
        let Ok(file) = parse_file(id, path, Arc::<str>::from(text)) else {
            let problem = format!("the constant {text:?} of package {path:?} is no CUE");
            return Err(self.bad(span, problem));
        };
        let [ast::Decl::Embed(embed)] = file.decls.as_slice() else {
            let problem = format!("the constant {text:?} of package {path:?} is no value");
            return Err(self.bad(span, problem));
        };
        self.program.files.push(file.source.clone());
        self.program.experiments.push(file.experiments);
        // Nothing of the file at hand is visible in it.
        let scopes = std::mem::take(&mut self.scopes);
        let package = std::mem::take(&mut self.package);
        let experiments = std::mem::replace(&mut self.experiments, file.experiments);
        let value = self.expr(&embed.expr);
        self.scopes = scopes;
        self.package = package;
        self.experiments = experiments;
        Ok(value)
    }

    /// A member of a builtin package is a node like any other, which may be shared: the field of a struct of its own, one for
    /// each member that is used other than by calling it. Where its value cannot be had, what stands for it.
    fn field_of_package(
        &mut self,
        path: &str,
        name: &str,
        span: Span,
        value: impl FnOnce(&mut Self) -> Result<ExprId, ExprId>,
    ) -> ExprId {
        let label = self.label_of(&name.into());
        let at = span.pos();
        let key = (path.to_owned(), name.to_owned());
        let base = match self.members.get(&key) {
            Some(base) => *base,
            None => {
                let value = match value(self) {
                    Ok(value) => value,
                    Err(bottom) => return bottom,
                };
                let base = self.builtin_package(label, value, span);
                self.members.insert(key, base);
                base
            }
        };
        self.add(Expr::Select { base, label, at }, span)
    }

    fn builtin_package(&mut self, label: Label, value: ExprId, span: Span) -> ExprId {
        let decl = DeclId(u32::try_from(self.program.decls.len()).unwrap_or(u32::MAX));
        self.program.decls.push(Decl::Field {
            label,
            presence: Presence::Member,
            value,
            span,
            doc: None,
        });
        let lit = StructId(u32::try_from(self.program.structs.len()).unwrap_or(u32::MAX));
        self.program.structs.push(StructLit {
            decls: [decl].into(),
            span,
            is_file: true,
            embeds: false,
            ellipsis: false,
            explicit_open: false,
        });
        let root = self.add(Expr::Struct(lit), span);
        let at = u32::try_from(self.program.builtin_packages.len()).unwrap_or(u32::MAX);
        self.program.builtin_packages.push(root);
        self.add(Expr::BuiltinPackage(at), span)
    }
}
