//! The CUE evaluator beside the official one: sources that are known to be hard, the official benchmark archives (most
//! are reproducers of issues), and our sample modules.
//!
//! Twice: as whole processes, from start to the last byte of JSON, with the memory they held; and inside a process, from
//! the text of the sources to the answer, again and again. Runs alternate, so that a busy machine is busy for both. How
//! much work an evaluation does is no matter of time, and is pinned by a test of `pequod-cue-conform`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pequod_testkit::{Error, Result, Tools, workspace_root};
use serde::Deserialize;

use super::measure::{Run, median};
use crate::suites::Figure;

/// What `cue-bench lay-out` prints.
#[derive(Debug, Deserialize)]
struct Case {
    name: String,
    about: String,
    demand: String,
    files: Vec<PathBuf>,
}

/// The three programs.
struct Programs {
    ours: PathBuf,
    official: PathBuf,
    /// The official evaluator as a library.
    oracle: PathBuf,
}

/// Writes the table into the page of benchmarks.
const WRITE: &str = "--write";

/// Runs a side of a whole process, and milliseconds to try inside one.
const RUNS: usize = 5;
const MILLISECONDS: &str = "400";

/// Of these rows twice as much may take no more than about twice as long.
const LINEAR: &[&str] = &["list", "patterns"];
const GROWTH: [usize; 2] = [25_000, 100_000];

pub(super) fn run(arguments: &[String]) -> Result<Vec<Figure>> {
    let tools = Tools::find_or_build()?;
    let programs = Programs {
        ours: super::release_binary("pequod-cue-conform", "cue-bench")?,
        official: tools.path("cue"),
        oracle: tools.path("oracle"),
    };
    let folder = tempfile::tempdir().map_err(Error::while_doing("could not make a folder"))?;
    let mut cases = lay_out(&programs.ours, folder.path())?;
    for sample in ["webservice", "database"] {
        cases.push(sample_module(sample, folder.path())?);
    }
    let (flags, names): (Vec<_>, Vec<_>) = arguments.iter().partition(|word| word.starts_with('-'));
    let write = match flags[..] {
        [] => false,
        [flag] if flag == WRITE && names.is_empty() => true,
        _ => {
            return Err(Error::new(format!(
                "{WRITE} alone writes the table; else there are names of rows"
            )));
        }
    };
    cases.retain(|case| names.is_empty() || names.contains(&&case.name));
    let mut figures = Vec::new();
    let mut report = String::new();
    let mut say = |line: String| {
        println!("{line}");
        report.push_str(&line);
        report.push('\n');
    };
    say(
        "| source | what | ours ms | official ms | times faster | ours MiB | official MiB | memory ratio | inside: ours ms | official ms | times faster |".to_owned()
    );
    say("| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |".to_owned());
    let (mut whole, mut memory, mut inside) = (Vec::new(), Vec::new(), Vec::new());
    for case in &cases {
        let row = compare(&programs, case)?;
        say(format!(
            "| {} | {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {:.1} |",
            case.name,
            case.about,
            row.whole.0,
            row.whole.1,
            row.whole.1 / row.whole.0,
            row.memory.0,
            row.memory.1,
            row.memory.0 / row.memory.1,
            row.inside.0,
            row.inside.1,
            row.inside.1 / row.inside.0
        ));
        whole.push(row.whole.1 / row.whole.0);
        memory.push(row.memory.0 / row.memory.1);
        inside.push(row.inside.1 / row.inside.0);
    }
    let least = |ratios: &[f64]| ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let mut figure = |name: &str, value: f64| {
        figures.push(Figure {
            name: name.to_owned(),
            value,
        });
    };
    figure("leastTimesFaster", least(&whole).min(least(&inside)));
    figure("wholeTimesFaster", geometric_mean(&whole));
    figure("insideTimesFaster", geometric_mean(&inside));
    figure("memoryRatio", geometric_mean(&memory));
    say(format!(
        "\nGeometric means: {:.1} times faster as whole processes with {:.2} of the memory, {:.1} times inside.",
        geometric_mean(&whole),
        geometric_mean(&memory),
        geometric_mean(&inside)
    ));
    let mut worst: f64 = 0.0;
    for row in LINEAR {
        let growth = growth(&programs, row, folder.path())?;
        say(format!(
            "{row}: {} take {growth:.1} times as long as {}.",
            GROWTH[1], GROWTH[0]
        ));
        worst = worst.max(growth);
    }
    figure("growthOfFourfold", worst);
    if write {
        super::page::write(&report, "The targets are")?;
    }
    Ok(figures)
}

/// Ours and theirs: ms of whole processes, MiB, ms inside.
struct Row {
    whole: (f64, f64),
    memory: (f64, f64),
    inside: (f64, f64),
}

fn compare(programs: &Programs, case: &Case) -> Result<Row> {
    let export = case.demand == "export";
    let mut ours: Vec<OsString> = vec![
        programs.ours.clone().into(),
        "answer".into(),
        (&*case.demand).into(),
    ];
    let mut theirs: Vec<OsString> = vec![programs.official.clone().into()];
    if export {
        theirs.push("export".into());
    } else {
        theirs.extend(["vet", "-c=false"].map(OsString::from));
    }
    for command in [&mut ours, &mut theirs] {
        command.extend(case.files.iter().map(OsString::from));
    }
    let mut runs: (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        runs.0.push(once(programs, &ours)?);
        runs.1.push(once(programs, &theirs)?);
    }
    let (ours, theirs) = (middle(&runs.0), middle(&runs.1));
    Ok(Row {
        whole: (ours.0, theirs.0),
        memory: (ours.1, theirs.1),
        inside: (
            inside(&programs.ours, case)?,
            inside(&programs.oracle, case)?,
        ),
    })
}

/// One run, in a parent of its own, which is small: what it holds would count as the command's.
fn once(programs: &Programs, command: &[OsString]) -> Result<Run> {
    let output = Command::new(&programs.ours)
        .arg("measure")
        .args(command)
        .output()
        .map_err(Error::while_doing("could not measure"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    match numbers[..] {
        // Some of the sources are wrong, and both sides say so.
        [micros, memory, 0 | 1] => Ok(Run {
            time: Duration::from_micros(micros),
            memory,
        }),
        _ => Err(Error::new(format!("{command:?} failed: {text}"))),
    }
}

/// Milliseconds that an answer takes inside a process.
fn inside(program: &Path, case: &Case) -> Result<f64> {
    let output = Command::new(program)
        .args(["time", &case.demand, MILLISECONDS])
        .args(&case.files)
        .output()
        .map_err(Error::while_doing("could not measure inside"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let micros: f64 = text.trim().parse().map_err(|_| {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        Error::new(format!("{} inside: {errors}", case.name))
    })?;
    Ok(micros / 1e3)
}

/// The middle of time in ms and memory in MiB.
fn middle(runs: &[Run]) -> (f64, f64) {
    let time = runs.iter().map(|run| run.time.as_secs_f64() * 1e3);
    let memory = runs
        .iter()
        .map(|run| f64::from(u32::try_from(run.memory).unwrap_or(u32::MAX)) / 1024.0);
    (median(time.collect()), median(memory.collect()))
}

fn geometric_mean(ratios: &[f64]) -> f64 {
    let count = f64::from(u32::try_from(ratios.len()).unwrap_or(u32::MAX));
    (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count).exp()
}

fn lay_out(ours: &Path, folder: &Path) -> Result<Vec<Case>> {
    let output = Command::new(ours)
        .arg("lay-out")
        .arg(folder)
        .output()
        .map_err(Error::while_doing("could not lay out the cases"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Error::new(format!("could not lay out the cases: {errors}")));
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            serde_json::from_str(line).map_err(Error::while_doing("could not read the cases"))
        })
        .collect()
}

/// A sample's module, with the input and context that its Transform gives.
fn sample_module(sample: &str, folder: &Path) -> Result<Case> {
    let transform = workspace_root()
        .join("samples")
        .join(format!("platform_v1alpha1_transform_{sample}.yaml"));
    let module = folder.join(sample);
    super::render::rival_module(sample, &transform, &module)?;
    let mut files: Vec<PathBuf> = fs::read_dir(&module)
        .map_err(Error::while_doing(format!(
            "could not read the module of {sample}"
        )))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "cue"))
        .collect();
    files.sort();
    Ok(Case {
        name: sample.to_owned(),
        about: "sample module".to_owned(),
        demand: "vet".to_owned(),
        files,
    })
}

/// How many times as long four times as much takes.
fn growth(programs: &Programs, row: &str, folder: &Path) -> Result<f64> {
    let mut times = Vec::new();
    for size in GROWTH {
        let file = folder.join(format!("{row}{size}.cue"));
        let size = size.to_string();
        let status = Command::new(&programs.ours)
            .args(["row", row, &size])
            .arg(&file)
            .status()
            .map_err(Error::while_doing("could not write a row"))?;
        if !status.success() {
            return Err(Error::new(format!("there is no row {row}")));
        }
        let command: [OsString; 4] = [
            programs.ours.clone().into(),
            "answer".into(),
            "export".into(),
            file.into_os_string(),
        ];
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            runs.push(once(programs, &command)?);
        }
        times.push(middle(&runs).0);
    }
    Ok(times[1] / times[0])
}
