//! How a command says to its caller what became of it.

use std::process::ExitCode;

/// The four exit codes of every Pequod command.
///
/// The order is that of precedence: a run that met several outcomes reports the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done; the answer is yes.
    Done = 0,
    /// 1: done, and the answer is no: differences, violations, findings.
    No = 1,
    /// 2: the command line or an input cannot be used; nothing was changed.
    Input = 2,
    /// 3: a cluster or another remote refused or could not be reached.
    Remote = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_worst_outcome_wins() {
        assert_eq!(
            [Exit::No, Exit::Remote, Exit::Done].into_iter().max(),
            Some(Exit::Remote)
        );
    }
}
