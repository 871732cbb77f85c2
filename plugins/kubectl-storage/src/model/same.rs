//! One appliance that is reached in two ways.
//!
//! A driver of one cluster may call an appliance by its name, that of another by its address or another port. Taken for
//! two appliances, each would lack the PersistentVolumes of the other's drivers, and their volumes would look orphaned.
//! What tells is the guid of a pool (zpoolprops(7)), which no two pools have.

use std::collections::{BTreeSet, HashSet};

use super::{Inventory, Text, nas::Nas};

impl Inventory {
    /// Makes one appliance of those that have a pool in common, under the name that comes first; the drivers of the
    /// others are then drivers of that one. Gives the names that went, each with the one that stays.
    ///
    /// Appliances that were copied as a whole (virtual machines made from one image) have equal guids too, and are
    /// taken for one: what is on either of them then counts as used by the drivers of both, which proves less and
    /// never more.
    pub fn join_appliances(&mut self) -> Vec<(Text, Text)> {
        let mut joined = Vec::new();
        let mut kept: Vec<Nas> = Vec::new();
        for nas in std::mem::take(&mut self.appliances) {
            let Some(same) = kept.iter_mut().find(|known| share_a_pool(known, &nas)) else {
                kept.push(nas);
                continue;
            };
            joined.push((Text::clone(&nas.name), Text::clone(&same.name)));
            join(same, nas);
        }
        self.appliances = kept;
        for (gone, stays) in &joined {
            for instance in self
                .clusters
                .iter_mut()
                .flat_map(|cluster| &mut cluster.instances)
                .filter(|instance| instance.nas == *gone)
            {
                instance.nas = Text::clone(stays);
            }
        }
        joined
    }
}

fn share_a_pool(one: &Nas, other: &Nas) -> bool {
    let guids: BTreeSet<&str> = one.pools.iter().map(|pool| &*pool.guid).collect();
    other
        .pools
        .iter()
        .any(|pool| !pool.guid.is_empty() && guids.contains(&*pool.guid))
}

/// Adds what only the other reading has: each read the parents of its own drivers. Tables are read whole by both.
fn join(same: &mut Nas, other: Nas) {
    let known: HashSet<Text> = same
        .datasets
        .iter()
        .map(|row| Text::clone(&row.id))
        .collect();
    let new = other.datasets.into_iter();
    same.datasets
        .extend(new.filter(|row| !known.contains(&row.id)));
    let known: HashSet<(Text, Text)> = same
        .snapshots
        .iter()
        .map(|row| (Text::clone(&row.dataset), Text::clone(&row.name)))
        .collect();
    let new = other.snapshots.into_iter();
    same.snapshots
        .extend(new.filter(|row| !known.contains(&(row.dataset.clone(), row.name.clone()))));
    same.gaps.extend(other.gaps);
}
