//! Comparators: structs with `x`, `y` and `less`, as `list.Sort` takes them.
//!
//! A comparator may be anything that leads from `x` and `y` to `less`, so it is unified with every pair. But nearly all
//! are written `{x: {}, y: {}, less: x.a < y.a}`, or are `list.Ascending`: of those it is plain what they say about two
//! values that are done, and nothing is unified.

use std::cmp::Ordering;

use crate::builtin::Call;
use crate::conjunct::Content;
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::ops::holds;
use crate::program::{Decl, Expr, ExprId, StructId};
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Run, Session, Status};
use crate::value::{Base, FaultCode, Op, Value};

impl Call<'_, '_> {
    /// Whether a comparator has a field `less` that is more than a constraint.
    ///
    /// # Errors
    ///
    /// What ends the whole evaluation.
    pub fn compares(&mut self, comparator: Value) -> Run<bool> {
        let Value::Node(node) = comparator else {
            return Ok(false);
        };
        self.session.finalize(node)?;
        let label = Label::new(LabelKind::Regular, self.session.intern("less").0);
        let less = self.session.arc(self.session.deref(node), label);
        Ok(less.is_some_and(|less| self.session[less].presence == Presence::Member))
    }

    /// Says that there is no `less`.
    pub fn no_less(&mut self) {
        self.fail("field not found: less");
    }

    /// What a comparator says about two values; none with an error raised.
    ///
    /// The comparator is unified anew with every pair, unless it is plain what it says.
    pub fn less(&mut self, comparator: Value, x: Value, y: Value) -> Run<Option<bool>> {
        self.session.step()?;
        if let Some(answer) = self.session.plainly_less(comparator, x, y) {
            return Ok(Some(answer));
        }
        let retired = self.session.retired();
        let pair = self.new_struct(&[("x".into(), x), ("y".into(), y)]);
        let conjunct = |value| Conjunct {
            env: NO_ENV,
            elem: Elem::Value(value),
            close: Close::default(),
        };
        let node = self.session.new_node(Node {
            conjuncts: [conjunct(comparator), conjunct(pair)].into_iter().collect(),
            dynamic: true,
            ..Node::default()
        });
        self.session.finalize(node)?;
        let label = Label::new(LabelKind::Regular, self.session.intern("less").0);
        let target = self.session.deref(node);
        let Some(less) = self.session.arc(target, label) else {
            self.no_less();
            return Ok(None);
        };
        self.session.finalize(less)?;
        if let Some(fault) = self.session.fault_of(less) {
            // More input would not be looked at again: an error for good.
            let problems = self.session[fault].problems;
            let (pos, node) = (self.session.pos, self.session.node);
            let lasting = self.session.new_fault(FaultCode::Eval, "", [], pos, node);
            self.session[lasting].problems = problems;
            self.session.add_err(lasting);
            return Ok(None);
        }
        // What is no bool, and no error either, says no.
        let answer = self.session.unwrap(Value::Node(less));
        // Pairs are many, and nobody asks for this one again.
        self.session.forget(node, retired);
        Ok(Some(answer == Some(Value::Bool(true))))
    }

    /// Drops the error that was raised, if one was.
    pub fn drop_error(&mut self) -> bool {
        self.session.errs.take().is_some()
    }
}

impl Session<'_> {
    /// What a comparator says that compares a scalar of `x` with one of `y`, or those themselves.
    fn plainly_less(&self, comparator: Value, x: Value, y: Value) -> Option<bool> {
        // Whoever records what is read has to see it read.
        if self.records {
            return None;
        }
        let plain = self.plain_comparator(comparator)?;
        let ordered = |left, right| {
            let (left, right) = (
                self.side(left, &plain, x, y)?,
                self.side(right, &plain, x, y)?,
            );
            self.plain_order(left, right)
        };
        Some(holds(plain.op, ordered(plain.left, plain.right)?))
    }

    fn plain_comparator(&self, comparator: Value) -> Option<PlainComparator> {
        let Value::Node(node) = comparator else {
            return None;
        };
        let n = &self[self.deref(node)];
        let [c] = n.conjuncts.as_slice() else {
            return None;
        };
        let closed = n.closed || n.closed_once || c.close.from_def || c.close.id != 0;
        let (Content::Expr(expr), false) = (self.content(c.elem), closed) else {
            return None;
        };
        let Expr::Struct(lit) = *self.program.expr(expr) else {
            return None;
        };
        let name = |text| {
            let sym = self.program.names.find(text)?;
            Some(Label::new(LabelKind::Regular, sym.0))
        };
        let (x, y, less) = (name("x")?, name("y")?, name("less")?);
        let mut kinds = [None; 2];
        let mut comparison = None;
        for decl in &self.program.structs[lit.at()].decls {
            let Decl::Field {
                label,
                presence: Presence::Member,
                value,
                ..
            } = *self.program.decl(*decl)
            else {
                return None;
            };
            let side = [x, y].iter().position(|side| *side == label);
            match (side, self.program.expr(value)) {
                (Some(side), _) if kinds[side].is_none() => {
                    kinds[side] = Some(self.kind_required(lit, value)?);
                }
                (None, Expr::Value(Value::Type(Kind::BOOL))) if label == less => {}
                (None, Expr::Binary(op, left, right))
                    if label == less && comparison.is_none() && is_order(*op) =>
                {
                    comparison = Some((*op, *left, *right));
                }
                // A field that says of which types the two are.
                (None, Expr::Disjunction { .. } | Expr::Value(_)) if label != less => {
                    self.types(value)?;
                }
                _ => return None,
            }
        }
        let (op, left, right) = comparison?;
        Some(PlainComparator {
            labels: [x, y],
            kinds: [kinds[0]?, kinds[1]?],
            op,
            left,
            right,
        })
    }

    /// The types that a side may have: any, those of structs, or those that a field of the comparator names.
    fn kind_required(&self, lit: StructId, value: ExprId) -> Option<Kind> {
        match self.program.expr(value) {
            Expr::Value(Value::Top) => Some(Kind::TOP),
            Expr::Struct(inner) => {
                let inner = &self.program.structs[inner.at()];
                (inner.decls.is_empty() && !inner.ellipsis).then_some(Kind::STRUCT)
            }
            Expr::Field { up: 0, label } => {
                let decls = self.program.structs[lit.at()].decls.iter();
                let mut named = decls.filter_map(|decl| match self.program.decl(*decl) {
                    Decl::Field {
                        label: field,
                        value,
                        ..
                    } if field == label => Some(*value),
                    _ => None,
                });
                match (named.next(), named.next()) {
                    (Some(only), None) => self.types(only),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// `number | string`: the types that are named, if nothing else is.
    fn types(&self, value: ExprId) -> Option<Kind> {
        match self.program.expr(value) {
            Expr::Value(Value::Type(kind)) => Some(*kind),
            Expr::Disjunction {
                arms,
                marked: false,
            } => arms.iter().try_fold(Kind::BOTTOM, |kinds, (arm, _)| {
                match self.program.expr(*arm) {
                    Expr::Value(Value::Type(kind)) => Some(kinds | *kind),
                    _ => None,
                }
            }),
            _ => None,
        }
    }

    /// The scalar that a side of the comparison leads to: `x`, `x.a`, `y.a.b`.
    fn side(&self, expr: ExprId, plain: &PlainComparator, x: Value, y: Value) -> Option<Value> {
        match *self.program.expr(expr) {
            Expr::Field { up: 0, label } => {
                let at = plain.labels.iter().position(|side| *side == label)?;
                let value = self.done([x, y][at])?;
                let kind = match value {
                    Value::Node(_) => Kind::STRUCT,
                    scalar => self.kind(scalar),
                };
                plain.kinds[at].meets(kind).then_some(value)
            }
            Expr::Select { base, label, .. } => {
                let Value::Node(base) = self.side(base, plain, x, y)? else {
                    return None;
                };
                let arc = self.arc(base, label)?;
                let there = self[arc].presence == Presence::Member;
                there.then(|| self.done(Value::Node(arc))).flatten()
            }
            _ => None,
        }
    }

    /// A scalar, or the node of a struct, that is done and has no errors.
    pub(crate) fn done(&self, value: Value) -> Option<Value> {
        let Value::Node(node) = value else {
            return crate::glance::is_scalar(value).then_some(value);
        };
        let target = self.deref(node);
        let n = &self[target];
        if n.status != Status::Final || n.child_faults.is_some() {
            return None;
        }
        match n.base {
            Base::Struct => Some(Value::Node(target)),
            Base::Value(value) if crate::glance::is_scalar(value) => Some(value),
            _ => None,
        }
    }

    fn plain_order(&self, left: Value, right: Value) -> Option<Ordering> {
        let (a, b) = (self.kind(left), self.kind(right));
        let comparable = Kind::NUMBER | Kind::STRING | Kind::BYTES;
        let alike = a == b || Kind::NUMBER.meets(a) && Kind::NUMBER.meets(b);
        (alike && comparable.meets(a))
            .then(|| self.order(left, right))
            .flatten()
    }
}

const fn is_order(op: Op) -> bool {
    matches!(
        op,
        Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual
    )
}

/// A comparator that is plain: a comparison of what is reached from `x` and from `y`.
struct PlainComparator {
    /// Those of `x` and `y`.
    labels: [Label; 2],
    /// What they may be.
    kinds: [Kind; 2],
    op: Op,
    left: ExprId,
    right: ExprId,
}
