//! `cargo xtask conformance cue`: the table of agreement with the reference implementation.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pequod_cue_conform::{report, suite, worker};
use pequod_diag::Exit;

/// Compares our CUE evaluator with the reference implementation on its own test archives.
#[derive(Debug, Parser)]
#[command(name = "conformance cue")]
struct Options {
    /// Only archives whose path contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Print every difference, too.
    #[arg(long)]
    details: bool,
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
    let cases = suite::run(&options.filter, options.jobs, patience)?;
    let mut out = io::stdout().lock();
    if options.details {
        out.write_all(report::details(&cases).as_bytes())?;
    }
    out.write_all(report::table(&suite::sums(&cases)).as_bytes())?;
    Ok(Exit::Done)
}
