//! A democratic-csi installation, as its driver configuration describes it.
//!
//! The identity of a volume is (parent of the instance, handle): handles name neither pool nor
//! driver, and two instances may legally hold the same one.

use serde::Serialize;

use super::Text;

/// One installed driver.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent switches of a configuration"
)]
pub struct Instance {
    /// CSI name: CSIDriver, StorageClass provisioner and VolumeSnapshotClass driver.
    pub driver: Text,
    /// Kind: `freenas-api-iscsi`, `freenas-nfs`, …
    pub kind: Text,
    /// `instance_id` of the configuration.
    pub instance_id: Option<Text>,
    /// Which appliance.
    pub nas: Text,
    /// `zfs.datasetParentName`.
    pub parent: Text,
    /// `zfs.detachedSnapshotsDatasetParentName`.
    pub snapshot_parent: Option<Text>,
    /// `iscsi.namePrefix`.
    pub name_prefix: Text,
    /// `iscsi.nameSuffix`.
    pub name_suffix: Text,
    /// Whether asset names come from `nameTemplate` and cannot be predicted.
    pub name_template: bool,
    /// Whether handles come from `idTemplate` or `idHash` and differ from the CSI name.
    pub id_template: bool,
    /// Whether `deleteStrategy: retain` keeps datasets by design.
    pub retain: bool,
    /// The administrator vouches that no cluster but this one uses the parent.
    pub exclusive: bool,
    /// What the configuration checks want to know.
    pub settings: Settings,
}

/// The rest of a driver configuration: what validation looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Release that was installed, namespace and name, for messages.
    pub release: Text,
    /// Container image of the driver.
    pub image: Option<Text>,
    /// `httpConnection.port`.
    pub port: Option<u16>,
    /// `httpConnection.protocol`.
    pub protocol: Text,
    /// Whether an API key is configured (never the key).
    pub api_key: bool,
    /// `httpConnection.allowInsecure`.
    pub allow_insecure: bool,
    /// Whether an `sshConnection` is configured.
    pub ssh: bool,
    /// `zfs.datasetEnableQuotas`; none when unset.
    pub quotas: Option<bool>,
    /// `zfs.zvolBlocksize`.
    pub zvol_block_size: Option<Text>,
    /// `iscsi.extentBlocksize`.
    pub extent_block_size: Option<u64>,
    /// `iscsi.targetGroups[].targetGroupPortalGroup`.
    pub portal_groups: Vec<u64>,
    /// `iscsi.targetGroups[].targetGroupInitiatorGroup`.
    pub initiator_groups: Vec<u64>,
    /// `iscsi.targetPortal`, `nfs.shareHost` or `smb.shareHost`.
    pub share_host: Text,
    /// `--feature-gates` and other arguments of the external-provisioner.
    pub provisioner_args: Vec<Text>,
    /// Image of the external-provisioner, where it could be read.
    pub provisioner_image: Option<Text>,
    /// Pods of the release that are not ready, with the node and why.
    pub unready: Vec<Text>,
    /// ServiceAccount of the controller.
    pub account: Option<Text>,
    /// What that account lacks; none when nobody asked or could ask.
    pub missing_rights: Option<Vec<Text>>,
}

/// Prefixes and suffixes that the driver's documented examples carry: two clusters may both have
/// them without anyone having chosen them, so they prove nothing.
const EXAMPLE_AFFIXES: [&str; 6] = ["csi", "csi-", "-clustera", "-cluster", "-clusterb", "-csi"];

impl Instance {
    /// What this instance calls the target and the extent of the volume `leaf`, when predictable.
    pub fn asset_name(&self, leaf: &str) -> Option<String> {
        (!self.name_template)
            .then(|| format!("{}{leaf}{}", self.name_prefix, self.name_suffix).to_lowercase())
    }

    /// The volume whose asset `name` would be: the opposite of [`Self::asset_name`].
    pub fn leaf_of_asset<'a>(&self, name: &'a str) -> Option<&'a str> {
        if self.name_template {
            return None;
        }
        let leaf = name
            .strip_prefix(self.name_prefix.to_lowercase().as_str())?
            .strip_suffix(self.name_suffix.to_lowercase().as_str())?;
        (!leaf.is_empty()).then_some(leaf)
    }

    /// Whether asset names of this instance can only be its own.
    pub fn distinctive_names(&self) -> bool {
        [&self.name_prefix, &self.name_suffix].iter().any(|affix| {
            affix.len() >= 4 && !EXAMPLE_AFFIXES.contains(&affix.to_lowercase().as_str())
        })
    }

    /// Whether it hands out zvols over iSCSI.
    pub fn iscsi(&self) -> bool {
        self.kind.ends_with("iscsi")
    }

    /// Whether it hands out file systems over NFS.
    pub fn nfs(&self) -> bool {
        self.kind.ends_with("nfs")
    }

    /// Whether it hands out file systems over SMB.
    pub fn smb(&self) -> bool {
        self.kind.ends_with("smb")
    }

    /// Whether it hands out zvols over NVMe-oF.
    pub fn nvme(&self) -> bool {
        self.kind.ends_with("nvmeof")
    }
}

/// Whether `path` is `ancestor` or below it.
pub fn within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_names_are_lower_case_and_reversible() {
        let instance = Instance {
            name_prefix: "K8s-".into(),
            name_suffix: "-blue".into(),
            ..Instance::default()
        };
        let name = instance.asset_name("pvc-A").unwrap();
        assert_eq!(name, "k8s-pvc-a-blue");
        assert_eq!(instance.leaf_of_asset(&name), Some("pvc-a"));
        assert_eq!(instance.leaf_of_asset("csi-pvc-a"), None);
    }

    #[test]
    fn affixes_of_the_documented_example_prove_nothing() {
        let instance = Instance {
            name_prefix: "csi-".into(),
            name_suffix: "-clustera".into(),
            ..Instance::default()
        };
        assert!(!instance.distinctive_names());
    }

    #[test]
    fn within_stops_at_path_borders() {
        assert!(within("tank/k8s/v", "tank/k8s"));
        assert!(!within("tank/k8s-other", "tank/k8s"));
    }
}
