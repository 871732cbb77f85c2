//! Bringing a node to a value.
//!
//! [`Session::unify`] runs a node's tasks, validates its scalar, then its fields, and checks for
//! fields that are not allowed. How far it goes is said by conditions and a mode, because a node
//! is often only needed in part: its type, its field set, its scalar.

use smallvec::SmallVec;

use crate::conjunct::Content;
use crate::glance::is_scalar;
use crate::kind::{Kind, Label, Presence};
use crate::sched::{Cond, Mode};
use crate::session::{Conjunct, Elem, Run, Session, Status, Stop, Work};
use crate::value::{Arg, Base, FaultCode, FaultId, NodeId, Value, WorkId};

/// More arcs than this are many.
const MANY: usize = 16;

impl Session<'_> {
    /// The state of a node, made if need be; none if it is done.
    pub(crate) fn bare_work(&mut self, node: NodeId) -> Option<WorkId> {
        if self[node].status == Status::Final {
            return None;
        }
        if let Some(work) = self[node].work {
            return Some(work);
        }
        let work = self.new_work(node);
        self[node].work = Some(work);
        if let Some(depth) = self[node].parent.and_then(|parent| self.depth(parent)) {
            self[work].depth = depth + 1;
            self[work].provided = self[work].provided.or(Cond::ANCESTORS);
        }
        self[work].provided = self[work].provided.or(Cond::SCALAR.or(Cond::PRESENCE));
        if self[node].inserted {
            for at in 0..self[node].conjuncts.len() {
                let close = self[node].conjuncts[at].close;
                self.mark_non_cyclic(work, close);
            }
        } else {
            self.inherit_closed(node);
        }
        Some(work)
    }

    /// A field of what is closed is closed, if that is known when its first conjunct comes.
    pub(crate) fn inherit_closed(&mut self, node: NodeId) {
        let parent_closed = self[node].parent.is_some_and(|parent| self[parent].closed);
        if self[node].label.is_definition() || parent_closed {
            self[node].closed = true;
        }
    }

    /// Finishes a field of a finished struct that is nothing but a scalar as written, with the types it must be of, without
    /// a state. Says whether it is one. Not inside arms, where evidence of equal arms is put together.
    fn finish_plain(&mut self, node: NodeId) -> Run<bool> {
        let n = &self[node];
        if n.status != Status::Fresh
            || n.work.is_some()
            || n.presence != Presence::Member
            || n.base != Base::None
            || n.external
            || n.fields.is_some()
        {
            return Ok(false);
        }
        let Some(value) = self.plain_scalar(&n.conjuncts) else {
            return Ok(false);
        };
        let from_def = n.conjuncts.iter().any(|c| c.close.from_def);
        let conjuncts = n.conjuncts.len() as u64;
        self.step()?;
        self.meter.work.unifications += 1;
        self.meter.work.conjuncts += conjuncts;
        if !self[node].inserted {
            self.inherit_closed(node);
        }
        let n = &mut self[node];
        n.closed |= from_def;
        n.base = Base::Value(value);
        n.status = Status::Final;
        n.settled = true;
        n.plain = true;
        Ok(true)
    }

    /// The scalar that conjuncts agree on, if they are nothing but scalars and types.
    fn plain_scalar(&self, conjuncts: &[Conjunct]) -> Option<Value> {
        let mut found: Option<Value> = None;
        let mut kind = Kind::TOP;
        for c in conjuncts {
            let Content::Value(mut value, _) = self.content(c.elem) else {
                return None;
            };
            if let Value::Node(data) = value {
                let data = &self[data];
                match data.base {
                    Base::Value(scalar) if data.data && !data.closed && !data.closed_once => {
                        value = scalar;
                    }
                    _ => return None,
                }
            }
            match (value, found) {
                (Value::Type(other), _) => kind &= other,
                (value, None) if is_scalar(value) => found = Some(value),
                (value, Some(known))
                    if self.kind(value) == self.kind(known) && self.scalars_equal(value, known) => {
                }
                _ => return None,
            }
        }
        found.filter(|found| kind.meets(self.kind(*found)))
    }

    pub(crate) fn new_work(&mut self, node: NodeId) -> WorkId {
        let context = self.context;
        if let Some(id) = self.spare.works.pop() {
            self[id].node = node;
            self[id].context = context;
            return id;
        }
        self.meter.charge_bytes(size_of::<Work>());
        let id = WorkId::next(self.works.len());
        self.works.push(Work::new(node));
        self[id].context = context;
        id
    }

    /// The state of a node with its conjuncts scheduled; none if it is done.
    pub(crate) fn work(&mut self, node: NodeId) -> Run<Option<WorkId>> {
        let Some(work) = self.bare_work(node) else {
            return Ok(None);
        };
        if !self[work].initialized {
            self.schedule_conjuncts(work)?;
        }
        Ok(Some(work))
    }

    fn schedule_conjuncts(&mut self, work: WorkId) -> Run<()> {
        self[work].initialized = true;
        self.meter.work.unifications += 1;
        self.step()?;
        let node = self[work].node;
        // Whoever asks for the value now gets a cycle.
        self[node].base = Base::Value(Value::Fault(crate::session::CYCLE));
        let saved = self.node.replace(node);
        let result = self.deeper(|s| s.schedule_all(work, node));
        self.node = saved;
        result
    }

    fn schedule_all(&mut self, work: WorkId, node: NodeId) -> Run<()> {
        let mut at = 0;
        // Conjuncts added on the way are scheduled by who adds them.
        let count = self[node].conjuncts.len();
        while at < count {
            let c = self[node].conjuncts[at];
            at += 1;
            let mut close = c.close;
            if self.close.is_cyclic() {
                close.cycle = self.close.cycle;
                close.refs = self.close.refs;
            }
            self.schedule_conjunct(work, c, close)?;
        }
        Ok(())
    }

    pub(crate) fn in_progress(&self, node: NodeId) -> bool {
        let n = &self[node];
        n.status != Status::Final && n.work.is_some_and(|work| self[work].initialized)
    }

    /// Evaluates a node completely; errors stay in the node.
    pub(crate) fn finalize(&mut self, node: NodeId) -> Run<()> {
        let errs = self.errs.take();
        let result = self.unify(node, Cond::ALL, Mode::Finalize, true);
        self.errs = errs;
        result.map(drop)
    }

    /// Evaluates a node but not its fields.
    pub(crate) fn complete_arcs_only(&mut self, node: NodeId) -> Run<()> {
        self.unify(
            node,
            Cond::ALL.without(Cond::SUB_FIELDS),
            Mode::Finalize,
            false,
        )?;
        if self[node].presence == Presence::Pending {
            self.undefined_field(node);
        }
        Ok(())
    }

    /// Evaluates a node as far as asked. Says whether what was asked for holds.
    pub(crate) fn unify(
        &mut self,
        node: NodeId,
        needs: Cond,
        mode: Mode,
        check: bool,
    ) -> Run<bool> {
        if mode == Mode::Ignore {
            return Ok(false);
        }
        let Some(work) = self.work(node)? else {
            return Ok(true);
        };
        self.step()?;
        let check = check && self[work].context == self.context;
        // Whoever looks at it: what is below it is evaluated where it is itself.
        let own = self[work].context;
        let looking = std::mem::replace(&mut self.context, own);
        let result = self.deeper(|s| s.unify_work(node, work, needs, mode, check, looking));
        self.context = looking;
        result
    }

    fn unify_work(
        &mut self,
        node: NodeId,
        work: WorkId,
        needs: Cond,
        mode: Mode,
        check: bool,
        looking: u32,
    ) -> Run<bool> {
        let parent = self[node].parent;
        if mode == Mode::Finalize || !self.rooted(node) || self.child_conjuncts_known(parent)? {
            self.signal(work, Cond::ANCESTORS)?;
        }
        let own = needs.without(Cond::SUB_FIELDS);
        if self[node].base == Base::None {
            self[node].base = Base::Value(Value::Fault(crate::session::CYCLE));
        }
        self.update_scalar(work)?;
        if own == Cond::SCALAR.or(Cond::PRESENCE) && self.meets(work, own) {
            return Ok(true);
        }
        // Evaluation came back to itself at the same depth: it refers to itself.
        if self[node].status == Status::Evaluating
            && self[work].eval_depth == self.eval_depth
            && mode == Mode::Attempt
            && !needs.any(Cond::FIELD_SET)
        {
            return Ok(false);
        }
        if mode == Mode::Finalize && self[node].status == Status::Evaluating {
            self.doubt_finishing(node);
        }
        self[node].status = Status::Evaluating;
        let now = self.eval_depth;
        let depth = std::mem::replace(&mut self[work].eval_depth, now);
        let vertex = self.node;
        self.unifying.push(node);
        let result = self.unify_marked(node, work, needs, mode, check, looking);
        self.unifying.pop();
        self.node = vertex;
        self[work].eval_depth = depth;
        result
    }

    fn unify_marked(
        &mut self,
        node: NodeId,
        work: WorkId,
        needs: Cond,
        mode: Mode,
        check: bool,
        looking: u32,
    ) -> Run<bool> {
        let own = needs.without(Cond::SUB_FIELDS);
        self.flush_put_off(work)?;
        self.process(work, own, mode)?;
        if self[node].presence != Presence::Pending
            && self.meets(work, Cond::ANCESTORS)
            && self.all_tasks_finished(work)
        {
            self.signal(work, Cond::PRESENCE)?;
        }
        self.node = Some(node);
        let arm = self.deref_disjunct(node);
        if arm != node {
            self[node].closed = self[arm].closed;
            self[node].status = self[arm].status;
            self[node].child_faults = self.combine(self[node].child_faults, self[arm].child_faults);
            self.clear_arcs(node);
            return Ok(match self[arm].work {
                _ if self[arm].status == Status::Final => true,
                Some(state) => self.meets(state, needs),
                None => false,
            });
        }
        self.update_scalar(work)?;
        if !self.meets(work, own) && mode != Mode::Finalize {
            return Ok(false);
        }
        if self[work].is_shared {
            if self.is_cycle_base(self[work].before_share) {
                self[work].before_share = Base::None;
            }
        } else {
            if self.is_cycle_base(self[node].base) {
                self[node].base = Base::None;
            }
            self.validate_scalar(work)?;
        }
        if let Base::Value(Value::Node(target)) = self[node].base
            && self[work].share_cycle == crate::session::CycleKind::None
        {
            if self.in_depth_cycle(target) {
                self.report_structural_cycle(work);
                return Ok(true);
            }
            self.unify(target, needs, mode, check)?;
        }
        if self[work].completed.any(Cond::SUB_FIELDS) {
            // Done before.
        } else if needs.any(Cond::SUB_FIELDS) {
            if !self.assert_not_cyclic(work)
                && self[node].status != Status::Final
                && !self[work].kind.is_bottom()
            {
                self.complete_all_arcs(work, needs, mode, check)?;
            }
            if mode == Mode::Finalize {
                self.signal(work, Cond::SUB_FIELDS)?;
            }
            self.run_checks(work)?;
        } else if needs.any(Cond::FIELD_SET) {
            self.decide_arcs(work, mode)?;
        }
        if let Some(fault) = self.take_faults(work) {
            let old = self.fault_of(node);
            let fault = match old {
                Some(old) => self.combine(Some(old), Some(fault)).unwrap_or(fault),
                None => fault,
            };
            self[node].base = Base::Value(Value::Fault(fault));
        }
        self.finish_disjunction(work);
        if mode == Mode::Attempt {
            return Ok(self.meets(work, needs));
        }
        let met = self[work].completed.and(needs);
        if met != Cond::NONE {
            self.signal(work, met)?;
        }
        let target = self.deref(node);
        if target != node {
            self.context = looking;
            return self.finish_forwarded(node, target, work, needs, mode, check);
        }
        if !self[work].completed.any(Cond::SUB_FIELDS) {
            return Ok(self.meets(work, needs));
        }
        self.eval_depth += 1;
        let closes = !self[work].has_top || self[work].has_struct;
        if self[work].is_def && closes {
            self[node].closed = true;
        }
        if check {
            self.check_fields(work)?;
        }
        self.eval_depth -= 1;
        self[node].status = Status::Final;
        self.retire_fields(node);
        Ok(self.meets(work, needs))
    }

    /// The node's value is another node's: shared, or the result of a disjunction.
    fn finish_forwarded(
        &mut self,
        node: NodeId,
        target: NodeId,
        work: WorkId,
        needs: Cond,
        mode: Mode,
        check: bool,
    ) -> Run<bool> {
        self.clear_arcs(node);
        self[node].child_faults = None;
        if !self[work].completed.any(Cond::SUB_FIELDS) {
            if self[target].status == Status::Fresh {
                self.unify(target, needs, mode, false)?;
            }
            return Ok(self.meets(work, needs));
        }
        if self[target].closed {
            self[node].closed = true;
        }
        if self[target].ellipsis {
            self[node].ellipsis = true;
        }
        self[node].status = self[target].status;
        self.finalize_sharing(work)?;
        if self.is_ancestor(work, target)? || self.waits_on_stack(target)? {
            self.report_structural_cycle(work);
            return Ok(true);
        }
        self.unify(target, needs, mode, check)?;
        self[node].status = self[target].status;
        Ok(true)
    }

    /// Whether a shared target has a reference to run that leads to something under evaluation.
    fn waits_on_stack(&mut self, target: NodeId) -> Run<bool> {
        use crate::sched::{Kind as TaskKind, State};
        use crate::session::Elem;
        let Some(work) = self[target].work else {
            return Ok(false);
        };
        for at in 0..self[work].tasks.len() {
            let Some(id) = self[work].tasks.get(at).copied() else {
                break;
            };
            let task = &self[id];
            let (TaskKind::Resolve, State::Ready, Elem::Expr(expr), Some(env)) =
                (task.kind, task.state, task.elem, task.env)
            else {
                continue;
            };
            let close = task.close;
            let saved = self.save();
            self.errs = None;
            self.env = env;
            self.close = close;
            let arc = self.resolve(expr, Cond::FIELD_SET, Mode::Ignore);
            self.restore(saved);
            // Where looking has to wait the task at hand does, as in the reference.
            if let Some(arc) = arc? {
                let arc = self.deref_non_disjunct(arc);
                if self.in_depth_cycle(arc) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Puts the scalar that was found into the node.
    pub(crate) fn update_scalar(&mut self, work: WorkId) -> Run<()> {
        let Some(scalar) = self[work].scalar else {
            return Ok(());
        };
        let node = self[work].node;
        let base = self[node].base;
        let erroneous = self.fault_of(node).is_some() && !self.is_cycle_base(base);
        if erroneous {
            return Ok(());
        }
        let arm = matches!(base, Base::Value(Value::Node(arm)) if self[arm].disjunct);
        if !arm {
            self[node].base = Base::Value(scalar.value);
        }
        self.signal(work, Cond::SCALAR)
    }

    /// Decides what the node is, and checks bounds of a scalar.
    fn validate_scalar(&mut self, work: WorkId) -> Run<()> {
        let node = self[work].node;
        let mut is_struct = self[work].is_struct;
        if !is_struct && !self[node].shapes().is_empty() {
            is_struct = self[work].kind.meets(Kind::STRUCT) && !self[work].has_top;
            is_struct |= self[node].arcs().iter().any(|arc| {
                self[*arc].label.is_regular() && self[*arc].presence != Presence::Optional
            });
        }
        if self[node].base == Base::None && is_struct {
            self[node].base = Base::Struct;
        }
        let value = self.node_value(self.deref(node));
        match value {
            Some(value) if self.is_concrete(value) => {
                for bound in [self[work].lower, self[work].upper].into_iter().flatten() {
                    if let Some(fault) = self.validate_bound(bound, value)? {
                        self.add_fault(work, fault);
                    }
                }
            }
            // An error that was found before stays.
            Some(Value::Fault(_)) => {}
            _ => self[node].base = self.residue(work)?,
        }
        Ok(())
    }

    /// What is left of a node that is not concrete: bounds, checks, its type.
    pub(crate) fn residue(&mut self, work: WorkId) -> Run<Base> {
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        let mut kind = Kind::TOP;
        let (lower, upper) = (self[work].lower, self[work].upper);
        for bound in [lower, upper].into_iter().flatten() {
            values.push(bound.value);
            kind &= self.kind(bound.value);
        }
        let node_kind = self[work].kind;
        for at in 0..self[work].checks.len() {
            let Elem::Value(check) = self[work].checks[at].0.elem else {
                continue;
            };
            // `!=` outside the bounds says nothing.
            if let Value::Bound(b) = check
                && self.bound(b).op == crate::value::Op::NotEqual
            {
                let mut implied = false;
                for bound in [upper, lower].into_iter().flatten() {
                    implied |= self
                        .simplify_bounds(node_kind, bound.value, check)?
                        .is_some();
                }
                if implied {
                    continue;
                }
            }
            values.push(check);
            kind &= self.kind(check);
        }
        if !kind.without(node_kind).is_bottom() {
            // The type says more than the constraints do.
            values.push(Value::Type(node_kind));
        }
        Ok(match values.as_slice() {
            [] if node_kind == Kind::TOP => Base::Value(Value::Top),
            [] => Base::Value(Value::Type(node_kind)),
            [one] => Base::Value(*one),
            many => Base::Value(self.conjunction(many)),
        })
    }

    fn run_checks(&mut self, work: WorkId) -> Run<()> {
        let node = self[work].node;
        let Some(value) = self.node_value(node) else {
            return Ok(());
        };
        if !self.is_concrete(value) {
            return Ok(());
        }
        self.spare.holds += 1;
        let result = self.run_checks_held(work, node);
        self.spare.holds -= 1;
        result
    }

    fn run_checks_held(&mut self, work: WorkId, node: NodeId) -> Run<()> {
        let known = self.fault_of(node).or(self[work].faults);
        // What one check finds is kept from the next: that would take the value for the error it is going to be.
        let mut faults: SmallVec<[FaultId; 2]> = SmallVec::new();
        for (c, pos) in std::mem::take(&mut self[work].checks) {
            faults.extend(self.validate_check(c, pos, node, known)?);
        }
        for fault in faults {
            self.add_fault(work, fault);
        }
        Ok(())
    }

    fn complete_all_arcs(&mut self, work: WorkId, needs: Cond, mode: Mode, check: bool) -> Run<()> {
        self.complete_tasks(work, Mode::Finalize)?;
        self.eval_depth += 1;
        let result = self.complete_arcs_deeper(work, needs, mode, check);
        self.eval_depth -= 1;
        result
    }

    fn complete_arcs_deeper(
        &mut self,
        work: WorkId,
        needs: Cond,
        mode: Mode,
        check: bool,
    ) -> Run<()> {
        let node = self[work].node;
        let check = check && !self[work].has_disjunction;
        // Of a long list or map the states are given back on the way.
        let free = self[node].arcs().len() > MANY && self.allows_all(work)?;
        let whole = mode == Mode::Finalize && needs == Cond::ALL && self.overlays.is_empty();
        let mut at = 0;
        while at < self[node].arcs().len() {
            let arc = self[node].arcs()[at];
            at += 1;
            // An error that is about is for the next field that is evaluated.
            if !(whole && self.errs.is_none() && self.finish_plain(arc)?) {
                self.unify(arc, needs, mode, check)?;
            }
            if free && self[arc].status == Status::Final {
                self.retire(arc);
            }
            self.reclaim()?;
            if self[arc].presence == Presence::Pending {
                // It stays as it is, without content: a task that still runs may make it a field.
                self.presence_frozen(arc)?;
                continue;
            }
            let n = &self[arc];
            if n.presence <= Presence::Required
                && n.label.is_string()
                && !self[work].kind.meets(Kind::STRUCT)
                && self.fault_of(node).is_none()
                && self.fault_of(arc).is_none()
            {
                let label = self[arc].label;
                let value = self.node_value(node).unwrap_or(Value::Top);
                let pos = self.node_pos(arc);
                self.add_problem(
                    work,
                    "cannot combine regular field {} with {}",
                    [
                        Arg::Text(format!("{:?}", self.label_text(label))),
                        Arg::Value(value),
                    ],
                    pos,
                );
            }
        }
        self.retain_arcs(node, |arc| arc.presence != Presence::Absent);
        for at in 0..self[node].arcs().len() {
            let arc = self[node].arcs()[at];
            if !self[arc].label.is_let() && self[arc].presence <= Presence::Required {
                let target = self.deref(arc);
                if let Some(fault) = self.fault_of(target) {
                    self.add_child_fault(node, fault);
                }
            }
        }
        for at in 0..self[work].post_checks.len() {
            let Some(post) = self[work].post_checks.get(at).copied() else {
                break;
            };
            self.run_post_check(node, post)?;
        }
        self.finalize_sharing(work)
    }

    fn run_post_check(&mut self, node: NodeId, post: crate::session::PostCheck) -> Run<()> {
        self.spare.holds += 1;
        let result = self.run_post_check_held(node, post);
        self.spare.holds -= 1;
        result
    }

    fn run_post_check_held(&mut self, node: NodeId, post: crate::session::PostCheck) -> Run<()> {
        let saved = self.save();
        self.errs = None;
        self.env = post.env;
        self.at(post.expr);
        let value = self.eval(post.expr, Cond::ALL, Mode::Ignore);
        let value = match value {
            Ok(value) => self.default_of(value),
            Err(Stop::Yield) => None,
            Err(Stop::Poison) => {
                self.restore(saved);
                return Err(Stop::Poison);
            }
        };
        let is_error = value
            .and_then(|value| self.unwrap(value))
            .is_some_and(|v| matches!(v, Value::Fault(_)));
        if is_error != post.was_error {
            let fault = self.new_fault(
                FaultCode::Cycle,
                "circular dependency in evaluation of conditionals: {} changed after evaluation",
                [Arg::Expr(post.expr)],
                Some(self.program.span(post.expr).pos()),
                Some(node),
            );
            let old = self.fault_of(node);
            if let Some(fault) = self.combine(old, Some(fault)) {
                self[node].base = Base::Value(Value::Fault(fault));
            }
        }
        self.restore(saved);
        Ok(())
    }

    fn decide_arcs(&mut self, work: WorkId, mode: Mode) -> Run<()> {
        let node = self[work].node;
        for at in 0..self[node].arcs().len() {
            let Some(arc) = self[node].arcs().get(at).copied() else {
                break;
            };
            if self[arc].presence == Presence::Pending {
                self.unify(arc, Cond::PRESENCE, mode, false)?;
                if self[arc].presence == Presence::Pending {
                    self.update_presence(arc, Presence::Absent)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn rooted(&self, node: NodeId) -> bool {
        let n = &self[node];
        !n.non_rooted && !n.label.is_let() && !n.dynamic
    }

    /// A value without a place, from conjuncts.
    pub(crate) fn inline_node(&mut self, conjuncts: &[Conjunct]) -> NodeId {
        self.new_node(crate::session::Node {
            dynamic: true,
            anonymous: self.in_detached > 0,
            conjuncts: conjuncts.into(),
            label: Label::NONE,
            ..crate::session::Node::default()
        })
    }
}
