//! Kubernetes objects whose other half on the NAS is gone or different, and objects that are stuck.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Report, Rules,
    index::{Index, InstanceIn, NasIndex},
};
use crate::{
    finding::{Code, Evidence, Finding, Key, Subject},
    model::{
        Seconds, Text,
        cluster::{Cluster, SnapshotContent, Volume},
        nas::Dataset,
    },
};

/// Sizes that differ by less than this differ by rounding to a block size.
const ROUNDING_BYTES: u64 = 1 << 20;
/// The appliance takes no smaller quota.
const SMALLEST_QUOTA_BYTES: u64 = 1 << 30;

pub(super) fn examine(index: &Index<'_>, rules: &Rules, report: &mut Report) {
    for cluster in &index.inventory.clusters {
        let lost_parents = lost_parents(index, cluster, report);
        for volume in &cluster.volumes {
            let Some((nas, known)) =
                home(index, cluster, &volume.driver, volume.instance_id.as_ref())
            else {
                continue;
            };
            report.counts.persistent_volumes += 1;
            let whole = !lost_parents.contains(&known.instance.parent);
            examine_volume(nas, cluster, known, volume, whole, report);
            released(cluster, volume, rules, report);
        }
        for content in &cluster.contents {
            if let Some((nas, known)) = home(index, cluster, &content.driver, None) {
                examine_content(nas, cluster, known, content, rules, report);
            }
        }
        kubernetes_only(cluster, rules, report);
    }
}

/// Appliance and instance that a driver's object of the cluster belongs to.
fn home<'i, 'a>(
    index: &'i Index<'a>,
    cluster: &'a Cluster,
    driver: &str,
    instance_id: Option<&Text>,
) -> Option<(&'i NasIndex<'a>, InstanceIn<'a>)> {
    let instance = cluster.instances.iter().find(|instance| {
        &*instance.driver == driver
            && (instance_id.is_none()
                || instance.instance_id.is_none()
                || instance.instance_id.as_ref() == instance_id)
    })?;
    Some((index.nas(&instance.nas)?, InstanceIn { cluster, instance }))
}

/// Parents that are not on their appliance, with a finding for each class that uses one.
fn lost_parents<'a>(
    index: &Index<'_>,
    cluster: &'a Cluster,
    report: &mut Report,
) -> BTreeSet<&'a Text> {
    let mut lost = BTreeSet::new();
    for instance in &cluster.instances {
        let Some(nas) = index.nas(&instance.nas) else {
            continue;
        };
        if nas.datasets.contains_key(&*instance.parent) {
            continue;
        }
        lost.insert(&instance.parent);
        for class in cluster
            .classes
            .iter()
            .filter(|class| class.provisioner == instance.driver)
        {
            report.findings.push(
                Finding::reported(
                    Code::ParentMissing,
                    Subject::new(&cluster.name, "StorageClass", Text::clone(&class.name)),
                    format!(
                        "its volumes live below {} on {}, which is not there: pool exported, locked \
                         or dataset renamed",
                        instance.parent, nas.nas.name
                    ),
                )
                .because(Key::Absence, format!("{} is in no complete list", instance.parent)),
            );
        }
    }
    lost
}

fn subject(cluster: &Cluster, volume: &Volume) -> Subject {
    Subject::new(&cluster.name, "PersistentVolume", Text::clone(&volume.name)).made(volume.created)
}

fn examine_volume(
    nas: &NasIndex<'_>,
    cluster: &Cluster,
    known: InstanceIn<'_>,
    volume: &Volume,
    parent_there: bool,
    report: &mut Report,
) {
    let path = format!("{}/{}", known.instance.parent, volume.handle);
    // Being deleted: what is gone of it already is no loss, and `released` says when it is stuck.
    if volume.deleting || (&*volume.phase == "Released" && &*volume.reclaim == "Delete") {
        return;
    }
    let Some(dataset) = nas.datasets.get(path.as_str()) else {
        let mut finding = missing(nas, cluster, volume, &path);
        if !parent_there {
            finding
                .blockers
                .push(format!("{} is gone as a whole", known.instance.parent));
        }
        report.findings.push(finding.candidate());
        return;
    };
    if let Some(name) = dataset.driver("csi_volume_name")
        && *name != volume.name
        && *name != volume.handle
        && !known.instance.id_template
    {
        report.findings.push(
            Finding::reported(
                Code::Conflict,
                subject(cluster, volume),
                format!("its handle leads to {path}, which says it is the volume {name}"),
            )
            .because(Key::Handle, format!("{path} exists"))
            .because(Key::VolumeName, format!("csi_volume_name is {name}")),
        );
    }
    if let Some(finding) = share(nas, cluster, known, volume, dataset) {
        report.findings.push(finding);
    }
    report
        .findings
        .extend(size(cluster, known, volume, dataset));
}

/// The handle leads nowhere. Unless another key leads somewhere, the data is gone.
fn missing(nas: &NasIndex<'_>, cluster: &Cluster, volume: &Volume, path: &str) -> Finding {
    let handle = Evidence {
        key: Key::Handle,
        says: format!("{path} is in no complete list"),
    };
    let elsewhere = nas
        .by_csi_name
        .get(&*volume.name)
        .into_iter()
        .flatten()
        .map(|known| &known.id)
        .min();
    if let Some(found) = elsewhere {
        let mut finding = Finding::reported(
            Code::Conflict,
            subject(cluster, volume),
            format!(
                "its handle leads to {path}, which is not there; {found} says it is this volume"
            ),
        );
        finding.evidence = vec![handle];
        return finding.because(Key::VolumeName, format!("csi_volume_name of {found}"));
    }
    let mounted = volume
        .share
        .as_ref()
        .and_then(|share| nas.by_mountpoint.get(&**share));
    if let Some(found) = mounted {
        let mut finding = Finding::reported(
            Code::Conflict,
            subject(cluster, volume),
            format!(
                "its handle leads to {path}, which is not there; its share shows {}",
                found.id
            ),
        );
        finding.evidence = vec![handle];
        return finding.because(Key::SharePath, format!("mountpoint of {}", found.id));
    }
    let disk = target_of(nas, volume).and_then(|target| disk_of(nas, target.id));
    if let Some(found) = disk.filter(|disk| nas.datasets.contains_key(&***disk)) {
        let mut finding = Finding::reported(
            Code::Conflict,
            subject(cluster, volume),
            format!("its handle leads to {path}, which is not there; its target shows {found}"),
        );
        finding.evidence = vec![handle];
        return finding.because(
            Key::QualifiedName,
            format!("target's extent is zvol/{found}"),
        );
    }
    let mut finding = Finding::reported(
        Code::VolumeMissing,
        subject(cluster, volume),
        format!("{path} does not exist on {}", nas.nas.name),
    );
    finding.evidence = vec![handle];
    finding = finding.because(
        Key::VolumeName,
        format!("no dataset has the csi_volume_name {}", volume.name),
    );
    if let Some(iqn) = &volume.iqn {
        let says = match disk {
            Some(disk) => format!("{iqn} shows zvol/{disk}, which does not exist"),
            None => format!("no target with an extent for {iqn}"),
        };
        finding = finding.because(Key::QualifiedName, says);
    }
    if let Some(share) = &volume.share {
        finding = finding.because(Key::SharePath, format!("nothing is mounted at {share}"));
    }
    finding.next = Some(format!("kubectl storage explain pv/{}", volume.name));
    finding
}

fn target_of<'a>(nas: &NasIndex<'a>, volume: &Volume) -> Option<&'a crate::model::nas::Target> {
    let (_, name) = volume.iqn.as_ref()?.split_once(':')?;
    nas.targets.get(name).copied()
}

fn disk_of<'a>(nas: &NasIndex<'a>, target: u64) -> Option<&'a Text> {
    nas.links_of_target
        .get(&target)?
        .iter()
        .find_map(|link| nas.extents_by_id.get(&link.extent)?.dataset.as_ref())
}

/// Whether the way to the data is there and leads to the right data.
fn share(
    nas: &NasIndex<'_>,
    cluster: &Cluster,
    known: InstanceIn<'_>,
    volume: &Volume,
    dataset: &Dataset,
) -> Option<Finding> {
    let broken = |message: String, key, says: String| {
        let mut finding = Finding::reported(Code::ShareMissing, subject(cluster, volume), message)
            .because(Key::Handle, format!("{} exists", dataset.id))
            .because(key, says);
        finding.next = Some(format!("kubectl storage explain pv/{}", volume.name));
        Some(finding.candidate())
    };
    let wrong = |key, says: String| {
        let finding = Finding::reported(
            Code::Conflict,
            subject(cluster, volume),
            format!("its handle leads to {}; {says}", dataset.id),
        );
        Some(
            finding
                .because(Key::Handle, format!("{} exists", dataset.id))
                .because(key, says),
        )
    };
    if let (true, Some(iqn)) = (known.instance.iscsi(), &volume.iqn) {
        let Some(target) = target_of(nas, volume) else {
            return broken(
                format!("the target {iqn} does not exist"),
                Key::QualifiedName,
                "no such target in a complete list".to_owned(),
            );
        };
        let Some(disk) = disk_of(nas, target.id) else {
            return broken(
                format!("the target {iqn} shows no extent"),
                Key::Association,
                format!("target {} has no association with a zvol", target.id),
            );
        };
        if *disk != dataset.id {
            return wrong(Key::QualifiedName, format!("its target shows zvol/{disk}"));
        }
        let off = nas
            .extents
            .get(&**disk)
            .into_iter()
            .flatten()
            .all(|extent| !extent.enabled);
        if off {
            return broken(
                format!("the extent of {iqn} is disabled"),
                Key::ExtentDisk,
                "enabled is false".to_owned(),
            );
        }
    } else if let (true, Some(path)) = (known.instance.nfs(), &volume.share) {
        if dataset
            .mountpoint
            .as_ref()
            .is_some_and(|mountpoint| mountpoint != path)
        {
            return wrong(Key::SharePath, format!("it mounts {path}"));
        }
        let shares = nas.nfs.get(&**path);
        if !shares.into_iter().flatten().any(|share| share.enabled) {
            return broken(
                format!("{path} is not exported"),
                Key::SharePath,
                if shares.is_some() {
                    "the export is disabled"
                } else {
                    "no export of this path"
                }
                .to_owned(),
            );
        }
    } else if let (true, Some(name)) = (known.instance.smb(), &volume.share) {
        match nas.smb.get(&**name) {
            Some(share) if share.enabled => {
                if dataset
                    .mountpoint
                    .as_ref()
                    .is_some_and(|mountpoint| *mountpoint != share.path)
                {
                    return wrong(Key::SharePath, format!("its share shows {}", share.path));
                }
            }
            found => {
                return broken(
                    format!(
                        "the SMB share {name} is {}",
                        if found.is_some() { "disabled" } else { "gone" }
                    ),
                    Key::SharePath,
                    "no enabled share of this name".to_owned(),
                );
            }
        }
    } else if let (true, Some(nqn)) = (known.instance.nvme(), &volume.nqn)
        && !nas
            .nas
            .subsystems
            .iter()
            .any(|subsystem| subsystem.nqn == *nqn)
    {
        return broken(
            format!("the subsystem {nqn} does not exist"),
            Key::QualifiedName,
            "no such subsystem in a complete list".to_owned(),
        );
    }
    None
}

fn size(
    cluster: &Cluster,
    known: InstanceIn<'_>,
    volume: &Volume,
    dataset: &Dataset,
) -> Option<Finding> {
    let (has, wants) = if dataset.zvol {
        (dataset.volsize_bytes?, volume.capacity_bytes)
    } else if known.instance.settings.quotas == Some(false) {
        return None;
    } else {
        (
            dataset.refquota_bytes?,
            volume.capacity_bytes.max(SMALLEST_QUOTA_BYTES),
        )
    };
    if volume.capacity_bytes == 0 || has.abs_diff(wants) <= ROUNDING_BYTES {
        return None;
    }
    Some(
        Finding::reported(
            Code::SizeMismatch,
            subject(cluster, volume),
            format!(
                "Kubernetes says {} bytes and {} has {has}",
                volume.capacity_bytes, dataset.id
            ),
        )
        .because(Key::Handle, format!("{} is its dataset", dataset.id))
        .because(Key::Absence, "no rounding explains the difference")
        .candidate(),
    )
}

fn released(cluster: &Cluster, volume: &Volume, rules: &Rules, report: &mut Report) {
    if &*volume.phase != "Released" {
        return;
    }
    let since = rules.age(volume.phase_since.or(volume.created));
    if &*volume.reclaim == "Retain" {
        let mut finding = Finding::reported(
            Code::Retained,
            subject(cluster, volume),
            "released and kept by its reclaim policy Retain",
        );
        finding.age_seconds = since;
        report.findings.push(finding);
    } else if since.is_some_and(|since| since > rules.stuck_seconds) {
        let mut finding = Finding::reported(
            Code::ReleasedStuck,
            subject(cluster, volume),
            "released with reclaim policy Delete and still there: the driver cannot delete its \
             dataset (clones, snapshots, or busy)",
        )
        .because(Key::Handle, "phase is Released")
        .because(Key::Absence, "its claim is gone");
        finding.age_seconds = since;
        finding.next = Some(format!("kubectl storage explain pv/{}", volume.name));
        report.findings.push(finding.candidate());
    }
}

fn examine_content(
    nas: &NasIndex<'_>,
    cluster: &Cluster,
    known: InstanceIn<'_>,
    content: &SnapshotContent,
    rules: &Rules,
    report: &mut Report,
) {
    let subject = Subject::new(
        &cluster.name,
        "VolumeSnapshotContent",
        Text::clone(&content.name),
    )
    .made(content.created);
    if !content.ready {
        let age = rules.age(content.created);
        if !content.error.is_empty() || age.is_some_and(|age| age > rules.stuck_seconds) {
            let why = if content.error.is_empty() {
                "never became ready"
            } else {
                &*content.error
            };
            let mut finding = Finding::reported(Code::SnapshotStuck, subject, why.to_owned())
                .because(Key::SnapshotHandle, "readyToUse is false");
            finding.age_seconds = age;
            report.findings.push(finding);
        }
        return;
    }
    if content.deleting || content.handle.is_empty() {
        return;
    }
    let (there, place) = if let Some((volume, name)) = content.handle.split_once('@') {
        let dataset = format!("{}/{volume}", known.instance.parent);
        let there = nas
            .snapshots
            .get(dataset.as_str())
            .into_iter()
            .flatten()
            .any(|snapshot| &*snapshot.name == name);
        (there, format!("{dataset}@{name}"))
    } else if let Some(parent) = &known.instance.snapshot_parent {
        let place = format!("{parent}/{}", content.handle);
        (nas.datasets.contains_key(place.as_str()), place)
    } else {
        return;
    };
    if there {
        return;
    }
    let mut finding = Finding::reported(
        Code::SnapshotMissing,
        subject,
        format!("{place} does not exist on {}", nas.nas.name),
    )
    .because(
        Key::SnapshotHandle,
        format!("{place} is in no complete list"),
    )
    .because(Key::Absence, "readyToUse is true");
    let volume = format!("{}/{}", known.instance.parent, content.volume_handle);
    if !nas.datasets.contains_key(volume.as_str()) {
        finding.cause = Some(format!(
            "{volume} is gone too: the driver's releases up to 1.9 delete a volume's snapshots with it"
        ));
    }
    report.findings.push(finding.candidate());
}

/// What Kubernetes alone can tell.
fn kubernetes_only(cluster: &Cluster, rules: &Rules, report: &mut Report) {
    let drivers: BTreeSet<_> = cluster
        .instances
        .iter()
        .map(|instance| &instance.driver)
        .collect();
    let volumes: BTreeSet<_> = cluster.volumes.iter().map(|volume| &volume.name).collect();
    let nodes: BTreeSet<_> = cluster.nodes.iter().map(|node| &node.name).collect();
    let contents: BTreeMap<_, _> = cluster
        .contents
        .iter()
        .map(|content| (&content.name, content))
        .collect();
    let classes: BTreeMap<_, _> = cluster
        .classes
        .iter()
        .filter(|class| drivers.contains(&class.provisioner))
        .map(|class| (&class.name, class))
        .collect();
    for attachment in cluster
        .attachments
        .iter()
        .filter(|known| drivers.contains(&known.driver))
    {
        let subject = Subject::new(
            &cluster.name,
            "VolumeAttachment",
            Text::clone(&attachment.name),
        )
        .made(attachment.created);
        if !nodes.contains(&attachment.node) {
            report.findings.push(
                Finding::reported(
                    Code::AttachmentNode,
                    subject.clone(),
                    format!(
                        "attached to the node {}, which does not exist",
                        attachment.node
                    ),
                )
                .because(Key::Absence, "the node is in no complete list")
                .because(Key::Session, format!("attached is {}", attachment.attached))
                .candidate(),
            );
        }
        if !attachment.volume.is_empty() && !volumes.contains(&attachment.volume) {
            report.findings.push(
                Finding::reported(
                    Code::AttachmentVolume,
                    subject,
                    format!(
                        "of the PersistentVolume {}, which does not exist",
                        attachment.volume
                    ),
                )
                .because(Key::Absence, "the volume is in no complete list")
                .because(Key::VolumeName, format!("names {}", attachment.volume))
                .candidate(),
            );
        }
    }
    let mut used_claims = BTreeSet::new();
    for pod in &cluster.pods {
        used_claims.extend(pod.claims.iter().map(|claim| (&pod.namespace, claim)));
    }
    for claim in &cluster.claims {
        let Some(class) = classes.get(&claim.class) else {
            continue;
        };
        let id = format!("{}/{}", claim.namespace, claim.name);
        let subject = Subject::new(&cluster.name, "PersistentVolumeClaim", id).made(claim.created);
        let age = rules.age(claim.created);
        if &*claim.phase == "Lost" {
            report.findings.push(
                Finding::reported(
                    Code::ClaimLost,
                    subject,
                    format!("its PersistentVolume {} is gone", claim.volume),
                )
                .because(Key::VolumeName, "phase is Lost")
                .because(
                    Key::Absence,
                    format!("{} is in no complete list", claim.volume),
                )
                .candidate(),
            );
        } else if &*claim.phase == "Pending" && age.is_some_and(|age| age > rules.stuck_seconds) {
            let waits = &*class.binding == "WaitForFirstConsumer"
                && !used_claims.contains(&(&claim.namespace, &claim.name));
            if !waits {
                let mut finding = stuck(
                    Code::ClaimPending,
                    subject,
                    format!("unbound since it was made; class {}", class.name),
                    age,
                );
                finding.next = Some(format!(
                    "kubectl describe pvc -n {} {}",
                    claim.namespace, claim.name
                ));
                report.findings.push(finding);
            }
        }
    }
    for snapshot in &cluster.snapshots {
        let id = format!("{}/{}", snapshot.namespace, snapshot.name);
        let subject = Subject::new(&cluster.name, "VolumeSnapshot", id).made(snapshot.created);
        let content = contents.get(&snapshot.content);
        let age = rules.age(snapshot.created);
        if !snapshot.content.is_empty() && content.is_none() {
            if !snapshot.deleting {
                report.findings.push(
                    Finding::reported(
                        Code::SnapshotUnbound,
                        subject,
                        format!(
                            "bound to the content {}, which does not exist",
                            snapshot.content
                        ),
                    )
                    .because(Key::SnapshotName, "boundVolumeSnapshotContentName is set")
                    .because(Key::Absence, "the content is in no complete list")
                    .candidate(),
                );
            }
        } else if !snapshot.ready
            && content.is_some_and(|content| drivers.contains(&content.driver))
            && age.is_some_and(|age| age > rules.stuck_seconds)
        {
            let why = if snapshot.error.is_empty() {
                "never became ready"
            } else {
                &*snapshot.error
            };
            report
                .findings
                .push(stuck(Code::SnapshotStuck, subject, why.to_owned(), age));
        }
    }
}

fn stuck(code: Code, subject: Subject, message: String, age: Option<Seconds>) -> Finding {
    let mut finding = Finding::reported(code, subject, message);
    finding.age_seconds = age;
    finding
}
