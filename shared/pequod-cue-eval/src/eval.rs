//! Evaluating expressions: references, values, operators' operands.
//!
//! Every function may stop with [`Stop::Yield`]: the running task then waits. Errors that more
//! input could repair are collected in the context, others are values.

mod bottom;
mod resolve;
mod text;

use crate::kind::{Kind, Label};
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{CYCLE, Close, Conjunct, EMPTY, Elem, LITERAL, Run, Session, Status, Stop};
use crate::value::{Arg, Base, Bound, FaultCode, NodeId, Op, Value};

impl Session<'_> {
    /// Evaluates an expression in the context's environment.
    pub(crate) fn eval(&mut self, expr: ExprId, cond: Cond, mode: Mode) -> Run<Option<Value>> {
        self.eval_close(expr, cond, mode, false)
            .map(|(value, _)| value)
    }

    /// Evaluates to something concrete: takes the default, and the content of a scalar's node.
    pub(crate) fn value(&mut self, expr: ExprId, cond: Cond, mode: Mode) -> Run<Option<Value>> {
        Ok(self.value_and_node(expr, cond, mode)?.0)
    }

    /// The same, and the node whose value it is, if it is of one.
    pub(crate) fn value_and_node(
        &mut self,
        expr: ExprId,
        cond: Cond,
        mode: Mode,
    ) -> Run<(Option<Value>, Option<NodeId>)> {
        let (value, _) = self.eval_close(expr, cond, mode, true)?;
        let node = match value {
            Some(Value::Node(node)) => Some(node),
            _ => None,
        };
        let taken = self.default_of(value).and_then(|value| self.unwrap(value));
        Ok((taken.map(|value| self.taken(value)), node))
    }

    /// Evaluates, and says by what the result came.
    pub(crate) fn eval_close(
        &mut self,
        expr: ExprId,
        cond: Cond,
        mode: Mode,
        concrete: bool,
    ) -> Run<(Option<Value>, Close)> {
        self.step()?;
        let saved_pos = self.pos;
        let saved_errs = self.errs.take();
        let saved_close = self.close;
        self.at(expr);
        let (mut result, close) = self.deeper(|s| s.eval_inner(expr, cond, mode, concrete))?;
        self.errs = self.combine(self.errs, saved_errs);
        if let Some(Value::Node(node)) = result
            && let Some(fault) = self.fault_of(node)
            && !matches!(self[fault].code, FaultCode::Incomplete | FaultCode::Cycle)
        {
            result = Some(Value::Fault(fault));
        }
        if let Some(Value::Fault(fault)) = result
            && self.errs != Some(fault)
        {
            let fault = self.place_cycle(fault);
            self.errs = self.combine(self.errs, Some(fault));
        }
        if let Some(fault) = self.errs {
            result = Some(Value::Fault(fault));
        }
        self.pos = saved_pos;
        self.close = saved_close;
        Ok((result, close))
    }

    fn eval_inner(
        &mut self,
        expr: ExprId,
        cond: Cond,
        mode: Mode,
        concrete: bool,
    ) -> Run<(Option<Value>, Close)> {
        match *self.program.expr(expr) {
            Expr::Value(value) => Ok((Some(value), self.close)),
            Expr::Open(inner) => {
                let (value, mut close) = self.eval_close(inner, cond, mode, concrete)?;
                close.opened = true;
                Ok((value, close))
            }
            ref reference if reference.is_reference() => {
                self.eval_reference(expr, cond, mode, concrete)
            }
            _ => {
                let program = self.program.clone();
                let value = self.eval_operation(expr, program.expr(expr), cond, mode)?;
                Ok((value, self.close))
            }
        }
    }

    fn eval_reference(
        &mut self,
        expr: ExprId,
        cond: Cond,
        mode: Mode,
        concrete: bool,
    ) -> Run<(Option<Value>, Close)> {
        let target = self.resolve(expr, cond, mode)?;
        let (None, Some(orig)) = (self.errs, target) else {
            return Ok((None, self.close));
        };
        self.record_use(orig);
        let arc = self.deref_non_shared(orig);
        self.doubt_value(orig, arc);
        if let Some(state) = self.work(arc)? {
            let (close, _) = self.detect_cycle(state, arc, None, expr, self.close)?;
            self.close = close;
            let needs = cond.or(Cond::PRESENCE);
            match mode {
                Mode::Finalize => {
                    self.unify(arc, needs, Mode::Attempt, true)?;
                    self.freeze(state, needs);
                }
                Mode::Attempt => {
                    self.unify(arc, needs, Mode::Attempt, true)?;
                }
                Mode::Yield => {
                    self.unify(arc, needs, Mode::Yield, true)?;
                    return self.reference_value(expr, orig, arc, state, cond, concrete);
                }
                Mode::Ignore => {}
            }
        }
        let arc = self.deref(arc);
        let value = self.content_of(arc, cond, mode)?;
        Ok((value, self.close))
    }

    /// The value of a node that may be on its way; a value that waits for itself is a cycle.
    fn reference_value(
        &mut self,
        expr: ExprId,
        orig: NodeId,
        arc: NodeId,
        state: crate::value::WorkId,
        cond: Cond,
        concrete: bool,
    ) -> Run<(Option<Value>, Close)> {
        let mut evaluating = self[arc].status == Status::Evaluating;
        let orig_state = self[orig].work;
        if concrete
            && orig != arc
            && orig_state.is_some_and(|work| self.meets(work, Cond::SCALAR))
            && self.is_recursively_concrete(arc)
        {
            evaluating = false;
        }
        if evaluating && orig != arc && self[arc].disjunct {
            if cond == Cond::SCALAR
                && let Some(orig_work) = orig_state
                && !self.meets(orig_work, Cond::SCALAR)
                && let Some(task) = self.current_task()
            {
                let asker = self[self[task].work].node;
                self[orig_work].default_asked = Some(asker);
                self.sign(crate::doubt::Sign::Asked);
                self.wait_for(task, orig_work, cond.or(Cond::PRESENCE));
                return Err(Stop::Yield);
            }
            let fault = self.new_loose_fault(
                FaultCode::Cycle,
                "unresolved disjunction: {}",
                [Arg::Expr(expr)],
                self.pos,
                self.node,
            );
            return Ok((Some(Value::Fault(fault)), self.close));
        }
        let mut breaks = self[state].has_value || !self.is_cycle_base(self[arc].base);
        if evaluating
            && !breaks
            && self[state].frozen.any(Cond::SCALAR)
            && self.all_tasks_finished(state)
        {
            self.finalize(arc)?;
            breaks = !self.is_cycle_base(self[arc].base);
        }
        if evaluating && !breaks {
            let fault = self.new_loose_fault(
                FaultCode::Cycle,
                "cycle with field: {}",
                [Arg::Expr(expr)],
                self.pos,
                self.node,
            );
            self.add_err(fault);
            let arc = self.deref(arc);
            let value = self.content_of(arc, cond, Mode::Yield)?;
            return Ok((value, self.close));
        }
        let value = self.content_of(arc, cond, Mode::Yield)?;
        if self[arc].non_rooted
            && !self.all_tasks_finished(state)
            && let Some(task) = self.current_task()
        {
            let work = self[task].work;
            self[work].deferred.push(arc);
        }
        Ok((value, self.close))
    }

    /// What a node comes to, as far as it is known.
    fn content_of(&mut self, node: NodeId, cond: Cond, mode: Mode) -> Run<Option<Value>> {
        let n = &self[node];
        let undefined = n.presence != crate::kind::Presence::Member
            || n.base == Base::None
            || n.base == Base::Value(Value::Fault(CYCLE));
        if undefined {
            self.unify(node, cond, mode, false)?;
            if self[node].presence == crate::kind::Presence::Pending {
                if self[node].status == Status::Evaluating {
                    // What waits for it is the struct that would have it.
                    let mut owner = node;
                    while let Some(parent) = self[owner].parent
                        && self[owner].presence == crate::kind::Presence::Pending
                    {
                        owner = parent;
                    }
                    let fault = self.new_fault(
                        FaultCode::Cycle,
                        "cycle with field {}",
                        [Arg::Label(self[node].label)],
                        self.pos,
                        Some(owner),
                    );
                    self[owner].base = Base::Value(Value::Fault(fault));
                    return Ok(Some(Value::Fault(fault)));
                }
                self.undefined_field(node);
                return Ok(None);
            }
        }
        if let Some(work) = self[node].work {
            if let Some(fault) = self[work].faults
                && !self.is_incomplete(fault)
            {
                return Ok(Some(Value::Fault(fault)));
            }
            if let Some(scalar) = self[work].scalar
                && self.is_cycle_base(self[node].base)
            {
                return Ok(Some(scalar.value));
            }
        }
        match self[node].base {
            Base::Value(Value::Fault(fault)) => {
                if self.is_incomplete(fault) {
                    self.add_err(fault);
                    return Ok(None);
                }
                Ok(Some(Value::Fault(fault)))
            }
            Base::None => match self[node].work {
                Some(work) => match self.residue(work)? {
                    Base::Value(value) => Ok(Some(value)),
                    _ => Ok(None),
                },
                None => Ok(None),
            },
            _ => Ok(Some(Value::Node(node))),
        }
    }

    fn eval_operation(
        &mut self,
        expr: ExprId,
        operation: &Expr,
        cond: Cond,
        mode: Mode,
    ) -> Run<Option<Value>> {
        match operation {
            Expr::Struct(_) | Expr::List(_) => {
                let c = Conjunct {
                    env: self.env,
                    elem: Elem::Expr(expr),
                    close: self.close,
                };
                let node = self.inline_node(&[c]);
                self.complete_arcs_only(node)?;
                Ok(Some(Value::Node(node)))
            }
            Expr::Disjunction { .. } => {
                let c = Conjunct {
                    env: self.env,
                    elem: Elem::Expr(expr),
                    close: self.close,
                };
                let node = self.inline_node(&[c]);
                self.finalize(node)?;
                Ok(Some(Value::Node(node)))
            }
            Expr::And(..) => {
                let c = Conjunct {
                    env: self.env,
                    elem: Elem::Expr(expr),
                    close: self.anonymous_close(),
                };
                let node = self.inline_node(&[c]);
                let scope = self.env_node(self.env);
                if (self.in_detached == 0 && scope != EMPTY && self[scope].dynamic)
                    || self.in_validator > 0
                {
                    self.finalize(node)?;
                } else {
                    self.complete_arcs_only(node)?;
                }
                Ok(Some(Value::Node(node)))
            }
            Expr::Binary(op @ (Op::BoolAnd | Op::BoolOr), x, y)
                if self.program.experiments(expr).short_circuit
                    && self.can_be_concrete(*op, *x) =>
            {
                // The left side alone may decide; then the right one is not looked at.
                let left = self.concrete(*x, *op)?;
                if left == Some(Value::Bool(*op == Op::BoolOr)) {
                    return Ok(left);
                }
                self.eval_binary(*op, *x, *y)
            }
            Expr::Binary(op, x, y) => self.eval_binary(*op, *x, *y),
            Expr::Unary(op, x) => self.eval_unary(expr, *op, *x),
            Expr::Bound(op, x) => self.eval_bound(*op, *x),
            Expr::Call(function, args) => {
                self.call_begins();
                let result = self.eval_call(expr, *function, args, cond, mode);
                self.call_ends();
                result
            }
            Expr::Interpolation { bytes, parts } => self.eval_interpolation(expr, *bytes, parts),
            Expr::Slice { base, low, high } => self.eval_slice(*base, *low, *high),
            Expr::LabelValue { up } => {
                let label = self[self.env_up(*up)].label;
                Ok(Some(if label == Label::NONE {
                    Value::Type(Kind::STRING)
                } else {
                    Self::label_value(label)
                }))
            }
            _ => self.unsupported("this expression in this place"),
        }
    }

    fn anonymous_close(&self) -> Close {
        Close {
            refs: self.close.refs,
            ..Close::default()
        }
    }

    /// Finishes a value. What the node at hand stands in is on its way, and not finished by it.
    pub(crate) fn finish_beside(&mut self, value: Value) -> Run<()> {
        let Value::Node(node) = value else {
            return Ok(());
        };
        if self.runs(self.deref(node)) {
            return Ok(());
        }
        self.finalize(node)
    }

    /// Whether a node is being evaluated, further up the stack.
    pub(crate) fn runs(&self, node: NodeId) -> bool {
        let work = self[node].work;
        work.is_some_and(|work| self[work].eval_depth > 0)
    }

    fn eval_bound(&mut self, op: Op, x: ExprId) -> Run<Option<Value>> {
        let Some(value) = self.value(x, Cond::SCALAR, Mode::Yield)? else {
            return Ok(None);
        };
        if matches!(value, Value::Fault(_)) {
            return Ok(Some(value));
        }
        // Of a struct enough is known: what it is compared with may be among what its fields refer to.
        let begun = self.kind(value);
        let is_struct = matches!(value, Value::Node(node) if self[node].parent.is_some())
            && begun == Kind::STRUCT;
        if !is_struct {
            self.finish_beside(value)?;
        }
        let kind = self.kind(value);
        let comparing = matches!(op, Op::Equal | Op::NotEqual);
        if comparing && kind.is_bottom() && begun.meets(Kind::COMPOSITE) {
            // The reference keeps the bound, and finds the error once it compares.
            return self.unsupported("a comparison with a struct or list that has an error in it");
        }
        let pos = Some(self.program.span(x).pos());
        let scalars = Kind::NUMBER | Kind::STRING | Kind::BYTES;
        match kind {
            Kind::INT | Kind::FLOAT | Kind::NUMBER | Kind::STRING | Kind::BYTES => {}
            Kind::NULL | Kind::STRUCT | Kind::LIST => {
                if !comparing {
                    let fault = self.new_fault(
                        FaultCode::Eval,
                        "cannot use {} for bound {}",
                        [Arg::Kind(kind), Arg::Op(op)],
                        pos,
                        self.node,
                    );
                    return Ok(Some(Value::Fault(fault)));
                }
            }
            _ => {
                let mask = if comparing {
                    scalars | Kind::NULL | Kind::COMPOSITE
                } else {
                    scalars
                };
                if kind.meets(mask) {
                    self.add_err_coded(
                        FaultCode::Incomplete,
                        "non-concrete value {} for bound {}",
                        [Arg::Expr(x), Arg::Op(op)],
                        pos,
                        self.node,
                    );
                    return Ok(None);
                }
                let fault = self.new_fault(
                    FaultCode::Eval,
                    "invalid value {} (type {}) for bound {}",
                    [Arg::Value(value), Arg::Kind(kind), Arg::Op(op)],
                    pos,
                    self.node,
                );
                return Ok(Some(Value::Fault(fault)));
            }
        }
        if !self.is_concrete(value) {
            let expr = self.program.expr(x);
            if matches!(expr, Expr::Value(value) if !matches!(value, Value::Builtin(_))) {
                let text = "bound has fixed non-concrete value";
                let fault = self.new_fault(FaultCode::Eval, text, [], pos, self.node);
                return Ok(Some(Value::Fault(fault)));
            }
            self.add_err_coded(
                FaultCode::Incomplete,
                "non-concrete value {} for bound {}",
                [Arg::Expr(x), Arg::Op(op)],
                pos,
                self.node,
            );
            return Ok(None);
        }
        Ok(Some(self.add_bound(Bound { op, value })))
    }

    fn eval_unary(&mut self, expr: ExprId, op: Op, x: ExprId) -> Run<Option<Value>> {
        if !self.can_be_concrete(op, x) {
            return Ok(None);
        }
        let Some(value) = self.value(x, Cond::SCALAR, Mode::Yield)? else {
            return Ok(None);
        };
        if matches!(value, Value::Fault(_)) {
            return Ok(Some(value));
        }
        let kind = self.kind(value);
        let expected = match op {
            Op::Subtract | Op::Add => {
                if let Some(number) = self.decimal(value) {
                    return Ok(Some(if op == Op::Add {
                        value
                    } else {
                        self.number(number.negated(), kind)
                    }));
                }
                Kind::NUMBER
            }
            _ => {
                if let Value::Bool(value) = value {
                    return Ok(Some(Value::Bool(!value)));
                }
                Kind::BOOL
            }
        };
        if kind.meets(expected) {
            self.add_err_coded(
                FaultCode::Incomplete,
                "operand {} of '{}' not concrete (was {})",
                [Arg::Expr(x), Arg::Op(op), Arg::Kind(kind)],
                Some(self.program.span(x).pos()),
                self.node,
            );
            return Ok(None);
        }
        let fault = self.new_fault(
            FaultCode::Eval,
            "invalid operation {} ({} {})",
            [Arg::Expr(expr), Arg::Op(op), Arg::Kind(kind)],
            self.pos,
            self.node,
        );
        Ok(Some(Value::Fault(fault)))
    }

    fn eval_binary(&mut self, op: Op, x: ExprId, y: ExprId) -> Run<Option<Value>> {
        if !self.can_be_concrete(op, x) || !self.can_be_concrete(op, y) {
            return Ok(None);
        }
        if matches!(op, Op::Equal | Op::NotEqual) {
            let is_literal = |s: &Self, e: ExprId| {
                matches!(s.program.expr(e), Expr::Value(Value::Fault(LITERAL)))
            };
            if is_literal(self, x) {
                return self.compare_with_bottom(y, op);
            }
            if is_literal(self, y) {
                return self.compare_with_bottom(x, op);
            }
        }
        let left = self.concrete(x, op)?;
        let right = self.concrete(y, op)?;
        let as_fault = |v: Value| match v {
            Value::Fault(fault) => Some(fault),
            _ => None,
        };
        if let Some(fault) = self.combine(left.and_then(as_fault), right.and_then(as_fault)) {
            return Ok(Some(Value::Fault(fault)));
        }
        if let Some(fault) = self.errs.take() {
            return Ok(Some(Value::Fault(fault)));
        }
        match (left, right) {
            (Some(left), Some(right)) => self.binary(op, left, right).map(Some),
            _ => Ok(None),
        }
    }

    /// Types and bounds can never become operands.
    fn can_be_concrete(&mut self, op: Op, x: ExprId) -> bool {
        let fine = match self.program.expr(x) {
            Expr::Bound(..) => false,
            Expr::Value(Value::Fault(_)) => true,
            Expr::Value(value) => self.is_concrete(*value),
            _ => true,
        };
        if !fine {
            self.add_err_coded(
                FaultCode::Eval,
                "invalid operand {} ('{}' requires concrete value)",
                [Arg::Expr(x), Arg::Op(op)],
                self.pos,
                self.node,
            );
        }
        fine
    }

    /// The concrete value of an operand; errors as values.
    fn concrete(&mut self, x: ExprId, op: Op) -> Run<Option<Value>> {
        let saved = self.errs.take();
        let value = self.eval(x, Cond::SCALAR, Mode::Yield)?;
        self.errs = saved;
        let Some(value) = value else {
            let fault = self.non_concrete(x, None, op);
            return Ok(Some(Value::Fault(fault)));
        };
        let Some(content) = self.default_of(Some(value)) else {
            return Ok(None);
        };
        let content = self.unwrap(content);
        if let Some(content @ Value::Builtin(_)) = content {
            let taken = self.taken(content);
            if taken != content {
                let fault = self.non_concrete(x, Some(taken), op);
                return Ok(Some(Value::Fault(fault)));
            }
        }
        Ok(match content {
            Some(fault @ Value::Fault(_)) => Some(fault),
            Some(v) if self.is_concrete(v) => Some(v),
            _ => {
                let fault = self.non_concrete(x, Some(value), op);
                Some(Value::Fault(fault))
            }
        })
    }

    fn non_concrete(&mut self, x: ExprId, value: Option<Value>, op: Op) -> crate::value::FaultId {
        let shown = value.map_or(Arg::Expr(x), Arg::Value);
        let pos = Some(self.program.span(x).pos());
        self.new_fault(
            FaultCode::Incomplete,
            "non-concrete value {} in operand to {}",
            [shown, Arg::Op(op)],
            pos,
            self.node,
        )
    }
}
