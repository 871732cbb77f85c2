//! Looking at values: kinds, concreteness, defaults, places.

use std::borrow::Cow;

use pequod_cue_num::Decimal;
use pequod_cue_syntax::Pos;
use pequod_diag::{Path, Place, Step};
use smallvec::SmallVec;

use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::program::{Decl, Expr, Sym};
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Session, Status};
use crate::value::{Arg, Base, BytesId, ConjunctionId, FaultCode, NodeId, Num, NumId, Op, Value};

impl Session<'_> {
    /// The types a value may have.
    pub(crate) fn kind(&self, value: Value) -> Kind {
        match value {
            Value::Null => Kind::NULL,
            Value::Bool(_) => Kind::BOOL,
            Value::Int(_) => Kind::INT,
            Value::Num(id) => self.nums[id.at()].kind,
            Value::Str(_) => Kind::STRING,
            Value::Bytes(_) => Kind::BYTES,
            Value::Top => Kind::TOP,
            Value::Type(kind) => kind,
            Value::Bound(id) => {
                let bound = self.bound(id);
                match self.kind(bound.value) {
                    Kind::INT | Kind::FLOAT | Kind::NUMBER => Kind::NUMBER,
                    Kind::NULL if bound.op == Op::NotEqual => Kind::TOP.without(Kind::NULL),
                    kind => kind,
                }
            }
            Value::Validator(id) => {
                let builtin = self.validators[id.at()].builtin;
                self.program.builtins[builtin as usize]
                    .params
                    .first()
                    .copied()
                    .unwrap_or(Kind::TOP)
            }
            Value::Builtin(_) => Kind::FUNC,
            Value::Conjunction(id) => self.conjunctions[id.at()]
                .iter()
                .fold(Kind::TOP, |kind, v| kind & self.kind(*v)),
            Value::Disjunction(id) => self.disjunctions[id.at()]
                .values
                .iter()
                .fold(Kind::BOTTOM, |kind, v| kind | self.kind(*v)),
            Value::Fault(_) => Kind::BOTTOM,
            Value::Node(node) => self.node_kind(node),
        }
    }

    fn node_kind(&self, node: NodeId) -> Kind {
        let n = &self[node];
        let state = n.work.map(|work| self[work].kind);
        if state == Some(Kind::BOTTOM) {
            return Kind::BOTTOM;
        }
        match n.base {
            Base::Struct => Kind::STRUCT,
            Base::List { .. } => Kind::LIST,
            Base::Value(value) if !self.is_cycle_base(n.base) => self.kind(value),
            _ => state.unwrap_or(Kind::TOP),
        }
    }

    /// The value of a node: itself if it is a struct or list.
    pub(crate) fn node_value(&self, node: NodeId) -> Option<Value> {
        match self[node].base {
            Base::None => None,
            Base::Struct | Base::List { .. } => Some(Value::Node(node)),
            Base::Value(value) => Some(value),
        }
    }

    /// The content of a node: what it stands for, as far as known.
    pub(crate) fn unwrap(&self, value: Value) -> Option<Value> {
        let Value::Node(node) = value else {
            return Some(value);
        };
        let node = self.deref(node);
        if let Some(work) = self[node].work
            && self.is_cycle_base(self[node].base)
        {
            if let Some(fault) = self[work].faults
                && !self.is_incomplete(fault)
            {
                return Some(Value::Fault(fault));
            }
            if let Some(scalar) = self[work].scalar
                && !self.ended_in_cycle(node)
            {
                return Some(scalar.value);
            }
        }
        self.node_value(node)
    }

    /// Whether a node that is in a cycle is an operand, or one of several arms of an operand, that is done: nothing is left
    /// of it but the cycle, since the reference gives back the states of operands and of their arms.
    fn ended_in_cycle(&self, node: NodeId) -> bool {
        let arm_of = self[node].underlying.filter(|_| self[node].disjunct);
        let operand = arm_of.unwrap_or(node);
        let several =
            arm_of.is_none() || matches!(self[operand].base, Base::Value(Value::Disjunction(_)));
        several
            && self[operand].label == Label::NONE
            && self[operand].status == Status::Final
            && !self.unifying.contains(&operand)
    }

    /// Whether a value is data (or a struct or list).
    pub(crate) fn is_concrete(&self, value: Value) -> bool {
        match value {
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Num(_)
            | Value::Str(_)
            | Value::Bytes(_)
            | Value::Builtin(_) => true,
            Value::Top
            | Value::Type(_)
            | Value::Bound(_)
            | Value::Validator(_)
            | Value::Conjunction(_)
            | Value::Disjunction(_)
            | Value::Fault(_) => false,
            Value::Node(node) => match self[self.deref(node)].base {
                Base::None | Base::Struct | Base::List { .. } | Base::Value(Value::Fault(_)) => {
                    true
                }
                Base::Value(value) => self.is_concrete(value),
            },
        }
    }

    /// Whether more input cannot change a value; `closed` says that what encloses it lets nothing in.
    pub(crate) fn is_final(&self, value: Value, closed: bool) -> bool {
        match value {
            Value::Node(node) => {
                let n = &self[node];
                let closed = closed || n.closed || n.closed_once;
                if let Base::Value(value) = n.base {
                    return self.is_final(value, closed);
                }
                closed
                    && n.arcs().iter().all(|arc| {
                        !self[*arc].label.is_regular()
                            || ((self[*arc].presence == Presence::Member
                                || self.fault_of(*arc).is_some())
                                && self.is_final(Value::Node(*arc), false))
                    })
            }
            Value::Fault(fault) => self[fault].code <= FaultCode::Structural,
            other => self.is_concrete(other),
        }
    }

    /// Whether a value is data with all its fields. Errors count as data: they are final, too.
    pub(crate) fn is_recursively_concrete(&self, node: NodeId) -> bool {
        let fields = self[node].arcs().iter().all(|arc| {
            !self[*arc].label.is_regular()
                || (self[*arc].presence != Presence::Required && self.is_recursively_concrete(*arc))
        });
        fields && self.is_concrete(Value::Node(node))
    }

    /// The default of a value, or the value; none with an error in the context if it is a
    /// disjunction without one default.
    pub(crate) fn default_of(&mut self, value: Option<Value>) -> Option<Value> {
        let mut value = value?;
        loop {
            let d = match value {
                Value::Node(node) => match self[node].base {
                    Base::Value(Value::Disjunction(d)) => d,
                    Base::Value(Value::Node(next)) => {
                        value = Value::Node(next);
                        continue;
                    }
                    _ => return Some(value),
                },
                Value::Disjunction(d) => d,
                _ => return Some(value),
            };
            let disjunction = &self.disjunctions[d.at()];
            if disjunction.defaults != 1 {
                let kind = self.kind(Value::Disjunction(d));
                self.add_err_coded(
                    FaultCode::Incomplete,
                    "unresolved disjunction {} (type {})",
                    [Arg::Value(Value::Disjunction(d)), Arg::Kind(kind)],
                    self.pos,
                    self.node,
                );
                return None;
            }
            value = disjunction.values[0];
        }
    }

    pub(crate) fn is_data(&self, node: NodeId) -> bool {
        self[node].data || self[node].conjuncts.is_empty()
    }

    pub(crate) fn is_from_disjunction(&self, mut node: NodeId) -> bool {
        if matches!(self[node].base, Base::Value(Value::Disjunction(_))) {
            return true;
        }
        loop {
            if self[node].disjunct {
                return true;
            }
            match self[node].base {
                Base::Value(Value::Node(next)) => node = next,
                _ => return false,
            }
        }
    }

    pub(crate) fn conjunction(&mut self, values: &[Value]) -> Value {
        let id = u32::try_from(self.conjunctions.len()).unwrap_or(u32::MAX);
        self.conjunctions.push(values.into());
        Value::Conjunction(ConjunctionId(id))
    }

    pub(crate) fn new_bytes(&mut self, bytes: &[u8]) -> Value {
        self.meter.note_text(bytes.len());
        self.meter.charge_bytes(bytes.len());
        let id = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes.push(bytes.into());
        Value::Bytes(BytesId(id))
    }

    /// A number as a value.
    pub(crate) fn number(&mut self, decimal: Decimal, kind: Kind) -> Value {
        if kind == Kind::INT
            && decimal.exponent() == 0
            && let Some(small) = decimal.to_i64()
        {
            return Value::Int(small);
        }
        self.meter.charge_bytes(64);
        let id = u32::try_from(self.nums.len()).unwrap_or(u32::MAX);
        self.nums.push(Num { decimal, kind });
        Value::Num(NumId(id))
    }

    /// The number a value is.
    pub(crate) fn decimal(&self, value: Value) -> Option<Decimal> {
        match value {
            Value::Int(value) => Some(Decimal::from_i64(value)),
            Value::Num(id) => Some(self.nums[id.at()].decimal.clone()),
            _ => None,
        }
    }

    /// A label as a value: a string or an int.
    pub(crate) fn label_value(label: Label) -> Value {
        match label.kind() {
            LabelKind::Index => Value::Int(label.index().into()),
            _ => Value::Str(Sym(label.index())),
        }
    }

    /// The name that a label is, if it is one.
    pub(crate) fn name_of(&self, label: Label) -> Option<&str> {
        let named = !matches!(
            label.kind(),
            LabelKind::Index | LabelKind::Let | LabelKind::None
        );
        named.then(|| &**self.text(Sym(label.index())))
    }

    /// A label as text.
    pub(crate) fn label_text(&self, label: Label) -> String {
        self.label_name(label).into_owned()
    }

    /// The same, not copied where it lies somewhere.
    pub(crate) fn label_name(&self, label: Label) -> Cow<'_, str> {
        match label.kind() {
            LabelKind::Index => label.index().to_string().into(),
            LabelKind::Let => (*self.program.lets[label.index() as usize]).into(),
            LabelKind::None if label == Label::BLANK => "_".into(),
            LabelKind::None => "".into(),
            LabelKind::Hidden | LabelKind::HiddenDefinition => {
                let text = self.text(Sym(label.index()));
                let mut parts = text.split(crate::program::SCOPE);
                parts.next().unwrap_or_default().into()
            }
            _ => (**self.text(Sym(label.index()))).into(),
        }
    }

    /// A list of nodes that live elsewhere.
    pub(crate) fn list_of_nodes(&mut self, elements: &[NodeId]) -> Value {
        let list = self.new_data(Base::List { open: false });
        for (at, element) in elements.iter().enumerate() {
            self.adopt(list, index_label(at), Value::Node(*element));
        }
        Value::Node(list)
    }

    /// A list made by a call. What is an element stays one value, which whoever takes it may share.
    pub(crate) fn list_of(&mut self, values: &[Value]) -> Value {
        let list = self.new_data(Base::List { open: false });
        for (at, value) in values.iter().enumerate() {
            let arc = self.adopt(list, index_label(at), *value);
            if let Value::Node(element) = *value
                && !self.is_data(element)
            {
                self[arc].conjuncts = std::iter::once(as_it_is(*value)).collect();
            }
        }
        Value::Node(list)
    }

    /// The default of a node that is one of several, or the choice between its defaults. It is a value of its own: what
    /// was written without the other arms.
    pub(crate) fn taken_default(&mut self, node: NodeId) -> Option<NodeId> {
        let choice = self.deref(node);
        let default = self.with_default(choice);
        let (of, value) = if default != choice {
            (default, Value::Node(default))
        } else if let Base::Value(Value::Disjunction(d)) = self[choice].base {
            let disjunction = &self.disjunctions[d.at()];
            let defaults = disjunction.defaults;
            if defaults < 2 {
                return None;
            }
            let values = disjunction.values[..defaults].to_vec();
            (choice, self.add_disjunction(values, defaults, true))
        } else {
            return None;
        };
        let mut conjuncts = SmallVec::new();
        for c in &self[choice].conjuncts {
            self.without_other_arms(c.elem, value, &mut |elem| {
                conjuncts.push(Conjunct {
                    env: c.env,
                    elem,
                    close: Close::default(),
                });
            });
        }
        let mut taken = Node {
            work: None,
            underlying: None,
            conjuncts,
            ..self[of].clone()
        };
        if of == choice {
            taken.base = Base::Value(value);
        }
        Some(self.new_node(taken))
    }

    /// What a conjunct comes to if disjunctions are their one marked arm. Of several marked ones only the value is known
    /// that came of them.
    fn without_other_arms(&self, elem: Elem, value: Value, each: &mut impl FnMut(Elem)) {
        let expr = match elem {
            Elem::Expr(expr) => expr,
            Elem::Decl(decl) => match self.program.decl(decl) {
                Decl::Field { value, .. } | Decl::Let { value, .. } => *value,
                _ => return each(elem),
            },
            Elem::Value(_) | Elem::Comp(_) => return each(elem),
        };
        match self.program.expr(expr) {
            Expr::Disjunction { arms, .. } => {
                let mut marked = arms.iter().filter(|(_, marked)| *marked);
                match (marked.next(), marked.next()) {
                    (None, _) => each(elem),
                    (Some((arm, _)), None) => each(Elem::Expr(*arm)),
                    (Some(_), Some(_)) => each(Elem::Value(value)),
                }
            }
            Expr::And(a, b) => {
                self.without_other_arms(Elem::Expr(*a), value, each);
                self.without_other_arms(Elem::Expr(*b), value, each);
            }
            _ => each(elem),
        }
    }

    /// A list that a call makes within another one, for which the same holds.
    pub(crate) fn row_of(&mut self, values: &[Value]) -> Value {
        let list = self.list_of(values);
        let Value::Node(data) = list else {
            return list;
        };
        let mut row = self[data].clone();
        row.data = false;
        row.dynamic = false;
        row.conjuncts = std::iter::once(as_it_is(list)).collect();
        Value::Node(self.new_node(row))
    }

    /// A struct made by an expression.
    pub(crate) fn struct_of(&mut self, fields: &[(std::sync::Arc<str>, Value)]) -> Value {
        let result = self.new_data(Base::Struct);
        for (name, value) in fields {
            let label = Label::new(LabelKind::Regular, self.intern(name).0);
            self.adopt(result, label, *value);
        }
        let source = crate::session::ShapeSource::Data(result);
        self[result]
            .fields_mut()
            .shapes
            .push(crate::session::Shape {
                source,
                comp: 0,
                repeats: 0,
            });
        Value::Node(result)
    }

    /// Whether a function made a struct: that is a struct as if it were written.
    pub(crate) fn is_decoded(&self, node: NodeId) -> bool {
        let mut shapes = self[node].shapes().iter();
        shapes.any(
            |shape| matches!(shape.source, crate::session::ShapeSource::Data(of) if of == node),
        )
    }

    /// A finished node; whoever refers to it takes it as it is.
    pub(crate) fn new_data(&mut self, base: Base) -> NodeId {
        let node = self.new_node(Node {
            status: Status::Final,
            base,
            dynamic: true,
            data: true,
            ..Node::default()
        });
        let own = match base {
            Base::Value(value) => value,
            _ => Value::Node(node),
        };
        self[node].conjuncts.push(as_it_is(own));
        node
    }

    /// Makes a value a field or element. A node keeps its conjuncts, to be evaluated in its new
    /// place if it was not yet.
    fn adopt(&mut self, parent: NodeId, label: Label, value: Value) -> NodeId {
        let arc = match value {
            Value::Node(other) => {
                let mut copy = self[other].clone();
                copy.work = None;
                copy.underlying = None;
                if copy.status != Status::Final {
                    copy.status = Status::Fresh;
                    copy.base = Base::None;
                    copy.clear_arcs();
                }
                self.new_node(copy)
            }
            scalar => self.new_data(Base::Value(scalar)),
        };
        self[arc].parent = Some(parent);
        self[arc].label = label;
        self.push_arc(parent, arc);
        arc
    }

    /// Where a node was written first.
    pub(crate) fn node_pos(&self, node: NodeId) -> Option<Pos> {
        self[node]
            .conjuncts
            .iter()
            .find_map(|c| self.elem_pos(c.elem))
    }

    /// A position for people.
    pub(crate) fn place(&self, pos: Pos) -> Option<Place> {
        let source = self.program.files.get(pos.file.0 as usize)?;
        Some(source.place(pos.offset))
    }

    /// Where the values were written that a node is made of.
    pub(crate) fn written_at(&self, node: NodeId) -> impl Iterator<Item = Pos> {
        let conjuncts = self[node].conjuncts.iter();
        conjuncts.filter_map(|c| self.value_pos(c.elem))
    }

    pub(crate) fn elem_pos(&self, elem: Elem) -> Option<Pos> {
        match elem {
            Elem::Expr(expr) => Some(self.program.span(expr).pos()),
            Elem::Comp(comp) => Some(self.program.comps[comp.at()].span.pos()),
            Elem::Value(_) => None,
            Elem::Decl(decl) => match self.program.decl(decl) {
                Decl::Field { span, .. }
                | Decl::Let { span, .. }
                | Decl::Dynamic { span, .. }
                | Decl::Pattern { span, .. } => Some(span.pos()),
                _ => None,
            },
        }
    }

    /// Where an element's value stands, rather than the field that has it.
    pub(crate) fn value_pos(&self, elem: Elem) -> Option<Pos> {
        match elem {
            Elem::Decl(decl) => match self.program.decl(decl) {
                Decl::Field { value, .. }
                | Decl::Let { value, .. }
                | Decl::Dynamic { value, .. }
                | Decl::Pattern { value, .. } => Some(self.program.span(*value).pos()),
                _ => None,
            },
            elem => self.elem_pos(elem),
        }
    }

    /// The path of a node from the root.
    pub(crate) fn path(&self, node: NodeId) -> String {
        self.path_of(node).to_string()
    }

    /// The labels from the root to a node.
    pub(crate) fn path_of(&self, node: NodeId) -> Path {
        let mut steps = Vec::new();
        let mut next = Some(node);
        while let Some(node) = next {
            steps.extend(self.step_of(self[node].label));
            next = self[node].parent;
        }
        steps.reverse();
        Path(steps)
    }

    /// A label as a step of a path; none for what has no label.
    pub(crate) fn step_of(&self, label: Label) -> Option<Step> {
        match label.kind() {
            LabelKind::None => None,
            LabelKind::Index => Some(Step::Index(label.index())),
            LabelKind::Regular => Some(Step::Field(self.label_text(label))),
            _ => Some(Step::Hidden(self.label_text(label))),
        }
    }

    /// A label as it would be written.
    pub(crate) fn shown_label(&self, label: Label) -> String {
        let text = self.label_text(label);
        if label.is_string() && !is_identifier(&text) {
            return pequod_cue_syntax::literal::quote(&text);
        }
        text
    }
}

/// Whether a text needs no quotes as a label.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c == '$' || c.is_alphabetic());
    first && chars.all(|c| c == '_' || c == '$' || c.is_alphanumeric())
}

fn index_label(at: usize) -> Label {
    Label::new(LabelKind::Index, u32::try_from(at).unwrap_or(u32::MAX))
}

/// A value that stands for itself.
fn as_it_is(value: Value) -> Conjunct {
    Conjunct {
        env: NO_ENV,
        elem: Elem::Value(value),
        close: Close::default(),
    }
}
