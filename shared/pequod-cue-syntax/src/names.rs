//! The identifiers of a tree.

use crate::ast::{
    Clause, Comprehension, Decl, Element, Expr, Field, Ident, Interpolation, LabelKind, Part,
    PostfixAlias, SelectorLabel, Struct,
};

/// Calls a function with every identifier that stands for a value, wherever it stands: references and predeclared
/// names, not labels nor what stands behind a dot.
///
/// ```
/// use pequod_cue_syntax::{FileId, for_each_name, parse_file};
///
/// let file = parse_file(FileId(0), "a.cue", "a: b.c & {d: \"\\(e)\"}").unwrap();
/// let mut names = Vec::new();
/// for_each_name(&file.decls, &mut |ident| names.push(ident.name.to_string()));
/// assert_eq!(names, ["b", "e"]);
/// ```
pub fn for_each_name(decls: &[Decl], call: &mut dyn FnMut(&Ident)) {
    Walk {
        call,
        names_only: true,
    }
    .decls(decls);
}

/// Calls a function with every identifier in an expression, whatever it is there: a reference, a label, a variable,
/// another name for something, or what stands behind a dot.
///
/// ```
/// use pequod_cue_syntax::ast::Decl;
/// use pequod_cue_syntax::{FileId, for_each_identifier, parse_file};
///
/// let file = parse_file(FileId(0), "a.cue", "{a: b.c, for d in e {}}").unwrap();
/// let Decl::Embed(embed) = &file.decls[0] else { panic!() };
/// let mut found = Vec::new();
/// for_each_identifier(&embed.expr, &mut |ident| found.push(ident.name.to_string()));
/// assert_eq!(found, ["a", "b", "c", "d", "e"]);
/// ```
pub fn for_each_identifier(expr: &Expr, call: &mut dyn FnMut(&Ident)) {
    Walk {
        call,
        names_only: false,
    }
    .expr(expr);
}

struct Walk<'c> {
    call: &'c mut dyn FnMut(&Ident),
    /// Only those that are looked up.
    names_only: bool,
}

impl Walk<'_> {
    /// Something that is not looked up.
    fn other<'i>(&mut self, idents: impl IntoIterator<Item = &'i Ident>) {
        if !self.names_only {
            idents.into_iter().for_each(&mut *self.call);
        }
    }

    fn decls(&mut self, decls: &[Decl]) {
        for decl in decls {
            match decl {
                Decl::Field(field) => self.field(field),
                Decl::Let(clause) => {
                    self.other([&clause.ident]);
                    self.expr(&clause.value);
                }
                Decl::Embed(embed) => self.expr(&embed.expr),
                Decl::Comprehension(comprehension) => self.comprehension(comprehension),
                Decl::Ellipsis(_) | Decl::Attribute(_) => {}
            }
        }
    }

    fn field(&mut self, field: &Field) {
        self.other(field.label.alias.as_deref());
        match &field.label.kind {
            LabelKind::Ident(ident) => self.other([ident]),
            LabelKind::String(_) => {}
            LabelKind::Interpolation(lit) => self.interpolation(lit),
            LabelKind::Dynamic(expr) => self.expr(expr),
            LabelKind::Pattern(pattern) => {
                self.other(&pattern.alias);
                self.expr(&pattern.expr);
            }
        }
        if let Some(PostfixAlias { label, field, .. }) = field.alias.as_deref() {
            self.other(label.iter().chain([field]));
        }
        self.other(field.value_alias.as_deref());
        self.expr(&field.value);
    }

    fn body(&mut self, lit: &Struct) {
        self.decls(&lit.decls);
    }

    fn interpolation(&mut self, lit: &Interpolation) {
        for part in &lit.parts {
            if let Part::Expr(expr) = part {
                self.expr(expr);
            }
        }
    }

    fn comprehension(&mut self, comprehension: &Comprehension) {
        for clause in &comprehension.clauses {
            match clause {
                Clause::For(clause) => {
                    self.other(clause.key.iter().chain([&clause.value]));
                    self.expr(&clause.source);
                }
                Clause::If(clause) => self.expr(&clause.condition),
                Clause::Let(clause) => {
                    self.other([&clause.ident]);
                    self.expr(&clause.value);
                }
                Clause::Try(clause) => {
                    if let Some((name, value)) = &clause.binding {
                        self.other([name]);
                        self.expr(value);
                    }
                }
            }
        }
        self.body(&comprehension.value);
        if let Some(fallback) = &comprehension.fallback {
            self.body(&fallback.value);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Ident(ident) => (self.call)(ident),
            Expr::Null(_)
            | Expr::Bool(..)
            | Expr::Number(_)
            | Expr::String(_)
            | Expr::Bytes(_)
            | Expr::Bottom(_) => {}
            Expr::Interpolation(lit) => self.interpolation(lit),
            Expr::Struct(lit) => self.body(lit),
            Expr::List(list) => {
                for element in &list.elements {
                    match element {
                        Element::Expr(expr) => self.expr(expr),
                        Element::Alias(name, expr) => {
                            self.other([name]);
                            self.expr(expr);
                        }
                        Element::Comprehension(comprehension) => self.comprehension(comprehension),
                    }
                }
                if let Some(rest) = list.ellipsis.as_ref().and_then(|rest| rest.expr.as_ref()) {
                    self.expr(rest);
                }
            }
            Expr::Paren(paren) => self.expr(&paren.expr),
            Expr::Selector(selector) => {
                self.expr(&selector.base);
                if let SelectorLabel::Ident(ident) = &selector.selector {
                    self.other([ident]);
                }
            }
            Expr::Index(index) => {
                self.expr(&index.base);
                self.expr(&index.index);
            }
            Expr::Slice(slice) => {
                self.expr(&slice.base);
                for side in [&slice.low, &slice.high].into_iter().flatten() {
                    self.expr(side);
                }
            }
            Expr::Call(function) => {
                self.expr(&function.function);
                for argument in &function.arguments {
                    self.expr(argument);
                }
            }
            Expr::Unary(unary) => self.expr(&unary.expr),
            Expr::Postfix(postfix) => self.expr(&postfix.expr),
            Expr::Binary(binary) => {
                // From the left end of the chain, so that a long one needs no deep stack.
                let mut chain = vec![&**binary];
                while let Some(Expr::Binary(inner)) = chain.last().map(|last| &last.lhs) {
                    chain.push(inner);
                }
                for (at, link) in chain.iter().rev().enumerate() {
                    if at == 0 {
                        self.expr(&link.lhs);
                    }
                    self.expr(&link.rhs);
                }
            }
        }
    }
}
