//! Out: validation and JSON. In: data.

use std::fmt::Write as _;

use pequod_cue_num::Decimal;
use rustc_hash::FxHashSet;

use crate::budget::{Poison, Room};
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::order::Orders;
use crate::session::{Run, Session, Shape, ShapeSource};
use crate::value::{Arg, Base, FaultCode, FaultId, NodeId, Value};

/// What counts as an error, beside contradictions.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent demands on one value"
)]
pub struct Check {
    /// That it is not data.
    pub concrete: bool,
    /// That a required field is missing.
    pub complete: bool,
    /// Errors that more input may repair.
    pub incomplete: bool,
    /// All errors are wanted, not only the first.
    pub all: bool,
}

impl Check {
    /// Contradictions alone.
    pub const SOUND: Self = Self {
        concrete: false,
        complete: false,
        incomplete: false,
        all: true,
    };
    /// No field is missing.
    pub const COMPLETE: Self = Self {
        complete: true,
        ..Self::SOUND
    };
    /// Everything is data.
    pub const CONCRETE: Self = Self {
        concrete: true,
        ..Self::COMPLETE
    };
    /// As a schema is matched: the first thing that is wrong or not known yet.
    pub const MATCH: Self = Self {
        incomplete: true,
        all: false,
        ..Self::COMPLETE
    };
}

/// The state of a validation.
struct Validation {
    check: Check,
    found: Vec<FaultId>,
    /// Nodes that others share; once is enough.
    visited: FxHashSet<NodeId>,
}

impl Session<'_> {
    /// All errors of a value, in the order they are met.
    pub fn validate(&mut self, node: NodeId, check: Check) -> Run<Vec<FaultId>> {
        let mut validation = Validation {
            check,
            found: Vec::new(),
            visited: FxHashSet::default(),
        };
        self.validate_into(node, 0, &mut validation)?;
        Ok(validation.found)
    }

    /// The first error of a value.
    pub(crate) fn first_fault(&mut self, node: NodeId, check: Check) -> Run<Option<FaultId>> {
        let check = Check {
            all: false,
            ..check
        };
        Ok(self.validate(node, check)?.into_iter().next())
    }

    fn validate_into(
        &mut self,
        node: NodeId,
        in_definition: u32,
        validation: &mut Validation,
    ) -> Run<()> {
        let check = validation.check;
        let mut x = self.deref(node);
        if x != node && (in_definition > 0 || !validation.visited.insert(x)) {
            return Ok(());
        }
        let regular = in_definition == 0;
        let concrete = check.concrete && regular;
        if let Some(fault) = self.fault_of(x) {
            let report = match self[fault].code {
                FaultCode::Cycle => (check.concrete || check.complete) && regular,
                FaultCode::Incomplete => concrete || check.incomplete,
                _ => !check.all || !self[fault].child,
            };
            if report {
                validation.found.push(fault);
            }
            if !self[fault].recursive {
                return Ok(());
            }
        } else if concrete {
            x = self.with_default(x);
            if !self.is_concrete(Value::Node(x)) {
                let value = self.node_value(x).unwrap_or(Value::Top);
                let pos = self.node_pos(node);
                let fault = self.new_fault(
                    FaultCode::Incomplete,
                    "incomplete value {}",
                    [Arg::Value(value)],
                    pos,
                    Some(node),
                );
                validation.found.push(fault);
                return Ok(());
            }
        }
        let arcs = self[x].arcs().to_vec();
        for arc in arcs {
            let label = self[arc].label;
            if self[arc].presence == Presence::Required && check.complete && regular {
                let pos = self.node_pos(arc);
                let fault = self.new_fault(
                    FaultCode::Incomplete,
                    "field is required but not present",
                    [],
                    pos,
                    Some(arc),
                );
                validation.found.push(fault);
                continue;
            }
            if label.is_let() || !self.is_there(arc)? {
                continue;
            }
            if !check.all && !validation.found.is_empty() {
                break;
            }
            let inside = in_definition + u32::from(!label.is_regular());
            self.deeper(|s| s.validate_into(arc, inside, validation))?;
        }
        Ok(())
    }

    /// The default of a node, or the node.
    pub(crate) fn with_default(&self, node: NodeId) -> NodeId {
        let mut node = self.deref(node);
        while let Base::Value(Value::Disjunction(d)) = self[node].base {
            let disjunction = &self.disjunctions[d.at()];
            match (disjunction.defaults, disjunction.values.first()) {
                (1, Some(Value::Node(arm))) => node = self.deref(*arm),
                _ => return node,
            }
        }
        node
    }

    /// The scalar a node comes to with its default.
    pub(crate) fn final_value(&self, node: NodeId) -> Option<Value> {
        let node = self.with_default(node);
        match self.node_value(node) {
            Some(Value::Disjunction(d)) => {
                let disjunction = &self.disjunctions[d.at()];
                (disjunction.defaults == 1).then(|| disjunction.values[0])
            }
            other => other,
        }
    }

    /// The regular fields of a struct, or the elements of a list, in output order.
    pub fn output_arcs(&self, node: NodeId) -> Vec<NodeId> {
        let node = self.with_default(node);
        match self[node].base {
            Base::List { .. } => self.elements(node),
            _ => self
                .ordered_labels(node)
                .into_iter()
                .filter(|label| label.is_string())
                .filter_map(|label| self.arc(node, label))
                .filter(|arc| self[*arc].presence == Presence::Member)
                .collect(),
        }
    }

    /// A validated node as JSON, if that is not too large.
    pub fn json_text(&self, node: NodeId, pretty: bool) -> Result<String, Poison> {
        let mut writer = Writer {
            session: self,
            orders: Orders::default(),
            out: String::new(),
            room: Room::new(&self.meter.limits),
        };
        writer.value(node, pretty.then_some(0));
        writer.room.of(writer.out)
    }
}

/// Writes JSON.
struct Writer<'a> {
    session: &'a Session<'a>,
    orders: Orders,
    out: String,
    room: Room,
}

impl Writer<'_> {
    fn value(&mut self, node: NodeId, indent: Option<usize>) {
        let session = self.session;
        if !self.room.take(indent.unwrap_or(0)) {
            return;
        }
        let node = session.with_default(node);
        let value = match session[node].base {
            Base::Struct if session.is_in_order(node) => {
                let present = |arc: &NodeId| {
                    session[*arc].label.is_string() && session[*arc].presence == Presence::Member
                };
                let arcs = session[node].arcs().iter().copied().filter(present);
                self.items(arcs, true, indent);
                return;
            }
            Base::Struct => {
                let labels = session.known_order(node, &mut self.orders);
                let present = |arc: &NodeId| session[*arc].presence == Presence::Member;
                let arcs = labels
                    .iter()
                    .filter(|label| label.is_string())
                    .filter_map(|label| session.arc(node, *label))
                    .filter(present);
                self.items(arcs, true, indent);
                return;
            }
            Base::List { .. } => {
                let elements = session[node].arcs().iter().copied();
                let elements = elements.filter(|arc| session[*arc].label.is_index());
                self.items(elements, false, indent);
                return;
            }
            _ => session.final_value(node),
        };
        let out = &mut self.out;
        match value {
            Some(Value::Bool(value)) => out.push_str(if value { "true" } else { "false" }),
            Some(Value::Str(sym)) => {
                if self.room.take(session.text(sym).len()) {
                    json_string(session.text(sym), out);
                }
            }
            Some(Value::Bytes(id)) if self.room.take(2 * session.bytes[id.at()].len()) => {
                out.push('"');
                base64(&session.bytes[id.at()], out);
                out.push('"');
            }
            Some(value @ (Value::Int(_) | Value::Num(_))) => {
                if let Value::Int(small) = value {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "{small}");
                } else if let Some(decimal) = session.decimal(value) {
                    out.push_str(&decimal.to_string());
                }
            }
            Some(Value::Node(inner)) if inner != node => self.value(inner, indent),
            _ => out.push_str("null"),
        }
    }

    fn items(&mut self, arcs: impl Iterator<Item = NodeId>, fields: bool, indent: Option<usize>) {
        let (open, close) = if fields { ('{', '}') } else { ('[', ']') };
        self.out.push(open);
        let deeper = indent.map(|indent| indent + 4);
        let mut any = false;
        for arc in arcs {
            if self.room.is_spent() {
                return;
            }
            if any {
                self.out.push(',');
            }
            any = true;
            self.line(deeper);
            if fields {
                let label = self.session[arc].label;
                match self.session.name_of(label) {
                    Some(name) => json_string(name, &mut self.out),
                    None => json_string(&self.session.label_text(label), &mut self.out),
                }
                self.out.push_str(if indent.is_some() { ": " } else { ":" });
            }
            self.value(arc, deeper);
        }
        if any {
            self.line(indent);
        }
        self.out.push(close);
    }

    fn line(&mut self, indent: Option<usize>) {
        if let Some(indent) = indent {
            const SPACES: &str = "                                ";
            self.out.push('\n');
            let mut rest = indent;
            while rest > 0 {
                let some = rest.min(SPACES.len());
                self.out.push_str(&SPACES[..some]);
                rest -= some;
            }
        }
    }
}

impl Session<'_> {
    // Data in.

    /// Data as a finished node.
    pub(crate) fn data_node(&mut self, data: &serde_json::Value, label: Option<Label>) -> NodeId {
        use serde_json::Value as Json;
        let base = match data {
            Json::Null => Base::Value(Value::Null),
            Json::Bool(value) => Base::Value(Value::Bool(*value)),
            Json::String(text) => Base::Value(self.string(text)),
            Json::Number(number) => Base::Value(self.json_number(&number.to_string())),
            Json::Array(_) => Base::List { open: false },
            Json::Object(_) => Base::Struct,
        };
        let node = self.new_data(base);
        self[node].dynamic = false;
        self[node].label = label.unwrap_or(Label::NONE);
        match data {
            Json::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    let label = Label::new(LabelKind::Index, u32::try_from(at).unwrap_or(u32::MAX));
                    let arc = self.data_node(element, Some(label));
                    self[arc].parent = Some(node);
                    self.push_arc(node, arc);
                }
            }
            Json::Object(fields) => {
                for (name, value) in fields {
                    let label = Label::new(LabelKind::Regular, self.intern(name).0);
                    let arc = self.data_node(value, Some(label));
                    self[arc].parent = Some(node);
                    self.push_arc(node, arc);
                }
                self[node].fields_mut().shapes.push(Shape {
                    source: ShapeSource::Data(node),
                    comp: 0,
                    repeats: 0,
                });
            }
            _ => {}
        }
        node
    }

    fn json_number(&mut self, text: &str) -> Value {
        let kind = if text.contains(['.', 'e', 'E']) {
            Kind::FLOAT
        } else {
            Kind::INT
        };
        let decimal = Decimal::parse(text).unwrap_or(Decimal::ZERO);
        self.number(decimal, kind)
    }
}

fn json_string(text: &str, out: &mut String) {
    out.push('"');
    let plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\' && *byte < 0x80;
    if text.as_bytes().iter().all(plain) {
        out.push_str(text);
    } else {
        json_chars(text, out);
    }
    out.push('"');
}

fn json_chars(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

pub(crate) fn base64(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let block = chunk
            .iter()
            .fold(0u32, |block, byte| (block << 8) | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            if at <= chunk.len() {
                out.push(char::from(DIGITS[(block >> (18 - 6 * at)) as usize & 63]));
            } else {
                out.push('=');
            }
        }
    }
}
