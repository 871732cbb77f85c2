//! The Transform controller: fetches the module, renders, asks the policies, writes the ResourceGraph, and mirrors
//! its state. It applies nothing itself.
//!
//! A Transform that cannot be rendered, or must not be applied, keeps the graph it has: nothing is ever deleted on a
//! failed or empty render. A deleted one deletes its graph explicitly and waits until that is gone.

mod known;
mod status;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, Resource as _, ResourceExt as _};
use pequod_api::names::{ANNOTATION_SUSPEND, FIELD_MANAGER, FINALIZER_TRANSFORM};
use pequod_api::resource_graph::GraphSource;
use pequod_api::{CueRefType, ResourceGraph, Transform};
use pequod_apply::ownership::Owner;
use pequod_apply::store::StoreError;
use pequod_apply::{PlanRequest, Publication, plan, publish};
use pequod_kube::events::Events;
use pequod_kube::retry::Backoff;
use pequod_kube::{ApiError, Cluster, ConnectError};
use pequod_modules::{Programs, Remote, Sources};
use pequod_render::{Context, Rendered};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use super::metrics::Metrics;
use crate::engine;
use crate::graphs::opened;
use known::Known;
use status::Outcome;

/// How long one rendering may take, beyond the budget of its evaluation.
const RENDER_DEADLINE: Duration = Duration::from_secs(30);
/// How often a Transform is looked at when nothing happens: a missed event is never missed for longer.
const RESYNC: Duration = Duration::from_mins(10);
/// How many Transforms are worked on at once.
const CONCURRENCY: u16 = 8;

/// Why a pass could not be finished. It is repeated with growing pauses.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the rendering was ended: {0}")]
    Ended(#[from] tokio::task::JoinError),
    #[error("the module cannot be read: {0}")]
    Module(String),
}

struct Shared {
    cluster: Cluster,
    events: Events,
    metrics: Metrics,
    programs: Arc<Programs>,
    remote: Remote,
    facts: Facts,
    known: Known,
    failures: Mutex<HashMap<String, u32>>,
}

/// Runs until stopped; what is under way is finished.
pub async fn run(cluster: Cluster, events: Events, metrics: Metrics, stop: CancellationToken) {
    let client = cluster.client().clone();
    let controller = Controller::new(
        Api::<Transform>::all(client.clone()),
        watcher::Config::default(),
    );
    let transforms = controller.store();
    let shared = Arc::new(Shared {
        facts: Facts::new(client.clone()),
        cluster,
        events,
        metrics,
        programs: Arc::default(),
        remote: Remote::in_folder(std::env::temp_dir().join("pequod-modules"))
            .with_registries(&crate::input::registries()),
        known: Known::default(),
        failures: Mutex::default(),
    });
    let passes = controller
        .with_config(kube::runtime::controller::Config::default().concurrency(CONCURRENCY))
        .owns(
            Api::<ResourceGraph>::all(client.clone()),
            watcher::Config::default(),
        )
        .watches(
            Api::<ConfigMap>::all(client),
            watcher::Config::default(),
            move |config_map: ConfigMap| {
                let readers = transforms.state();
                let (name, namespace) = (config_map.name_any(), config_map.namespace());
                readers
                    .into_iter()
                    .filter(|transform| reads(transform, &name, namespace.as_deref()))
                    .map(|transform| ObjectRef::from_obj(&*transform))
                    .collect::<Vec<_>>()
            },
        )
        .graceful_shutdown_on(stop.cancelled_owned())
        .run(
            pass,
            |transform, error, shared| retry(&transform, error, &shared),
            shared,
        );
    passes
        .for_each(async |outcome| {
            if let Err(error) = outcome {
                tracing::debug!(%error, "pass");
            }
        })
        .await;
}

/// Whether a Transform's module lies in this ConfigMap.
fn reads(transform: &Transform, name: &str, namespace: Option<&str>) -> bool {
    let reference = &transform.spec.cue_ref;
    reference.kind == CueRefType::Configmap
        && reference.reference == name
        && transform.metadata.namespace.as_deref() == namespace
}

fn retry(transform: &Transform, error: &PassError, shared: &Shared) -> Action {
    let uid = transform.uid().unwrap_or_default();
    let mut failures = shared
        .failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let count = failures.entry(uid).or_insert(0);
    *count = count.saturating_add(1);
    let backoff = Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_mins(5),
    };
    let seed = u64::try_from(transform.name_any().len()).unwrap_or_default();
    let pause = backoff.pause(*count, seed);
    tracing::warn!(%error, transform = %owner(transform), pause_seconds = pause.as_secs_f64(), "will be tried again");
    Action::requeue(pause)
}

fn owner(transform: &Transform) -> Owner {
    Owner {
        namespace: transform.namespace().unwrap_or_default(),
        name: transform.name_any(),
    }
}

#[tracing::instrument(skip_all, fields(transform = %owner(&transform)))]
async fn pass(transform: Arc<Transform>, shared: Arc<Shared>) -> Result<Action, PassError> {
    let began = Instant::now();
    let outcome = shared.reconcile(&transform).await;
    let metrics = &shared.metrics.apply;
    let controller = "transform";
    let result = if outcome.is_ok() {
        "success"
    } else {
        "failure"
    };
    metrics
        .reconciled
        .get_or_create(&pequod_apply::metrics::PassLabels { controller, result })
        .inc();
    metrics
        .reconcile_seconds
        .get_or_create(&pequod_apply::metrics::ControllerLabels { controller })
        .observe(began.elapsed().as_secs_f64());
    match &outcome {
        Ok(_) => {
            let uid = transform.uid().unwrap_or_default();
            shared
                .failures
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&uid);
        }
        Err(error) => {
            let outcome = Outcome::Unreachable {
                why: error.to_string(),
            };
            // The status says why it takes longer; if that cannot be written either, the log has it.
            if let Err(error) = shared.write_status(&transform, &outcome, None).await {
                tracing::debug!(%error, "status");
            }
        }
    }
    outcome
}

impl Shared {
    fn transforms(&self, transform: &Transform) -> Api<Transform> {
        Api::namespaced(self.client(), &transform.namespace().unwrap_or_default())
    }

    fn graphs(&self, transform: &Transform) -> Api<ResourceGraph> {
        Api::namespaced(self.client(), &transform.namespace().unwrap_or_default())
    }

    fn client(&self) -> Client {
        self.cluster.client().clone()
    }

    async fn reconcile(&self, transform: &Transform) -> Result<Action, PassError> {
        let graph = self.graph(transform).await?;
        if transform.metadata.deletion_timestamp.is_some() {
            return self.delete(transform, graph).await;
        }
        self.finalizer(transform, true).await?;
        let graph = match graph {
            Some(graph) => Some(self.suspend(transform, graph).await?),
            None => None,
        };
        let (outcome, graph) = if transform.spec.suspend {
            (Outcome::Suspended, graph)
        } else {
            self.render(transform, graph).await?
        };
        self.announce(transform, &outcome, graph.as_ref()).await;
        self.write_status(transform, &outcome, graph.as_ref())
            .await?;
        Ok(Action::requeue(RESYNC))
    }

    /// The graph of this Transform, if it is there and this one's.
    async fn graph(&self, transform: &Transform) -> Result<Option<ResourceGraph>, ApiError> {
        let name = transform.name_any();
        let found = self
            .graphs(transform)
            .get_opt(&name)
            .await
            .map_err(|error| ApiError::new(format!("get ResourceGraph {name}"), &error))?;
        let uid = transform.uid();
        Ok(found.map(opened).filter(|graph| {
            graph
                .owner_references()
                .iter()
                .any(|owner| Some(&owner.uid) == uid.as_ref())
        }))
    }

    async fn render(
        &self,
        transform: &Transform,
        graph: Option<ResourceGraph>,
    ) -> Result<(Outcome, Option<ResourceGraph>), PassError> {
        let namespace = transform.namespace().unwrap_or_default();
        let client = self.client();
        // A pull secret is read with the rights of whom the Transform acts as: naming one gains nothing.
        let account = &transform.spec.service_account_name;
        let access = self.cluster.as_service_account(&namespace, account)?;
        let sources = Sources {
            client: Some(&client),
            secrets: Some(access.client()),
            remote: &self.remote,
        };
        let fetched = pequod_modules::fetch(&transform.spec.cue_ref, &namespace, &sources).await;
        self.metrics.modules(self.remote.counts());
        let module = match fetched {
            Ok(module) => module,
            Err(problem) if problem.code == pequod_modules::codes::UNREACHABLE => {
                return Err(PassError::Module(problem.to_string()));
            }
            Err(problem) => {
                return Ok((
                    Outcome::NoModule {
                        problems: problem.into(),
                    },
                    graph,
                ));
            }
        };
        let facts = self.facts.get().await?;
        let context = Context::of(transform, &namespace, (*facts).clone());
        let basis = known::basis(transform, &module, &context);
        if let Some(outcome) = self.known.get(transform, &basis, graph.as_ref()) {
            return Ok((outcome, graph));
        }
        let began = Instant::now();
        let (programs, subject, input) = (self.programs.clone(), transform.clone(), module.clone());
        // Evaluation is work for a processor, not for the threads that wait for the network.
        let rendered = tokio::task::spawn_blocking(move || {
            let (program, hit) = programs.get(&input).map_err(engine::unusable)?;
            let rendered =
                engine::render(&subject, &input, &program, &context, Some(RENDER_DEADLINE))?;
            Ok((rendered, hit))
        })
        .await?;
        self.metrics
            .cue_eval_seconds
            .observe(began.elapsed().as_secs_f64());
        let rendered = match rendered {
            Ok((rendered, hit)) => {
                self.metrics.cue_cache_hits.inc_by(u64::from(hit));
                rendered
            }
            Err(pequod_render::Refused { stage, problems }) => {
                return Ok((Outcome::Refused { stage, problems }, graph));
            }
        };
        if rendered.is_forbidden() {
            return Ok((
                Outcome::Forbidden {
                    violations: rendered.violations,
                },
                graph,
            ));
        }
        if let Some(digest) = self
            .unapproved(transform, &rendered, graph.as_ref())
            .await?
        {
            return Ok((Outcome::NotApproved { digest }, graph));
        }
        let outcome = Outcome::published(&rendered, &module.digest);
        let graph = self.publish(transform, rendered, &module.digest).await?;
        self.known.put(transform, basis, &outcome, &graph);
        Ok((outcome, Some(graph)))
    }

    /// The digest of the plan, if `spec.approvedPlan` is set and names another. What was approved and written once
    /// stays approved: the plan of it would be empty now.
    async fn unapproved(
        &self,
        transform: &Transform,
        rendered: &Rendered,
        graph: Option<&ResourceGraph>,
    ) -> Result<Option<String>, PassError> {
        let Some(approved) = &transform.spec.approved_plan else {
            return Ok(None);
        };
        if graph.is_some_and(|graph| graph.spec.source.render_digest == rendered.digest) {
            return Ok(None);
        }
        let owner = owner(transform);
        let access = self
            .cluster
            .as_service_account(&owner.namespace, &transform.spec.service_account_name)?;
        let digest = plan_of(&access, &owner, rendered, graph).await?.digest;
        Ok((digest != *approved).then_some(digest))
    }

    async fn publish(
        &self,
        transform: &Transform,
        rendered: Rendered,
        module_digest: &str,
    ) -> Result<ResourceGraph, PassError> {
        let (nodes, objects) = split(rendered.nodes);
        let publication = Publication {
            owner: owner(transform),
            owner_uid: transform.uid().unwrap_or_default(),
            source: GraphSource {
                transform: transform.name_any(),
                generation: transform.metadata.generation.unwrap_or_default(),
                module_digest: module_digest.to_owned(),
                render_digest: rendered.digest,
            },
            service_account_name: transform.spec.service_account_name.clone(),
            nodes,
            objects,
            violations: rendered.violations,
        };
        Ok(publish(&self.cluster.access(), publication).await?)
    }

    /// Tells the executor of the graph whether to leave its objects alone.
    async fn suspend(
        &self,
        transform: &Transform,
        graph: ResourceGraph,
    ) -> Result<ResourceGraph, ApiError> {
        let wanted = transform.spec.suspend;
        let is = graph
            .annotations()
            .get(ANNOTATION_SUSPEND)
            .is_some_and(|value| value == "true");
        if wanted == is {
            return Ok(graph);
        }
        let value = if wanted {
            json!("true")
        } else {
            serde_json::Value::Null
        };
        let patch = json!({"metadata": {"annotations": {ANNOTATION_SUSPEND: value}}});
        // A manager of its own: what `publish` applies does not name the annotation, and must not remove it.
        let params = PatchParams::apply("pequod-suspend");
        let params = PatchParams {
            force: false,
            ..params
        };
        let name = graph.name_any();
        self.graphs(transform)
            .patch(&name, &params, &Patch::Merge(&patch))
            .await
            .map_err(|error| ApiError::new(format!("suspend ResourceGraph {name}"), &error))
    }

    async fn delete(
        &self,
        transform: &Transform,
        graph: Option<ResourceGraph>,
    ) -> Result<Action, PassError> {
        let Some(graph) = graph else {
            self.finalizer(transform, false).await?;
            self.known.forget(transform);
            return Ok(Action::await_change());
        };
        let name = graph.name_any();
        if graph.metadata.deletion_timestamp.is_none() {
            let preconditions = Preconditions {
                uid: graph.uid(),
                resource_version: None,
            };
            let params = DeleteParams {
                preconditions: Some(preconditions),
                ..DeleteParams::background()
            };
            match self.graphs(transform).delete(&name, &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => {
                    return Err(
                        ApiError::new(format!("delete ResourceGraph {name}"), &error).into(),
                    );
                }
                Ok(_) => {}
            }
        }
        let left = graph
            .status
            .as_ref()
            .map_or(0, |status| status.inventory.len());
        let why = format!("{left} objects of the graph are still to be removed");
        let outcome = Outcome::Deleting { why };
        self.announce(transform, &outcome, None).await;
        self.write_status(transform, &outcome, Some(&graph)).await?;
        Ok(Action::requeue(Duration::from_secs(15)))
    }

    async fn finalizer(&self, transform: &Transform, wanted: bool) -> Result<(), ApiError> {
        let mut finalizers = transform.finalizers().to_vec();
        if finalizers
            .iter()
            .any(|finalizer| finalizer == FINALIZER_TRANSFORM)
            == wanted
        {
            return Ok(());
        }
        if wanted {
            finalizers.push(FINALIZER_TRANSFORM.to_owned());
        } else {
            finalizers.retain(|finalizer| finalizer != FINALIZER_TRANSFORM);
        }
        let patch = json!({"metadata": {
            "finalizers": finalizers,
            // Others have finalizers here too: this list must be the newest.
            "resourceVersion": transform.metadata.resource_version,
        }});
        let name = transform.name_any();
        let outcome = self
            .transforms(transform)
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        match outcome {
            Err(kube::Error::Api(status)) if !wanted && status.code == 404 => Ok(()),
            Err(error) => Err(ApiError::new(
                format!("set the finalizer of Transform {name}"),
                &error,
            )),
            Ok(_) => Ok(()),
        }
    }

    async fn write_status(
        &self,
        transform: &Transform,
        outcome: &Outcome,
        graph: Option<&ResourceGraph>,
    ) -> Result<(), ApiError> {
        let old = transform.status.clone().unwrap_or_default();
        let generation = transform.metadata.generation;
        let new = status::after(&old, generation, outcome, graph, Timestamp::now());
        if transform.status.as_ref() == Some(&new) {
            return Ok(());
        }
        let name = transform.name_any();
        let patch = json!({
            "apiVersion": Transform::api_version(&()), "kind": Transform::kind(&()),
            "metadata": {"name": name},
            "status": new,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let outcome = self
            .transforms(transform)
            .patch_status(&name, &params, &Patch::Apply(&patch))
            .await;
        match outcome {
            // It went while it was looked at.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(ApiError::new(
                format!("write the status of Transform {name}"),
                &error,
            )),
            Ok(_) => Ok(()),
        }
    }

    /// Publishes an event when the outcome is another than the status says.
    async fn announce(
        &self,
        transform: &Transform,
        outcome: &Outcome,
        graph: Option<&ResourceGraph>,
    ) {
        let conditions = transform.status.as_ref().map_or(&[][..], |s| &s.conditions);
        let about = transform.object_ref(&());
        let rendered = conditions
            .iter()
            .find(|condition| condition.type_ == "Rendered");
        let ready = conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let is_new = match outcome {
            Outcome::Published { .. } => rendered.is_none_or(|condition| {
                condition.status != "True"
                    || condition.observed_generation != transform.metadata.generation
            }),
            other => ready.is_none_or(|condition| {
                condition.reason != other.reason() || condition.message != other.message()
            }),
        };
        if is_new {
            let (reason, mut message) = (outcome.reason(), outcome.message());
            match outcome {
                Outcome::Published { resolved, .. } => {
                    let nodes = graph.map_or(0, |graph| graph.spec.nodes.len());
                    message = format!("{nodes} nodes from module {}", resolved.digest);
                    self.events.normal(&about, reason, message).await;
                }
                Outcome::Suspended | Outcome::Deleting { .. } => {
                    self.events.normal(&about, reason, message).await;
                }
                _ => self.events.warning(&about, reason, message).await,
            }
        }
        let was_ready = ready.is_some_and(|condition| condition.status == "True");
        let old = transform.status.clone().unwrap_or_default();
        let generation = transform.metadata.generation;
        let new = status::after(&old, generation, outcome, graph, Timestamp::now());
        let is_ready = pequod_kube::conditions::is_true(&new.conditions, "Ready");
        if is_ready && !was_ready {
            let nodes = new.nodes.unwrap_or_default();
            self.events
                .normal(&about, "Ready", format!("{nodes} nodes are ready"))
                .await;
        }
    }
}

/// What applying a rendered graph would change.
pub(crate) async fn plan_of(
    access: &pequod_kube::Access,
    owner: &Owner,
    rendered: &Rendered,
    graph: Option<&ResourceGraph>,
) -> Result<pequod_apply::Plan, ApiError> {
    let (nodes, objects) = split(rendered.nodes.clone());
    let inventory = graph
        .and_then(|graph| graph.status.as_ref())
        .map_or(&[][..], |s| &s.inventory);
    let request = PlanRequest {
        owner,
        render_digest: &rendered.digest,
        nodes: &nodes,
        objects: &objects,
        inventory,
        parallelism: 8,
    };
    plan(access, &request).await
}

type Split = (
    Vec<pequod_api::ResourceNode>,
    BTreeMap<pequod_api::NodeId, serde_json::Value>,
);

fn split(nodes: Vec<pequod_render::RenderedNode>) -> Split {
    let objects = nodes
        .iter()
        .map(|node| (node.spec.id.clone(), node.object.clone()))
        .collect();
    (nodes.into_iter().map(|node| node.spec).collect(), objects)
}
