//! Cycles: which references may meet themselves, and which may not.
//!
//! - A *reference cycle* (`a: b, b: a`) says that two values are equal: the reference is dropped.
//! - A *structural cycle* (`a: b: a`) would be an infinite struct. Each conjunct keeps the chain of
//!   references it was reached by; meeting one again makes the conjunct cyclic. A node is in error
//!   only if *all* its conjuncts are cyclic: as long as new structure comes from elsewhere, the
//!   recursion is fed and ends with it (`#List: {head: int, tail?: #List}`).
//! - Conjuncts in optional fields, patterns and disjunctions get one more round, as they may end by
//!   not being there.
//! - Calls and references that are cyclic are put off until something not cyclic arrives.

use crate::program::ExprId;
use crate::session::{Close, Conjunct, CycleKind, Elem, NO_ENV, Ref, Run, Session, Status};
use crate::value::{Base, EnvId, FaultCode, NodeId, Value, WorkId};

/// How many nodes or references of a chain are looked at in the time of a step.
const WALKED_IN_A_STEP: u32 = 16;

impl Close {
    /// Marks a conjunct as standing in something that may not come to be.
    pub(crate) fn set_optional(&mut self) {
        if self.cycle == CycleKind::None {
            self.cycle = CycleKind::Optional;
        }
    }

    pub(crate) fn is_cyclic(self) -> bool {
        self.cycle == CycleKind::Cyclic
    }
}

impl Session<'_> {
    /// Looks whether a reference that led to `arc` goes in a circle. Says how the conjunct goes on,
    /// and whether to skip it.
    pub(crate) fn detect_cycle(
        &mut self,
        work: WorkId,
        arc: NodeId,
        env: Option<EnvId>,
        expr: ExprId,
        mut id: Close,
    ) -> Run<(Close, bool)> {
        if self.is_ancestor(work, arc)? {
            self[work].any_cyclic = true;
            self[work].ancestor_cycle = true;
            let skip = !self[work].has_non_cycle;
            if !skip {
                self.doubt_enclosing(env, arc);
            }
            return Ok(self.put_off(work, arc, env, expr, id, skip));
        }
        if self[work].has_non_cyclic && id.cycle == CycleKind::Maybe {
            return Ok((id, false));
        }
        let node = self[work].node;
        let (goal, here) = (self.underlying(arc), self.underlying(node));
        let mut chain_step = false;
        let mut next = id.refs;
        let mut walked = 0;
        while next != 0 {
            let step = self.refs[next as usize];
            next = step.next;
            walked += 1;
            if walked % WALKED_IN_A_STEP == 0 {
                self.step()?;
            }
            if self.underlying(step.target) == goal {
                if self.underlying(step.node) == here {
                    return Ok((id, true));
                }
                if id.cycle == CycleKind::Optional && self[work].has_non_cyclic {
                    id.cycle = CycleKind::Maybe;
                    if step.depth == self[work].depth {
                        return Ok((id, true));
                    }
                    id.refs = 0;
                    return Ok((id, false));
                }
                // Another reference to a node with content of its own is reuse, not recursion;
                // except when a disjunction would expand itself in every arm.
                let self_feeding = self[node].dynamic
                    && self.deref_status(arc) != Status::Final
                    && self.has_disjunction_conjunct(arc);
                if step.expr != expr
                    && self[work].has_non_cycle
                    && self[work].has_non_cyclic
                    && !self_feeding
                {
                    continue;
                }
                return Ok(self.mark_cyclic_path(work, arc, env, expr, id));
            }
            if step.expr == expr && self[arc].non_rooted {
                if self.underlying(step.node) == here {
                    if chain_step {
                        continue;
                    }
                    // One level along a finite chain of inline values.
                    if let Some(env) = env.filter(|env| *env != NO_ENV) {
                        let v = self.env_node(env);
                        let from_parent = self[step.target]
                            .parent
                            .is_some_and(|parent| self.same_underlying(v, parent));
                        if self.same_underlying(v, node) || from_parent {
                            chain_step = true;
                            continue;
                        }
                    }
                    return Ok(self.mark_cyclic_path(work, arc, env, expr, id));
                }
                if self[step.target].non_rooted
                    && let Some(parent) = self[arc].parent
                    && self[parent].dynamic
                    && self[parent].parent.is_none()
                    && let Some(up) = self[parent].work
                    && self[up].ancestor_cycle
                {
                    self[work].any_cyclic = true;
                    self[work].ancestor_cycle = true;
                    let skip = !self[work].has_non_cycle;
                    return Ok(self.put_off(work, arc, env, expr, id, skip));
                }
            }
        }
        let step = Ref {
            expr,
            target: goal,
            node: here,
            depth: self[work].depth,
            next: id.refs,
            first: if id.refs == 0 {
                expr
            } else {
                self.refs[id.refs as usize].first
            },
        };
        id.refs = self.push_ref(step);
        Ok((id, false))
    }

    fn mark_cyclic_path(
        &mut self,
        work: WorkId,
        arc: NodeId,
        env: Option<EnvId>,
        expr: ExprId,
        id: Close,
    ) -> (Close, bool) {
        self[work].any_cyclic = true;
        let skip = !self[work].has_non_cyclic && !self[work].has_non_cycle;
        self.put_off(work, arc, env, expr, id, skip)
    }

    fn put_off(
        &mut self,
        work: WorkId,
        arc: NodeId,
        env: Option<EnvId>,
        expr: ExprId,
        mut id: Close,
        skip: bool,
    ) -> (Close, bool) {
        id.cycle = CycleKind::Cyclic;
        match env {
            Some(env) if skip => {
                let c = Conjunct {
                    env,
                    elem: Elem::Expr(expr),
                    close: id,
                };
                self[work].cyclic.push((c, Some(arc)));
                (id, true)
            }
            _ => (id, false),
        }
    }

    fn has_disjunction_conjunct(&self, node: NodeId) -> bool {
        self[node]
            .conjuncts
            .iter()
            .any(|c| match self.content(c.elem) {
                crate::conjunct::Content::Expr(expr) => {
                    matches!(
                        self.program.expr(expr),
                        crate::program::Expr::Disjunction { .. }
                    )
                }
                crate::conjunct::Content::Value(Value::Disjunction(_), _) => true,
                _ => false,
            })
    }

    /// Whether a node is being evaluated further out, or encloses this one.
    ///
    /// A field may lie far deeper than evaluation nests: `X={let Y = X, a: Y.a, a: Y.b}` takes over
    /// fields of ever deeper clauses one after the other, and not one inside the other. So the way up is
    /// work that counts.
    pub(crate) fn is_ancestor(&mut self, work: WorkId, arc: NodeId) -> Run<bool> {
        if self.in_depth_cycle(arc) {
            return Ok(true);
        }
        let goal = self.underlying(arc);
        let mut next = self[self[work].node].parent;
        let mut levels = 0;
        let mut found = false;
        while !found && let Some(node) = next {
            found = self.underlying(node) == goal;
            next = self[node].parent;
            levels += 1;
        }
        if levels >= WALKED_IN_A_STEP {
            self.charge(u64::from(levels / WALKED_IN_A_STEP))?;
        }
        Ok(found)
    }

    pub(crate) fn in_depth_cycle(&self, node: NodeId) -> bool {
        let n = &self[node];
        match n.work {
            Some(work) if n.status != Status::Final => {
                let depth = self[work].eval_depth;
                depth > 0 && depth < self.eval_depth
            }
            _ => false,
        }
    }

    pub(crate) fn mark_non_cyclic(&mut self, work: WorkId, id: Close) {
        if matches!(id.cycle, CycleKind::None | CycleKind::Optional) {
            self[work].has_non_cyclic = true;
        }
    }

    pub(crate) fn only_cyclic(&self, work: WorkId) -> bool {
        let w = &self[work];
        (w.ancestor_cycle && !w.has_non_cycle) || (w.any_cyclic && !w.has_non_cyclic)
    }

    /// Content arrived: if it is not cyclic, what was put off can go on.
    pub(crate) fn found_content(&mut self, work: WorkId, id: Close) -> Run<()> {
        self[work].has_value = true;
        if id.is_cyclic() {
            return Ok(());
        }
        self[work].has_non_cycle = true;
        for (c, arc) in std::mem::take(&mut self[work].cyclic) {
            match arc {
                Some(arc) => {
                    let reference = match c.elem {
                        Elem::Expr(expr) => Some(expr),
                        _ => None,
                    };
                    self.schedule_node_conjuncts(work, c, arc, c.close, reference)?;
                }
                None => self.schedule_conjunct(work, c, c.close)?,
            }
        }
        Ok(())
    }

    /// Ends a node of which all conjuncts are cyclic.
    pub(crate) fn assert_not_cyclic(&mut self, work: WorkId) -> bool {
        self[work].cyclic.clear();
        if self.only_cyclic(work) {
            self.report_structural_cycle(work);
            return true;
        }
        false
    }

    pub(crate) fn report_structural_cycle(&mut self, work: WorkId) {
        let node = self[work].node;
        let fault = self.new_fault(
            FaultCode::Structural,
            "structural cycle",
            [],
            self.pos,
            Some(node),
        );
        let old = match self[node].base {
            Base::Value(value) => self.as_fault(value),
            _ => None,
        };
        if let Some(fault) = self.combine(old, Some(fault)) {
            self[node].base = Base::Value(Value::Fault(fault));
        }
        self.clear_arcs(node);
    }

    /// A deferred call whose arguments only ask for labels cannot recurse: it goes on.
    pub(crate) fn flush_put_off(&mut self, work: WorkId) -> Run<()> {
        if self[work].cyclic.is_empty() || !self[work].tasks.is_empty() {
            return Ok(());
        }
        self[work].has_non_cyclic = true;
        let mut kept = Vec::new();
        for (mut c, arc) in std::mem::take(&mut self[work].cyclic) {
            let safe = match self.content(c.elem) {
                crate::conjunct::Content::Expr(expr) => self.asks_only_labels(expr),
                crate::conjunct::Content::Value(..) => true,
                crate::conjunct::Content::Comp(_) => false,
            };
            if !safe {
                kept.push((c, arc));
                continue;
            }
            c.close.cycle = CycleKind::None;
            match arc {
                Some(arc) => self.schedule_node_conjuncts(work, c, arc, c.close, None)?,
                None => self.schedule_conjunct(work, c, c.close)?,
            }
        }
        self[work].cyclic = kept;
        Ok(())
    }

    fn asks_only_labels(&self, expr: ExprId) -> bool {
        use crate::program::Expr;
        match self.program.expr(expr) {
            Expr::LabelValue { .. } | Expr::Value(_) => true,
            Expr::Binary(_, x, y) | Expr::And(x, y) => {
                self.asks_only_labels(*x) && self.asks_only_labels(*y)
            }
            Expr::Unary(_, x) => self.asks_only_labels(*x),
            Expr::Call(_, args) => args.iter().all(|arg| self.asks_only_labels(*arg)),
            Expr::List(list) => self.program.lists[list.at()]
                .exprs()
                .all(|e| self.asks_only_labels(e)),
            Expr::Interpolation { parts, .. } => {
                parts.iter().all(|part| self.asks_only_labels(*part))
            }
            _ => false,
        }
    }
}
