//! `kubectl transform`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pequod_cli::run(kubectl_transform::run)
}
