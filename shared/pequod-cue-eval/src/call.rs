//! Calls: arguments are evaluated and checked against what the builtin declares.

use pequod_cue_syntax::Pos;
use smallvec::SmallVec;

use crate::builtin::{Builtin, Call};
use crate::kind::Kind;
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{CYCLE, Close, Conjunct, Elem, NO_ENV, Run, Session};
use crate::value::{Arg, FaultCode, FaultId, NOT_SATISFIED, NodeId, Validator, ValidatorId, Value};

impl Session<'_> {
    pub(crate) fn bare_validator(&mut self, builtin: u32) -> Option<Value> {
        let b = self.program.builtins[builtin as usize];
        if b.params.len() != 1 || !(b.result == Kind::BOOL || b.result == Kind::BOTTOM) {
            return None;
        }
        Some(self.add_validator(Validator {
            builtin,
            args: SmallVec::new(),
            call: None,
        }))
    }

    /// What a value is for who takes it: the language's own functions are values, those of packages validate where they
    /// stand.
    pub(crate) fn taken(&mut self, value: Value) -> Value {
        match value {
            Value::Builtin(builtin)
                if !self.program.builtins[builtin as usize].package.is_empty() =>
            {
                self.bare_validator(builtin).unwrap_or(value)
            }
            other => other,
        }
    }

    fn add_validator(&mut self, validator: Validator) -> Value {
        let id = u32::try_from(self.validators.len()).unwrap_or(u32::MAX);
        self.validators.push(validator);
        Value::Validator(ValidatorId(id))
    }

    /// A validator that looks at the value as a whole and takes over the check of fields.
    pub(crate) fn is_open_validator(&self, value: Value) -> bool {
        match value {
            Value::Validator(id) => {
                let builtin = self.validators[id.at()].builtin;
                self.program.builtins[builtin as usize].non_concrete
            }
            _ => false,
        }
    }

    pub(crate) fn eval_call(
        &mut self,
        expr: ExprId,
        function: ExprId,
        args: &[ExprId],
        cond: Cond,
        mode: Mode,
    ) -> Run<Option<Value>> {
        let callee = self.value(function, Cond::SCALAR, Mode::Yield)?;
        let builtin = match callee {
            Some(Value::Builtin(builtin)) => builtin,
            Some(Value::Validator(id)) if self.validators[id.at()].call.is_none() => {
                let builtin = self.validators[id.at()].builtin;
                if self.program.builtins[builtin as usize].validates(args.len()) {
                    let value = Validator {
                        builtin,
                        args: SmallVec::new(),
                        call: Some(expr),
                    };
                    return Ok(Some(self.add_validator(value)));
                }
                builtin
            }
            Some(Value::Validator(_)) => {
                self.add_err_coded(
                    FaultCode::Eval,
                    "cannot call previously called validator {}",
                    [Arg::Expr(function)],
                    self.pos,
                    self.node,
                );
                return Ok(None);
            }
            other => {
                // Whatever kept the callee from being a function, even something that more input
                // would mend: an error.
                let kind = other.map_or(Kind::BOTTOM, |other| self.kind(other));
                let pos = Some(self.program.span(function).pos());
                let open = other.is_some_and(|other| !self.is_concrete(other));
                let (code, what) = if open && kind.meets(Kind::FUNC) {
                    (
                        FaultCode::Incomplete,
                        "cannot call non-concrete value {} (type {})",
                    )
                } else {
                    (FaultCode::Eval, "cannot call non-function {} (type {})")
                };
                self.add_err_coded(
                    code,
                    what,
                    [Arg::Expr(function), Arg::Kind(kind)],
                    pos,
                    self.node,
                );
                return Ok(None);
            }
        };
        let b = self.program.builtins[builtin as usize];
        if b.name == "error" && b.package.is_empty() {
            return self.call_error(expr, args);
        }
        let saved_close = self.close;
        self.close.from_def = false;
        self.close.from_embed = false;
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        for (at, arg) in args.iter().enumerate() {
            let saved = self.errs.take();
            let value = if b.non_concrete {
                self.eval(*arg, cond, mode)?
            } else {
                let needs = cond
                    .or(Cond::FIELD_SET)
                    .or(Cond::SCALAR)
                    .or(Cond::DISJUNCTION);
                self.value(*arg, needs, mode)?
            };
            match value {
                None if self.errs.is_none() => self.add_err_coded(
                    FaultCode::Eval,
                    "argument {} to function {} is incomplete",
                    [Arg::Count(at as u64), Arg::Expr(function)],
                    Some(self.program.span(*arg).pos()),
                    self.node,
                ),
                None => {}
                // What goes into a struct or list of its own cannot be tried again later.
                Some(Value::Fault(CYCLE)) if matches!(b.result, Kind::STRUCT | Kind::LIST) => {
                    self.add_err_coded(FaultCode::Cycle, "cycle error", [], self.pos, self.node);
                }
                Some(Value::Fault(fault)) => self.add_err(fault),
                Some(value) => values.push(self.taken(value)),
            }
            self.errs = self.combine(saved, self.errs);
        }
        self.close.from_def = saved_close.from_def;
        self.close.from_embed = saved_close.from_embed;
        if self.errs.is_some() {
            return Ok(None);
        }
        if b.validates(values.len()) {
            self.doubt_validator();
            let args = values.into_iter().collect();
            return Ok(Some(self.add_validator(Validator {
                builtin,
                args,
                call: Some(expr),
            })));
        }
        self.at(expr);
        let result = self.call_builtin(b, &values, Some(expr), false)?;
        match result {
            Some(Value::Fault(cause)) => {
                let code = self[cause].code;
                let fault = self.new_fault(
                    code,
                    "error in call to {}",
                    [Arg::Text(b.full_name())],
                    self.pos,
                    self.node,
                );
                self.latest_problem(fault).cause = Some(cause);
                Ok(Some(Value::Fault(fault)))
            }
            other => Ok(other),
        }
    }

    /// Where an argument of a call stands; a validator's first one is not written there.
    fn argument_pos(&self, call: Option<ExprId>, at: usize, count: usize) -> Option<Pos> {
        match self.program.expr(call?) {
            Expr::Call(_, args) => {
                let written = (at + args.len()).checked_sub(count)?;
                Some(self.program.span(*args.get(written)?).pos())
            }
            _ => None,
        }
    }

    /// Checks arguments and calls. An error the function raised comes as a value.
    fn call_builtin(
        &mut self,
        b: &'static Builtin,
        values: &[Value],
        expr: Option<ExprId>,
        validates: bool,
    ) -> Run<Option<Value>> {
        self.step()?;
        let wanted = b.params.len();
        if values.len() > wanted || values.len() < wanted - b.optional {
            let what = if values.len() > wanted {
                "too many arguments in call to {} (have {}, want {})"
            } else {
                "not enough arguments in call to {} (have {}, want {})"
            };
            let args = [
                Arg::Text(b.full_name()),
                Arg::Count(values.len() as u64),
                Arg::Count(wanted as u64),
            ];
            self.add_err_coded(FaultCode::Eval, what, args, self.pos, self.node);
            return Ok(None);
        }
        // All kinds are looked at before any value: a wrong kind is an error though another argument
        // is not known yet.
        for (at, value) in values.iter().enumerate() {
            let fault = self.as_fault(*value);
            if let Some(fault) = fault
                && !self.shares(*value)
            {
                return Ok(Some(Value::Fault(fault)));
            }
            // A conjunction that came to be another node has no error of its own, and no type.
            let kind = fault.map_or_else(|| self.kind(*value), |_| Kind::BOTTOM);
            if !kind.meets(b.params[at]) {
                let args = [
                    Arg::Value(*value),
                    Arg::Kind(kind),
                    Arg::Kind(b.params[at]),
                    Arg::Count(at as u64 + 1),
                    Arg::Text(b.full_name()),
                ];
                self.add_err_coded(
                    FaultCode::Eval,
                    "cannot use {} (type {}) as {} in argument {} to {}",
                    args,
                    self.argument_pos(expr, at, values.len()).or(self.pos),
                    self.node,
                );
                return Ok(None);
            }
        }
        if let Some(choice) = b.choice {
            self.run_waiting()?;
            if let Some(value) = values.get(choice.at)
                && let Some(Value::Str(text)) = self.unwrap(*value)
                && !(choice.admits)(self.text(text))
            {
                let args = [
                    Arg::Value(Value::Str(text)),
                    Arg::Text(choice.what.into()),
                    Arg::Count(choice.at as u64 + 1),
                    Arg::Text(b.full_name()),
                ];
                let what = "cannot use {} as {} in argument {} to {}";
                self.add_err_coded(FaultCode::Eval, what, args, self.pos, self.node);
                return Ok(None);
            }
        }
        let mut args: SmallVec<[Value; 4]> = SmallVec::new();
        let mut wrong = None;
        for (at, value) in values.iter().enumerate() {
            if b.non_concrete {
                args.push(*value);
                continue;
            }
            // Of several arguments that do not fit, the last one is the reason.
            match self.argument(b, values, at)? {
                Value::Fault(fault) => wrong = Some(fault),
                content => args.push(content),
            }
        }
        if let Some(fault) = wrong {
            return Ok(Some(Value::Fault(fault)));
        }
        let saved_close = self.close;
        self.close.from_def = false;
        self.close.from_embed = false;
        let saved_errs = self.errs.take();
        let mut call = Call {
            session: self,
            builtin: b,
            args,
            validates,
            expr,
        };
        let result = (b.run)(&mut call)?;
        self.close.from_def = saved_close.from_def;
        self.close.from_embed = saved_close.from_embed;
        let raised = std::mem::replace(&mut self.errs, saved_errs);
        Ok(match raised {
            Some(fault) => Some(Value::Fault(fault)),
            None => result,
        })
    }

    /// What a function that takes only what is concrete is given as an argument, or why it is not called.
    fn argument(&mut self, b: &'static Builtin, values: &[Value], at: usize) -> Run<Value> {
        let mut value = values[at];
        let mut content = self.unwrap(value);
        // A function of the language takes what `and` makes as it is, and then not for a value.
        let own = b.package.is_empty();
        if let Some(several @ Value::Conjunction(_)) = content {
            if b.lists.contains(&at) {
                let what = "non-concrete list for argument {}";
                return Ok(self.incomplete_argument(what, Arg::Count(at as u64)));
            }
            if !own {
                let any = b.params[at] == Kind::TOP;
                let (node, taken) = self.taken_as_one(several, any)?;
                if let Some(fault @ Value::Fault(_)) = taken {
                    // Whoever takes anything looks at it, or does not.
                    return Ok(if any { Value::Node(node) } else { fault });
                }
                if !any {
                    value = Value::Node(node);
                }
                content = taken;
            }
        }
        let kind = self.kind(content.unwrap_or(value));
        let negative = b.unsigned == Some(at)
            && content
                .and_then(|content| self.decimal(content))
                .is_some_and(|number| number.is_negative());
        let several = own && matches!(content, Some(Value::Conjunction(_)));
        if negative || !(several || kind.meets(b.params[at])) {
            let args = [
                Arg::Value(value),
                Arg::Kind(kind),
                if negative {
                    Arg::Text("uint64".to_owned())
                } else {
                    Arg::Kind(b.params[at])
                },
                Arg::Count(at as u64),
            ];
            return Ok(self.eval_fault("cannot use {} (type {}) as {} in argument {}", args));
        }
        match content {
            Some(content) if self.is_concrete(content) => Ok(content),
            _ => self.unfinished_argument(b, values, at, (value, content)),
        }
    }

    /// The node in which what `and` made is one, and what that holds: its parts may contradict each other. Its default,
    /// unless anything may be taken.
    fn taken_as_one(&mut self, several: Value, any: bool) -> Run<(NodeId, Option<Value>)> {
        let c = Conjunct {
            env: NO_ENV,
            elem: Elem::Value(several),
            close: Close::default(),
        };
        let node = self.inline_node(&[c]);
        self.in_own_context(|session| session.finalize(node))?;
        let mut taken = Some(Value::Node(node));
        if !any {
            taken = self.default_of(taken);
        }
        Ok((node, taken.and_then(|taken| self.unwrap(taken))))
    }

    /// Why a function is not called that needs a concrete argument where this one, of a kind that would do, is none.
    fn unfinished_argument(
        &mut self,
        b: &'static Builtin,
        values: &[Value],
        at: usize,
        (value, content): (Value, Option<Value>),
    ) -> Run<Value> {
        self.finish_others(&values[..at])?;
        self.finish_others(&values[at + 1..])?;
        // What is to be closed has to be a struct by now, or several.
        let several = matches!(content, None | Some(Value::Node(_) | Value::Disjunction(_)));
        if crate::language::closes(b) && !several {
            return Ok(self.eval_fault("struct argument must be concrete", []));
        }
        let scalar = !b.params[at].meets(Kind::COMPOSITE);
        Ok(if scalar {
            self.incomplete_argument("non-concrete value {}", Arg::Value(value))
        } else {
            self.incomplete_argument("non-concrete argument {}", Arg::Count(at as u64))
        })
    }

    fn incomplete_argument(&mut self, what: &'static str, arg: Arg) -> Value {
        Value::Fault(self.new_fault(FaultCode::Incomplete, what, [arg], self.pos, self.node))
    }

    /// Brings the lists to an end that stand beside an argument which is not concrete: their elements may lead to what
    /// is on its way, and are looked at nonetheless.
    fn finish_others(&mut self, values: &[Value]) -> Run<()> {
        for value in values {
            if let Value::Node(node) = *value
                && self.kind(*value) == Kind::LIST
            {
                self.finalize(node)?;
            }
        }
        Ok(())
    }

    /// `error("…")`: an error of the author's words.
    fn call_error(&mut self, expr: ExprId, args: &[ExprId]) -> Run<Option<Value>> {
        let [arg] = args else {
            let what = if args.is_empty() {
                "not enough arguments in call to error (have {}, want 1)"
            } else {
                "too many arguments in call to error (have {}, want 1)"
            };
            self.add_err_coded(
                FaultCode::Eval,
                what,
                [Arg::Count(args.len() as u64)],
                self.pos,
                self.node,
            );
            return Ok(None);
        };
        let mut text = String::new();
        let program = self.program.clone();
        match program.expr(*arg) {
            Expr::Interpolation { parts, .. } => {
                for (at, part) in parts.iter().enumerate() {
                    let saved = self.errs.take();
                    let value = self.value(*part, Cond::SCALAR, Mode::Finalize)?;
                    self.errs = saved;
                    if let Some(Value::Node(node)) = value {
                        self.finalize(node)?;
                    }
                    match value {
                        Some(Value::Str(sym)) => text.push_str(self.text(sym)),
                        Some(Value::Fault(_)) | None if at % 2 == 1 => {
                            let grouped = matches!(
                                program.expr(*part),
                                Expr::Binary(..) | Expr::And(..) | Expr::Disjunction { .. }
                            );
                            let (open, close) = if grouped { ("(", ")") } else { ("", "") };
                            text.extend([open, self.source_of(*part), close]);
                        }
                        Some(value) => text.push_str(&self.show(value)),
                        None => {}
                    }
                }
            }
            _ => {
                let saved = self.errs.take();
                let value = self.value(*arg, Cond::SCALAR, Mode::Finalize)?;
                self.errs = saved;
                // What is not known leaves nothing to say, but stays the author's error.
                let content = value.and_then(|value| self.unwrap(value));
                let scalars = Kind::BOOL | Kind::STRING | Kind::BYTES | Kind::NUMBER;
                match content {
                    Some(Value::Str(sym)) => text.push_str(self.text(sym)),
                    Some(other) if !self.is_concrete(other) => {}
                    Some(other) if !self.kind(other).meets(scalars) => {
                        self.type_error(other, scalars, *arg);
                        return Ok(None);
                    }
                    Some(other) => text.push_str(&self.show(other)),
                    None => {}
                }
            }
        }
        let pos = Some(self.program.span(expr).pos());
        let fault = self.new_fault(FaultCode::User, "{}", [Arg::Text(text)], pos, self.node);
        Ok(Some(Value::Fault(fault)))
    }

    /// An error if a value does not satisfy a validator; the one that is known before, if there is one.
    pub(crate) fn run_validator(
        &mut self,
        validator: Value,
        value: Value,
        known: Option<FaultId>,
    ) -> Run<Option<FaultId>> {
        let Value::Validator(id) = validator else {
            return Ok(None);
        };
        let Validator {
            builtin,
            args,
            call,
        } = self.validators[id.at()].clone();
        let b = self.program.builtins[builtin as usize];
        if b.params.first() == Some(&Kind::STRUCT)
            && let Value::Node(node) = value
            && let Some(work) = self[node].work
        {
            // Who counts the fields of a struct has it finished.
            self.check_fields(work)?;
            if let Some(fault) = self.fault_of(node) {
                return Ok(Some(fault));
            }
        }
        // Schemas that are in error were looked at when the validator ran before.
        let cause = args.iter().find_map(|arg| self.broken_part(*arg));
        if cause.is_some() {
            return Ok(Some(self.not_satisfied(id, value, cause)));
        }
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        values.push(value);
        values.extend(args);
        let saved = self.errs.take();
        let result = self.call_builtin(b, &values, call, true)?;
        // A value that the function cannot be called with is said to be one, whatever else is missing.
        if let Some(raised) = std::mem::replace(&mut self.errs, saved) {
            return Ok(Some(raised));
        }
        let cause = match result {
            Some(Value::Fault(fault)) => Some(fault),
            Some(Value::Bool(true)) | None => return Ok(None),
            Some(_) => None,
        };
        // What was wrong before is not found wrong once more by a function.
        if known.is_some() {
            return Ok(known);
        }
        Ok(Some(self.not_satisfied(id, value, cause)))
    }

    /// The first error for good among the elements of a list, or the fields of a struct.
    fn broken_part(&self, schema: Value) -> Option<FaultId> {
        let Value::Node(schema) = schema else {
            return None;
        };
        let arcs = self[self.deref(schema)].arcs().iter();
        let faults = arcs.filter_map(|arc| self.fault_of(self.deref(*arc)));
        faults
            .filter(|fault| *fault != CYCLE)
            .find(|fault| !self.is_incomplete(*fault))
    }

    fn not_satisfied(&mut self, id: ValidatorId, value: Value, cause: Option<FaultId>) -> FaultId {
        let code = cause.map_or(FaultCode::Eval, |cause| self[cause].code);
        let shown = self.show_validator(id);
        let found = self.content_arg(value);
        let fault = self.new_fault(
            code,
            NOT_SATISFIED,
            [found, Arg::Text(shown)],
            self.pos,
            self.node,
        );
        self.latest_problem(fault).cause = cause;
        fault
    }

    /// A value as it is before it is found to be in error.
    fn content_arg(&self, value: Value) -> Arg {
        match value {
            Value::Node(node) => match self.node_value(self.deref(node)) {
                Some(Value::Node(node)) => Arg::Content(node),
                Some(value) => Arg::Value(value),
                None => Arg::Value(value),
            },
            value => Arg::Value(value),
        }
    }
}
