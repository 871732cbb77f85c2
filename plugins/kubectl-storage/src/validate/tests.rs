//! Each rule, with a world in which it is broken; and a world in which none is.

use std::collections::BTreeSet;

use super::*;
use crate::model::{
    cluster::{Node, SnapshotClass, StorageClass},
    driver::Settings,
    nas::{Dataset, Pool, Service, Snapshot, SnapshotTask},
};

fn dataset(id: &str) -> Dataset {
    Dataset {
        id: id.into(),
        ..Dataset::default()
    }
}

/// An iSCSI and an NFS driver on one appliance, as they should be.
fn healthy() -> Inventory {
    let settings = Settings {
        protocol: "https".into(),
        api_key: true,
        quotas: Some(true),
        zvol_block_size: Some("16K".into()),
        extent_block_size: Some(4096),
        portal_groups: vec![1],
        initiator_groups: vec![1],
        share_host: "nas.test".into(),
        image: Some("democraticcsi/democratic-csi:v1.9.4".into()),
        provisioner_args: vec!["--timeout=90s".into()],
        provisioner_image: Some("registry.k8s.io/sig-storage/csi-provisioner:v5.2.0".into()),
        account: Some("controller".into()),
        missing_rights: Some(Vec::new()),
        ..Settings::default()
    };
    let instance = |driver: &str, kind: &str, parent: &str| Instance {
        driver: driver.into(),
        kind: kind.into(),
        instance_id: Some("blue".into()),
        nas: "nas".into(),
        parent: parent.into(),
        settings: settings.clone(),
        ..Instance::default()
    };
    let class = |name: &str, provisioner: &str| StorageClass {
        name: name.into(),
        provisioner: provisioner.into(),
        reclaim: "Delete".into(),
        expandable: true,
        ..StorageClass::default()
    };
    let snapshot_class = |name: &str, driver: &str| SnapshotClass {
        name: name.into(),
        driver: driver.into(),
        policy: "Delete".into(),
        default: false,
    };
    let drivers = ["org.democratic-csi.iscsi", "org.democratic-csi.nfs"];
    let service = |name: &str| Service {
        name: name.into(),
        running: true,
        autostart: true,
    };
    Inventory {
        appliances: vec![Nas {
            name: "nas".into(),
            release: (23, 10),
            iqn_base: "iqn.2005-10.org.freenas.ctl".into(),
            pools: vec![Pool {
                name: "tank".into(),
                guid: "7".into(),
                status: "ONLINE".into(),
                healthy: true,
                used_bytes: 10,
                available_bytes: 90,
            }],
            datasets: vec![dataset("tank/i"), dataset("tank/n")],
            portals: vec![1],
            initiators: vec![1],
            services: vec![service("iscsitarget"), service("nfs")],
            ..Nas::default()
        }],
        clusters: vec![Cluster {
            name: "blue".into(),
            instances: vec![
                instance(drivers[0], "freenas-api-iscsi", "tank/i"),
                instance(drivers[1], "freenas-api-nfs", "tank/n"),
            ],
            classes: vec![class("block", drivers[0]), class("files", drivers[1])],
            snapshot_classes: vec![
                snapshot_class("b", drivers[0]),
                snapshot_class("f", drivers[1]),
            ],
            csi_drivers: drivers.map(Text::from).into(),
            nodes: vec![Node {
                name: "one".into(),
                ready: true,
                drivers: drivers.map(Text::from).into(),
                ..Node::default()
            }],
            ..Cluster::default()
        }],
    }
}

fn codes(inventory: &Inventory) -> BTreeSet<&'static str> {
    validate(inventory).iter().map(|check| check.code).collect()
}

/// A rule, and what breaks it.
type Case = (&'static str, fn(&mut Inventory));

fn nas(inventory: &mut Inventory) -> &mut Nas {
    &mut inventory.appliances[0]
}

fn iscsi(inventory: &mut Inventory) -> &mut Instance {
    &mut inventory.clusters[0].instances[0]
}

fn nfs(inventory: &mut Inventory) -> &mut Instance {
    &mut inventory.clusters[0].instances[1]
}

fn block(inventory: &mut Inventory) -> &mut StorageClass {
    &mut inventory.clusters[0].classes[0]
}

const CASES: [Case; RULES] = [
    ("PQS-4001", |world| iscsi(world).parent = "tank/gone".into()),
    ("PQS-4002", |world| {
        iscsi(world).snapshot_parent = Some("tank/s".into());
    }),
    ("PQS-4003", |world| {
        iscsi(world).snapshot_parent = Some("tank/i/s".into());
    }),
    ("PQS-4004", |world| nfs(world).parent = "tank/i".into()),
    ("PQS-4005", |world| nfs(world).parent = "tank/i/n".into()),
    ("PQS-4006", |world| nas(world).portals.clear()),
    ("PQS-4007", |world| nas(world).initiators.clear()),
    ("PQS-4008", |world| {
        iscsi(world).settings.portal_groups.clear();
    }),
    ("PQS-4009", |world| nas(world).services[0].running = false),
    ("PQS-4010", |world| nas(world).services[1].autostart = false),
    ("PQS-4011", |world| nas(world).release = (25, 10)),
    ("PQS-4012", |world| {
        nfs(world).settings.protocol = "http".into();
    }),
    ("PQS-4013", |world| {
        nfs(world).settings.allow_insecure = true;
    }),
    ("PQS-4014", |world| {
        iscsi(world).name_suffix = "-a-suffix-of-too-many-letters".into();
    }),
    ("PQS-4015", |world| {
        iscsi(world).settings.extent_block_size = Some(8192);
    }),
    ("PQS-4016", |world| {
        iscsi(world).settings.zvol_block_size = Some("4K".into());
    }),
    ("PQS-4017", |world| nfs(world).settings.quotas = Some(false)),
    ("PQS-4018", |world| world.clusters[0].csi_drivers.clear()),
    ("PQS-4019", |world| world.clusters[0].classes.truncate(1)),
    ("PQS-4020", |world| block(world).expandable = false),
    ("PQS-4021", |world| {
        world.clusters[0].snapshot_classes.truncate(1);
    }),
    ("PQS-4022", |world| {
        let classes = &mut world.clusters[0].snapshot_classes;
        classes[0].default = true;
        classes.push(classes[0].clone());
    }),
    ("PQS-4023", |world| {
        world.clusters[0].nodes[0].drivers.clear();
    }),
    ("PQS-4024", |world| block(world).reclaim = "Retain".into()),
    ("PQS-4025", |world| {
        nas(world).snapshot_tasks = vec![SnapshotTask {
            dataset: "tank".into(),
            recursive: true,
            enabled: true,
        }];
    }),
    ("PQS-4026", |world| {
        nas(world).pools[0].status = "DEGRADED".into();
    }),
    ("PQS-4027", |world| nas(world).pools[0].used_bytes = 400),
    ("PQS-4028", |world| {
        iscsi(world).settings.provisioner_image = Some("csi-provisioner:v3.6.0".into());
    }),
    ("PQS-4029", |world| iscsi(world).instance_id = None),
    ("PQS-4030", |world| {
        nfs(world).settings.share_host = "".into();
    }),
    ("PQS-4031", |world| {
        nfs(world).settings.image = Some("democraticcsi/democratic-csi:latest".into());
    }),
    ("PQS-4032", |world| snapshots(world, 513)),
    ("PQS-4033", |world| snapshots(world, 10_001)),
    ("PQS-4034", |world| nas(world).iqn_base = "".into()),
    ("PQS-4035", |world| {
        iscsi(world).settings.missing_rights = Some(vec!["create persistentvolumes".into()]);
    }),
    ("PQS-4036", |world| {
        nfs(world).settings.unready = vec!["node-x on two: it is Failed".into()];
    }),
    ("PQS-4037", |world| {
        world.clusters[0].snapshot_classes[0].policy = "Retain".into();
    }),
    ("PQS-4038", |world| {
        iscsi(world).settings.provisioner_args = vec!["--timeout=15s".into()];
    }),
    ("PQS-4039", |world| {
        world.clusters[0].classes[1].fs_type = "ext4".into();
    }),
    ("PQS-4040", |world| {
        block(world).provisioner = "org.democratic-csi.other".into();
    }),
];

fn snapshots(world: &mut Inventory, count: usize) {
    nas(world).snapshots = (0..count)
        .map(|number| Snapshot {
            dataset: "tank/i".into(),
            name: format!("s{number}").into(),
            ..Snapshot::default()
        })
        .collect();
}

#[test]
fn nothing_is_said_of_what_is_as_it_should_be() {
    assert_eq!(codes(&healthy()), BTreeSet::new());
}

#[test]
fn every_rule_is_broken_by_something() {
    for (number, (code, spoil)) in CASES.into_iter().enumerate() {
        assert_eq!(code, format!("PQS-{}", 4001 + number), "a rule has no case");
        let mut world = healthy();
        spoil(&mut world);
        assert!(codes(&world).contains(code), "{code} was not found");
    }
}

#[test]
fn every_check_has_a_remedy() {
    for (_, spoil) in CASES {
        let mut world = healthy();
        spoil(&mut world);
        for check in validate(&world) {
            assert!(
                !check.remedy.is_empty() && !check.message.is_empty(),
                "{check:?}"
            );
        }
    }
}

#[test]
fn a_key_in_plain_is_critical() {
    let mut world = healthy();
    nfs(&mut world).settings.protocol = "http".into();
    let checks = validate(&world);
    let found = checks
        .iter()
        .find(|check| check.code == "PQS-4012")
        .unwrap();
    assert_eq!(found.severity, Severity::Critical);
}

#[test]
fn what_could_not_be_asked_is_not_held_against_anybody() {
    let mut world = healthy();
    iscsi(&mut world).settings.missing_rights = None;
    iscsi(&mut world).settings.provisioner_image = None;
    iscsi(&mut world).settings.provisioner_args.clear();
    assert_eq!(codes(&world), BTreeSet::new());
}

#[test]
fn the_doctor_knows_what_breaks() {
    let old = Some("democraticcsi/democratic-csi:v1.9.4");
    let next = Some("registry:5000/democratic-csi:next");
    assert_eq!(breaks("freenas-api-nfs", old, (24, 10)), None);
    assert!(breaks("freenas-api-nfs", old, (25, 10)).is_some_and(|what| what.contains("next")));
    assert_eq!(breaks("freenas-api-nfs", next, (25, 10)), None);
    assert!(breaks("freenas-iscsi", next, (26, 0)).is_some());
    assert!(breaks("freenas-api-iscsi", old, (24, 4)).is_some_and(|what| what.contains("again")));
    assert_eq!(breaks("freenas-api-iscsi", next, (24, 10)), None);
    assert_eq!(breaks("freenas-api-iscsi", old, (23, 10)), None);
    assert!(breaks("freenas-api-nfs", None, (25, 4)).is_some());
}
