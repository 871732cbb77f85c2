//! Broken input: whatever the bytes are, there is an answer, soon, and no panic.
//!
//! Runs in a child (see [`crate::worker`]), which the parent gives up on if it hangs; so a chunk that
//! got no answer is run again case by case, and the case is named.

use std::cmp::Ordering;
use std::fs;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use pequod_cue_num::Decimal;
use pequod_cue_regex::Regex;
use pequod_cue_syntax::{FileId, parse_file};
use serde::{Deserialize, Serialize};

use super::corpus::{Corpus, mutated_bytes};
use super::random::Random;
use crate::node::{Outcome, Poison};
use crate::oracle::Oracle;
use crate::subject;
use crate::txtar::Archive;
use crate::worker::{Request, Worker};

/// What is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// Scanner and parser.
    Syntax,
    /// All up to the exported value.
    Evaluator,
    /// The loader, and the writer with what was loaded.
    Yaml,
    /// Reading, arithmetic and text of numbers.
    Decimal,
    /// Translation of patterns, and matching.
    Regex,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Syntax,
        Self::Evaluator,
        Self::Yaml,
        Self::Decimal,
        Self::Regex,
    ];

    /// Its name in folders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Evaluator => "evaluator",
            Self::Yaml => "yaml",
            Self::Decimal => "decimal",
            Self::Regex => "regex",
        }
    }
}

/// Some cases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// What is fed.
    pub target: Target,
    /// The run's seed.
    pub seed: u64,
    /// The first case.
    pub from: u64,
    /// The case behind the last.
    pub to: u64,
}

/// Numbers and patterns to begin with.
const DECIMALS: &[&str] = &[
    "0",
    "1",
    "-1.50",
    "1e100",
    "9223372036854775807",
    "1E-30",
    "0.000",
    "3.333333333333333333333333333333333333",
    "12345678901234567890123456789012345678901234567890",
    "1e2000",
    "-1e-2000",
];
const PATTERNS: &[&str] = &[
    "^a+b*$",
    "(?i)x|y(z)?",
    "[^a-z\\d]{2,5}",
    "\\p{Greek}\\pL",
    "(?P<n>.)\\b",
    "\\Qa.b\\E",
    "[[:alpha:]]",
    "a**",
    "x{1001}",
    "(?s).\\x{10FFFF}",
];
const DOCUMENTS: &[&str] = &[
    "a: 1\nb: [x, 'y', \"z\"]\n",
    "- &a {x: 1}\n- *a\n- <<: *a\n",
    "---\nk: |\n  text\n  more\n---\n- >-\n  folded\n",
    "? [complex]\n: !!binary aGk=\n",
    "{a: 0o17, b: .5, c: 2001-01-01, d: ~}",
];

/// The child's side: the first case of a chunk that panics, as an outcome without an answer.
pub fn run(chunk: &Chunk) -> Outcome {
    let corpus = corpus();
    for case in chunk.from..chunk.to {
        let input = input(chunk.target, chunk.seed, case, corpus);
        let result = catch_unwind(AssertUnwindSafe(|| feed(chunk.target, &input)));
        if let Err(payload) = result {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            return Outcome {
                case: case.to_string(),
                error: text.unwrap_or("no message").to_owned(),
                poison: Some(Poison::Crash),
                ..Outcome::default()
            };
        }
    }
    Outcome::default()
}

/// The reference's sources if they are there, and else our own.
fn corpus() -> &'static Corpus {
    static CORPUS: OnceLock<Corpus> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let official = Oracle::build().ok();
        let official = official.and_then(|oracle| Corpus::read(&oracle).ok());
        official.unwrap_or_else(|| Corpus::of(own_sources()))
    })
}

fn own_sources() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pequod-cue/testdata");
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut sources: Vec<String> = files
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .flat_map(|text| {
            Archive::parse(&text)
                .sources()
                .map(|file| file.data.clone())
                .collect::<Vec<_>>()
        })
        .collect();
    sources.sort();
    sources.push("a: 1\n".to_owned());
    sources
}

/// The bytes of a case.
pub fn input(target: Target, seed: u64, case: u64, corpus: &Corpus) -> Vec<u8> {
    let mut random = Random::new(seed, case);
    let source = match target {
        Target::Syntax | Target::Evaluator => corpus.pick(&mut random),
        Target::Yaml => random.pick(DOCUMENTS),
        Target::Decimal => random.pick(DECIMALS),
        Target::Regex => random.pick(PATTERNS),
    };
    mutated_bytes(source.as_bytes(), &mut random)
}

/// Gives input to its target. Whatever comes of it is fine.
pub fn feed(target: Target, input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match target {
        Target::Syntax => {
            if let Ok(file) = parse_file(FileId(0), "robust", text.as_ref()) {
                let _ = format!("{file:?}");
            }
        }
        Target::Evaluator => {
            let archive = Archive::parse(&format!("-- in.cue --\n{text}"));
            let outcome = subject::answer("robust", &archive, true);
            // A panic is caught there; here it must be seen.
            if outcome.poison == Some(Poison::Crash) {
                std::panic::resume_unwind(Box::new(outcome.error));
            }
        }
        Target::Yaml => {
            if let Ok(nodes) = pequod_cue_yaml::load(&text) {
                for node in nodes {
                    let written = pequod_cue_yaml::emit(&node.value);
                    let _ = pequod_cue_yaml::load(&written);
                }
            }
        }
        Target::Decimal => decimals(&text),
        Target::Regex => {
            if let Ok(regex) = Regex::new(&text) {
                let _ = regex.is_match("abc déf 123 \n xyz");
                let _ = regex.captures("aaab x.y");
            }
        }
    }
}

fn decimals(text: &str) {
    let Ok(number) = Decimal::parse(text) else {
        return;
    };
    let others = DECIMALS.iter().filter_map(|text| Decimal::parse(text).ok());
    for other in others {
        let results = [
            number.add(&other),
            number.subtract(&other),
            number.multiply(&other),
            number.divide(&other),
            number.int_div(&other),
            number.int_mod(&other),
        ];
        for result in results.into_iter().flatten() {
            read_back(&result);
        }
        // An order has two sides.
        let order = number.compare(&other);
        if order != other.compare(&number).reverse() {
            std::panic::resume_unwind(Box::new(format!("{number} and {other} compare both ways")));
        }
        let _ = order == Ordering::Less;
    }
    let _ = (
        number.floor(),
        number.ceil(),
        number.round(),
        number.round_to_even(),
    );
    let _ = (number.to_i64(), number.to_f64(), number.is_whole());
    read_back(&number);
}

fn read_back(number: &Decimal) {
    let shown = number.to_string();
    let same = Decimal::parse(&shown).is_ok_and(|again| again.compare(number).is_eq());
    if !same {
        std::panic::resume_unwind(Box::new(format!("{shown} is not read back")));
    }
}

/// A case that panicked, hung or ended its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What was fed.
    pub target: Target,
    /// Which case of the run.
    pub case: u64,
    /// What happened.
    pub poison: Poison,
    /// The panic's message.
    pub message: String,
}

/// What is fed to a target in a case, as far as it is text.
pub fn text(target: Target, seed: u64, case: u64) -> String {
    String::from_utf8_lossy(&input(target, seed, case, corpus())).into_owned()
}

/// How many cases a child gets at once.
const CHUNK: u64 = 250;

/// Runs these cases for each target; gives the broken ones, of which each target stops at ten.
pub fn all(
    seed: u64,
    cases: Range<u64>,
    patience: Duration,
    targets: &[Target],
) -> std::io::Result<Vec<Broken>> {
    let mut broken = Vec::new();
    let mut worker = Worker::start()?;
    for target in targets.iter().copied() {
        let before = broken.len();
        let mut from = cases.start;
        while from < cases.end && broken.len() < before + 10 {
            let to = (from + CHUNK).min(cases.end);
            let chunk = Chunk {
                target,
                seed,
                from,
                to,
            };
            from = to;
            let Ok(outcome) = worker.ask(&request(chunk), patience) else {
                worker = Worker::start()?;
                single(chunk, patience, &mut worker, &mut broken)?;
                continue;
            };
            if let Some(poison) = outcome.poison {
                let case = outcome.case.parse().unwrap_or(chunk.from);
                broken.push(Broken {
                    target,
                    case,
                    poison,
                    message: outcome.error,
                });
                // The rest of the chunk is still to be seen.
                from = case + 1;
            }
        }
    }
    Ok(broken)
}

fn request(chunk: Chunk) -> Request {
    Request {
        robust: Some(chunk),
        ..Request::package("robust", String::new())
    }
}

/// The cases of a chunk one by one.
fn single(
    chunk: Chunk,
    patience: Duration,
    worker: &mut Worker,
    broken: &mut Vec<Broken>,
) -> std::io::Result<()> {
    for case in chunk.from..chunk.to {
        let one = Chunk {
            from: case,
            to: case + 1,
            ..chunk
        };
        let found = match worker.ask(&request(one), patience) {
            Ok(outcome) => outcome.poison.map(|poison| (poison, outcome.error)),
            Err(poison) => {
                *worker = Worker::start()?;
                Some((poison, String::new()))
            }
        };
        if let Some((poison, message)) = found {
            broken.push(Broken {
                target: chunk.target,
                case,
                poison,
                message,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{Corpus, Target, feed, input, own_sources};

    /// What broke once, or was made to break: testdata/robust has a folder for each target.
    #[test]
    fn what_is_meant_to_break_is_answered() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/robust");
        for target in Target::ALL {
            let files = fs::read_dir(folder.join(target.name())).unwrap();
            let mut count = 0;
            for file in files {
                let input = fs::read(file.unwrap().path()).unwrap();
                stacker::grow(256 << 20, || feed(target, &input));
                count += 1;
            }
            assert!(count > 0, "{}", target.name());
        }
    }

    /// A short run on every test run; the long ones are `--robust`.
    #[test]
    fn broken_input_is_answered() {
        let corpus = Corpus::of(own_sources());
        for target in Target::ALL {
            for case in 0..150 {
                feed(target, &input(target, 1, case, &corpus));
            }
        }
    }
}
