//! How long snapshots are kept, and which ones a policy does not cover any more.
//!
//! Only snapshots that nobody refers to are ever named: CSI snapshots belong to Kubernetes (delete
//! the VolumeSnapshot), helpers to the driver, held and cloned ones to whoever holds or cloned
//! them. What a policy does not keep goes the way of everything else: into a plan, into quarantine
//! (where it only waits), and after that into a purge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    cleanup::plan::{Candidate, QUARANTINE_SNAPSHOT},
    model::{
        Inventory, Seconds, Text,
        driver::within,
        nas::{Nas, Snapshot, parent},
    },
};

const DAY: i64 = 86_400;
const HELPER: &str = "volume-source-for-";

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// What it is called; shows in plans.
    pub name: String,
    /// Parent of the volumes, or one volume.
    pub dataset: String,
    /// What the names of its snapshots begin with.
    pub prefix: String,
    /// The newest so many of each volume are kept, whatever their age.
    #[serde(default)]
    pub keep_last: usize,
    /// Younger ones are kept.
    #[serde(default)]
    pub keep_days: i64,
    /// Fewer than so many is a warning: the volume is not covered.
    #[serde(default)]
    pub at_least: usize,
}

/// How a volume stands to a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Policy.
    pub policy: String,
    /// Appliance.
    pub nas: Text,
    /// Volume.
    pub dataset: Text,
    /// Snapshots that the policy is about.
    pub snapshots: usize,
    /// Of these, no longer kept by it.
    pub expired: usize,
    /// Bytes that only those take.
    pub expired_bytes: u64,
    /// Whether there are fewer than the policy asks for.
    pub uncovered: bool,
}

/// What policies come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// By volume.
    pub standings: Vec<Standing>,
    /// What may be planned.
    pub candidates: Vec<Candidate>,
}

/// Evaluates policies at a time.
pub fn evaluate(inventory: &Inventory, policies: &[Policy], now: Seconds) -> Evaluation {
    let mut evaluation = Evaluation::default();
    for nas in &inventory.appliances {
        let origins: std::collections::HashSet<&str> = nas
            .datasets
            .iter()
            .filter_map(|dataset| dataset.origin.as_deref())
            .collect();
        for policy in policies {
            one(nas, policy, &origins, now, &mut evaluation);
        }
    }
    evaluation.standings.sort();
    evaluation
}

fn one(
    nas: &Nas,
    policy: &Policy,
    origins: &std::collections::HashSet<&str>,
    now: Seconds,
    evaluation: &mut Evaluation,
) {
    let mut volumes: BTreeMap<&Text, Vec<&Snapshot>> = nas
        .datasets
        .iter()
        .filter(|dataset| {
            *dataset.id == *policy.dataset
                || parent(&dataset.id) == policy.dataset.trim_end_matches('/')
        })
        .map(|dataset| (&dataset.id, Vec::new()))
        .collect();
    // The parent itself is no volume, unless it is all that the policy names.
    if volumes.len() > 1 {
        volumes.remove(&Text::from(policy.dataset.as_str()));
    }
    for snapshot in &nas.snapshots {
        let covered = within(&snapshot.dataset, &policy.dataset)
            && snapshot.name.starts_with(&policy.prefix)
            && snapshot.csi_name.is_none()
            && !snapshot.name.starts_with(HELPER)
            && !snapshot.name.starts_with(QUARANTINE_SNAPSHOT);
        if covered && let Some(list) = volumes.get_mut(&snapshot.dataset) {
            list.push(snapshot);
        }
    }
    for (dataset, mut list) in volumes {
        list.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.created, snapshot.txg)));
        let expired: Vec<_> = list
            .iter()
            .skip(policy.keep_last)
            .filter(|snapshot| {
                snapshot
                    .created
                    .is_some_and(|created| now - created >= policy.keep_days * DAY)
                    && snapshot.holds == 0
                    && !snapshot.deferred
                    && snapshot.clones.is_empty()
                    && !origins.contains(snapshot.id().as_str())
            })
            .collect();
        evaluation.standings.push(Standing {
            policy: policy.name.clone(),
            nas: Text::clone(&nas.name),
            dataset: Text::clone(dataset),
            snapshots: list.len(),
            expired: expired.len(),
            expired_bytes: expired.iter().map(|snapshot| snapshot.used_bytes).sum(),
            uncovered: list.len() < policy.at_least,
        });
        for snapshot in expired {
            let id = snapshot.id();
            evaluation.candidates.push(Candidate {
                identity: format!(
                    "retention {} {} Snapshot {} {id}",
                    policy.name,
                    nas.name,
                    snapshot.created.unwrap_or_default()
                ),
                code: format!("retention {}", policy.name),
                site: nas.name.to_string(),
                kind: "Snapshot".to_owned(),
                id,
                number: snapshot.created,
                why: vec![format!(
                    "the policy keeps the last {} and those of {} days",
                    policy.keep_last, policy.keep_days
                )],
                bytes: Some(snapshot.used_bytes),
                cluster: None,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::nas::Dataset;

    fn inventory(snapshots: Vec<Snapshot>) -> Inventory {
        let dataset = |id: &str| Dataset {
            id: id.into(),
            ..Dataset::default()
        };
        Inventory {
            appliances: vec![Nas {
                name: "nas".into(),
                datasets: vec![dataset("tank/v"), dataset("tank/v/a"), dataset("tank/v/b")],
                snapshots,
                ..Nas::default()
            }],
            clusters: Vec::new(),
        }
    }

    fn snapshot(name: &str, days: i64) -> Snapshot {
        Snapshot {
            dataset: "tank/v/a".into(),
            name: name.into(),
            created: Some(100 * DAY - days * DAY),
            used_bytes: 10,
            ..Snapshot::default()
        }
    }

    fn policy() -> Policy {
        Policy {
            name: "nightly".to_owned(),
            dataset: "tank/v".to_owned(),
            prefix: "auto-".to_owned(),
            keep_last: 2,
            keep_days: 7,
            at_least: 1,
        }
    }

    #[test]
    fn the_newest_and_the_young_are_kept() {
        let list = vec![
            snapshot("auto-1", 30),
            snapshot("auto-2", 20),
            snapshot("auto-3", 5),
            snapshot("auto-4", 1),
            snapshot("by-hand", 90),
        ];
        let found = evaluate(&inventory(list), &[policy()], 100 * DAY);
        let ids: Vec<_> = found
            .candidates
            .iter()
            .map(|candidate| candidate.id.as_str())
            .collect();
        assert_eq!(ids, ["tank/v/a@auto-2", "tank/v/a@auto-1"]);
        assert_eq!(found.standings.len(), 2);
        assert_eq!(found.standings[0].expired_bytes, 20);
        assert!(found.standings[1].uncovered);
    }

    #[test]
    fn what_somebody_else_needs_is_never_named() {
        let held = Snapshot {
            holds: 1,
            ..snapshot("auto-1", 30)
        };
        let cloned = Snapshot {
            clones: ["tank/x".into()].into(),
            ..snapshot("auto-2", 30)
        };
        let csi = Snapshot {
            csi_name: Some("auto-3".into()),
            ..snapshot("auto-3", 30)
        };
        let mut all = policy();
        all.keep_last = 0;
        let helper = Policy {
            prefix: String::new(),
            ..all
        };
        let list = vec![
            held,
            cloned,
            csi,
            snapshot("volume-source-for-volume-x", 30),
        ];
        assert_eq!(
            evaluate(&inventory(list), &[helper], 100 * DAY).candidates,
            []
        );
    }
}
