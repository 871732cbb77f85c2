//! What a program says about itself.
//!
//! A [`Health`] is a list of named checks, each not ready until somebody says otherwise. A program is ready when
//! all its checks are. Liveness is something else: a process that answers at all is alive, and being restarted
//! would not make it ready any sooner.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The checks of a program.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<&'static str, Option<String>>>>);

/// One check; whoever holds it reports.
#[derive(Debug, Clone)]
pub struct Check {
    health: Health,
    name: &'static str,
}

impl Health {
    /// No checks: ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check, which is not ready yet.
    pub fn check(&self, name: &'static str) -> Check {
        self.set(name, Some("starting".to_owned()));
        Check {
            health: self.clone(),
            name,
        }
    }

    /// Whether all checks are ready.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Option::is_none)
    }

    /// A line a check, in the order of their names, as the API server's own endpoints print them.
    pub fn report(&self) -> String {
        let mut text = String::new();
        for (name, trouble) in self.lock().iter() {
            // Writing to a String cannot fail.
            let _ = match trouble {
                None => writeln!(text, "[+]{name} ok"),
                Some(why) => writeln!(text, "[-]{name} not ready: {why}"),
            };
        }
        text
    }

    fn set(&self, name: &'static str, trouble: Option<String>) {
        self.lock().insert(name, trouble);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        // Every change is one insertion: the map is whole whatever happened to the one who held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// It works.
    pub fn ready(&self) {
        self.health.set(self.name, None);
    }

    /// It still does not, and why; nothing, if it did already.
    pub fn not_ready_yet(&self, why: impl Into<String>) {
        let mut checks = self.health.lock();
        if checks.get(self.name).is_some_and(Option::is_some) {
            checks.insert(self.name, Some(why.into()));
        }
    }

    /// It does not, and why.
    pub fn not_ready(&self, why: impl Into<String>) {
        self.health.set(self.name, Some(why.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn is_ready_when_every_check_is() {
        let health = Health::new();
        assert!(health.is_ready());
        let policies = health.check("policies");
        let certificate = health.check("certificate");
        policies.ready();
        assert!(!health.is_ready());
        certificate.ready();
        assert!(health.is_ready());
        policies.not_ready_yet("slow");
        assert!(health.is_ready(), "it was ready before");
        policies.not_ready("gone");
        assert!(!health.is_ready());
        assert_eq!(
            health.report(),
            "[+]certificate ok\n[-]policies not ready: gone\n"
        );
    }
}
