//! Looking up a field, which may mean finding out whether there is one.

use pequod_cue_syntax::Pos;

use crate::kind::{Kind, Label, Presence};
use crate::sched::{Cond, Mode, State};
use crate::session::{Node, Run, Session};
use crate::value::{Arg, Base, FaultCode, NodeId, Value};

impl Session<'_> {
    /// The arc of a label, or an error in the context.
    pub(crate) fn lookup(
        &mut self,
        node: NodeId,
        pos: Option<Pos>,
        label: Label,
        needs: Cond,
        mode: Mode,
    ) -> Run<Option<NodeId>> {
        let found = self.find_field(node, pos, label, needs, mode)?;
        if found.is_none() && self.records && self[node].external {
            self.record_read(node, Some(label));
        }
        Ok(found)
    }

    fn find_field(
        &mut self,
        node: NodeId,
        pos: Option<Pos>,
        label: Label,
        needs: Cond,
        mode: Mode,
    ) -> Run<Option<NodeId>> {
        let mut node = self.deref(node);
        let mut state = self.work(node)?;
        if let Some(work) = state {
            if let Some(fault) = self[work].faults
                && let Some(at) = self[fault].node
                && self.root_of(at) != self.root_of(node)
            {
                self.add_err(fault);
            }
            if self.ancestors_done(node)? {
                self.signal(work, Cond::ANCESTORS)?;
            }
            if !self.all_tasks_started(work) {
                self.process(
                    work,
                    Cond::VALUE.or(Cond::FIELD_CONJUNCTS).or(Cond::TASKS),
                    Mode::Attempt,
                )?;
                self.update_scalar(work)?;
            }
        }
        // Running tasks may have made it share.
        let now = self.deref(node);
        if now != node {
            node = now;
            state = self.work(node)?;
        }
        let found = self.arc(node, label);
        let (arc, returned) = match found {
            Some(found) => (self.deref_non_rooted(found), Some(found)),
            None => {
                if state.is_none_or(|work| self.meets(work, Cond::NEED_TASKS))
                    || (!self.is_open_struct(node) && !self.accepts(node, label)?)
                {
                    self.field_error(node, label, pos, false)?;
                    return Ok(None);
                }
                // It may still come. Whoever asked gets nothing, and no error, for now: it is not known what it
                // will be.
                let work_node = state.map(|work| self[work].node);
                let external = self[node].external;
                let arc = self.new_node(Node {
                    parent: work_node,
                    label,
                    presence: Presence::Pending,
                    external,
                    ..Node::default()
                });
                if !matches!(mode, Mode::Finalize | Mode::Ignore) {
                    self.push_arc(node, arc);
                }
                (arc, None)
            }
        };
        if found.is_some() && self[arc].presence == Presence::Member {
            return Ok(found);
        }
        let arc_state = self.work(arc)?;
        if let Some(arc_work) = arc_state
            && (!self.meets(arc_work, Cond::NEED_TASKS) || !self.meets(arc_work, Cond::PRESENCE))
        {
            let needs = needs.or(Cond::PRESENCE);
            match mode {
                Mode::Ignore | Mode::Attempt => {
                    if self[arc].presence == Presence::Pending {
                        if mode == Mode::Ignore {
                            return Ok(returned);
                        }
                        if let Some(work) = state {
                            if self.parent_task_active(work) {
                                self.lookup_pending_parent = true;
                                return Ok(returned);
                            }
                            if self[work].provided.any(Cond::TASKS) && self.pending_tasks(work) {
                                return Ok(returned);
                            }
                        }
                        if self.parent_task_active(arc_work) {
                            self.lookup_pending_parent = true;
                            return Ok(returned);
                        }
                        self[arc].presence = Presence::Absent;
                    }
                }
                Mode::Yield => {
                    self.process(arc_work, needs, Mode::Yield)?;
                }
                Mode::Finalize => self.force_presence(arc, arc_work, needs)?,
            }
        }
        match self[arc].presence {
            Presence::Member => Ok(returned),
            Presence::Required => {
                self.add_lookup_err(
                    FaultCode::Incomplete,
                    "required field missing: {}",
                    [Arg::Label(label)],
                    pos,
                    node,
                );
                Ok(returned)
            }
            Presence::Optional => {
                self.add_lookup_err(
                    FaultCode::Incomplete,
                    "cannot reference optional field: {}",
                    [Arg::Label(label)],
                    pos,
                    node,
                );
                Ok(None)
            }
            Presence::Pending
                if arc_state.is_some_and(|work| {
                    self[work].parent_tasks.iter().any(|t| {
                        matches!(
                            self[*t].state,
                            State::Running | State::Waiting | State::Failed
                        )
                    })
                }) =>
            {
                self.add_lookup_err(
                    FaultCode::Cycle,
                    "cyclic reference to field {}",
                    [Arg::Label(label)],
                    pos,
                    node,
                );
                Ok(None)
            }
            Presence::Pending | Presence::Absent => {
                self.field_error(node, label, pos, false)?;
                Ok(None)
            }
        }
    }

    /// The asker insists: decides whether the field is there.
    fn force_presence(&mut self, arc: NodeId, work: crate::value::WorkId, needs: Cond) -> Run<()> {
        if matches!(self[arc].presence, Presence::Pending | Presence::Optional) {
            let current = self.current_task();
            let others = self[work]
                .parent_tasks
                .iter()
                .any(|t| self[*t].state == State::Running && Some(*t) != current);
            if others {
                self.process(work, Cond::PRESENCE, Mode::Yield)?;
                return Ok(());
            }
        }
        if needs == Cond::PRESENCE.or(Cond::FIELD_SET) {
            self.unify(arc, needs, Mode::Finalize, false)?;
        } else if !self.unify(arc, needs, Mode::Attempt, false)? {
            self.process(work, needs, Mode::Attempt)?;
        }
        if self[arc].presence == Presence::Pending && !self.parent_task_active(work) {
            self[arc].presence = Presence::Absent;
        }
        Ok(())
    }

    /// An error of whoever looks, about the node it looks in.
    fn add_lookup_err<const N: usize>(
        &mut self,
        code: FaultCode,
        template: &'static str,
        args: [Arg; N],
        pos: Option<Pos>,
        node: NodeId,
    ) {
        let fault = self.new_fault(code, template, args, pos, Some(node));
        self.latest_problem(fault).node = self.node;
        self.add_err(fault);
    }

    pub(crate) fn root_of(&self, mut node: NodeId) -> NodeId {
        while let Some(parent) = self[node].parent {
            node = parent;
        }
        node
    }

    /// Reports that a field is not there. Whether that is final depends on whether it could be.
    pub(crate) fn field_error(
        &mut self,
        node: NodeId,
        label: Label,
        pos: Option<Pos>,
        cycle: bool,
    ) -> Run<()> {
        let mut code = FaultCode::Incomplete;
        let state_fault = self[node].work.and_then(|work| self[work].faults);
        if let Some(fault) = self
            .fault_of(node)
            .filter(|fault| *fault != crate::session::CYCLE)
        {
            code = self[fault].code;
        } else if let Some(fault) =
            state_fault.filter(|fault| self[*fault].code == FaultCode::Cycle)
        {
            code = self[fault].code;
        } else if !self.accepts(node, label)? {
            code = FaultCode::Eval;
        }
        if cycle {
            self.add_lookup_err(
                code,
                "cyclic reference to field {}",
                [Arg::Label(label)],
                pos,
                node,
            );
        } else if label.is_index() {
            let length = self.elements(node).len() as u64;
            self.add_lookup_err(
                code,
                "index out of range [{}] with length {}",
                [Arg::Count(label.index().into()), Arg::Count(length)],
                pos,
                node,
            );
        } else {
            self.add_lookup_err(code, "undefined field: {}", [Arg::Label(label)], pos, node);
        }
        Ok(())
    }

    pub(crate) fn undefined_field(&mut self, node: NodeId) {
        let label = self[node].label;
        self.add_lookup_err(
            FaultCode::Incomplete,
            "undefined field: {}",
            [Arg::Label(label)],
            self.pos,
            node,
        );
    }

    pub(crate) fn is_closed_struct(&self, node: NodeId) -> bool {
        let n = &self[node];
        match n.base {
            Base::Value(Value::Node(_)) => n.closed && !n.ellipsis,
            Base::Struct | Base::Value(Value::Disjunction(_)) => n.closed || n.closed_once,
            _ => false,
        }
    }

    pub(crate) fn is_open_struct(&self, node: NodeId) -> bool {
        let n = &self[node];
        n.ellipsis || !(n.closed_once || self.is_closed_struct(node))
    }

    /// Whether a field or element could be there.
    pub(crate) fn accepts(&mut self, node: NodeId, label: Label) -> Run<bool> {
        if label.is_always_allowed() {
            return Ok(true);
        }
        let node = self.deref(node);
        if let Base::Value(Value::Disjunction(d)) = self[node].base {
            for value in self.disjunctions[d.at()].values.clone() {
                if let Value::Node(arm) = value
                    && self.accepts(arm, label)?
                {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        if label.is_index() {
            return Ok(match self[node].base {
                Base::List { open } => open || (label.index() as usize) < self.elements(node).len(),
                _ => self.kind(Value::Node(node)).meets(Kind::LIST),
            });
        }
        let kind = self.kind(Value::Node(node));
        if label.is_string()
            && !kind.meets(Kind::STRUCT)
            && (!kind.is_bottom() || self[node].shapes().is_empty())
        {
            return Ok(false);
        }
        if self.is_open_struct(node) || self.arc(node, label).is_some() {
            return Ok(true);
        }
        for at in 0..self[node].patterns().len() {
            let filter = self[node].patterns()[at].filter;
            if self.matches(filter, label)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The elements of a list.
    pub(crate) fn elements(&self, node: NodeId) -> Vec<NodeId> {
        self[node]
            .arcs()
            .iter()
            .copied()
            .filter(|arc| self[*arc].label.is_index())
            .collect()
    }

    /// Remembers who read what under an external root.
    pub(crate) fn record_read(&mut self, node: NodeId, missing: Option<Label>) {
        if let Some(reader) = self.reader() {
            self.reads.push((reader, node, missing));
        }
    }

    /// Remembers which node a reference led to.
    pub(crate) fn record_use(&mut self, target: NodeId) {
        if !self.records {
            return;
        }
        if self[target].external {
            self.record_read(target, None);
        }
        if let Some(reader) = self.reader()
            && reader != target
        {
            self.uses.insert((reader, target));
        }
    }

    fn reader(&self) -> Option<NodeId> {
        self.current_task()
            .map(|task| self[self[task].work].node)
            .or(self.node)
    }
}
