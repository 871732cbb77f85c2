//! What is there before the first volume: parents, drivers, classes, nodes; and strays after the
//! last one.

use serde_json::{Value, json};

use crate::{DAY, Driver, GIB, Making, NAS, PLACES, volumes::timestamp};

pub(crate) const PVS: &str = "/api/v1/persistentvolumes";
pub(crate) const PVCS: &str = "/api/v1/persistentvolumeclaims";
pub(crate) const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";
pub(crate) const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshots";
pub(crate) const CONTENTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";
pub(crate) const BACKUPS: &str = "/apis/velero.io/v1/backups";
const CLASSES: &str = "/apis/storage.k8s.io/v1/storageclasses";
const DRIVERS: &str = "/apis/storage.k8s.io/v1/csidrivers";
const NODES: &str = "/api/v1/nodes";

/// When the Velero backups of the worlds ran.
pub(crate) const BACKUP_AGE: i64 = 40 * DAY;

pub(crate) fn furnish(making: &mut Making) {
    let mut paths: Vec<String> = Vec::new();
    for place in &PLACES {
        for parent in [Some(place.parent), place.snapshot_parent]
            .into_iter()
            .flatten()
        {
            let mut path = String::new();
            for part in parent.split('/') {
                path = if path.is_empty() {
                    part.to_owned()
                } else {
                    format!("{path}/{part}")
                };
                paths.push(path.clone());
            }
        }
    }
    paths.sort();
    paths.dedup();
    let created = making.now - 900 * DAY;
    for path in paths {
        making.part(
            "datasets",
            json!({"id": path, "type": "FILESYSTEM", "created": created,
            "used": 1_u64 << 40, "referenced": 98_304, "user_properties": {}}),
        );
    }
    for cluster in 0..making.clusters.len() {
        for number in 1..=3 {
            let node = json!({"metadata": {"name": format!("node-{number}")},
                "status": {"conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": format!("10.{cluster}.0.{number}")}]}});
            making.object(cluster, NODES, node);
            // Every node has an NFSv4 session: what it has mounted, the appliance does not say.
            making.part(
                "nfs4_clients",
                json!({"id": format!("{cluster}{number}"), "states": [],
                    "info": {"address": format!("10.{cluster}.0.{number}:883"), "minor version": 2}}),
            );
        }
        let from = making.now - BACKUP_AGE;
        making.object(cluster, BACKUPS, json!({"metadata": {"name": "nightly"},
            "status": {"startTimestamp": timestamp(from), "completionTimestamp": timestamp(from + 600)}}));
    }
    for place in &PLACES {
        let Some(cluster) = place.cluster else {
            continue;
        };
        making.object(cluster, CLASSES, json!({"metadata": {"name": place.csi_name},
            "provisioner": place.csi_name, "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate",
            "allowVolumeExpansion": true}));
        making.object(
            cluster,
            DRIVERS,
            json!({"metadata": {"name": place.csi_name}}),
        );
        making.clusters[cluster].drivers.push(Driver {
            csi_name: place.csi_name.to_owned(),
            config: config(place),
            exclusive: place.exclusive,
        });
    }
}

fn config(place: &crate::Place) -> Value {
    let mut config = json!({
        "driver": place.kind,
        "httpConnection": {"protocol": "https", "host": NAS, "port": 443, "apiKey": "1-key"},
        "zfs": {"datasetParentName": place.parent, "datasetEnableQuotas": true, "zvolBlocksize": "16K"},
    });
    if let Some(id) = place.instance_id {
        config["instance_id"] = json!(id);
    }
    if let Some(parent) = place.snapshot_parent {
        config["zfs"]["detachedSnapshotsDatasetParentName"] = json!(parent);
    }
    if place.block() {
        config["iscsi"] = json!({"targetPortal": format!("{NAS}:3260"), "namePrefix": place.prefix,
            "nameSuffix": place.suffix, "extentBlocksize": 4096,
            "targetGroups": [{"targetGroupPortalGroup": 1, "targetGroupInitiatorGroup": 1}]});
    } else {
        config["nfs"] = json!({"shareHost": NAS});
    }
    config
}

/// Things of other people on the same appliance, and of other drivers in the clusters.
pub(crate) fn strays(making: &mut Making) {
    let created = making.now - 300 * DAY;
    for name in [
        "tank/blue/iscsi/v/by-hand",
        "tank/blue/nfs/v/Ünïcode ☃",
        "tank/open/v/home",
    ] {
        making.part(
            "datasets",
            json!({"id": name, "type": "FILESYSTEM", "created": created,
            "used": GIB, "referenced": GIB, "user_properties": {}}),
        );
    }
    making.part("datasets", json!({"id": "tank/blue/nfs/v/pvc-tns", "type": "FILESYSTEM",
        "created": created, "used": GIB, "referenced": GIB, "user_properties": {
            "tns-csi:managed_by": "tns-csi", "democratic-csi:managed_resource": "true",
            "democratic-csi:csi_volume_name": "pvc-tns", "democratic-csi:provision_success": "true"}}));
    let (target, extent, share) = (making.id(), making.id(), making.id());
    making.part("targets", json!({"id": target, "name": "vmware-blue7"}));
    making.part(
        "extents",
        json!({"id": extent, "name": "vmware", "dataset": "tank/vm/disk", "enabled": true}),
    );
    making.part(
        "nfs",
        json!({"id": share, "path": "/mnt/tank/media", "comment": "films", "enabled": true}),
    );
    let uid = making.random.uid();
    making.object(0, PVS, json!({"metadata": {"name": "local-1", "uid": uid,
        "creationTimestamp": timestamp(created)}, "spec": {"capacity": {"storage": "10Gi"},
        "persistentVolumeReclaimPolicy": "Delete", "local": {"path": "/disk"}}, "status": {"phase": "Released"}}));
}
