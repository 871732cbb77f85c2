//! `cargo xtask conformance cue-layout`: files of the reference's archives, laid out by both.
//!
//! Counts the sources for which both make the same bytes, and compares with docs/cue-layout.toml: fewer in a folder
//! are a failure, and so are more that the file does not say.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use pequod_cue_conform::line_server::LineServer;
use pequod_cue_conform::oracle::Oracle;
use pequod_cue_conform::page;
use pequod_cue_conform::suite::SUITES;
use pequod_cue_conform::txtar::{Archive, ArchiveFile};
use pequod_cue_syntax::{FileId, format_file, parse_file};
use pequod_diag::Exit;

/// Lays out the reference's sources with both sides.
#[derive(Debug, Parser)]
#[command(name = "conformance cue-layout")]
struct Options {
    /// Only archives whose path contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Print what differs, too, as differences of lines.
    #[arg(long)]
    details: bool,
    /// Write docs/cue-layout.toml and the part of docs/cue-conformance.md from this run.
    #[arg(long)]
    write: bool,
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

/// Sources and those that are laid out alike.
type Counts = BTreeMap<String, [usize; 2]>;

fn compare(options: &Options) -> Result<Exit, Box<dyn std::error::Error>> {
    let oracle = Oracle::build()?;
    let mut command = Command::new(oracle.program());
    command.arg("stream").stderr(Stdio::null());
    let mut server = LineServer::start(command)?;
    let mut counts = Counts::new();
    let mut details = String::new();
    for (suite, _) in SUITES {
        for path in archives(&oracle.module.join(suite))? {
            let name = path.strip_prefix(&oracle.module)?.display().to_string();
            if !name.contains(&options.filter) {
                continue;
            }
            let archive = Archive::parse(&fs::read_to_string(&path)?);
            let sources: Vec<&ArchiveFile> = archive.sources().collect();
            let request = serde_json::json!({"files": sources, "format": true}).to_string();
            let answer = server
                .ask(&request, Duration::from_secs(30))
                .map_err(|poison| format!("the reference: {poison:?} at {name}"))?;
            let theirs: Vec<Option<String>> = serde_json::from_str(&answer)?;
            for (source, theirs) in sources.into_iter().zip(theirs) {
                let Some(theirs) = theirs else { continue };
                let ours = ours(source);
                let row = counts.entry((*suite).to_owned()).or_default();
                row[0] += 1;
                if ours.as_deref() == Some(&*theirs) {
                    row[1] += 1;
                } else if options.details {
                    let ours = ours.unwrap_or_default();
                    differences(
                        &mut details,
                        &format!("{name} {}", source.name),
                        &theirs,
                        &ours,
                    )?;
                }
            }
        }
    }
    let mut out = io::stdout().lock();
    out.write_all(details.as_bytes())?;
    let table = table(&counts);
    out.write_all(table.as_bytes())?;
    if !options.filter.is_empty() {
        return Ok(Exit::Done);
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let path = docs.join("cue-layout.toml");
    if options.write {
        fs::write(&path, ledger(&counts))?;
        let text = format!(
            "## Layout\n\nWritten by `cargo xtask conformance cue-layout --write`: sources of the same archives for which \
             `kubectl transform cue fmt` and the reference's `cue fmt` make the same bytes.\n\n{table}"
        );
        page::write(&docs.join("cue-conformance.md"), "layout", &text)?;
        return Ok(Exit::Done);
    }
    let met = fs::read_to_string(&path).unwrap_or_default() == ledger(&counts);
    writeln!(
        out,
        "gates: {}",
        if met {
            "met"
        } else {
            "missed: the counts are not those of docs/cue-layout.toml"
        }
    )?;
    Ok(if met { Exit::Done } else { Exit::No })
}

/// Our layout; nothing if we cannot read it.
fn ours(source: &ArchiveFile) -> Option<String> {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let file = parse_file(FileId(0), source.name.as_str(), source.data.as_str()).ok()?;
        Some(format_file(&file))
    }));
    made.ok().flatten()
}

fn archives(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(archives(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "txtar") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Two texts by the tool that everybody has.
fn differences(out: &mut String, name: &str, theirs: &str, ours: &str) -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let (one, two) = (folder.path().join("theirs"), folder.path().join("ours"));
    fs::write(&one, theirs)?;
    fs::write(&two, ours)?;
    let diff = Command::new("diff").arg("-u").args([&one, &two]).output()?;
    // Writing to a String cannot fail.
    let _ = writeln!(out, "== {name}");
    let text = String::from_utf8_lossy(&diff.stdout);
    for line in text.lines().skip(2) {
        let _ = writeln!(out, "{line}");
    }
    Ok(())
}

fn table(counts: &Counts) -> String {
    let mut text =
        String::from("| archives | sources | alike | share |\n| --- | --: | --: | --: |\n");
    let mut all = [0, 0];
    for (suite, [sources, alike]) in counts {
        row(&mut text, suite, *sources, *alike);
        all = [all[0] + sources, all[1] + alike];
    }
    row(&mut text, "**all**", all[0], all[1]);
    text
}

fn row(text: &mut String, name: &str, sources: usize, alike: usize) {
    let share = (alike * 1000).checked_div(sources).unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| {name} | {sources} | {alike} | {}.{} % |",
        share / 10,
        share % 10
    );
}

fn ledger(counts: &Counts) -> String {
    let mut text = String::from(
        "# How many sources of the reference's archives `cue fmt` lays out as the reference does.\n\
         # Written by `cargo xtask conformance cue-layout --write`: [sources, alike].\n",
    );
    for (suite, row) in counts {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{suite:?} = {row:?}");
    }
    text
}
