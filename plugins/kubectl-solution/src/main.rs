//! `kubectl solution`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pequod_cli::run(kubectl_solution::run)
}
