//! A namespace with a Transform, and an executor at work in it.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt as _};
use pequod_api::resource_graph::{GraphSource, InventoryItem};
use pequod_api::{NodeId, NodePhase, ObjectRef, ResourceGraph, ResourceNode, Transform};
use pequod_apply::ownership::Owner;
use pequod_apply::{
    Executor, Metrics, Next, Options, Plan, PlanRequest, Publication, ReconcileError, digest,
    drive, plan, publish,
};
use pequod_kube::events::Events;
use pequod_kube::retry::Backoff;
use pequod_kube::{Access, Cluster, ConnectOptions, object};
use pequod_testkit::{ControlPlane, wait};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

pub(crate) struct World {
    pub(crate) plane: &'static ControlPlane,
    pub(crate) cluster: Cluster,
    pub(crate) namespace: String,
    pub(crate) owner: Owner,
    owner_uid: String,
    pub(crate) account: String,
    generation: std::sync::atomic::AtomicI64,
}

/// A node of a test's graph: the node and its object.
pub(crate) type TestNode = (ResourceNode, Value);

/// A node that comes after others.
pub(crate) fn node(object: Value, after: &[&str]) -> TestNode {
    node_with(object, after, json!({}))
}

/// A node with further fields (`apply`, `readyWhen`, `ignore`). Its id is the object's name.
#[expect(clippy::needless_pass_by_value, reason = "tests pass `json!` literals")]
pub(crate) fn node_with(object: Value, after: &[&str], more: Value) -> TestNode {
    let target = ObjectRef {
        namespace: object::namespace(&object).map(str::to_owned),
        ..object::reference(&json!({
            "apiVersion": object["apiVersion"], "kind": object["kind"],
            "metadata": {"name": object["metadata"]["name"]}
        }))
        .unwrap()
    };
    let after: Vec<Value> = after.iter().map(|id| json!({"id": id})).collect();
    let mut spec = json!({
        "id": object::name(&object), "target": target, "digest": digest(&object), "dependsOn": after,
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    (serde_json::from_value(spec).unwrap(), object)
}

pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}
    })
}

pub(crate) fn deployment(name: &str, replicas: i32) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
            },
        },
    })
}

/// Pauses that do not slow tests down.
pub(crate) fn options() -> Options {
    Options {
        ready_timeout: Duration::from_mins(1),
        retry: Backoff {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(1),
        },
        poll: Duration::from_millis(300),
        ..Options::default()
    }
}

pub(crate) fn executor(cluster: &Cluster, options: Options) -> Executor {
    let events = Events::new(cluster.client().clone(), "test", None);
    Executor::new(cluster.clone(), events, Metrics::default(), options)
}

impl World {
    /// With a ServiceAccount that may do everything in its namespace.
    pub(crate) async fn new() -> Self {
        let world = Self::without_rights().await;
        world
            .grant(r#"[{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]"#)
            .await;
        world
    }

    /// With a ServiceAccount that may do nothing.
    pub(crate) async fn without_rights() -> Self {
        static CRDS: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
        let plane = ControlPlane::shared().await;
        CRDS.get_or_init(|| plane.install_crds()).await;
        let cluster = Cluster::connect(&ConnectOptions {
            kubeconfig: Some(plane.kubeconfig()),
            ..ConnectOptions::default()
        })
        .await
        .unwrap();
        let namespace = plane.namespace("apply").await;
        let yaml = "
            {apiVersion: platform.pequod.io/v1alpha1, kind: Transform, metadata: {name: shop},
             spec: {cueRef: {type: inline, ref: 'package x'}, serviceAccountName: deployer}}
            ---
            {apiVersion: v1, kind: ServiceAccount, metadata: {name: deployer}}";
        let yaml: String = yaml
            .lines()
            .map(str::trim_start)
            .collect::<Vec<_>>()
            .join("\n");
        plane.apply(&namespace, &yaml).await;
        let transforms: Api<Transform> = Api::namespaced(plane.client(), &namespace);
        let transform = transforms.get("shop").await.unwrap();
        Self {
            plane,
            cluster,
            owner: Owner {
                namespace: namespace.clone(),
                name: "shop".into(),
            },
            namespace,
            owner_uid: transform.uid().unwrap(),
            account: "deployer".into(),
            generation: 0.into(),
        }
    }

    pub(crate) async fn grant(&self, rules: &str) {
        let yaml = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: deployer}}, rules: {rules}}}
---
{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: deployer}},
 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}},
 subjects: [{{kind: ServiceAccount, name: deployer, namespace: {ns}}}]}}",
            ns = self.namespace
        );
        self.plane.apply(&self.namespace, &yaml).await;
    }

    /// Rights on a cluster-scoped kind.
    pub(crate) async fn grant_cluster(&self, rules: &str) {
        let name = format!("deployer-{}", self.namespace);
        let yaml = format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {{name: {name}}}, rules: {rules}}}
---
{{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {{name: {name}}},
 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {name}}},
 subjects: [{{kind: ServiceAccount, name: deployer, namespace: {ns}}}]}}",
            ns = self.namespace
        );
        self.plane.apply(&self.namespace, &yaml).await;
    }

    pub(crate) fn publication(&self, nodes: &[TestNode]) -> Publication {
        let generation = self
            .generation
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            + 1;
        Publication {
            owner: self.owner.clone(),
            owner_uid: self.owner_uid.clone(),
            source: GraphSource {
                transform: self.owner.name.clone(),
                generation,
                module_digest: "sha256:m".into(),
                render_digest: "sha256:r".into(),
            },
            service_account_name: self.account.clone(),
            nodes: nodes.iter().map(|(node, _)| node.clone()).collect(),
            objects: objects(nodes),
            violations: vec![],
        }
    }

    /// Writes the graph; answers its generation.
    pub(crate) async fn publish(&self, nodes: &[TestNode]) -> i64 {
        let graph = publish(&self.cluster.access(), self.publication(nodes))
            .await
            .unwrap();
        graph.metadata.generation.unwrap()
    }

    pub(crate) async fn plan(&self, nodes: &[TestNode]) -> Plan {
        let specs: Vec<ResourceNode> = nodes.iter().map(|(node, _)| node.clone()).collect();
        let inventory = match self.graphs().get_opt("shop").await.unwrap() {
            Some(graph) => graph.status.unwrap_or_default().inventory,
            None => vec![],
        };
        let request = PlanRequest {
            owner: &self.owner,
            render_digest: "sha256:r",
            nodes: &specs,
            objects: &objects(nodes),
            inventory: &inventory,
            parallelism: 4,
        };
        plan(&self.access(), &request).await.unwrap()
    }

    /// Access as the Transform's ServiceAccount.
    pub(crate) fn access(&self) -> Access {
        self.cluster
            .as_service_account(&self.namespace, &self.account)
            .unwrap()
    }

    pub(crate) fn graphs(&self) -> Api<ResourceGraph> {
        Api::namespaced(self.plane.client(), &self.namespace)
    }

    pub(crate) fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.plane.client(), &self.namespace)
    }

    pub(crate) async fn graph(&self) -> ResourceGraph {
        self.graphs().get("shop").await.unwrap()
    }

    pub(crate) async fn inventory(&self) -> Vec<InventoryItem> {
        self.graph().await.status.unwrap_or_default().inventory
    }

    /// The controller, until the answer is dropped.
    pub(crate) fn run(&self) -> AbortOnDropHandle<()> {
        self.run_with(executor(&self.cluster, options()))
    }

    pub(crate) fn run_with(&self, executor: Executor) -> AbortOnDropHandle<()> {
        let (client, namespace) = (self.cluster.client().clone(), self.namespace.clone());
        let work = async move {
            drive::run(
                client,
                Some(&namespace),
                executor,
                4,
                CancellationToken::new(),
            )
            .await;
        };
        AbortOnDropHandle::new(tokio::spawn(work))
    }

    /// Passes, without a controller around them, until the graph is ready, gone, or nothing can be done.
    pub(crate) async fn settle(&self, executor: &Executor) -> Result<Next, ReconcileError> {
        let begin = tokio::time::Instant::now();
        loop {
            let next = executor.reconcile(&self.owner).await?;
            let graph = self.graphs().get_opt("shop").await.unwrap();
            let is_ready = graph.is_some_and(|graph| is_ready(&graph));
            match next {
                Next::Gone | Next::Event => return Ok(next),
                Next::Within(_) if is_ready => return Ok(next),
                Next::Within(time) => {
                    assert!(begin.elapsed() < wait::PATIENCE, "did not settle: {next:?}");
                    tokio::time::sleep(time.min(Duration::from_millis(50))).await;
                }
            }
        }
    }

    pub(crate) async fn until_ready(&self, generation: i64) -> ResourceGraph {
        self.until(&format!("is ready at generation {generation}"), |graph| {
            graph.is_some_and(|graph| {
                let observed = graph.status.as_ref().and_then(|s| s.observed_generation);
                observed == Some(generation) && is_ready(graph)
            })
        })
        .await
        .unwrap()
    }

    pub(crate) async fn until_gone(&self) {
        self.until("is gone", |graph| graph.is_none()).await;
    }

    pub(crate) async fn until(
        &self,
        what: &str,
        condition: impl FnMut(Option<&ResourceGraph>) -> bool,
    ) -> Option<ResourceGraph> {
        wait::until(&self.graphs(), "shop", what, condition).await
    }

    /// Waits until a node is in a phase, and gives back its message.
    pub(crate) async fn until_node(&self, id: &str, phase: NodePhase) -> String {
        let what = format!("node {id} is {phase:?}");
        let graph = self
            .until(&what, |graph| phase_of(graph, id) == Some(phase))
            .await
            .unwrap();
        graph.status.unwrap().node_status[&NodeId::from(id)]
            .message
            .clone()
            .unwrap_or_default()
    }

    pub(crate) async fn delete_graph(&self) {
        self.graphs()
            .delete("shop", &kube::api::DeleteParams::default())
            .await
            .unwrap();
    }
}

pub(crate) fn objects(nodes: &[TestNode]) -> BTreeMap<NodeId, Value> {
    nodes
        .iter()
        .map(|(node, object)| (node.id.clone(), object.clone()))
        .collect()
}

pub(crate) fn phase_of(graph: Option<&ResourceGraph>, id: &str) -> Option<NodePhase> {
    Some(
        graph?
            .status
            .as_ref()?
            .node_status
            .get(&NodeId::from(id))?
            .phase,
    )
}

pub(crate) fn is_ready(graph: &ResourceGraph) -> bool {
    let conditions = graph
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    pequod_kube::conditions::is_true(conditions.unwrap_or_default(), "Ready")
}

/// The message of a condition, if it is `True`.
pub(crate) fn condition(graph: &ResourceGraph, kind: &str) -> Option<(String, String)> {
    let status = graph.status.as_ref()?;
    let found = status
        .conditions
        .iter()
        .find(|c| c.type_ == kind && c.status == "True")?;
    Some((found.reason.clone(), found.message.clone()))
}
