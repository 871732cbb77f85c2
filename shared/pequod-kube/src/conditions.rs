//! Conditions, as the API conventions want them: one of a type, and a transition time that moves only with the status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// What a condition is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Its type.
    pub kind: &'a str,
    /// Whether it holds; `None` is `Unknown`.
    pub holds: Option<bool>,
    /// Why, in one CamelCase word.
    pub reason: &'a str,
    /// Why, for people.
    pub message: String,
}

/// Sets a condition. Answers whether anything changed.
pub fn set(
    conditions: &mut Vec<Condition>,
    wanted: Wanted<'_>,
    generation: Option<i64>,
    now: Timestamp,
) -> bool {
    let status = match wanted.holds {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let known = conditions.iter_mut().find(|c| c.type_ == wanted.kind);
    let since = known
        .as_ref()
        .filter(|c| c.status == status)
        .map_or_else(|| Time(now), |c| c.last_transition_time.clone());
    let new = Condition {
        type_: wanted.kind.to_owned(),
        status: status.to_owned(),
        reason: wanted.reason.to_owned(),
        message: cut(wanted.message),
        observed_generation: generation,
        last_transition_time: since,
    };
    match known {
        Some(old) if *old == new => false,
        Some(old) => {
            *old = new;
            true
        }
        None => {
            conditions.push(new);
            true
        }
    }
}

/// Whether a condition is there and `True`.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions
        .iter()
        .any(|c| c.type_ == kind && c.status == "True")
}

/// The longest message that the schema of a condition allows.
fn cut(mut message: String) -> String {
    const MOST: usize = 32_768;
    if message.len() > MOST {
        let end = (0..=MOST)
            .rev()
            .find(|at| message.is_char_boundary(*at))
            .unwrap_or(0);
        message.truncate(end);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(holds: bool, message: &str) -> Wanted<'static> {
        Wanted {
            kind: "Ready",
            holds: Some(holds),
            reason: "R",
            message: message.to_owned(),
        }
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut conditions = Vec::new();
        assert!(set(&mut conditions, ready(false, "a"), Some(1), at(1)));
        assert!(!set(&mut conditions, ready(false, "a"), Some(1), at(2)));
        assert!(set(&mut conditions, ready(false, "b"), Some(1), at(3)));
        assert_eq!(conditions[0].last_transition_time.0, at(1));
        assert!(set(&mut conditions, ready(true, "b"), Some(2), at(4)));
        assert_eq!(conditions[0].last_transition_time.0, at(4));
        assert_eq!(conditions.len(), 1);
        assert!(is_true(&conditions, "Ready"));
    }
}
