//! Equality: of data, and of unfinished nodes.
//!
//! For `==`, structs compare by their regular fields. For merging the arms of a disjunction, two
//! values are equal if they are made of the same: optional fields, constraints and closedness count,
//! and so do the tasks of nodes that are still on their way.

use crate::kind::Presence;
use crate::sched::State;
use crate::session::{Run, Session};
use crate::value::{Base, NodeId, Value, WorkId};

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// Defaults are taken.
    pub const NONE: Self = Self(0);
    /// Everything counts, defaults are not taken.
    pub const STRUCTURAL: Self = Self(1);
    /// Only regular fields count.
    pub const REGULAR: Self = Self(2);

    const fn structural(self) -> bool {
        self.0 & 1 != 0
    }

    const fn regular(self) -> bool {
        self.0 & 2 != 0
    }
}

impl Session<'_> {
    fn plain_default(&self, value: Value) -> Value {
        let d = match value {
            Value::Node(node) => match self[self.deref(node)].base {
                Base::Value(Value::Disjunction(d)) => d,
                _ => return value,
            },
            Value::Disjunction(d) => d,
            _ => return value,
        };
        let disjunction = &self.disjunctions[d.at()];
        if disjunction.defaults == 1 {
            disjunction.values[0]
        } else {
            value
        }
    }

    pub(crate) fn equal(&mut self, a: Value, b: Value, flags: Flags) -> Run<bool> {
        let (a, b) = if flags.structural() {
            (a, b)
        } else {
            (self.plain_default(a), self.plain_default(b))
        };
        match (a, b) {
            (Value::Node(x), Value::Node(y)) => self.deeper(|s| s.equal_nodes(x, y, flags)),
            (Value::Node(x), other) | (other, Value::Node(x)) => {
                match self.unwrap(Value::Node(x)) {
                    Some(Value::Node(_)) | None => Ok(false),
                    // A scalar in a node against a bare one.
                    Some(value) => self.equal_terminal(value, other, flags),
                }
            }
            _ => self.equal_terminal(a, b, flags),
        }
    }

    fn equal_nodes(&mut self, x: NodeId, y: NodeId, flags: Flags) -> Run<bool> {
        self.step()?;
        if self[x].presence != self[y].presence {
            return Ok(false);
        }
        let (x, y) = (self.deref(x), self.deref(y));
        if x == y {
            return Ok(true);
        }
        if self.kind(Value::Node(x)) != self.kind(Value::Node(y)) {
            return Ok(false);
        }
        if flags.structural()
            && (self.is_closed_struct(x) != self.is_closed_struct(y)
                || (self[x].base == Base::List { open: false })
                    != (self[y].base == Base::List { open: false }))
        {
            return Ok(false);
        }
        let limit = if flags.structural() {
            Presence::Optional
        } else {
            Presence::Required
        };
        let counts = |s: &Self, arc: NodeId| {
            (!flags.regular() || s[arc].label.is_regular()) && s[arc].presence <= limit
        };
        for at in 0..self[x].arcs().len() {
            let arc = self[x].arcs()[at];
            if !counts(self, arc) {
                continue;
            }
            match self.arc(y, self[arc].label) {
                Some(other) if self.equal(Value::Node(arc), Value::Node(other), flags)? => {}
                _ => return Ok(false),
            }
        }
        for at in 0..self[y].arcs().len() {
            let arc = self[y].arcs()[at];
            if counts(self, arc)
                && self
                    .arc(x, self[arc].label)
                    .is_none_or(|other| self[other].presence > limit)
            {
                return Ok(false);
            }
        }
        match (self[x].base, self[y].base) {
            (Base::Value(a), Base::Value(b)) => self.equal_terminal(a, b, flags),
            (Base::Value(_), _) | (_, Base::Value(_)) => Ok(false),
            _ => Ok(true),
        }
    }

    fn equal_terminal(&mut self, a: Value, b: Value, flags: Flags) -> Run<bool> {
        if a == b {
            return Ok(true);
        }
        Ok(match (a, b) {
            (Value::Fault(_), Value::Fault(_)) => true,
            (Value::Bound(x), Value::Bound(y)) => {
                let (x, y) = (self.bound(x), self.bound(y));
                x.op == y.op && self.equal(x.value, y.value, flags)?
            }
            (Value::Conjunction(x), Value::Conjunction(y)) => {
                let (x, y) = (
                    self.conjunctions[x.at()].clone(),
                    self.conjunctions[y.at()].clone(),
                );
                self.equal_all(&x, &y, flags)?
            }
            (Value::Disjunction(x), Value::Disjunction(y)) => {
                let (x, y) = (
                    self.disjunctions[x.at()].values.clone(),
                    self.disjunctions[y.at()].values.clone(),
                );
                self.equal_all(&x, &y, flags)?
            }
            (Value::Validator(x), Value::Validator(y)) => {
                let (x, y) = (
                    self.validators[x.at()].clone(),
                    self.validators[y.at()].clone(),
                );
                x.builtin == y.builtin && self.equal_all(&x.args, &y.args, flags)?
            }
            _ => self.scalars_equal(a, b),
        })
    }

    fn equal_all(&mut self, a: &[Value], b: &[Value], flags: Flags) -> Run<bool> {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (x, y) in a.iter().zip(b) {
            if !self.equal(*x, *y, flags)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two scalars of one type are the same value.
    pub(crate) fn scalars_equal(&self, a: Value, b: Value) -> bool {
        if a == b {
            return true;
        }
        match (a, b) {
            (Value::Bytes(x), Value::Bytes(y)) => self.bytes[x.at()] == self.bytes[y.at()],
            (Value::Int(_) | Value::Num(_), Value::Int(_) | Value::Num(_)) => {
                match (self.decimal(a), self.decimal(b)) {
                    (Some(x), Some(y)) => x.compare(&y).is_eq(),
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// Whether two validators are the same call. Arguments are finished one by one, and only until two differ: a list
    /// of schemas that is finished may be in error, and its validator then fails.
    pub(crate) fn same_validator(&mut self, a: Value, b: Value) -> Run<bool> {
        let (Value::Validator(x), Value::Validator(y)) = (a, b) else {
            return Ok(false);
        };
        let (x, y) = (
            self.validators[x.at()].clone(),
            self.validators[y.at()].clone(),
        );
        if x.builtin != y.builtin || x.args.len() != y.args.len() {
            return Ok(false);
        }
        for (a, b) in x.args.iter().zip(&y.args) {
            for value in [a, b] {
                if let Value::Node(node) = value {
                    self.finalize(*node)?;
                }
            }
            if !self.equal(*a, *b, Flags::STRUCTURAL)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two nodes on their way are made of the same.
    pub(crate) fn equal_partial(&mut self, x: NodeId, y: NodeId) -> Run<bool> {
        self.step()?;
        let work_of = |s: &Self, n: NodeId| {
            let n = &s[n];
            if n.status == crate::session::Status::Final {
                None
            } else {
                n.work
            }
        };
        let untouched = |s: &Self, n: NodeId| s[n].status == crate::session::Status::Fresh;
        let (wx, wy) = match (work_of(self, x), work_of(self, y)) {
            // Of what nobody has looked at yet not even the presence tells apart, as in the reference.
            (None, None) if untouched(self, x) && untouched(self, y) => return Ok(true),
            (None, None) => return self.equal(Value::Node(x), Value::Node(y), Flags::STRUCTURAL),
            (Some(wx), Some(wy)) => (wx, wy),
            // One is done and the other is not; compare what states they have.
            _ => match (self[x].work, self[y].work) {
                (Some(wx), Some(wy)) => (wx, wy),
                _ => return Ok(false),
            },
        };
        if !self.equal_states(wx, wy)? || self[x].patterns().len() != self[y].patterns().len() {
            return Ok(false);
        }
        for at in 0..self[x].patterns().len() {
            let (a, b) = (
                self[x].patterns()[at].constraint,
                self[y].patterns()[at].constraint,
            );
            self.finalize(a)?;
            self.finalize(b)?;
            if !self.equal(Value::Node(a), Value::Node(b), Flags::STRUCTURAL)? {
                return Ok(false);
            }
        }
        if self[x].arcs().len() != self[y].arcs().len() {
            return Ok(false);
        }
        for at in 0..self[x].arcs().len() {
            let arc = self[x].arcs()[at];
            match self.arc(y, self[arc].label) {
                Some(other) if self.deeper(|s| s.equal_partial(arc, other))? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn equal_states(&mut self, x: WorkId, y: WorkId) -> Run<bool> {
        let (a, b) = (&self[x], &self[y]);
        if a.kind != b.kind || a.has_top != b.has_top || a.checks.len() != b.checks.len() {
            return Ok(false);
        }
        let pairs = [(a.scalar, b.scalar), (a.lower, b.lower), (a.upper, b.upper)];
        for (p, q) in pairs {
            let same = match (p, q) {
                (None, None) => true,
                (Some(p), Some(q)) => self.equal(p.value, q.value, Flags::STRUCTURAL)?,
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        if !self.tasks_within(x, y) || !self.tasks_within(y, x) {
            return Ok(false);
        }
        for at in 0..self[x].checks.len() {
            let (p, q) = (self[x].checks[at].0.elem, self[y].checks[at].0.elem);
            let (crate::session::Elem::Value(p), crate::session::Elem::Value(q)) = (p, q) else {
                return Ok(false);
            };
            if !self.equal(p, q, Flags::STRUCTURAL)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether every task to be run of one node is a task of the other.
    fn tasks_within(&self, x: WorkId, y: WorkId) -> bool {
        self[x]
            .tasks
            .iter()
            .filter(|t| self[**t].state == State::Ready)
            .all(|t| {
                let task = &self[*t];
                self[y].tasks.iter().any(|other| {
                    let other = &self[*other];
                    other.kind == task.kind && other.elem == task.elem
                })
            })
    }
}
