//! The suites of `cargo xtask bench`: figures side by side with a rival or a limit, as ratios.

use crate::suites::Suite;

/// All of them.
pub(crate) const SUITES: &[Suite] = &[];
