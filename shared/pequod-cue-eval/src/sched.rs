//! The scheduler: which task of a node runs when, and what happens in a deadlock.
//!
//! Every conjunct that needs evaluation becomes a [`Task`] of its node. A task says which
//! [conditions](Cond) of the node it contributes to; a condition holds when its last contributor
//! has ended. A task that needs a condition of another node, and finds it unmet, *yields*: it is
//! put on that node's waiting list and run again when the condition is met. When nothing moves any
//! more, the nodes waited for are frozen first (nobody may add to them) and the waiting tasks run
//! with what is there. Freezing everything before running anything makes the outcome independent
//! of order.
//!
//! The conditions, modes and the order of unblocking are those of the reference implementation,
//! because results depend on them.

use crate::kind::Presence;
use crate::program::ExprId;
use crate::session::{Close, Elem, Run, Session, Stop};
use crate::value::{Base, EnvId, FaultId, NodeId, TaskId, WorkId};

/// A set of conditions of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cond(pub u16);

impl Cond {
    /// None.
    pub const NONE: Self = Self(0);
    /// Everything that ancestors could add has been added.
    pub const ANCESTORS: Self = Self(1);
    /// It is known whether the node is there.
    pub const PRESENCE: Self = Self(1 << 1);
    /// The type of the value is known.
    pub const VALUE: Self = Self(1 << 2);
    /// The value is a concrete scalar, or never will be.
    pub const SCALAR: Self = Self(1 << 3);
    /// All conjuncts of all fields are known.
    pub const FIELD_CONJUNCTS: Self = Self(1 << 4);
    /// All fields are known.
    pub const FIELD_SET: Self = Self(1 << 5);
    /// All tasks have ended.
    pub const TASKS: Self = Self(1 << 6);
    /// All fields are done, too.
    pub const SUB_FIELDS: Self = Self(1 << 7);
    /// The disjunctions are multiplied out.
    pub const DISJUNCTION: Self = Self(1 << 8);
    /// Children have all conjuncts they get from here.
    pub const CHILD_CONJUNCTS: Self = Self(1 << 9);
    /// Everything.
    pub const ALL: Self = Self(0x7fff);
    /// Never met.
    const NEVER: Self = Self(0x8000);

    const COUNTED: Self = Self::PRESENCE
        .or(Self::VALUE)
        .or(Self::FIELD_CONJUNCTS)
        .or(Self::TASKS)
        .or(Self::DISJUNCTION);
    /// Unblocked by themselves in a deadlock: what cannot become more specific is known.
    const AUTO: Self = Self::SCALAR.or(Self::PRESENCE);

    /// A conjunct of which nothing is known beforehand.
    pub const GENERIC: Self = Self::TASKS
        .or(Self::SCALAR)
        .or(Self::VALUE)
        .or(Self::FIELD_CONJUNCTS);
    /// A conjunct that only adds fields.
    pub const FIELDS: Self = Self::TASKS.or(Self::FIELD_CONJUNCTS).or(Self::VALUE);
    /// What asking for a scalar asks for.
    pub const SCALAR_VALUE: Self = Self::SCALAR.or(Self::DISJUNCTION);
    /// What asking for the fields asks for.
    pub const NEED_FIELD_SET: Self = Self::FIELD_SET.or(Self::ANCESTORS);
    /// What asking for everything but the fields' values asks for.
    pub const NEED_TASKS: Self = Self::ANCESTORS.or(Self::TASKS);

    /// Both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the others.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of the others are in it.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of the others is in it.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

const FIELD_CONJUNCTS_AT: usize = 4;
const TASKS_AT: usize = 6;
const VALUE_AT: usize = 2;

/// What to do about an unmet condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Look only.
    Ignore,
    /// Do what can be done and go on.
    Attempt,
    /// Let the running task wait.
    Yield,
    /// Make it so: unblock by force.
    Finalize,
}

/// The kinds of task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An expression to evaluate.
    Expr,
    /// A reference to follow.
    Resolve,
    /// A field with a computed label.
    Dynamic,
    /// A pattern constraint.
    Pattern,
    /// A comprehension.
    Comprehension,
    /// A list literal.
    List,
    /// A finished list.
    ListNode,
    /// All disjunctions of the node; after everything else.
    Disjunctions,
}

impl Kind {
    const fn completes(self) -> Cond {
        match self {
            Self::Expr | Self::Resolve => Cond::GENERIC,
            Self::Disjunctions => Cond::GENERIC.or(Cond::DISJUNCTION),
            _ => Cond::FIELDS,
        }
    }
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// To be run.
    Ready,
    /// Running, perhaps further up the stack.
    Running,
    /// Waiting for a condition.
    Waiting,
    /// Ended well.
    Done,
    /// Ended with an error.
    Failed,
    /// No longer needed.
    Cancelled,
}

/// A piece of evaluation.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks of one task"
)]
pub struct Task {
    pub(crate) kind: Kind,
    pub(crate) state: State,
    /// What it contributes to.
    pub(crate) completes: Cond,
    /// A copy of it runs elsewhere.
    pub(crate) defunct: bool,
    /// A comprehension that is adding what it yielded.
    pub(crate) inserting: bool,
    /// Run again: it had no effect yet.
    pub(crate) retry: bool,
    pub(crate) waits_for: Option<WorkId>,
    /// It was once on a waiting list, where it may still be.
    pub(crate) waited: bool,
    pub(crate) wait_cond: Cond,
    pub(crate) fault: Option<FaultId>,
    pub(crate) work: WorkId,
    pub(crate) env: Option<EnvId>,
    pub(crate) elem: Elem,
    pub(crate) close: Close,
}

impl Session<'_> {
    pub(crate) fn schedule(
        &mut self,
        kind: Kind,
        work: WorkId,
        env: Option<EnvId>,
        elem: Elem,
        close: Close,
    ) -> Run<()> {
        let id = self.new_task(Task {
            kind,
            state: State::Ready,
            completes: kind.completes(),
            defunct: false,
            inserting: false,
            retry: false,
            waits_for: None,
            waited: false,
            wait_cond: Cond::NONE,
            fault: None,
            work,
            env,
            elem,
            close,
        });
        if let (Kind::Comprehension, Elem::Comp(comp)) = (kind, elem) {
            let value = self.program.comps[comp.at()].value;
            self[id].completes = self.push_down(work, id, value)?;
        }
        let completes = self[id].completes;
        let w = &mut self[work];
        w.provided = w.provided.or(completes);
        for_each_counted(completes, |at| w.counters[at] += 1);
        // Disjunctions come after everything else.
        if kind != Kind::Disjunctions
            && let Some(at) = w.tasks.iter().rposition(|_| true)
            && self.tasks[self[work].tasks[at].at()].kind == Kind::Disjunctions
        {
            let at = self[work]
                .tasks
                .iter()
                .rposition(|t| self.tasks[t.at()].kind != Kind::Disjunctions)
                .map_or(0, |at| at + 1);
            self[work].tasks.insert(at, id);
        } else {
            self[work].tasks.push(id);
        }
        Ok(())
    }

    pub(crate) fn new_task(&mut self, task: Task) -> TaskId {
        if let Some(id) = self.spare.tasks.pop() {
            self[id] = task;
            return id;
        }
        self.meter.charge_bytes(size_of::<Task>());
        let id = TaskId::next(self.tasks.len());
        self.tasks.push(task);
        id
    }

    /// Whether conditions are met. What no task provides counts as met once the node has started.
    pub(crate) fn meets(&self, work: WorkId, needs: Cond) -> bool {
        let w = &self[work];
        let needs = if w.started {
            needs.and(w.provided)
        } else {
            needs
        };
        w.completed.has(needs)
    }

    /// Runs the tasks of a node that contribute to what is needed.
    pub(crate) fn process(&mut self, work: WorkId, needs: Cond, mode: Mode) -> Run<bool> {
        let known = self.completions(work);
        self.signal(work, known)?;
        if !self.meets(work, needs) {
            self.process_ancestors(work, mode)?;
        }
        let mut ran_parent = false;
        for at in 0..self[work].parent_tasks.len() {
            let task = self[work].parent_tasks[at];
            if self[task].state == State::Ready {
                self.run_task(task, mode)?;
                ran_parent = true;
            }
        }
        if ran_parent && !self.meets(work, needs) {
            self.process_ancestors(work, mode)?;
        }
        if mode == Mode::Finalize && self[self[work].node].presence == Presence::Pending {
            self[work].tasks.clear();
        }
        self[work].started = true;

        let mut select = needs;
        if needs.any(Cond::SCALAR) {
            select = select.or(Cond::VALUE);
        }
        if needs.any(Cond::FIELD_SET) {
            select = select.or(Cond::FIELD_CONJUNCTS);
        }
        let gates = Gates::of(self, work);
        let mut next = 0;
        loop {
            while next < self[work].tasks.len() {
                let id = self[work].tasks[next];
                next += 1;
                let task = &self[id];
                if task.state == State::Ready
                    && task.completes.any(select)
                    && !gates.hold_back(task)
                {
                    self.run_task(id, mode)?;
                }
            }
            match mode {
                Mode::Ignore | Mode::Attempt => return Ok(self.meets(work, needs)),
                Mode::Yield => {
                    if self.meets(work, needs) {
                        return Ok(true);
                    }
                    if let Some(task) = self.current_task() {
                        self.wait_for(task, work, needs);
                        return Err(Stop::Yield);
                    }
                }
                Mode::Finalize => {}
            }
            loop {
                let count = self.unblock()?;
                if next < self[work].tasks.len() {
                    break;
                }
                if self.blocking.len() <= count {
                    break;
                }
            }
            if next >= self[work].tasks.len() {
                self.blocking.clear();
                return Ok(true);
            }
        }
    }

    /// Runs all that waits, as the end of an evaluation does.
    pub(crate) fn run_waiting(&mut self) -> Run<()> {
        loop {
            let count = self.unblock()?;
            if self.blocking.len() <= count {
                break;
            }
        }
        self.blocking.clear();
        Ok(())
    }

    /// A deadlock: what cannot become more specific is known; the rest is frozen, then run. Says how many waited.
    fn unblock(&mut self) -> Run<usize> {
        for at in 0..self.blocking.len() {
            if let Some(task) = self.blocking.get(at)
                && let Some(on) = self[task].waits_for
            {
                self.signal(on, Cond::AUTO)?;
            }
        }
        for at in 0..self.blocking.len() {
            if let Some(task) = self.blocking.get(at)
                && let Some(on) = self[task].waits_for
            {
                let cond = self[task].wait_cond;
                self.freeze(on, cond);
            }
        }
        let count = self.blocking.len();
        if count > 0 {
            self.sign(crate::doubt::Sign::Forced);
        }
        for at in 0..count {
            let Some(task) = self.blocking.get(at) else {
                break;
            };
            if self[task].defunct {
                continue;
            }
            if let Some(on) = self[task].waits_for.take() {
                let cond = std::mem::replace(&mut self[task].wait_cond, Cond::NEVER);
                self.signal(on, cond)?;
                self.run_task(task, Mode::Attempt)?;
            }
        }
        Ok(count)
    }

    fn process_ancestors(&mut self, work: WorkId, mode: Mode) -> Run<bool> {
        if self.meets(work, Cond::ANCESTORS) {
            return Ok(true);
        }
        let node = self[work].node;
        let parent = self[node].parent;
        let mut done = true;
        if let Some(up) = parent.and_then(|parent| self[parent].work)
            && !self.meets(up, Cond::CHILD_CONJUNCTS)
        {
            done = self.process_ancestors(up, mode)?;
            if self[up].counters[FIELD_CONJUNCTS_AT] > 0 {
                self.process(up, Cond::FIELD_CONJUNCTS, mode)?;
            }
            if done && self[up].counters[FIELD_CONJUNCTS_AT] == 0 {
                self[up].completed = self[up].completed.or(Cond::CHILD_CONJUNCTS);
            }
        }
        if self.ancestors_done(node)? {
            self.signal(work, Cond::ANCESTORS)?;
        }
        Ok(done)
    }

    /// Whether nothing can come from above any more.
    pub(crate) fn ancestors_done(&mut self, node: NodeId) -> Run<bool> {
        let n = &self[node];
        if n.dynamic || n.label.is_let() {
            return Ok(true);
        }
        let parent = n.parent;
        self.child_conjuncts_known(parent)
    }

    pub(crate) fn child_conjuncts_known(&mut self, node: Option<NodeId>) -> Run<bool> {
        let Some(node) = node else { return Ok(true) };
        Ok(match self.work(node)? {
            None => true,
            Some(work) => self.meets(work, Cond::FIELD_CONJUNCTS.or(Cond::ANCESTORS)),
        })
    }

    /// What follows from the conditions that are met.
    fn completions(&mut self, work: WorkId) -> Cond {
        let w = &self[work];
        let mut known = w.completed;
        let node = w.node;
        if known.has(Cond::ANCESTORS) {
            known = known.or(Cond::COUNTED.without(w.provided));
            // A pending field may still come by one of its own fields.
            if w.counters[VALUE_AT] == 0 && known.has(Cond::SUB_FIELDS) {
                known = known.or(Cond::PRESENCE);
            }
        }
        match self[node].presence {
            Presence::Member | Presence::Absent => known = known.or(Cond::PRESENCE),
            Presence::Pending if known.any(Cond::PRESENCE) && !self.parent_task_active(work) => {
                self[node].presence = Presence::Absent;
            }
            _ => {}
        }
        if known.has(Cond::VALUE)
            && matches!(self[node].presence, Presence::Member | Presence::Absent)
        {
            known = known.or(Cond::SCALAR);
        }
        if known.has(Cond::FIELD_CONJUNCTS.or(Cond::NEED_TASKS)) {
            let w = &self[work];
            if w.counters[TASKS_AT] > 0 || w.counters[FIELD_CONJUNCTS_AT] > 0 {
                return known;
            }
            let pending = || {
                self[node]
                    .arcs()
                    .iter()
                    .any(|arc| self[*arc].presence == Presence::Pending)
            };
            if known.has(Cond::SUB_FIELDS) || !pending() {
                known = known.or(Cond::FIELD_SET);
            }
        }
        known
    }

    /// Marks conditions as met and runs who waited for them.
    pub(crate) fn signal(&mut self, work: WorkId, completed: Cond) -> Run<()> {
        let was = self[work].completed;
        self[work].completed = was.or(completed);
        let freeze = self.deferring_field_set(work, completed);
        if was == self[work].completed {
            self[work].frozen = self[work].frozen.or(freeze);
            return Ok(());
        }
        let more = self.completions(work);
        let w = &mut self[work];
        w.completed = w.completed.or(more);
        w.frozen = w.frozen.or(freeze);
        for at in 0..self[work].blocking.len() {
            let Some(task) = self[work].blocking.get(at).copied() else {
                break;
            };
            if self[work].completed.has(self[task].wait_cond) {
                self[task].wait_cond = Cond::NEVER;
                self[task].waits_for = None;
                self.run_task(task, Mode::Attempt)?;
            }
        }
        Ok(())
    }

    /// Nobody may add to these conditions any more.
    pub(crate) fn freeze(&mut self, work: WorkId, cond: Cond) {
        let freeze = self.deferring_field_set(work, cond);
        let w = &mut self[work];
        w.frozen = w.frozen.or(freeze);
        w.completed = w.completed.or(cond);
        self.completions(work);
    }

    /// The field set is not frozen while a task other than the running one may still add to it.
    fn deferring_field_set(&self, work: WorkId, cond: Cond) -> Cond {
        if !cond.any(Cond::FIELD_SET) {
            return cond;
        }
        let current = self.current_task();
        let without = cond.without(Cond::FIELD_SET);
        let w = &self[work];
        if w.parent_tasks
            .iter()
            .any(|t| self[*t].state < State::Done && Some(*t) != current)
        {
            return without;
        }
        for id in &w.tasks {
            let task = &self[*id];
            if !task.kind.completes().any(Cond::FIELD_CONJUNCTS) {
                continue;
            }
            match task.state {
                State::Ready => return without,
                State::Running if task.kind != Kind::Comprehension => return without,
                _ => {}
            }
        }
        cond
    }

    pub(crate) fn parent_task_active(&self, work: WorkId) -> bool {
        self[work]
            .parent_tasks
            .iter()
            .any(|t| self[*t].state < State::Done)
    }

    pub(crate) fn all_tasks_started(&self, work: WorkId) -> bool {
        self[work]
            .tasks
            .iter()
            .all(|t| self[*t].state != State::Ready)
    }

    pub(crate) fn all_tasks_finished(&self, work: WorkId) -> bool {
        self[work]
            .tasks
            .iter()
            .all(|t| self[*t].state >= State::Done)
    }

    pub(crate) fn pending_tasks(&self, work: WorkId) -> bool {
        self[work].counters[TASKS_AT] > 0
    }

    pub(crate) fn current_task(&self) -> Option<TaskId> {
        self.task_stack.last().copied()
    }

    /// Puts a task on a node's waiting list. The caller then stops with [`Stop::Yield`].
    pub(crate) fn wait_for(&mut self, task: TaskId, work: WorkId, needs: Cond) {
        let w = &mut self[work];
        w.needs = w.needs.or(needs);
        w.blocking.push(task);
        let t = &mut self[task];
        t.state = State::Waiting;
        t.wait_cond = needs;
        t.waits_for = Some(work);
        t.waited = true;
        self.blocking.push(task);
    }

    pub(crate) fn run_task(&mut self, id: TaskId, mode: Mode) -> Run<()> {
        self.step()?;
        if self[id].defunct {
            self[id].state = State::Cancelled;
            return Ok(());
        }
        let work = self[id].work;
        if self[work].ancestor_cycle {
            // What would cross a reference to an ancestor again would never end.
            let skip = match self[id].kind {
                Kind::Comprehension => self.only_cyclic(work),
                Kind::Disjunctions => true,
                _ => false,
            };
            if skip {
                self[id].state = State::Done;
                return Ok(());
            }
        }
        if matches!(self[id].state, State::Done | State::Failed) {
            return Ok(());
        }
        let saved = self.save();
        self.node = Some(self[work].node);
        self.context = self[work].context;
        self.task_stack.push(id);
        if let Some(env) = self[id].env {
            self.errs = None;
            self.env = env;
            self.close = self[id].close;
            if let Elem::Expr(expr) = self[id].elem {
                self.pos = Some(self.program.span(expr).pos());
            }
        }
        self[id].state = State::Running;
        self[id].fault = None;
        let ran = self
            .deeper(|s| s.perform(id, mode))
            .and_then(|()| self.end_task(id, work));
        // A disjunction runs in the caller's context of errors; everything else has its own.
        let errs = self.errs;
        let shares_errs = self[id].env.is_none();
        self.restore(saved);
        if shares_errs && ran.is_ok() {
            self.errs = errs;
        }
        // What is at an end brings nothing forward on its way out.
        if ran == Err(Stop::Poison) {
            return ran;
        }
        if self[work].to_complete {
            self[work].to_complete = false;
            match self.complete_tasks(work, Mode::Attempt) {
                Ok(()) | Err(Stop::Yield) => {}
                Err(Stop::Poison) => return Err(Stop::Poison),
            }
        }
        if ran == Err(Stop::Yield) && self[id].state == State::Running {
            self[id].state = if self[id].fault.is_some() {
                State::Failed
            } else {
                State::Done
            };
        }
        Ok(())
    }

    fn end_task(&mut self, id: TaskId, work: WorkId) -> Run<()> {
        let errs = self.errs.take();
        for at in 0..self[work].deferred.len() {
            let node = self[work].deferred[at];
            self.complete_arcs_only(node)?;
            if let Base::Value(crate::value::Value::Fault(fault)) = self[node].base {
                self.add_fault(work, fault);
            }
        }
        if std::mem::take(&mut self[id].retry) {
            self[id].state = State::Ready;
            return Ok(());
        }
        if self[id].state == State::Waiting {
            return Ok(());
        }
        self[id].waits_for = None;
        self[id].wait_cond = Cond::NEVER;
        let fault = self.combine(self[id].fault, errs);
        self[id].fault = fault;
        self[id].state = if fault.is_some() {
            State::Failed
        } else {
            State::Done
        };
        if let Some(fault) = fault {
            self.add_fault(work, fault);
        }
        let completes = std::mem::replace(&mut self[id].completes, Cond::NONE);
        self.count_down(work, completes)
    }

    fn count_down(&mut self, work: WorkId, cond: Cond) -> Run<()> {
        let mut completed = Cond::NONE;
        let w = &mut self[work];
        for_each_counted(cond, |at| {
            w.counters[at] -= 1;
            if w.counters[at] == 0 {
                completed = completed.or(Cond(1 << at));
            }
        });
        self.signal(work, completed)
    }

    /// Brings a node's tasks forward after something was added while it was on its way.
    pub(crate) fn complete_tasks(&mut self, work: WorkId, mode: Mode) -> Run<()> {
        if !self[work].initialized || self[work].completing {
            return Ok(());
        }
        self[work].completing = true;
        let result = self.complete_tasks_inner(work, mode);
        self[work].completing = false;
        result
    }

    fn complete_tasks_inner(&mut self, work: WorkId, mode: Mode) -> Run<()> {
        let node = self[work].node;
        if self.ancestors_done(node)? {
            self.signal(work, Cond::ANCESTORS)?;
        }
        if !self.all_tasks_started(work) {
            self.process(work, Cond::VALUE.or(Cond::FIELD_CONJUNCTS), mode)?;
            self.update_scalar(work)?;
        }
        Ok(())
    }

    pub(crate) fn save(&self) -> Saved {
        Saved {
            env: self.env,
            close: self.close,
            pos: self.pos,
            errs: self.errs,
            node: self.node,
            depth: self.eval_depth,
            stack: self.task_stack.len(),
            detached: self.in_detached,
            validator: self.in_validator,
            overlays: self.overlays.len(),
            context: self.context,
        }
    }

    pub(crate) fn restore(&mut self, saved: Saved) {
        self.env = saved.env;
        self.close = saved.close;
        self.pos = saved.pos;
        self.errs = saved.errs;
        self.node = saved.node;
        self.eval_depth = saved.depth;
        self.task_stack.truncate(saved.stack);
        self.in_detached = saved.detached;
        self.in_validator = saved.validator;
        self.overlays.truncate(saved.overlays);
        self.context = saved.context;
    }

    /// The span of an expression as the place where evaluation is.
    pub(crate) fn at(&mut self, expr: ExprId) {
        self.pos = Some(self.program.span(expr).pos());
    }
}

/// The tasks that wait.
///
/// Who goes through them goes on doing so when an evaluation in between ends and forgets them, as the reference
/// does: they were waiting before it began. So what is forgotten stays where it is until something else takes its place.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    tasks: Vec<TaskId>,
    count: usize,
}

impl Waiting {
    /// How many wait.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// One that waits, or waited in that place.
    fn get(&self, at: usize) -> Option<TaskId> {
        self.tasks.get(at).copied()
    }

    /// One more.
    pub(crate) fn push(&mut self, task: TaskId) {
        match self.tasks.get_mut(self.count) {
            Some(place) => *place = task,
            None => self.tasks.push(task),
        }
        self.count += 1;
    }

    fn clear(&mut self) {
        self.count = 0;
    }
}

/// The context of what runs, to be put back.
#[derive(Clone, Copy)]
pub(crate) struct Saved {
    env: EnvId,
    close: Close,
    pos: Option<pequod_cue_syntax::Pos>,
    errs: Option<FaultId>,
    node: Option<NodeId>,
    depth: u32,
    stack: usize,
    detached: u32,
    validator: u32,
    overlays: usize,
    context: u32,
}

/// Tasks that must wait for others of the same node.
struct Gates {
    /// A comprehension runs: what it adds may matter to the next one.
    comprehension: bool,
    /// It is adding: what is embedded may need what it adds.
    inserting: bool,
    /// A disjunction will multiply the node; pushed-down comprehensions run in each arm.
    disjunction: bool,
}

impl Gates {
    fn of(session: &Session<'_>, work: WorkId) -> Self {
        let mut gates = Self {
            comprehension: false,
            inserting: false,
            disjunction: false,
        };
        for id in &session[work].tasks {
            let task = &session[*id];
            if task.state == State::Running && task.kind == Kind::Comprehension {
                gates.comprehension = true;
                gates.inserting |= task.inserting;
            }
            gates.disjunction |= task.state == State::Ready && task.kind == Kind::Disjunctions;
        }
        gates
    }

    fn hold_back(&self, task: &Task) -> bool {
        match task.kind {
            Kind::Comprehension => {
                self.comprehension || (self.disjunction && task.completes == Cond::TASKS)
            }
            Kind::Resolve => self.inserting,
            _ => false,
        }
    }
}

fn for_each_counted(cond: Cond, mut each: impl FnMut(usize)) {
    let cond = cond.and(Cond::COUNTED);
    for at in 0..10 {
        if cond.any(Cond(1 << at)) {
            each(at);
        }
    }
}
