//! What is known about an answer: how old it is, and what may be missing from it.
//!
//! An agent writes a [`ClusterState`] beside its objects: a heartbeat, the state of every kind it watches, how much it
//! had to give up, and the moment up to which everything it saw is in the store. A reader never guesses: a cluster is
//! *complete* only when the agent is alive, knows all kinds, has every one of them in step and has nothing waiting. A
//! dead agent cannot claim anything, because a claim is only believed together with a young heartbeat.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far an agent is with one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It reads the whole collection.
    Listing,
    /// Every change is seen as it happens.
    Watching,
    /// The API server does not answer for this kind; what is stored is the last that was known.
    Unreachable,
    /// The agent may not list it.
    Forbidden,
}

/// What an agent knows of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KindState {
    /// How far it is.
    pub phase: Phase,
    /// How many objects there are.
    pub objects: u64,
    /// Why it is not watching.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

/// What an agent says of its cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterState {
    /// The cluster's id in the fleet.
    pub cluster: String,
    /// The uid of its kube-system namespace: what makes it this cluster.
    pub cluster_uid: String,
    /// The Secret that holds its kubeconfig, where one is kept.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cluster_secret_ref: String,
    /// The kubeconfig context it was read through, when read from a laptop.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub context: String,
    /// The Kubernetes version.
    pub version: String,
    /// The running agent: another one with the same cluster id is refused.
    pub agent: String,
    /// How often the agent shows that it is alive, in seconds; 0 for an agent that read once and left.
    pub heartbeat_seconds: u32,
    /// When it last did, seconds since 1970 by the agent's clock.
    pub heartbeat_at: i64,
    /// Counts the complete readings of the cluster, from the first agent on.
    pub epoch: u64,
    /// Everything up to this moment is in the store; 0 before the first complete reading.
    pub complete_at: i64,
    /// Changes seen that are not in the store yet.
    pub waiting: u64,
    /// Changes that the store refused for good: the cluster is not complete until an agent reads it anew.
    pub dropped: u64,
    /// API groups whose discovery fails: their kinds are unknown, not gone.
    pub undiscovered: Vec<String>,
    /// Every kind it watches, by full name (`deployments.apps`).
    pub kinds: BTreeMap<String, KindState>,
    /// Why nothing of it is shown to the one who asks, though there may be something. Never stored.
    #[serde(skip)]
    pub withheld: String,
}

/// A cluster as a reader should see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// Its id.
    pub cluster: String,
    /// Whether the answer can be relied on for this cluster.
    pub complete: bool,
    /// How old the last sign of it is, in seconds.
    pub age_seconds: i64,
    /// The agent is gone, or was only here once and that is long ago.
    pub stale: bool,
    /// What is missing, each in a sentence.
    pub problems: Vec<String>,
}

/// In the place of a group: which kinds there are is not known for certain, or not yet again.
pub const UNSETTLED: &str = "*";

/// A one-time reading counts as fresh for this long.
pub const SNAPSHOT_SECONDS: i64 = 300;
/// A clock that is ahead by more is worth a word.
const SKEW_SECONDS: i64 = 5;

impl ClusterState {
    /// Whether another agent may take the cluster over: the last one left, or was not seen for three heartbeats.
    pub fn abandoned(&self, now: i64) -> bool {
        self.heartbeat_seconds == 0
            || now - self.heartbeat_at > 3 * i64::from(self.heartbeat_seconds)
    }

    /// Every kind is in step as far as the store holds it, nothing was given up, nothing is unknown.
    pub fn in_step(&self) -> bool {
        !self.kinds.is_empty()
            && self.dropped == 0
            && self.undiscovered.is_empty()
            && self
                .kinds
                .values()
                .all(|kind| matches!(kind.phase, Phase::Watching | Phase::Forbidden))
    }

    /// What a reader may believe at `now`. With `kinds`, only these matter (full names).
    pub fn judge(&self, now: i64, kinds: Option<&[String]>) -> Judged {
        let age = (now - self.heartbeat_at).max(0);
        let stale = if self.heartbeat_seconds == 0 {
            age > SNAPSHOT_SECONDS
        } else {
            self.abandoned(now)
        };
        let mut problems = Vec::new();
        if !self.withheld.is_empty() {
            problems.push(self.withheld.clone());
        }
        if stale {
            problems.push(format!("last seen {} ago", pequod_cli::age(age)));
        }
        if self.heartbeat_at - now > SKEW_SECONDS {
            problems.push(format!(
                "its clock is {} ahead",
                pequod_cli::age(self.heartbeat_at - now)
            ));
        }
        if self.epoch == 0 {
            problems.push("its first complete reading is not done".to_owned());
        } else if self.kinds.is_empty() {
            problems.push("its agent has just begun".to_owned());
        }
        let concerned =
            |name: &str| kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind == name));
        for (name, kind) in self.kinds.iter().filter(|(name, _)| concerned(name)) {
            match kind.phase {
                Phase::Watching => {}
                Phase::Listing => problems.push(format!("{name} is still being read")),
                Phase::Unreachable => {
                    problems.push(format!("{name} cannot be read: {}", kind.problem));
                }
                Phase::Forbidden => problems.push(format!("{name} may not be listed by the agent")),
            }
        }
        for group in &self.undiscovered {
            if group == UNSETTLED {
                if kinds.is_none() {
                    problems.push("its kinds are being found out".to_owned());
                }
            } else if kinds.is_none_or(|kinds| {
                kinds
                    .iter()
                    .any(|kind| kind.ends_with(&format!(".{group}")))
            }) {
                problems.push(format!("API group {group} does not answer"));
            }
        }
        if self.dropped > 0 {
            problems.push(format!(
                "{} changes were refused by the store",
                self.dropped
            ));
        }
        if self.waiting > 0 && self.heartbeat_seconds == 0 {
            problems.push(format!("{} changes never reached the store", self.waiting));
        }
        let silent = self.heartbeat_at - self.complete_at;
        if problems.is_empty()
            && self.heartbeat_seconds > 0
            && silent > (6 * i64::from(self.heartbeat_seconds)).max(15)
        {
            problems.push(format!(
                "everything is known up to {} ago only",
                pequod_cli::age(age + silent)
            ));
        }
        let forbidden_only = problems
            .iter()
            .all(|problem| problem.ends_with("may not be listed by the agent"));
        Judged {
            cluster: self.cluster.clone(),
            complete: problems.is_empty() || (forbidden_only && kinds.is_none()),
            age_seconds: age,
            stale,
            problems,
        }
    }
}

/// What is known about a whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// Whether all clusters are complete, and there is at least one.
    pub complete: bool,
    /// Every cluster the answer is about.
    pub clusters: Vec<Judged>,
    /// Changes given up over all clusters.
    pub dropped: u64,
}

impl Freshness {
    /// Of these clusters, at `now`, about these kinds.
    pub fn of(states: &[ClusterState], now: i64, kinds: Option<&[String]>) -> Self {
        let clusters: Vec<Judged> = states.iter().map(|state| state.judge(now, kinds)).collect();
        Self {
            complete: !clusters.is_empty() && clusters.iter().all(|cluster| cluster.complete),
            dropped: states.iter().map(|state| state.dropped).sum(),
            clusters,
        }
    }

    /// Adds a cluster that was asked for and is not there.
    pub fn missing(&mut self, cluster: &str) {
        self.complete = false;
        self.clusters.push(Judged {
            cluster: cluster.to_owned(),
            complete: false,
            age_seconds: 0,
            stale: true,
            problems: vec!["no such cluster is known".to_owned()],
        });
    }

    /// The line below every list: `10/11 clusters ≤ 4s; eu-2 last seen 12m ago; 0 dropped`.
    pub fn footer(&self) -> String {
        if self.clusters.is_empty() {
            return "no cluster is known".to_owned();
        }
        let fresh: Vec<&Judged> = self
            .clusters
            .iter()
            .filter(|cluster| !cluster.stale)
            .collect();
        let oldest = fresh.iter().map(|cluster| cluster.age_seconds).max();
        let mut parts = vec![match oldest {
            Some(age) => format!(
                "{}/{} clusters ≤ {}",
                fresh.len(),
                self.clusters.len(),
                pequod_cli::age(age)
            ),
            None => format!("0/{} clusters fresh", self.clusters.len()),
        }];
        for cluster in self.clusters.iter().filter(|cluster| cluster.stale) {
            parts.push(format!(
                "{} {}",
                cluster.cluster,
                cluster.problems.first().map_or("is stale", String::as_str)
            ));
        }
        parts.push(format!("{} dropped", self.dropped));
        parts.join("; ")
    }

    /// A warning for every cluster whose part of the answer is stale or partial.
    pub fn warnings(&self) -> Vec<String> {
        self.clusters
            .iter()
            .filter(|cluster| !cluster.complete)
            .map(|cluster| {
                let shown = cluster
                    .problems
                    .iter()
                    .take(3)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join("; ");
                let more = cluster.problems.len().saturating_sub(3);
                let more = if more > 0 {
                    format!("; and {more} more")
                } else {
                    String::new()
                };
                format!(
                    "Warning: the answer may be incomplete for {}: {shown}{more}",
                    cluster.cluster
                )
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(cluster: &str) -> ClusterState {
        ClusterState {
            cluster: cluster.into(),
            heartbeat_seconds: 5,
            heartbeat_at: 996,
            epoch: 1,
            complete_at: 996,
            kinds: [(
                "pods".to_owned(),
                KindState {
                    phase: Phase::Watching,
                    objects: 2,
                    problem: String::new(),
                },
            )]
            .into(),
            ..ClusterState::default()
        }
    }

    #[test]
    fn the_footer_names_who_is_gone() {
        let gone = ClusterState {
            heartbeat_at: 280,
            ..alive("eu-2")
        };
        let freshness = Freshness::of(&[alive("eu-1"), gone], 1000, None);
        assert_eq!(
            freshness.footer(),
            "1/2 clusters ≤ 4s; eu-2 last seen 12m ago; 0 dropped"
        );
        assert!(!freshness.complete);
        assert_eq!(freshness.warnings().len(), 1);
    }

    #[test]
    fn a_dead_agents_claim_is_not_believed() {
        let state = alive("eu-1");
        assert!(state.judge(1000, None).complete);
        assert!(!state.judge(1000 + 60, None).complete);
        assert!(state.abandoned(1060));
    }

    #[test]
    fn an_agent_that_has_just_come_back_claims_nothing() {
        let mut state = alive("eu-1");
        state.kinds.clear();
        assert!(!state.judge(1000, None).complete);
        assert!(!state.judge(1000, Some(&["pods".to_owned()])).complete);
    }

    #[test]
    fn nothing_known_is_not_complete() {
        assert!(!Freshness::of(&[], 1000, None).complete);
    }

    #[test]
    fn one_unreachable_kind_spoils_only_answers_about_it() {
        let mut state = alive("eu-1");
        state.kinds.insert(
            "widgets.example.com".into(),
            KindState {
                phase: Phase::Unreachable,
                objects: 0,
                problem: "503".into(),
            },
        );
        assert!(!state.judge(1000, None).complete);
        assert!(state.judge(1000, Some(&["pods".to_owned()])).complete);
        assert!(
            !state
                .judge(1000, Some(&["widgets.example.com".to_owned()]))
                .complete
        );
    }

    #[test]
    fn a_clock_that_is_ahead_is_told() {
        let ahead = ClusterState {
            heartbeat_at: 1060,
            ..alive("eu-1")
        };
        assert_eq!(ahead.judge(1000, None).problems, ["its clock is 60s ahead"]);
    }
}
