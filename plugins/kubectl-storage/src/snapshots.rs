//! VolumeSnapshot, content, and snapshot on the appliance: what belongs together.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{
    Inventory, Seconds, Text,
    cluster::{Cluster, SnapshotContent},
    driver::within,
    nas::parent,
};

/// A snapshot on an appliance, or a VolumeSnapshotContent that has none, and what belongs together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Each {
    /// Appliance.
    pub nas: Text,
    /// Dataset it was taken of; of a detached one, the dataset it lies in.
    pub dataset: Text,
    /// Its name there.
    pub name: Text,
    /// Whether it is a dataset of its own.
    pub detached: bool,
    /// Bytes that only it holds; none when it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_bytes: Option<u64>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Seconds>,
    /// Cluster whose content names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Text>,
    /// That VolumeSnapshotContent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Text>,
    /// Its VolumeSnapshot, `namespace/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// `ready`, `pending`, `failed`, `deleting`, `missing` (a ready content without its snapshot),
    /// `unclaimed` (a CSI snapshot without a content), `deferred`, `helper` or `other`.
    pub state: &'static str,
}

impl Each {
    /// Whether somebody should look at it.
    pub fn broken(&self) -> bool {
        ["failed", "missing"].contains(&self.state)
    }
}

/// Where a content's snapshot lies: appliance, dataset, name.
type Place = (Text, String, String);

/// Every snapshot of a volume, every detached one, and every content without either, in the order
/// of their places.
pub fn each(inventory: &Inventory) -> Vec<Each> {
    let mut contents: BTreeMap<Place, (&Cluster, &SnapshotContent, bool)> = BTreeMap::new();
    let mut parents: Vec<(&Text, &Text, bool)> = Vec::new();
    for cluster in &inventory.clusters {
        for instance in &cluster.instances {
            parents.push((&instance.nas, &instance.parent, false));
            parents.extend(
                instance
                    .snapshot_parent
                    .as_ref()
                    .map(|of_detached| (&instance.nas, of_detached, true)),
            );
            for content in cluster
                .contents
                .iter()
                .filter(|content| content.driver == instance.driver && !content.handle.is_empty())
            {
                let nas = Text::clone(&instance.nas);
                if let Some((volume, name)) = content.handle.split_once('@') {
                    let dataset = format!("{}/{volume}", instance.parent);
                    contents.insert((nas, dataset, name.to_owned()), (cluster, content, false));
                } else if let (Some(of_detached), Some((volume, name))) =
                    (&instance.snapshot_parent, content.handle.split_once('/'))
                {
                    let dataset = format!("{of_detached}/{volume}");
                    contents.insert((nas, dataset, name.to_owned()), (cluster, content, true));
                }
            }
        }
    }
    let mut list = Vec::new();
    for nas in &inventory.appliances {
        let holds = |dataset: &str, detached: bool| {
            parents.iter().any(|(of, parent, kind)| {
                **of == nas.name && *kind == detached && within(dataset, parent)
            })
        };
        for snapshot in nas
            .snapshots
            .iter()
            .filter(|one| holds(&one.dataset, false))
        {
            let place = (
                Text::clone(&nas.name),
                snapshot.dataset.to_string(),
                snapshot.name.to_string(),
            );
            let known = contents.remove(&place);
            let state = match known {
                _ if snapshot.deferred => "deferred",
                Some((cluster, content, _)) => standing(cluster, content),
                None if snapshot.name.starts_with("volume-source-for-") => "helper",
                None if snapshot.csi_name.as_ref() == Some(&snapshot.name) => "unclaimed",
                None => "other",
            };
            list.push(Each {
                used_bytes: Some(snapshot.used_bytes),
                created: snapshot.created,
                ..row(place, known, false, state)
            });
        }
        for dataset in nas.datasets.iter().filter(|one| holds(&one.id, true)) {
            // `<parent>/<volume>/<snapshot>`: what lies one level higher is a container.
            let container = parent(&dataset.id);
            if !parents
                .iter()
                .any(|(_, root, kind)| *kind && ***root == *parent(container))
            {
                continue;
            }
            let place = (
                Text::clone(&nas.name),
                container.to_owned(),
                dataset.leaf().to_owned(),
            );
            let known = contents.remove(&place);
            let state = known.map_or("unclaimed", |(cluster, content, _)| {
                standing(cluster, content)
            });
            list.push(Each {
                used_bytes: Some(dataset.used_bytes),
                created: dataset.created,
                ..row(place, known, true, state)
            });
        }
    }
    for (place, (cluster, content, detached)) in contents {
        let state = match standing(cluster, content) {
            "ready" => "missing",
            other => other,
        };
        let known = Some((cluster, content, detached));
        list.push(row(place, known, detached, state));
    }
    list.sort();
    list
}

fn row(
    (nas, dataset, name): Place,
    known: Option<(&Cluster, &SnapshotContent, bool)>,
    detached: bool,
    state: &'static str,
) -> Each {
    Each {
        nas,
        dataset: dataset.into(),
        name: name.into(),
        detached,
        used_bytes: None,
        created: None,
        cluster: known.map(|(cluster, ..)| Text::clone(&cluster.name)),
        content: known.map(|(_, content, _)| Text::clone(&content.name)),
        snapshot: known.map(|(_, content, _)| {
            let (namespace, name, _) = &content.snapshot;
            format!("{namespace}/{name}")
        }),
        state,
    }
}

/// How the operation that made or removes it stands.
fn standing(cluster: &Cluster, content: &SnapshotContent) -> &'static str {
    let snapshot = cluster
        .snapshots
        .iter()
        .find(|snapshot| snapshot.uid == content.snapshot.2 || snapshot.content == content.name);
    let failed = |error: &Text| !error.is_empty();
    if content.deleting || snapshot.is_some_and(|snapshot| snapshot.deleting) {
        "deleting"
    } else if content.ready {
        "ready"
    } else if failed(&content.error) || snapshot.is_some_and(|snapshot| failed(&snapshot.error)) {
        "failed"
    } else {
        "pending"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        driver::Instance,
        nas::{Dataset, Nas, Snapshot},
    };

    #[test]
    fn each_snapshot_finds_its_objects_and_each_content_its_snapshot() {
        let content = |name: &str, handle: &str, ready, error: &str| SnapshotContent {
            name: name.into(),
            driver: "d".into(),
            handle: handle.into(),
            snapshot: ("shop".into(), name.into(), name.into()),
            ready,
            error: error.into(),
            ..SnapshotContent::default()
        };
        let snapshot = |name: &str, csi: bool| Snapshot {
            dataset: "tank/v/a".into(),
            name: name.into(),
            csi_name: csi.then(|| name.into()),
            ..Snapshot::default()
        };
        let dataset = |id: &str| Dataset {
            id: id.into(),
            ..Dataset::default()
        };
        let nas = Nas {
            name: "nas".into(),
            datasets: vec![
                dataset("tank/v/a"),
                dataset("tank/s/a"),
                dataset("tank/s/a/snapshot-4"),
            ],
            snapshots: vec![
                snapshot("snapshot-1", true),
                snapshot("snapshot-2", true),
                snapshot("auto-1", false),
                snapshot("volume-source-for-volume-b", false),
            ],
            ..Nas::default()
        };
        let instance = Instance {
            driver: "d".into(),
            nas: "nas".into(),
            parent: "tank/v".into(),
            snapshot_parent: Some("tank/s".into()),
            ..Instance::default()
        };
        let cluster = Cluster {
            instances: vec![instance],
            contents: vec![
                content("c1", "a@snapshot-1", true, ""),
                content("c3", "a@snapshot-3", true, ""),
                content("c4", "a/snapshot-4", true, ""),
                content("c5", "a@snapshot-5", false, "no space"),
                content("c6", "a@snapshot-6", false, ""),
            ],
            ..Cluster::default()
        };
        let inventory = Inventory {
            appliances: vec![nas],
            clusters: vec![cluster],
        };
        let states: BTreeMap<String, &str> = each(&inventory)
            .into_iter()
            .map(|row| (row.name.to_string(), row.state))
            .collect();
        let expected = [
            ("auto-1", "other"),
            ("snapshot-1", "ready"),
            ("snapshot-2", "unclaimed"),
            ("snapshot-3", "missing"),
            ("snapshot-4", "ready"),
            ("snapshot-5", "failed"),
            ("snapshot-6", "pending"),
            ("volume-source-for-volume-b", "helper"),
        ];
        let expected: BTreeMap<String, &str> = expected
            .into_iter()
            .map(|(name, state)| (name.to_owned(), state))
            .collect();
        assert_eq!(states, expected);
    }
}
