//! What one Kubernetes cluster holds.

use super::{Gap, Seconds, Text, driver::Instance};

/// One cluster.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    /// What the kubeconfig calls it; unique in an inventory.
    pub name: Text,
    /// Uid of its kube-system namespace: what it is.
    pub uid: Text,
    /// Persistent volumes, those of other drivers included.
    pub volumes: Vec<Volume>,
    /// Claims.
    pub claims: Vec<Claim>,
    /// Attachments.
    pub attachments: Vec<Attachment>,
    /// Volume snapshots.
    pub snapshots: Vec<VolumeSnapshot>,
    /// Their contents.
    pub contents: Vec<SnapshotContent>,
    /// Storage classes.
    pub classes: Vec<StorageClass>,
    /// Snapshot classes.
    pub snapshot_classes: Vec<SnapshotClass>,
    /// Names of the nodes, and the CSI drivers each has registered.
    pub nodes: Vec<Node>,
    /// Pods with claims.
    pub pods: Vec<Pod>,
    /// Names that backups still refer to: snapshot handles, contents, uids (Velero and others).
    pub backup_references: Vec<Text>,
    /// When backups that still exist were taken. Velero 1.15 and later delete the content object
    /// and keep the snapshot, and say only in their object store which one.
    pub backups: Vec<BackupWindow>,
    /// The democratic-csi installations found in it.
    pub instances: Vec<Instance>,
    /// CSIDriver objects.
    pub csi_drivers: Vec<Text>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// A PersistentVolume.
#[derive(Debug, Clone, Default)]
pub struct Volume {
    /// Name.
    pub name: Text,
    /// Uid.
    pub uid: Text,
    /// Available, Bound, Released, Failed.
    pub phase: Text,
    /// When it came into that phase.
    pub phase_since: Option<Seconds>,
    /// Retain or Delete.
    pub reclaim: Text,
    /// Storage class.
    pub class: Text,
    /// Asked for.
    pub capacity_bytes: u64,
    /// Claim: namespace, name, uid.
    pub claim: Option<(Text, Text, Text)>,
    /// CSI driver; empty for other kinds of volumes.
    pub driver: Text,
    /// CSI handle.
    pub handle: Text,
    /// `iqn` of the volume attributes, or of a plain iSCSI volume.
    pub iqn: Option<Text>,
    /// `nqn` of the volume attributes.
    pub nqn: Option<Text>,
    /// `share` of the volume attributes, or the path of a plain NFS volume.
    pub share: Option<Text>,
    /// `provisioner_driver_instance_id` of the volume attributes.
    pub instance_id: Option<Text>,
    /// When it was made.
    pub created: Option<Seconds>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// A PersistentVolumeClaim.
#[derive(Debug, Clone, Default)]
pub struct Claim {
    /// Namespace.
    pub namespace: Text,
    /// Name.
    pub name: Text,
    /// Uid.
    pub uid: Text,
    /// Pending, Bound, Lost.
    pub phase: Text,
    /// Volume it is bound to, or empty.
    pub volume: Text,
    /// Storage class.
    pub class: Text,
    /// Asked for.
    pub requested_bytes: u64,
    /// When it was made.
    pub created: Option<Seconds>,
}

/// A VolumeAttachment.
#[derive(Debug, Clone, Default)]
pub struct Attachment {
    /// Name.
    pub name: Text,
    /// CSI driver.
    pub driver: Text,
    /// Node.
    pub node: Text,
    /// Volume; empty for an inline one.
    pub volume: Text,
    /// Whether it is done.
    pub attached: bool,
    /// Last error, or empty.
    pub error: Text,
    /// When it was made.
    pub created: Option<Seconds>,
}

/// A VolumeSnapshot.
#[derive(Debug, Clone, Default)]
pub struct VolumeSnapshot {
    /// Namespace.
    pub namespace: Text,
    /// Name.
    pub name: Text,
    /// Uid.
    pub uid: Text,
    /// Claim it was taken of, or empty.
    pub claim: Text,
    /// Content it is bound to, or empty.
    pub content: Text,
    /// Whether it is ready.
    pub ready: bool,
    /// Last error, or empty.
    pub error: Text,
    /// When it was made.
    pub created: Option<Seconds>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// A VolumeSnapshotContent.
#[derive(Debug, Clone, Default)]
pub struct SnapshotContent {
    /// Name.
    pub name: Text,
    /// Uid.
    pub uid: Text,
    /// CSI driver.
    pub driver: Text,
    /// Retain or Delete.
    pub policy: Text,
    /// Handle of the snapshot: of the status, or of a pre-provisioned source.
    pub handle: Text,
    /// Handle of the volume it was taken of, or empty.
    pub volume_handle: Text,
    /// VolumeSnapshot: namespace, name, uid.
    pub snapshot: (Text, Text, Text),
    /// Whether it is ready.
    pub ready: bool,
    /// Last error, or empty.
    pub error: Text,
    /// When it was made.
    pub created: Option<Seconds>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// A StorageClass.
#[derive(Debug, Clone, Default)]
pub struct StorageClass {
    /// Name.
    pub name: Text,
    /// CSI driver.
    pub provisioner: Text,
    /// Retain or Delete.
    pub reclaim: Text,
    /// Whether volumes may grow.
    pub expandable: bool,
    /// `csi.storage.k8s.io/fstype`, or empty.
    pub fs_type: Text,
    /// Immediate or WaitForFirstConsumer.
    pub binding: Text,
}

/// A VolumeSnapshotClass.
#[derive(Debug, Clone, Default)]
pub struct SnapshotClass {
    /// Name.
    pub name: Text,
    /// CSI driver.
    pub driver: Text,
    /// Retain or Delete.
    pub policy: Text,
    /// Whether it is the driver's default.
    pub default: bool,
}

/// A Node.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// Name.
    pub name: Text,
    /// Whether its kubelet reports ready.
    pub ready: bool,
    /// CSI drivers that its CSINode lists.
    pub drivers: Vec<Text>,
    /// Its addresses, as an appliance sees them.
    pub addresses: Vec<Text>,
}

/// A Pod that uses claims.
#[derive(Debug, Clone, Default)]
pub struct Pod {
    /// Namespace.
    pub namespace: Text,
    /// Name.
    pub name: Text,
    /// Node, or empty.
    pub node: Text,
    /// Pending, Running, …
    pub phase: Text,
    /// Claims, by name.
    pub claims: Vec<Text>,
}

/// When a backup ran.
#[derive(Debug, Clone, Default)]
pub struct BackupWindow {
    /// Name.
    pub name: Text,
    /// Start.
    pub from: Seconds,
    /// End; none while it runs.
    pub to: Option<Seconds>,
}
