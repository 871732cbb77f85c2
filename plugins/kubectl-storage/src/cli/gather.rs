//! Reads everything: drivers first, then the appliances, then the clusters.
//!
//! The order matters: a volume that is made between the two is then seen with its
//! PersistentVolume, or not at all.

use std::{collections::BTreeMap, fs, path::PathBuf};

use pequod_cli::{Failure, KubectlArgs};
use pequod_diag::{Code, Diagnostic, Secret};
use pequod_kube::Cluster as Connection;
use serde::Deserialize;

use super::ScanArgs;
use crate::{
    kubernetes::{config::Login, read},
    model::{Gap, Inventory, Text, cluster::Cluster},
    truenas::{
        client::{Address, Client},
        read::{Scope, read as read_nas},
        tls::Trust,
    },
};

/// The file of `--storage-config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct Settings {
    /// Appliances, by the host name that the driver configurations use.
    appliances: BTreeMap<String, ApplianceSettings>,
    /// Parents that no cluster but those of this scan uses.
    exclusive_parents: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
struct ApplianceSettings {
    /// Another way to reach it.
    host: Option<String>,
    port: Option<u16>,
    /// Authorities, PEM.
    ca_file: Option<PathBuf>,
    /// SHA-256 of its certificate.
    fingerprint: Option<String>,
    /// File with a key that may only read, instead of the driver's.
    api_key_file: Option<PathBuf>,
}

/// Reads both sides.
pub(super) async fn inventory(
    kubectl: &KubectlArgs,
    arguments: &ScanArgs,
    snapshots: bool,
) -> Result<Inventory, Failure> {
    let settings = settings(arguments)?;
    let mut readings = Vec::new();
    for (name, connection) in connections(kubectl, arguments).await? {
        let mut reading = read::drivers(&connection, &name).await;
        for instance in &mut reading.cluster.instances {
            instance.exclusive = settings
                .exclusive_parents
                .iter()
                .any(|parent| **parent == *instance.parent);
        }
        readings.push((connection, reading));
    }
    let mut logins: BTreeMap<String, Login> = BTreeMap::new();
    let mut parents: BTreeMap<Text, Vec<Text>> = BTreeMap::new();
    for (_, reading) in &readings {
        for instance in &reading.cluster.instances {
            let list = parents.entry(Text::clone(&instance.nas)).or_default();
            list.push(Text::clone(&instance.parent));
            list.extend(instance.snapshot_parent.clone());
        }
        for (host, login) in &reading.logins {
            logins.entry(host.clone()).or_insert_with(|| login.clone());
        }
    }
    let mut inventory = Inventory::default();
    for (host, login) in &logins {
        let name = Text::from(host.as_str());
        let address = address(login, settings.appliances.get(host))?;
        let scope = Scope {
            parents: parents.remove(&name).unwrap_or_default(),
            snapshots,
        };
        let read = async {
            let client = Client::connect(&address).await?;
            read_nas(&client, &name, &scope).await
        };
        match read.await {
            Ok(nas) => inventory.appliances.push(nas),
            Err(error) => {
                let gap = Gap {
                    source: format!("nas/{name}").into(),
                    asked: "everything".into(),
                    reason: error.reason.into(),
                };
                // An appliance that cannot be read leaves its gap with the clusters that use it.
                if let Some((_, reading)) = readings.first_mut() {
                    reading.cluster.gaps.push(gap);
                }
            }
        }
    }
    for (connection, reading) in readings {
        let mut cluster: Cluster = reading.cluster;
        read::lists(&connection, &mut cluster).await;
        inventory.clusters.push(cluster);
    }
    Ok(inventory)
}

async fn connections(
    kubectl: &KubectlArgs,
    arguments: &ScanArgs,
) -> Result<Vec<(String, Connection)>, Failure> {
    if arguments.contexts.is_empty() {
        let connection = kubectl.connect().await?;
        let name = kubectl
            .context
            .clone()
            .unwrap_or_else(|| "current".to_owned());
        return Ok(vec![(name, connection)]);
    }
    let mut list = Vec::new();
    for context in &arguments.contexts {
        let one = KubectlArgs {
            context: Some(context.clone()),
            ..kubectl.clone()
        };
        list.push((context.clone(), one.connect().await?));
    }
    Ok(list)
}

fn settings(arguments: &ScanArgs) -> Result<Settings, Failure> {
    let Some(path) = &arguments.storage_config else {
        return Ok(Settings::default());
    };
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    serde_saphyr::from_str(&text).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &std::path::Path, error: &dyn std::error::Error) -> Failure {
    let problem = Diagnostic::error(
        Code("storage/config"),
        format!("cannot read {}", path.display()),
    );
    Failure::input(problem.caused_by(error))
}

fn address(login: &Login, settings: Option<&ApplianceSettings>) -> Result<Address, Failure> {
    let fallback = ApplianceSettings::default();
    let settings = settings.unwrap_or(&fallback);
    let trust = match (&settings.fingerprint, &settings.ca_file) {
        (Some(text), _) => Trust::fingerprint(text).ok_or_else(|| {
            Failure::input(Diagnostic::error(
                Code("storage/config"),
                format!(
                    "the fingerprint of {} is no SHA-256 in hexadecimal",
                    login.host
                ),
            ))
        })?,
        (None, Some(path)) => {
            Trust::Authority(fs::read(path).map_err(|error| unreadable(path, &error))?)
        }
        (None, None) => Trust::System,
    };
    let key = match &settings.api_key_file {
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            Secret::new(text.trim().to_owned())
        }
        None => login.api_key.clone().ok_or_else(|| {
            Failure::input(
                Diagnostic::error(
                    Code("storage/key"),
                    format!("the driver of {} uses a password; this client takes only API keys", login.host),
                )
                .hint("create a read-only API key and name its file as apiKeyFile in --storage-config"),
            )
        })?,
    };
    let plain = login.protocol == "http";
    Ok(Address {
        host: settings.host.clone().unwrap_or_else(|| login.host.clone()),
        port: settings.port.or(login.port).unwrap_or(443),
        // A way of its own that is given here is always encrypted.
        plain: plain && settings.port.is_none(),
        trust,
        key,
    })
}
