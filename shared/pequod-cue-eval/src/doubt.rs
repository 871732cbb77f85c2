//! Situations in which this evaluator does not vouch for what comes out.
//!
//! Where a value meets itself through the arms of a disjunction, or a comprehension asks for the value
//! of the struct it is adding to, what comes out hangs on the exact order in which the reference
//! implementation looks at things. Most of that order is the same here; where the signs below were met,
//! it was seen not to be. A wrong value is worse than none: such an evaluation ends as not supported,
//! unless the whole is an error anyway.
//!
//! Most signs say nothing alone, since right programs show them; those that belong together are
//! counted within one trial of arms, from the outermost disjunction on. A call or a comprehension that
//! asks for the choice it stands in is one that right programs hardly show.

use pequod_cue_num::Decimal;
use pequod_cue_syntax::Pos;
use rustc_hash::FxHashSet;

use crate::budget::Poison;
use crate::kind::Kind;
use crate::program::ExprId;
use crate::sched::Kind as TaskKind;
use crate::session::{NO_ENV, Run, Session, Status, Stop};
use crate::value::{Base, EnvId, FaultCode, FaultId, NodeId, Value};

/// What may be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// An arm of a disjunction needs the choice it is part of.
    Choice,
    /// A value is of no type, and nothing said why.
    NoType,
    /// A comprehension needs the struct it adds to.
    OwnStruct,
    /// A validator stands in a schema that a part of itself is held against.
    OwnSchema,
    /// A validator holds values against something that it is itself a part of.
    OwnValidator,
    /// A comprehension goes over a struct that is in error and lacks a required field.
    BrokenSource,
    /// `__no_sharing` before a list that is gone through.
    NoSharing,
    /// The text of what may be a negative zero.
    NegativeZero,
    /// A field that was on its way was empty in a text, and something is in a cycle.
    EmptyText,
    /// What encloses a value stands in it again, and that is no structural cycle.
    Enclosing,
}

impl Doubt {
    const fn poison(self, pos: Option<Pos>) -> Poison {
        let (feature, hint) = match self {
            Self::Choice => (
                "a disjunction with an arm that depends on which arm is chosen",
                "let the arm refer to a field beside the disjunction instead",
            ),
            Self::NoType => (
                "a value that is asked for while it is calculated, and then is of another type",
                "say of what type it is, or let one of the two values be a field of its own",
            ),
            Self::OwnStruct => (
                "a comprehension that asks for the struct it adds fields to",
                "ask for a field of that struct, or give what the condition is about a field of its own",
            ),
            Self::OwnSchema => (
                "a validator in a struct, another part of which is held against the whole of it",
                "hold that part against a schema of its own",
            ),
            Self::OwnValidator => (
                "a validator that holds a value against what it is itself a part of",
                "hold it against what is there without the validator",
            ),
            Self::BrokenSource => (
                "a comprehension over a struct that is in error and lacks a required field",
                "mend the error, or say what the field is",
            ),
            Self::NoSharing => (
                "__no_sharing, which only the reference's own tests have, around a list that a comprehension goes through",
                "leave it out",
            ),
            Self::NegativeZero => (
                "the text of a zero in a program that multiplies or divides zero and a negative number",
                "add 0 to the number before it becomes text",
            ),
            Self::Enclosing => (
                "a value that stands in itself again, and is no structural cycle",
                "let it refer to a definition of which both are made",
            ),
            Self::EmptyText => (
                "a text made of a field that is calculated from it",
                "let one of the two not refer to the other",
            ),
        };
        Poison::Unsupported {
            feature,
            pos,
            hint: Some(hint),
        }
    }
}

/// What was noticed while arms were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A reference led to something that is on its way.
    Reads = 1,
    /// A reference led to the choice itself.
    ReadsItself = 2,
    /// The choice was begun again inside one of its arms.
    Again = 4,
    /// The choice was to be finished inside one of its arms.
    Finishes = 8,
    /// Somebody waits for the choice's default.
    Asked = 16,
    /// Nothing moved any more, and what waited was run by force.
    Forced = 32,
}

/// What was noticed so far.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent things that were noticed"
)]
pub(crate) struct Doubts {
    /// In this trial of arms.
    signs: u8,
    /// Something was run by force while no arms were tried.
    forced: bool,
    /// A choice was read by one of its arms, at any time.
    reads_itself: bool,
    /// The choices that were read in this trial by their own arms.
    read: FxHashSet<NodeId>,
    /// The choices of which arms read a part in this trial.
    parts_read: FxHashSet<NodeId>,
    /// Schemas that a function held a part of themselves against.
    own_schemas: FxHashSet<NodeId>,
    /// What comprehensions went over though a required field was missing there.
    gone_over: Vec<NodeId>,
    /// `__no_sharing` was met.
    unshared: bool,
    /// Zero was multiplied with a negative number, which the reference prints with a sign.
    negative_zero: bool,
    /// A field that was on its way was empty in a text.
    empty_text: bool,
    found: Option<(Doubt, Option<Pos>)>,
    /// That all arms of a choice fail may come of it, too.
    strict: bool,
    /// Nothing that comes out is to be believed, errors included.
    always: bool,
    /// How many calls are being evaluated, one inside another.
    calls: u32,
    /// How many calls of `or` try their alternatives, one inside another.
    alternatives: u32,
    /// Two types were found not to go together.
    conflict: bool,
}

impl Session<'_> {
    fn doubt(&mut self, doubt: Doubt) {
        let pos = self.pos;
        self.doubts.found.get_or_insert((doubt, pos));
    }

    /// A node's disjunctions are multiplied out: signs count from the outermost on.
    pub(crate) fn choice_begins(&mut self) {
        if self.overlays.is_empty() {
            self.doubts.signs = 0;
            self.doubts.read.clear();
            self.doubts.parts_read.clear();
        }
    }

    /// An arm is tried.
    pub(crate) fn arm_begins(&mut self, orig: NodeId) {
        if self.overlays.is_empty() {
            return;
        }
        let choice = self.underlying(orig);
        let outer = self
            .task_stack
            .split_last()
            .map_or(&[][..], |(_, outer)| outer);
        if self.chooses(outer, choice) {
            self.sign(Sign::Again);
            if self.doubts.read.contains(&choice) {
                self.doubts.strict = true;
                self.doubt(Doubt::Choice);
            }
        }
    }

    /// Whether one of the tasks tries the arms of a node.
    fn chooses(&self, tasks: &[crate::value::TaskId], choice: NodeId) -> bool {
        tasks.iter().any(|task| {
            let task = &self[*task];
            task.kind == TaskKind::Disjunctions && self.underlying(self[task.work].node) == choice
        })
    }

    /// Notes a sign, and whether it makes a doubt with others.
    pub(crate) fn sign(&mut self, sign: Sign) {
        if self.overlays.is_empty() {
            if sign == Sign::Forced {
                self.doubts.forced = true;
                self.doubt_forced();
            }
            return;
        }
        self.doubts.signs |= sign as u8;
        let has = |a: Sign, b: Sign| {
            let both = a as u8 | b as u8;
            self.doubts.signs & both == both
        };
        let strict = has(Sign::Forced, Sign::Reads) || has(Sign::Finishes, Sign::Reads);
        let doubtful = has(Sign::Forced, Sign::Asked) || has(Sign::Forced, Sign::Again);
        let confused = has(Sign::Again, Sign::Reads);
        if strict || doubtful || confused {
            self.doubts.strict |= strict;
            self.doubts.always |= confused;
            self.doubt(Doubt::Choice);
        }
    }

    fn doubt_forced(&mut self) {
        if self.doubts.forced && self.doubts.reads_itself {
            self.doubt(Doubt::Choice);
        }
    }

    /// A reference to be unified with led to a node.
    pub(crate) fn doubt_reference(&mut self, target: NodeId) {
        if self[target].status != Status::Evaluating {
            return;
        }
        if self.doubts.alternatives > 0 {
            self.doubt(Doubt::Choice);
        }
        if self.overlays.is_empty() {
            return;
        }
        self.sign(Sign::Reads);
        if self.in_comprehension() {
            self.doubt(Doubt::Choice);
        }
        let choice = self.underlying(target);
        if self.chooses(&self.task_stack, choice) {
            self.sign(Sign::ReadsItself);
            if self.doubts.calls > 0 {
                self.doubt(Doubt::Choice);
            }
            self.doubts.read.insert(choice);
            self.doubts.reads_itself = true;
            self.doubt_forced();
        }
    }

    /// A reference leads to what encloses it, and something else is there beside it. What a comprehension in there adds ends
    /// only because the one in the copy comes to nothing, and what that one sees is a matter of order.
    pub(crate) fn doubt_enclosing(&mut self, env: Option<EnvId>, target: NodeId) {
        let around = self[target].parent;
        let mut next = env.unwrap_or(NO_ENV);
        while next != NO_ENV && Some(self.env_node(next)) != around {
            if self[next].comp != 0 {
                return self.doubt(Doubt::Enclosing);
            }
            next = self[next].up;
        }
    }

    /// A node that is on its way is to be finished.
    pub(crate) fn doubt_finishing(&mut self, node: NodeId) {
        if !self.overlays.is_empty() && self.chooses(&self.task_stack, self.underlying(node)) {
            self.sign(Sign::Finishes);
        }
    }

    /// An expression asks for the value of a node.
    pub(crate) fn doubt_value(&mut self, orig: NodeId, node: NodeId) {
        if self[node].status != Status::Evaluating {
            return;
        }
        let own_struct = self.task_stack.iter().any(|task| {
            let task = &self[*task];
            let of = self[task.work].node;
            task.kind == TaskKind::Comprehension
                && (of == node || of == orig)
                && self[task.work].scalar.is_none()
        });
        if own_struct {
            // A field that is not there, or is there, may be the one the whole fails by: an error is doubtful, too.
            self.doubts.always = true;
            self.doubt(Doubt::OwnStruct);
        }
        // The comprehension goes on with what there is: inside arms, that hangs on how far the others are.
        if !self.overlays.is_empty() && self.in_comprehension() {
            self.doubt(Doubt::Choice);
        }
    }

    /// Whether a comprehension runs.
    fn in_comprehension(&self) -> bool {
        self.task_stack
            .iter()
            .any(|task| self[*task].kind == TaskKind::Comprehension)
    }

    pub(crate) const fn call_begins(&mut self) {
        self.doubts.calls += 1;
    }

    pub(crate) const fn call_ends(&mut self) {
        self.doubts.calls -= 1;
    }

    pub(crate) const fn alternatives_begin(&mut self) {
        self.doubts.alternatives += 1;
    }

    pub(crate) const fn alternatives_end(&mut self) {
        self.doubts.alternatives -= 1;
    }

    /// Nothing is of two types. That an arm fails by it is nothing special.
    pub(crate) fn types_conflict(&mut self, node: NodeId) {
        self.doubts.conflict |= self.overlays.is_empty() || self[node].underlying.is_none();
    }

    /// Looks for values that are of no type although they are no error.
    fn doubt_types(&mut self, root: NodeId) {
        let of_no_type = |node| {
            let kind = crate::dump::settled_kind(self, Value::Node(node));
            self.fault_of(node).is_none() && kind.is_bottom()
        };
        if self.is_somewhere(root, of_no_type) {
            self.doubt(Doubt::NoType);
        }
    }

    /// Looks for choices that are no error although no arm is left that is none: their arms met one another; and for such
    /// as have a default beside an arm in error, which the reference keeps or drops.
    fn doubt_arms(&mut self, root: NodeId) {
        let in_error = |arm: &Value| match *arm {
            Value::Node(arm) => self.fault_of(self.deref(arm)).is_some(),
            _ => false,
        };
        let broken: FxHashSet<u32> = (0..)
            .zip(&self.disjunctions)
            .filter(|(_, choice)| {
                let arms = &choice.values;
                arms.iter().all(in_error) || choice.defaults > 0 && arms.iter().any(in_error)
            })
            .map(|(id, _)| id)
            .collect();
        let is_broken = |node: NodeId| {
            matches!(self[node].base, Base::Value(Value::Disjunction(id)) if broken.contains(&id.0))
                && self.fault_of(node).is_none()
        };
        if !broken.is_empty() && self.is_somewhere(root, is_broken) {
            self.doubts.always = true;
            self.doubt(Doubt::Choice);
        }
    }

    /// Whether something holds for a node or what is below it.
    fn is_somewhere(&self, root: NodeId, holds: impl Fn(NodeId) -> bool) -> bool {
        let mut nodes = vec![root];
        let mut seen = FxHashSet::default();
        while let Some(node) = nodes.pop() {
            let node = self.deref(node);
            if !seen.insert(node) {
                continue;
            }
            if holds(node) {
                return true;
            }
            nodes.extend_from_slice(self[node].arcs());
        }
        false
    }

    /// Something is looked up in a node.
    pub(crate) fn doubt_base(&mut self, node: NodeId) {
        if self.overlays.is_empty() || self[node].status != Status::Evaluating {
            return;
        }
        let choice = self.underlying(node);
        if self.chooses(&self.task_stack, choice) {
            // Whether a list may have more elements hangs on whether the reference closed it by then.
            if self.in_comprehension() || self.kind(Value::Node(node)) == Kind::LIST {
                self.doubt(Doubt::Choice);
            }
            self.doubts.parts_read.insert(choice);
        }
    }

    /// No arm of a choice is left.
    pub(crate) fn doubt_failure(&mut self, node: NodeId, fault: FaultId) {
        let choice = self.underlying(node);
        let read = self.doubts.read.contains(&choice)
            || (self.is_incomplete(fault) && self.doubts.parts_read.contains(&choice));
        if read {
            self.doubt(Doubt::Choice);
        }
    }

    /// A product or quotient was calculated.
    pub(crate) fn doubt_product<'n>(
        &mut self,
        mut factors: impl Iterator<Item = &'n Decimal>,
        product: &Decimal,
    ) {
        self.doubts.negative_zero |= product.is_zero() && factors.any(Decimal::is_negative);
    }

    /// A number becomes text.
    pub(crate) fn doubt_text(&mut self, number: &Decimal) {
        if self.doubts.negative_zero && number.is_zero() {
            self.doubt(Doubt::NegativeZero);
        }
    }

    /// A function holds something against a schema. If that is being evaluated, the reference finishes it in between, by
    /// which validators in it come to be in a cycle, or not: that hangs on the order of the fields.
    pub(crate) fn met_schema(&mut self, schema: Value) {
        let Value::Node(node) = schema else { return };
        let node = self.deref(node);
        if self.runs(node) {
            self.doubts.own_schemas.insert(node);
        }
    }

    /// A call holds something against a schema. If the schema is checked by the same call, it fits where it does not.
    pub(crate) fn doubt_own_validator(&mut self, call: Option<ExprId>, schema: Value) {
        let is_own = |value: &Value| match value {
            Value::Validator(id) => call.is_some() && self.validators[id.at()].call == call,
            _ => false,
        };
        let own = match self.unwrap(schema) {
            Some(Value::Conjunction(id)) => self.conjunctions[id.at()].iter().any(is_own),
            Some(value) => is_own(&value),
            None => false,
        };
        if own {
            self.doubt(Doubt::OwnValidator);
        }
    }

    /// A validator was made.
    pub(crate) fn doubt_validator(&mut self) {
        if self.doubts.own_schemas.is_empty() {
            return;
        }
        let mut next = self.node;
        while let Some(node) = next {
            if self.doubts.own_schemas.contains(&node) {
                return self.doubt(Doubt::OwnSchema);
            }
            next = self[node].parent;
        }
    }

    pub(crate) const fn met_empty_text(&mut self) {
        self.doubts.empty_text = true;
    }

    /// Looks for cycles, if a text is made of a field that was on its way: which of the two was first decides.
    fn doubt_cycles(&mut self, root: NodeId) {
        let in_cycle = |node| {
            let fault = self.fault_of(node);
            fault.is_some_and(|fault| self[fault].code == FaultCode::Cycle)
        };
        if self.doubts.empty_text && self.is_somewhere(root, in_cycle) {
            self.doubt(Doubt::EmptyText);
        }
    }

    pub(crate) const fn met_no_sharing(&mut self) {
        self.doubts.unshared = true;
    }

    /// A comprehension goes over a node.
    pub(crate) fn doubt_loop(&mut self, source: NodeId) {
        if self.doubts.unshared && matches!(self[source].base, Base::List { .. }) {
            self.doubt(Doubt::NoSharing);
        }
    }

    /// A comprehension met a required field of a node that is not there.
    pub(crate) fn gone_over(&mut self, source: NodeId) {
        self.doubts.gone_over.push(source);
    }

    /// Whether one of the structs that comprehensions went over is in error for good: the reference then goes over what is
    /// there, or not, as the error is found before or after.
    fn doubt_sources(&mut self) -> Run<()> {
        for source in std::mem::take(&mut self.doubts.gone_over) {
            self.in_own_context(|session| session.finalize(source))?;
            let node = self.deref(source);
            let fault = self.fault_of(node).or(self[node].child_faults);
            if fault.is_some_and(|fault| !self.is_incomplete(fault)) {
                self.doubt(Doubt::BrokenSource);
            }
        }
        Ok(())
    }

    /// Ends an evaluation that is in doubt, unless what came out is an error.
    pub(crate) fn settle_doubts(&mut self, node: NodeId) -> Run<()> {
        let fault = self
            .fault_of(self.deref(node))
            .filter(|fault| !matches!(self[*fault].code, FaultCode::Incomplete | FaultCode::Cycle));
        if fault.is_none() {
            self.doubt_sources()?;
        }
        if self.doubts.conflict && fault.is_none() {
            self.doubt_types(node);
        }
        self.doubt_arms(node);
        self.doubt_cycles(node);
        let Some((doubt, pos)) = self.doubts.found else {
            return Ok(());
        };
        if let Some(fault) = fault {
            let mut problems = self.problems_of(fault).into_iter();
            let of_arms = problems
                .any(|problem| self.problems[problem as usize].template == crate::arms::HEADING);
            if !(self.doubts.always || of_arms && self.doubts.strict) {
                return Ok(());
            }
        }
        self.poison.get_or_insert(doubt.poison(pos));
        Err(Stop::Poison)
    }
}
