//! What a Transform's status says: a pure function of what became of it and of its graph.
//!
//! | what became of it | Validated | Rendered | Ready | Reconciling | Stalled |
//! | --- | --- | --- | --- | --- | --- |
//! | published | True | True | the graph's | the graph's | the graph's |
//! | the input is refused | False | False | False | False | True |
//! | a policy forbids it | False | False | False | False | True |
//! | the module is refused or missing | Unknown | False | False | False | True |
//! | the plan is not approved | True | True | False | False | True |
//! | something does not answer | as before | as before | as before | True | False |
//! | suspended | as before | as before | the graph's | False | False |
//! | deleting | as before | as before | False | True | False |
//!
//! kstatus reads `Reconciling` and `Stalled` first, then `Ready`, all for the observed generation.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use pequod_api::transform::{
    LocalObjectReference, ResolvedCueRef, TransformStatus, Violation, ViolationSeverity,
};
use pequod_api::{NodePhase, ResourceGraph};
use pequod_diag::Diagnostics;
use pequod_kube::conditions::{Wanted, set};
use pequod_render::{Rendered, Stage};

/// What became of a Transform in a pass.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// A graph of it is written.
    Published {
        resolved: ResolvedCueRef,
        outputs: serde_json::Map<String, serde_json::Value>,
        violations: Vec<Violation>,
    },
    /// It was not rendered.
    Refused { stage: Stage, problems: Diagnostics },
    /// Its module cannot be had.
    NoModule { problems: Diagnostics },
    /// Policies forbid it.
    Forbidden { violations: Vec<Violation> },
    /// Another plan, or none, was approved.
    NotApproved { digest: String },
    /// It will be tried again.
    Unreachable { why: String },
    /// A person asked to leave it alone.
    Suspended,
    /// It is being deleted.
    Deleting { why: String },
}

impl Outcome {
    pub(crate) fn published(rendered: &Rendered, module_digest: &str) -> Self {
        Self::Published {
            resolved: ResolvedCueRef {
                digest: module_digest.to_owned(),
                form: rendered.form.as_str().to_owned(),
            },
            outputs: rendered.outputs.clone().into_iter().collect(),
            violations: rendered.violations.clone(),
        }
    }

    /// What it is called, as the reason of a condition and of an event.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Published { .. } => "Rendered",
            Self::Refused {
                stage: Stage::Input,
                ..
            } => "InputInvalid",
            Self::Refused {
                stage: Stage::Module,
                ..
            } => "RenderFailed",
            Self::NoModule { .. } => "ModuleUnavailable",
            Self::Forbidden { .. } => "PolicyViolated",
            Self::NotApproved { .. } => "PlanNotApproved",
            Self::Unreachable { .. } => "Retrying",
            Self::Suspended => "Suspended",
            Self::Deleting { .. } => "Deleting",
        }
    }

    /// What there is to say about it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Published { .. } => "rendered".to_owned(),
            Self::Refused { problems, .. } | Self::NoModule { problems } => problems.to_string(),
            Self::Forbidden { violations } => {
                let errors = violations
                    .iter()
                    .filter(|violation| violation.severity == ViolationSeverity::Error);
                let lines: Vec<_> = errors.map(line).collect();
                lines.join("\n")
            }
            Self::NotApproved { digest } => {
                format!("the plan {digest} is not the one that spec.approvedPlan approves")
            }
            Self::Unreachable { why } | Self::Deleting { why } => why.clone(),
            Self::Suspended => "suspended by spec.suspend".to_owned(),
        }
    }
}

fn line(violation: &Violation) -> String {
    let node = violation.node.as_deref().unwrap_or("input");
    if violation.path.is_empty() {
        format!("{}: node {node}: {}", violation.policy, violation.message)
    } else {
        format!(
            "{}: node {node}: {}: {}",
            violation.policy, violation.path, violation.message
        )
    }
}

/// The new status.
pub(crate) fn after(
    old: &TransformStatus,
    generation: Option<i64>,
    outcome: &Outcome,
    graph: Option<&ResourceGraph>,
    now: Timestamp,
) -> TransformStatus {
    let mut status = old.clone();
    status.observed_generation = generation;
    let mut put = |kind, holds, reason: &str, message: String| {
        set(
            &mut status.conditions,
            Wanted {
                kind,
                holds,
                reason,
                message,
            },
            generation,
            now,
        );
    };
    let (reason, message) = (outcome.reason(), outcome.message());
    match outcome {
        Outcome::Published { .. } => {
            put(
                "Validated",
                Some(true),
                "Valid",
                "input and policies hold".to_owned(),
            );
            put("Rendered", Some(true), reason, message);
            mirror(&mut put, graph);
        }
        Outcome::Refused {
            stage: Stage::Input,
            ..
        }
        | Outcome::Forbidden { .. } => {
            put("Validated", Some(false), reason, message.clone());
            put(
                "Rendered",
                Some(false),
                reason,
                "nothing was written".to_owned(),
            );
            stalled(&mut put, reason, message);
        }
        Outcome::Refused {
            stage: Stage::Module,
            ..
        }
        | Outcome::NoModule { .. } => {
            put(
                "Validated",
                None,
                reason,
                "there is nothing to check against".to_owned(),
            );
            put("Rendered", Some(false), reason, message.clone());
            stalled(&mut put, reason, message);
        }
        Outcome::NotApproved { .. } => {
            put(
                "Validated",
                Some(true),
                "Valid",
                "input and policies hold".to_owned(),
            );
            put(
                "Rendered",
                Some(true),
                reason,
                "rendered, not written".to_owned(),
            );
            stalled(&mut put, reason, message);
        }
        Outcome::Unreachable { .. } => {
            if old
                .conditions
                .iter()
                .all(|condition| condition.type_ != "Ready")
            {
                put("Ready", Some(false), reason, message.clone());
            }
            put("Reconciling", Some(true), reason, message);
            put("Stalled", Some(false), reason, String::new());
        }
        Outcome::Suspended => {
            mirror(&mut put, graph);
            put("Reconciling", Some(false), reason, message);
            put("Stalled", Some(false), reason, String::new());
        }
        Outcome::Deleting { .. } => {
            put("Ready", Some(false), reason, message.clone());
            put("Reconciling", Some(true), reason, message);
            put("Stalled", Some(false), reason, String::new());
        }
    }
    match outcome {
        Outcome::Published {
            resolved,
            outputs,
            violations,
        } => {
            status.resolved_cue_ref = Some(resolved.clone());
            status.outputs =
                (!outputs.is_empty()).then(|| serde_json::Value::Object(outputs.clone()));
            status.violations.clone_from(violations);
        }
        Outcome::Forbidden { violations } => status.violations.clone_from(violations),
        Outcome::Refused { .. } => status.violations.clear(),
        _ => {}
    }
    if let Some(graph) = graph {
        let name = graph.metadata.name.clone().unwrap_or_default();
        status.resource_graph_ref = Some(LocalObjectReference { name });
        status.nodes = Some(nodes(graph));
    }
    status
}

fn stalled(
    put: &mut impl FnMut(&'static str, Option<bool>, &str, String),
    reason: &str,
    message: String,
) {
    put("Ready", Some(false), reason, message.clone());
    put("Reconciling", Some(false), reason, String::new());
    put("Stalled", Some(true), reason, message);
}

/// The graph's own conditions, as long as they speak of its newest generation.
fn mirror(
    put: &mut impl FnMut(&'static str, Option<bool>, &str, String),
    graph: Option<&ResourceGraph>,
) {
    let fresh = graph.and_then(|graph| {
        let status = graph.status.as_ref()?;
        (status.observed_generation == graph.metadata.generation).then_some(status)
    });
    let Some(status) = fresh else {
        let message = "waiting for the execution of the graph".to_owned();
        put("Ready", Some(false), "Progressing", message.clone());
        put("Reconciling", Some(true), "Progressing", message);
        put("Stalled", Some(false), "Progressing", String::new());
        return;
    };
    let find = |kind: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind)
    };
    let holds = |condition: &Condition| match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    };
    match find("Ready") {
        Some(ready) => put("Ready", holds(ready), &ready.reason, ready.message.clone()),
        None => put(
            "Ready",
            Some(false),
            "Progressing",
            "execution has begun".to_owned(),
        ),
    }
    let is_ready = find("Ready").and_then(&holds) == Some(true);
    for kind in ["Reconciling", "Stalled"] {
        if let Some(found) = find(kind) {
            put(kind, holds(found), &found.reason, found.message.clone());
        } else {
            // Abnormal conditions may be absent; what is neither ready nor stalled is on its way.

            let on_its_way = kind == "Reconciling" && !is_ready && find("Stalled").is_none();
            let reason = if on_its_way { "Progressing" } else { "Settled" };
            put(kind, Some(on_its_way), reason, String::new());
        }
    }
}

fn nodes(graph: &ResourceGraph) -> String {
    let ready = graph.status.as_ref().map_or(0, |status| {
        let is_ready = |id| {
            status
                .node_status
                .get(id)
                .is_some_and(|node| node.phase == NodePhase::Ready)
        };
        graph
            .spec
            .nodes
            .iter()
            .filter(|node| is_ready(&node.id))
            .count()
    });
    format!("{ready}/{}", graph.spec.nodes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pequod_diag::{Code, Diagnostic};
    use serde_json::json;

    fn published() -> Outcome {
        Outcome::Published {
            resolved: ResolvedCueRef {
                digest: "sha256:1".into(),
                form: "nodes".into(),
            },
            outputs: serde_json::Map::new(),
            violations: Vec::new(),
        }
    }

    fn graph(generation: i64, observed: i64, ready: &str) -> ResourceGraph {
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        serde_json::from_value(json!({
            "apiVersion": "platform.pequod.io/v1alpha1", "kind": "ResourceGraph",
            "metadata": {"name": "shop", "generation": generation},
            "spec": {
                "source": {"transform": "shop", "generation": 1, "moduleDigest": "", "renderDigest": ""},
                "serviceAccountName": "default", "store": {},
                "nodes": [{"id": "a", "target": {"apiVersion": "v1", "kind": "ConfigMap", "name": "a"}, "digest": ""}]
            },
            "status": {
                "observedGeneration": observed,
                "nodeStatus": {"a": {"phase": "Ready"}},
                "conditions": [condition("Ready", ready)]
            }
        }))
        .unwrap()
    }

    fn status(outcome: &Outcome, graph: Option<&ResourceGraph>) -> TransformStatus {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        after(&TransformStatus::default(), Some(3), outcome, graph, now)
    }

    fn word(status: &TransformStatus, kind: &str) -> String {
        let found = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == kind);
        found.map(|found| found.status.clone()).unwrap_or_default()
    }

    #[test]
    fn is_ready_when_the_graph_says_so_of_its_newest_generation() {
        let ready = status(&published(), Some(&graph(2, 2, "True")));
        assert_eq!(word(&ready, "Ready"), "True");
        assert_eq!(word(&ready, "Reconciling"), "False");
        assert_eq!(ready.nodes.as_deref(), Some("1/1"));
        assert_eq!(ready.observed_generation, Some(3));
        let stale = status(&published(), Some(&graph(3, 2, "True")));
        assert_eq!(word(&stale, "Ready"), "False");
        assert_eq!(word(&stale, "Reconciling"), "True");
    }

    #[test]
    fn a_wrong_input_stalls_and_says_where() {
        let problem = Diagnostic::error(Code("cue/conflict"), "spec.input.replicas: too many");
        let refused = Outcome::Refused {
            stage: Stage::Input,
            problems: problem.into(),
        };
        let status = status(&refused, None);
        assert_eq!(word(&status, "Validated"), "False");
        assert_eq!(word(&status, "Stalled"), "True");
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready")
            .unwrap();
        assert_eq!(ready.message, "spec.input.replicas: too many");
    }

    #[test]
    fn violations_are_listed_and_nothing_counts_as_written() {
        let violation = Violation {
            policy: "pinned".into(),
            node: Some("web".into()),
            path: "spec".into(),
            message: "pin it".into(),
            severity: ViolationSeverity::Error,
        };
        let status = status(
            &Outcome::Forbidden {
                violations: vec![violation.clone()],
            },
            None,
        );
        assert_eq!(status.violations, [violation]);
        assert_eq!(word(&status, "Rendered"), "False");
        assert_eq!(status.resource_graph_ref, None);
    }

    #[test]
    fn what_does_not_answer_leaves_what_was_known() {
        let before = status(&published(), Some(&graph(2, 2, "True")));
        let now = Timestamp::from_second(1_800_000_100).unwrap();
        let outcome = Outcome::Unreachable {
            why: "no answer".into(),
        };
        let after = after(&before, Some(3), &outcome, None, now);
        assert_eq!(word(&after, "Ready"), "True");
        assert_eq!(word(&after, "Reconciling"), "True");
        assert_eq!(after.nodes, before.nodes);
    }

    #[test]
    fn the_same_outcome_twice_changes_nothing() {
        let first = status(&published(), Some(&graph(2, 2, "True")));
        let now = Timestamp::from_second(1_800_000_100).unwrap();
        assert_eq!(
            after(
                &first,
                Some(3),
                &published(),
                Some(&graph(2, 2, "True")),
                now
            ),
            first
        );
    }
}
