//! `kubectl-transform controller`: the two controllers in one process.

use pequod_cli::{Exit, Failure, KubectlArgs};
use pequod_diag::{Code, Diagnostic};

use crate::cli::ControllerArgs;

/// Runs until a signal comes.
#[expect(clippy::unused_async, reason = "the controllers follow")]
pub async fn run(kubectl: &KubectlArgs, args: ControllerArgs) -> Result<Exit, Failure> {
    let _ = (kubectl, args);
    Err(Failure::input(Diagnostic::error(
        Code("controller/unfinished"),
        "the controllers are not there yet",
    )))
}
