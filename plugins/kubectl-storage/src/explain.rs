//! The chain from a Pod to the clones on the appliance, with a mark where it breaks; and the tree
//! of clones.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    model::{
        Inventory, Text,
        cluster::{Cluster, Volume},
        nas::{Dataset, Nas},
    },
    usage::human,
};

/// One link of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// `Pod`, `PersistentVolumeClaim`, …
    pub kind: &'static str,
    /// Its name; empty when it is missing.
    pub name: String,
    /// Whether it is there and as it should be.
    pub whole: bool,
    /// What there is to say.
    pub says: String,
}

fn link(kind: &'static str, name: impl Into<String>, whole: bool, says: impl Into<String>) -> Link {
    Link {
        kind,
        name: name.into(),
        whole,
        says: says.into(),
    }
}

/// Every chain that leads through the subject: `pvc/NAMESPACE/NAME`, `pod/NAMESPACE/NAME`,
/// `pv/NAME`, or a dataset path.
pub fn explain(inventory: &Inventory, subject: &str) -> Vec<Vec<Link>> {
    let mut chains = Vec::new();
    for cluster in &inventory.clusters {
        for volume in &cluster.volumes {
            if is_meant(inventory, cluster, volume, subject) {
                chains.push(of_volume(inventory, cluster, volume));
            }
        }
        for claim in &cluster.claims {
            let name = format!("{}/{}", claim.namespace, claim.name);
            let bound_back = cluster.volumes.iter().any(|volume| {
                volume.claim.as_ref().is_some_and(|(namespace, name, _)| {
                    *namespace == claim.namespace && *name == claim.name
                })
            });
            if !bound_back && subject.strip_prefix("pvc/") == Some(&name) {
                let says = match &*claim.volume {
                    "" => "none is bound".to_owned(),
                    volume if cluster.volumes.iter().any(|known| &*known.name == volume) => {
                        "is there and does not refer back to the claim".to_owned()
                    }
                    _ => "is gone".to_owned(),
                };
                chains.push(vec![
                    link(
                        "PersistentVolumeClaim",
                        name,
                        &*claim.phase == "Bound",
                        claim.phase.to_string(),
                    ),
                    link("PersistentVolume", claim.volume.to_string(), false, says),
                ]);
            }
        }
    }
    if chains.is_empty() {
        for nas in &inventory.appliances {
            if let Some(dataset) = nas.datasets.iter().find(|dataset| &*dataset.id == subject) {
                let mut chain = vec![link(
                    "PersistentVolume",
                    "",
                    false,
                    "none mentions this dataset",
                )];
                of_dataset(nas, dataset, &mut chain);
                chains.push(chain);
            }
        }
    }
    chains
}

fn home<'a>(
    inventory: &'a Inventory,
    cluster: &'a Cluster,
    volume: &Volume,
) -> Option<(&'a Nas, String)> {
    let instance = cluster
        .instances
        .iter()
        .find(|instance| instance.driver == volume.driver)?;
    let nas = inventory
        .appliances
        .iter()
        .find(|nas| nas.name == instance.nas)?;
    Some((nas, format!("{}/{}", instance.parent, volume.handle)))
}

fn is_meant(inventory: &Inventory, cluster: &Cluster, volume: &Volume, subject: &str) -> bool {
    let claim = volume.claim.as_ref();
    if let Some(name) = subject.strip_prefix("pv/") {
        return *volume.name == *name;
    }
    if let Some(name) = subject.strip_prefix("pvc/") {
        return claim.is_some_and(|(namespace, claim, _)| *name == format!("{namespace}/{claim}"));
    }
    if let Some(name) = subject.strip_prefix("pod/") {
        return cluster.pods.iter().any(|pod| {
            format!("{}/{}", pod.namespace, pod.name) == name
                && claim.is_some_and(|(namespace, claim, _)| {
                    *namespace == pod.namespace && pod.claims.contains(claim)
                })
        });
    }
    *volume.name == *subject
        || home(inventory, cluster, volume).is_some_and(|(_, dataset)| dataset == subject)
}

fn of_volume(inventory: &Inventory, cluster: &Cluster, volume: &Volume) -> Vec<Link> {
    let mut chain = Vec::new();
    if let Some((namespace, name, uid)) = &volume.claim {
        for pod in cluster
            .pods
            .iter()
            .filter(|pod| pod.namespace == *namespace && pod.claims.contains(name))
        {
            let says = format!("{} on {}", pod.phase, pod.node);
            chain.push(link(
                "Pod",
                format!("{namespace}/{}", pod.name),
                &*pod.phase == "Running",
                says,
            ));
        }
        let claim = cluster.claims.iter().find(|claim| claim.uid == *uid);
        chain.push(match claim {
            Some(claim) => link(
                "PersistentVolumeClaim",
                format!("{namespace}/{name}"),
                &*claim.phase == "Bound",
                claim.phase.to_string(),
            ),
            None => link(
                "PersistentVolumeClaim",
                format!("{namespace}/{name}"),
                false,
                "gone",
            ),
        });
    }
    let says = format!(
        "{}, {}, {}",
        volume.phase,
        volume.reclaim,
        human(volume.capacity_bytes)
    );
    chain.push(link(
        "PersistentVolume",
        &*volume.name,
        &*volume.phase == "Bound",
        says,
    ));
    for attachment in cluster
        .attachments
        .iter()
        .filter(|attachment| attachment.volume == volume.name)
    {
        let node = cluster
            .nodes
            .iter()
            .any(|node| node.name == attachment.node);
        let says = if attachment.error.is_empty() {
            format!(
                "{} to {}{}",
                if attachment.attached {
                    "attached"
                } else {
                    "not attached"
                },
                attachment.node,
                if node { "" } else { ", which is gone" }
            )
        } else {
            attachment.error.to_string()
        };
        chain.push(link(
            "VolumeAttachment",
            &*attachment.name,
            attachment.attached && node,
            says,
        ));
    }
    let Some((nas, path)) = home(inventory, cluster, volume) else {
        chain.push(link(
            "Dataset",
            "",
            false,
            "not of a known democratic-csi driver",
        ));
        return chain;
    };
    way(nas, volume, &path, &mut chain);
    match nas.datasets.iter().find(|dataset| *dataset.id == *path) {
        Some(dataset) => of_dataset(nas, dataset, &mut chain),
        None => chain.push(link("Dataset", path, false, format!("not on {}", nas.name))),
    }
    chain
}

/// Target and extent, or share.
fn way(nas: &Nas, volume: &Volume, path: &str, chain: &mut Vec<Link>) {
    if let Some(iqn) = &volume.iqn {
        let name = iqn.split_once(':').map_or(&**iqn, |(_, name)| name);
        let target = nas.targets.iter().find(|target| &*target.name == name);
        let sessions = nas
            .sessions
            .iter()
            .filter(|session| &*session.target == name)
            .count();
        chain.push(link(
            "Target",
            name,
            target.is_some(),
            format!("{sessions} sessions"),
        ));
        let extent = target
            .and_then(|target| nas.links.iter().find(|link| link.target == target.id))
            .and_then(|link| nas.extents.iter().find(|extent| extent.id == link.extent));
        chain.push(match extent {
            Some(extent) => {
                let right = extent.dataset.as_deref() == Some(path);
                let disk = extent.dataset.as_deref().unwrap_or("a file");
                link(
                    "Extent",
                    &*extent.name,
                    right && extent.enabled,
                    format!(
                        "shows {disk}{}",
                        if extent.enabled { "" } else { ", disabled" }
                    ),
                )
            }
            None => link("Extent", "", false, "the target shows none"),
        });
    } else if let Some(share) = &volume.share {
        let shared = nas
            .nfs_shares
            .iter()
            .chain(&nas.smb_shares)
            .find(|known| known.path == *share || known.name == *share);
        chain.push(match shared {
            Some(known) => link(
                "Share",
                &**share,
                known.enabled,
                if known.enabled { "enabled" } else { "disabled" },
            ),
            None => link("Share", &**share, false, "not shared"),
        });
    }
}

fn of_dataset(nas: &Nas, dataset: &Dataset, chain: &mut Vec<Link>) {
    chain.push(link(
        "Dataset",
        &*dataset.id,
        true,
        format!("{} used on {}", human(dataset.used_bytes), nas.name),
    ));
    let origins = clones(nas);
    for snapshot in nas
        .snapshots
        .iter()
        .filter(|snapshot| snapshot.dataset == dataset.id)
    {
        let hung = origins
            .get(snapshot.id().as_str())
            .map(|clones| clones.join(", "));
        let says = match hung {
            Some(clones) => format!("{}, cloned as {clones}", human(snapshot.used_bytes)),
            None => human(snapshot.used_bytes),
        };
        chain.push(link("Snapshot", snapshot.id(), !snapshot.deferred, says));
    }
}

fn clones(nas: &Nas) -> BTreeMap<&str, Vec<&str>> {
    let mut origins: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for dataset in &nas.datasets {
        if let Some(origin) = &dataset.origin {
            origins.entry(origin).or_default().push(&dataset.id);
        }
    }
    origins
}

/// A dataset with clones, and what hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Branch {
    /// Appliance.
    pub nas: Text,
    /// How deep.
    pub depth: usize,
    /// Dataset.
    pub dataset: Text,
    /// Snapshot it was cloned from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Text>,
    /// Bytes that removing it and everything below it frees.
    pub frees_bytes: u64,
}

/// Datasets that have clones, each followed by them.
pub fn tree(inventory: &Inventory) -> Vec<Branch> {
    let mut branches = Vec::new();
    for nas in &inventory.appliances {
        let mut children: BTreeMap<&str, Vec<&Dataset>> = BTreeMap::new();
        for dataset in &nas.datasets {
            if let Some((of, _)) = dataset
                .origin
                .as_deref()
                .and_then(|origin| origin.split_once('@'))
            {
                children.entry(of).or_default().push(dataset);
            }
        }
        for list in children.values_mut() {
            list.sort_by(|one, two| one.id.cmp(&two.id));
        }
        let mut roots: Vec<_> = nas
            .datasets
            .iter()
            .filter(|dataset| dataset.origin.is_none() && children.contains_key(&*dataset.id))
            .collect();
        roots.sort_by(|one, two| one.id.cmp(&two.id));
        // Origins cannot form a circle on a NAS; in a wrong answer they might.
        let mut waiting: Vec<_> = roots
            .into_iter()
            .rev()
            .map(|dataset| (0, dataset))
            .collect();
        while let Some((depth, dataset)) = waiting.pop() {
            branches.push(Branch {
                nas: Text::clone(&nas.name),
                depth,
                dataset: Text::clone(&dataset.id),
                origin: dataset.origin.clone(),
                frees_bytes: frees(dataset, &children, 0),
            });
            if depth < 64 {
                let below = children.get(&*dataset.id).into_iter().flatten().rev();
                waiting.extend(below.map(|clone| (depth + 1, *clone)));
            }
        }
    }
    branches
}

fn frees(dataset: &Dataset, children: &BTreeMap<&str, Vec<&Dataset>>, depth: usize) -> u64 {
    let below = children.get(&*dataset.id).into_iter().flatten();
    let sum: u64 = if depth < 64 {
        below.map(|clone| frees(clone, children, depth + 1)).sum()
    } else {
        0
    };
    dataset.used_bytes + sum
}
