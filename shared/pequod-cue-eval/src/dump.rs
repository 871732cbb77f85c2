//! Everything there is in an evaluation, node by node: for comparison with the reference.
//!
//! Unlike the rest of the interface this walks erroneous values, optional and required fields,
//! definitions and hidden fields, too.

use pequod_diag::Place;

use crate::evaluation::{Evaluation, kind_of_name};
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::session::Session;
use crate::value::{Base, FaultCode, FaultId, NodeId, Problem, Value};

/// What is known of a value path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpNode {
    /// Labels joined by dots, list elements by index.
    pub path: String,
    /// `""`, `"?"` or `"!"`.
    pub presence: &'static str,
    /// A set of types.
    pub kind: String,
    /// The class of the error here.
    pub fault: Option<FaultCode>,
    /// Its text.
    pub message: String,
    /// The JSON of a concrete scalar.
    pub leaf: Option<String>,
    /// The JSON of the default of what is not concrete.
    pub default: Option<String>,
    /// Whether it may not grow; of structs and lists.
    pub closed: Option<bool>,
    /// The regular fields of a struct as they are output, if there are several.
    pub order: Vec<String>,
    /// The CUE of what is neither concrete nor made of fields or elements.
    pub text: String,
    /// What the error consists of, if that was asked.
    pub errors: Vec<DumpError>,
    /// Which of the fields that were asked about could be there; of structs and lists.
    pub accepts: Vec<String>,
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpError {
    /// Its path and text.
    pub message: String,
    /// Where; the first is the most telling.
    pub places: Vec<Place>,
}

/// What is to be told of nodes beyond what they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Whether to tell what errors consist of.
    pub errors: bool,
    /// Whether structs and lists could have these: a label, or `string` and `int` for any field and any element.
    pub fields: Vec<String>,
}

/// The deepest path that is followed, and the most nodes.
const DEPTH: usize = 40;
const NODES: usize = 5_000;

impl Evaluation {
    /// All nodes, parents first.
    ///
    /// Fields of erroneous structs were of no interest to the evaluation; they are evaluated here.
    pub fn dump(&mut self, asked: &Asked) -> Vec<DumpNode> {
        let mut nodes = Vec::new();
        let root = self.root();
        visit(self, root, "", "", 0, &mut nodes);
        // Questions come last: they have no part in what they are about.
        let nodes = nodes.into_iter();
        nodes
            .map(|(node, mut found)| {
                if asked.errors {
                    found.errors = errors(self, node);
                }
                if found.closed.is_some() {
                    let accepted = asked.fields.iter();
                    let accepted = accepted.filter(|field| accepts(self, node, field));
                    found.accepts = accepted.cloned().collect();
                }
                found
            })
            .collect()
    }
}

fn errors(evaluation: &Evaluation, outer: NodeId) -> Vec<DumpError> {
    let s = evaluation.session();
    let Some(fault) = s.fault_of(outer) else {
        return Vec::new();
    };
    let told = s.told(fault).into_iter();
    told.map(|problem| {
        let problem = &s.problems[problem as usize];
        DumpError {
            message: message(s, fault, problem),
            places: s.places_of(problem, outer),
        }
    })
    .collect()
}

fn accepts(evaluation: &mut Evaluation, node: NodeId, field: &str) -> bool {
    let s = evaluation.session_mut();
    let label = match field {
        // A name that nobody wrote stands for all of them.
        "string" => Label::new(LabelKind::Regular, s.intern("\u{0}").0),
        "int" => Label::new(LabelKind::Index, u32::MAX),
        field => match field.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
            Some(name) => Label::new(LabelKind::Regular, s.intern(name).0),
            None => Label::new(kind_of_name(field), s.intern(field).0),
        },
    };
    let accepted = s[node].ellipsis || s.accepts(node, label).unwrap_or(false);
    s.errs = None;
    accepted
}

/// An error's text behind the path of what it is about.
fn message(s: &Session<'_>, fault: FaultId, problem: &Problem) -> String {
    let path = problem
        .node
        .or(s[fault].node)
        .map(|node| s.path(node))
        .unwrap_or_default();
    let separator = if path.is_empty() { "" } else { ": " };
    format!("{path}{separator}{}", s.sentence(problem))
}

fn visit(
    evaluation: &mut Evaluation,
    node: NodeId,
    path: &str,
    presence: &'static str,
    depth: usize,
    nodes: &mut Vec<(NodeId, DumpNode)>,
) {
    if depth > DEPTH || nodes.len() >= NODES {
        return;
    }
    let s = evaluation.session_mut();
    // What a limit leaves unknown is shown as it is.
    let _ = s.finalize(node);
    let target = s.deref(node);
    // An open list stands for what it has: so is told of it before its elements are visited.
    if s[target].base == (Base::List { open: true }) {
        for element in s.elements(target) {
            let _ = s.finalize(element);
        }
    }
    nodes.push((node, describe(evaluation, node, path.to_owned(), presence)));
    let arcs = evaluation.session().nodes[target.at()].arcs().to_vec();
    for arc in &arcs {
        let s = evaluation.session();
        let label = s[*arc].label;
        let presence = match s[*arc].presence {
            Presence::Member => "",
            Presence::Required => "!",
            Presence::Optional => "?",
            Presence::Pending | Presence::Absent => continue,
        };
        if label.is_let() {
            continue;
        }
        let name = if label.is_index() {
            label.index().to_string()
        } else {
            s.shown_label(label)
        };
        let path = if path.is_empty() {
            name
        } else {
            format!("{path}.{name}")
        };
        visit(evaluation, *arc, &path, presence, depth + 1, nodes);
    }
}

fn describe(
    evaluation: &Evaluation,
    outer: NodeId,
    path: String,
    presence: &'static str,
) -> DumpNode {
    let s = evaluation.session();
    let node = s.deref(outer);
    let kind = settled_kind(s, Value::Node(node));
    let mut found = DumpNode {
        path,
        presence,
        kind: kind.to_string(),
        fault: None,
        message: String::new(),
        leaf: None,
        default: None,
        closed: None,
        order: Vec::new(),
        text: String::new(),
        errors: Vec::new(),
        accepts: Vec::new(),
    };
    if let Some(fault) = s.fault_of(node) {
        found.kind = Kind::BOTTOM.to_string();
        found.fault = Some(s[fault].code);
        let problems = s.problems_of(fault);
        if let Some(problem) = problems.first() {
            let problem = &s.problems[s.telling(*problem) as usize];
            found.message = message(s, fault, problem);
        }
        let others = problems.len().saturating_sub(1);
        if others > 0 {
            found.message += " (and ";
            found.message += &others.to_string();
            found.message += " more errors)";
        }
        return found;
    }
    if kind == Kind::STRUCT || kind == Kind::LIST {
        found.closed = Some(is_closed(s, outer));
    }
    if s[node].base == Base::Struct {
        let fields = s.output_arcs(node);
        if fields.len() > 1 {
            let names = fields.iter().map(|arc| s.label_text(s[*arc].label));
            found.order = names.collect();
        }
    }
    let value = s.node_value(node);
    match value {
        // An open list stands for its shortest form.
        Some(Value::Node(_)) if s[node].base == (Base::List { open: true }) => {
            // What else stands in it does not count.
            let elements = s.elements(node);
            let complete = |at: &NodeId| evaluation.issues_of_data(*at).is_empty();
            if elements.iter().all(complete) {
                found.default = evaluation.json_text(node, false).ok();
            }
        }
        Some(Value::Node(_)) => {}
        Some(value) => {
            found.leaf = scalar(s, value);
            if found.leaf.is_none() {
                found.text = s.show(value);
                let default = s.with_default(node);
                found.default = match s.final_value(node) {
                    Some(Value::Node(inner)) if default != node || inner != node => {
                        json(evaluation, inner)
                    }
                    Some(last) if last != value => scalar(s, last),
                    _ => None,
                };
            }
        }
        None => found.text = s.show(Value::Node(node)),
    }
    found
}

/// The types of a value when all is over: an arm that only ever met itself may be anything.
pub(crate) fn settled_kind(s: &Session<'_>, value: Value) -> Kind {
    match value {
        Value::Node(node) => match s[node].base {
            Base::Value(Value::Disjunction(arms)) => settled_kind(s, Value::Disjunction(arms)),
            base if s.is_cycle_base(base) => Kind::TOP,
            _ => s.kind(value),
        },
        Value::Disjunction(id) => s.disjunctions[id.at()]
            .values
            .iter()
            .fold(Kind::BOTTOM, |kind, arm| kind | settled_kind(s, *arm)),
        _ => s.kind(value),
    }
}

/// Whether the node, or what it shares, was closed.
fn is_closed(s: &Session<'_>, node: NodeId) -> bool {
    let n = &s[node];
    n.closed
        || n.closed_once
        || matches!(n.base, Base::Value(Value::Node(next)) if next != node && is_closed(s, next))
}

/// A node as JSON, if it can be.
fn json(evaluation: &Evaluation, node: NodeId) -> Option<String> {
    let complete = evaluation.issues_of_data(node).is_empty();
    let data = complete && !holds_function(evaluation.session(), node);
    data.then(|| evaluation.json_text(node, false).ok())
        .flatten()
}

/// Whether there is a function among the values below a node that are output: it is concrete, and no data.
fn holds_function(s: &Session<'_>, node: NodeId) -> bool {
    let node = s.with_default(s.deref(node));
    matches!(s.unwrap(Value::Node(node)), Some(Value::Builtin(_)))
        || s.output_arcs(node)
            .into_iter()
            .any(|arc| holds_function(s, arc))
}

/// A scalar as JSON.
fn scalar(s: &Session<'_>, value: Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Num(id) => Some(s.nums[id.at()].decimal.to_string()),
        Value::Str(sym) => serde_json::to_string(&**s.text(sym)).ok(),
        Value::Bytes(id) => {
            let mut text = String::from("\"");
            crate::export::base64(&s.bytes[id.at()], &mut text);
            text.push('"');
            Some(text)
        }
        _ => None,
    }
}
