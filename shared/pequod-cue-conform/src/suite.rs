//! Which archives there are, and what came of them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::Duration;

use crate::assertion::{self, DETAILS};
use crate::compare::{Difference, Score, compare};
use crate::node::{Outcome, Poison};
use crate::oracle::{Oracle, OracleError};
use crate::txtar::Archive;
use crate::worker::{self, Request};

/// The suites: a folder of the reference's module, and whether it is evaluated or only parsed.
pub const SUITES: &[(&str, bool)] = &[
    ("cue/testdata", true),
    ("pkg", true),
    ("cmd/cue/cmd/testdata/script", false),
];

/// Why the suites did not run.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// The reference gave no answers.
    #[error(transparent)]
    Oracle(#[from] OracleError),
    /// A child process could not be used.
    #[error("cannot run cases")]
    Worker(#[source] io::Error),
}

/// What came of one archive.
#[derive(Debug)]
pub struct Case {
    /// Its path in the reference's module, without its ending.
    pub name: String,
    /// How many nodes agree.
    pub score: Score,
    /// Which do not.
    pub differences: Vec<Difference>,
    /// Sources on whose form we disagree: name, our error, theirs.
    pub misjudged: Vec<(String, String, String)>,
    /// How many sources there are.
    pub sources: usize,
    /// Our answer.
    pub ours: Outcome,
}

impl Case {
    /// The folder it is counted in.
    pub fn folder(&self) -> &str {
        let name = self
            .name
            .strip_prefix("cue/testdata/")
            .unwrap_or(&self.name);
        let parts = if name.starts_with("pkg/") { 2 } else { 1 };
        let end = name
            .match_indices('/')
            .nth(parts - 1)
            .map_or(name.len(), |(at, _)| at);
        if self.name.starts_with("cmd/") {
            "cmd/cue"
        } else {
            &name[..end]
        }
    }
}

/// Whose answers are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Ours.
    Ours,
    /// The reference's own, to see that the harness finds them right.
    Reference,
}

/// Runs all archives whose name contains `filter`.
pub fn run(
    subject: Subject,
    filter: &str,
    jobs: usize,
    patience: Duration,
) -> Result<Vec<Case>, SuiteError> {
    let oracle = Oracle::build()?;
    let mut requests = Vec::new();
    let mut theirs = BTreeMap::new();
    for (suite, evaluate) in SUITES {
        for outcome in oracle.suite(suite)? {
            if !outcome.case.contains(filter) {
                continue;
            }
            let path = oracle.module.join(format!("{}.txtar", outcome.case));
            let archive =
                fs::read_to_string(&path).map_err(|source| OracleError::File { path, source })?;
            requests.push(Request {
                case: outcome.case.clone(),
                archive,
                evaluate: *evaluate,
                robust: None,
            });
            theirs.insert(outcome.case.clone(), outcome);
        }
    }
    let answers = match subject {
        Subject::Ours => worker::run(&requests, jobs, patience).map_err(SuiteError::Worker)?,
        Subject::Reference => repeat(&oracle, &requests)?,
    };
    let cases = answers
        .into_iter()
        .zip(&requests)
        .filter_map(|(ours, request)| {
            let their = theirs.remove(&request.case)?;
            let mut case = judge(ours, &their, request.evaluate);
            leave_out_unreadable(&mut case, &their, &Archive::parse(&request.archive));
            Some(case)
        });
    Ok(cases.collect())
}

/// An assertion that the reference's own answer does not meet here is one this harness cannot read (it
/// is about attributes, say, or about fields inside arms of a disjunction): it does not count.
fn leave_out_unreadable(case: &mut Case, theirs: &Outcome, archive: &Archive) {
    if !theirs.error.is_empty() || theirs.nodes.is_empty() {
        return;
    }
    let control = assertion::check(archive, &theirs.nodes);
    if case.ours.poison.is_some() {
        // No answer fails every assertion.
        case.ours.assertions.clone_from(&control);
        for assertion in &mut case.ours.assertions {
            "no answer".clone_into(&mut assertion.failure);
        }
    }
    for (ours, control) in case.ours.assertions.iter_mut().zip(control) {
        ours.todo |= !control.failure.is_empty();
    }
}

/// The reference's answers as if they were ours.
fn repeat(oracle: &Oracle, requests: &[Request]) -> Result<Vec<Outcome>, SuiteError> {
    let mut answers = BTreeMap::new();
    for (suite, _) in SUITES {
        for outcome in oracle.suite(suite)? {
            answers.insert(outcome.case.clone(), outcome);
        }
    }
    let answers = requests.iter().filter_map(|request| {
        let mut outcome = answers.remove(&request.case)?;
        let archive = Archive::parse(&request.archive);
        if outcome.error.is_empty() && request.evaluate {
            outcome.assertions = assertion::check(&archive, &outcome.nodes);
        }
        Some(outcome)
    });
    Ok(answers.collect())
}

fn judge(ours: Outcome, theirs: &Outcome, evaluate: bool) -> Case {
    let (score, differences) = if evaluate {
        compare(&ours, theirs)
    } else {
        (Score::default(), Vec::new())
    };
    let misjudged = theirs
        .sources
        .iter()
        .filter_map(|their| {
            let our = ours.sources.iter().find(|our| our.name == their.name);
            match our {
                Some(our) if our.accept == their.accept => None,
                Some(our) => Some((their.name.clone(), our.error.clone(), their.error.clone())),
                None => Some((
                    their.name.clone(),
                    "no answer".to_owned(),
                    their.error.clone(),
                )),
            }
        })
        .collect();
    Case {
        name: theirs.case.clone(),
        score,
        differences,
        misjudged,
        sources: theirs.sources.len(),
        ours,
    }
}

/// The sums of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sums {
    /// Archives.
    pub cases: usize,
    /// Nodes that agree.
    pub score: Score,
    /// Sources, and those whose form is judged as the reference does.
    pub sources: [usize; 2],
    /// Assertions, and those that hold.
    pub assertions: [usize; 2],
    /// The same of `eq` alone.
    pub equal: [usize; 2],
    /// The same of `err` alone.
    pub errors: [usize; 2],
    /// The same of each of [`assertion::DETAILS`], which do not count among the assertions.
    pub details: [[usize; 2]; DETAILS.len()],
    /// Archives without an answer.
    pub poisoned: BTreeMap<Poison, usize>,
}

impl Sums {
    /// Adds a case.
    pub fn add(&mut self, case: &Case) {
        self.cases += 1;
        self.score += case.score;
        self.sources[0] += case.sources;
        self.sources[1] += case.sources - case.misjudged.len();
        let counted = case
            .ours
            .assertions
            .iter()
            .filter(|assertion| !assertion.todo);
        for assertion in counted {
            let holds = usize::from(assertion.failure.is_empty());
            let count = |[all, held]: &mut [usize; 2]| {
                *all += 1;
                *held += holds;
            };
            if let Some(at) = DETAILS.iter().position(|it| *it == assertion.directive) {
                count(&mut self.details[at]);
                continue;
            }
            count(&mut self.assertions);
            match &*assertion.directive {
                "eq" => count(&mut self.equal),
                "err" => count(&mut self.errors),
                _ => {}
            }
        }
        if let Some(poison) = case.ours.poison {
            *self.poisoned.entry(poison).or_default() += 1;
        }
    }

    /// Adds the sums of a folder.
    pub fn add_all(&mut self, other: &Self) {
        self.cases += other.cases;
        self.score += other.score;
        for at in 0..2 {
            self.sources[at] += other.sources[at];
            self.assertions[at] += other.assertions[at];
            self.equal[at] += other.equal[at];
            self.errors[at] += other.errors[at];
            for (sum, other) in self.details.iter_mut().zip(&other.details) {
                sum[at] += other[at];
            }
        }
        for (poison, count) in &other.poisoned {
            *self.poisoned.entry(*poison).or_default() += count;
        }
    }
}

/// The sums of all folders, by name.
pub fn sums(cases: &[Case]) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for case in cases {
        sums.entry(case.folder().to_owned()).or_default().add(case);
    }
    sums
}
