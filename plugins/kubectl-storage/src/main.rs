//! `kubectl storage`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pequod_cli::run(kubectl_storage::cli::run)
}
