//! The CUE of a policy: its rules, and what evaluation says of an object.
//!
//! The text is a package with a map `policy`. What each rule matches is read once, when the text is compiled, so
//! that a rule is evaluated only for objects that it is about. `request` need not be declared: it is there.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pequod_api::PolicyAction;
use pequod_cue::{Budget, Inputs, Package, Value as Cue, ValueKind, codes};
use pequod_diag::{Diagnostic, Diagnostics, Place};
use serde_json::{Map, Value};

use crate::input::Input;
use crate::policy::NOT_A_POLICY;

/// Asked now and then while a policy is evaluated: whether it is to stop.
pub type Stop<'a> = &'a dyn Fn() -> bool;

/// What a rule may consist of.
const FIELDS: [&str; 4] = ["match", "object", "message", "severity"];

/// The most that one policy may cost for one object. Generous for policies, small for a server: a thousandth of
/// it is usual.
const STEPS: u64 = 2_000_000;
const BYTES: u64 = 64 << 20;
const DEPTH: u32 = 500;

fn budget(stop: Option<Stop<'_>>) -> Budget<'_> {
    Budget {
        steps: STEPS,
        depth: DEPTH,
        bytes: BYTES,
        stop,
    }
}

/// A rule: one entry of the map `policy`.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// What must be in an object for the rule to be asked.
    pub(crate) pattern: Value,
    pub(crate) severity: PolicyAction,
    message: String,
    /// The path of what the object is unified with.
    constraint: String,
}

/// Where an object does not do what a rule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) detail: String,
}

/// A rule that gives no answer, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

/// The compiled text of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    program: pequod_cue::Program,
    rules: Vec<Rule>,
}

impl Program {
    /// Compiles the text of the policy `name`.
    pub(crate) fn compile(name: &str, text: &str) -> Result<Self, Diagnostics> {
        // At the end, where it moves no position. A text that declares `request` itself says the same twice.
        let text = format!("{text}\nrequest: _\n");
        let compiled = unpanicked(|| {
            let program = pequod_cue::Program::compile(&Package::of(format!("{name}.cue"), text))?;
            let rules = rules(&program)?;
            Ok(Self { program, rules })
        });
        compiled.unwrap_or_else(|| {
            let bug = "the evaluator failed on this text; this is a bug of Pequod";
            Err(Diagnostic::error(codes::UNSUPPORTED, bug).into())
        })
    }

    /// The rules, in the order of the text.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What a rule has to say about an object that it matches.
    pub(crate) fn check(
        &self,
        rule: &Rule,
        input: &Input<'_>,
        stop: Stop<'_>,
    ) -> Result<Vec<Problem>, Failure> {
        let checked = unpanicked(|| {
            let inputs = Inputs::new().external("request", input.request);
            let mut evaluation = self.program.evaluate(&inputs, &budget(Some(stop)))?;
            evaluation.check(&rule.constraint, input.object)
        });
        match checked {
            Some(Ok(())) => Ok(Vec::new()),
            Some(Err(problems)) => match problems.iter().find(|problem| is_no_answer(problem)) {
                Some(why) => Err(Failure(why.to_string())),
                None => Ok(problems
                    .iter()
                    .map(|problem| found(rule, problem))
                    .collect()),
            },
            None => Err(Failure(
                "the evaluator failed; this is a bug of Pequod".to_owned(),
            )),
        }
    }
}

/// Runs the evaluator; a panic in it is a failure of this one policy, and not of the process.
fn unpanicked<T>(work: impl FnOnce() -> T) -> Option<T> {
    // Everything it touches is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn is_no_answer(problem: &Diagnostic) -> bool {
    matches!(problem.code, codes::UNSUPPORTED | codes::LIMIT)
}

fn found(rule: &Rule, problem: &Diagnostic) -> Problem {
    // As seen from what was checked.
    let path = problem.path.clone().unwrap_or_default();
    Problem {
        path: path.below(&rule.constraint).to_string(),
        message: rule.message.clone(),
        detail: problem.sentence().to_owned(),
    }
}

fn rules(program: &pequod_cue::Program) -> Result<Vec<Rule>, Diagnostics> {
    let nothing = Value::Object(Map::new());
    let inputs = Inputs::new().external("request", &nothing);
    let evaluation = program.evaluate(&inputs, &budget(None))?;
    let root = evaluation.root();
    // Errors that no request can mend.
    root.validate(false)?;
    let Some(policies) = root.lookup("policy") else {
        return Ok(Vec::new());
    };
    if policies.kind() != ValueKind::Struct {
        return Err(wrong(policies, "`policy` is not a struct of policies").into());
    }
    policies
        .fields()
        .into_iter()
        .map(|(name, value)| rule(name, value))
        .collect()
}

fn rule(name: String, value: Cue<'_>) -> Result<Rule, Diagnostics> {
    if value.kind() != ValueKind::Struct {
        return Err(wrong(value, &format!("policy `{name}` is not a struct")).into());
    }
    for (field, value) in value.fields() {
        if !FIELDS.contains(&field.as_str()) {
            let what = format!("policy `{name}` has the unknown field `{field}`");
            let hint = format!("a policy has the fields {}", FIELDS.join(", "));
            return Err(wrong(value, &what).hint(hint).into());
        }
    }
    if value.lookup("object").is_none() {
        let what = format!("policy `{name}` has no `object`: it would allow everything");
        return Err(wrong(value, &what).into());
    }
    let pattern = match value.lookup("match") {
        None => Value::Object(Map::new()),
        Some(pattern) => {
            pattern.validate(true).map_err(|problems| {
                let what = format!(
                    "`match` of policy `{name}` is not concrete: it is compared with the object, not evaluated"
                );
                let hint = "for several kinds write one policy each, or use spec.kinds";
                let mut all = vec![wrong(pattern, &what).hint(hint)];
                all.extend(problems.0);
                Diagnostics(all)
            })?;
            pattern.to_json()?
        }
    };
    let severity = match value.lookup("severity") {
        None => PolicyAction::Deny,
        Some(severity) => match severity.as_str() {
            Some("Error") => PolicyAction::Deny,
            Some("Warning") => PolicyAction::Warn,
            _ => {
                let what = format!("the severity of policy `{name}` is neither Error nor Warning");
                return Err(wrong(severity, &what).into());
            }
        },
    };
    let message = match value
        .lookup("message")
        .map(|message| (message, message.as_str()))
    {
        None => String::new(),
        Some((_, Some(text))) => text.to_owned(),
        Some((message, None)) => {
            let what = format!("the message of policy `{name}` is not a text that is known here");
            return Err(wrong(message, &what).into());
        }
    };
    Ok(Rule {
        constraint: format!("{}.object", value.path()),
        name,
        pattern,
        severity,
        message,
    })
}

fn wrong(value: Cue<'_>, what: &str) -> Diagnostic {
    let place = value.position().unwrap_or_else(|| Place::Path {
        document: String::new(),
        path: value.path(),
    });
    Diagnostic::error(NOT_A_POLICY, what).at(place)
}
