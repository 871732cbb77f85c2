//! What many measurements come to.

use std::time::Duration;

/// The given share of the durations is not longer than this, in milliseconds; there is at least one. Sorts them.
pub fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    let last = times.len() - 1;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into some hundred measurements"
    )]
    let at = ((last as f64) * share).ceil() as usize;
    times[at.min(last)].as_secs_f64() * 1000.0
}
