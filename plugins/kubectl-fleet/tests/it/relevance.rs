//! A hundred questions over a fleet, with the objects that answer each: how many of them are found, and how much else.
//!
//! `testdata/relevance/` holds both. An exact query is judged by everything it finds; a search by words, which ranks,
//! by as many of its first results as there are right ones (precision) and by its first ten (recall). The floors are
//! what was reached: they may only rise. `PEQUOD_FLEET_RELEVANCE=1` prints every question that is not answered exactly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kubectl_fleet::answer::{answer, known};
use kubectl_fleet::concepts;
use kubectl_fleet::freshness::ClusterState;
use kubectl_fleet::meaning::{Meaning, local};
use kubectl_fleet::observe::{self, Served};
use kubectl_fleet::query::words::understand;
use kubectl_fleet::store::{Capability, Change, Store, embedded};
use serde_json::{Value, json};

use crate::fixture::NOW;

/// What offline search reaches, in percent.
const PRECISION: f64 = 95.8;
const RECALL: f64 = 94.8;

/// What definitions say of the custom kinds, and how kinds are called.
fn served(group_kind: &str) -> (Served, &'static str) {
    let (group, kind) = group_kind.split_once('/').unwrap_or(("", group_kind));
    let lower = kind.to_lowercase();
    let resource = match lower.strip_suffix('y') {
        Some(stem) if kind == "NetworkPolicy" => format!("{stem}ies"),
        _ if lower.ends_with("ss") => format!("{lower}es"),
        _ => format!("{lower}s"),
    };
    let short: &[&str] = match kind {
        "Pod" => &["po"],
        "Deployment" => &["deploy"],
        "StatefulSet" => &["sts"],
        "DaemonSet" => &["ds"],
        "CronJob" => &["cj"],
        "ConfigMap" => &["cm"],
        "PersistentVolumeClaim" => &["pvc"],
        "HorizontalPodAutoscaler" => &["hpa"],
        "Ingress" => &["ing"],
        "NetworkPolicy" => &["netpol"],
        "Namespace" => &["ns"],
        "Node" => &["no"],
        "Certificate" => &["cert"],
        _ => &[],
    };
    let description = match kind {
        "Cluster" => "A PostgreSQL database cluster run by CloudNativePG.",
        "Kafka" => "An Apache Kafka cluster: a message queue.",
        "Certificate" => "A TLS certificate that is issued and renewed.",
        "Application" => "A set of objects that Argo CD keeps in step with Git.",
        "Backup" => "A backup of objects and volumes of a cluster.",
        _ => "",
    };
    let mut aliases: Vec<String> = short.iter().map(|&it| it.to_owned()).collect();
    aliases.push(lower);
    let served = Served {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        resource,
        namespaced: !matches!(kind, "Node" | "Namespace"),
        aliases,
        categories: Vec::new(),
        about: concepts::of(kind, [group, description]),
    };
    (served, description)
}

/// An object in a state, as its API server would show it.
fn object(state: &str, image: &str) -> Value {
    let waiting = |reason: &str| {
        json!({"spec": {"containers": [{"name": "c", "image": image}]}, "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": reason}}}]}})
    };
    let template = json!({"spec": {"containers": [{"name": "c", "image": image}]}});
    match state {
        "ok" => {
            json!({"spec": {"containers": [{"name": "c", "image": image}]}, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
        }
        "crash" => waiting("CrashLoopBackOff"),
        "pull" => {
            let mut pod = waiting("ImagePullBackOff");
            pod["status"]["phase"] = json!("Pending");
            pod
        }
        "oom" => {
            let mut pod = waiting("CrashLoopBackOff");
            pod["status"]["containerStatuses"][0] = json!({"name": "c", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}});
            pod
        }
        "unsched" => {
            json!({"spec": {"containers": [{"name": "c", "image": image}]}, "status": {"phase": "Pending",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node fits"}]}})
        }
        "ready" => json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        "notready" => {
            json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Failed", "message": "it does not work"}]}})
        }
        "failed" => {
            json!({"spec": {"template": template}, "status": {"failed": 1, "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}})
        }
        "daemons" => {
            json!({"spec": {"template": template}, "status": {"desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberReady": 3, "numberAvailable": 3, "updatedNumberScheduled": 3}})
        }
        "Bound" | "Pending" => json!({"status": {"phase": state}}),
        "terminating" => {
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["kubernetes"]}, "status": {"phase": "Terminating"}})
        }
        counts if counts.contains('/') => {
            let (ready, wanted) = counts.split_once('/').unwrap();
            let (ready, wanted): (i64, i64) = (ready.parse().unwrap(), wanted.parse().unwrap());
            let available = if ready >= wanted { "True" } else { "False" };
            json!({"spec": {"replicas": wanted, "template": template},
                "status": {"replicas": wanted, "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": wanted, "currentReplicas": wanted,
                    "conditions": [{"type": "Available", "status": available}]}})
        }
        _ => json!({"spec": {"jobTemplate": {"spec": {"template": template}}}}),
    }
}

fn lines(file: &str) -> Vec<String> {
    let path = format!("{}/testdata/relevance/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// The fleet in a store, and the keys of its objects by their ids.
async fn fleet(store: &dyn Store) -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut capabilities: BTreeMap<String, Vec<Capability>> = BTreeMap::new();
    for line in lines("objects.txt") {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [
            key,
            cluster,
            namespace,
            kind,
            name,
            labels,
            image,
            state,
            minutes,
        ] = cells[..]
        else {
            panic!("not nine cells: {line}");
        };
        let (served, description) = served(kind);
        let mut object = object(state, image);
        if object.get("metadata").is_none() {
            object["metadata"] = json!({});
        }
        let labels: BTreeMap<&str, &str> = labels
            .split(',')
            .filter_map(|label| label.split_once('='))
            .collect();
        object["metadata"]["name"] = json!(name);
        object["metadata"]["uid"] = json!(key);
        object["metadata"]["labels"] = json!(labels);
        if !namespace.is_empty() {
            object["metadata"]["namespace"] = json!(namespace);
        }
        let mut record = observe::record(cluster, &served, &object, Vec::new(), NOW - 5).unwrap();
        record.created_at = NOW - 60 * minutes.parse::<i64>().unwrap();
        keys.insert(record.id.clone(), key.to_owned());
        store.apply(&[Change::Put(Box::new(record))]).await.unwrap();
        let known = capabilities.entry(cluster.to_owned()).or_default();
        if !known.iter().any(|it| it.served == served) {
            known.push(Capability {
                cluster: cluster.to_owned(),
                served,
                description: description.to_owned(),
            });
        }
    }
    for (cluster, kinds) in capabilities {
        store.put_capabilities(&cluster, &kinds).await.unwrap();
        let state = ClusterState {
            cluster,
            epoch: 1,
            ..ClusterState::default()
        };
        store.put_cluster(&state).await.unwrap();
    }
    keys
}

/// How well the questions were answered, in percent, and how many exactly.
struct Reached {
    precision: f64,
    recall: f64,
    exact: u32,
}

/// Asks them all of a store that was just made.
async fn reached(store: &dyn Store) -> Reached {
    let keys = fleet(store).await;
    for cluster in known(store).await.unwrap().vocabulary.clusters {
        while store.grasp(&cluster).await.unwrap() > 0 {}
    }
    let known = known(store).await.unwrap();
    let show = std::env::var_os("PEQUOD_FLEET_RELEVANCE").is_some();
    let (mut precision, mut recall, mut exact, mut asked) = (0.0, 0.0, 0, 0);
    for line in lines("questions.txt") {
        let (question, right) = line.split_once(" => ").unwrap();
        let right: BTreeSet<&str> = right.split_whitespace().collect();
        let unknown = right.iter().find(|key| !keys.values().any(|it| it == *key));
        assert!(unknown.is_none(), "{question}: no object {unknown:?}");
        let mut query = understand(question, &known.vocabulary);
        // Counted by something, the same objects.
        query.by = None;
        let ranked = !query.text.is_empty();
        let limit = if ranked { 10 } else { 1000 };
        let answered = answer(store, &known, &query, NOW, limit).await.unwrap();
        let found: Vec<&str> = answered
            .items
            .iter()
            .map(|record| keys[&record.id].as_str())
            .collect();
        let hits = |found: &[&str]| found.iter().filter(|key| right.contains(*key)).count();
        let first = if ranked {
            &found[..found.len().min(right.len())]
        } else {
            &found[..]
        };
        #[expect(clippy::cast_precision_loss, reason = "a handful of objects")]
        let share = |some: usize, of: usize| {
            if of == 0 {
                0.0
            } else {
                some as f64 / of as f64
            }
        };
        let (p, r) = (
            share(hits(first), first.len()),
            share(hits(&found), right.len()),
        );
        if show && (p < 1.0 || r < 1.0) {
            println!(
                "{p:.2} {r:.2} {question}\n          {}\n          found {found:?}\n          right {right:?}",
                answered.query
            );
        }
        precision += p;
        recall += r;
        exact += u32::from(p >= 1.0 && r >= 1.0);
        asked += 1;
    }
    let (precision, recall) = (
        precision / f64::from(asked) * 100.0,
        recall / f64::from(asked) * 100.0,
    );
    assert_eq!(asked, 100);
    Reached {
        precision,
        recall,
        exact,
    }
}

#[tokio::test]
async fn a_hundred_questions_are_answered_as_well_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let reached = reached(&embedded::open(folder.path()).unwrap()).await;
    let Reached {
        precision, recall, ..
    } = reached;
    println!(
        "figures: questions=100 precision={precision:.1} recall={recall:.1} exact={}",
        reached.exact
    );
    assert!(
        precision >= PRECISION && recall >= RECALL,
        "precision {precision:.1}, recall {recall:.1}"
    );
}

/// With a real model beside the words. Its package is on PyPI; nothing here brings it.
#[tokio::test]
#[ignore = "needs all-MiniLM-L6-v2 in PEQUOD_FLEET_MODEL: cargo xtask conformance meaning"]
async fn what_meaning_beside_words_gains_and_costs() {
    let model = local::open(std::env::var("PEQUOD_FLEET_MODEL").unwrap().as_ref()).unwrap();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let words = reached(&embedded::open(first.path()).unwrap()).await;
    let meaning = Some(Arc::new(Meaning::new(model)));
    let store = embedded::open(second.path()).unwrap().with(meaning);
    let hybrid = reached(&store).await;
    println!("search              precision  recall  answered exactly");
    for (name, reached) in [("words", &words), ("words and meaning", &hybrid)] {
        println!(
            "{name:<19} {:>9.1}  {:>6.1}  {:>3} of 100",
            reached.precision, reached.recall, reached.exact
        );
    }
    println!(
        "figures: precisionGained={:.2} recallGained={:.2}",
        hybrid.precision - words.precision,
        hybrid.recall - words.recall
    );
}
