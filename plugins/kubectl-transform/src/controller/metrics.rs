//! What the controllers count. Labels are a controller, a result, a namespace, a kind; never a name.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// The counters. Cheap to clone; clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What the executor counts, and passes of both controllers.
    pub apply: pequod_apply::Metrics,
    /// How long rendering took.
    pub cue_eval_seconds: Histogram,
    /// Compiled modules that were found in memory.
    pub cue_cache_hits: Counter,
}

impl Metrics {
    /// Adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            apply: pequod_apply::Metrics::register(registry),
            cue_eval_seconds: Histogram::new(BUCKETS),
            cue_cache_hits: Counter::default(),
        };
        registry.register(
            "pequod_cue_eval_duration_seconds",
            "How long rendering a Transform took",
            metrics.cue_eval_seconds.clone(),
        );
        registry.register(
            "pequod_cue_cache_hits",
            "Renderings whose module was compiled before",
            metrics.cue_cache_hits.clone(),
        );
        metrics
    }
}
