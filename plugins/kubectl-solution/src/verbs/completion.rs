//! `completion`: the script for a shell.

use clap::CommandFactory as _;
use pequod_cli::{Exit, Failure, Format, Printer, completion};

use crate::cli::{Cli, CompletionArgs};

pub(crate) fn run(args: &CompletionArgs) -> Result<Exit, Failure> {
    Printer::new(Format::Table).data(&completion::script(args.shell, Cli::command()))?;
    Ok(Exit::Done)
}
