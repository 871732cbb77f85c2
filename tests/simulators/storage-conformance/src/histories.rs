//! Random histories of clean-up: whatever happens in between, nothing live is ever touched, and
//! what was put into quarantine comes back byte for byte.
//!
//! What is live is not asked of the program: everything on the appliance is, except what the
//! world's truth calls orphaned and what hangs on it. While a history runs, people adopt orphans,
//! write into them, open sessions, take snapshots and holds, make clones, and numbers of rows are
//! used again; calls fail before they arrive, after they were carried out, or answer true and do
//! nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use kubectl_storage::{
    cleanup::{
        Audit, Change, Item, Phase, Plan, Recheck, Request, apply,
        audit::Standing,
        execute::{Appliance, Outcome, Stop, Work},
        plan::{self, Refusal},
        undo,
    },
    ledger::Ledger,
    matcher::{self, Report, Rules},
    model::Inventory,
    truenas::{Answer, CallError, Caller, ErrorKind, read::snapshots_of},
};
use serde_json::{Value, json};
use storage_ground_truth::{Random, Recipe, World, world};
use truenas_simulator::{Nas, Profile};

use crate::{Local, inventory_of, now};

const DAY: i64 = 86_400;

/// An appliance whose calls go wrong now and then.
struct Faulty {
    nas: Arc<Local>,
    dice: Mutex<Random>,
    /// Calls in a thousand.
    often: u64,
}

impl Faulty {
    fn roll(&self) -> u64 {
        let mut dice = self.dice.lock().unwrap_or_else(PoisonError::into_inner);
        if dice.per_mille(self.often) {
            1 + dice.below(3)
        } else {
            0
        }
    }
}

fn cut() -> CallError {
    CallError::new(ErrorKind::Connection, "the connection broke")
}

impl Caller for Faulty {
    async fn call(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        if self.roll() == 1 {
            return Err(cut());
        }
        self.nas.call(method, params).await
    }
}

impl Change for Faulty {
    async fn change(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        match self.roll() {
            1 => Err(cut()),
            // It arrived, and only the answer is lost.
            2 => {
                let _ = self.nas.change(method, params).await;
                Err(cut())
            }
            // TrueNAS 26: true, and nothing happened.
            3 => Ok(Answer::whole(b"true".to_vec())),
            _ => self.nas.change(method, params).await,
        }
    }
}

/// What histories came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub histories: usize,
    /// Items put into quarantine.
    pub quarantined: usize,
    /// Items undone and compared.
    pub undone: usize,
    /// Items removed.
    pub purged: usize,
    /// Plans that were refused because something had moved.
    pub refused: usize,
    /// Plans that stopped at a step.
    pub stopped: usize,
    /// What should not have happened.
    pub wrong: Vec<String>,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.quarantined += other.quarantined;
        self.undone += other.undone;
        self.purged += other.purged;
        self.refused += other.refused;
        self.stopped += other.stopped;
        self.wrong.extend(other.wrong);
    }
}

/// Runs one history.
pub fn history(seed: u64) -> Result<Tally, String> {
    let mut story = Story::new(seed)?;
    story.undone_byte_for_byte()?;
    for _ in 0..4 {
        story.advance(1);
        story.meddle();
        story.quarantine()?;
        let days = story.random.below(9);
        story.advance(i64::try_from(days).unwrap_or_default());
        story.meddle();
        story.purge()?;
    }
    let text: String = story
        .audit
        .entries()
        .iter()
        .filter_map(|entry| serde_json::to_string(entry).ok())
        .map(|line| line + "\n")
        .collect();
    match Audit::parse(&text) {
        Ok(read) if read.entries() == story.audit.entries() => {}
        other => story.tally.wrong.push(format!(
            "seed {seed}: the audit log does not read back: {:?}",
            other.err()
        )),
    }
    story.tally.histories = 1;
    Ok(story.tally)
}

/// The look at both sides right before an item is touched.
struct Again<'a> {
    world: &'a World,
    nas: &'a Local,
    ledger: &'a Ledger,
    now: i64,
}

impl Recheck for Again<'_> {
    async fn still(&self, item: &Item) -> Result<(), String> {
        let inventory = inventory_of(self.world, self.nas)?;
        let mut ledger = self.ledger.clone();
        let mut report = matcher::examine(&inventory, &ledger.memory, &rules(self.now));
        ledger.advance(&mut report, &rules(self.now));
        let candidates = plan::candidates(&report);
        if candidates
            .iter()
            .any(|known| known.identity == item.identity)
        {
            Ok(())
        } else {
            Err("it is no orphan any more".to_owned())
        }
    }
}

fn rules(now: i64) -> Rules {
    Rules {
        // These worlds are far more broken than a real one may be.
        guard_percent: 100,
        ..Rules::at(now)
    }
}

struct Story {
    seed: u64,
    world: World,
    nas: Arc<Local>,
    release: (u16, u16),
    random: Random,
    ledger: Ledger,
    audit: Audit,
    now: i64,
    /// Rows that must stay as they are, by key.
    live: BTreeMap<String, Value>,
    tally: Tally,
}

impl Story {
    fn new(seed: u64) -> Result<Self, String> {
        let mut random = Random::new(seed ^ 0x5eed);
        let profile = Profile::ALL[usize::try_from(random.below(5)).unwrap_or_default()];
        let recipe = Recipe {
            faults_per_mille: 450,
            ..Recipe::standard(seed, 24)
        };
        let world = world(&recipe);
        let nas = Nas::new(profile, &world.nas).map_err(|error| error.to_string())?;
        let nas = Arc::new(Local::new(nas));
        let live = live(&world, &nas.state());
        let mut story = Self {
            seed,
            now: world.now,
            release: kubectl_storage::truenas::release(profile.version()).unwrap_or((25, 4)),
            world,
            nas,
            random,
            ledger: Ledger::default(),
            audit: Audit::in_memory(),
            live,
            tally: Tally::default(),
        };
        story.scan()?;
        story.advance(2);
        Ok(story)
    }

    fn advance(&mut self, days: i64) {
        self.now += days * DAY;
    }

    fn scan(&mut self) -> Result<(Inventory, Report), String> {
        self.nas.at(self.now);
        let inventory = inventory_of(&self.world, &self.nas)?;
        let rules = rules(self.now);
        let mut report = matcher::examine(&inventory, &self.ledger.memory, &rules);
        self.ledger.advance(&mut report, &rules);
        Ok((inventory, report))
    }

    /// A plan, unless the mass-orphan guard stops the scan: a driver without a single PersistentVolume is not believed
    /// to have only orphans.
    fn plan(&mut self, phase: Phase) -> Result<Option<Plan>, String> {
        let (inventory, report) = self.scan()?;
        let mut request = Request {
            phase,
            now: self.now,
            author: "anna".to_owned(),
            only: Vec::new(),
            keep_days: 3,
        };
        let candidates = plan::candidates(&report);
        if self.random.per_mille(500) {
            let random = &mut self.random;
            request.only = candidates
                .iter()
                .filter(|_| random.per_mille(600))
                .map(|candidate| candidate.id.clone())
                .collect();
        }
        match plan::build(&report, &inventory, &candidates, &self.audit, &request) {
            Ok(plan) => Ok(Some(plan)),
            Err(Refusal::Guarded) => {
                self.tally.refused += 1;
                Ok(None)
            }
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    /// Plans again from a fresh scan and compares, as the command does before it applies.
    fn unmoved(&mut self, plan: &Plan) -> Result<bool, String> {
        let (inventory, report) = self.scan()?;
        let candidates = plan::candidates(&report);
        let request = plan.request();
        match plan::build(&report, &inventory, &candidates, &self.audit, &request) {
            Ok(fresh) => Ok(plan.unmoved(&fresh).is_ok()),
            Err(Refusal::Guarded) => Ok(false),
            Err(refusal) => Err(refusal.to_string()),
        }
    }

    /// Carries a plan out as anna; `faults` of a thousand calls go wrong. The outer error is one of this program.
    fn applied(&mut self, plan: &Plan, faults: u64) -> Result<Result<Outcome, Stop>, String> {
        let seed = self.random.below(u64::MAX);
        let appliances = self.appliances(seed, faults);
        let time = self.now;
        let work = Work {
            actor: "anna",
            now: &|| time,
        };
        let again = Again {
            world: &self.world,
            nas: &self.nas,
            ledger: &self.ledger,
            now: self.now,
        };
        now(apply(plan, &appliances, &mut self.audit, &work, &again))
            .ok_or_else(|| "it waited".to_owned())
    }

    fn carry_out(&mut self, plan: &Plan, faults: u64) -> Result<(), String> {
        if !self.unmoved(plan)? {
            self.tally.refused += 1;
            return Ok(());
        }
        // Between the scan and the first call something may happen still.
        if self.random.per_mille(150) {
            self.meddle();
        }
        let result = self.applied(plan, faults)?;
        match result {
            Ok(outcome) if plan.phase == Phase::Quarantine => {
                self.tally.quarantined += outcome.items;
            }
            Ok(outcome) => self.tally.purged += outcome.items,
            Err(_) => self.tally.stopped += 1,
        }
        self.check_live("apply");
        Ok(())
    }

    fn appliances(&self, seed: u64, often: u64) -> BTreeMap<String, Appliance<Faulty>> {
        let caller = Faulty {
            nas: Arc::clone(&self.nas),
            dice: Mutex::new(Random::new(seed)),
            often,
        };
        let appliance = Appliance {
            caller,
            release: self.release,
        };
        BTreeMap::from([(self.world.nas_name.clone(), appliance)])
    }

    /// A quarantine with faults in the middle, and its undo without: nothing is left of it.
    fn undone_byte_for_byte(&mut self) -> Result<(), String> {
        let before = self.nas.state();
        let Some(plan) = self.plan(Phase::Quarantine)? else {
            return Ok(());
        };
        self.carry_out_quietly(&plan)?;
        let time = self.now;
        let appliances = self.appliances(0, 0);
        let work = Work {
            actor: "emma",
            now: &|| time,
        };
        let names: Vec<String> = self
            .audit
            .items()
            .iter()
            .filter(|(_, known)| {
                matches!(
                    known.standing,
                    Standing::Quarantined | Standing::Interrupted
                )
            })
            .map(|(identity, _)| (*identity).to_owned())
            .collect();
        for name in names {
            let result =
                now(undo(&name, &appliances, &mut self.audit, &work)).ok_or("it waited")?;
            match result {
                Ok(outcome) => self.tally.undone += outcome.items,
                Err(stop) => self
                    .tally
                    .wrong
                    .push(format!("seed {}: undo: {stop}", self.seed)),
            }
        }
        if self.nas.state() != before {
            self.tally
                .wrong
                .push(format!("seed {}: undo left something behind", self.seed));
        }
        Ok(())
    }

    fn carry_out_quietly(&mut self, plan: &Plan) -> Result<(), String> {
        if !self.unmoved(plan)? {
            return Err("nothing happened, and yet the plan has moved".to_owned());
        }
        let result = self.applied(plan, 60)?;
        match result {
            Ok(outcome) => self.tally.quarantined += outcome.items,
            Err(_) => self.tally.stopped += 1,
        }
        self.check_live("quarantine");
        Ok(())
    }

    fn quarantine(&mut self) -> Result<(), String> {
        let Some(plan) = self.plan(Phase::Quarantine)? else {
            return Ok(());
        };
        if self.random.per_mille(300) {
            self.meddle();
        }
        self.carry_out(&plan, 15)
    }

    fn purge(&mut self) -> Result<(), String> {
        let Some(plan) = self.plan(Phase::Purge)? else {
            return Ok(());
        };
        if self.random.per_mille(300) {
            self.meddle();
        }
        self.carry_out(&plan, 15)
    }

    /// Something that people, drivers and appliances do.
    fn meddle(&mut self) {
        let state = self.nas.state();
        let orphans: Vec<String> = self
            .world
            .truth
            .iter()
            .filter(|truth| matches!(truth.class, "volume-orphan" | "partial-provision"))
            .map(|truth| truth.subject.clone())
            .filter(|id| state["datasets"].get(id).is_some())
            .collect();
        if orphans.is_empty() {
            return;
        }
        let at = usize::try_from(self.random.below(orphans.len() as u64)).unwrap_or_default();
        let dataset = orphans[at].clone();
        match self.random.below(6) {
            0 => self.adopt(&dataset),
            1 => self.nas.written(&dataset, 4096),
            2 => {
                let _ = self.nas.raw(
                    self.release,
                    "snapshot.create",
                    &[json!({"dataset": dataset, "name": format!("by-hand-{}", self.now)})],
                );
            }
            3 => self.nas.session_to(&dataset),
            4 => self.nas.renumber(&dataset),
            _ => self.clone_of(&dataset),
        }
    }

    /// Somebody makes a PersistentVolume for it: from now on it is live.
    fn adopt(&mut self, dataset: &str) {
        let leaf = dataset.rsplit('/').next().unwrap_or_default();
        let kind = if dataset.contains("/nfs/") {
            "nfs"
        } else {
            "iscsi"
        };
        let volume = json!({"metadata": {"name": format!("adopted-{leaf}"), "uid": self.random.uid()},
            "spec": {"capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Retain",
                "csi": {"driver": format!("org.democratic-csi.{kind}"), "volumeHandle": leaf, "volumeAttributes": {}}},
            "status": {"phase": "Available"}});
        self.world.clusters[0]
            .lists
            .entry("/api/v1/persistentvolumes")
            .or_default()
            .push(volume);
        self.keep(dataset);
    }

    /// A clone of a snapshot of it: both are live then.
    fn clone_of(&mut self, dataset: &str) {
        let found = now(snapshots_of(&*self.nas, self.release, dataset));
        let Some(Ok(list)) = found else { return };
        let Some(snapshot) = list.first() else { return };
        let to = format!("tank/vm-{}", self.random.uid());
        let _ = self.nas.raw(
            self.release,
            "snapshot.clone",
            &[json!({"snapshot": snapshot.id(), "dataset_dst": to})],
        );
        let key = format!("datasets {to}");
        if let Some(row) = rows(&self.nas.state()).remove(&key) {
            self.live.insert(key, row);
        }
        let (dataset, name) = (snapshot.dataset.clone(), snapshot.name.clone());
        self.must_exist(&format!("snapshots {dataset}@{name}"));
        self.must_exist(&format!("datasets {dataset}"));
    }

    /// From now on the row must be there, whatever is in it.
    fn must_exist(&mut self, key: &str) {
        self.live.entry(key.to_owned()).or_insert(Value::Null);
    }

    fn keep(&mut self, dataset: &str) {
        self.must_exist(&format!("datasets {dataset}"));
        let below: Vec<String> = rows(&self.nas.state())
            .into_keys()
            .filter(|key| {
                key.starts_with(&format!("snapshots {dataset}@"))
                    && !key.contains("@pequod-quarantine-")
            })
            .collect();
        for key in below {
            self.must_exist(&key);
        }
    }

    fn check_live(&mut self, after: &str) {
        let there = rows(&self.nas.state());
        for (key, row) in &self.live {
            match there.get(key) {
                None => self
                    .tally
                    .wrong
                    .push(format!("seed {}: {after} removed {key}", self.seed)),
                Some(found) if !row.is_null() && found != row => self
                    .tally
                    .wrong
                    .push(format!("seed {}: {after} changed {key}", self.seed)),
                Some(_) => {}
            }
        }
    }
}

/// Rows of a state, by `kind name`.
fn rows(state: &Value) -> BTreeMap<String, Value> {
    let mut rows = BTreeMap::new();
    for (kind, list) in state.as_object().into_iter().flatten() {
        for (name, row) in list.as_object().into_iter().flatten() {
            rows.insert(format!("{kind} {name}"), row.clone());
        }
    }
    rows
}

/// Everything that is not orphaned and does not hang on something that is.
fn live(world: &World, state: &Value) -> BTreeMap<String, Value> {
    let all = rows(state);
    let mut orphaned: BTreeSet<&str> = world
        .truth
        .iter()
        .filter(|truth| truth.site == world.nas_name)
        .map(|truth| truth.subject.as_str())
        .collect();
    // What is too young to be judged in the first scan becomes an orphan while days go by.
    let young = all.iter().filter(|(_, row)| {
        row.get("created")
            .and_then(Value::as_i64)
            .is_some_and(|created| created > world.now - DAY)
    });
    orphaned.extend(young.filter_map(|(key, _)| Some(key.split_once(' ')?.1)));
    let text = |row: &Value, field: &str| {
        row.get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let of_orphan = |row: &Value| {
        let disk = text(row, "disk");
        let path = text(row, "path");
        [
            text(row, "id"),
            text(row, "name"),
            text(row, "dataset"),
            disk.trim_start_matches("zvol/").to_owned(),
            path.trim_start_matches("/mnt/").to_owned(),
            path,
            format!("{}@{}", text(row, "dataset"), text(row, "name")),
        ]
        .iter()
        .any(|name| orphaned.contains(name.as_str()))
    };
    // Rows that hang on an orphan by number.
    let numbers = |kind: &str| -> BTreeSet<u64> {
        all.iter()
            .filter(|(key, row)| key.starts_with(&format!("{kind} ")) && of_orphan(row))
            .filter_map(|(_, row)| row.get("id")?.as_u64())
            .collect()
    };
    let extents = numbers("iscsi.extent");
    let by_extent = |row: &Value| {
        row.get("extent")
            .and_then(Value::as_u64)
            .is_some_and(|id| extents.contains(&id))
    };
    let targets: BTreeSet<u64> = all
        .iter()
        .filter(|(key, row)| key.starts_with("iscsi.targetextent ") && by_extent(row))
        .filter_map(|(_, row)| row.get("target")?.as_u64())
        .collect();
    // A create that stopped right after its target leaves one that only its name connects.
    let leaves: BTreeSet<&str> = orphaned
        .iter()
        .filter_map(|name| name.rsplit('/').next())
        .collect();
    all.iter()
        .filter(|(key, row)| {
            let number = row.get("id").and_then(Value::as_u64).unwrap_or_default();
            let target = key.starts_with("iscsi.target ")
                && (targets.contains(&number)
                    || leaves.iter().any(|leaf| text(row, "name").contains(leaf)));
            !(of_orphan(row) || by_extent(row) || target)
        })
        .map(|(key, row)| (key.clone(), row.clone()))
        .collect()
}
