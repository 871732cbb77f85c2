//! A small share of the random histories of clean-up; `cargo xtask conformance storage` runs ten
//! thousand.

#![allow(clippy::unwrap_used, reason = "a test: what fails here fails it")]

use std::collections::{BTreeMap, BTreeSet};

use kubectl_storage::{
    cleanup::{
        Audit, Item, Phase, Recheck, Request, apply,
        execute::{Appliance, Work},
        plan, undo,
    },
    finding::Code,
    model::Inventory,
};
use storage_conformance::{
    Local,
    histories::{Tally, history},
    inventory_of, two_scans,
};
use storage_ground_truth::{Recipe, world};
use truenas_simulator::{Nas, Profile};

#[test]
fn nothing_live_is_touched_and_every_quarantine_is_undone_byte_for_byte() {
    let mut tally = Tally::default();
    for seed in 0..60 {
        tally.add(history(seed).unwrap());
    }
    tally.wrong.truncate(8);
    assert_eq!(tally.wrong, Vec::<String>::new());
    // The histories did what they are for.
    assert!(tally.quarantined > 50, "{tally:?}");
    assert!(tally.undone > 50, "{tally:?}");
    assert!(tally.purged > 50, "{tally:?}");
    assert!(tally.refused > 10, "{tally:?}");
    assert!(tally.stopped > 10, "{tally:?}");
}

#[test]
fn an_undo_that_was_cut_off_goes_on_and_what_was_adopted_after_the_scan_stays() {
    // 106 and 222: the connection broke while the quarantine's snapshot was dropped. 329: somebody made a
    // PersistentVolume between the comparison and the first call.
    for seed in [106, 222, 329] {
        assert_eq!(history(seed).unwrap().wrong, Vec::<String>::new());
    }
}

/// Nobody meddles here.
struct Undisturbed;

impl Recheck for Undisturbed {
    async fn still(&self, _: &Item) -> Result<(), String> {
        Ok(())
    }
}

/// Volumes of which nothing proves whose they are, once the first cluster lost all of its objects.
fn of_unknown_owner(inventory: &Inventory, now: i64) -> BTreeSet<String> {
    let mut lost = inventory.clone();
    lost.clusters[0].volumes.clear();
    two_scans(&lost, now)
        .findings
        .iter()
        .filter(|found| found.code == Code::UnknownOwner)
        .map(|found| found.subject.id.to_string())
        .collect()
}

#[tokio::test]
async fn a_claim_proves_whose_a_volume_is_when_its_objects_are_gone_and_is_undone() {
    for profile in Profile::ALL {
        let world = world(&Recipe::standard(3, 120));
        let nas = Local::new(Nas::new(profile, &world.nas).unwrap());
        let before = nas.state();
        let inventory = inventory_of(&world, &nas).unwrap();
        let unknown = of_unknown_owner(&inventory, world.now);
        let report = two_scans(&inventory, world.now);
        let candidates = plan::unclaimed(&report, &inventory);
        let request = Request {
            phase: Phase::Claim,
            now: world.now,
            author: "anna".to_owned(),
            only: Vec::new(),
            keep_days: 0,
        };
        let mut audit = Audit::in_memory();
        let plan = plan::build(&report, &inventory, &candidates, &audit, &request).unwrap();
        assert!(plan.items.len() > 60, "{profile:?}: {}", plan.items.len());
        let appliance = Appliance {
            caller: nas,
            release: kubectl_storage::truenas::release(profile.version()).unwrap(),
        };
        let appliances = BTreeMap::from([(world.nas_name.clone(), appliance)]);
        let work = Work {
            actor: "anna",
            now: &|| 7,
        };
        let done = apply(&plan, &appliances, &mut audit, &work, &Undisturbed)
            .await
            .unwrap();
        assert_eq!(
            (done.items, done.calls),
            (plan.items.len(), plan.items.len())
        );

        let nas = &appliances[&world.nas_name].caller;
        let claimed = inventory_of(&world, nas).unwrap();
        let again = two_scans(&claimed, world.now);
        assert_eq!(plan::unclaimed(&again, &claimed), []);
        assert_eq!(again.counts, report.counts, "a mark changes no match");
        let items: BTreeSet<&String> = plan.items.iter().map(|item| &item.id).collect();
        assert!(unknown.iter().any(|id| items.contains(id)), "{unknown:?}");
        let still = of_unknown_owner(&claimed, world.now);
        assert!(still.iter().all(|id| !items.contains(id)), "{still:?}");

        let undone = undo(&plan.digest, &appliances, &mut audit, &work).await;
        assert_eq!(undone.unwrap().items, plan.items.len());
        assert_eq!(nas.state(), before);
    }
}
