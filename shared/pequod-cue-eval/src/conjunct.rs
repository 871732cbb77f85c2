//! Bringing conjuncts into a node.
//!
//! A conjunct is either something that needs no evaluation — a scalar, a type, a bound: it is
//! merged into the node's state at once — or an expression, which becomes a task. Struct literals
//! are taken apart here: this is where an environment is tied to the node a literal became, and
//! with it what its references will see.

use pequod_cue_syntax::Pos;
use smallvec::SmallVec;

use crate::close::{DefKind, Flags};
use crate::disjunct::{Arm, DefaultMode, Hole};
use crate::kind::{Kind, Presence};
use crate::program::{Decl, Expr, ExprId, StructId};
use crate::sched::{Cond, Kind as TaskKind};
use crate::session::{
    Close, Conjunct, CycleKind, Elem, Env, Opened, Origin, Run, Session, Shape, ShapeSource, Work,
};
use crate::value::{Arg, Base, DisjunctionId, EnvId, NodeId, Op, Value, WorkId};

/// From how many receivers on they are found by a set.
const MANY_RECEIVERS: usize = 16;

/// What a conjunct comes down to.
pub(crate) enum Content {
    Expr(ExprId),
    Value(Value, Option<Pos>),
    Comp(crate::program::CompId),
}

impl Session<'_> {
    /// The expression or value of a conjunct.
    pub(crate) fn content(&self, elem: Elem) -> Content {
        let expr = match elem {
            Elem::Value(value) => return Content::Value(value, None),
            Elem::Comp(comp) => return Content::Comp(comp),
            Elem::Expr(expr) => expr,
            Elem::Decl(decl) => match self.program.decl(decl) {
                Decl::Field { value, .. }
                | Decl::Let { value, .. }
                | Decl::Dynamic { value, .. }
                | Decl::Pattern { value, .. }
                | Decl::Embed(value) => *value,
                Decl::Comprehension(comp) => return Content::Comp(*comp),
                Decl::Ellipsis => return Content::Value(Value::Top, None),
            },
        };
        match self.program.expr(expr) {
            Expr::Value(value) => Content::Value(*value, Some(self.program.span(expr).pos())),
            _ => Content::Expr(expr),
        }
    }

    /// Splits a conjunct into parts, merges what can be merged and schedules the rest.
    pub(crate) fn schedule_conjunct(
        &mut self,
        work: WorkId,
        mut c: Conjunct,
        mut id: Close,
    ) -> Run<()> {
        self.step()?;
        let node = self[work].node;
        if c.close.from_def {
            self[node].closed = true;
        }
        self.mark_non_cyclic(work, id);
        let expr = match self.content(c.elem) {
            Content::Value(Value::Node(x), _) => {
                self.count_conjunct();
                return self.schedule_node_value(work, c, x, id);
            }
            Content::Value(value, pos) => {
                self.count_conjunct();
                return self.insert_value(work, c.env, value, id, pos);
            }
            Content::Comp(comp) => {
                self.count_conjunct();
                return self.schedule(
                    TaskKind::Comprehension,
                    work,
                    Some(c.env),
                    Elem::Comp(comp),
                    id,
                );
            }
            Content::Expr(expr) => expr,
        };
        match *self.program.expr(expr) {
            Expr::Open(inner) => {
                c.elem = Elem::Expr(inner);
                c.close.opened = true;
                id.opened = true;
                return self.schedule_conjunct(work, c, id);
            }
            Expr::And(x, y) => {
                // `(#A & #B)...`: each keeps checking the other, but the outside is free.
                if id.opened {
                    id.opened = false;
                    id.conjunct_opened = true;
                    id.from_embed = true;
                    id = self.new_scope(work, Some(expr), id, DefKind::Embedding);
                }
                for side in [x, y] {
                    let part = Conjunct {
                        env: c.env,
                        elem: Elem::Expr(side),
                        close: id,
                    };
                    self.schedule_conjunct(work, part, id)?;
                }
                return Ok(());
            }
            Expr::Struct(lit) => {
                self.unshare(work)?;
                self.schedule_struct(work, c.env, lit, expr, id)?;
            }
            Expr::List(_) => {
                self.unshare(work)?;
                self.found_content(work, id)?;
                let env = self.new_env(c.env, node);
                let pos = Some(self.program.span(expr).pos());
                self.restrict_kind(
                    work,
                    Kind::LIST,
                    Origin {
                        value: Value::Type(Kind::LIST),
                        pos,
                    },
                    id,
                );
                self.schedule(TaskKind::List, work, Some(env), Elem::Expr(expr), id)?;
            }
            Expr::Disjunction { ref arms, marked } => {
                let arms = arms
                    .iter()
                    .map(|(arm, default)| {
                        Arm::new(Elem::Expr(*arm), DefaultMode::of(marked, *default))
                    })
                    .collect();
                let pos = Some(self.program.span(expr).pos());
                self.schedule_disjunction(work, c.env, arms, id, pos)?;
                self.mark_conjunct(work, Kind::TOP, id, Flags::NONE);
            }
            ref reference if reference.is_reference() => {
                self.schedule(TaskKind::Resolve, work, Some(c.env), Elem::Expr(expr), id)?;
            }
            _ => {
                self.unshare(work)?;
                // A call in a cyclic conjunct could go round for ever: it waits for something that
                // is not cyclic.
                if let Expr::Call(_, args) = self.program.expr(expr)
                    && id.cycle == CycleKind::Cyclic
                    && !self[work].has_non_cycle
                    && !self[work].has_non_cyclic
                    && args.iter().any(|arg| self.may_refer(*arg))
                {
                    self[work].ancestor_cycle = true;
                    self[work].cyclic.push((c, None));
                    return Ok(());
                }
                self.schedule(TaskKind::Expr, work, Some(c.env), Elem::Expr(expr), id)?;
            }
        }
        self.count_conjunct();
        Ok(())
    }

    fn count_conjunct(&mut self) {
        self.meter.work.conjuncts += 1;
    }

    /// Whether an expression contains a reference.
    fn may_refer(&self, expr: ExprId) -> bool {
        match self.program.expr(expr) {
            Expr::Value(_) => false,
            Expr::Binary(_, x, y) | Expr::And(x, y) => self.may_refer(*x) || self.may_refer(*y),
            Expr::Unary(_, x) => self.may_refer(*x),
            Expr::Call(_, args) => args.iter().any(|arg| self.may_refer(*arg)),
            Expr::List(list) => self.program.lists[list.at()]
                .exprs()
                .any(|e| self.may_refer(e)),
            _ => true,
        }
    }

    pub(crate) fn schedule_disjunction(
        &mut self,
        work: WorkId,
        env: EnvId,
        arms: Vec<Arm>,
        mut id: Close,
        pos: Option<Pos>,
    ) -> Run<()> {
        self.unshare(work)?;
        id.set_optional();
        self.next_hole += 1;
        if self[work].holes.is_empty() {
            self.schedule(
                TaskKind::Disjunctions,
                work,
                None,
                Elem::Value(Value::Top),
                Close::default(),
            )?;
        }
        self[work].holes.push(Hole {
            env,
            close: id,
            arms,
            pos,
        });
        self[work].has_disjunction = true;
        Ok(())
    }

    fn schedule_node_value(
        &mut self,
        work: WorkId,
        c: Conjunct,
        x: NodeId,
        mut id: Close,
    ) -> Run<()> {
        if self.is_data(x) {
            self.unshare(work)?;
            return self.insert_value(work, c.env, Value::Node(x), id, None);
        }
        if self[x].closed_once {
            let node = self[work].node;
            self[node].closed_once = true;
            id = self.add_resolver(work, x, id, false, None);
        }
        self.schedule_node_conjuncts(work, c, x, id, None)
    }

    /// A literal has a field: that is said once, however many it has.
    fn is_struct_for_sure(&mut self, work: WorkId, known: &mut bool, origin: Origin, id: Close) {
        if !std::mem::replace(known, true) {
            self[work].is_struct = true;
            self.restrict_kind(work, Kind::STRUCT, origin, id);
        }
    }

    /// Takes a struct literal apart: fixed fields at once, everything else as tasks.
    fn schedule_struct(
        &mut self,
        work: WorkId,
        env: EnvId,
        lit: StructId,
        expr: ExprId,
        mut id: Close,
    ) -> Run<()> {
        self.found_content(work, id)?;
        self.mark_conjunct(work, Kind::STRUCT, id, Flags::HAS_STRUCT);
        let node = self[work].node;
        let child = self.new_env(env, node);
        self[work].has_struct = true;
        let comp = self.comp_of(env);
        let program = self.program.clone();
        let literal = &program.structs[lit.at()];
        self.add_shape(
            node,
            Shape {
                source: ShapeSource::Lit(lit),
                comp,
                repeats: 0,
            },
        );
        let origin = Origin {
            value: Value::Type(Kind::STRUCT),
            pos: Some(literal.span.pos()),
        };
        if literal.embeds {
            id = self.split_struct(work, literal, expr, id);
        }
        let mut known = false;
        for decl_id in &literal.decls {
            let elem = Elem::Decl(*decl_id);
            let mut sub = id;
            sub.from_embed = false;
            match program.decl(*decl_id) {
                Decl::Field {
                    label, presence, ..
                } => {
                    if label.is_string() && *presence == Presence::Member {
                        self.is_struct_for_sure(work, &mut known, origin, id);
                    }
                    if *presence == Presence::Optional {
                        sub.set_optional();
                    }
                    let c = Conjunct {
                        env: child,
                        elem,
                        close: sub,
                    };
                    self.insert_arc(work, *label, *presence, c, sub)?;
                }
                Decl::Let { label, .. } => {
                    let c = Conjunct {
                        env: child,
                        elem,
                        close: sub,
                    };
                    self.insert_arc(work, *label, Presence::Member, c, sub)?;
                }
                Decl::Comprehension(comp) => {
                    let close = self.inject_embed(work, None, literal.explicit_open, id);
                    self.schedule(
                        TaskKind::Comprehension,
                        work,
                        Some(child),
                        Elem::Comp(*comp),
                        close,
                    )?;
                }
                Decl::Ellipsis => {}
                Decl::Dynamic { presence, .. } => {
                    if *presence == Presence::Member {
                        self.is_struct_for_sure(work, &mut known, origin, id);
                    }
                    self.schedule(TaskKind::Dynamic, work, Some(child), elem, sub)?;
                }
                Decl::Pattern { .. } => {
                    sub.set_optional();
                    self.schedule(TaskKind::Pattern, work, Some(child), elem, sub)?;
                }
                Decl::Embed(inner) => {
                    let close = self.inject_embed(work, Some(*inner), literal.explicit_open, id);
                    let c = Conjunct {
                        env: child,
                        elem: Elem::Expr(*inner),
                        close,
                    };
                    self.schedule_conjunct(work, c, close)?;
                }
            }
        }
        if literal.ellipsis {
            self[node].ellipsis = true;
            self.mark_conjunct(work, Kind::TOP, id, Flags::HAS_ELLIPSIS);
        }
        if !literal.embeds {
            self[work].is_struct = true;
            self.restrict_kind(work, Kind::STRUCT, origin, id);
        }
        Ok(())
    }

    fn comp_of(&self, mut env: EnvId) -> u32 {
        loop {
            let Env { up, comp, .. } = self[env];
            if comp != 0 || up == env || env == crate::session::NO_ENV {
                return comp;
            }
            env = up;
        }
    }

    fn add_shape(&mut self, node: NodeId, shape: Shape) {
        let shapes = &mut self[node].fields_mut().shapes;
        match shapes.iter_mut().find(|known| known.source == shape.source) {
            Some(known) => known.repeats += 1,
            None => shapes.push(shape),
        }
    }

    /// Brings the conjuncts of another node into this one, or shares its structure.
    pub(crate) fn schedule_node_conjuncts(
        &mut self,
        work: WorkId,
        c: Conjunct,
        arc: NodeId,
        mut close: Close,
        reference: Option<ExprId>,
    ) -> Run<()> {
        // A struct embedded from an inline value does not close what encloses it.
        if !self[arc].closed && !self[arc].closed_once && close.embed != 0 {
            close.from_def = false;
        }
        let opens = c.close.opened || c.close.conjunct_opened;
        if opens {
            let closed = if self[arc].closed {
                Opened::Closed
            } else if self[arc].closed_once {
                Opened::ClosedOnce
            } else {
                Opened::Nothing
            };
            let known = self[work].opened;
            self[work].opened = known.max(closed);
        }
        let node = self[work].node;
        if self.same_underlying(node, arc) {
            if self[work].is_shared {
                self.add_shared(work, close);
            }
            return Ok(());
        }
        if self.share_if_possible(work, c, arc, close)? {
            self.work(arc)?;
            return Ok(());
        }
        let by_definition = reference.is_some_and(|expr| self.names_definition(expr));
        if by_definition || self[arc].label.is_definition() || close.top_def {
            if opens {
                self[work].opened = Opened::Closed;
            }
            self[work].is_def = true;
            close.from_def = true;
            close.top_def = false;
            close = self.add_resolver(work, arc, close, false, reference);
        } else {
            close = self.add_resolver(work, arc, close, true, reference);
        }
        // Unification is idempotent: once is enough, and more would be exponential.
        if !self[work].taken.insert(arc) {
            return Ok(());
        }
        let n = &self[node];
        if let Some(parent) = self[arc].parent
            && (!n.non_rooted || n.dynamic)
        {
            let up = self.work(parent)?;
            let state = self.bare_work(arc);
            if let (Some(up), Some(state)) = (up, state)
                && !self.meets(up, Cond::ANCESTORS.or(Cond::FIELD_CONJUNCTS))
            {
                self.add_notify(state, node, close);
            }
        }
        let mut at = 0;
        while at < self[arc].conjuncts.len() {
            let c = self[arc].conjuncts[at];
            at += 1;
            self.schedule_conjunct(work, c, close)?;
        }
        if self.bare_work(arc).is_some() {
            self[work].to_complete = true;
        }
        Ok(())
    }

    /// Whether a reference goes through a definition.
    fn names_definition(&self, expr: ExprId) -> bool {
        match self.program.expr(expr) {
            Expr::Field { label, .. } => label.is_definition(),
            Expr::Select { base, label, .. } => {
                label.is_definition() || self.names_definition(*base)
            }
            Expr::Index { base, .. } => self.names_definition(*base),
            _ => false,
        }
    }

    fn add_notify(&mut self, source: WorkId, receiver: NodeId, close: Close) {
        let node = self[source].node;
        let final_ = self.deref_status(node) == crate::session::Status::Final;
        let in_progress = self.in_progress(node);
        if final_ || (in_progress && self.meets(source, Cond::ANCESTORS)) {
            return;
        }
        let Work {
            notify, notified, ..
        } = &mut self[source];
        if notify.len() == MANY_RECEIVERS && notified.is_none() {
            let known = notify.iter().map(|(receiver, _)| *receiver);
            *notified = Some(Box::new(known.collect()));
        }
        let is_new = match notified {
            Some(known) => known.insert(receiver),
            None => !notify.iter().any(|(known, _)| *known == receiver),
        };
        if is_new {
            notify.push((receiver, close));
        }
    }

    /// Merges a value that needs no evaluation.
    pub(crate) fn insert_value(
        &mut self,
        work: WorkId,
        env: EnvId,
        value: Value,
        id: Close,
        pos: Option<Pos>,
    ) -> Run<()> {
        match value {
            Value::Node(x) => return self.insert_node_value(work, env, x, id),
            Value::Fault(fault) => {
                self.unshare(work)?;
                if fault == crate::session::NO_SHARING {
                    self.met_no_sharing();
                } else {
                    self.add_fault(work, fault);
                }
                return Ok(());
            }
            Value::Builtin(builtin) => {
                self.unshare(work)?;
                if let Some(validator) = self.bare_validator(builtin) {
                    return self.insert_value(work, env, validator, id, pos);
                }
            }
            Value::Disjunction(d) if self.disjunctions[d.at()].written => {
                self.insert_disjunction_value(work, env, d, id, pos)?;
                self.mark_conjunct(work, Kind::TOP, id, Flags::NONE);
                return Ok(());
            }
            _ => {}
        }
        let kind = self.kind(value);
        let origin = Origin { value, pos };
        if !self.restrict_kind(work, kind, origin, id) {
            return Ok(());
        }
        match value {
            Value::Disjunction(d) => {
                self.found_content(work, id)?;
                return self.insert_disjunction_value(work, env, d, id, pos);
            }
            Value::Conjunction(c) => {
                let values = self.conjunctions[c.at()].clone();
                for value in values {
                    self.insert_value(work, env, value, id, pos)?;
                }
            }
            Value::Top => {
                self.found_content(work, id)?;
                self[work].has_top = true;
                self.mark_conjunct(work, Kind::TOP, id, Flags::HAS_TOP);
            }
            Value::Type(_) => {
                self.unshare(work)?;
                self.found_content(work, id)?;
                self.mark_conjunct(work, Kind::TOP, id, Flags::HAS_TOP);
            }
            Value::Bound(b) => {
                self.unshare(work)?;
                self.found_content(work, id)?;
                let bound = self.bound(b);
                match bound.op {
                    Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
                        let low = matches!(bound.op, Op::Greater | Op::GreaterEqual);
                        let slot = if low {
                            self[work].lower
                        } else {
                            self[work].upper
                        };
                        if let Some(other) = slot {
                            let kind = self[work].kind;
                            if let Some(better) = self.simplify_bounds(kind, value, other.value)? {
                                let pos = if better == other.value {
                                    other.pos
                                } else {
                                    pos
                                };
                                if low {
                                    self[work].lower = None;
                                } else {
                                    self[work].upper = None;
                                }
                                return self.insert_value(work, env, better, id, pos);
                            }
                        }
                        if low {
                            self[work].lower = Some(origin);
                        } else {
                            self[work].upper = Some(origin);
                        }
                    }
                    op => {
                        if matches!(op, Op::Equal | Op::NotEqual) {
                            self.mark_conjunct(
                                work,
                                Kind::TOP,
                                id,
                                Flags::OPEN_VALIDATOR.or(Flags::HAS_TOP),
                            );
                            if kind.meets(Kind::COMPOSITE) {
                                self[work].has_top = true;
                            }
                        }
                        return self.insert_check_bound(work, env, value, id, pos);
                    }
                }
            }
            Value::Validator(_) => {
                self.unshare(work)?;
                return self.insert_validator(work, env, value, id, pos);
            }
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Num(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::Builtin(_) => {
                self.unshare(work)?;
                self.found_content(work, id)?;
                if let Some(old) = self[work].scalar {
                    // With an error about (what is referred to is required), the reference finds nothing equal; and a
                    // function never, but for the same conjunct twice, which does not come here.
                    if self.errs.is_some()
                        || matches!(value, Value::Builtin(_))
                        || !self.scalars_equal(value, old.value)
                    {
                        self.report_conflict(work, origin, old);
                    }
                } else {
                    self[work].scalar = Some(origin);
                    self.signal(work, Cond::SCALAR)?;
                }
            }
            Value::Node(_) | Value::Fault(_) => {}
        }
        if let (Some(low), Some(high)) = (self[work].lower, self[work].upper) {
            let kind = self[work].kind;
            if let Some(both) = self.simplify_bounds(kind, low.value, high.value)? {
                self[work].lower = None;
                self[work].upper = None;
                if let Value::Fault(fault) = both {
                    self.also_at(fault, [high.pos, low.pos]);
                }
                return self.insert_value(work, env, both, id, high.pos.or(low.pos));
            }
        }
        Ok(())
    }

    fn insert_disjunction_value(
        &mut self,
        work: WorkId,
        env: EnvId,
        d: DisjunctionId,
        id: Close,
        pos: Option<Pos>,
    ) -> Run<()> {
        let disjunction = self.disjunctions[d.at()].clone();
        let arms = disjunction
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| {
                Arm::new(
                    Elem::Value(*value),
                    DefaultMode::of(disjunction.marked, at < disjunction.defaults),
                )
            })
            .collect();
        self.schedule_disjunction(work, env, arms, id, pos)
    }

    fn insert_check_bound(
        &mut self,
        work: WorkId,
        env: EnvId,
        value: Value,
        id: Close,
        pos: Option<Pos>,
    ) -> Run<()> {
        let kind = self[work].kind;
        let mut covered = false;
        let mut kept = Vec::new();
        for (c, at) in std::mem::take(&mut self[work].checks) {
            if let Elem::Value(other @ Value::Bound(_)) = c.elem {
                let better = self.simplify_bounds(kind, value, other)?;
                if better == Some(other) {
                    covered = true;
                } else if better == Some(value) {
                    continue;
                }
            }
            kept.push((c, at));
        }
        if !covered {
            kept.push((
                Conjunct {
                    env,
                    elem: Elem::Value(value),
                    close: id,
                },
                pos,
            ));
        }
        self[work].checks = kept;
        Ok(())
    }

    fn insert_validator(
        &mut self,
        work: WorkId,
        env: EnvId,
        value: Value,
        id: Close,
        pos: Option<Pos>,
    ) -> Run<()> {
        let kind = self.kind(value);
        if kind.meets(Kind::COMPOSITE) {
            // A field that only a validator speaks about is left to the validator.
            let flags = if self.is_open_validator(value) {
                Flags::OPEN_VALIDATOR.or(Flags::HAS_TOP)
            } else {
                Flags::HAS_TOP
            };
            self.mark_conjunct(work, Kind::TOP, id, flags);
        }
        for at in 0..self[work].checks.len() {
            let Some((other, _)) = self[work].checks.get(at).copied() else {
                break;
            };
            if let Elem::Value(other) = other.elem
                && self.same_validator(value, other)?
            {
                return Ok(());
            }
        }
        self[work].checks.push((
            Conjunct {
                env,
                elem: Elem::Value(value),
                close: id,
            },
            pos,
        ));
        if kind == Kind::TOP {
            self[work].has_top = true;
        }
        self.restrict_kind(work, kind, Origin { value, pos }, id);
        Ok(())
    }

    fn insert_node_value(&mut self, work: WorkId, env: EnvId, x: NodeId, mut id: Close) -> Run<()> {
        let node = self[work].node;
        let from_disjunction = self.is_from_disjunction(x);
        if self[x].closed_once {
            self[node].closed_once = true;
            if !from_disjunction {
                id = self.add_resolver(work, x, id, false, None);
            }
        } else if self[x].closed {
            self[node].closed = true;
            if !from_disjunction {
                id = self.add_resolver(work, x, id, false, None);
            }
        }
        let pos = self.node_pos(x);
        if self[x].base == Base::Struct {
            self[work].is_struct = true;
            self.restrict_kind(
                work,
                Kind::STRUCT,
                Origin {
                    value: Value::Node(x),
                    pos,
                },
                id,
            );
        }
        if !self.is_data(x) {
            self.found_content(work, id)?;
            let c = Conjunct {
                env,
                elem: Elem::Value(Value::Node(x)),
                close: id,
            };
            return self.schedule_node_conjuncts(work, c, x, id, None);
        }
        match self[x].base {
            Base::List { .. } => {
                self.found_content(work, id)?;
                // As of a list that is written, it is known at once that it is one.
                let value = Value::Node(x);
                self.restrict_kind(work, Kind::LIST, Origin { value, pos }, id);
                self.schedule(
                    TaskKind::ListNode,
                    work,
                    Some(env),
                    Elem::Value(Value::Node(x)),
                    id,
                )
            }
            Base::Struct => {
                if self.is_decoded(x) {
                    self.found_content(work, id)?;
                }
                for at in 0..self[x].arcs().len() {
                    let arc = self[x].arcs()[at];
                    if self[arc].presence != Presence::Member {
                        continue;
                    }
                    let c = Conjunct {
                        env: crate::session::NO_ENV,
                        elem: Elem::Value(Value::Node(arc)),
                        close: id,
                    };
                    self.insert_arc(work, self[arc].label, Presence::Member, c, id)?;
                }
                let shapes: SmallVec<[Shape; 1]> = self[x].shapes().into();
                self[node].fields_mut().shapes.extend(shapes);
                Ok(())
            }
            Base::Value(value) => self.insert_value(work, env, value, id, pos),
            Base::None => Ok(()),
        }
    }

    /// Leaves only these types to a node. Says whether any is left.
    pub(crate) fn restrict_kind(
        &mut self,
        work: WorkId,
        kind: Kind,
        origin: Origin,
        id: Close,
    ) -> bool {
        self.mark_conjunct(work, kind, id, Flags::NONE);
        let old = self[work].kind;
        let new = old & kind;
        if old.is_bottom() || kind.is_bottom() {
            return false;
        }
        if new.is_bottom() {
            self.types_conflict(self[work].node);
            if let Some(other) = self[work].kind_origin {
                self.report_type_conflict(work, other, old, origin, kind);
            } else {
                let args = [Arg::Value(origin.value), Arg::Kind(old), Arg::Kind(kind)];
                self.add_problem(
                    work,
                    "conflicting value {} (mismatched types {} and {})",
                    args,
                    origin.pos,
                );
            }
        }
        let w = &mut self[work];
        if old != new || w.kind_origin.is_none() {
            w.kind_origin = Some(origin);
        }
        w.kind = new;
        !new.is_bottom()
    }
}
