//! Rows out of Kubernetes lists.
//!
//! Only the fields that the matcher needs are read; everything else is skipped while parsing, so
//! that a page of a list is never held as a document.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use crate::model::{
    Seconds, Text,
    cluster::{
        Attachment, BackupWindow, Claim, Cluster, Node, Pod, SnapshotClass, SnapshotContent,
        StorageClass, Volume, VolumeSnapshot,
    },
};

/// A list that the matcher reads: resource path and whether a cluster may lack it.
pub struct List {
    /// Path below the API server's root.
    pub path: &'static str,
    /// Optional ones (a CRD that need not be installed) are no gap when they answer 404.
    pub optional: bool,
    add: fn(&mut Cluster, &[u8]) -> Result<Page, serde_json::Error>,
}

/// What is left to read of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// Token of the next page.
    pub next: Option<String>,
}

macro_rules! lists {
    ($($path:literal $optional:literal $row:ident => $add:expr;)+) => {
        /// Every list, in the order in which they are read: claims before volumes, so that a
        /// volume made in between is seen with its claim.
        pub const LISTS: &[List] = &[$(List {
            path: $path,
            optional: $optional,
            add: |cluster, json| {
                let list: Items<$row> = serde_json::from_slice(json)?;
                let add: fn(&mut Cluster, $row) = $add;
                for row in list.items {
                    add(cluster, row);
                }
                Ok(Page { next: list.metadata.next.filter(|token| !token.is_empty()) })
            },
        },)+];
    };
}

lists! {
    "/api/v1/persistentvolumeclaims" false Object => |cluster, row| cluster.claims.push(claim(row));
    "/api/v1/persistentvolumes" false Object => |cluster, row| cluster.volumes.push(volume(row));
    "/apis/storage.k8s.io/v1/volumeattachments" false Object => |cluster, row| cluster.attachments.push(attachment(row));
    "/apis/snapshot.storage.k8s.io/v1/volumesnapshots" true Object => |cluster, row| cluster.snapshots.push(snapshot(row));
    "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents" true Object => |cluster, row| cluster.contents.push(content(row));
    "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses" true Object => |cluster, row| cluster.snapshot_classes.push(snapshot_class(row));
    "/apis/storage.k8s.io/v1/storageclasses" false Object => |cluster, row| cluster.classes.push(class(row));
    "/apis/storage.k8s.io/v1/csidrivers" false Object => |cluster, row| cluster.csi_drivers.push(row.metadata.name);
    "/api/v1/nodes" false Object => |cluster, row| cluster.nodes.push(node(&row));
    "/apis/storage.k8s.io/v1/csinodes" false Object => csi_node;
    "/api/v1/pods" false Object => |cluster, row| cluster.pods.extend(pod(row));
    "/apis/velero.io/v1/backups" true Object => |cluster, row| cluster.backups.extend(backup(row));
    "/apis/velero.io/v2alpha1/datauploads" true Object => |cluster, row| cluster.backup_references.extend(data_upload(row));
}

impl List {
    /// Adds a page to a cluster.
    pub fn add(&self, cluster: &mut Cluster, json: &[u8]) -> Result<Page, serde_json::Error> {
        (self.add)(cluster, json)
    }

    /// What a gap calls it: `persistentvolumes`.
    pub fn name(&self) -> &'static str {
        self.path
            .rsplit_once('/')
            .map_or(self.path, |(_, name)| name)
    }
}

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
    #[serde(default)]
    metadata: ListMeta,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ListMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// Every field of every kind that matters: kinds share most of their names, and a field that a
/// kind lacks stays empty.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Object {
    metadata: Meta,
    spec: Spec,
    status: Status,
    provisioner: Text,
    reclaim_policy: Text,
    allow_volume_expansion: bool,
    parameters: BTreeMap<String, String>,
    volume_binding_mode: Text,
    driver: Text,
    deletion_policy: Text,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: Text,
    namespace: Text,
    uid: Text,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<IgnoredAny>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    capacity: BTreeMap<String, String>,
    persistent_volume_reclaim_policy: Text,
    storage_class_name: Text,
    claim_ref: Option<Reference>,
    csi: Option<Csi>,
    nfs: Option<PlainNfs>,
    iscsi: Option<PlainIscsi>,
    volume_name: Text,
    resources: Resources,
    attacher: Text,
    node_name: Text,
    source: ObjectSource,
    deletion_policy: Text,
    driver: Text,
    volume_snapshot_ref: Option<Reference>,
    drivers: Vec<Reference>,
    volumes: Vec<PodVolume>,
    csi_snapshot: Option<CsiSnapshot>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    phase: Text,
    last_phase_transition_time: Option<String>,
    attached: bool,
    attach_error: Option<Message>,
    error: Option<Message>,
    ready_to_use: bool,
    bound_volume_snapshot_content_name: Text,
    snapshot_handle: Text,
    conditions: Vec<Condition>,
    addresses: Vec<NodeAddress>,
    start_timestamp: Option<String>,
    completion_timestamp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference {
    namespace: Text,
    name: Text,
    uid: Text,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Csi {
    driver: Text,
    volume_handle: Text,
    volume_attributes: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PlainNfs {
    path: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PlainIscsi {
    iqn: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resources {
    requests: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ObjectSource {
    persistent_volume_name: Text,
    persistent_volume_claim_name: Text,
    volume_handle: Text,
    snapshot_handle: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Message {
    message: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    kind: Text,
    status: Text,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeAddress {
    address: Text,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct PodVolume {
    persistent_volume_claim: Option<ClaimSource>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct ClaimSource {
    claim_name: Text,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct CsiSnapshot {
    volume_snapshot: Text,
}

fn seconds(text: Option<&String>) -> Option<Seconds> {
    text.and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .map(jiff::Timestamp::as_second)
}

fn own(text: Option<&String>) -> Option<Text> {
    text.filter(|text| !text.is_empty())
        .map(|text| Text::from(&**text))
}

fn volume(row: Object) -> Volume {
    let csi = row.spec.csi.unwrap_or_default();
    let attributes = &csi.volume_attributes;
    let iqn = own(attributes.get("iqn")).or_else(|| row.spec.iscsi.map(|plain| plain.iqn));
    let share = own(attributes.get("share")).or_else(|| row.spec.nfs.map(|plain| plain.path));
    Volume {
        created: seconds(row.metadata.creation_timestamp.as_ref()),
        deleting: row.metadata.deletion_timestamp.is_some(),
        name: row.metadata.name,
        uid: row.metadata.uid,
        phase: row.status.phase,
        phase_since: seconds(row.status.last_phase_transition_time.as_ref()),
        reclaim: row.spec.persistent_volume_reclaim_policy,
        class: row.spec.storage_class_name,
        capacity_bytes: row
            .spec
            .capacity
            .get("storage")
            .and_then(|text| quantity(text))
            .unwrap_or(0),
        claim: row
            .spec
            .claim_ref
            .map(|claim| (claim.namespace, claim.name, claim.uid)),
        iqn,
        nqn: own(attributes.get("nqn")),
        share,
        instance_id: own(attributes.get("provisioner_driver_instance_id")),
        driver: csi.driver,
        handle: csi.volume_handle,
    }
}

fn claim(row: Object) -> Claim {
    Claim {
        created: seconds(row.metadata.creation_timestamp.as_ref()),
        namespace: row.metadata.namespace,
        name: row.metadata.name,
        uid: row.metadata.uid,
        phase: row.status.phase,
        volume: row.spec.volume_name,
        class: row.spec.storage_class_name,
        requested_bytes: row
            .spec
            .resources
            .requests
            .get("storage")
            .and_then(|text| quantity(text))
            .unwrap_or(0),
    }
}

fn attachment(row: Object) -> Attachment {
    Attachment {
        created: seconds(row.metadata.creation_timestamp.as_ref()),
        name: row.metadata.name,
        driver: row.spec.attacher,
        node: row.spec.node_name,
        volume: row.spec.source.persistent_volume_name,
        attached: row.status.attached,
        error: row.status.attach_error.unwrap_or_default().message,
    }
}

fn snapshot(row: Object) -> VolumeSnapshot {
    VolumeSnapshot {
        created: seconds(row.metadata.creation_timestamp.as_ref()),
        deleting: row.metadata.deletion_timestamp.is_some(),
        namespace: row.metadata.namespace,
        name: row.metadata.name,
        uid: row.metadata.uid,
        claim: row.spec.source.persistent_volume_claim_name,
        content: row.status.bound_volume_snapshot_content_name,
        ready: row.status.ready_to_use,
        error: row.status.error.unwrap_or_default().message,
    }
}

fn content(row: Object) -> SnapshotContent {
    let snapshot = row.spec.volume_snapshot_ref.unwrap_or_default();
    let handle = if row.status.snapshot_handle.is_empty() {
        row.spec.source.snapshot_handle
    } else {
        row.status.snapshot_handle
    };
    SnapshotContent {
        created: seconds(row.metadata.creation_timestamp.as_ref()),
        deleting: row.metadata.deletion_timestamp.is_some(),
        name: row.metadata.name,
        uid: row.metadata.uid,
        driver: row.spec.driver,
        policy: row.spec.deletion_policy,
        handle,
        volume_handle: row.spec.source.volume_handle,
        snapshot: (snapshot.namespace, snapshot.name, snapshot.uid),
        ready: row.status.ready_to_use,
        error: row.status.error.unwrap_or_default().message,
    }
}

fn class(row: Object) -> StorageClass {
    StorageClass {
        name: row.metadata.name,
        provisioner: row.provisioner,
        reclaim: row.reclaim_policy,
        expandable: row.allow_volume_expansion,
        fs_type: own(row.parameters.get("csi.storage.k8s.io/fstype")).unwrap_or_default(),
        binding: row.volume_binding_mode,
    }
}

fn snapshot_class(row: Object) -> SnapshotClass {
    let default = row
        .metadata
        .annotations
        .get("snapshot.storage.kubernetes.io/is-default-class")
        .is_some_and(|value| value == "true");
    SnapshotClass {
        name: row.metadata.name,
        driver: row.driver,
        policy: row.deletion_policy,
        default,
    }
}

fn node(row: &Object) -> Node {
    let ready = row
        .status
        .conditions
        .iter()
        .any(|known| &*known.kind == "Ready" && &*known.status == "True");
    Node {
        name: Text::clone(&row.metadata.name),
        ready,
        drivers: Vec::new(),
        addresses: row
            .status
            .addresses
            .iter()
            .map(|known| Text::clone(&known.address))
            .collect(),
    }
}

fn csi_node(cluster: &mut Cluster, row: Object) {
    let node = cluster
        .nodes
        .iter_mut()
        .find(|node| node.name == row.metadata.name);
    if let Some(node) = node {
        node.drivers
            .extend(row.spec.drivers.into_iter().map(|driver| driver.name));
    }
}

fn pod(row: Object) -> Option<Pod> {
    let claims: Vec<_> = row
        .spec
        .volumes
        .into_iter()
        .filter_map(|volume| volume.persistent_volume_claim)
        .map(|claim| claim.claim_name)
        .collect();
    (!claims.is_empty()).then_some(Pod {
        namespace: row.metadata.namespace,
        name: row.metadata.name,
        node: row.spec.node_name,
        phase: row.status.phase,
        claims,
    })
}

fn backup(row: Object) -> Option<BackupWindow> {
    let from = seconds(row.status.start_timestamp.as_ref())
        .or_else(|| seconds(row.metadata.creation_timestamp.as_ref()))?;
    Some(BackupWindow {
        name: row.metadata.name,
        from,
        to: seconds(row.status.completion_timestamp.as_ref()),
    })
}

fn data_upload(row: Object) -> Option<Text> {
    row.spec
        .csi_snapshot
        .map(|snapshot| snapshot.volume_snapshot)
}

/// A Kubernetes quantity in bytes, rounded up.
pub fn quantity(text: &str) -> Option<u64> {
    let split = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor: u128 = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    u64::try_from(digits.checked_mul(factor)?.div_ceil(scale)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_in_bytes() {
        assert_eq!(quantity("10Gi"), Some(10 << 30));
        assert_eq!(quantity("1.5Gi"), Some(3 << 29));
        assert_eq!(quantity("1073741824"), Some(1 << 30));
        assert_eq!(quantity("5M"), Some(5_000_000));
        assert_eq!(quantity("lots"), None);
    }

    #[test]
    fn a_volume_gives_its_keys() {
        let json = br#"{"metadata":{"continue":"next"},"items":[{"metadata":{"name":"pvc-1","uid":"u",
            "creationTimestamp":"2024-01-01T00:00:00Z"},"spec":{"capacity":{"storage":"1Gi"},
            "persistentVolumeReclaimPolicy":"Delete","csi":{"driver":"org.democratic-csi.iscsi",
            "volumeHandle":"pvc-1","volumeAttributes":{"iqn":"iqn.2005-10.org.freenas.ctl:csi-pvc-1"}}},
            "status":{"phase":"Bound"}}]}"#;
        let mut cluster = Cluster::default();
        let list = LISTS
            .iter()
            .find(|list| list.name() == "persistentvolumes")
            .unwrap();
        assert_eq!(
            list.add(&mut cluster, json).unwrap().next.as_deref(),
            Some("next")
        );
        let volume = &cluster.volumes[0];
        assert_eq!(&*volume.handle, "pvc-1");
        assert_eq!(
            volume.iqn.as_deref(),
            Some("iqn.2005-10.org.freenas.ctl:csi-pvc-1")
        );
        assert_eq!(
            (volume.capacity_bytes, volume.created),
            (1 << 30, Some(1_704_067_200))
        );
    }

    #[test]
    fn a_list_that_breaks_off_is_an_error() {
        let list = &LISTS[0];
        assert!(
            list.add(&mut Cluster::default(), br#"{"items":[{"metadata":{"#)
                .is_err()
        );
    }
}
