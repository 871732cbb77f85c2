//! `kubectl fleet`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pequod_cli::run(kubectl_fleet::run)
}
