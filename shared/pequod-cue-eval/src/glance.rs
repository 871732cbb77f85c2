//! Arms that need not be tried, since a glance shows that they fail.
//!
//! Trying an arm copies the node and evaluates it. Most disjunctions of real schemas tell their arms apart by a type
//! (`null | {…}`), a scalar (`"a" | "b"`) or a field with a scalar (`{kind: "a", …} | {kind: "b", …}`), and what is
//! unified with them is known. What is said here must be certain: an arm that would only fail later, or only be
//! incomplete, has its say in which defaults are left.

use crate::conjunct::Content;
use crate::kind::{Kind, Presence};
use crate::program::{Decl, Expr, StructId};
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
