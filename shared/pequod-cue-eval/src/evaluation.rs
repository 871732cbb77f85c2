//! A program with inputs, evaluated.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use pequod_diag::Place;

use crate::budget::{Limits, Meter, Poison, Room, Work};
use crate::export::Check;
use crate::issues::Issue;
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::program::Program;
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Session, Stop};
use crate::value::{Base, FaultCode, NodeId, Value};

/// How an input enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Unified at a path.
    Fill,
    /// Unified at a top-level field whose reads are recorded.
    External,
}

/// Data for an evaluation.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Labels from the root.
    pub path: &'a [String],
    /// What.
    pub data: &'a serde_json::Value,
    /// How.
    pub way: Way,
}

/// A path read under an external root, and whether something was there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadPath {
    /// The labels, root first.
    pub labels: Vec<String>,
    /// Whether something was there.
    pub present: bool,
}

/// What a value is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The types it may have.
    pub kind: Kind,
    /// Whether it is one piece of data, or a struct or list.
    pub concrete: bool,
    /// The class of its error.
    pub fault: Option<FaultCode>,
}

/// The memory of a finished evaluation.
pub struct Evaluation {
    session: Session<'static>,
    root: NodeId,
}

impl std::fmt::Debug for Evaluation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluation")
            .field("work", &self.session.meter.work)
            .finish_non_exhaustive()
    }
}

impl Evaluation {
    pub(crate) const fn session_mut(&mut self) -> &mut Session<'static> {
        &mut self.session
    }

    pub(crate) const fn session(&self) -> &Session<'static> {
        &self.session
    }

    /// Evaluates a program.
    pub fn new(
        program: &Arc<Program>,
        inputs: &[Input<'_>],
        limits: Limits,
        stop: Option<&dyn Fn() -> bool>,
    ) -> Result<Self, (Poison, Option<Place>)> {
        let mut session = Session::new(program.clone(), Meter::new(limits), stop);
        let root = session.package(0);
        for input in inputs {
            add_input(&mut session, root, *input);
        }
        let result = session
            .finish_builtin_packages()
            .and_then(|()| session.finalize(root))
            .and_then(|()| session.settle_doubts(root));
        let mut evaluation = Self {
            session: session.settled(),
            root,
        };
        match result {
            Ok(()) | Err(Stop::Yield) => Ok(evaluation),
            Err(Stop::Poison) => Err(evaluation.poison()),
        }
    }

    fn poison(&mut self) -> (Poison, Option<Place>) {
        let poison = self.session.poison.clone().unwrap_or(Poison::Limit {
            what: "steps",
            pos: None,
        });
        let pos = match &poison {
            Poison::Unsupported { pos, .. } | Poison::Limit { pos, .. } => *pos,
        };
        (poison, pos.and_then(|pos| self.session.place(pos)))
    }

    /// The package's value.
    pub const fn root(&self) -> NodeId {
        self.root
    }

    /// How much work it was.
    pub const fn work(&self) -> Work {
        self.session.meter.work
    }

    /// A field or element by its name.
    pub fn child(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let target = self.session.with_default(node);
        let label = if matches!(self.session[target].base, Base::List { .. }) {
            Label::new(LabelKind::Index, name.parse().ok()?)
        } else {
            let sym = self
                .session
                .program
                .names
                .find(name)
                .or_else(|| self.session.extra_names.find(name))?;
            Label::new(kind_of_name(name), sym.0)
        };
        let arc = self.session.arc(target, label)?;
        (self.session[arc].presence == Presence::Member).then_some(arc)
    }

    /// A field whose name is quoted: always a regular one.
    pub fn quoted_child(&self, node: NodeId, name: &str) -> Option<NodeId> {
        let target = self.session.with_default(node);
        let sym = self
            .session
            .program
            .names
            .find(name)
            .or_else(|| self.session.extra_names.find(name))?;
        let arc = self
            .session
            .arc(target, Label::new(LabelKind::Regular, sym.0))?;
        (self.session[arc].presence == Presence::Member).then_some(arc)
    }

    /// The regular fields or elements in output order.
    pub fn children(&self, node: NodeId) -> Vec<(String, NodeId)> {
        self.session
            .output_arcs(node)
            .into_iter()
            .map(|arc| (self.session.label_text(self.session[arc].label), arc))
            .collect()
    }

    /// What a node is.
    pub fn summary(&self, node: NodeId) -> Summary {
        let target = self.session.with_default(node);
        let value = self.session.final_value(target);
        Summary {
            kind: self.session.kind(Value::Node(target)),
            concrete: match value {
                Some(Value::Node(_)) => true,
                Some(value) => self.session.is_concrete(value),
                None => false,
            },
            fault: self
                .session
                .fault_of(target)
                .map(|fault| self.session[fault].code),
        }
    }

    /// The text of a string.
    pub fn text(&self, node: NodeId) -> Option<&str> {
        match self.session.final_value(node) {
            Some(Value::Str(sym)) => Some(self.session.text(sym)),
            Some(Value::Node(inner)) if inner != node => match self.session.final_value(inner) {
                Some(Value::Str(sym)) => Some(self.session.text(sym)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The bytes of a text or of bytes.
    pub fn bytes(&self, node: NodeId) -> Option<Vec<u8>> {
        let session = &self.session;
        match session.final_value(node)? {
            Value::Str(sym) => Some(session.text(sym).as_bytes().to_vec()),
            Value::Bytes(id) => Some(session.bytes[id.at()].to_vec()),
            Value::Node(inner) if inner != node => self.bytes(inner),
            _ => None,
        }
    }

    /// A value as people write it.
    pub fn show(&self, node: NodeId) -> String {
        self.session.show(Value::Node(node))
    }

    /// The room for what is written of it.
    pub fn room(&self) -> Room {
        Room::new(&self.session.meter.limits)
    }

    /// A validated value as JSON.
    ///
    /// # Errors
    ///
    /// It would be larger than values may be.
    pub fn json_text(&self, node: NodeId, pretty: bool) -> Result<String, Poison> {
        self.session.json_text(node, pretty)
    }

    /// Where a value was written first.
    pub fn position(&self, node: NodeId) -> Option<Place> {
        let pos = self.session.node_pos(node)?;
        self.session.place(pos)
    }

    /// The comments above a value's fields.
    pub fn docs(&self, node: NodeId) -> Vec<String> {
        let mut docs = Vec::new();
        for c in &self.session[node].conjuncts {
            if let Elem::Decl(decl) = c.elem
                && let crate::program::Decl::Field { doc: Some(doc), .. } =
                    self.session.program.decl(decl)
                && !docs.iter().any(|known: &String| **known == **doc)
            {
                docs.push(doc.to_string());
            }
        }
        docs
    }

    /// The path of a value.
    pub fn path(&self, node: NodeId) -> String {
        self.session.path(node)
    }

    /// The value of a package, by its place among the units.
    pub fn package(&mut self, unit: u32) -> Result<NodeId, (Poison, Option<Place>)> {
        let root = self.session.package(unit);
        self.finished(root)
    }

    /// The answer to a question, asked in the scope of a package's value.
    pub fn answer(
        &mut self,
        question: usize,
        scope: NodeId,
    ) -> Result<Option<NodeId>, (Poison, Option<Place>)> {
        let Some(expr) = self.session.program.questions.get(question).copied() else {
            return Ok(None);
        };
        let outer = self.session.new_env(NO_ENV, crate::session::EMPTY);
        let env = self.session.new_env(outer, scope);
        let c = Conjunct {
            env,
            elem: Elem::Expr(expr),
            close: Close::default(),
        };
        let node = self.session.new_node(Node {
            conjuncts: std::iter::once(c).collect(),
            ..Node::default()
        });
        self.finished(node).map(Some)
    }

    /// What several values have in common.
    pub fn unify(&mut self, nodes: &[NodeId]) -> Result<NodeId, (Poison, Option<Place>)> {
        let conjuncts = nodes.iter().map(|node| Conjunct {
            env: NO_ENV,
            elem: Elem::Value(Value::Node(*node)),
            close: Close::default(),
        });
        let node = self.session.new_node(Node {
            conjuncts: conjuncts.collect(),
            ..Node::default()
        });
        self.finished(node)
    }

    fn finished(&mut self, node: NodeId) -> Result<NodeId, (Poison, Option<Place>)> {
        let result = self.session.finalize(node);
        match result.and_then(|()| self.session.settle_doubts(node)) {
            Ok(()) | Err(Stop::Yield) => Ok(node),
            Err(Stop::Poison) => Err(self.poison()),
        }
    }

    /// Unifies data with a value; the errors of the result.
    pub fn check(
        &mut self,
        constraint: NodeId,
        data: &serde_json::Value,
    ) -> Result<Vec<Issue>, (Poison, Option<Place>)> {
        let data = self.session.data_node(data, None);
        let close = Close::default();
        let conjunct = |node| Conjunct {
            env: NO_ENV,
            elem: Elem::Value(Value::Node(node)),
            close,
        };
        let node = self.session.new_node(Node {
            conjuncts: [conjunct(constraint), conjunct(data)].into_iter().collect(),
            ..Node::default()
        });
        let result = self.session.finalize(node);
        if result
            .and_then(|()| self.session.settle_doubts(node))
            .is_err()
        {
            return Err(self.poison());
        }
        match self.session.validate(node, Check::CONCRETE) {
            Ok(_) => Ok(self.issues(node, true)),
            Err(_) => Err(self.poison()),
        }
    }

    // Reads.

    /// What was read under external roots, by anyone.
    pub fn reads(&self) -> BTreeSet<ReadPath> {
        self.paths_of(
            self.session
                .reads
                .iter()
                .map(|(_, node, label)| (*node, *label)),
        )
    }

    /// What was read to arrive at a value: by it, by its fields, by what it refers to.
    pub fn reads_of(&self, node: NodeId) -> BTreeSet<ReadPath> {
        let session = &self.session;
        let mut uses: std::collections::HashMap<NodeId, Vec<NodeId>> =
            std::collections::HashMap::new();
        for (reader, target) in &session.uses {
            uses.entry(*reader).or_default().push(*target);
        }
        // Arms of disjunctions read on behalf of the node they stand for.
        let mut arms: std::collections::HashMap<NodeId, Vec<NodeId>> =
            std::collections::HashMap::new();
        for (at, copy) in session.nodes.iter().enumerate() {
            if let Some(underlying) = copy.underlying {
                arms.entry(underlying).or_default().push(NodeId::next(at));
            }
        }
        let mut seen = HashSet::new();
        let mut queue = vec![node];
        while let Some(node) = queue.pop() {
            if !seen.insert(node) {
                continue;
            }
            let n = &session[node];
            queue.extend(
                n.arcs()
                    .iter()
                    .copied()
                    .filter(|arc| session[*arc].parent == Some(node) || n.dynamic),
            );
            if let Base::Value(Value::Node(next)) = n.base {
                queue.push(next);
            }
            if let Base::Value(Value::Disjunction(d)) = n.base {
                queue.extend(
                    session.disjunctions[d.at()]
                        .values
                        .iter()
                        .filter_map(|value| match value {
                            Value::Node(arm) => Some(*arm),
                            _ => None,
                        }),
                );
            }
            if let Some(targets) = uses.get(&node) {
                for target in targets {
                    // What encloses the target may have made it.
                    queue.push(*target);
                }
            }
            queue.extend(arms.get(&node).into_iter().flatten());
        }
        self.paths_of(
            session
                .reads
                .iter()
                .filter(|(reader, ..)| seen.contains(reader))
                .map(|(_, node, label)| (*node, *label)),
        )
    }

    fn paths_of(&self, reads: impl Iterator<Item = (NodeId, Option<Label>)>) -> BTreeSet<ReadPath> {
        let session = &self.session;
        let mut paths = BTreeSet::new();
        for (node, missing) in reads {
            let mut labels = Vec::new();
            labels.extend(missing.map(|label| session.label_text(label)));
            let mut next = Some(node);
            while let Some(node) = next {
                if session[node].label != Label::NONE {
                    labels.push(session.label_text(session[node].label));
                }
                next = session[node].parent;
            }
            labels.reverse();
            paths.insert(ReadPath {
                labels,
                present: missing.is_none(),
            });
        }
        paths
    }
}

pub(crate) fn kind_of_name(name: &str) -> LabelKind {
    if name.starts_with("_#") {
        LabelKind::HiddenDefinition
    } else if name.starts_with('#') {
        LabelKind::Definition
    } else if name.starts_with('_') {
        LabelKind::Hidden
    } else {
        LabelKind::Regular
    }
}

fn label_of(session: &mut Session<'_>, name: &str) -> Label {
    Label::new(kind_of_name(name), session.intern(name).0)
}

/// Adds data as a conjunct of the root.
fn add_input(session: &mut Session<'_>, root: NodeId, input: Input<'_>) {
    let mut data = session.data_node(input.data, None);
    for name in input.path.iter().rev() {
        let label = label_of(session, name);
        session[data].label = label;
        let wrapper = session.new_data(Base::Struct);
        session[wrapper].dynamic = false;
        session[data].parent = Some(wrapper);
        session.push_arc(wrapper, data);
        data = wrapper;
    }
    if input.way == Way::External
        && let Some(name) = input.path.first()
    {
        session.records = true;
        let label = label_of(session, name);
        if session.arc(root, label).is_none() {
            let arc = session.new_node(Node {
                parent: Some(root),
                label,
                presence: Presence::Member,
                external: true,
                ..Node::default()
            });
            session.push_arc(root, arc);
        }
    }
    let c = Conjunct {
        env: NO_ENV,
        elem: Elem::Value(Value::Node(data)),
        close: Close::default(),
    };
    session[root].conjuncts.push(c);
}
