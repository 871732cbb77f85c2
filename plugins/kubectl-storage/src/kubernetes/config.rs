//! A democratic-csi driver configuration, as an [`Instance`].
//!
//! The document holds credentials; they are moved into [`Login`] and appear nowhere else.

use pequod_diag::Secret;
use serde_json::Value;

use crate::model::{
    Text,
    driver::{Instance, Settings},
};

/// How the driver talks to its appliance.
#[derive(Debug, Clone)]
pub struct Login {
    /// Host name or address.
    pub host: String,
    /// Port, when given.
    pub port: Option<u16>,
    /// `http` or `https`.
    pub protocol: String,
    /// API key, when it uses one.
    pub api_key: Option<Secret<String>>,
    /// Whether it accepts any certificate.
    pub allow_insecure: bool,
}

/// Reads a configuration. None when it is not one of the drivers for TrueNAS.
pub fn instance(config: &Value, csi_driver: &str) -> Option<(Instance, Login)> {
    let text = |pointer: &str| config.pointer(pointer).and_then(Value::as_str);
    let shared = |pointer: &str| Text::from(text(pointer).unwrap_or_default());
    let kind = text("/driver")?;
    if !(kind.starts_with("freenas-") || kind.starts_with("truenas-")) {
        return None;
    }
    let parent = text("/zfs/datasetParentName")?.trim_matches('/');
    let host = text("/httpConnection/host")?;
    let protocol = text("/httpConnection/protocol").unwrap_or("https");
    let assets = if kind.ends_with("nvmeof") {
        "nvmeof"
    } else if kind.ends_with("smb") {
        "smb"
    } else {
        "iscsi"
    };
    let api_key = text("/httpConnection/apiKey").filter(|key| !key.is_empty());
    let port = config
        .pointer("/httpConnection/port")
        .and_then(Value::as_u64)
        .and_then(|port| u16::try_from(port).ok());
    let allow_insecure = config
        .pointer("/httpConnection/allowInsecure")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let groups = |field: &str| {
        config
            .pointer("/iscsi/targetGroups")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|group| group.get(field).and_then(Value::as_u64))
            .collect()
    };
    let present = |pointer: &str| {
        config
            .pointer(pointer)
            .is_some_and(|value| !value.is_null())
    };
    let instance = Instance {
        driver: csi_driver.into(),
        kind: kind.into(),
        instance_id: text("/instance_id")
            .filter(|id| !id.is_empty())
            .map(Text::from),
        nas: host.into(),
        parent: parent.into(),
        snapshot_parent: text("/zfs/detachedSnapshotsDatasetParentName")
            .map(|path| path.trim_matches('/'))
            .filter(|path| !path.is_empty())
            .map(Text::from),
        name_prefix: shared(&format!("/{assets}/namePrefix")),
        name_suffix: shared(&format!("/{assets}/nameSuffix")),
        name_template: text(&format!("/{assets}/nameTemplate"))
            .is_some_and(|text| !text.is_empty()),
        id_template: present("/_private/csi/volume/idTemplate")
            || present("/_private/csi/volume/idHash"),
        retain: text("/_private/csi/volume/deleteStrategy") == Some("retain"),
        exclusive: false,
        settings: Settings {
            port,
            protocol: protocol.into(),
            api_key: api_key.is_some(),
            allow_insecure,
            ssh: present("/sshConnection"),
            quotas: config
                .pointer("/zfs/datasetEnableQuotas")
                .and_then(Value::as_bool),
            zvol_block_size: text("/zfs/zvolBlocksize").map(Text::from),
            extent_block_size: config
                .pointer("/iscsi/extentBlocksize")
                .and_then(Value::as_u64),
            portal_groups: groups("targetGroupPortalGroup"),
            initiator_groups: groups("targetGroupInitiatorGroup"),
            share_host: ["/iscsi/targetPortal", "/nfs/shareHost", "/smb/shareHost"]
                .iter()
                .find_map(|pointer| text(pointer))
                .unwrap_or_default()
                .into(),
            ..Settings::default()
        },
    };
    let login = Login {
        host: host.to_owned(),
        port,
        protocol: protocol.to_owned(),
        api_key: api_key.map(|key| Secret::new(key.to_owned())),
        allow_insecure,
    };
    Some((instance, login))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_an_iscsi_configuration_and_hides_the_key() {
        let config = json!({
            "driver": "freenas-api-iscsi", "instance_id": "blue",
            "httpConnection": {"protocol": "https", "host": "10.0.0.5", "apiKey": "1-secret"},
            "zfs": {"datasetParentName": "tank/k8s/v", "detachedSnapshotsDatasetParentName": "tank/k8s/s"},
            "iscsi": {"namePrefix": "blue-", "targetGroups": [{"targetGroupPortalGroup": 1}]},
        });
        let (instance, login) = instance(&config, "org.democratic-csi.iscsi").unwrap();
        assert_eq!(instance.asset_name("pvc-1").as_deref(), Some("blue-pvc-1"));
        assert_eq!(instance.settings.portal_groups, [1]);
        assert!(!format!("{instance:?}{login:?}").contains("secret"));
    }

    #[test]
    fn drivers_for_other_systems_are_none_of_ours() {
        assert!(instance(&json!({"driver": "synology-iscsi"}), "x").is_none());
    }
}
