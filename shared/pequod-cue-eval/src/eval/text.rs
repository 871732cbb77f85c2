//! Interpolation and slices.

use std::io::Write as _;

use crate::kind::Kind;
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{Run, Session};
use crate::value::{Arg, Base, FaultCode, NodeId, Value};

impl Session<'_> {
    pub(super) fn eval_interpolation(
        &mut self,
        _expr: ExprId,
        bytes: bool,
        parts: &[ExprId],
    ) -> Run<Option<Value>> {
        let mut out: Vec<u8> = Vec::with_capacity(32);
        for part in parts {
            // Every other part is text as written.
            if let Expr::Value(Value::Str(sym)) = *self.program.expr(*part) {
                out.extend_from_slice(self.text(sym).as_bytes());
                continue;
            }
            let (value, node) = self.value_and_node(*part, Cond::SCALAR, Mode::Yield)?;
            let value = value.and_then(|value| self.unwrap(value));
            if matches!(value, None | Some(Value::Fault(_))) && self.errs.is_none() {
                self.met_empty_text();
            }
            self.append_text(*part, value, node, bytes, &mut out);
        }
        if let Some(fault) = self.errs.take() {
            let code = self[fault].code;
            let wrapped = self.new_fault(code, "invalid interpolation", [], self.pos, self.node);
            self.latest_problem(wrapped).cause = Some(fault);
            return Ok(Some(Value::Fault(wrapped)));
        }
        if bytes {
            return Ok(Some(self.new_bytes(&out)));
        }
        let text = String::from_utf8_lossy(&out);
        Ok(Some(self.string(&text)))
    }

    pub(super) fn append_text(
        &mut self,
        expr: ExprId,
        value: Option<Value>,
        node: Option<NodeId>,
        bytes: bool,
        out: &mut Vec<u8>,
    ) {
        match value {
            Some(Value::Str(sym)) => out.extend_from_slice(self.text(sym).as_bytes()),
            Some(Value::Bytes(id)) if bytes => out.extend_from_slice(&self.bytes[id.at()]),
            Some(Value::Bytes(id)) => {
                out.extend_from_slice(valid_text(&self.bytes[id.at()]).as_bytes());
            }
            Some(Value::Bool(value)) => {
                out.extend_from_slice(if value { b"true" } else { b"false" });
            }
            // Writing to a vector cannot fail.
            Some(Value::Int(number)) => {
                if number == 0 {
                    self.doubt_text(&pequod_cue_num::Decimal::ZERO);
                }
                let _ = write!(out, "{number}");
            }
            Some(value) if self.decimal(value).is_some() => {
                let number = self.decimal(value).unwrap_or(pequod_cue_num::Decimal::ZERO);
                self.doubt_text(&number);
                out.extend_from_slice(number.to_string().as_bytes());
            }
            // There is an error, or the field that was asked for may still come and is empty so far.
            Some(Value::Fault(_)) | None => {}
            Some(value) => {
                let wanted = Kind::STRING | Kind::BYTES | Kind::NUMBER | Kind::BOOL;
                if self.kind(value).meets(wanted) && !self.is_concrete(value) {
                    let fault = self.new_fault(
                        FaultCode::Incomplete,
                        "non-concrete value {} (type {})",
                        [Arg::Value(value), Arg::Kind(self.kind(value))],
                        self.pos,
                        self.node,
                    );
                    // Whatever may come was not written for this.
                    self.also_about(fault, node.filter(|_| value != Value::Top));
                    self.add_err(fault);
                } else {
                    self.type_error(value, wanted, expr);
                }
            }
        }
    }

    pub(super) fn eval_slice(
        &mut self,
        base: ExprId,
        low: Option<ExprId>,
        high: Option<ExprId>,
    ) -> Run<Option<Value>> {
        let value = self.value(base, Cond::FIELD_SET, Mode::Yield)?;
        let (length, elements) = match value {
            None => {
                self.add_err_coded(
                    FaultCode::Incomplete,
                    "non-concrete slice subject {}",
                    [Arg::Expr(base)],
                    self.pos,
                    self.node,
                );
                return Ok(None);
            }
            Some(Value::Node(node)) if matches!(self[node].base, Base::List { .. }) => {
                let elements = self.elements(node);
                (elements.len(), Some(elements))
            }
            Some(Value::Bytes(id)) => (self.bytes[id.at()].len(), None),
            Some(Value::Fault(_)) => return Ok(value),
            Some(other) => {
                let kind = self.kind(other);
                let fault = self.new_fault(
                    FaultCode::Eval,
                    "cannot slice {} (type {})",
                    [Arg::Value(other), Arg::Kind(kind)],
                    self.pos,
                    self.node,
                );
                return Ok(Some(Value::Fault(fault)));
            }
        };
        let from = match low {
            Some(low) => self.slice_index(low)?,
            None => Some(0),
        };
        let to = match high {
            Some(high) => self.slice_index(high)?,
            None => Some(length),
        };
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(None);
        };
        if to > length {
            let fault = self.new_fault(
                FaultCode::Eval,
                "index {} out of range",
                [Arg::Count(to as u64)],
                self.pos,
                self.node,
            );
            return Ok(Some(Value::Fault(fault)));
        }
        if from > to {
            let args = [Arg::Count(from as u64), Arg::Count(to as u64)];
            let fault = self.new_fault(
                FaultCode::Eval,
                "invalid slice index: {} > {}",
                args,
                self.pos,
                self.node,
            );
            return Ok(Some(Value::Fault(fault)));
        }
        match (elements, value) {
            (Some(elements), _) => Ok(Some(self.list_of_nodes(&elements[from..to]))),
            (None, Some(Value::Bytes(id))) => {
                let cut = self.bytes[id.at()][from..to].to_vec();
                Ok(Some(self.new_bytes(&cut)))
            }
            _ => Ok(None),
        }
    }

    pub(super) fn slice_index(&mut self, expr: ExprId) -> Run<Option<usize>> {
        let value = self.value(expr, Cond::SCALAR, Mode::Yield)?;
        Ok(match value {
            Some(Value::Int(index)) if index >= 0 => usize::try_from(index).ok(),
            None | Some(Value::Fault(_)) => self.errs.is_none().then_some(0),
            Some(index @ Value::Int(_)) => {
                self.add_err_coded(
                    FaultCode::Eval,
                    "cannot convert negative number {} to an index",
                    [Arg::Value(index)],
                    self.pos,
                    self.node,
                );
                None
            }
            // The reference takes the digits, and drops the power of ten.
            Some(number @ Value::Num(_)) if self.kind(number) != Kind::INT => {
                return self.unsupported("a float as the index of a slice");
            }
            Some(other) => {
                let kind = self.kind(other);
                let code = if self.is_concrete(other) || !kind.meets(Kind::INT) {
                    FaultCode::Eval
                } else {
                    FaultCode::Incomplete
                };
                self.add_err_coded(
                    code,
                    "cannot use {} (type {}) as slice index",
                    [Arg::Value(other), Arg::Kind(kind)],
                    self.pos,
                    self.node,
                );
                None
            }
        })
    }
}

/// Bytes as text; each run of bytes that is none becomes one replacement character.
fn valid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut invalid = false;
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            text.push_str(chunk.valid());
            invalid = false;
        }
        if !chunk.invalid().is_empty() && !invalid {
            text.push(char::REPLACEMENT_CHARACTER);
            invalid = true;
        }
    }
    text
}
