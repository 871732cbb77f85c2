//! The commands of docs/guides/fleet.md, as a person calls them: a laptop, a kubeconfig with three contexts, nothing
//! installed in any of them.

use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use pequod_testkit::{ControlPlane, Output};
use serde_json::Value;

pub(crate) fn fleet(kubeconfig: &Path, store: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-fleet"));
    command
        .args(
            arguments
                .split_whitespace()
                .map(|word| word.replace('_', " ")),
        )
        .env("KUBECONFIG", kubeconfig)
        .env("PEQUOD_FLEET_STORE", store)
        .env_remove("PEQUOD_FLEET_QDRANT");
    pequod_testkit::run(&mut command, "").unwrap()
}

/// A kubeconfig with three contexts, each of another cluster as far as a kubeconfig can tell.
pub(crate) fn three_contexts(cluster: &ControlPlane, folder: &Path) -> std::path::PathBuf {
    let known = kube::config::Kubeconfig::read_from(cluster.kubeconfig()).unwrap();
    let context = known.contexts[0].context.clone().unwrap();
    let user = context.user.unwrap();
    let file = folder.join("kubeconfig");
    std::fs::copy(cluster.kubeconfig(), &file).unwrap();
    let config = |arguments: &[&str]| {
        let mut command = Command::new(cluster.tools().path("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(&file)
            .arg("config")
            .args(arguments);
        pequod_testkit::run(&mut command, "").unwrap().success();
    };
    for name in ["eu-prod-1", "us-prod-2", "staging"] {
        config(&[
            "set-context",
            name,
            "--cluster",
            &context.cluster,
            "--user",
            &user,
        ]);
    }
    config(&["use-context", "staging"]);
    config(&["delete-context", &known.contexts[0].name]);
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_laptop_with_three_contexts_and_nothing_installed() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("laptop").await;
    let failing = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, labels: {app: shop, team: payments}}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {nodeSelector: {nowhere: 'true'}, containers: [{name: shop, image: 'registry.example.com/shop:1'}]}
---
apiVersion: v1
kind: Secret
metadata: {name: credentials}
stringData: {password: hunter2}
";
    cluster.apply(&namespace, failing).await;
    let deployments = kube::Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(
        cluster.client(),
        &namespace,
    );
    pequod_testkit::wait::until(&deployments, "shop", "has one replica", |it| {
        it.and_then(|it| it.status.as_ref()?.replicas) == Some(1)
    })
    .await;

    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = three_contexts(cluster, folder.path());
    let store = folder.path().join("store");
    let fleet = |arguments: &str| fleet(&kubeconfig, &store, arguments);

    // Before anything was read, every answer says so.
    let empty = fleet("search kind:Pod --require-complete").expect_code(3);
    assert!(
        empty.stderr.contains("no cluster is known"),
        "{}",
        empty.stderr
    );

    let synced = fleet("sync --all-contexts").expect_code(0);
    for context in ["eu-prod-1", "us-prod-2", "staging"] {
        assert!(
            synced.stderr.contains(&format!("{context}: ")),
            "{}",
            synced.stderr
        );
    }

    // get: as kubectl, with a CLUSTER column and a footer.
    let got = fleet(&format!(
        "get deploy -n {namespace} -l team=payments --require-complete"
    ))
    .expect_code(0);
    assert!(got.stdout.starts_with("CLUSTER"), "{}", got.stdout);
    assert_eq!(got.stdout.lines().count(), 4, "{}", got.stdout);
    assert!(got.stdout.contains("0/1"), "{}", got.stdout);
    assert!(
        got.stderr.contains("3/3 clusters ≤ ") && got.stderr.contains("0 dropped"),
        "{}",
        got.stderr
    );
    let named = fleet(&format!(
        "get deployment/shop -n {namespace} --clusters eu-* -o name"
    ))
    .expect_code(0);
    assert_eq!(
        named.stdout,
        format!("eu-prod-1/{namespace}/apps/v1/Deployment/shop\n")
    );
    let _ = fleet("get nonsense").expect_code(2);
    let _ = fleet(&format!("get pods/nobody -n {namespace}")).expect_code(1);

    // ask: the query is shown, and is a command.
    let asked = fleet(&format!(
        "ask deployments_without_replicas_ready_in_prod_clusters_in_namespace_{namespace} -o json"
    ))
    .expect_code(0);
    let query = format!("kind:Deployment ready:none cluster:*prod* namespace:{namespace}");
    assert!(
        asked
            .stderr
            .contains(&format!("kubectl fleet search '{query}'")),
        "{}",
        asked.stderr
    );
    let answer: Value = serde_json::from_str(&asked.stdout).unwrap();
    assert_eq!(
        (&answer["query"], &answer["total"]),
        (&query.clone().into(), &2.into())
    );
    assert_eq!(answer["freshness"]["complete"], true);
    let searched = fleet(&format!("search {query} -o json")).expect_code(0);
    assert_eq!(
        serde_json::from_str::<Value>(&searched.stdout).unwrap()["items"],
        answer["items"]
    );

    // tree, diff, problems, kinds, clusters, capabilities.
    let tree = fleet(&format!(
        "tree deployment shop -n {namespace} --clusters staging"
    ))
    .expect_code(0);
    assert!(
        tree.stdout.contains("staging Deployment/shop  InProgress")
            && tree.stdout.contains("   └─ Pod/shop-"),
        "{}",
        tree.stdout
    );
    assert!(tree.stdout.contains("(Unschedulable)"), "{}", tree.stdout);
    let _ = fleet(&format!("diff deployment shop -n {namespace}")).expect_code(0);
    let problems = fleet("top problems --clusters staging").expect_code(1);
    assert!(
        problems.stdout.contains("Unschedulable"),
        "{}",
        problems.stdout
    );
    assert!(
        fleet("kinds")
            .expect_code(0)
            .stdout
            .contains("deployments.apps")
    );
    assert!(
        fleet("capabilities storage")
            .expect_code(0)
            .stdout
            .contains("storageclasses.storage.k8s.io")
    );
    let clusters = fleet("clusters -o json").expect_code(0);
    assert_eq!(
        serde_json::from_str::<Value>(&clusters.stdout).unwrap()["items"]
            .as_array()
            .unwrap()
            .len(),
        3
    );

    // describe reads live, and still shows no secret.
    let secret = fleet(&format!(
        "describe secret credentials -n {namespace} --clusters eu-prod-1"
    ))
    .expect_code(0);
    assert!(
        secret.stdout.contains("<redacted>") && !secret.stdout.contains("aHVudGVyMg"),
        "{}",
        secret.stdout
    );

    // A difference, found; a cluster, forgotten.
    cluster
        .apply(&namespace, &failing.replace("shop:1", "shop:2"))
        .await;
    let _ = fleet("sync staging").expect_code(0);
    let differs = fleet(&format!("diff deployment shop -n {namespace}")).expect_code(1);
    assert!(
        differs.stdout.contains("registry.example.com/shop:2"),
        "{}",
        differs.stdout
    );
    let _ = fleet("leave staging").expect_code(0);
    let _ = fleet("leave staging").expect_code(2);
    let left = fleet(&format!("get deploy -n {namespace} -o name")).expect_code(0);
    assert_eq!(left.stdout.lines().count(), 2);
    let asked_for = fleet("search kind:Pod cluster:staging --require-complete").expect_code(3);
    assert!(
        asked_for.stderr.contains("no such cluster is known"),
        "{}",
        asked_for.stderr
    );
}

#[test]
fn the_command_line_keeps_the_suites_rules() {
    assert_eq!(
        pequod_cli::sweep::problems(&kubectl_fleet::cli::Cli::command()),
        Vec::<String>::new()
    );
}

#[test]
fn a_query_that_cannot_be_read_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let output = fleet(
        Path::new("/nonexistent"),
        folder.path(),
        "search colour:red",
    )
    .expect_code(2);
    assert!(
        output.stderr.contains("`colour` is no field"),
        "{}",
        output.stderr
    );
    assert!(output.stdout.is_empty());
}

/// Speaks the protocol by hand, so that the server is not tested by its own library.
#[tokio::test(flavor = "multi_thread")]
async fn an_assistant_can_ask_over_mcp() {
    use std::io::Write as _;

    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("mcp").await;
    let map =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {token: hunter2}}";
    cluster.apply(&namespace, map).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = three_contexts(cluster, folder.path());
    let store = folder.path().join("store");
    let _ = fleet(
        &kubeconfig,
        &store,
        "sync staging --include-kinds configmaps",
    )
    .expect_code(0);

    let mut server = Command::new(env!("CARGO_BIN_EXE_kubectl-fleet"))
        .arg("mcp")
        .env("PEQUOD_FLEET_STORE", &store)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut requests = server.stdin.take().unwrap();
    let mut answers =
        std::io::BufRead::lines(std::io::BufReader::new(server.stdout.take().unwrap()));
    let mut ask = |request: Value| {
        writeln!(requests, "{request}").unwrap();
        if request.get("id").is_none() {
            return Value::Null;
        }
        serde_json::from_str::<Value>(&answers.next().unwrap().unwrap()).unwrap()
    };
    let hello = ask(
        serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}}),
    );
    assert!(
        hello["result"]["capabilities"]["tools"].is_object(),
        "{hello}"
    );
    ask(serde_json::json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    let tools = ask(serde_json::json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"}));
    let tools = tools["result"]["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 3);
    assert!(tools.iter().all(
        |tool| tool["annotations"]["readOnlyHint"] == true && tool["outputSchema"].is_object()
    ));

    let found = ask(
        serde_json::json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
        "name": "fleet_search", "arguments": {"question": format!("configmaps named settings in namespace {namespace}")}}}),
    );
    let found = &found["result"]["structuredContent"];
    assert_eq!(
        found["query"],
        format!("kind:ConfigMap name:settings namespace:{namespace}")
    );
    assert_eq!(
        (&found["total"], &found["freshness"]["complete"]),
        (&1.into(), &true.into()),
        "{found}"
    );
    assert!(!found.to_string().contains("hunter2"));
    let refused = ask(
        serde_json::json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {
        "name": "fleet_search", "arguments": {"query": "colour:red"}}}),
    );
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    drop(requests);
    assert!(server.wait().unwrap().success());
}
