//! What the webhook counts.

use std::time::Duration;

use pequod_api::PolicyAction;
use pequod_policy::Verdict;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

const DURATION_BUCKETS: [f64; 12] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Effect {
    effect: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// The webhook's metrics.
#[derive(Debug, Clone)]
pub struct Metrics {
    findings: Family<Effect, Counter>,
    evaluation: Histogram,
    policies: Family<State, Gauge>,
    stamps: Counter,
    certificate_seconds_left: Gauge,
    rotations: Counter,
    bundle_repairs: Counter,
}

impl Metrics {
    /// Adds the metrics to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            findings: Family::default(),
            evaluation: Histogram::new(DURATION_BUCKETS),
            policies: Family::default(),
            stamps: Counter::default(),
            certificate_seconds_left: Gauge::default(),
            rotations: Counter::default(),
            bundle_repairs: Counter::default(),
        };
        registry.register(
            "pequod_policy_findings",
            "Violations found, by what they did",
            metrics.findings.clone(),
        );
        registry.register(
            "pequod_policy_evaluation_duration_seconds",
            "Time that all policies together took for one object, waiting for a core included",
            metrics.evaluation.clone(),
        );
        registry.register(
            "pequod_policies",
            "ClusterCuePolicies by state: ready, outdated (an earlier version is in force), broken",
            metrics.policies.clone(),
        );
        registry.register(
            "pequod_stamps",
            "Objects that were given a stamp, dry runs included",
            metrics.stamps.clone(),
        );
        registry.register_with_unit(
            "pequod_certificate_left",
            "Time until the serving certificate is no longer valid",
            Unit::Seconds,
            metrics.certificate_seconds_left.clone(),
        );
        registry.register(
            "pequod_certificate_rotations",
            "Serving certificates put in use by this process",
            metrics.rotations.clone(),
        );
        registry.register(
            "pequod_ca_bundle_repairs",
            "Times a webhook configuration had another CA bundle than it should",
            metrics.bundle_repairs.clone(),
        );
        metrics
    }

    pub(crate) fn judged(&self, verdict: &Verdict, took: Duration) {
        self.evaluation.observe(took.as_secs_f64());
        for finding in verdict.findings() {
            let effect = match finding.effect {
                PolicyAction::Deny => "deny",
                PolicyAction::Warn => "warn",
                PolicyAction::Audit => "audit",
            };
            self.findings.get_or_create(&Effect { effect }).inc();
        }
    }

    pub(crate) fn stamped(&self) {
        self.stamps.inc();
    }

    pub(crate) fn policies(&self, ready: usize, outdated: usize, broken: usize) {
        for (state, count) in [("ready", ready), ("outdated", outdated), ("broken", broken)] {
            self.policies
                .get_or_create(&State { state })
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn certificate(&self, seconds_left: i64) {
        self.certificate_seconds_left.set(seconds_left);
    }

    pub(crate) fn rotated(&self) {
        self.rotations.inc();
    }

    pub(crate) fn bundle_repaired(&self) {
        self.bundle_repairs.inc();
    }
}
