//! A crash or a failed request at every single call.
//!
//! The executor's requests are counted by a layer around the client. For every N, a run in which call N fails, or in
//! which nothing is answered from call N on (before or after the API server did its work: a killed process does not
//! know), is followed by a fresh executor. After the break everything that is ours must be in the written inventory;
//! after the fresh run the graph must be ready, with nothing missing, twice, or left over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use kube::api::ListParams;
use kube::client::{Body, ClientBuilder};
use pequod_kube::{Cluster, ConnectOptions};
use tower::{BoxError, Layer, Service};

use crate::world::{TestNode, World, config_map, executor, is_ready, node, options};

/// What happens at call N.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// It alone fails.
    Fails,
    /// It is not sent, and nothing after it.
    DiesBefore,
    /// It is sent and the answer is lost, and nothing after it is sent.
    DiesAfter,
}

#[derive(Clone)]
struct Breaking {
    calls: Arc<AtomicUsize>,
    at: usize,
    fault: Fault,
}

impl<S> Layer<S> for Breaking {
    type Service = Broken<S>;
    fn layer(&self, inner: S) -> Broken<S> {
        Broken {
            inner,
            plan: self.clone(),
        }
    }
}

struct Broken<S> {
    inner: S,
    plan: Breaking,
}

impl<S, R> Service<http::Request<Body>> for Broken<S>
where
    S: Service<http::Request<Body>, Response = R, Error = BoxError>,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = R;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<R, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        // Watches and their lists come when they come: they would make N mean another call each time. And events say
        // nothing about the work.
        let query = request.uri().query().unwrap_or_default();
        let uncounted = query.contains("watch=")
            || query.contains("labelSelector=")
            || request.uri().path().contains("/events");
        if uncounted {
            return Box::pin(self.inner.call(request));
        }
        let Breaking { calls, at, fault } = self.plan.clone();
        let now = calls.fetch_add(1, Ordering::SeqCst);
        let lost = || Err::<R, BoxError>("injected".into());
        if now < at || (now > at && fault == Fault::Fails) {
            return Box::pin(self.inner.call(request));
        }
        if now == at && fault == Fault::DiesAfter {
            let answer = self.inner.call(request);
            return Box::pin(async move {
                let _ = answer.await;
                lost()
            });
        }
        Box::pin(async move { lost() })
    }
}

async fn breaking(world: &World, at: usize, fault: Fault) -> (Cluster, Arc<AtomicUsize>) {
    let kubeconfig = kube::config::Kubeconfig::read_from(world.plane.kubeconfig()).unwrap();
    let config = kube::Config::from_custom_kubeconfig(
        kubeconfig,
        &kube::config::KubeConfigOptions::default(),
    )
    .await
    .unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let layer = Breaking {
        calls: calls.clone(),
        at,
        fault,
    };
    let cluster = Cluster::with_factory(
        config,
        Arc::new(move |config| Ok(ClientBuilder::try_from(config)?.with_layer(&layer).build())),
    )
    .unwrap();
    (cluster, calls)
}

/// The names of the ConfigMaps in the cluster that carry our mark.
async fn marked(world: &World) -> BTreeSet<String> {
    let params = ListParams::default().labels("platform.pequod.io/transform=shop");
    let list = world.config_maps().list(&params).await.unwrap();
    list.items
        .into_iter()
        .filter_map(|map| map.metadata.name)
        .collect()
}

/// What is ours must be written down, at any moment.
async fn nothing_is_forgotten(world: &World, what: &str) {
    let marked = marked(world).await;
    let Some(graph) = world.graphs().get_opt("shop").await.unwrap() else {
        assert!(
            marked.is_empty(),
            "{what}: the graph is gone and {marked:?} are left"
        );
        return;
    };
    let inventory: BTreeSet<String> = graph
        .status
        .unwrap_or_default()
        .inventory
        .into_iter()
        .map(|item| item.target.name)
        .collect();
    assert!(
        marked.is_subset(&inventory),
        "{what}: {marked:?} but the inventory has {inventory:?}"
    );
}

/// A run with a fault, then passes of the broken executor until it can do no more.
async fn break_at(world: &World, at: usize, fault: Fault) -> bool {
    let (cluster, calls) = breaking(world, at, fault).await;
    let broken = executor(&cluster, options());
    for _ in 0..3 {
        let _ = broken.reconcile(&world.owner).await;
    }
    calls.load(Ordering::SeqCst) > at
}

fn first() -> Vec<TestNode> {
    vec![
        node(config_map("a", "1"), &[]),
        node(config_map("b", "1"), &["a"]),
        node(config_map("gone", "1"), &["b"]),
    ]
}

fn second() -> Vec<TestNode> {
    vec![
        node(config_map("a", "2"), &[]),
        node(config_map("b", "2"), &["a"]),
        node(config_map("c", "2"), &["b"]),
    ]
}

async fn whole(world: &World, nodes: &[TestNode], what: &str) {
    let cluster = Cluster::connect(&ConnectOptions {
        kubeconfig: Some(world.plane.kubeconfig()),
        ..ConnectOptions::default()
    })
    .await
    .unwrap();
    let fresh = executor(&cluster, options());
    world.settle(&fresh).await.unwrap();
    let graph = world.graph().await;
    assert!(is_ready(&graph), "{what}: {:?}", graph.status);
    let wanted: BTreeSet<String> = nodes.iter().map(|(node, _)| node.id.0.clone()).collect();
    assert_eq!(marked(world).await, wanted, "{what}");
    let inventory = graph.status.unwrap().inventory;
    let listed: BTreeSet<String> = inventory
        .iter()
        .map(|item| item.target.name.clone())
        .collect();
    assert_eq!(listed, wanted, "{what}");
    assert_eq!(inventory.len(), wanted.len(), "{what}");
    assert!(inventory.iter().all(|item| item.uid.is_some()), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_orphaned_whichever_call_breaks() {
    let world = World::new().await;
    let mut breaks = 0;
    for fault in [Fault::DiesBefore, Fault::DiesAfter, Fault::Fails] {
        for at in 0.. {
            let what = format!("{fault:?} at call {at}");
            let mut reached = false;
            // Made anew.
            world.publish(&first()).await;
            reached |= break_at(&world, at, fault).await;
            nothing_is_forgotten(&world, &what).await;
            whole(&world, &first(), &what).await;
            // Changed: two are changed, one comes, one leaves.
            world.publish(&second()).await;
            reached |= break_at(&world, at, fault).await;
            nothing_is_forgotten(&world, &what).await;
            whole(&world, &second(), &what).await;
            // Taken down.
            world.delete_graph().await;
            reached |= break_at(&world, at, fault).await;
            nothing_is_forgotten(&world, &what).await;
            world
                .settle(&executor(&world.cluster, options()))
                .await
                .unwrap();
            world.until_gone().await;
            assert!(marked(&world).await.is_empty(), "{what}");
            if !reached {
                break;
            }
            breaks += 1;
        }
    }
    assert!(breaks > 30, "only {breaks} calls were broken");
}
