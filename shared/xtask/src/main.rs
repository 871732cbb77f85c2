//! The tasks of this workspace, as `cargo xtask TASK`.

use std::process::ExitCode;

use clap::Parser;
use pequod_testkit::{Result, Tools};

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Builds the reference tools that tests run against, or says where they are
    Tools,
}

fn main() -> ExitCode {
    match run(&Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    match task {
        Task::Tools => {
            println!("{}", Tools::find_or_build()?.folder().display());
            Ok(())
        }
    }
}
