//! Operators on concrete values, bounds against bounds, and bounds against values.

use std::cmp::Ordering;
use std::sync::Arc;

use pequod_cue_num::Decimal;
use pequod_cue_regex::{ErrorKind, Regex};

use crate::kind::Kind;
use crate::program::Sym;
use crate::session::{Conjunct, Elem, Origin, Run, Session};
use crate::value::{Arg, Bound, FaultCode, FaultId, NOT_DATA, NodeId, OUT_OF_BOUND, Op, Value};

/// How often a string may be repeated by `*`.
const MAX_REPEAT: i64 = 1_000_000;

impl Session<'_> {
    /// Applies an operator to two concrete values. Errors are values.
    pub(crate) fn binary(&mut self, op: Op, left: Value, right: Value) -> Run<Value> {
        let (left, right) = (self.scalar_of(left), self.scalar_of(right));
        for (value, side) in [(left, "left"), (right, "right")] {
            if let Some(fault) = self.not_data(value, side, op)? {
                return Ok(Value::Fault(fault));
            }
        }
        let (lk, rk) = (self.kind(left), self.kind(right));
        let numbers = match (self.decimal(left), self.decimal(right)) {
            (Some(a), Some(b)) => Some((a, b)),
            _ => None,
        };
        match op {
            // Of functions it is not asked whether they are the same.
            Op::Equal | Op::NotEqual if (lk, rk) == (Kind::FUNC, Kind::FUNC) => {}
            Op::Equal | Op::NotEqual => {
                let equal = if let Some((a, b)) = &numbers {
                    a.compare(b).is_eq()
                } else {
                    lk == rk && self.equal(left, right, crate::equal::Flags::REGULAR)?
                };
                return Ok(Value::Bool(equal == (op == Op::Equal)));
            }
            Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
                if let (Value::Str(a), Value::Str(b)) = (left, right) {
                    let shorter = self.text(a).len().min(self.text(b).len());
                    self.meter.note_text(shorter);
                }
                if let Some(order) = self.order(left, right) {
                    return Ok(Value::Bool(holds(op, order)));
                }
            }
            Op::BoolAnd | Op::BoolOr => {
                // Both sides are evaluated; the right one need not be a bool if the left one decides.
                let wrong = match (left, right) {
                    (Value::Bool(decides), _) if decides == (op == Op::BoolOr) => {
                        return Ok(left);
                    }
                    (Value::Bool(_), Value::Bool(_)) => return Ok(right),
                    (Value::Bool(_), _) => right,
                    _ => left,
                };
                let kind = self.kind(wrong);
                let args = [Arg::Value(wrong), Arg::Kind(kind), Arg::Op(op)];
                return Ok(self.eval_fault("cannot use {} (type {}) as type bool in {}", args));
            }
            Op::Match | Op::NotMatch => {
                // A pattern may be bytes; what is matched may not.
                let pattern = match right {
                    Value::Str(pattern) => Some(pattern),
                    Value::Bytes(id) => std::str::from_utf8(&self.bytes[id.at()].clone())
                        .ok()
                        .map(|pattern| self.intern(pattern)),
                    _ => None,
                };
                if let (Value::Str(text), Some(pattern)) = (left, pattern) {
                    let Some(regex) = self.regex(pattern)? else {
                        return Ok(self.errs.take().map_or(Value::Bool(false), Value::Fault));
                    };
                    self.charge(regex.work(self.text(text).len(), false))?;
                    let found = regex.is_match(self.text(text));
                    return Ok(Value::Bool(found == (op == Op::Match)));
                }
                let wrong = if matches!(left, Value::Str(_)) {
                    right
                } else {
                    left
                };
                let kind = self.kind(wrong);
                let args = [Arg::Value(wrong), Arg::Kind(kind), Arg::Op(op)];
                return Ok(self.eval_fault("cannot use {} (type {}) as type string in {}", args));
            }
            Op::Add => {
                if let (Value::Str(a), Value::Str(b)) = (left, right) {
                    let text = format!("{}{}", self.text(a), self.text(b));
                    return Ok(self.string(&text));
                }
                if let (Value::Bytes(a), Value::Bytes(b)) = (left, right) {
                    let bytes = [&*self.bytes[a.at()], &*self.bytes[b.at()]].concat();
                    return Ok(self.new_bytes(&bytes));
                }
                if lk == Kind::LIST && rk == Kind::LIST {
                    return Ok(self.eval_fault(
                        "Addition of lists is superseded by list.Concat; see https://cuelang.org/e/v0.11-list-arithmetic",
                        [],
                    ));
                }
            }
            Op::Multiply => {
                if let Some(value) = self.repeat(left, right)? {
                    return Ok(value);
                }
            }
            _ => {}
        }
        if let Some((a, b)) = numbers {
            let kind = if op == Op::Divide || lk != rk {
                Kind::FLOAT
            } else {
                lk
            };
            self.charge(work_of_numbers(&a, &b))?;
            let result = match op {
                Op::Add => a.add(&b),
                Op::Subtract => a.subtract(&b),
                Op::Multiply => a.multiply(&b),
                Op::Divide => a.divide(&b),
                _ => return Ok(self.invalid_operands(op, left, right)),
            };
            if let (Op::Multiply | Op::Divide, Ok(number)) = (op, &result) {
                self.doubt_product([&a, &b].into_iter(), number);
            }
            return Ok(match result {
                Ok(number) => self.number(number, kind),
                Err(error) => {
                    self.eval_fault("failed arithmetic: {}", [Arg::Text(error.to_string())])
                }
            });
        }
        if op == Op::Subtract {
            let wrong = if self.decimal(left).is_some() {
                right
            } else {
                left
            };
            let kind = self.kind(wrong);
            return Ok(self.eval_fault(
                "cannot use {} (type {}) as type number in -",
                [Arg::Value(wrong), Arg::Kind(kind)],
            ));
        }
        Ok(self.invalid_operands(op, left, right))
    }

    pub(crate) fn eval_fault<const N: usize>(
        &mut self,
        template: &'static str,
        args: [Arg; N],
    ) -> Value {
        Value::Fault(self.new_fault(FaultCode::Eval, template, args, self.pos, self.node))
    }

    fn invalid_operands(&mut self, op: Op, left: Value, right: Value) -> Value {
        let (lk, rk) = (self.kind(left), self.kind(right));
        let args = [
            Arg::Value(left),
            Arg::Value(right),
            Arg::Op(op),
            Arg::Kind(lk),
            Arg::Kind(rk),
        ];
        self.eval_fault("invalid operands {} and {} to '{}' (type {} and {})", args)
    }

    fn scalar_of(&self, value: Value) -> Value {
        self.unwrap(value).unwrap_or(value)
    }

    /// Operands that are structs or lists must be data throughout.
    fn not_data(&mut self, value: Value, side: &'static str, op: Op) -> Run<Option<FaultId>> {
        match value {
            Value::Fault(fault) => Ok(Some(fault)),
            Value::Node(node) => {
                if self.kind(value).meets(Kind::COMPOSITE) {
                    self.finalize(node)?;
                }
                let found = self.first_fault(node, crate::export::Check::CONCRETE)?;
                Ok(found.map(|cause| {
                    let code = self[cause].code;
                    let kind = self.kind(value);
                    let fault = self.new_fault(
                        code,
                        NOT_DATA,
                        [Arg::Text(side.to_owned()), Arg::Op(op), Arg::Kind(kind)],
                        self.pos,
                        self.node,
                    );
                    self.latest_problem(fault).cause = Some(cause);
                    fault
                }))
            }
            _ => Ok(None),
        }
    }

    fn repeat(&mut self, left: Value, right: Value) -> Run<Option<Value>> {
        let (what, count) = match (left, right) {
            (Value::Str(_) | Value::Bytes(_), Value::Int(count)) => (left, count),
            (Value::Int(count), Value::Str(_) | Value::Bytes(_)) => (right, count),
            _ => {
                let list_times =
                    |a: Value, b: Value| self.kind(a) == Kind::LIST && self.kind(b) == Kind::INT;
                if list_times(left, right) || list_times(right, left) {
                    return Ok(Some(self.eval_fault(
                        "Multiplication of lists is superseded by list.Repeat; see https://cuelang.org/e/v0.11-list-arithmetic",
                        [],
                    )));
                }
                return Ok(None);
            }
        };
        let name = if matches!(what, Value::Str(_)) {
            "string multiplication"
        } else {
            "bytes multiplication"
        };
        let Some(times) = usize::try_from(count).ok().filter(|_| count <= MAX_REPEAT) else {
            let value = if count < 0 {
                self.eval_fault("cannot convert negative number to uint64", [])
            } else {
                let args = [
                    Arg::Text(name.to_owned()),
                    Arg::Count(count.unsigned_abs()),
                    Arg::Count(MAX_REPEAT.unsigned_abs()),
                ];
                self.eval_fault("{} count {} exceeds limit of {}", args)
            };
            return Ok(Some(value));
        };
        let length = match what {
            Value::Str(sym) => self.text(sym).len(),
            Value::Bytes(id) => self.bytes[id.at()].len(),
            _ => 0,
        };
        self.meter.charge_bytes(length.saturating_mul(times));
        self.step()?;
        Ok(Some(match what {
            Value::Str(sym) => {
                let text = self.text(sym).repeat(times);
                self.string(&text)
            }
            Value::Bytes(id) => {
                let bytes = self.bytes[id.at()].repeat(times);
                self.new_bytes(&bytes)
            }
            other => other,
        }))
    }

    pub(crate) fn order(&self, left: Value, right: Value) -> Option<Ordering> {
        match (left, right) {
            (Value::Str(a), Value::Str(b)) => {
                Some(self.text(a).as_bytes().cmp(self.text(b).as_bytes()))
            }
            (Value::Bytes(a), Value::Bytes(b)) => Some(self.bytes[a.at()].cmp(&self.bytes[b.at()])),
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(&b)),
            _ => Some(self.decimal(left)?.compare(&self.decimal(right)?)),
        }
    }

    /// A compiled regular expression; none with an error in the context.
    pub(crate) fn regex(&mut self, pattern: Sym) -> Run<Option<Arc<Regex>>> {
        match self.compiled(pattern)? {
            Ok(regex) => Ok(Some(regex)),
            Err(error) => {
                self.add_err_problem("invalid regexp: {}", [Arg::Text(error)]);
                Ok(None)
            }
        }
    }

    /// The same, or what is wrong with it. Each is compiled once.
    pub(crate) fn compiled(&mut self, pattern: Sym) -> Run<Result<Arc<Regex>, String>> {
        if let Some(known) = self.regexes.get(&pattern) {
            return Ok(known.clone());
        }
        let text = self.text(pattern).clone();
        let compiled = match Regex::new(&text) {
            Ok(regex) => {
                self.meter.charge_bytes(regex.size());
                self.charge(text.len() as u64 + regex.size() as u64 / 16)?;
                Ok(Arc::new(regex))
            }
            Err(error) => {
                // What is too large is found to be so at the end.
                let too_large = error.kind() == ErrorKind::TooLarge;
                self.charge(if too_large {
                    1 << 20
                } else {
                    text.len() as u64
                })?;
                Err(error.to_string())
            }
        };
        self.regexes.insert(pattern, compiled.clone());
        Ok(compiled)
    }

    // Bounds.

    /// Two bounds as one, if one says it all; an error if nothing satisfies both.
    pub(crate) fn simplify_bounds(&mut self, kind: Kind, x: Value, y: Value) -> Run<Option<Value>> {
        let (Value::Bound(xb), Value::Bound(yb)) = (x, y) else {
            return Ok(None);
        };
        let (a, b) = (self.bound(xb), self.bound(yb));
        let (ca, cb) = (category(a.op), category(b.op));
        if ca == cb {
            if matches!(a.op, Op::Equal | Op::NotEqual | Op::Match | Op::NotMatch) {
                let same = self.compare(Op::Equal, a.value, b.value)?;
                return Ok(same.then_some(x));
            }
            // Of two bounds in one direction the tighter one stays.
            let tighter = match a.op {
                Op::Greater => Op::GreaterEqual,
                Op::GreaterEqual => Op::Greater,
                Op::Less => Op::LessEqual,
                _ => Op::Less,
            };
            let first = self.compare(tighter, a.value, b.value)?;
            return Ok(Some(if first { x } else { y }));
        }
        if ca == -cb {
            let (low, high, vlow, vhigh) = if ca == -1 { (b, a, y, x) } else { (a, b, x, y) };
            return Ok(self.opposite_bounds(kind, low, high, vlow, vhigh));
        }
        if a.op == Op::Equal {
            return Ok(self.compare(b.op, a.value, b.value)?.then_some(x));
        }
        if b.op == Op::Equal {
            return Ok(self.compare(a.op, b.value, a.value)?.then_some(y));
        }
        if a.op == Op::NotEqual {
            return Ok((!self.compare(b.op, a.value, b.value)?).then_some(y));
        }
        if b.op == Op::NotEqual {
            return Ok((!self.compare(a.op, b.value, a.value)?).then_some(x));
        }
        Ok(None)
    }

    /// Compares quietly: what cannot be compared is false.
    fn compare(&mut self, op: Op, a: Value, b: Value) -> Run<bool> {
        let pos = self.pos.take();
        let errs = self.errs.take();
        let result = self.binary(op, a, b)?;
        self.errs = errs;
        self.pos = pos;
        Ok(result == Value::Bool(true))
    }

    fn opposite_bounds(
        &mut self,
        kind: Kind,
        low: Bound,
        high: Bound,
        vlow: Value,
        vhigh: Value,
    ) -> Option<Value> {
        let inclusive = low.op == Op::GreaterEqual && high.op == Op::LessEqual;
        if kind == Kind::STRING || kind == Kind::BYTES {
            let fits = match (low.value, high.value) {
                (Value::Str(_), Value::Str(_)) | (Value::Bytes(_), Value::Bytes(_)) => {
                    match self.order(low.value, high.value)? {
                        Ordering::Less => true,
                        Ordering::Equal => inclusive,
                        Ordering::Greater => false,
                    }
                }
                _ => true,
            };
            if fits {
                return None;
            }
            let template = if kind == Kind::STRING {
                "incompatible string bounds {} and {}"
            } else {
                "incompatible bytes bounds {} and {}"
            };
            return Some(self.eval_fault(template, [Arg::Value(vhigh), Arg::Value(vlow)]));
        }
        let (mut lo, mut hi) = (self.decimal(low.value)?, self.decimal(high.value)?);
        let whole = !kind.meets(Kind::FLOAT);
        if whole {
            if lo.exponent() < 0 {
                lo = if low.op == Op::GreaterEqual {
                    lo.ceil()
                } else {
                    lo.floor()
                };
            }
            if hi.exponent() < 0 {
                hi = if high.op == Op::LessEqual {
                    hi.floor()
                } else {
                    hi.ceil()
                };
            }
        }
        let difference = hi.subtract(&lo).ok()?;
        let incompatible = |s: &mut Self, first: Value, second: Value| {
            let template = if kind == Kind::INT {
                "incompatible integer bounds {} and {}"
            } else {
                "incompatible number bounds {} and {}"
            };
            Some(s.eval_fault(template, [Arg::Value(first), Arg::Value(second)]))
        };
        if difference.is_negative() {
            return incompatible(self, vhigh, vlow);
        }
        if difference.is_zero() {
            return if inclusive {
                None
            } else {
                incompatible(self, vhigh, vlow)
            };
        }
        let one = difference.compare(&Decimal::from_i64(1)).is_eq();
        if one && whole && low.op == Op::Greater && high.op == Op::Less {
            return Some(self.eval_fault(
                "incompatible integer bounds {} and {}",
                [Arg::Value(vlow), Arg::Value(vhigh)],
            ));
        }
        None
    }

    /// An error if a value is out of bounds.
    pub(crate) fn validate_bound(&mut self, bound: Origin, value: Value) -> Run<Option<FaultId>> {
        let Value::Bound(id) = bound.value else {
            return Ok(None);
        };
        let b = self.bound(id);
        self.finish_beside(b.value)?;
        // A scalar with definitions, too, is held against a bound as a whole: none may be required and missing.
        if let Value::Node(node) = value
            && !self[self.deref(node)].arcs().is_empty()
            && let Some(fault) = self.not_data(value, "left", b.op)?
        {
            return Ok(Some(fault));
        }
        Ok(match self.binary(b.op, value, b.value)? {
            Value::Bool(true) => None,
            Value::Fault(fault) => Some(fault),
            _ => {
                // Texts are made late, and the node will hold the error by then: what was out of bounds is its value now.
                let shown = self.unwrap(value).unwrap_or(value);
                let args = [Arg::Value(shown), Arg::Value(bound.value)];
                Some(self.new_fault(FaultCode::Eval, OUT_OF_BOUND, args, bound.pos, self.node))
            }
        })
    }

    /// An error if a value fails a check: a bound, or a validator.
    pub(crate) fn validate_check(
        &mut self,
        c: Conjunct,
        pos: Option<pequod_cue_syntax::Pos>,
        node: NodeId,
        known: Option<FaultId>,
    ) -> Run<Option<FaultId>> {
        let Elem::Value(check) = c.elem else {
            return Ok(None);
        };
        let saved = self.save();
        self.env = c.env;
        self.close = c.close;
        if pos.is_some() {
            self.pos = pos;
        }
        let result = match check {
            Value::Bound(_) => self.validate_bound(Origin { value: check, pos }, Value::Node(node)),
            Value::Validator(_) => self.run_validator(check, Value::Node(node), known),
            _ => Ok(None),
        };
        self.restore(saved);
        result
    }
}

/// What an operation on numbers of many digits, or far apart, takes in units; nothing for all others.
pub(crate) fn work_of_numbers(a: &Decimal, b: &Decimal) -> u64 {
    let apart = u64::from(a.exponent().abs_diff(b.exponent()));
    let digits = a.digits() + b.digits();
    let long = digits.saturating_add(apart);
    if long < 256 {
        return 0;
    }
    long / 4 + a.digits().saturating_mul(b.digits()) / 65_536
}

const fn category(op: Op) -> i8 {
    match op {
        Op::Greater | Op::GreaterEqual => 1,
        Op::Less | Op::LessEqual => -1,
        Op::Equal => 4,
        Op::Match => 2,
        Op::NotMatch => 3,
        _ => 0,
    }
}

pub(crate) const fn holds(op: Op, order: Ordering) -> bool {
    match op {
        Op::Less => order.is_lt(),
        Op::LessEqual => order.is_le(),
        Op::Greater => order.is_gt(),
        _ => order.is_ge(),
    }
}
