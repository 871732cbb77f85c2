//! A driver at work: claims come and go, calls fail, it dies between any two of them, and some of what it began is
//! abandoned. Whatever is looked at in between, only what was abandoned may ever be called an orphan.

use kubectl_storage::{
    finding::State,
    ledger::Ledger,
    matcher::{self, Rules},
};
use serde_json::{Value, json};
use storage_ground_truth::{Random, Recipe, World, world};
use truenas_simulator::{Nas, Profile};

use crate::{
    Local,
    driver::{Kind, Operation, Volume, objects},
    inventory_of,
};

/// Where PersistentVolumes are listed.
pub const PVS: &str = "/api/v1/persistentvolumes";
/// Where their claims are.
pub const PVCS: &str = "/api/v1/persistentvolumeclaims";

const MOST_AT_ONCE: usize = 4;
const MOMENTS: usize = 120;
const BETWEEN_SECONDS: i64 = 600;

/// A world with drivers and without volumes.
pub fn empty() -> World {
    world(&Recipe::standard(1, 0))
}

/// Adds an object to the first cluster.
pub fn add(world: &mut World, list: &'static str, object: Value) {
    if let Some(cluster) = world.clusters.first_mut() {
        cluster.lists.entry(list).or_default().push(object);
    }
}

/// A volume of each driver that is whole, so that no scan sees a cluster without volumes.
pub fn healthy(world: &mut World, nas: &mut Nas) -> Result<(), String> {
    for (kind, digit) in [(Kind::Iscsi, 'c'), (Kind::Nfs, 'd')] {
        let uid = format!("00000000-0000-4000-8000-00000000000{digit}");
        let mut volume = Volume::new(kind, &uid);
        volume.run(&Operation::Create, nas, usize::MAX)?;
        add(world, PVS, objects::volume(&volume, "Bound"));
        add(world, PVCS, objects::claim(&volume, "Bound"));
    }
    Ok(())
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Scans that were made.
    pub scans: usize,
    /// Volumes that were begun.
    pub begun: usize,
    /// Of these, abandoned half way.
    pub abandoned: usize,
    /// Confirmed and removable, and not abandoned.
    pub wrong: Vec<String>,
}

impl Run {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.scans += other.scans;
        self.begun += other.begun;
        self.abandoned += other.abandoned;
        self.wrong.extend(other.wrong);
    }
}

/// A claim on its way.
struct Work {
    volume: Volume,
    operation: Operation,
    at: usize,
}

/// The cluster's objects of a volume.
struct Objects<'a>(&'a mut World);

impl Objects<'_> {
    fn of(&mut self, list: &'static str) -> Option<&mut Vec<Value>> {
        let cluster = self.0.clusters.first_mut()?;
        Some(cluster.lists.entry(list).or_default())
    }

    fn forget(&mut self, list: &'static str, name: &str) {
        if let Some(rows) = self.of(list) {
            rows.retain(|row| row["metadata"]["name"] != json!(name));
        }
    }

    fn release(&mut self, name: &str) {
        for row in self.of(PVS).into_iter().flatten() {
            if row["metadata"]["name"] == json!(name) {
                row["status"]["phase"] = json!("Released");
            }
        }
    }
}

/// Lets a driver work for a while, and scans after each of its moments.
pub fn working(seed: u64) -> Result<Run, String> {
    let mut random = Random::new(seed);
    let profile = usize::try_from(seed)
        .ok()
        .and_then(|seed| Profile::ALL.get(seed % Profile::ALL.len()))
        .ok_or("no release")?;
    let mut world = empty();
    let mut nas = Nas::new(*profile, &world.nas).map_err(|error| error.to_string())?;
    healthy(&mut world, &mut nas)?;
    let local = Local::new(nas);
    let mut ledger = Ledger::default();
    let mut work: Vec<Work> = Vec::new();
    let mut now = world.now;
    let mut abandoned: Vec<String> = Vec::new();
    let mut run = Run::default();
    for _ in 0..MOMENTS {
        now += BETWEEN_SECONDS;
        local.at(now);
        if work.len() < MOST_AT_ONCE {
            let kind = if random.per_mille(500) {
                Kind::Iscsi
            } else {
                Kind::Nfs
            };
            let volume = Volume::new(kind, &random.uid());
            add(&mut world, PVCS, objects::claim(&volume, "Pending"));
            work.push(Work {
                volume,
                operation: Operation::Create,
                at: 0,
            });
            run.begun += 1;
        }
        let chosen = usize::try_from(random.below(work.len() as u64)).unwrap_or_default();
        let mut one = work.swap_remove(chosen);
        if moment(&mut one, &mut world, &local, &mut random, &mut abandoned)? {
            work.push(one);
        }
        let inventory = inventory_of(&world, &local)?;
        let rules = Rules {
            grace_seconds: 3 * BETWEEN_SECONDS,
            guard_percent: 100,
            ..Rules::at(now)
        };
        let mut report = matcher::examine(&inventory, &ledger.memory, &rules);
        ledger.advance(&mut report, &rules);
        run.scans += 1;
        let wrong = report.findings.iter().filter(|found| {
            let known = |name: &String| found.subject.id.contains(name.as_str());
            found.state == State::Confirmed && found.removable() && !abandoned.iter().any(known)
        });
        run.wrong
            .extend(wrong.map(|found| format!("seed {seed}: {found:?}")));
    }
    run.abandoned = abandoned.len();
    Ok(run)
}

/// One moment of one volume: a call, what follows from the last one, or nobody wants it any more. Whether there is more
/// to do for it.
fn moment(
    one: &mut Work,
    world: &mut World,
    local: &Local,
    random: &mut Random,
    abandoned: &mut Vec<String>,
) -> Result<bool, String> {
    // A call that fails is made again later; a driver that dies begins where it was.
    if !random.per_mille(200) {
        local.with(|nas| one.volume.step(&one.operation, nas, one.at))?;
        one.at += 1;
    }
    let name = one.volume.name();
    if one.at < one.volume.calls(&one.operation) {
        if random.per_mille(40) {
            let mut objects = Objects(world);
            objects.forget(PVS, &name);
            objects.forget(PVCS, &name);
            abandoned.push(name);
            return Ok(false);
        }
        return Ok(true);
    }
    if one.operation != Operation::Create {
        Objects(world).forget(PVS, &name);
        return Ok(false);
    }
    Objects(world).forget(PVCS, &name);
    add(world, PVS, objects::volume(&one.volume, "Bound"));
    if random.per_mille(500) {
        Objects(world).release(&name);
        one.operation = Operation::Delete;
        one.at = 0;
        return Ok(true);
    }
    add(world, PVCS, objects::claim(&one.volume, "Bound"));
    Ok(false)
}
