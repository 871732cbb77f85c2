//! CSI snapshots, detached snapshots and the driver's helper snapshots.
//!
//! User properties are inherited: a periodic snapshot of a volume shows `managed_resource` too.
//! A CSI snapshot is one with a `csi_snapshot_name` of its own that equals its name.

use super::{
    Report, Rules,
    index::{Index, NasIndex, uid_of},
    owner::{self, Owner},
};
use crate::{
    finding::{Code, Evidence, Finding, Key, Subject},
    model::{
        Text,
        nas::{Dataset, Snapshot, leaf, parent},
    },
};

const FOR_VOLUME: &str = "volume-source-for-volume-";
const FOR_SNAPSHOT: &str = "volume-source-for-snapshot-";
/// A backup tool may take its snapshots a little before and after what it records.
const BACKUP_MARGIN_SECONDS: i64 = 3600;

pub(super) fn examine(index: &Index<'_>, rules: &Rules, report: &mut Report) {
    for cluster in &index.inventory.clusters {
        for content in cluster
            .contents
            .iter()
            .filter(|content| &*content.policy == "Retain")
        {
            report.retained_snapshots.push(Text::clone(&content.handle));
        }
    }
    for nas in &index.appliances {
        for snapshot in &nas.nas.snapshots {
            if nas.is_volume_parent(&snapshot.dataset) {
                report.counts.snapshots += 1;
                examine_snapshot(index, nas, snapshot, rules, report);
            }
        }
        for dataset in &nas.nas.datasets {
            examine_detached(index, nas, dataset, rules, report);
        }
    }
}

/// The existing backup during which the snapshot was taken.
pub(super) fn backup_of<'a>(index: &Index<'a>, snapshot: &Snapshot) -> Option<&'a Text> {
    let created = snapshot.created?;
    uid_of(&snapshot.name)?;
    index
        .inventory
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.backups)
        .filter(|backup| {
            created >= backup.from - BACKUP_MARGIN_SECONDS
                && backup
                    .to
                    .is_none_or(|to| created <= to + BACKUP_MARGIN_SECONDS)
        })
        .map(|backup| &backup.name)
        .min()
}

fn subject(nas: &NasIndex<'_>, snapshot: &Snapshot) -> Subject {
    Subject::new(&nas.nas.name, "Snapshot", snapshot.id()).made(snapshot.created)
}

fn examine_snapshot(
    index: &Index<'_>,
    nas: &NasIndex<'_>,
    snapshot: &Snapshot,
    rules: &Rules,
    report: &mut Report,
) {
    if snapshot.deferred {
        let mut finding = Finding::reported(
            Code::DeferredSnapshot,
            subject(nas, snapshot),
            "destroyed, and kept by the file system until its last clone is gone",
        );
        finding.bytes = Some(snapshot.used_bytes);
        finding.related = clones(nas, snapshot);
        report.findings.push(finding);
        return;
    }
    if let Some(volume) = snapshot.name.strip_prefix(FOR_VOLUME) {
        report
            .findings
            .extend(leaked_helper(index, nas, snapshot, volume, rules));
    } else if let Some(taken) = snapshot.name.strip_prefix(FOR_SNAPSHOT) {
        report
            .findings
            .extend(leaked_helper(index, nas, snapshot, taken, rules));
    } else if snapshot.csi_name.as_ref() == Some(&snapshot.name) {
        let handle = format!("{}@{}", leaf(&snapshot.dataset), snapshot.name);
        if !index.contents(&handle).is_empty() {
            report.counts.matched_snapshots += 1;
            return;
        }
        report
            .findings
            .extend(snapshot_orphan(index, nas, snapshot, &handle, rules));
    }
}

fn clones(nas: &NasIndex<'_>, snapshot: &Snapshot) -> Vec<Subject> {
    let known = nas.clones_of(&snapshot.id()).iter().map(|clone| &clone.id);
    let mut clones: Vec<_> = known
        .chain(&snapshot.clones)
        .map(|clone| Subject::new(&nas.nas.name, "Dataset", Text::clone(clone)))
        .collect();
    clones.sort();
    clones.dedup();
    clones
}

/// Why the snapshot's volume is of a known cluster: it is one's PersistentVolume, or it carries a
/// mark. None when it is itself an orphan, whose finding then speaks for its snapshots.
fn volume_owner(index: &Index<'_>, nas: &NasIndex<'_>, dataset: &str) -> Option<Evidence> {
    let dataset = nas.datasets.get(dataset)?;
    let mentions = index.mentions(nas, dataset);
    let handle = mentions.iter().find(|(key, _)| *key == Key::Handle)?;
    let name = mentions.iter().find(|(key, _)| *key == Key::VolumeName)?;
    if handle.1.cluster.uid != name.1.cluster.uid {
        return None;
    }
    Some(Evidence {
        key: Key::Ownership,
        says: format!(
            "its volume is the PersistentVolume {} in {}",
            handle.1.volume.name, handle.1.cluster.name
        ),
    })
}

fn common_blockers(nas: &NasIndex<'_>, snapshot: &Snapshot, finding: &mut Finding) {
    if finding.age_seconds.is_none() {
        finding.blockers.push("its age is unknown".to_owned());
    }
    if snapshot.holds > 0 {
        finding
            .blockers
            .push(format!("it has {} holds", snapshot.holds));
    }
    finding.related = clones(nas, snapshot);
    if let Some(clone) = finding.related.first() {
        finding
            .blockers
            .push(format!("the clone {} depends on it", clone.id));
    }
    if nas.is_replicated_to(&snapshot.dataset) {
        finding
            .blockers
            .push("a replication task writes to its dataset".to_owned());
    }
}

fn snapshot_orphan(
    index: &Index<'_>,
    nas: &NasIndex<'_>,
    snapshot: &Snapshot,
    handle: &str,
    rules: &Rules,
) -> Option<Finding> {
    let age = rules.age(snapshot.created);
    if age.is_some_and(|age| age < rules.grace_seconds) || index.snapshot_exists(&snapshot.name) {
        return None;
    }
    let owner = volume_owner(index, nas, &snapshot.dataset)?;
    let retained = index.memory.was_retained(handle);
    let backup = backup_of(index, snapshot);
    let code = if retained {
        Code::Retained
    } else {
        Code::SnapshotOrphan
    };
    let mut finding = Finding::reported(
        code,
        subject(nas, snapshot),
        if retained {
            "its content had deletion policy Retain: kept on purpose"
        } else {
            "no VolumeSnapshotContent of any known cluster mentions it"
        },
    )
    .because(
        Key::SnapshotHandle,
        format!("no content has the handle {handle}"),
    )
    .because(
        Key::SnapshotName,
        format!("csi_snapshot_name is {}", snapshot.name),
    );
    finding.evidence.push(owner);
    finding.age_seconds = age;
    finding.bytes = Some(snapshot.used_bytes);
    common_blockers(nas, snapshot, &mut finding);
    if index.backup_mentions(&[handle, &snapshot.name]) {
        finding.blockers.push("a backup mentions it".to_owned());
    }
    if let Some(backup) = backup {
        finding.blockers.push(format!(
            "it was taken during the backup {backup}, which still exists"
        ));
    }
    if retained {
        return Some(finding);
    }
    finding.next = Some(format!("kubectl storage plan {}", snapshot.id()));
    Some(finding.candidate())
}

/// A helper lives as long as what it was made for. It is leaked when no clone hangs on it and the
/// volume or snapshot it was made for does not need it any more.
fn leaked_helper(
    index: &Index<'_>,
    nas: &NasIndex<'_>,
    snapshot: &Snapshot,
    purpose: &str,
    rules: &Rules,
) -> Option<Finding> {
    let age = rules.age(snapshot.created);
    if age.is_some_and(|age| age < rules.grace_seconds) || !clones(nas, snapshot).is_empty() {
        return None;
    }
    // A copy may still be running: the claim or the snapshot it serves is not done.
    if (index.claim_exists(purpose) && !index.handle_in_use(purpose))
        || index.snapshot_exists(purpose)
    {
        return None;
    }
    let owner = volume_owner(index, nas, &snapshot.dataset)?;
    let mut finding = Finding::reported(
        Code::LeakedHelper,
        subject(nas, snapshot),
        format!("made by the driver for {purpose}; nothing is cloned from it any more"),
    )
    .because(Key::Origin, "no dataset has it as origin")
    .because(Key::AssetName, format!("named by the driver for {purpose}"));
    finding.evidence.push(owner);
    finding.age_seconds = age;
    finding.bytes = Some(snapshot.used_bytes);
    if nas.nas.release >= (25, 10) {
        finding.cause = Some(
            "from TrueNAS 25.10 on the driver does not recognise its helper by the origin's text \
             and leaves it"
                .to_owned(),
        );
    }
    common_blockers(nas, snapshot, &mut finding);
    finding.next = Some(format!("kubectl storage plan {}", snapshot.id()));
    Some(finding.candidate())
}

fn examine_detached(
    index: &Index<'_>,
    nas: &NasIndex<'_>,
    dataset: &Dataset,
    rules: &Rules,
    report: &mut Report,
) {
    let volume_path = dataset.parent();
    if !nas.instances_of_detached(volume_path).is_empty() {
        if !nas.with_children.contains(&*dataset.id) && !index.handle_in_use(dataset.leaf()) {
            let age = rules.age(dataset.created);
            if age.is_none_or(|age| age >= rules.grace_seconds) {
                report.findings.push(Finding::reported(
                    Code::EmptyContainer,
                    Subject::new(&nas.nas.name, "Dataset", Text::clone(&dataset.id))
                        .made(dataset.created),
                    "held detached snapshots of a volume that is gone, and holds none now",
                ));
            }
        }
        return;
    }
    let instances = nas.instances_of_detached(parent(volume_path));
    if instances.is_empty() {
        return;
    }
    report.counts.snapshots += 1;
    let handle = format!("{}/{}", leaf(volume_path), dataset.leaf());
    if !index.contents(&handle).is_empty() {
        report.counts.matched_snapshots += 1;
        return;
    }
    let age = rules.age(dataset.created);
    let named = dataset
        .driver("csi_snapshot_name")
        .is_some_and(|name| &**name == dataset.leaf());
    if !named
        || age.is_some_and(|age| age < rules.grace_seconds)
        || index.snapshot_exists(dataset.leaf())
    {
        return;
    }
    let owner = owner::of_dataset(index, nas, dataset, instances);
    let retained = index.memory.was_retained(&handle);
    let code = match (&owner, retained) {
        (_, true) => Code::Retained,
        (Owner::Proven(..), _) => Code::DetachedOrphan,
        _ => Code::UnknownOwner,
    };
    let mut finding = Finding::reported(
        code,
        Subject::new(&nas.nas.name, "Dataset", Text::clone(&dataset.id)).made(dataset.created),
        "no VolumeSnapshotContent of any known cluster mentions this detached snapshot",
    )
    .because(
        Key::SnapshotHandle,
        format!("no content has the handle {handle}"),
    )
    .because(
        Key::SnapshotName,
        format!("csi_snapshot_name is {}", dataset.leaf()),
    );
    finding.age_seconds = age;
    finding.bytes = Some(dataset.used_bytes);
    if age.is_none() {
        finding.blockers.push("its age is unknown".to_owned());
    }
    if let Some(clone) = nas
        .clones_of_dataset(&dataset.id)
        .iter()
        .map(|clone| &clone.id)
        .min()
    {
        finding
            .blockers
            .push(format!("the clone {clone} depends on it"));
    }
    if nas.with_children.contains(&*dataset.id) {
        finding.blockers.push("it has child datasets".to_owned());
    }
    if nas.is_replicated_to(&dataset.id) {
        finding
            .blockers
            .push("a replication task writes to it".to_owned());
    }
    if index.backup_mentions(&[&handle, dataset.leaf()]) {
        finding.blockers.push("a backup mentions it".to_owned());
    }
    let taken = Snapshot {
        name: dataset.leaf().into(),
        created: dataset.created,
        ..Snapshot::default()
    };
    if let Some(backup) = backup_of(index, &taken) {
        finding.blockers.push(format!(
            "it was taken during the backup {backup}, which still exists"
        ));
    }
    for snapshot in nas.snapshots.get(&*dataset.id).into_iter().flatten() {
        if snapshot.holds > 0 {
            finding
                .blockers
                .push(format!("its snapshot {} is held", snapshot.name));
        }
    }
    if let (Owner::Proven(evidence), Code::DetachedOrphan) = (owner, code) {
        finding.evidence.push(evidence);
        finding.next = Some(format!("kubectl storage plan {}", dataset.id));
        finding = finding.candidate();
    }
    report.findings.push(finding);
}
