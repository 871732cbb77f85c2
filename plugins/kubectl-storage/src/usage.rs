//! What volumes were promised, what they take, and what is left.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Inventory, Seconds, Text, nas::parent};

/// Space of a pool, of a driver's parent or of a StorageClass.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// `pool`, `parent` or `class`.
    pub kind: &'static str,
    /// Appliance or cluster.
    pub site: Text,
    /// Name.
    pub name: Text,
    /// How many volumes.
    pub volumes: usize,
    /// Bytes promised: sizes of zvols and quotas of file systems.
    pub allocated_bytes: u64,
    /// Bytes taken, snapshots included.
    pub used_bytes: u64,
    /// Bytes that snapshots alone take.
    pub snapshot_bytes: u64,
    /// Bytes a pool still has; none for what is no pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available_bytes: Option<u64>,
    /// Promised bytes in percent of what the pool could hold; none for what is no pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overcommit_percent: Option<u64>,
}

impl Usage {
    /// Bytes promised and not taken.
    pub fn thin_bytes(&self) -> u64 {
        self.allocated_bytes.saturating_sub(self.used_bytes)
    }
}

/// A volume that is nearly full.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NearFull {
    /// Percent of its size that its live data takes.
    pub percent: u64,
    /// Appliance.
    pub nas: Text,
    /// Dataset.
    pub dataset: Text,
}

/// Space by pool, parent and StorageClass, in that order.
pub fn usage(inventory: &Inventory) -> Vec<Usage> {
    let mut list = Vec::new();
    for nas in &inventory.appliances {
        let mut snapshot_bytes: BTreeMap<&str, u64> = BTreeMap::new();
        for snapshot in &nas.snapshots {
            *snapshot_bytes.entry(&snapshot.dataset).or_default() += snapshot.used_bytes;
        }
        let instances: Vec<_> = inventory
            .clusters
            .iter()
            .flat_map(|cluster| {
                cluster
                    .instances
                    .iter()
                    .map(move |instance| (cluster, instance))
            })
            .filter(|(_, instance)| instance.nas == nas.name)
            .collect();
        let mut parents: BTreeMap<&str, Usage> = instances
            .iter()
            .map(|(_, instance)| {
                (
                    &*instance.parent,
                    row("parent", &nas.name, &instance.parent),
                )
            })
            .collect();
        let mut pools: BTreeMap<&str, Usage> = nas
            .pools
            .iter()
            .map(|pool| (&*pool.name, row("pool", &nas.name, &pool.name)))
            .collect();
        for dataset in &nas.datasets {
            let pool = dataset.id.split('/').next().unwrap_or_default();
            let Some(of_parent) = parents.get_mut(parent(&dataset.id)) else {
                continue;
            };
            let size = dataset
                .volsize_bytes
                .or(dataset.refquota_bytes)
                .unwrap_or_default();
            let snapshots = snapshot_bytes
                .get(&*dataset.id)
                .copied()
                .unwrap_or_default();
            for usage in std::iter::once(of_parent).chain(pools.get_mut(pool)) {
                usage.volumes += 1;
                usage.allocated_bytes += size;
                usage.used_bytes += dataset.used_bytes;
                usage.snapshot_bytes += snapshots;
            }
        }
        for pool in &nas.pools {
            let Some(usage) = pools.get_mut(&*pool.name) else {
                continue;
            };
            let size = u128::from(pool.used_bytes) + u128::from(pool.available_bytes);
            usage.used_bytes = pool.used_bytes;
            usage.available_bytes = Some(pool.available_bytes);
            usage.overcommit_percent = (u128::from(usage.allocated_bytes) * 100)
                .checked_div(size)
                .and_then(|percent| u64::try_from(percent).ok());
        }
        list.extend(pools.into_values());
        list.extend(parents.into_values());
    }
    list.extend(classes(inventory));
    list
}

fn row(kind: &'static str, site: &Text, name: &Text) -> Usage {
    Usage {
        kind,
        site: Text::clone(site),
        name: Text::clone(name),
        ..Usage::default()
    }
}

fn classes(inventory: &Inventory) -> Vec<Usage> {
    let mut list = Vec::new();
    for cluster in &inventory.clusters {
        let mut classes: BTreeMap<&Text, Usage> = BTreeMap::new();
        let mut homes: BTreeMap<&Text, Vec<&Text>> = BTreeMap::new();
        for instance in &cluster.instances {
            homes
                .entry(&instance.driver)
                .or_default()
                .extend([&instance.nas, &instance.parent]);
        }
        let used: BTreeMap<(&str, &str), u64> = inventory
            .appliances
            .iter()
            .flat_map(|nas| {
                nas.datasets
                    .iter()
                    .map(|dataset| ((&*nas.name, &*dataset.id), dataset.used_bytes))
            })
            .collect();
        for volume in &cluster.volumes {
            let Some([nas, parent, ..]) = homes.get(&volume.driver).map(Vec::as_slice) else {
                continue;
            };
            let usage = classes
                .entry(&volume.class)
                .or_insert_with(|| row("class", &cluster.name, &volume.class));
            usage.volumes += 1;
            usage.allocated_bytes += volume.capacity_bytes;
            let path = format!("{parent}/{}", volume.handle);
            usage.used_bytes += used
                .get(&(&***nas, path.as_str()))
                .copied()
                .unwrap_or_default();
        }
        list.extend(classes.into_values());
    }
    list
}

/// Volumes whose live data takes at least that many percent of their size, fullest first.
pub fn near_full(inventory: &Inventory, percent: u64) -> Vec<NearFull> {
    let mut list: Vec<_> = inventory
        .appliances
        .iter()
        .flat_map(|nas| nas.datasets.iter().map(move |dataset| (nas, dataset)))
        .filter_map(|(nas, dataset)| {
            let size = dataset
                .volsize_bytes
                .or(dataset.refquota_bytes)
                .filter(|size| *size > 0)?;
            let taken = u128::from(dataset.referenced_bytes.unwrap_or(dataset.used_bytes));
            let share = u64::try_from(taken * 100 / u128::from(size)).ok()?;
            (share >= percent).then(|| NearFull {
                percent: share,
                nas: Text::clone(&nas.name),
                dataset: Text::clone(&dataset.id),
            })
        })
        .collect();
    list.sort_by(|one, two| {
        two.percent
            .cmp(&one.percent)
            .then_with(|| one.dataset.cmp(&two.dataset))
    });
    list
}

/// The snapshots of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshots {
    /// Appliance.
    pub nas: Text,
    /// Dataset.
    pub dataset: Text,
    /// How many.
    pub snapshots: usize,
    /// How many of them are CSI snapshots.
    pub csi: usize,
    /// Bytes that they alone take.
    pub used_bytes: u64,
    /// When the oldest was made.
    pub oldest: Option<Seconds>,
}

/// Snapshots by volume, in the order of names.
pub fn snapshots(inventory: &Inventory) -> Vec<Snapshots> {
    let mut list = Vec::new();
    for nas in &inventory.appliances {
        let mut volumes: BTreeMap<&Text, Snapshots> = BTreeMap::new();
        for snapshot in &nas.snapshots {
            let row = volumes
                .entry(&snapshot.dataset)
                .or_insert_with(|| Snapshots {
                    nas: Text::clone(&nas.name),
                    dataset: Text::clone(&snapshot.dataset),
                    snapshots: 0,
                    csi: 0,
                    used_bytes: 0,
                    oldest: None,
                });
            row.snapshots += 1;
            row.csi += usize::from(snapshot.csi_name.as_ref() == Some(&snapshot.name));
            row.used_bytes += snapshot.used_bytes;
            row.oldest = row.oldest.into_iter().chain(snapshot.created).min();
        }
        list.extend(volumes.into_values());
    }
    list
}

/// Bytes for people: `1.5Gi`.
pub fn human(bytes: u64) -> String {
    let units = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut unit = 0;
    let mut tenths = u128::from(bytes) * 10;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths /= 1024;
        unit += 1;
    }
    if unit == 0 || tenths % 10 == 0 {
        format!("{}{}", tenths / 10, units[unit])
    } else {
        format!("{}.{}{}", tenths / 10, tenths % 10, units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        cluster::Cluster,
        driver::Instance,
        nas::{Dataset, Nas, Pool},
    };

    #[test]
    fn overcommit_counts_promises_against_the_pool() {
        let zvol = |id: &str| Dataset {
            id: id.into(),
            zvol: true,
            used_bytes: 10,
            referenced_bytes: Some(95),
            volsize_bytes: Some(100),
            ..Dataset::default()
        };
        let nas = Nas {
            name: "nas".into(),
            pools: vec![Pool {
                name: "tank".into(),
                used_bytes: 20,
                available_bytes: 80,
                ..Pool::default()
            }],
            datasets: vec![zvol("tank/v/a"), zvol("tank/v/b"), zvol("tank/other")],
            ..Nas::default()
        };
        let instance = Instance {
            nas: "nas".into(),
            parent: "tank/v".into(),
            ..Instance::default()
        };
        let cluster = Cluster {
            instances: vec![instance],
            ..Cluster::default()
        };
        let inventory = Inventory {
            appliances: vec![nas],
            clusters: vec![cluster],
        };
        let list = usage(&inventory);
        assert_eq!(list[0].overcommit_percent, Some(200));
        assert_eq!((list[1].volumes, list[1].thin_bytes()), (2, 180));
        assert_eq!(near_full(&inventory, 90).len(), 3);
    }

    #[test]
    fn bytes_for_people() {
        assert_eq!(human(1023), "1023");
        assert_eq!(human(3 << 29), "1.5Gi");
        assert_eq!(human(1 << 40), "1Ti");
    }
}
