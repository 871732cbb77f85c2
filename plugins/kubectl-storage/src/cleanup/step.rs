//! One change on an appliance: what it expects to find, the one call it makes, and how it is told
//! that it happened.
//!
//! Numbers of rows are used again by the appliance, so a row is never recognised by its number
//! alone: [`Row`] carries what else it must say.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{
    Seconds,
    nas::{LEDGER_PROPERTY, QUARANTINE_PROPERTY},
};

/// A table of the appliance with numbered rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Table {
    /// iSCSI associations of target and extent.
    Association,
    /// iSCSI targets.
    Target,
    /// iSCSI extents.
    Extent,
    /// NFS exports.
    NfsShare,
    /// SMB shares.
    SmbShare,
    /// NVMe-oF namespaces.
    Namespace,
    /// NVMe-oF subsystems.
    Subsystem,
}

impl Table {
    /// Prefix of its methods.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Association => "iscsi.targetextent",
            Self::Target => "iscsi.target",
            Self::Extent => "iscsi.extent",
            Self::NfsShare => "sharing.nfs",
            Self::SmbShare => "sharing.smb",
            Self::Namespace => "nvmet.namespace",
            Self::Subsystem => "nvmet.subsys",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Association => "association",
            Self::Target => "target",
            Self::Extent => "extent",
            Self::NfsShare => "NFS export",
            Self::SmbShare => "SMB share",
            Self::Namespace => "NVMe namespace",
            Self::Subsystem => "NVMe subsystem",
        }
    }
}

/// A row that is recognised by its number *and* by what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row {
    /// Number.
    pub id: u64,
    /// Fields that must be as they were seen.
    pub says: BTreeMap<String, Field>,
}

/// A field's value: text or a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// A number.
    Number(u64),
    /// Text.
    Text(String),
}

impl Field {
    fn is(&self, value: &Value) -> bool {
        match self {
            // A reference may come as the number or as the row it leads to.
            Self::Number(number) => {
                value.as_u64() == Some(*number)
                    || value.get("id").and_then(Value::as_u64) == Some(*number)
            }
            Self::Text(text) => value.as_str() == Some(text),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Row {
    /// A row by its number and texts.
    pub fn new(id: u64, says: &[(&str, &str)]) -> Self {
        let says = says
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Field::Text((*value).to_owned())))
            .collect();
        Self { id, says }
    }

    /// With a reference to another row.
    #[must_use]
    pub fn with(mut self, name: &str, number: u64) -> Self {
        self.says.insert(name.to_owned(), Field::Number(number));
        self
    }

    /// Whether the appliance's row is the one that was seen.
    pub fn is(&self, row: &Value) -> bool {
        self.says
            .iter()
            .all(|(name, wanted)| row.get(name).is_some_and(|value| wanted.is(value)))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        let mut first = true;
        for (name, value) in &self.says {
            write!(f, "{}{name} {value}", if first { " (" } else { ", " })?;
            first = false;
        }
        if first { Ok(()) } else { f.write_str(")") }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Step {
    /// Stops showing an extent, a share or a namespace.
    Disable {
        /// Where.
        table: Table,
        /// Which.
        row: Row,
    },
    /// Shows it again.
    Enable {
        /// Where.
        table: Table,
        /// Which.
        row: Row,
    },
    /// Takes the snapshot that keeps what is there.
    TakeSnapshot {
        /// Of what.
        dataset: String,
        /// Its name.
        name: String,
    },
    /// Removes that snapshot.
    DropSnapshot {
        /// Of what.
        dataset: String,
        /// Its name.
        name: String,
    },
    /// Holds it, so that nobody removes it by accident.
    Hold {
        /// Of what.
        dataset: String,
        /// Its name.
        name: String,
    },
    /// Lets go of it.
    Release {
        /// Of what.
        dataset: String,
        /// Its name.
        name: String,
    },
    /// Writes on the dataset since when it is quarantined.
    Mark {
        /// Which.
        dataset: String,
        /// The time.
        value: String,
    },
    /// Removes that mark.
    Unmark {
        /// Which.
        dataset: String,
        /// The time it said.
        value: String,
    },
    /// Writes on the dataset which cluster's it is.
    Claim {
        /// Which.
        dataset: String,
        /// When it was made.
        created: Option<Seconds>,
        /// Uid of the cluster.
        cluster: String,
    },
    /// Removes that again.
    Disclaim {
        /// Which.
        dataset: String,
        /// When it was made.
        created: Option<Seconds>,
        /// Uid of the cluster.
        cluster: String,
    },
    /// Removes a row.
    Remove {
        /// Where.
        table: Table,
        /// Which.
        row: Row,
    },
    /// Destroys a snapshot.
    DestroySnapshot {
        /// Of what.
        dataset: String,
        /// Its name.
        name: String,
        /// When it was made.
        created: Option<Seconds>,
    },
    /// Destroys a dataset that has neither snapshots nor children any more.
    DestroyDataset {
        /// Which.
        dataset: String,
        /// When it was made.
        created: Option<Seconds>,
        /// Bytes its live data referred to when it was planned.
        referenced_bytes: Option<u64>,
    },
}

/// What there is on the appliance of what a step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum There {
    /// It is as it was seen: the step is still to be done.
    Before,
    /// It is as the step leaves it.
    After,
    /// It is something else: nothing may be done.
    Moved(String),
}

impl Step {
    /// What undoes it; none for what removes something.
    pub fn inverse(&self) -> Option<Self> {
        Some(match self.clone() {
            Self::Disable { table, row } => Self::Enable { table, row },
            Self::TakeSnapshot { dataset, name } => Self::DropSnapshot { dataset, name },
            Self::Hold { dataset, name } => Self::Release { dataset, name },
            Self::Mark { dataset, value } => Self::Unmark { dataset, value },
            Self::Claim {
                dataset,
                created,
                cluster,
            } => Self::Disclaim {
                dataset,
                created,
                cluster,
            },
            _ => return None,
        })
    }

    /// Whether something is gone for good afterwards.
    pub fn removes(&self) -> bool {
        matches!(
            self,
            Self::Remove { .. } | Self::DestroySnapshot { .. } | Self::DestroyDataset { .. }
        )
    }

    /// The method and its parameters, for a release.
    pub fn call(&self, release: (u16, u16)) -> (String, Vec<Value>) {
        let snapshots = if release >= (25, 10) {
            "pool.snapshot"
        } else {
            "zfs.snapshot"
        };
        match self {
            Self::Disable { table, row } => (
                format!("{}.update", table.namespace()),
                vec![json!(row.id), json!({"enabled": false})],
            ),
            Self::Enable { table, row } => (
                format!("{}.update", table.namespace()),
                vec![json!(row.id), json!({"enabled": true})],
            ),
            Self::TakeSnapshot { dataset, name } => (
                format!("{snapshots}.create"),
                vec![json!({"dataset": dataset, "name": name})],
            ),
            Self::DropSnapshot { dataset, name } | Self::DestroySnapshot { dataset, name, .. } => (
                format!("{snapshots}.delete"),
                vec![json!(format!("{dataset}@{name}"))],
            ),
            Self::Hold { dataset, name } => (
                format!("{snapshots}.hold"),
                vec![json!(format!("{dataset}@{name}"))],
            ),
            Self::Release { dataset, name } => (
                format!("{snapshots}.release"),
                vec![json!(format!("{dataset}@{name}"))],
            ),
            Self::Mark { dataset, value } => property(dataset, QUARANTINE_PROPERTY, Some(value)),
            Self::Unmark { dataset, .. } => property(dataset, QUARANTINE_PROPERTY, None),
            Self::Claim {
                dataset, cluster, ..
            } => property(dataset, LEDGER_PROPERTY, Some(cluster)),
            Self::Disclaim { dataset, .. } => property(dataset, LEDGER_PROPERTY, None),
            Self::Remove { table, row } => {
                (format!("{}.delete", table.namespace()), vec![json!(row.id)])
            }
            Self::DestroyDataset { dataset, .. } => {
                ("pool.dataset.delete".to_owned(), vec![json!(dataset)])
            }
        }
    }
}

/// The call that sets a property of a dataset, or clears it.
fn property(dataset: &str, name: &str, value: Option<&str>) -> (String, Vec<Value>) {
    let update = match value {
        Some(value) => json!({"key": name, "value": value}),
        None => json!({"key": name, "remove": true}),
    };
    (
        "pool.dataset.update".to_owned(),
        vec![json!(dataset), json!({"user_properties_update": [update]})],
    )
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disable { table, row } => write!(f, "disable {} {row}", table.words()),
            Self::Enable { table, row } => write!(f, "enable {} {row}", table.words()),
            Self::TakeSnapshot { dataset, name } => write!(f, "take snapshot {dataset}@{name}"),
            Self::DropSnapshot { dataset, name } => {
                write!(f, "remove quarantine snapshot {dataset}@{name}")
            }
            Self::Hold { dataset, name } => write!(f, "hold {dataset}@{name}"),
            Self::Release { dataset, name } => write!(f, "release {dataset}@{name}"),
            Self::Mark { dataset, value } => {
                write!(f, "set {QUARANTINE_PROPERTY}={value} on {dataset}")
            }
            Self::Unmark { dataset, .. } => write!(f, "clear {QUARANTINE_PROPERTY} on {dataset}"),
            Self::Claim {
                dataset, cluster, ..
            } => write!(f, "set {LEDGER_PROPERTY}={cluster} on {dataset}"),
            Self::Disclaim { dataset, .. } => write!(f, "clear {LEDGER_PROPERTY} on {dataset}"),
            Self::Remove { table, row } => write!(f, "remove {} {row}", table.words()),
            Self::DestroySnapshot { dataset, name, .. } => {
                write!(f, "destroy snapshot {dataset}@{name}")
            }
            Self::DestroyDataset { dataset, .. } => write!(f, "destroy {dataset}"),
        }
    }
}
