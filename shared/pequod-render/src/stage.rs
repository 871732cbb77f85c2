//! The whole of rendering, step by step.

use std::collections::BTreeMap;

use pequod_api::{DependencyWhen, ResourceNode};
use pequod_cue::{Budget, Evaluation, Inputs, Program, Value as Cue, ValueKind};
use pequod_diag::{Diagnostic, Diagnostics, Place};
use pequod_graph::{Edge, Graph, GraphError, When};
use serde_json::{Map, Value, json};

use crate::canonical::sorted;
use crate::context::{Context, Scopes};
use crate::node::{self, Node, Object};
use crate::{
    Form, MAX_INPUT_BYTES, MAX_NODES, Pending, Rendered, RenderedNode, canonical, codes, digest,
    object, policy,
};

/// What is rendered.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The module, compiled.
    pub program: &'a Program,
    /// The module's digest.
    pub module_digest: &'a str,
    /// `spec.input`; null is no input.
    pub input: &'a Value,
    /// The module's surroundings.
    pub context: &'a Context,
    /// Live objects of this graph by node id, as far as they are known.
    pub observed: &'a Value,
    /// How much the evaluation may do.
    pub budget: Budget<'a>,
}

/// Which step refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The input is not what the module takes: the writer of the Transform can mend it.
    Input,
    /// The module, or what it makes of this input, is wrong: its author can mend it.
    Module,
}

/// Nothing was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which step refused.
    pub stage: Stage,
    /// Why.
    pub problems: Diagnostics,
}

impl Refused {
    fn input(problems: impl Into<Diagnostics>) -> Self {
        Self {
            stage: Stage::Input,
            problems: problems.into(),
        }
    }
}

/// Everything that `?` meets behind the input's check is the module's.
impl From<Diagnostics> for Refused {
    fn from(problems: Diagnostics) -> Self {
        Self {
            stage: Stage::Module,
            problems,
        }
    }
}

impl From<Diagnostic> for Refused {
    fn from(problem: Diagnostic) -> Self {
        Self::from(Diagnostics::from(problem))
    }
}

/// Renders.
pub fn render(request: &Request<'_>) -> Result<Rendered, Refused> {
    object::check_name(request.context).map_err(Refused::input)?;
    let input = checked_input(request.input)?;
    let context = request.context.value();
    let mut evaluation = evaluate(request, &input, &context)?;

    let (form, nodes) = read_nodes(&evaluation)?;
    let (nodes, pending, scopes_read) = complete(request.context, nodes)?;
    let violations = policy::violations(&mut evaluation, &nodes)?;

    let context_read = context_read(&evaluation, &context, scopes_read);
    Ok(Rendered {
        digest: digest(&json!({
            "module": request.module_digest,
            "input": input,
            "context": context_read,
        })),
        outputs: outputs(&evaluation)?,
        counters: evaluation.counters(),
        nodes,
        pending,
        violations,
        form,
        context_read,
    })
}

/// `graph.nodes` as JSON text, as `cue export -e graph.nodes` prints it: what the module says, before any
/// namespace, label or annotation is added.
pub fn exported_nodes(request: &Request<'_>) -> Result<String, Refused> {
    let input = checked_input(request.input)?;
    let context = request.context.value();
    let evaluation = evaluate(request, &input, &context)?;
    let Some(nodes) = evaluation.root().lookup("graph.nodes") else {
        return Err(no_nodes().into());
    };
    nodes.validate(true)?;
    Ok(nodes.to_json_text(true)?)
}

/// The input, its keys in order.
fn checked_input(input: &Value) -> Result<Value, Refused> {
    let place = || Place::Path {
        document: String::new(),
        path: "spec.input".to_owned(),
    };
    let input = match input {
        Value::Null => Value::Object(Map::new()),
        Value::Object(_) => sorted(input),
        _ => {
            let problem = Diagnostic::error(codes::INPUT, "is not an object").at(place());
            return Err(Refused::input(problem));
        }
    };
    let size = canonical(&input).len();
    if size > MAX_INPUT_BYTES {
        let problem = Diagnostic::error(
            codes::LIMIT,
            format!("holds {size} bytes; at most {MAX_INPUT_BYTES} are taken"),
        );
        return Err(Refused::input(problem.at(place())));
    }
    Ok(input)
}

fn evaluate(request: &Request<'_>, input: &Value, context: &Value) -> Result<Evaluation, Refused> {
    let none = json!({});
    let observed = if request.observed.is_null() {
        &none
    } else {
        request.observed
    };
    let inputs = Inputs::new()
        .fill("input", input)
        .external("context", context)
        .external("observed", observed);
    let evaluation = request.program.evaluate(&inputs, &request.budget)?;
    // The input first: what follows from a wrong input is noise.
    if let Some(input) = evaluation.root().lookup("input") {
        input
            .validate(true)
            .map_err(|problems| Refused::input(in_the_spec(problems)))?;
    }
    evaluation.root().validate(false)?;
    Ok(evaluation)
}

/// The person who wrote the input knows `spec.input`, not the module's field.
fn in_the_spec(mut problems: Diagnostics) -> Diagnostics {
    for problem in &mut problems.0 {
        if problem.message.starts_with("input.") || problem.message.starts_with("input:") {
            problem.message.insert_str(0, "spec.");
        }
        if let Some(Place::Path { path, .. }) = &mut problem.place
            && (path == "input" || path.starts_with("input."))
        {
            path.insert_str(0, "spec.");
        }
        if problem.hint.is_none() {
            problem.hint =
                Some("`kubectl transform explain` shows what the module takes".to_owned());
        }
    }
    problems
}

fn no_nodes() -> Diagnostic {
    Diagnostic::error(codes::CONTRACT, "the module has no `graph.nodes`")
        .hint("docs/guides/modules.md shows what a module looks like")
}

fn read_nodes(evaluation: &Evaluation) -> Result<(Form, Vec<Node>), Refused> {
    let Some(nodes) = evaluation.root().lookup("graph.nodes") else {
        return Err(no_nodes().into());
    };
    let wrong = |what: String| {
        let place = nodes.position().unwrap_or_else(|| Place::Path {
            document: String::new(),
            path: "graph.nodes".to_owned(),
        });
        Diagnostic::error(codes::CONTRACT, what).at(place)
    };
    let (form, entries): (Form, Vec<(Option<String>, Cue<'_>)>) = match nodes.kind() {
        ValueKind::Struct => {
            let fields = nodes.fields();
            (
                Form::Nodes,
                fields
                    .into_iter()
                    .map(|(id, node)| (Some(id), node))
                    .collect(),
            )
        }
        ValueKind::List => (
            Form::NodeList,
            nodes
                .elements()
                .into_iter()
                .map(|node| (None, node))
                .collect(),
        ),
        _ => {
            nodes.validate(true)?;
            return Err(wrong("`graph.nodes` is neither a struct nor a list".to_owned()).into());
        }
    };
    if entries.len() > MAX_NODES {
        let what = format!(
            "the graph has {} nodes; at most {MAX_NODES} are taken",
            entries.len()
        );
        return Err(Diagnostic {
            code: codes::LIMIT,
            ..wrong(what)
        }
        .into());
    }
    let mut read = Vec::with_capacity(entries.len());
    for (id, value) in entries {
        read.push(node::read(id.as_deref(), value)?);
    }
    Ok((form, read))
}

type Completed = (Vec<RenderedNode>, Vec<Pending>, Vec<String>);

/// Completes the objects and checks what can only be seen of all nodes together.
fn complete(context: &Context, nodes: Vec<Node>) -> Result<Completed, Refused> {
    check_order(&nodes)?;
    let mut scopes = Scopes::new(context);
    for node in &nodes {
        if let Object::Known(object) = &node.object {
            scopes.define(object);
        }
    }
    let mut known = Vec::with_capacity(nodes.len());
    let mut pending = Vec::new();
    for mut node in nodes {
        match std::mem::replace(&mut node.object, Object::Waits(Vec::new())) {
            Object::Waits(waits_for) => pending.push(Pending {
                id: node.id,
                waits_for,
            }),
            Object::Known(mut object) => {
                let target = object::complete(&node, &mut object, context, &mut scopes)?;
                known.push((node, target, object));
            }
        }
    }
    if let Some(problem) =
        object::two_with_one_target(known.iter().map(|(node, target, _)| (node, target)))
    {
        return Err(problem.into());
    }
    let nodes = known
        .into_iter()
        .map(|(node, target, object)| RenderedNode {
            spec: ResourceNode {
                id: node.id,
                target,
                digest: digest(&object),
                depends_on: node.depends_on,
                ready_when: node.ready_when,
                apply: node.apply,
                ignore: node.ignore,
            },
            object,
        });
    Ok((nodes.collect(), pending, scopes.read.into_iter().collect()))
}

fn check_order(nodes: &[Node]) -> Result<(), Diagnostic> {
    let edges = nodes.iter().flat_map(|node| {
        node.depends_on.iter().map(|dependency| Edge {
            node: node.id.clone(),
            after: dependency.id.clone(),
            when: match dependency.when {
                DependencyWhen::Applied => When::Applied,
                DependencyWhen::Ready => When::Ready,
            },
        })
    });
    let ids = nodes.iter().map(|node| node.id.clone());
    let Err(error) = Graph::build(ids, edges) else {
        return Ok(());
    };
    let mut places = Vec::new();
    let (code, hint) = match &error {
        GraphError::Duplicate(id) => {
            places.extend(nodes.iter().filter(|node| node.id == *id));
            (codes::DUPLICATE, None)
        }
        GraphError::Unknown { node: id, .. } => {
            places.extend(nodes.iter().filter(|node| node.id == *id));
            let known: Vec<_> = nodes
                .iter()
                .take(20)
                .map(|node| node.id.0.as_str())
                .collect();
            (
                codes::ORDER,
                Some(format!("the nodes are: {}", known.join(", "))),
            )
        }
        GraphError::Cycle(ids) => {
            let around = ids.iter().skip(1);
            places.extend(around.filter_map(|id| nodes.iter().find(|node| node.id == *id)));
            (
                codes::ORDER,
                Some("remove one of these from the other's dependsOn".to_owned()),
            )
        }
    };
    let mut problem = Diagnostic::error(code, error.to_string());
    problem.hint = hint;
    let mut places = places.into_iter();
    problem.place = places.next().map(|node| node.place.clone());
    for node in places {
        problem = problem.label(node.place.clone(), format!("node `{}`", node.id));
    }
    Err(problem)
}

/// The outputs that are data; the others may become so.
fn outputs(evaluation: &Evaluation) -> Result<BTreeMap<String, Value>, Diagnostics> {
    let Some(outputs) = evaluation.root().lookup("outputs") else {
        return Ok(BTreeMap::new());
    };
    let mut known = BTreeMap::new();
    for (name, value) in outputs.fields() {
        if value.validate(true).is_ok() {
            known.insert(name, value.to_json()?);
        }
    }
    Ok(known)
}

/// The context that was read, by the module or for the scope of a kind.
fn context_read(
    evaluation: &Evaluation,
    context: &Value,
    scopes_read: Vec<String>,
) -> BTreeMap<String, Value> {
    let by_module = evaluation
        .reads()
        .into_iter()
        .filter(|read| read.root() == "context")
        .map(|read| read.path.into_iter().skip(1).collect::<Vec<_>>());
    let by_scope = scopes_read
        .into_iter()
        .map(|kind| vec!["cluster".to_owned(), "kinds".to_owned(), kind]);
    by_module
        .chain(by_scope)
        // The empty path is the root, unified with the module's own `context`: no key was read.
        .filter(|path| !path.is_empty())
        .map(|path| (path.join("."), Context::at(context, &path)))
        .collect()
}
