//! Compile, evaluate, read.

use std::sync::Arc;

use pequod_cue_eval as eval;
use pequod_cue_eval::{FaultCode, Issue, Kind, NodeId, Poison, Question, Room, Shown, Text, Unit};
use pequod_cue_syntax::Source;
use pequod_diag::{Diagnostic, Diagnostics, Place};
use serde_json::Value as Json;

use crate::path::{Step, parse_path};
use crate::{Budget, Counters, Inputs, Package, Read, ReadSet, ValueKind, codes};

static STD: crate::library::Std = crate::library::Std;

/// A compiled package: immutable, shared by its clones, usable from many threads.
///
/// ```
/// use pequod_cue::{Budget, Inputs, Package, Program};
/// use serde_json::json;
///
/// let program = Program::compile(&Package::of("shop.cue", "input: name: string\nhello: \"Hello \\(input.name)\""))?;
/// let input = json!({"name": "Ahab"});
/// let evaluation = program.evaluate(&Inputs::new().fill("input", &input), &Budget::default())?;
/// assert_eq!(evaluation.root().lookup("hello").unwrap().as_str(), Some("Hello Ahab"));
/// # Ok::<(), pequod_diag::Diagnostics>(())
/// ```
#[derive(Debug, Clone)]
pub struct Program {
    program: Arc<eval::Program>,
}

impl Program {
    /// Compiles a package. All problems that can be found without data are reported at once, among
    /// them every unsupported construct.
    pub fn compile(package: &Package) -> Result<Self, Diagnostics> {
        let mut files: Vec<_> = package.files.iter().collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let texts: Vec<_> = files
            .into_iter()
            .map(|file| Text {
                name: file.name.clone(),
                text: file.text.clone(),
            })
            .collect();
        let program = eval::compile(&texts, &STD)?;
        Ok(Self {
            program: Arc::new(program),
        })
    }

    /// Compiles packages that import each other, parsed, and expressions to be asked of them. The first package is
    /// the one that is evaluated; every file's number is its place among the sources.
    pub fn compile_units(
        units: &[Unit],
        questions: &[Question],
        sources: Vec<Arc<Source>>,
    ) -> Result<Self, Diagnostics> {
        let program = eval::compile_units(units, questions, sources, &STD)?;
        Ok(Self {
            program: Arc::new(program),
        })
    }

    /// Evaluates the whole package with some data. Errors *in* the result are in the result
    /// ([`Value::validate`]); what fails here is an input that fits nowhere, an unsupported
    /// construct, or a spent budget.
    pub fn evaluate(
        &self,
        inputs: &Inputs<'_>,
        budget: &Budget<'_>,
    ) -> Result<Evaluation, Diagnostics> {
        let fills = inputs
            .fills
            .iter()
            .map(|(path, data)| (path, *data, eval::Way::Fill));
        let externals = inputs
            .externals
            .iter()
            .map(|(path, data)| (path, *data, eval::Way::External));
        let mut entries = Vec::new();
        for (path, data, way) in fills.chain(externals) {
            let labels: Option<Vec<String>> = parse_path(path).and_then(|steps| {
                steps
                    .into_iter()
                    .map(|step| match step {
                        Step::Name(name) | Step::Quoted(name) => Some(name),
                        Step::Index(_) => None,
                    })
                    .collect()
            });
            let Some(labels) = labels else {
                let message = format!("{path:?} is no path of field names");
                return Err(Diagnostic::error(codes::REFERENCE, message).into());
            };
            entries.push((labels, data, way));
        }
        let inputs: Vec<_> = entries
            .iter()
            .map(|(path, data, way)| eval::Input {
                path,
                data,
                way: *way,
            })
            .collect();
        let limits = eval::Limits {
            steps: budget.steps,
            depth: budget.depth,
            bytes: budget.bytes,
        };
        match eval::Evaluation::new(&self.program, &inputs, limits, budget.stop) {
            Ok(inner) => Ok(Evaluation { inner }),
            Err((poison, place)) => Err(poisoned(&poison, place).into()),
        }
    }
}

fn poisoned(poison: &Poison, place: Option<Place>) -> Diagnostic {
    let problem = match poison {
        Poison::Unsupported { feature, hint, .. } => {
            let problem =
                Diagnostic::error(codes::UNSUPPORTED, format!("{feature} is not supported"));
            match hint {
                Some(hint) => problem.hint(*hint),
                None => problem,
            }
        }
        Poison::Limit { what, .. } => Diagnostic::error(
            codes::LIMIT,
            format!("the evaluation was ended: its budget of {what} is spent"),
        ),
    };
    match place {
        Some(place) => problem.at(place),
        None => problem,
    }
}

fn diagnostic(issue: &Issue) -> Diagnostic {
    let code = match issue.code {
        FaultCode::Eval | FaultCode::Literal => codes::CONFLICT,
        FaultCode::User => codes::USER,
        FaultCode::Structural => codes::STRUCTURAL_CYCLE,
        FaultCode::Incomplete => codes::INCOMPLETE,
        FaultCode::Cycle => codes::CYCLE,
    };
    let mut problem = Diagnostic::error(code, issue.sentence.clone());
    if !issue.path.is_empty() {
        problem = problem.about(issue.path.clone());
    }
    let mut places = issue.places.iter();
    problem.place = places.next().cloned();
    for place in places {
        problem = problem.label(place.clone(), "");
    }
    for below in &issue.below {
        problem.causes.push(match below.places.first() {
            Some(place) => format!("{}: {} ({place})", below.path, below.sentence),
            None => format!("{}: {}", below.path, below.sentence),
        });
    }
    problem
}

fn diagnostics(issues: &[Issue]) -> Result<(), Diagnostics> {
    if issues.is_empty() {
        return Ok(());
    }
    Err(Diagnostics(issues.iter().map(diagnostic).collect()))
}

/// The result of an evaluation.
#[derive(Debug)]
pub struct Evaluation {
    inner: eval::Evaluation,
}

impl Evaluation {
    /// The package's value.
    pub fn root(&self) -> Value<'_> {
        Value {
            evaluation: self,
            node: self.inner.root(),
        }
    }

    /// Everything that was read under external roots.
    pub fn reads(&self) -> ReadSet {
        longest(self.inner.reads())
    }

    /// Every node there is, erroneous, optional and hidden ones included: for comparison with the
    /// reference.
    pub fn dump(&mut self, asked: &crate::inspect::Asked) -> Vec<crate::inspect::DumpNode> {
        self.inner.dump(asked)
    }

    /// How much work it was.
    pub fn counters(&self) -> Counters {
        let work = self.inner.work();
        Counters {
            unifications: work.unifications,
            conjuncts: work.conjuncts,
            disjuncts: work.disjuncts,
            steps: work.steps,
        }
    }

    /// The value of a package, by its place among the units.
    pub fn package(&mut self, unit: u32) -> Result<Node, Diagnostics> {
        let found = self.inner.package(unit);
        found
            .map(Node)
            .map_err(|(poison, place)| poisoned(&poison, place).into())
    }

    /// The answer to a question, asked in the scope of a value.
    pub fn answer(&mut self, question: usize, scope: Node) -> Result<Option<Node>, Diagnostics> {
        let found = self.inner.answer(question, scope.0);
        found
            .map(|node| node.map(Node))
            .map_err(|(poison, place)| poisoned(&poison, place).into())
    }

    /// What several values have in common.
    pub fn unify(&mut self, nodes: &[Node]) -> Result<Node, Diagnostics> {
        let nodes: Vec<_> = nodes.iter().map(|node| node.0).collect();
        let found = self.inner.unify(&nodes);
        found
            .map(Node)
            .map_err(|(poison, place)| poisoned(&poison, place).into())
    }

    /// A value that was asked for before.
    pub const fn value(&self, node: Node) -> Value<'_> {
        Value {
            evaluation: self,
            node: node.0,
        }
    }

    /// Unifies data with the value at a path and says whether the result holds: what `cue vet -c`
    /// would say about the data and that constraint. An error if there is no such path.
    ///
    /// ```
    /// use pequod_cue::{Budget, Inputs, Package, Program};
    /// use serde_json::json;
    ///
    /// let program = Program::compile(&Package::of("p.cue", "object: metadata: labels: owner!: string"))?;
    /// let mut evaluation = program.evaluate(&Inputs::new(), &Budget::default())?;
    /// assert!(evaluation.check("object", &json!({"metadata": {"labels": {"owner": "ahab"}}})).is_ok());
    /// assert!(evaluation.check("object", &json!({"metadata": {"labels": {}}})).is_err());
    /// # Ok::<(), pequod_diag::Diagnostics>(())
    /// ```
    pub fn check(&mut self, constraint: &str, data: &Json) -> Result<(), Diagnostics> {
        let Some(node) = self.root().lookup(constraint).map(|value| value.node) else {
            let message = format!("there is no value at {constraint}");
            return Err(Diagnostic::error(codes::REFERENCE, message).into());
        };
        match self.inner.check(node, data) {
            Ok(issues) => diagnostics(&issues),
            Err((poison, place)) => Err(poisoned(&poison, place).into()),
        }
    }
}

/// Drops paths that another one continues.
fn longest(paths: std::collections::BTreeSet<eval::ReadPath>) -> ReadSet {
    let all: Vec<_> = paths.into_iter().collect();
    all.iter()
        .filter(|path| {
            !all.iter().any(|other| {
                (other.labels.len() > path.labels.len() && other.labels.starts_with(&path.labels))
                    // Found missing first and present later: the first counts.
                    || (other.labels == path.labels && !other.present && path.present)
            })
        })
        .map(|path| Read {
            path: path.labels.clone(),
            present: path.present,
        })
        .collect()
}

/// Names a value of an evaluation that goes on; see [`Evaluation::value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node(NodeId);

/// A value of an [`Evaluation`].
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    evaluation: &'a Evaluation,
    node: NodeId,
}

impl<'a> Value<'a> {
    const fn inner(&self) -> &'a eval::Evaluation {
        &self.evaluation.inner
    }

    const fn with(&self, node: NodeId) -> Self {
        Self {
            evaluation: self.evaluation,
            node,
        }
    }

    /// The value at a path: labels joined by dots, quoted where they are no identifiers, elements
    /// of lists by index: `graph.nodes."my-db".object`, `items[0]`.
    pub fn lookup(&self, path: &str) -> Option<Self> {
        let mut node = self.node;
        for step in parse_path(path)? {
            node = match step {
                Step::Name(name) => self.inner().child(node, &name)?,
                Step::Quoted(name) => self.inner().quoted_child(node, &name)?,
                Step::Index(index) => self.inner().child(node, &index.to_string())?,
            };
        }
        Some(self.with(node))
    }

    /// The regular field of a name, whatever characters it has.
    pub fn field(&self, name: &str) -> Option<Self> {
        self.inner()
            .quoted_child(self.node, name)
            .map(|node| self.with(node))
    }

    /// The regular fields of a struct, or the elements of a list, in output order.
    pub fn fields(&self) -> Vec<(String, Self)> {
        self.inner()
            .children(self.node)
            .into_iter()
            .map(|(name, node)| (name, self.with(node)))
            .collect()
    }

    /// The elements of a list; nothing for anything else.
    pub fn elements(&self) -> Vec<Self> {
        if self.kind() != ValueKind::List {
            return Vec::new();
        }
        self.fields().into_iter().map(|(_, value)| value).collect()
    }

    /// What it is.
    pub fn kind(&self) -> ValueKind {
        match self.inner().summary(self.node).kind {
            Kind::BOTTOM => ValueKind::Bottom,
            Kind::NULL => ValueKind::Null,
            Kind::BOOL => ValueKind::Bool,
            Kind::INT => ValueKind::Int,
            Kind::FLOAT => ValueKind::Float,
            Kind::STRING => ValueKind::String,
            Kind::BYTES => ValueKind::Bytes,
            Kind::STRUCT => ValueKind::Struct,
            Kind::LIST => ValueKind::List,
            _ => ValueKind::Mixed,
        }
    }

    /// Its text, if it is a string (or has one as its default).
    pub fn as_str(&self) -> Option<&'a str> {
        self.inner().text(self.node)
    }

    /// Whether it is a single piece of data, or a struct or list (of whatever). Defaults count.
    pub fn is_concrete(&self) -> bool {
        let summary = self.inner().summary(self.node);
        summary.concrete && summary.fault.is_none()
    }

    /// Whether it (or something in it) is incomplete, so that more input could decide it, and
    /// nothing in it is an error.
    pub fn is_incomplete(&self) -> bool {
        let issues = self.inner().issues(self.node, true);
        !issues.is_empty()
            && issues
                .iter()
                .all(|issue| issue.code >= FaultCode::Incomplete)
    }

    /// The errors in it; with `concrete`, also everything that is not data yet.
    pub fn validate(&self, concrete: bool) -> Result<(), Diagnostics> {
        diagnostics(&self.inner().issues(self.node, concrete))
    }

    /// The errors in it one by one, with what lies below each; see [`Value::validate`].
    pub fn issues(&self, concrete: bool) -> Vec<Issue> {
        self.inner().issues(self.node, concrete)
    }

    /// Its text or bytes, if it is either.
    pub fn as_bytes(&self) -> Option<Vec<u8>> {
        self.inner().bytes(self.node)
    }

    /// As YAML text in output order; fails where [`Value::validate`] does.
    pub fn to_yaml_text(&self) -> Result<String, Diagnostics> {
        self.validate(true)?;
        let mut room = self.inner().room();
        let value = self.yaml(&mut room, 0);
        let value = room.of(value).map_err(|poison| poisoned(&poison, None))?;
        Ok(pequod_cue_yaml::emit(&value))
    }

    fn yaml(&self, room: &mut Room, depth: usize) -> pequod_cue_yaml::Value {
        use pequod_cue_yaml::{Key, Value as Yaml};
        let text = self.as_str().unwrap_or_default();
        let lines = 1 + text.matches('\n').count();
        if !room.take(text.len().saturating_add(2 * depth * lines)) {
            return Yaml::Null;
        }
        let scalar = || self.inner().json_text(self.node, false).unwrap_or_default();
        match self.kind() {
            ValueKind::Bool => Yaml::Bool(scalar() == "true"),
            ValueKind::Int | ValueKind::Float => Yaml::Number(scalar()),
            ValueKind::String => Yaml::String(text.to_owned()),
            ValueKind::Bytes => Yaml::Bytes(self.as_bytes().unwrap_or_default()),
            ValueKind::List => {
                let elements = self.elements();
                let elements = elements.iter();
                let elements = elements.map(|value| value.yaml(room, depth + 1).into());
                Yaml::Sequence(elements.collect())
            }
            ValueKind::Struct => {
                let fields = self.fields().into_iter();
                let fields = fields
                    .map(|(name, value)| (Key::from(&*name), value.yaml(room, depth + 1).into()));
                Yaml::Mapping(fields.collect())
            }
            ValueKind::Null | ValueKind::Bottom | ValueKind::Mixed => Yaml::Null,
        }
    }

    /// As JSON text in output order, numbers as written; fails where [`Value::validate`] does.
    pub fn to_json_text(&self, pretty: bool) -> Result<String, Diagnostics> {
        self.validate(true)?;
        let text = self.inner().json_text(self.node, pretty);
        text.map_err(|poison| poisoned(&poison, None).into())
    }

    /// As CUE text, errors and unfinished parts included; fails if that is larger than values may be.
    pub fn to_cue_text(&self, shown: Shown) -> Result<String, Diagnostics> {
        let text = self.inner().cue_text(self.node, shown);
        text.map_err(|poison| poisoned(&poison, None).into())
    }

    /// Its name in the evaluation.
    pub const fn node(&self) -> Node {
        Node(self.node)
    }

    /// As JSON data.
    pub fn to_json(&self) -> Result<Json, Diagnostics> {
        let text = self.to_json_text(false)?;
        serde_json::from_str(&text).map_err(|error| {
            Diagnostic::error(
                codes::CONFLICT,
                format!("{} cannot be data: {error}", self.path()),
            )
            .into()
        })
    }

    /// Where it was written first.
    pub fn position(&self) -> Option<Place> {
        self.inner().position(self.node)
    }

    /// The comments above its fields, one paragraph a field.
    pub fn doc_comment(&self) -> Option<String> {
        let docs = self.inner().docs(self.node);
        if docs.is_empty() {
            None
        } else {
            Some(docs.join("\n\n"))
        }
    }

    /// What was read under external roots to arrive at this value and everything in it.
    pub fn reads(&self) -> ReadSet {
        longest(self.inner().reads_of(self.node))
    }

    /// The path from the root.
    pub fn path(&self) -> String {
        self.inner().path(self.node)
    }

    /// As people write it, unfinished parts included. For messages.
    pub fn show(&self) -> String {
        self.inner().show(self.node)
    }

    /// The class of its error, if it is one: `eval`, `user`, `structural_cycle`, `incomplete`, `cycle`.
    pub fn error_class(&self) -> Option<&'static str> {
        self.inner()
            .summary(self.node)
            .fault
            .map(|code| match code {
                FaultCode::Eval => "eval",
                FaultCode::User | FaultCode::Literal => "user",
                FaultCode::Structural => "structural_cycle",
                FaultCode::Incomplete => "incomplete",
                FaultCode::Cycle => "cycle",
            })
    }
}
