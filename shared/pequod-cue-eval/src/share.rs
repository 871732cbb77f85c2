//! Structure sharing, and the ways a node can stand for another.
//!
//! A node whose only conjunct is a reference needs no copy: it points at its target until another
//! conjunct arrives, and only then takes the target's conjuncts. A node that is the result of a
//! disjunction points at the arm that is left.

use crate::session::{Close, Conjunct, CycleKind, Run, Session, Status};
use crate::value::{Base, NodeId, Value, WorkId};

impl Session<'_> {
    /// Takes the conjuncts of what was shared: something else arrived.
    pub(crate) fn unshare(&mut self, work: WorkId) -> Run<()> {
        self[work].no_sharing = true;
        if !std::mem::take(&mut self[work].is_shared) {
            return Ok(());
        }
        let node = self[work].node;
        self[node].shared = false;
        let Base::Value(Value::Node(target)) = self[node].base else {
            return Ok(());
        };
        self[node].base = self[work].before_share;
        let conjunct = self[work].shared;
        for at in 0..self[work].shared_ids.len() {
            let close = self[work].shared_ids[at];
            if let Some(c) = conjunct {
                let reference = match c.elem {
                    crate::session::Elem::Expr(expr) => Some(expr),
                    _ => None,
                };
                self.schedule_node_conjuncts(work, c, target, close, reference)?;
            }
        }
        self.count_shared(work);
        Ok(())
    }

    pub(crate) fn finalize_sharing(&mut self, work: WorkId) -> Run<()> {
        self.count_shared(work);
        if !self[work].is_shared {
            return Ok(());
        }
        let node = self[work].node;
        if let Base::Value(Value::Node(target)) = self[node].base {
            if self[work].share_cycle == CycleKind::None {
                self.finalize(target)?;
            }
            // What has no place of its own gets the place it is used at.
            if let Some(parent) = self[target].work.and_then(|state| self[state].parent) {
                self[target].parent = Some(parent);
            }
        }
        Ok(())
    }

    pub(crate) fn add_shared(&mut self, work: WorkId, close: Close) {
        let w = &mut self[work];
        if w.shared_ids.is_empty() || w.share_cycle < close.cycle {
            w.share_cycle = close.cycle;
        }
        w.shared_ids.push(close);
    }

    fn count_shared(&mut self, work: WorkId) {
        if std::mem::replace(&mut self[work].share_counted, true) {
            return;
        }
        let kind = self.kind(Value::Node(self[work].node));
        for at in 0..self[work].shared_ids.len() {
            let close = self[work].shared_ids[at];
            self.mark_conjunct(work, kind, close, crate::close::Flags::NONE);
        }
    }

    pub(crate) fn share(
        &mut self,
        work: WorkId,
        c: Conjunct,
        arc: NodeId,
        close: Close,
    ) -> Run<()> {
        let node = self[work].node;
        self[work].before_share = self[node].base;
        self[node].base = Base::Value(Value::Node(arc));
        self[node].shared = true;
        self[work].is_shared = true;
        self[work].shared = Some(c);
        self.add_shared(work, close);
        if self.is_detached(arc)
            && !self[arc].label.is_let()
            && !self[arc].anonymous
            && let Some(state) = self.work(arc)?
        {
            self[state].parent = Some(node);
        }
        Ok(())
    }

    pub(crate) fn share_if_possible(
        &mut self,
        work: WorkId,
        c: Conjunct,
        arc: NodeId,
        close: Close,
    ) -> Run<bool> {
        let w = &self[work];
        let n = &self[w.node];
        let target = &self[arc];
        let possible = n.arcs().is_empty()
            && !target.non_rooted
            && !target.dynamic
            && !(close.is_cyclic() && (n.non_rooted || n.dynamic))
            && !w.no_sharing
            && !w.is_shared
            && self.errs.is_none()
            && (!n.closed || target.closed)
            && !target.label.is_let();
        if possible {
            self.share(work, c, arc, close)?;
        }
        Ok(possible)
    }

    fn is_detached(&self, mut node: NodeId) -> bool {
        loop {
            if self.rooted(node) {
                return false;
            }
            let by_state = self[node].work.and_then(|work| self[work].parent);
            match by_state.or(self[node].parent) {
                Some(parent) => node = parent,
                None => return true,
            }
        }
    }

    /// What a node ultimately stands for.
    pub(crate) fn deref(&self, mut node: NodeId) -> NodeId {
        while let Base::Value(Value::Node(next)) = self[node].base {
            node = next;
        }
        node
    }

    /// The arm a disjunction came to.
    pub(crate) fn deref_disjunct(&self, mut node: NodeId) -> NodeId {
        while let Base::Value(Value::Node(next)) = self[node].base
            && self[next].disjunct
        {
            node = next;
        }
        node
    }

    pub(crate) fn deref_non_disjunct(&self, mut node: NodeId) -> NodeId {
        while let Base::Value(Value::Node(next)) = self[node].base
            && !self[next].disjunct
        {
            node = next;
        }
        node
    }

    /// Follows to what has a place; not through sharing, unless of a let.
    pub(crate) fn deref_non_rooted(&self, mut node: NodeId) -> NodeId {
        while let Base::Value(Value::Node(next)) = self[node].base
            && !self[next].disjunct
            && (!self[node].shared || self[next].label.is_let())
        {
            node = next;
        }
        node
    }

    /// Whether a value is a node that is another one.
    pub(crate) fn shares(&self, value: Value) -> bool {
        matches!(value, Value::Node(node) if matches!(self[node].base, Base::Value(Value::Node(_))))
    }

    /// Follows unless the node shares right now.
    pub(crate) fn deref_non_shared(&self, node: NodeId) -> NodeId {
        if self[node].work.is_some_and(|work| self[work].is_shared) {
            return node;
        }
        self.deref(node)
    }

    pub(crate) fn deref_status(&self, node: NodeId) -> Status {
        self[self.deref(node)].status
    }

    /// The node, or the one an arm of a disjunction was copied from.
    pub(crate) fn underlying(&self, node: NodeId) -> NodeId {
        let node = self.deref(node);
        self[node].underlying.unwrap_or(node)
    }

    pub(crate) fn same_underlying(&self, a: NodeId, b: NodeId) -> bool {
        self.underlying(a) == self.underlying(b)
    }
}
