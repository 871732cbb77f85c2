//! The kstatus rules, as a table: what is read, what it is.

use pequod_kube::status::Status::{self, *};
use serde_json::{Value, json};

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": "m"})
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "called with `json!` literals, which read better without a borrow"
)]
fn object(api: &str, kind: &str, spec: Value, status: Value) -> Value {
    json!({
        "apiVersion": api, "kind": kind, "metadata": {"name": "x", "generation": 1},
        "spec": spec, "status": status
    })
}

fn deployment(spec: Value, status: Value) -> Value {
    object("apps/v1", "Deployment", spec, status)
}

/// A Deployment's status with all counts at `n`.
fn rolled_out(n: i64) -> Value {
    json!({
        "observedGeneration": 1, "replicas": n, "updatedReplicas": n, "readyReplicas": n, "availableReplicas": n,
        "conditions": [
            condition("Available", "True", "MinimumReplicasAvailable"),
            condition("Progressing", "True", "NewReplicaSetAvailable"),
        ]
    })
}

fn with(mut status: Value, field: &str, value: Value) -> Value {
    status[field] = value;
    status
}

#[test]
fn every_kind_is_read_by_its_rule() {
    let sets = |n: i64, m: i64| {
        json!({"observedGeneration": 1, "replicas": n, "readyReplicas": m, "availableReplicas": m,
               "fullyLabeledReplicas": n, "currentReplicas": n, "currentRevision": "a", "updateRevision": "a"})
    };
    let daemons = |ready: i64| {
        json!({"observedGeneration": 1, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
               "updatedNumberScheduled": 2, "numberAvailable": ready, "numberReady": ready})
    };
    let conditions = |list: Vec<Value>| json!({"conditions": list});
    let table: Vec<(&str, Value, Status)> = vec![
        (
            "config map",
            object("v1", "ConfigMap", json!({}), json!({})),
            Current,
        ),
        (
            "secret",
            object("v1", "Secret", json!({}), json!({})),
            Current,
        ),
        (
            "cron job",
            object("batch/v1", "CronJob", json!({}), json!({})),
            Current,
        ),
        (
            "disruption budget",
            object("policy/v1", "PodDisruptionBudget", json!({}), json!({})),
            Current,
        ),
        (
            "service",
            object("v1", "Service", json!({"clusterIP": "10.0.0.1"}), json!({})),
            Current,
        ),
        (
            "balancer without address",
            object("v1", "Service", json!({"type": "LoadBalancer"}), json!({})),
            InProgress,
        ),
        (
            "fresh deployment",
            deployment(json!({}), json!({})),
            InProgress,
        ),
        (
            "deployment",
            deployment(json!({"replicas": 2}), rolled_out(2)),
            Current,
        ),
        (
            "deployment of none",
            deployment(json!({"replicas": 0}), rolled_out(0)),
            Current,
        ),
        (
            "deployment, too few",
            deployment(json!({"replicas": 3}), rolled_out(2)),
            InProgress,
        ),
        (
            "deployment, old ones left",
            deployment(
                json!({"replicas": 2}),
                with(rolled_out(2), "replicas", json!(3)),
            ),
            InProgress,
        ),
        (
            "deployment, none ready",
            deployment(
                json!({"replicas": 2}),
                with(rolled_out(2), "readyReplicas", json!(0)),
            ),
            InProgress,
        ),
        (
            "deployment, not seen",
            deployment(
                json!({"replicas": 2}),
                with(rolled_out(2), "observedGeneration", json!(0)),
            ),
            InProgress,
        ),
        (
            "deployment, stuck",
            deployment(
                json!({}),
                with(
                    rolled_out(1),
                    "conditions",
                    json!([condition(
                        "Progressing",
                        "False",
                        "ProgressDeadlineExceeded"
                    )]),
                ),
            ),
            Failed,
        ),
        (
            "deployment, progress not watched",
            deployment(
                json!({"progressDeadlineSeconds": 2_147_483_647}),
                with(
                    rolled_out(1),
                    "conditions",
                    json!([condition("Available", "True", "A")]),
                ),
            ),
            Current,
        ),
        (
            "replica set",
            object("apps/v1", "ReplicaSet", json!({"replicas": 2}), sets(2, 2)),
            Current,
        ),
        (
            "replica set, too few",
            object("apps/v1", "ReplicaSet", json!({"replicas": 2}), sets(2, 1)),
            InProgress,
        ),
        (
            "replica set, too many",
            object("apps/v1", "ReplicaSet", json!({"replicas": 1}), sets(2, 2)),
            InProgress,
        ),
        (
            "replication controller",
            object(
                "v1",
                "ReplicationController",
                json!({"replicas": 1}),
                sets(1, 1),
            ),
            Current,
        ),
        (
            "stateful set",
            object("apps/v1", "StatefulSet", json!({"replicas": 2}), sets(2, 2)),
            Current,
        ),
        (
            "stateful set, fresh",
            object("apps/v1", "StatefulSet", json!({"replicas": 2}), json!({})),
            InProgress,
        ),
        (
            "stateful set, not ready",
            object("apps/v1", "StatefulSet", json!({"replicas": 2}), sets(2, 1)),
            InProgress,
        ),
        (
            "stateful set, new revision",
            object(
                "apps/v1",
                "StatefulSet",
                json!({}),
                with(sets(1, 1), "updateRevision", json!("b")),
            ),
            InProgress,
        ),
        (
            "stateful set, partition reached",
            object(
                "apps/v1",
                "StatefulSet",
                json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}),
                with(
                    with(sets(3, 3), "updateRevision", json!("b")),
                    "updatedReplicas",
                    json!(1),
                ),
            ),
            Current,
        ),
        (
            "stateful set, partition not reached",
            object(
                "apps/v1",
                "StatefulSet",
                json!({"replicas": 3, "updateStrategy": {"rollingUpdate": {"partition": 2}}}),
                sets(3, 3),
            ),
            InProgress,
        ),
        (
            "stateful set, updated by hand",
            object(
                "apps/v1",
                "StatefulSet",
                json!({"updateStrategy": {"type": "OnDelete"}}),
                json!({}),
            ),
            Current,
        ),
        (
            "daemon set",
            object("apps/v1", "DaemonSet", json!({}), daemons(2)),
            Current,
        ),
        (
            "daemon set, not ready",
            object("apps/v1", "DaemonSet", json!({}), daemons(1)),
            InProgress,
        ),
        (
            "daemon set, fresh",
            object("apps/v1", "DaemonSet", json!({}), json!({})),
            InProgress,
        ),
        (
            "claim",
            object(
                "v1",
                "PersistentVolumeClaim",
                json!({}),
                json!({"phase": "Bound"}),
            ),
            Current,
        ),
        (
            "claim, unbound",
            object(
                "v1",
                "PersistentVolumeClaim",
                json!({}),
                json!({"phase": "Pending"}),
            ),
            InProgress,
        ),
        (
            "claim, lost",
            object(
                "v1",
                "PersistentVolumeClaim",
                json!({}),
                json!({"phase": "Lost"}),
            ),
            Failed,
        ),
        (
            "pod, done",
            object("v1", "Pod", json!({}), json!({"phase": "Succeeded"})),
            Current,
        ),
        (
            "pod, failed",
            object("v1", "Pod", json!({}), json!({"phase": "Failed"})),
            Failed,
        ),
        (
            "pod, ready",
            object(
                "v1",
                "Pod",
                json!({}),
                with(
                    conditions(vec![condition("Ready", "True", "")]),
                    "phase",
                    json!("Running"),
                ),
            ),
            Current,
        ),
        (
            "pod, crashing",
            object(
                "v1",
                "Pod",
                json!({}),
                json!({"phase": "Running", "containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
            ),
            Failed,
        ),
        (
            "pod, unschedulable",
            object(
                "v1",
                "Pod",
                json!({}),
                with(
                    conditions(vec![condition("PodScheduled", "False", "Unschedulable")]),
                    "phase",
                    json!("Pending"),
                ),
            ),
            InProgress,
        ),
        (
            "job, running",
            object(
                "batch/v1",
                "Job",
                json!({}),
                json!({"startTime": "2026-01-01T00:00:00Z", "active": 1}),
            ),
            InProgress,
        ),
        (
            "job, complete",
            object(
                "batch/v1",
                "Job",
                json!({}),
                conditions(vec![condition("Complete", "True", "")]),
            ),
            Current,
        ),
        (
            "job, failed",
            object(
                "batch/v1",
                "Job",
                json!({}),
                conditions(vec![condition("Failed", "True", "BackoffLimitExceeded")]),
            ),
            Failed,
        ),
        (
            "definition, fresh",
            object(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                json!({}),
                json!({}),
            ),
            InProgress,
        ),
        (
            "definition",
            object(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                json!({}),
                conditions(vec![
                    condition("NamesAccepted", "True", ""),
                    condition("Established", "True", ""),
                ]),
            ),
            Current,
        ),
        (
            "definition, installing",
            object(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                json!({}),
                conditions(vec![condition("Established", "False", "Installing")]),
            ),
            InProgress,
        ),
        (
            "definition, refused",
            object(
                "apiextensions.k8s.io/v1",
                "CustomResourceDefinition",
                json!({}),
                conditions(vec![condition(
                    "NamesAccepted",
                    "False",
                    "ListKindConflict",
                )]),
            ),
            Failed,
        ),
        (
            "api service, down",
            object(
                "apiregistration.k8s.io/v1",
                "APIService",
                json!({}),
                conditions(vec![condition("Available", "False", "MissingEndpoints")]),
            ),
            InProgress,
        ),
        (
            "other, no status",
            object("example.org/v1", "Bucket", json!({}), json!({})),
            Current,
        ),
        (
            "other, not ready",
            object(
                "example.org/v1",
                "Bucket",
                json!({}),
                conditions(vec![condition("Ready", "False", "Waiting")]),
            ),
            InProgress,
        ),
        (
            "other, unknown",
            object(
                "example.org/v1",
                "Bucket",
                json!({}),
                conditions(vec![condition("Ready", "Unknown", "Waiting")]),
            ),
            InProgress,
        ),
        (
            "other, stalled",
            object(
                "example.org/v1",
                "Bucket",
                json!({}),
                conditions(vec![condition("Stalled", "True", "Broken")]),
            ),
            Failed,
        ),
        (
            "other, reconciling",
            object(
                "example.org/v1",
                "Bucket",
                json!({}),
                conditions(vec![
                    condition("Reconciling", "True", "Busy"),
                    condition("Ready", "True", ""),
                ]),
            ),
            InProgress,
        ),
        (
            "other, stale",
            object(
                "example.org/v1",
                "Bucket",
                json!({}),
                json!({"observedGeneration": 0, "conditions": [condition("Ready", "True", "")]}),
            ),
            InProgress,
        ),
    ];
    for (what, object, want) in table {
        let verdict = pequod_kube::status::of(Some(&object));
        assert_eq!(verdict.status, want, "{what}: {}", verdict.message);
        assert!(
            want == Current || !verdict.message.is_empty(),
            "{what}: says nothing"
        );
    }
}

#[test]
fn what_is_being_deleted_is_terminating_whatever_it_says() {
    let mut object = object("v1", "ConfigMap", json!({}), json!({}));
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(pequod_kube::status::of(Some(&object)).status, Terminating);
}
