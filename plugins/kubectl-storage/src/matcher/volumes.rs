//! Volumes on the NAS without a PersistentVolume.

use super::{
    Match, Report, Rules,
    index::{Index, NasIndex},
    owner::{self, Owner},
};
use crate::{
    finding::{Code, Finding, Key, Severity, Subject},
    model::{
        Text,
        nas::{DRIVER_PREFIX, Dataset, TNS_PREFIX},
    },
};

/// Prefix of the snapshots that a quarantine takes; their hold is ours.
pub(crate) const QUARANTINE_SNAPSHOT: &str = "pequod-quarantine-";

pub(super) fn examine(index: &Index<'_>, rules: &Rules, report: &mut Report) {
    for nas in &index.appliances {
        for dataset in &nas.nas.datasets {
            if nas.is_volume_parent(&dataset.id) && !is_plumbing(nas, dataset) {
                examine_volume(index, nas, dataset, rules, report);
            }
        }
    }
}

/// Whether the dataset is the parent of another instance, or of detached snapshots.
fn is_plumbing(nas: &NasIndex<'_>, dataset: &Dataset) -> bool {
    nas.instances.iter().any(|known| {
        let parents = [
            Some(&known.instance.parent),
            known.instance.snapshot_parent.as_ref(),
        ];
        parents
            .into_iter()
            .flatten()
            .any(|parent| crate::model::driver::within(parent, &dataset.id))
    })
}

fn examine_volume<'a>(
    index: &Index<'a>,
    nas: &NasIndex<'a>,
    dataset: &Dataset,
    rules: &Rules,
    report: &mut Report,
) {
    report.counts.volumes += 1;
    let subject =
        Subject::new(&nas.nas.name, "Dataset", Text::clone(&dataset.id)).made(dataset.created);
    let mentions = index.mentions(nas, dataset);
    if let Some(finding) = copy_of(nas, dataset, &subject, &mentions) {
        report.findings.push(finding);
        return;
    }
    if !mentions.is_empty() {
        report.counts.matched += 1;
        let mut volumes: Vec<_> = mentions
            .iter()
            .map(|(_, known)| (&known.cluster.uid, &known.cluster.name, &known.volume.name))
            .collect();
        volumes.sort();
        volumes.dedup();
        if let [(uid, cluster, volume)] = volumes.as_slice() {
            report.matches.push(Match {
                nas: Text::clone(&nas.nas.name),
                dataset: Text::clone(&dataset.id),
                created: dataset.created,
                cluster_uid: Text::clone(uid),
                cluster: Text::clone(cluster),
                volume: Text::clone(volume),
            });
        } else {
            report
                .findings
                .push(two_volumes(nas, subject, &volumes, &mentions));
        }
        return;
    }
    if let Some(finding) = unmanaged(nas, dataset, &subject) {
        report.findings.push(finding);
        return;
    }
    let age = rules.age(dataset.created);
    if age.is_some_and(|age| age < rules.grace_seconds) {
        report.counts.young += 1;
        return;
    }
    report
        .findings
        .push(unmentioned(index, nas, dataset, subject, age));
}

/// A dataset that only its `csi_volume_name` connects with a PersistentVolume, while that volume's
/// own dataset is there: `zfs send -p` and clones carry the property along. What it is for is for
/// a person to say, and it proves nothing about whose it is.
fn copy_of(
    nas: &NasIndex<'_>,
    dataset: &Dataset,
    subject: &Subject,
    mentions: &[(Key, super::index::VolumeIn<'_>)],
) -> Option<Finding> {
    let name = dataset
        .driver("csi_volume_name")
        .filter(|name| &***name != dataset.leaf())?;
    let only_by_name = !mentions.is_empty()
        && mentions
            .iter()
            .all(|(key, known)| *key == Key::VolumeName && known.volume.name == *name);
    if !only_by_name {
        return None;
    }
    let original = mentions.iter().find_map(|(_, known)| {
        nas.instances
            .iter()
            .filter(|instance| instance.instance.driver == known.volume.driver)
            .map(|instance| format!("{}/{}", instance.instance.parent, known.volume.handle))
            .find(|path| **path != *dataset.id && nas.datasets.contains_key(path.as_str()))
    })?;
    let mut finding = Finding::reported(
        Code::Conflict,
        subject.clone(),
        format!("says it is the volume {name}, which is {original}: a copy"),
    )
    .because(Key::VolumeName, format!("csi_volume_name is {name}"))
    .because(Key::Handle, format!("{original} exists and is that volume"));
    finding.bytes = Some(dataset.used_bytes);
    Some(finding)
}

/// One dataset, several PersistentVolumes: which one is right is for a person to say.
fn two_volumes(
    nas: &NasIndex<'_>,
    subject: Subject,
    volumes: &[(&Text, &Text, &Text)],
    mentions: &[(Key, super::index::VolumeIn<'_>)],
) -> Finding {
    let names: Vec<_> = volumes
        .iter()
        .map(|(_, cluster, name)| format!("{cluster}/{name}"))
        .collect();
    let mut finding = Finding::reported(
        Code::Conflict,
        subject,
        format!(
            "{} PersistentVolumes mention one dataset: {}",
            names.len(),
            names.join(", ")
        ),
    );
    for (key, known) in mentions {
        finding = finding.because(
            *key,
            format!(
                "PersistentVolume {} in {} on {}",
                known.volume.name, known.cluster.name, nas.nas.name
            ),
        );
    }
    finding.evidence.sort();
    finding.evidence.dedup();
    finding
}

/// A dataset that no democratic-csi made: never ours to judge.
fn unmanaged(nas: &NasIndex<'_>, dataset: &Dataset, subject: &Subject) -> Option<Finding> {
    let by_other = dataset
        .properties
        .iter()
        .any(|property| property.name.starts_with(TNS_PREFIX));
    let by_driver = dataset
        .driver("managed_resource")
        .is_some_and(|value| &**value == "true");
    if by_driver && !by_other {
        return None;
    }
    let any = dataset
        .properties
        .iter()
        .any(|property| property.name.starts_with(DRIVER_PREFIX));
    let message = if by_other {
        "another CSI driver's volume lies in a democratic-csi parent"
    } else if any {
        "carries properties of the driver but not its mark of ownership"
    } else {
        "lies in a driver's parent and carries none of the driver's properties"
    };
    let mut finding = Finding::reported(Code::Unmanaged, subject.clone(), message);
    finding.bytes = Some(dataset.used_bytes);
    if nas.nas.release >= (26, 0) && !by_other {
        finding.cause = Some(
            "TrueNAS 26 drops user properties given at creation: a volume being made looks like this"
                .to_owned(),
        );
    }
    Some(finding)
}

/// A driver's dataset that no PersistentVolume of any known cluster mentions.
fn unmentioned<'a>(
    index: &Index<'a>,
    nas: &NasIndex<'a>,
    dataset: &Dataset,
    subject: Subject,
    age: Option<i64>,
) -> Finding {
    let instances = nas.instances_of(dataset.parent());
    let csi_name = dataset.driver("csi_volume_name");
    let templated = instances.iter().any(|known| known.instance.id_template);
    if let Some(name) = csi_name.filter(|name| &***name != dataset.leaf() && !templated) {
        return Finding::reported(
            Code::Conflict,
            subject,
            format!(
                "the dataset is called {} but says it is the volume {name}",
                dataset.leaf()
            ),
        )
        .because(Key::Handle, format!("handle would be {}", dataset.leaf()))
        .because(Key::VolumeName, format!("csi_volume_name is {name}"));
    }
    let retained = instances.iter().any(|known| known.instance.retain);
    let owner = owner::of_dataset(index, nas, dataset, instances);
    let finished = dataset
        .driver("provision_success")
        .is_some_and(|value| &**value == "true");
    let code = match &owner {
        _ if retained => Code::Retained,
        Owner::Proven(..) if finished => Code::VolumeOrphan,
        Owner::Proven(..) => Code::PartialProvision,
        Owner::Foreign(_) | Owner::Unknown => Code::UnknownOwner,
    };
    let message = match code {
        Code::VolumeOrphan => "no PersistentVolume of any known cluster mentions it".to_owned(),
        Code::PartialProvision => {
            "a create stopped half way and nothing refers to what it left".to_owned()
        }
        Code::Retained => "kept on purpose: the driver's deleteStrategy is retain".to_owned(),
        _ => match &owner {
            Owner::Foreign(why) => format!("not of a known cluster: {why}"),
            _ => "nothing proves which cluster made it".to_owned(),
        },
    };
    let mut finding = Finding::reported(code, subject, message);
    finding.age_seconds = age;
    finding.bytes = Some(dataset.used_bytes);
    finding = finding.because(
        Key::Handle,
        format!("no PersistentVolume has the handle {}", dataset.leaf()),
    );
    if let Some(name) = csi_name {
        finding = finding.because(
            Key::VolumeName,
            format!("no PersistentVolume is called {name}"),
        );
    }
    if let Owner::Proven(evidence) = &owner {
        finding.evidence.push(evidence.clone());
    }
    finding.blockers = blockers(index, nas, dataset, age);
    finding.related = assets(nas, dataset);
    match code {
        Code::PartialProvision => finding.cause = Some(partial_cause(nas, dataset)),
        Code::VolumeOrphan => finding.cause = finished_cause(nas, dataset),
        _ => return finding,
    }
    if !finding.blockers.is_empty() {
        finding.severity = Severity::Info;
    }
    finding.next = Some(match code {
        Code::VolumeOrphan | Code::PartialProvision if finding.blockers.is_empty() => {
            format!("kubectl storage plan {}", dataset.id)
        }
        _ => format!("kubectl storage explain {}", dataset.id),
    });
    if csi_name.is_some() {
        finding.candidate()
    } else {
        finding
    }
}

/// Everything that speaks against touching the dataset.
fn blockers(
    index: &Index<'_>,
    nas: &NasIndex<'_>,
    dataset: &Dataset,
    age: Option<i64>,
) -> Vec<String> {
    let mut blockers = Vec::new();
    let leaf = dataset.leaf();
    let csi_name = dataset
        .driver("csi_volume_name")
        .map_or(leaf, |name| &**name);
    if age.is_none() {
        blockers.push("its age is unknown".to_owned());
    }
    if [leaf, csi_name].iter().any(|name| index.claim_exists(name)) {
        blockers.push(format!("the claim that {csi_name} was named after exists"));
    }
    if [leaf, csi_name]
        .iter()
        .any(|name| index.attachment_exists(name))
    {
        blockers.push("a VolumeAttachment names it".to_owned());
    }
    if index.content_of_volume(leaf) {
        blockers.push("a VolumeSnapshotContent was taken of it".to_owned());
    }
    if index.backup_mentions(&[leaf, csi_name]) {
        blockers.push("a backup mentions it".to_owned());
    }
    if let Some(path) = &dataset.mountpoint {
        if index.path_in_use(path) {
            blockers.push(format!(
                "a PersistentVolume mounts {path}, something above or below it"
            ));
        }
        if nas.is_mounted(path) {
            blockers.push(format!("an NFS client has mounted {path}"));
        }
        if let Some(client) = nas.may_be_mounted_by(path) {
            blockers.push(format!(
                "the NFSv4 client {client} is no node of a scanned cluster and may have mounted {path}"
            ));
        }
    }
    for target in nas.targets_of(&dataset.id) {
        if nas.in_session(&target.name) {
            blockers.push(format!("an iSCSI session to {} is open", target.name));
        }
    }
    if let Some(clone) = nas
        .clones_of_dataset(&dataset.id)
        .iter()
        .map(|clone| &clone.id)
        .min()
    {
        blockers.push(format!("the clone {clone} depends on it"));
    }
    if nas.with_children.contains(&*dataset.id) {
        blockers.push("it has child datasets".to_owned());
    }
    if nas.is_replicated_to(&dataset.id) {
        blockers.push("a replication task writes to it".to_owned());
    }
    for snapshot in nas.snapshots.get(&*dataset.id).into_iter().flatten() {
        if snapshot.holds > 0 && !snapshot.name.starts_with(QUARANTINE_SNAPSHOT) {
            blockers.push(format!("its snapshot {} is held", snapshot.name));
        }
        if index.backup_mentions(&[&snapshot.name]) || index.snapshot_exists(&snapshot.name) {
            blockers.push(format!("its snapshot {} is in use", snapshot.name));
        }
        if let Some(backup) = super::snapshots::backup_of(index, snapshot) {
            blockers.push(format!(
                "its snapshot {} belongs to the backup {backup}",
                snapshot.name
            ));
        }
    }
    blockers.sort();
    blockers.dedup();
    blockers
}

/// What would go with the dataset.
fn assets(nas: &NasIndex<'_>, dataset: &Dataset) -> Vec<Subject> {
    let site = &nas.nas.name;
    let mut assets = Vec::new();
    for extent in nas.extents.get(&*dataset.id).into_iter().flatten() {
        assets
            .push(Subject::new(site, "Extent", Text::clone(&extent.name)).made(number(extent.id)));
        for link in nas.links_of_extent.get(&extent.id).into_iter().flatten() {
            assets.push(
                Subject::new(site, "TargetExtent", link.id.to_string()).made(number(link.id)),
            );
        }
    }
    for target in targets_by_any_way(nas, dataset) {
        assets
            .push(Subject::new(site, "Target", Text::clone(&target.name)).made(number(target.id)));
    }
    if let Some(path) = &dataset.mountpoint {
        for share in nas.nfs.get(&**path).into_iter().flatten() {
            assets.push(
                Subject::new(site, "NfsShare", Text::clone(&share.path)).made(number(share.id)),
            );
        }
        for share in nas
            .nas
            .smb_shares
            .iter()
            .filter(|share| share.path == *path)
        {
            assets.push(
                Subject::new(site, "SmbShare", Text::clone(&share.name)).made(number(share.id)),
            );
        }
    }
    for snapshot in nas.snapshots.get(&*dataset.id).into_iter().flatten() {
        assets.push(Subject::new(site, "Snapshot", snapshot.id()).made(snapshot.created));
    }
    assets.sort();
    assets.dedup();
    assets
}

/// Targets linked to the dataset's extent, and one that has its name but no link yet.
fn targets_by_any_way<'a>(
    nas: &NasIndex<'a>,
    dataset: &Dataset,
) -> Vec<&'a crate::model::nas::Target> {
    let mut targets = nas.targets_of(&dataset.id);
    for known in nas.instances_of(dataset.parent()) {
        let named = known.instance.asset_name(dataset.leaf());
        targets.extend(named.and_then(|name| nas.targets.get(name.as_str()).copied()));
    }
    targets
}

/// A number as an incarnation.
pub(super) fn number(id: u64) -> Option<i64> {
    i64::try_from(id).ok()
}

/// Which step of a create failed. The driver writes a property after each step that made
/// something, so the first missing one names the step; an asset without its property means that
/// the process ended between the two.
fn partial_cause(nas: &NasIndex<'_>, dataset: &Dataset) -> String {
    let has = |name: &str| dataset.driver(name).is_some();
    let step = if !dataset.zvol {
        let shared = dataset
            .mountpoint
            .as_deref()
            .is_some_and(|path| nas.nfs.contains_key(path));
        match (
            has("freenas_nfs_share_id") || has("freenas_smb_share_id"),
            shared,
        ) {
            (false, false) => "after the file system was made and before its share was",
            (false, true) => "after the share was made and before its number was recorded",
            (true, _) if !has("csi_share_volume_context") => {
                "after the share was recorded and before the volume context was"
            }
            _ => "before the last step, recording success",
        }
    } else if has("csi_share_volume_context") {
        "before the last step, recording success"
    } else if has("freenas_iscsi_targettoextent_id") {
        "after the association was recorded and before the volume context was"
    } else if has("freenas_iscsi_extent_id") {
        if nas.targets_of(&dataset.id).is_empty() {
            "after the extent was recorded and before target and extent were associated"
        } else {
            "after target and extent were associated and before that was recorded"
        }
    } else if has("freenas_iscsi_target_id") {
        if nas.extents.contains_key(&*dataset.id) {
            "after the extent was made and before its number was recorded"
        } else {
            "after the target was recorded and before the extent was made"
        }
    } else if targets_by_any_way(nas, dataset).is_empty() {
        "after the zvol was made and before its target was"
    } else {
        "after the target was made and before its number was recorded"
    };
    format!(
        "the create stopped {step}; usually a timeout of the provisioner or a restart of the \
         controller (external-provisioner#486, democratic-csi#356)"
    )
}

/// A finished volume that lost its share: a delete that stopped half way.
fn finished_cause(nas: &NasIndex<'_>, dataset: &Dataset) -> Option<String> {
    let shared = nas.extents.contains_key(&*dataset.id)
        || dataset.mountpoint.as_deref().is_some_and(|path| {
            nas.nfs.contains_key(path)
                || nas.nas.smb_shares.iter().any(|share| &*share.path == path)
        })
        || nas.nas.subsystems.iter().any(|subsystem| {
            subsystem
                .namespaces
                .iter()
                .any(|(_, disk, _)| *disk == dataset.id)
        });
    (!shared).then(|| {
        "its share is gone and the dataset is not: a delete stopped between the two (busy \
         dataset, or TrueNAS 26 answering true to a destroy that failed)"
            .to_owned()
    })
}
