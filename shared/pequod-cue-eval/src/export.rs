//! Out: validation and JSON. In: data.

use std::fmt::Write as _;

use pequod_cue_num::Decimal;
use rustc_hash::FxHashSet;

use crate::kind::{Kind, Label, LabelKind, Presence};
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
        let arcs = self[x].arcs.clone();
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

    /// A validated node as JSON.
    pub fn json_text(&self, node: NodeId, pretty: bool) -> String {
        let mut out = String::new();
        self.json_into(node, pretty.then_some(0), &mut out);
        out
    }

    fn json_into(&self, node: NodeId, indent: Option<usize>, out: &mut String) {
        let node = self.with_default(node);
        let value = match self[node].base {
            Base::Struct => {
                let arcs = self.output_arcs(node);
                self.json_items(&arcs, true, indent, out);
                return;
            }
            Base::List { .. } => {
                let elements = self.elements(node);
                self.json_items(&elements, false, indent, out);
                return;
            }
            _ => self.final_value(node),
        };
        match value {
            Some(Value::Bool(value)) => out.push_str(if value { "true" } else { "false" }),
            Some(Value::Str(sym)) => json_string(self.text(sym), out),
            Some(Value::Bytes(id)) => {
                out.push('"');
                base64(&self.bytes[id.at()], out);
                out.push('"');
            }
            Some(value @ (Value::Int(_) | Value::Num(_))) => {
                if let Some(decimal) = self.decimal(value) {
                    out.push_str(&decimal.to_string());
                }
            }
            Some(Value::Node(inner)) if inner != node => self.json_into(inner, indent, out),
            _ => out.push_str("null"),
        }
    }

    fn json_items(&self, arcs: &[NodeId], fields: bool, indent: Option<usize>, out: &mut String) {
        let (open, close) = if fields { ('{', '}') } else { ('[', ']') };
        out.push(open);
        let deeper = indent.map(|indent| indent + 4);
        let newline = |indent: Option<usize>, out: &mut String| {
            if let Some(indent) = indent {
                out.push('\n');
                out.extend(std::iter::repeat_n(' ', indent));
            }
        };
        for (at, arc) in arcs.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            newline(deeper, out);
            if fields {
                json_string(&self.label_text(self[*arc].label), out);
                out.push(':');
                if indent.is_some() {
                    out.push(' ');
                }
            }
            self.json_into(*arc, deeper, out);
        }
        if !arcs.is_empty() {
            newline(indent, out);
        }
        out.push(close);
    }

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
                self[node].shapes.push(Shape {
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
    out.push('"');
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
