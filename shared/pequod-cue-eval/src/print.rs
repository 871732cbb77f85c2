//! Values and errors as text for people.

use std::fmt::Write as _;

use pequod_cue_syntax::literal::quote;

use crate::arms::Counts;
use crate::kind::{Kind, Presence};
use crate::program::ExprId;
use crate::session::Session;
use crate::value::{Arg, Base, NodeId, Problem, ValidatorId, Value};

/// How deep nested values are shown before `…`.
const DEPTH: u32 = 6;

impl Session<'_> {
    /// A value, briefly.
    pub(crate) fn show(&self, value: Value) -> String {
        let mut out = String::new();
        self.show_into(value, DEPTH, &mut out);
        out
    }

    fn show_into(&self, value: Value, depth: u32, out: &mut String) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Value::Int(value) => {
                let _ = write!(out, "{value}");
            }
            Value::Num(id) => {
                let _ = write!(out, "{}", self.nums[id.at()].decimal);
            }
            Value::Str(sym) => out.push_str(&quote(self.text(sym))),
            Value::Bytes(id) => {
                let text = String::from_utf8_lossy(&self.bytes[id.at()]).into_owned();
                out.push('\'');
                out.push_str(quote(&text).trim_matches('"'));
                out.push('\'');
            }
            Value::Top => out.push('_'),
            Value::Type(Kind::STRUCT) => out.push_str("{...}"),
            Value::Type(Kind::LIST) => out.push_str("[...]"),
            Value::Type(kind) => {
                let _ = write!(out, "{kind}");
            }
            Value::Bound(id) => {
                let bound = self.bound(id);
                out.push_str(bound.op.as_str());
                self.show_into(bound.value, depth, out);
            }
            Value::Validator(id) => match self.validators[id.at()].call {
                Some(call) => out.push_str(self.source_of(call)),
                None => {
                    out.push_str(&self.show_validator(id));
                    out.push_str("()");
                }
            },
            Value::Builtin(at) => out.push_str(&self.program.builtins[at as usize].full_name()),
            Value::Conjunction(id) => {
                let values = &self.conjunctions[id.at()];
                match self.range_name(values) {
                    Some(name) => out.push_str(name),
                    None => self.join(values, " & ", depth, out),
                }
            }
            Value::Disjunction(id) => {
                let disjunction = &self.disjunctions[id.at()];
                for (at, arm) in disjunction.values.iter().enumerate() {
                    if at > 0 {
                        out.push_str(" | ");
                    }
                    if at < disjunction.defaults {
                        out.push('*');
                    }
                    self.show_into(*arm, depth, out);
                }
            }
            Value::Fault(_) => out.push_str("_|_"),
            Value::Node(node) => self.show_node(node, depth, out),
        }
    }

    fn join(&self, values: &[Value], between: &str, depth: u32, out: &mut String) {
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push_str(between);
            }
            self.show_into(*value, depth, out);
        }
    }

    fn show_node(&self, node: NodeId, depth: u32, out: &mut String) {
        let node = self.deref(node);
        let Some(depth) = depth.checked_sub(1) else {
            out.push('…');
            return;
        };
        match self[node].base {
            Base::Value(value) => self.show_into(value, depth, out),
            Base::None => out.push('_'),
            Base::List { open } => {
                out.push('[');
                for (at, element) in self.elements(node).into_iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    self.show_node(element, depth, out);
                }
                if open {
                    out.push_str(if self.elements(node).is_empty() {
                        "..."
                    } else {
                        ",..."
                    });
                }
                out.push(']');
            }
            Base::Struct => self.show_fields(node, depth, out),
        }
    }

    /// What a node consists of, whatever was found to be wrong with it.
    fn show_content(&self, node: NodeId, depth: u32, out: &mut String) {
        let node = self.deref(node);
        let n = &self[node];
        if !matches!(n.base, Base::Value(Value::Fault(_))) {
            self.show_node(node, depth, out);
        } else if n.arcs().iter().any(|arc| self[*arc].label.is_index()) {
            out.push('[');
            for (at, element) in self.elements(node).into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                self.show_content(element, depth, out);
            }
            out.push(']');
        } else if !n.shapes().is_empty() {
            self.show_fields(node, depth, out);
        } else {
            out.push_str("_|_");
        }
    }

    fn show_fields(&self, node: NodeId, depth: u32, out: &mut String) {
        out.push('{');
        let mut first = true;
        for arc in self[node].arcs() {
            let n = &self[*arc];
            if n.label.is_let() || n.presence > Presence::Optional {
                continue;
            }
            if !first {
                out.push(',');
            }
            first = false;
            out.push_str(&self.shown_label(n.label));
            out.push_str(match n.presence {
                Presence::Required => "!:",
                Presence::Optional => "?:",
                _ => ":",
            });
            self.show_node(*arc, depth, out);
        }
        out.push('}');
    }

    pub(crate) fn show_validator(&self, id: ValidatorId) -> String {
        let validator = &self.validators[id.at()];
        let builtin = self.program.builtins[validator.builtin as usize];
        let mut out = builtin.full_name();
        if !builtin.non_concrete && !validator.args.is_empty() {
            out.push('(');
            self.join(&validator.args, ", ", 2, &mut out);
            out.push(')');
        }
        out
    }

    /// An expression, as it was written.
    pub(crate) fn source_of(&self, expr: ExprId) -> &str {
        let span = self.program.span(expr);
        self.program
            .files
            .get(span.file.0 as usize)
            .map_or("", |source| source.slice(span))
    }

    /// The sentence of a problem.
    pub(crate) fn sentence(&self, problem: &Problem) -> String {
        self.sentence_counting(problem, &mut Counts::default())
    }

    /// The same, with what was counted on the way.
    pub(crate) fn sentence_counting(&self, problem: &Problem, counts: &mut Counts) -> String {
        let mut out = String::new();
        let mut args = problem.args.iter();
        let mut rest = problem.template;
        while let Some((before, after)) = rest.split_once("{}") {
            out.push_str(before);
            match args.next() {
                Some(Arg::Value(value)) => self.show_into(*value, DEPTH, &mut out),
                Some(Arg::Expr(expr)) => out.push_str(self.source_of(*expr)),
                Some(Arg::Label(label)) => out.push_str(&self.shown_label(*label)),
                Some(Arg::Kind(kind)) => {
                    let _ = write!(out, "{kind}");
                }
                Some(Arg::Text(text)) => out.push_str(text),
                Some(Arg::Op(op)) => out.push_str(op.as_str()),
                Some(Arg::Count(count)) => {
                    let below = self.count_below(problem, counts).map(|count| count as u64);
                    let _ = write!(out, "{}", below.unwrap_or(*count));
                }
                Some(Arg::Content(node)) => self.show_content(*node, DEPTH, &mut out),
                None => {}
            }
            rest = after;
        }
        out.push_str(rest);
        if let Some(cause) = problem.cause {
            out.push_str(": ");
            let inner = self.first_problem(cause);
            out.push_str(&self.sentence_counting(inner, counts));
        }
        out
    }
}
