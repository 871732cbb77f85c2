//! How a node's state moves.
//!
//! | from \ what happens | `Accepted` | `Ready` | `NotReady` | `Refused` | `TimedOut` | `Held` | `Blocked` |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | Pending | Applied | Ready | Applied | Failed | Failed | Pending | Blocked |
//! | Blocked | Applied | Ready | Applied | Failed | Failed | Pending | Blocked |
//! | Applied | Applied | Ready | Applied | Failed | Failed | Pending | Blocked |
//! | Ready | Applied | Ready | Applied | Failed | Failed | Pending | Blocked |
//! | Failed | Applied | Ready | **Failed** | Failed | Failed | Pending | Blocked |
//! | Deleting | Deleting | Deleting | Deleting | Deleting | Deleting | Deleting | Deleting |
//!
//! The next state is what happened, with two exceptions: a node that failed stays failed while it is merely not ready
//! (only readiness or a new apply gets it out), and nothing leads out of `Deleting`.
//! `Held` and `Blocked` are about a node that must be applied and cannot be yet.

use pequod_api::NodePhase;
use pequod_graph::State;

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// The API server took its object.
    Accepted,
    /// Its object is ready.
    Ready,
    /// Its object is not ready (any more).
    NotReady,
    /// Its object was refused, or says itself that it failed.
    Refused,
    /// Its object was not ready in time.
    TimedOut,
    /// It must be applied and waits for what comes before it.
    Held,
    /// It must be applied, and something before it failed.
    Blocked,
}

/// The next state.
pub const fn next(from: NodePhase, happened: Happened) -> NodePhase {
    match (from, happened) {
        (NodePhase::Deleting, _) => NodePhase::Deleting,
        (NodePhase::Failed, Happened::NotReady) | (_, Happened::Refused | Happened::TimedOut) => {
            NodePhase::Failed
        }
        (_, Happened::Accepted | Happened::NotReady) => NodePhase::Applied,
        (_, Happened::Ready) => NodePhase::Ready,
        (_, Happened::Held) => NodePhase::Pending,
        (_, Happened::Blocked) => NodePhase::Blocked,
    }
}

/// What a state means to the order of the graph.
pub const fn for_order(phase: NodePhase) -> State {
    match phase {
        NodePhase::Pending | NodePhase::Blocked | NodePhase::Deleting => State::Waiting,
        NodePhase::Applied => State::Applied,
        NodePhase::Ready => State::Ready,
        NodePhase::Failed => State::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Happened as H;
    use NodePhase as P;

    #[test]
    fn follows_the_table_of_the_module() {
        let events = [
            H::Accepted,
            H::Ready,
            H::NotReady,
            H::Refused,
            H::TimedOut,
            H::Held,
            H::Blocked,
        ];
        let usual = [
            P::Applied,
            P::Ready,
            P::Applied,
            P::Failed,
            P::Failed,
            P::Pending,
            P::Blocked,
        ];
        for from in [
            P::Pending,
            P::Blocked,
            P::Applied,
            P::Ready,
            P::Failed,
            P::Deleting,
        ] {
            for (event, usual) in events.into_iter().zip(usual) {
                let want = match (from, event) {
                    (P::Deleting, _) => P::Deleting,
                    (P::Failed, H::NotReady) => P::Failed,
                    _ => usual,
                };
                assert_eq!(next(from, event), want, "{from:?} {event:?}");
            }
        }
    }
}
