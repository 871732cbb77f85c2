//! The methods that change something, with the middleware's texts for what they refuse.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{MethodError, Nas, Profile, model::Dataset, model::Snapshot};

type Answer = Result<Value, MethodError>;

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, field: &str) -> bool {
    value
        .get(field)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

impl Nas {
    pub(crate) fn change(&mut self, method: &str, params: &[Value]) -> Answer {
        let first = params.first().cloned().unwrap_or_default();
        let second = params.get(1).cloned().unwrap_or_default();
        self.txg += 1;
        match method {
            "pool.dataset.create" => self.create_dataset(&first),
            "pool.dataset.update" => {
                self.update_dataset(first.as_str().unwrap_or_default(), &second)
            }
            "pool.dataset.delete" => {
                self.delete_dataset(first.as_str().unwrap_or_default(), &second)
            }
            "zfs.snapshot.create" | "pool.snapshot.create" => self.create_snapshot(&first),
            "zfs.snapshot.delete" | "pool.snapshot.delete" => {
                self.delete_snapshot(first.as_str().unwrap_or_default(), &second)
            }
            "zfs.snapshot.hold" | "pool.snapshot.hold" => {
                self.hold(first.as_str().unwrap_or_default(), true)
            }
            "zfs.snapshot.release" | "pool.snapshot.release" => {
                self.hold(first.as_str().unwrap_or_default(), false)
            }
            "zfs.snapshot.clone" | "pool.snapshot.clone" => self.clone_snapshot(&first),
            "zfs.snapshot.update" | "pool.snapshot.update" => {
                self.update_snapshot(first.as_str().unwrap_or_default(), &second)
            }
            "pool.dataset.destroy_snapshots" if self.profile < Profile::V26 => {
                let done = self.destroy_snapshots(text(&first, "name"));
                Ok(self.job(method, done))
            }
            "replication.run_onetime" => {
                let done = self.replicate(&first);
                Ok(self.job(method, done))
            }
            "filesystem.setperm" | "filesystem.chown" => {
                let path = text(&first, "path").trim_start_matches("/mnt/");
                let done = if self.datasets.contains_key(path) {
                    Ok(Value::Null)
                } else {
                    Err(missing(text(&first, "path")))
                };
                Ok(self.job(method, done))
            }
            _ => self.change_table(method, &first, &second),
        }
    }

    /// A job that is over, by its number.
    fn job(&mut self, method: &str, done: Answer) -> Value {
        let id = self.jobs.len() + 1;
        let (state, result, error) = match done {
            Ok(result) => ("SUCCESS", result, Value::Null),
            Err(wrong) => (
                "FAILED",
                Value::Null,
                json!(format!("[{}] {}", wrong.errname, wrong.reason)),
            ),
        };
        self.jobs.push(
            json!({"id": id, "method": method, "state": state, "result": result, "error": error,
            "progress": {"percent": 100, "description": "", "extra": null}}),
        );
        json!(id)
    }

    fn destroy_snapshots(&mut self, dataset: &str) -> Answer {
        if !self.datasets.contains_key(dataset) {
            return Err(missing(dataset));
        }
        let names: Vec<String> = self
            .snapshots
            .keys()
            .filter(|(of, _)| of == dataset)
            .map(|(_, name)| name.clone())
            .collect();
        for name in names {
            self.delete_snapshot(&format!("{dataset}@{name}"), &Value::Null)?;
        }
        Ok(json!(true))
    }

    /// A local replication: the target comes into being with the snapshots that the pattern names.
    fn replicate(&mut self, wants: &Value) -> Answer {
        let from = wants
            .get("source_datasets")
            .and_then(|list| list.get(0))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let to = text(wants, "target_dataset").to_owned();
        let Some(of) = self.datasets.get(&from) else {
            return Err(missing(&from));
        };
        if self.datasets.contains_key(&to) {
            return Err(MethodError::new(
                14,
                "EFAULT",
                format!("Target dataset '{to}' already exists."),
            ));
        }
        let pattern = text(wants, "name_regex")
            .trim_start_matches('^')
            .trim_end_matches('$');
        let named: Vec<Snapshot> = self
            .snapshots
            .values()
            .filter(|known| known.dataset == from && known.name == pattern)
            .cloned()
            .collect();
        if named.is_empty() {
            return Err(MethodError::new(
                14,
                "EFAULT",
                format!("Dataset '{from}' does not have any matching snapshots to replicate"),
            ));
        }
        let copy = Dataset {
            id: to.clone(),
            created: self.now,
            origin: None,
            user_properties: BTreeMap::new(),
            ..of.clone()
        };
        // What lies between comes into being too.
        let above: Vec<String> = to
            .match_indices('/')
            .map(|(at, _)| to[..at].to_owned())
            .collect();
        for parent in above {
            self.datasets.entry(parent.clone()).or_insert(Dataset {
                id: parent,
                kind: "FILESYSTEM".to_owned(),
                volsize: None,
                refquota: None,
                ..copy.clone()
            });
        }
        self.datasets.insert(to.clone(), copy);
        for snapshot in named {
            let key = (to.clone(), snapshot.name.clone());
            let copied = Snapshot {
                dataset: to.clone(),
                txg: self.txg,
                holds: Vec::new(),
                ..snapshot
            };
            self.snapshots.insert(key, copied);
        }
        Ok(json!(true))
    }

    fn update_snapshot(&mut self, id: &str, wants: &Value) -> Answer {
        let ignored = self.bugs.snapshot_update_ignored;
        let key = id
            .split_once('@')
            .map(|(dataset, name)| (dataset.to_owned(), name.to_owned()));
        let snapshot = key
            .as_ref()
            .and_then(|key| self.snapshots.get_mut(key))
            .ok_or_else(|| missing(id))?;
        if !ignored {
            let properties = &mut snapshot.user_properties;
            set_properties(properties, wants.get("user_properties_update"));
        }
        let row = key
            .and_then(|key| self.snapshots.get(&key))
            .map(|snapshot| self.snapshot_row(snapshot, None, &self.origins()));
        Ok(row.unwrap_or_default())
    }

    fn create_dataset(&mut self, wants: &Value) -> Answer {
        let name = text(wants, "name").to_owned();
        if self.datasets.contains_key(&name) {
            return Err(MethodError::invalid(
                "pool_dataset_create.name",
                format!("{name} already exists"),
            ));
        }
        let parent = name
            .rsplit_once('/')
            .map(|(parent, _)| parent)
            .unwrap_or_default();
        if !self.datasets.contains_key(parent) {
            return Err(MethodError::invalid(
                "pool_dataset_create.name",
                format!("Parent dataset {parent} does not exist"),
            ));
        }
        let mut dataset = Dataset {
            id: name.clone(),
            kind: if text(wants, "type") == "VOLUME" {
                "VOLUME"
            } else {
                "FILESYSTEM"
            }
            .to_owned(),
            created: self.now,
            used: 98_304,
            referenced: 98_304,
            volsize: self.bytes(wants, "pool_dataset_create", "volsize")?,
            refquota: self.bytes(wants, "pool_dataset_create", "refquota")?,
            origin: None,
            user_properties: BTreeMap::new(),
        };
        if !self.bugs.create_drops_properties {
            set_properties(&mut dataset.user_properties, wants.get("user_properties"));
        }
        self.datasets.insert(name.clone(), dataset);
        self.shown(&name)
    }

    /// A number of bytes, if it is given at all; `null` is 0. Up to 25.04 digits in quotes count as
    /// a number, and drivers send them; from 25.10 on types are checked.
    fn bytes(&self, wants: &Value, schema: &str, field: &str) -> Result<Option<u64>, MethodError> {
        let wrong = |reason| Err(MethodError::invalid(&format!("{schema}.{field}"), reason));
        match wants.get(field) {
            None => Ok(None),
            Some(Value::Null) if field == "volsize" => wrong("null not allowed"),
            Some(Value::Null) => Ok(Some(0)),
            Some(Value::Number(number)) if number.is_u64() => Ok(number.as_u64()),
            Some(Value::String(text)) if self.profile < Profile::V2510 => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => wrong("Not an integer"),
            },
            Some(_) if self.profile < Profile::V2510 => wrong("Not an integer"),
            Some(_) => wrong("Input should be a valid integer"),
        }
    }

    fn shown(&self, name: &str) -> Answer {
        self.datasets
            .get(name)
            .map(|dataset| self.dataset_tree(dataset, None))
            .ok_or_else(|| missing(name))
    }

    fn update_dataset(&mut self, name: &str, wants: &Value) -> Answer {
        let size = self.bytes(wants, "pool_dataset_update", "volsize")?;
        let quota = self.bytes(wants, "pool_dataset_update", "refquota")?;
        let dataset = self.datasets.get_mut(name).ok_or_else(|| missing(name))?;
        if size.is_some() {
            dataset.volsize = size;
        }
        if quota.is_some() {
            dataset.refquota = quota.filter(|bytes| *bytes > 0);
        }
        let properties = &mut dataset.user_properties;
        set_properties(properties, wants.get("user_properties"));
        set_properties(properties, wants.get("user_properties_update"));
        self.shown(name)
    }

    fn delete_dataset(&mut self, name: &str, options: &Value) -> Answer {
        if !self.datasets.contains_key(name) {
            return Err(missing(name));
        }
        let doomed: Vec<String> = self.subtree(name).map(|known| known.id.clone()).collect();
        if doomed.len() > 1 && !flag(options, "recursive") {
            return Err(MethodError::new(
                39,
                "ENOTEMPTY",
                format!(
                    "Failed to delete dataset: cannot destroy '{name}': filesystem has children"
                ),
            ));
        }
        let cloned = self.datasets.values().any(|known| {
            let of = known
                .origin
                .as_deref()
                .and_then(|origin| origin.split_once('@'));
            of.is_some_and(|(of, _)| doomed.iter().any(|name| name == of))
                && !doomed.contains(&known.id)
        });
        if cloned {
            return Err(MethodError::new(
                14,
                "EFAULT",
                format!(
                    "Failed to delete dataset: cannot destroy '{name}': filesystem has dependent clones"
                ),
            ));
        }
        let held = self
            .snapshots
            .values()
            .any(|known| doomed.contains(&known.dataset) && !known.holds.is_empty());
        let snapshots = self
            .snapshots
            .keys()
            .any(|(dataset, _)| doomed.contains(dataset));
        if held || (snapshots && !flag(options, "recursive") && !flag(options, "force")) {
            return Err(MethodError::new(
                16,
                "EBUSY",
                format!("Failed to delete dataset: cannot destroy '{name}': dataset is busy"),
            ));
        }
        if self.bugs.delete_keeps {
            return Ok(json!(true));
        }
        for name in doomed {
            let origin = self.datasets.remove(&name).and_then(|gone| gone.origin);
            self.let_go(origin.as_deref());
            self.snapshots.retain(|(dataset, _), _| *dataset != name);
            let path = format!("/mnt/{name}");
            for table in ["sharing.nfs", "sharing.smb"] {
                if let Some(rows) = self.tables.get_mut(table) {
                    rows.retain(|_, row| row.get("path").and_then(Value::as_str) != Some(&path));
                }
            }
        }
        Ok(json!(true))
    }

    /// A snapshot that was destroyed while it had clones goes with the last of them.
    fn let_go(&mut self, origin: Option<&str>) {
        let Some((dataset, name)) = origin.and_then(|origin| origin.split_once('@')) else {
            return;
        };
        if self.clones(dataset, name).is_empty() {
            let key = (dataset.to_owned(), name.to_owned());
            if self.snapshots.get(&key).is_some_and(|known| known.deferred) {
                self.snapshots.remove(&key);
            }
        }
    }

    fn create_snapshot(&mut self, wants: &Value) -> Answer {
        let (dataset, name) = (
            text(wants, "dataset").to_owned(),
            text(wants, "name").to_owned(),
        );
        let Some(of) = self.datasets.get(&dataset) else {
            return Err(missing(&dataset));
        };
        let key = (dataset.clone(), name.clone());
        if self.snapshots.contains_key(&key) {
            return Err(MethodError::new(
                17,
                "EEXIST",
                format!("{dataset}@{name} already exists"),
            ));
        }
        let properties = wants.get("properties").and_then(Value::as_object);
        let snapshot = Snapshot {
            created: self.now,
            txg: self.txg,
            used: 0,
            referenced: of.referenced,
            user_properties: properties
                .into_iter()
                .flatten()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            holds: Vec::new(),
            deferred: false,
            dataset,
            name,
        };
        let row = self.snapshot_row(&snapshot, None, &self.origins());
        self.snapshots.insert(key, snapshot);
        Ok(row)
    }

    fn delete_snapshot(&mut self, id: &str, options: &Value) -> Answer {
        let Some((dataset, name)) = id.split_once('@') else {
            return Err(missing(id));
        };
        let key = (dataset.to_owned(), name.to_owned());
        let clones = self.clones(dataset, name).join(", ");
        let snapshot = self.snapshots.get_mut(&key).ok_or_else(|| missing(id))?;
        if !clones.is_empty() {
            if !flag(options, "defer") {
                return Err(MethodError::invalid(
                    "options.defer",
                    format!(
                        "Please set this attribute as '{id}' snapshot has dependent clones: {clones}"
                    ),
                ));
            }
            snapshot.deferred = true;
            return Ok(json!(true));
        }
        if !snapshot.holds.is_empty() {
            return Err(MethodError::new(
                16,
                "EBUSY",
                format!("cannot destroy '{id}': dataset is busy"),
            ));
        }
        if !self.bugs.delete_keeps {
            self.snapshots.remove(&key);
        }
        Ok(json!(true))
    }

    fn hold(&mut self, id: &str, add: bool) -> Answer {
        let key = id
            .split_once('@')
            .map(|(dataset, name)| (dataset.to_owned(), name.to_owned()));
        let snapshot = key
            .and_then(|key| self.snapshots.get_mut(&key))
            .ok_or_else(|| missing(id))?;
        if add {
            snapshot.holds.push("truenas".to_owned());
        } else {
            snapshot.holds.clear();
        }
        Ok(Value::Null)
    }

    fn clone_snapshot(&mut self, wants: &Value) -> Answer {
        let id = text(wants, "snapshot");
        let to = text(wants, "dataset_dst").to_owned();
        let Some((dataset, name)) = id.split_once('@') else {
            return Err(missing(id));
        };
        if !self
            .snapshots
            .contains_key(&(dataset.to_owned(), name.to_owned()))
        {
            return Err(missing(id));
        }
        let Some(of) = self.datasets.get(dataset) else {
            return Err(missing(dataset));
        };
        if self.datasets.contains_key(&to) {
            return Err(MethodError::new(
                17,
                "EEXIST",
                format!("cannot create '{to}': dataset already exists"),
            ));
        }
        // User properties are those with a colon in their name.
        let wanted = wants.get("dataset_properties").and_then(Value::as_object);
        let user_properties = wanted
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.contains(':'))
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        let clone = Dataset {
            id: to.clone(),
            created: self.now,
            origin: Some(id.to_owned()),
            user_properties,
            ..of.clone()
        };
        self.datasets.insert(to, clone);
        Ok(json!(true))
    }

    fn change_table(&mut self, method: &str, first: &Value, second: &Value) -> Answer {
        let Some((namespace, verb)) = method.rsplit_once('.') else {
            return Err(MethodError::no_method(method));
        };
        let in_use = namespace == "iscsi.target" && verb == "delete" && self.target_in_use(first);
        let older = self.profile < Profile::V2410;
        let Some(table) = self.tables.get_mut(namespace) else {
            return Err(MethodError::no_method(method));
        };
        match verb {
            "create" => {
                let name = first.get("name").filter(|name| name.is_string());
                if name.is_some() && table.values().any(|row| row.get("name") == name) {
                    // Since 24.04; released drivers look for the older words and give up here.
                    let words = match (namespace, older) {
                        ("iscsi.target", true) => "Target name already exists",
                        ("iscsi.target", false) => "Target with this name already exists",
                        _ => "Extent name must be unique",
                    };
                    return Err(MethodError::invalid(
                        &format!("{}_create.name", namespace.replace('.', "_")),
                        words,
                    ));
                }
                if namespace == "iscsi.targetextent" {
                    association(table, first)?;
                }
                // Drivers that take the appliance for an older product ask for `paths`.
                if namespace == "sharing.nfs" && !first.get("path").is_some_and(Value::is_string) {
                    let reason = "attribute required";
                    return Err(MethodError::invalid("sharingnfs_create.path", reason));
                }
                // The lowest free number: numbers are used again.
                let id = (1..u64::MAX)
                    .find(|id| !table.contains_key(id))
                    .unwrap_or(1);
                let mut row = first.as_object().cloned().unwrap_or_default();
                row.insert("id".to_owned(), json!(id));
                table.insert(id, row.clone());
                Ok(Value::Object(row))
            }
            "update" => {
                let row = first.as_u64().and_then(|id| table.get_mut(&id));
                let row = row.ok_or_else(|| missing(&format!("{namespace} {first}")))?;
                row.extend(second.as_object().cloned().unwrap_or_default());
                Ok(Value::Object(row.clone()))
            }
            "delete" if in_use => Err(MethodError::new(
                14,
                "EFAULT",
                format!("Target {first} is in use."),
            )),
            "delete" => {
                let row = first.as_u64().and_then(|id| table.remove(&id));
                row.ok_or_else(|| missing(&format!("{namespace} {first}")))?;
                // Associations go with their target and with their extent.
                let field = namespace.strip_prefix("iscsi.").unwrap_or_default();
                if let Some(associations) = self.tables.get_mut("iscsi.targetextent")
                    && ["target", "extent"].contains(&field)
                {
                    associations.retain(|_, row| row.get(field) != Some(first));
                }
                Ok(json!(true))
            }
            _ => Err(MethodError::no_method(method)),
        }
    }

    fn target_in_use(&self, id: &Value) -> bool {
        let name = id.as_u64().and_then(|id| {
            self.tables
                .get("iscsi.target")?
                .get(&id)?
                .get("name")?
                .as_str()
        });
        let Some(name) = name else { return false };
        let iqn = format!("{}:{name}", self.iqn_base);
        self.lists
            .get("iscsi.global.sessions")
            .is_some_and(|rows| rows.iter().any(|row| text(row, "target") == iqn))
    }
}

/// Whether an extent may be shown by a target.
fn association(
    table: &BTreeMap<u64, Map<String, Value>>,
    wants: &Value,
) -> Result<(), MethodError> {
    let lun = |row: &Value| row.get("lunid").and_then(Value::as_u64).unwrap_or_default();
    let rows = || table.values().map(|row| Value::Object(row.clone()));
    if rows().any(|row| row.get("target") == wants.get("target") && lun(&row) == lun(wants)) {
        return Err(MethodError::invalid(
            "iscsi_targetextent_create.lunid",
            "LUN ID is already being used for this target.",
        ));
    }
    if rows().any(|row| row.get("extent") == wants.get("extent")) {
        return Err(MethodError::invalid(
            "iscsi_targetextent_create.extent",
            "Extent is already in use.",
        ));
    }
    Ok(())
}

fn missing(what: &str) -> MethodError {
    MethodError::new(2, "ENOENT", format!("{what} does not exist"))
}

/// `{"name": "value"}` or `[{"key": …, "value": …, "remove": true}]`.
fn set_properties(properties: &mut BTreeMap<String, String>, wants: Option<&Value>) {
    // The driver writes the numbers of targets and extents as numbers.
    let words = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    match wants {
        Some(Value::Object(map)) => {
            for (name, value) in map {
                properties.insert(name.clone(), words(Some(value)));
            }
        }
        Some(Value::Array(list)) => {
            for item in list {
                if flag(item, "remove") {
                    properties.remove(text(item, "key"));
                } else {
                    properties.insert(text(item, "key").to_owned(), words(item.get("value")));
                }
            }
        }
        _ => {}
    }
}
