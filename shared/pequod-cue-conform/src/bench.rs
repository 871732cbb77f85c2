//! How fast and how big: the cases of `cargo xtask bench cue`, and how much work each is.
//!
//! The cases are the [rows] of growing size, the reference's own benchmark archives — most are
//! reproducers of its issues — and, laid out by the caller, our sample modules. Time and memory depend on the machine;
//! how many unifications, conjuncts and disjuncts an evaluation makes does not, so those stand in testdata/work.txt and
//! a test compares them: a change of method shows as a change of these numbers.

pub mod rows;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pequod_cue::{Budget, Counters, Evaluation, Inputs, Package, Program, SourceFile};
use pequod_diag::Diagnostics;

use crate::txtar::Archive;

/// What is asked of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// Its value as JSON.
    Export,
    /// That nothing in it contradicts.
    Vet,
}

/// A package to evaluate.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub about: String,
    /// What is asked.
    pub demand: Demand,
    /// Its sources.
    pub files: Vec<SourceFile>,
}

/// The benchmark archives of the reference.
///
/// # Errors
/// A file that cannot be read.
pub fn archives(module: &Path) -> std::io::Result<Vec<Case>> {
    let mut paths: Vec<PathBuf> = fs::read_dir(module.join("cue/testdata/benchmarks"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "txtar"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let archive = Archive::parse(&fs::read_to_string(path)?);
            let top_level = archive.sources().filter(|file| !file.name.contains('/'));
            Ok(Case {
                name: format!(
                    "benchmarks/{}",
                    path.file_stem().unwrap_or_default().to_string_lossy()
                ),
                about: "benchmark archive".to_owned(),
                demand: Demand::Vet,
                files: top_level
                    .map(|file| SourceFile::new(&*file.name, &*file.data))
                    .collect(),
            })
        })
        .collect()
}

/// Every row and archive, at the size at which time and memory are measured.
///
/// # Errors
/// A file that cannot be read.
pub fn all(module: &Path) -> std::io::Result<Vec<Case>> {
    let mut cases: Vec<Case> = rows::ROWS.iter().map(|row| row.case(row.size)).collect();
    cases.extend(archives(module)?);
    Ok(cases)
}

/// Compiles and evaluates, without bounds on the work.
///
/// # Errors
/// What stands in the way of an evaluation; errors *in* its value are none.
pub fn evaluate(files: &[SourceFile]) -> Result<Evaluation, Diagnostics> {
    let package = Package {
        files: files.to_vec(),
    };
    let budget = Budget {
        steps: u64::MAX,
        bytes: u64::MAX,
        ..Budget::default()
    };
    Program::compile(&package)?.evaluate(&Inputs::new(), &budget)
}

/// From sources to what is asked: JSON, or the errors of the value.
///
/// # Errors
/// As [`evaluate`], and those of the value.
pub fn answer(files: &[SourceFile], demand: Demand) -> Result<String, Diagnostics> {
    let evaluation = evaluate(files)?;
    match demand {
        Demand::Export => evaluation.root().to_json_text(true),
        Demand::Vet => evaluation.root().validate(false).map(|()| String::new()),
    }
}

/// The time of the middle one of as many answers as fit into a while; at least three.
pub fn time(files: &[SourceFile], demand: Demand, while_: Duration) -> Duration {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || begin.elapsed() < while_ {
        let one = Instant::now();
        // The errors of a value take time, too.
        let _ = std::hint::black_box(answer(files, demand));
        times.push(one.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

/// The committed page of counters: a line a case, in the order of the cases.
///
/// # Errors
/// A case that cannot be evaluated, or archives that cannot be read.
pub fn work_page(module: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let mut page = String::from(
        "# Work per case, equal on every machine: unifications conjuncts disjuncts steps.\n\
         # Written by: cargo run --package pequod-cue-conform --bin cue-bench -- pin\n",
    );
    let mut cases: Vec<Case> = rows::ROWS.iter().map(|row| row.case(row.pinned)).collect();
    cases.extend(archives(module)?);
    for case in cases {
        let counters = stacker::grow(256 << 20, || evaluate(&case.files))?.counters();
        writeln!(page, "{} {}", case.name, line(counters))?;
    }
    Ok(page)
}

fn line(counters: Counters) -> String {
    let Counters {
        unifications,
        conjuncts,
        disjuncts,
        steps,
    } = counters;
    format!("{unifications} {conjuncts} {disjuncts} {steps}")
}

/// Where the page lies.
pub fn work_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/work.txt")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{evaluate, rows, work_file, work_page};

    #[test]
    fn work_is_as_pinned() {
        let module = crate::share::module().unwrap();
        let found = work_page(&module).unwrap();
        let pinned = fs::read_to_string(work_file()).unwrap();
        let differing: Vec<_> = found
            .lines()
            .zip(pinned.lines())
            .filter(|(found, pinned)| found != pinned)
            .collect();
        let hint =
            "if that is meant: cargo run --package pequod-cue-conform --bin cue-bench -- pin";
        assert!(
            differing.is_empty(),
            "found, pinned: {differing:#?}\n{hint}"
        );
        assert_eq!(found.lines().count(), pinned.lines().count(), "{hint}");
    }

    #[test]
    fn four_times_as_much_is_no_more_than_four_times_the_work() {
        for row in rows::ROWS.iter().filter(|row| row.linear) {
            let steps = |size| evaluate(&row.case(size).files).unwrap().counters().steps;
            let (small, large) = (steps(row.pinned), steps(4 * row.pinned));
            assert!(
                large <= 4 * small + small / 20,
                "{}: {small} steps, then {large}",
                row.name
            );
        }
    }
}
