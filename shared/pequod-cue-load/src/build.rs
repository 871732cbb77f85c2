//! `@if(…)` and `@ignore()` before the package clause: whether a file belongs to the build.

use pequod_cue_syntax::ast::{BinaryOp, Expr, File, UnaryOp};
use pequod_cue_syntax::{FileId, parse_expr};
use pequod_diag::Diagnostic;

use crate::codes;

/// Why a file is left out; nothing if it is not. An error if its attributes make no sense.
pub(crate) fn excluded(
    file: &File,
    is_set: &mut dyn FnMut(&str) -> bool,
) -> Result<Option<String>, Diagnostic> {
    let mut condition = None;
    for attribute in &file.preamble {
        let place = file.source.place(attribute.span.start);
        match &*attribute.name {
            "ignore" => return Ok(Some("@ignore() attribute found".to_owned())),
            "if" if condition.is_some() => {
                return Err(Diagnostic::error(codes::LOAD, "multiple @if attributes").at(place));
            }
            "if" => condition = Some(attribute),
            _ => {}
        }
    }
    let Some(attribute) = condition else {
        return Ok(None);
    };
    let place = file.source.place(attribute.span.start);
    let (_, expr) = parse_expr(FileId(0), "", &*attribute.body).map_err(|problems| {
        let first = problems.0.into_iter().next();
        let message = first.map_or_else(String::new, |problem| problem.message);
        Diagnostic::error(codes::LOAD, message).at(place.clone())
    })?;
    let holds = holds(&expr, is_set)
        .map_err(|message| Diagnostic::error(codes::LOAD, message).at(place))?;
    Ok((!holds).then(|| format!("@if({}) did not match", attribute.body)))
}

/// Both sides are always looked at: every tag that occurs counts as used.
fn holds(expr: &Expr, is_set: &mut dyn FnMut(&str) -> bool) -> Result<bool, String> {
    match expr {
        Expr::Ident(ident) => Ok(is_set(&ident.name)),
        Expr::Paren(inner) => holds(&inner.expr, is_set),
        Expr::Unary(unary) if unary.op == UnaryOp::Not => Ok(!holds(&unary.expr, is_set)?),
        Expr::Binary(binary) => {
            let left = holds(&binary.lhs, is_set)?;
            let right = holds(&binary.rhs, is_set)?;
            match binary.op {
                BinaryOp::BoolAnd => Ok(left && right),
                BinaryOp::BoolOr => Ok(left || right),
                op => Err(format!(
                    "invalid operator {} in build attribute",
                    op.as_str()
                )),
            }
        }
        Expr::Unary(unary) => Err(format!(
            "invalid operator {} in build attribute",
            unary.op.as_str()
        )),
        _ => Err("invalid type in build attribute".to_owned()),
    }
}
