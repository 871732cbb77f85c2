//! Reads everything: drivers first, then the appliances, then the clusters.
//!
//! The order matters: a volume that is made between the two is then seen with its
//! PersistentVolume, or not at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use pequod_cli::{Failure, KubectlArgs};
use pequod_diag::{Code, Diagnostic, Secret};
use pequod_kube::Cluster as Connection;
use serde::Deserialize;

use super::ScanArgs;
use crate::{
    cleanup::execute::Appliance,
    kubernetes::{config::Login, read, rights},
    model::{Gap, Inventory, Text, cluster::Cluster},
    retention::Policy,
    truenas::{
        CallError, Caller as _,
        client::{Address, Client},
        events::Hints,
        read::{Scope, read as read_nas},
        tls::Trust,
    },
};

/// The file of `--storage-config`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Settings {
    /// Appliances, by the host name that the driver configurations use; with the port behind it
    /// where several appliances have one host name.
    appliances: BTreeMap<String, ApplianceSettings>,
    /// Parents that no cluster but those of this scan uses.
    exclusive_parents: Vec<String>,
    /// How long snapshots are kept.
    pub(crate) retention: Vec<Policy>,
    /// For what the approval of another person is asked.
    pub(crate) approval: Approval,
}

/// For what the approval of another person is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Approval {
    /// For every plan.
    #[default]
    Always,
    /// Only for plans that remove something; a quarantine can be undone.
    Purge,
    /// For nothing: whoever holds the second key decides alone.
    Never,
}

/// Both sides, and what is needed to come back.
pub(crate) struct Gathered {
    pub(crate) inventory: Inventory,
    pub(crate) settings: Settings,
    logins: BTreeMap<String, Login>,
}

#[derive(Debug, Clone, Default, Deserialize)]
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
    /// File with the second key, which may write. Used by `apply` and `undo` and nothing else.
    write_key_file: Option<PathBuf>,
}

/// Logged-in connections that outlive a scan: logins are what an appliance limits.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<Text, (Address, Arc<Client>)>>);

impl Sessions {
    /// The connection to an appliance, made again when its key or address has changed.
    async fn client(&self, name: &Text, address: &Address) -> Result<Arc<Client>, CallError> {
        {
            let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((before, client)) = known.get(name)
                && before.host == address.host
                && before.port == address.port
                && before.trust == address.trust
                && before.key.expose() == address.key.expose()
            {
                return Ok(Arc::clone(client));
            }
        }
        let client = Arc::new(Client::connect(address).await?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(Text::clone(name), (address.clone(), Arc::clone(&client)));
        Ok(client)
    }

    /// Says something on every connection, so that none is cut for silence. One that was cut all
    /// the same is made again by the next call.
    pub(crate) async fn ping(&self) {
        for client in self.clients() {
            if let Err(error) = client.call("core.ping", &[]).await {
                tracing::debug!(%error, "an appliance did not answer a ping");
            }
        }
    }

    /// Asks the appliances of an inventory to tell of changes on the connections to them.
    pub(crate) async fn listen(&self, inventory: &Inventory) {
        for nas in &inventory.appliances {
            if let Some(client) = self.known(&nas.name)
                && let Err(error) = client.listen(nas.release).await
            {
                tracing::debug!(nas = &*nas.name, %error, "the appliance does not tell of changes");
            }
        }
    }

    /// Waits until any of them tells of something, for ever if none does. May be dropped at any
    /// time; until it is, nothing else goes over these connections.
    pub(crate) async fn hints(&self) -> Hints {
        let clients = self.clients();
        if clients.is_empty() {
            return std::future::pending().await;
        }
        let waiting = clients.iter().map(|client| Box::pin(client.hints()));
        futures::future::select_all(waiting).await.0
    }

    /// Every connection that was made.
    fn clients(&self) -> Vec<Arc<Client>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = known.values().map(|(_, client)| Arc::clone(client));
        clients.collect()
    }

    /// The connection that was made.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<Client>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(name).map(|(_, client)| Arc::clone(client))
    }
}

/// Parents of volumes and of detached snapshots, by appliance.
pub(crate) fn parents<'a>(
    clusters: impl IntoIterator<Item = &'a Cluster>,
) -> BTreeMap<Text, Vec<Text>> {
    let mut parents: BTreeMap<Text, Vec<Text>> = BTreeMap::new();
    for instance in clusters.into_iter().flat_map(|cluster| &cluster.instances) {
        let list = parents.entry(Text::clone(&instance.nas)).or_default();
        list.push(Text::clone(&instance.parent));
        list.extend(instance.snapshot_parent.clone());
    }
    parents
}

/// What is read besides the lists that everything needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wants {
    /// Snapshots: by far the longest list.
    pub(crate) snapshots: bool,
    /// What the drivers' accounts may do: a dozen questions a driver.
    pub(crate) rights: bool,
}

/// Reads both sides.
pub(crate) async fn inventory(
    kubectl: &KubectlArgs,
    arguments: &ScanArgs,
    wants: Wants,
    sessions: &Sessions,
) -> Result<Gathered, Failure> {
    let settings = settings(arguments)?;
    let mut readings = Vec::new();
    for (name, connection) in connections(kubectl, arguments).await? {
        let mut reading = read::drivers(&connection, &name, &arguments.driver_namespaces).await;
        for instance in &mut reading.cluster.instances {
            instance.exclusive = settings
                .exclusive_parents
                .iter()
                .any(|parent| **parent == *instance.parent);
        }
        if wants.rights {
            rights::fill(connection.client(), &mut reading.cluster).await;
        }
        readings.push((connection, reading));
    }
    let mut every: Vec<&mut read::Reading> =
        readings.iter_mut().map(|(_, reading)| reading).collect();
    let logins = read::appliances(&mut every);
    let mut parents = parents(readings.iter().map(|(_, reading)| &reading.cluster));
    let mut inventory = Inventory::default();
    for (host, login) in &logins {
        let name = Text::from(host.as_str());
        let address = address(login, settings.appliances.get(host))?;
        let scope = Scope {
            parents: parents.remove(&name).unwrap_or_default(),
            snapshots: wants.snapshots,
        };
        let read = async {
            let client = sessions.client(&name, &address).await?;
            read_nas(&*client, &name, &scope).await
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
    for (other, name) in inventory.join_appliances() {
        tracing::info!(%other, %name, "two ways to one appliance");
    }
    Ok(Gathered {
        inventory,
        settings,
        logins,
    })
}

impl Gathered {
    /// Connections that may write, to the named appliances, each with its second key.
    pub(crate) async fn writers(
        &self,
        names: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, Appliance<Client>>, Failure> {
        let mut writers = BTreeMap::new();
        for &name in names {
            let refuse = |message: String| {
                Failure::input(Diagnostic::error(Code("storage/write-key"), message).hint(
                    "name a file with a key that may write as writeKeyFile in --storage-config",
                ))
            };
            let (Some(login), Some(settings)) =
                (self.logins.get(name), self.settings.appliances.get(name))
            else {
                return Err(refuse(format!("nothing says how to write to {name}")));
            };
            let Some(path) = &settings.write_key_file else {
                return Err(refuse(format!(
                    "no key that may write was given for {name}"
                )));
            };
            let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            let key = Secret::new(text.trim().to_owned());
            let reading = address(login, Some(settings))?;
            let drivers = login.api_key.as_ref().map(|key| key.expose().as_str());
            if key.expose() == reading.key.expose() || drivers == Some(key.expose()) {
                return Err(refuse(format!(
                    "the key that may write to {name} is the one that reads, or the driver's own"
                )));
            }
            let address = Address { key, ..reading };
            let caller = Client::connect(&address).await.map_err(|error| {
                Failure::remote(Diagnostic::error(
                    Code("storage/appliance"),
                    format!("{name}: {error}"),
                ))
            })?;
            let known = self
                .inventory
                .appliances
                .iter()
                .find(|nas| *nas.name == *name);
            let release = known.map(|nas| nas.release).unwrap_or_default();
            writers.insert(name.to_owned(), Appliance { caller, release });
        }
        Ok(writers)
    }
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
    let path = match &arguments.storage_config {
        Some(path) => path.clone(),
        // A file in the usual place is read; that there is none is usual too.
        None => match usual_settings().filter(|path| path.exists()) {
            Some(path) => path,
            None => return Ok(Settings::default()),
        },
    };
    let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
    let mut settings: Settings =
        serde_saphyr::from_str(&text).map_err(|error| unreadable(&path, &error))?;
    // Files are named as seen from the file that names them.
    if let Some(folder) = path.parent() {
        for appliance in settings.appliances.values_mut() {
            let named = [
                &mut appliance.ca_file,
                &mut appliance.api_key_file,
                &mut appliance.write_key_file,
            ];
            for file in named.into_iter().flatten() {
                *file = folder.join(&*file);
            }
        }
    }
    Ok(settings)
}

/// `$XDG_CONFIG_HOME/pequod/storage.yaml`, or the same under `~/.config`.
fn usual_settings() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("pequod/storage.yaml"))
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
