//! The admission webhook as a program.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    pequod_webhook::run::run(pequod_webhook::args::Cli::parse())
}
