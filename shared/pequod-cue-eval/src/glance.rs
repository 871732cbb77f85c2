//! Arms that need not be tried, since a glance shows that they fail.
//!
//! Trying an arm copies the node and evaluates it. Most disjunctions of real schemas tell their arms apart by a type
//! (`null | {…}`), a scalar (`"a" | "b"`) or a field with a scalar (`{kind: "a", …} | {kind: "b", …}`), and what is
//! unified with them is known. What is said here must be certain: an arm that would only fail later, or only be
//! incomplete, has its say in which defaults are left.

use crate::conjunct::Content;
use crate::disjunct::{DefaultMode, Hole};
use crate::kind::{Kind, Presence};
use crate::program::{Decl, Expr, StructId};
use crate::sched::{Kind as TaskKind, State};
use crate::session::{Elem, Session};
use crate::value::{Base, NodeId, Value, WorkId};

impl Session<'_> {
    /// Whether an arm contradicts what is known of a node.
    pub(crate) fn cannot_hold(&self, work: WorkId, arm: Elem) -> bool {
        let known = self[work].kind;
        if known.is_bottom() {
            return false;
        }
        match self.content(arm) {
            Content::Value(Value::Type(kind), _) => !known.meets(kind),
            Content::Value(value, _) if is_scalar(value) => {
                let other = self[work].scalar.map(|scalar| scalar.value);
                !known.meets(self.kind(value))
                    || other.is_some_and(|other| self.scalars_contradict(value, other))
            }
            Content::Expr(expr) => match *self.program.expr(expr) {
                Expr::List(_) => !known.meets(Kind::LIST),
                Expr::Struct(lit) => {
                    let embeds = self.program.structs[lit.at()].embeds;
                    (!embeds && !known.meets(Kind::STRUCT)) || self.field_contradicts(work, lit)
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// What a node's standing comes to if it is a scalar, nothing else is asked of it, and all its disjunctions are of
    /// scalars and types: then a glance shows which arms hold, and none needs to be tried. None if that is not so, or no
    /// arm is left.
    pub(crate) fn chosen_by_scalar(&self, work: WorkId, holes: &[Hole]) -> Option<DefaultMode> {
        let w = &self[work];
        let n = &self[w.node];
        let scalar = w.scalar?.value;
        let alone = self.overlays.is_empty()
            && self.errs.is_none()
            && w.lower.is_none()
            && w.upper.is_none()
            && w.checks.is_empty()
            && w.post_checks.is_empty()
            && w.faults.is_none()
            && w.default_asked.is_none()
            && !w.is_shared
            && !w.has_struct
            && n.arcs().is_empty()
            && n.patterns().is_empty()
            && w.kind.meets(self.kind(scalar))
            && !self.parent_task_active(work)
            && w.tasks.iter().all(|task| {
                self[*task].kind == TaskKind::Disjunctions || self[*task].state == State::Done
            });
        if !alone {
            return None;
        }
        // As the product of all arms would find it, one disjunction after another.
        let (mut own, mut latest) = (w.default_mode, w.orig_default_mode);
        for hole in holes {
            let mut first = None;
            let mut has_default = false;
            for arm in &hole.arms {
                let holds = match self.content(arm.elem()) {
                    Content::Value(Value::Type(kind), _) => kind.meets(self.kind(scalar)),
                    Content::Value(value, _) if is_scalar(value) => {
                        !self.scalars_contradict(value, scalar)
                    }
                    _ => return None,
                };
                if holds {
                    first = first.or(Some(arm.mode()));
                    has_default |= arm.mode() == DefaultMode::Is;
                }
            }
            let first = first?;
            let drops_left = own != DefaultMode::Is && latest != DefaultMode::Is;
            // Arms that hold are equal: they become one, a default if one of them is.
            own = if has_default {
                own.and_unless(DefaultMode::Is, drops_left, false)
            } else {
                own.and_unless(first, drops_left, true)
            };
            latest = first;
        }
        Some(own)
    }

    /// Whether a field with a scalar has another scalar in a struct literal.
    fn field_contradicts(&self, work: WorkId, lit: StructId) -> bool {
        let node = self[work].node;
        // Errors behind a field that may be missing are found later.
        let sure = self[node]
            .arcs()
            .iter()
            .take_while(|arc| {
                self[**arc].presence <= Presence::Required && !self[**arc].label.is_let()
            })
            .count();
        if sure == 0 {
            return false;
        }
        self.program.structs[lit.at()].decls.iter().any(|decl| {
            let Decl::Field {
                label,
                presence: Presence::Member | Presence::Required,
                value,
                ..
            } = self.program.decl(*decl)
            else {
                return false;
            };
            let Expr::Value(wanted) = *self.program.expr(*value) else {
                return false;
            };
            is_scalar(wanted)
                && self[node].arcs()[..sure]
                    .iter()
                    .find(|arc| self[**arc].label == *label)
                    .and_then(|arc| self.known_scalar(*arc))
                    .is_some_and(|found| self.scalars_contradict(wanted, found))
        })
    }

    fn known_scalar(&self, arc: NodeId) -> Option<Value> {
        match (self[arc].work, self[arc].base) {
            (Some(work), _) if self[work].scalar.is_some() => {
                self[work].scalar.map(|scalar| scalar.value)
            }
            (_, Base::Value(value)) if is_scalar(value) => Some(value),
            _ => None,
        }
    }

    fn scalars_contradict(&self, a: Value, b: Value) -> bool {
        self.kind(a) != self.kind(b) || !self.scalars_equal(a, b)
    }
}

/// Whether a value is one piece of data.
pub(crate) const fn is_scalar(value: Value) -> bool {
    matches!(
        value,
        Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Num(_)
            | Value::Str(_)
            | Value::Bytes(_)
    )
}
