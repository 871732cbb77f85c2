//! Precision and recall of `kubectl storage`, on worlds made by `storage-ground-truth` and served
//! by `truenas-simulator`.
//!
//! A run scans a world twice, one grace apart, through the same questions and the same decoding as
//! a real scan; only sockets are left out. Everything that is then *confirmed* must be in the
//! truth, and everything in the truth must be confirmed.

pub mod driver;
pub mod histories;
pub mod working;

use std::{
    collections::BTreeSet,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use kubectl_storage::{
    cleanup::Change,
    finding::{Code, Finding, State},
    kubernetes::{config, decode::LISTS},
    ledger::Ledger,
    matcher::{self, Report, Rules},
    model::{Gap, Inventory, Text, cluster::Cluster},
    truenas::{
        Answer, CallError, Caller, ErrorKind,
        read::{Scope, read},
    },
};
use serde_json::{Value, json};
use storage_ground_truth::{Recipe, World, world};
use truenas_simulator::{Nas, Profile};

/// An appliance without a socket.
pub struct Local(Mutex<Nas>);

impl Local {
    /// Around a simulated appliance.
    pub fn new(nas: Nas) -> Self {
        Self(Mutex::new(nas))
    }
}

impl Local {
    fn nas(&self) -> MutexGuard<'_, Nas> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that is stored, to compare.
    pub fn state(&self) -> Value {
        self.nas().state()
    }

    /// Does something with the appliance itself.
    pub fn with<T>(&self, work: impl FnOnce(&mut Nas) -> T) -> T {
        work(&mut self.nas())
    }

    /// Sets the appliance's clock.
    pub fn at(&self, now: i64) {
        self.nas().set_now(now);
    }

    /// Bytes were written into a dataset.
    pub fn written(&self, dataset: &str, bytes: u64) {
        self.nas().written(dataset, bytes);
    }

    /// A session is opened to whatever shows the dataset.
    pub fn session_to(&self, dataset: &str) {
        self.nas().session_to(dataset);
    }

    /// The dataset's extent is made again under another number, and its old number is given to an
    /// extent of something else.
    pub fn renumber(&self, dataset: &str) {
        self.nas().renumber(dataset);
    }

    /// A snapshot method under the name it has in the release.
    pub fn raw(
        &self,
        release: (u16, u16),
        method: &str,
        params: &[Value],
    ) -> Result<Value, String> {
        let prefix = if release >= (25, 10) { "pool" } else { "zfs" };
        self.nas()
            .call(&format!("{prefix}.{method}"), params)
            .map_err(|error| error.reason)
    }
}

impl Change for Local {
    async fn change(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        self.call(method, params).await
    }
}

impl Caller for Local {
    async fn call(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        let answer = self.nas().call(method, params);
        match answer {
            Ok(value) => Ok(Answer::whole(value.to_string().into_bytes())),
            Err(error) => {
                let kind = match error.errno {
                    2 => ErrorKind::NotFound,
                    13 => ErrorKind::Forbidden,
                    201 => ErrorKind::NoMethod,
                    _ => ErrorKind::Refused,
                };
                Err(CallError::new(kind, error.reason))
            }
        }
    }
}

/// Runs what never waits.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Reads a world as a scan does.
pub fn inventory(world: &World, profile: Profile) -> Result<Inventory, String> {
    let nas = Nas::new(profile, &world.nas).map_err(|error| error.to_string())?;
    inventory_of(world, &Local::new(nas))
}

/// The same with an appliance that was prepared.
pub fn inventory_of(world: &World, nas: &Local) -> Result<Inventory, String> {
    let mut clusters = Vec::new();
    let mut parents: Vec<Text> = Vec::new();
    for known in &world.clusters {
        let mut cluster = Cluster {
            name: known.name.as_str().into(),
            uid: known.uid.as_str().into(),
            ..Cluster::default()
        };
        for list in LISTS {
            let items = known.lists.get(list.path).cloned().unwrap_or_default();
            let page = json!({"items": items}).to_string();
            list.add(&mut cluster, page.as_bytes())
                .map_err(|error| error.to_string())?;
        }
        for driver in &known.drivers {
            let (mut instance, _) = config::instance(&driver.config, &driver.csi_name)
                .ok_or("a driver configuration of the world is not understood")?;
            instance.exclusive = driver.exclusive;
            parents.push(Text::clone(&instance.parent));
            parents.extend(instance.snapshot_parent.clone());
            cluster.instances.push(instance);
        }
        clusters.push(cluster);
    }
    let name: Text = world.nas_name.as_str().into();
    let scope = Scope {
        parents,
        snapshots: true,
    };
    let appliance = now(read(nas, &name, &scope))
        .ok_or("the appliance kept the scan waiting")?
        .map_err(|error| error.to_string())?;
    Ok(Inventory {
        appliances: vec![appliance],
        clusters,
    })
}

/// What a run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Score {
    /// Faults in the world.
    pub faults: usize,
    /// Of these, found and confirmed.
    pub found: usize,
    /// Confirmed although nothing is wrong.
    pub false_positives: Vec<String>,
    /// Not confirmed although something is wrong.
    pub missed: Vec<String>,
    /// Volumes that were looked at.
    pub volumes: usize,
}

impl Score {
    /// Adds another run.
    pub fn add(&mut self, other: Self) {
        self.faults += other.faults;
        self.found += other.found;
        self.false_positives.extend(other.false_positives);
        self.missed.extend(other.missed);
        self.volumes += other.volumes;
    }
}

/// Scans a world twice, a grace apart.
pub fn two_scans(inventory: &Inventory, start: i64) -> Report {
    let mut ledger = Ledger::default();
    let mut rules = Rules::at(start);
    let mut first = matcher::examine(inventory, &ledger.memory, &rules);
    ledger.advance(&mut first, &rules);
    rules.now += rules.grace_seconds;
    // What was young in the first scan must not count as confirmed in the second.
    let mut second = matcher::examine(inventory, &ledger.memory, &rules);
    ledger.advance(&mut second, &rules);
    second
}

/// Measures one world.
pub fn measure(recipe: &Recipe, profile: Profile) -> Result<Score, String> {
    let world = world(recipe);
    let report = two_scans(&inventory(&world, profile)?, world.now);
    if !report.complete || report.guarded {
        return Err(format!(
            "seed {}: the scan is incomplete or guarded: {:?}",
            recipe.seed,
            report
                .findings
                .iter()
                .filter(|found| matches!(found.code, Code::Incomplete | Code::MassOrphan))
                .collect::<Vec<_>>()
        ));
    }
    Ok(score(&world, &report))
}

/// Compares a report with the truth.
pub fn score(world: &World, report: &Report) -> Score {
    let confirmed: BTreeSet<_> = report
        .findings
        .iter()
        .filter(|found| found.state == State::Confirmed)
        .filter_map(|found| Some((class(found)?, &*found.subject.site, &*found.subject.id)))
        .collect();
    let truth: BTreeSet<_> = world
        .truth
        .iter()
        .map(|truth| (truth.class, truth.site.as_str(), truth.subject.as_str()))
        .collect();
    let words = |set: Vec<&(&'static str, &str, &str)>| {
        set.into_iter()
            .map(|(class, site, id)| format!("{class} {site} {id}"))
            .collect()
    };
    Score {
        faults: truth.len(),
        found: truth.intersection(&confirmed).count(),
        false_positives: words(confirmed.difference(&truth).collect()),
        missed: words(truth.difference(&confirmed).collect()),
        volumes: report.counts.volumes,
    }
}

/// The truth's word for a finding.
fn class(finding: &Finding) -> Option<&'static str> {
    Some(match finding.code {
        Code::VolumeOrphan => "volume-orphan",
        Code::PartialProvision => "partial-provision",
        Code::TargetOrphan => "target-orphan",
        Code::ExtentOrphan => "extent-orphan",
        Code::LinkOrphan => "link-orphan",
        Code::ShareOrphan => "share-orphan",
        Code::SubsystemOrphan => "subsystem-orphan",
        Code::SnapshotOrphan => "snapshot-orphan",
        Code::DetachedOrphan => "detached-orphan",
        Code::EmptyContainer => "empty-container",
        Code::LeakedHelper => "leaked-helper",
        Code::VolumeMissing => "volume-missing",
        Code::ShareMissing => "share-missing",
        Code::SizeMismatch => "size-mismatch",
        Code::SnapshotMissing => "snapshot-missing",
        Code::AttachmentNode => "attachment-node",
        Code::AttachmentVolume => "attachment-volume",
        Code::ReleasedStuck => "released-stuck",
        Code::ClaimLost => "claim-lost",
        Code::SnapshotUnbound => "snapshot-unbound",
        _ => return None,
    })
}

/// Makes an inventory incomplete, as a list that broke off does.
pub fn spoil(inventory: &mut Inventory) {
    for appliance in &mut inventory.appliances {
        appliance.gaps.push(Gap {
            source: "nas/spoiled".into(),
            asked: "pool.dataset.query".into(),
            reason: "the answer breaks off".into(),
        });
    }
}
