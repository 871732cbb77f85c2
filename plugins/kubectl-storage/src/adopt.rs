//! Manifests that give a volume on the NAS its PersistentVolume and claim back, after a cluster
//! was lost or a PersistentVolume deleted by mistake.
//!
//! Nothing is applied: the manifests are printed. The reclaim policy is Retain, so that adopting
//! the wrong volume loses nothing.

use serde_json::{Value, json};

use crate::model::{
    Inventory,
    cluster::Cluster,
    driver::Instance,
    nas::{Dataset, LEDGER_PROPERTY, Nas},
};

/// Why a volume cannot be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CannotAdopt {
    /// No such dataset below a driver's parent.
    Unknown,
    /// A PersistentVolume mentions it.
    InUse(String),
    /// It was never finished.
    Unfinished,
    /// Several drivers use its parent: which one is to be said.
    SeveralDrivers(Vec<String>),
    /// It is marked as another cluster's.
    OtherCluster(String),
    /// Nothing shows it: no target, no export.
    NotShown,
}

impl std::fmt::Display for CannotAdopt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("no dataset of that name lies in a driver's parent"),
            Self::InUse(volume) => write!(f, "the PersistentVolume {volume} has it already"),
            Self::Unfinished => {
                f.write_str("its create was never finished: there is nothing in it")
            }
            Self::SeveralDrivers(drivers) => write!(
                f,
                "several drivers use its parent ({}): name one with --driver",
                drivers.join(", ")
            ),
            Self::OtherCluster(uid) => write!(f, "it is marked as the cluster {uid}'s"),
            Self::NotShown => f.write_str("no enabled target or export shows it"),
        }
    }
}

impl std::error::Error for CannotAdopt {}

/// What a claim is to be called, and of which class.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Dataset.
    pub dataset: String,
    /// CSI driver, where several use the parent.
    pub driver: Option<String>,
    /// Namespace of the claim.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
}

/// PersistentVolume and claim for a dataset.
pub fn manifests(inventory: &Inventory, wish: &Wish) -> Result<[Value; 2], CannotAdopt> {
    let (nas, dataset) = inventory
        .appliances
        .iter()
        .find_map(|nas| {
            let found = nas
                .datasets
                .iter()
                .find(|known| *known.id == *wish.dataset)?;
            Some((nas, found))
        })
        .ok_or(CannotAdopt::Unknown)?;
    let (cluster, instance) = home(inventory, nas, dataset, wish)?;
    for known in inventory
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.volumes)
    {
        if *known.handle == *dataset.leaf() && known.driver == instance.driver {
            return Err(CannotAdopt::InUse(known.name.to_string()));
        }
    }
    if dataset.driver("provision_success").is_none() {
        return Err(CannotAdopt::Unfinished);
    }
    if let Some(mark) = dataset.property(LEDGER_PROPERTY)
        && mark.value != cluster.uid
    {
        return Err(CannotAdopt::OtherCluster(mark.value.to_string()));
    }
    let attributes = attributes(nas, dataset, instance).ok_or(CannotAdopt::NotShown)?;
    let class = cluster
        .classes
        .iter()
        .find(|class| class.provisioner == instance.driver);
    let class_name = class
        .map(|class| class.name.to_string())
        .unwrap_or_default();
    let bytes = dataset
        .volsize_bytes
        .or(dataset.refquota_bytes)
        .unwrap_or(dataset.used_bytes);
    let mode = if instance.iscsi() || instance.nvme() {
        "ReadWriteOnce"
    } else {
        "ReadWriteMany"
    };
    let name = dataset.leaf();
    let fs_type = class
        .map(|class| class.fs_type.to_string())
        .filter(|kind| !kind.is_empty())
        .unwrap_or_else(|| if dataset.zvol { "ext4" } else { "nfs" }.to_owned());
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": name,
            "annotations": {"pv.kubernetes.io/provisioned-by": instance.driver}},
        "spec": {
            "accessModes": [mode],
            "capacity": {"storage": bytes.to_string()},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": wish.namespace, "name": wish.claim},
            "csi": {"driver": instance.driver, "fsType": fs_type, "volumeHandle": name,
                "volumeAttributes": attributes},
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": class_name,
        },
    });
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"namespace": wish.namespace, "name": wish.claim},
        "spec": {"accessModes": [mode], "volumeName": name, "storageClassName": class_name,
            "resources": {"requests": {"storage": bytes.to_string()}}},
    });
    Ok([volume, claim])
}

fn home<'a>(
    inventory: &'a Inventory,
    nas: &Nas,
    dataset: &Dataset,
    wish: &Wish,
) -> Result<(&'a Cluster, &'a Instance), CannotAdopt> {
    let mut homes: Vec<_> = inventory
        .clusters
        .iter()
        .flat_map(|cluster| cluster.instances.iter().map(move |known| (cluster, known)))
        .filter(|(_, known)| known.nas == nas.name && *known.parent == *dataset.parent())
        .filter(|(_, known)| {
            wish.driver
                .as_ref()
                .is_none_or(|driver| *known.driver == **driver)
        })
        .collect();
    match homes.as_slice() {
        [] => Err(CannotAdopt::Unknown),
        [_] => Ok(homes.remove(0)),
        several => Err(CannotAdopt::SeveralDrivers(
            several
                .iter()
                .map(|(_, known)| known.driver.to_string())
                .collect(),
        )),
    }
}

fn attributes(nas: &Nas, dataset: &Dataset, instance: &Instance) -> Option<Value> {
    let host = &instance.settings.share_host;
    let mut attributes = if instance.iscsi() {
        let extent = nas
            .extents
            .iter()
            .find(|extent| extent.enabled && extent.dataset.as_ref() == Some(&dataset.id))?;
        let link = nas.links.iter().find(|link| link.extent == extent.id)?;
        let target = nas.targets.iter().find(|target| target.id == link.target)?;
        json!({"node_attach_driver": "iscsi", "portal": host, "portals": "", "interface": "",
            "iqn": format!("{}:{}", nas.iqn_base, target.name), "lun": "0"})
    } else if instance.nfs() {
        let path = dataset.mountpoint.as_ref()?;
        nas.nfs_shares
            .iter()
            .find(|share| share.enabled && share.path == *path)?;
        json!({"node_attach_driver": "nfs", "server": host, "share": path})
    } else if instance.smb() {
        let path = dataset.mountpoint.as_ref()?;
        let share = nas
            .smb_shares
            .iter()
            .find(|share| share.enabled && share.path == *path)?;
        json!({"node_attach_driver": "smb", "server": host, "share": share.name})
    } else {
        let subsystem = nas.subsystems.iter().find(|subsystem| {
            subsystem
                .namespaces
                .iter()
                .any(|(_, disk, enabled)| *enabled && *disk == dataset.id)
        })?;
        json!({"node_attach_driver": "nvmeof", "transport": host, "nqn": subsystem.nqn, "nsid": "1"})
    };
    attributes["provisioner_driver"] = json!(instance.kind);
    if let Some(id) = &instance.instance_id {
        attributes["provisioner_driver_instance_id"] = json!(id);
    }
    Some(attributes)
}
