//! Per-file experiments: constructs of the language that a file asks for.
//!
//! A file switches one on by `@experiment(name)` before its package clause. Some became part of
//! the language since (`structcmp`); naming them is allowed and changes nothing.

/// The experiments in force in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, not states"
)]
pub struct Experiments {
    /// `x...` opens a closed struct; embedding one keeps it closed.
    pub explicit_open: bool,
    /// `~X` aliases and `self`; the old `X=` is refused.
    pub alias_v2: bool,
    /// `try`, `x?`, `else`, `otherwise`.
    pub try_clause: bool,
    /// `&&` and `||` look at the right side only when needed.
    pub short_circuit: bool,
    /// Nothing; for tests of how experiments are switched on.
    pub testing: bool,
}

/// Why an `@experiment` attribute is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExperimentError {
    /// Nobody knows the name.
    Unknown(String),
}

impl std::fmt::Display for ExperimentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown(name) => write!(f, "unknown experiment {name:?}"),
        }
    }
}

impl std::error::Error for ExperimentError {}

impl Experiments {
    /// Switches on what the body of one `@experiment` attribute names, separated by commas.
    pub fn enable(&mut self, body: &str) -> Result<(), ExperimentError> {
        for name in body
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            match name {
                "explicitopen" => self.explicit_open = true,
                "aliasv2" => self.alias_v2 = true,
                "try" => self.try_clause = true,
                "shortcircuit" => self.short_circuit = true,
                "testing" => self.testing = true,
                "structcmp" | "accepted_" => {}
                _ => return Err(ExperimentError::Unknown(name.to_owned())),
            }
        }
        Ok(())
    }
}
