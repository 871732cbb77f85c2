//! The methods that answer questions.

use serde_json::{Value, json};

use crate::{MethodError, Nas, Profile, query};

type Answer = Result<Value, MethodError>;

fn parameter(params: &[Value], at: usize) -> &Value {
    params.get(at).unwrap_or(&Value::Null)
}

impl Nas {
    /// Calls a method, as an authenticated session would.
    pub fn call(&mut self, method: &str, params: &[Value]) -> Answer {
        *self.calls.entry(method.to_owned()).or_default() += 1;
        match method {
            "core.ping" => return Ok(json!("pong")),
            "system.version" => return Ok(json!(self.profile.version())),
            "system.info" => {
                return Ok(
                    json!({"version": self.profile.version(), "hostname": "truenas",
                    "datetime": {"$date": self.now * 1000}, "uptime_seconds": 1000.0}),
                );
            }
            "core.get_jobs" => {
                let jobs = self.jobs.clone();
                return query::apply(jobs, parameter(params, 0), parameter(params, 1), false);
            }
            "pool.query" => return self.pool_query(params),
            "pool.dataset.query" => return self.dataset_query(params),
            "zfs.snapshot.query" if self.profile < Profile::V2510 => {
                return self.snapshot_query(params);
            }
            "pool.snapshot.query" if self.profile >= Profile::V2510 => {
                return self.snapshot_query(params);
            }
            "zfs.resource.query" if self.profile >= Profile::V2510 => {
                return self.resource_query(params);
            }
            "zfs.resource.snapshot.query" if self.profile >= Profile::V26 => {
                return Ok(self.resource_snapshot_query(params));
            }
            "iscsi.global.config" => return Ok(json!({"id": 1, "basename": self.iqn_base})),
            _ => {}
        }
        if let Some(rows) = self.lists.get(method) {
            return query::apply(
                rows.clone(),
                parameter(params, 0),
                parameter(params, 1),
                false,
            );
        }
        if let Some((namespace, "query")) = method.rsplit_once('.')
            && let Some(table) = self.tables.get(namespace)
        {
            let rows = table.values().cloned().map(Value::Object).collect();
            return query::apply(rows, parameter(params, 0), parameter(params, 1), false);
        }
        self.change(method, params)
    }

    fn pool_query(&self, params: &[Value]) -> Answer {
        let rows = self
            .pools
            .iter()
            .enumerate()
            .map(|(at, pool)| {
                json!({"id": at + 1, "name": pool.name, "guid": pool.guid, "status": "ONLINE", "healthy": true,
                    "path": format!("/mnt/{}", pool.name), "size": pool.size,
                    "fragmentation": "3", "topology": {"data": []}})
            })
            .collect();
        query::apply(rows, parameter(params, 0), parameter(params, 1), false)
    }

    fn dataset_query(&self, params: &[Value]) -> Answer {
        let (filters, options) = (parameter(params, 0), parameter(params, 1));
        let extra = options.get("extra").unwrap_or(&Value::Null);
        let flag =
            |name: &str, default| extra.get(name).and_then(Value::as_bool).unwrap_or(default);
        let properties = extra
            .get("properties")
            .and_then(Value::as_array)
            .map(Vec::as_slice);
        let children = flag("retrieve_children", true);
        // Over REST it comes as a number.
        let snapshots = extra.get("snapshots").is_some_and(|value| {
            value.as_bool().unwrap_or_default() || value.as_u64().unwrap_or_default() > 0
        });
        let of_snapshots = extra
            .get("snapshots_properties")
            .and_then(Value::as_array)
            .map(Vec::as_slice);
        let exact = match filters.as_array().map(Vec::as_slice) {
            Some([filter]) => filter
                .as_array()
                .and_then(|filter| match filter.as_slice() {
                    [Value::String(field), Value::String(op), Value::String(id)]
                        if field == "id" && op == "=" =>
                    {
                        Some(id.as_str())
                    }
                    _ => None,
                }),
            _ => None,
        };
        let shown = |dataset| {
            let mut row = if children {
                self.dataset_tree(dataset, properties)
            } else {
                let mut row = self.dataset_row(dataset, properties);
                row.insert("children".to_owned(), json!([]));
                Value::Object(row)
            };
            if snapshots {
                self.with_snapshots(&mut row, of_snapshots);
            }
            row
        };
        let rows = match exact {
            Some(id) => self.datasets.get(id).map(shown).into_iter().collect(),
            // Not flat: only the roots of the pools, each with everything below it.
            None if !flag("flat", true) => self
                .datasets
                .values()
                .filter(|dataset| !dataset.id.contains('/'))
                .map(shown)
                .collect(),
            // Flat: every ancestor repeats all its descendants.
            None => self.datasets.values().map(shown).collect(),
        };
        query::apply(rows, filters, options, self.bugs.count_ignores_filters)
    }

    fn resource_query(&self, params: &[Value]) -> Answer {
        let asked = parameter(params, 0);
        let deep = asked
            .get("get_children")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let mut rows = Vec::new();
        for path in asked
            .get("paths")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let path = path.as_str().unwrap_or_default();
            if path.contains('@') {
                return Err(MethodError::invalid(
                    "zfs.resource.query.paths",
                    "snapshots are not allowed",
                ));
            }
            let Some(dataset) = self.datasets.get(path) else {
                return Err(MethodError::new(
                    2,
                    "ENOENT",
                    format!("{path} does not exist"),
                ));
            };
            if deep {
                rows.push(self.resource_tree(dataset, asked));
            } else {
                rows.push(Value::Object(self.resource_row(dataset, asked)));
            }
        }
        Ok(Value::Array(rows))
    }

    fn resource_tree(&self, dataset: &crate::model::Dataset, asked: &Value) -> Value {
        let mut row = self.resource_row(dataset, asked);
        // Everything below, flat in `children`: nested rows read the same.
        let children: Vec<_> = self
            .subtree(&dataset.id)
            .skip(1)
            .map(|known| Value::Object(self.resource_row(known, asked)))
            .collect();
        row.insert("children".to_owned(), Value::Array(children));
        Value::Object(row)
    }

    fn snapshot_query(&self, params: &[Value]) -> Answer {
        let (filters, options) = (parameter(params, 0), parameter(params, 1));
        let extra = options.get("extra").unwrap_or(&Value::Null);
        let properties = extra
            .get("properties")
            .and_then(Value::as_array)
            .map(Vec::as_slice);
        let since = extra
            .get("min_txg")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        // The prefix filter that every client sends is applied before rows are shaped.
        let prefix = filters
            .as_array()
            .and_then(|list| list.first()?.as_array())
            .filter(|filter| {
                filter.first() == Some(&json!("dataset")) && filter.get(1) == Some(&json!("^"))
            })
            .and_then(|filter| filter.get(2)?.as_str())
            .unwrap_or_default();
        let origins = self.origins();
        let rows = self
            .snapshots
            .values()
            .filter(|snapshot| snapshot.txg >= since && snapshot.dataset.starts_with(prefix))
            .map(|snapshot| self.snapshot_row(snapshot, properties, &origins))
            .collect();
        query::apply(rows, filters, options, self.bugs.count_ignores_filters)
    }

    fn resource_snapshot_query(&self, params: &[Value]) -> Value {
        let asked = parameter(params, 0);
        let since = asked
            .get("min_txg")
            .and_then(Value::as_u64)
            .unwrap_or_default();
        let paths: Vec<_> = asked
            .get("paths")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let recursive = asked
            .get("recursive")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        let inside = |dataset: &str| {
            paths.iter().any(|path| {
                dataset == *path
                    || (recursive
                        && dataset
                            .strip_prefix(path)
                            .is_some_and(|rest| rest.starts_with('/')))
            })
        };
        let origins = self.origins();
        self.snapshots
            .values()
            .filter(|snapshot| snapshot.txg >= since && inside(&snapshot.dataset))
            .map(|snapshot| self.resource_snapshot_row(snapshot, &origins))
            .collect()
    }
}
