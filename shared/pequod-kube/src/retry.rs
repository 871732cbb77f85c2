//! Trying again: with growing, scattered pauses, and never sooner than the API server asks for.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::ApiError;

/// How pauses grow.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_mins(1),
        }
    }
}

impl Backoff {
    /// The pause after `attempt` failures (from 1). `seed` scatters it over its upper half, so that what failed
    /// together does not come back together.
    pub fn pause(&self, attempt: u32, seed: u64) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1).min(30));
        let full = self.first.saturating_mul(doubled).min(self.longest);
        // A round of splitmix64: enough to scatter, without a source of randomness.
        let mut x = seed
            .wrapping_add(u64::from(attempt))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let share = u32::try_from((x >> 33) % 512).unwrap_or(0);
        full / 2 + full / 2 * share / 512
    }
}

/// Runs `call` until it succeeds, fails for good, has been tried `attempts` times, or is cancelled.
pub async fn transient<T>(
    attempts: u32,
    cancel: &CancellationToken,
    mut call: impl AsyncFnMut() -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let backoff = Backoff {
        longest: Duration::from_secs(5),
        ..Backoff::default()
    };
    let mut attempt = 1;
    loop {
        let error = match call().await {
            Ok(done) => return Ok(done),
            Err(error) if attempt >= attempts || !error.is_transient() => return Err(error),
            Err(error) => error,
        };
        let pause = backoff.pause(attempt, error.what.len() as u64);
        let pause = error.retry_after().map_or(pause, |least| least.max(pause));
        tracing::debug!(%error, ?pause, attempt, "trying again");
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.cancelled() => return Err(error),
        }
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Failure;

    #[test]
    fn pauses_grow_to_a_limit_and_are_scattered() {
        let backoff = Backoff::default();
        for attempt in 1..100 {
            let full = Duration::from_millis(200).saturating_mul(2_u32.saturating_pow(attempt - 1));
            let full = full.min(backoff.longest);
            let pause = backoff.pause(attempt, 7);
            assert!(pause >= full / 2 && pause <= full, "{attempt}: {pause:?}");
        }
        assert_ne!(backoff.pause(5, 1), backoff.pause(5, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_the_server_asks_and_gives_up_at_last() {
        let started = tokio::time::Instant::now();
        let mut calls = 0;
        let answer: Result<(), _> = transient(3, &CancellationToken::new(), async || {
            calls += 1;
            Err(ApiError {
                what: "x".into(),
                failure: Failure::Throttled(Duration::from_secs(9)),
                message: String::new(),
            })
        })
        .await;
        assert!(answer.is_err());
        assert_eq!(calls, 3);
        assert!(started.elapsed() >= Duration::from_secs(18));
    }
}
