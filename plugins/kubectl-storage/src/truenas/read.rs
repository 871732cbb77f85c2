//! Reads one appliance: about twenty calls, the cheapest for its release.
//!
//! | what | up to 25.04 | 25.10 | 26 |
//! | --- | --- | --- | --- |
//! | volumes | `pool.dataset.query [["id","=",P]]` nested: walks one subtree | `zfs.resource.query`: the middleware's tree is quadratic there | the same |
//! | snapshots | `zfs.snapshot.query` | `pool.snapshot.query` | `zfs.resource.snapshot.query`: the other drops user properties |
//!
//! Whatever fails becomes a [`Gap`]; the rest is read all the same, so that one missing right does
//! not hide everything, and the scan as a whole counts as incomplete.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, CallError, Caller, ErrorKind, decode, release};
use crate::model::{
    Gap, Text,
    intern::Interner,
    nas::{
        Dataset, Extent, Nas, NfsClient, PathShare, Pool, Service, Session, Snapshot, SnapshotTask,
        Subsystem, Target, TargetExtent,
    },
};

const DATASET_PROPERTIES: [&str; 7] = [
    "used",
    "available",
    "referenced",
    "volsize",
    "refquota",
    "origin",
    "creation",
];
const SNAPSHOT_PROPERTIES: [&str; 6] = [
    "creation",
    "used",
    "referenced",
    "defer_destroy",
    "userrefs",
    "clones",
];

/// What to read.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Parents of volumes and of detached snapshots.
    pub parents: Vec<Text>,
    /// Whether snapshots are wanted: by far the largest list.
    pub snapshots: bool,
}

/// Reads everything in scope. Fails only when the appliance cannot be talked to at all; any other
/// failure is a gap of the answer.
pub async fn read<C: Caller + Sync>(
    caller: &C,
    name: &Text,
    scope: &Scope,
) -> Result<Nas, CallError> {
    let answer = caller.call("system.version", &[]).await?;
    let version: String = answer.decode()?;
    let Some(release) = release(&version) else {
        return Err(CallError::new(
            ErrorKind::Refused,
            format!("`{version}` is no version of TrueNAS SCALE"),
        ));
    };
    let mut reader = Reader {
        caller,
        interner: Interner::default(),
        nas: Nas {
            name: Text::clone(name),
            release,
            ..Nas::default()
        },
    };
    let parents = outermost(&scope.parents);
    reader.pools().await;
    for parent in &parents {
        reader.datasets(parent).await;
        if scope.snapshots {
            reader.snapshots(parent).await;
        }
    }
    reader.iscsi().await;
    reader.shares().await;
    if release >= (25, 10) {
        reader.nvme().await;
    }
    reader.tasks().await;
    Ok(reader.nas)
}

/// Snapshots of transaction groups after `txg`, for a scan between two full ones.
pub async fn snapshots_since<C: Caller + Sync>(
    caller: &C,
    nas: &mut Nas,
    parents: &[Text],
    txg: u64,
) -> usize {
    let mut reader = Reader {
        caller,
        interner: Interner::default(),
        nas: Nas {
            name: Text::clone(&nas.name),
            release: nas.release,
            ..Nas::default()
        },
    };
    for parent in &outermost(parents) {
        reader.snapshots_after(parent, Some(txg)).await;
    }
    let new = reader.nas.snapshots.len();
    nas.snapshots.extend(reader.nas.snapshots);
    nas.gaps.extend(reader.nas.gaps);
    new
}

/// One dataset, read again before and after it is changed.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its row.
    pub row: Dataset,
    /// Whether there is anything below it.
    pub children: bool,
}

/// Reads one dataset; none when it is not there.
pub async fn dataset<C: Caller + Sync>(
    caller: &C,
    release: (u16, u16),
    id: &str,
) -> Result<Option<Found>, CallError> {
    let answer = if release >= (25, 10) {
        let mut properties = DATASET_PROPERTIES.to_vec();
        properties.push("mountpoint");
        let query = json!({"paths": [id], "properties": properties,
            "get_user_properties": true, "get_children": true});
        caller.call("zfs.resource.query", &[query]).await
    } else {
        let options = json!({"extra": {"flat": false, "properties": DATASET_PROPERTIES}});
        caller
            .call("pool.dataset.query", &[json!([["id", "=", id]]), options])
            .await
    };
    let answer = match answer {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        answer => answer?,
    };
    let mut rows = Vec::new();
    answer.decode_with(decode::Datasets {
        trusted: release < (25, 10),
        interner: &mut Interner::default(),
        into: &mut rows,
    })?;
    let children = rows
        .iter()
        .any(|row| crate::model::nas::parent(&row.id) == id);
    let row = rows.into_iter().find(|row| *row.id == *id);
    Ok(row.map(|row| Found { row, children }))
}

/// Reads the snapshots of one dataset, not those below it.
pub async fn snapshots_of<C: Caller + Sync>(
    caller: &C,
    release: (u16, u16),
    dataset: &str,
) -> Result<Vec<Snapshot>, CallError> {
    let answer = if release >= (26, 0) {
        let query = json!({"paths": [dataset], "recursive": false,
            "properties": SNAPSHOT_PROPERTIES, "get_user_properties": true, "get_holds": true});
        caller.call("zfs.resource.snapshot.query", &[query]).await
    } else {
        let method = if release >= (25, 10) {
            "pool.snapshot.query"
        } else {
            "zfs.snapshot.query"
        };
        let extra = json!({"properties": SNAPSHOT_PROPERTIES});
        caller
            .call(
                method,
                &[json!([["dataset", "=", dataset]]), json!({"extra": extra})],
            )
            .await
    };
    let answer = match answer {
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(Vec::new()),
        answer => answer?,
    };
    let rows = answer.decode::<Vec<decode::SnapshotRow<'_>>>()?;
    let mut interner = Interner::default();
    Ok(rows
        .iter()
        .map(|row| row.row(release < (25, 10), &mut interner))
        .filter(|row| *row.dataset == *dataset)
        .collect())
}

/// Reads one row of a table by its number; none when it is not there.
pub async fn row<C: Caller + Sync>(
    caller: &C,
    namespace: &str,
    id: u64,
) -> Result<Option<Value>, CallError> {
    let answer = caller
        .call(&format!("{namespace}.query"), &[json!([["id", "=", id]])])
        .await?;
    let rows: Vec<Value> = answer.decode()?;
    Ok(rows
        .into_iter()
        .find(|row| row.get("id").and_then(Value::as_u64) == Some(id)))
}

/// Parents that lie in no other one.
fn outermost(parents: &[Text]) -> Vec<Text> {
    let mut sorted = parents.to_vec();
    sorted.sort();
    sorted.dedup();
    let mut kept: Vec<Text> = Vec::new();
    for parent in sorted {
        if !kept
            .iter()
            .any(|outer| crate::model::driver::within(&parent, outer))
        {
            kept.push(parent);
        }
    }
    kept
}

struct Reader<'a, C> {
    caller: &'a C,
    interner: Interner,
    nas: Nas,
}

/// A row of which only a few scalar fields matter.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Row {
    id: Value,
    #[serde(deserialize_with = "or_empty")]
    name: String,
    path: Option<String>,
    disk: Option<String>,
    comment: Option<String>,
    enabled: Option<bool>,
    enable: Option<bool>,
    state: Option<Value>,
    service: String,
    target: Value,
    extent: Value,
    dataset: Option<String>,
    target_dataset: Option<String>,
    recursive: bool,
    initiator: Option<String>,
    subnqn: String,
    subsys: Value,
    device_path: Option<String>,
    status: Option<String>,
    guid: Value,
    healthy: bool,
    ip: Option<String>,
    export: Option<String>,
    basename: String,
    info: Value,
}

impl<C: Caller + Sync> Reader<'_, C> {
    fn trusted(&self) -> bool {
        self.nas.release < (25, 10)
    }

    fn gap(&mut self, asked: &str, error: &CallError) {
        self.nas.gaps.push(Gap {
            source: format!("nas/{}", self.nas.name).into(),
            asked: asked.into(),
            reason: error.reason.as_str().into(),
        });
    }

    async fn call(&mut self, method: &str, params: &[Value], asked: &str) -> Option<Answer> {
        match self.caller.call(method, params).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.gap(asked, &error);
                None
            }
        }
    }

    async fn rows(&mut self, method: &str) -> Vec<Row> {
        let Some(answer) = self.call(method, &[], method).await else {
            return Vec::new();
        };
        match answer.decode() {
            Ok(rows) => rows,
            Err(error) => {
                self.gap(method, &error);
                Vec::new()
            }
        }
    }

    async fn pools(&mut self) {
        for row in self.rows("pool.query").await {
            let asked = format!("space of pool {}", row.name);
            let params = if self.nas.release >= (25, 10) {
                (
                    "zfs.resource.query",
                    json!({"paths": [row.name], "properties": ["used", "available"]}),
                )
            } else {
                ("pool.dataset.query", json!([["id", "=", row.name]]))
            };
            let options =
                json!({"extra": {"retrieve_children": false, "properties": ["used", "available"]}});
            let answer = if self.nas.release >= (25, 10) {
                self.call(params.0, &[params.1], &asked).await
            } else {
                self.call(params.0, &[params.1, options], &asked).await
            };
            let mut pool = Pool {
                name: self.interner.text(&row.name),
                guid: match &row.guid {
                    Value::String(guid) => guid.as_str().into(),
                    Value::Number(guid) => guid.to_string().into(),
                    _ => Text::default(),
                },
                status: self
                    .interner
                    .text(row.status.as_deref().unwrap_or_default()),
                healthy: row.healthy,
                ..Pool::default()
            };
            if let Some(answer) = answer {
                match answer.decode::<Vec<decode::SpaceRow<'_>>>() {
                    Ok(roots) => {
                        if let Some(root) = roots.iter().find(|root| root.name() == row.name) {
                            (pool.used_bytes, pool.available_bytes) = root.space();
                        }
                    }
                    Err(error) => self.gap(&asked, &error),
                }
            }
            self.nas.pools.push(pool);
        }
    }

    async fn datasets(&mut self, parent: &str) {
        let asked = format!("datasets below {parent}");
        let result = if self.nas.release >= (25, 10) {
            let mut properties = DATASET_PROPERTIES.to_vec();
            properties.push("mountpoint");
            let query = json!({"paths": [parent], "properties": properties,
                "get_user_properties": true, "get_children": true});
            self.caller.call("zfs.resource.query", &[query]).await
        } else {
            let options = json!({"extra": {"flat": false, "properties": DATASET_PROPERTIES}});
            self.caller
                .call(
                    "pool.dataset.query",
                    &[json!([["id", "=", parent]]), options],
                )
                .await
        };
        let trusted = self.trusted();
        match result {
            Ok(answer) => {
                let before = self.nas.datasets.len();
                let rows = decode::Datasets {
                    trusted,
                    interner: &mut self.interner,
                    into: &mut self.nas.datasets,
                };
                if let Err(error) = answer.decode_with(rows) {
                    // Half a list says less than none.
                    self.nas.datasets.truncate(before);
                    self.gap(&asked, &error);
                }
            }
            // A parent that is gone is an answer, not a failure.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => self.gap(&asked, &error),
        }
    }

    async fn snapshots(&mut self, parent: &str) {
        self.snapshots_after(parent, None).await;
    }

    async fn snapshots_after(&mut self, parent: &str, txg: Option<u64>) {
        let asked = format!("snapshots below {parent}");
        let result = if self.nas.release >= (26, 0) {
            let mut query = json!({"paths": [parent], "recursive": true,
                "properties": SNAPSHOT_PROPERTIES, "get_user_properties": true, "get_holds": true});
            if let Some(txg) = txg {
                query["min_txg"] = json!(txg);
            }
            self.caller
                .call("zfs.resource.snapshot.query", &[query])
                .await
        } else {
            let method = if self.nas.release >= (25, 10) {
                "pool.snapshot.query"
            } else {
                "zfs.snapshot.query"
            };
            let mut extra = json!({"properties": SNAPSHOT_PROPERTIES});
            if let Some(txg) = txg {
                extra["min_txg"] = json!(txg);
            }
            let filters = json!([["dataset", "^", format!("{parent}/")]]);
            self.caller
                .call(method, &[filters, json!({"extra": extra})])
                .await
        };
        let trusted = self.trusted();
        match result {
            Ok(answer) => {
                let before = self.nas.snapshots.len();
                let (snapshots, interner) = (&mut self.nas.snapshots, &mut self.interner);
                let read = answer.each(|row: decode::SnapshotRow<'_>| {
                    snapshots.push(row.row(trusted, interner));
                });
                if let Err(error) = read {
                    self.nas.snapshots.truncate(before);
                    self.gap(&asked, &error);
                }
            }
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => self.gap(&asked, &error),
        }
    }

    async fn iscsi(&mut self) {
        for row in self.rows("iscsi.target.query").await {
            self.nas.targets.push(Target {
                id: number(&row.id),
                name: row.name.into(),
            });
        }
        for row in self.rows("iscsi.extent.query").await {
            let dataset = row
                .disk
                .as_deref()
                .and_then(|disk| disk.strip_prefix("zvol/"));
            self.nas.extents.push(Extent {
                id: number(&row.id),
                name: row.name.into(),
                dataset: dataset.map(|path| self.interner.text(&unescape(path))),
                enabled: row.enabled.unwrap_or(true),
            });
        }
        for row in self.rows("iscsi.targetextent.query").await {
            self.nas.links.push(TargetExtent {
                id: number(&row.id),
                target: number(&row.target),
                extent: number(&row.extent),
            });
        }
        if let Some(answer) = self
            .call("iscsi.global.config", &[], "iscsi.global.config")
            .await
        {
            match answer.decode::<Row>() {
                Ok(row) => self.nas.iqn_base = row.basename.into(),
                Err(error) => self.gap("iscsi.global.config", &error),
            }
        }
        self.nas.portals = self
            .rows("iscsi.portal.query")
            .await
            .iter()
            .map(|row| number(&row.id))
            .collect();
        self.nas.initiators = self
            .rows("iscsi.initiator.query")
            .await
            .iter()
            .map(|row| number(&row.id))
            .collect();
        for row in self.rows("iscsi.global.sessions").await {
            let target = row.target.as_str().unwrap_or_default();
            let base = format!("{}:", self.nas.iqn_base);
            self.nas.sessions.push(Session {
                initiator: row.initiator.unwrap_or_default().into(),
                target: target.strip_prefix(&base).unwrap_or(target).into(),
            });
        }
    }

    async fn shares(&mut self) {
        let share = |row: Row| PathShare {
            id: number(&row.id),
            name: row.name.into(),
            path: row.path.unwrap_or_default().into(),
            comment: row.comment.unwrap_or_default().into(),
            enabled: row.enabled.unwrap_or(true),
        };
        self.nas.nfs_shares = self
            .rows("sharing.nfs.query")
            .await
            .into_iter()
            .map(share)
            .collect();
        self.nas.smb_shares = self
            .rows("sharing.smb.query")
            .await
            .into_iter()
            .map(share)
            .collect();
        for row in self.rows("nfs.get_nfs3_clients").await {
            self.nas.nfs_clients.push(NfsClient {
                address: row.ip.unwrap_or_default().into(),
                export: Some(row.export.unwrap_or_default().into()),
            });
        }
        // What the kernel says of an NFSv4 client: where it is, and never what it has mounted.
        for row in self.rows("nfs.get_nfs4_clients").await {
            let address = row
                .info
                .get("address")
                .and_then(Value::as_str)
                .unwrap_or_default();
            self.nas.nfs_clients.push(NfsClient {
                address: without_port(address).into(),
                export: None,
            });
        }
    }

    async fn nvme(&mut self) {
        for row in self.rows("nvmet.subsys.query").await {
            self.nas.subsystems.push(Subsystem {
                id: number(&row.id),
                name: row.name.into(),
                nqn: row.subnqn.into(),
                namespaces: Vec::new(),
            });
        }
        for row in self.rows("nvmet.namespace.query").await {
            let of = row.subsys.get("id").unwrap_or(&row.subsys).as_u64();
            let disk = row
                .device_path
                .as_deref()
                .and_then(|disk| disk.strip_prefix("zvol/"));
            let known = self
                .nas
                .subsystems
                .iter_mut()
                .find(|known| Some(known.id) == of);
            if let (Some(subsystem), Some(disk)) = (known, disk) {
                let enabled = row.enabled.unwrap_or(true);
                subsystem
                    .namespaces
                    .push((number(&row.id), self.interner.text(disk), enabled));
            }
        }
    }

    async fn tasks(&mut self) {
        for row in self.rows("replication.query").await {
            self.nas
                .replication_targets
                .extend(row.target_dataset.map(Text::from));
        }
        for row in self.rows("pool.snapshottask.query").await {
            self.nas.snapshot_tasks.push(SnapshotTask {
                dataset: row.dataset.unwrap_or_default().into(),
                recursive: row.recursive,
                enabled: row.enabled.unwrap_or(true),
            });
        }
        for row in self.rows("service.query").await {
            self.nas.services.push(Service {
                name: row.service.into(),
                running: row.state.as_ref().and_then(Value::as_str) == Some("RUNNING"),
                autostart: row.enable.unwrap_or_default(),
            });
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// A name that may be null.
fn or_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.unwrap_or_default())
}

/// `10.0.0.9` of `10.0.0.9:883`, and `fd00::9` of `[fd00::9]:883`.
fn without_port(address: &str) -> &str {
    if let Some(bare) = address.strip_prefix('[') {
        return bare.split(']').next().unwrap_or(bare);
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => address,
    }
}

/// Device paths write a space as `+`.
fn unescape(path: &str) -> String {
    path.replace('+', " ")
}

/// The newest transaction group in an inventory: where the next incremental read begins.
pub fn watermark(nas: &Nas) -> u64 {
    nas.snapshots
        .iter()
        .map(|snapshot| snapshot.txg)
        .max()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{outermost, without_port};

    #[test]
    fn addresses_lose_their_port() {
        assert_eq!(without_port("10.0.0.9:883"), "10.0.0.9");
        assert_eq!(without_port("[fd00::9]:883"), "fd00::9");
        assert_eq!(without_port("fd00::9"), "fd00::9");
    }

    #[test]
    fn a_parent_inside_another_is_read_once() {
        let parents = ["tank/k8s/v".into(), "tank/k8s".into(), "tank/k8s-b".into()];
        assert_eq!(outermost(&parents).len(), 2);
    }
}
