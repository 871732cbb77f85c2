//! The tasks of this workspace, as `cargo xtask TASK`.

mod codegen;
mod dist;
mod tidy;

use std::process::ExitCode;

use clap::Parser;
use pequod_testkit::{Result, Tools};

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Builds the reference tools that tests run against, or says where they are
    Tools,
    /// Checks what the layout promises: crate edges, purity, file sizes, forgotten files, dead links
    Tidy,
    /// Writes what is generated and committed: CRDs, their reference, the reference of the commands
    Codegen {
        /// Only say whether it is up to date
        #[arg(long)]
        check: bool,
    },
    /// Makes release archives, checksums and krew manifests for this platform
    Dist,
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
        Task::Tidy => tidy::run(),
        Task::Codegen { check } => codegen::run(*check),
        Task::Dist => dist::run(),
    }
}
