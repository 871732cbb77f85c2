//! Who mentions what: every lookup that the rules need, built once in linear time.
//!
//! The maps are only ever asked by key; nothing iterates over them where it could be seen.

use std::collections::{HashMap, HashSet};

use crate::{
    finding::Key,
    ledger::Memory,
    model::{
        Inventory,
        cluster::{Cluster, SnapshotContent, Volume},
        driver::Instance,
        nas::{
            DRIVER_PREFIX, Dataset, Extent, Nas, PathShare, Snapshot, Target, TargetExtent, parent,
        },
    },
};

type Many<'a, T> = HashMap<&'a str, Vec<T>>;

/// A PersistentVolume and its cluster.
#[derive(Clone, Copy)]
pub(super) struct VolumeIn<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) volume: &'a Volume,
}

/// An instance and its cluster.
#[derive(Clone, Copy)]
pub(super) struct InstanceIn<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) instance: &'a Instance,
}

/// All clusters at once: a volume mentioned in any of them is nobody's orphan.
pub(super) struct Index<'a> {
    pub(super) inventory: &'a Inventory,
    pub(super) memory: &'a Memory,
    pub(super) appliances: Vec<NasIndex<'a>>,
    by_handle: Many<'a, VolumeIn<'a>>,
    by_name: Many<'a, VolumeIn<'a>>,
    by_qualified_name: Many<'a, VolumeIn<'a>>,
    by_share: Many<'a, VolumeIn<'a>>,
    below_share: HashSet<&'a str>,
    claim_uids: HashSet<&'a str>,
    attached: HashSet<&'a str>,
    contents_by_handle: Many<'a, &'a SnapshotContent>,
    content_volumes: HashSet<&'a str>,
    snapshot_uids: HashSet<&'a str>,
    backup_references: HashSet<&'a str>,
}

/// One appliance.
pub(super) struct NasIndex<'a> {
    pub(super) nas: &'a Nas,
    pub(super) instances: Vec<InstanceIn<'a>>,
    pub(super) datasets: HashMap<&'a str, &'a Dataset>,
    pub(super) by_csi_name: Many<'a, &'a Dataset>,
    pub(super) by_mountpoint: HashMap<&'a str, &'a Dataset>,
    pub(super) with_children: HashSet<&'a str>,
    pub(super) snapshots: Many<'a, &'a Snapshot>,
    clones: Many<'a, &'a Dataset>,
    cloned_datasets: Many<'a, &'a Dataset>,
    pub(super) extents: Many<'a, &'a Extent>,
    pub(super) extents_by_id: HashMap<u64, &'a Extent>,
    pub(super) targets: HashMap<&'a str, &'a Target>,
    pub(super) targets_by_id: HashMap<u64, &'a Target>,
    pub(super) links_of_target: HashMap<u64, Vec<&'a TargetExtent>>,
    pub(super) links_of_extent: HashMap<u64, Vec<&'a TargetExtent>>,
    pub(super) nfs: Many<'a, &'a PathShare>,
    pub(super) smb: HashMap<&'a str, &'a PathShare>,
    sessions: HashSet<&'a str>,
    mounted: HashSet<&'a str>,
    /// An NFSv4 client that is no node of a scanned cluster: it may have mounted anything.
    stranger: Option<&'a str>,
}

fn push<'a, T>(map: &mut Many<'a, T>, key: &'a str, value: T) {
    if !key.is_empty() {
        map.entry(key).or_default().push(value);
    }
}

/// Every ancestor of a path, itself excluded.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices()
        .filter(|(at, c)| *c == '/' && *at > 0)
        .map(|(at, _)| &path[..at])
}

impl<'a> Index<'a> {
    pub(super) fn new(inventory: &'a Inventory, memory: &'a Memory) -> Self {
        let mut index = Self {
            inventory,
            memory,
            appliances: Vec::new(),
            by_handle: HashMap::new(),
            by_name: HashMap::new(),
            by_qualified_name: HashMap::new(),
            by_share: HashMap::new(),
            below_share: HashSet::new(),
            claim_uids: HashSet::new(),
            attached: HashSet::new(),
            contents_by_handle: HashMap::new(),
            content_volumes: HashSet::new(),
            snapshot_uids: HashSet::new(),
            backup_references: HashSet::new(),
        };
        for cluster in &inventory.clusters {
            index.add_cluster(cluster);
        }
        let nodes: HashSet<&str> = inventory
            .clusters
            .iter()
            .flat_map(|cluster| &cluster.nodes)
            .flat_map(|node| &node.addresses)
            .map(|address| &**address)
            .collect();
        for nas in &inventory.appliances {
            let instances = inventory
                .clusters
                .iter()
                .flat_map(|cluster| {
                    cluster
                        .instances
                        .iter()
                        .map(move |instance| InstanceIn { cluster, instance })
                })
                .filter(|known| known.instance.nas == nas.name)
                .collect();
            index.appliances.push(NasIndex::new(nas, instances, &nodes));
        }
        index
    }

    fn add_cluster(&mut self, cluster: &'a Cluster) {
        for volume in &cluster.volumes {
            let known = VolumeIn { cluster, volume };
            push(&mut self.by_handle, &volume.handle, known);
            push(&mut self.by_name, &volume.name, known);
            for name in volume.iqn.iter().chain(&volume.nqn) {
                push(&mut self.by_qualified_name, name, known);
            }
            if let Some(share) = &volume.share {
                let share = share.trim_end_matches('/');
                push(&mut self.by_share, share, known);
                self.below_share.extend(ancestors(share));
            }
        }
        self.claim_uids
            .extend(cluster.claims.iter().map(|claim| &*claim.uid));
        for volume in &cluster.volumes {
            self.claim_uids
                .extend(volume.claim.iter().map(|(_, _, uid)| &**uid));
        }
        self.attached.extend(
            cluster
                .attachments
                .iter()
                .map(|attachment| &*attachment.volume),
        );
        for content in &cluster.contents {
            push(&mut self.contents_by_handle, &content.handle, content);
            self.content_volumes.insert(&content.volume_handle);
            if let Some((volume, _)) = content.handle.split_once(['@', '/']) {
                self.content_volumes.insert(volume);
            }
            self.snapshot_uids.insert(&content.snapshot.2);
        }
        self.snapshot_uids
            .extend(cluster.snapshots.iter().map(|snapshot| &*snapshot.uid));
        self.backup_references
            .extend(cluster.backup_references.iter().map(|name| &**name));
    }

    /// Appliance by name.
    pub(super) fn nas(&self, name: &str) -> Option<&NasIndex<'a>> {
        self.appliances
            .iter()
            .find(|known| &*known.nas.name == name)
    }

    /// Every PersistentVolume that mentions the dataset, with the key by which it does.
    pub(super) fn mentions(
        &self,
        nas: &NasIndex<'a>,
        dataset: &Dataset,
    ) -> Vec<(Key, VolumeIn<'a>)> {
        let mut found = Vec::new();
        let mut add = |key, volumes: Option<&Vec<VolumeIn<'a>>>| {
            found.extend(volumes.into_iter().flatten().map(|volume| (key, *volume)));
        };
        add(Key::Handle, self.by_handle.get(dataset.leaf()));
        // Other drivers for the same appliance put the pool or the whole path into the handle.
        add(Key::Handle, self.by_handle.get(&*dataset.id));
        add(Key::VolumeName, self.by_name.get(dataset.leaf()));
        if let Some(name) = dataset.driver("csi_volume_name") {
            add(Key::VolumeName, self.by_name.get(&**name));
        }
        for target in nas.targets_of(&dataset.id) {
            let iqn = format!("{}:{}", nas.nas.iqn_base, target.name);
            add(Key::QualifiedName, self.by_qualified_name.get(iqn.as_str()));
        }
        for subsystem in nas.nas.subsystems.iter().filter(|known| {
            known
                .namespaces
                .iter()
                .any(|(_, disk, _)| *disk == dataset.id)
        }) {
            add(
                Key::QualifiedName,
                self.by_qualified_name.get(&*subsystem.nqn),
            );
        }
        if let Some(mountpoint) = &dataset.mountpoint {
            add(Key::SharePath, self.by_share.get(&**mountpoint));
            for share in nas
                .nas
                .smb_shares
                .iter()
                .filter(|share| share.path == *mountpoint)
            {
                add(Key::SharePath, self.by_share.get(&*share.name));
            }
        }
        found
    }

    /// Whether a PersistentVolume has this handle, in whatever cluster and of whatever driver.
    pub(super) fn handle_in_use(&self, handle: &str) -> bool {
        self.by_handle.contains_key(handle) || self.by_name.contains_key(handle)
    }

    /// Whether a PersistentVolume mounts the target.
    pub(super) fn qualified_name_in_use(&self, name: &str) -> bool {
        self.by_qualified_name.contains_key(name)
    }

    /// PersistentVolumes of a target.
    pub(super) fn volumes_of_target(&self, iqn: &str) -> &[VolumeIn<'a>] {
        self.by_qualified_name.get(iqn).map_or(&[], Vec::as_slice)
    }

    /// Whether a PersistentVolume mounts this path, something below it or something above it.
    pub(super) fn path_in_use(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.by_share.contains_key(path)
            || self.below_share.contains(path)
            || ancestors(path).any(|above| self.by_share.contains_key(above))
    }

    /// Whether a claim exists from which `pvc-<uid>` was named.
    pub(super) fn claim_exists(&self, csi_name: &str) -> bool {
        uid_of(csi_name).is_some_and(|uid| self.claim_uids.contains(uid))
    }

    /// Whether a VolumeAttachment names the volume.
    pub(super) fn attachment_exists(&self, volume: &str) -> bool {
        self.attached.contains(volume)
    }

    /// Contents with this snapshot handle.
    pub(super) fn contents(&self, handle: &str) -> &[&'a SnapshotContent] {
        self.contents_by_handle
            .get(handle)
            .map_or(&[], Vec::as_slice)
    }

    /// Whether a VolumeSnapshotContent was taken of the volume.
    pub(super) fn content_of_volume(&self, handle: &str) -> bool {
        self.content_volumes.contains(handle)
    }

    /// Whether a VolumeSnapshot exists from which `snapshot-<uid>` was named.
    pub(super) fn snapshot_exists(&self, csi_name: &str) -> bool {
        uid_of(csi_name).is_some_and(|uid| self.snapshot_uids.contains(uid))
    }

    /// Whether a backup mentions one of the names.
    pub(super) fn backup_mentions(&self, names: &[&str]) -> bool {
        names.iter().any(|name| {
            self.backup_references.contains(name)
                || uid_of(name).is_some_and(|uid| self.backup_references.contains(uid))
        })
    }
}

/// The uid in `pvc-<uid>` or `snapshot-<uid>`, whatever the prefix.
pub(super) fn uid_of(csi_name: &str) -> Option<&str> {
    let start = csi_name.len().checked_sub(36)?;
    let uid = csi_name.get(start..)?;
    let shaped = uid.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    });
    shaped.then_some(uid)
}

impl<'a> NasIndex<'a> {
    fn new(nas: &'a Nas, instances: Vec<InstanceIn<'a>>, nodes: &HashSet<&str>) -> Self {
        let csi_name = format!("{DRIVER_PREFIX}csi_volume_name");
        let mut index = Self {
            nas,
            instances,
            datasets: nas
                .datasets
                .iter()
                .map(|dataset| (&*dataset.id, dataset))
                .collect(),
            by_csi_name: HashMap::new(),
            by_mountpoint: HashMap::new(),
            with_children: nas.datasets.iter().map(Dataset::parent).collect(),
            snapshots: HashMap::new(),
            clones: HashMap::new(),
            cloned_datasets: HashMap::new(),
            extents: HashMap::new(),
            extents_by_id: nas
                .extents
                .iter()
                .map(|extent| (extent.id, extent))
                .collect(),
            targets: nas
                .targets
                .iter()
                .map(|target| (&*target.name, target))
                .collect(),
            targets_by_id: nas
                .targets
                .iter()
                .map(|target| (target.id, target))
                .collect(),
            links_of_target: HashMap::new(),
            links_of_extent: HashMap::new(),
            nfs: HashMap::new(),
            smb: nas
                .smb_shares
                .iter()
                .map(|share| (&*share.name, share))
                .collect(),
            sessions: nas
                .sessions
                .iter()
                .map(|session| &*session.target)
                .collect(),
            mounted: HashSet::new(),
            stranger: nas
                .nfs_clients
                .iter()
                .filter(|client| client.export.is_none() && !nodes.contains(&*client.address))
                .map(|client| &*client.address)
                .min(),
        };
        for dataset in &nas.datasets {
            if let Some(name) = dataset.property(&csi_name) {
                push(&mut index.by_csi_name, &name.value, dataset);
            }
            if let Some(mountpoint) = &dataset.mountpoint {
                index.by_mountpoint.insert(mountpoint, dataset);
            }
            if let Some(origin) = &dataset.origin {
                push(&mut index.clones, origin, dataset);
                push(
                    &mut index.cloned_datasets,
                    origin.split('@').next().unwrap_or(origin),
                    dataset,
                );
            }
        }
        for snapshot in &nas.snapshots {
            push(&mut index.snapshots, &snapshot.dataset, snapshot);
        }
        for extent in &nas.extents {
            if let Some(disk) = &extent.dataset {
                push(&mut index.extents, disk, extent);
            }
        }
        for link in &nas.links {
            index
                .links_of_target
                .entry(link.target)
                .or_default()
                .push(link);
            index
                .links_of_extent
                .entry(link.extent)
                .or_default()
                .push(link);
        }
        for share in &nas.nfs_shares {
            push(&mut index.nfs, &share.path, share);
        }
        for export in nas
            .nfs_clients
            .iter()
            .filter_map(|client| client.export.as_ref())
        {
            let export = export.trim_end_matches('/');
            index.mounted.insert(export);
            index.mounted.extend(ancestors(export));
        }
        index
    }

    /// Instances whose volumes lie directly in `parent`.
    pub(super) fn instances_of(&self, parent: &str) -> Vec<InstanceIn<'a>> {
        self.instances
            .iter()
            .filter(|known| &*known.instance.parent == parent)
            .copied()
            .collect()
    }

    /// Instances whose detached snapshots lie below `parent`.
    pub(super) fn instances_of_detached(&self, parent: &str) -> Vec<InstanceIn<'a>> {
        self.instances
            .iter()
            .filter(|known| known.instance.snapshot_parent.as_deref() == Some(parent))
            .copied()
            .collect()
    }

    /// Targets that show the dataset.
    pub(super) fn targets_of(&self, dataset: &str) -> Vec<&'a Target> {
        self.extents
            .get(dataset)
            .into_iter()
            .flatten()
            .filter_map(|extent| self.links_of_extent.get(&extent.id))
            .flatten()
            .filter_map(|link| self.targets_by_id.get(&link.target).copied())
            .collect()
    }

    /// Datasets cloned from the snapshot. Releases from 25.10 on spell origins in upper case in
    /// one of their fields; the decoder never reads that one.
    pub(super) fn clones_of(&self, snapshot: &str) -> &[&'a Dataset] {
        self.clones.get(snapshot).map_or(&[], Vec::as_slice)
    }

    /// Datasets cloned from any snapshot of the dataset.
    pub(super) fn clones_of_dataset(&self, dataset: &str) -> &[&'a Dataset] {
        self.cloned_datasets.get(dataset).map_or(&[], Vec::as_slice)
    }

    /// Whether a session to the target is open.
    pub(super) fn in_session(&self, target: &str) -> bool {
        self.sessions.contains(target)
    }

    /// Whether a client has mounted the path, something below it or something above it.
    pub(super) fn is_mounted(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.mounted.contains(path)
            || self
                .nas
                .nfs_clients
                .iter()
                .filter_map(|client| client.export.as_ref())
                .any(|export| ancestors(path).any(|above| above == export.trim_end_matches('/')))
    }

    /// An NFSv4 client that may have mounted the path: the appliance does not say what such a
    /// client has mounted. Nodes of scanned clusters mount what their PersistentVolumes say; any
    /// other one is believed to use every export that is shown at or above the path.
    pub(super) fn may_be_mounted_by(&self, path: &str) -> Option<&'a str> {
        let stranger = self.stranger?;
        let path = path.trim_end_matches('/');
        std::iter::once(path)
            .chain(ancestors(path))
            .any(|at| {
                self.nfs
                    .get(at)
                    .into_iter()
                    .flatten()
                    .any(|share| share.enabled)
            })
            .then_some(stranger)
    }

    /// Whether a replication task writes to the dataset or above it.
    pub(super) fn is_replicated_to(&self, dataset: &str) -> bool {
        self.nas
            .replication_targets
            .iter()
            .any(|target| crate::model::driver::within(dataset, target))
    }

    /// Parent of a dataset that is not there: the same as of one that is.
    pub(super) fn is_volume_parent(&self, dataset: &str) -> bool {
        let parent = parent(dataset);
        self.instances
            .iter()
            .any(|known| &*known.instance.parent == parent)
    }
}

#[cfg(test)]
mod tests {
    use super::{ancestors, uid_of};

    #[test]
    fn uid_is_recognised_by_its_shape() {
        let uid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(uid_of(&format!("pvc-{uid}")), Some(uid));
        assert_eq!(uid_of("pvc-0f8fad5b"), None);
        assert_eq!(uid_of("ünïcödé-ünïcödé-ünïcödé-ünïcödé-ünïcödé"), None);
    }

    #[test]
    fn ancestors_stop_at_the_first_slash() {
        assert_eq!(
            ancestors("/mnt/tank/a").collect::<Vec<_>>(),
            ["/mnt", "/mnt/tank"]
        );
    }
}
