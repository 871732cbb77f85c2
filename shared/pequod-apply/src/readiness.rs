//! Whether a node is ready: its own checks, or the kstatus rules where it has none.

use std::time::Duration;

use pequod_api::{ReadyPredicate, ResourceNode};
use pequod_kube::status::{self, Status, Verdict};
use serde_json::Value;

use crate::objects::Objects;

/// Reads a live object (`None`: it is not there) against a node's checks. All must hold; the first that does not is
/// what the node waits for.
pub fn of(node: &ResourceNode, live: Option<&Value>, objects: &dyn Objects) -> Verdict {
    if node.ready_when.is_empty() {
        return status::of(live);
    }
    let Some(object) = live else {
        return status::of(None);
    };
    if pequod_kube::object::is_terminating(object) {
        return status::of(live);
    }
    let mut worst = Verdict::current();
    for check in &node.ready_when {
        let verdict = predicate(&check.predicate, object, objects);
        match verdict.status {
            Status::Current => {}
            Status::Failed => return verdict,
            _ if worst.status == Status::Current => worst = verdict,
            _ => {}
        }
    }
    worst
}

fn predicate(predicate: &ReadyPredicate, object: &Value, objects: &dyn Objects) -> Verdict {
    match predicate {
        // `exists: false` asks for nothing.
        ReadyPredicate::Exists(_) | ReadyPredicate::DeploymentAvailable(false) => {
            Verdict::current()
        }
        ReadyPredicate::DeploymentAvailable(true) => {
            if let Some(stale) = stale(object) {
                return stale;
            }
            condition(object, "Available", "True", None)
        }
        ReadyPredicate::Condition(want) => {
            condition(object, &want.kind, &want.status, want.reason.as_deref())
        }
        ReadyPredicate::Cue(text) => objects
            .check(text, object)
            .unwrap_or_else(|problem| Verdict::failed(problem.to_string())),
    }
}

/// A Deployment whose controller has not seen the newest generation; no `observedGeneration` counts as not seen.
fn stale(object: &Value) -> Option<Verdict> {
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)?;
    let observed = object
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64)
        .unwrap_or(0);
    (observed < generation)
        .then(|| Verdict::in_progress(format!("generation {generation} was not seen yet")))
}

fn condition(object: &Value, kind: &str, status: &str, reason: Option<&str>) -> Verdict {
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64);
    // Where the object as a whole says which generation it speaks of, an older one is no answer.
    let observed = object
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    let wanted = match reason {
        Some(reason) => format!("condition {kind} is not {status} with reason {reason}"),
        None => format!("condition {kind} is not {status}"),
    };
    let Some(found) = status::condition(object, kind) else {
        return Verdict::in_progress(format!("{wanted}: it is not there yet"));
    };
    let spoken_of = found.observed_generation.or(observed);
    if let (Some(generation), Some(spoken_of)) = (generation, spoken_of)
        && spoken_of < generation
    {
        return Verdict::in_progress(format!(
            "condition {kind} speaks of generation {spoken_of}, not yet of {generation}"
        ));
    }
    if found.status == status && reason.is_none_or(|reason| reason == found.reason) {
        return Verdict::current();
    }
    Verdict::in_progress(format!("{wanted}: {}", found.text()))
}

/// How long a node may take: the longest of its checks, or the default.
pub fn time_limit(node: &ResourceNode, default: Duration) -> Duration {
    node.ready_when
        .iter()
        .filter_map(|check| check.timeout_seconds.filter(|seconds| *seconds > 0))
        .max()
        .map_or(default, |seconds| Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests {
    use pequod_api::ApplyPolicy;
    use serde_json::json;

    use super::*;
    use crate::objects::Rendered;

    fn node(ready_when: Value) -> ResourceNode {
        ResourceNode {
            id: "n".into(),
            target: pequod_api::ObjectRef {
                api_version: "apps/v1".into(),
                kind: "Deployment".into(),
                namespace: None,
                name: "n".into(),
            },
            digest: String::new(),
            depends_on: vec![],
            ready_when: serde_json::from_value(ready_when).unwrap(),
            apply: ApplyPolicy::default(),
            ignore: vec![],
        }
    }

    fn live(generation: i64, observed: i64, available: &str) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": generation},
            "status": {"observedGeneration": observed,
                       "conditions": [{"type": "Available", "status": available, "reason": "Because"}]}
        })
    }

    fn status(ready_when: Value, live: Option<&Value>) -> Status {
        of(&node(ready_when), live, &Rendered::default()).status
    }

    #[test]
    fn all_checks_must_hold() {
        let live = live(1, 1, "True");
        let exists = json!({"exists": true});
        let reason = |r: &str| json!({"condition": {"type": "Available", "reason": r}});
        assert_eq!(status(json!([exists]), Some(&live)), Status::Current);
        assert_eq!(status(json!([exists]), None), Status::NotFound);
        assert_eq!(
            status(json!([exists, reason("Because")]), Some(&live)),
            Status::Current
        );
        assert_eq!(
            status(json!([exists, reason("Other")]), Some(&live)),
            Status::InProgress
        );
        assert_eq!(
            status(json!([{"condition": {"type": "Gone"}}]), Some(&live)),
            Status::InProgress
        );
    }

    #[test]
    fn an_old_generations_readiness_is_no_readiness() {
        let stale = live(2, 1, "True");
        assert_eq!(
            status(json!([{"deploymentAvailable": true}]), Some(&stale)),
            Status::InProgress
        );
        assert_eq!(
            status(json!([{"condition": {"type": "Available"}}]), Some(&stale)),
            Status::InProgress
        );
        assert_eq!(
            status(
                json!([{"deploymentAvailable": true}]),
                Some(&live(2, 2, "True"))
            ),
            Status::Current
        );
    }

    #[test]
    fn a_cue_check_says_that_it_is_not_supported() {
        let verdict = of(
            &node(json!([{"cue": "current: true"}])),
            Some(&live(1, 1, "True")),
            &Rendered::default(),
        );
        assert_eq!(verdict.status, Status::Failed);
        assert!(
            verdict.message.contains("not supported"),
            "{}",
            verdict.message
        );
    }

    #[test]
    fn the_longest_check_is_the_time_limit() {
        let limit = |v: Value| time_limit(&node(v), Duration::from_secs(9)).as_secs();
        assert_eq!(limit(json!([])), 9);
        assert_eq!(limit(json!([{"exists": true, "timeoutSeconds": 0}])), 9);
        assert_eq!(
            limit(
                json!([{"exists": true, "timeoutSeconds": 3}, {"deploymentAvailable": true, "timeoutSeconds": 5}])
            ),
            5
        );
    }
}
