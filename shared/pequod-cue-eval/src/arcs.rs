//! Fields: finding and making them, and the pattern constraints that apply to them.

use crate::kind::{Label, Presence};
use crate::sched::Cond;
use crate::session::{Close, Conjunct, Elem, Env, Node, Pattern, Run, Session, Status};
use crate::value::{Arg, EnvId, NodeId, Value, WorkId};

/// So many conjuncts are compared in the time of a step.
const COMPARED_IN_A_STEP: u64 = 64;

impl Session<'_> {
    /// The arc of a label, made if need be.
    pub(crate) fn get_arc(
        &mut self,
        work: WorkId,
        label: Label,
        presence: Presence,
    ) -> Run<(NodeId, bool)> {
        let node = self[work].node;
        if let Some(arc) = self.arc(node, label) {
            if label.is_let() {
                self[arc].multi_let = true;
            }
            self.update_presence(arc, presence)?;
            return Ok((arc, false));
        }
        let parent = &self[node];
        let mut made = Node {
            parent: Some(node),
            label,
            presence,
            non_rooted: parent.dynamic || parent.non_rooted,
            anonymous: parent.anonymous || parent.label.is_let(),
            external: parent.external,
            ..Node::default()
        };
        if self[work].frozen.any(Cond::FIELD_SET) {
            self.add_err_problem(
                "adding field {} not allowed as field set was already referenced",
                [Arg::Label(label)],
            );
            made.presence = Presence::Absent;
        }
        let arc = self.new_node(made);
        self.push_arc(node, arc);
        Ok((arc, true))
    }

    /// Whether it was already asked, of a field that may still come, whether it is there: an error, then.
    pub(crate) fn presence_frozen(&mut self, arc: NodeId) -> Run<bool> {
        let n = &self[arc];
        let (parent, label) = (n.parent, n.label);
        if n.presence != Presence::Pending
            || !n
                .work
                .is_some_and(|work| self[work].frozen.has(Cond::PRESENCE))
        {
            return Ok(false);
        }
        if let Some(parent) = parent {
            self.field_error(parent, label, self.pos, true)?;
        }
        Ok(true)
    }

    /// Makes a node at least as present.
    pub(crate) fn update_presence(&mut self, arc: NodeId, presence: Presence) -> Run<()> {
        let n = &self[arc];
        // A finished field of a finished struct is nobody's business any more; it is there, then. Unless whoever asked for
        // it still waits for the answer.
        let over = n.status == Status::Final
            && n.parent
                .is_some_and(|parent| self[parent].status == Status::Final)
            && !self.unifying.contains(&arc);
        if !over && self.presence_frozen(arc)? {
            return Ok(());
        }
        let n = &self[arc];
        if presence >= n.presence || n.presence == Presence::Absent {
            return Ok(());
        }
        if let Some(parent) = n.parent
            && self[parent].presence == Presence::Pending
            && let Some(work) = self[parent].work
        {
            self.unshare(work)?;
        }
        self[arc].presence = presence;
        Ok(())
    }

    /// Adds a conjunct to a field of this node.
    pub(crate) fn insert_arc(
        &mut self,
        work: WorkId,
        label: Label,
        presence: Presence,
        c: Conjunct,
        id: Close,
    ) -> Run<NodeId> {
        let (arc, _) = self.get_arc(work, label, presence)?;
        let saved = self.node.replace(arc);
        let result = self.insert_arc_conjunct(work, arc, presence, c, id);
        self.node = saved;
        result?;
        Ok(arc)
    }

    fn insert_arc_conjunct(
        &mut self,
        work: WorkId,
        arc: NodeId,
        presence: Presence,
        c: Conjunct,
        id: Close,
    ) -> Run<()> {
        if !self.insert_conjunct(arc, c, id, presence)? {
            return Ok(());
        }
        let node = self[work].node;
        let label = self[arc].label;
        for at in 0..self[node].patterns().len() {
            let pattern = self[node].patterns()[at];
            if self.matches(pattern.filter, label)? {
                for at in 0..self[pattern.constraint].conjuncts.len() {
                    let c = self[pattern.constraint].conjuncts[at];
                    self.apply_constraint(arc, presence, c)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a conjunct to a node. Says whether it was new.
    fn insert_conjunct(
        &mut self,
        arc: NodeId,
        c: Conjunct,
        id: Close,
        presence: Presence,
    ) -> Run<bool> {
        if self[arc].status == Status::Final {
            return Ok(false);
        }
        // Comparing takes far less than a step, but a node may have a million of them; where arms lie in arms, each is
        // asked which copy an environment means.
        let compared = self[arc].conjuncts.len() * (1 + self.overlays.len());
        self.charge(compared as u64 / COMPARED_IN_A_STEP)?;
        let old = self[arc]
            .conjuncts
            .iter()
            .copied()
            .find(|other| other.elem == c.elem && self.same_env(other.env, c.env));
        if old.is_none() && self[arc].work.is_none() {
            // A state is made when the node is evaluated.
            self.update_presence(arc, presence)?;
            if !std::mem::replace(&mut self[arc].inserted, true) {
                self.inherit_closed(arc);
            }
            self[arc].conjuncts.push(c);
            return Ok(true);
        }
        let Some(work) = self.bare_work(arc) else {
            return Ok(false);
        };
        self.mark_non_cyclic(work, id);
        self.update_presence(arc, presence)?;
        match old {
            None => self[arc].conjuncts.push(c),
            Some(old) if old.close.id != 0 => self.add_replacement(work, id.id, old.close.id),
            Some(_) => {}
        }
        if self.in_progress(arc) {
            self.schedule_conjunct(work, c, id)?;
        }
        for at in 0..self[work].notify.len() {
            let (receiver, close) = self[work].notify[at];
            let n = &self[receiver];
            if let Some(receiver) = n.work
                && n.status != Status::Final
            {
                self.schedule_conjunct(receiver, c, close)?;
            }
        }
        Ok(old.is_none())
    }

    /// Whether two environments mean the same.
    pub(crate) fn same_env(&self, a: EnvId, b: EnvId) -> bool {
        a == b || (self[a].up == self[b].up && self.env_node(a) == self.env_node(b))
    }

    /// Applies a pattern's conjunct to a field; the value may ask for the label.
    pub(crate) fn apply_constraint(
        &mut self,
        arc: NodeId,
        presence: Presence,
        mut c: Conjunct,
    ) -> Run<()> {
        let env = self[c.env];
        c.env = self.push_env(Env {
            label: self[arc].label,
            ..env
        });
        self.insert_conjunct(arc, c, c.close, presence)?;
        Ok(())
    }

    /// Adds a pattern constraint and applies it to the fields that are there.
    pub(crate) fn insert_pattern(&mut self, work: WorkId, filter: Value, c: Conjunct) -> Run<()> {
        if !self.insert_constraint(work, filter, c)? {
            return Ok(());
        }
        let node = self[work].node;
        let mut at = 0;
        while at < self[node].arcs().len() {
            let arc = self[node].arcs()[at];
            at += 1;
            let (presence, label) = (self[arc].presence, self[arc].label);
            if presence != Presence::Pending && self.matches(filter, label)? {
                self.apply_constraint(arc, presence, c)?;
            }
        }
        Ok(())
    }

    fn insert_constraint(&mut self, work: WorkId, filter: Value, c: Conjunct) -> Run<bool> {
        let node = self[work].node;
        let mut found = None;
        for at in 0..self[node].patterns().len() {
            let pattern = self[node].patterns()[at];
            if self.equal(pattern.filter, filter, crate::equal::Flags::NONE)? {
                found = Some(pattern.constraint);
                break;
            }
        }
        let constraint = if let Some(constraint) = found {
            let old = self[constraint]
                .conjuncts
                .iter()
                .copied()
                .find(|old| old.elem == c.elem && self.same_env(old.env, c.env));
            if let Some(old) = old {
                self.add_replacement(work, c.close.id, old.close.id);
                return Ok(false);
            }
            constraint
        } else {
            let constraint = self.new_node(Node {
                is_pattern: true,
                ..Node::default()
            });
            self[node]
                .fields_mut()
                .patterns
                .push(Pattern { filter, constraint });
            constraint
        };
        self[constraint].conjuncts.push(c);
        Ok(true)
    }

    /// Whether a label matches a pattern's filter.
    pub(crate) fn matches(&mut self, filter: Value, label: Label) -> Run<bool> {
        use crate::kind::Kind;
        if !label.is_regular() {
            return Ok(false);
        }
        let mut filter = filter;
        if let Value::Node(node) = filter {
            self.unify(node, Cond::SCALAR, crate::sched::Mode::Finalize, false)?;
            filter = match self.unwrap(filter) {
                Some(value) => value,
                None => return Ok(false),
            };
        }
        let kind = if label.is_string() {
            Kind::STRING
        } else {
            Kind::INT
        };
        if !self.kind(filter).meets(kind) {
            return Ok(false);
        }
        let value = Self::label_value(label);
        match filter {
            Value::Fault(fault) => {
                if self.errs.is_none() {
                    self.add_err(fault);
                }
                Ok(false)
            }
            Value::Top | Value::Type(_) => Ok(true),
            Value::Bound(bound) => {
                let bound = self.bound(bound);
                let answer = self.binary(bound.op, value, bound.value)?;
                if let Value::Fault(fault) = answer
                    && self.errs.is_none()
                {
                    self.add_err(fault);
                }
                Ok(answer == Value::Bool(true))
            }
            Value::Int(_) | Value::Num(_) | Value::Str(_) => Ok(self.scalars_equal(filter, value)),
            Value::Conjunction(c) => {
                for part in self.conjunctions[c.at()].clone() {
                    if !self.matches(part, label)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Value::Disjunction(d) => {
                for part in self.disjunctions[d.at()].values.clone() {
                    if self.matches(part, label)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => {
                let conjunct = |elem| Conjunct {
                    env: self.env,
                    elem,
                    close: self.close,
                };
                let conjuncts = [conjunct(Elem::Value(filter)), conjunct(Elem::Value(value))];
                let node = self.inline_node(&conjuncts);
                self.finalize(node)?;
                Ok(self.fault_of(node).is_none())
            }
        }
    }
}
