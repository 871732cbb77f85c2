//! `cargo xtask conformance cue-scripts`: the reference's command scripts, run with our command.
//!
//! Prints how many pass, and compares with docs/cue-scripts.toml, which names every script that does not, with a
//! reason: one that fails unnamed is a failure, and so is one that is named and passes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pequod_cue_conform::oracle::Oracle;
use pequod_cue_conform::page;
use pequod_cue_conform::scripts::{Outcome, run, writes};
use pequod_diag::Exit;

/// Runs the reference's command scripts with our command.
#[derive(Debug, Parser)]
#[command(name = "conformance cue-scripts")]
struct Options {
    /// Only scripts whose name contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Print why scripts fail, too.
    #[arg(long)]
    details: bool,
    /// Write docs/cue-scripts.toml from this run; reasons that are there are kept.
    #[arg(long)]
    write: bool,
    /// The command: the built `kubectl-transform`.
    #[arg(long)]
    program: PathBuf,
    /// Seconds that one command may take.
    #[arg(long, default_value_t = 20)]
    patience_seconds: u64,
}

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            // There is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            Exit::Input.into()
        }
    }
}

fn compare(options: &Options) -> Result<Exit, Box<dyn std::error::Error>> {
    let oracle = Oracle::build()?;
    let folder = oracle.module.join("cmd/cue/cmd/testdata/script");
    let mut scripts: Vec<PathBuf> = fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    scripts.sort();
    let program = fs::canonicalize(&options.program)?;
    let patience = Duration::from_secs(options.patience_seconds);
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    // Scripts of both kinds: all, and those that pass.
    let mut counts = [[0usize; 2]; 2];
    let mut outside = 0usize;
    for script in &scripts {
        let name = script
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let is_script = script.extension().is_some_and(|ending| ending == "txtar");
        if !is_script || !name.contains(&options.filter) {
            continue;
        }
        let text = fs::read_to_string(script)?;
        let place = tempfile::tempdir()?;
        let place_path = fs::canonicalize(place.path())?;
        let outcome = run(&program, &text, &place_path, patience)
            .unwrap_or_else(|error| Outcome::Failed(error.to_string()));
        let kind = &mut counts[usize::from(writes(&text))];
        match outcome {
            Outcome::OutOfScope(_) => {
                outside += 1;
                continue;
            }
            Outcome::Passed => kind[1] += 1,
            Outcome::Failed(why) => {
                failed.insert(name.to_owned(), why);
            }
        }
        kind[0] += 1;
    }
    let mut out = io::stdout().lock();
    if options.details {
        for (name, why) in &failed {
            writeln!(out, "== {name}\n{why}")?;
        }
    }
    let table = table(counts, outside);
    out.write_all(table.as_bytes())?;
    if !options.filter.is_empty() {
        return Ok(Exit::Done);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cue-scripts.toml");
    let known = read(&fs::read_to_string(&path).unwrap_or_default());
    if options.write {
        fs::write(&path, listed(&table, &failed, &known))?;
        let text = format!(
            "## Command scripts\n\nWritten by `cargo xtask conformance cue-scripts --write`: the reference's own scripts, run \
             with `kubectl transform cue`. What does not pass is in [cue-scripts.toml](cue-scripts.toml), with the reason. Out \
             of scope are scripts that run anything else than these verbs or the tools of a shell.\n\n{table}"
        );
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        page::write(&docs.join("cue-conformance.md"), "scripts", &text)?;
        return Ok(Exit::Done);
    }
    let mut deviations = 0;
    for name in failed.keys().filter(|name| !known.contains_key(*name)) {
        deviations += 1;
        writeln!(
            out,
            "{name} fails, and docs/cue-scripts.toml does not say so"
        )?;
    }
    for name in known.keys().filter(|name| !failed.contains_key(*name)) {
        deviations += 1;
        writeln!(
            out,
            "{name} passes, and docs/cue-scripts.toml says it fails"
        )?;
    }
    let enough = permille(counts[0]) >= 800;
    match (deviations, enough) {
        (0, true) => writeln!(out, "gates: met")?,
        (0, false) => writeln!(out, "gates: missed: less than 80 % of the scripts pass")?,
        _ => writeln!(
            out,
            "gates: missed: {deviations} deviations from docs/cue-scripts.toml"
        )?,
    }
    Ok(if deviations == 0 && enough {
        Exit::Done
    } else {
        Exit::No
    })
}

fn permille([whole, passed]: [usize; 2]) -> usize {
    (passed * 1000).checked_div(whole).unwrap_or_default()
}

fn table(counts: [[usize; 2]; 2], outside: usize) -> String {
    let mut text = String::from(
        "| scripts that need | scripts | passed | share |\n| --- | --: | --: | --: |\n",
    );
    for (name, counts) in ["eval, export and vet only", "also def, fmt or import"]
        .into_iter()
        .zip(counts)
    {
        let share = permille(counts);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {}.{} % |",
            counts[0],
            counts[1],
            share / 10,
            share % 10
        );
    }
    let _ = writeln!(text, "| something else | {outside} | – | – |");
    text
}

/// `name = "reason"` a line.
fn read(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(name, _)| !name.starts_with('#'))
        .map(|(name, reason)| {
            let name = name.trim().trim_matches('"');
            (name.to_owned(), reason.trim().trim_matches('"').to_owned())
        })
        .collect()
}

fn listed(
    table: &str,
    failed: &BTreeMap<String, String>,
    known: &BTreeMap<String, String>,
) -> String {
    let mut text = String::from(
        "# Command scripts of the reference that do not pass with `kubectl transform cue`, and why.\n\
         # Written by `cargo xtask conformance cue-scripts --write`; reasons are written by hand and kept.\n#\n",
    );
    for line in table.lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {line}");
    }
    text.push('\n');
    for name in failed.keys() {
        let reason = known.get(name).map_or("not looked at yet", String::as_str);
        let _ = writeln!(text, "\"{name}\" = \"{reason}\"");
    }
    text
}
