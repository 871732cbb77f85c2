//! Random RBAC rules: somebody finds exactly what `kubectl auth can-i` allows them.
//!
//! `PEQUOD_FLEET_RULES` says how many rules (240).

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use kubectl_fleet::query::Query;
use kubectl_fleet::record::Record;
use kubectl_fleet::store::all;
use pequod_testkit::ControlPlane;
use serde_json::{Value, json};

use super::Served;
use crate::history::Dice;

const KINDS: &[&str] = &[
    "configmaps",
    "services",
    "serviceaccounts",
    "deployments.apps",
    "namespaces",
    "priorityclasses.scheduling.k8s.io",
];
const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
const RULES_PER_ROUND: u64 = 40;

fn one<'a>(dice: &Dice, of: &[&'a str]) -> &'a str {
    of[usize::try_from(dice.roll(of.len() as u64)).unwrap()]
}

fn rule(dice: &Dice, namespaces: &[String]) -> Value {
    let group = one(
        dice,
        &[
            "",
            "",
            "",
            "apps",
            "apps",
            "scheduling.k8s.io",
            "*",
            "batch",
        ],
    );
    let resource = one(
        dice,
        &[
            "configmaps",
            "services",
            "serviceaccounts",
            "deployments",
            "deployments/status",
            "namespaces",
            "priorityclasses",
            "configmaps",
            "pods",
            "*",
        ],
    );
    let verbs: Vec<&str> = (0..=dice.roll(2))
        .map(|_| {
            one(
                dice,
                &[
                    "get", "list", "get", "list", "watch", "create", "delete", "*",
                ],
            )
        })
        .collect();
    let mut rule = json!({"apiGroups": [group], "resources": [resource], "verbs": verbs});
    if dice.roll(3) == 0 {
        let name = match dice.roll(6) {
            0 => namespaces[0].clone(),
            1 => "default".to_owned(),
            2 => "system-cluster-critical".to_owned(),
            n => format!("o{}", n - 3),
        };
        rule["resourceNames"] = json!([name]);
    }
    rule
}

fn subject(dice: &Dice) -> Value {
    let api = "rbac.authorization.k8s.io";
    match dice.roll(8) {
        0 => json!({"kind": "Group", "name": "people", "apiGroup": api}),
        1 => json!({"kind": "ServiceAccount", "name": "default", "namespace": "default"}),
        2 => json!({"kind": "User", "name": "dave", "apiGroup": api}),
        _ => json!({"kind": "User", "name": one(dice, &PEOPLE), "apiGroup": api}),
    }
}

/// Roles and bindings of a round, all with its label.
fn round(dice: &Dice, number: u64, namespaces: &[String]) -> Vec<Value> {
    let api = "rbac.authorization.k8s.io/v1";
    let mut objects = Vec::new();
    for at in 0..RULES_PER_ROUND / 4 {
        let name = format!("fleet-{number}-{at}");
        let namespace = one(
            dice,
            &namespaces.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let rules: Vec<Value> = (0..4).map(|_| rule(dice, namespaces)).collect();
        // Narrow roles are the interesting ones: most rights are in one namespace.
        let (role_kind, binding_kind) = match dice.roll(6) {
            0 => ("ClusterRole", "ClusterRoleBinding"),
            1..3 => ("ClusterRole", "RoleBinding"),
            _ => ("Role", "RoleBinding"),
        };
        let metadata = |kind: &str| {
            let mut metadata = json!({"name": name, "labels": {"fleet-round": number.to_string()}});
            if !kind.starts_with("Cluster") {
                metadata["namespace"] = json!(namespace);
            }
            metadata
        };
        objects.push(json!({"apiVersion": api, "kind": role_kind, "metadata": metadata(role_kind), "rules": rules}));
        let subjects: Vec<Value> = (0..=dice.roll(2)).map(|_| subject(dice)).collect();
        objects.push(json!({"apiVersion": api, "kind": binding_kind, "metadata": metadata(binding_kind), "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": name}}));
    }
    objects
}

async fn can_i(reviews: &Api<SelfSubjectAccessReview>, record: &Record, verb: &str) -> bool {
    let mut attributes = json!({"group": record.identity.api_group, "resource": record.resource, "verb": verb,
        "namespace": record.identity.namespace});
    if verb == "get" {
        attributes["name"] = json!(record.identity.name);
    }
    let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes}});
    let review = serde_json::from_value(review).unwrap();
    let answer = reviews
        .create(&PostParams::default(), &review)
        .await
        .unwrap();
    answer.status.is_some_and(|status| status.allowed)
}

async fn allowed(cluster: &ControlPlane, person: &str, records: &[Record]) -> BTreeSet<String> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(cluster.client_of(person));
    futures::stream::iter(records)
        .map(|record| {
            let reviews = &reviews;
            async move {
                let may =
                    can_i(reviews, record, "list").await || can_i(reviews, record, "get").await;
                may.then(|| record.id.clone())
            }
        })
        .buffer_unordered(8)
        .filter_map(async |id| id)
        .collect()
        .await
}

async fn found(served: &Served, person: &str, query: &str) -> BTreeSet<String> {
    let answer = served
        .json(
            &format!("/api/v1/search?limit=10000&q={query}"),
            &format!("{person}-token"),
        )
        .await;
    let items = answer["items"].as_array().unwrap();
    assert_eq!(answer["total"], items.len(), "counts see what lists see");
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

async fn remove(cluster: &ControlPlane, number: u64, namespaces: &[String]) {
    use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
    let list = ListParams::default().labels(&format!("fleet-round={number}"));
    let gone = DeleteParams::default();
    let client = cluster.client();
    let _ = Api::<ClusterRoleBinding>::all(client.clone())
        .delete_collection(&gone, &list)
        .await
        .unwrap();
    let _ = Api::<ClusterRole>::all(client.clone())
        .delete_collection(&gone, &list)
        .await
        .unwrap();
    for namespace in namespaces {
        let _ = Api::<RoleBinding>::namespaced(client.clone(), namespace)
            .delete_collection(&gone, &list)
            .await
            .unwrap();
        let _ = Api::<Role>::namespaced(client.clone(), namespace)
            .delete_collection(&gone, &list)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_finds_exactly_what_can_i_allows_them() {
    let rules: u64 = std::env::var("PEQUOD_FLEET_RULES")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(240);
    // Roles of other tests would change what is allowed between two questions.
    let cluster = ControlPlane::start().await.unwrap();
    let mut namespaces = Vec::new();
    for _ in 0..3 {
        namespaces.push(cluster.namespace("rules").await);
    }
    for namespace in &namespaces {
        for at in 0..3 {
            let objects = format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: o{at}}}}}\n---\n{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: o{at}}}}}\n---\n{{apiVersion: v1, kind: Service, metadata: {{name: o{at}}}, spec: {{ports: [{{port: 80}}]}}}}"
            );
            cluster.apply(namespace, &objects).await;
        }
        let deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: o0}, spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: c}]}}}}";
        cluster.apply(namespace, deployment).await;
    }
    let mut served = Served::new(&cluster, &namespaces, KINDS).await;
    let dice = Dice::new(rules);
    let (mut compared, mut seen) = (0, 0);
    for number in 0..rules.div_ceil(RULES_PER_ROUND) {
        for object in round(&dice, number, &namespaces) {
            cluster.apply("", &object.to_string()).await;
        }
        let records = all(&*served.store, &Query::default(), 0).await.unwrap();
        for person in PEOPLE {
            // The API server's own view of its roles lags a moment behind what it answered.
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            loop {
                let expected = allowed(&cluster, person, &records).await;
                let is = found(&served, person, "").await;
                if is == expected {
                    compared += records.len();
                    seen += is.len();
                    break;
                }
                assert!(
                    tokio::time::Instant::now() < deadline,
                    "round {number}, {person}: too much {:#?}, missing {:#?}",
                    is.difference(&expected),
                    expected.difference(&is)
                );
            }
        }
        remove(&cluster, number, &namespaces).await;
    }
    served.end_agent().await;
    assert!(seen > 0 && seen < compared, "{seen} of {compared}");
    println!("figures: rules={rules} compared={compared} readable={seen} wrong=0");
}
