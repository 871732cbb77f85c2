//! What the controllers count. Labels are a controller, a result, a namespace, a kind; never a name.

use pequod_modules::RemoteCounts;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
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
    /// Modules that came over the network, that were there, that could not be had, that were dropped; bytes kept.
    modules: [Gauge; 5],
}

impl Metrics {
    /// Adds them to a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            apply: pequod_apply::Metrics::register(registry),
            cue_eval_seconds: Histogram::new(BUCKETS),
            cue_cache_hits: Counter::default(),
            modules: Default::default(),
        };
        let about = [
            (
                "fetched",
                "Modules that came from registries and repositories since the start",
            ),
            (
                "hits",
                "Modules of registries and repositories that were kept",
            ),
            (
                "failed",
                "Modules of registries and repositories that could not be had",
            ),
            (
                "evicted",
                "Modules that were dropped for others, or because nobody used them for long",
            ),
            ("bytes", "How many bytes the kept modules are large"),
        ];
        for ((name, help), gauge) in about.into_iter().zip(&metrics.modules) {
            registry.register(format!("pequod_module_cache_{name}"), help, gauge.clone());
        }
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

    /// Takes over what fetching modules counted.
    pub fn modules(&self, counts: RemoteCounts) {
        let counts = [
            counts.fetched,
            counts.hits,
            counts.failed,
            counts.evicted,
            counts.bytes,
        ];
        for (gauge, count) in self.modules.iter().zip(counts) {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
