//! The state of an object in one word, for any kind.
//!
//! The words and the order of the rules are kstatus's (sigs.k8s.io/cli-utils/pkg/kstatus): deletion first, then a
//! generation the controller has not seen, then the standard conditions, then what is known of the built-in kinds, and
//! last `Ready`. A reason is kept beside the word, because "Failed" alone sends everybody to a second command.
//! The rules look at nothing but the object: no clock, so the same object has the same state everywhere.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::record::Availability;

/// The state of an object.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
pub enum Health {
    /// It is as its spec asks, or it has no state to speak of.
    Current,
    /// It is on its way.
    InProgress,
    /// It will not get there by itself.
    Failed,
    /// It is being deleted.
    Terminating,
    /// Nothing can be said: only its metadata is read.
    Unknown,
}

impl Health {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Current,
        Self::InProgress,
        Self::Failed,
        Self::Terminating,
        Self::Unknown,
    ];

    /// As it is written in queries and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::Unknown => "Unknown",
        }
    }
}

/// A state and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The state.
    pub health: Health,
    /// Why it is not current, in one word.
    pub reason: String,
    /// Why it is not current, in a sentence.
    pub message: String,
}

impl Verdict {
    fn new(health: Health, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            health,
            reason: reason.into(),
            message: message.into(),
        }
    }

    fn current() -> Self {
        Self::new(Health::Current, "", "")
    }

    fn progress(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Health::InProgress, reason, message)
    }

    fn failed(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Health::Failed, reason, message)
    }
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(object: &Value, path: &str) -> Option<i64> {
    object.pointer(path).and_then(Value::as_i64)
}

fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    object
        .pointer(path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions")
        .iter()
        .find(|condition| text(condition, "/type") == kind)
}

fn is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind).is_some_and(|condition| text(condition, "/status") == status)
}

fn because(condition: &Value, health: Health, fallback: &str) -> Verdict {
    let reason = text(condition, "/reason");
    Verdict::new(
        health,
        if reason.is_empty() { fallback } else { reason },
        text(condition, "/message"),
    )
}

/// The state of an object. `group` and `kind` say which rules apply.
pub fn judge(group: &str, kind: &str, object: &Value) -> Verdict {
    if !text(object, "/metadata/deletionTimestamp").is_empty() {
        let finalizers: Vec<&str> = list(object, "/metadata/finalizers")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let message = if finalizers.is_empty() {
            String::new()
        } else {
            format!("waiting for finalizers: {}", finalizers.join(", "))
        };
        return Verdict::new(Health::Terminating, "Terminating", message);
    }
    if let (Some(observed), Some(generation)) = (
        number(object, "/status/observedGeneration"),
        number(object, "/metadata/generation"),
    ) && observed < generation
    {
        return Verdict::progress("NotObserved", "its controller has not seen the newest spec");
    }
    if let Some(stalled) = condition(object, "Stalled").filter(|it| text(it, "/status") == "True") {
        return because(stalled, Health::Failed, "Stalled");
    }
    if let Some(reconciling) =
        condition(object, "Reconciling").filter(|it| text(it, "/status") == "True")
    {
        return because(reconciling, Health::InProgress, "Reconciling");
    }
    match (group, kind) {
        ("", "Pod") => pod(object),
        ("apps", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replica_set(object),
        ("batch", "Job") => job(object),
        ("", "PersistentVolumeClaim") => match text(object, "/status/phase") {
            "Bound" => Verdict::current(),
            "Lost" => Verdict::failed("Lost", "its volume is gone"),
            phase => Verdict::progress(
                if phase.is_empty() { "Pending" } else { phase },
                "not bound to a volume",
            ),
        },
        ("", "PersistentVolume") => match text(object, "/status/phase") {
            "Failed" => Verdict::failed("Failed", text(object, "/status/message")),
            _ => Verdict::current(),
        },
        ("", "Service") => {
            let waits = text(object, "/spec/type") == "LoadBalancer"
                && list(object, "/status/loadBalancer/ingress").is_empty();
            if waits {
                Verdict::progress("NoAddress", "no load balancer address yet")
            } else {
                Verdict::current()
            }
        }
        ("", "Node") => match condition(object, "Ready") {
            Some(ready) if text(ready, "/status") == "True" => Verdict::current(),
            Some(ready) => because(ready, Health::Failed, "NotReady"),
            None => Verdict::progress("NotReady", "it has not reported yet"),
        },
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            if let Some(names) =
                condition(object, "NamesAccepted").filter(|it| text(it, "/status") == "False")
            {
                because(names, Health::Failed, "NamesNotAccepted")
            } else if is(object, "Established", "True") {
                Verdict::current()
            } else {
                Verdict::progress("NotEstablished", "")
            }
        }
        _ => generic(object),
    }
}

/// A kind nothing is known of: its conditions by their usual names, then its phase.
fn generic(object: &Value) -> Verdict {
    for bad in ["Failed", "Degraded", "Failure"] {
        if let Some(condition) = condition(object, bad).filter(|it| text(it, "/status") == "True") {
            return because(condition, Health::Failed, bad);
        }
    }
    for good in ["Ready", "Available", "Healthy", "Synced"] {
        if let Some(condition) = condition(object, good).filter(|it| text(it, "/status") != "True")
        {
            return because(condition, Health::InProgress, "NotReady");
        }
    }
    let phase = text(object, "/status/phase");
    match phase.to_ascii_lowercase().as_str() {
        "failed" | "error" | "lost" | "unhealthy" | "crashed" => {
            Verdict::failed(phase, text(object, "/status/message"))
        }
        "pending" | "creating" | "provisioning" | "progressing" | "updating" | "waiting"
        | "initializing" => Verdict::progress(phase, text(object, "/status/message")),
        "terminating" | "deleting" => Verdict::new(Health::Terminating, phase, ""),
        _ => Verdict::current(),
    }
}

fn deployment(object: &Value) -> Verdict {
    if let Some(progressing) = condition(object, "Progressing")
        && text(progressing, "/reason") == "ProgressDeadlineExceeded"
    {
        return because(progressing, Health::Failed, "ProgressDeadlineExceeded");
    }
    if let Some(failure) =
        condition(object, "ReplicaFailure").filter(|it| text(it, "/status") == "True")
    {
        return because(failure, Health::Failed, "ReplicaFailure");
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let have = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    if have("updatedReplicas") < wanted {
        return short("updated", have("updatedReplicas"), wanted);
    }
    if have("replicas") > have("updatedReplicas") {
        return Verdict::progress("OldReplicas", "old replicas are still being removed");
    }
    if have("availableReplicas") < wanted {
        return short("available", have("availableReplicas"), wanted);
    }
    if have("readyReplicas") < wanted {
        return short("ready", have("readyReplicas"), wanted);
    }
    if wanted > 0 && is(object, "Available", "False") {
        return Verdict::progress("NotAvailable", "");
    }
    Verdict::current()
}

fn short(what: &str, have: i64, wanted: i64) -> Verdict {
    Verdict::progress(
        "ReplicasMissing",
        format!("{have} of {wanted} replicas {what}"),
    )
}

fn stateful_set(object: &Value) -> Verdict {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Verdict::current();
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let have = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    if have("readyReplicas") < wanted {
        return short("ready", have("readyReplicas"), wanted);
    }
    if have("replicas") > wanted {
        return Verdict::progress(
            "OldReplicas",
            "replicas above the wanted number are still being removed",
        );
    }
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition").unwrap_or(0);
    if have("updatedReplicas") < wanted - partition
        && text(object, "/status/currentRevision") != text(object, "/status/updateRevision")
    {
        return short("updated", have("updatedReplicas"), wanted - partition);
    }
    Verdict::current()
}

fn daemon_set(object: &Value) -> Verdict {
    let have = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    let wanted = have("desiredNumberScheduled");
    for (field, what) in [
        ("updatedNumberScheduled", "updated"),
        ("numberAvailable", "available"),
        ("numberReady", "ready"),
    ] {
        if have(field) < wanted {
            return short(what, have(field), wanted);
        }
    }
    Verdict::current()
}

fn replica_set(object: &Value) -> Verdict {
    if let Some(failure) =
        condition(object, "ReplicaFailure").filter(|it| text(it, "/status") == "True")
    {
        return because(failure, Health::Failed, "ReplicaFailure");
    }
    let wanted = number(object, "/spec/replicas").unwrap_or(1);
    let have = |field: &str| number(object, &format!("/status/{field}")).unwrap_or(0);
    if have("availableReplicas") < wanted {
        return short("available", have("availableReplicas"), wanted);
    }
    if have("replicas") > wanted {
        return Verdict::progress(
            "OldReplicas",
            "replicas above the wanted number are still being removed",
        );
    }
    Verdict::current()
}

fn job(object: &Value) -> Verdict {
    if let Some(failed) = condition(object, "Failed").filter(|it| text(it, "/status") == "True") {
        return because(failed, Health::Failed, "Failed");
    }
    if is(object, "Complete", "True") || is(object, "Suspended", "True") {
        return Verdict::current();
    }
    if text(object, "/status/startTime").is_empty() {
        return Verdict::progress("NotStarted", "");
    }
    Verdict::current()
}

/// Reasons of a waiting container that a Pod does not leave by itself.
const STUCK: &[&str] = &[
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "ErrImageNeverPull",
];

fn pod(object: &Value) -> Verdict {
    let phase = text(object, "/status/phase");
    if phase == "Succeeded" {
        return Verdict::current();
    }
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    for container in containers.iter().flat_map(|path| list(object, path)) {
        let reason = text(container, "/state/waiting/reason");
        if STUCK.contains(&reason) {
            let name = text(container, "/name");
            let said = match text(container, "/lastState/terminated/reason") {
                "" | "Completed" | "Error" => text(container, "/state/waiting/message").to_owned(),
                ended => format!(
                    "{} (last ended by {ended})",
                    text(container, "/state/waiting/message")
                ),
            };
            return Verdict::failed(
                reason,
                format!("container {name}: {said}").trim_end_matches([':', ' ']),
            );
        }
    }
    // Between two attempts, before it is called a loop.
    let killed = containers
        .iter()
        .flat_map(|path| list(object, path))
        .find(|container| text(container, "/state/terminated/reason") == "OOMKilled");
    if let Some(container) = killed {
        let name = text(container, "/name");
        return Verdict::failed("OOMKilled", format!("container {name} ran out of memory"));
    }
    if phase == "Failed" {
        let reason = text(object, "/status/reason");
        let ended = containers
            .iter()
            .flat_map(|path| list(object, path))
            .map(|container| text(container, "/state/terminated/reason"))
            .find(|reason| !reason.is_empty() && *reason != "Completed");
        let reason = if reason.is_empty() {
            ended.unwrap_or("Failed")
        } else {
            reason
        };
        return Verdict::failed(reason, text(object, "/status/message"));
    }
    if is(object, "Ready", "True") {
        return Verdict::current();
    }
    if let Some(scheduled) =
        condition(object, "PodScheduled").filter(|it| text(it, "/status") == "False")
    {
        return because(scheduled, Health::InProgress, "Unschedulable");
    }
    let waiting = containers
        .iter()
        .flat_map(|path| list(object, path))
        .map(|container| text(container, "/state/waiting/reason"))
        .find(|reason| !reason.is_empty());
    match (waiting, condition(object, "Ready")) {
        (Some(reason), _) => Verdict::progress(reason, ""),
        (None, Some(ready)) => because(ready, Health::InProgress, "NotReady"),
        (None, None) => Verdict::progress(if phase.is_empty() { "Pending" } else { phase }, ""),
    }
}

/// How many of the wanted replicas are ready, for a kind that has replicas.
pub fn availability(group: &str, kind: &str, object: &Value) -> Option<Availability> {
    let (wanted, ready) = match (group, kind) {
        ("apps", "DaemonSet") => (
            number(object, "/status/desiredNumberScheduled").unwrap_or(0),
            number(object, "/status/numberReady").unwrap_or(0),
        ),
        _ => (
            number(object, "/spec/replicas").or_else(|| number(object, "/spec/instances"))?,
            number(object, "/status/readyReplicas")
                .or_else(|| number(object, "/status/readyInstances"))
                .or_else(|| number(object, "/status/availableReplicas"))
                .unwrap_or(0),
        ),
    };
    Some(match (wanted, ready) {
        (0, _) => Availability::Zero,
        (_, ..=0) => Availability::None,
        (wanted, ready) if ready < wanted => Availability::Partial,
        _ => Availability::Full,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod_with(status: &Value) -> Verdict {
        judge("", "Pod", &json!({"metadata": {}, "status": status}))
    }

    #[test]
    fn a_crashing_pod_is_failed_while_its_phase_says_running() {
        let verdict = pod_with(&json!({
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}}}],
        }));
        assert_eq!(
            verdict,
            Verdict::failed("CrashLoopBackOff", "container web: back-off 5m")
        );
    }

    #[test]
    fn an_unschedulable_pod_says_why() {
        let verdict = pod_with(&json!({
            "phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}],
        }));
        assert_eq!(verdict, Verdict::progress("Unschedulable", "0/3 nodes"));
    }

    #[test]
    fn a_pod_that_ran_out_of_memory_says_so() {
        let mut pod = json!({"status": {"phase": "Running", "containerStatuses": [
            {"name": "web", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]}});
        let verdict = judge("", "Pod", &pod);
        assert_eq!(
            (verdict.health, verdict.reason.as_str()),
            (Health::Failed, "OOMKilled")
        );
        pod["status"]["containerStatuses"][0] = json!({"name": "web",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}},
            "lastState": {"terminated": {"reason": "OOMKilled"}}});
        assert_eq!(
            judge("", "Pod", &pod).message,
            "container web: back-off 5m (last ended by OOMKilled)"
        );
    }

    #[test]
    fn a_finished_pod_is_current() {
        assert_eq!(
            pod_with(&json!({"phase": "Succeeded"})).health,
            Health::Current
        );
    }

    #[test]
    fn a_spec_its_controller_has_not_seen_is_in_progress() {
        let object = json!({"metadata": {"generation": 3}, "spec": {"replicas": 1},
            "status": {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}});
        assert_eq!(judge("apps", "Deployment", &object).reason, "NotObserved");
    }

    #[test]
    fn a_deployment_past_its_deadline_is_failed() {
        let object = json!({"metadata": {}, "spec": {"replicas": 1}, "status": {"conditions": [
            {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}]}});
        assert_eq!(
            judge("apps", "Deployment", &object),
            Verdict::failed("ProgressDeadlineExceeded", "timed out")
        );
        assert_eq!(
            availability("apps", "Deployment", &object),
            Some(Availability::None)
        );
    }

    #[test]
    fn an_unknown_kind_is_judged_by_its_ready_condition() {
        let object = json!({"metadata": {}, "status": {"conditions": [
            {"type": "Ready", "status": "False", "reason": "Issuing", "message": "waiting for the issuer"}]}});
        assert_eq!(
            judge("cert-manager.io", "Certificate", &object),
            Verdict::progress("Issuing", "waiting for the issuer")
        );
        assert_eq!(
            judge("x.io", "Plain", &json!({"metadata": {}})).health,
            Health::Current
        );
    }

    #[test]
    fn a_deleted_object_names_the_finalizers_it_waits_for() {
        let object = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}});
        let verdict = judge("", "Namespace", &object);
        assert_eq!(
            (verdict.health, verdict.message.as_str()),
            (Health::Terminating, "waiting for finalizers: a/b")
        );
    }

    #[test]
    fn nothing_in_a_hostile_object_panics() {
        for object in [
            json!(null),
            json!([]),
            json!({"status": 3, "spec": [], "metadata": "x"}),
            json!({"status": {"conditions": {"Ready": "True"}, "containerStatuses": "x", "phase": 7}}),
        ] {
            for (group, kind) in [
                ("", "Pod"),
                ("apps", "Deployment"),
                ("batch", "Job"),
                ("", "Node"),
                ("x", "Y"),
            ] {
                let _ = judge(group, kind, &object);
                let _ = availability(group, kind, &object);
            }
        }
    }
}
