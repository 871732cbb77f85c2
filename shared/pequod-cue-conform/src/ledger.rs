//! What is known not to agree: docs/cue-ledger.toml.
//!
//! `[counts]` says for every folder how much agrees, `[details]` what of the assertions about places and the
//! like holds; both are written by `--write`. `[reasons]` says why an archive differs and what was decided; it is written by hand
//! and kept. A check fails if a count is worse than the ledger's, and also if one is better: then
//! the ledger is to be written anew, so that the better state becomes the floor. `[known]` names the
//! differences in single answers that are meant, and `[runs]` what came of long runs: these are
//! written by `--write`, too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::assertion::DETAILS;
use crate::suite::Sums;

/// Counts by folder and reasons by archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// See [`COLUMNS`].
    pub counts: BTreeMap<String, [usize; 9]>,
    /// Of each of [`DETAILS`] how many there are and how many hold.
    pub details: BTreeMap<String, [usize; 2 * DETAILS.len()]>,
    /// Why, by archive.
    pub reasons: BTreeMap<String, String>,
    /// Differences that are meant, by name.
    pub known: BTreeMap<String, String>,
    /// What came of long runs, by what was run.
    pub runs: BTreeMap<String, String>,
}

/// Where it lies.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cue-ledger.toml")
}

/// What the counts of a folder are.
pub const COLUMNS: [&str; 9] = [
    "archives",
    "nodes",
    "class",
    "value",
    "closedness",
    "sources",
    "sources judged alike",
    "assertions",
    "assertions that hold",
];

/// The columns that may not fall.
const FLOORS: [usize; 5] = [2, 3, 4, 6, 8];

impl Ledger {
    /// Reads the file's text; a line that is no entry is passed over.
    pub fn parse(text: &str) -> Self {
        let mut ledger = Self::default();
        let mut section = "";
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.starts_with('#')) {
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                section = name;
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let key = key.trim().trim_matches('"').to_owned();
            let value = value.trim();
            let texts = match section {
                "counts" => {
                    ledger.counts.extend(numbers(value).map(|row| (key, row)));
                    continue;
                }
                "details" => {
                    ledger.details.extend(numbers(value).map(|row| (key, row)));
                    continue;
                }
                "reasons" => &mut ledger.reasons,
                "known" => &mut ledger.known,
                "runs" => &mut ledger.runs,
                _ => continue,
            };
            texts.insert(key, value.trim_matches('"').to_owned());
        }
        ledger
    }

    /// The counts of a run, with the reasons of this ledger.
    #[must_use]
    pub fn with(&self, sums: &BTreeMap<String, Sums>) -> Self {
        let counts = sums
            .iter()
            .map(|(folder, sum)| (folder.clone(), counts(sum)))
            .collect();
        let details = sums.iter().filter_map(|(folder, sum)| {
            let asserted = sum.details.iter().any(|[all, _]| *all > 0);
            asserted.then(|| (folder.clone(), details(sum)))
        });
        Self {
            counts,
            details: details.collect(),
            ..self.clone()
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "# Where we and the reference implementation of CUE do not agree. `cargo xtask conformance cue --write`\n\
             # writes the counts; the reasons are written by hand.\n\n\
             # folder = [{}]\n[counts]\n",
            COLUMNS.join(", ")
        );
        for (folder, counts) in &self.counts {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{folder:?} = {counts:?}");
        }
        let columns = DETAILS.map(|name| format!("{name}: all, held"));
        // Writing to a String cannot fail.
        let _ = write!(text, "\n# folder = [{}]\n[details]\n", columns.join("; "));
        for (folder, details) in &self.details {
            let _ = writeln!(text, "{folder:?} = {details:?}");
        }
        let parts = [
            (
                "archive = why it differs, and what was decided",
                "reasons",
                &self.reasons,
            ),
            (
                "a difference between single answers that is meant = why",
                "known",
                &self.known,
            ),
            ("long run = what came of it", "runs", &self.runs),
        ];
        for (what, name, rows) in parts {
            let _ = write!(text, "\n# {what}\n[{name}]\n");
            for (key, row) in rows {
                let _ = writeln!(text, "{key:?} = {row:?}");
            }
        }
        text
    }

    /// What of a run is not as the ledger says, a sentence each.
    pub fn deviations(&self, sums: &BTreeMap<String, Sums>) -> Vec<String> {
        let mut deviations = Vec::new();
        for (folder, sum) in sums {
            let Some(known) = self.counts.get(folder) else {
                deviations.push(format!("{folder} is not in the ledger"));
                continue;
            };
            let found = counts(sum);
            let mut compare = |name: &str, known: usize, found: usize| {
                if found < known {
                    deviations.push(format!("{folder}: {name} fell from {known} to {found}"));
                } else if found > known {
                    deviations.push(format!(
                        "{folder}: {name} rose from {known} to {found}; write the ledger anew"
                    ));
                }
            };
            for column in FLOORS {
                compare(COLUMNS[column], known[column], found[column]);
            }
            let known = self.details.get(folder).copied().unwrap_or_default();
            let found = details(sum);
            for (at, name) in DETAILS.iter().enumerate() {
                compare(name, known[2 * at + 1], found[2 * at + 1]);
            }
        }
        deviations
    }
}

/// A row of numbers, if it has as many as it must.
fn numbers<const N: usize>(text: &str) -> Option<[usize; N]> {
    let numbers = text.trim_matches(['[', ']']).split(',');
    let numbers: Vec<usize> = numbers
        .filter_map(|number| number.trim().parse().ok())
        .collect();
    numbers.try_into().ok()
}

fn details(sum: &Sums) -> [usize; 2 * DETAILS.len()] {
    std::array::from_fn(|at| sum.details[at / 2][at % 2])
}

fn counts(sum: &Sums) -> [usize; 9] {
    let [class, value, closedness] = sum.score.levels;
    let [sources, judged] = sum.sources;
    let [assertions, held] = sum.assertions;
    [
        sum.cases,
        sum.score.nodes,
        class,
        value,
        closedness,
        sources,
        judged,
        assertions,
        held,
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Ledger;
    use crate::compare::Score;
    use crate::suite::Sums;

    fn sums(class: usize) -> BTreeMap<String, Sums> {
        let score = Score {
            nodes: 10,
            levels: [class, 5, 5],
        };
        BTreeMap::from([(
            "pkg/list".to_owned(),
            Sums {
                cases: 1,
                score,
                ..Sums::default()
            },
        )])
    }

    #[test]
    fn what_is_written_is_read() {
        let mut ledger = Ledger::default().with(&sums(7));
        ledger
            .reasons
            .insert("cue/testdata/a".into(), "an official bug, issue 1".into());
        ledger.known.insert("a".into(), "b".into());
        ledger
            .runs
            .insert("fuzz, seed 1".into(), "5 programs".into());
        assert_eq!(Ledger::parse(&ledger.to_text()), ledger);
    }

    #[test]
    fn places_may_not_fall_in_silence() {
        let with = |held| {
            let mut sums = sums(7);
            for sum in sums.values_mut() {
                sum.details[1] = [9, held];
            }
            sums
        };
        let ledger = Ledger::default().with(&with(5));
        assert_eq!(Ledger::parse(&ledger.to_text()), ledger);
        assert!(ledger.deviations(&with(5)).is_empty());
        assert_eq!(
            ledger.deviations(&with(4)),
            ["pkg/list: pos fell from 5 to 4"]
        );
        assert_eq!(ledger.deviations(&with(6)).len(), 1);
    }

    #[test]
    fn counts_may_neither_fall_nor_rise_in_silence() {
        let ledger = Ledger::default().with(&sums(7));
        assert!(ledger.deviations(&sums(7)).is_empty());
        assert_eq!(
            ledger.deviations(&sums(6)),
            ["pkg/list: class fell from 7 to 6"]
        );
        assert_eq!(ledger.deviations(&sums(8)).len(), 1);
        assert_eq!(Ledger::default().deviations(&sums(7)).len(), 1);
    }
}
