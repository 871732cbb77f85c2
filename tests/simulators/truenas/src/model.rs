//! The ZFS model and the tables beside it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Bugs, Profile};

/// One appliance.
#[derive(Debug, Clone)]
pub struct Nas {
    /// Release.
    pub profile: Profile,
    /// Bugs it has.
    pub bugs: Bugs,
    /// What is to go wrong.
    pub script: crate::Script,
    pub(crate) now: i64,
    pub(crate) txg: u64,
    pub(crate) iqn_base: String,
    pub(crate) pools: Vec<Pool>,
    pub(crate) datasets: BTreeMap<String, Dataset>,
    pub(crate) snapshots: BTreeMap<(String, String), Snapshot>,
    /// Everything that is a plain table with numbered rows, by namespace.
    pub(crate) tables: BTreeMap<&'static str, BTreeMap<u64, Map<String, Value>>>,
    /// Rows without numbers: sessions, clients.
    pub(crate) lists: BTreeMap<&'static str, Vec<Value>>,
    /// Jobs, all of them over: what they do is done at once.
    pub(crate) jobs: Vec<Value>,
    /// How many calls of each method were made.
    pub calls: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    /// Number that no other pool has, of this or another simulator; given where the seed does not say it.
    #[serde(default = "some_guid")]
    pub(crate) guid: String,
    pub(crate) size: u64,
}

fn some_guid() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    ((u64::from(std::process::id()) << 32) | number).to_string()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Dataset {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) used: u64,
    #[serde(default)]
    pub(crate) referenced: u64,
    #[serde(default)]
    pub(crate) volsize: Option<u64>,
    #[serde(default)]
    pub(crate) refquota: Option<u64>,
    #[serde(default)]
    pub(crate) origin: Option<String>,
    #[serde(default)]
    pub(crate) user_properties: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) dataset: String,
    pub(crate) name: String,
    pub(crate) created: i64,
    #[serde(default)]
    pub(crate) txg: u64,
    #[serde(default)]
    pub(crate) used: u64,
    #[serde(default)]
    pub(crate) referenced: u64,
    #[serde(default)]
    pub(crate) user_properties: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) holds: Vec<String>,
    #[serde(default)]
    pub(crate) deferred: bool,
}

/// The seed document: README.md describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Seed {
    now: i64,
    iqn_base: String,
    pools: Vec<Pool>,
    datasets: Vec<Dataset>,
    snapshots: Vec<Snapshot>,
    targets: Vec<Value>,
    extents: Vec<Value>,
    links: Vec<Value>,
    nfs: Vec<Value>,
    smb: Vec<Value>,
    sessions: Vec<Value>,
    nfs_clients: Vec<Value>,
    nfs4_clients: Vec<Value>,
    replications: Vec<String>,
    snapshot_tasks: Vec<Value>,
    services: Vec<Value>,
    portals: Vec<u64>,
    initiators: Vec<u64>,
}

fn numbered(rows: Vec<Value>) -> BTreeMap<u64, Map<String, Value>> {
    let mut table = BTreeMap::new();
    for row in rows {
        let Value::Object(mut row) = row else {
            continue;
        };
        let next = table.last_key_value().map_or(1, |(id, _)| id + 1);
        let id = row.get("id").and_then(Value::as_u64).unwrap_or(next);
        row.insert("id".to_owned(), json!(id));
        table.insert(id, row);
    }
    table
}

impl Nas {
    /// An appliance of a release, holding what the seed document says.
    pub fn new(profile: Profile, seed: &Value) -> Result<Self, serde_json::Error> {
        let seed = Seed::deserialize(seed)?;
        let extents = seed.extents.into_iter().map(|mut row| {
            if let Some(dataset) = row
                .get("dataset")
                .and_then(Value::as_str)
                .map(str::to_owned)
            {
                row["disk"] = json!(format!("zvol/{dataset}"));
                row["type"] = json!("DISK");
            }
            row
        });
        let mut nas = Self {
            profile,
            bugs: profile.bugs(),
            script: crate::Script::default(),
            now: seed.now,
            txg: seed
                .snapshots
                .iter()
                .map(|snapshot| snapshot.txg)
                .max()
                .unwrap_or(1000),
            iqn_base: seed.iqn_base,
            pools: seed.pools,
            datasets: seed
                .datasets
                .into_iter()
                .map(|row| (row.id.clone(), row))
                .collect(),
            snapshots: seed
                .snapshots
                .into_iter()
                .map(|row| ((row.dataset.clone(), row.name.clone()), row))
                .collect(),
            tables: BTreeMap::from([
                ("iscsi.target", numbered(seed.targets)),
                ("iscsi.extent", numbered(extents.collect())),
                ("iscsi.targetextent", numbered(seed.links)),
                ("sharing.nfs", numbered(seed.nfs)),
                ("sharing.smb", numbered(seed.smb)),
                ("pool.snapshottask", numbered(seed.snapshot_tasks)),
                ("service", numbered(seed.services)),
            ]),
            lists: BTreeMap::from([
                ("iscsi.global.sessions", seed.sessions),
                ("nfs.get_nfs3_clients", seed.nfs_clients),
                ("nfs.get_nfs4_clients", seed.nfs4_clients),
            ]),
            jobs: Vec::new(),
            calls: BTreeMap::new(),
        };
        let ids = |ids: Vec<u64>| numbered(ids.into_iter().map(|id| json!({"id": id})).collect());
        nas.tables.insert("iscsi.portal", ids(seed.portals));
        nas.tables.insert("iscsi.initiator", ids(seed.initiators));
        let replications = seed
            .replications
            .iter()
            .map(|to| json!({"target_dataset": to, "enabled": true}));
        nas.tables
            .insert("replication", numbered(replications.collect()));
        if profile >= Profile::V2510 {
            nas.tables.insert("nvmet.subsys", BTreeMap::new());
            nas.tables.insert("nvmet.namespace", BTreeMap::new());
        }
        Ok(nas)
    }

    /// Everything that is stored, by kind and name, for tests that compare.
    pub fn state(&self) -> Value {
        let datasets: Map<_, _> = self
            .datasets
            .iter()
            .map(|(id, row)| (id.clone(), json!(row)))
            .collect();
        let snapshots: Map<_, _> = self
            .snapshots
            .iter()
            .map(|((dataset, name), row)| (format!("{dataset}@{name}"), json!(row)))
            .collect();
        let mut state = Map::new();
        state.insert("datasets".to_owned(), Value::Object(datasets));
        state.insert("snapshots".to_owned(), Value::Object(snapshots));
        for (namespace, rows) in &self.tables {
            let rows: Map<_, _> = rows
                .iter()
                .map(|(id, row)| (id.to_string(), Value::Object(row.clone())))
                .collect();
            state.insert((*namespace).to_owned(), Value::Object(rows));
        }
        Value::Object(state)
    }

    /// Sets the clock.
    pub fn set_now(&mut self, now: i64) {
        self.now = now;
    }

    /// Somebody writes into a dataset.
    pub fn written(&mut self, dataset: &str, bytes: u64) {
        if let Some(row) = self.datasets.get_mut(dataset) {
            row.used += bytes;
            row.referenced += bytes;
        }
    }

    /// A session is opened to every target that shows the dataset.
    pub fn session_to(&mut self, dataset: &str) {
        let disk = json!(format!("zvol/{dataset}"));
        let names: Vec<Value> = self
            .tables
            .get("iscsi.extent")
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|row| row.get("disk") == Some(&disk))
            .filter_map(|row| row.get("name").cloned())
            .collect();
        let sessions = self.lists.entry("iscsi.global.sessions").or_default();
        for name in names.iter().filter_map(Value::as_str) {
            let target = format!("{}:{name}", self.iqn_base);
            sessions.push(json!({"initiator": "iqn.1993-08.org.debian:01:late", "target": target}));
        }
    }

    /// The dataset's extent is made again under a new number, and something else gets the old one:
    /// the appliance uses numbers again.
    pub fn renumber(&mut self, dataset: &str) {
        let disk = json!(format!("zvol/{dataset}"));
        let Some(table) = self.tables.get_mut("iscsi.extent") else {
            return;
        };
        let Some(old) = table
            .iter()
            .find_map(|(id, row)| (row.get("disk") == Some(&disk)).then_some(*id))
        else {
            return;
        };
        let fresh = table.last_key_value().map_or(1, |(id, _)| id + 1);
        let Some(mut row) = table.remove(&old) else {
            return;
        };
        let mut other = row.clone();
        other.insert("name".to_owned(), json!(format!("vm-{old}")));
        other.insert("disk".to_owned(), json!(format!("zvol/tank/vm-{old}")));
        other.insert("enabled".to_owned(), json!(true));
        table.insert(old, other);
        row.insert("id".to_owned(), json!(fresh));
        table.insert(fresh, row);
        for link in self
            .tables
            .get_mut("iscsi.targetextent")
            .into_iter()
            .flat_map(BTreeMap::values_mut)
            .filter(|link| link.get("extent") == Some(&json!(old)))
        {
            link.insert("extent".to_owned(), json!(fresh));
        }
    }

    /// User properties of a dataset, inherited ones included: value, and whether it is its own.
    pub(crate) fn effective(&self, id: &str) -> BTreeMap<&str, (&str, bool)> {
        let mut found = BTreeMap::new();
        let mut at = id;
        loop {
            if let Some(dataset) = self.datasets.get(at) {
                for (name, value) in &dataset.user_properties {
                    found
                        .entry(name.as_str())
                        .or_insert((value.as_str(), at == id));
                }
            }
            match at.rsplit_once('/') {
                Some((parent, _)) => at = parent,
                None => return found,
            }
        }
    }

    /// Datasets below `id`, itself first.
    pub(crate) fn subtree<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Dataset> {
        let below = format!("{id}/");
        let end = format!("{id}0");
        self.datasets
            .get(id)
            .into_iter()
            .chain(self.datasets.range(below..end).map(|(_, dataset)| dataset))
    }

    /// Clones by the snapshot they were made of.
    pub(crate) fn origins(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut origins: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for dataset in self.datasets.values() {
            if let Some(origin) = &dataset.origin {
                origins.entry(origin).or_default().push(&dataset.id);
            }
        }
        origins
    }

    /// Datasets that are clones of the snapshot.
    pub(crate) fn clones(&self, dataset: &str, name: &str) -> Vec<&str> {
        self.origins()
            .remove(format!("{dataset}@{name}").as_str())
            .unwrap_or_default()
    }
}
