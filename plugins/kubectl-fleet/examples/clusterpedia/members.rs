//! The clusters that are read: three API servers with Pods and ConfigMaps.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use pequod_testkit::{ControlPlane, wait};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::ask::BINDING;

pub(crate) const NAMESPACE: &str = "bench";
const SERVERS: usize = 3;
/// So many requests at a time while the objects are made.
const AT_A_TIME: usize = 16;

pub(crate) struct Members {
    pub(crate) clusters: Vec<ControlPlane>,
    /// How many of each kind.
    pub(crate) each_kind: usize,
}

pub(crate) fn map_name(at: usize) -> String {
    format!("map-{at:06}")
}

/// A ConfigMap that the side of that number deletes.
pub(crate) fn spare(lane: usize) -> String {
    format!("spare-{lane}")
}

/// How a cluster is called, by both sides.
pub(crate) fn cluster_name(at: usize) -> String {
    format!("c{at}")
}

impl Members {
    pub(crate) async fn start(each: usize) -> Self {
        let (mut clusters, each_kind) = (Vec::new(), each / 2);
        for _ in 0..SERVERS {
            let cluster = ControlPlane::start().await.unwrap();
            fill(&cluster, each_kind).await;
            clusters.push(cluster);
        }
        Self {
            clusters,
            each_kind,
        }
    }

    /// How many objects there are, as a client reads them who lists them all.
    pub(crate) async fn objects(&self) -> u64 {
        let mut count = 0;
        for cluster in &self.clusters {
            let (client, all) = (cluster.client(), ListParams::default());
            let maps = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE);
            let pods = Api::<Pod>::namespaced(client, NAMESPACE);
            count += maps.list(&all).await.unwrap().items.len() as u64;
            count += pods.list(&all).await.unwrap().items.len() as u64;
        }
        count
    }

    fn maps(&self, cluster: usize) -> Api<ConfigMap> {
        Api::namespaced(self.clusters[cluster].client(), NAMESPACE)
    }

    /// Gives a ConfigMap of a cluster the label `v`.
    pub(crate) async fn label(&self, cluster: usize, name: &str, value: &str) {
        let patch = json!({"metadata": {"labels": {"v": value}}});
        self.maps(cluster)
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, cluster: usize, name: &str) {
        let (maps, parameters) = (self.maps(cluster), DeleteParams::default());
        maps.delete(name, &parameters).await.unwrap();
    }
}

fn read<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

async fn fill(cluster: &ControlPlane, each_kind: usize) {
    let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}");
    cluster.apply("", &namespace).await;
    cluster.apply("", BINDING).await;
    let client = cluster.client();
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), NAMESPACE);
    wait::until(&accounts, "default", "is there", |it| it.is_some()).await;
    let (maps, pods): (Api<ConfigMap>, Api<Pod>) = (
        Api::namespaced(client.clone(), NAMESPACE),
        Api::namespaced(client, NAMESPACE),
    );
    // Every cluster has this one in every namespace, after a while.
    wait::until(&maps, "kube-root-ca.crt", "is there", |it| it.is_some()).await;
    let parameters = PostParams::default();
    let made = &async |at: usize| {
        let map = read(map(&map_name(at), at));
        maps.create(&parameters, &map).await.unwrap();
        let (name, wanted, status) = pod(at);
        pods.create(&parameters, &read(wanted)).await.unwrap();
        let status = Patch::Merge(json!({"status": status}));
        pods.patch_status(&name, &PatchParams::default(), &status)
            .await
            .unwrap();
    };
    futures::stream::iter(0..each_kind)
        .for_each_concurrent(AT_A_TIME, made)
        .await;
    for lane in 0..2 {
        let spare = read(map(&spare(lane), 0));
        maps.create(&parameters, &spare).await.unwrap();
    }
}

fn map(name: &str, at: usize) -> Value {
    let settings = format!("setting-{at}=0123456789abcdef\n").repeat(24);
    json!({"metadata": {"name": name, "labels": {"app": "bench", "v": "a"}, "annotations": {"note": "a map of the bench"}},
        "data": {"settings": settings}})
}

/// Name, object and status of a Pod of a made-up shop; one in fifty has failed. No scheduler takes it.
fn pod(at: usize) -> (String, Value, Value) {
    const APPS: [&str; 10] = [
        "web", "cart", "payment", "search", "postgres", "redis", "kafka", "mail", "auth", "gateway",
    ];
    let app = APPS[at % APPS.len()];
    let failed = at % 50 == 7;
    let name = format!("{app}-{at:06}");
    let labels = json!({"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": "shop", "team": format!("team-{}", at % 97),
        "pod-template-hash": format!("{:x}", at / 7)});
    let image = format!("registry.example.com/{app}:{}", at % 13);
    let container = json!({"name": "main", "image": image, "ports": [{"containerPort": 8080}],
        "env": [{"name": "LEVEL", "value": "info"}, {"name": "REGION", "value": "eu"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}});
    let object = json!({"metadata": {"name": name, "labels": labels, "annotations": {"description": format!("the {app} of the shop")}},
        "spec": {"schedulerName": "nobody", "containers": [container]}});
    let (phase, ready) = if failed {
        ("Failed", "False")
    } else {
        ("Running", "True")
    };
    let condition = |kind: &str| json!({"type": kind, "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"phase": phase, "podIP": format!("10.1.{}.{}", at / 250 % 250, at % 250),
        "conditions": [condition("Ready"), condition("ContainersReady"), condition("Initialized")]});
    (name, object, status)
}
