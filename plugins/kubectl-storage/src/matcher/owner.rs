//! Whose volume a dataset is.
//!
//! Two clusters on one parent are common, and one of them may be unknown to this scan. So a
//! dataset belongs to a known cluster only when a mark says so that no other cluster would write:
//! the `instance_id` of exactly one known installation, our ledger property, a target named with
//! an affix that somebody must have chosen, an earlier scan that saw its PersistentVolume, or the
//! administrator's word that the parent is exclusive. A mark that says otherwise always wins.

use super::index::{Index, InstanceIn, NasIndex};
use crate::{
    finding::{Evidence, Key},
    model::nas::{Dataset, LEDGER_PROPERTY},
};

/// The answer.
pub(super) enum Owner {
    /// A known cluster, and why.
    Proven(Evidence),
    /// Somebody else, and why.
    Foreign(String),
    /// Nothing proves it.
    Unknown,
}

fn proven(says: String) -> Owner {
    Owner::Proven(Evidence {
        key: Key::Ownership,
        says,
    })
}

/// Whose volume the dataset is, given the installations that use its parent.
pub(super) fn of_dataset<'a>(
    index: &Index<'a>,
    nas: &NasIndex<'a>,
    dataset: &Dataset,
    candidates: Vec<InstanceIn<'a>>,
) -> Owner {
    let mut left = candidates;
    if let Some(mark) = dataset.property(LEDGER_PROPERTY) {
        left.retain(|known| known.cluster.uid == mark.value);
        return match left.first() {
            Some(_) => proven(format!("{LEDGER_PROPERTY} is {}", mark.value)),
            None => Owner::Foreign(format!("{LEDGER_PROPERTY} names cluster {}", mark.value)),
        };
    }
    if let Some(kind) = dataset.driver("volume_context_provisioner_driver") {
        left.retain(|known| same_kind(&known.instance.kind, kind));
        if left.is_empty() {
            return Owner::Foreign(format!("made by a driver of kind {kind}"));
        }
    }
    let instance_id = dataset.driver("volume_context_provisioner_instance_id");
    left.retain(|known| known.instance.instance_id.as_ref() == instance_id);
    if left.is_empty() {
        return match instance_id {
            Some(id) => Owner::Foreign(format!("made by the driver instance {id}")),
            None => Owner::Foreign("made without the instance id of the known driver".to_owned()),
        };
    }
    if let Some(why) = retain_by_assets(nas, dataset, &mut left) {
        return Owner::Foreign(why);
    }
    if let (Some(id), [known]) = (instance_id, left.as_slice()) {
        return proven(format!(
            "instance id {id} is that of {}",
            known.instance.driver
        ));
    }
    let remembered = index
        .memory
        .owner(&nas.nas.name, &dataset.id, dataset.created);
    if let Some(known) =
        remembered.and_then(|uid| left.iter().find(|known| *known.cluster.uid == *uid))
    {
        return proven(format!(
            "an earlier scan saw its PersistentVolume in {}",
            known.cluster.name
        ));
    }
    if let Some(known) = left.iter().find(|known| known.instance.exclusive) {
        return proven(format!(
            "{} is declared exclusive to {}",
            known.instance.parent, known.cluster.name
        ));
    }
    let named = nas.extents.contains_key(&*dataset.id);
    match left.as_slice() {
        [known] if named && known.instance.distinctive_names() => proven(format!(
            "its extent is named by {}'s prefix or suffix",
            known.instance.driver
        )),
        _ => Owner::Unknown,
    }
}

/// Keeps the installations that would have named the dataset's assets like this. Answers why when
/// none would.
fn retain_by_assets(
    nas: &NasIndex<'_>,
    dataset: &Dataset,
    left: &mut Vec<InstanceIn<'_>>,
) -> Option<String> {
    for extent in nas.extents.get(&*dataset.id).into_iter().flatten() {
        left.retain(|known| {
            known
                .instance
                .asset_name(dataset.leaf())
                .is_none_or(|name| *name == *extent.name)
        });
        if left.is_empty() {
            return Some(format!("its extent is called {}", extent.name));
        }
    }
    let shares = dataset
        .mountpoint
        .as_deref()
        .and_then(|path| nas.nfs.get(path));
    for share in shares.into_iter().flatten() {
        if let Some(driver) = comment_driver(&share.comment) {
            left.retain(|known| &*known.instance.driver == driver);
            if left.is_empty() {
                return Some(format!("its share was made by {driver}"));
            }
        }
    }
    None
}

/// The CSI name in `democratic-csi (<name>): <dataset>`, the driver's default comment.
pub(super) fn comment_driver(comment: &str) -> Option<&str> {
    comment
        .strip_prefix("democratic-csi (")?
        .split_once(')')
        .map(|(driver, _)| driver)
}

/// `truenas-*` and `freenas-*` are one driver under two names.
fn same_kind(one: &str, two: &str) -> bool {
    let plain = |kind: &str| kind.replacen("truenas-", "freenas-", 1);
    plain(one) == plain(two)
}

#[cfg(test)]
mod tests {
    use super::{comment_driver, same_kind};

    #[test]
    fn reads_the_driver_out_of_the_default_comment() {
        let comment = "democratic-csi (org.democratic-csi.nfs): tank/k8s/v/pvc-1";
        assert_eq!(comment_driver(comment), Some("org.democratic-csi.nfs"));
        assert_eq!(comment_driver("home of mallory (a): b"), None);
    }

    #[test]
    fn truenas_and_freenas_are_one_kind() {
        assert!(same_kind("truenas-nfs", "freenas-nfs"));
        assert!(!same_kind("freenas-api-nfs", "freenas-nfs"));
    }
}
