//! Evaluating expressions: references, values, operators' operands.
//!
//! Every function may stop with [`Stop::Yield`]: the running task then waits. Errors that more
//! input could repair are collected in the context, others are values.

use crate::kind::{Kind, Label};
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{
    CYCLE, Close, Conjunct, EMPTY, Elem, LITERAL, PostCheck, Run, Session, Status, Stop,
};
use crate::value::{Arg, Base, Bound, EnvId, FaultCode, NodeId, Op, Value};

impl Session<'_> {
    /// Evaluates an expression in the context's environment.
    pub(crate) fn eval(&mut self, expr: ExprId, cond: Cond, mode: Mode) -> Run<Option<Value>> {
        self.eval_close(expr, cond, mode, false)
            .map(|(value, _)| value)
    }

    /// Evaluates to something concrete: takes the default, and the content of a scalar's node.
    pub(crate) fn value(&mut self, expr: ExprId, cond: Cond, mode: Mode) -> Run<Option<Value>> {
        let (value, _) = self.eval_close(expr, cond, mode, true)?;
        Ok(match value {
            Some(value) => self
                .default_of(Some(value))
                .and_then(|value| self.unwrap(value)),
            None => None,
        })
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
        let program = self.program.clone();
        match program.expr(expr) {
            Expr::Value(value) => Ok((Some(*value), self.close)),
            Expr::Open(inner) => {
                let (value, mut close) = self.eval_close(*inner, cond, mode, concrete)?;
                close.opened = true;
                Ok((value, close))
            }
            reference if reference.is_reference() => {
                self.eval_reference(expr, cond, mode, concrete)
            }
            other => {
                let value = self.eval_operation(expr, other, cond, mode)?;
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
                self.wait_for(task, orig_work, cond.or(Cond::PRESENCE));
                return Err(Stop::Yield);
            }
            let fault = self.new_fault(
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
            self.add_err_coded(
                FaultCode::Cycle,
                "cycle with field: {}",
                [Arg::Expr(expr)],
                self.pos,
                self.node,
            );
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
            self[work].deferred.push(state);
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
                    let fault = self.new_fault(
                        FaultCode::Cycle,
                        "cycle with field {}",
                        [Arg::Label(self[node].label)],
                        self.pos,
                        Some(node),
                    );
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

    /// The node a reference leads to; none with an error in the context.
    pub(crate) fn resolve(&mut self, expr: ExprId, cond: Cond, mode: Mode) -> Run<Option<NodeId>> {
        self.step()?;
        let program = self.program.clone();
        let pos = Some(program.span(expr).pos());
        match program.expr(expr) {
            Expr::Field { up, label, .. } => {
                let node = self.relative(*up)?;
                self.lookup_apart(node, pos, *label, cond, mode)
            }
            Expr::SelfValue { up } => match up.checked_sub(1) {
                None => Ok(self.node),
                Some(up) => self.relative(up).map(Some),
            },
            Expr::Dynamic { up, label } => {
                let env = self.env_up(*up);
                let (saved_env, saved_errs) = (self.env, self.errs.take());
                self.env = env;
                let value = self.value(*label, Cond::SCALAR, Mode::Yield)?;
                self.env = saved_env;
                self.errs = saved_errs;
                let Some(label) = self.as_label(*label, value) else {
                    return Ok(None);
                };
                let node = self.env_node(env);
                self.lookup(node, pos, label, cond, mode)
            }
            Expr::Let { up, label } => self.resolve_let(*up, *label, pos, cond, mode),
            Expr::Select { base, label, .. } => {
                let node = self.node_of(*base, label.is_regular())?;
                if node == EMPTY {
                    return Ok(Some(EMPTY));
                }
                self.lookup_apart(node, pos, *label, cond, mode)
            }
            Expr::Index { base, index, .. } => {
                let node = self.node_of(*base, true)?;
                let value = self.value(*index, Cond::SCALAR, Mode::Yield)?;
                if node == EMPTY {
                    return Ok(Some(EMPTY));
                }
                let label = self.as_label(*index, value);
                let (None, Some(label)) = (self.errs, label) else {
                    return Ok(None);
                };
                self.lookup(node, pos, label, cond, mode)
            }
            _ => Ok(None),
        }
    }

    /// Looks up without being disturbed by errors that are there already.
    fn lookup_apart(
        &mut self,
        node: NodeId,
        pos: Option<pequod_cue_syntax::Pos>,
        label: Label,
        cond: Cond,
        mode: Mode,
    ) -> Run<Option<NodeId>> {
        let saved = self.errs.take();
        let found = self.lookup(node, pos, label, cond, mode)?;
        self.errs = self.combine(self.errs, saved);
        Ok(found)
    }

    fn resolve_let(
        &mut self,
        up: u32,
        label: Label,
        pos: Option<pequod_cue_syntax::Pos>,
        cond: Cond,
        mode: Mode,
    ) -> Run<Option<NodeId>> {
        let env = self.env_up(up);
        let scope = self.env_node(env);
        let Some(arc) = self.lookup(scope, pos, label, cond, mode)? else {
            return Ok(None);
        };
        let fault = self.fault_of(arc);
        let state = self.work(arc)?;
        let cyclic = fault == Some(CYCLE);
        if !self[arc].multi_let && ((fault.is_none() && state.is_none()) || cyclic) {
            return Ok(Some(arc));
        }
        // Each environment has its own value of the let.
        let key = (env, arc);
        let known = self.let_cache.get(&key).copied();
        if let Some((known, again)) = known
            // What met itself on the way is tried once more.
            && (again || self[arc].status == Status::Final || !self.is_cycle_base(self[known].base))
        {
            return Ok(Some(known));
        }
        let Some(mut c) = self[arc].conjuncts.first().copied() else {
            return Ok(Some(arc));
        };
        c.env = env;
        let structural = fault.is_some_and(|fault| self[fault].code == FaultCode::Structural);
        let node = self.new_node(crate::session::Node {
            parent: self[arc].parent,
            label,
            dynamic: structural,
            conjuncts: smallvec::smallvec![c],
            ..crate::session::Node::default()
        });
        self.let_cache.insert(key, (node, known.is_some()));
        Ok(Some(node))
    }

    /// The node so many environments up.
    fn relative(&mut self, up: u32) -> Run<NodeId> {
        let env = self.env_up(up);
        Ok(self.env_node(env))
    }

    fn env_up(&self, up: u32) -> EnvId {
        let mut env = self.env;
        for _ in 0..up {
            env = self[env].up;
        }
        env
    }

    /// The node of an environment, or its copy in the arm that is being evaluated.
    pub(crate) fn env_node(&self, env: EnvId) -> NodeId {
        let node = self[env].node;
        for overlay in self.overlays.iter().rev() {
            if let Some(copy) = overlay.copies.get(&node) {
                return *copy;
            }
        }
        node
    }

    /// The struct or list an expression leads to, its field set known; [`EMPTY`] with an error.
    fn node_of(&mut self, base: ExprId, scalar: bool) -> Run<NodeId> {
        let from_def = self.close.from_def;
        let is_reference = self.program.expr(base).is_reference();
        if !is_reference {
            self.close.from_def = false;
        }
        let value = self.unify_base(base, Cond::NEED_FIELD_SET, Mode::Yield)?;
        if !is_reference {
            self.close.from_def = from_def;
        }
        let value = match value {
            Some(value) => match self.default_of(Some(value)) {
                Some(value) => Some(value),
                None => return Ok(EMPTY),
            },
            None => None,
        };
        let mut value = value;
        if scalar && let Some(v) = value {
            let content = self.unwrap(v);
            if content != Some(Value::Fault(CYCLE)) {
                value = content;
            }
        }
        let mut node = None;
        if let Some(Value::Node(n)) = value {
            node = Some(n);
            if !self.is_cycle_base(self[n].base) {
                value = self.node_value(n);
            }
        }
        match value {
            None => {
                self.add_err_coded(
                    FaultCode::Incomplete,
                    "{} is incomplete",
                    [Arg::Expr(base)],
                    Some(self.program.span(base).pos()),
                    self.node,
                );
                Ok(EMPTY)
            }
            Some(Value::Fault(fault)) => {
                self.add_err(fault);
                Ok(EMPTY)
            }
            Some(Value::Node(n)) => {
                if self[n].non_rooted {
                    self.complete_arcs_only(n)?;
                }
                Ok(node.unwrap_or(n))
            }
            Some(other) => {
                let kind = self.kind(other);
                let pos = Some(self.program.span(base).pos());
                if kind.meets(Kind::STRUCT) {
                    self.add_err_coded(
                        FaultCode::Incomplete,
                        "{} is incomplete (type {})",
                        [Arg::Expr(base), Arg::Kind(kind)],
                        pos,
                        self.node,
                    );
                    return Ok(EMPTY);
                }
                match node {
                    Some(node) => Ok(node),
                    None => {
                        self.add_err_coded(
                            FaultCode::Eval,
                            "invalid operand {} (found {}, want list or struct)",
                            [Arg::Expr(base), Arg::Kind(kind)],
                            pos,
                            self.node,
                        );
                        Ok(EMPTY)
                    }
                }
            }
        }
    }

    /// Evaluates what something is looked up in.
    pub(crate) fn unify_base(
        &mut self,
        expr: ExprId,
        cond: Cond,
        mode: Mode,
    ) -> Run<Option<Value>> {
        let saved_pos = self.pos;
        let saved_errs = self.errs.take();
        self.at(expr);
        let mut result = self.unify_base_inner(expr, cond, mode)?;
        self.errs = self.combine(self.errs, saved_errs);
        if let Some(Value::Node(node)) = result
            && let Some(fault) = self.fault_of(node)
            && !self.is_incomplete(fault)
        {
            result = Some(Value::Fault(fault));
        }
        if let Some(Value::Fault(fault)) = result {
            let fault = self.place_cycle(fault);
            self.errs = self.combine(self.errs, Some(fault));
        }
        if let Some(fault) = self.errs {
            result = Some(Value::Fault(fault));
        }
        self.pos = saved_pos;
        Ok(result)
    }

    fn unify_base_inner(&mut self, expr: ExprId, cond: Cond, mode: Mode) -> Run<Option<Value>> {
        let program = self.program.clone();
        let node = match program.expr(expr) {
            Expr::Value(value) => return Ok(Some(*value)),
            reference if reference.is_reference() => {
                self.deeper(|s| s.resolve(expr, cond, mode))?
            }
            other => return self.deeper(|s| s.eval_operation(expr, other, cond, mode)),
        };
        let (None, Some(node)) = (self.errs, node) else {
            return Ok(None);
        };
        let node = self.deref(node);
        if let Some(work) = self.work(node)? {
            if !self.close.is_cyclic() {
                self[work].has_non_cycle = true;
            }
            self.process(work, Cond::PRESENCE.or(Cond::FIELD_SET), Mode::Yield)?;
            if !self[work].disjuncts.is_empty() {
                self.unify(node, Cond::PRESENCE.or(Cond::FIELD_SET), Mode::Yield, false)?;
            }
        }
        Ok(Some(Value::Node(node)))
    }

    /// Everything that is neither a literal nor a reference.
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
            Expr::Binary(op, x, y) => self.eval_binary(*op, *x, *y),
            Expr::Unary(op, x) => self.eval_unary(expr, *op, *x),
            Expr::Bound(op, x) => self.eval_bound(*op, *x),
            Expr::Call(function, args) => self.eval_call(expr, *function, args, cond, mode),
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

    fn eval_bound(&mut self, op: Op, x: ExprId) -> Run<Option<Value>> {
        let Some(value) = self.value(x, Cond::SCALAR, Mode::Yield)? else {
            return Ok(None);
        };
        if matches!(value, Value::Fault(_)) {
            return Ok(Some(value));
        }
        let kind = self.kind(value);
        let comparing = matches!(op, Op::Equal | Op::NotEqual);
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
            self.add_err_coded(
                FaultCode::Incomplete,
                "non-concrete value {} for bound {}",
                [Arg::Expr(x), Arg::Op(op)],
                pos,
                self.node,
            );
            return Ok(None);
        }
        if matches!(op, Op::Match | Op::NotMatch)
            && let Value::Str(pattern) = value
            && self.regex(pattern)?.is_none()
        {
            return Ok(self.errs.map(Value::Fault));
        }
        Ok(Some(self.add_bound(Bound { op, value })))
    }

    fn eval_unary(&mut self, expr: ExprId, op: Op, x: ExprId) -> Run<Option<Value>> {
        let Some(value) = self.value(x, Cond::SCALAR, Mode::Yield)? else {
            self.add_err_coded(
                FaultCode::Incomplete,
                "operand {} of '{}' not concrete",
                [Arg::Expr(x), Arg::Op(op)],
                Some(self.program.span(x).pos()),
                self.node,
            );
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

    /// `x == _|_` and `x != _|_`: whether there is a value, as far as that is settled.
    fn compare_with_bottom(&mut self, x: ExprId, op: Op) -> Run<Option<Value>> {
        let saved_errs = self.errs.take();
        let env = self.env;
        self.in_validator += 1;
        let result = self.compare_with_bottom_inner(env, x, op);
        self.in_validator -= 1;
        if result.is_ok() {
            let raised = self.errs.take();
            self.errs = saved_errs;
            // Only a cycle is handed on.
            if let Ok(None) = result
                && let Some(fault) = raised
            {
                self.add_err(fault);
            }
        }
        result
    }

    fn compare_with_bottom_inner(&mut self, env: EnvId, x: ExprId, op: Op) -> Run<Option<Value>> {
        let mut there = op != Op::Equal;
        let value = self.eval(x, Cond::NEED_TASKS, Mode::Finalize)?;
        let content = match value {
            Some(value) => self.default_of(Some(value)).and_then(|v| self.unwrap(v)),
            None => None,
        };
        let content = match content {
            Some(v) if !matches!(v, Value::Fault(_)) && self.kind(v).meets(Kind::COMPOSITE) => {
                value
            }
            other => other,
        };
        match content {
            None => {}
            Some(Value::Fault(fault)) => {
                match self[fault].code {
                    FaultCode::Cycle => {
                        self.errs = Some(fault);
                        return Ok(None);
                    }
                    FaultCode::Incomplete => {
                        if let Some(node) = self[fault].node
                            && let Some(work) = self[node].work
                            && self[work].started
                            && !self.meets(work, Cond::VALUE)
                            && self[work].provided.any(Cond::VALUE)
                            && let Some(task) = self.current_task()
                        {
                            self.wait_for(task, work, Cond::VALUE);
                            return Err(Stop::Yield);
                        }
                        self.eval(x, Cond::ALL, Mode::Ignore)?;
                        self.remember_check(env, x, true);
                    }
                    _ => {}
                }
                there = op == Op::Equal;
            }
            Some(Value::Node(node)) => {
                if self.in_depth_cycle(node) {
                    self.remember_check(env, x, true);
                    there = op == Op::Equal;
                } else {
                    self.finalize(node)?;
                    let target = self.deref(node);
                    if let Some(Value::Fault(fault)) = self.unwrap(Value::Node(target))
                        && self[fault].code < FaultCode::Incomplete
                    {
                        there = op == Op::Equal;
                    }
                }
            }
            Some(v) => {
                let kind = self.kind(v);
                let concrete = self.is_concrete(v);
                if kind.meets(Kind::COMPOSITE) && !concrete {
                    self.errs = Some(CYCLE);
                    return Ok(None);
                }
                self.remember_check(env, x, false);
                if !concrete {
                    there = op == Op::Equal;
                }
                self.eval(x, Cond::NEED_TASKS, Mode::Yield)?;
            }
        }
        Ok(Some(Value::Bool(there)))
    }

    fn remember_check(&mut self, env: EnvId, expr: ExprId, was_error: bool) {
        if let Some(work) = self[self.env_node(env)].work {
            self[work].post_checks.push(PostCheck {
                env,
                expr,
                was_error,
            });
        }
    }

    fn eval_interpolation(
        &mut self,
        _expr: ExprId,
        bytes: bool,
        parts: &[ExprId],
    ) -> Run<Option<Value>> {
        let mut out: Vec<u8> = Vec::new();
        for part in parts {
            let value = self.value(*part, Cond::SCALAR, Mode::Yield)?;
            let value = value.and_then(|value| self.unwrap(value));
            self.append_text(*part, value, &mut out);
        }
        if let Some(fault) = self.errs.take() {
            let code = self[fault].code;
            let wrapped = self.new_fault(code, "invalid interpolation", [], self.pos, self.node);
            let problem = self[wrapped].problems[0] as usize;
            self.problems[problem].cause = Some(fault);
            return Ok(Some(Value::Fault(wrapped)));
        }
        if bytes {
            return Ok(Some(self.new_bytes(&out)));
        }
        let text = String::from_utf8_lossy(&out).into_owned();
        Ok(Some(self.string(&text)))
    }

    fn append_text(&mut self, expr: ExprId, value: Option<Value>, out: &mut Vec<u8>) {
        match value {
            Some(Value::Str(sym)) => out.extend_from_slice(self.text(sym).as_bytes()),
            Some(Value::Bytes(id)) => out.extend_from_slice(&self.bytes[id.at()]),
            Some(Value::Bool(value)) => {
                out.extend_from_slice(if value { b"true" } else { b"false" });
            }
            Some(Value::Fault(_)) => {}
            Some(value) if self.decimal(value).is_some() => {
                let text = self
                    .decimal(value)
                    .map(|d| d.to_string())
                    .unwrap_or_default();
                out.extend_from_slice(text.as_bytes());
            }
            other => {
                if self.errs.is_some() {
                    return;
                }
                let wanted = Kind::STRING | Kind::BYTES | Kind::NUMBER | Kind::BOOL;
                let pos = Some(self.program.span(expr).pos());
                match other {
                    Some(value) if !self.kind(value).meets(wanted) || self.is_concrete(value) => {
                        let kind = self.kind(value);
                        self.add_err_coded(
                            FaultCode::Eval,
                            "cannot use {} (type {}) as type (string|bytes|number|bool)",
                            [Arg::Value(value), Arg::Kind(kind)],
                            pos,
                            self.node,
                        );
                    }
                    Some(value) => self.add_err_coded(
                        FaultCode::Incomplete,
                        "non-concrete value {} (type {})",
                        [Arg::Expr(expr), Arg::Kind(self.kind(value))],
                        pos,
                        self.node,
                    ),
                    None => self.add_err_coded(
                        FaultCode::Incomplete,
                        "non-concrete value {}",
                        [Arg::Expr(expr)],
                        pos,
                        self.node,
                    ),
                }
            }
        }
    }

    fn eval_slice(
        &mut self,
        base: ExprId,
        low: Option<ExprId>,
        high: Option<ExprId>,
    ) -> Run<Option<Value>> {
        let value = self.value(base, Cond::FIELD_SET, Mode::Yield)?;
        let (length, elements) = match value {
            None => {
                self.add_err_coded(
                    FaultCode::Incomplete,
                    "non-concrete slice subject {}",
                    [Arg::Expr(base)],
                    self.pos,
                    self.node,
                );
                return Ok(None);
            }
            Some(Value::Node(node)) if matches!(self[node].base, Base::List { .. }) => {
                let elements = self.elements(node);
                (elements.len(), Some(elements))
            }
            Some(Value::Bytes(id)) => (self.bytes[id.at()].len(), None),
            Some(Value::Fault(_)) => return Ok(value),
            Some(other) => {
                let kind = self.kind(other);
                let fault = self.new_fault(
                    FaultCode::Eval,
                    "cannot slice {} (type {})",
                    [Arg::Value(other), Arg::Kind(kind)],
                    self.pos,
                    self.node,
                );
                return Ok(Some(Value::Fault(fault)));
            }
        };
        let from = match low {
            Some(low) => self.slice_index(low)?,
            None => Some(0),
        };
        let to = match high {
            Some(high) => self.slice_index(high)?,
            None => Some(length),
        };
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(None);
        };
        if to > length {
            let fault = self.new_fault(
                FaultCode::Eval,
                "index {} out of range",
                [Arg::Count(to as u64)],
                self.pos,
                self.node,
            );
            return Ok(Some(Value::Fault(fault)));
        }
        if from > to {
            let args = [Arg::Count(from as u64), Arg::Count(to as u64)];
            let fault = self.new_fault(
                FaultCode::Eval,
                "invalid slice index: {} > {}",
                args,
                self.pos,
                self.node,
            );
            return Ok(Some(Value::Fault(fault)));
        }
        match (elements, value) {
            (Some(elements), _) => Ok(Some(self.list_of_nodes(&elements[from..to]))),
            (None, Some(Value::Bytes(id))) => {
                let cut = self.bytes[id.at()][from..to].to_vec();
                Ok(Some(self.new_bytes(&cut)))
            }
            _ => Ok(None),
        }
    }

    fn slice_index(&mut self, expr: ExprId) -> Run<Option<usize>> {
        let value = self.value(expr, Cond::SCALAR, Mode::Yield)?;
        Ok(match value {
            Some(Value::Int(index)) if index >= 0 => usize::try_from(index).ok(),
            Some(Value::Fault(_)) => None,
            Some(other) => {
                let kind = self.kind(other);
                let code = if self.is_concrete(other) {
                    FaultCode::Eval
                } else {
                    FaultCode::Incomplete
                };
                self.add_err_coded(
                    code,
                    "cannot use {} (type {}) as slice index",
                    [Arg::Value(other), Arg::Kind(kind)],
                    self.pos,
                    self.node,
                );
                None
            }
            None => {
                if self.errs.is_none() {
                    self.add_err_coded(
                        FaultCode::Incomplete,
                        "non-concrete slice index {}",
                        [Arg::Expr(expr)],
                        self.pos,
                        self.node,
                    );
                }
                None
            }
        })
    }

    /// The label a value stands for; none with an error in the context.
    pub(crate) fn as_label(&mut self, expr: ExprId, value: Option<Value>) -> Option<Label> {
        use crate::kind::LabelKind;
        let pos = Some(self.program.span(expr).pos());
        match value.and_then(|value| self.unwrap(value)) {
            Some(Value::Str(sym)) => Some(Label::new(LabelKind::Regular, sym.0)),
            Some(Value::Int(index)) => match u32::try_from(index) {
                Ok(index) if index < (1 << 28) => Some(Label::new(LabelKind::Index, index)),
                _ => {
                    let what = if index < 0 {
                        "invalid index {} (index must be non-negative)"
                    } else {
                        "index {} is too large"
                    };
                    self.add_err_coded(FaultCode::Eval, what, [Arg::Expr(expr)], pos, self.node);
                    None
                }
            },
            Some(Value::Fault(fault)) => {
                self.add_err(fault);
                None
            }
            Some(other) => {
                let kind = self.kind(other);
                let concrete = self.is_concrete(other);
                if concrete || !kind.meets(Kind::STRING | Kind::INT) {
                    self.add_err_coded(
                        FaultCode::Eval,
                        "invalid index {} (invalid type {})",
                        [Arg::Expr(expr), Arg::Kind(kind)],
                        pos,
                        self.node,
                    );
                } else {
                    self.add_err_coded(
                        FaultCode::Incomplete,
                        "invalid non-ground value {} (must be concrete string or int)",
                        [Arg::Expr(expr)],
                        pos,
                        self.node,
                    );
                }
                None
            }
            None => {
                if self.errs.is_none() {
                    self.add_err_coded(
                        FaultCode::Incomplete,
                        "non-concrete index {}",
                        [Arg::Expr(expr)],
                        pos,
                        self.node,
                    );
                }
                None
            }
        }
    }
}
