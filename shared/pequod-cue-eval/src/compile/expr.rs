//! Expressions: literals, operators, lists, calls.

use std::sync::Arc;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::{Span, ast};

use super::name::Use;
use super::{Compiler, REFERENCE};
use crate::kind::Kind;
use crate::program::{Expr, ExprId, ListElem, ListId, ListLit};
use crate::value::{BytesId, Op, Value};

impl Compiler {
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> ExprId {
        let span = expr.span();
        match expr {
            ast::Expr::Ident(ident) => self.ident(ident),
            ast::Expr::Null(_) => self.add(Expr::Value(Value::Null), span),
            ast::Expr::Bool(value, _) => self.add(Expr::Value(Value::Bool(*value)), span),
            ast::Expr::Number(lit) => self.number(lit),
            ast::Expr::String(lit) => {
                let sym = self.program.names.intern_shared(&lit.value);
                self.add(Expr::Value(Value::Str(sym)), span)
            }
            ast::Expr::Bytes(lit) => self.bytes(lit.value.clone(), span),
            ast::Expr::Interpolation(lit) => self.interpolation(lit),
            ast::Expr::Bottom(_) => self.bottom(span),
            ast::Expr::Struct(lit) => self.struct_expr(lit),
            ast::Expr::List(lit) => self.list(lit),
            ast::Expr::Paren(inner) => self.expr(&inner.expr),
            ast::Expr::Selector(selector) => self.selector(selector, Use::Value),
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
                let function = self.callee(&call.function);
                let args: Box<[_]> = call.arguments.iter().map(|arg| self.expr(arg)).collect();
                self.add(Expr::Call(function, args), span)
            }
            ast::Expr::Unary(unary) => self.unary(unary),
            ast::Expr::Binary(binary) => self.binary(binary),
            ast::Expr::Postfix(postfix) => match postfix.op {
                ast::PostfixOp::Open => {
                    if !self.experiments.explicit_open {
                        return self.bad(
                            span,
                            "postfix ... operator requires @experiment(explicitopen)",
                        );
                    }
                    let inner = self.expr(&postfix.expr);
                    self.add(Expr::Open(inner), span)
                }
                ast::PostfixOp::Optional => self.optional(postfix),
            },
        }
    }

    /// `x?`: inside `try`, that there is no `x` ends the attempt.
    fn optional(&mut self, postfix: &ast::Postfix) -> ExprId {
        let span = postfix.span;
        if !self.experiments.try_clause {
            let what = "optional marker (?) requires the try experiment (language version v0.16.0 or later)";
            self.error(REFERENCE, span, what.to_owned());
        } else if self.trying == 0 {
            let what = "optional marker (?) is only valid within a try clause";
            self.error(REFERENCE, span, what.to_owned());
        }
        let inner = self.expr(&postfix.expr);
        match self.program.expr(inner) {
            Expr::Field { .. } | Expr::Select { .. } | Expr::Index { .. } => {
                self.program.optional.insert(inner);
                inner
            }
            Expr::Value(Value::Fault(_)) => inner,
            _ => self.bad(span, "optional marker (?) can only be used on references"),
        }
    }

    pub(super) fn bytes(&mut self, value: Arc<[u8]>, span: Span) -> ExprId {
        let id = BytesId(u32::try_from(self.program.bytes.len()).unwrap_or(u32::MAX));
        self.program.bytes.push(value);
        self.add(Expr::Value(Value::Bytes(id)), span)
    }

    pub(super) fn number(&mut self, lit: &ast::NumberLit) -> ExprId {
        let kind = match lit.kind {
            ast::NumberKind::Int => Kind::INT,
            ast::NumberKind::Float => Kind::FLOAT,
        };
        // Most numbers are short and plain.
        if kind == Kind::INT
            && lit.text.len() <= 18
            && lit.text.bytes().all(|b| b.is_ascii_digit())
            && let Ok(small) = lit.text.parse()
        {
            return self.add(Expr::Value(Value::Int(small)), lit.span);
        }
        match Decimal::parse(&lit.text) {
            Ok(decimal) => {
                let value = self.program.number(decimal, kind);
                self.add(Expr::Value(value), lit.span)
            }
            Err(error) => self.bad(lit.span, error.to_string()),
        }
    }

    pub(super) fn interpolation(&mut self, lit: &ast::Interpolation) -> ExprId {
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

    pub(super) fn list(&mut self, lit: &ast::List) -> ExprId {
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
    pub(super) fn unary(&mut self, unary: &ast::Unary) -> ExprId {
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

    pub(super) fn binary(&mut self, binary: &ast::Binary) -> ExprId {
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

    pub(super) fn operand(&mut self, expr: &ast::Expr, op: Op) -> ExprId {
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

    pub(super) fn arm(
        &mut self,
        expr: &ast::Expr,
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
}
