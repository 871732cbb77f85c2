//! Values back to CUE: what `cue eval` and `cue export --out cue` print.
//!
//! A value becomes a small tree of texts, structs and lists; the tree becomes lines. Values of fields that follow
//! each other on single lines stand in one column; a struct, a list or a text of several lines ends the column.

use std::fmt::Write as _;

use pequod_cue_syntax::{is_identifier, literal};

use crate::budget::{Poison, Room};
use crate::evaluation::Evaluation;
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::program::{Decl, ExprId};
use crate::session::{Elem, Session};
use crate::value::{Base, FaultCode, NodeId, Op, Value};

/// What is shown of a value.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent wishes")]
pub struct Shown {
    /// `#a`
    pub definitions: bool,
    /// `_a`, of the package that is evaluated.
    pub hidden: bool,
    /// `a?`
    pub optional: bool,
    /// Errors as `_|_` with their sentence, rather than nothing.
    pub errors: bool,
    /// The comments above fields.
    pub docs: bool,
    /// Attributes of fields.
    pub attributes: bool,
    /// Defaults stay apart from the other possibilities.
    pub keep_defaults: bool,
    /// A struct of one field stands on the line of its label: `a: b: 1`.
    pub collapse: bool,
    /// How many blanks a level is indented by; none means a tab.
    pub spaces: Option<usize>,
}

/// A value on its way to text.
enum Doc {
    /// A text; its further lines are indented already.
    Text(String),
    /// `{…}`
    Struct(Vec<Item>),
    /// `[…]`
    List(Vec<Doc>),
    /// Operands with an operator between them.
    Chain(&'static str, Vec<Doc>),
    /// A sign before an operand.
    Marked(Box<Doc>),
    /// `_|_` with a sentence behind it.
    Bottom(String),
}

impl Doc {
    /// Whether it ends a column.
    fn breaks(&self) -> bool {
        match self {
            Self::Text(text) => text.contains('\n'),
            Self::Struct(_) | Self::List(_) => true,
            Self::Chain(_, operands) => operands.iter().any(Self::breaks),
            Self::Marked(inner) => inner.breaks(),
            Self::Bottom(_) => false,
        }
    }
}

/// A line of a struct.
struct Item {
    /// How many labels stand on the line.
    depth: usize,
    /// With the colon; empty for what is embedded.
    label: String,
    value: Doc,
    attributes: Vec<String>,
    docs: Vec<Comment>,
}

/// A comment above a line.
struct Comment {
    text: String,
    /// After an empty line.
    apart: bool,
}

impl Evaluation {
    /// A value as CUE. At the top the braces of a struct are left out.
    ///
    /// # Errors
    ///
    /// It would be larger than values may be.
    pub fn cue_text(&self, node: NodeId, shown: Shown) -> Result<String, Poison> {
        let session = self.session();
        let mut builder = Builder {
            session,
            shown,
            stack: Vec::new(),
            room: Room::new(&session.meter.limits),
        };
        let doc = builder.node(node);
        let doc = builder.room.of(doc)?;
        let mut text = String::new();
        let layout = Layout { shown };
        match doc {
            Doc::Struct(items) => layout.items(&items, 0, &mut text),
            other => {
                layout.doc(&other, 0, &mut text);
                if let Doc::Bottom(sentence) = &other {
                    let _ = write!(text, " // {sentence}");
                }
                text.push('\n');
            }
        }
        Ok(text)
    }
}

struct Builder<'a> {
    session: &'a Session<'static>,
    shown: Shown,
    stack: Vec<NodeId>,
    room: Room,
}

impl Builder<'_> {
    fn node(&mut self, node: NodeId) -> Doc {
        let mut target = self.session.deref(node);
        if !self.shown.keep_defaults {
            target = self.session.with_default(target);
        }
        if self.stack.contains(&target) || !self.room.take(self.stack.len()) {
            return Doc::Text("_".to_owned());
        }
        self.stack.push(target);
        let doc = self.content(node, target);
        self.stack.pop();
        doc
    }

    fn content(&mut self, node: NodeId, target: NodeId) -> Doc {
        let n = &self.session[target];
        match n.base {
            Base::Struct => Doc::Struct(self.fields(target, None)),
            Base::List { open } => {
                let list = self.list(target, open);
                if self.has_extra(target) {
                    let mut items = self.fields(target, None);
                    items.push(embedded(list));
                    Doc::Struct(items)
                } else {
                    list
                }
            }
            Base::Value(Value::Fault(fault)) => {
                let data = &self.session[fault];
                let incomplete = matches!(data.code, FaultCode::Incomplete | FaultCode::Cycle);
                if self.shown.errors && data.child {
                    return if n
                        .arcs()
                        .iter()
                        .any(|arc| self.session[*arc].label.is_index())
                    {
                        self.list(target, false)
                    } else {
                        Doc::Struct(self.fields(target, None))
                    };
                }
                if !incomplete || n.conjuncts.is_empty() {
                    let problem = self.session.first_problem(fault);
                    let path = problem.node.map(|node| self.session.path(node));
                    let sentence = self.session.sentence(problem);
                    return Doc::Bottom(match path {
                        Some(path) if !path.is_empty() => format!("{path}: {sentence}"),
                        _ => sentence,
                    });
                }
                self.as_written(node)
            }
            Base::Value(value) => {
                let doc = self.value(value, Some(target));
                if self.has_extra(target) {
                    Doc::Struct(self.fields(target, Some(doc)))
                } else {
                    doc
                }
            }
            Base::None => self.as_written(node),
        }
    }

    /// Whether there are fields to be shown beside a scalar or list.
    fn has_extra(&self, node: NodeId) -> bool {
        self.session[node].arcs().iter().any(|arc| {
            let n = &self.session[*arc];
            n.presence <= Presence::Optional && !n.label.is_regular() && self.shows(n.label)
        })
    }

    fn shows(&self, label: Label) -> bool {
        match label.kind() {
            LabelKind::Regular => true,
            LabelKind::Definition => self.shown.definitions,
            LabelKind::Hidden | LabelKind::HiddenDefinition => {
                let name = self.session.text(crate::program::Sym(label.index()));
                self.shown.hidden && !name.contains(crate::program::SCOPE)
            }
            _ => false,
        }
    }

    fn fields(&mut self, node: NodeId, scalar: Option<Doc>) -> Vec<Item> {
        let mut items = Vec::new();
        let regular = scalar.is_none();
        items.extend(scalar.map(embedded));
        for label in self.session.ordered_labels(node) {
            if !self.shows(label) || (!regular && label.is_regular()) {
                continue;
            }
            let Some(arc) = self.session.arc(node, label) else {
                continue;
            };
            let mark = match self.session[arc].presence {
                Presence::Member => "",
                Presence::Required => "!",
                Presence::Optional if self.shown.optional => "?",
                _ => continue,
            };
            let value = self.node(arc);
            items.push(self.collapsed(Item {
                depth: 1,
                label: format!("{}{mark}:", label_text(self.session, label)),
                value,
                attributes: if self.shown.attributes {
                    self.attributes(arc)
                } else {
                    Vec::new()
                },
                docs: if self.shown.docs {
                    self.docs(arc)
                } else {
                    Vec::new()
                },
            }));
        }
        items
    }

    /// The line with the one field that its struct has.
    fn collapsed(&self, mut item: Item) -> Item {
        let plain = |item: &Item| item.docs.is_empty() && item.attributes.is_empty();
        if self.shown.collapse
            && !item.label.starts_with(['#', '_'])
            && plain(&item)
            && let Doc::Struct(inner) = &mut item.value
            && let [only] = &inner[..]
            && !only.label.is_empty()
            && plain(only)
            && let Some(only) = inner.pop()
        {
            item.label = format!("{} {}", item.label, only.label);
            item.depth = only.depth + 1;
            item.value = only.value;
        }
        item
    }

    fn attributes(&self, node: NodeId) -> Vec<String> {
        let program = &self.session.program;
        let mut found = Vec::new();
        for c in &self.session[node].conjuncts {
            let Elem::Decl(decl) = c.elem else { continue };
            let (Decl::Field { span, value, .. } | Decl::Dynamic { span, value, .. }) =
                program.decl(decl)
            else {
                continue;
            };
            let Some(source) = program.files.get(span.file.0 as usize) else {
                continue;
            };
            // What stands between the value and the end of the field are its attributes.
            let mut behind = *span;
            behind.start = program.span(*value).end;
            let text = source.slice(behind).trim();
            if text.starts_with('@') && !found.iter().any(|known| known == text) {
                found.push(text.to_owned());
            }
        }
        found
    }

    fn docs(&self, node: NodeId) -> Vec<Comment> {
        let mut docs: Vec<Comment> = Vec::new();
        for c in &self.session[node].conjuncts {
            if let Elem::Decl(decl) = c.elem
                && let Decl::Field {
                    doc: Some(doc),
                    span,
                    ..
                } = self.session.program.decl(decl)
                && !docs.iter().any(|known| *known.text == **doc)
            {
                docs.push(Comment {
                    text: doc.to_string(),
                    apart: self.stands_apart(*span),
                });
            }
        }
        docs
    }

    /// Whether an empty line stands above the comment of a field.
    fn stands_apart(&self, span: pequod_cue_syntax::Span) -> bool {
        let files = &self.session.program.files;
        let Some(source) = files.get(span.file.0 as usize) else {
            return false;
        };
        let before = pequod_cue_syntax::Span {
            start: 0,
            end: span.start,
            ..span
        };
        let mut lines = source.slice(before).lines().rev().map(str::trim);
        // The field's own line, up to the field.
        lines.next();
        lines.find(|line| !line.starts_with("//")) == Some("")
    }

    fn list(&mut self, node: NodeId, open: bool) -> Doc {
        let mut elements: Vec<_> = self
            .session
            .elements(node)
            .into_iter()
            .map(|element| self.node(element))
            .collect();
        if open && self.shown.keep_defaults {
            elements.push(Doc::Text("...".to_owned()));
        }
        Doc::List(elements)
    }

    fn value(&mut self, value: Value, of: Option<NodeId>) -> Doc {
        if let Some(text) = of.and_then(|node| self.literal(node)) {
            return Doc::Text(text);
        }
        match value {
            Value::Str(sym) if !self.room.take(self.session.text(sym).len()) => {
                Doc::Text(String::new())
            }
            Value::Str(sym) => Doc::Text(quoted(self.session.text(sym), self.stack.len())),
            Value::Bytes(id) => {
                let bytes = &self.session.bytes[id.at()];
                Doc::Text(literal::quote_bytes(bytes))
            }
            Value::Int(_) | Value::Num(_) => Doc::Text(self.number(value)),
            Value::Bound(id) => {
                let bound = self.session.bound(id);
                match self.value(bound.value, None) {
                    Doc::Text(text) => Doc::Text(format!("{}{text}", bound.op.as_str())),
                    _ => Doc::Text(self.session.show(value)),
                }
            }
            Value::Conjunction(id) => {
                let values = self.session.conjunctions[id.at()].clone();
                if let Some(name) = self.session.range_name(&values) {
                    return Doc::Text(name.to_owned());
                }
                Doc::Chain(" & ", self.operands(values.into_vec()))
            }
            Value::Disjunction(id) => {
                let disjunction = self.session.disjunctions[id.at()].clone();
                let chosen = !self.shown.keep_defaults && disjunction.defaults > 0;
                let count = if chosen {
                    disjunction.defaults
                } else {
                    disjunction.values.len()
                };
                let mut arms: Vec<_> = disjunction.values[..count]
                    .iter()
                    .enumerate()
                    .map(|(at, value)| {
                        let arm = self.value(*value, None);
                        if at < disjunction.defaults && !chosen {
                            Doc::Marked(Box::new(arm))
                        } else {
                            arm
                        }
                    })
                    .collect();
                match arms.pop() {
                    Some(only) if arms.is_empty() => only,
                    Some(last) => {
                        arms.push(last);
                        Doc::Chain(" | ", arms)
                    }
                    None => Doc::Text("_|_".to_owned()),
                }
            }
            Value::Node(node) => self.node(node),
            other => Doc::Text(self.session.show(other)),
        }
    }

    /// The operands of a conjunction: a type comes first, and numbers from 0 on are `uint` if they end somewhere.
    fn operands(&mut self, mut values: Vec<Value>) -> Vec<Doc> {
        values.sort_by_key(|value| !matches!(value, Value::Type(_)));
        let at = |ops: [Op; 2]| {
            values.iter().position(|value| match value {
                Value::Bound(id) => ops.contains(&self.session.bound(*id).op),
                _ => false,
            })
        };
        let low = at([Op::GreaterEqual, Op::Greater]);
        let high = at([Op::LessEqual, Op::Less]);
        let mut docs = Vec::new();
        if values.first() == Some(&Value::Type(Kind::INT))
            && let (Some(low), Some(_)) = (low, high)
            && let Value::Bound(id) = values[low]
            && let bound = self.session.bound(id)
            && let Some(number) = self.session.decimal(bound.value)
            && !number.is_negative()
        {
            docs.push(Doc::Text("uint".to_owned()));
            if number.is_zero() && bound.op == Op::GreaterEqual {
                values.remove(low);
            }
            values.remove(0);
        }
        docs.extend(values.iter().map(|value| self.value(*value, None)));
        docs
    }

    fn number(&self, value: Value) -> String {
        let Some(decimal) = self.session.decimal(value) else {
            return String::new();
        };
        let mut text = decimal.to_string();
        if self.session.kind(value) == Kind::FLOAT && !text.contains(['e', 'E', '.']) {
            text.push_str(".0");
        }
        text.replace('E', "e")
    }

    /// An element that was written as a literal keeps its form.
    fn literal(&self, node: NodeId) -> Option<String> {
        self.session[node].conjuncts.iter().find_map(|c| {
            let Elem::Expr(expr) = c.elem else {
                return None;
            };
            let text = self.literal_text(expr)?;
            Some(text.to_owned())
        })
    }

    fn literal_text(&self, expr: ExprId) -> Option<&str> {
        let crate::program::Expr::Value(value) = self.session.program.expr(expr) else {
            return None;
        };
        let text = self.session.source_of(expr);
        let plain = match value {
            Value::Int(_) | Value::Num(_) => text.starts_with(|c: char| c.is_ascii_digit()),
            Value::Str(_) => text.starts_with(['"', '#']) && !text.contains('\n'),
            Value::Bytes(_) => text.starts_with(['\'', '#']) && !text.contains('\n'),
            _ => false,
        };
        plain.then_some(text)
    }

    /// The expressions a value comes from.
    fn as_written(&mut self, node: NodeId) -> Doc {
        let program = self.session.program.clone();
        let mut places = Vec::new();
        for c in &self.session[node].conjuncts {
            let expr = match c.elem {
                Elem::Expr(expr) => Some(expr),
                Elem::Decl(decl) => match program.decl(decl) {
                    Decl::Field { value, .. }
                    | Decl::Dynamic { value, .. }
                    | Decl::Let { value, .. }
                    | Decl::Pattern { value, .. }
                    | Decl::Embed(value) => Some(*value),
                    _ => None,
                },
                _ => None,
            };
            if let Some(expr) = expr
                && !places.contains(&(program.span(expr), expr))
            {
                places.push((program.span(expr), expr));
            }
        }
        places.sort_by_key(|(span, _)| *span);
        let mut texts = Vec::new();
        for (_, expr) in places {
            let text = self.session.source_of(expr).to_owned();
            if text != "_" && !texts.contains(&text) {
                texts.push(text);
            }
        }
        let mut operands: Vec<_> = texts.into_iter().map(Doc::Text).collect();
        match operands.pop() {
            None => Doc::Text("_".to_owned()),
            Some(only) if operands.is_empty() => only,
            Some(last) => {
                operands.push(last);
                Doc::Chain(" & ", operands)
            }
        }
    }
}

fn embedded(value: Doc) -> Item {
    Item {
        depth: 0,
        label: String::new(),
        value,
        attributes: Vec::new(),
        docs: Vec::new(),
    }
}

fn label_text(session: &Session<'_>, label: Label) -> String {
    let text = session.label_text(label);
    if label.is_string() && (!is_identifier(&text) || text.starts_with(['_', '#'])) {
        return literal::quote(&text);
    }
    text
}

/// A text of several lines stands on several lines.
fn quoted(text: &str, indent: usize) -> String {
    if text.contains('\n') {
        literal::quote_multiline(text, &"\t".repeat(indent))
    } else {
        literal::quote(text)
    }
}

struct Layout {
    shown: Shown,
}

impl Layout {
    fn indent(&self, level: usize, out: &mut String) {
        match self.shown.spaces {
            Some(count) => out.extend(std::iter::repeat_n(' ', count * level)),
            None => out.extend(std::iter::repeat_n('\t', level)),
        }
    }

    fn items(&self, items: &[Item], level: usize, out: &mut String) {
        let mut rest = items;
        while let Some(first) = rest.first() {
            let aligned = |item: &Item| {
                !item.label.is_empty() && !item.value.breaks() && item.depth == first.depth
            };
            let length = if aligned(first) {
                let run = rest.iter().take_while(|item| aligned(item));
                // A comment between two lines does not end the column.
                run.count()
            } else {
                1
            };
            let (run, after) = rest.split_at(length);
            self.run(run, level, out);
            rest = after;
        }
    }

    /// Lines whose values stand in one column, or one line that stands by itself.
    fn run(&self, run: &[Item], level: usize, out: &mut String) {
        let alone = run.len() == 1;
        let width = run
            .iter()
            .map(|item| item.label.chars().count())
            .max()
            .unwrap_or_default();
        let texts: Vec<String> = run
            .iter()
            .map(|item| {
                let mut text = String::new();
                self.doc(&item.value, level, &mut text);
                text
            })
            .collect();
        let value_width = texts
            .iter()
            .zip(run)
            .filter(|(_, item)| !item.attributes.is_empty())
            .map(|(text, _)| text.chars().count())
            .max()
            .unwrap_or_default();
        for (item, text) in run.iter().zip(&texts) {
            for doc in &item.docs {
                // Never at the beginning of a struct or text.
                if doc.apart && !out.is_empty() && !out.ends_with("{\n") {
                    out.push('\n');
                }
                for line in doc.text.trim_end().lines() {
                    self.indent(level, out);
                    out.push_str(if line.is_empty() { "//" } else { "// " });
                    out.push_str(line);
                    out.push('\n');
                }
            }
            self.indent(level, out);
            out.push_str(&item.label);
            if !item.label.is_empty() {
                let pad = if alone {
                    1
                } else {
                    width + 1 - item.label.chars().count()
                };
                out.extend(std::iter::repeat_n(' ', pad));
            }
            out.push_str(text);
            for (at, attribute) in item.attributes.iter().enumerate() {
                let pad = if at == 0 && !item.value.breaks() {
                    value_width + 1 - text.chars().count().min(value_width)
                } else {
                    1
                };
                out.extend(std::iter::repeat_n(' ', pad));
                out.push_str(attribute);
            }
            if let Doc::Bottom(sentence) = &item.value {
                let _ = write!(out, " // {sentence}");
            }
            out.push('\n');
        }
    }

    fn doc(&self, doc: &Doc, level: usize, out: &mut String) {
        match doc {
            Doc::Text(text) => match self.shown.spaces {
                Some(count) if text.contains('\n') => {
                    out.push_str(&text.replace('\t', &" ".repeat(count)));
                }
                _ => out.push_str(text),
            },
            Doc::Bottom(_) => out.push_str("_|_"),
            Doc::Marked(inner) => {
                out.push('*');
                self.doc(inner, level, out);
            }
            Doc::Chain(between, operands) => {
                for (at, operand) in operands.iter().enumerate() {
                    if at > 0 {
                        out.push_str(between);
                    }
                    let nested = matches!(operand, Doc::Chain(..));
                    out.push_str(if nested { "(" } else { "" });
                    self.doc(operand, level, out);
                    out.push_str(if nested { ")" } else { "" });
                }
            }
            Doc::List(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    self.doc(element, level, out);
                }
                out.push(']');
            }
            Doc::Struct(items) if items.is_empty() => out.push_str("{}"),
            Doc::Struct(items) => {
                out.push_str("{\n");
                self.items(items, level + 1, out);
                self.indent(level, out);
                out.push('}');
            }
        }
    }
}
