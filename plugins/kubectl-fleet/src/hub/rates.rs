//! How often somebody may ask: a bucket of requests for each, filled again at a steady rate.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::Refusal;

/// More than so many people at a time are not told apart by what they did before.
const PEOPLE: usize = 10_000;

/// The buckets.
#[derive(Debug)]
pub struct Rates {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Rates {
    /// So many requests a second in the long run, and so many at once.
    pub fn new(per_second: f64, burst: f64) -> Self {
        Self {
            per_second,
            burst,
            buckets: Mutex::default(),
        }
    }

    /// Takes one request from somebody's bucket.
    pub fn take(&self, user: &str) -> Result<(), Refusal> {
        self.take_at(user, Instant::now())
    }

    fn take_at(&self, user: &str, now: Instant) -> Result<(), Refusal> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= PEOPLE && !buckets.contains_key(user) {
            buckets.retain(|_, (_, at)| {
                now.duration_since(*at).as_secs_f64() * self.per_second < self.burst
            });
        }
        let (left, at) = buckets.entry(user.to_owned()).or_insert((self.burst, now));
        let filled = now.duration_since(*at).as_secs_f64() * self.per_second;
        *left = (*left + filled).min(self.burst);
        *at = now;
        if *left < 1.0 {
            return Err(Refusal::TooMany(1));
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_asks_too_often_waits_and_nobody_else_does() {
        let rates = Rates::new(1.0, 2.0);
        let now = Instant::now();
        assert!(rates.take_at("alice", now).is_ok() && rates.take_at("alice", now).is_ok());
        assert!(rates.take_at("alice", now).is_err());
        assert!(rates.take_at("bob", now).is_ok());
        assert!(rates.take_at("alice", now + Duration::from_secs(1)).is_ok());
    }
}
