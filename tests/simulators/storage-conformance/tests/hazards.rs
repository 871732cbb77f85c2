//! Things that must not be mistaken for proof: mounts the appliance does not name, copied marks.

#![allow(clippy::unwrap_used, reason = "a test: what fails here fails it")]

use kubectl_storage::{
    finding::{Code, Finding, State},
    ledger::Ledger,
    matcher::{Rules, examine},
    model::{
        Text,
        driver::Instance,
        nas::{Nas, NfsClient},
    },
};
use storage_conformance::{inventory, two_scans};
use storage_ground_truth::{Recipe, world};
use truenas_simulator::Profile;

#[test]
fn an_nfs4_client_from_elsewhere_protects_every_export() {
    let world = world(&Recipe::standard(11, 500));
    let mut inventory = inventory(&world, Profile::V2504).unwrap();
    let nfs = |report: &kubectl_storage::matcher::Report| {
        report
            .findings
            .iter()
            .filter(|found| found.state == State::Confirmed && found.removable())
            .filter(|found| found.subject.id.contains("/nfs/"))
            .filter(|found| {
                found.related.iter().any(|known| known.kind == "NfsShare")
                    || found.subject.kind == "NfsShare"
            })
            .count()
    };
    // Nodes of the clusters are there as NFSv4 clients already, and hide nothing.
    assert!(nfs(&two_scans(&inventory, world.now)) > 0);
    inventory.appliances[0].nfs_clients.push(NfsClient {
        address: "192.168.7.7".into(),
        export: None,
    });
    let report = two_scans(&inventory, world.now);
    assert_eq!(nfs(&report), 0);
    assert!(report.findings.iter().any(|found| {
        found.code == Code::VolumeOrphan
            && found.blockers.iter().any(|why| why.contains("192.168.7.7"))
    }));
}

#[test]
fn a_copied_csi_volume_name_is_a_conflict_and_proves_nothing() {
    let world = world(&Recipe::standard(12, 500));
    let inventory = inventory(&world, Profile::V2410).unwrap();
    let report = two_scans(&inventory, world.now);
    let copies: Vec<_> = report
        .findings
        .iter()
        .filter(|found| found.subject.kind == "Dataset" && found.subject.id.ends_with("-copy"))
        .collect();
    assert!(!copies.is_empty());
    for found in copies {
        assert!(
            matches!(found.code, Code::Conflict | Code::UnknownOwner),
            "{found:?}"
        );
        assert_eq!(found.state, State::Reported);
    }
    assert!(
        report
            .matches
            .iter()
            .all(|known| !known.dataset.ends_with("-copy"))
    );
}

#[test]
fn a_wrong_clock_of_the_appliance_confirms_nothing_early() {
    const DAY: i64 = 86_400;
    // What is young looks old, or seems to be made only in some days.
    for skew in [-3 * DAY, 3 * DAY] {
        let world = world(&Recipe::standard(13, 300));
        let mut inventory = inventory(&world, Profile::V2410).unwrap();
        let nas = &mut inventory.appliances[0];
        for created in nas
            .datasets
            .iter_mut()
            .map(|row| &mut row.created)
            .chain(nas.snapshots.iter_mut().map(|row| &mut row.created))
        {
            *created = created.map(|at| at + skew);
        }
        let mut ledger = Ledger::default();
        for later in [0, DAY - 1] {
            let rules = Rules::at(world.now + later);
            let mut report = examine(&inventory, &ledger.memory, &rules);
            ledger.advance(&mut report, &rules);
            let sure = |found: &&Finding| found.state == State::Confirmed;
            assert_eq!(report.findings.iter().find(sure), None, "{skew}");
        }
    }
}

#[test]
fn an_appliance_that_is_reached_in_two_ways_is_one() {
    let world = world(&Recipe::standard(14, 300));
    let once = inventory(&world, Profile::V2504).unwrap();
    let expected = two_scans(&once, world.now);
    let mut twice = once.clone();
    let (name, other) = (twice.appliances[0].name.clone(), Text::from("192.168.7.9"));
    // The drivers of one cluster call it by its address, and that reading has only their parents.
    let (mine, theirs) = twice.clusters.split_at_mut(1);
    for instance in &mut mine[0].instances {
        instance.nas = Text::clone(&other);
    }
    let below = |instances: &[Instance], id: &str| {
        instances.iter().any(|known| {
            let parents = [Some(&known.parent), known.snapshot_parent.as_ref()];
            parents
                .into_iter()
                .flatten()
                .any(|parent| id.starts_with(&**parent))
        })
    };
    let read_by = |nas: &Nas, instances: &[Instance]| Nas {
        datasets: nas
            .datasets
            .iter()
            .filter(|row| below(instances, &row.id))
            .cloned()
            .collect(),
        snapshots: nas
            .snapshots
            .iter()
            .filter(|row| below(instances, &row.dataset))
            .cloned()
            .collect(),
        ..nas.clone()
    };
    let whole = twice.appliances[0].clone();
    let others: Vec<Instance> = theirs
        .iter()
        .flat_map(|known| known.instances.clone())
        .collect();
    let second = Nas {
        name: Text::clone(&other),
        ..read_by(&whole, &mine[0].instances)
    };
    twice.appliances = vec![read_by(&whole, &others), second];
    // As two it would be read wrongly.
    assert_ne!(two_scans(&twice, world.now).findings, expected.findings);
    assert_eq!(twice.join_appliances(), [(other, name)]);
    assert_eq!(two_scans(&twice, world.now).findings, expected.findings);
    // Another appliance with equal names is none of them.
    let mut strange = once.clone();
    strange.appliances.push(Nas {
        name: "other".into(),
        ..inventory(&world, Profile::V2504)
            .unwrap()
            .appliances
            .remove(0)
    });
    assert!(strange.join_appliances().is_empty());
}
