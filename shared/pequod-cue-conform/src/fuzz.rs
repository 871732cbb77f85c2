//! Programs that nobody wrote, answered by both sides.
//!
//! Half of them come out of a grammar, half are sources of the archives with a few changes. What
//! differs is sorted by *signature*; the first program of each is made as small as it can be while it
//! still shows the same. A case is known by the run's seed and its number.

mod calls;
pub mod corpus;
pub mod found;
mod generate;
pub mod known;
pub mod random;
mod rewrite;
pub mod robust;
mod small;
pub mod verdict;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use self::corpus::Corpus;
use self::random::Random;
use self::verdict::{Judgement, Verdict, judge};
use crate::line_server::LineServer;
use crate::node::{Outcome, Poison};
use crate::oracle::{Oracle, OracleError};
use crate::orders::Orders;
use crate::suite::{SUITES, SuiteError};
use crate::txtar::Archive;
use crate::worker::{Request, Worker};

/// Which programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Programs {
    /// Out of a grammar and of changed archives, by turns.
    Mixed,
    /// Each around one call of a function of the library, with arguments of every kind.
    Calls,
    /// A few short declarations that are about one another.
    Small,
}

impl Programs {
    /// What records call them.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "fuzz",
            Self::Calls => "calls",
            Self::Small => "small",
        }
    }
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Which programs.
    pub programs: Programs,
    /// The seed.
    pub seed: u64,
    /// The first case.
    pub first: u64,
    /// How many cases.
    pub cases: u64,
    /// How many of each side's processes.
    pub jobs: usize,
    /// How long either side may take for one.
    pub patience: Duration,
    /// How long the reference may take for one, if that is less: some programs it never ends.
    pub official_patience: Duration,
}

/// How many cases of a signature are kept.
const MOST_CASES: usize = 100;

/// Programs of one signature.
#[derive(Debug, Clone)]
pub struct Kind {
    /// How many.
    pub count: u64,
    /// The cases, at most [`MOST_CASES`] of them; the first is the one that is shown.
    pub cases: Vec<u64>,
    /// Where and how it differs.
    pub detail: String,
    /// The program, reduced.
    pub program: String,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Findings {
    /// How many programs of each verdict.
    pub counts: BTreeMap<Verdict, u64>,
    /// How many programs the reference answered otherwise when it had answered no other before.
    pub recanted: u64,
    /// All that is not the same, by verdict and signature.
    pub kinds: BTreeMap<(Verdict, String), Kind>,
}

/// The program of a case.
pub fn program(plan: &Plan, case: u64, corpus: &Corpus) -> String {
    let random = Random::new(plan.seed, case);
    match plan.programs {
        Programs::Calls => calls::program(random),
        Programs::Small => small::program(random),
        Programs::Mixed if case.is_multiple_of(2) => generate::program(random),
        Programs::Mixed => corpus.mutated(random),
    }
}

/// Both sides, in processes of their own.
struct Pair<'a> {
    oracle: &'a Oracle,
    ours: Worker,
    theirs: LineServer,
    patience: Duration,
    official_patience: Duration,
}

impl<'a> Pair<'a> {
    fn start(oracle: &'a Oracle, patience: Duration) -> io::Result<Self> {
        Ok(Self {
            oracle,
            ours: Worker::start()?,
            theirs: official(oracle)?,
            patience,
            official_patience: patience,
        })
    }

    fn judge(&mut self, text: &str) -> io::Result<Judgement> {
        self.judge_files(&[("in.cue", text)])
    }

    /// The same with a reference that has answered nothing yet. What its one error value for cycles says is changed by
    /// some programs, for all that come after them.
    fn judge_alone(&mut self, text: &str) -> io::Result<Judgement> {
        self.theirs = official(self.oracle)?;
        self.judge(text)
    }

    /// Compares the answers to a package of these files.
    fn judge_files(&mut self, files: &[(&str, &str)]) -> io::Result<Judgement> {
        Ok(judge(
            &self.our_answer(files)?,
            &self.official_answer(files)?,
        ))
    }

    fn official_answer(&mut self, files: &[(&str, &str)]) -> io::Result<Outcome> {
        let files: Vec<_> = files
            .iter()
            .map(|(name, data)| serde_json::json!({"name": name, "data": data}))
            .collect();
        let request = serde_json::json!({"id": "fuzz", "files": files});
        let answer = self
            .theirs
            .ask(&request.to_string(), self.official_patience);
        Ok(match answer {
            Ok(line) => serde_json::from_str(&line).unwrap_or_else(|_| without(Poison::Crash)),
            Err(poison) => {
                self.theirs = official(self.oracle)?;
                without(poison)
            }
        })
    }

    fn our_answer(&mut self, files: &[(&str, &str)]) -> io::Result<Outcome> {
        let mut archive = String::new();
        for (name, text) in files {
            // Writing to a String cannot fail.
            let _ = write!(archive, "-- {name} --\n{text}");
            if !archive.ends_with('\n') {
                archive.push('\n');
            }
        }
        let request = Request::package("fuzz", archive);
        Ok(match self.ours.ask(&request, self.patience) {
            Ok(outcome) => outcome,
            Err(poison) => {
                self.ours = Worker::start()?;
                without(poison)
            }
        })
    }

    /// The same program, written so that the reference says of it what we say of both.
    fn where_we_agree(&mut self, text: &str) -> io::Result<Option<String>> {
        let same = |a: &Outcome, b: &Outcome| judge(a, b).verdict <= Verdict::Order;
        let ours = self.our_answer(&[("in.cue", text)])?;
        for way in rewrite::ways(text) {
            let files = [("in.cue", &*way)];
            let theirs = self.official_answer(&files)?;
            if theirs.poison == Some(Poison::Timeout) {
                break;
            }
            if same(&ours, &theirs) && same(&ours, &self.our_answer(&files)?) {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    /// The program with as few lines as show the same.
    fn reduced(&mut self, text: &str, judgement: &Judgement) -> io::Result<String> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut budget = 200;
        let mut size = lines.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < lines.len() && budget > 0 {
                budget -= 1;
                let mut fewer = lines.clone();
                fewer.drain(at..(at + size).min(lines.len()));
                let found = self.judge(&(fewer.join("\n") + "\n"))?;
                let same =
                    found.verdict == judgement.verdict && found.signature == judgement.signature;
                if same {
                    lines = fewer;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        Ok(lines.join("\n") + "\n")
    }
}

/// Compares the orders of declarations in each file of the archives that are evaluated.
pub fn orders(oracle: &Oracle, filter: &str, patience: Duration) -> Result<Orders, SuiteError> {
    let mut pair = Pair::start(oracle, patience).map_err(SuiteError::Worker)?;
    let mut orders = Orders::default();
    for (suite, _) in SUITES.iter().filter(|(_, evaluate)| *evaluate) {
        for outcome in oracle.suite(suite)? {
            if !outcome.case.contains(filter) {
                continue;
            }
            let path = oracle.module.join(format!("{}.txtar", outcome.case));
            let text =
                fs::read_to_string(&path).map_err(|source| OracleError::File { path, source })?;
            let archive = Archive::parse(&text);
            let sources: Vec<_> = archive
                .sources()
                .filter(|file| !file.name.contains('/') && !file.name.starts_with("out/"))
                .collect();
            for (at, source) in sources.iter().enumerate() {
                let name = format!("{} {}", outcome.case, source.name);
                orders
                    .add(&name, &source.data, |text| {
                        let files: Vec<_> = sources
                            .iter()
                            .enumerate()
                            .map(|(other, file)| {
                                let text = if other == at { text } else { &file.data };
                                (&*file.name, text)
                            })
                            .collect();
                        let judgement = pair.judge_files(&files)?;
                        Ok((judgement.verdict, judgement.detail))
                    })
                    .map_err(SuiteError::Worker)?;
            }
        }
    }
    Ok(orders)
}

fn without(poison: Poison) -> Outcome {
    Outcome {
        poison: Some(poison),
        error: format!("{poison:?}"),
        ..Outcome::default()
    }
}

fn official(oracle: &Oracle) -> io::Result<LineServer> {
    let mut command = Command::new(oracle.program());
    command
        .arg("stream")
        .env("GOMEMLIMIT", "1GiB")
        // Fewer collections of what a program leaves behind.
        .env("GOGC", "400")
        .stderr(Stdio::null());
    LineServer::start(command)
}

/// Runs a plan.
pub fn run(oracle: &Oracle, corpus: &Corpus, plan: Plan) -> io::Result<Findings> {
    let next = AtomicU64::new(plan.first);
    let findings = Mutex::new(Findings::default());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.jobs.max(1))
            .map(|_| {
                scope.spawn(|| -> io::Result<()> {
                    let mut pair = Pair::start(oracle, plan.patience)?;
                    pair.official_patience = plan.patience.min(plan.official_patience);
                    loop {
                        let case = next.fetch_add(1, Ordering::Relaxed);
                        if case >= plan.first + plan.cases {
                            return Ok(());
                        }
                        let text = program(&plan, case, corpus);
                        let mut judgement = pair.judge(&text)?;
                        if matches!(judgement.verdict, Verdict::OursValue | Verdict::OursError) {
                            let alone = pair.judge_alone(&text)?;
                            if alone.verdict != judgement.verdict {
                                lock(&findings).recanted += 1;
                            }
                            judgement = alone;
                        }
                        if judgement.verdict == Verdict::OursValue
                            && let Some(way) = pair.where_we_agree(&text)?
                        {
                            judgement.verdict = Verdict::Known;
                            known::WRITTEN_OTHERWISE.clone_into(&mut judgement.signature);
                            judgement.detail =
                                format!("{}; as officially if written\n{way}", judgement.detail);
                        }
                        note(&findings, &mut pair, case, &text, &judgement)?;
                    }
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a worker's thread ended")))
        })
    })?;
    Ok(findings
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn lock(findings: &Mutex<Findings>) -> MutexGuard<'_, Findings> {
    findings
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn note(
    findings: &Mutex<Findings>,
    pair: &mut Pair<'_>,
    case: u64,
    text: &str,
    judgement: &Judgement,
) -> io::Result<()> {
    let key = (judgement.verdict, judgement.signature.clone());
    {
        let mut findings = lock(findings);
        *findings.counts.entry(judgement.verdict).or_default() += 1;
        if judgement.verdict == Verdict::Same {
            return Ok(());
        }
        if let Some(kind) = findings.kinds.get_mut(&key) {
            kind.count += 1;
            if kind.cases.len() < MOST_CASES {
                kind.cases.push(case);
            }
            return Ok(());
        }
        let kind = Kind {
            count: 1,
            cases: vec![case],
            detail: judgement.detail.clone(),
            program: text.to_owned(),
        };
        findings.kinds.insert(key.clone(), kind);
    }
    // What is known, or we do not have, or do not do in time, needs no small example.
    let worth = !matches!(
        judgement.verdict,
        Verdict::Known | Verdict::Unsupported | Verdict::NoReference | Verdict::Timeout
    );
    if worth {
        let program = pair.reduced(text, judgement)?;
        let detail = pair.judge(&program)?.detail;
        if let Some(kind) = lock(findings).kinds.get_mut(&key) {
            kind.program = program;
            kind.detail = detail;
        }
    }
    Ok(())
}

impl Findings {
    /// How many programs were judged.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The counts by verdict, in a sentence.
    pub fn sentence(&self) -> String {
        let counts = self.counts.iter().filter(|(_, count)| **count > 0);
        let mut parts: Vec<String> = counts
            .map(|(verdict, count)| format!("{count} {}", verdict.name()))
            .collect();
        if self.recanted > 0 {
            parts.push(format!(
                "{} answered otherwise by the reference when asked alone",
                self.recanted
            ));
        }
        format!("{} programs: {}", self.total(), parts.join(", "))
    }

    /// The counts by verdict, in Markdown.
    pub fn table(&self) -> String {
        let mut text = String::from("| outcome | programs | share |\n| --- | --: | --: |\n");
        let total = self.total().max(1);
        for verdict in Verdict::ALL {
            let count = self.counts.get(&verdict).copied().unwrap_or(0);
            let share = count * 100_000 / total;
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {count} | {}.{:03} % |",
                verdict.name(),
                share / 1000,
                share % 1000
            );
        }
        if self.recanted > 0 {
            let _ = writeln!(
                text,
                "\nThe reference answered {} otherwise when asked alone.",
                self.recanted
            );
        }
        text
    }

    /// The signatures, the gravest and most frequent first.
    pub fn signatures(&self, most: usize) -> String {
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|((verdict, _), kind)| {
            (std::cmp::Reverse(*verdict), std::cmp::Reverse(kind.count))
        });
        let mut text = String::new();
        for ((verdict, signature), kind) in kinds.into_iter().take(most) {
            let _ = writeln!(
                text,
                "{} × {}: {signature} (case {})",
                kind.count,
                verdict.name(),
                listed(&kind.cases)
            );
            let _ = writeln!(
                text,
                "    {}",
                kind.detail.lines().next().unwrap_or_default()
            );
            if *verdict != Verdict::Unsupported {
                for line in kind.program.lines() {
                    let _ = writeln!(text, "      {line}");
                }
            }
        }
        text
    }
}

fn listed(cases: &[u64]) -> String {
    let cases: Vec<String> = cases.iter().map(u64::to_string).collect();
    cases.join(", ")
}

#[cfg(test)]
mod tests {
    use pequod_cue_syntax::{FileId, parse_file};

    use super::{calls, generate, random::Random, small};

    #[test]
    fn programs_are_well_formed() {
        let grammars = [
            ("mixed", generate::program as fn(Random) -> String, 80),
            ("calls", calls::program, 100),
            ("small", small::program, 100),
        ];
        for (name, program, percent) in grammars {
            let bad: Vec<String> = (0..1000)
                .map(|case| program(Random::new(1, case)))
                .filter(|text| parse_file(FileId(0), "t", &**text).is_err())
                .collect();
            assert!(
                1000 - bad.len() >= percent * 10,
                "{name}: {} are not, {:?}",
                bad.len(),
                bad.first()
            );
        }
    }
}
