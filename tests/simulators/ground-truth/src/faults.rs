//! What can be wrong, and what only looks wrong.

use serde_json::json;

use crate::{
    DAY, GIB, Making, NAS, PLACES, Volume,
    clusters::{ATTACHMENTS, BACKUP_AGE, PVS, SNAPSHOTS},
    volumes::{Step, timestamp},
};

/// Every class of fault, sorted.
#[cfg(test)]
pub(crate) const CLASSES: [&str; 17] = [
    "attachment-node",
    "attachment-volume",
    "claim-lost",
    "detached-orphan",
    "extent-orphan",
    "leaked-helper",
    "partial-provision",
    "released-stuck",
    "share-missing",
    "share-orphan",
    "size-mismatch",
    "snapshot-missing",
    "snapshot-orphan",
    "snapshot-unbound",
    "target-orphan",
    "volume-missing",
    "volume-orphan",
];

/// Breaks a volume in one way. Where nothing can be proven, nothing is written into the truth.
pub(crate) fn broken(making: &mut Making, volume: &Volume) {
    let place = &PLACES[volume.place];
    let Some(cluster) = place.cluster else {
        // A cluster that nobody sees: whatever is broken in it cannot be known.
        making.on_nas(volume, Step::Success);
        return;
    };
    let site = making.cluster_name(cluster);
    match making.random.below(17) {
        0 | 1 => {
            making.on_nas(volume, Step::Success);
            if place.provable {
                making.wrong("volume-orphan", NAS, &*volume.dataset);
            }
        }
        2 | 3 => {
            let step = Step::PARTIAL[usize::try_from(making.random.below(8)).unwrap_or_default()];
            making.on_nas(volume, step);
            let marked = place.instance_id.is_some() || place.exclusive || step >= Step::Extent;
            if place.provable && marked {
                making.wrong("partial-provision", NAS, &*volume.dataset);
            }
        }
        4 => orphaned_assets(making, volume),
        5 => {
            making.whole(volume);
            orphaned_snapshot(making, volume);
        }
        6 => {
            making.whole(volume);
            let created = volume.created + DAY;
            let gone = making.random.uid();
            let name = format!("volume-source-for-volume-pvc-{gone}");
            making.nas_snapshot(volume, &name, created, &[], &json!([]), false);
            making.wrong("leaked-helper", NAS, format!("{}@{name}", volume.dataset));
        }
        7 => {
            // The dataset is gone; target and extent may have been left.
            if place.block() && making.random.per_mille(500) {
                let target = making.target(&place.asset(&volume.name));
                let extent = making.extent(&place.asset(&volume.name), &volume.dataset);
                making.link(target, extent);
            }
            making.volume_object(volume, "Bound", "Delete");
            making.claim_object(volume, "Bound");
            making.wrong("volume-missing", &site, &*volume.name);
        }
        8 => {
            let step = if place.block() {
                Step::ExtentRecorded
            } else {
                Step::Dataset
            };
            making.on_nas(volume, step);
            making.volume_object(volume, "Bound", "Delete");
            making.claim_object(volume, "Bound");
            making.wrong("share-missing", &site, &*volume.name);
        }
        9 => {
            let grown = Volume {
                bytes: volume.bytes + GIB,
                ..volume.clone()
            };
            making.on_nas(volume, Step::Success);
            making.volume_object(&grown, "Bound", "Delete");
            making.claim_object(&grown, "Bound");
            making.wrong("size-mismatch", &site, &*volume.name);
        }
        10 => {
            making.whole(volume);
            let uid = making.random.uid();
            let handle = format!("{}@snapshot-{uid}", volume.name);
            making.content(volume, &uid, volume.created + DAY, &handle);
            making.wrong("snapshot-missing", &site, format!("snapcontent-{uid}"));
        }
        11 => {
            making.on_nas(volume, Step::Success);
            making.volume_object(volume, "Bound", "Delete");
            making.claim_object(volume, "Bound");
            making.attachment(volume, "node-gone");
            making.wrong("attachment-node", &site, format!("csi-{}", volume.uid));
        }
        12 => {
            making.whole(volume);
            let name = format!("csi-stray-{}", volume.uid);
            let object = json!({"metadata": {"name": name, "creationTimestamp": timestamp(volume.created)},
                "spec": {"attacher": place.csi_name, "nodeName": "node-2",
                    "source": {"persistentVolumeName": format!("pvc-{}", making.random.uid())}},
                "status": {"attached": true}});
            making.object(cluster, ATTACHMENTS, object);
            making.wrong("attachment-volume", &site, name);
        }
        13 => {
            making.on_nas(volume, Step::Success);
            making.volume_object(volume, "Released", "Delete");
            making.wrong("released-stuck", &site, &*volume.name);
        }
        14 => {
            making.claim_object(volume, "Lost");
            making.wrong("claim-lost", &site, format!("apps/{}", volume.name));
        }
        15 => {
            making.whole(volume);
            let uid = making.random.uid();
            let object = json!({"metadata": {"namespace": "apps", "name": uid, "uid": uid,
                    "creationTimestamp": timestamp(volume.created)},
                "spec": {"source": {"persistentVolumeClaimName": volume.name}},
                "status": {"boundVolumeSnapshotContentName": format!("snapcontent-{uid}"), "readyToUse": true}});
            making.object(cluster, SNAPSHOTS, object);
            making.wrong("snapshot-unbound", &site, format!("apps/{uid}"));
        }
        _ => {
            making.whole(volume);
            detached(making, volume, false);
        }
    }
}

/// Target, extent and share of a volume of which nothing else is left.
fn orphaned_assets(making: &mut Making, volume: &Volume) {
    let place = &PLACES[volume.place];
    if !place.block() {
        making.nfs_share(volume);
        if place.exclusive {
            making.wrong("share-orphan", NAS, format!("/mnt/{}", volume.dataset));
        }
        return;
    }
    let name = place.asset(&volume.name);
    let target = making.target(&name);
    let bare = making.random.per_mille(400);
    if !bare {
        let extent = making.extent(&name, &volume.dataset);
        making.link(target, extent);
    }
    // Only a suffix that somebody chose says whose a target is once its volume is gone.
    if place.suffix == "-blue7" {
        making.wrong(
            if bare {
                "target-orphan"
            } else {
                "extent-orphan"
            },
            NAS,
            name,
        );
    }
}

fn orphaned_snapshot(making: &mut Making, volume: &Volume) {
    let uid = making.random.uid();
    let created = (volume.created + DAY).max(making.now - 30 * DAY);
    making.csi_snapshot(volume, &uid, created);
    if making.now - created > DAY {
        making.wrong(
            "snapshot-orphan",
            NAS,
            format!("{}@snapshot-{uid}", volume.dataset),
        );
    }
}

/// A detached snapshot, with its content or without.
fn detached(making: &mut Making, volume: &Volume, bound: bool) {
    let place = &PLACES[volume.place];
    let Some(parent) = place.snapshot_parent else {
        return;
    };
    let uid = making.random.uid();
    let container = format!("{parent}/{}", volume.name);
    let created = making.now - 20 * DAY;
    making.part("datasets", json!({"id": container, "type": "FILESYSTEM", "created": created,
        "used": GIB, "referenced": 98_304, "user_properties": {"democratic-csi:managed_resource": "true"}}));
    let dataset = format!("{container}/snapshot-{uid}");
    let mut object = json!({"id": dataset, "created": created, "used": GIB, "referenced": GIB,
        "type": if place.block() { "VOLUME" } else { "FILESYSTEM" }, "user_properties": {
            "democratic-csi:managed_resource": "true",
            "democratic-csi:csi_snapshot_name": format!("snapshot-{uid}"),
            "democratic-csi:csi_snapshot_source_volume_id": volume.name}});
    if place.block() {
        object["volsize"] = json!(volume.bytes);
    }
    making.part("datasets", object);
    if bound {
        making.content(
            volume,
            &uid,
            created,
            &format!("{}/snapshot-{uid}", volume.name),
        );
    } else if place.exclusive {
        making.wrong("detached-orphan", NAS, dataset);
    }
}

/// Whole, young, kept, used or somebody else's: nothing here may be called an orphan.
pub(crate) fn looks_broken(making: &mut Making, volume: &Volume) {
    let young = Volume {
        created: making.now - 3600,
        ..volume.clone()
    };
    match making.random.below(14) {
        0 => making.on_nas(&young, Step::Success),
        1 => {
            // In the making: old enough to look abandoned, but its claim waits.
            making.on_nas(volume, Step::Extent);
            making.claim_object(volume, "Pending");
        }
        2 => {
            making.on_nas(volume, Step::Success);
            making.volume_object(volume, "Released", "Retain");
        }
        3 => {
            // Mounted by hand through a PersistentVolume of another kind.
            making.on_nas(volume, Step::Success);
            static_volume(making, volume);
        }
        4 => {
            making.on_nas(volume, Step::Success);
            making.session(volume);
        }
        5 => {
            making.on_nas(volume, Step::Success);
            making.nas_snapshot(
                volume,
                "keep",
                volume.created,
                &[],
                &json!(["legal"]),
                false,
            );
        }
        6 => {
            // Its clone lives.
            making.on_nas(volume, Step::Success);
            let clone = making.random.uid();
            let helper = format!("volume-source-for-volume-pvc-{clone}");
            making.nas_snapshot(volume, &helper, volume.created, &[], &json!([]), false);
            clone_of(making, volume, &clone, &helper);
        }
        7 => {
            // Only its snapshot is still known.
            making.on_nas(volume, Step::Success);
            let uid = making.random.uid();
            let created = volume.created + 3600;
            making.csi_snapshot(volume, &uid, created);
            making.content(
                volume,
                &uid,
                created,
                &format!("{}@snapshot-{uid}", volume.name),
            );
        }
        8 => {
            // Velero deleted the content and needs the snapshot.
            let old = Volume {
                created: making.now - BACKUP_AGE - DAY,
                ..volume.clone()
            };
            making.whole(&old);
            let uid = making.random.uid();
            let created = making.now - BACKUP_AGE + 60;
            making.csi_snapshot(&old, &uid, created);
        }
        9 => {
            making.on_nas(volume, Step::Success);
            making.part("replications", json!(volume.dataset));
        }
        10 => {
            // Copied by hand: says it is another volume.
            let copy = Volume {
                dataset: format!("{}-copy", volume.dataset),
                ..volume.clone()
            };
            making.whole(volume);
            making.on_nas(&copy, Step::Dataset);
        }
        11 => {
            making.whole(volume);
            making.nas_snapshot(volume, "going", volume.created, &[], &json!([]), true);
            detached(making, volume, true);
        }
        12 => {
            making.whole(volume);
            let uid = making.random.uid();
            let now = making.now;
            making.csi_snapshot(volume, &uid, now - 1800);
        }
        _ => {
            // A child somebody made below it.
            making.on_nas(volume, Step::Success);
            let child = format!("{}/child", volume.dataset);
            making.part(
                "datasets",
                json!({"id": child, "type": "FILESYSTEM",
                "created": volume.created, "used": GIB, "referenced": GIB, "user_properties": {}}),
            );
        }
    }
}

fn static_volume(making: &mut Making, volume: &Volume) {
    let place = &PLACES[volume.place];
    let cluster = place.cluster.unwrap_or(0);
    let source = if place.block() {
        json!({"iscsi": {"targetPortal": NAS, "lun": 0,
            "iqn": format!("iqn.2005-10.org.freenas.ctl:{}", place.asset(&volume.name))}})
    } else {
        json!({"nfs": {"server": NAS, "path": format!("/mnt/{}/below", volume.dataset)}})
    };
    let mut object = json!({"metadata": {"name": format!("by-hand-{}", volume.uid), "uid": making.random.uid(),
            "creationTimestamp": timestamp(volume.created)},
        "spec": {"capacity": {"storage": volume.bytes.to_string()}, "persistentVolumeReclaimPolicy": "Retain"},
        "status": {"phase": "Bound"}});
    if let (Some(spec), Some(source)) = (object["spec"].as_object_mut(), source.as_object()) {
        spec.extend(source.clone());
    }
    making.object(cluster, PVS, object);
}

fn clone_of(making: &mut Making, volume: &Volume, uid: &str, helper: &str) {
    let clone = Volume {
        name: format!("pvc-{uid}"),
        uid: uid.to_owned(),
        dataset: format!("{}/pvc-{uid}", PLACES[volume.place].parent),
        share: making.id(),
        ..volume.clone()
    };
    making.whole(&clone);
    let origin = format!("{}@{helper}", volume.dataset);
    if let Some(dataset) = making.parts.get_mut("datasets").and_then(|datasets| {
        datasets
            .iter_mut()
            .rev()
            .find(|known| known["id"] == json!(clone.dataset))
    }) {
        dataset["origin"] = json!(origin);
    }
}
