//! The tasks of this workspace, as `cargo xtask TASK`.

mod bench;
mod codegen;
mod conformance;
mod demo;
mod dist;
mod suites;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Args, Parser};
use pequod_testkit::{Result, Tools};

/// The tasks of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Builds the reference tools that tests run against, or says where they are
    Tools,
    /// Shows the product on a local control plane, which stays
    Demo {
        /// End the control plane of an earlier demo
        #[arg(long)]
        stop: bool,
    },
    /// Runs everything that a change must pass; ends with what failed
    Test {
        /// Only these levels
        #[arg(long, value_name = "LEVEL", value_delimiter = ',')]
        only: Vec<test::Level>,
    },
    /// Measures against a rival or a limit; the last line says whether the gates are met
    Bench(Selection),
    /// Compares with a reference at length; the last line says whether the gates are met
    Conformance(Selection),
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
    /// Runs a command and prints the microseconds and KiB that it took
    #[command(hide = true)]
    Measure {
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<std::ffi::OsString>,
    },
}

#[derive(Debug, Args)]
struct Selection {
    /// Only this suite
    name: Option<String>,
    /// Passed on to the suite
    #[arg(last = true)]
    rest: Vec<String>,
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
        Task::Demo { stop } => demo::run(*stop),
        Task::Test { only } => test::run(only),
        Task::Bench(selection) => {
            let Selection { name, rest } = selection;
            suites::run("bench", bench::SUITES, name.as_deref(), rest)
        }
        Task::Conformance(selection) => {
            let Selection { name, rest } = selection;
            suites::run("conformance", conformance::SUITES, name.as_deref(), rest)
        }
        Task::Tidy => tidy::run(),
        Task::Codegen { check } => codegen::run(*check),
        Task::Dist => dist::run(),
        Task::Measure { command } => bench::child(command),
    }
}
