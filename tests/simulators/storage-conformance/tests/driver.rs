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
    working::{PVCS, PVS, add, empty, healthy, working},
};
use storage_ground_truth::World;
use truenas_simulator::{Nas, Profile};

const DAY: i64 = 86_400;
const UID: &str = "00000000-0000-4000-8000-00000000000a";
const OTHER: &str = "00000000-0000-4000-8000-00000000000b";

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
                healthy(&mut world, &mut nas).unwrap();
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
                healthy(&mut world, &mut nas).unwrap();
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
                healthy(&mut world, &mut nas).unwrap();
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
            healthy(&mut world, &mut nas).unwrap();
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
        healthy(&mut world, &mut nas).unwrap();
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

#[test]
fn nothing_is_called_an_orphan_while_the_driver_works_and_fails() {
    for seed in 0..12 {
        assert_eq!(working(seed).unwrap().wrong, Vec::<String>::new());
    }
}
