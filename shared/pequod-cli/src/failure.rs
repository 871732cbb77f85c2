//! What ends a command early.

use std::io;

use pequod_diag::{Code, Diagnostic, Diagnostics, Exit};

/// The problems that ended a command, and the exit code they stand for.
///
/// A closed pipe is no problem: `kubectl transform list | head -1` ends in silence with code 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the caller is told.
    pub exit: Exit,
    /// What the reader is told, on stderr.
    pub problems: Diagnostics,
}

impl Failure {
    /// The command line or an input cannot be used.
    pub fn input(problems: impl Into<Diagnostics>) -> Self {
        Self {
            exit: Exit::Input,
            problems: problems.into(),
        }
    }

    /// A cluster or another remote refused or could not be reached.
    pub fn remote(problems: impl Into<Diagnostics>) -> Self {
        Self {
            exit: Exit::Remote,
            problems: problems.into(),
        }
    }

    /// What a cluster answered to a request; `what` was tried, for example `list Transforms`.
    pub fn api(what: impl Into<String>, error: &kube::Error) -> Self {
        pequod_kube::ApiError::new(what.into(), error).into()
    }

    /// The answer is no; everything there is to say was said already.
    pub fn no() -> Self {
        Self {
            exit: Exit::No,
            problems: Diagnostics::default(),
        }
    }
}

impl From<pequod_kube::ApiError> for Failure {
    fn from(error: pequod_kube::ApiError) -> Self {
        Self {
            exit: error.exit(),
            problems: error.to_diagnostic().into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self {
                exit: Exit::Done,
                problems: Diagnostics::default(),
            };
        }
        Self::input(
            Diagnostic::error(Code("cli/output"), "the output could not be written")
                .caused_by(&error),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_ends_in_silence() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.exit, Exit::Done);
        assert!(failure.problems.0.is_empty());
    }

    #[test]
    fn a_full_disk_is_reported() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(failure.exit, Exit::Input);
        assert_eq!(failure.problems.0[0].code, Code("cli/output"));
    }
}
