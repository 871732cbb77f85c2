//! What the executor counts.
//!
//! Labels are namespace, kind and result; never the name of a node or an object, of which there may be any number.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// Labels of what is done to one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ObjectLabels {
    /// The Transform's namespace.
    pub namespace: String,
    /// The object's kind.
    pub kind: String,
    /// `success` or `failure`.
    pub result: &'static str,
}

/// Labels of what is managed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ManagedLabels {
    /// The Transform's namespace.
    pub namespace: String,
    /// The objects' kind.
    pub kind: String,
}

/// Labels of a controller's pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PassLabels {
    /// `transform` or `resourcegraph`.
    pub controller: &'static str,
    /// `success` or `failure`.
    pub result: &'static str,
}

/// Labels of a controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerLabels {
    /// `transform` or `resourcegraph`.
    pub controller: &'static str,
}

/// The counters. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Objects applied.
    pub applied: Family<ObjectLabels, Counter>,
    /// How long an apply took.
    pub apply_seconds: Family<ManagedLabels, Histogram, fn() -> Histogram>,
    /// Objects deleted or let go.
    pub removed: Family<ObjectLabels, Counter>,
    /// Fields of others' making that were set back.
    pub repaired: Family<ManagedLabels, Counter>,
    /// Objects in inventories.
    pub managed: Family<ManagedLabels, Gauge>,
    /// Passes of a controller.
    pub reconciled: Family<PassLabels, Counter>,
    /// How long a pass took.
    pub reconcile_seconds: Family<ControllerLabels, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self {
            applied: Family::default(),
            apply_seconds: Family::new_with_constructor(histogram),
            removed: Family::default(),
            repaired: Family::default(),
            managed: Family::default(),
            reconciled: Family::default(),
            reconcile_seconds: Family::new_with_constructor(histogram),
        }
    }
}

impl Metrics {
    /// Adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        registry.register(
            "pequod_apply",
            "Objects applied, by result",
            all.applied.clone(),
        );
        registry.register(
            "pequod_apply_duration_seconds",
            "How long applying an object took",
            all.apply_seconds.clone(),
        );
        registry.register(
            "pequod_remove",
            "Objects deleted or let go",
            all.removed.clone(),
        );
        registry.register(
            "pequod_drift_repaired",
            "Objects set back",
            all.repaired.clone(),
        );
        registry.register(
            "pequod_resources_managed",
            "Objects in the inventories of all graphs",
            all.managed.clone(),
        );
        registry.register(
            "pequod_reconcile",
            "Passes of a controller",
            all.reconciled.clone(),
        );
        registry.register(
            "pequod_reconcile_duration_seconds",
            "How long a pass of a controller took",
            all.reconcile_seconds.clone(),
        );
        all
    }
}
