//! A program with inputs, evaluated.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use pequod_cue_syntax::Pos;
use pequod_diag::{Path, Place};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::budget::{Limits, Meter, Poison, Work};
use crate::export::Check;
use crate::kind::{Kind, Label, LabelKind, Presence};
use crate::program::Program;
use crate::session::{Close, Conjunct, Elem, NO_ENV, Node, Session, Stop};
use crate::value::{Arg, Base, FaultCode, FaultId, NodeId, Problem, Value};

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

/// A search for the errors of a value.
struct Search {
    concrete: bool,
    /// Whether required definitions and hidden fields count.
    declared: bool,
    /// What is shared and has none.
    clean: FxHashSet<NodeId>,
    /// Where it is: the node it began at, and the labels from there. A shared node itself knows only where it was written.
    start: NodeId,
    way: Vec<Label>,
    /// The nodes on the way that share a value.
    sharers: Vec<NodeId>,
    found: Vec<Issue>,
}

/// An error for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Its class.
    pub code: FaultCode,
    /// The path of the value, empty for the root.
    pub path: Path,
    /// One sentence.
    pub sentence: String,
    /// Where; the first is the most telling.
    pub places: Vec<Place>,
    /// What lies below it: the arms of a disjunction.
    pub below: Vec<Issue>,
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
        (poison, pos.and_then(|pos| self.place(pos)))
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

    /// A validated value as JSON.
    pub fn json_text(&self, node: NodeId, pretty: bool) -> String {
        self.session.json_text(node, pretty)
    }

    /// The errors of a value. Everything was evaluated before, so this only looks.
    pub fn issues(&self, node: NodeId, concrete: bool) -> Vec<Issue> {
        self.search(node, concrete, true)
    }

    /// What keeps a value from being written as data.
    pub(crate) fn issues_of_data(&self, node: NodeId) -> Vec<Issue> {
        self.search(node, true, false)
    }

    fn search(&self, node: NodeId, concrete: bool, declared: bool) -> Vec<Issue> {
        let mut search = Search {
            concrete,
            declared,
            clean: FxHashSet::default(),
            start: node,
            way: Vec::new(),
            sharers: Vec::new(),
            found: Vec::new(),
        };
        self.collect(node, 0, &mut search);
        search.found
    }

    fn collect(&self, node: NodeId, in_definition: u32, search: &mut Search) {
        let target = self.session.deref(node);
        if target == node {
            self.collect_own(node, target, in_definition, search);
        } else if in_definition == 0 && !search.clean.contains(&target) {
            // What is shared is shared by many: values of values of values.
            let before = search.found.len();
            search.sharers.push(node);
            self.collect_own(node, target, in_definition, search);
            search.sharers.pop();
            if search.found.len() == before {
                search.clean.insert(target);
            }
        }
    }

    fn collect_own(&self, node: NodeId, target: NodeId, in_definition: u32, search: &mut Search) {
        let session = &self.session;
        let concrete_here = search.concrete && in_definition == 0;
        let mut target = target;
        if let Some(fault) = session.fault_of(target) {
            let data = &session[fault];
            let report = match data.code {
                FaultCode::Cycle | FaultCode::Incomplete => concrete_here,
                _ => !data.child,
            };
            if report {
                self.issues_of(fault, Some(node), &mut search.found);
            }
            if !data.recursive {
                return;
            }
        } else if concrete_here {
            target = session.with_default(target);
            let value = session.final_value(target);
            if !value.is_some_and(|value| session.is_concrete(value)) {
                let sentence = format!("incomplete value {}", session.show(Value::Node(target)));
                let places = self.written(node, value);
                self.found_unfinished(sentence, places, search);
                return;
            }
        }
        for arc in session[target].arcs() {
            let label = session[*arc].label;
            let presence = session[*arc].presence;
            if presence == Presence::Required && concrete_here {
                if !search.declared && !label.is_string() {
                    continue;
                }
                let sentence = "field is required but not present".to_owned();
                search.way.push(label);
                self.found_unfinished(sentence, self.position(*arc).into_iter().collect(), search);
                search.way.pop();
                continue;
            }
            if label.is_let() || presence != Presence::Member {
                continue;
            }
            search.way.push(label);
            self.collect(*arc, in_definition + u32::from(!label.is_regular()), search);
            search.way.pop();
        }
    }

    /// Notes what is not there yet, at the path that led to it; who shares it is a place of it, too.
    fn found_unfinished(&self, sentence: String, mut places: Vec<Place>, search: &mut Search) {
        for sharer in &search.sharers {
            // What is shared is all there is.
            let taken = self.session[*sharer].conjuncts.first();
            let place = taken
                .and_then(|c| self.session.value_pos(c.elem))
                .and_then(|pos| self.place(pos));
            places.extend(place.filter(|place| !places.contains(place)));
        }
        let mut path = self.session.path_of(search.start);
        path.0.extend(
            search
                .way
                .iter()
                .filter_map(|label| self.session.step_of(*label)),
        );
        search.found.push(Issue {
            code: FaultCode::Incomplete,
            path,
            sentence,
            places,
            below: Vec::new(),
        });
    }

    /// Where a value that is not decided was written. What came of several has no place of its own.
    fn written(&self, node: NodeId, value: Option<Value>) -> Vec<Place> {
        if matches!(value, None | Some(Value::Disjunction(_) | Value::Top)) {
            return Vec::new();
        }
        self.session
            .written_at(node)
            .find_map(|pos| self.place(pos))
            .into_iter()
            .collect()
    }

    fn issues_of(&self, fault: FaultId, node: Option<NodeId>, found: &mut Vec<Issue>) {
        self.issues_within(fault, node, found, &mut FxHashMap::default());
    }

    /// The same. What is below a problem is worked out once: arms often die of the same, at many levels.
    fn issues_within(
        &self,
        fault: FaultId,
        node: Option<NodeId>,
        found: &mut Vec<Issue>,
        known: &mut FxHashMap<u32, Vec<Issue>>,
    ) {
        let session = &self.session;
        let data = &session[fault];
        for id in &data.problems {
            let id = session.telling(*id);
            let problem = &session.problems[id as usize];
            let places = self.places_of(problem, node);
            let path = problem
                .node
                .or(data.node)
                .or(node)
                .map(|node| session.path_of(node))
                .unwrap_or_default();
            let below = if let Some(below) = known.get(&id) {
                below.clone()
            } else {
                let mut below = Vec::new();
                for child in &problem.children {
                    self.issues_within(*child, node, &mut below, known);
                }
                known.insert(id, below.clone());
                below
            };
            let issue = Issue {
                code: data.code,
                path,
                sentence: session.sentence(problem),
                places,
                below,
            };
            if !found.contains(&issue) {
                found.push(issue);
            }
        }
    }

    /// Where a problem is, each place once; the first is the most telling.
    pub(crate) fn places_of(&self, problem: &Problem, node: Option<NodeId>) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        self.add_places(problem, &mut places);
        // What was noticed nowhere in particular stands where its value was written.
        if places.is_empty()
            && let Some(pos) = problem
                .node
                .or(node)
                .and_then(|node| self.session.node_pos(node))
        {
            places.extend(self.place(pos));
        }
        places
    }

    /// Where it was noticed, what else it is about, where the values it names were written, and the same of its cause.
    fn add_places(&self, problem: &Problem, places: &mut Vec<Place>) {
        let rejected = problem.node.filter(|_| problem.rejects());
        let named = problem.args.iter().filter_map(|arg| match arg {
            Arg::Value(Value::Node(node)) | Arg::Content(node) => Some(*node),
            _ => None,
        });
        let written = rejected.into_iter().chain(named);
        let written = written.flat_map(|node| self.session.written_at(node));
        let noticed = problem.pos.iter().chain(&problem.others).copied();
        for pos in noticed.chain(written) {
            if let Some(place) = self.place(pos)
                && !places.contains(&place)
            {
                places.push(place);
            }
        }
        let caused = problem
            .cause
            .filter(|_| problem.is_where_its_cause_is())
            .into_iter();
        for id in caused.flat_map(|cause| &self.session[cause].problems) {
            self.add_places(&self.session.problems[*id as usize], places);
        }
    }

    fn place(&self, pos: Pos) -> Option<Place> {
        self.session
            .program
            .files
            .get(pos.file.0 as usize)
            .map(|source| source.place(pos.offset))
    }

    /// Where a value was written first.
    pub fn position(&self, node: NodeId) -> Option<Place> {
        self.session.node_pos(node).and_then(|pos| self.place(pos))
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
