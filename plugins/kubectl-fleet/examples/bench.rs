//! The figures of `cargo xtask bench fleet`, measured in one process of a release build.
//!
//! ```text
//! bench [OBJECTS IN THE STORE] [OBJECTS IN EACH API SERVER] [API SERVERS] [OBJECTS WITH VECTORS] [FOLDER]
//! ```
//!
//! A part of no objects is left out. In a folder the stores stay, and one that is there with as many objects is only read:
//! building a large store and measuring it can be two runs.
//!
//! *Store*: records of many clusters are written to the embedded store, then asked for; others with vectors of 384 numbers,
//! which are searched together with their words. *Agents*: ConfigMaps in real
//! API servers are listed by a bare client, written to a store without an agent, and read by an agent each, all at the
//! same time; ratios are against the slower of the first two, on the same machine in the same minute. *An agent as a
//! process*, with a store elsewhere, says how much memory it held.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be taken ends the program"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use kubectl_fleet::agent::{self, Options};
use kubectl_fleet::meaning::{Embed, Meaning, ModelError};
use kubectl_fleet::observe::{self, Served};
use kubectl_fleet::query::{Field, Query, parse::parse};
use kubectl_fleet::record::Record;
use kubectl_fleet::store::{Change, Page, Store, embedded};
use pequod_testkit::{ControlPlane, percentile};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn served(group: &str, kind: &str, resource: &str) -> Served {
    Served {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        resource: resource.into(),
        namespaced: true,
        aliases: Vec::new(),
        categories: Vec::new(),
        about: Vec::new(),
    }
}

/// A Pod or Deployment of a made-up shop; one in fifty is not well.
fn record(at: usize, now: i64) -> Record {
    const APPS: [&str; 10] = [
        "web", "cart", "payment", "search", "postgres", "redis", "kafka", "mail", "auth", "gateway",
    ];
    let app = APPS[at % APPS.len()];
    let (cluster, namespace) = (format!("cluster-{}", at % 11), format!("team-{}", at % 97));
    let failing = at % 50 == 7;
    let labels = json!({"app.kubernetes.io/name": app, "team": namespace, "pod-template-hash": format!("{:x}", at / 7)});
    let image = format!("registry.example.com/{app}:{}", at % 13);
    let object = json!({
        "metadata": {"name": format!("{app}-{at:06x}"), "namespace": namespace, "uid": format!("uid-{at}"), "labels": labels,
            "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {"description": format!("the {app} of {namespace}")}},
        "spec": {"containers": [{"image": image}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if failing { "False" } else { "True" }}],
            "containerStatuses": if failing { json!([{"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]) } else { json!([]) }},
    });
    observe::record(
        &cluster,
        &served("", "Pod", "pods"),
        &object,
        vec![("Ready".into(), "1/1".into())],
        now,
    )
    .unwrap()
}

/// The most memory a process has held, and holds, in MiB.
fn memory(process: &str) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let of = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
            .unwrap_or(f64::NAN)
            / 1024.0
    };
    (of("VmHWM:"), of("VmRSS:"))
}

struct Figures(Vec<(String, f64)>);

impl Figures {
    fn put(&mut self, name: &str, value: f64, unit: &str, what: &str) {
        println!("{value:>12.1} {unit:<10} {what}");
        self.0.push((name.to_owned(), value));
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of objects")]
fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Where a store lies: in the folder that was named, or in one that goes when the run ends.
struct Place {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Place {
    fn new(folder: Option<&Path>, name: &str) -> Self {
        let temporary = folder.is_none().then(|| tempfile::tempdir().unwrap());
        let parent = folder.unwrap_or_else(|| temporary.as_ref().unwrap().path());
        Self {
            path: parent.join(name),
            _temporary: temporary,
        }
    }
}

/// Writes records in batches as an agent does; how long the store took, without what it takes to make the records.
async fn write(store: &dyn Store, count: usize, now: i64) -> Duration {
    let mut took = Duration::ZERO;
    for batch in 0..count.div_ceil(1000) {
        let changes: Vec<Change> = (batch * 1000..count.min(batch * 1000 + 1000))
            .map(|at| Change::Put(Box::new(record(at, now))))
            .collect();
        let begun = Instant::now();
        store.apply(&changes).await.unwrap();
        took += begun.elapsed();
        if (batch + 1) % 100 == 0 {
            println!(
                "{:>12} written in {:.1} s",
                (batch + 1) * 1000,
                took.as_secs_f64()
            );
        }
    }
    let begun = Instant::now();
    store.flush().await.unwrap();
    took + begun.elapsed()
}

async fn of_the_store(figures: &mut Figures, count: usize, folder: Option<&Path>) {
    let now = agent::now();
    let place = Place::new(folder, "words");
    let begun = Instant::now();
    let store = embedded::open(&place.path).unwrap();
    let opened = begun.elapsed();
    let held = store.count(&Query::default(), now).await.unwrap();
    if held == count as u64 {
        let seconds = opened.as_secs_f64();
        figures.put("openSeconds", seconds, "s", "until the store is open");
    } else {
        let took = write(&store, count, now).await;
        figures.put(
            "storeWritesPerSecond",
            rate(count, took),
            "objects/s",
            "written to the embedded store",
        );
    }
    let page = Page {
        limit: 100,
        after: None,
    };
    let mut worst: f64 = 0.0;
    for (what, text) in [
        (
            "three labels over all clusters",
            "label:app.kubernetes.io/name=web label:team=team-3 label:pod-template-hash",
        ),
        ("status", "health:Failed"),
        (
            "status, cluster pattern, age",
            "health:Failed cluster:cluster-1* age>1h",
        ),
        ("one object by name", "name:web-000000"),
    ] {
        let query = parse(text).unwrap();
        let mut times = Vec::new();
        for _ in 0..200 {
            let begun = Instant::now();
            let _ = store.list(&query, now, page).await.unwrap();
            times.push(begun.elapsed());
        }
        let slow = percentile(&mut times, 0.99);
        println!("{slow:>12.1} {:<10} p99 of a filter: {what}", "ms");
        worst = worst.max(slow);
    }
    figures.put("filterP99", worst, "ms", "p99 of the slowest filter");
    let query = parse("-health:Current").unwrap();
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        let _ = store.count(&query, now).await.unwrap();
        times.push(begun.elapsed());
    }
    let slow = percentile(&mut times, 0.99);
    figures.put("countP99", slow, "ms", "p99 of counting what is not well");
    let query = parse("name:web-00*").unwrap();
    let begun = Instant::now();
    let _ = store.list(&query, now, page).await.unwrap();
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    println!("{took:>12.1} ms         a filter by a pattern of names, once");
    let mut times = Vec::new();
    for at in 0..200 {
        let words = ["payment crash", "postgres team", "redis gateway", "mail 4c"][at % 4];
        let query = parse(words).unwrap();
        let begun = Instant::now();
        let _ = store.search(&query, now, 20).await.unwrap();
        times.push(begun.elapsed());
    }
    let slow = percentile(&mut times, 0.95);
    figures.put("textP95", slow, "ms", "p95 of a search by words");
    let (most, now) = memory("self");
    println!("{now:>12.1} MiB        held by this process, {most:.1} at most");
}

/// A model that needs no time: the numbers are as many and as different as those of a real one.
struct Instant384;

impl Embed for Instant384 {
    fn model(&self) -> &'static str {
        "instant"
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        let vector = |text: &String| {
            let seed = text.bytes().fold(0x811c_9dc5_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            (0..384u64)
                .map(|at| {
                    let mixed = (seed ^ (at << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    #[expect(clippy::cast_precision_loss, reason = "any number will do")]
                    let number = ((mixed >> 40) as f32) / 8_388_608.0 - 1.0;
                    number
                })
                .collect()
        };
        Box::pin(async move { Ok(texts.iter().map(vector).collect()) })
    }
}

async fn of_meaning(figures: &mut Figures, count: usize, folder: Option<&Path>) {
    let now = agent::now();
    let place = Place::new(folder, "meaning");
    let meaning = Arc::new(Meaning::new(Instant384));
    let store = embedded::open(&place.path).unwrap().with(Some(meaning));
    let held = store.count(&Query::default(), now).await.unwrap();
    if held != count as u64 {
        write(&store, count, now).await;
        let begun = Instant::now();
        for cluster in 0..11 {
            while store.grasp(&format!("cluster-{cluster}")).await.unwrap() > 0 {}
        }
        store.flush().await.unwrap();
        figures.put(
            "vectorsPerSecond",
            rate(count, begun.elapsed()),
            "objects/s",
            "given a vector of 384 numbers, the model's time apart",
        );
    }
    let mut times = Vec::new();
    for at in 0..100 {
        let words = ["payment crash", "postgres team", "redis gateway", "mail 4c"][at % 4];
        let query = parse(words).unwrap();
        let begun = Instant::now();
        let found = store.search(&query, now, 20).await.unwrap();
        times.push(begun.elapsed());
        assert!(found.only_words.is_none());
    }
    let slow = percentile(&mut times, 0.95);
    figures.put(
        "hybridP95",
        slow,
        "ms",
        "p95 of a search by words and meaning",
    );
    let (most, _) = memory("self");
    println!("{most:>12.1} MiB        the most that this process has held");
}

type Maps = Api<ConfigMap>;

/// Writes a ConfigMap; what is in it is seen by no reader of the fleet, its label is.
async fn put(maps: &Maps, name: &str, label: &str, data: &str) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"beat": data},
        "metadata": {"name": name, "labels": {"app": "bench", "v": label}, "annotations": {"note": "a map of the bench"}}});
    let parameters = PatchParams::apply("bench").force();
    maps.patch(name, &parameters, &Patch::Apply(&map))
        .await
        .unwrap();
}

/// All of them, in parts, as a bare client reads them.
async fn listed(maps: &Maps) -> Vec<ConfigMap> {
    let (mut listed, mut next) = (Vec::new(), None::<String>);
    loop {
        let mut parameters = ListParams::default().limit(500);
        parameters.continue_token.clone_from(&next);
        let part = maps.list(&parameters).await.unwrap();
        listed.extend(part.items);
        next = part.metadata.continue_.filter(|it| !it.is_empty());
        if next.is_none() {
            return listed;
        }
    }
}

/// API servers with so many ConfigMaps each.
struct Fleet {
    clusters: Vec<ControlPlane>,
    maps: Vec<Maps>,
    namespace: String,
    count: usize,
}

impl Fleet {
    async fn start(servers: usize, count: usize) -> Self {
        let namespace = "bench".to_owned();
        let (mut clusters, mut maps) = (Vec::new(), Vec::new());
        for _ in 0..servers {
            let cluster = ControlPlane::start().await.unwrap();
            cluster
                .apply(
                    "",
                    "{apiVersion: v1, kind: Namespace, metadata: {name: bench}}",
                )
                .await;
            let of_one: Maps = Api::namespaced(cluster.client(), &namespace);
            let put = &async |at: usize| put(&of_one, &format!("map-{at:06}"), "a", "0").await;
            futures::stream::iter(0..count)
                .for_each_concurrent(16, put)
                .await;
            clusters.push(cluster);
            maps.push(of_one);
        }
        Self {
            clusters,
            maps,
            namespace,
            count,
        }
    }

    fn options(&self, at: usize, once: bool) -> Options {
        Options {
            include: vec!["configmaps".into()],
            namespaces: vec![self.namespace.clone()],
            batch_window: Duration::ZERO,
            once,
            ..Options::new(format!("c{at}"))
        }
    }

    /// An agent for each, all at once, until each has read its cluster; how many points they wrote.
    async fn sync(&self, store: &Arc<dyn Store>) -> u64 {
        let agents = self.clusters.iter().enumerate().map(|(at, cluster)| {
            tokio::spawn(agent::run(
                cluster.client(),
                store.clone(),
                self.options(at, true),
                CancellationToken::new(),
            ))
        });
        let mut written = 0;
        for summary in futures::future::join_all(agents).await {
            written += summary.unwrap().unwrap().written;
        }
        written
    }
}

/// Only listing everything, and only writing it: how long each took.
async fn limits(fleet: &Fleet, folder: &Path) -> (Duration, Duration) {
    let begun = Instant::now();
    let found = futures::future::join_all(fleet.maps.iter().map(listed)).await;
    let listing = begun.elapsed();
    let kind = served("", "ConfigMap", "configmaps");
    let changes: Vec<Change> = found
        .iter()
        .enumerate()
        .flat_map(|(at, maps)| maps.iter().map(move |map| (format!("c{at}"), map)))
        .map(|(cluster, map)| {
            let object = serde_json::to_value(map).unwrap();
            let record = observe::record(&cluster, &kind, &object, Vec::new(), 0).unwrap();
            Change::Put(Box::new(record))
        })
        .collect();
    drop(found);
    let bare = embedded::open(&folder.join("bare")).unwrap();
    let begun = Instant::now();
    for batch in changes.chunks(1000) {
        bare.apply(batch).await.unwrap();
    }
    bare.flush().await.unwrap();
    (listing, begun.elapsed())
}

async fn of_the_agents(figures: &mut Figures, fleet: &Fleet) {
    let (folder, count) = (
        tempfile::tempdir().unwrap(),
        fleet.count * fleet.clusters.len(),
    );
    let (listing, writing) = limits(fleet, folder.path()).await;
    let store: Arc<dyn Store> = Arc::new(embedded::open(&folder.path().join("agent")).unwrap());
    let begun = Instant::now();
    let written = fleet.sync(&store).await;
    let syncing = begun.elapsed();
    assert!(written >= count as u64);
    let limit = listing.max(writing).as_secs_f64();
    println!(
        "{count} ConfigMaps in {} API servers: listed in {listing:.1?}, written in {writing:.1?}, synchronised in {syncing:.1?}",
        fleet.clusters.len()
    );
    figures.put(
        "syncRatio",
        syncing.as_secs_f64() / limit,
        "×",
        "initial sync against the slower of only listing and only writing",
    );
    figures.put(
        "syncPerSecond",
        rate(count, syncing),
        "objects/s",
        "initial sync",
    );
    let begun = Instant::now();
    let again = fleet.sync(&store).await;
    figures.put(
        "resyncMilliseconds",
        begun.elapsed().as_secs_f64() * 1000.0,
        "ms",
        "a second sync, of what did not change",
    );
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    figures.put("resyncWrites", again as f64, "points", "written by it");
    of_changes(figures, fleet, store).await;
}

/// So many changes, one each so often: a minute, in which the store is made durable as often as it is at other times.
const CHANGES: usize = 1200;
const CHANGE_EVERY: Duration = Duration::from_millis(50);

/// From the API server's answer to the store's; and what is written when nothing changes that a reader could see.
async fn of_changes(figures: &mut Figures, fleet: &Fleet, store: Arc<dyn Store>) {
    let stop = CancellationToken::new();
    let metrics = kubectl_fleet::metrics::Metrics::default();
    let options = Options {
        metrics: metrics.clone(),
        ..fleet.options(0, false)
    };
    let client = fleet.clusters[0].client();
    let running = tokio::spawn(agent::run(client, store.clone(), options, stop.clone()));
    let in_step = async || {
        let states = store.clusters().await.unwrap();
        states.iter().any(|it| {
            it.cluster == "c0" && it.heartbeat_seconds > 0 && it.judge(agent::now(), None).complete
        })
    };
    while !in_step().await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let maps = &fleet.maps[0];
    let change = async |name: String, label: String| {
        put(maps, &name, &label, "0").await;
        let begun = Instant::now();
        let query = Query::default()
            .is(Field::Name, [name])
            .is(Field::Label, [format!("v={label}")]);
        while store.count(&query, 0).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        begun.elapsed()
    };
    // At their own pace, whether or not those before were found: what holds one up holds up those after it as well.
    let mut pace = tokio::time::interval(CHANGE_EVERY);
    let changed = (fleet.count / 2).min(1000);
    let mut under_way = FuturesUnordered::new();
    let mut times = Vec::new();
    for at in 0..CHANGES {
        loop {
            tokio::select! {
                _ = pace.tick() => break,
                Some(time) = under_way.next() => times.push(time),
            }
        }
        under_way.push(change(format!("map-{:06}", at % changed), format!("b{at}")));
    }
    times.extend(under_way.collect::<Vec<Duration>>().await);
    let (usual, slow) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
    figures.put(
        "visibleP50",
        usual,
        "ms",
        "p50 from a change to its being found, window 0",
    );
    figures.put("visibleP99", slow, "ms", "p99 of it");

    // The first ones are as the changes above left them. Of the others only that changes which no reader sees.
    let before = metrics.written.get();
    let beat = &async |at: usize| put(maps, &format!("map-{at:06}"), "a", "1").await;
    let beats = changed..fleet.count - 1;
    futures::stream::iter(beats.clone())
        .for_each_concurrent(16, beat)
        .await;
    // The watch is in order: when this one has arrived, all before it have.
    let _ = change(format!("map-{:06}", fleet.count - 1), "last".to_owned()).await;
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    figures.put(
        "heartbeatWrites",
        (metrics.written.get() - before).saturating_sub(1) as f64,
        "points",
        &format!(
            "written for {} changes that no reader could see",
            beats.len()
        ),
    );
    stop.cancel();
    let _ = running.await;
}

/// What an agent holds as a process of its own whose store is elsewhere, in MiB.
async fn memory_of_an_agent(figures: &mut Figures, fleet: &Fleet) {
    let program = std::env::current_exe().unwrap();
    let program = program.ancestors().nth(2).unwrap().join("kubectl-fleet");
    let server = qdrant_simulator::Qdrant::start().await.unwrap();
    let mut agent = tokio::process::Command::new(program)
        .args([
            "agent",
            "--cluster-id",
            "alone",
            "--include-kinds",
            "configmaps",
        ])
        .args([
            "--include-namespaces",
            &fleet.namespace,
            "--health-address",
            "127.0.0.1:0",
        ])
        .args(["--qdrant", &server.url()])
        .env("KUBECONFIG", fleet.clusters[0].kubeconfig())
        .env("RUST_LOG", "warn")
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    while server.points_written() < fleet.count as u64 {
        assert!(agent.try_wait().unwrap().is_none(), "the agent has ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (most, now) = memory(&agent.id().unwrap().to_string());
    figures.put(
        "agentMemory",
        most,
        "MiB",
        &format!(
            "the most an agent of {} objects held; {now:.1} after its first list",
            fleet.count
        ),
    );
    let limit = if fleet.count > 10_000 { 150.0 } else { 60.0 };
    figures.put(
        "agentMemoryShare",
        most / limit,
        "×",
        &format!("of the {limit:.0} MiB that it may hold"),
    );
    agent.kill().await.unwrap();
}

#[tokio::main]
async fn main() {
    let number = |at: usize, usual: usize| {
        std::env::args()
            .nth(at)
            .and_then(|it| it.parse().ok())
            .unwrap_or(usual)
    };
    let (in_store, in_each, servers) = (number(1, 100_000), number(2, 10_000), number(3, 3));
    let with_vectors = number(4, 50_000);
    let folder = std::env::args().nth(5).map(PathBuf::from);
    let folder = folder.as_deref();
    let mut figures = Figures(Vec::new());
    if in_each > 0 {
        let fleet = Fleet::start(servers, in_each).await;
        of_the_agents(&mut figures, &fleet).await;
        memory_of_an_agent(&mut figures, &fleet).await;
    }
    if in_store > 0 {
        println!("\n{in_store} objects of 11 clusters in the embedded store");
        of_the_store(&mut figures, in_store, folder).await;
    }
    if with_vectors > 0 {
        println!("\n{with_vectors} of them with vectors");
        of_meaning(&mut figures, with_vectors, folder).await;
    }
    let all: Vec<String> = figures
        .0
        .iter()
        .map(|(name, value)| format!("{name}={value:.3}"))
        .collect();
    println!("figures: {}", all.join(" "));
}
