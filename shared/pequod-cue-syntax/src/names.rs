//! The names that are looked up in a tree.

use crate::ast::{
    Clause, Comprehension, Decl, Element, Expr, Field, Ident, Interpolation, LabelKind, Part,
    Struct,
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
    for decl in decls {
        match decl {
            Decl::Field(field) => of_field(field, call),
            Decl::Let(clause) => of_expr(&clause.value, call),
            Decl::Embed(embed) => of_expr(&embed.expr, call),
            Decl::Comprehension(comprehension) => of_comprehension(comprehension, call),
            Decl::Ellipsis(_) | Decl::Attribute(_) => {}
        }
    }
}

fn of_field(field: &Field, call: &mut dyn FnMut(&Ident)) {
    match &field.label.kind {
        LabelKind::Ident(_) | LabelKind::String(_) => {}
        LabelKind::Interpolation(lit) => of_interpolation(lit, call),
        LabelKind::Dynamic(expr) => of_expr(expr, call),
        LabelKind::Pattern(pattern) => of_expr(&pattern.expr, call),
    }
    of_expr(&field.value, call);
}

fn of_struct(lit: &Struct, call: &mut dyn FnMut(&Ident)) {
    for_each_name(&lit.decls, call);
}

fn of_interpolation(lit: &Interpolation, call: &mut dyn FnMut(&Ident)) {
    for part in &lit.parts {
        if let Part::Expr(expr) = part {
            of_expr(expr, call);
        }
    }
}

fn of_comprehension(comprehension: &Comprehension, call: &mut dyn FnMut(&Ident)) {
    for clause in &comprehension.clauses {
        match clause {
            Clause::For(clause) => of_expr(&clause.source, call),
            Clause::If(clause) => of_expr(&clause.condition, call),
            Clause::Let(clause) => of_expr(&clause.value, call),
            Clause::Try(clause) => {
                if let Some((_, value)) = &clause.binding {
                    of_expr(value, call);
                }
            }
        }
    }
    of_struct(&comprehension.value, call);
    if let Some(fallback) = &comprehension.fallback {
        of_struct(&fallback.value, call);
    }
}

fn of_expr(expr: &Expr, call: &mut dyn FnMut(&Ident)) {
    match expr {
        Expr::Ident(ident) => call(ident),
        Expr::Null(_)
        | Expr::Bool(..)
        | Expr::Number(_)
        | Expr::String(_)
        | Expr::Bytes(_)
        | Expr::Bottom(_) => {}
        Expr::Interpolation(lit) => of_interpolation(lit, call),
        Expr::Struct(lit) => of_struct(lit, call),
        Expr::List(list) => {
            for element in &list.elements {
                match element {
                    Element::Expr(expr) | Element::Alias(_, expr) => of_expr(expr, call),
                    Element::Comprehension(comprehension) => of_comprehension(comprehension, call),
                }
            }
            if let Some(expr) = list
                .ellipsis
                .as_ref()
                .and_then(|ellipsis| ellipsis.expr.as_ref())
            {
                of_expr(expr, call);
            }
        }
        Expr::Paren(paren) => of_expr(&paren.expr, call),
        Expr::Selector(selector) => of_expr(&selector.base, call),
        Expr::Index(index) => {
            of_expr(&index.base, call);
            of_expr(&index.index, call);
        }
        Expr::Slice(slice) => {
            of_expr(&slice.base, call);
            for side in [&slice.low, &slice.high].into_iter().flatten() {
                of_expr(side, call);
            }
        }
        Expr::Call(function) => {
            of_expr(&function.function, call);
            for argument in &function.arguments {
                of_expr(argument, call);
            }
        }
        Expr::Unary(unary) => of_expr(&unary.expr, call),
        Expr::Postfix(postfix) => of_expr(&postfix.expr, call),
        Expr::Binary(binary) => {
            // From the left end of the chain, so that a long one needs no deep stack.
            let mut chain = vec![&**binary];
            while let Some(Expr::Binary(inner)) = chain.last().map(|last| &last.lhs) {
                chain.push(inner);
            }
            for (at, link) in chain.iter().rev().enumerate() {
                if at == 0 {
                    of_expr(&link.lhs, call);
                }
                of_expr(&link.rhs, call);
            }
        }
    }
}
