//! Closedness: which fields a definition allows, and why that is a question about evidence.
//!
//! A struct is not "closed" as a flag. Every reference to a definition (or to a result of
//! `close()`) gets an *id*, and every conjunct that comes by way of that reference carries it, down
//! to all fields. When a node is complete, each of its fields must show, for each id that requires
//! it, a conjunct that came by it: evidence that this definition knows the field.
//!
//! ```cue
//! #A: {a: int, [=~"^x"]: int}
//! v:  #A & {a: 1, x1: 2, b: 3}  // `a` and `x1` carry the id of #A; `b` does not
//! ```
//!
//! - An *embedded* definition only adds evidence for the struct around it; but that struct is then
//!   closed as a whole, so literals with embeddings get an id as a scope, inactive until an
//!   embedded definition activates it.
//! - Ids form a forest (each knows in which it arose) plus *replacements*: the same node referred to
//!   on several ways is unified once, and its id serves all of them.
//! - `...`, a bare `_`, and validators that look at the value as a whole take the requirement off.
//! - Definitions close all levels, `close()` one.
//! - Definitions, hidden fields and lets are always allowed.

use std::mem::take;
use std::sync::Arc;

use pequod_cue_syntax::Pos;
use rustc_hash::FxHashSet;
use smallvec::{SmallVec, smallvec};

use crate::kind::{Kind, Presence};
use crate::program::{Expr, ExprId, StructLit};
use crate::session::{Close, EMPTY, Run, Session, Status};
use crate::value::{Base, NodeId, Value, WorkId};

/// So many ids, one beside the other, are compared with one in the time of a step.
const COMPARED_IN_A_STEP: u64 = 256;

/// For so many ids it is found out in the time of a step whether they lie within another.
const LOOKED_UP_IN_A_STEP: u64 = 4;

/// So many ids are passed in the time of a step on the way from one to another. Few ways are that long.
const WALKED_IN_A_STEP: u64 = 16;

/// What was looked up and is not charged yet.
#[derive(Debug, Default)]
struct Looks(u64);

/// What a conjunct says about openness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// It has `...`.
    pub const HAS_ELLIPSIS: Self = Self(1);
    /// It is `_`, or a type.
    pub const HAS_TOP: Self = Self(2);
    /// It is a struct literal.
    pub const HAS_STRUCT: Self = Self(4);
    /// It is a validator that takes over the check.
    pub const OPEN_VALIDATOR: Self = Self(8);

    /// Both.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The id a conjunct of a node came by.
#[derive(Debug, Clone, Copy)]
pub struct ConjunctMark {
    id: u32,
    embed: u32,
    kind: Kind,
    flags: Flags,
}

/// The kinds of id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefKind {
    /// An embedding.
    Embedding,
    /// A reference.
    Reference,
    /// A literal with embeddings.
    Struct,
}

/// An id that arose at a node.
#[derive(Debug, Clone, Copy)]
pub struct Requirement {
    target: NodeId,
    id: u32,
    parent: u32,
    embed: u32,
    ignore: bool,
    kind: DefKind,
    recursive: bool,
    conjunct_opened: bool,
}

/// An id as it applies to a node's fields.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks of one requirement"
)]
pub struct RequirementSet {
    id: u32,
    parent: u32,
    embed: u32,
    kind: DefKind,
    once: bool,
    ignored: bool,
    removed: bool,
    conjunct_opened: bool,
}

/// What a node does to a requirement that it inherits.
enum Effect {
    Stays,
    /// It holds no longer, but others may still ask for it.
    Removed,
    /// It is gone.
    Dropped,
}

impl Session<'_> {
    fn next_closing(&mut self, pos: Option<Pos>) -> u32 {
        let id = u32::try_from(self.closings.len()).unwrap_or(u32::MAX);
        self.meter.charge_bytes(16);
        self.closings.push((0, pos));
        id
    }

    /// What serves `from` is also what came by `to`.
    pub(crate) fn add_replacement(&mut self, work: WorkId, from: u32, to: u32) {
        if from == 0 || from == to {
            return;
        }
        if from < to && self.closings[to as usize].0 == 0 {
            self.closings[to as usize].0 = from;
            return;
        }
        let w = &mut self[work];
        // What was worked out from the replacements so far stays, as in the reference.
        w.sets = None;
        w.replacements.push((from, to));
    }

    pub(crate) fn mark_conjunct(&mut self, work: WorkId, kind: Kind, id: Close, flags: Flags) {
        self.meter
            .note(self[work].marks.len() as u64 / COMPARED_IN_A_STEP);
        let marks = &mut self[work].marks;
        if let Some(mark) = marks.iter_mut().rev().find(|mark| mark.id == id.id) {
            mark.kind &= kind;
            mark.flags = mark.flags.or(flags);
        } else {
            marks.push(ConjunctMark {
                id: id.id,
                embed: id.embed,
                kind,
                flags,
            });
        }
    }

    /// Gives a reference an id at this node.
    pub(crate) fn add_resolver(
        &mut self,
        work: WorkId,
        target: NodeId,
        mut id: Close,
        force_ignore: bool,
        expr: Option<ExprId>,
    ) -> Close {
        let closes_outer = id.from_def && id.from_embed && !id.opened && !id.conjunct_opened;
        let target_closed = self[target].closed;
        if closes_outer && !force_ignore {
            let mut outer = id.outer;
            for requirement in self[work].requirements.iter_mut().rev() {
                if requirement.id == outer && outer != 0 {
                    requirement.ignore = false;
                    if target_closed {
                        requirement.recursive = true;
                    }
                    outer = requirement.parent;
                }
            }
        }
        let ignore = if force_ignore || id.opened {
            true
        } else if id.embed != 0 || id.outer == 0 {
            // Definitions within one embedding are checked against each other.
            !(id.from_def || self[target].closed_once || target_closed)
        } else {
            id.from_embed
        };
        let mut dst = 0;
        self.meter
            .note(self[work].requirements.len() as u64 / COMPARED_IN_A_STEP);
        if let Some(known) = self[work]
            .requirements
            .iter_mut()
            .find(|r| r.target == target)
        {
            dst = known.id;
            if known.ignore && !ignore {
                known.ignore = false;
                known.parent = id.outer;
                known.embed = id.embed;
            }
        }
        if dst == 0 || id.embed != 0 {
            let pos = expr.map(|expr| self.program.span(expr).pos());
            let next = self.next_closing(pos);
            if dst != 0 {
                self.add_replacement(work, next, dst);
            }
            dst = next;
            self[work].requirements.push(Requirement {
                target,
                id: dst,
                parent: id.outer,
                embed: id.embed,
                ignore,
                kind: DefKind::Reference,
                recursive: target_closed,
                conjunct_opened: id.conjunct_opened,
            });
        }
        let src = std::mem::replace(&mut id.id, dst);
        self.add_replacement(work, src, dst);
        id
    }

    /// Gives a scope an id: an embedding, or a literal with embeddings.
    pub(crate) fn new_scope(
        &mut self,
        work: WorkId,
        expr: Option<ExprId>,
        mut id: Close,
        kind: DefKind,
    ) -> Close {
        let pos = expr.map(|expr| self.program.span(expr).pos());
        let dst = self.next_closing(pos);
        self.add_replacement(work, id.id, dst);
        let parent = std::mem::replace(&mut id.id, dst);
        match kind {
            DefKind::Embedding => id.embed = dst,
            DefKind::Struct | DefKind::Reference => id.outer = dst,
        }
        self[work].requirements.push(Requirement {
            target: EMPTY,
            id: dst,
            parent,
            embed: id.embed,
            ignore: true,
            kind,
            recursive: id.from_def,
            conjunct_opened: false,
        });
        id
    }

    /// Marks an embedding; a conjunction in one gets a scope, so that `{#A & #B, c: 1}` checks #A
    /// and #B against each other but leaves `c` alone.
    pub(crate) fn inject_embed(
        &mut self,
        work: WorkId,
        expr: Option<ExprId>,
        explicit_open: bool,
        mut id: Close,
    ) -> Close {
        if explicit_open {
            return id;
        }
        id.from_embed = true;
        if let Some(expr) = expr
            && matches!(self.program.expr(expr), Expr::Binary(..))
        {
            return id;
        }
        self.new_scope(work, expr, id, DefKind::Embedding)
    }

    /// Marks the literal that an embedded definition will close as a whole.
    pub(crate) fn split_struct(
        &mut self,
        work: WorkId,
        lit: &StructLit,
        expr: ExprId,
        id: Close,
    ) -> Close {
        if lit.explicit_open || id.outer != 0 || id.from_embed || lit.is_file {
            return id;
        }
        self.new_scope(work, Some(expr), id, DefKind::Struct)
    }

    /// Whether nothing is required of a node's fields, and nothing will be. The scopes of literals and comprehensions
    /// require nothing as long as no definition is embedded there.
    pub(crate) fn allows_all(&mut self, work: WorkId) -> Run<bool> {
        let requires = self[work].requirements.iter().any(|r| !r.ignore);
        if requires || !self.all_tasks_finished(work) {
            return Ok(false);
        }
        match self.state_above(self[work].node) {
            Some(up) if !self[work].drop_parent_sets => Ok(self.requirement_sets(up)?.is_empty()),
            _ => Ok(true),
        }
    }

    /// Looks for fields nobody vouches for.
    pub(crate) fn check_fields(&mut self, work: WorkId) -> Run<()> {
        let node = self.deref(self[work].node);
        if self[node].arcs().is_empty() {
            return Ok(());
        }
        if let Base::Value(Value::Fault(fault)) = self[node].base
            && !self[fault].close_check
        {
            return Ok(());
        }
        let mut required = self.requirement_sets(work)?;
        if required.is_empty() {
            return Ok(());
        }
        if has_flag(&self[work].marks, Flags::HAS_ELLIPSIS) {
            let mut looks = Looks::default();
            for at in 0..required.len() {
                self.look(&mut looks, self[work].marks.len())?;
                if self.opened_by_parent(work, required[at].id, work) != 0 {
                    Arc::make_mut(&mut required)[at].removed = true;
                }
            }
        }
        let mut worst = None;
        for at in 0..self[node].arcs().len() {
            self.charge(required.len() as u64 / COMPARED_IN_A_STEP)?;
            let label = self[self[node].arcs()[at]].label;
            let arc = self.deref_disjunct(self[node].arcs()[at]);
            // What never had a state has nothing but its parent's replacements.
            let plain = self[arc].plain.then_some(work);
            // What came so late that it was not evaluated has no evidence yet.
            let late = self[arc].inserted && self[arc].status == Status::Fresh;
            let fresh = if late { self.bare_work(arc) } else { None };
            let Some(state) = self[arc].work.or(plain).or(fresh) else {
                continue;
            };
            if let Base::Value(Value::Fault(fault)) = self[arc].base
                && !self[fault].close_check
            {
                continue;
            }
            if label.is_always_allowed() || self.all_satisfied(state, arc, &required)? {
                continue;
            }
            if let Some(fault) = self.not_allowed(arc)
                && self[arc].presence <= Presence::Required
            {
                worst = self.combine(worst, Some(fault));
            }
        }
        if let Some(fault) = worst {
            self.add_child_fault(self[work].node, fault);
        }
        Ok(())
    }

    /// Counts what is looked at for evidence: where many conjuncts of a field meet many requirements that is most of
    /// the work there is.
    fn look(&mut self, looks: &mut Looks, marks: usize) -> Run<()> {
        looks.0 += marks as u64 + 1;
        if looks.0 < 16 * LOOKED_UP_IN_A_STEP {
            return Ok(());
        }
        self.charge(take(&mut looks.0) / LOOKED_UP_IN_A_STEP)
    }

    /// The ids that a field without a state came by.
    fn plain_marks(&self, arc: NodeId) -> Vec<ConjunctMark> {
        let n = &self[arc];
        let conjuncts = n.conjuncts.iter().filter(|_| n.plain);
        conjuncts
            .map(|c| ConjunctMark {
                id: c.close.id,
                embed: c.close.embed,
                kind: self.kind(Value::Node(arc)),
                flags: Flags::NONE,
            })
            .collect()
    }

    fn all_satisfied(&mut self, state: WorkId, arc: NodeId, sets: &[RequirementSet]) -> Run<bool> {
        if sets.iter().all(|set| set.ignored || set.removed) {
            return Ok(true);
        }
        let own = self[arc].work;
        let marks = match own {
            Some(work) => take(&mut self[work].marks),
            None => self.plain_marks(arc),
        };
        let mut looks = Looks::default();
        let mut satisfied = Ok(true);
        for at in 0..sets.len() {
            if sets[at].ignored || sets[at].removed {
                continue;
            }
            satisfied = self
                .look(&mut looks, marks.len())
                .map(|()| self.satisfied(state, &marks, sets, at));
            if satisfied != Ok(true) {
                break;
            }
        }
        if let Some(work) = own {
            self[work].marks = marks;
        }
        satisfied
    }

    /// Whether a field shows evidence for one requirement.
    fn satisfied(
        &mut self,
        arc: WorkId,
        marks: &[ConjunctMark],
        sets: &[RequirementSet],
        at: usize,
    ) -> bool {
        let set = sets[at];
        if marks.iter().any(|mark| self.contains(arc, set.id, mark.id)) {
            return true;
        }
        let Some(embed) = find_set(sets, set.embed) else {
            return false;
        };
        if set.conjunct_opened && set.parent == 0 {
            return !marks
                .iter()
                .any(|mark| self.contains(arc, embed.id, mark.embed));
        }
        let outer = find_set(sets, set.parent);
        for mark in marks {
            if self.contains(arc, embed.id, mark.embed) {
                continue;
            }
            if set.parent == 0 {
                // An embedding from another context is no evidence here.
                if embed.parent != 0 && find_set(sets, embed.parent).is_none() {
                    continue;
                }
                return true;
            }
            match outer {
                None => return true,
                Some(outer) if outer.removed => return true,
                // Added in the struct around the embedding.
                Some(outer) if self.contains(arc, outer.id, mark.id) => return true,
                Some(_) => {}
            }
        }
        false
    }

    /// Whether one id lies within another, by origin or by replacement.
    fn contains(&mut self, work: WorkId, node: u32, child: u32) -> bool {
        if node == child {
            return true;
        }
        if self[work].flat_replacements.is_none() {
            self.all_replacements(work);
        }
        let flat = self[work].flat_replacements.as_deref().unwrap_or_default();
        let (found, ids) = contains_by(&self.closings, flat, node, child);
        self.meter.note(ids / WALKED_IN_A_STEP);
        found
    }

    /// Works out what is required of a node's fields while those above it are there to ask.
    pub(crate) fn remember_requirements(&mut self, work: WorkId) -> Run<()> {
        self.requirement_sets(work)?;
        self.all_replacements(work);
        Ok(())
    }

    /// The replacements of a node and of all above it, `to` descending, as they are when somebody first asks: what
    /// comes later is not among them, as in the reference. Most nodes have none of their own and share those of their
    /// parent.
    fn all_replacements(&mut self, work: WorkId) -> Arc<[(u32, u32)]> {
        if let Some(known) = &self[work].flat_replacements {
            return known.clone();
        }
        let mut all = Vec::new();
        let mut known = None;
        let mut next = Some(work);
        while let Some(at) = next {
            let w = &self[at];
            all.extend_from_slice(&w.replacements);
            known = known.or(w.flat_replacements.as_ref());
            next = self.state_above(w.node);
        }
        all.sort_by_key(|(_, to)| std::cmp::Reverse(*to));
        let all: Arc<[(u32, u32)]> = match known {
            Some(known) if **known == *all => known.clone(),
            _ => all.into(),
        };
        self[work].flat_replacements = Some(all.clone());
        all
    }

    /// What is required of the fields of a node. Most nodes add nothing, and share what is required of their parent.
    fn requirement_sets(&mut self, work: WorkId) -> Run<Arc<[RequirementSet]>> {
        if let Some(sets) = &self[work].sets {
            return Ok(sets.clone());
        }
        let node = self[work].node;
        let up = self.state_above(node);
        let inherited = match up {
            Some(up) if !self[work].drop_parent_sets => self.requirement_sets(up)?,
            _ => Arc::default(),
        };
        let always_allowed =
            self[node].label.is_always_allowed() && self[node].label != crate::kind::Label::NONE;
        let mut sets = if self[work].requirements.is_empty()
            && !always_allowed
            && !inherited.iter().any(|set| set.once)
        {
            inherited
        } else {
            self.own_requirements(work, &inherited, always_allowed)?
        };
        if !sets.is_empty() {
            self.drop_opened(work, up, &mut sets)?;
        }
        self[work].sets = Some(sets.clone());
        Ok(sets)
    }

    /// What is required of a node's fields by what is required of its parent's and by its own references.
    fn own_requirements(
        &mut self,
        work: WorkId,
        inherited: &[RequirementSet],
        always_allowed: bool,
    ) -> Run<Arc<[RequirementSet]>> {
        let mut sets = inherited.to_vec();
        for set in &mut sets {
            if set.once {
                set.ignored = true;
            }
        }
        let inherited = sets.len();
        for at in 0..self[work].requirements.len() {
            let requirement = self[work].requirements[at];
            if requirement.ignore && requirement.kind == DefKind::Reference {
                continue;
            }
            self.charge(sets.len() as u64 / COMPARED_IN_A_STEP)?;
            if sets.iter().any(|set| set.id == requirement.id) {
                continue;
            }
            let once = requirement.kind != DefKind::Embedding
                && (self[requirement.target].closed_once
                    || (!requirement.ignore && !requirement.recursive));
            sets.push(RequirementSet {
                id: requirement.id,
                parent: requirement.parent,
                embed: requirement.embed,
                kind: requirement.kind,
                once,
                ignored: requirement.ignore,
                removed: false,
                conjunct_opened: requirement.conjunct_opened,
            });
            if requirement.parent != 0 && !requirement.ignore {
                let mut outer = requirement.parent;
                for set in sets[..inherited].iter_mut().rev() {
                    if outer == 0 {
                        break;
                    }
                    if set.id == outer {
                        set.once = (set.ignored || set.once) && !requirement.recursive;
                        set.ignored = false;
                        outer = set.parent;
                    }
                }
            }
        }
        if always_allowed {
            let looks = sets.len() as u64 * self[work].marks.len() as u64;
            self.charge(looks / LOOKED_UP_IN_A_STEP)?;
            let marks = take(&mut self[work].marks);
            let mut kept = Vec::new();
            for set in sets {
                self.charge(0)?;
                if marks
                    .iter()
                    .any(|mark| self.contains(work, set.id, mark.id))
                {
                    kept.push(set);
                }
            }
            sets = kept;
            self[work].marks = marks;
        }
        Ok(sets.into())
    }

    /// Removes requirements that `_`, `...` or a validator took off.
    fn drop_opened(
        &mut self,
        work: WorkId,
        up: Option<WorkId>,
        sets: &mut Arc<[RequirementSet]>,
    ) -> Run<()> {
        let marks = &self[work].marks;
        let opens = has_flag(marks, Flags::HAS_TOP)
            || has_flag(marks, Flags::OPEN_VALIDATOR)
            || up.is_some_and(|up| has_flag(&self[up].marks, Flags::HAS_ELLIPSIS));
        if !opens {
            let asks = |set: &RequirementSet| marks.iter().any(|mark| mark.id != set.id);
            if sets.iter().any(asks) {
                // Whoever asks has the replacements of this moment.
                self.all_replacements(work);
            }
            return Ok(());
        }
        let looks = sets.len() as u64 * marks.len() as u64;
        self.charge(looks / LOOKED_UP_IN_A_STEP)?;
        let marks = take(&mut self[work].marks);
        let mut dropped = false;
        for at in 0..sets.len() {
            // The ways to other ids were noted only.
            self.charge(0)?;
            let set = sets[at];
            match self.effect_on(&marks, work, up, set) {
                Effect::Stays => {}
                Effect::Removed => Arc::make_mut(sets)[at].removed = true,
                Effect::Dropped => {
                    dropped = true;
                    // No id: it is left out below.
                    Arc::make_mut(sets)[at].id = 0;
                }
            }
        }
        if dropped {
            *sets = sets.iter().copied().filter(|set| set.id != 0).collect();
        }
        self[work].marks = marks;
        Ok(())
    }

    /// What a node's own conjuncts do to one requirement.
    fn effect_on(
        &mut self,
        marks: &[ConjunctMark],
        work: WorkId,
        up: Option<WorkId>,
        set: RequirementSet,
    ) -> Effect {
        let mut flags = Flags::NONE;
        let mut any = false;
        for mark in marks {
            if self.contains(work, set.id, mark.id) {
                any = true;
                let own = if mark.id < set.id {
                    mark.flags.without(Flags::HAS_STRUCT)
                } else {
                    mark.flags
                };
                flags = flags.or(own);
            }
        }
        if (flags.has(Flags::HAS_TOP) && !flags.has(Flags::HAS_STRUCT))
            || flags.has(Flags::OPEN_VALIDATOR)
        {
            return Effect::Dropped;
        }
        if any && set.kind != DefKind::Struct {
            return Effect::Stays;
        }
        let opener = up.map_or(0, |up| self.opened_by_parent(work, set.id, up));
        if opener != 0 {
            let from_opener = |s: &mut Self| marks.iter().any(|m| s.contains(work, opener, m.id));
            if !any || (set.kind == DefKind::Struct && !from_opener(self)) {
                return Effect::Removed;
            }
        }
        Effect::Stays
    }

    /// The id of a conjunct with `...` that lies within a requirement; 0 is none.
    fn opened_by_parent(&mut self, work: WorkId, id: u32, marks_of: WorkId) -> u32 {
        for at in 0..self[marks_of].marks.len() {
            let mark = self[marks_of].marks[at];
            if mark.flags.has(Flags::HAS_ELLIPSIS) && self.contains(work, id, mark.id) {
                return mark.id;
            }
        }
        0
    }

    /// Adds what a dropped arm knew about closedness to the equal one that stays.
    pub(crate) fn merge_marks(&mut self, into: WorkId, from: WorkId) {
        for at in 0..self[from].marks.len() {
            let mark = self[from].marks[at];
            if !self[into].marks.iter().any(|m| m.id == mark.id) {
                self[into].marks.push(mark);
            }
        }
        for at in 0..self[from].replacements.len() {
            let replacement = self[from].replacements[at];
            if !self[into].replacements.contains(&replacement) {
                self[into].replacements.push(replacement);
            }
        }
        let (v, w) = (self[into].node, self[from].node);
        for at in 0..self[w].arcs().len() {
            let other = self[w].arcs()[at];
            if let Some(arc) = self.arc(v, self[other].label)
                && let (Some(into), Some(from)) = (self[arc].work, self[other].work)
            {
                self.merge_marks(into, from);
            }
        }
    }

    /// Where the conjuncts of an id came in, outermost last.
    pub(crate) fn closing_positions(&self, mut id: u32) -> Vec<Pos> {
        let mut positions = Vec::new();
        while id != 0 {
            let (parent, pos) = self.closings[id as usize];
            positions.extend(pos);
            id = parent;
        }
        positions
    }
}

fn find_set(sets: &[RequirementSet], id: u32) -> Option<RequirementSet> {
    if id == 0 {
        return None;
    }
    sets.iter().copied().find(|set| set.id == id)
}

/// Whether a mark has one of these flags.
fn has_flag(marks: &[ConjunctMark], flag: Flags) -> bool {
    marks.iter().any(|mark| mark.flags.has(flag))
}

/// After so many walks it is noted where they were.
const FEW_WALKS: usize = 8;

/// Walks from an id up its origins, and sideways by replacements. Origins have smaller numbers, so the replacements, sorted
/// from large to small, are gone through once a walk. No walk begins twice at one id: many ids that replace one another have
/// more ways between them than there is time for. Where there are many, none goes where another was.
/// Also gives how many ids it passed.
fn contains_by(
    closings: &[(u32, Option<Pos>)],
    flat: &[(u32, u32)],
    node: u32,
    start: u32,
) -> (bool, u64) {
    let mut begun: SmallVec<[u32; FEW_WALKS]> = smallvec![start];
    let mut walked = FxHashSet::default();
    let (mut next, mut passed) = (0, 0);
    while let Some(&child) = begun.get(next) {
        let many = next >= FEW_WALKS;
        next += 1;
        if child == node {
            return (true, passed);
        }
        let mut cursor = 0;
        let mut p = child;
        while p != 0 {
            if p == node {
                return (true, passed);
            }
            passed += 1;
            if many && !walked.insert(p) {
                break;
            }
            if flat.get(cursor).is_some_and(|(_, to)| *to > p) {
                cursor += flat[cursor..].partition_point(|(_, to)| *to > p);
            }
            while let Some((from, to)) = flat.get(cursor)
                && *to == p
            {
                let known = if many {
                    walked.contains(from)
                } else {
                    begun.contains(from)
                };
                if !known {
                    begun.push(*from);
                }
                cursor += 1;
            }
            p = closings[p as usize].0;
            if p == start {
                break;
            }
        }
    }
    (false, passed)
}
