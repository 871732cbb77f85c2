//! Giving back the states of nodes that are done.
//!
//! The state of a node ([`Work`]) is large, and is needed from the node's first conjunct until its
//! parent has checked that the field is allowed. After that it is used again for another node: an
//! evaluation needs about as many states as nodes are on their way at once, not as many as there
//! are nodes.
//!
//! A state is given back in two steps, because functions that run may still hold its number. When a
//! node is done, the states below it are *retired*; they become *spare* only when no task, arm or
//! check is running, so that the stack holds nothing but the node's ancestors.
//!
//! Kept for good are states that are still asked: those with errors, those of what has no value of
//! its own, and those of structs with lets, which may be evaluated later, in their place.

use smallvec::{Array, SmallVec};

use crate::disjunct::DefaultMode;
use crate::kind::Kind;
use crate::sched::{Cond, Kind as TaskKind, State};
use crate::session::{CycleKind, Few, Opened, Run, Session, Status, Work};
use crate::value::{Base, NodeId, TaskId, WorkId};

/// How many states are retired before they are looked through.
const BATCH: usize = 64;

/// What can be used again.
#[derive(Debug, Default)]
pub(crate) struct Spare {
    pub(crate) works: Vec<WorkId>,
    pub(crate) tasks: Vec<TaskId>,
    retired: Vec<WorkId>,
    /// How many checks run that hold states without a task.
    pub(crate) holds: u32,
}

impl Session<'_> {
    /// Retires the states of a finished node's fields.
    pub(crate) fn retire_fields(&mut self, node: NodeId) {
        for at in 0..self[node].arcs().len() {
            self.retire(self[node].arcs()[at]);
        }
    }

    /// Retires the states of a finished field, and of the arms that were tried for it.
    pub(crate) fn retire(&mut self, field: NodeId) {
        if !self.overlays.is_empty() {
            // The arm may yet be copied, or merged with another.
            return;
        }
        let Some(work) = self[field].work else {
            return;
        };
        self.spare.retired.push(work);
        if self[work].tried.is_empty() {
            return;
        }
        let mut next: SmallVec<[NodeId; 4]> = SmallVec::from_slice(&self[work].tried);
        while let Some(node) = next.pop() {
            if let Some(work) = self[node].work {
                self.spare.retired.push(work);
                next.extend_from_slice(&self[work].tried);
                next.extend(self.own_arcs(node));
            }
        }
    }

    /// The arcs that have their place here.
    fn own_arcs(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let arcs = self[node].arcs().iter().copied();
        arcs.filter(move |arc| self[*arc].parent == Some(node))
    }

    /// Gives back the states of an arm that failed, as far as nobody waits for them.
    pub(crate) fn discard(&mut self, arm: NodeId) {
        let mut next: SmallVec<[NodeId; 16]> = SmallVec::new();
        next.push(arm);
        while let Some(node) = next.pop() {
            next.extend(self.own_arcs(node));
            next.extend(
                self[node]
                    .patterns()
                    .iter()
                    .map(|pattern| pattern.constraint),
            );
            let Some(work) = self[node].work else {
                continue;
            };
            next.extend_from_slice(&self[work].tried);
            let w = &self[work];
            let idle = |task: &TaskId| {
                let task = &self[*task];
                task.state != State::Running && !task.waited
            };
            if w.node == node
                && w.blocking.is_empty()
                // An arm has the depth of what it was copied from; it runs no more.
                && (w.eval_depth == 0 || node == arm)
                && !w.completing
                && w.attempt == 0
                && w.tasks.iter().all(idle)
            {
                self[node].status = Status::Final;
                self.make_spare(work);
            }
        }
    }

    /// How many states are retired; for [`Session::forget`].
    pub(crate) fn retired(&self) -> usize {
        self.spare.retired.len()
    }

    /// Gives back the states of a value that was made only to be looked at. Those that were retired for it, when so many
    /// were, are taken off the list: they would be found there again when they are another node's.
    pub(crate) fn forget(&mut self, value: NodeId, retired: usize) {
        self.spare.retired.truncate(retired);
        self.discard(value);
    }

    /// Makes retired states spare, if the stack holds none of them.
    pub(crate) fn reclaim(&mut self) -> Run<()> {
        if self.spare.retired.len() < BATCH
            || self.spare.holds > 0
            || !self.task_stack.is_empty()
            || !self.overlays.is_empty()
        {
            return Ok(());
        }
        let mut retired = std::mem::take(&mut self.spare.retired);
        for work in retired.drain(..) {
            if !self.is_settled(work) {
                continue;
            }
            let has_let = |arc: &NodeId| self[*arc].label.is_let();
            if self[self[work].node].arcs().iter().any(has_let) {
                // What is required of a let is what was required here.
                self.remember_requirements(work)?;
            } else {
                self.make_spare(work);
            }
        }
        self.spare.retired = retired;
        Ok(())
    }

    /// Whether nobody will ask for a state any more.
    fn is_settled(&self, work: WorkId) -> bool {
        let w = &self[work];
        let n = &self[w.node];
        n.work == Some(work)
            && n.status == Status::Final
            && n.base != Base::None
            && !self.is_cycle_base(n.base)
            // An arm has the depth of what it was copied from; none runs now.
            && (w.eval_depth == 0 || n.disjunct)
            && !w.completing
            && w.attempt == 0
            && w.opened == Opened::Nothing
            && w.faults.is_none()
            && w.kind != Kind::BOTTOM
            && w.parent.is_none()
            && w.tasks.iter().all(|task| self[*task].state >= State::Done)
    }

    /// How deep a node lies that has, or had, a state.
    pub(crate) fn depth(&self, mut node: NodeId) -> Option<u32> {
        let mut below = 0;
        loop {
            let n = &self[node];
            match (n.work, n.parent) {
                (Some(work), _) => return Some(self[work].depth + below),
                (None, Some(parent)) if n.settled => {
                    // Without a state above, it was the first.
                    if self[parent].work.is_none() && !self[parent].settled {
                        return Some(below);
                    }
                    below += 1;
                    node = parent;
                }
                (None, None) if n.settled => return Some(below),
                _ => return None,
            }
        }
    }

    /// The state above a node; states that were given back had nothing to say.
    pub(crate) fn state_above(&self, node: NodeId) -> Option<WorkId> {
        let mut next = self[node].parent;
        while let Some(parent) = next {
            let n = &self[parent];
            if n.work.is_some() || !n.settled {
                return n.work;
            }
            next = n.parent;
        }
        None
    }

    fn make_spare(&mut self, work: WorkId) {
        let node = self[work].node;
        self[node].work = None;
        self[node].settled = true;
        for at in 0..self[work].tasks.len() {
            let id = self[work].tasks[at];
            let task = &self[id];
            // What waited may stand on a list; what adds fields is known to them.
            if !task.waited && !task.defunct && task.kind != TaskKind::Comprehension {
                self.spare.tasks.push(id);
            }
        }
        self[work].reset();
        self.spare.works.push(work);
    }
}

impl Work {
    /// As new, but with the room it has.
    fn reset(&mut self) {
        let Self {
            node: _,
            parent,
            initialized,
            started,
            completed,
            needs,
            provided,
            frozen,
            counters,
            tasks,
            parent_tasks,
            blocking,
            deferred,
            kind,
            kind_origin,
            scalar,
            lower,
            upper,
            checks,
            post_checks,
            faults,
            has_top,
            has_struct,
            is_struct,
            is_def,
            list_closed,
            list_len,
            any_cyclic,
            ancestor_cycle,
            has_non_cycle,
            has_non_cyclic,
            has_value,
            cyclic,
            depth,
            eval_depth,
            is_shared,
            no_sharing,
            shared,
            share_cycle,
            before_share,
            shared_ids,
            share_counted,
            taken,
            notify,
            notified,
            to_complete,
            completing,
            requirements,
            replacements,
            flat_replacements,
            marks,
            sets,
            opened,
            attempt,
            drop_parent_sets,
            holes,
            disjuncts,
            tried,
            disjunct_faults,
            user_faults,
            has_disjunction,
            run_mode,
            default_mode,
            orig_default_mode,
            default_asked,
            copies,
            context,
        } = self;
        *parent = None;
        *initialized = false;
        *started = false;
        *completed = Cond::NONE;
        *needs = Cond::NONE;
        *provided = Cond::NONE;
        *frozen = Cond::NONE;
        *counters = [0; 10];
        empty_short(tasks);
        *parent_tasks = Vec::new();
        empty_short(blocking);
        *deferred = Vec::new();
        *kind = Kind::TOP;
        *kind_origin = None;
        *scalar = None;
        *lower = None;
        *upper = None;
        empty(checks);
        *post_checks = Vec::new();
        *faults = None;
        *has_top = false;
        *has_struct = false;
        *is_struct = false;
        *is_def = false;
        *list_closed = false;
        *list_len = 0;
        *any_cyclic = false;
        *ancestor_cycle = false;
        *has_non_cycle = false;
        *has_non_cyclic = false;
        *has_value = false;
        *cyclic = Vec::new();
        *depth = 0;
        *eval_depth = 0;
        *is_shared = false;
        *no_sharing = false;
        *shared = None;
        *share_cycle = CycleKind::None;
        *before_share = Base::None;
        empty_short(shared_ids);
        *share_counted = false;
        *taken = Few::default();
        *notify = Vec::new();
        *notified = None;
        *to_complete = false;
        *completing = false;
        empty(requirements);
        empty(replacements);
        *flat_replacements = None;
        empty(marks);
        *sets = None;
        *opened = Opened::Nothing;
        *attempt = 0;
        *drop_parent_sets = false;
        empty(holes);
        empty_short(disjuncts);
        empty_short(tried);
        *disjunct_faults = Vec::new();
        *user_faults = Vec::new();
        *has_disjunction = false;
        *run_mode = None;
        *default_mode = DefaultMode::Maybe;
        *orig_default_mode = DefaultMode::Maybe;
        *default_asked = None;
        *copies = None;
        *context = 0;
    }

    /// Writes what an arm of a disjunction begins with into a state that is as new: all that is known of the node, but
    /// nothing of those that wait for it, nor its tasks.
    pub(crate) fn copy_into(&self, copy: &mut Self) {
        let Self {
            initialized,
            started,
            completed,
            needs,
            provided,
            counters,
            kind,
            kind_origin,
            scalar,
            lower,
            upper,
            checks,
            faults,
            has_top,
            has_struct,
            is_struct,
            is_def,
            list_closed,
            list_len,
            any_cyclic,
            ancestor_cycle,
            has_non_cycle,
            has_non_cyclic,
            has_value,
            depth,
            eval_depth,
            is_shared,
            no_sharing,
            shared,
            share_cycle,
            before_share,
            shared_ids,
            share_counted,
            taken,
            to_complete,
            completing,
            requirements,
            replacements,
            flat_replacements,
            marks,
            sets,
            opened,
            attempt,
            drop_parent_sets,
            holes,
            run_mode,
            default_mode,
            orig_default_mode,
            default_asked,
            context,
            ..
        } = self;
        copy.initialized = *initialized;
        copy.started = *started;
        copy.completed = *completed;
        copy.needs = *needs;
        copy.provided = *provided;
        copy.counters = *counters;
        copy.kind = *kind;
        copy.kind_origin = *kind_origin;
        copy.scalar = *scalar;
        copy.lower = *lower;
        copy.upper = *upper;
        copy.checks.clone_from(checks);
        copy.faults = *faults;
        copy.has_top = *has_top;
        copy.has_struct = *has_struct;
        copy.is_struct = *is_struct;
        copy.is_def = *is_def;
        copy.list_closed = *list_closed;
        copy.list_len = *list_len;
        copy.any_cyclic = *any_cyclic;
        copy.ancestor_cycle = *ancestor_cycle;
        copy.has_non_cycle = *has_non_cycle;
        copy.has_non_cyclic = *has_non_cyclic;
        copy.has_value = *has_value;
        copy.depth = *depth;
        copy.eval_depth = *eval_depth;
        copy.is_shared = *is_shared;
        copy.no_sharing = *no_sharing;
        copy.shared = *shared;
        copy.share_cycle = *share_cycle;
        copy.before_share = *before_share;
        if !shared_ids.is_empty() {
            copy.shared_ids.extend_from_slice(shared_ids);
        }
        copy.share_counted = *share_counted;
        if !taken.is_empty() {
            copy.taken.add_all(taken);
        }
        copy.to_complete = *to_complete;
        copy.completing = *completing;
        copy.requirements.clone_from(requirements);
        copy.replacements.clone_from(replacements);
        copy.flat_replacements.clone_from(flat_replacements);
        copy.marks.clone_from(marks);
        // A copy counts as knowing what is required if the original does, but does not: as in the reference.
        copy.sets = sets.as_ref().map(|_| std::sync::Arc::default());
        copy.opened = *opened;
        copy.attempt = *attempt;
        copy.drop_parent_sets = *drop_parent_sets;
        copy.holes.clone_from(holes);
        copy.run_mode = *run_mode;
        copy.default_mode = *default_mode;
        copy.orig_default_mode = *orig_default_mode;
        copy.default_asked = *default_asked;
        copy.context = *context;
    }
}

/// Empties a vector that is used again, unless it was used for much.
fn empty<T>(used: &mut Vec<T>) {
    if used.capacity() <= BATCH {
        used.clear();
    } else {
        *used = Vec::new();
    }
}

/// The same of a list that is mostly short.
fn empty_short<A: Array>(used: &mut SmallVec<A>) {
    if used.capacity() > BATCH {
        *used = SmallVec::new();
    } else if !used.is_empty() {
        used.clear();
    }
}
