//! A small share of the accuracy run, and the properties behind it.

#![allow(clippy::unwrap_used, reason = "a test: what fails here fails it")]

use kubectl_storage::{
    finding::State,
    ledger::Ledger,
    matcher::{self, Rules},
};
use storage_conformance::{inventory, measure, score, spoil, two_scans};
use storage_ground_truth::{Random, Recipe, world};
use truenas_simulator::Profile;

#[test]
fn every_provable_fault_is_found_and_nothing_else() {
    for profile in Profile::ALL {
        for seed in 0..6 {
            let score = measure(&Recipe::standard(seed, 400), profile).unwrap();
            assert!(score.faults > 5);
            assert_eq!(
                score.false_positives,
                Vec::<String>::new(),
                "{profile:?} seed {seed}"
            );
            assert_eq!(
                score.missed,
                Vec::<String>::new(),
                "{profile:?} seed {seed}"
            );
        }
    }
}

#[test]
fn one_scan_confirms_nothing() {
    let world = world(&Recipe::standard(3, 300));
    let inventory = inventory(&world, Profile::V2504).unwrap();
    let rules = Rules::at(world.now);
    let mut report = matcher::examine(&inventory, &Ledger::default().memory, &rules);
    Ledger::default().advance(&mut report, &rules);
    assert!(
        report
            .findings
            .iter()
            .any(|found| found.state == State::Candidate)
    );
    assert!(
        report
            .findings
            .iter()
            .all(|found| found.state != State::Confirmed)
    );
}

#[test]
fn an_incomplete_scan_promotes_nothing_and_remembers_nothing() {
    let world = world(&Recipe::standard(4, 300));
    let mut inventory = inventory(&world, Profile::V2510).unwrap();
    let mut ledger = Ledger::default();
    let mut rules = Rules::at(world.now);
    let mut report = matcher::examine(&inventory, &ledger.memory, &rules);
    ledger.advance(&mut report, &rules);
    let before = ledger.clone();
    spoil(&mut inventory);
    rules.now += 2 * rules.grace_seconds;
    let mut report = matcher::examine(&inventory, &ledger.memory, &rules);
    ledger.advance(&mut report, &rules);
    assert!(!report.complete);
    assert!(
        report
            .findings
            .iter()
            .all(|found| found.state != State::Confirmed)
    );
    assert_eq!(ledger, before);
}

#[test]
fn the_order_of_reading_does_not_show() {
    let world = world(&Recipe::standard(5, 300));
    let mut inventory = inventory(&world, Profile::V26).unwrap();
    let straight = two_scans(&inventory, world.now);
    let mut random = Random::new(99);
    for nas in &mut inventory.appliances {
        shuffle(&mut nas.datasets, &mut random);
        shuffle(&mut nas.snapshots, &mut random);
        shuffle(&mut nas.targets, &mut random);
        shuffle(&mut nas.extents, &mut random);
        shuffle(&mut nas.links, &mut random);
        shuffle(&mut nas.nfs_shares, &mut random);
    }
    for cluster in &mut inventory.clusters {
        shuffle(&mut cluster.volumes, &mut random);
        shuffle(&mut cluster.claims, &mut random);
        shuffle(&mut cluster.contents, &mut random);
        shuffle(&mut cluster.attachments, &mut random);
        shuffle(&mut cluster.instances, &mut random);
    }
    let shuffled = two_scans(&inventory, world.now);
    assert_eq!(straight.findings, shuffled.findings);
    assert_eq!(straight.matches, shuffled.matches);
    assert_eq!(straight.counts, shuffled.counts);
}

#[test]
fn an_empty_cluster_makes_no_orphans() {
    let world = world(&Recipe::standard(6, 300));
    let mut inventory = inventory(&world, Profile::V2410).unwrap();
    for cluster in &mut inventory.clusters {
        cluster.volumes.clear();
        cluster.claims.clear();
        cluster.contents.clear();
        cluster.snapshots.clear();
    }
    let report = two_scans(&inventory, world.now);
    assert!(report.guarded);
    assert!(
        report
            .findings
            .iter()
            .all(|found| !(found.removable() && found.state == State::Confirmed))
    );
}

#[test]
fn an_unread_cluster_keeps_its_volumes() {
    let world = world(&Recipe::standard(8, 300));
    let mut inventory = inventory(&world, Profile::V2504).unwrap();
    // Green uses a parent that blue uses too, and this scan does not know of it.
    inventory
        .clusters
        .retain(|cluster| &*cluster.name == "blue");
    let score = score(&world, &two_scans(&inventory, world.now));
    assert_eq!(score.false_positives, Vec::<String>::new());
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for at in (1..list.len()).rev() {
        let other = usize::try_from(random.below(at as u64 + 1)).unwrap_or_default();
        list.swap(at, other);
    }
}
