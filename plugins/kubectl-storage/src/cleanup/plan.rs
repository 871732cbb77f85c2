//! What is going to be done: every step of every item, with a hash over all of it.
//!
//! A plan is made from a scan and nothing else, so making it again from a fresh scan shows whether
//! anything moved: the two must be equal to the last byte. Whatever was written into a volume,
//! whatever snapshot was taken of it and whatever row was made for it shows in [`Item::seen`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    audit::{Audit, Standing, hex},
    step::{Row, Step, Table},
};
use crate::{
    finding::{Finding, State},
    ledger,
    matcher::{Match, Report},
    model::{
        Inventory, Seconds,
        nas::{Dataset, LEDGER_PROPERTY, Nas},
    },
};

/// Prefix of the snapshots that a quarantine takes.
pub(crate) use crate::matcher::QUARANTINE_SNAPSHOT;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Nothing is removed; everything can be undone.
    Quarantine,
    /// What was in quarantine long enough is removed.
    Purge,
    /// The uid of its cluster is written on each volume that has a PersistentVolume, so that it is still known whose
    /// it is when the PersistentVolume is gone.
    Claim,
}

/// One thing that is dealt with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What is the same from scan to scan.
    pub identity: String,
    /// Code of the finding, or the name of a retention policy.
    pub code: String,
    /// Appliance.
    pub site: String,
    /// Dataset, Snapshot, Target, …
    pub kind: String,
    /// Path or name.
    pub id: String,
    /// Why.
    pub why: Vec<String>,
    /// Bytes that removing it frees.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes: Option<u64>,
    /// Everything on the appliance that belongs to it, as it was seen.
    pub seen: Vec<String>,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Version of this format.
    pub format: u32,
    /// Quarantine or purge.
    pub phase: Phase,
    /// When it was made.
    pub made_at: Seconds,
    /// Who made it.
    pub author: String,
    /// Uids of the clusters that were scanned.
    pub clusters: Vec<String>,
    /// Days that something must have been in quarantine.
    pub keep_days: u32,
    /// What is dealt with.
    pub items: Vec<Item>,
    /// Hash of everything above.
    pub digest: String,
}

/// What a plan is to be made of.
#[derive(Debug, Clone)]
pub struct Request {
    /// Quarantine or purge.
    pub phase: Phase,
    /// The time.
    pub now: Seconds,
    /// Who asks.
    pub author: String,
    /// Only these (paths, names or identities); all when empty.
    pub only: Vec<String>,
    /// Days that something must have been in quarantine before it is removed.
    pub keep_days: u32,
}

/// Something that may be dealt with, before anybody planned how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What is the same from scan to scan.
    pub identity: String,
    /// Code of a finding, or name of a retention policy.
    pub code: String,
    /// Appliance.
    pub site: String,
    /// Dataset, Snapshot, …
    pub kind: String,
    /// Path or name.
    pub id: String,
    /// Number of a row.
    pub number: Option<i64>,
    /// Why.
    pub why: Vec<String>,
    /// Bytes that removing it frees.
    pub bytes: Option<u64>,
    /// Uid of the cluster whose it is, for a claim.
    pub cluster: Option<String>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The scan has a gap.
    Incomplete,
    /// Too much looks orphaned to be true.
    Guarded,
    /// The plan's hash does not fit what it says.
    Altered,
    /// The plan is of a format that is not known here.
    Format(u32),
    /// A fresh scan does not give the same plan: what differs.
    Moved(Vec<String>),
    /// The plan was begun before and not finished.
    Interrupted(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Incomplete => f.write_str("the scan is incomplete: nothing is planned on it"),
            Self::Guarded => {
                f.write_str("the mass-orphan guard stopped the scan: nothing is planned on it")
            }
            Self::Altered => f.write_str("the plan was altered after it was made"),
            Self::Format(format) => write!(f, "the plan has format {format}; this is format 1"),
            Self::Moved(what) => write!(
                f,
                "something moved since the plan was made: {}",
                what.join("; ")
            ),
            Self::Interrupted(item) => {
                write!(f, "work on {item} was begun and did not end: undo it first")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// What confirmed findings leave to be dealt with.
pub fn candidates(report: &Report) -> Vec<Candidate> {
    report
        .findings
        .iter()
        .filter(|found| {
            found.state == State::Confirmed && found.removable() && found.blockers.is_empty()
        })
        .map(candidate)
        .collect()
}

/// Volumes of which one cluster has the PersistentVolume and which do not say so yet.
pub fn unclaimed(report: &Report, inventory: &Inventory) -> Vec<Candidate> {
    let mut owners: BTreeMap<(&str, &str), Vec<&Match>> = BTreeMap::new();
    for found in &report.matches {
        owners
            .entry((&found.nas, &found.dataset))
            .or_default()
            .push(found);
    }
    let mut candidates = Vec::new();
    for ((site, id), matches) in owners {
        let known = inventory.appliances.iter().find(|nas| *nas.name == *site);
        let row = known.and_then(|nas| dataset(nas, id));
        let uid = &matches[0].cluster_uid;
        let one = !uid.is_empty() && matches.iter().all(|found| found.cluster_uid == *uid);
        let Some(row) = row.filter(|row| one && row.property(LEDGER_PROPERTY).is_none()) else {
            continue;
        };
        candidates.push(Candidate {
            identity: format!(
                "claim {site} Dataset {} {id}",
                row.created.unwrap_or_default()
            ),
            code: "claim".to_owned(),
            site: site.to_owned(),
            kind: "Dataset".to_owned(),
            id: id.to_owned(),
            number: None,
            why: matches
                .iter()
                .map(|found| format!("PersistentVolume {} of {}", found.volume, found.cluster))
                .collect(),
            bytes: None,
            cluster: Some(uid.to_string()),
        });
    }
    candidates
}

fn candidate(found: &Finding) -> Candidate {
    Candidate {
        identity: ledger::identity(found),
        code: found.code.id().to_owned(),
        site: found.subject.site.to_string(),
        kind: found.subject.kind.to_owned(),
        id: found.subject.id.to_string(),
        number: found.subject.incarnation,
        why: found
            .evidence
            .iter()
            .map(|evidence| evidence.says.clone())
            .collect(),
        bytes: found.bytes,
        cluster: None,
    }
}

/// Makes a plan. What is in quarantine already is left out of a quarantine; only what has been in
/// it long enough, and has not changed since, gets into a purge.
pub fn build(
    report: &Report,
    inventory: &Inventory,
    candidates: &[Candidate],
    audit: &Audit,
    request: &Request,
) -> Result<Plan, Refusal> {
    if !report.complete {
        return Err(Refusal::Incomplete);
    }
    if report.guarded {
        return Err(Refusal::Guarded);
    }
    let known = audit.items();
    let mut items = Vec::new();
    for candidate in candidates
        .iter()
        .filter(|candidate| wanted(candidate, request))
    {
        let Some(nas) = inventory
            .appliances
            .iter()
            .find(|nas| *nas.name == *candidate.site)
        else {
            continue;
        };
        let before = known.get(candidate.identity.as_str());
        let standing = before.map(|known| known.standing);
        let seen = match request.phase {
            // A volume in use is written to all the time.
            Phase::Claim => Vec::new(),
            _ => seen(nas, candidate),
        };
        let steps = match request.phase {
            Phase::Claim if standing == Some(Standing::Interrupted) => continue,
            Phase::Claim => claim(nas, candidate),
            Phase::Quarantine => match standing {
                Some(Standing::Quarantined | Standing::Interrupted) => continue,
                _ => quarantine(nas, candidate, request.now),
            },
            Phase::Purge => match before {
                Some(before)
                    if before.standing == Standing::Quarantined
                        && request.now - before.since >= i64::from(request.keep_days) * 86_400
                        && before.item.seen == seen =>
                {
                    purge(nas, candidate)
                }
                _ => continue,
            },
        };
        let Some(steps) = steps else { continue };
        items.push(Item {
            identity: candidate.identity.clone(),
            code: candidate.code.clone(),
            site: candidate.site.clone(),
            kind: candidate.kind.clone(),
            id: candidate.id.clone(),
            why: candidate.why.clone(),
            bytes: candidate.bytes,
            seen,
            steps,
        });
    }
    items.sort();
    items.dedup_by(|one, two| one.identity == two.identity);
    let mut clusters: Vec<_> = inventory
        .clusters
        .iter()
        .map(|cluster| cluster.uid.to_string())
        .collect();
    clusters.sort();
    let mut plan = Plan {
        format: 1,
        phase: request.phase,
        made_at: request.now,
        author: request.author.clone(),
        clusters,
        keep_days: request.keep_days,
        items,
        digest: String::new(),
    };
    plan.digest = plan.hash();
    Ok(plan)
}

fn wanted(candidate: &Candidate, request: &Request) -> bool {
    request.only.is_empty()
        || request
            .only
            .iter()
            .any(|name| *name == candidate.id || *name == candidate.identity)
}

impl Plan {
    fn hash(&self) -> String {
        let bare = Self {
            digest: String::new(),
            ..self.clone()
        };
        // Serialising a struct of texts and numbers does not fail.
        hex(&Sha256::digest(
            serde_json::to_vec(&bare).unwrap_or_default(),
        ))
    }

    /// Whether it is what its maker hashed.
    pub fn verify(&self) -> Result<(), Refusal> {
        if self.format != 1 {
            return Err(Refusal::Format(self.format));
        }
        if self.digest == self.hash() {
            Ok(())
        } else {
            Err(Refusal::Altered)
        }
    }

    /// What asks for this plan again.
    pub fn request(&self) -> Request {
        Request {
            phase: self.phase,
            now: self.made_at,
            author: self.author.clone(),
            only: self
                .items
                .iter()
                .map(|item| item.identity.clone())
                .collect(),
            keep_days: self.keep_days,
        }
    }

    /// Compares with the plan that a fresh scan gives. Nothing may be missing or different.
    pub fn unmoved(&self, fresh: &Self) -> Result<(), Refusal> {
        let now: BTreeMap<_, _> = fresh
            .items
            .iter()
            .map(|item| (&item.identity, item))
            .collect();
        let mut moved = Vec::new();
        for item in &self.items {
            match now.get(&item.identity) {
                None => moved.push(format!("{} may not be dealt with any more", item.id)),
                Some(fresh) if *fresh != item => {
                    let gone = item.seen.iter().filter(|line| !fresh.seen.contains(line));
                    let new = fresh.seen.iter().filter(|line| !item.seen.contains(line));
                    let lines: Vec<_> = gone
                        .map(|line| format!("not any more: {line}"))
                        .chain(new.map(|line| format!("now: {line}")))
                        .collect();
                    moved.push(format!("{} ({})", item.id, lines.join(", ")));
                }
                Some(_) => {}
            }
        }
        if self.clusters != fresh.clusters {
            moved.push("other clusters were scanned".to_owned());
        }
        if moved.is_empty() {
            Ok(())
        } else {
            Err(Refusal::Moved(moved))
        }
    }
}

fn dataset<'a>(nas: &'a Nas, id: &str) -> Option<&'a Dataset> {
    nas.datasets.iter().find(|known| *known.id == *id)
}

/// Rows of an appliance that belong to a candidate.
#[derive(Default)]
struct Assets {
    /// Extents, shares and namespaces: what can be disabled, and whether it is shown.
    shown: Vec<(Table, Row, bool)>,
    associations: Vec<Row>,
    targets: Vec<Row>,
    subsystems: Vec<Row>,
}

fn assets(nas: &Nas, candidate: &Candidate) -> Assets {
    let mut assets = Assets::default();
    let path = match candidate.kind.as_str() {
        "Dataset" => Some(candidate.id.as_str()),
        _ => None,
    };
    let mountpoint = path
        .and_then(|path| dataset(nas, path))
        .and_then(|known| known.mountpoint.clone());
    let numbered = |kind: &str, name: &str, id: u64| {
        candidate.kind == kind && candidate.id == name && candidate.number == i64::try_from(id).ok()
    };
    for extent in &nas.extents {
        let Some(disk) = &extent.dataset else {
            continue;
        };
        if path == Some(&**disk) || numbered("Extent", &extent.name, extent.id) {
            let row = Row::new(
                extent.id,
                &[("name", &extent.name), ("disk", &format!("zvol/{disk}"))],
            );
            assets.shown.push((Table::Extent, row, extent.enabled));
            for link in nas.links.iter().filter(|link| link.extent == extent.id) {
                assets.associations.push(
                    Row::new(link.id, &[])
                        .with("target", link.target)
                        .with("extent", link.extent),
                );
                let shared = nas
                    .links
                    .iter()
                    .any(|other| other.target == link.target && other.extent != extent.id);
                let target = nas.targets.iter().find(|known| known.id == link.target);
                if let Some(target) = target.filter(|_| !shared) {
                    assets
                        .targets
                        .push(Row::new(target.id, &[("name", &target.name)]));
                }
            }
        }
    }
    for target in &nas.targets {
        if numbered("Target", &target.name, target.id) {
            assets
                .targets
                .push(Row::new(target.id, &[("name", &target.name)]));
        }
    }
    for share in &nas.nfs_shares {
        if mountpoint.as_ref() == Some(&share.path) || numbered("NfsShare", &share.path, share.id) {
            let row = Row::new(share.id, &[("path", &share.path)]);
            assets.shown.push((Table::NfsShare, row, share.enabled));
        }
    }
    for share in &nas.smb_shares {
        if mountpoint.as_ref() == Some(&share.path) || numbered("SmbShare", &share.name, share.id) {
            let row = Row::new(share.id, &[("name", &share.name), ("path", &share.path)]);
            assets.shown.push((Table::SmbShare, row, share.enabled));
        }
    }
    for subsystem in &nas.subsystems {
        let ours = numbered("Subsystem", &subsystem.name, subsystem.id);
        let mut all = !subsystem.namespaces.is_empty();
        for (id, disk, enabled) in &subsystem.namespaces {
            if ours || path == Some(&**disk) {
                let row = Row::new(*id, &[("device_path", &format!("zvol/{disk}"))])
                    .with("subsys", subsystem.id);
                assets.shown.push((Table::Namespace, row, *enabled));
            } else {
                all = false;
            }
        }
        if all {
            assets
                .subsystems
                .push(Row::new(subsystem.id, &[("name", &subsystem.name)]));
        }
    }
    assets.targets.sort();
    assets.targets.dedup();
    assets
}

/// Everything that belongs to the candidate, except what a quarantine itself changes.
fn seen(nas: &Nas, candidate: &Candidate) -> Vec<String> {
    let mut seen = Vec::new();
    let of_dataset = match candidate.kind.as_str() {
        "Dataset" => candidate.id.as_str(),
        "Snapshot" => candidate.id.split('@').next().unwrap_or_default(),
        _ => "",
    };
    if candidate.kind == "Dataset"
        && let Some(known) = dataset(nas, &candidate.id)
    {
        seen.push(format!(
            "dataset {} made {} with {} bytes",
            known.id,
            known.created.unwrap_or_default(),
            known.referenced_bytes.unwrap_or_default(),
        ));
        for property in known
            .properties
            .iter()
            .filter(|property| !property.name.starts_with("pequod:"))
        {
            seen.push(format!("property {}={}", property.name, property.value));
        }
    }
    for snapshot in nas.snapshots.iter().filter(|snapshot| {
        *snapshot.dataset == *of_dataset
            && !snapshot.name.starts_with(QUARANTINE_SNAPSHOT)
            && (candidate.kind == "Dataset" || snapshot.id() == candidate.id)
    }) {
        seen.push(format!(
            "snapshot {} made {} in {}{}",
            snapshot.id(),
            snapshot.created.unwrap_or_default(),
            snapshot.txg,
            if snapshot.holds > 0 { ", held" } else { "" },
        ));
    }
    let assets = assets(nas, candidate);
    seen.extend(
        assets
            .shown
            .iter()
            .map(|(table, row, _)| format!("{} {row}", table.words())),
    );
    for (words, rows) in [
        ("association", &assets.associations),
        ("target", &assets.targets),
        ("NVMe subsystem", &assets.subsystems),
    ] {
        seen.extend(rows.iter().map(|row| format!("{words} {row}")));
    }
    seen.sort();
    seen
}

/// Stops showing it and keeps what is in it. What shows nothing and holds no data of its own has
/// no steps: it only waits until it may be purged.
fn quarantine(nas: &Nas, candidate: &Candidate, now: Seconds) -> Option<Vec<Step>> {
    let mut steps: Vec<Step> = assets(nas, candidate)
        .shown
        .into_iter()
        .filter(|(_, _, enabled)| *enabled)
        .map(|(table, row, _)| Step::Disable { table, row })
        .collect();
    if candidate.kind == "Dataset" {
        let known = dataset(nas, &candidate.id)?;
        let (dataset, name) = (known.id.to_string(), format!("{QUARANTINE_SNAPSHOT}{now}"));
        steps.push(Step::TakeSnapshot {
            dataset: dataset.clone(),
            name: name.clone(),
        });
        steps.push(Step::Hold {
            dataset: dataset.clone(),
            name,
        });
        steps.push(Step::Mark {
            dataset,
            value: now.to_string(),
        });
    }
    Some(steps)
}

/// Writes on it whose it is.
fn claim(nas: &Nas, candidate: &Candidate) -> Option<Vec<Step>> {
    let known = dataset(nas, &candidate.id)?;
    Some(vec![Step::Claim {
        dataset: known.id.to_string(),
        created: known.created,
        cluster: candidate.cluster.clone()?,
    }])
}

/// Removes it: association, target, extent, shares, then each snapshot by name, then the dataset.
fn purge(nas: &Nas, candidate: &Candidate) -> Option<Vec<Step>> {
    let assets = assets(nas, candidate);
    // A share that somebody switched on again is somebody's.
    if assets.shown.iter().any(|(_, _, enabled)| *enabled) {
        return None;
    }
    let mut steps = Vec::new();
    let mut remove = |table, rows: Vec<Row>| {
        steps.extend(rows.into_iter().map(|row| Step::Remove { table, row }));
    };
    remove(Table::Association, assets.associations);
    remove(Table::Target, assets.targets);
    for (table, row, _) in assets.shown {
        remove(table, vec![row]);
    }
    remove(Table::Subsystem, assets.subsystems);
    match candidate.kind.as_str() {
        "Dataset" => {
            let known = dataset(nas, &candidate.id)?;
            for snapshot in nas
                .snapshots
                .iter()
                .filter(|snapshot| snapshot.dataset == known.id)
            {
                let (dataset, name) = (known.id.to_string(), snapshot.name.to_string());
                if name.starts_with(QUARANTINE_SNAPSHOT) {
                    steps.push(Step::Release {
                        dataset: dataset.clone(),
                        name: name.clone(),
                    });
                }
                steps.push(Step::DestroySnapshot {
                    dataset,
                    name,
                    created: snapshot.created,
                });
            }
            steps.push(Step::DestroyDataset {
                dataset: known.id.to_string(),
                created: known.created,
                referenced_bytes: known.referenced_bytes,
            });
        }
        "Snapshot" => {
            let known = nas
                .snapshots
                .iter()
                .find(|snapshot| snapshot.id() == candidate.id)?;
            steps.push(Step::DestroySnapshot {
                dataset: known.dataset.to_string(),
                name: known.name.to_string(),
                created: known.created,
            });
        }
        _ => {}
    }
    Some(steps)
}
