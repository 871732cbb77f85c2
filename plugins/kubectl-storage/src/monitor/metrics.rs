//! What Prometheus sees. Names of pools follow the existing exporters for TrueNAS.

use std::sync::Arc;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::family::Family,
    metrics::gauge::ConstGauge,
};

use super::state::Hub;

/// Reads what was last published whenever it is asked.
#[derive(Debug)]
pub(crate) struct Seen(pub(crate) Arc<Hub>);

type Labels = Vec<(String, String)>;

impl Collector for Seen {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let current = self.0.current();
        let status = &current.status;
        let number = |encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64| {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)
        };
        #[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
        let read_at = status.read_at.unwrap_or_default() as f64;
        number(
            &mut encoder,
            "pequod_storage_last_scan_timestamp_seconds",
            "When the last scan was read",
            read_at,
        )?;
        number(
            &mut encoder,
            "pequod_storage_scan_seconds",
            "How long the last scan took",
            status.scan_seconds,
        )?;
        number(
            &mut encoder,
            "pequod_storage_scan_complete",
            "Whether every list of the last scan was whole",
            if status.complete { 1.0 } else { 0.0 },
        )?;
        let findings: Family<Labels, prometheus_client::metrics::gauge::Gauge> = Family::default();
        for row in &current.findings {
            let labels = vec![
                ("code".to_owned(), row.code.clone()),
                ("severity".to_owned(), row.severity.clone()),
                ("state".to_owned(), row.state.clone()),
            ];
            findings.get_or_create(&labels).inc();
        }
        let metric = encoder.encode_descriptor(
            "pequod_storage_findings",
            "Findings of the last scan",
            None,
            findings.metric_type(),
        )?;
        findings.encode(metric)?;
        let families = [
            ("truenas_pool_used_bytes", "Bytes taken in a pool"),
            ("truenas_pool_available_bytes", "Bytes left in a pool"),
            (
                "truenas_pool_volumes_promised_bytes",
                "Bytes promised to volumes in a pool",
            ),
        ];
        for (at, (name, help)) in families.into_iter().enumerate() {
            let family: Family<Labels, prometheus_client::metrics::gauge::Gauge> =
                Family::default();
            for row in current.usage.iter().filter(|row| row.kind == "pool") {
                let labels = vec![
                    ("nas".to_owned(), row.site.clone()),
                    ("pool".to_owned(), row.name.clone()),
                ];
                let bytes = [
                    row.used_bytes,
                    row.available_bytes.unwrap_or_default(),
                    row.allocated_bytes,
                ][at];
                family
                    .get_or_create(&labels)
                    .set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
            let metric = encoder.encode_descriptor(name, help, None, family.metric_type())?;
            family.encode(metric)?;
        }
        let family: Family<Labels, prometheus_client::metrics::gauge::Gauge> = Family::default();
        for row in current.usage.iter().filter(|row| row.kind == "parent") {
            let labels = vec![
                ("nas".to_owned(), row.site.clone()),
                ("dataset".to_owned(), row.name.clone()),
            ];
            family
                .get_or_create(&labels)
                .set(i64::try_from(row.used_bytes).unwrap_or(i64::MAX));
        }
        let metric = encoder.encode_descriptor(
            "truenas_dataset_used_bytes",
            "Bytes taken in a driver's parent",
            None,
            family.metric_type(),
        )?;
        family.encode(metric)
    }
}
