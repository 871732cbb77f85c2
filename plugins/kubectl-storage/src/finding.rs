//! What the matcher answers: one finding a thing, with everything a person needs to decide.

mod code;

use std::fmt;

use serde::Serialize;

pub use code::{Code, Severity};

use crate::model::Text;

/// A thing on one of the two sides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Appliance or cluster it is in.
    pub site: Text,
    /// `Dataset`, `Snapshot`, `Target`, …, or a Kubernetes kind.
    pub kind: &'static str,
    /// Dataset path, `namespace/name`, number and name: what identifies it there.
    pub id: Text,
    /// When it was made (seconds), or its number: a thing made again under the same name is
    /// another thing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<i64>,
}

impl Subject {
    /// A thing without a known incarnation.
    pub fn new(site: &Text, kind: &'static str, id: impl Into<Text>) -> Self {
        Self {
            site: Text::clone(site),
            kind,
            id: id.into(),
            incarnation: None,
        }
    }

    /// With its incarnation.
    #[must_use]
    pub fn made(mut self, incarnation: Option<i64>) -> Self {
        self.incarnation = incarnation;
        self
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} on {}", self.kind, self.id, self.site)
    }
}

/// The ways by which two things are recognised as one; numbered as in docs/guides/storage.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Key {
    /// Parent of the instance and CSI handle.
    Handle,
    /// `csi_volume_name` of the dataset and name of the PersistentVolume.
    VolumeName,
    /// Extent's disk and zvol.
    ExtentDisk,
    /// Target-to-extent association.
    Association,
    /// `iqn` or `nqn` of the volume attributes and target.
    QualifiedName,
    /// Share path and mountpoint.
    SharePath,
    /// Snapshot handle.
    SnapshotHandle,
    /// `csi_snapshot_name` of the snapshot and its name.
    SnapshotName,
    /// Origin of a clone.
    Origin,
    /// Live session or mount.
    Session,
    /// Asset name made of prefix, volume and suffix.
    AssetName,
    /// Claim uid in the volume's name.
    ClaimUid,
    /// Mark of ownership: instance id, ledger property, distinctive names, vouched parent.
    Ownership,
    /// A complete list in which it does not occur.
    Absence,
}

/// One reason to believe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Evidence {
    /// By which way.
    pub key: Key,
    /// What was seen.
    pub says: String,
}

/// How sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Said once, never acted upon.
    Reported,
    /// Proven in this scan; acted upon only after a second complete scan behind the grace.
    Candidate,
    /// Proven in two complete scans at least one grace apart.
    Confirmed,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What kind.
    pub code: Code,
    /// How grave.
    pub severity: Severity,
    /// How sure.
    pub state: State,
    /// What it is about.
    pub subject: Subject,
    /// What belongs to it and would go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Subject>,
    /// One sentence.
    pub message: String,
    /// Why it is believed, strongest first.
    pub evidence: Vec<Evidence>,
    /// Why nothing may be done about it; empty when something may.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
    /// Which step failed, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Seconds since it was made, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<i64>,
    /// Bytes that removing it would free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The exact next command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl Finding {
    /// A finding that is only reported.
    pub fn reported(code: Code, subject: Subject, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            state: State::Reported,
            subject,
            related: Vec::new(),
            message: message.into(),
            evidence: Vec::new(),
            blockers: Vec::new(),
            cause: None,
            age_seconds: None,
            bytes: None,
            next: None,
        }
    }

    /// Makes it a candidate, if nothing blocks it and two keys agree.
    #[must_use]
    pub fn candidate(mut self) -> Self {
        let mut keys: Vec<_> = self.evidence.iter().map(|evidence| evidence.key).collect();
        keys.sort_unstable();
        keys.dedup();
        if self.blockers.is_empty() && keys.len() >= 2 {
            self.state = State::Candidate;
        }
        self
    }

    /// Adds a reason to believe.
    #[must_use]
    pub fn because(mut self, key: Key, says: impl Into<String>) -> Self {
        self.evidence.push(Evidence {
            key,
            says: says.into(),
        });
        self
    }

    /// Whether something may be removed for it, once confirmed.
    pub fn removable(&self) -> bool {
        self.code.removable()
    }

    /// What is the same from scan to scan.
    pub fn identity(&self) -> (Code, &Subject) {
        (self.code, &self.subject)
    }
}

/// A code by its stable name.
pub fn code_named(id: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| code.id() == id)
}
