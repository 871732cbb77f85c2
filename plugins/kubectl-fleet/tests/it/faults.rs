//! Random histories on a real API server whose answers go wrong: what is claimed to be complete is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::client::Body;
use kubectl_fleet::agent::{self, Options};
use kubectl_fleet::query::parse::parse;
use kubectl_fleet::store::{Store, all, embedded};
use pequod_testkit::ControlPlane;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// Numbers that look random and are the same in every run of a seed.
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let mut x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % sides
    }
}

fn refused(code: u16) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "injected"});
    let mut answer = Response::new(Body::from(serde_json::to_vec(&status).unwrap()));
    *answer.status_mut() = code.try_into().unwrap();
    answer
}

/// A client some of whose requests are refused, and whose watches end early or with 410.
fn faulty(inner: Client, dice: Arc<Dice>, on: Arc<AtomicBool>) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, dice, on) = (inner.clone(), dice.clone(), on.clone());
        async move {
            if !on.load(Ordering::Relaxed) {
                return inner.send(request).await;
            }
            let watch = request
                .uri()
                .query()
                .is_some_and(|query| query.contains("watch=true"));
            let list = request
                .uri()
                .query()
                .is_some_and(|query| query.contains("sendInitialEvents"));
            match dice.roll(12) {
                0 => Ok(refused(500)),
                1 => Ok(refused(429)),
                // A server without streaming lists.
                2 if list => Ok(refused(422)),
                3 if watch && !list => Ok(refused(410)),
                4..8 if watch => {
                    // The connection breaks off after a while, in the middle of a line.
                    use http_body_util::BodyExt as _;
                    let life = Duration::from_millis(dice.roll(700));
                    let answer = inner.send(request).await?;
                    let (parts, mut body) = answer.into_parts();
                    let mut bytes = Vec::new();
                    let _ = tokio::time::timeout(life, async {
                        while let Some(Ok(frame)) = body.frame().await {
                            bytes.extend(frame.into_data().unwrap_or_default());
                        }
                    })
                    .await;
                    bytes.truncate(
                        bytes.len() - bytes.len().min(usize::try_from(dice.roll(40)).unwrap()),
                    );
                    Ok(Response::from_parts(parts, Body::from(bytes)))
                }
                _ => inner.send(request).await,
            }
        }
    });
    Client::new(service, "default")
}

async fn in_cluster(maps: &Api<ConfigMap>) -> BTreeMap<String, String> {
    let label = |map: &ConfigMap| {
        map.metadata
            .labels
            .as_ref()
            .and_then(|it| it.get("v").cloned())
            .unwrap_or_default()
    };
    let list = maps.list(&ListParams::default()).await.unwrap();
    list.items
        .iter()
        .map(|map| (map.metadata.name.clone().unwrap(), label(map)))
        .collect()
}

async fn in_store(store: &dyn Store, namespace: &str) -> BTreeMap<String, String> {
    let query = parse(&format!("kind:ConfigMap namespace:{namespace}")).unwrap();
    let records = all(store, &query, 0).await.unwrap();
    records
        .iter()
        .map(|record| {
            let version = record
                .label_map()
                .get("v")
                .map(|it| (*it).to_owned())
                .unwrap_or_default();
            (record.identity.name.clone(), version)
        })
        .collect()
}

async fn history(seed: u64) {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("history").await;
    let maps = Api::<ConfigMap>::namespaced(cluster.client(), &namespace);
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let dice = Arc::new(Dice(AtomicU64::new(seed)));
    let on = Arc::new(AtomicBool::new(false));
    let client = faulty(cluster.client(), dice.clone(), on.clone());
    let options = || Options {
        batch_window: Duration::from_millis(30),
        heartbeat: Duration::from_secs(1),
        include: vec!["configmaps".into()],
        namespaces: vec![namespace.clone()],
        take_over: true,
        ..Options::new("h")
    };
    let mut stop = CancellationToken::new();
    let mut task = tokio::spawn(agent::run(
        client.clone(),
        store.clone(),
        options(),
        stop.clone(),
    ));
    for step in 0..10 {
        on.store(true, Ordering::Relaxed);
        for _ in 0..6 {
            let name = format!("m{}", dice.roll(8));
            if dice.roll(3) == 0 {
                let _ = maps.delete(&name, &DeleteParams::default()).await;
            } else {
                let map = json!({"apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {"name": name, "labels": {"v": dice.roll(100).to_string()}}});
                maps.patch(
                    &name,
                    &PatchParams::apply("test").force(),
                    &Patch::Apply(&map),
                )
                .await
                .unwrap();
            }
        }
        if dice.roll(4) == 0 {
            // The agent dies without a word.
            task.abort();
            stop = CancellationToken::new();
            on.store(false, Ordering::Relaxed);
            task = tokio::spawn(agent::run(
                client.clone(),
                store.clone(),
                options(),
                stop.clone(),
            ));
        }
        if dice.roll(2) == 0 {
            on.store(false, Ordering::Relaxed);
        }
        // The first moment at which the agent claims to know everything up to now, it does.
        let since = agent::now() + 1;
        let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
        loop {
            let states = store.clusters().await.unwrap();
            let claimed = states
                .iter()
                .any(|state| state.complete_at > since && state.judge(agent::now(), None).complete);
            if claimed {
                break;
            }
            assert!(
                !task.is_finished(),
                "seed {seed} step {step}: the agent ended: {:?}",
                task.await
            );
            assert!(
                tokio::time::Instant::now() < deadline,
                "seed {seed} step {step}: {states:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(
            in_store(&*store, &namespace).await,
            in_cluster(&maps).await,
            "seed {seed} step {step}"
        );
    }
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_to_be_complete_is_so_after_random_histories_with_faults() {
    let seeds: u64 = std::env::var("PEQUOD_FLEET_SEEDS")
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(3);
    let running: Vec<_> = (0..seeds)
        .map(|seed| tokio::spawn(history(seed * 7919 + 1)))
        .collect();
    for seed in running {
        seed.await.unwrap();
    }
}
