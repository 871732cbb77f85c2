//! `cargo xtask conformance storage-driver`: democratic-csi itself, unmodified, against the simulated appliance.
//!
//! For each release and protocol the driver's controller runs as a process and is asked, over its socket, to create,
//! repeat, snapshot, restore, clone, expand, list and delete ([`calls.js`](../driver/calls.js)). What came into being is
//! then scanned: with the objects that a cluster would have nothing may be missing, without them everything is an
//! orphan of the right kind, and after the driver deleted it nothing is left. Argument: a folder with the driver's
//! sources, which is cloned and furnished by npm when it is not there.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a checking program: what fails here fails it"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
    time::Duration,
};

use kubectl_storage::{
    finding::State,
    kubernetes::{config, decode::LISTS},
    matcher::Report,
    model::{Inventory, Text, cluster::Cluster},
    truenas::{
        client::{Address, Client},
        read::{Scope, read},
        tls::Trust,
    },
};
use pequod_diag::Secret;
use serde_json::{Value, json};
use storage_conformance::two_scans;
use tokio::process::{Child, Command};
use truenas_simulator::{
    Nas, Profile,
    server::{Options, Running, start},
};

const RELEASE: &str = "v1.9.4";
const SOURCES: &str = "https://github.com/democratic-csi/democratic-csi";
const NOW: i64 = 1_760_000_000;
const DAY: i64 = 86_400;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let folder = std::env::args().nth(1).map_or_else(
        || std::env::temp_dir().join(format!("pequod-democratic-csi-{RELEASE}")),
        PathBuf::from,
    );
    if let Err(why) = furnish(&folder).await {
        println!("democratic-csi {RELEASE} cannot be had: {why}");
        return ExitCode::from(2);
    }
    let folder = folder.canonicalize().unwrap();
    let mut unexpected = Vec::new();
    println!(
        "{:<8} {:<6} {:>6} {:>8} {:>8} {:>8} {:>6}",
        "release", "kind", "calls", "refused", "volumes", "orphans", "left"
    );
    for profile in [Profile::V2212, Profile::V2410, Profile::V2504] {
        for kind in ["nfs", "iscsi"] {
            let found = Round::run(&folder, profile, kind).await;
            unexpected.extend(
                found
                    .into_iter()
                    .map(|what| format!("{} {kind}: {what}", profile.name())),
            );
        }
    }
    for what in &unexpected {
        println!("unexpected: {what}");
    }
    println!("figures: unexpected={}", unexpected.len());
    if unexpected.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// Sees to it that the folder holds the driver and its packages.
async fn furnish(folder: &Path) -> Result<(), String> {
    if !folder.join("package.json").exists() {
        let clone = [
            "clone", "--quiet", "--depth", "1", "--branch", RELEASE, SOURCES,
        ];
        run(Command::new("git").args(clone).arg(folder)).await?;
    }
    let changes = std::fs::read_to_string(folder.join("CHANGELOG.md")).unwrap_or_default();
    let newest = changes.lines().next().unwrap_or_default();
    if newest != format!("# {RELEASE}") {
        return Err(format!("{} holds `{newest}`", folder.display()));
    }
    if !folder.join("node_modules").exists() {
        let quiet = [
            "ci",
            "--omit=dev",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
        ];
        run(Command::new("npm").args(quiet).current_dir(folder)).await?;
    }
    Ok(())
}

async fn run(command: &mut Command) -> Result<(), String> {
    let said = command.output().await;
    let words = format!("{:?}", command.as_std());
    match said {
        Err(error) => Err(format!("{words}: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let last = stderr.trim().lines().last().unwrap_or_default();
            Err(format!("{words}: {last}"))
        }
    }
}

/// What this release of the driver cannot do with this release of the appliance: not the simulator's doing, and what
/// `kubectl storage doctor` says of them.
fn known_to_fail(profile: Profile, kind: &str, step: &str) -> Option<&'static str> {
    match (profile, kind, step) {
        // It looks for SCALE in the version.
        (Profile::V2504, _, "probe") => Some("TrueNAS SCALE"),
        // Without it, it asks for exports in the way of an older product, and each create fails; what depends on one
        // is refused or has nothing to do.
        (Profile::V2504, "nfs", _) => Some(""),
        _ => None,
    }
}

/// One release over one protocol.
struct Round<'a> {
    driver: &'a Path,
    kind: &'static str,
    profile: Profile,
    folder: tempfile::TempDir,
    nas: Running,
    config: Value,
    unexpected: Vec<String>,
}

impl<'a> Round<'a> {
    async fn run(driver: &'a Path, profile: Profile, kind: &'static str) -> Vec<String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nas = Nas::new(profile, &seed(kind)).unwrap();
        let options = Options {
            logins_per_minute: 1000,
            ..Options::default()
        };
        let nas = start(listener, nas, options).unwrap();
        let config = settings(kind, nas.address.port());
        let mut round = Round {
            driver,
            kind,
            profile,
            folder: tempfile::tempdir().unwrap(),
            nas,
            config,
            unexpected: Vec::new(),
        };
        let mut controller = round.controller().await;
        let made = round.ask("make").await;
        let made_well: Vec<&Value> = made.iter().filter(|call| call["error"].is_null()).collect();

        let (volumes, snapshots) = objects(&made_well, kind);
        let whole = two_scans(&round.inventory(&volumes, &snapshots).await, NOW + 30 * DAY);
        round.expect_whole(&whole, volumes.len(), snapshots.len());
        let lost = two_scans(&round.inventory(&[], &[]).await, NOW + 30 * DAY);
        let orphans = round.expect_lost(&lost, &volumes, &snapshots);

        let removed = round.ask("delete").await;
        let left = round.left();
        if !left.is_empty() {
            round.unexpected.push(format!("left behind: {left:?}"));
        }
        // Only the process that was started here.
        controller.kill().await.unwrap();
        let calls = made.len() + removed.len();
        let refused = made
            .iter()
            .chain(&removed)
            .filter(|call| !call["error"].is_null());
        println!(
            "{:<8} {kind:<6} {calls:>6} {:>8} {:>8} {orphans:>8} {:>6}",
            profile.name(),
            refused.count(),
            volumes.len(),
            left.len()
        );
        round.nas.stop().await;
        round.unexpected
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("csi.sock")
    }

    async fn controller(&self) -> Child {
        let file = self.folder.path().join("driver.yaml");
        // JSON is YAML.
        std::fs::write(&file, self.config.to_string()).unwrap();
        let child = Command::new("node")
            .args(["--expose-gc", "bin/democratic-csi", "--csi-version=1.5.0"])
            .arg(format!("--csi-name=org.democratic-csi.{}", self.kind))
            .arg(format!("--driver-config-file={}", file.display()))
            .args(["--log-level=error", "--csi-mode=controller"])
            .arg(format!("--server-socket={}", self.socket().display()))
            .current_dir(self.driver)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        for _ in 0..300 {
            if self.socket().exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(self.socket().exists(), "the driver does not listen");
        child
    }

    /// Makes the calls; what is refused and should not be, or the other way round, is noted.
    async fn ask(&mut self, phase: &str) -> Vec<Value> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("driver/calls.js");
        let output = Command::new("node")
            .arg(script)
            .arg(self.socket())
            .args([self.kind, phase])
            .current_dir(self.driver)
            .stderr(Stdio::inherit())
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let calls: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(output.status.success() && !calls.is_empty(), "{text}");
        for call in &calls {
            let step = call["step"].as_str().unwrap();
            let error = call["error"].as_str();
            let as_known = match (known_to_fail(self.profile, self.kind, step), error) {
                (None, error) => error.is_none(),
                (Some(""), _) => true,
                (Some(words), error) => error.is_some_and(|error| error.contains(words)),
            };
            if !as_known {
                let what = error.unwrap_or("succeeded");
                self.unexpected.push(format!("{step}: {what}"));
            }
        }
        calls
    }

    async fn inventory(&self, volumes: &[Value], snapshots: &[Value]) -> Inventory {
        let address = Address {
            host: "localhost".to_owned(),
            port: self.nas.address.port(),
            plain: false,
            trust: Trust::fingerprint(&self.nas.fingerprint).unwrap(),
            key: Secret::new("1-simulated".to_owned()),
        };
        let client = Client::connect(&address).await.unwrap();
        let name = format!("org.democratic-csi.{}", self.kind);
        let (mut instance, _) = config::instance(&self.config, &name).unwrap();
        instance.exclusive = true;
        let scope = Scope {
            parents: [
                Some(Text::clone(&instance.parent)),
                instance.snapshot_parent.clone(),
            ]
            .into_iter()
            .flatten()
            .collect(),
            snapshots: true,
        };
        let appliance = read(&client, &instance.nas, &scope).await.unwrap();
        let mut cluster = Cluster {
            name: "blue".into(),
            uid: "11111111-0000-4000-8000-000000000000".into(),
            instances: vec![instance],
            ..Cluster::default()
        };
        // Something that is not of this appliance: a cluster without a PersistentVolume is not believed.
        let other = json!({"metadata": {"name": "elsewhere", "uid": "e"}, "spec": {"capacity": {"storage": "1Gi"},
            "persistentVolumeReclaimPolicy": "Retain", "csi": {"driver": "csi.example.org", "volumeHandle": "x"}},
            "status": {"phase": "Available"}});
        for list in LISTS {
            let items: Vec<Value> = match list.path {
                "/api/v1/persistentvolumes" => {
                    volumes.iter().cloned().chain([other.clone()]).collect()
                }
                "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents" => snapshots.to_vec(),
                _ => Vec::new(),
            };
            let page = json!({"items": items}).to_string();
            list.add(&mut cluster, page.as_bytes()).unwrap();
        }
        Inventory {
            appliances: vec![appliance],
            clusters: vec![cluster],
        }
    }

    /// With its objects everything the driver made is in order.
    fn expect_whole(&mut self, report: &Report, volumes: usize, snapshots: usize) {
        let found: Vec<String> = report
            .findings
            .iter()
            .filter(|found| found.state != State::Reported)
            .map(|found| format!("{} {}", found.code, found.subject.id))
            .collect();
        if !found.is_empty() {
            self.unexpected.push(format!("not whole: {found:?}"));
        }
        let counts = report.counts;
        if (counts.matched, counts.persistent_volumes) != (volumes, volumes)
            || counts.matched_snapshots != snapshots
        {
            self.unexpected.push(format!("not matched: {counts:?}"));
        }
    }

    /// Without them every volume and snapshot is an orphan.
    fn expect_lost(&mut self, report: &Report, volumes: &[Value], snapshots: &[Value]) -> usize {
        let handles = volumes
            .iter()
            .map(|volume| &volume["spec"]["csi"]["volumeHandle"])
            .chain(
                snapshots
                    .iter()
                    .map(|content| &content["status"]["snapshotHandle"]),
            )
            .filter_map(Value::as_str);
        let missed: Vec<&str> = handles
            // A snapshot of an orphaned volume goes with it.
            .filter(|handle| !handle.contains('@'))
            .filter(|handle| {
                let named = |id: &str| id.ends_with(handle);
                !report.findings.iter().any(|found| named(&found.subject.id))
            })
            .collect();
        if !missed.is_empty() {
            self.unexpected.push(format!("not found: {missed:?}"));
        }
        report
            .findings
            .iter()
            .filter(|found| found.removable())
            .count()
    }

    /// What is on the appliance besides the parents.
    fn left(&self) -> Vec<String> {
        let state = self.nas.nas.lock().unwrap().state();
        let mut left = Vec::new();
        for (kind, rows) in state.as_object().unwrap() {
            for name in rows.as_object().into_iter().flatten().map(|(name, _)| name) {
                let usual = ["iscsi.portal", "iscsi.initiator", "service"].contains(&kind.as_str());
                let parent = kind == "datasets" && name.matches('/').count() < 4;
                if !usual && !parent {
                    left.push(format!("{kind} {name}"));
                }
            }
        }
        left
    }
}

fn seed(kind: &str) -> Value {
    let parents = ["tank", "tank/k8s", &format!("tank/k8s/{kind}")].map(str::to_owned);
    let ends = ["v", "s"].map(|leaf| format!("tank/k8s/{kind}/{leaf}"));
    let datasets: Vec<Value> = parents
        .into_iter()
        .chain(ends)
        .map(|id| {
            json!({"id": id, "type": "FILESYSTEM", "created": NOW - 900 * DAY, "used": 98_304,
                "referenced": 98_304, "user_properties": {}})
        })
        .collect();
    json!({"now": NOW, "iqn_base": "iqn.2005-10.org.freenas.ctl", "pools": [{"name": "tank", "size": 1_u64 << 40}],
        "datasets": datasets, "portals": [1], "initiators": [1],
        "services": [{"service": "nfs", "state": "RUNNING", "enable": true},
            {"service": "iscsitarget", "state": "RUNNING", "enable": true}]})
}

fn settings(kind: &str, port: u16) -> Value {
    json!({
        "driver": format!("freenas-api-{kind}"), "instance_id": "blue",
        "httpConnection": {"protocol": "https", "host": "localhost", "port": port, "apiKey": "1-simulated",
            "allowInsecure": true},
        "zfs": {"datasetParentName": format!("tank/k8s/{kind}/v"),
            "detachedSnapshotsDatasetParentName": format!("tank/k8s/{kind}/s"),
            "datasetEnableQuotas": true, "datasetEnableReservation": false, "datasetPermissionsMode": "0777",
            "datasetPermissionsUser": 0, "datasetPermissionsGroup": 0, "zvolEnableReservation": false},
        "nfs": {"shareHost": "localhost", "shareAlldirs": false, "shareAllowedHosts": [], "shareAllowedNetworks": [],
            "shareMaprootUser": "root", "shareMaprootGroup": "root"},
        "iscsi": {"targetPortal": "localhost:3260", "namePrefix": "csi-", "nameSuffix": "-blue",
            "targetGroups": [{"targetGroupPortalGroup": 1, "targetGroupInitiatorGroup": 1,
                "targetGroupAuthType": "None"}],
            "extentInsecureTpc": true, "extentXenCompat": false, "extentDisablePhysicalBlocksize": true,
            "extentBlocksize": 512, "extentRpm": "SSD", "extentAvailThreshold": 0},
    })
}

/// PersistentVolumes and VolumeSnapshotContents as the cluster's sidecars make them of the answers.
fn objects(calls: &[&Value], kind: &str) -> (Vec<Value>, Vec<Value>) {
    let driver = format!("org.democratic-csi.{kind}");
    let (mut volumes, mut snapshots) = (BTreeMap::new(), BTreeMap::new());
    for call in calls {
        let volume = &call["value"]["volume"];
        if let Some(id) = volume["volume_id"].as_str() {
            let capacity = volume["capacity_bytes"].as_str().unwrap_or_default();
            let object = json!({"metadata": {"name": id, "uid": id},
                "spec": {"capacity": {"storage": capacity}, "persistentVolumeReclaimPolicy": "Retain",
                    "csi": {"driver": driver, "volumeHandle": id, "volumeAttributes": volume["volume_context"]}},
                "status": {"phase": "Available"}});
            volumes.insert(id.to_owned(), object);
        }
        let snapshot = &call["value"]["snapshot"];
        if let Some(id) = snapshot["snapshot_id"].as_str() {
            let object = json!({"metadata": {"name": id.replace(['/', '@'], "-"), "uid": id},
                "spec": {"driver": driver, "deletionPolicy": "Delete",
                    "source": {"volumeHandle": snapshot["source_volume_id"]},
                    "volumeSnapshotRef": {"namespace": "default", "name": "s", "uid": id}},
                "status": {"snapshotHandle": id, "readyToUse": true}});
            snapshots.insert(id.to_owned(), object);
        }
        // What was expanded is as large as the driver says.
        if call["step"] == "expand"
            && let Some(bytes) = call["value"]["capacity_bytes"].as_str()
            && let Some(volume) = volumes.get_mut("pvc-00000000-0000-4000-8000-000000000001")
        {
            volume["spec"]["capacity"]["storage"] = json!(bytes);
        }
    }
    (
        volumes.into_values().collect(),
        snapshots.into_values().collect(),
    )
}
