//! The audit log: every call that changes an appliance, before it is sent and after it was read
//! back, in an append-only chain of hashes.
//!
//! One JSON object a line. Each carries the hash of the one before it, so that nothing can be
//! altered, removed or put in between without breaking the chain. What is quarantined is not kept
//! anywhere else: [`Audit::items`] is a fold over the log, so the log and the state cannot
//! disagree.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    plan::{Item, Phase},
    step::Step,
};
use crate::model::Seconds;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// Work on an item of a plan begins.
    Begun {
        /// Quarantine or purge.
        phase: Phase,
        /// The whole item, so that a lost plan file loses nothing.
        #[serde(rename = "planned")]
        item: Box<Item>,
    },
    /// A call is about to be sent.
    Intent {
        /// Which.
        step: Step,
    },
    /// It was sent, and reading back shows that it happened.
    Done {
        /// Which.
        step: Step,
    },
    /// It was sent or refused, and reading back does not show it.
    Failed {
        /// Which.
        step: Step,
        /// Why.
        why: String,
    },
    /// All steps of the item are done.
    Finished,
    /// All steps of the item are undone.
    Undone,
    /// A purge found something changed before its first call: the item stays in quarantine.
    Left,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Number, from 1.
    pub number: u64,
    /// When.
    pub at: Seconds,
    /// Who.
    pub actor: String,
    /// Digest of the plan.
    pub plan: String,
    /// Identity of the item.
    pub item: String,
    /// What.
    #[serde(flatten)]
    pub event: Event,
    /// Hash of the line before; empty in the first.
    pub previous: String,
    /// Hash of everything above.
    pub hash: String,
}

impl Entry {
    fn digest(&self) -> String {
        let bare = Self {
            hash: String::new(),
            ..self.clone()
        };
        // Serialising a struct of texts and numbers does not fail.
        hex(&Sha256::digest(
            serde_json::to_vec(&bare).unwrap_or_default(),
        ))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// How far an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Begun and neither finished nor undone: a crash or a failure in between.
    Interrupted,
    /// In quarantine.
    Quarantined,
    /// As if nothing had happened.
    Undone,
    /// Removed.
    Purged,
    /// It says whose it is.
    Claimed,
}

/// What the log says about an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Known {
    /// How far.
    pub standing: Standing,
    /// Whether the last work on it was a purge.
    pub phase: Phase,
    /// Digest of the plan that began it.
    pub plan: String,
    /// When it came into quarantine.
    pub since: Seconds,
    /// As it was planned for the quarantine.
    pub item: Item,
    /// Steps that were sent or may have been, in order.
    pub sent: Vec<Step>,
}

/// A log that cannot be believed, or not be written.
#[derive(Debug)]
pub enum AuditError {
    /// A line does not follow from the one before it.
    Broken {
        /// Number of the line.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The file.
    Io(io::Error),
    /// Another process writes to it.
    Busy,
}

impl std::fmt::Display for AuditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken { line, why } => write!(f, "line {line} of the audit log: {why}"),
            Self::Io(error) => write!(f, "audit log: {error}"),
            Self::Busy => f.write_str("another process is writing to the audit log"),
        }
    }
}

impl std::error::Error for AuditError {}

impl From<io::Error> for AuditError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The log.
#[derive(Debug, Default)]
pub struct Audit {
    entries: Vec<Entry>,
    file: Option<File>,
}

impl Audit {
    /// A log in memory.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The log of lines. An unfinished last line is no line.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut entries: Vec<Entry> = Vec::new();
        for (at, line) in whole.lines().enumerate() {
            let broken = |why: String| AuditError::Broken { line: at + 1, why };
            let entry: Entry =
                serde_json::from_str(line).map_err(|error| broken(error.to_string()))?;
            let previous = entries.last().map_or("", |known| &known.hash);
            if entry.previous != previous {
                return Err(broken("it does not follow the line before it".to_owned()));
            }
            if entry.number != at as u64 + 1 || entry.hash != entry.digest() {
                return Err(broken("it was altered".to_owned()));
            }
            entries.push(entry);
        }
        Ok(Self {
            entries,
            file: None,
        })
    }

    /// Opens a log for writing, and nobody else can until it is dropped.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(AuditError::Busy),
            Err(std::fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut audit = Self::parse(&text)?;
        // A crash while writing leaves half a line. Its call was not sent (a line goes first), or
        // was sent and not yet read back: reading tells either way.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        file.seek(io::SeekFrom::End(0))?;
        audit.file = Some(file);
        Ok(audit)
    }

    /// Reads a log without locking it; one that is not there is empty.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Every line.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Adds a line, on disk before it returns.
    pub fn append(
        &mut self,
        at: Seconds,
        actor: &str,
        plan: &str,
        item: &str,
        event: Event,
    ) -> Result<(), AuditError> {
        let mut entry = Entry {
            number: self.entries.len() as u64 + 1,
            at,
            actor: actor.to_owned(),
            plan: plan.to_owned(),
            item: item.to_owned(),
            event,
            previous: self
                .entries
                .last()
                .map(|known| known.hash.clone())
                .unwrap_or_default(),
            hash: String::new(),
        };
        entry.hash = entry.digest();
        if let Some(file) = &mut self.file {
            let mut line = serde_json::to_vec(&entry).map_err(io::Error::other)?;
            line.push(b'\n');
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.entries.push(entry);
        Ok(())
    }

    /// What became of each item, by its identity.
    pub fn items(&self) -> BTreeMap<&str, Known> {
        let mut items: BTreeMap<&str, Known> = BTreeMap::new();
        for entry in &self.entries {
            if let Event::Begun { phase, item } = &entry.event {
                match items.get_mut(entry.item.as_str()) {
                    // A purge continues a quarantine: what undoes it stays known.
                    Some(known) if *phase == Phase::Purge => {
                        known.standing = Standing::Interrupted;
                        known.phase = Phase::Purge;
                        known.plan.clone_from(&entry.plan);
                    }
                    _ => {
                        let known = Known {
                            standing: Standing::Interrupted,
                            phase: *phase,
                            plan: entry.plan.clone(),
                            since: entry.at,
                            item: (**item).clone(),
                            sent: Vec::new(),
                        };
                        items.insert(&entry.item, known);
                    }
                }
                continue;
            }
            let Some(known) = items.get_mut(entry.item.as_str()) else {
                continue;
            };
            match &entry.event {
                Event::Intent { step } if step.inverse().is_some() || step.removes() => {
                    known.sent.push(step.clone());
                }
                Event::Finished if known.phase == Phase::Purge => known.standing = Standing::Purged,
                Event::Finished if known.phase == Phase::Claim => {
                    known.standing = Standing::Claimed;
                }
                Event::Finished => {
                    known.standing = Standing::Quarantined;
                    known.since = entry.at;
                }
                Event::Left => {
                    known.standing = Standing::Quarantined;
                    known.phase = Phase::Quarantine;
                }
                Event::Undone => {
                    known.standing = Standing::Undone;
                    known.sent.clear();
                }
                _ => {}
            }
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Audit {
        let mut audit = Audit::in_memory();
        for at in 1..=3 {
            audit
                .append(at, "anna", "digest", "item", Event::Finished)
                .unwrap();
        }
        audit
    }

    fn text(audit: &Audit) -> String {
        audit
            .entries()
            .iter()
            .map(|entry| serde_json::to_string(entry).unwrap() + "\n")
            .collect()
    }

    #[test]
    fn a_chain_reads_back() {
        assert_eq!(Audit::parse(&text(&three())).unwrap().entries().len(), 3);
    }

    #[test]
    fn every_event_reads_back() {
        use crate::cleanup::step::{Row, Table};
        let step = Step::Disable {
            table: Table::Namespace,
            row: Row::new(7, &[("name", "a \"quoted\" ☃")]).with("subsys", 3),
        };
        let item = Item {
            identity: "PQS-1001 nas Dataset 1 tank/v".to_owned(),
            code: "PQS-1001".to_owned(),
            site: "nas".to_owned(),
            kind: "Dataset".to_owned(),
            id: "tank/v".to_owned(),
            why: vec!["because".to_owned()],
            bytes: None,
            seen: Vec::new(),
            steps: vec![step.clone()],
        };
        let events = [
            Event::Begun {
                phase: Phase::Quarantine,
                item: Box::new(item),
            },
            Event::Intent { step: step.clone() },
            Event::Done { step: step.clone() },
            Event::Failed {
                step,
                why: "no".to_owned(),
            },
            Event::Finished,
            Event::Undone,
            Event::Left,
        ];
        let mut audit = Audit::in_memory();
        for event in events {
            audit.append(1, "anna", "digest", "item", event).unwrap();
        }
        assert_eq!(
            Audit::parse(&text(&audit)).unwrap().entries(),
            audit.entries()
        );
    }

    #[test]
    fn an_altered_removed_or_moved_line_breaks_it() {
        let text = text(&three());
        let lines: Vec<&str> = text.lines().collect();
        let altered = text.replacen("anna", "emma", 1);
        let removed = format!("{}\n{}\n", lines[0], lines[2]);
        let moved = format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]);
        for wrong in [altered, removed, moved] {
            assert!(matches!(
                Audit::parse(&wrong),
                Err(AuditError::Broken { .. })
            ));
        }
    }

    #[test]
    fn half_a_line_is_no_line_and_is_written_over() {
        let folder = std::env::temp_dir().join(format!("pequod-audit-{}", std::process::id()));
        let path = folder.join("audit.jsonl");
        std::fs::create_dir_all(&folder).unwrap();
        let whole = text(&three());
        std::fs::write(&path, format!("{whole}{{\"number\": 4, \"a")).unwrap();
        let mut audit = Audit::open(&path).unwrap();
        assert!(matches!(Audit::open(&path), Err(AuditError::Busy)));
        audit
            .append(4, "anna", "digest", "item", Event::Undone)
            .unwrap();
        drop(audit);
        assert_eq!(Audit::read(&path).unwrap().entries().len(), 4);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
