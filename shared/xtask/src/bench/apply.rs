//! What a graph costs beyond its objects.
//!
//! The limit is a bare client that sends the same 200 ConfigMaps by server-side apply with the same parallelism and
//! nothing else: no order, no inventory, no status. Measured from writing the Transform to its `Ready`.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use pequod_api::{ResourceGraph, Transform, names};
use pequod_testkit::{ControlPlane, Error, Result, wait};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::measure::median;
use crate::suites::Figure;

const NODES: usize = 200;
const PARALLELISM: usize = 16;
const ROUNDS: usize = 5;

pub(super) fn run(_: &[String]) -> Result<Vec<Figure>> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::while_doing("no runtime"))?;
    runtime.block_on(measure())
}

async fn measure() -> Result<Vec<Figure>> {
    let program = super::release("kubectl-transform")?;
    let cluster = ControlPlane::start().await?;
    cluster.install_crds().await;
    let mut command: Command = cluster.command(&program, "admin");
    command.args([
        "controller",
        "--no-leader-election",
        "--health-address=127.0.0.1:0",
        &format!("--parallelism={PARALLELISM}"),
    ]);
    let controller = cluster.spawn("controller", &command)?;
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(graph(&cluster).await.as_secs_f64() * 1e3);
        bare.push(plain(&cluster).await?.as_secs_f64() * 1e3);
    }
    controller.stop().await;
    let (ours, bare) = (median(ours), median(bare));
    println!("| what | ms | objects a second | ratio |\n| --- | --- | --- | --- |");
    let rate = |ms: f64| f64::from(u32::try_from(NODES).unwrap_or(u32::MAX)) / ms * 1e3;
    println!(
        "| Transform of {NODES} ConfigMaps until Ready | {ours:.0} | {:.0} | {:.2} |",
        rate(ours),
        ours / bare
    );
    println!(
        "| the same objects by a bare client | {bare:.0} | {:.0} | 1 |",
        rate(bare)
    );
    println!("\nMedians of {ROUNDS} alternating rounds, {PARALLELISM} requests at a time.");
    Ok(vec![Figure {
        name: "ratio".to_owned(),
        value: ours / bare,
    }])
}

/// The time from writing a Transform to its `Ready`.
async fn graph(cluster: &ControlPlane) -> Duration {
    let namespace = cluster.namespace("bench-graph").await;
    grant(cluster, &namespace).await;
    let module = format!(
        "import \"list\"\n\ngraph: nodes: {{\n\tfor i in list.Range(0, {NODES}, 1) {{\n\t\t\"cm\\(i)\": object: {{\n\
         \t\t\tapiVersion: \"v1\"\n\t\t\tkind: \"ConfigMap\"\n\t\t\tmetadata: name: \"cm-\\(i)\"\n\t\t\tdata: {{number: \
         \"\\(i)\", text: \"value\"}}\n\t\t}}\n\t}}\n}}\n"
    );
    let transform = json!({
        "apiVersion": "platform.pequod.io/v1alpha1", "kind": "Transform",
        "metadata": {"name": "many"},
        "spec": {"cueRef": {"type": "inline", "ref": module}}
    });
    let begin = Instant::now();
    cluster.apply(&namespace, &transform.to_string()).await;
    let graphs: Api<ResourceGraph> = Api::namespaced(cluster.client(), &namespace);
    wait::until(&graphs, "many", "is ready", |graph| {
        graph
            .and_then(|graph| graph.status.as_ref())
            .is_some_and(|status| {
                status
                    .conditions
                    .iter()
                    .any(|condition| condition.type_ == "Ready" && condition.status == "True")
            })
    })
    .await;
    let taken = begin.elapsed();
    let transforms: Api<Transform> = Api::namespaced(cluster.client(), &namespace);
    // Removal goes on beside the next round for neither side.
    if transforms
        .delete("many", &kube::api::DeleteParams::default())
        .await
        .is_ok()
    {
        wait::until(&transforms, "many", "is gone", |transform| {
            transform.is_none()
        })
        .await;
    }
    taken
}

/// What the default ServiceAccount needs.
async fn grant(cluster: &ControlPlane, namespace: &str) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "bench"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}]
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "bench"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "bench"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}]
    });
    for object in [role, binding] {
        cluster.apply(namespace, &object.to_string()).await;
    }
}

/// The time a client takes that only sends the objects.
async fn plain(cluster: &ControlPlane) -> Result<Duration> {
    let namespace = cluster.namespace("bench-plain").await;
    let api: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
    let slots = Arc::new(Semaphore::new(PARALLELISM));
    let begin = Instant::now();
    let mut sending: JoinSet<kube::Result<ConfigMap>> = JoinSet::new();
    for number in 0..NODES {
        let (api, slots) = (api.clone(), slots.clone());
        sending.spawn(async move {
            let _slot = slots.acquire().await;
            let name = format!("cm-{number}");
            let params = PatchParams::apply(names::FIELD_MANAGER);
            api.patch(&name, &params, &Patch::Apply(&config_map(&name, number)))
                .await
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.map_err(Error::while_doing("a request was lost"))?
            .map_err(Error::while_doing("a request was refused"))?;
    }
    Ok(begin.elapsed())
}

fn config_map(name: &str, number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"number": number.to_string(), "text": "value"}
    })
}
