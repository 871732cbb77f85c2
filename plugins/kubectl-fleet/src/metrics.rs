//! What an agent counts: `pequod_fleet_*`.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts of one agent. Not registered, they are counted for nobody.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// Objects it follows.
    pub objects: Gauge,
    /// Kinds it follows.
    pub kinds: Gauge,
    /// Kinds of them that are not in step.
    pub kinds_behind: Gauge,
    /// Changes seen that are not in the store.
    pub waiting: Gauge,
    /// Complete readings of the cluster.
    pub epoch: Gauge,
    /// Up to when everything is in the store, seconds since 1970.
    pub complete_at: Gauge,
    /// Changes written.
    pub written: Counter,
    /// Changes that no reader could see, which were not written.
    pub unseen: Counter,
    /// Changes the store refused for good.
    pub dropped: Counter,
    /// Changes that had to wait on disk.
    pub spilled: Counter,
    /// Requests the store did not answer as it should.
    pub store_failures: Counter,
    /// Collections that were read whole.
    pub lists: Counter,
}

impl Metrics {
    /// Adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for (name, help, gauge) in [
            ("objects", "Objects followed", &metrics.objects),
            ("kinds", "Kinds followed", &metrics.kinds),
            (
                "kinds_behind",
                "Kinds that are not in step with the API server",
                &metrics.kinds_behind,
            ),
            (
                "waiting_changes",
                "Changes seen that are not in the store yet",
                &metrics.waiting,
            ),
            (
                "epoch",
                "Complete readings of the cluster, from the first agent on",
                &metrics.epoch,
            ),
            (
                "complete_timestamp_seconds",
                "Everything up to this moment is in the store; 0 before the first complete reading",
                &metrics.complete_at,
            ),
        ] {
            registry.register(format!("pequod_fleet_{name}"), help, gauge.clone());
        }
        for (name, help, counter) in [
            ("written_changes", "Changes written", &metrics.written),
            (
                "unseen_changes",
                "Changes that no reader could see, which were not written",
                &metrics.unseen,
            ),
            (
                "dropped_changes",
                "Changes that the store refused for good",
                &metrics.dropped,
            ),
            (
                "spilled_changes",
                "Changes that had to wait on disk",
                &metrics.spilled,
            ),
            (
                "store_failures",
                "Requests that the store did not answer as it should",
                &metrics.store_failures,
            ),
            ("lists", "Collections that were read whole", &metrics.lists),
        ] {
            registry.register(format!("pequod_fleet_{name}"), help, counter.clone());
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown_under_the_suites_prefix() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.spilled.inc_by(3);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(
            text.contains("pequod_fleet_spilled_changes_total 3"),
            "{text}"
        );
        let shown = text.lines().filter(|line| !line.starts_with('#'));
        assert!(shown.clone().all(|line| line.starts_with("pequod_fleet_")));
        assert_eq!(shown.count(), 12);
    }
}
