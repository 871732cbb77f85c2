//! Checks of the configuration: what will not work, or not for long, and what to do about it.

mod running;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    finding::Severity,
    model::{
        Inventory, Text,
        cluster::Cluster,
        driver::{Instance, within},
        nas::Nas,
    },
};

/// Length of `pvc-<uid>`.
const VOLUME_NAME: usize = 40;
const LONGEST_ASSET: usize = 64;
const SNAPSHOTS_PER_DATASET: usize = 512;
const SNAPSHOTS_IN_ALL: usize = 10_000;
const POOL_FULL_PERCENT: u128 = 80;

/// A check that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Stable code, `PQS-4001`.
    pub code: &'static str,
    /// How grave.
    pub severity: Severity,
    /// Release of the driver, class, node, pool or dataset.
    pub subject: Text,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub remedy: &'static str,
}

/// The rules: `PQS-4001` and so on, without a gap.
pub const RULES: usize = 40;

/// Runs every rule.
pub fn validate(inventory: &Inventory) -> Vec<Check> {
    let mut checks = Vec::new();
    for cluster in &inventory.clusters {
        for instance in &cluster.instances {
            let nas = inventory
                .appliances
                .iter()
                .find(|nas| nas.name == instance.nas);
            instance_alone(cluster, instance, &mut checks);
            running::examine(cluster, instance, &mut checks);
            if let Some(nas) = nas {
                instance_on_nas(instance, nas, &mut checks);
            }
            for other in inventory
                .clusters
                .iter()
                .flat_map(|cluster| &cluster.instances)
            {
                pair(instance, other, &mut checks);
            }
        }
        classes(cluster, &mut checks);
        running::unserved(cluster, &mut checks);
    }
    for nas in &inventory.appliances {
        appliance(inventory, nas, &mut checks);
    }
    checks.sort();
    checks.dedup();
    checks
}

/// What of a driver breaks on a release of TrueNAS; none when nothing is known to. The image is
/// that of the running controller, where it could be read: the `next` line speaks to 25.04 and
/// 25.10, no release of the 1.x line does.
pub fn breaks(kind: &str, image: Option<&str>, release: (u16, u16)) -> Option<&'static str> {
    let api_only = kind.contains("-api-");
    let tag = image
        .and_then(|image| image.rsplit_once(':'))
        .map(|(_, tag)| tag);
    if tag.is_some_and(|tag| tag.starts_with("next")) && release < (26, 0) {
        return None;
    }
    match release {
        (26.., _) => Some("REST is removed: no published driver image works; stay below 26"),
        (25, 10..) if api_only => Some(
            "snapshots moved to /pool/snapshot, and helper snapshots are not recognised: set the \
             driver image to the `next` tag before upgrading",
        ),
        (25, _) if api_only => Some(
            "the version text lost its SCALE: set the driver image to the `next` tag before upgrading",
        ),
        (25, _) => Some("share calls go through REST, which warns daily from 25.10.1 on"),
        (24, _) if kind.ends_with("-iscsi") => Some(
            "a create that stops right after its target was made fails for good when it is tried again, with \
             `Target with this name already exists`: set the driver image to the `next` tag",
        ),
        _ => None,
    }
}

fn check(
    checks: &mut Vec<Check>,
    code: &'static str,
    severity: Severity,
    subject: &Text,
    message: impl Into<String>,
    remedy: &'static str,
) {
    checks.push(Check {
        code,
        severity,
        subject: Text::clone(subject),
        message: message.into(),
        remedy,
    });
}

fn instance_alone(cluster: &Cluster, instance: &Instance, checks: &mut Vec<Check>) {
    let settings = &instance.settings;
    let subject = &instance.driver;
    if let Some(snapshots) = &instance.snapshot_parent
        && (within(snapshots, &instance.parent) || within(&instance.parent, snapshots))
    {
        check(
            checks,
            "PQS-4003",
            Severity::Critical,
            subject,
            format!("{snapshots} and {} lie in one another", instance.parent),
            "set zfs.detachedSnapshotsDatasetParentName to a sibling of zfs.datasetParentName",
        );
    }
    if &*settings.protocol == "http" {
        let severity = if settings.api_key {
            Severity::Critical
        } else {
            Severity::Error
        };
        check(
            checks,
            "PQS-4012",
            severity,
            subject,
            "credentials travel in plain; TrueNAS 25.04 and later revoke a key that does",
            "set httpConnection.protocol to https and create a new key",
        );
    }
    if settings.allow_insecure {
        check(
            checks,
            "PQS-4013",
            Severity::Warning,
            subject,
            "any certificate is accepted (httpConnection.allowInsecure)",
            "give the appliance a certificate of a known authority and set allowInsecure to false",
        );
    }
    let affixes = instance.name_prefix.len() + instance.name_suffix.len();
    if instance.iscsi() && affixes + VOLUME_NAME > LONGEST_ASSET {
        check(
            checks,
            "PQS-4014",
            Severity::Error,
            subject,
            format!(
                "asset names come to {} characters, the appliance takes {LONGEST_ASSET}",
                affixes + VOLUME_NAME
            ),
            "shorten iscsi.namePrefix and iscsi.nameSuffix",
        );
    }
    if settings
        .extent_block_size
        .is_some_and(|size| ![512, 1024, 2048, 4096].contains(&size))
    {
        check(
            checks,
            "PQS-4015",
            Severity::Error,
            subject,
            "iscsi.extentBlocksize is none of 512, 1024, 2048, 4096",
            "set iscsi.extentBlocksize to 512 or 4096",
        );
    }
    if settings
        .zvol_block_size
        .as_deref()
        .is_some_and(|size| ["512", "1K", "2K", "4K", "8K"].contains(&size))
    {
        check(
            checks,
            "PQS-4016",
            Severity::Info,
            subject,
            "zfs.zvolBlocksize below 16K wastes space on RAIDZ",
            "leave zfs.zvolBlocksize at 16K or more",
        );
    }
    if instance.nfs() && settings.quotas == Some(false) {
        check(
            checks,
            "PQS-4017",
            Severity::Warning,
            subject,
            "datasetEnableQuotas is off: volumes have no size and growing one answers 0",
            "set zfs.datasetEnableQuotas to true",
        );
    }
    if instance.iscsi() && settings.portal_groups.is_empty() {
        check(
            checks,
            "PQS-4008",
            Severity::Error,
            subject,
            "iscsi.targetGroups names no portal group",
            "set iscsi.targetGroups[].targetGroupPortalGroup",
        );
    }
    if settings.share_host.is_empty() {
        check(
            checks,
            "PQS-4030",
            Severity::Error,
            subject,
            "no portal or share host is configured",
            "set iscsi.targetPortal, nfs.shareHost or smb.shareHost",
        );
    }
    if settings
        .image
        .as_deref()
        .is_some_and(|image| image.ends_with(":latest") || !image.contains(':'))
    {
        check(
            checks,
            "PQS-4031",
            Severity::Warning,
            subject,
            "the driver image is not pinned",
            "set the chart's driver image to a version or a digest",
        );
    }
    let marked =
        instance.instance_id.is_some() || instance.exclusive || instance.distinctive_names();
    if !marked {
        check(
            checks,
            "PQS-4029",
            Severity::Info,
            subject,
            format!(
                "nothing proves whose volumes in {} are: orphans there stay unproven",
                instance.parent
            ),
            "set instance_id in the driver configuration, or vouch for the parent with exclusiveParents",
        );
    }
    if !cluster.csi_drivers.contains(&instance.driver) {
        check(
            checks,
            "PQS-4018",
            Severity::Error,
            subject,
            "no CSIDriver object of this name",
            "check the chart's csiDriver.name",
        );
    }
    for node in cluster
        .nodes
        .iter()
        .filter(|node| node.ready && !node.drivers.contains(&instance.driver))
    {
        check(
            checks,
            "PQS-4023",
            Severity::Warning,
            subject,
            format!(
                "node {} has not registered the driver: pods with its volumes cannot start there",
                node.name
            ),
            "look at the driver's node pod there: iscsid, multipath or nfs-utils may be missing",
        );
    }
}

fn instance_on_nas(instance: &Instance, nas: &Nas, checks: &mut Vec<Check>) {
    let subject = &instance.driver;
    let there = |path: &Text| nas.datasets.iter().any(|dataset| dataset.id == *path);
    if !there(&instance.parent) {
        check(
            checks,
            "PQS-4001",
            Severity::Critical,
            subject,
            format!("{} is not on {}", instance.parent, nas.name),
            "create the dataset, or correct zfs.datasetParentName",
        );
    }
    if let Some(parent) = instance
        .snapshot_parent
        .as_ref()
        .filter(|parent| !there(parent))
    {
        check(
            checks,
            "PQS-4002",
            Severity::Info,
            subject,
            format!(
                "{parent} is not on {}; the driver makes it with the first detached snapshot",
                nas.name
            ),
            "nothing, or create it with the properties you want",
        );
    }
    if instance.iscsi() {
        for group in instance
            .settings
            .portal_groups
            .iter()
            .filter(|group| !nas.portals.contains(group))
        {
            check(
                checks,
                "PQS-4006",
                Severity::Error,
                subject,
                format!("portal group {group} does not exist"),
                "set iscsi.targetGroups[].targetGroupPortalGroup to one under Shares, iSCSI, Portals",
            );
        }
        for group in instance
            .settings
            .initiator_groups
            .iter()
            .filter(|group| !nas.initiators.contains(group))
        {
            check(
                checks,
                "PQS-4007",
                Severity::Error,
                subject,
                format!("initiator group {group} does not exist"),
                "set iscsi.targetGroups[].targetGroupInitiatorGroup to one under Shares, iSCSI, Initiators",
            );
        }
    }
    let service = if instance.iscsi() {
        "iscsitarget"
    } else if instance.nfs() {
        "nfs"
    } else if instance.smb() {
        "cifs"
    } else {
        "nvmet"
    };
    if let Some(known) = nas.services.iter().find(|known| &*known.name == service) {
        if !known.running {
            check(
                checks,
                "PQS-4009",
                Severity::Critical,
                subject,
                format!("the service {service} does not run"),
                "start it under System, Services",
            );
        }
        if !known.autostart {
            check(
                checks,
                "PQS-4010",
                Severity::Warning,
                subject,
                format!("the service {service} does not start with the appliance"),
                "set Start Automatically under System, Services",
            );
        }
    }
    if let Some(what) = breaks(
        &instance.kind,
        instance.settings.image.as_deref(),
        nas.release,
    ) {
        check(
            checks,
            "PQS-4011",
            Severity::Warning,
            subject,
            format!(
                "{} on TrueNAS {}.{:02}: {what}",
                instance.kind, nas.release.0, nas.release.1
            ),
            "kubectl storage doctor",
        );
    }
    for task in nas.snapshot_tasks.iter().filter(|task| task.enabled) {
        let covers = task.dataset == instance.parent
            || (task.recursive && within(&instance.parent, &task.dataset));
        if covers && task.recursive {
            check(
                checks,
                "PQS-4025",
                Severity::Warning,
                subject,
                format!(
                    "a periodic snapshot task covers {}: the driver's `next` image cannot delete volumes that have its snapshots",
                    instance.parent
                ),
                "exclude the parent from the task, or keep its retention short",
            );
        }
    }
}

fn pair(one: &Instance, two: &Instance, checks: &mut Vec<Check>) {
    if std::ptr::eq(one, two) || one.nas != two.nas {
        return;
    }
    if one.parent == two.parent && (one.instance_id.is_none() || one.instance_id == two.instance_id)
    {
        check(
            checks,
            "PQS-4004",
            Severity::Error,
            &one.driver,
            format!(
                "shares {} with {} and nothing tells their volumes apart",
                one.parent, two.driver
            ),
            "give each a parent of its own, or at least an instance_id",
        );
    } else if one.parent != two.parent && within(&one.parent, &two.parent) {
        check(
            checks,
            "PQS-4005",
            Severity::Critical,
            &one.driver,
            format!(
                "its parent {} lies inside {} of {}, which takes it for a volume",
                one.parent, two.parent, two.driver
            ),
            "move one of the parents out of the other",
        );
    }
}

fn classes(cluster: &Cluster, checks: &mut Vec<Check>) {
    for instance in &cluster.instances {
        let driver = &instance.driver;
        let classes: Vec<_> = cluster
            .classes
            .iter()
            .filter(|class| class.provisioner == *driver)
            .collect();
        if classes.is_empty() {
            check(
                checks,
                "PQS-4019",
                Severity::Info,
                driver,
                "no StorageClass uses this driver",
                "add one to the chart's storageClasses",
            );
        }
        for class in classes {
            if !class.expandable {
                check(
                    checks,
                    "PQS-4020",
                    Severity::Info,
                    &class.name,
                    "allowVolumeExpansion is off",
                    "set allowVolumeExpansion: true; the driver can grow volumes",
                );
            }
            if &*class.reclaim == "Retain" {
                check(
                    checks,
                    "PQS-4024",
                    Severity::Info,
                    &class.name,
                    "reclaimPolicy Retain: released volumes stay until a person removes them",
                    "use Delete, or look at `kubectl storage orphans` now and then",
                );
            }
        }
        let mut defaults = cluster
            .snapshot_classes
            .iter()
            .filter(|class| class.driver == *driver && class.default);
        if !cluster
            .snapshot_classes
            .iter()
            .any(|class| class.driver == *driver)
        {
            check(
                checks,
                "PQS-4021",
                Severity::Info,
                driver,
                "no VolumeSnapshotClass uses this driver",
                "add one to the chart's volumeSnapshotClasses",
            );
        }
        if defaults.next().is_some() && defaults.next().is_some() {
            check(
                checks,
                "PQS-4022",
                Severity::Error,
                driver,
                "two default VolumeSnapshotClasses: snapshots without a class fail",
                "keep the annotation is-default-class on one of them",
            );
        }
    }
}

fn appliance(inventory: &Inventory, nas: &Nas, checks: &mut Vec<Check>) {
    for pool in &nas.pools {
        if !pool.healthy || &*pool.status != "ONLINE" {
            check(
                checks,
                "PQS-4026",
                Severity::Critical,
                &pool.name,
                format!("the pool is {}", pool.status),
                "look at the pool's status page before anything else",
            );
        }
        let size = u128::from(pool.used_bytes) + u128::from(pool.available_bytes);
        if size > 0 && u128::from(pool.used_bytes) * 100 >= size * POOL_FULL_PERCENT {
            check(
                checks,
                "PQS-4027",
                Severity::Warning,
                &pool.name,
                format!(
                    "{} % of the pool is used; ZFS slows down from 80 % on",
                    u128::from(pool.used_bytes) * 100 / size
                ),
                "kubectl storage usage; kubectl storage orphans",
            );
        }
    }
    let mut by_dataset: BTreeMap<&Text, usize> = BTreeMap::new();
    for snapshot in &nas.snapshots {
        *by_dataset.entry(&snapshot.dataset).or_default() += 1;
    }
    for (dataset, count) in by_dataset
        .into_iter()
        .filter(|(_, count)| *count > SNAPSHOTS_PER_DATASET)
    {
        check(
            checks,
            "PQS-4032",
            Severity::Warning,
            dataset,
            format!("{count} snapshots; the appliance warns above {SNAPSHOTS_PER_DATASET}"),
            "shorten the retention of the tasks and backups that take them",
        );
    }
    if nas.snapshots.len() > SNAPSHOTS_IN_ALL {
        check(
            checks,
            "PQS-4033",
            Severity::Warning,
            &nas.name,
            format!(
                "{} snapshots; the appliance warns above {SNAPSHOTS_IN_ALL}",
                nas.snapshots.len()
            ),
            "shorten the retention of the tasks and backups that take them",
        );
    }
    let uses_iscsi = inventory
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.instances)
        .any(|instance| instance.nas == nas.name && instance.iscsi());
    if uses_iscsi && nas.iqn_base.is_empty() {
        check(
            checks,
            "PQS-4034",
            Severity::Error,
            &nas.name,
            "no iqn base name is configured",
            "set the base name under Shares, iSCSI, Target Global Configuration",
        );
    }
}

#[cfg(test)]
mod tests;
