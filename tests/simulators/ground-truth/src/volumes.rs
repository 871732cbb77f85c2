//! A volume, piece by piece, in the order in which the driver makes it.

use serde_json::{Value, json};

use crate::{
    DAY, GIB, Making, PLACES, Place, Recipe, Volume,
    clusters::{ATTACHMENTS, CONTENTS, PVCS, PVS, SNAPSHOTS},
    faults,
};

const IQN: &str = "iqn.2005-10.org.freenas.ctl";

/// RFC 3339, from seconds: the calendar of Howard Hinnant's `civil_from_days`.
pub(crate) fn timestamp(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// How far a create came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Dataset,
    Target,
    TargetRecorded,
    Extent,
    ExtentRecorded,
    Linked,
    LinkRecorded,
    Context,
    Success,
}

impl Step {
    pub(crate) const PARTIAL: [Self; 8] = [
        Self::Dataset,
        Self::Target,
        Self::TargetRecorded,
        Self::Extent,
        Self::ExtentRecorded,
        Self::Linked,
        Self::LinkRecorded,
        Self::Context,
    ];
}

/// Which numbers the assets of a block volume have.
#[derive(Debug, Clone, Copy, Default)]
struct Assets {
    target: u64,
    extent: u64,
    link: u64,
}

impl Making {
    pub(crate) fn one_volume(&mut self, recipe: &Recipe) {
        let volume = self.imagine();
        if self.random.per_mille(recipe.faults_per_mille) {
            faults::broken(self, &volume);
        } else if self.random.per_mille(150) {
            faults::looks_broken(self, &volume);
        } else {
            self.whole(&volume);
            self.snapshots(&volume, recipe.snapshots_per_volume);
        }
    }

    fn imagine(&mut self) -> Volume {
        let mut dice = self.random.below(100);
        let mut place = 0;
        while dice >= PLACES[place].weight {
            dice -= PLACES[place].weight;
            place += 1;
        }
        let uid = self.random.uid();
        let name = format!("pvc-{uid}");
        let days = 3 + i64::try_from(self.random.below(500)).unwrap_or_default();
        Volume {
            place,
            dataset: format!("{}/{name}", PLACES[place].parent),
            name,
            uid,
            created: self.now - days * DAY - 7,
            bytes: (1 + self.random.below(64)) * GIB,
            share: self.id(),
        }
    }

    /// Both sides as they should be.
    pub(crate) fn whole(&mut self, volume: &Volume) {
        self.on_nas(volume, Step::Success);
        self.volume_object(volume, "Bound", "Delete");
        self.claim_object(volume, "Bound");
        if self.random.per_mille(500) {
            self.attachment(volume, "node-1");
            self.session(volume);
        }
    }

    /// The side of the appliance, as far as a create came.
    pub(crate) fn on_nas(&mut self, volume: &Volume, step: Step) {
        let place = &PLACES[volume.place];
        let assets = if place.block() {
            self.block_assets(volume, place, step)
        } else {
            if step >= Step::Target {
                self.nfs_share(volume);
            }
            Assets::default()
        };
        let properties = properties(volume, place, assets, step);
        let used = volume.bytes / 3;
        let mut dataset = json!({"id": volume.dataset, "created": volume.created, "used": used,
            "referenced": used, "user_properties": properties,
            "type": if place.block() { "VOLUME" } else { "FILESYSTEM" }});
        dataset[if place.block() { "volsize" } else { "refquota" }] = json!(volume.bytes);
        self.part("datasets", dataset);
    }

    fn block_assets(&mut self, volume: &Volume, place: &Place, step: Step) -> Assets {
        let mut assets = Assets::default();
        if step >= Step::Target {
            assets.target = self.target(&place.asset(&volume.name));
        }
        if step >= Step::Extent {
            assets.extent = self.extent(&place.asset(&volume.name), &volume.dataset);
        }
        if step >= Step::Linked {
            assets.link = self.link(assets.target, assets.extent);
        }
        assets
    }

    pub(crate) fn target(&mut self, name: &str) -> u64 {
        let id = self.id();
        self.part("targets", json!({"id": id, "name": name}));
        id
    }

    pub(crate) fn extent(&mut self, name: &str, dataset: &str) -> u64 {
        let id = self.id();
        self.part(
            "extents",
            json!({"id": id, "name": name, "dataset": dataset, "enabled": true}),
        );
        id
    }

    pub(crate) fn link(&mut self, target: u64, extent: u64) -> u64 {
        let id = self.id();
        self.part(
            "links",
            json!({"id": id, "target": target, "extent": extent}),
        );
        id
    }

    pub(crate) fn nfs_share(&mut self, volume: &Volume) {
        let comment = format!(
            "democratic-csi ({}): {}",
            PLACES[volume.place].csi_name, volume.dataset
        );
        self.part(
            "nfs",
            json!({"id": volume.share, "path": format!("/mnt/{}", volume.dataset),
            "comment": comment, "enabled": true}),
        );
    }

    pub(crate) fn session(&mut self, volume: &Volume) {
        let place = &PLACES[volume.place];
        if place.block() {
            let target = format!("{IQN}:{}", place.asset(&volume.name));
            self.part(
                "sessions",
                json!({"initiator": "iqn.1993-08.org.debian:01:node", "target": target}),
            );
        } else {
            self.part(
                "nfs_clients",
                json!({"ip": "10.0.0.9", "export": format!("/mnt/{}", volume.dataset)}),
            );
        }
    }

    pub(crate) fn volume_object(&mut self, volume: &Volume, phase: &str, reclaim: &str) {
        let place = &PLACES[volume.place];
        let Some(cluster) = place.cluster else { return };
        let attributes = if place.block() {
            json!({"node_attach_driver": "iscsi", "iqn": format!("{IQN}:{}", place.asset(&volume.name)),
                "lun": "0", "provisioner_driver": place.kind})
        } else {
            json!({"node_attach_driver": "nfs", "share": format!("/mnt/{}", volume.dataset),
                "provisioner_driver": place.kind})
        };
        let uid = self.random.uid();
        let object = json!({"metadata": {"name": volume.name, "uid": uid,
                "creationTimestamp": timestamp(volume.created)},
            "spec": {"capacity": {"storage": volume.bytes.to_string()},
                "persistentVolumeReclaimPolicy": reclaim, "storageClassName": place.csi_name,
                "claimRef": {"namespace": "apps", "name": volume.name, "uid": volume.uid},
                "csi": {"driver": place.csi_name, "volumeHandle": volume.name,
                    "volumeAttributes": attributes}},
            "status": {"phase": phase, "lastPhaseTransitionTime": timestamp(volume.created + DAY)}});
        self.object(cluster, PVS, object);
    }

    pub(crate) fn claim_object(&mut self, volume: &Volume, phase: &str) {
        let place = &PLACES[volume.place];
        let Some(cluster) = place.cluster else { return };
        // A claim that still waits was made just now, whatever is there of its volume.
        let created = if phase == "Pending" {
            self.now - 600
        } else {
            volume.created
        };
        let bound = if phase == "Pending" { "" } else { &volume.name };
        let object = json!({"metadata": {"namespace": "apps", "name": volume.name, "uid": volume.uid,
                "creationTimestamp": timestamp(created)},
            "spec": {"volumeName": bound, "storageClassName": place.csi_name,
                "resources": {"requests": {"storage": volume.bytes.to_string()}}},
            "status": {"phase": phase}});
        self.object(cluster, PVCS, object);
    }

    pub(crate) fn attachment(&mut self, volume: &Volume, node: &str) {
        let place = &PLACES[volume.place];
        let Some(cluster) = place.cluster else { return };
        let object = json!({"metadata": {"name": format!("csi-{}", volume.uid),
                "creationTimestamp": timestamp(volume.created)},
            "spec": {"attacher": place.csi_name, "nodeName": node,
                "source": {"persistentVolumeName": volume.name}},
            "status": {"attached": true}});
        self.object(cluster, ATTACHMENTS, object);
    }

    /// Periodic and CSI snapshots, as a healthy volume has them.
    fn snapshots(&mut self, volume: &Volume, about: usize) {
        for number in 0..about {
            if self.random.per_mille(600) {
                // Periodic: shows the volume's properties, inherited.
                let created = volume.created + 3600;
                self.nas_snapshot(
                    volume,
                    &format!("auto-{number}"),
                    created,
                    &[],
                    &json!([]),
                    false,
                );
            } else {
                let uid = self.random.uid();
                let created = (volume.created + DAY).max(self.now - 30 * DAY);
                self.csi_snapshot(volume, &uid, created);
                self.content(
                    volume,
                    &uid,
                    created,
                    &format!("{}@snapshot-{uid}", volume.name),
                );
            }
        }
    }

    pub(crate) fn csi_snapshot(&mut self, volume: &Volume, uid: &str, created: i64) {
        let name = format!("snapshot-{uid}");
        let own = [
            ("democratic-csi:csi_snapshot_name", name.as_str()),
            (
                "democratic-csi:csi_snapshot_source_volume_id",
                volume.name.as_str(),
            ),
            ("democratic-csi:managed_resource", "true"),
        ];
        self.nas_snapshot(volume, &name, created, &own, &json!([]), false);
    }

    pub(crate) fn nas_snapshot(
        &mut self,
        volume: &Volume,
        name: &str,
        created: i64,
        own: &[(&str, &str)],
        holds: &Value,
        deferred: bool,
    ) {
        self.txg += 1 + self.random.below(3);
        let properties: serde_json::Map<_, _> = own
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let used = self.random.below(GIB);
        let snapshot = json!({"dataset": volume.dataset, "name": name, "created": created,
            "txg": self.txg, "used": used, "referenced": volume.bytes / 3, "holds": holds,
            "deferred": deferred, "user_properties": properties});
        self.part("snapshots", snapshot);
    }

    /// VolumeSnapshot and content, bound.
    pub(crate) fn content(&mut self, volume: &Volume, uid: &str, created: i64, handle: &str) {
        let place = &PLACES[volume.place];
        let Some(cluster) = place.cluster else { return };
        let content = format!("snapcontent-{uid}");
        let made = timestamp(created);
        let object = json!({"metadata": {"name": content, "uid": self.random.uid(), "creationTimestamp": made},
            "spec": {"driver": place.csi_name, "deletionPolicy": "Delete",
                "source": {"volumeHandle": volume.name},
                "volumeSnapshotRef": {"namespace": "apps", "name": uid, "uid": uid}},
            "status": {"snapshotHandle": handle, "readyToUse": true}});
        self.object(cluster, CONTENTS, object);
        let object = json!({"metadata": {"namespace": "apps", "name": uid, "uid": uid, "creationTimestamp": made},
            "spec": {"source": {"persistentVolumeClaimName": volume.name}},
            "status": {"boundVolumeSnapshotContentName": content, "readyToUse": true}});
        self.object(cluster, SNAPSHOTS, object);
    }
}

/// The properties that the driver has written by then.
fn properties(volume: &Volume, place: &Place, assets: Assets, step: Step) -> Value {
    let mut list = vec![
        ("managed_resource", "true".to_owned()),
        ("csi_volume_name", volume.name.clone()),
        ("volume_context_provisioner_driver", place.kind.to_owned()),
    ];
    if let Some(id) = place.instance_id {
        list.push(("volume_context_provisioner_instance_id", id.to_owned()));
    }
    if place.block() {
        list.push(("freenas_iscsi_assets_name", place.asset(&volume.name)));
        if step >= Step::TargetRecorded {
            list.push(("freenas_iscsi_target_id", assets.target.to_string()));
        }
        if step >= Step::ExtentRecorded {
            list.push(("freenas_iscsi_extent_id", assets.extent.to_string()));
        }
        if step >= Step::LinkRecorded {
            list.push(("freenas_iscsi_targettoextent_id", assets.link.to_string()));
        }
    } else if step >= Step::TargetRecorded {
        list.push(("freenas_nfs_share_id", volume.share.to_string()));
    }
    if step >= Step::Context {
        list.push(("csi_share_volume_context", "{}".to_owned()));
    }
    if step >= Step::Success {
        list.push(("provision_success", "true".to_owned()));
    }
    let map: serde_json::Map<_, _> = list
        .into_iter()
        .map(|(name, value)| (format!("democratic-csi:{name}"), json!(value)))
        .collect();
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn timestamps_are_those_of_the_calendar() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(1_704_067_200), "2024-01-01T00:00:00Z");
        assert_eq!(timestamp(1_709_251_199), "2024-02-29T23:59:59Z");
    }
}
