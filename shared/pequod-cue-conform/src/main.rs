//! `cargo xtask conformance cue`: the table of agreement with the reference implementation.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pequod_cue_conform::ledger::Ledger;
use pequod_cue_conform::{report, suite, worker};
use pequod_diag::Exit;

/// Compares our CUE evaluator with the reference implementation on its own test archives.
#[derive(Debug, Parser)]
#[command(name = "conformance cue")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Options {
    /// Only archives whose path contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Print every difference, too.
    #[arg(long)]
    details: bool,
    /// Look at the reference's own answers instead of ours: all must agree.
    #[arg(long)]
    reference: bool,
    /// Write docs/cue-ledger.toml and docs/cue-conformance.md from this run.
    #[arg(long)]
    write: bool,
    /// How many processes to use.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Seconds that one archive may take.
    #[arg(long, default_value_t = 20)]
    patience_seconds: u64,
    /// Answer requests on standard input (used by this program itself).
    #[arg(long, hide = true)]
    work: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = if options.work {
        worker::serve().map(|()| Exit::Done).map_err(Into::into)
    } else {
        compare(&options)
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            // There is nobody left to tell.
            let _ = writeln!(io::stderr(), "{text}");
            Exit::Input.into()
        }
    }
}

fn compare(options: &Options) -> Result<Exit, Box<dyn std::error::Error>> {
    let patience = Duration::from_secs(options.patience_seconds);
    let subject = if options.reference {
        suite::Subject::Reference
    } else {
        suite::Subject::Ours
    };
    let cases = suite::run(subject, &options.filter, options.jobs, patience)?;
    let sums = suite::sums(&cases);
    let mut out = io::stdout().lock();
    if options.details {
        out.write_all(report::details(&cases).as_bytes())?;
    }
    let table = report::table(&sums);
    out.write_all(table.as_bytes())?;
    if options.reference || !options.filter.is_empty() {
        return Ok(Exit::Done);
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let path = docs.join("cue-ledger.toml");
    let ledger = Ledger::parse(&fs::read_to_string(&path).unwrap_or_default());
    if options.write {
        fs::write(&path, ledger.with(&sums).to_text())?;
        fs::write(docs.join("cue-conformance.md"), report::page(&table))?;
        return Ok(Exit::Done);
    }
    let deviations = ledger.deviations(&sums);
    for deviation in &deviations {
        writeln!(out, "{deviation}")?;
    }
    let met = deviations.is_empty();
    let missed = format!(
        "missed: {} deviations from docs/cue-ledger.toml",
        deviations.len()
    );
    writeln!(out, "gates: {}", if met { "met" } else { &missed })?;
    Ok(if met { Exit::Done } else { Exit::No })
}
