//! The one error of the test kit: a sentence, and what brought it about.

use std::fmt;

/// Something that a test or a task of the workspace stands on did not work.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    message: String,
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A result of the test kit.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error that has no further cause.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            cause: None,
        }
    }

    /// For `map_err`: says what was being done.
    pub fn while_doing<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let message = doing.into();
        move |cause| Self {
            message,
            cause: Some(cause.into()),
        }
    }
}

/// Saying what was being done when something failed.
pub(crate) trait Context<T> {
    /// The value, or an error with that sentence and this one's cause.
    fn context(self, doing: &str) -> Result<T>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> Context<T>
    for std::result::Result<T, E>
{
    fn context(self, doing: &str) -> Result<T> {
        self.map_err(Error::while_doing(doing))
    }
}

/// The sentence with its causes: these errors are read in test output, where nobody walks the chain.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self
            .cause
            .as_deref()
            .map(|cause| cause as &dyn std::error::Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
