//! What was last seen, and who wants to hear of changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, broadcast};
use utoipa::ToSchema;

use crate::{
    finding::{Finding, State as Sureness},
    matcher::Report,
    model::{Inventory, Seconds},
    usage, validate,
};

/// A finding, as the API and the objects say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FindingView {
    /// What is the same from scan to scan.
    pub id: String,
    /// Stable code.
    #[schema(example = "PQS-1001")]
    pub code: String,
    /// info, warning, error or critical.
    pub severity: String,
    /// reported, candidate or confirmed.
    pub state: String,
    /// Appliance or cluster.
    pub site: String,
    /// Kind of the subject.
    pub kind: String,
    /// Path or name of the subject.
    pub subject: String,
    /// One sentence.
    pub message: String,
    /// Why it is believed.
    pub evidence: Vec<String>,
    /// Why nothing may be done about it.
    pub blockers: Vec<String>,
    /// Which step failed.
    pub cause: Option<String>,
    /// Bytes that removing it would free.
    pub bytes: Option<u64>,
    /// The exact next command.
    pub next: Option<String>,
}

impl From<&Finding> for FindingView {
    fn from(found: &Finding) -> Self {
        Self {
            id: crate::ledger::identity(found),
            code: found.code.id().to_owned(),
            severity: found.severity.as_str().to_owned(),
            state: match found.state {
                Sureness::Reported => "reported",
                Sureness::Candidate => "candidate",
                Sureness::Confirmed => "confirmed",
            }
            .to_owned(),
            site: found.subject.site.to_string(),
            kind: found.subject.kind.to_owned(),
            subject: found.subject.id.to_string(),
            message: found.message.clone(),
            evidence: found
                .evidence
                .iter()
                .map(|known| known.says.clone())
                .collect(),
            blockers: found.blockers.clone(),
            cause: found.cause.clone(),
            bytes: found.bytes,
            next: found.next.clone(),
        }
    }
}

/// Space of a pool, a driver's parent or a StorageClass.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageView {
    /// pool, parent or class.
    pub kind: String,
    /// Appliance or cluster.
    pub site: String,
    /// Name.
    pub name: String,
    /// How many volumes.
    pub volumes: u64,
    /// Bytes promised.
    pub allocated_bytes: u64,
    /// Bytes taken.
    pub used_bytes: u64,
    /// Bytes that snapshots alone take.
    pub snapshot_bytes: u64,
    /// Bytes left, of a pool.
    pub available_bytes: Option<u64>,
    /// Promised in percent of what the pool could hold.
    pub overcommit_percent: Option<u64>,
}

/// The snapshots of a volume.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotsView {
    /// Appliance.
    pub nas: String,
    /// Dataset.
    pub dataset: String,
    /// How many.
    pub snapshots: u64,
    /// How many of them are CSI snapshots.
    pub csi: u64,
    /// Bytes that they alone take.
    pub used_bytes: u64,
    /// When the oldest was made, in seconds since 1970.
    pub oldest: Option<i64>,
}

/// A check of the configuration that did not pass.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckView {
    /// Stable code.
    pub code: String,
    /// How grave.
    pub severity: String,
    /// What it is about.
    pub subject: String,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// How the last scan went.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// When it was read, in seconds since 1970; none before the first scan.
    pub read_at: Option<i64>,
    /// When new snapshots were last asked for.
    pub snapshots_read_at: Option<i64>,
    /// Seconds it took.
    pub scan_seconds: f64,
    /// Whether every list was whole.
    pub complete: bool,
    /// Whether the mass-orphan guard stopped it.
    pub guarded: bool,
    /// What could not be read.
    pub gaps: Vec<String>,
    /// Volumes on the appliances.
    pub volumes: u64,
    /// Those with a PersistentVolume.
    pub matched: u64,
    /// Snapshots of volumes.
    pub snapshots: u64,
    /// PersistentVolumes of the drivers.
    pub persistent_volumes: u64,
    /// Findings that an exemption hides.
    pub exempted: u64,
    /// Appliances and their releases.
    pub appliances: BTreeMap<String, String>,
}

/// Everything that is served.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// How the scan went.
    pub status: StatusView,
    /// What it found.
    pub findings: Vec<FindingView>,
    /// Space.
    pub usage: Vec<UsageView>,
    /// Snapshots by volume.
    pub snapshots: Vec<SnapshotsView>,
    /// Configuration.
    pub checks: Vec<CheckView>,
}

fn count(number: usize) -> u64 {
    number as u64
}

/// Snapshots by volume, from an inventory.
pub(super) fn snapshots(inventory: &Inventory) -> Vec<SnapshotsView> {
    usage::snapshots(inventory)
        .into_iter()
        .map(|row| SnapshotsView {
            nas: row.nas.to_string(),
            dataset: row.dataset.to_string(),
            snapshots: count(row.snapshots),
            csi: count(row.csi),
            used_bytes: row.used_bytes,
            oldest: row.oldest,
        })
        .collect()
}

impl Published {
    /// From a scan. `hidden` says what an exemption covers.
    pub fn of(
        inventory: &Inventory,
        report: &Report,
        read_at: Seconds,
        scan_seconds: f64,
        hidden: impl Fn(&FindingView) -> bool,
    ) -> Self {
        let all = report.findings.iter().map(FindingView::from);
        let (exempted, findings): (Vec<_>, Vec<_>) = all.partition(hidden);
        let counts = report.counts;
        Self {
            status: StatusView {
                read_at: Some(read_at),
                snapshots_read_at: Some(read_at),
                scan_seconds,
                complete: report.complete,
                guarded: report.guarded,
                gaps: inventory
                    .gaps()
                    .iter()
                    .map(|gap| format!("{}: {}: {}", gap.source, gap.asked, gap.reason))
                    .collect(),
                volumes: count(counts.volumes),
                matched: count(counts.matched),
                snapshots: count(counts.snapshots),
                persistent_volumes: count(counts.persistent_volumes),
                exempted: count(exempted.len()),
                appliances: inventory
                    .appliances
                    .iter()
                    .map(|nas| {
                        let (major, minor) = nas.release;
                        (nas.name.to_string(), format!("{major}.{minor:02}"))
                    })
                    .collect(),
            },
            findings,
            usage: usage::usage(inventory)
                .into_iter()
                .map(|row| UsageView {
                    kind: row.kind.to_owned(),
                    site: row.site.to_string(),
                    name: row.name.to_string(),
                    volumes: count(row.volumes),
                    allocated_bytes: row.allocated_bytes,
                    used_bytes: row.used_bytes,
                    snapshot_bytes: row.snapshot_bytes,
                    available_bytes: row.available_bytes,
                    overcommit_percent: row.overcommit_percent,
                })
                .collect(),
            snapshots: snapshots(inventory),
            checks: validate::validate(inventory)
                .into_iter()
                .map(|check| CheckView {
                    code: check.code.to_owned(),
                    severity: check.severity.as_str().to_owned(),
                    subject: check.subject.to_string(),
                    message: check.message,
                    remedy: check.remedy.to_owned(),
                })
                .collect(),
        }
    }
}

/// A change, as it is sent over the WebSocket.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Change {
    /// A finding is new or says something else.
    Found {
        /// As it is now.
        finding: Box<FindingView>,
    },
    /// A finding is gone.
    Gone {
        /// Its id.
        id: String,
    },
    /// A scan ended.
    Scanned {
        /// When it was read.
        read_at: i64,
        /// Whether it was complete.
        complete: bool,
    },
}

/// The hub between the scanner and everybody who asks.
#[derive(Debug)]
pub struct Hub {
    current: RwLock<Arc<Published>>,
    changes: broadcast::Sender<Change>,
    /// Somebody wants a scan now.
    pub wanted: Notify,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            current: RwLock::default(),
            // A listener that lags further behind than this is told to start over.
            changes: broadcast::channel(4096).0,
            wanted: Notify::new(),
        }
    }
}

impl Hub {
    /// What was last published.
    pub fn current(&self) -> Arc<Published> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes from now on.
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    /// Publishes, and tells what changed.
    pub fn publish(&self, next: Published) {
        let before = self.current();
        let known: BTreeMap<&str, &FindingView> =
            before.findings.iter().map(|row| (&*row.id, row)).collect();
        let now: BTreeMap<&str, &FindingView> =
            next.findings.iter().map(|row| (&*row.id, row)).collect();
        let mut changes = Vec::new();
        for (id, row) in &now {
            if known.get(id) != Some(row) {
                changes.push(Change::Found {
                    finding: Box::new((*row).clone()),
                });
            }
        }
        // A scan with a gap makes nothing disappear.
        if next.status.complete {
            let gone = known.keys().filter(|id| !now.contains_key(*id));
            changes.extend(gone.map(|id| Change::Gone {
                id: (*id).to_owned(),
            }));
        }
        changes.push(Change::Scanned {
            read_at: next.status.read_at.unwrap_or_default(),
            complete: next.status.complete,
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        for change in changes {
            // Fails only when nobody listens.
            let _ = self.changes.send(change);
        }
    }

    /// New snapshots were asked for, and there were none.
    pub(super) fn touch_snapshots(&self, at: Seconds) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = (**current).clone();
        next.status.snapshots_read_at = Some(at);
        *current = Arc::new(next);
    }

    /// Replaces the snapshots between two scans.
    pub(super) fn publish_snapshots(&self, snapshots: Vec<SnapshotsView>, at: Seconds) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = (**current).clone();
        next.status.snapshots_read_at = Some(at);
        next.snapshots = snapshots;
        *current = Arc::new(next);
    }
}
