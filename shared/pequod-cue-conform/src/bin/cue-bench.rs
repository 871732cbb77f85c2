//! Our side of `cargo xtask bench cue`: answers about the cases, as a process of its own so that its time and memory
//! can be taken.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use nix::sys::resource::{UsageWho, getrusage};
use pequod_cue::SourceFile;
use pequod_cue_conform::bench::{self, Demand};
use pequod_cue_conform::share;
use pequod_diag::Exit;
use serde_json::json;

/// Measures the CUE evaluator.
#[derive(Debug, Parser)]
#[command(name = "cue-bench")]
enum Options {
    /// Writes the sources of every case into a folder of its own; prints one JSON document a case.
    LayOut {
        /// Where.
        folder: PathBuf,
    },
    /// Writes the source of a row at another size.
    Row {
        /// Which.
        name: String,
        /// How much of it.
        size: usize,
        /// Where.
        file: PathBuf,
    },
    /// Answers once.
    Answer {
        /// What is asked.
        demand: Demand,
        /// Of which sources.
        files: Vec<PathBuf>,
    },
    /// Prints how many microseconds an answer takes inside a process.
    Time {
        /// What is asked.
        demand: Demand,
        /// For about how many milliseconds to try.
        milliseconds: u64,
        /// Of which sources.
        files: Vec<PathBuf>,
    },
    /// Runs a command and prints the microseconds and KiB that it took, and its exit code. What a process held before it
    /// became the command counts as the command's, so the one that measures it must be small: this one.
    Measure {
        /// The command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Writes testdata/work.txt.
    Pin,
}

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            // There is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {error}");
            Exit::Input.into()
        }
    }
}

fn run(options: Options) -> Result<Exit, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match options {
        Options::LayOut { folder } => {
            for case in bench::all(&share::module()?)? {
                let folder = folder.join(&case.name);
                fs::create_dir_all(&folder)?;
                let mut files = Vec::new();
                for file in &case.files {
                    let path = folder.join(&file.name);
                    fs::write(&path, file.text.as_bytes())?;
                    files.push(path);
                }
                let entry = json!({"name": case.name, "about": case.about, "demand": case.demand, "files": files});
                writeln!(out, "{entry}")?;
            }
        }
        Options::Row { name, size, file } => {
            let row = bench::rows::ROWS.iter().find(|row| row.name == name);
            let row = row.ok_or_else(|| format!("there is no row {name}"))?;
            fs::write(file, row.case(size).files[0].text.as_bytes())?;
        }
        Options::Answer { demand, files } => match bench::answer(&read(&files)?, demand) {
            Ok(text) => out.write_all(text.as_bytes())?,
            Err(errors) => {
                writeln!(io::stderr(), "{errors}")?;
                return Ok(Exit::No);
            }
        },
        Options::Time {
            demand,
            milliseconds,
            files,
        } => {
            let time = bench::time(&read(&files)?, demand, Duration::from_millis(milliseconds));
            writeln!(out, "{}", time.as_micros())?;
        }
        Options::Measure { command } => {
            let (program, arguments) = command.split_first().ok_or("no command to measure")?;
            let begin = Instant::now();
            let status = Command::new(program)
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            let micros = begin.elapsed().as_micros();
            let held = getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss();
            writeln!(out, "{micros} {held} {}", status.code().unwrap_or(-1))?;
        }
        Options::Pin => fs::write(bench::work_file(), bench::work_page(&share::module()?)?)?,
    }
    Ok(Exit::Done)
}

fn read(paths: &[PathBuf]) -> io::Result<Vec<SourceFile>> {
    paths
        .iter()
        .map(|path| {
            Ok(SourceFile::new(
                path.to_string_lossy(),
                fs::read_to_string(path)?,
            ))
        })
        .collect()
}
