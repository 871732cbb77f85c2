//! What is remembered from scan to scan, and the step from *candidate* to *confirmed*.
//!
//! | this scan | known before | becomes |
//! | --- | --- | --- |
//! | complete, proven | no | candidate, first seen now |
//! | complete, proven | yes, less than a grace ago | candidate |
//! | complete, proven | yes, a grace ago or more | confirmed |
//! | complete, not proven | yes | forgotten |
//! | incomplete or guarded | no | candidate, not remembered |
//! | incomplete or guarded | yes | what it was as a candidate; never confirmed by this scan |
//!
//! Also remembered: which cluster a dataset's PersistentVolume was seen in (proof of ownership
//! later) and which snapshots had a content with deletion policy Retain.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    finding::{Finding, State},
    matcher::{Report, Rules},
    model::{Seconds, Text},
};

/// What earlier scans saw that later ones need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memory {
    /// By `nas dataset`: when the dataset was made, and the uid of its cluster.
    owners: BTreeMap<String, (Option<Seconds>, String)>,
    /// Handles of snapshots that were kept by policy.
    retained: BTreeSet<String>,
}

impl Memory {
    /// Cluster in which the dataset, made at that time, had its PersistentVolume.
    pub fn owner(&self, nas: &str, dataset: &str, created: Option<Seconds>) -> Option<&str> {
        let (known, uid) = self.owners.get(&key(nas, dataset))?;
        (created.is_some() && *known == created).then_some(uid)
    }

    /// Cluster in which the last dataset of this name had its PersistentVolume: for what is left
    /// of a dataset that is gone.
    pub fn last_owner(&self, nas: &str, dataset: &str) -> Option<&str> {
        self.owners.get(&key(nas, dataset)).map(|(_, uid)| &**uid)
    }

    /// Whether a content with deletion policy Retain ever had this handle.
    pub fn was_retained(&self, handle: &str) -> bool {
        self.retained.contains(handle)
    }
}

fn key(nas: &str, dataset: &str) -> String {
    format!("{nas} {dataset}")
}

/// The state between scans; a file or the monitor keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// What later scans need to know.
    pub memory: Memory,
    /// When each candidate was first proven, by its identity.
    first_seen: BTreeMap<String, Seconds>,
    /// When the last complete scan was.
    pub last_complete: Option<Seconds>,
}

/// What of a finding is the same from scan to scan.
pub fn identity(finding: &Finding) -> String {
    let subject = &finding.subject;
    let made = subject
        .incarnation
        .map_or_else(|| "?".to_owned(), |made| made.to_string());
    format!(
        "{} {} {} {made} {}",
        finding.code, subject.site, subject.kind, subject.id
    )
}

impl Ledger {
    /// Takes a scan in: confirms what may be confirmed and remembers the rest.
    pub fn advance(&mut self, report: &mut Report, rules: &Rules) {
        let trusted = report.complete && !report.guarded;
        let mut proven = BTreeSet::new();
        for finding in report
            .findings
            .iter_mut()
            .filter(|found| found.state != State::Reported)
        {
            finding.state = State::Candidate;
            if !trusted {
                continue;
            }
            let identity = identity(finding);
            let first = *self.first_seen.entry(identity.clone()).or_insert(rules.now);
            if rules.now.saturating_sub(first) >= rules.grace_seconds.max(1) {
                finding.state = State::Confirmed;
            }
            proven.insert(identity);
        }
        if !trusted {
            return;
        }
        self.first_seen
            .retain(|identity, _| proven.contains(identity));
        self.last_complete = Some(rules.now);
        for found in &report.matches {
            self.memory.owners.insert(
                key(&found.nas, &found.dataset),
                (found.created, found.cluster_uid.to_string()),
            );
        }
        self.memory
            .retained
            .extend(report.retained_snapshots.iter().map(Text::to_string));
    }
}
