//! `serve`, `events`, `backup` and `restore`, as a person calls them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pequod_testkit::{ControlPlane, free_ports};
use serde_json::Value;

use crate::commands::{fleet, three_contexts};

/// A hub for its own user, as a process. It ends with its value.
struct Serving {
    child: Child,
    url: String,
    probes: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    async fn start(store: &Path) -> Self {
        let ports = free_ports(2).unwrap();
        let address = |at: usize| format!("127.0.0.1:{}", ports[at]);
        let child = Command::new(env!("CARGO_BIN_EXE_kubectl-fleet"))
            .args(["serve", "--no-authentication", "--listen", &address(0)])
            .args(["--health-address", &address(1)])
            .env("PEQUOD_FLEET_STORE", store)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let serving = Self {
            child,
            url: format!("http://{}", address(0)),
            probes: format!("http://{}", address(1)),
        };
        let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
        while !get(&format!("{}/readyz", serving.probes))
            .await
            .is_ok_and(|(code, _)| code == 200)
        {
            assert!(tokio::time::Instant::now() < deadline, "it is never ready");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        serving
    }
}

async fn get(url: &str) -> Result<(u16, String), reqwest::Error> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer = reqwest::Client::new().get(url).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// A store with the ConfigMaps of a namespace, read through the context `staging`.
async fn synced(cluster: &ControlPlane, folder: &Path) -> (std::path::PathBuf, String) {
    let namespace = cluster.namespace("serve").await;
    let map =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {token: hunter2}}";
    cluster.apply(&namespace, map).await;
    let kubeconfig = three_contexts(cluster, folder);
    let _ = fleet(
        &kubeconfig,
        &folder.join("store"),
        &format!("sync staging --include-kinds configmaps --include-namespaces {namespace}"),
    )
    .expect_code(0);
    (kubeconfig, namespace)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_for_ones_own_store() {
    let cluster = ControlPlane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (kubeconfig, namespace) = synced(cluster, folder.path()).await;
    let store = folder.path().join("store");
    let serving = Serving::start(&store).await;
    let (code, page) = get(&format!("{}/?q=name:settings", serving.url))
        .await
        .unwrap();
    assert!(code == 200 && page.contains("settings"), "{page}");
    let (_, found) = get(&format!("{}/api/v1/search?ask=configmaps", serving.url))
        .await
        .unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["query"], "kind:ConfigMap");
    let (_, document) = get(&format!("{}/openapi.json", serving.url)).await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        let (code, _) = get(&format!("{}{path}", serving.url)).await.unwrap();
        assert_ne!(code, 404, "{path} is described and not there");
    }
    let (_, metrics) = get(&format!("{}/metrics", serving.probes)).await.unwrap();
    // One with a question, and one without from the loop above.
    assert!(
        metrics.contains("pequod_http_requests_total{route=\"/api/v1/search\",code=\"200\"} 2"),
        "{metrics}"
    );
    // Other terminals use the same store meanwhile.
    let got = fleet(
        &kubeconfig,
        &store,
        &format!("get configmaps -n {namespace} -o name"),
    )
    .expect_code(0);
    assert!(got.stdout.contains("ConfigMap/settings"));
    let outside = Command::new(env!("CARGO_BIN_EXE_kubectl-fleet"))
        .args(["serve", "--no-authentication", "--listen", "0.0.0.0:0"])
        .env("PEQUOD_FLEET_STORE", &store)
        .output()
        .unwrap();
    assert_eq!(outside.status.code(), Some(2), "open to nobody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_whole_or_not_at_all() {
    let cluster = ControlPlane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (kubeconfig, _) = synced(cluster, folder.path()).await;
    let store = folder.path().join("store");
    let other = folder.path().join("other");
    let file = folder.path().join("fleet.jsonl");
    let run = |store: &Path, arguments: &str| fleet(&kubeconfig, store, arguments);
    let _ = run(&store, &format!("backup {}", file.display())).expect_code(0);
    let _ = run(&other, &format!("restore {}", file.display())).expect_code(0);
    let before: Value = serde_json::from_str(
        &run(&store, "search kind:ConfigMap -o json")
            .expect_code(0)
            .stdout,
    )
    .unwrap();
    let after: Value = serde_json::from_str(
        &run(&other, "search kind:ConfigMap -o json")
            .expect_code(0)
            .stdout,
    )
    .unwrap();
    assert!(before["total"].as_u64().unwrap() > 0);
    assert_eq!(before["items"], after["items"]);
    // Into a store that is in use: refused. Cut off: refused, and nothing was done.
    let _ = run(&other, &format!("restore {}", file.display())).expect_code(2);
    let text = std::fs::read_to_string(&file).unwrap();
    let cut = folder.path().join("cut.jsonl");
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&cut, lines[..lines.len() - 1].join("\n")).unwrap();
    let third = folder.path().join("third");
    let _ = run(&third, &format!("restore {}", cut.display())).expect_code(2);
    let empty = run(&third, "search kind:ConfigMap -o json").expect_code(0);
    assert!(empty.stdout.contains("\"total\": 0"), "{}", empty.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_live() {
    let cluster = ControlPlane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (kubeconfig, namespace) = synced(cluster, folder.path()).await;
    let event = "{apiVersion: v1, kind: Event, metadata: {name: e}, type: Warning, reason: Burnt, message: 'the cake', count: 3, involvedObject: {kind: ConfigMap, name: settings}}";
    let event = event.replace(
        "name: settings}",
        &format!("name: settings, namespace: {namespace}}}"),
    );
    cluster.apply(&namespace, &event).await;
    let store = folder.path().join("store");
    let shown = fleet(
        &kubeconfig,
        &store,
        &format!("events configmap/settings -n {namespace} --warnings"),
    )
    .expect_code(0);
    assert!(
        shown.stdout.contains("Burnt") && shown.stdout.contains("staging"),
        "{}",
        shown.stdout
    );
    let none = fleet(&kubeconfig, &store, "events --clusters nowhere").expect_code(2);
    assert!(none.stderr.contains("no such cluster"));
}

/// With the official Python SDK, which shares nothing with the server's library.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a Python with the package mcp, in PEQUOD_FLEET_PYTHON: cargo xtask conformance mcp"]
async fn an_independent_client_can_ask_over_mcp() {
    let cluster = ControlPlane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let (kubeconfig, namespace) = synced(cluster, folder.path()).await;
    let serving = Serving::start(&folder.path().join("store")).await;
    let python = std::env::var("PEQUOD_FLEET_PYTHON").unwrap();
    let script = format!("{}/tests/mcp/client.py", env!("CARGO_MANIFEST_DIR"));
    let hub = format!("{}/mcp", serving.url);
    for target in [hub.as_str(), env!("CARGO_BIN_EXE_kubectl-fleet")] {
        let output = Command::new(&python)
            .args([script.as_str(), target])
            .env("PEQUOD_FLEET_STORE", folder.path().join("store"))
            .env("KUBECONFIG", &kubeconfig)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{target}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let said: Value = serde_json::from_str(&text).unwrap();
        // The hub holds nobody's credentials: only a server of one's own reads objects live.
        let own = target != hub;
        let mut tools = vec!["fleet_capabilities", "fleet_clusters", "fleet_search"];
        if own {
            tools.insert(2, "fleet_object");
            assert_eq!(said["object"]["object"]["data"]["token"], "<redacted>");
        }
        assert_eq!(said["tools"], serde_json::json!(tools), "{target}");
        assert_eq!(said["found"]["items"][0]["namespace"], namespace);
        assert_eq!(said["refused"], true, "{target}");
        assert_eq!(said["clusters"]["clusters"][0]["cluster"], "staging");
    }
    println!("figures: failed=0");
}
