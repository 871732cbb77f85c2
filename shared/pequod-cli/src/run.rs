//! The body of a plugin's `main`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use pequod_diag::{Code, Diagnostic, Exit};

use crate::{Failure, Format, Printer, completion, reference};

/// Parses the process's arguments, does the work, reports what went wrong and returns the exit code.
///
/// Called as `kubectl_complete-<plugin>`, or with `__complete` as its first argument, it answers completion
/// requests instead ([`completion`]); with `__reference` it prints its page of reference ([`reference`]).
pub fn run<P, W>(work: impl FnOnce(P) -> W) -> ExitCode
where
    P: Parser,
    W: Future<Output = Result<Exit, Failure>>,
{
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(words) = completion::request(&args) {
        return match completion::answer(P::command(), words, &mut std::io::stdout()) {
            Ok(()) => Exit::Done.into(),
            Err(_) => Exit::Input.into(),
        };
    }
    if args.get(1).is_some_and(|first| first == reference::REQUEST) {
        let page = reference::page(P::command());
        return match std::io::Write::write_all(&mut std::io::stdout(), page.as_bytes()) {
            Ok(()) => Exit::Done.into(),
            Err(_) => Exit::Input.into(),
        };
    }
    // Usage errors end here with code 2, `--help` and `--version` with 0, as the exit codes want it.
    let parsed = P::parse_from(args);
    let outcome = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => {
            let outcome = runtime.block_on(work(parsed));
            // A blocked read of stdin must not hold up the end.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Failure::input(
            Diagnostic::error(Code("cli/start"), "the program could not be started")
                .caused_by(&error),
        )),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            Printer::new(Format::Table).problems(&failure.problems);
            failure.exit.into()
        }
    }
}
