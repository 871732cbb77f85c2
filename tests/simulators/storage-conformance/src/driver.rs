//! A model of the democratic-csi driver, call by call, that can be stopped after any of them.
//!
//! Written from the driver's observable order of calls (what an appliance's audit log shows of
//! `freenas-api-iscsi` and `freenas-api-nfs`), not from its source. An operation is a list of
//! calls; whoever runs it decides after how many it dies. What the calls need to know of earlier
//! answers (numbers of targets and extents) is kept in [`Volume`], as the driver keeps it in
//! properties.

use serde_json::{Value, json};
use truenas_simulator::Nas;

const GIB: u64 = 1 << 30;

/// Which driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `freenas-api-iscsi`, with the suffix `-blue7`.
    Iscsi,
    /// `freenas-api-nfs`.
    Nfs,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Iscsi, Self::Nfs];

    /// Its CSI name in the worlds of `storage-ground-truth`.
    pub fn csi_name(self) -> &'static str {
        match self {
            Self::Iscsi => "org.democratic-csi.iscsi",
            Self::Nfs => "org.democratic-csi.nfs",
        }
    }

    /// Its parent there.
    pub fn parent(self) -> &'static str {
        match self {
            Self::Iscsi => "tank/blue/iscsi/v",
            Self::Nfs => "tank/blue/nfs/v",
        }
    }

    fn provisioner(self) -> &'static str {
        match self {
            Self::Iscsi => "freenas-api-iscsi",
            Self::Nfs => "freenas-api-nfs",
        }
    }
}

/// A volume in the hands of the driver.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Which driver.
    pub kind: Kind,
    /// Uid of the claim.
    pub uid: String,
    /// Bytes asked for.
    pub bytes: u64,
    target: u64,
    extent: u64,
    link: u64,
    share: u64,
}

/// What the driver is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// CreateVolume.
    Create,
    /// CreateVolume from the snapshot of another volume (`dataset@name`).
    CreateFromSnapshot(String),
    /// CreateVolume from another volume (its dataset): through a helper snapshot.
    Clone(String),
    /// CreateSnapshot, by the uid of the VolumeSnapshot.
    Snapshot(String),
    /// ControllerExpandVolume.
    Expand,
    /// DeleteVolume.
    Delete,
}

type Call = Box<dyn Fn(&mut Volume, &mut Nas) -> Result<(), String>>;

impl Volume {
    /// A volume for a claim.
    pub fn new(kind: Kind, uid: &str) -> Self {
        Self {
            kind,
            uid: uid.to_owned(),
            bytes: 2 * GIB,
            target: 0,
            extent: 0,
            link: 0,
            share: 0,
        }
    }

    /// Its CSI name and handle.
    pub fn name(&self) -> String {
        format!("pvc-{}", self.uid)
    }

    /// Its dataset.
    pub fn dataset(&self) -> String {
        format!("{}/{}", self.kind.parent(), self.name())
    }

    /// Name of its target and extent.
    pub fn asset(&self) -> String {
        format!("{}-blue7", self.name())
    }

    /// How many calls an operation makes.
    pub fn calls(&self, operation: &Operation) -> usize {
        self.list(operation).len()
    }

    /// Makes the calls of an operation up to and including the `stop`th, then dies.
    pub fn run(&mut self, operation: &Operation, nas: &mut Nas, stop: usize) -> Result<(), String> {
        for call in self.list(operation).iter().take(stop) {
            call(self, nas)?;
        }
        Ok(())
    }

    /// Makes only the `at`th call: for runs in which something happens between two of them.
    pub fn step(&mut self, operation: &Operation, nas: &mut Nas, at: usize) -> Result<(), String> {
        match self.list(operation).get(at) {
            Some(call) => call(self, nas),
            None => Ok(()),
        }
    }

    fn list(&self, operation: &Operation) -> Vec<Call> {
        match operation {
            Operation::Create => {
                let mut calls: Vec<Call> = vec![Box::new(create)];
                calls.extend(self.after_dataset());
                calls
            }
            Operation::CreateFromSnapshot(snapshot) => {
                let snapshot = snapshot.clone();
                let mut calls: Vec<Call> =
                    vec![Box::new(move |volume, nas| clone(volume, nas, &snapshot))];
                calls.extend(self.after_dataset());
                calls
            }
            Operation::Clone(source) => {
                let helper = format!("volume-source-for-volume-{}", self.name());
                let (dataset, name) = (source.clone(), helper.clone());
                let snapshot = format!("{source}@{helper}");
                let mut calls: Vec<Call> = vec![
                    Box::new(move |_, nas| {
                        let wants = json!({"dataset": dataset, "name": name});
                        snapshots(nas, "create", &[wants])
                    }),
                    Box::new(move |volume, nas| clone(volume, nas, &snapshot)),
                ];
                calls.extend(self.after_dataset());
                calls
            }
            Operation::Snapshot(uid) => {
                let name = format!("snapshot-{uid}");
                vec![Box::new(move |volume, nas| {
                    let wants = json!({"dataset": volume.dataset(), "name": name, "properties": {
                        "democratic-csi:csi_snapshot_name": name,
                        "democratic-csi:csi_snapshot_source_volume_id": volume.name(),
                        "democratic-csi:managed_resource": "true"}});
                    snapshots(nas, "create", &[wants])
                })]
            }
            Operation::Expand => vec![Box::new(|volume, nas| {
                volume.bytes += GIB;
                let field = match volume.kind {
                    Kind::Iscsi => "volsize",
                    Kind::Nfs => "refquota",
                };
                let wants = json!({field: volume.bytes});
                call(
                    nas,
                    "pool.dataset.update",
                    &[json!(volume.dataset()), wants],
                )
                .map(drop)
            })],
            Operation::Delete => self.delete(),
        }
    }

    /// Everything after the dataset is there.
    fn after_dataset(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = vec![Box::new(properties)];
        match self.kind {
            Kind::Iscsi => {
                calls.push(Box::new(|volume, nas| {
                    let wants = json!({"name": volume.asset(), "groups": [{"portal": 1}]});
                    volume.target = number(&call(nas, "iscsi.target.create", &[wants])?);
                    Ok(())
                }));
                calls.push(Box::new(|volume, nas| {
                    set(
                        volume,
                        nas,
                        "freenas_iscsi_target_id",
                        &volume.target.to_string(),
                    )
                }));
                calls.push(Box::new(|volume, nas| {
                    let wants = json!({"name": volume.asset(), "type": "DISK", "enabled": true,
                        "disk": format!("zvol/{}", volume.dataset())});
                    volume.extent = number(&call(nas, "iscsi.extent.create", &[wants])?);
                    Ok(())
                }));
                calls.push(Box::new(|volume, nas| {
                    set(
                        volume,
                        nas,
                        "freenas_iscsi_extent_id",
                        &volume.extent.to_string(),
                    )
                }));
                calls.push(Box::new(|volume, nas| {
                    let wants =
                        json!({"target": volume.target, "extent": volume.extent, "lunid": 0});
                    volume.link = number(&call(nas, "iscsi.targetextent.create", &[wants])?);
                    Ok(())
                }));
                calls.push(Box::new(|volume, nas| {
                    set(
                        volume,
                        nas,
                        "freenas_iscsi_targettoextent_id",
                        &volume.link.to_string(),
                    )
                }));
            }
            Kind::Nfs => {
                calls.push(Box::new(|volume, nas| {
                    let comment = format!(
                        "democratic-csi ({}): {}",
                        volume.kind.csi_name(),
                        volume.dataset()
                    );
                    let wants = json!({"path": format!("/mnt/{}", volume.dataset()),
                        "comment": comment, "enabled": true});
                    volume.share = number(&call(nas, "sharing.nfs.create", &[wants])?);
                    Ok(())
                }));
                calls.push(Box::new(|volume, nas| {
                    set(
                        volume,
                        nas,
                        "freenas_nfs_share_id",
                        &volume.share.to_string(),
                    )
                }));
            }
        }
        calls.push(Box::new(|volume, nas| {
            set(volume, nas, "csi_share_volume_context", "{}")
        }));
        calls.push(Box::new(|volume, nas| {
            set(volume, nas, "provision_success", "true")
        }));
        calls
    }

    fn delete(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = Vec::new();
        match self.kind {
            Kind::Iscsi => {
                calls.push(Box::new(|volume, nas| {
                    call(nas, "iscsi.targetextent.delete", &[json!(volume.link)]).map(drop)
                }));
                calls.push(Box::new(|volume, nas| {
                    call(nas, "iscsi.target.delete", &[json!(volume.target)]).map(drop)
                }));
                calls.push(Box::new(|volume, nas| {
                    call(nas, "iscsi.extent.delete", &[json!(volume.extent)]).map(drop)
                }));
            }
            Kind::Nfs => calls.push(Box::new(|volume, nas| {
                call(nas, "sharing.nfs.delete", &[json!(volume.share)]).map(drop)
            })),
        }
        calls.push(Box::new(|volume, nas| {
            let options = json!({"recursive": true, "force": true});
            call(
                nas,
                "pool.dataset.delete",
                &[json!(volume.dataset()), options],
            )
            .map(drop)
        }));
        calls
    }
}

fn call(nas: &mut Nas, method: &str, params: &[Value]) -> Result<Value, String> {
    nas.call(method, params)
        .map_err(|error| format!("{method}: {}", error.reason))
}

/// A snapshot method under the name it has in the release.
fn snapshots(nas: &mut Nas, verb: &str, params: &[Value]) -> Result<(), String> {
    let prefix = if nas.profile >= truenas_simulator::Profile::V2510 {
        "pool"
    } else {
        "zfs"
    };
    call(nas, &format!("{prefix}.snapshot.{verb}"), params).map(drop)
}

fn number(row: &Value) -> u64 {
    row.get("id").and_then(Value::as_u64).unwrap_or_default()
}

fn marks(volume: &Volume) -> Value {
    json!({"democratic-csi:managed_resource": "true",
        "democratic-csi:csi_volume_name": volume.name(),
        "democratic-csi:volume_context_provisioner_driver": volume.kind.provisioner()})
}

fn create(volume: &mut Volume, nas: &mut Nas) -> Result<(), String> {
    let mut wants = json!({"name": volume.dataset(), "user_properties": marks(volume)});
    match volume.kind {
        Kind::Iscsi => {
            wants["type"] = json!("VOLUME");
            wants["volsize"] = json!(volume.bytes);
        }
        Kind::Nfs => wants["refquota"] = json!(volume.bytes),
    }
    call(nas, "pool.dataset.create", &[wants]).map(drop)
}

fn clone(volume: &mut Volume, nas: &mut Nas, snapshot: &str) -> Result<(), String> {
    let wants = json!({"snapshot": snapshot, "dataset_dst": volume.dataset()});
    snapshots(nas, "clone", &[wants])
}

/// Size and marks, also for a clone, which has neither of its own.
fn properties(volume: &mut Volume, nas: &mut Nas) -> Result<(), String> {
    let field = match volume.kind {
        Kind::Iscsi => "volsize",
        Kind::Nfs => "refquota",
    };
    let wants = json!({field: volume.bytes, "user_properties": marks(volume)});
    call(
        nas,
        "pool.dataset.update",
        &[json!(volume.dataset()), wants],
    )
    .map(drop)
}

fn set(volume: &Volume, nas: &mut Nas, name: &str, value: &str) -> Result<(), String> {
    let wants = json!({"user_properties_update": [
        {"key": format!("democratic-csi:{name}"), "value": value}]});
    call(
        nas,
        "pool.dataset.update",
        &[json!(volume.dataset()), wants],
    )
    .map(drop)
}

/// The objects of Kubernetes for a volume.
pub mod objects {
    use serde_json::{Value, json};

    use super::{Kind, Volume};

    /// Its PersistentVolume.
    pub fn volume(volume: &Volume, phase: &str) -> Value {
        let attributes = match volume.kind {
            Kind::Iscsi => json!({"node_attach_driver": "iscsi",
                "iqn": format!("iqn.2005-10.org.freenas.ctl:{}", volume.asset())}),
            Kind::Nfs => {
                json!({"node_attach_driver": "nfs", "share": format!("/mnt/{}", volume.dataset())})
            }
        };
        json!({"metadata": {"name": volume.name(), "uid": volume.uid, "creationTimestamp": "2025-01-01T00:00:00Z"},
            "spec": {"capacity": {"storage": volume.bytes.to_string()}, "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": volume.kind.csi_name(),
                "claimRef": {"namespace": "apps", "name": volume.name(), "uid": volume.uid},
                "csi": {"driver": volume.kind.csi_name(), "volumeHandle": volume.name(), "volumeAttributes": attributes}},
            "status": {"phase": phase, "lastPhaseTransitionTime": "2025-01-01T00:00:00Z"}})
    }

    /// Its claim.
    pub fn claim(volume: &Volume, phase: &str) -> Value {
        let bound = if phase == "Pending" {
            String::new()
        } else {
            volume.name()
        };
        json!({"metadata": {"namespace": "apps", "name": volume.name(), "uid": volume.uid,
                "creationTimestamp": "2025-01-01T00:00:00Z"},
            "spec": {"volumeName": bound, "storageClassName": volume.kind.csi_name(),
                "resources": {"requests": {"storage": volume.bytes.to_string()}}},
            "status": {"phase": phase}})
    }
}
