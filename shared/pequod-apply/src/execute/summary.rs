//! A graph's state in one word and three conditions.
//!
//! kstatus reads them: `Stalled` is a graph that will not get further without a change, `Reconciling` one that is on
//! its way, `Ready` one that is there. Neither of the first two says nothing about the third.

use jiff::Timestamp;
use pequod_api::NodePhase;
use pequod_api::resource_graph::{GraphPhase, ResourceGraphStatus};
use pequod_kube::conditions::{self, Wanted};

use super::Run;

/// A graph that cannot be carried out, whoever asks how often.
pub(crate) struct Hopeless {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What the conditions are to say.
#[derive(Debug)]
pub(crate) struct Summary {
    phase: GraphPhase,
    ready: Option<bool>,
    reconciling: bool,
    stalled: bool,
    reason: &'static str,
    pub(crate) message: String,
}

impl Summary {
    pub(crate) fn hopeless(hopeless: &Hopeless) -> Self {
        Self {
            phase: GraphPhase::Failed,
            ready: Some(false),
            reconciling: false,
            stalled: true,
            reason: hopeless.reason,
            message: hopeless.message.clone(),
        }
    }

    /// Work was begun.
    pub(crate) fn begun(nodes: usize) -> Self {
        Self {
            phase: GraphPhase::Executing,
            ready: Some(false),
            reconciling: true,
            stalled: false,
            reason: "Progressing",
            message: format!("0 of {nodes} nodes are ready"),
        }
    }

    /// The objects are being removed.
    pub(crate) fn deleting(left: usize, stuck: Option<&str>) -> Self {
        let message = match stuck {
            Some(why) => format!("{left} objects are left: {why}"),
            None => format!("{left} objects are left"),
        };
        Self {
            phase: GraphPhase::Deleting,
            ready: Some(false),
            reconciling: stuck.is_none(),
            stalled: stuck.is_some(),
            reason: if stuck.is_some() {
                "DeletionRefused"
            } else {
                "Deleting"
            },
            message,
        }
    }

    /// Of what the nodes are, and how many objects have yet to be removed.
    pub(crate) fn of(status: &ResourceGraphStatus, nodes: usize, leaving: usize) -> Self {
        let count = |phase: NodePhase| {
            status
                .node_status
                .values()
                .filter(|n| n.phase == phase)
                .count()
        };
        let (ready, failed, blocked) = (
            count(NodePhase::Ready),
            count(NodePhase::Failed),
            count(NodePhase::Blocked),
        );
        let moving = nodes - ready - failed - blocked;
        let first_failed = || {
            let found = status
                .node_status
                .iter()
                .find(|(_, n)| n.phase == NodePhase::Failed);
            found.map_or_else(String::new, |(id, n)| {
                format!(
                    "; node `{id}`: {}",
                    n.message.as_deref().unwrap_or("failed")
                )
            })
        };
        let first_waiting = || {
            let found = status
                .node_status
                .iter()
                .find(|(_, n)| n.phase == NodePhase::Applied)
                .or_else(|| {
                    status
                        .node_status
                        .iter()
                        .find(|(_, n)| n.phase == NodePhase::Pending)
                });
            found.map_or_else(String::new, |(id, n)| match n.message.as_deref() {
                Some(message) => format!("; node `{id}`: {message}"),
                None => String::new(),
            })
        };
        let ratio = format!("{ready} of {nodes} nodes are ready");
        if failed > 0 {
            return Self {
                phase: GraphPhase::Failed,
                ready: Some(false),
                reconciling: moving > 0,
                stalled: moving == 0,
                reason: "NodeFailed",
                message: format!("{ratio}{}", first_failed()),
            };
        }
        if ready == nodes && leaving == 0 {
            return Self {
                phase: GraphPhase::Ready,
                ready: Some(true),
                reconciling: false,
                stalled: false,
                reason: "AllReady",
                message: ratio,
            };
        }
        if ready == nodes {
            return Self {
                reason: "Pruning",
                message: format!("{ratio}; old objects are being removed"),
                ..Self::begun(nodes)
            };
        }
        Self {
            message: format!("{ratio}{}", first_waiting()),
            ..Self::begun(nodes)
        }
    }

    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.ready, Some(true))
    }

    /// Puts it into the status. Answers whether `Ready` changed.
    pub(crate) fn write(&self, run: &mut Run, generation: Option<i64>) -> bool {
        let now = Timestamp::now();
        let status = &mut run.ledger.status;
        status.phase = self.phase;
        let was_ready = conditions::is_true(&status.conditions, "Ready");
        let known = status
            .conditions
            .iter()
            .find(|c| c.type_ == "Ready")
            .map(|c| c.reason.clone());
        let entries = [
            ("Ready", self.ready, self.reason),
            ("Reconciling", Some(self.reconciling), self.reason),
            ("Stalled", Some(self.stalled), self.reason),
        ];
        for (kind, holds, reason) in entries {
            let message = if holds == Some(true) || kind == "Ready" {
                self.message.clone()
            } else {
                String::new()
            };
            let wanted = Wanted {
                kind,
                holds,
                reason,
                message,
            };
            conditions::set(&mut status.conditions, wanted, generation, now);
        }
        was_ready != self.is_ready() || known.as_deref() != Some(self.reason)
    }
}
