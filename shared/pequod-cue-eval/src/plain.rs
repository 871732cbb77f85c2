//! Disjunctions of scalars and types, multiplied out without trying an arm.
//!
//! `int | *1`, `"a" | "b"`, `null | string`: most disjunctions of schemas are of this kind, and a field often has the
//! same one from several places. What such arms come to is known beforehand, so nothing has to be copied and evaluated
//! to find it out; only what is left becomes a node. Modes are combined, and equal arms merged, in the order in which
//! the product of tried arms would do it.
//!
//! It is done only for a node of which nothing but its types is known, outside of other arms, and if something is
//! left: what arms die of is found by trying them.

use pequod_cue_syntax::Pos;
use smallvec::SmallVec;

use crate::conjunct::Content;
use crate::disjunct::{Arm, Arms, DefaultMode, Hole};
use crate::glance::is_scalar;
use crate::kind::Kind;
use crate::sched::{Cond, Mode};
use crate::session::{CycleKind, Node, Origin, Run, Session, Status};
use crate::value::{Base, Value, WorkId};

/// The types of which an arm may be.
const SCALARS: Kind = Kind::TOP
    .without(Kind::FUNC)
    .without(Kind::LIST)
    .without(Kind::STRUCT);

/// How many pairs of arms are looked at in a unit of work.
const PAIRS: usize = 16;

/// What making an arm of what is left takes, in units of work.
const ARM: usize = 2;

/// What arms come to: a scalar or a type, and its standing.
#[derive(Debug, Clone, Copy)]
struct Plain {
    value: Value,
    pos: Option<Pos>,
    mode: DefaultMode,
    /// The standing in the latest disjunction.
    latest: DefaultMode,
}

type Plains = SmallVec<[Plain; 4]>;

impl Session<'_> {
    /// The arms that are left of all disjunctions of a node, if they are scalars and types and nothing else is asked of it.
    /// None if that is not so, or nothing is left.
    pub(crate) fn plain_product(&mut self, work: WorkId, holes: &[Hole]) -> Run<Option<Arms>> {
        let node = self[work].node;
        let w = &self[work];
        let unknown = w.scalar.is_none()
            && w.kind.meets(SCALARS)
            && !w.any_cyclic
            && !w.ancestor_cycle
            && w.cyclic.is_empty()
            && w.notify.is_empty()
            && w.disjuncts.is_empty()
            && self.nothing_else_is_asked(work)
            && self.outer_mode(node).is_none();
        let plain = unknown
            && holes.iter().all(|hole| {
                hole.close.cycle <= CycleKind::Optional
                    && hole.arms.iter().all(|arm| self.plain(arm).is_some())
            });
        if !plain {
            return Ok(None);
        }
        let mut left = Plains::new();
        left.push(Plain {
            value: Value::Type(w.kind),
            pos: None,
            mode: w.default_mode,
            latest: w.orig_default_mode,
        });
        for hole in holes {
            self.charge((left.len() * hole.arms.len() / PAIRS) as u64)?;
            left = self.multiply(&left, hole);
        }
        if left.is_empty() {
            return Ok(None);
        }
        self.charge((left.len() * ARM) as u64)?;
        let from_def = holes.iter().any(|hole| hole.close.from_def);
        let arms = left
            .into_iter()
            .map(|plain| self.finished_arm(work, plain, from_def));
        Ok(Some(arms.collect::<Run<_>>()?))
    }

    /// A scalar as written, or a type of scalars.
    fn plain(&self, arm: &Arm) -> Option<(Value, Option<Pos>)> {
        match self.content(arm.elem()) {
            Content::Value(value, pos) if is_scalar(value) => Some((value, pos)),
            Content::Value(Value::Type(kind), pos) if kind.without(SCALARS).is_bottom() => {
                Some((Value::Type(kind), pos))
            }
            _ => None,
        }
    }

    fn multiply(&self, left: &[Plain], hole: &Hole) -> Plains {
        let mut products = Plains::new();
        let (mut drops_left, mut drops_right) = (true, true);
        for p in left {
            for arm in &hole.arms {
                let Some((value, pos)) = self.plain(arm) else {
                    continue;
                };
                let Some((value, pos)) = self.both((p.value, p.pos), (value, pos)) else {
                    continue;
                };
                let is = DefaultMode::Is;
                drops_left &= p.mode != is && p.latest != is;
                drops_right &= arm.mode() != is;
                products.push(Plain {
                    value,
                    pos,
                    mode: p.mode,
                    latest: arm.mode(),
                });
            }
        }
        let mut different = Plains::new();
        for mut product in products {
            product.mode = product
                .mode
                .and_unless(product.latest, drops_left, drops_right);
            let same = different
                .iter_mut()
                .find(|other| self.same_plain(other.value, product.value));
            match same {
                Some(other) if product.mode == DefaultMode::Is => other.mode = DefaultMode::Is,
                Some(_) => {}
                None => different.push(product),
            }
        }
        different
    }

    /// What satisfies two scalars or types; the first one's text and place, if it is a scalar.
    fn both(
        &self,
        (a, a_pos): (Value, Option<Pos>),
        (b, b_pos): (Value, Option<Pos>),
    ) -> Option<(Value, Option<Pos>)> {
        match (a, b) {
            (Value::Type(a), Value::Type(b)) => {
                a.meets(b).then_some((Value::Type(a & b), a_pos.or(b_pos)))
            }
            (Value::Type(kind), scalar) => kind.meets(self.kind(scalar)).then_some((scalar, b_pos)),
            (scalar, Value::Type(kind)) => kind.meets(self.kind(scalar)).then_some((scalar, a_pos)),
            _ => self.same_plain(a, b).then_some((a, a_pos)),
        }
    }

    fn same_plain(&self, a: Value, b: Value) -> bool {
        match (a, b) {
            (Value::Type(a), Value::Type(b)) => a == b,
            (Value::Type(_), _) | (_, Value::Type(_)) => false,
            _ => self.kind(a) == self.kind(b) && self.scalars_equal(a, b),
        }
    }

    /// The state of an arm as it would be had it been tried.
    fn finished_arm(&mut self, work: WorkId, plain: Plain, from_def: bool) -> Run<WorkId> {
        self.meter.work.disjuncts += 1;
        let orig = self[work].node;
        let w = &self[work];
        let closes = w.is_def && (!w.has_top || w.has_struct);
        let n = &self[orig];
        let node = Node {
            fields: None,
            conjuncts: SmallVec::new(),
            work: None,
            settled: false,
            underlying: Some(n.underlying.unwrap_or(orig)),
            base: Base::Value(plain.value),
            status: Status::Final,
            closed: n.closed || from_def || closes,
            disjunct: true,
            ..*n
        };
        let node = self.new_node(node);
        let arm = self.new_work(node);
        self[node].work = Some(arm);
        if let Ok([original, copy]) = self.works.get_disjoint_mut([work.at(), arm.at()]) {
            original.copy_into(copy);
        }
        let kind = match plain.value {
            Value::Type(kind) => kind,
            value => self.kind(value),
        };
        let a = &mut self[arm];
        a.kind = kind;
        a.started = true;
        a.has_value = true;
        a.has_non_cycle = true;
        a.has_non_cyclic = true;
        a.run_mode = Some(Mode::Finalize);
        a.default_mode = plain.mode;
        a.orig_default_mode = plain.latest;
        self.signal(arm, Cond::ANCESTORS)?;
        if is_scalar(plain.value) {
            self[arm].scalar = Some(Origin {
                value: plain.value,
                pos: plain.pos,
            });
            self.signal(arm, Cond::SCALAR)?;
        }
        self.signal(arm, Cond::SUB_FIELDS)?;
        self[work].tried.push(node);
        Ok(arm)
    }
}
