//! Worlds in which the truth is known.
//!
//! A world is one appliance (the seed document of the TrueNAS simulator) and the Kubernetes lists
//! of the clusters that use it, made volume by volume from a number: most of them whole, some of
//! them broken in one named way, and many that only look broken. What is broken is written down
//! while it is being made, so nothing has to be found out afterwards.
//!
//! This crate shares no code with the simulator, which serves its appliances, nor with
//! `kubectl-storage`, whose answers are compared with its truth: a mistake in one of them cannot
//! hide behind the same mistake in another.

mod clusters;
mod faults;
mod random;
mod volumes;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

pub use random::Random;

/// Something that is wrong in a world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Truth {
    /// In words: `volume-orphan`, `partial-provision`, `volume-missing`, …
    pub class: &'static str,
    /// Name of the appliance or cluster.
    pub site: String,
    /// Dataset path, snapshot id, asset name or Kubernetes name.
    pub subject: String,
}

/// A driver installation.
#[derive(Debug, Clone, Serialize)]
pub struct Driver {
    /// CSI name.
    pub csi_name: String,
    /// Its driver-config-file, as a document.
    pub config: Value,
    /// Whether the administrator vouches that the parent is used by this cluster alone.
    pub exclusive: bool,
}

/// A cluster.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClusterWorld {
    /// Name.
    pub name: String,
    /// Uid of kube-system.
    pub uid: String,
    /// Objects by the path of their list (`/api/v1/persistentvolumes`).
    pub lists: BTreeMap<&'static str, Vec<Value>>,
    /// Its drivers.
    pub drivers: Vec<Driver>,
}

/// A world.
#[derive(Debug, Clone, Serialize)]
pub struct World {
    /// The time in it.
    pub now: i64,
    /// Host name of the appliance: also its name.
    pub nas_name: String,
    /// Seed of the simulator.
    pub nas: Value,
    /// The clusters that a scan may see. Others use the same appliance too.
    pub clusters: Vec<ClusterWorld>,
    /// Everything that is wrong and can be proven to be.
    pub truth: Vec<Truth>,
}

/// How a world is made.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// The number it is made from.
    pub seed: u64,
    /// How many volumes.
    pub volumes: usize,
    /// How many snapshots a volume has, about.
    pub snapshots_per_volume: usize,
    /// Faults in a thousand volumes.
    pub faults_per_mille: u64,
}

impl Recipe {
    /// The mixture that the accuracy figures are measured with.
    pub fn standard(seed: u64, volumes: usize) -> Self {
        Self {
            seed,
            volumes,
            snapshots_per_volume: 1,
            faults_per_mille: 50,
        }
    }
}

/// Where an installation keeps things, and how it marks them.
#[derive(Debug, Clone)]
struct Place {
    cluster: Option<usize>,
    csi_name: &'static str,
    kind: &'static str,
    parent: &'static str,
    snapshot_parent: Option<&'static str>,
    instance_id: Option<&'static str>,
    prefix: &'static str,
    suffix: &'static str,
    exclusive: bool,
    /// Whether an orphan here can be proven to be one.
    provable: bool,
    /// Share of the volumes, in percent.
    weight: u64,
}

impl Place {
    fn block(&self) -> bool {
        self.kind.ends_with("iscsi")
    }

    fn asset(&self, volume: &str) -> String {
        format!("{}{volume}{}", self.prefix, self.suffix)
    }
}

const PLACES: [Place; 7] = [
    // A parent of its own and a suffix somebody chose.
    Place {
        cluster: Some(0),
        csi_name: "org.democratic-csi.iscsi",
        kind: "freenas-api-iscsi",
        parent: "tank/blue/iscsi/v",
        snapshot_parent: Some("tank/blue/iscsi/s"),
        instance_id: None,
        prefix: "",
        suffix: "-blue7",
        exclusive: false,
        provable: true,
        weight: 30,
    },
    // A parent for which the administrator vouches.
    Place {
        cluster: Some(0),
        csi_name: "org.democratic-csi.nfs",
        kind: "freenas-api-nfs",
        parent: "tank/blue/nfs/v",
        snapshot_parent: Some("tank/blue/nfs/s"),
        instance_id: None,
        prefix: "",
        suffix: "",
        exclusive: true,
        provable: true,
        weight: 30,
    },
    // Two clusters on one parent, told apart by instance ids.
    Place {
        cluster: Some(0),
        csi_name: "blue.shared.iscsi",
        kind: "freenas-api-iscsi",
        parent: "tank/shared/v",
        snapshot_parent: None,
        instance_id: Some("blue-1"),
        prefix: "csi-",
        suffix: "-clustera",
        exclusive: false,
        provable: true,
        weight: 12,
    },
    Place {
        cluster: Some(1),
        csi_name: "green.shared.iscsi",
        kind: "freenas-api-iscsi",
        parent: "tank/shared/v",
        snapshot_parent: None,
        instance_id: Some("green-1"),
        prefix: "csi-",
        suffix: "-clustera",
        exclusive: false,
        provable: true,
        weight: 12,
    },
    // A cluster that no scan sees, on that same parent: same prefix, no instance id.
    Place {
        cluster: None,
        csi_name: "org.democratic-csi.iscsi",
        kind: "freenas-api-iscsi",
        parent: "tank/shared/v",
        snapshot_parent: None,
        instance_id: None,
        prefix: "csi-",
        suffix: "-clustera",
        exclusive: false,
        provable: false,
        weight: 4,
    },
    // A known cluster and an unseen one on a parent without any marks.
    Place {
        cluster: Some(0),
        csi_name: "org.democratic-csi.open",
        kind: "freenas-nfs",
        parent: "tank/open/v",
        snapshot_parent: None,
        instance_id: None,
        prefix: "",
        suffix: "",
        exclusive: false,
        provable: false,
        weight: 8,
    },
    Place {
        cluster: None,
        csi_name: "org.democratic-csi.open",
        kind: "freenas-nfs",
        parent: "tank/open/v",
        snapshot_parent: None,
        instance_id: None,
        prefix: "",
        suffix: "",
        exclusive: false,
        provable: false,
        weight: 4,
    },
];

const DAY: i64 = 86_400;
const GIB: u64 = 1 << 30;

/// Makes a world.
pub fn world(recipe: &Recipe) -> World {
    let mut making = Making::new(recipe);
    clusters::furnish(&mut making);
    for _ in 0..recipe.volumes {
        making.one_volume(recipe);
    }
    clusters::strays(&mut making);
    making.finish()
}

/// What a volume in the making consists of.
#[derive(Debug, Clone)]
struct Volume {
    place: usize,
    name: String,
    uid: String,
    dataset: String,
    created: i64,
    bytes: u64,
    share: u64,
}

struct Making {
    random: Random,
    now: i64,
    next_id: u64,
    txg: u64,
    parts: BTreeMap<&'static str, Vec<Value>>,
    clusters: Vec<ClusterWorld>,
    truth: Vec<Truth>,
}

impl Making {
    fn new(recipe: &Recipe) -> Self {
        let mut random = Random::new(recipe.seed);
        let clusters = ["blue", "green"]
            .into_iter()
            .map(|name| ClusterWorld {
                name: name.to_owned(),
                uid: random.uid(),
                ..ClusterWorld::default()
            })
            .collect();
        Self {
            random,
            now: 1_760_000_000,
            next_id: 1,
            txg: 1000,
            parts: BTreeMap::new(),
            clusters,
            truth: Vec::new(),
        }
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn part(&mut self, part: &'static str, value: Value) {
        self.parts.entry(part).or_default().push(value);
    }

    fn object(&mut self, cluster: usize, list: &'static str, value: Value) {
        self.clusters[cluster]
            .lists
            .entry(list)
            .or_default()
            .push(value);
    }

    fn wrong(&mut self, class: &'static str, site: &str, subject: impl Into<String>) {
        self.truth.push(Truth {
            class,
            site: site.to_owned(),
            subject: subject.into(),
        });
    }

    fn cluster_name(&self, cluster: usize) -> String {
        self.clusters[cluster].name.clone()
    }

    fn finish(mut self) -> World {
        self.truth.sort();
        let mut nas = json!({
            "now": self.now,
            "iqn_base": "iqn.2005-10.org.freenas.ctl",
            "pools": [{"name": "tank", "size": 1_u64 << 46}],
            "portals": [1],
            "initiators": [1],
            "services": [{"service": "iscsitarget", "state": "RUNNING", "enable": true},
                {"service": "nfs", "state": "RUNNING", "enable": true}],
        });
        for (part, values) in self.parts {
            nas[part] = Value::Array(values);
        }
        World {
            now: self.now,
            nas_name: NAS.to_owned(),
            nas,
            clusters: self.clusters,
            truth: self.truth,
        }
    }
}

/// Host of the appliance.
pub const NAS: &str = "nas.test";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_makes_the_same_world_twice() {
        let recipe = Recipe::standard(7, 100);
        let (one, two) = (world(&recipe), world(&recipe));
        assert_eq!(
            serde_json::to_string(&one).unwrap(),
            serde_json::to_string(&two).unwrap()
        );
    }

    #[test]
    fn a_large_world_has_every_class_of_fault() {
        let recipe = Recipe {
            faults_per_mille: 500,
            ..Recipe::standard(1, 2000)
        };
        let world = world(&recipe);
        let mut classes: Vec<_> = world.truth.iter().map(|truth| truth.class).collect();
        classes.sort_unstable();
        classes.dedup();
        assert_eq!(classes, faults::CLASSES);
    }
}
