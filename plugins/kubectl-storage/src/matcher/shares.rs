//! Targets, extents, associations, shares and subsystems whose volume is gone.
//!
//! These carry no date of their own: their grace is the ledger's (first seen). Names of targets
//! are global to an appliance, so the word that a *parent* is exclusive proves nothing about a
//! target that shows nothing; there only a distinctive affix or an earlier scan does.

use super::{
    Report, Rules,
    index::{Index, InstanceIn, NasIndex, uid_of},
    volumes::number,
};
use crate::{
    finding::{Code, Finding, Key, Subject},
    model::{
        Text,
        nas::{Extent, PathShare, Target, leaf, parent},
    },
};

pub(super) fn examine(index: &Index<'_>, _rules: &Rules, report: &mut Report) {
    for nas in &index.appliances {
        for extent in &nas.nas.extents {
            report.findings.extend(extent_orphan(index, nas, extent));
        }
        for target in &nas.nas.targets {
            report.findings.extend(target_orphan(index, nas, target));
            report.findings.extend(stale_session(index, nas, target));
        }
        for link in &nas.nas.links {
            let target = nas.targets_by_id.contains_key(&link.target);
            let extent = nas.extents_by_id.contains_key(&link.extent);
            if !(target && extent) {
                report.findings.push(Finding::reported(
                    Code::LinkOrphan,
                    Subject::new(&nas.nas.name, "TargetExtent", link.id.to_string())
                        .made(number(link.id)),
                    format!(
                        "associates target {} ({}) with extent {} ({})",
                        link.target,
                        if target { "there" } else { "gone" },
                        link.extent,
                        if extent { "there" } else { "gone" },
                    ),
                ));
            }
        }
        for share in &nas.nas.nfs_shares {
            report
                .findings
                .extend(share_orphan(index, nas, share, "NfsShare"));
        }
        for share in &nas.nas.smb_shares {
            report
                .findings
                .extend(share_orphan(index, nas, share, "SmbShare"));
        }
        subsystem_orphans(index, nas, report);
    }
}

/// Whether anything in a known cluster still speaks of the volume.
fn spoken_of(index: &Index<'_>, leaf: &str) -> bool {
    index.handle_in_use(leaf)
        || index.claim_exists(leaf)
        || index.attachment_exists(leaf)
        || index.content_of_volume(leaf)
        || index.backup_mentions(&[leaf])
}

/// Why an asset for the missing volume `dataset` is of a known cluster.
fn asset_owner(
    index: &Index<'_>,
    nas: &NasIndex<'_>,
    dataset: &str,
    known: InstanceIn<'_>,
    below_parent: bool,
) -> Option<String> {
    if known.instance.distinctive_names() {
        return Some(format!(
            "named by {}'s prefix or suffix",
            known.instance.driver
        ));
    }
    if below_parent && known.instance.exclusive {
        return Some(format!("{} is declared exclusive", known.instance.parent));
    }
    index
        .memory
        .last_owner(&nas.nas.name, dataset)
        .filter(|uid| **uid == *known.cluster.uid)
        .map(|_| {
            format!(
                "an earlier scan saw its PersistentVolume in {}",
                known.cluster.name
            )
        })
}

fn extent_orphan(index: &Index<'_>, nas: &NasIndex<'_>, extent: &Extent) -> Option<Finding> {
    let dataset = extent.dataset.as_ref()?;
    let volume = leaf(dataset);
    let known = nas
        .instances_of(parent(dataset))
        .into_iter()
        .find(|known| known.instance.asset_name(volume).as_deref() == Some(&*extent.name))?;
    if nas.datasets.contains_key(&**dataset) || spoken_of(index, volume) {
        return None;
    }
    let mut finding = Finding::reported(
        Code::ExtentOrphan,
        Subject::new(&nas.nas.name, "Extent", Text::clone(&extent.name)).made(number(extent.id)),
        format!("shows the zvol {dataset}, which does not exist"),
    )
    .because(
        Key::ExtentDisk,
        format!("disk zvol/{dataset} is in no complete list"),
    )
    .because(
        Key::AssetName,
        format!(
            "named as {} names the volume {volume}",
            known.instance.driver
        ),
    );
    for link in nas.links_of_extent.get(&extent.id).into_iter().flatten() {
        let site = &nas.nas.name;
        finding
            .related
            .push(Subject::new(site, "TargetExtent", link.id.to_string()).made(number(link.id)));
        let Some(target) = nas.targets_by_id.get(&link.target) else {
            continue;
        };
        finding
            .related
            .push(Subject::new(site, "Target", Text::clone(&target.name)).made(number(target.id)));
        let iqn = format!("{}:{}", nas.nas.iqn_base, target.name);
        if index.qualified_name_in_use(&iqn) {
            finding.blockers.push(format!(
                "a PersistentVolume uses the target {}",
                target.name
            ));
        }
        if nas.in_session(&target.name) {
            finding
                .blockers
                .push(format!("an iSCSI session to {} is open", target.name));
        }
        if nas
            .links_of_target
            .get(&target.id)
            .is_some_and(|links| links.len() > 1)
        {
            finding.blockers.push(format!(
                "the target {} shows other extents too",
                target.name
            ));
        }
    }
    Some(finish(
        finding,
        asset_owner(index, nas, dataset, known, true),
    ))
}

fn target_orphan(index: &Index<'_>, nas: &NasIndex<'_>, target: &Target) -> Option<Finding> {
    let links = nas.links_of_target.get(&target.id).into_iter().flatten();
    if links
        .into_iter()
        .any(|link| nas.extents_by_id.contains_key(&link.extent))
    {
        return None;
    }
    let iqn = format!("{}:{}", nas.nas.iqn_base, target.name);
    if index.qualified_name_in_use(&iqn) {
        return None;
    }
    let known = nas
        .instances
        .iter()
        .filter(|known| known.instance.iscsi())
        .find(|known| {
            known
                .instance
                .leaf_of_asset(&target.name)
                .and_then(uid_of)
                .is_some()
        })?;
    let volume = known.instance.leaf_of_asset(&target.name)?;
    let elsewhere = nas.instances.iter().any(|other| {
        let parent = &other.instance.parent;
        nas.datasets
            .contains_key(format!("{parent}/{volume}").as_str())
    });
    if elsewhere || nas.by_csi_name.contains_key(volume) || spoken_of(index, volume) {
        return None;
    }
    let mut finding = Finding::reported(
        Code::TargetOrphan,
        Subject::new(&nas.nas.name, "Target", Text::clone(&target.name)).made(number(target.id)),
        "shows no extent, and the volume it was made for does not exist",
    )
    .because(
        Key::AssetName,
        format!(
            "named as {} names the volume {volume}",
            known.instance.driver
        ),
    )
    .because(Key::Association, "no association with an extent")
    .because(
        Key::QualifiedName,
        format!("no PersistentVolume uses {iqn}"),
    );
    if nas.in_session(&target.name) {
        finding
            .blockers
            .push("an iSCSI session to it is open".to_owned());
    }
    let dataset = format!("{}/{volume}", known.instance.parent);
    Some(finish(
        finding,
        asset_owner(index, nas, &dataset, *known, false),
    ))
}

fn share_orphan(
    index: &Index<'_>,
    nas: &NasIndex<'_>,
    share: &PathShare,
    kind: &'static str,
) -> Option<Finding> {
    let dataset = share.path.strip_prefix("/mnt/")?.trim_end_matches('/');
    let volume = leaf(dataset);
    if nas.datasets.contains_key(dataset)
        || nas.by_mountpoint.contains_key(&*share.path)
        || spoken_of(index, volume)
        || index.path_in_use(&share.path)
    {
        return None;
    }
    let by_comment =
        |driver: &str| *share.comment == *format!("democratic-csi ({driver}): {dataset}");
    let known = nas
        .instances_of(parent(dataset))
        .into_iter()
        .find(|known| {
            by_comment(&known.instance.driver)
                || (kind == "SmbShare"
                    && known.instance.asset_name(volume).as_deref() == Some(&*share.name))
        })?;
    let id = if kind == "SmbShare" {
        &share.name
    } else {
        &share.path
    };
    let mut finding = Finding::reported(
        Code::ShareOrphan,
        Subject::new(&nas.nas.name, kind, Text::clone(id)).made(number(share.id)),
        format!("shows {}, where no file system is mounted", share.path),
    )
    .because(
        Key::SharePath,
        format!("no dataset {dataset} in a complete list"),
    )
    .because(
        Key::AssetName,
        format!(
            "marked by {} for the volume {volume}",
            known.instance.driver
        ),
    );
    if nas.is_mounted(&share.path) {
        finding
            .blockers
            .push("an NFS client has mounted it".to_owned());
    }
    if let (Some(client), "NfsShare") = (nas.may_be_mounted_by(&share.path), kind) {
        finding.blockers.push(format!(
            "the NFSv4 client {client} is no node of a scanned cluster and may have mounted it"
        ));
    }
    Some(finish(
        finding,
        asset_owner(index, nas, dataset, known, true),
    ))
}

fn subsystem_orphans(index: &Index<'_>, nas: &NasIndex<'_>, report: &mut Report) {
    for subsystem in &nas.nas.subsystems {
        let [(_, dataset, _)] = subsystem.namespaces.as_slice() else {
            continue;
        };
        let volume = leaf(dataset);
        if nas.datasets.contains_key(&**dataset)
            || spoken_of(index, volume)
            || index.qualified_name_in_use(&subsystem.nqn)
        {
            continue;
        }
        let Some(known) = nas
            .instances_of(parent(dataset))
            .into_iter()
            .find(|known| known.instance.asset_name(volume).as_deref() == Some(&*subsystem.name))
        else {
            continue;
        };
        let finding = Finding::reported(
            Code::SubsystemOrphan,
            Subject::new(&nas.nas.name, "Subsystem", Text::clone(&subsystem.name))
                .made(number(subsystem.id)),
            format!("shows the zvol {dataset}, which does not exist"),
        )
        .because(
            Key::ExtentDisk,
            format!("disk zvol/{dataset} is in no complete list"),
        )
        .because(
            Key::AssetName,
            format!("named as {} names the volume", known.instance.driver),
        );
        report.findings.push(finish(
            finding,
            asset_owner(index, nas, dataset, known, true),
        ));
    }
}

/// A session to a volume that no VolumeAttachment of its cluster names.
fn stale_session(index: &Index<'_>, nas: &NasIndex<'_>, target: &Target) -> Option<Finding> {
    if !nas.in_session(&target.name) {
        return None;
    }
    let iqn = format!("{}:{}", nas.nas.iqn_base, target.name);
    let volumes = index.volumes_of_target(&iqn);
    let attached = volumes
        .iter()
        .any(|known| index.attachment_exists(&known.volume.name));
    if volumes.is_empty() || attached {
        return None;
    }
    let names: Vec<_> = volumes.iter().map(|known| &*known.volume.name).collect();
    Some(
        Finding::reported(
            Code::StaleSession,
            Subject::new(&nas.nas.name, "Target", Text::clone(&target.name))
                .made(number(target.id)),
            format!(
                "a node holds a session to {} and no VolumeAttachment names it",
                names.join(", ")
            ),
        )
        .because(Key::Session, format!("open session to {}", target.name)),
    )
}

/// With a proven owner it is a candidate; without one it stays a report.
fn finish(mut finding: Finding, owner: Option<String>) -> Finding {
    finding.related.sort();
    finding.related.dedup();
    finding.blockers.sort();
    let Some(why) = owner else {
        finding
            .blockers
            .push("nothing proves which cluster made it".to_owned());
        return finding;
    };
    finding.next = Some(format!("kubectl storage plan {}", finding.subject.id));
    finding.because(Key::Ownership, why).candidate()
}
