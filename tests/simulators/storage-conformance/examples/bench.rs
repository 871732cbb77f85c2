//! `cargo xtask bench storage`: 10,000 volumes and 50,000 snapshots, by release.
//!
//! The simulator runs as a process of its own and the scan in another, so that the memory told is
//! the scan's. The Kubernetes side comes from files, page by page, as it comes from an API server.
//! What the scan is compared with sends the same calls and parses the same answers into nothing.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program: what fails here fails it"
)]

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kubectl_storage::{
    history::{History, Sample},
    kubernetes::{config, decode::LISTS},
    ledger::Ledger,
    matcher::{self, Report, Rules},
    model::{Inventory, Text, cluster::Cluster},
    monitor::{
        api::{Served, router},
        auth::Gate,
        state::{Hub, Published},
    },
    truenas::{
        Answer, CallError, Caller,
        client::{Address, Client},
        read::{Scope, read, snapshots_since, watermark},
        tls::Trust,
    },
    validate,
};
use pequod_diag::Secret;
use serde_json::{Value, json};
use storage_ground_truth::{Recipe, world};
use truenas_simulator::Profile;

const PAGE: usize = 500;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match words.as_slice() {
        ["scan", folder, port, fingerprint] => {
            runtime.block_on(scan(Path::new(folder), port.parse().unwrap(), fingerprint));
        }
        ["all", simulator, plugin, volumes, snapshots] => {
            let recipe = Recipe {
                snapshots_per_volume: snapshots.parse().unwrap(),
                ..Recipe::standard(1, volumes.parse().unwrap())
            };
            let folder = std::env::temp_dir().join(format!("pequod-bench-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            write(&folder, &recipe);
            for profile in Profile::ALL {
                one_release(Path::new(simulator), &folder, profile);
            }
            history(&folder);
            runtime.block_on(api(&folder, Path::new(plugin), &recipe));
            std::fs::remove_dir_all(&folder).unwrap();
        }
        _ => {
            eprintln!("bench all SIMULATOR PLUGIN VOLUMES SNAPSHOTS_PER_VOLUME");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// The world, as the two sides would answer it.
fn write(folder: &Path, recipe: &Recipe) {
    let world = world(recipe);
    std::fs::write(folder.join("seed.json"), world.nas.to_string()).unwrap();
    let mut clusters = Vec::new();
    for (number, cluster) in world.clusters.iter().enumerate() {
        let drivers: Vec<Value> = cluster
            .drivers
            .iter()
            .map(|driver| json!({"name": driver.csi_name, "config": driver.config, "exclusive": driver.exclusive}))
            .collect();
        clusters.push(json!({"name": cluster.name, "uid": cluster.uid, "drivers": drivers}));
        for (at, list) in LISTS.iter().enumerate() {
            let items = cluster
                .lists
                .get(list.path)
                .map(Vec::as_slice)
                .unwrap_or_default();
            for (page, rows) in items.chunks(PAGE).enumerate() {
                let path = folder.join(format!("list-{number}-{at}-{page}.json"));
                std::fs::write(path, json!({"items": rows}).to_string()).unwrap();
            }
        }
    }
    let head = json!({"now": world.now, "clusters": clusters});
    std::fs::write(folder.join("head.json"), head.to_string()).unwrap();
}

fn clusters(folder: &Path) -> (i64, Vec<Cluster>, Vec<Text>) {
    let head: Value =
        serde_json::from_slice(&std::fs::read(folder.join("head.json")).unwrap()).unwrap();
    let mut parents = Vec::new();
    let mut clusters = Vec::new();
    for (number, known) in head["clusters"].as_array().unwrap().iter().enumerate() {
        let mut cluster = Cluster {
            name: known["name"].as_str().unwrap().into(),
            uid: known["uid"].as_str().unwrap().into(),
            ..Cluster::default()
        };
        for driver in known["drivers"].as_array().unwrap() {
            let name = driver["name"].as_str().unwrap();
            let (mut instance, _) = config::instance(&driver["config"], name).unwrap();
            instance.exclusive = driver["exclusive"].as_bool().unwrap();
            parents.push(Text::clone(&instance.parent));
            parents.extend(instance.snapshot_parent.clone());
            cluster.instances.push(instance);
        }
        for (at, list) in LISTS.iter().enumerate() {
            for page in 0.. {
                let path = folder.join(format!("list-{number}-{at}-{page}.json"));
                let Ok(bytes) = std::fs::read(path) else {
                    break;
                };
                list.add(&mut cluster, &bytes).unwrap();
            }
        }
        clusters.push(cluster);
    }
    (head["now"].as_i64().unwrap(), clusters, parents)
}

/// Remembers what was asked.
struct Recording<'a> {
    client: &'a Client,
    asked: Mutex<Vec<(String, Vec<Value>)>>,
}

impl Caller for Recording<'_> {
    async fn call(&self, method: &str, params: &[Value]) -> Result<Answer, CallError> {
        let call = (method.to_owned(), params.to_vec());
        self.asked.lock().unwrap().push(call);
        self.client.call(method, params).await
    }
}

fn memory_kib() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .unwrap()
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .unwrap()
}

fn report(inventory: &Inventory, now: i64) -> Report {
    let rules = Rules::at(now);
    let mut ledger = Ledger::default();
    let mut report = matcher::examine(inventory, &ledger.memory, &rules);
    ledger.advance(&mut report, &rules);
    report
}

/// One scan in a process of its own; prints `name=value …`.
async fn scan(folder: &Path, port: u16, fingerprint: &str) {
    let address = Address {
        host: "localhost".to_owned(),
        port,
        plain: false,
        trust: Trust::fingerprint(fingerprint).unwrap(),
        key: Secret::new("1-simulated".to_owned()),
    };
    let client = Client::connect(&address).await.unwrap();
    let begun = Instant::now();
    let recording = Recording {
        client: &client,
        asked: Mutex::default(),
    };
    let (now, clusters, parents) = clusters(folder);
    let scope = Scope {
        parents: parents.clone(),
        snapshots: true,
    };
    let appliance = read(&recording, &"nas.example.org".into(), &scope)
        .await
        .unwrap();
    assert!(appliance.gaps.is_empty(), "{:?}", appliance.gaps);
    let mut inventory = Inventory {
        appliances: vec![appliance],
        clusters,
    };
    // The name by which the drivers know it.
    inventory.appliances[0].name = Text::clone(&inventory.clusters[0].instances[0].nas);
    let read_seconds = begun.elapsed().as_secs_f64();
    let matching = Instant::now();
    let found = report(&inventory, now).findings.len();
    let match_seconds = matching.elapsed().as_secs_f64();
    let scan_seconds = begun.elapsed().as_secs_f64();
    let memory = memory_kib();

    let begun = Instant::now();
    let checks = validate::validate(&inventory).len();
    let validate_seconds = begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let since = watermark(&inventory.appliances[0]) + 1;
    snapshots_since(&client, &mut inventory.appliances[0], &parents, since).await;
    report(&inventory, now);
    let incremental_seconds = begun.elapsed().as_secs_f64();

    // The same calls and the same lists, parsed into nothing.
    let begun = Instant::now();
    for (method, params) in recording.asked.into_inner().unwrap() {
        let answer = client.call(&method, &params).await.unwrap();
        answer.decode::<serde::de::IgnoredAny>().unwrap();
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("list-")
        {
            let bytes = std::fs::read(path).unwrap();
            serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).unwrap();
        }
    }
    let bare_seconds = begun.elapsed().as_secs_f64();
    println!(
        "scanSeconds={scan_seconds:.3} readSeconds={read_seconds:.3} matchSeconds={match_seconds:.3} \
         bareSeconds={bare_seconds:.3} ratio={:.3} incrementalSeconds={incremental_seconds:.3} \
         validateSeconds={validate_seconds:.3} memoryMiB={:.1} findings={found} checks={checks}",
        scan_seconds / bare_seconds,
        memory as f64 / 1024.0,
    );
}

fn one_release(simulator: &Path, folder: &Path, profile: Profile) {
    let mut server = Command::new(simulator)
        .arg(folder.join("seed.json"))
        .args(["--release", profile.name()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    // "… listens on 127.0.0.1:PORT, certificate sha256 FINGERPRINT"
    let port = line
        .split("127.0.0.1:")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .to_owned();
    let fingerprint = line.trim().rsplit(' ').next().unwrap().to_owned();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["scan", folder.to_str().unwrap(), &port, &fingerprint])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    // Only the process that was started here.
    server.kill().unwrap();
    server.wait().unwrap();
    println!(
        "scan release={} {}",
        profile.name(),
        String::from_utf8_lossy(&output.stdout).trim()
    );
}

/// Samples of 10,000 series, on disk.
fn history(folder: &Path) {
    let mut history = History::open(&folder.join("history.db")).unwrap();
    let rounds = 40;
    let begun = Instant::now();
    for round in 0..rounds {
        let batch: Vec<Sample> = (0..10_000_u64)
            .map(|series| Sample {
                series: format!("volume nas tank/k8s/v/pvc-{series:036}"),
                at: 1_700_000_000 + round * 60,
                used_bytes: series * 4096,
                size_bytes: 1 << 40,
                daily: false,
            })
            .collect();
        history.add(&batch).unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    let samples = rounds as f64 * 10_000.0;
    println!("history samplesPerMinute={:.0}", samples / seconds * 60.0);
}

fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let at = ((times.len() - 1) as f64 * share) as usize;
    times[at]
}

/// The API under 200 requests a second, and the command line that asks it.
async fn api(folder: &Path, plugin: &Path, recipe: &Recipe) {
    let world = world(recipe);
    let inventory = storage_conformance::inventory(&world, Profile::V2510).unwrap();
    let found = storage_conformance::two_scans(&inventory, world.now);
    let now = world.now;
    let hub = Arc::new(Hub::default());
    hub.publish(Published::of(&inventory, &found, now, 1.0, |_| false));
    let tokens: PathBuf = folder.join("tokens");
    std::fs::write(&tokens, "bench token\n").unwrap();
    let served = Served {
        hub,
        gate: Arc::new(Gate::new(Some(tokens.clone()), None, 1e6)),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router(served)).await });
    // Plain HTTP on loopback, and yet the client asks for a provider when it is built.
    rustls::crypto::ring::default_provider()
        .install_default()
        .unwrap();
    let client = reqwest::Client::builder().build().unwrap();
    let url = format!("http://{address}");
    let mut tasks = Vec::new();
    let paths = ["status", "findings?limit=100", "usage", "checks"];
    let begun = tokio::time::Instant::now();
    for number in 0..2000_u32 {
        tokio::time::sleep_until(begun + Duration::from_millis(5) * number).await;
        let (client, url) = (
            client.clone(),
            format!("{url}/api/v1/{}", paths[number as usize % 4]),
        );
        tasks.push(tokio::spawn(async move {
            let begun = Instant::now();
            let answer = client.get(url).bearer_auth("token").send().await.unwrap();
            assert!(answer.status().is_success());
            answer.bytes().await.unwrap();
            begun.elapsed().as_secs_f64() * 1000.0
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.push(task.await.unwrap());
    }
    let token = folder.join("token");
    std::fs::write(&token, "token").unwrap();
    let mut commands = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        let status = tokio::process::Command::new(plugin)
            .args([
                "scan",
                "-o",
                "json",
                "--monitor",
                &url,
                "--monitor-token-file",
            ])
            .arg(&token)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .unwrap();
        assert!(status.code() == Some(1), "{status}");
        commands.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    println!(
        "api findings={} p50Ms={:.2} p99Ms={:.2} cliP50Ms={:.1} cliMaxMs={:.1}",
        found.findings.len(),
        percentile(&mut times, 0.5),
        percentile(&mut times, 0.99),
        percentile(&mut commands, 0.5),
        percentile(&mut commands, 1.0),
    );
}
