//! Random histories on a real API server while everything around it fails: what an agent claims is true at every
//! moment, and after the last change the store is equal to the cluster.
//!
//! A history creates, changes and deletes ConfigMaps and objects of a custom kind whose definition comes and leaves.
//! Meanwhile requests are refused (429 with Retry-After, 500), watches end early, in the middle of a line or with 410,
//! the group of the custom kind stops answering discovery, the store goes away or fails after having done what it was
//! asked, the disk for waiting changes is too small or full, and the agent is killed. A [`ledger::Ledger`] knows when
//! which change was answered, so that every claim can be held against it.
//!
//! `PEQUOD_FLEET_SEEDS` says how many histories (3), `PEQUOD_FLEET_FIRST_SEED` where to begin (0).

mod faulty;
mod ledger;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kubectl_fleet::agent::{self, AgentError, Options, Summary};
use kubectl_fleet::store::{Store, embedded, qdrant};
use pequod_testkit::ControlPlane;
use qdrant_simulator::{Fault, Qdrant};
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub(crate) use faulty::Dice;
use faulty::{Faults, faulty};
use ledger::{Ledger, in_store};

/// What histories did together.
#[derive(Default)]
struct Sums {
    changes: AtomicU64,
    faults: AtomicU64,
    claims: AtomicU64,
    kills: AtomicU64,
    spilled: AtomicU64,
}

impl Sums {
    fn print(&self, seeds: u64) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        // No claim was wrong and no store differed: one that is fails the test.
        println!(
            "figures: seeds={seeds} changes={} faults={} kills={} spilled={} claimsChecked={} wrongClaims=0 differences=0",
            of(&self.changes),
            of(&self.faults),
            of(&self.kills),
            of(&self.spilled),
            of(&self.claims)
        );
    }
}

struct World {
    seed: u64,
    cluster: &'static ControlPlane,
    namespace: String,
    group: String,
    maps: Api<ConfigMap>,
    things: Api<DynamicObject>,
    defined: bool,
    ledger: Arc<Ledger>,
    dice: Arc<Dice>,
}

impl World {
    async fn new(seed: u64) -> Self {
        let cluster = ControlPlane::shared().await;
        let namespace = cluster.namespace("history").await;
        let group = format!("s{seed}.history.example.com");
        let kind = GroupVersionKind::gvk(&group, "v1", "Thing");
        let resource = ApiResource::from_gvk_with_plural(&kind, "things");
        Self {
            seed,
            cluster,
            maps: Api::namespaced(cluster.client(), &namespace),
            things: Api::namespaced_with(cluster.client(), &namespace, &resource),
            namespace,
            group,
            defined: false,
            ledger: Arc::default(),
            dice: Arc::new(Dice::new(seed)),
        }
    }

    /// One change of the cluster.
    async fn change(&mut self) {
        let name = format!("n{}", self.dice.roll(6));
        match self.dice.roll(12) {
            0 if self.seed.is_multiple_of(3) => self.define().await,
            1..4 if self.defined => self.put_thing(&name).await,
            4 if self.defined => {
                let gone = async {
                    let parameters = DeleteParams::default();
                    self.things.delete(&name, &parameters).await.is_ok()
                };
                self.ledger
                    .change(&format!("Thing/{name}"), None, gone)
                    .await;
            }
            5..8 => {
                let gone = async {
                    let parameters = DeleteParams::default();
                    self.maps.delete(&name, &parameters).await.is_ok()
                };
                self.ledger
                    .change(&format!("ConfigMap/{name}"), None, gone)
                    .await;
            }
            _ => {
                let value = self.dice.roll(1000).to_string();
                let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"v": value}}});
                let (parameters, map) = (PatchParams::apply("test").force(), Patch::Apply(&map));
                let put = async { self.maps.patch(&name, &parameters, &map).await.is_ok() };
                self.ledger
                    .change(&format!("ConfigMap/{name}"), Some(value), put)
                    .await;
            }
        }
    }

    async fn put_thing(&self, name: &str) {
        let value = self.dice.roll(1000).to_string();
        let thing = json!({"apiVersion": format!("{}/v1", self.group), "kind": "Thing", "metadata": {"name": name, "labels": {"v": value}}});
        let (parameters, thing) = (PatchParams::apply("test").force(), Patch::Apply(&thing));
        let put = async { self.things.patch(name, &parameters, &thing).await.is_ok() };
        self.ledger
            .change(&format!("Thing/{name}"), Some(value), put)
            .await;
    }

    /// The custom kind's definition comes, or leaves with all its objects.
    async fn define(&mut self) {
        let name = format!("things.{}", self.group);
        if self.defined {
            self.ledger
                .all_leave("Thing/", async {
                    self.cluster
                        .kubectl(["delete", "crd", &name, "--wait=true"])
                        .success();
                })
                .await;
            self.defined = false;
            return;
        }
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name},
            "spec": {"group": self.group, "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]},
        });
        self.cluster.apply("", &definition.to_string()).await;
        let name = format!("crd/{name}");
        self.cluster
            .kubectl([
                "wait",
                "--for=condition=Established",
                &name,
                "--timeout=60s",
            ])
            .success();
        self.defined = true;
    }

    async fn in_cluster(&self) -> ledger::Objects {
        let label = |labels: Option<&std::collections::BTreeMap<String, String>>| {
            labels
                .and_then(|it| it.get("v").cloned())
                .unwrap_or_default()
        };
        let maps = self.maps.list(&ListParams::default()).await.unwrap();
        let mut found: ledger::Objects = maps
            .items
            .iter()
            .map(|it| {
                let name = it.metadata.name.clone().unwrap();
                (
                    format!("ConfigMap/{name}"),
                    label(it.metadata.labels.as_ref()),
                )
            })
            .collect();
        if self.defined {
            let things = self.things.list(&ListParams::default()).await.unwrap();
            found.extend(things.items.iter().map(|it| {
                let name = it.metadata.name.clone().unwrap();
                (format!("Thing/{name}"), label(it.metadata.labels.as_ref()))
            }));
        }
        found
    }
}

type Running = tokio::task::JoinHandle<Result<Summary, AgentError>>;

async fn history(seed: u64, sums: Arc<Sums>) {
    let mut world = World::new(seed).await;
    let folder = tempfile::tempdir().unwrap();
    let server = if seed.is_multiple_of(2) {
        None
    } else {
        Some(Qdrant::start().await.unwrap())
    };
    let store: Arc<dyn Store> = match &server {
        Some(server) => Arc::new(qdrant::open(&server.url(), "fleet", None).await.unwrap()),
        None => Arc::new(embedded::open(&folder.path().join("store")).unwrap()),
    };
    let faults = Arc::new(Faults::new(world.group.clone()));
    let client = faulty(world.cluster.client(), world.dice.clone(), faults.clone());
    let metrics = kubectl_fleet::metrics::Metrics::default();
    let spool = folder.path().join("spool");
    let options = Options {
        batch_window: Duration::from_millis(20),
        batch_size: 3,
        queue: 4,
        spool: (seed % 5 != 4).then_some(spool.clone()),
        spool_bytes: if seed % 5 == 3 { 2_000 } else { 1 << 20 },
        patience: Duration::from_millis(150),
        heartbeat: Duration::from_millis(500),
        rediscover: Duration::from_secs(1),
        include: vec![
            "configmaps".into(),
            format!("things.{}", world.group),
            "customresourcedefinitions.*".into(),
        ],
        namespaces: vec![world.namespace.clone()],
        take_over: true,
        metrics: metrics.clone(),
        ..Options::new("h")
    };
    let stop = CancellationToken::new();
    let begin = || -> Running {
        tokio::spawn(agent::run(
            client.clone(),
            store.clone(),
            options.clone(),
            stop.clone(),
        ))
    };
    let mut task = begin();
    if seed % 5 == 2 {
        // The disk is full from the first change on that has to wait there.
        while !spool.exists() && !task.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        #[cfg(target_os = "linux")]
        std::os::unix::fs::symlink("/dev/full", spool.join("changes-0.jsonl")).unwrap();
    }
    let done = Arc::new(AtomicBool::new(false));
    let checking = tokio::spawn(ledger::check(
        seed,
        store.clone(),
        world.namespace.clone(),
        world.ledger.clone(),
        done.clone(),
    ));

    for step in 0..8 {
        faults.on(&world.dice);
        if let Some(server) = &server {
            match world.dice.roll(4) {
                0 => server.set_down(true),
                1 => server.fail(&[
                    Fault::DoneButFailed,
                    Fault::TooMany,
                    Fault::Unavailable,
                    Fault::Slow,
                ]),
                _ => {}
            }
        }
        for _ in 0..6 {
            world.change().await;
            sums.changes.fetch_add(1, Ordering::Relaxed);
        }
        if world.dice.roll(4) == 0 {
            // The agent dies without a word.
            task.abort();
            let _ = (&mut task).await;
            faults.off();
            if let Some(server) = &server {
                server.set_down(false);
            }
            task = begin();
            sums.kills.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(world.dice.roll(600))).await;
        if world.dice.roll(3) == 0
            && let Some(server) = &server
        {
            server.set_down(false);
        }
        if step == 3 || step == 7 {
            faults.off();
            if let Some(server) = &server {
                server.set_down(false);
            }
            settle(&world, &*store, &mut task, step).await;
        }
    }
    done.store(true, Ordering::Relaxed);
    let claims = checking.await.unwrap();
    sums.claims.fetch_add(claims, Ordering::Relaxed);
    sums.spilled
        .fetch_add(metrics.spilled.get(), Ordering::Relaxed);
    sums.faults.fetch_add(faults.count(), Ordering::Relaxed);
    stop.cancel();
    let summary = task.await.unwrap().unwrap();
    assert_eq!(summary.state.dropped, 0, "seed {seed}");
    if world.defined {
        world.define().await;
    }
}

/// Waits for a claim about now; then the store is equal to the cluster.
async fn settle(world: &World, store: &dyn Store, task: &mut Running, step: u32) {
    let seed = world.seed;
    let since = agent::now() + 1;
    // It ends a history that hangs; a machine that is busy with other things takes its time.
    let deadline = tokio::time::Instant::now() + Duration::from_mins(15);
    loop {
        let states = store.clusters().await.unwrap_or_default();
        let claimed = states
            .iter()
            .any(|state| state.complete_at >= since && state.judge(agent::now(), None).complete);
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
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(
        in_store(store, &world.namespace).await.unwrap(),
        world.in_cluster().await,
        "seed {seed} step {step}"
    );
}

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|it| it.parse().ok())
        .unwrap_or(usual)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_leaves_before_a_new_agent_could_read_it_leaves_no_ghosts() {
    let mut world = World::new(1_000_000).await;
    world.define().await;
    world.put_thing("n0").await;
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let options = Options {
        batch_window: Duration::from_millis(20),
        patience: Duration::from_millis(150),
        heartbeat: Duration::from_millis(500),
        rediscover: Duration::from_secs(1),
        include: vec!["configmaps".into(), format!("things.{}", world.group)],
        namespaces: vec![world.namespace.clone()],
        ..Options::new("h")
    };
    let once = Options {
        once: true,
        ..options.clone()
    };
    let client = world.cluster.client();
    agent::run(client, store.clone(), once, CancellationToken::new())
        .await
        .unwrap();
    let stored = in_store(&*store, &world.namespace).await.unwrap();
    assert!(stored.contains_key("Thing/n0"), "{stored:?}");

    // The next agent finds a group that does not answer.
    let faults = Arc::new(Faults::new(world.group.clone()));
    faults.make_stale();
    let client = faulty(world.cluster.client(), world.dice.clone(), faults.clone());
    let stop = CancellationToken::new();
    let mut task = tokio::spawn(agent::run(client, store.clone(), options, stop.clone()));
    loop {
        let states = store.clusters().await.unwrap();
        if states
            .iter()
            .any(|state| state.heartbeat_seconds > 0 && state.undiscovered.contains(&world.group))
        {
            break;
        }
        assert!(!task.is_finished(), "{:?}", task.await);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    world.define().await;
    faults.off();
    settle(&world, &*store, &mut task, 0).await;
    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_to_be_complete_is_so_after_random_histories_with_faults() {
    let (first, seeds) = (
        number("PEQUOD_FLEET_FIRST_SEED", 0),
        number("PEQUOD_FLEET_SEEDS", 3),
    );
    let sums = Arc::<Sums>::default();
    let mut running = futures::stream::iter(first..first + seeds)
        .map(|seed| {
            let sums = sums.clone();
            tokio::spawn(async move {
                history(seed, sums).await;
                seed
            })
        })
        .buffer_unordered(8);
    while let Some(ended) = running.next().await {
        let seed = ended.unwrap();
        if seeds > 10 {
            eprintln!("history {seed} holds");
        }
    }
    sums.print(seeds);
}
