//! The driver dies after each of its calls, and what it leaves is recognised.

#![allow(clippy::unwrap_used, reason = "a test: what fails here fails it")]

use kubectl_storage::{
    finding::{Code, Finding, State},
    ledger::Ledger,
    matcher::{self, Rules},
};
use serde_json::json;
use storage_conformance::{
    Local,
    driver::{Kind, Operation, Volume, objects},
    inventory_of,
};
use storage_ground_truth::{Random, Recipe, World, world};
use truenas_simulator::{Nas, Profile};

const DAY: i64 = 86_400;
const UID: &str = "00000000-0000-4000-8000-00000000000a";
const OTHER: &str = "00000000-0000-4000-8000-00000000000b";
const PVS: &str = "/api/v1/persistentvolumes";
const PVCS: &str = "/api/v1/persistentvolumeclaims";

fn empty() -> World {
    world(&Recipe::standard(1, 0))
}

fn add(world: &mut World, list: &'static str, object: serde_json::Value) {
    world.clusters[0]
        .lists
        .entry(list)
        .or_default()
        .push(object);
}

/// Another volume of each driver that is whole, so that no scan sees a cluster without volumes.
fn healthy(world: &mut World, nas: &mut Nas) {
    for (kind, uid) in [(Kind::Iscsi, 'c'), (Kind::Nfs, 'd')] {
        let mut volume = Volume::new(kind, &OTHER.replace('b', &uid.to_string()));
        volume.run(&Operation::Create, nas, usize::MAX).unwrap();
        add(world, PVS, objects::volume(&volume, "Bound"));
        add(world, PVCS, objects::claim(&volume, "Bound"));
    }
}

/// Two scans a grace apart, two days later; what is said of the names.
fn said(world: &World, nas: Nas, about: &str) -> Vec<Finding> {
    let local = Local::new(nas);
    let inventory = inventory_of(world, &local).unwrap();
    let mut ledger = Ledger::default();
    let mut report = matcher::Report::default();
    for days in [2, 3] {
        let rules = Rules {
            guard_percent: 100,
            ..Rules::at(world.now + days * DAY)
        };
        report = matcher::examine(&inventory, &ledger.memory, &rules);
        ledger.advance(&mut report, &rules);
    }
    report
        .findings
        .into_iter()
        .filter(|found| found.subject.id.contains(about))
        .collect()
}

fn confirmed(findings: &[Finding]) -> Vec<Code> {
    let mut codes: Vec<_> = findings
        .iter()
        .filter(|found| found.state == State::Confirmed)
        .map(|found| found.code)
        .collect();
    codes.sort();
    codes.dedup();
    codes
}

/// What is to be said of a create that died after so many calls, and of its cause.
fn expected(kind: Kind, profile: Profile, calls: usize) -> (Code, &'static str) {
    // 26 forgets the properties of a create until they are set once more.
    if profile == Profile::V26 && calls == 1 {
        return (Code::Unmanaged, "drops user properties");
    }
    match (kind, calls) {
        // Until there is an extent nothing proves whose a zvol in this parent is.
        (Kind::Iscsi, 1..=4) => (Code::UnknownOwner, ""),
        (Kind::Iscsi, 5) => (Code::PartialProvision, "after the extent was made"),
        (Kind::Iscsi, 6) => (Code::PartialProvision, "after the extent was recorded"),
        (Kind::Iscsi, 7) => (
            Code::PartialProvision,
            "after target and extent were associated",
        ),
        (Kind::Iscsi, 8) => (Code::PartialProvision, "after the association was recorded"),
        (Kind::Nfs, 1 | 2) => (Code::PartialProvision, "after the file system was made"),
        (Kind::Nfs, 3) => (Code::PartialProvision, "after the share was made"),
        (Kind::Nfs, 4) => (Code::PartialProvision, "after the share was recorded"),
        (Kind::Iscsi, 9) | (Kind::Nfs, 5) => (Code::PartialProvision, "before the last step"),
        _ => (Code::VolumeOrphan, ""),
    }
}

#[test]
fn each_crash_of_a_create_is_named_with_its_step() {
    for profile in Profile::ALL {
        for kind in Kind::ALL {
            let calls = Volume::new(kind, UID).calls(&Operation::Create);
            for stop in 1..=calls {
                let mut world = empty();
                let mut nas = Nas::new(profile, &world.nas).unwrap();
                healthy(&mut world, &mut nas);
                let mut volume = Volume::new(kind, UID);
                volume.run(&Operation::Create, &mut nas, stop).unwrap();
                let place = format!("{profile:?} {kind:?} after {stop}");
                let findings = said(&world, nas.clone(), UID);
                let (code, cause) = expected(kind, profile, stop);
                let found = findings
                    .iter()
                    .find(|found| found.subject.id.ends_with(&volume.name()))
                    .unwrap_or_else(|| panic!("{place}: nothing said"));
                assert_eq!(found.code, code, "{place}: {found:?}");
                assert!(
                    found.cause.as_deref().unwrap_or_default().contains(cause),
                    "{place}: {:?}",
                    found.cause
                );
                let proven = matches!(code, Code::PartialProvision | Code::VolumeOrphan);
                assert_eq!(found.state == State::Confirmed, proven, "{place}");

                // While its claim still waits, nothing may be done about any of it.
                add(&mut world, PVCS, objects::claim(&volume, "Pending"));
                let waiting = said(&world, nas, UID);
                let about_nas: Vec<_> = confirmed(&waiting)
                    .into_iter()
                    .filter(|code| !matches!(code, Code::ClaimPending))
                    .collect();
                assert_eq!(about_nas, [], "{place}: {waiting:?}");
            }
        }
    }
}

#[test]
fn each_crash_of_a_clone_leaves_no_other_volume_in_danger() {
    for profile in Profile::ALL {
        for kind in Kind::ALL {
            let mut source = Volume::new(kind, OTHER);
            let operation = Operation::Clone(source.dataset());
            let calls = Volume::new(kind, UID).calls(&operation);
            for stop in 1..=calls {
                let mut world = empty();
                let mut nas = Nas::new(profile, &world.nas).unwrap();
                healthy(&mut world, &mut nas);
                source
                    .run(&Operation::Create, &mut nas, usize::MAX)
                    .unwrap();
                add(&mut world, PVS, objects::volume(&source, "Bound"));
                add(&mut world, PVCS, objects::claim(&source, "Bound"));
                let mut volume = Volume::new(kind, UID);
                volume.run(&operation, &mut nas, stop).unwrap();
                let place = format!("{profile:?} {kind:?} after {stop}");
                let findings = said(&world, nas, "");
                // The helper is leaked as long as nothing was cloned from it, and needed after.
                let helper = findings.iter().any(|found| {
                    found.code == Code::LeakedHelper && found.state == State::Confirmed
                });
                assert_eq!(helper, stop == 1, "{place}: {findings:?}");
                let of_source: Vec<_> = findings
                    .iter()
                    .filter(|found| found.subject.id.ends_with(&source.name()))
                    .filter(|found| found.state == State::Confirmed)
                    .collect();
                assert_eq!(of_source, Vec::<&Finding>::new(), "{place}");
                if stop == calls {
                    let clone = findings
                        .iter()
                        .find(|found| found.subject.id.ends_with(&volume.name()))
                        .unwrap();
                    assert_eq!(clone.code, Code::VolumeOrphan, "{place}");
                }
            }
        }
    }
}

#[test]
fn each_crash_of_a_delete_is_recognised_with_and_without_its_volume() {
    for profile in Profile::ALL {
        for kind in Kind::ALL {
            let calls = Volume::new(kind, UID).calls(&Operation::Delete);
            for stop in 0..=calls {
                let mut world = empty();
                let mut nas = Nas::new(profile, &world.nas).unwrap();
                healthy(&mut world, &mut nas);
                let mut volume = Volume::new(kind, UID);
                volume
                    .run(&Operation::Create, &mut nas, usize::MAX)
                    .unwrap();
                volume.run(&Operation::Delete, &mut nas, stop).unwrap();
                let place = format!("{profile:?} {kind:?} after {stop}");
                let left = said(&world, nas.clone(), &volume.name());
                if stop == calls {
                    assert_eq!(left, [], "{place}");
                } else {
                    let found = left
                        .iter()
                        .find(|found| found.subject.id.ends_with(&volume.name()))
                        .unwrap();
                    let proven = kind == Kind::Nfs || stop < 3;
                    let code = if proven {
                        Code::VolumeOrphan
                    } else {
                        Code::UnknownOwner
                    };
                    assert_eq!(found.code, code, "{place}: {found:?}");
                    let said_why = found
                        .cause
                        .as_deref()
                        .is_some_and(|cause| cause.contains("a delete stopped"));
                    assert_eq!(said_why, proven && stop == calls - 1, "{place}: {found:?}");
                }

                // The driver is asked again and again while the PersistentVolume is there: what is
                // gone already is no loss of data.
                add(&mut world, PVS, objects::volume(&volume, "Released"));
                let codes = confirmed(&said(&world, nas, &volume.name()));
                assert_eq!(codes, [Code::ReleasedStuck], "{place}");
            }
        }
    }
}

#[test]
fn a_crash_of_an_expansion_is_a_difference_in_size() {
    for profile in Profile::ALL {
        for kind in Kind::ALL {
            let mut world = empty();
            let mut nas = Nas::new(profile, &world.nas).unwrap();
            healthy(&mut world, &mut nas);
            let mut volume = Volume::new(kind, UID);
            volume
                .run(&Operation::Create, &mut nas, usize::MAX)
                .unwrap();
            add(&mut world, PVS, objects::volume(&volume, "Bound"));
            add(&mut world, PVCS, objects::claim(&volume, "Bound"));
            assert_eq!(confirmed(&said(&world, nas.clone(), UID)), []);
            volume
                .run(&Operation::Expand, &mut nas, usize::MAX)
                .unwrap();
            assert_eq!(
                confirmed(&said(&world, nas, UID)),
                [Code::SizeMismatch],
                "{profile:?} {kind:?}"
            );
        }
    }
}

#[test]
fn a_snapshot_whose_content_was_never_written_is_an_orphan() {
    for profile in Profile::ALL {
        let mut world = empty();
        let mut nas = Nas::new(profile, &world.nas).unwrap();
        healthy(&mut world, &mut nas);
        let mut volume = Volume::new(Kind::Nfs, UID);
        volume
            .run(&Operation::Create, &mut nas, usize::MAX)
            .unwrap();
        add(&mut world, PVS, objects::volume(&volume, "Bound"));
        add(&mut world, PVCS, objects::claim(&volume, "Bound"));
        let snapshot = Operation::Snapshot(OTHER.to_owned());
        volume.run(&snapshot, &mut nas, usize::MAX).unwrap();
        assert_eq!(
            confirmed(&said(&world, nas.clone(), UID)),
            [Code::SnapshotOrphan],
            "{profile:?}"
        );
        // As long as the VolumeSnapshot is there the sidecar tries again.
        let object = json!({"metadata": {"namespace": "apps", "name": "s", "uid": OTHER,
            "creationTimestamp": "2025-01-01T00:00:00Z"}, "spec": {}, "status": {}});
        add(
            &mut world,
            "/apis/snapshot.storage.k8s.io/v1/volumesnapshots",
            object,
        );
        let codes = confirmed(&said(&world, nas, &volume.name()));
        assert_eq!(codes, [], "{profile:?}");
    }
}

/// A claim on its way.
struct Work {
    volume: Volume,
    operation: Operation,
    at: usize,
    /// Nobody asks for it any more: what is there stays for good.
    abandoned: bool,
}

#[test]
fn nothing_is_called_an_orphan_while_the_driver_works_and_fails() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let profile = Profile::ALL[usize::try_from(seed % 5).unwrap()];
        let mut world = empty();
        let mut nas = Nas::new(profile, &world.nas).unwrap();
        healthy(&mut world, &mut nas);
        let local = Local::new(nas);
        let mut ledger = Ledger::default();
        let mut work: Vec<Work> = Vec::new();
        let mut now = world.now;
        let mut abandoned: Vec<String> = Vec::new();
        for _ in 0..120 {
            now += 600;
            local.at(now);
            if work.len() < 4 {
                let kind = Kind::ALL[usize::try_from(random.below(2)).unwrap()];
                let volume = Volume::new(kind, &random.uid());
                add(&mut world, PVCS, objects::claim(&volume, "Pending"));
                work.push(Work {
                    volume,
                    operation: Operation::Create,
                    at: 0,
                    abandoned: false,
                });
            }
            let chosen = usize::try_from(random.below(work.len() as u64)).unwrap();
            let one = &mut work[chosen];
            // A call that fails is made again later; a driver that dies begins where it was.
            if !random.per_mille(200) {
                local
                    .with(|nas| one.volume.step(&one.operation, nas, one.at))
                    .unwrap();
                one.at += 1;
            }
            let name = one.volume.name();
            if one.at == one.volume.calls(&one.operation) {
                let lists = &mut world.clusters[0].lists;
                if one.operation == Operation::Create {
                    lists
                        .get_mut(PVCS)
                        .unwrap()
                        .retain(|row| row["metadata"]["name"] != json!(name));
                    let (pv, pvc) = (
                        objects::volume(&one.volume, "Bound"),
                        objects::claim(&one.volume, "Bound"),
                    );
                    lists.entry(PVS).or_default().push(pv);
                    lists.entry(PVCS).or_default().push(pvc);
                    if random.per_mille(500) {
                        lists
                            .get_mut(PVCS)
                            .unwrap()
                            .retain(|row| row["metadata"]["name"] != json!(name));
                        for row in lists.get_mut(PVS).unwrap() {
                            if row["metadata"]["name"] == json!(name) {
                                row["status"]["phase"] = json!("Released");
                            }
                        }
                        one.operation = Operation::Delete;
                        one.at = 0;
                    } else {
                        work.remove(chosen);
                    }
                } else {
                    lists
                        .get_mut(PVS)
                        .unwrap()
                        .retain(|row| row["metadata"]["name"] != json!(name));
                    work.remove(chosen);
                }
            } else if random.per_mille(40) {
                one.abandoned = true;
                abandoned.push(name.clone());
                for list in [PVS, PVCS] {
                    let rows = world.clusters[0].lists.entry(list).or_default();
                    rows.retain(|row| row["metadata"]["name"] != json!(name));
                }
                work.remove(chosen);
            }
            let inventory = inventory_of(&world, &local).unwrap();
            let rules = Rules {
                grace_seconds: 1800,
                guard_percent: 100,
                ..Rules::at(now)
            };
            let mut report = matcher::examine(&inventory, &ledger.memory, &rules);
            ledger.advance(&mut report, &rules);
            for found in report
                .findings
                .iter()
                .filter(|found| found.state == State::Confirmed && found.removable())
            {
                assert!(
                    abandoned
                        .iter()
                        .any(|name| found.subject.id.contains(name.as_str())),
                    "seed {seed}: {found:?}"
                );
            }
        }
        assert!(work.iter().all(|one| !one.abandoned));
    }
}
