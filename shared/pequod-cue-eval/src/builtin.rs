//! Builtin functions: what they declare, how they are called, and those of the language itself.
//!
//! A builtin declares the types of its parameters; arguments are checked against them before it is
//! called. One that gives a bool and is called without its first argument is a *validator*: it is
//! kept as a constraint and called with the value once that is concrete.

use smallvec::SmallVec;

use crate::budget::{OUTPUT, units_of};
use crate::export::Check;
use crate::kind::{Kind, Presence};
use crate::program::ExprId;
use crate::session::{Node, Run, Session};
use crate::value::{Arg, Base, FaultCode, Value};

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
    /// A parameter that is one of a few texts.
    pub choice: Option<Choice>,
    /// A parameter that must not be negative.
    pub unsigned: Option<usize>,
    /// Lists that must be there as such: what `and` makes is none yet.
    pub lists: &'static [usize],
    /// What it does. `None` with an error raised by [`Call::fail`] or [`Call::incomplete`].
    pub run: &'static Runner,
}

/// A parameter that is one of a few texts. It is looked at before it is known whether the others are concrete, and what
/// waits is run before: the reference finds it by an evaluation of its own, at the end of which nothing may wait.
#[derive(Clone, Copy)]
pub struct Choice {
    /// Which parameter, from 0.
    pub at: usize,
    /// Whether a text is one of them.
    pub admits: fn(&str) -> bool,
    /// What they are, for an error.
    pub what: &'static str,
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

    pub(crate) fn validates(&self, args: usize) -> bool {
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
    /// The call as written; none for a validator by its bare name.
    pub(crate) expr: Option<ExprId>,
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
    /// A value as people write it.
    pub fn show(&self, value: Value) -> String {
        self.session.show(value)
    }

    /// Whether it runs as a validator: a no may then say why.
    pub const fn validates(&self) -> bool {
        self.validates
    }

    /// The function that was called.
    pub const fn function(&self) -> &'static Builtin {
        self.builtin
    }

    /// Counts work of the function's own, in units of about 50 ns.
    ///
    /// # Errors
    ///
    /// The budget is spent.
    pub fn charge(&mut self, units: u64) -> Run<()> {
        self.session.charge(units)
    }

    /// Takes a value apart, its default taken; none with an error raised. What is shared is taken apart as often as it
    /// is met, and that is counted.
    pub fn view(&mut self, value: Value) -> Run<Option<View>> {
        let view = self.view_of(value)?;
        self.session.charge(match &view {
            Some(View::Text(text)) => 1 + units_of(text.len()),
            Some(View::Bytes(bytes)) => 1 + units_of(bytes.len()),
            Some(View::Int(number) | View::Float(number)) => 1 + number.digits() / 64,
            Some(View::List { elements, .. }) => 1 + elements.len() as u64,
            Some(View::Struct { fields, .. }) => 1 + fields.len() as u64,
            _ => 1,
        })?;
        Ok(view)
    }

    fn view_of(&mut self, mut value: Value) -> Run<Option<View>> {
        if matches!(value, Value::Conjunction(_)) {
            value = Value::Node(self.session.unify_values(value, Value::Top)?);
        }
        if let Value::Node(node) = value {
            self.session
                .in_own_context(|session| session.finalize(node))?;
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
                            .arcs()
                            .iter()
                            .filter(|arc| {
                                let n = &session[**arc];
                                n.label.is_string()
                                    && matches!(n.presence, Presence::Optional | Presence::Required)
                            })
                            .count();
                        View::Struct {
                            fields,
                            // What matches a pattern may be added to a closed one, too.
                            open: session.is_open_struct(node)
                                || !session[node].patterns().is_empty(),
                            constraints,
                        }
                    }
                }
            }
            other => View::Other(session.kind(other)),
        }))
    }

    /// The default of a value, or the value.
    pub fn default_value(&mut self, value: Value) -> Value {
        match value {
            // What has no default stays what it is: a reference to a definition is closed, its target may not be.
            Value::Node(node) => self.session.taken_default(node).map_or(value, Value::Node),
            other => other,
        }
    }

    /// Tells that a function made a product of factors.
    pub fn note_product<'n>(
        &mut self,
        factors: impl Iterator<Item = &'n pequod_cue_num::Decimal>,
        product: &pequod_cue_num::Decimal,
    ) {
        self.session.doubt_product(factors, product);
    }

    /// Tells that a function makes a number text.
    pub fn note_text(&mut self, number: &pequod_cue_num::Decimal) {
        self.session.doubt_text(number);
    }

    /// Whether something of a struct is required and missing: a field, or anything else it declares.
    pub fn lacks(&self, value: Value, anything: bool) -> bool {
        let Value::Node(node) = value else {
            return false;
        };
        let node = self.session.with_default(node);
        self.session[node].arcs().iter().any(|arc| {
            let n = &self.session[*arc];
            n.presence == Presence::Required && (anything || n.label.is_string())
        })
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
        let arcs = self.session[node].arcs().to_vec();
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

    /// A list within a list as a result, where it is no document that is taken apart.
    pub fn new_row(&mut self, values: &[Value]) -> Value {
        self.session.row_of(values)
    }

    /// The types of a value.
    pub fn kind_of(&self, value: Value) -> Kind {
        self.session.kind(value)
    }

    /// Whether a value is one of several, perhaps with a default.
    pub fn is_choice(&self, value: Value) -> bool {
        match value {
            Value::Node(node) => matches!(
                self.session[self.session.deref(node)].base,
                Base::Value(Value::Disjunction(_))
            ),
            other => matches!(other, Value::Disjunction(_)),
        }
    }

    /// Whether a value is one of several, none of which is its default.
    pub fn is_undecided(&mut self, value: Value) -> Run<bool> {
        let Value::Node(node) = value else {
            return Ok(false);
        };
        self.session
            .in_own_context(|session| session.finalize(node))?;
        let node = self.session.with_default(node);
        Ok(self.is_choice(Value::Node(node)))
    }

    /// `*null | _` as a result.
    pub fn null_by_default(&mut self) -> Value {
        self.session
            .add_disjunction(vec![Value::Null, Value::Top], 1, true)
    }

    /// The number a value is.
    pub fn number_of(&self, value: Value) -> Option<pequod_cue_num::Decimal> {
        self.session
            .unwrap(value)
            .and_then(|value| self.session.decimal(value))
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

    /// Whether two values are equal as far as they are known, their defaults taken; errors equal one
    /// another. Hidden fields and definitions count unless only `regular` fields do.
    pub fn equal(&mut self, a: Value, b: Value, regular: bool) -> Run<bool> {
        let flags = if regular {
            crate::equal::Flags::REGULAR
        } else {
            crate::equal::Flags::NONE
        };
        self.session.equal(a, b, flags)
    }

    /// Whether more input cannot change a value.
    pub fn is_final(&self, value: Value) -> bool {
        self.session.is_final(value, false)
    }

    /// A regular expression.
    pub fn regex(&mut self, at: usize) -> Run<Option<std::sync::Arc<pequod_cue_regex::Regex>>> {
        let text = self.text(at);
        let sym = self.session.intern(&text);
        self.session.regex(sym)
    }

    /// The compiled form of a text that is a regular expression, kept for the next call.
    pub fn pattern(&mut self, text: &str) -> Run<Option<std::sync::Arc<pequod_cue_regex::Regex>>> {
        let sym = self.session.intern(text);
        Ok(self.session.compiled(sym)?.ok())
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
        let fault = self.session.in_own_context(|session| {
            session.finalize(node)?;
            session.first_fault(node, Check::CONCRETE)
        })?;
        if let Some(fault) = fault {
            self.session.add_err(fault);
            return Ok(None);
        }
        match self.session.json_text(node, false) {
            Ok(text) => Ok(Some(text)),
            Err(_) => self.session.limit(OUTPUT),
        }
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

    pub(crate) fn raise<const N: usize>(
        &mut self,
        code: FaultCode,
        template: &'static str,
        args: [Arg; N],
    ) {
        let (pos, node) = (self.session.pos, self.session.node);
        self.session.add_err_coded(code, template, args, pos, node);
    }
}
