//! Values of what was loaded: each package, or each document with the package it must fit.

use std::collections::BTreeMap;

use pequod_cue::{Budget, Evaluation, Inputs, Node, Program, Question, Unit, Value};
use pequod_cue_load::Instance;

use super::plan::Plan;
use super::report::Problems;

/// A value to be printed or checked.
pub(super) struct Item {
    /// What it is called where several are printed.
    pub(super) name: String,
    evaluation: usize,
    node: Node,
}

/// Everything that was evaluated.
#[derive(Default)]
pub(super) struct Evaluated {
    evaluations: Vec<Evaluation>,
    pub(super) items: Vec<Item>,
}

impl Evaluated {
    /// The value of an item.
    pub(super) fn value(&self, item: &Item) -> Option<Value<'_>> {
        Some(self.evaluations.get(item.evaluation)?.value(item.node))
    }
}

/// Evaluates every package, or every document, and the expressions in each. Unless `ignore`, packages that do not hold
/// end it.
pub(super) fn evaluate(
    plan: &mut Plan,
    schema: Option<&str>,
    expressions: &[String],
    ignore: bool,
) -> Result<Evaluated, Problems> {
    if !plan.documents.is_empty() {
        return documents(plan, schema, expressions);
    }
    let mut done = Evaluated::default();
    for (at, instance) in plan.instances.iter().enumerate() {
        let beside = plan.beside.as_ref().filter(|_| at == 0);
        let (evaluation, scope) = package(plan, instance, beside, &[], ignore)?;
        if expressions.is_empty() {
            done.items.push(Item {
                name: instance.name.clone(),
                evaluation: done.evaluations.len(),
                node: scope,
            });
        }
        done.evaluations.push(evaluation);
    }
    if expressions.is_empty() {
        return Ok(done);
    }
    // Only now: a package that does not hold is the graver problem.
    let questions = expressions
        .iter()
        .map(|text| plan.loaded.question("--expression", text))
        .collect::<Result<Vec<_>, _>>()?;
    done.evaluations.clear();
    for (at, instance) in plan.instances.iter().enumerate() {
        let beside = plan.beside.as_ref().filter(|_| at == 0);
        let (mut evaluation, scope) = package(plan, instance, beside, &questions, true)?;
        for (at, text) in expressions.iter().enumerate() {
            if let Some(node) = evaluation.answer(at, scope)? {
                done.items.push(Item {
                    name: text.clone(),
                    evaluation: done.evaluations.len(),
                    node,
                });
            }
        }
        done.evaluations.push(evaluation);
    }
    Ok(done)
}

/// A package's value, unified with documents if there are any.
fn package(
    plan: &Plan,
    instance: &Instance,
    beside: Option<&Unit>,
    questions: &[Question],
    ignore: bool,
) -> Result<(Evaluation, Node), Problems> {
    let mut units = plan.loaded.units(instance.unit.clone());
    let last = u32::try_from(units.len()).unwrap_or(u32::MAX);
    units.extend(beside.cloned());
    let program = Program::compile_units(&units, questions, plan.loaded.sources.clone())?;
    let mut evaluation = program.evaluate(&Inputs::new(), &Budget::default())?;
    let mut scope = evaluation.root().node();
    if beside.is_some() {
        let documents = evaluation.package(last)?;
        let issues = evaluation.value(documents).issues(false);
        if !ignore && !issues.is_empty() {
            return Err(Problems::of(&issues));
        }
        scope = evaluation.unify(&[documents, scope])?;
    }
    let issues = evaluation.value(scope).issues(false);
    if !ignore && !issues.is_empty() {
        return Err(Problems::of(&issues));
    }
    Ok((evaluation, scope))
}

/// One evaluation for all documents: the package they must fit is evaluated once.
fn documents(
    plan: &mut Plan,
    schema: Option<&str>,
    expressions: &[String],
) -> Result<Evaluated, Problems> {
    let mut questions = Vec::new();
    if let Some(text) = schema {
        questions.push(plan.loaded.question("--schema", text)?);
    }
    for text in expressions {
        questions.push(plan.loaded.question("--expression", text)?);
    }
    let has_schema = plan.schema.is_some();
    let unit = plan.schema.clone().unwrap_or_else(|| Unit {
        path: String::new(),
        files: Vec::new(),
        imports: BTreeMap::new(),
    });
    let mut units = plan.loaded.units(unit);
    let first = units.len();
    units.extend(plan.documents.iter().map(|file| Unit {
        path: String::new(),
        files: vec![file.clone()],
        imports: BTreeMap::new(),
    }));
    let program = Program::compile_units(&units, &questions, plan.loaded.sources.clone())?;
    let mut evaluation = program.evaluate(&Inputs::new(), &Budget::default())?;
    let root = evaluation.root().node();
    let fits = match schema {
        None => has_schema.then_some(root),
        Some(_) => evaluation.answer(0, root)?,
    };
    if schema.is_some()
        && let Some(fits) = fits
    {
        let issues = evaluation.value(fits).issues(false);
        if !issues.is_empty() {
            return Err(Problems::of(&issues));
        }
    }
    let mut items = Vec::new();
    for at in 0..plan.documents.len() {
        let document = evaluation.package(u32::try_from(first + at).unwrap_or(u32::MAX))?;
        let node = match fits {
            Some(fits) => evaluation.unify(&[document, fits])?,
            None => document,
        };
        let asked = usize::from(schema.is_some());
        if expressions.is_empty() {
            items.push(Item {
                name: String::new(),
                evaluation: 0,
                node,
            });
        }
        for (index, text) in expressions.iter().enumerate() {
            if let Some(node) = evaluation.answer(asked + index, node)? {
                items.push(Item {
                    name: text.clone(),
                    evaluation: 0,
                    node,
                });
            }
        }
    }
    Ok(Evaluated {
        evaluations: vec![evaluation],
        items,
    })
}
