//! By how much a watch lags behind what the API server has answered to those who wrote.
//!
//! Nothing in the protocol tells a watcher that it has seen everything up to a moment: an answer to a question of its own
//! does not, since each kind has a way of its own from the server's store to its watchers, and a busy server is late on
//! it. But what comes over a watch mostly says when it was written (`metadata.managedFields`, in whole seconds by the
//! server's clock), so whoever lags knows by how much it did a moment ago.
//!
//! Not every write is noted there: one that only takes fields away is not, and the object then looks as if it came late.
//! So what counts of all that came in a second is what came soonest.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use serde_json::Value;

/// So long what was late is remembered, in seconds.
const REMEMBERED: i64 = 20;
/// Whoever seems later than that, in seconds, was not written when it says: a watch this silent is given up.
const BELIEVED: i64 = 30;

/// What was late lately, of all kinds.
#[derive(Debug, Clone, Default)]
pub(super) struct Lag(Arc<Late>);

#[derive(Debug, Default)]
struct Late {
    /// By how many seconds,
    by: AtomicI64,
    /// and until when this counts.
    until: AtomicI64,
}

impl Lag {
    /// How late something was lately, in whole seconds: at most one more than it was, and 0 if it was about one.
    pub(super) fn lately(&self, now: i64) -> i64 {
        if now < self.0.until.load(Ordering::SeqCst) {
            self.0.by.load(Ordering::SeqCst)
        } else {
            0
        }
    }

    fn was(&self, by: i64, now: i64) {
        if by > 0 && by >= self.lately(now) {
            self.0.by.store(by, Ordering::SeqCst);
            self.0.until.store(now + REMEMBERED, Ordering::SeqCst);
        }
    }
}

/// One watch.
#[derive(Debug)]
pub(super) struct Watched {
    lag: Lag,
    /// The least time between writing and seeing, ever: by so much the clocks differ.
    least: Option<i64>,
    /// A second, and the least time in it.
    second: (i64, i64),
}

impl Watched {
    pub(super) const fn new(lag: Lag) -> Self {
        Self {
            lag,
            least: None,
            second: (0, 0),
        }
    }

    /// An object came.
    pub(super) fn saw(&mut self, object: &Value, now: i64) {
        let Some(took) = written(object).map(|at| now - at) else {
            return;
        };
        let least = self.least.map_or(took, |least| least.min(took));
        self.least = Some(least);
        if took - least > BELIEVED {
            return;
        }
        self.second = match self.second {
            (second, known) if second == now => (now, known.min(took)),
            _ => (now, took),
        };
        // Times are cut to seconds.
        self.lag.was(self.second.1 - least - 1, now);
    }
}

/// When an object was last written, as far as it says. One that is being deleted does not.
fn written(object: &Value) -> Option<i64> {
    let metadata = object.get("metadata")?;
    if metadata.get("deletionTimestamp").is_some() {
        return None;
    }
    let managers = metadata.get("managedFields")?.as_array()?;
    let times = managers
        .iter()
        .filter_map(|manager| manager.get("time")?.as_str()?.parse::<Timestamp>().ok());
    times.map(Timestamp::as_second).max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(at: i64) -> Value {
        let time = Timestamp::from_second(at).unwrap().to_string();
        json!({"metadata": {"managedFields": [{"time": "1969-01-01T00:00:00Z"}, {"time": time}]}})
    }

    #[test]
    fn what_comes_late_counts_for_a_while_whatever_the_clocks_say() {
        for skew in [0, -7, 12] {
            let lag = Lag::default();
            let mut watched = Watched::new(lag.clone());
            let object = |at: i64| object(at + skew);
            assert_eq!(lag.lately(1_000), 0);
            watched.saw(&object(1_000), 1_000);
            // A second may be what was cut off.
            watched.saw(&object(1_000), 1_001);
            assert_eq!(lag.lately(1_001), 0);
            watched.saw(&object(1_000), 1_005);
            watched.saw(&object(1_008), 1_008);
            assert_eq!(lag.lately(1_008), 4);
            // What was later counts more, what was less late does not count.
            watched.saw(&object(1_010), 1_016);
            watched.saw(&object(1_017), 1_020);
            assert_eq!(lag.lately(1_020), 5);
            assert_eq!(lag.lately(1_035), 5);
            assert_eq!(lag.lately(1_036), 0);
        }
    }

    #[test]
    fn what_does_not_say_when_it_was_written_says_nothing() {
        let lag = Lag::default();
        let mut watched = Watched::new(lag.clone());
        watched.saw(&object(1_000), 1_000);
        let mut leaving = object(1_000);
        leaving["metadata"]["deletionTimestamp"] = json!("1970-01-01T00:17:00Z");
        for object in [
            json!({}),
            json!({"metadata": {"managedFields": "no"}}),
            json!({"metadata": {"managedFields": [{"time": "yesterday"}, {}]}}),
            // Nobody has waited for this for an hour.
            object(1_000),
            leaving,
        ] {
            watched.saw(&object, 4_600);
        }
        assert_eq!(lag.lately(4_600), 0);
    }
}
