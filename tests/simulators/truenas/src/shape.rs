//! Rows as each release shows them.

use serde_json::{Map, Value, json};

use crate::{
    Nas, Profile,
    model::{Dataset, Snapshot},
};

/// Clones by the snapshot they were made of.
type Origins<'a> = std::collections::BTreeMap<&'a str, Vec<&'a str>>;

/// Bytes as people read them: `1.04M` up to 25.04, `1.04 MiB` after.
fn human(profile: Profile, bytes: u64) -> String {
    let units = ["", "K", "M", "G", "T", "P"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match (profile >= Profile::V2510, unit) {
        (true, 0) => format!("{value} B"),
        (true, _) => format!("{value:.2} {}iB", units[unit]),
        (false, _) => format!("{value:.2}{}", units[unit]),
    }
}

impl Nas {
    fn number(&self, bytes: Option<u64>, zero_is_null: bool) -> Value {
        let bytes = bytes.unwrap_or_default();
        let parsed = if zero_is_null && bytes == 0 {
            Value::Null
        } else {
            json!(bytes)
        };
        json!({"parsed": parsed, "rawvalue": bytes.to_string(), "value": human(self.profile, bytes),
            "source": "NONE", "source_info": null})
    }

    fn words(&self, text: &str, source: &str, shout: bool) -> Value {
        let source = if self.bugs.source_always_local {
            "LOCAL"
        } else {
            source
        };
        let value = if shout {
            text.to_uppercase()
        } else {
            text.to_owned()
        };
        json!({"parsed": text, "rawvalue": text, "value": value, "source": source, "source_info": null})
    }

    fn moment(seconds: i64) -> Value {
        json!({"parsed": {"$date": seconds * 1000}, "rawvalue": seconds.to_string(),
            "value": "Sat Jan  1 00:00 2000", "source": "NONE", "source_info": null})
    }

    fn user(
        &self,
        id: &str,
        own: &std::collections::BTreeMap<String, String>,
        from: &str,
    ) -> Map<String, Value> {
        let mut map = Map::new();
        for (name, (value, here)) in self.effective(from) {
            let source = if here && id == from {
                "LOCAL"
            } else {
                "INHERITED"
            };
            map.insert(name.to_owned(), self.words(value, source, false));
        }
        for (name, value) in own {
            map.insert(name.clone(), self.words(value, "LOCAL", false));
        }
        map
    }

    /// A row of `pool.dataset.query`, without children.
    pub(crate) fn dataset_row(
        &self,
        dataset: &Dataset,
        properties: Option<&[Value]>,
    ) -> Map<String, Value> {
        let wants = |name: &str| {
            properties.is_none_or(|list| list.iter().any(|known| known.as_str() == Some(name)))
        };
        let block = dataset.kind == "VOLUME";
        let pool = dataset.id.split('/').next().unwrap_or_default();
        let mut row = Map::new();
        row.insert("id".to_owned(), json!(dataset.id));
        row.insert("type".to_owned(), json!(dataset.kind));
        row.insert("name".to_owned(), json!(dataset.id));
        row.insert("pool".to_owned(), json!(pool));
        row.insert("encrypted".to_owned(), json!(false));
        row.insert("locked".to_owned(), json!(false));
        let mountpoint = if block {
            Value::Null
        } else {
            json!(format!("/mnt/{}", dataset.id))
        };
        row.insert("mountpoint".to_owned(), mountpoint);
        let mut put = |name: &str, value: Value| {
            if wants(name) {
                row.insert(name.to_owned(), value);
            }
        };
        put("used", self.number(Some(dataset.used), false));
        put("available", self.number(Some(self.available(pool)), false));
        put("referenced", self.number(Some(dataset.referenced), false));
        put(
            "origin",
            self.words(
                dataset.origin.as_deref().unwrap_or_default(),
                "NONE",
                self.bugs.uppercase_origin,
            ),
        );
        put("creation", Self::moment(dataset.created));
        if block {
            put("volsize", self.number(dataset.volsize, false));
            put("volblocksize", self.number(Some(16_384), false));
        } else {
            put("refquota", self.number(dataset.refquota, true));
        }
        let user = self.user(&dataset.id, &std::collections::BTreeMap::new(), &dataset.id);
        row.insert("user_properties".to_owned(), Value::Object(user));
        row
    }

    /// The same with its children nested.
    pub(crate) fn dataset_tree(&self, dataset: &Dataset, properties: Option<&[Value]>) -> Value {
        let mut rows: Vec<(String, Map<String, Value>)> = self
            .subtree(&dataset.id)
            .map(|known| (known.id.clone(), self.dataset_row(known, properties)))
            .collect();
        // Deepest first, each into its parent.
        rows.sort_by_key(|(id, _)| id.matches('/').count());
        let mut children: std::collections::BTreeMap<String, Vec<Value>> =
            std::collections::BTreeMap::new();
        while let Some((id, mut row)) = rows.pop() {
            let mut own = children.remove(&id).unwrap_or_default();
            own.reverse();
            row.insert("children".to_owned(), Value::Array(own));
            if id == dataset.id {
                return Value::Object(row);
            }
            let parent = id
                .rsplit_once('/')
                .map(|(parent, _)| parent.to_owned())
                .unwrap_or_default();
            children.entry(parent).or_default().push(Value::Object(row));
        }
        Value::Null
    }

    /// Puts the snapshots of each dataset into its row, and into those below it.
    pub(crate) fn with_snapshots(&self, row: &mut Value, properties: Option<&[Value]>) {
        let id = row
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let origins = self.origins();
        let own: Vec<Value> = self
            .snapshots
            .range((id.clone(), String::new())..)
            .take_while(|((dataset, _), _)| *dataset == id)
            .map(|(_, snapshot)| self.snapshot_row(snapshot, properties, &origins))
            .collect();
        row["snapshots"] = Value::Array(own);
        let children = row.get_mut("children").and_then(Value::as_array_mut);
        for child in children.into_iter().flatten() {
            self.with_snapshots(child, properties);
        }
    }

    /// A row of `zfs.resource.query`.
    pub(crate) fn resource_row(&self, dataset: &Dataset, query: &Value) -> Map<String, Value> {
        let wants = |name: &str| {
            query
                .get("properties")
                .and_then(Value::as_array)
                .is_none_or(|list| list.iter().any(|known| known.as_str() == Some(name)))
        };
        let block = dataset.kind == "VOLUME";
        let pool = dataset.id.split('/').next().unwrap_or_default();
        let raw = |raw: String, value: Value| json!({"raw": raw, "value": value, "source": {"type": "NONE", "value": null}});
        let mut properties = Map::new();
        let mut put = |name: &str, value: Value| {
            if wants(name) {
                properties.insert(name.to_owned(), value);
            }
        };
        put("used", raw(dataset.used.to_string(), json!(dataset.used)));
        let available = self.available(pool);
        put("available", raw(available.to_string(), json!(available)));
        put(
            "referenced",
            raw(dataset.referenced.to_string(), json!(dataset.referenced)),
        );
        let origin = dataset.origin.clone().unwrap_or_default();
        put("origin", raw(origin.clone(), json!(origin)));
        put(
            "creation",
            raw(dataset.created.to_string(), json!(dataset.created)),
        );
        if block {
            let size = dataset.volsize.unwrap_or_default();
            put("volsize", raw(size.to_string(), json!(size)));
        } else {
            let quota = dataset.refquota.unwrap_or_default();
            put("refquota", raw(quota.to_string(), json!(quota)));
            put(
                "mountpoint",
                raw(
                    format!("/mnt/{}", dataset.id),
                    json!(format!("/mnt/{}", dataset.id)),
                ),
            );
        }
        let mut row = Map::new();
        row.insert("name".to_owned(), json!(dataset.id));
        row.insert("pool".to_owned(), json!(pool));
        row.insert("type".to_owned(), json!(dataset.kind));
        row.insert("createtxg".to_owned(), json!(1));
        row.insert("properties".to_owned(), Value::Object(properties));
        let user = query
            .get("get_user_properties")
            .and_then(Value::as_bool)
            .unwrap_or_default()
            .then(|| {
                self.effective(&dataset.id)
                    .into_iter()
                    .map(|(name, (value, _))| (name.to_owned(), json!(value)))
                    .collect()
            });
        row.insert(
            "user_properties".to_owned(),
            user.map_or(Value::Null, Value::Object),
        );
        row.insert("children".to_owned(), Value::Null);
        row
    }

    /// A row of `zfs.snapshot.query` and `pool.snapshot.query`.
    pub(crate) fn snapshot_row(
        &self,
        snapshot: &Snapshot,
        properties: Option<&[Value]>,
        origins: &Origins<'_>,
    ) -> Value {
        let id = format!("{}@{}", snapshot.dataset, snapshot.name);
        let wants = |name: &str| {
            properties.is_none_or(|list| list.iter().any(|known| known.as_str() == Some(name)))
        };
        let mut shown = Map::new();
        let mut put = |name: &str, value: Value| {
            if wants(name) {
                shown.insert(name.to_owned(), value);
            }
        };
        put("creation", Self::moment(snapshot.created));
        put("used", self.number(Some(snapshot.used), false));
        put("referenced", self.number(Some(snapshot.referenced), false));
        // A snapshot of a zvol has the size that the zvol had.
        let of = self.datasets.get(&snapshot.dataset);
        if let Some(size) = of.and_then(|of| of.volsize) {
            put("volsize", self.number(Some(size), false));
        }
        if properties.is_some() {
            put("name", self.words(&id, "NONE", false));
            put(
                "logicalreferenced",
                self.number(Some(snapshot.referenced), false),
            );
        }
        put(
            "defer_destroy",
            self.words(if snapshot.deferred { "on" } else { "off" }, "NONE", false),
        );
        put(
            "userrefs",
            self.number(Some(snapshot.holds.len() as u64), false),
        );
        put(
            "clones",
            self.words(&clones(snapshot, origins), "NONE", false),
        );
        if self.profile < Profile::V26 {
            shown.extend(self.user(&id, &snapshot.user_properties, &snapshot.dataset));
        }
        let pool = snapshot.dataset.split('/').next().unwrap_or_default();
        json!({"id": id, "name": id, "pool": pool, "dataset": snapshot.dataset,
            "snapshot_name": snapshot.name, "type": "SNAPSHOT", "createtxg": snapshot.txg.to_string(),
            "properties": shown, "holds": holds(snapshot)})
    }

    /// A row of `zfs.resource.snapshot.query`.
    pub(crate) fn resource_snapshot_row(
        &self,
        snapshot: &Snapshot,
        origins: &Origins<'_>,
    ) -> Value {
        let raw = |raw: String| json!({"raw": raw, "value": raw, "source": null});
        let mut user: Map<String, Value> = self
            .effective(&snapshot.dataset)
            .into_iter()
            .map(|(name, (value, _))| (name.to_owned(), json!(value)))
            .collect();
        for (name, value) in &snapshot.user_properties {
            user.insert(name.clone(), json!(value));
        }
        let pool = snapshot.dataset.split('/').next().unwrap_or_default();
        json!({"name": format!("{}@{}", snapshot.dataset, snapshot.name), "pool": pool,
            "dataset": snapshot.dataset, "snapshot_name": snapshot.name, "createtxg": snapshot.txg,
            "guid": 1, "holds": holds(snapshot), "user_properties": user, "properties": {
                "creation": raw(snapshot.created.to_string()), "used": raw(snapshot.used.to_string()),
                "referenced": raw(snapshot.referenced.to_string()),
                "defer_destroy": raw(if snapshot.deferred { "on" } else { "off" }.to_owned()),
                "userrefs": raw(snapshot.holds.len().to_string()),
                "clones": raw(clones(snapshot, origins))}})
    }

    fn available(&self, pool: &str) -> u64 {
        let size = self
            .pools
            .iter()
            .find(|known| known.name == pool)
            .map_or(0, |known| known.size);
        let used = self.datasets.get(pool).map_or(0, |root| root.used);
        size.saturating_sub(used)
    }
}

fn clones(snapshot: &Snapshot, origins: &Origins<'_>) -> String {
    let id = format!("{}@{}", snapshot.dataset, snapshot.name);
    origins
        .get(id.as_str())
        .map(|clones| clones.join(","))
        .unwrap_or_default()
}

fn holds(snapshot: &Snapshot) -> Value {
    snapshot
        .holds
        .iter()
        .map(|tag| (tag.clone(), json!(1)))
        .collect::<Map<_, _>>()
        .into()
}
