//! What one TrueNAS holds.

use serde::Serialize;

use super::{Gap, Seconds, Text};

/// Prefix of the properties that democratic-csi writes.
pub const DRIVER_PREFIX: &str = "democratic-csi:";
/// Property by which this suite remembers whose volume a dataset is (a kube-system uid).
pub const LEDGER_PROPERTY: &str = "pequod:cluster";
/// Property that marks a dataset as quarantined, with the time it was done.
pub const QUARANTINE_PROPERTY: &str = "pequod:quarantined";
/// Prefix of the properties of another CSI driver for the same appliance.
pub const TNS_PREFIX: &str = "tns-csi:";

/// One appliance.
#[derive(Debug, Clone, Default)]
pub struct Nas {
    /// What the configuration calls it; unique in an inventory.
    pub name: Text,
    /// Release, as (major, minor): (25, 10).
    pub release: (u16, u16),
    /// The pools.
    pub pools: Vec<Pool>,
    /// File systems and zvols below the known parents, and the parents.
    pub datasets: Vec<Dataset>,
    /// Snapshots of those.
    pub snapshots: Vec<Snapshot>,
    /// iSCSI targets.
    pub targets: Vec<Target>,
    /// iSCSI extents.
    pub extents: Vec<Extent>,
    /// Which extent a target shows.
    pub links: Vec<TargetExtent>,
    /// First part of every iqn of this appliance.
    pub iqn_base: Text,
    /// NFS exports.
    pub nfs_shares: Vec<PathShare>,
    /// SMB shares.
    pub smb_shares: Vec<PathShare>,
    /// NVMe-oF subsystems with the zvols of their namespaces.
    pub subsystems: Vec<Subsystem>,
    /// Live iSCSI sessions.
    pub sessions: Vec<Session>,
    /// Paths that NFS clients have mounted.
    pub nfs_clients: Vec<NfsClient>,
    /// Datasets that replication tasks write to.
    pub replication_targets: Vec<Text>,
    /// Periodic snapshot tasks.
    pub snapshot_tasks: Vec<SnapshotTask>,
    /// Services by name: iscsitarget, nfs, cifs, nvmet.
    pub services: Vec<Service>,
    /// Ids of the iSCSI portal groups.
    pub portals: Vec<u64>,
    /// Ids of the iSCSI initiator groups.
    pub initiators: Vec<u64>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// A pool.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pool {
    /// Name.
    pub name: Text,
    /// Number that no other pool has; empty if it was not said.
    pub guid: Text,
    /// ONLINE, DEGRADED, …
    pub status: Text,
    /// Whether the appliance calls it healthy.
    pub healthy: bool,
    /// Bytes used in the root dataset (what a person can use, not raw vdev bytes).
    pub used_bytes: u64,
    /// Bytes available in the root dataset.
    pub available_bytes: u64,
}

/// A file system or a zvol.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Full path: `tank/k8s/v/pvc-1`.
    pub id: Text,
    /// Whether it is a zvol.
    pub zvol: bool,
    /// Where a file system is mounted.
    pub mountpoint: Option<Text>,
    /// Bytes it and its snapshots take.
    pub used_bytes: u64,
    /// Bytes its live data refers to, where asked for.
    pub referenced_bytes: Option<u64>,
    /// Size of a zvol.
    pub volsize_bytes: Option<u64>,
    /// Quota of a file system on its own data; none when unset.
    pub refquota_bytes: Option<u64>,
    /// Snapshot this is a clone of.
    pub origin: Option<Text>,
    /// When it was made; unknown when the answer lacked it.
    pub created: Option<Seconds>,
    /// User properties in which this suite has an interest, sorted by name.
    pub properties: Box<[Property]>,
}

/// One ZFS user property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Name, with its prefix.
    pub name: Text,
    /// Value.
    pub value: Text,
    /// Whether it is the dataset's own.
    pub source: Source,
}

/// Where a property comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Set here.
    Own,
    /// Set on an ancestor.
    Inherited,
    /// The release does not say (25.10 calls everything local).
    Unknown,
}

impl Dataset {
    /// A property by its full name.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties
            .binary_search_by(|property| (*property.name).cmp(name))
            .ok()
            .map(|index| &self.properties[index])
    }

    /// The value of a democratic-csi property that is not known to be inherited.
    pub fn driver(&self, name: &str) -> Option<&Text> {
        self.properties
            .iter()
            .find(|property| property.name.strip_prefix(DRIVER_PREFIX) == Some(name))
            .filter(|property| property.source != Source::Inherited)
            .map(|property| &property.value)
    }

    /// Last part of its path.
    pub fn leaf(&self) -> &str {
        leaf(&self.id)
    }

    /// Path of what contains it; empty for a pool's root.
    pub fn parent(&self) -> &str {
        parent(&self.id)
    }
}

/// Last part of a dataset path.
pub fn leaf(id: &str) -> &str {
    id.rsplit_once('/').map_or(id, |(_, leaf)| leaf)
}

/// Path of what contains a dataset; empty for a pool's root.
pub fn parent(id: &str) -> &str {
    id.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A snapshot.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Dataset it was taken of.
    pub dataset: Text,
    /// Part after the `@`.
    pub name: Text,
    /// When it was made.
    pub created: Option<Seconds>,
    /// Transaction group it was made in.
    pub txg: u64,
    /// Bytes that only it holds.
    pub used_bytes: u64,
    /// Bytes reachable through it.
    pub referenced_bytes: u64,
    /// `democratic-csi:csi_snapshot_name`, unless known to be inherited.
    pub csi_name: Option<Text>,
    /// Number of holds (user references).
    pub holds: u32,
    /// Clones made of it, when the release says; the origins of datasets say it too.
    pub clones: Box<[Text]>,
    /// Destroyed already, waiting for its last clone.
    pub deferred: bool,
}

impl Snapshot {
    /// `dataset@name`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.dataset, self.name)
    }
}

/// An iSCSI target.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Number; the appliance reuses numbers.
    pub id: u64,
    /// Name: the last part of the iqn.
    pub name: Text,
}

/// An iSCSI extent.
#[derive(Debug, Clone, Default)]
pub struct Extent {
    /// Number; the appliance reuses numbers.
    pub id: u64,
    /// Name.
    pub name: Text,
    /// Dataset of the zvol behind it; none for a file extent.
    pub dataset: Option<Text>,
    /// Whether it is shown.
    pub enabled: bool,
}

/// That a target shows an extent.
#[derive(Debug, Clone, Copy, Default)]
pub struct TargetExtent {
    /// Number; the appliance reuses numbers.
    pub id: u64,
    /// Target's number.
    pub target: u64,
    /// Extent's number.
    pub extent: u64,
}

/// An NFS or SMB share.
#[derive(Debug, Clone, Default)]
pub struct PathShare {
    /// Number; the appliance reuses numbers.
    pub id: u64,
    /// Name of an SMB share.
    pub name: Text,
    /// Folder it shows.
    pub path: Text,
    /// Comment.
    pub comment: Text,
    /// Whether it is shown.
    pub enabled: bool,
}

/// An NVMe-oF subsystem.
#[derive(Debug, Clone, Default)]
pub struct Subsystem {
    /// Number; the appliance reuses numbers.
    pub id: u64,
    /// Name.
    pub name: Text,
    /// Its qualified name.
    pub nqn: Text,
    /// Namespaces: number, dataset of the zvol, whether it is shown.
    pub namespaces: Vec<(u64, Text, bool)>,
}

/// A live iSCSI session.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// The initiator's iqn.
    pub initiator: Text,
    /// Target's name, without the iqn base.
    pub target: Text,
}

/// A mount of an NFS export.
#[derive(Debug, Clone, Default)]
pub struct NfsClient {
    /// Address of the client, without a port.
    pub address: Text,
    /// Path it has mounted; none for an NFSv4 client, of which the appliance does not say it.
    pub export: Option<Text>,
}

/// A periodic snapshot task.
#[derive(Debug, Clone, Default)]
pub struct SnapshotTask {
    /// Dataset.
    pub dataset: Text,
    /// Whether it goes down the tree.
    pub recursive: bool,
    /// Whether it runs.
    pub enabled: bool,
}

/// A service of the appliance.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// `iscsitarget`, `nfs`, …
    pub name: Text,
    /// Whether it runs.
    pub running: bool,
    /// Whether it starts with the appliance.
    pub autostart: bool,
}
