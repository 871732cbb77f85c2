//! The kinds that come with Kubernetes and follow no common rule.

use serde_json::Value;

use super::{Verdict, condition, number, text};

/// Reads a built-in kind; `None` for all others.
pub(super) fn read(object: &Value) -> Option<Verdict> {
    let group = text(object, "/apiVersion")
        .split_once('/')
        .map_or("", |(group, _)| group);
    let verdict = match (group, text(object, "/kind")) {
        ("", "Service") => service(object),
        ("", "Pod") => pod(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("apps", "Deployment") => deployment(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replica_set(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps", "DaemonSet") => daemon_set(object),
        ("batch", "Job") => job(object),
        ("batch", "CronJob") | ("policy", "PodDisruptionBudget") | ("", "Secret" | "ConfigMap") => {
            Verdict::current()
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apiregistration.k8s.io", "APIService") => api_service(object),
        _ => return None,
    };
    Some(verdict)
}

fn count(object: &Value, field: &str) -> i64 {
    number(object, &format!("/status/{field}")).unwrap_or(0)
}

/// The first of several counts that falls short.
fn shortfall(want: i64, counts: &[(&str, i64)]) -> Option<Verdict> {
    counts
        .iter()
        .find(|(_, have)| *have < want)
        .map(|(what, have)| Verdict::in_progress(format!("{what}: {have} of {want}")))
}

/// Whether the controller has written a status at all. A fresh object without one must not count as current.
fn unseen(object: &Value) -> Option<Verdict> {
    number(object, "/status/observedGeneration")
        .is_none()
        .then(|| Verdict::in_progress("its controller has not seen it yet"))
}

fn service(object: &Value) -> Verdict {
    let is_balancer = text(object, "/spec/type") == "LoadBalancer";
    let has_address = object
        .pointer("/status/loadBalancer/ingress")
        .and_then(Value::as_array)
        .is_some_and(|list| !list.is_empty());
    if is_balancer && text(object, "/spec/clusterIP").is_empty() && !has_address {
        return Verdict::in_progress("it has no address yet");
    }
    Verdict::current()
}

fn pod(object: &Value) -> Verdict {
    match text(object, "/status/phase") {
        "Succeeded" => Verdict::current(),
        "Failed" => Verdict::failed(format!(
            "the pod failed: {}",
            text(object, "/status/message")
        )),
        "Running" => match condition(object, "Ready") {
            Some(ready) if ready.status == "True" => Verdict::current(),
            ready => crash_loop(object).unwrap_or_else(|| {
                Verdict::in_progress(ready.map_or_else(|| "not ready yet".to_owned(), |c| c.text()))
            }),
        },
        _ => match condition(object, "PodScheduled").filter(|c| c.status == "False") {
            Some(unscheduled) => Verdict::in_progress(unscheduled.text()),
            None => Verdict::in_progress("the pod has not started yet"),
        },
    }
}

fn crash_loop(object: &Value) -> Option<Verdict> {
    let containers = object.pointer("/status/containerStatuses")?.as_array()?;
    containers
        .iter()
        .find(|c| text(c, "/state/waiting/reason") == "CrashLoopBackOff")
        .map(|c| {
            Verdict::failed(format!(
                "container {} crashes again and again",
                text(c, "/name")
            ))
        })
}

fn claim(object: &Value) -> Verdict {
    match text(object, "/status/phase") {
        "Bound" => Verdict::current(),
        "Lost" => Verdict::failed("its volume is lost"),
        _ => Verdict::in_progress("not bound to a volume yet"),
    }
}

fn deployment(object: &Value) -> Verdict {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let progressing = condition(object, "Progressing");
    if let Some(stuck) = progressing.filter(|c| c.reason == "ProgressDeadlineExceeded") {
        return Verdict::failed(stuck.text());
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let updated = count(object, "updatedReplicas");
    if let Some(short) = shortfall(
        want,
        &[
            ("replicas", count(object, "replicas")),
            ("updated replicas", updated),
        ],
    ) {
        return short;
    }
    let old = count(object, "replicas") - want;
    if old > 0 {
        return Verdict::in_progress(format!("{old} old replicas are still there"));
    }
    let counts = [
        ("available replicas", count(object, "availableReplicas")),
        ("ready replicas", count(object, "readyReplicas")),
    ];
    // The deadline's largest value means that progress is not watched, and the condition never comes.
    let watched = number(object, "/spec/progressDeadlineSeconds") != Some(i64::from(i32::MAX));
    if let Some(short) = shortfall(want.min(updated), &counts) {
        return short;
    }
    if let Some(progressing) = progressing
        .filter(|c| watched && (c.status != "True" || c.reason != "NewReplicaSetAvailable"))
    {
        return Verdict::in_progress(progressing.text());
    }
    match condition(object, "Available") {
        Some(available) if available.status != "True" => Verdict::in_progress(available.text()),
        None => Verdict::in_progress("not known to be available yet"),
        _ => Verdict::current(),
    }
}

fn replica_set(object: &Value) -> Verdict {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|c| c.status == "True") {
        return Verdict::in_progress(failure.text());
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let counts = [
        ("labelled replicas", count(object, "fullyLabeledReplicas")),
        ("available replicas", count(object, "availableReplicas")),
        ("ready replicas", count(object, "readyReplicas")),
    ];
    if let Some(short) = shortfall(want, &counts) {
        return short;
    }
    match count(object, "replicas") - want {
        over if over > 0 => Verdict::in_progress(format!("{over} replicas too many")),
        _ => Verdict::current(),
    }
}

fn stateful_set(object: &Value) -> Verdict {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Verdict::current();
    }
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let counts = [
        ("replicas", count(object, "replicas")),
        ("ready replicas", count(object, "readyReplicas")),
    ];
    if let Some(short) = shortfall(want, &counts) {
        return short;
    }
    let over = count(object, "replicas") - want;
    if over > 0 {
        return Verdict::in_progress(format!("{over} replicas too many"));
    }
    if let Some(partition) =
        number(object, "/spec/updateStrategy/rollingUpdate/partition").filter(|p| *p > 0)
    {
        let updated = [("updated replicas", count(object, "updatedReplicas"))];
        return shortfall((want - partition).max(0), &updated).unwrap_or_else(Verdict::current);
    }
    let (now, next) = (
        text(object, "/status/currentRevision"),
        text(object, "/status/updateRevision"),
    );
    if now == next {
        Verdict::current()
    } else {
        Verdict::in_progress(format!("revision {next} is being rolled out"))
    }
}

fn daemon_set(object: &Value) -> Verdict {
    if let Some(unseen) = unseen(object) {
        return unseen;
    }
    let Some(want) = number(object, "/status/desiredNumberScheduled") else {
        return Verdict::in_progress("not known yet how many are wanted");
    };
    let counts = [
        ("scheduled", count(object, "currentNumberScheduled")),
        ("updated", count(object, "updatedNumberScheduled")),
        ("available", count(object, "numberAvailable")),
        ("ready", count(object, "numberReady")),
    ];
    shortfall(want, &counts).unwrap_or_else(Verdict::current)
}

fn job(object: &Value) -> Verdict {
    let holds = |kind| condition(object, kind).filter(|c| c.status == "True");
    if let Some(failed) = holds("Failed") {
        return Verdict::failed(failed.text());
    }
    if holds("Complete").is_some() {
        return Verdict::current();
    }
    if holds("Suspended").is_some() {
        return Verdict::in_progress("the job is suspended");
    }
    let want = number(object, "/spec/completions").unwrap_or(1);
    Verdict::in_progress(format!(
        "completed: {} of {want}",
        count(object, "succeeded")
    ))
}

fn definition(object: &Value) -> Verdict {
    if let Some(refused) = condition(object, "NamesAccepted").filter(|c| c.status == "False") {
        return Verdict::failed(refused.text());
    }
    match condition(object, "Established") {
        Some(c) if c.status == "True" => Verdict::current(),
        Some(c) if c.status == "False" && c.reason != "Installing" => Verdict::failed(c.text()),
        _ => Verdict::in_progress("not established yet"),
    }
}

fn api_service(object: &Value) -> Verdict {
    match condition(object, "Available") {
        Some(c) if c.status == "True" => Verdict::current(),
        Some(c) => Verdict::in_progress(c.text()),
        None => Verdict::in_progress("not known to be available yet"),
    }
}
