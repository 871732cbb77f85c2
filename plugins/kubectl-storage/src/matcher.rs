//! Finds what belongs together on both sides, and what does not any more.
//!
//! A volume is recognised by several independent keys (handle, `csi_volume_name`, extent's disk,
//! iqn, share path, …). Something is called an orphan only when
//!
//! 1. two keys agree on what it is,
//! 2. a mark proves that a cluster of this inventory made it,
//! 3. complete lists of every such cluster do not mention it by any key, and
//! 4. nothing speaks against it: age, claim, retain policy, static volume, session, mount, hold,
//!    clone, replication, backup.
//!
//! What fails 1 is a conflict, what fails 2 has an unknown owner, what fails 4 is blocked; none of
//! these is ever acted upon. A first scan yields candidates only: see [`crate::ledger`].

mod claims;
mod guard;
mod index;
mod owner;
mod shares;
mod snapshots;
mod volumes;

use serde::Serialize;

pub(crate) use volumes::QUARANTINE_SNAPSHOT;

use crate::{
    finding::{Code, Finding, Severity, Subject},
    ledger::Memory,
    model::{Inventory, Seconds, Text},
};

/// What the matcher may assume.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The time at which the inventory was read.
    pub now: Seconds,
    /// Nothing younger is an orphan; two scans must be this far apart to confirm one.
    pub grace_seconds: i64,
    /// A claim or snapshot that waits longer is stuck.
    pub stuck_seconds: i64,
    /// With more than this share of volumes orphaned (in percent) nothing is believed.
    pub guard_percent: usize,
}

impl Rules {
    /// The defaults, at a time.
    pub fn at(now: Seconds) -> Self {
        Self {
            now,
            grace_seconds: 24 * 3600,
            stuck_seconds: 3600,
            guard_percent: 20,
        }
    }

    /// Age of something made at `created`; none when unknown.
    fn age(&self, created: Option<Seconds>) -> Option<i64> {
        created.map(|created| self.now - created)
    }
}

/// A dataset and the cluster in which its PersistentVolume was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Match {
    /// Appliance.
    pub nas: Text,
    /// Dataset.
    pub dataset: Text,
    /// When the dataset was made.
    pub created: Option<Seconds>,
    /// Uid of the cluster.
    pub cluster_uid: Text,
    /// Name of the cluster.
    pub cluster: Text,
    /// Name of the PersistentVolume.
    pub volume: Text,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Datasets that are volumes of a driver.
    pub volumes: usize,
    /// Those with a PersistentVolume.
    pub matched: usize,
    /// Those too young to be judged.
    pub young: usize,
    /// Snapshots of volumes.
    pub snapshots: usize,
    /// CSI snapshots with a VolumeSnapshotContent.
    pub matched_snapshots: usize,
    /// PersistentVolumes of the drivers.
    pub persistent_volumes: usize,
}

/// The matcher's answer.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The findings, in a stable order.
    pub findings: Vec<Finding>,
    /// What belongs together.
    pub matches: Vec<Match>,
    /// Handles of snapshots whose content has deletion policy Retain.
    pub retained_snapshots: Vec<Text>,
    /// Whether every list was whole.
    pub complete: bool,
    /// Whether the mass-orphan guard stopped it.
    pub guarded: bool,
    /// How much was looked at.
    pub counts: Counts,
}

/// Compares the two sides.
pub fn examine(inventory: &Inventory, memory: &Memory, rules: &Rules) -> Report {
    let index = index::Index::new(inventory, memory);
    let mut report = Report {
        complete: true,
        ..Report::default()
    };
    volumes::examine(&index, rules, &mut report);
    shares::examine(&index, rules, &mut report);
    snapshots::examine(&index, rules, &mut report);
    claims::examine(&index, rules, &mut report);
    guard::apply(&index, rules, &mut report);
    for gap in inventory.gaps() {
        report.complete = false;
        let (kind, site) = match gap.source.split_once('/') {
            Some(("nas", name)) => ("Appliance", name),
            Some((_, name)) => ("Cluster", name),
            None => ("Inventory", &*gap.source),
        };
        let mut finding = Finding::reported(
            Code::Incomplete,
            Subject::new(&site.into(), kind, Text::clone(&gap.asked)),
            format!("{} could not be read whole: {}", gap.asked, gap.reason),
        );
        finding.severity = Severity::Error;
        finding.next = Some("kubectl storage validate".to_owned());
        report.findings.push(finding);
    }
    report.findings.sort();
    report.findings.dedup();
    report.matches.sort();
    report.matches.dedup();
    report.retained_snapshots.sort();
    report.retained_snapshots.dedup();
    report
}
