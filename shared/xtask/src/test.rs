//! `cargo xtask test`: everything that a change must pass, level by level, cheapest first.
//!
//! What the levels print goes through as it comes. At the end stand the failures once more, then a table of levels and
//! times, then one line with the outcome: a reader of a long log starts at its end.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use pequod_testkit::{Error, Result, Tools, workspace_root};

use crate::tidy;

/// A level of `cargo xtask test`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// rustfmt
    Format,
    /// what the layout promises
    Tidy,
    /// clippy, warnings forbidden
    Lint,
    /// all programs and tests build
    Build,
    /// generated files are up to date
    Codegen,
    /// the reference tools are there
    Tools,
    /// unit and integration tests, the real API server included
    Tests,
    /// examples in the documentation
    Doc,
}

/// What a level came to.
struct Outcome {
    level: Level,
    took: Duration,
    /// Tests that passed, of levels that run tests.
    passed: u64,
    /// What failed, in the words of whoever found it.
    failed: Option<String>,
}

/// Runs the given levels, or all.
///
/// # Errors
/// A level that failed; the others were run nevertheless.
pub(crate) fn run(only: &[Level]) -> Result<()> {
    let begin = Instant::now();
    // Asked now: a level that builds everything puts another program in its place.
    let own_path = std::env::current_exe()
        .map_err(Error::while_doing("where this program lies is unknown"))?;
    let mut outcomes: Vec<Outcome> = Vec::new();
    for level in Level::value_variants() {
        if !only.is_empty() && !only.contains(level) {
            continue;
        }
        // Tests of programs that do not build would only repeat the compiler.
        let no_build = outcomes
            .iter()
            .any(|past| past.level == Level::Build && past.failed.is_some());
        if no_build && matches!(level, Level::Codegen | Level::Tests | Level::Doc) {
            continue;
        }
        eprintln!("\n=== {}", name(*level));
        outcomes.push(level.run(&own_path));
    }
    report(&outcomes, begin.elapsed())
}

impl Level {
    fn run(self, own_path: &Path) -> Outcome {
        let begin = Instant::now();
        let outcome = match self {
            Self::Format => cargo(&["fmt", "--all", "--check"]),
            Self::Tidy => own(tidy::run()),
            // In a process of its own, which finds the programs as they have just been built.
            Self::Codegen => through(Command::new(own_path).args(["codegen", "--check"])),
            Self::Lint => cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
            // With the tests, so that no later level needs a library with other features: each would be built again.
            Self::Build => cargo(&["build", "--workspace", "--all-targets"]),
            Self::Tools => own(Tools::find_or_build().map(|_| ())),
            Self::Tests => {
                let mut arguments = vec!["test", "--workspace", "--no-fail-fast"];
                arguments.extend(["--lib", "--bins", "--tests", "--examples"]);
                cargo(&arguments)
            }
            Self::Doc => cargo(&["test", "--workspace", "--doc", "--no-fail-fast"]),
        };
        let (passed, failed) = match outcome {
            Ok(passed) => (passed, None),
            Err(said) => (0, Some(said)),
        };
        Outcome {
            level: self,
            took: begin.elapsed(),
            passed,
            failed,
        }
    }
}

fn own(result: Result<()>) -> std::result::Result<u64, String> {
    result.map(|()| 0).map_err(|error| error.to_string())
}

/// Runs cargo, lets its output through, and gives back how many tests passed, or what failed.
fn cargo(arguments: &[&str]) -> std::result::Result<u64, String> {
    through(pequod_testkit::cargo().args(arguments))
}

/// The same with any program of the workspace.
fn through(command: &mut Command) -> std::result::Result<u64, String> {
    command
        .current_dir(workspace_root())
        // The programs have just been built: tests take them as they are.
        .env("PEQUOD_BINS_BUILT", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("could not run {}: {error}", command.get_program().display()))?;
    let err = child
        .stderr
        .take()
        .map(|pipe| std::thread::spawn(|| pass(pipe, std::io::stderr())));
    let out = child
        .stdout
        .take()
        .map(|pipe| pass(pipe, std::io::stdout()))
        .unwrap_or_default();
    let err = err
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    let status = child
        .wait()
        .map_err(|error| format!("could not wait for it: {error}"))?;
    if status.success() {
        return Ok(passed(&out));
    }
    Err(what_failed(&out, &err))
}

/// Copies line by line, and keeps what went through.
fn pass(from: impl Read, mut to: impl std::io::Write) -> String {
    let mut kept = String::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while matches!(from.read_until(b'\n', &mut line), Ok(count) if count > 0) {
        // A reader of ours that went away does not stop the tests.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        kept.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    kept
}

/// Sum over the lines `test result: ok. 12 passed; …`.
fn passed(out: &str) -> u64 {
    out.lines()
        .filter_map(|line| {
            let counts = line.strip_prefix("test result: ok. ")?;
            counts.split(' ').next()?.parse::<u64>().ok()
        })
        .sum()
}

/// The sections with which test runners end when tests failed; without any, the compiler's last words.
fn what_failed(out: &str, err: &str) -> String {
    let mut said = String::new();
    let mut inside = false;
    for line in out.lines() {
        inside |= line == "failures:";
        if inside {
            said.push_str(line);
            said.push('\n');
        }
        inside &= !line.starts_with("test result:");
    }
    if said.is_empty() {
        let all: Vec<_> = out.lines().chain(err.lines()).collect();
        let tail = all.len().saturating_sub(60);
        said = all.get(tail..).unwrap_or_default().join("\n");
    } else {
        let targets = err
            .lines()
            .filter(|line| line.trim_start().starts_with("`-p "));
        for target in targets {
            let _ = writeln!(said, "failed: {}", target.trim());
        }
    }
    said
}

fn report(outcomes: &[Outcome], took: Duration) -> Result<()> {
    let mut table = String::new();
    for outcome in outcomes {
        if let Some(said) = &outcome.failed {
            let _ = writeln!(
                table,
                "\n=== {} failed\n{}",
                name(outcome.level),
                said.trim_end()
            );
        }
    }
    table.push_str("\nlevel    time      outcome\n");
    for outcome in outcomes {
        let word = match (&outcome.failed, outcome.passed) {
            (Some(_), _) => "FAILED".to_owned(),
            (None, 0) => "ok".to_owned(),
            (None, passed) => format!("ok, {passed} tests"),
        };
        let _ = writeln!(
            table,
            "{:<8} {:<9} {word}",
            name(outcome.level),
            time(outcome.took)
        );
    }
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.failed.is_some())
        .map(|outcome| name(outcome.level))
        .collect();
    let passed: u64 = outcomes.iter().map(|outcome| outcome.passed).sum();
    println!("{table}");
    if failed.is_empty() {
        println!("all levels passed: {passed} tests in {}", time(took));
        return Ok(());
    }
    Err(Error::new(format!(
        "failed: {} (after {})",
        failed.join(", "),
        time(took)
    )))
}

fn name(level: Level) -> String {
    level
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn time(took: Duration) -> String {
    let seconds = took.as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::{passed, what_failed};

    const OUT: &str = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nboom\n\n\
                       test result: FAILED. 1 passed; 1 failed\nrunning 3 tests\ntest result: ok. 3 passed; 0 failed\n";

    #[test]
    fn adds_up_the_tests_that_passed() {
        assert_eq!(passed(OUT), 3);
        assert_eq!(
            passed("test result: ok. 12 passed; 0 failed\ntest result: ok. 30 passed;"),
            42
        );
    }

    #[test]
    fn shows_the_sections_of_failed_tests_only() {
        let said = what_failed(OUT, "error: 1 target failed:\n    `-p x --lib`\n");
        assert!(
            said.starts_with("failures:\n\n---- b stdout ----\nboom\n"),
            "{said}"
        );
        assert!(!said.contains("running 3"), "{said}");
        assert!(said.ends_with("failed: `-p x --lib`\n"), "{said}");
    }

    #[test]
    fn shows_the_end_of_the_compilers_words_when_no_test_ran() {
        assert_eq!(
            what_failed("", "error: expected `;`"),
            "error: expected `;`"
        );
    }
}
