//! Struct literals and comprehensions: which names they bind, and what they declare.

use std::sync::Arc;

use pequod_cue_syntax::{Span, ast};

use super::{Compiler, REFERENCE, named};
use crate::kind::{Label, LabelKind, Presence};
use crate::program::{Clause, Comp, CompId, Decl, DeclId, Expr, ExprId, StructId, StructLit};
use crate::scope::{Binding, Scope, Within};

impl Compiler {
    pub(super) fn struct_lit(
        &mut self,
        decls: &[ast::Decl],
        span: Span,
        is_file: bool,
        up: u32,
    ) -> StructId {
        self.push(up);
        if let Some(scope) = self.scopes.last_mut()
            && !is_file
        {
            scope.names.reserve(named(decls));
        }
        // Fields first, so that a let of the same name is noticed.
        for decl in decls {
            if let ast::Decl::Field(field) = decl
                && let ast::LabelKind::Ident(ident) = &field.label.kind
                && !is_file
            {
                let label = self.label_of(&ident.name);
                self.bind(ident, Binding::Field(label), false);
            }
        }
        let lets = self.declare_names(decls);
        self.declare_dynamic(decls);
        let mut ids = Vec::with_capacity(decls.len());
        let (mut embeds, mut ellipsis) = (false, false);
        for (at, decl) in decls.iter().enumerate() {
            let compiled = match decl {
                ast::Decl::Field(field) => self.field(field),
                ast::Decl::Let(clause) => {
                    lets.get(&at).map(|label| self.let_clause(clause, *label))
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
            explicit_open: self.experiments.explicit_open,
        });
        id
    }

    /// Binds lets and aliases of a struct. Gives the labels of the lets by place.
    pub(super) fn declare_names(
        &mut self,
        decls: &[ast::Decl],
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
                    if let Some(name) = field.alias.as_ref().and_then(|alias| alias.label.as_ref())
                        && &*name.name != "_"
                    {
                        self.bind_label_alias(name, field);
                    }
                }
                _ => {}
            }
        }
        lets
    }

    /// The name is not visible in its own value; another of that name further out is.
    fn let_clause(&mut self, clause: &ast::LetClause, label: Label) -> Decl {
        let name = &clause.ident.name;
        let hidden = self
            .scopes
            .last_mut()
            .and_then(|scope| scope.names.remove(name));
        self.lets.open.push(label);
        let value = self.expr(&clause.value);
        self.lets.open.pop();
        if let (Some(hidden), Some(scope)) = (hidden, self.scopes.last_mut()) {
            scope.names.insert(name.clone(), hidden);
        }
        Decl::Let {
            label,
            value,
            span: clause.span,
        }
    }

    fn bind_field_alias(&mut self, alias: &ast::Ident, field: &ast::Field) {
        let binding = match &field.label.kind {
            ast::LabelKind::Ident(ident) => Binding::Field(self.label_of(&ident.name)),
            ast::LabelKind::String(text) => Binding::Field(self.program.regular_label(&text.value)),
            ast::LabelKind::Interpolation(_) | ast::LabelKind::Dynamic(_) => Binding::Dynamic(None),
            // Only visible in the value: bound there.
            ast::LabelKind::Pattern(_) => return,
        };
        self.bind(alias, binding, true);
    }

    /// Compiles the labels that aliases of dynamic fields stand for.
    fn declare_dynamic(&mut self, decls: &[ast::Decl]) {
        for decl in decls {
            let ast::Decl::Field(field) = decl else {
                continue;
            };
            let alias = field
                .label
                .alias
                .as_deref()
                .or(field.alias.as_ref().map(|alias| &alias.field));
            let Some(alias) = alias.filter(|alias| &*alias.name != "_") else {
                continue;
            };
            let label = match &field.label.kind {
                ast::LabelKind::Interpolation(text) => self.interpolation(text),
                ast::LabelKind::Dynamic(expr) => self.expr(expr),
                _ => continue,
            };
            if let Some(entry) = self
                .scopes
                .last_mut()
                .and_then(|scope| scope.names.get_mut(&alias.name))
            {
                entry.binding = Binding::Dynamic(Some(label));
            }
        }
    }

    /// `K` of `a~(K, V)`: the label as text, visible wherever the field is.
    fn bind_label_alias(&mut self, name: &ast::Ident, field: &ast::Field) {
        let text = match &field.label.kind {
            ast::LabelKind::Ident(ident) if ident.name.starts_with(['_', '#']) => {
                self.error(
                    REFERENCE,
                    name.span,
                    "label alias cannot reference definition or hidden field".to_owned(),
                );
                return;
            }
            ast::LabelKind::Ident(ident) => ident.name.clone(),
            ast::LabelKind::String(text) => text.value.clone(),
            // Only visible in the value: bound there.
            _ => return,
        };
        self.bind(name, Binding::LabelText(text), false);
    }

    pub(super) fn let_label(&mut self, name: &Arc<str>) -> Label {
        let index = u32::try_from(self.program.lets.len()).unwrap_or(u32::MAX);
        self.program.lets.push(name.clone());
        Label::new(LabelKind::Let, index)
    }

    pub(super) fn field(&mut self, field: &ast::Field) -> Option<Decl> {
        let presence = match field.constraint {
            ast::Constraint::Regular => Presence::Member,
            ast::Constraint::Required => Presence::Required,
            ast::Constraint::Optional => Presence::Optional,
        };
        // The scope of the value's own names.
        self.scopes.push(Scope {
            field: Within::of(&field.label.kind),
            ..Scope::default()
        });
        let mut named = false;
        if let ast::LabelKind::Pattern(pattern) = &field.label.kind {
            if let Some(alias) = &pattern.alias {
                self.bind(alias, Binding::PatternLabel, false);
            }
            let fields = field
                .label
                .alias
                .as_deref()
                .into_iter()
                .chain(field.alias.as_ref().map(|alias| &alias.field));
            for alias in fields.filter(|alias| &*alias.name != "_") {
                self.bind(alias, Binding::PatternField, true);
            }
        }
        if let Some(name) = field.alias.as_ref().and_then(|alias| alias.label.as_ref())
            && &*name.name != "_"
            && !matches!(
                field.label.kind,
                ast::LabelKind::Ident(_) | ast::LabelKind::String(_)
            )
        {
            named = true;
            self.bind(name, Binding::PatternLabel, false);
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
                let label = self.label_of(&ident.name);
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

    /// The name that a clause of a comprehension gives to a value. Unlike other names it may be `_`, which is none, and
    /// nobody need refer to it.
    fn variable(&mut self, name: &ast::Ident) -> Label {
        if &*name.name == "_" {
            return Label::NONE;
        }
        let label = self.program.regular_label(&name.name);
        self.bind(name, Binding::Field(label), false);
        label
    }

    pub(super) fn comprehension(&mut self, comp: &ast::Comprehension) -> CompId {
        let mut clauses = Vec::new();
        let mut scopes = 0;
        if let Some(ast::Clause::Let(_)) = comp.clauses.first() {
            self.error(
                REFERENCE,
                comp.span,
                "first comprehension clause must be 'if' or 'for'".to_owned(),
            );
        }
        let mut tries = 0;
        for (at, clause) in comp.clauses.iter().enumerate() {
            match clause {
                ast::Clause::For(clause) => {
                    let source = self.expr(&clause.source);
                    self.push(1);
                    scopes += 1;
                    let key = clause
                        .key
                        .as_ref()
                        .map_or(Label::NONE, |key| self.variable(key));
                    let value = self.variable(&clause.value);
                    clauses.push(Clause::For { key, value, source });
                }
                ast::Clause::If(clause) => clauses.push(Clause::If(self.expr(&clause.condition))),
                ast::Clause::Let(clause) => {
                    let value = self.expr(&clause.value);
                    self.push(1);
                    scopes += 1;
                    let label = self.variable(&clause.ident);
                    clauses.push(Clause::Let { label, value });
                }
                ast::Clause::Try(clause) => {
                    let Some((name, value)) = &clause.binding else {
                        if at + 1 < comp.clauses.len() {
                            self.error(
                                REFERENCE,
                                clause.span,
                                "struct-form try clause must be the last clause in a comprehension"
                                    .to_owned(),
                            );
                        }
                        tries = 1;
                        clauses.push(Clause::Try(None));
                        continue;
                    };
                    self.trying += 1;
                    let value = self.expr(value);
                    self.trying -= 1;
                    self.push(1);
                    scopes += 1;
                    let label = self.variable(name);
                    clauses.push(Clause::Try(Some((label, value))));
                }
            }
        }
        self.trying += tries;
        let value = self.struct_expr(&comp.value);
        self.trying -= tries;
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

    pub(super) fn struct_expr(&mut self, lit: &ast::Struct) -> ExprId {
        let id = self.struct_lit(&lit.decls, lit.span, false, 1);
        self.add(Expr::Struct(id), lit.span)
    }
}
