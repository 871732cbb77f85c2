//! What is known not to agree: docs/cue-ledger.toml.
//!
//! The file has two parts. `[counts]` says for every folder how much agrees; it is written by
//! `--write`. `[reasons]` says why an archive differs and what was decided; it is written by hand
//! and kept. A check fails if a count is worse than the ledger's, and also if one is better: then
//! the ledger is to be written anew, so that the better state becomes the floor. `[known]` names the
//! differences in single answers that are meant, and `[runs]` what came of long runs: these are
//! written by `--write`, too.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::suite::Sums;

/// Counts by folder and reasons by archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    /// See [`COLUMNS`].
    pub counts: BTreeMap<String, [usize; 9]>,
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
            if section == "counts" {
                let numbers = value.trim_matches(['[', ']']).split(',');
                let numbers: Vec<usize> = numbers
                    .filter_map(|number| number.trim().parse().ok())
                    .collect();
                if let Ok(numbers) = numbers.try_into() {
                    ledger.counts.insert(key, numbers);
                }
                continue;
            }
            let texts = match section {
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
        Self {
            counts,
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
            for column in FLOORS {
                let (known, found) = (known[column], found[column]);
                let name = COLUMNS[column];
                if found < known {
                    deviations.push(format!("{folder}: {name} fell from {known} to {found}"));
                } else if found > known {
                    deviations.push(format!(
                        "{folder}: {name} rose from {known} to {found}; write the ledger anew"
                    ));
                }
            }
        }
        deviations
    }
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
