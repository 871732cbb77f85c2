//! Builtin functions: what they declare, how they are called, and those of the language itself.
//!
//! A builtin declares the types of its parameters; arguments are checked against them before it is
//! called. One that gives a bool and is called without its first argument is a *validator*: it is
//! kept as a constraint and called with the value once that is concrete.

use smallvec::SmallVec;

use crate::kind::{Kind, Presence};
use crate::program::{Expr, ExprId};
use crate::sched::{Cond, Mode};
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Run, Session};
use crate::value::{Arg, Base, FaultCode, FaultId, NodeId, Validator, ValidatorId, Value};

/// A function of the language or of a package.
pub struct Builtin {
    /// The package's name, empty for the language's own.
    pub package: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// The types of its parameters.
    pub params: &'static [Kind],
    /// The type of its result.
    pub result: Kind,
    /// Whether it takes arguments that are not concrete.
    pub non_concrete: bool,
    /// How many parameters at the end may be left out.
    pub optional: usize,
    /// What it does. `None` with an error raised by [`Call::fail`] or [`Call::incomplete`].
    pub run: &'static Runner,
}

/// The code of a function.
pub type Runner = dyn Fn(&mut Call<'_, '_>) -> Run<Option<Value>> + Sync + Send;

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.full_name())
    }
}

impl Builtin {
    /// `strings.ToUpper`
    pub fn full_name(&self) -> String {
        if self.package.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.package, self.name)
        }
    }

    fn validates(&self, args: usize) -> bool {
        args + 1 == self.params.len()
            && self.optional == 0
            && self.result.without(Kind::BOOL).is_bottom()
    }
}

/// The builtin packages.
pub trait Library: Sync {
    /// A member of a package, by its import path.
    fn member(&self, path: &str, name: &str) -> Option<Member>;
    /// Whether there is a package of that path at all; `Some(false)` if it exists in the language
    /// but is not supported.
    fn package(&self, path: &str) -> Option<bool>;
}

/// A member of a builtin package.
#[derive(Debug, Clone, Copy)]
pub enum Member {
    /// A function.
    Function(&'static Builtin),
    /// A constant, as CUE text.
    Constant(&'static str),
    /// It exists in the language but is not supported.
    Unsupported(&'static str),
}

/// A running call.
pub struct Call<'a, 's> {
    pub(crate) session: &'a mut Session<'s>,
    pub(crate) builtin: &'static Builtin,
    pub(crate) args: SmallVec<[Value; 4]>,
    /// Whether it runs as a validator.
    pub(crate) validates: bool,
}

/// A value taken apart, one level deep.
#[derive(Debug, Clone)]
pub enum View {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An int.
    Int(pequod_cue_num::Decimal),
    /// A float.
    Float(pequod_cue_num::Decimal),
    /// Text.
    Text(std::sync::Arc<str>),
    /// Bytes.
    Bytes(std::sync::Arc<[u8]>),
    /// A list.
    List {
        /// Its elements.
        elements: Vec<Value>,
        /// Whether it ends in `...`.
        open: bool,
    },
    /// A struct.
    Struct {
        /// Its regular fields in output order.
        fields: Vec<(std::sync::Arc<str>, Value)>,
        /// Whether fields may be added.
        open: bool,
        /// How many optional and required fields it has.
        constraints: usize,
    },
    /// Not concrete.
    Other(Kind),
}

impl Call<'_, '_> {
    /// Whether it runs as a validator: a no may then say why.
    pub const fn validates(&self) -> bool {
        self.validates
    }

    /// The function that was called.
    pub const fn function(&self) -> &'static Builtin {
        self.builtin
    }

    /// Takes a value apart, its default taken; none with an error raised.
    pub fn view(&mut self, value: Value) -> Run<Option<View>> {
        if let Value::Node(node) = value {
            self.session.finalize(node)?;
        }
        if let Some(fault) = self.session.as_fault(value) {
            self.session.add_err(fault);
            return Ok(None);
        }
        let Some(value) = self.concrete(value) else {
            return Ok(None);
        };
        let session = &mut *self.session;
        Ok(Some(match value {
            Value::Null => View::Null,
            Value::Bool(value) => View::Bool(value),
            Value::Str(sym) => View::Text(session.text(sym).clone()),
            Value::Bytes(id) => View::Bytes(session.bytes[id.at()].clone()),
            Value::Int(_) | Value::Num(_) => {
                let decimal = session
                    .decimal(value)
                    .unwrap_or(pequod_cue_num::Decimal::ZERO);
                if session.kind(value) == Kind::INT {
                    View::Int(decimal)
                } else {
                    View::Float(decimal)
                }
            }
            Value::Fault(fault) => {
                session.add_err(fault);
                return Ok(None);
            }
            Value::Node(node) => {
                let node = session.deref(node);
                match session[node].base {
                    Base::List { open } => View::List {
                        elements: session
                            .elements(node)
                            .into_iter()
                            .map(Value::Node)
                            .collect(),
                        open,
                    },
                    _ => {
                        let arcs = session.output_arcs(node);
                        let fields = arcs
                            .into_iter()
                            .map(|arc| {
                                (
                                    session.label_text(session[arc].label).into(),
                                    Value::Node(arc),
                                )
                            })
                            .collect();
                        let constraints = session[node]
                            .arcs
                            .iter()
                            .filter(|arc| {
                                let n = &session[**arc];
                                n.label.is_string()
                                    && matches!(n.presence, Presence::Optional | Presence::Required)
                            })
                            .count();
                        View::Struct {
                            fields,
                            open: session.is_open_struct(node),
                            constraints,
                        }
                    }
                }
            }
            other => View::Other(session.kind(other)),
        }))
    }

    /// Whether a value (its default taken) is concrete and no error.
    pub fn is_settled(&self, value: Value) -> bool {
        let node = match value {
            Value::Node(node) => self.session.with_default(node),
            other => return self.session.is_concrete(other),
        };
        self.session.is_concrete(Value::Node(node)) && self.session.fault_of(node).is_none()
    }

    /// A finished struct as a result.
    pub fn new_struct(&mut self, fields: &[(std::sync::Arc<str>, Value)]) -> Value {
        self.session.struct_of(fields)
    }

    /// How many arguments.
    pub fn count(&self) -> usize {
        self.args.len()
    }

    /// An argument.
    pub fn arg(&self, at: usize) -> Value {
        self.args[at]
    }

    /// A text argument.
    pub fn text(&self, at: usize) -> String {
        match self.args[at] {
            Value::Str(sym) => self.session.text(sym).to_string(),
            Value::Bytes(id) => String::from_utf8_lossy(&self.session.bytes[id.at()]).into_owned(),
            _ => String::new(),
        }
    }

    /// A bytes argument; text counts as its bytes.
    pub fn bytes(&self, at: usize) -> Vec<u8> {
        match self.args[at] {
            Value::Str(sym) => self.session.text(sym).as_bytes().to_vec(),
            Value::Bytes(id) => self.session.bytes[id.at()].to_vec(),
            _ => Vec::new(),
        }
    }

    /// A number argument.
    pub fn number(&self, at: usize) -> pequod_cue_num::Decimal {
        self.session
            .decimal(self.args[at])
            .unwrap_or(pequod_cue_num::Decimal::ZERO)
    }

    /// A whole argument; an error is raised if it is too large for 64 bits.
    pub fn int(&mut self, at: usize) -> Option<i64> {
        let value = self.number(at).to_i64();
        if value.is_none() {
            let args = [Arg::Value(self.args[at]), Arg::Count(at as u64 + 1)];
            self.raise(
                FaultCode::Eval,
                "cannot use {} as int64 in argument {}",
                args,
            );
        }
        value
    }

    /// A bool argument.
    pub fn truth(&self, at: usize) -> bool {
        self.args[at] == Value::Bool(true)
    }

    /// The elements of a list argument; an error is raised if it is not finished.
    pub fn list(&mut self, at: usize) -> Run<Option<Vec<Value>>> {
        let Value::Node(node) = self.args[at] else {
            return Ok(None);
        };
        self.session.finalize(node)?;
        let node = self.session.deref(node);
        let elements = self.session.elements(node);
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            if let Some(fault) = self.session.fault_of(element) {
                self.session.add_err(fault);
                return Ok(None);
            }
            values.push(Value::Node(element));
        }
        Ok(Some(values))
    }

    /// The elements of a list of texts.
    pub fn text_list(&mut self, at: usize) -> Run<Option<Vec<String>>> {
        let Some(values) = self.list(at)? else {
            return Ok(None);
        };
        let mut texts = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            let content = self.concrete(value);
            match content {
                Some(Value::Str(sym)) => texts.push(self.session.text(sym).to_string()),
                Some(other) => {
                    let kind = self.session.kind(other);
                    let args = [Arg::Count(index as u64), Arg::Kind(kind)];
                    let code = if self.session.is_concrete(other) {
                        FaultCode::Eval
                    } else {
                        FaultCode::Incomplete
                    };
                    self.raise(
                        code,
                        "invalid list element {}: cannot use value (type {}) as string",
                        args,
                    );
                    return Ok(None);
                }
                None => return Ok(None),
            }
        }
        Ok(Some(texts))
    }

    /// The content of a value with its default taken.
    pub fn concrete(&mut self, value: Value) -> Option<Value> {
        let value = self.session.default_of(Some(value))?;
        self.session.unwrap(value)
    }

    /// The regular fields of a struct argument.
    pub fn fields(&mut self, at: usize) -> Run<Vec<(String, Value)>> {
        let Value::Node(node) = self.args[at] else {
            return Ok(Vec::new());
        };
        self.session.finalize(node)?;
        let node = self.session.deref(node);
        let arcs = self.session[node].arcs.clone();
        Ok(arcs
            .into_iter()
            .filter(|arc| {
                self.session[*arc].label.is_string()
                    && self.session[*arc].presence == Presence::Member
            })
            .map(|arc| {
                (
                    self.session.label_text(self.session[arc].label),
                    Value::Node(arc),
                )
            })
            .collect())
    }

    /// A text as a result.
    pub fn string(&mut self, text: &str) -> Value {
        self.session.string(text)
    }

    /// Bytes as a result.
    pub fn new_bytes(&mut self, bytes: &[u8]) -> Value {
        self.session.new_bytes(bytes)
    }

    /// A number as a result.
    pub fn decimal(&mut self, number: pequod_cue_num::Decimal, kind: Kind) -> Value {
        self.session.number(number, kind)
    }

    /// A list as a result.
    pub fn new_list(&mut self, values: &[Value]) -> Value {
        self.session.list_of(values)
    }

    /// The types of a value.
    pub fn kind_of(&self, value: Value) -> Kind {
        self.session.kind(value)
    }

    /// The number a value is.
    pub fn number_of(&self, value: Value) -> Option<pequod_cue_num::Decimal> {
        self.session
            .unwrap(value)
            .and_then(|value| self.session.decimal(value))
    }

    /// The text a value is.
    pub fn text_of(&self, value: Value) -> Option<String> {
        match self.session.unwrap(value) {
            Some(Value::Str(sym)) => Some(self.session.text(sym).to_string()),
            _ => None,
        }
    }

    /// The elements of a list that is an element.
    pub fn elements_of(&mut self, value: Value) -> Run<Option<Vec<Value>>> {
        let Value::Node(node) = value else {
            return Ok(None);
        };
        self.session.finalize(node)?;
        let node = self.session.deref(node);
        if !matches!(self.session[node].base, Base::List { .. }) {
            return Ok(None);
        }
        Ok(Some(
            self.session
                .elements(node)
                .into_iter()
                .map(Value::Node)
                .collect(),
        ))
    }

    /// Whether two values are equal data.
    pub fn equal(&mut self, a: Value, b: Value) -> Run<bool> {
        let unwrap = |s: &Session<'_>, v: Value| s.unwrap(v).unwrap_or(v);
        let (a, b) = (unwrap(self.session, a), unwrap(self.session, b));
        self.session.equal(a, b, crate::equal::Flags::REGULAR)
    }

    /// A regular expression.
    pub fn regex(&mut self, at: usize) -> Run<Option<std::sync::Arc<pequod_cue_regex::Regex>>> {
        let text = self.text(at);
        let sym = self.session.intern(&text);
        self.session.regex(sym)
    }

    /// A value as JSON text, or an error raised.
    pub fn json_of(&mut self, value: Value) -> Run<Option<String>> {
        let node = match value {
            Value::Node(node) => node,
            other => self.session.new_node(Node {
                base: Base::Value(other),
                status: crate::session::Status::Final,
                ..Node::default()
            }),
        };
        self.session.finalize(node)?;
        if let Some(fault) = self.session.first_fault(node, true)? {
            self.session.add_err(fault);
            return Ok(None);
        }
        Ok(Some(self.session.json_text(node, false)))
    }

    /// Data as a value.
    pub fn data(&mut self, data: &serde_json::Value) -> Value {
        let node = self.session.data_node(data, None);
        Value::Node(node)
    }

    /// Raises an error of the function: more input does not help.
    pub fn fail(&mut self, why: impl Into<String>) -> Option<Value> {
        self.raise(FaultCode::Eval, "{}", [Arg::Text(why.into())]);
        None
    }

    /// Raises an error that more input may repair.
    pub fn incomplete(&mut self, why: impl Into<String>) -> Option<Value> {
        self.raise(FaultCode::Incomplete, "{}", [Arg::Text(why.into())]);
        None
    }

    /// Ends the evaluation: this case of the function is not supported.
    pub fn unsupported(&mut self, feature: &'static str) -> Run<Option<Value>> {
        self.session.unsupported(feature)
    }

    fn raise<const N: usize>(&mut self, code: FaultCode, template: &'static str, args: [Arg; N]) {
        let (pos, node) = (self.session.pos, self.session.node);
        self.session.add_err_coded(code, template, args, pos, node);
    }
}

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
            Some(Value::Fault(_)) => return Ok(callee),
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
            Some(other) => {
                let kind = self.kind(other);
                let pos = Some(self.program.span(function).pos());
                let (code, what) = if !self.is_concrete(other) && kind.meets(Kind::FUNC) {
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
            None => return Ok(None),
        };
        let b = self.program.builtins[builtin as usize];
        if b.name == "error" && b.package.is_empty() {
            return self.call_error(expr, args);
        }
        let saved_close = self.close;
        self.close.from_def = false;
        self.close.from_embed = false;
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        for arg in args {
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
                    FaultCode::Incomplete,
                    "argument {} of call is incomplete",
                    [Arg::Expr(*arg)],
                    Some(self.program.span(*arg).pos()),
                    self.node,
                ),
                None => {}
                Some(Value::Fault(fault)) => self.add_err(fault),
                Some(value) => values.push(value),
            }
            self.errs = self.combine(saved, self.errs);
        }
        self.close.from_def = saved_close.from_def;
        self.close.from_embed = saved_close.from_embed;
        if self.errs.is_some() {
            return Ok(None);
        }
        if b.validates(values.len()) {
            let args = values.into_iter().collect();
            return Ok(Some(self.add_validator(Validator {
                builtin,
                args,
                call: Some(expr),
            })));
        }
        self.at(expr);
        let result = self.call_builtin(b, &values, false)?;
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
                let problem = self[fault].problems[0] as usize;
                self.problems[problem].cause = Some(cause);
                Ok(Some(Value::Fault(fault)))
            }
            other => Ok(other),
        }
    }

    /// Checks arguments and calls. An error the function raised comes as a value.
    fn call_builtin(
        &mut self,
        b: &'static Builtin,
        values: &[Value],
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
        let mut args: SmallVec<[Value; 4]> = SmallVec::new();
        for (at, value) in values.iter().enumerate() {
            if let Some(fault) = self.as_fault(*value) {
                return Ok(Some(Value::Fault(fault)));
            }
            let kind = self.kind(*value);
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
                    self.pos,
                    self.node,
                );
                return Ok(None);
            }
            if b.non_concrete {
                args.push(*value);
                continue;
            }
            let content = self.unwrap(*value);
            match content {
                Some(content) if self.is_concrete(content) => args.push(content),
                _ => {
                    let args = [Arg::Count(at as u64 + 1)];
                    self.add_err_coded(
                        FaultCode::Incomplete,
                        "non-concrete argument {}",
                        args,
                        self.pos,
                        self.node,
                    );
                    return Ok(self.errs.take().map(Value::Fault));
                }
            }
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
                    match value {
                        Some(Value::Str(sym)) => text.push_str(self.text(sym)),
                        Some(Value::Fault(_)) | None if at % 2 == 1 => {
                            text.push_str(self.source_of(*part));
                        }
                        Some(value) => text.push_str(&self.show(value)),
                        None => {}
                    }
                }
            }
            _ => {
                let value = self.value(*arg, Cond::SCALAR, Mode::Finalize)?;
                match value {
                    Some(Value::Str(sym)) => text.push_str(self.text(sym)),
                    Some(Value::Fault(_)) => return Ok(value),
                    Some(other) => {
                        self.type_error(other, Kind::STRING, *arg);
                        return Ok(None);
                    }
                    None => return Ok(None),
                }
            }
        }
        let pos = Some(self.program.span(expr).pos());
        let fault = self.new_fault(FaultCode::User, "{}", [Arg::Text(text)], pos, self.node);
        Ok(Some(Value::Fault(fault)))
    }

    /// An error if a value does not satisfy a validator.
    pub(crate) fn run_validator(&mut self, validator: Value, value: Value) -> Run<Option<FaultId>> {
        let Value::Validator(id) = validator else {
            return Ok(None);
        };
        let Validator { builtin, args, .. } = self.validators[id.at()].clone();
        let b = self.program.builtins[builtin as usize];
        let mut values: SmallVec<[Value; 4]> = SmallVec::new();
        values.push(value);
        values.extend(args);
        let saved = self.errs.take();
        let result = self.call_builtin(b, &values, true)?;
        let raised = std::mem::replace(&mut self.errs, saved);
        let cause = match (result, raised) {
            (_, Some(fault)) | (Some(Value::Fault(fault)), None) => Some(fault),
            (Some(Value::Bool(true)) | None, None) => return Ok(None),
            (Some(_), None) => None,
        };
        let code = cause.map_or(FaultCode::Eval, |cause| self[cause].code);
        let shown = self.show_validator(id);
        let fault = self.new_fault(
            code,
            "invalid value {} (does not satisfy {})",
            [Arg::Value(value), Arg::Text(shown)],
            self.pos,
            self.node,
        );
        let problem = self[fault].problems[0] as usize;
        self.problems[problem].cause = cause;
        Ok(Some(fault))
    }
}

const COUNTABLE: Kind = Kind(Kind::STRUCT.0 | Kind::BYTES.0 | Kind::STRING.0 | Kind::LIST.0);

macro_rules! language_builtins {
    ($($name:literal ($($param:expr),*) -> $result:expr, $loose:literal, $run:expr;)*) => {
        /// The functions of the language itself.
        pub(crate) static LANGUAGE: &[Builtin] = &[$(Builtin {
            package: "",
            name: $name,
            params: &[$($param),*],
            result: $result,
            non_concrete: $loose,
            optional: 0,
            run: &$run,
        }),*];
    };
}

language_builtins! {
    "len" (COUNTABLE) -> Kind::INT, false, len;
    "close" (Kind::STRUCT) -> Kind::STRUCT, false, close;
    "and" (Kind::LIST) -> Kind::INT, false, and;
    "or" (Kind::LIST) -> Kind::INT, true, or;
    "div" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_div);
    "mod" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_mod);
    "quo" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_quo);
    "rem" (Kind::INT, Kind::INT) -> Kind::INT, false, |call| whole(call, pequod_cue_num::Decimal::int_rem);
    "error" (Kind::STRING) -> Kind::STRING, false, |_| Ok(None);
    "matchN" (Kind::TOP, Kind::INT, Kind::LIST) -> Kind::BOOL, true, |call| call.unsupported("matchN");
    "matchIf" (Kind::TOP, Kind::TOP, Kind::TOP, Kind::TOP) -> Kind::BOOL, true, |call| call.unsupported("matchIf");
}

fn len(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let count = match call.arg(0) {
        Value::Str(sym) => call.session.text(sym).len(),
        Value::Bytes(id) => call.session.bytes[id.at()].len(),
        Value::Node(node) => {
            let node = call.session.deref(node);
            if matches!(call.session[node].base, Base::List { .. }) {
                call.session.elements(node).len()
            } else {
                let mut count = 0;
                for arc in call.session[node].arcs.clone() {
                    if call.session[arc].label.is_string() && call.session.is_there(arc)? {
                        count += 1;
                    }
                }
                count
            }
        }
        _ => 0,
    };
    Ok(Some(Value::Int(i64::try_from(count).unwrap_or(i64::MAX))))
}

fn close(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Value::Node(node) = call.arg(0) else {
        return Ok(call.fail("struct argument must be concrete"));
    };
    let session = &mut *call.session;
    let node = session.deref(node);
    let conjuncts = session[node].conjuncts.clone();
    let wrapper = session.inline_node(&conjuncts);
    let close = session.close;
    if let Some(work) = session.work(wrapper)? {
        let c = Conjunct {
            env: NO_ENV,
            elem: Elem::Value(Value::Node(node)),
            close: Close::default(),
        };
        session.share(work, c, node, close)?;
    }
    session[wrapper].closed_once = true;
    Ok(Some(Value::Node(wrapper)))
}

fn and(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Value::Node(node) = call.arg(0) else {
        return Ok(None);
    };
    let node = call.session.deref(node);
    let values: Vec<_> = call
        .session
        .elements(node)
        .into_iter()
        .map(Value::Node)
        .collect();
    if values.is_empty() {
        return Ok(Some(Value::Top));
    }
    Ok(Some(call.session.conjunction(&values)))
}

fn or(call: &mut Call<'_, '_>) -> Run<Option<Value>> {
    let Some(value) = call.concrete(call.arg(0)) else {
        return Ok(None);
    };
    let list = match value {
        Value::Node(node) if matches!(call.session[node].base, Base::List { .. }) => node,
        other => {
            let kind = call.session.kind(other);
            return Ok(if kind.meets(Kind::LIST) {
                call.incomplete("incomplete list in call to or")
            } else {
                call.fail(format!("cannot use value (type {kind}) as type list"))
            });
        }
    };
    let elements = call.session.elements(list);
    if elements.is_empty() {
        return Ok(call.incomplete("empty list in call to or"));
    }
    let session = &mut *call.session;
    let values: Vec<_> = elements.into_iter().map(Value::Node).collect();
    let disjunction = session.add_disjunction(values, 0, false);
    let c = Conjunct {
        env: NO_ENV,
        elem: Elem::Value(disjunction),
        close: session.close,
    };
    let node = session.new_node(Node {
        conjuncts: smallvec::smallvec![c],
        ..Node::default()
    });
    session.unify(node, Cond::ALL, Mode::Finalize, true)?;
    Ok(Some(Value::Node(node)))
}

fn whole(
    call: &mut Call<'_, '_>,
    op: fn(
        &pequod_cue_num::Decimal,
        &pequod_cue_num::Decimal,
    ) -> Result<pequod_cue_num::Decimal, pequod_cue_num::NumError>,
) -> Run<Option<Value>> {
    let (a, b) = (call.number(0), call.number(1));
    Ok(match op(&a, &b) {
        Ok(result) => Some(call.decimal(result, Kind::INT)),
        Err(error) => call.fail(error.to_string()),
    })
}

impl Session<'_> {
    /// Whether a field is there, found out if need be.
    pub(crate) fn is_there(&mut self, arc: NodeId) -> Run<bool> {
        if self[arc].presence == Presence::Member {
            return Ok(true);
        }
        let done = self[arc]
            .parent
            .is_some_and(|parent| self[parent].status == crate::session::Status::Final);
        if !done {
            self.finalize(arc)?;
        }
        Ok(self[arc].presence == Presence::Member)
    }
}
