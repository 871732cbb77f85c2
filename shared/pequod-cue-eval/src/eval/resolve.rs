//! Resolving references: from an expression to the node it leads to.

use pequod_cue_syntax::Pos;

use crate::kind::{Kind, Label};
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{CYCLE, EMPTY, Run, Session, Status};
use crate::value::{Arg, EnvId, FaultCode, FaultId, NodeId, Value};

impl Session<'_> {
    /// The node a reference leads to; none with an error in the context.
    pub(crate) fn resolve(&mut self, expr: ExprId, cond: Cond, mode: Mode) -> Run<Option<NodeId>> {
        self.step()?;
        let pos = Some(self.program.span(expr).pos());
        if let Expr::Field { up, label } = *self.program.expr(expr) {
            let node = self.relative(up)?;
            return self.lookup_apart(expr, node, pos, label, cond, mode);
        }
        let program = self.program.clone();
        match program.expr(expr) {
            Expr::SelfValue { up } => match up.checked_sub(1) {
                None => Ok(self.node),
                Some(up) => self.relative(up).map(Some),
            },
            Expr::Dynamic { up, label } => {
                let env = self.env_up(*up);
                let (saved_env, saved_errs) = (self.env, self.errs.take());
                self.env = env;
                let value = self.value_and_node(*label, Cond::SCALAR, Mode::Yield)?;
                self.env = saved_env;
                self.errs = None;
                let node = self.env_node(env);
                let found = self.as_label(*label, value);
                let raised = std::mem::replace(&mut self.errs, saved_errs);
                match found {
                    Some(label) => self.lookup(node, pos, label, cond, mode),
                    None => {
                        self.no_label(node, raised, pos);
                        Ok(None)
                    }
                }
            }
            Expr::Let { up, label } => self.resolve_let(*up, *label, pos, cond, mode),
            Expr::Import(unit) => Ok(Some(self.package(*unit))),
            Expr::BuiltinPackage(at) => Ok(Some(self.builtin_package(*at))),
            Expr::Select { base, label, at } => {
                let node = self.node_of(expr, *base, label.is_regular())?;
                if node == EMPTY {
                    return Ok(Some(EMPTY));
                }
                // Of a longer path, what is not there is of interest.
                self.lookup_apart(expr, node, Some(*at), *label, cond, mode)
            }
            Expr::Index { base, index, .. } => {
                let node = self.node_of(expr, *base, true)?;
                let value = self.value_and_node(*index, Cond::SCALAR, Mode::Yield)?;
                if node == EMPTY {
                    return Ok(Some(EMPTY));
                }
                let label = self.as_label(*index, value);
                let (None, Some(label)) = (self.errs, label) else {
                    return Ok(None);
                };
                let at = self.program.span(*index).pos();
                let found = self.lookup(node, Some(at), label, cond, mode)?;
                self.end_attempt(expr, found);
                Ok(found)
            }
            _ => Ok(None),
        }
    }

    /// A field is referred to by its alias, and what its label is made of is no label. If it can never be one, that is an error
    /// of the struct it is in, whoever refers to it; so the reference has it.
    fn no_label(&mut self, around: NodeId, raised: Option<FaultId>, pos: Option<Pos>) {
        let work = self[self.deref_disjunct(around)].work;
        match (raised, work) {
            (Some(fault), Some(work)) if !self.is_incomplete(fault) => {
                self.add_fault(work, fault);
                let missing = [Arg::Label(Label::BLANK)];
                self.add_err_coded(
                    FaultCode::Incomplete,
                    "undefined field: {}",
                    missing,
                    pos,
                    self.node,
                );
            }
            _ => self.errs = self.combine(self.errs, raised),
        }
    }

    /// Looks up without being disturbed by errors that are there already.
    fn lookup_apart(
        &mut self,
        expr: ExprId,
        node: NodeId,
        pos: Option<Pos>,
        label: Label,
        cond: Cond,
        mode: Mode,
    ) -> Run<Option<NodeId>> {
        let saved = self.errs.take();
        let found = self.lookup(node, pos, label, cond, mode)?;
        self.end_attempt(expr, found);
        self.errs = self.combine(self.errs, saved);
        Ok(found)
    }

    /// A reference marked `?` that leads nowhere ends the attempt (`try`) it stands in: that of the
    /// nearest node around the one at hand, since attempts may be evaluated in between one another.
    fn end_attempt(&mut self, expr: ExprId, found: Option<NodeId>) {
        if found.is_some()
            || !self.program.optional.contains(&expr)
            || !self.errs.is_some_and(|fault| self.is_incomplete(fault))
        {
            return;
        }
        let mut next = self.node;
        while let Some(node) = next {
            if let Some(work) = self[node].work
                && self[work].attempt != 0
            {
                let attempt = self[work].attempt as usize;
                self.attempts[attempt] = true;
                return;
            }
            next = self[node].parent;
        }
    }

    pub(super) fn resolve_let(
        &mut self,
        up: u32,
        label: Label,
        pos: Option<Pos>,
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
    pub(super) fn relative(&mut self, up: u32) -> Run<NodeId> {
        let env = self.env_up(up);
        Ok(self.env_node(env))
    }

    pub(super) fn env_up(&self, up: u32) -> EnvId {
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
            if let Some(copy) = overlay.copies.get(node) {
                return copy;
            }
        }
        node
    }

    /// The struct or list an expression leads to, its field set known; [`EMPTY`] with an error.
    pub(super) fn node_of(&mut self, whole: ExprId, base: ExprId, scalar: bool) -> Run<NodeId> {
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
                        "{} undefined as {} is incomplete (type {})",
                        [Arg::Expr(whole), Arg::Expr(base), Arg::Kind(kind)],
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

    pub(super) fn unify_base_inner(
        &mut self,
        expr: ExprId,
        cond: Cond,
        mode: Mode,
    ) -> Run<Option<Value>> {
        let node = match *self.program.expr(expr) {
            Expr::Value(value) => return Ok(Some(value)),
            ref reference if reference.is_reference() => {
                self.deeper(|s| s.resolve(expr, cond, mode))?
            }
            _ => {
                let program = self.program.clone();
                let operation = program.expr(expr);
                return self.deeper(|s| s.eval_operation(expr, operation, cond, mode));
            }
        };
        let (None, Some(node)) = (self.errs, node) else {
            return Ok(None);
        };
        let node = self.deref(node);
        self.doubt_base(node);
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

    /// The label a value stands for, which may be of a node; none with an error in the context.
    pub(crate) fn as_label(
        &mut self,
        expr: ExprId,
        (value, node): (Option<Value>, Option<NodeId>),
    ) -> Option<Label> {
        use crate::kind::LabelKind;
        let pos = Some(self.program.span(expr).pos());
        match value.and_then(|value| self.unwrap(value)) {
            Some(Value::Str(sym)) => Some(Label::new(LabelKind::Regular, sym.0)),
            Some(Value::Int(index)) => match u32::try_from(index) {
                Ok(index) if index < (1 << 28) => Some(Label::new(LabelKind::Index, index)),
                _ => {
                    let literal =
                        matches!(self.program.expr(expr), Expr::Value(_) | Expr::Unary(..));
                    let what = if index < 0 && literal {
                        "invalid index {} (index must be non-negative)"
                    } else {
                        "index {} out of range [{}]"
                    };
                    let args = [Arg::Expr(expr), Arg::Value(Value::Int(index))];
                    self.add_err_coded(FaultCode::Eval, what, args, pos, self.node);
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
                // Only what can be nothing but a label may still become one.
                let label = matches!(kind, Kind::INT | Kind::NUMBER | Kind::STRING);
                if concrete || !label {
                    self.add_err_coded(
                        FaultCode::Eval,
                        "invalid index {} (invalid type {})",
                        [Arg::Expr(expr), Arg::Kind(kind)],
                        pos,
                        self.node,
                    );
                } else {
                    let wanted = if kind == Kind::STRING {
                        "string"
                    } else {
                        "int"
                    };
                    // What is to be decided is the value, wherever it is used.
                    let written = node.and_then(|node| self.written_at(node).next());
                    self.add_err_coded(
                        FaultCode::Incomplete,
                        "invalid non-ground value {} (must be concrete {})",
                        [Arg::Value(other), Arg::Text(wanted.to_owned())],
                        written.or(pos),
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
