//! Comparison with bottom: whether there is a value, as far as that is settled.

use crate::kind::Kind;
use crate::program::ExprId;
use crate::sched::{Cond, Mode};
use crate::session::{CYCLE, PostCheck, Run, Session, Stop};
use crate::value::{EnvId, FaultCode, Op, Value};

/// So many are looked through for one that is the same.
const LATEST_CHECKS: usize = 64;

impl Session<'_> {
    /// `x == _|_` and `x != _|_`: whether there is a value, as far as that is settled.
    pub(super) fn compare_with_bottom(&mut self, x: ExprId, op: Op) -> Run<Option<Value>> {
        let saved_errs = self.errs.take();
        let env = self.env;
        self.in_validator += 1;
        let result = self.compare_with_bottom_inner(env, x, op);
        self.in_validator -= 1;
        if result.is_ok() {
            let raised = self.errs.take();
            self.errs = saved_errs;
            // Only a cycle is handed on.
            if let Ok(None) = result
                && let Some(fault) = raised
            {
                self.add_err(fault);
            }
        }
        result
    }

    pub(super) fn compare_with_bottom_inner(
        &mut self,
        env: EnvId,
        x: ExprId,
        op: Op,
    ) -> Run<Option<Value>> {
        let mut there = op != Op::Equal;
        self.step()?;
        let value = self.eval(x, Cond::NEED_TASKS, Mode::Finalize)?;
        let content = self.default_of(value).and_then(|v| self.unwrap(v));
        let content = content.map(|value| self.taken(value));
        let content = match content {
            Some(v) if !matches!(v, Value::Fault(_)) && self.kind(v).meets(Kind::COMPOSITE) => {
                value
            }
            other => other,
        };
        match content {
            None => {}
            Some(Value::Fault(fault)) => {
                match self[fault].code {
                    FaultCode::Cycle => {
                        self.errs = Some(fault);
                        return Ok(None);
                    }
                    FaultCode::Incomplete => {
                        if let Some(node) = self[fault].node
                            && let Some(work) = self[node].work
                            && self[work].started
                            && !self.meets(work, Cond::VALUE)
                            && self[work].provided.any(Cond::VALUE)
                            && let Some(task) = self.current_task()
                        {
                            self.wait_for(task, work, Cond::VALUE);
                            return Err(Stop::Yield);
                        }
                        self.eval(x, Cond::ALL, Mode::Ignore)?;
                        self.remember_check(env, x, true);
                    }
                    _ => {}
                }
                there = op == Op::Equal;
            }
            Some(Value::Node(node)) => {
                if self.in_depth_cycle(node) {
                    self.remember_check(env, x, true);
                    there = op == Op::Equal;
                } else {
                    self.finalize(node)?;
                    let target = self.deref(node);
                    if let Some(Value::Fault(fault)) = self.unwrap(Value::Node(target))
                        && self[fault].code < FaultCode::Incomplete
                    {
                        there = op == Op::Equal;
                    }
                }
            }
            Some(v) => {
                let kind = self.kind(v);
                let concrete = self.is_concrete(v);
                if kind.meets(Kind::COMPOSITE) && !concrete {
                    self.errs = Some(CYCLE);
                    return Ok(None);
                }
                self.remember_check(env, x, false);
                if !concrete {
                    there = op == Op::Equal;
                }
                self.eval(x, Cond::NEED_TASKS, Mode::Yield)?;
            }
        }
        Ok(Some(Value::Bool(there)))
    }

    pub(super) fn remember_check(&mut self, env: EnvId, expr: ExprId, was_error: bool) {
        let Some(work) = self[self.env_node(env)].work else {
            return;
        };
        let check = PostCheck {
            env,
            expr,
            was_error,
        };
        // Each of `x != _|_ != _|_ != …` looks twice at those before it.
        let checks = &mut self[work].post_checks;
        if !checks
            .iter()
            .rev()
            .take(LATEST_CHECKS)
            .any(|known| *known == check)
        {
            checks.push(check);
        }
    }
}
