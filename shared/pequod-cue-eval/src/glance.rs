//! Arms that need not be tried, since a glance shows that they fail.
//!
//! Trying an arm copies the node and evaluates it. Most disjunctions of real schemas tell their arms apart by a type
//! (`null | {…}`), a scalar (`"a" | "b"`) or a field with a scalar (`{kind: "a", …} | {kind: "b", …}`), and what is
//! unified with them is known. What is said here must be certain: an arm that would only fail later, or only be
//! incomplete, has its say in which defaults are left.

use smallvec::SmallVec;

use crate::conjunct::Content;
use crate::disjunct::{Arm, DefaultMode, Hole};
use crate::kind::{Kind, Label, Presence};
use crate::program::{Decl, Expr, ExprId, ListElem, StructId};
use crate::sched::{Cond, Kind as TaskKind, Mode, State};
use crate::session::{Conjunct, Elem, Run, Session, Stop};
use crate::value::{Base, EnvId, NodeId, Value, WorkId};

/// Scalars of fields that were computed for a glance.
pub(crate) type Computed = SmallVec<[(Label, Value); 2]>;

impl Session<'_> {
    /// Whether an arm contradicts what is known of a node.
    pub(crate) fn cannot_hold(&self, work: WorkId, arm: Elem, computed: &Computed) -> bool {
        let known = self[work].kind;
        // An error that is about is for the arm that is tried first. What is still to be computed is computed in each arm,
        // and may see that this is on its way.
        if known.is_bottom() || self.errs.is_some() || self.has_more_to_compute(work) {
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
                // What a comprehension goes over is evaluated on the way, and may see that this is on its way.
                Expr::List(list) => {
                    let elems = &self.program.lists[list.at()].elems;
                    !known.meets(Kind::LIST)
                        && elems.iter().all(|elem| matches!(elem, ListElem::Expr(_)))
                }
                Expr::Struct(lit) => {
                    !self.computes_labels(lit)
                        && ((!self.program.structs[lit.at()].embeds && !known.meets(Kind::STRUCT))
                            || self.field_contradicts(work, lit, computed))
                }
                _ => false,
            },
            _ => false,
        }
    }

    fn has_more_to_compute(&self, work: WorkId) -> bool {
        let mut tasks = self[work].tasks.iter().map(|task| &self[*task]);
        tasks.any(|task| task.kind != TaskKind::Disjunctions && task.state < State::Done)
    }

    /// What a node's standing comes to if it is a scalar, nothing else is asked of it, and all its disjunctions are of
    /// scalars and types: then a glance shows which arms hold, and none needs to be tried. None if that is not so, or no
    /// arm is left.
    pub(crate) fn chosen_by_scalar(&self, work: WorkId, holes: &[Hole]) -> Option<DefaultMode> {
        if self.errs.is_some() {
            return None;
        }
        let w = &self[work];
        let scalar = w.scalar?.value;
        if !w.kind.meets(self.kind(scalar)) || !self.nothing_else_is_asked(work) {
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

    /// Whether a node has nothing but a scalar or types, and its disjunctions; and nobody is on the way to look at it as
    /// an arm.
    pub(crate) fn nothing_else_is_asked(&self, work: WorkId) -> bool {
        let w = &self[work];
        let n = &self[w.node];
        self.overlays.is_empty()
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
            && !self.parent_task_active(work)
            && w.tasks.iter().all(|task| {
                self[*task].kind == TaskKind::Disjunctions || self[*task].state == State::Done
            })
    }

    /// Whether a struct literal has labels to compute: that is done on the way, and may see that this is on its way.
    fn computes_labels(&self, lit: StructId) -> bool {
        let mut decls = self.program.structs[lit.at()].decls.iter();
        decls.any(|decl| match self.program.decl(*decl) {
            Decl::Dynamic { .. } => true,
            Decl::Pattern { filter, .. } => !matches!(self.program.expr(*filter), Expr::Value(_)),
            _ => false,
        })
    }

    /// Whether a field with a scalar has another scalar in a struct literal.
    fn field_contradicts(&self, work: WorkId, lit: StructId, computed: &Computed) -> bool {
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
                    .and_then(|arc| {
                        let found = computed.iter().find(|(known, _)| known == label);
                        self.known_scalar(*arc).or(found.map(|(_, value)| *value))
                    })
                    .is_some_and(|found| self.scalars_contradict(wanted, found))
        })
    }

    /// The scalars of fields that tell arms apart, where they are still to be computed, but from nothing that is not done:
    /// `kind: "k\(i)"`. Every arm would compute them anew.
    pub(crate) fn computed_scalars(&mut self, work: WorkId, holes: &[Hole]) -> Run<Computed> {
        let mut computed = Computed::new();
        // Whoever records what is read has to see each arm read it.
        if self.records {
            return Ok(computed);
        }
        let node = self[work].node;
        for at in 0..self[node].arcs().len() {
            let arc = self[node].arcs()[at];
            let label = self[arc].label;
            if self[arc].presence > Presence::Required || label.is_let() {
                break;
            }
            if self.known_scalar(arc).is_some()
                || !holes.iter().any(|hole| self.tells_apart(hole, label))
            {
                continue;
            }
            for at in 0..self[arc].conjuncts.len() {
                let c = self[arc].conjuncts[at];
                if let Some(value) = self.computed_now(c)? {
                    computed.push((label, value));
                    break;
                }
            }
        }
        Ok(computed)
    }

    /// Whether arms have scalars in a field.
    fn tells_apart(&self, hole: &Hole, label: Label) -> bool {
        let has_scalar = |arm: &Arm| {
            let Content::Expr(expr) = self.content(arm.elem()) else {
                return false;
            };
            let Expr::Struct(lit) = *self.program.expr(expr) else {
                return false;
            };
            let decls = self.program.structs[lit.at()].decls.iter();
            decls
                .filter_map(|decl| match self.program.decl(*decl) {
                    Decl::Field {
                        label: field,
                        value,
                        ..
                    } if *field == label => Some(self.program.expr(*value)),
                    _ => None,
                })
                .any(|value| matches!(value, Expr::Value(value) if is_scalar(*value)))
        };
        hole.arms.iter().filter(|arm| has_scalar(arm)).count() > 1
    }

    /// What a conjunct comes to, if it is computed from what is done.
    fn computed_now(&mut self, c: Conjunct) -> Run<Option<Value>> {
        let Content::Expr(expr) = self.content(c.elem) else {
            return Ok(None);
        };
        let computes = matches!(
            self.program.expr(expr),
            Expr::Interpolation { .. } | Expr::Call(..) | Expr::Binary(..)
        );
        if !computes || !self.needs_nothing_more(c.env, expr) {
            return Ok(None);
        }
        let saved = self.save();
        self.errs = None;
        self.env = c.env;
        self.close = c.close;
        let value = self.value(expr, Cond::SCALAR_VALUE, Mode::Attempt);
        let failed = self.errs.is_some();
        self.restore(saved);
        match value {
            Ok(value) => Ok(value.filter(|value| !failed && is_scalar(*value))),
            Err(Stop::Yield) => Ok(None),
            Err(Stop::Poison) => Err(Stop::Poison),
        }
    }

    /// Whether all that an expression refers to are scalars that are done.
    fn needs_nothing_more(&self, env: EnvId, expr: ExprId) -> bool {
        match self.program.expr(expr) {
            Expr::Value(value) => is_scalar(*value),
            Expr::Interpolation {
                bytes: false,
                parts,
            } => parts.iter().all(|part| self.needs_nothing_more(env, *part)),
            Expr::Binary(_, x, y) => {
                self.needs_nothing_more(env, *x) && self.needs_nothing_more(env, *y)
            }
            Expr::Call(function, args) => {
                matches!(self.program.expr(*function), Expr::Value(Value::Builtin(_)))
                    && args.iter().all(|arg| self.needs_nothing_more(env, *arg))
            }
            Expr::Field { up, label } => {
                let env = (0..*up).fold(env, |env, _| self[env].up);
                let field = self.arc(self.env_node(env), *label);
                field
                    .and_then(|field| self.done(Value::Node(field)))
                    .is_some_and(is_scalar)
            }
            _ => false,
        }
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
