//! One module a verb.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod tree;

use pequod_api::Solution;
use pequod_api::solution::{SolutionState, SolutionStatus};
use pequod_cli::{Paint, Printer};

/// The status, or what an object without one has.
fn status(solution: &Solution) -> SolutionStatus {
    solution.status.clone().unwrap_or_default()
}

/// The state in its colour.
fn painted(state: SolutionState, printer: &Printer) -> String {
    let paint = match state {
        SolutionState::Deployed => Paint::Good,
        SolutionState::Pending | SolutionState::Progressing => Paint::Attention,
        SolutionState::Degraded | SolutionState::Failed => Paint::Bad,
    };
    printer.paint(paint, &format!("{state:?}"))
}

/// The health of a member in its colour.
fn health(word: &str, printer: &Printer) -> String {
    let paint = match word {
        "Current" => Paint::Good,
        "Failed" | "NotFound" => Paint::Bad,
        _ => Paint::Attention,
    };
    printer.paint(paint, word)
}
