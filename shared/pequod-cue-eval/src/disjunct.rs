//! Disjunctions: every arm is tried, what fails is dropped, what is equal is merged.
//!
//! All disjunctions of a node are one task that runs after everything else. It multiplies them
//! out: the node as it is so far is *copied* for each arm (the copy is an *overlay*: references from
//! within see the copy, not the original), the arm is added, and the copy evaluated. Copies that
//! fail are dropped; copies that equal another are merged with it. The last disjunction is
//! evaluated to the end, those before only as far as possible.
//!
//! Defaults are combined by three states — maybe, yes, no — and by whether all defaults of one
//! side were dropped.

use std::hash::BuildHasher;
use std::mem::take;
use std::sync::Arc;

use pequod_cue_syntax::Pos;
use rustc_hash::{FxBuildHasher, FxHashSet};
use smallvec::SmallVec;

use crate::copies::Copies;
use crate::fields::Fields;
use crate::glance::Computed;
use crate::sched::{Cond, Kind as TaskKind, Mode, State};
use crate::session::{Close, Conjunct, Elem, Node, Overlay, Run, Session, Status};
use crate::value::{
    Arg, Base, Disjunction, DisjunctionId, EnvId, FaultCode, FaultId, NodeId, TaskId, Value, WorkId,
};

/// Whether an arm is a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultMode {
    /// Nothing was said.
    Maybe,
    /// It is.
    Is,
    /// Another was marked.
    Not,
}

impl DefaultMode {
    pub(crate) const fn of(marked: bool, default: bool) -> Self {
        match (marked, default) {
            (false, _) => Self::Maybe,
            (true, true) => Self::Is,
            (true, false) => Self::Not,
        }
    }

    const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Not, _) | (_, Self::Not) => Self::Not,
            (Self::Is, _) | (_, Self::Is) => Self::Is,
            (Self::Maybe, Self::Maybe) => Self::Maybe,
        }
    }

    /// Combined, where a side that lost all its defaults has no say.
    pub(crate) fn and_unless(self, other: Self, drops_left: bool, drops_right: bool) -> Self {
        let left = if drops_left { Self::Maybe } else { self };
        let right = if drops_right { Self::Maybe } else { other };
        left.and(right)
    }
}

/// A disjunction to be multiplied.
#[derive(Debug, Clone)]
pub struct Hole {
    pub(crate) env: EnvId,
    pub(crate) close: Close,
    pub(crate) arms: Vec<Arm>,
    pub(crate) pos: Option<Pos>,
}

/// An arm of a disjunction.
#[derive(Debug, Clone)]
pub struct Arm {
    elem: Elem,
    mode: DefaultMode,
    fault: Option<FaultId>,
    /// It was not tried, since a glance showed that it fails.
    passed_over: bool,
}

impl Hole {
    /// What the arms died of.
    pub(crate) fn faults(&self) -> impl Iterator<Item = FaultId> + '_ {
        self.arms.iter().filter_map(|arm| arm.fault)
    }

    /// Where it stands.
    pub(crate) const fn pos(&self) -> Option<Pos> {
        self.pos
    }
}

impl Arm {
    pub(crate) const fn new(elem: Elem, mode: DefaultMode) -> Self {
        Self {
            elem,
            mode,
            fault: None,
            passed_over: false,
        }
    }

    /// What it says.
    pub(crate) const fn elem(&self) -> Elem {
        self.elem
    }

    /// Whether it is a default.
    pub(crate) const fn mode(&self) -> DefaultMode {
        self.mode
    }
}

/// The states of arms: mostly few.
pub(crate) type Arms = SmallVec<[WorkId; 4]>;

/// The tasks of copied states.
type CopiedTasks = SmallVec<[TaskId; 8]>;

/// Arms that are left, none like another.
#[derive(Default)]
struct Left {
    arms: Arms,
    fields: SmallVec<[Option<FieldsPrint>; 4]>,
    /// Once they are many.
    seen: Option<Prints>,
}

impl Left {
    /// How many are compared one by one.
    const FEW: usize = 16;

    fn add(&mut self, arm: WorkId, print: Option<FieldsPrint>) {
        self.arms.push(arm);
        self.fields.push(print);
        match &mut self.seen {
            Some(seen) => seen.add(print),
            None if self.arms.len() > Self::FEW => {
                let mut seen = Prints::default();
                for print in &self.fields {
                    seen.add(*print);
                }
                self.seen = Some(seen);
            }
            None => {}
        }
    }

    /// Whether an arm cannot equal any of them.
    fn all_differ(&self, print: FieldsPrint) -> bool {
        self.seen
            .as_ref()
            .is_some_and(|seen| seen.all_differ(print))
    }
}

/// The prints of arms, to tell at once that one is like none of them.
#[derive(Default)]
struct Prints {
    /// Whether an arm without a print is among them.
    any_without: bool,
    /// Of all arms, the names of their fields.
    names: FxHashSet<u64>,
    /// Of unfinished arms, the same.
    unfinished: FxHashSet<u64>,
    /// Of finished arms, what they show.
    visible: FxHashSet<u64>,
}

impl Prints {
    fn add(&mut self, print: Option<FieldsPrint>) {
        let Some(print) = print else {
            self.any_without = true;
            return;
        };
        self.names.insert(print.all);
        if print.finished {
            self.visible.insert(print.visible);
        } else {
            self.unfinished.insert(print.all);
        }
    }

    /// Whether a node cannot equal any of them.
    fn all_differ(&self, print: FieldsPrint) -> bool {
        !self.any_without
            && if print.finished {
                !self.visible.contains(&print.visible) && !self.unfinished.contains(&print.all)
            } else {
                !self.names.contains(&print.all)
            }
    }
}

/// The names of a node's fields and its scalars as numbers: arms are many, and most that differ differ here.
#[derive(Debug, Clone, Copy)]
struct FieldsPrint {
    finished: bool,
    /// Of all fields.
    all: u64,
    /// Of those that a finished node shows, with how they are there and what scalars they are.
    visible: u64,
}

impl FieldsPrint {
    /// Whether two nodes cannot be equal.
    const fn differ(self, other: Self) -> bool {
        if self.finished && other.finished {
            self.visible != other.visible
        } else {
            self.all != other.all
        }
    }
}

/// A number for something. Sums of these are compared, so it must not be linear in it, as the hash alone is.
fn print_of(it: impl std::hash::Hash) -> u64 {
    let hash = FxBuildHasher.hash_one(it);
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

/// The reference forgets what a copy was made of when it is copied again, unless it has more nodes than this:
/// its maps are used again while a copy still has them. What waits for the original then goes on waiting, and what
/// looks into the original sees the original.
const REMEMBERED: usize = 512;

/// What copying a node takes, in units of work.
const COPY: u64 = 2;

/// What copying a state takes, without what it holds, in units of work.
const COPY_STATE: u64 = 8;

/// How many arms are compared by the names of their fields in a unit of work.
const GLANCES: u64 = 16;

/// How arms are looked at.
#[derive(Debug, Clone, Copy)]
enum Care<'c> {
    /// What obviously fails is not tried; with the scalars that were computed to see it.
    Glance(&'c Computed),
    /// What was passed over is tried, so that it is known what it dies of.
    Full,
}

impl Session<'_> {
    pub(crate) fn perform_disjunctions(&mut self, work: WorkId) -> Run<Option<FaultId>> {
        self.choice_begins();
        let mut holes = take(&mut self[work].holes);
        if holes.is_empty() {
            // The caller has them: this was asked for on the way.
            return Ok(None);
        }
        let node = self[work].node;
        if let Some(mode) = self.chosen_by_scalar(work, &holes) {
            if self[work].default_mode == DefaultMode::Maybe {
                self[work].default_mode = mode;
            }
            return Ok(None);
        }
        if let Some(arms) = self.plain_product(work, &holes)? {
            self[work].blocking.clear();
            return self.take_arms(work, &arms);
        }
        if !self.init_arcs(node)? {
            return Ok(self.any_fault(work));
        }
        let computed = self.computed_scalars(work, &holes)?;
        let outer = self.outer_mode(node);
        let mut cross = Arms::from_slice(&[work]);
        let last = holes.len() - 1;
        for (at, hole) in holes.iter_mut().enumerate() {
            let mode = match outer {
                Some(_) if at < last => Mode::Attempt,
                Some(Mode::Attempt) if self.deferred_comprehension_above(node) => Mode::Finalize,
                Some(mode) => mode,
                None if at == last => Mode::Finalize,
                None => Mode::Attempt,
            };
            let mut results =
                self.cross_product(work, &cross, hole, mode, Care::Glance(&computed))?;
            if results.is_empty() && hole.arms.iter().any(|arm| arm.passed_over) {
                // Now it matters what each arm dies of.
                results = self.cross_product(work, &cross, hole, mode, Care::Full)?;
            }
            if results.is_empty() {
                let fault = self.disjunction_fault(work, hole);
                self.doubt_failure(node, fault);
                return Ok(Some(fault));
            }
            cross = results;
        }
        self.take_arms(work, &cross)
    }

    /// What is left of a node's disjunctions.
    fn take_arms(&mut self, work: WorkId, cross: &[WorkId]) -> Run<Option<FaultId>> {
        let node = self[work].node;
        let mut completed = Cond::NONE;
        if let [single] = *cross {
            self[node].base = Base::Value(Value::Node(self[single].node));
            if self[work].default_mode == DefaultMode::Maybe {
                self[work].default_mode = self[single].default_mode;
            }
            if let Some(asker) = self[work].default_asked
                && self[work].default_mode != DefaultMode::Is
            {
                let fault = self.new_loose_fault(
                    FaultCode::Cycle,
                    "ambiguous default elimination by referencing {}",
                    [Arg::Text(self.path(asker))],
                    self.pos,
                    Some(node),
                );
                self[node].base = Base::Value(Value::Fault(fault));
                return Ok(Some(fault));
            }
            return Ok(None);
        }
        self[work].disjuncts.extend_from_slice(cross);
        let mut defaults = 0;
        for arm in cross {
            if self[*arm].default_mode == DefaultMode::Is {
                defaults += 1;
                completed = self[*arm].completed;
            }
        }
        if defaults == 1 {
            self.signal(work, completed)?;
        }
        Ok(None)
    }

    /// Starts all fields; false if one is in error.
    fn init_arcs(&mut self, node: NodeId) -> Run<bool> {
        let mut at = 0;
        while at < self[node].arcs().len() {
            let arc = self[node].arcs()[at];
            at += 1;
            let state = self.work(arc)?;
            if state.is_some_and(|work| self[work].faults.is_some()) {
                if self[arc].presence == crate::kind::Presence::Member {
                    return Ok(false);
                }
            } else if !self.init_arcs(arc)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An arm inside an arm may not be finished before the outer one.
    pub(crate) fn outer_mode(&self, node: NodeId) -> Option<Mode> {
        let mut next = Some(node);
        while let Some(node) = next {
            if self[node].disjunct {
                return Some(
                    self[node]
                        .work
                        .and_then(|work| self[work].run_mode)
                        .unwrap_or(Mode::Finalize),
                );
            }
            next = self[node].parent;
        }
        None
    }

    fn deferred_comprehension_above(&self, node: NodeId) -> bool {
        let mut next = Some(node);
        while let Some(node) = next {
            if self[node].disjunct {
                return self[node].work.is_some_and(|work| {
                    self[work].tasks.iter().any(|t| {
                        self[*t].kind == TaskKind::Comprehension
                            && self[*t].completes == Cond::TASKS
                    })
                });
            }
            next = self[node].parent;
        }
        false
    }

    fn cross_product(
        &mut self,
        work: WorkId,
        cross: &[WorkId],
        hole: &mut Hole,
        mode: Mode,
        care: Care<'_>,
    ) -> Run<Arms> {
        let now = self.eval_depth;
        let depth = std::mem::replace(&mut self[work].eval_depth, now);
        let result = self.cross_product_marked(work, cross, hole, mode, care);
        self[work].eval_depth = depth;
        result
    }

    fn cross_product_marked(
        &mut self,
        work: WorkId,
        cross: &[WorkId],
        hole: &mut Hole,
        mode: Mode,
        care: Care<'_>,
    ) -> Run<Arms> {
        let orig = self[work].node;
        let mut arms = Arms::new();
        let (mut drops_left, mut drops_right) = (true, true);
        for p in cross.iter().copied() {
            let node = self[p].node;
            self.init_arcs(node)?;
            for arm in &mut hole.arms {
                match care {
                    Care::Glance(computed) if self.cannot_hold(p, arm.elem, computed) => {
                        arm.passed_over = true;
                        continue;
                    }
                    // What was tried before is known to fail.
                    Care::Full if !arm.passed_over => continue,
                    Care::Glance(_) | Care::Full => {}
                }
                let c = Conjunct {
                    env: hole.env,
                    elem: arm.elem,
                    close: hole.close,
                };
                self.meter.work.disjuncts += 1;
                match self.try_arm(p, c, arm.mode, mode, orig)? {
                    Err(fault) => {
                        if self[fault].code == FaultCode::User {
                            self[work].user_faults.push(fault);
                        }
                        arm.fault = Some(fault);
                    }
                    Ok(result) => {
                        arms.push(result);
                        if self[p].default_mode == DefaultMode::Is
                            || self[p].orig_default_mode == DefaultMode::Is
                        {
                            drops_left = false;
                        }
                        if arm.mode == DefaultMode::Is {
                            drops_right = false;
                        }
                    }
                }
            }
        }
        let mut results = Left::default();
        let mut decided = false;
        for r in arms {
            let (own, orig) = (self[r].default_mode, self[r].orig_default_mode);
            if self[r].disjuncts.is_empty() {
                self[r].default_mode = own.and_unless(orig, drops_left, drops_right);
                self.append_arm(&mut results, r)?;
                continue;
            }
            // A disjunction in an arm. That its marks count where the outer has none deviates from
            // the specification, as the reference does.
            for x in Arms::from_slice(&self[r].disjuncts) {
                let inner = orig.and(self[x].default_mode);
                self[x].default_mode = own.and_unless(inner, drops_left, false);
                decided |= self[x].default_mode != DefaultMode::Maybe;
                self.append_arm(&mut results, x)?;
            }
        }
        let results = results.arms;
        if decided {
            for r in &results {
                if self[*r].default_mode == DefaultMode::Maybe {
                    self[*r].default_mode = DefaultMode::Not;
                }
            }
        }
        Ok(results)
    }

    /// Evaluates a copy of the node with an arm added.
    fn try_arm(
        &mut self,
        p: WorkId,
        c: Conjunct,
        arm: DefaultMode,
        mode: Mode,
        orig: NodeId,
    ) -> Run<Result<WorkId, FaultId>> {
        self.arm_begins(orig);
        self[p].blocking.clear();
        let blocking = take(&mut self.blocking);
        let orig_base = self[orig].base;
        let redirect = !self[orig].disjunct;
        let (copy, copies) = self.clone_tree(p)?;
        let node = self[copy].node;
        if redirect {
            self[orig].base = Base::Value(Value::Node(node));
        }
        self.overlays.push(Overlay { copies });
        self[copy].run_mode = Some(mode);
        let p_node = self[p].node;
        let p_base = std::mem::replace(&mut self[p_node].base, Base::Value(Value::Node(node)));
        let result = self.evaluate_arm(p, copy, c, arm, mode);
        self[p_node].base = p_base;
        if redirect {
            self[orig].base = orig_base;
        }
        self.overlays.pop();
        self.blocking = blocking;
        match &result {
            Ok(Ok(_)) => self[p].tried.push(node),
            Ok(Err(_)) => self.discard(node),
            Err(_) => {}
        }
        result
    }

    fn evaluate_arm(
        &mut self,
        p: WorkId,
        copy: WorkId,
        c: Conjunct,
        arm: DefaultMode,
        mode: Mode,
    ) -> Run<Result<WorkId, FaultId>> {
        let node = self[copy].node;
        self[node].status = Status::Fresh;
        self.schedule_conjunct(copy, c, c.close)?;
        self[copy].default_mode = self[p].default_mode;
        self[copy].orig_default_mode = arm;
        self.unify(node, Cond::ALL, mode, true)?;
        if let Some(fault) = self.deep_fault(copy)?
            && fault != crate::session::CYCLE
        {
            return Ok(Err(fault));
        }
        let end = self.deref_disjunct(node);
        let state = self[end].work.unwrap_or(copy);
        self[state].orig_default_mode = self[copy].orig_default_mode;
        Ok(Ok(state))
    }

    /// An error of a node or its fields.
    fn deep_fault(&mut self, work: WorkId) -> Run<Option<FaultId>> {
        if let Some(fault) = self.any_fault(work) {
            return Ok(Some(fault));
        }
        let node = self[work].node;
        for at in 0..self[node].arcs().len() {
            let arc = self[node].arcs()[at];
            if self[arc].presence > crate::kind::Presence::Required || self[arc].label.is_let() {
                return Ok(None);
            }
            if let Some(state) = self.work(arc)?
                && let Some(fault) = self.deep_fault(state)?
            {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }

    fn any_fault(&self, work: WorkId) -> Option<FaultId> {
        let node = self[work].node;
        self.fault_of(node)
            .filter(|fault| *fault != crate::session::CYCLE)
            .or(self[node].child_faults)
            .or(self[work].faults)
            .or(self.errs)
    }

    /// The arms that are left become the node's value.
    pub(crate) fn finish_disjunction(&mut self, work: WorkId) {
        if self[work].disjuncts.is_empty() {
            return;
        }
        let node = self[work].node;
        let arms = Arms::from_slice(&self[work].disjuncts);
        let mut failed = 0;
        for arm in &arms {
            let arm_node = self[*arm].node;
            self[arm_node].conjuncts.clear();
            if let Some(fault) = self[*arm].faults {
                if self[fault].code == FaultCode::User {
                    self[work].user_faults.push(fault);
                } else {
                    self[work].disjunct_faults.push(fault);
                }
                failed += 1;
            }
        }
        if failed == arms.len() {
            let fault = self.empty_disjunction(work, FaultCode::Incomplete, None);
            self[node].base = Base::Value(Value::Fault(fault));
            return;
        }
        let mut marked = false;
        let mut values = Vec::with_capacity(arms.len());
        let mut defaults = 0;
        for arm in &arms {
            let value = Value::Node(self[*arm].node);
            match self[*arm].default_mode {
                DefaultMode::Is => {
                    marked = true;
                    values.push(value);
                    let end = values.len() - 1;
                    values.swap(defaults, end);
                    defaults += 1;
                }
                DefaultMode::Not => {
                    marked = true;
                    values.push(value);
                }
                DefaultMode::Maybe => values.push(value),
            }
        }
        let asked = self[work].default_asked;
        if let (Some(asker), true) = (asked, defaults != 1) {
            let fault = self.new_loose_fault(
                FaultCode::Cycle,
                "cycle across unresolved disjunction referenced by {}",
                [Arg::Text(self.path(asker))],
                self.pos,
                Some(node),
            );
            self[node].base = Base::Value(Value::Fault(fault));
        } else {
            let value = self.add_disjunction(values, defaults, marked);
            self[node].base = Base::Value(value);
        }
        self.clear_arcs(node);
        self[node].child_faults = None;
    }

    pub(crate) fn add_disjunction(
        &mut self,
        values: Vec<Value>,
        defaults: usize,
        marked: bool,
    ) -> Value {
        let id = u32::try_from(self.disjunctions.len()).unwrap_or(u32::MAX);
        self.disjunctions.push(Disjunction {
            values: values.into(),
            defaults,
            marked,
            written: false,
        });
        Value::Disjunction(DisjunctionId(id))
    }

    /// Alternatives that were not looked at yet.
    pub(crate) fn add_written_disjunction(&mut self, values: Vec<Value>) -> Value {
        let disjunction = self.add_disjunction(values, 0, false);
        if let Some(added) = self.disjunctions.last_mut() {
            added.written = true;
        }
        disjunction
    }

    /// Adds an arm unless it equals one that is there.
    fn append_arm(&mut self, left: &mut Left, x: WorkId) -> Run<()> {
        let fields = self.fields_print(x);
        if fields.is_some_and(|print| left.all_differ(print)) {
            left.add(x, fields);
            return Ok(());
        }
        self.charge(left.arms.len() as u64 / GLANCES)?;
        let nv = self.deref(self[x].node);
        let value = self.arm_value(nv, x)?;
        for at in 0..left.arms.len() {
            let other = left.arms[at];
            if other == x {
                return Ok(());
            }
            if let (Some(a), Some(b)) = (fields, left.fields[at])
                && a.differ(b)
            {
                continue;
            }
            let ov = self.deref(self[other].node);
            let same = if self[ov].status != Status::Final || self[nv].status != Status::Final {
                let (a, b) = (self[x].node, self[other].node);
                if self.equal_partial(a, b)? {
                    let other_value = self.arm_value(ov, other)?;
                    match (value, other_value) {
                        (Base::Value(a), Base::Value(b)) => {
                            self.equal(a, b, crate::equal::Flags::STRUCTURAL)?
                        }
                        _ => true,
                    }
                } else {
                    false
                }
            } else {
                self.equal(
                    Value::Node(ov),
                    Value::Node(nv),
                    crate::equal::Flags::STRUCTURAL,
                )?
            };
            if same {
                if self[x].default_mode == DefaultMode::Is {
                    self[other].default_mode = DefaultMode::Is;
                }
                self.merge_marks(other, x);
                return Ok(());
            }
        }
        left.add(x, fields);
        Ok(())
    }

    /// What the fields of an arm are called; none if it stands for another node.
    fn fields_print(&self, arm: WorkId) -> Option<FieldsPrint> {
        let node = self[arm].node;
        if self.deref(node) != node {
            return None;
        }
        let mut print = FieldsPrint {
            finished: self[node].status == Status::Final,
            all: 0,
            visible: 0,
        };
        for arc in self[node].arcs() {
            let n = &self[*arc];
            let name = print_of(n.label);
            print.all = print.all.wrapping_add(name);
            if n.presence <= crate::kind::Presence::Optional {
                let scalar = if print.finished {
                    self.scalar_print(self[self.deref(*arc)].base)
                } else {
                    0
                };
                let seen = print_of((n.label, n.presence, scalar));
                print.visible = print.visible.wrapping_add(seen);
            }
        }
        if print.finished {
            print.visible = print
                .visible
                .wrapping_add(self.scalar_print(self[node].base));
        }
        Some(print)
    }

    /// A number that is the same for equal values; for all that are no scalars it is one.
    fn scalar_print(&self, base: Base) -> u64 {
        let number = match base {
            Base::Value(Value::Null) => return 1,
            Base::Value(Value::Bool(value)) => return 2 + u64::from(value),
            Base::Value(Value::Str(sym)) => return print_of((4, sym)),
            Base::Value(Value::Int(number)) => Some(number),
            // The same number may be written in several ways.
            Base::Value(Value::Num(id)) => self.nums[id.at()].decimal.to_i64(),
            _ => return 0,
        };
        print_of((5, number))
    }

    fn arm_value(&mut self, node: NodeId, work: WorkId) -> Run<Base> {
        let base = self[node].base;
        if base == Base::None || self.is_cycle_base(base) {
            return self.residue(work);
        }
        Ok(base)
    }

    // Copies.

    /// Copies a node on its way, with its fields, states and tasks.
    fn clone_tree(&mut self, p: WorkId) -> Run<(WorkId, Arc<Copies>)> {
        let node = self[p].node;
        let mut copies = Copies::default();
        let mut tasks = CopiedTasks::new();
        let copy = self.clone_node(node, &mut copies, &mut tasks)?;
        if let Some(before) = &self[p].copies
            && before.len() > REMEMBERED
        {
            copies = copies.after(before);
        }
        for task in tasks {
            if let Some(on) = self[task].waits_for {
                let before = self[on].node;
                if let Some(after) = copies.get(before)
                    && let Some(state) = self[after].work
                {
                    self[task].waits_for = Some(state);
                    self[task].waited = true;
                    self[state].blocking.push(task);
                    self.blocking.push(task);
                    let cond = self[task].wait_cond;
                    self[state].needs = self[state].needs.or(cond);
                }
            }
        }
        self[copy].disjunct = true;
        let work = match self[copy].work {
            Some(work) => work,
            None => self.new_work(copy),
        };
        self[copy].work = Some(work);
        self.meter
            .charge_bytes(copies.len() * size_of::<(NodeId, NodeId)>());
        self.charge(copies.len() as u64 / 2)?;
        let copies = Arc::new(copies);
        self[work].copies = Some(copies.clone());
        Ok((work, copies))
    }

    fn clone_node(
        &mut self,
        x: NodeId,
        copies: &mut Copies,
        tasks: &mut CopiedTasks,
    ) -> Run<NodeId> {
        if let Some(copy) = copies.get(x) {
            return Ok(copy);
        }
        self.charge(COPY)?;
        let n = &self[x];
        let state = n.work;
        let stands_for = (state.is_some() || n.settled).then(|| n.underlying.unwrap_or(x));
        // The arcs follow; what they were found by is made anew.
        let fields = n.fields.as_deref().map(|fields| {
            Box::new(Fields {
                arcs: SmallVec::with_capacity(fields.arcs.len()),
                shapes: SmallVec::from_slice(&fields.shapes),
                ..Fields::default()
            })
        });
        let node = Node {
            fields,
            conjuncts: SmallVec::from_slice(&n.conjuncts),
            work: None,
            settled: false,
            underlying: stands_for,
            ..*n
        };
        let v = self.new_node(node);
        copies.add(x, v);
        for at in 0..self[x].arcs().len() {
            let copy = self.clone_node(self[x].arcs()[at], copies, tasks)?;
            self[copy].parent = Some(v);
            self.push_arc(v, copy);
        }
        for at in 0..self[x].patterns().len() {
            let mut pattern = self[x].patterns()[at];
            pattern.constraint = self.clone_node(pattern.constraint, copies, tasks)?;
            self[v].fields_mut().patterns.push(pattern);
        }
        if let Some(state) = state {
            let (w, held) = (&self[state], self[x].conjuncts.len());
            let parts = held + w.marks.len() + w.requirements.len() + w.tasks.len() + w.holes.len();
            self.charge(COPY_STATE + parts as u64)?;
            let copy = self.clone_work(state, v, tasks);
            self[v].work = Some(copy);
        }
        Ok(v)
    }

    fn clone_work(&mut self, n: WorkId, node: NodeId, tasks: &mut CopiedTasks) -> WorkId {
        let d = self.new_work(node);
        self[n].blocking.clear();
        let Ok([original, copy]) = self.works.get_disjoint_mut([n.at(), d.at()]) else {
            return d;
        };
        original.copy_into(copy);
        for at in 0..self[n].tasks.len() {
            let t = self[n].tasks[at];
            let state = self[t].state;
            let run = match state {
                State::Waiting | State::Ready => true,
                State::Running => self[t].kind != TaskKind::Disjunctions,
                _ => false,
            };
            if !run {
                continue;
            }
            self[t].defunct = true;
            let mut task = self[t].clone();
            task.work = d;
            task.defunct = false;
            task.inserting = false;
            task.retry = false;
            if state == State::Running {
                task.state = State::Ready;
            }
            let id = self.new_task(task);
            self[d].tasks.push(id);
            tasks.push(id);
        }
        d
    }
}
