//! What runs of a driver, and how its classes fit it.

use super::{Check, check};
use crate::{
    finding::Severity,
    model::{
        Text,
        cluster::Cluster,
        driver::{Instance, Settings},
    },
};

/// From this release on the external-provisioner honours the reclaim policy of a PersistentVolume
/// that is deleted before its claim, without being told to.
const HONOURS: (u32, u32) = (5, 1);
const SHORTEST_TIMEOUT_SECONDS: u64 = 60;

pub(super) fn examine(cluster: &Cluster, instance: &Instance, checks: &mut Vec<Check>) {
    let settings = &instance.settings;
    let subject = &instance.driver;
    if forgets_early_deletes(settings) {
        check(
            checks,
            "PQS-4028",
            Severity::Warning,
            subject,
            "a PersistentVolume that is deleted before its claim leaves its dataset behind",
            "use external-provisioner 5.1 or later, or give it --feature-gates=HonorPVReclaimPolicy=true",
        );
    }
    for right in settings.missing_rights.iter().flatten() {
        check(
            checks,
            "PQS-4035",
            Severity::Error,
            subject,
            format!(
                "the ServiceAccount {} may not {right}",
                settings.account.as_deref().unwrap_or_default()
            ),
            "install the chart's ClusterRole of this release, with rbac.enabled",
        );
    }
    for pod in &settings.unready {
        check(
            checks,
            "PQS-4036",
            Severity::Error,
            subject,
            format!("a pod of the driver is not ready: {pod}"),
            "kubectl describe it; on a node, iscsid, multipath or nfs-utils may be missing",
        );
    }
    let of_driver: Vec<_> = cluster
        .classes
        .iter()
        .filter(|class| class.provisioner == *subject)
        .collect();
    let deletes = of_driver.iter().any(|class| &*class.reclaim == "Delete");
    for class in cluster
        .snapshot_classes
        .iter()
        .filter(|class| class.driver == *subject && &*class.policy == "Retain" && deletes)
    {
        check(
            checks,
            "PQS-4037",
            Severity::Warning,
            &class.name,
            "it keeps snapshots (deletionPolicy Retain) of volumes whose class deletes them: the driver \
             removes a volume together with its snapshots",
            "take detached snapshots (parameter detachedSnapshots: \"true\"), or use reclaimPolicy Retain for the volumes",
        );
    }
    if let Some(seconds) = timeout(settings).filter(|seconds| *seconds < SHORTEST_TIMEOUT_SECONDS) {
        check(
            checks,
            "PQS-4038",
            Severity::Warning,
            subject,
            format!(
                "the provisioner gives the driver {seconds} s: what it finishes later is asked for again or left behind"
            ),
            "set the external-provisioner's --timeout to 90s",
        );
    }
    for class in of_driver
        .iter()
        .filter(|class| instance.nfs() && !class.fs_type.is_empty() && &*class.fs_type != "nfs")
    {
        check(
            checks,
            "PQS-4039",
            Severity::Warning,
            &class.name,
            format!(
                "csi.storage.k8s.io/fstype is {} for a driver that hands out NFS",
                class.fs_type
            ),
            "set it to nfs, or leave it out",
        );
    }
}

/// Classes of a democratic-csi driver of which nothing runs.
pub(super) fn unserved(cluster: &Cluster, checks: &mut Vec<Check>) {
    for class in &cluster.classes {
        let served = cluster
            .instances
            .iter()
            .any(|instance| instance.driver == class.provisioner);
        if class.provisioner.contains("democratic-csi") && !served {
            check(
                checks,
                "PQS-4040",
                Severity::Error,
                &class.name,
                format!("no driver that was found serves {}", class.provisioner),
                "install its release, or remove the class; with --driver-namespaces, name its namespace",
            );
        }
    }
}

fn forgets_early_deletes(settings: &Settings) -> bool {
    let gate = |value: &str| {
        let gate = format!("HonorPVReclaimPolicy={value}");
        let arguments = &settings.provisioner_args;
        arguments.iter().any(|argument| argument.contains(&gate))
    };
    match settings.provisioner_image.as_ref().and_then(version) {
        // What cannot be told is not held against anybody.
        None => gate("false"),
        Some(version) => gate("false") || (!gate("true") && version < HONOURS),
    }
}

/// `(3, 6)` of `registry/csi-provisioner:v3.6.0`.
fn version(image: &Text) -> Option<(u32, u32)> {
    let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
    let mut parts = tag.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn timeout(settings: &Settings) -> Option<u64> {
    let text = settings
        .provisioner_args
        .iter()
        .find_map(|argument| argument.trim_start_matches('-').strip_prefix("timeout="))?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    match unit {
        "s" => Some(number),
        "m" | "m0s" => Some(number * 60),
        _ => None,
    }
}
