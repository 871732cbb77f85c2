//! The commands of docs/guides/fleet.md, as a person calls them: a laptop, a kubeconfig with three contexts, nothing
//! installed in any of them.

use std::path::Path;
use std::process::Command;

use clap::CommandFactory as _;
use kubectl_fleet::freshness::ClusterState;
use kubectl_fleet::store::{Store as _, qdrant};
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

/// An agent is put into a cluster, and taken away again; with its credentials in the hub, one may read what `view` shows.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_joins_and_leaves() {
    let cluster = ControlPlane::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = three_contexts(cluster, folder.path());
    let namespace = cluster.namespace("join").await;
    let server = qdrant_simulator::Qdrant::start().await.unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "hunter2").unwrap();
    let fleet = |arguments: &str| {
        let flags = format!("-n {namespace} --qdrant {}", server.url());
        fleet(&kubeconfig, folder.path(), &format!("{arguments} {flags}"))
    };
    let with_key = format!("--qdrant-api-key-file {}", key.display());

    // Shown, nothing is done, and nothing secret is shown.
    let shown = fleet(&format!("join eu-prod-1 {with_key} --dry-run")).expect_code(0);
    assert!(shown.stdout.contains("--cluster-id=eu-prod-1") && !shown.stdout.contains("hunter2"));
    let kubectl = |arguments: &str| cluster.kubectl(arguments.split_whitespace());
    let agent = format!("get deployment pequod-fleet-agent -n {namespace} -o name");
    assert_ne!(kubectl(&agent).code, Some(0));
    let wrong = fleet("join eu-prod-1 --id Not_a_name --hub-context staging").expect_code(2);
    assert!(wrong.stderr.contains("--id"), "{}", wrong.stderr);

    let joined = fleet(&format!("join eu-prod-1 {with_key} --hub-context staging")).expect_code(0);
    assert!(!joined.stderr.contains("hunter2"));
    let _ = kubectl(&agent).success();
    let secret = "get secret fleet-eu-prod-1-kubeconfig -o jsonpath={.data.kubeconfig}";
    let encoded = kubectl(&format!("{secret} -n {namespace}")).success();
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded);
    let reader = folder.path().join("reader");
    std::fs::write(&reader, decoded.unwrap()).unwrap();
    let may = |what: &str| {
        let mut command = Command::new(cluster.tools().path("kubectl"));
        command.arg("--kubeconfig").arg(&reader);
        command
            .args(["auth", "can-i"])
            .args(what.split_whitespace());
        pequod_testkit::run(&mut command, "").unwrap().stdout
    };
    assert_eq!(may("list deployments -A"), "yes\n");
    assert_eq!(may("get secrets -A"), "no\n");
    assert_eq!(may("delete deployments -A"), "no\n");

    // The agent's rights are those that the chart gives it.
    let rules = "get clusterrole pequod-fleet-agent -o jsonpath={.rules}";
    let here: Value = serde_json::from_str(&kubectl(rules).success()).unwrap();
    let mut helm = Command::new(cluster.tools().path("helm"));
    helm.args(["template", "pequod"])
        .arg(pequod_testkit::workspace_root().join("charts/pequod"))
        .args(["--show-only", "templates/fleet-agent.yaml", "--set"])
        .arg("fleetSync.enabled=true,fleetSync.clusterID=x,fleetSync.qdrant.endpoint=https://q");
    let chart = pequod_testkit::run(&mut helm, "").unwrap().success();
    let mut command = Command::new(cluster.tools().path("kubectl"));
    command.arg("--kubeconfig").arg(cluster.kubeconfig());
    command.args(["apply", "--dry-run=client", "-o", "json", "-f", "-"]);
    let chart = pequod_testkit::run(&mut command, &chart).unwrap().success();
    let chart: Value = serde_json::from_str(&chart).unwrap();
    let mut objects = chart["items"].as_array().unwrap().iter();
    let role = objects.find(|it| it["kind"] == "ClusterRole").unwrap();
    assert_eq!(here, role["rules"]);

    // It wrote a last word under this id; then it leaves with everything that was made.
    let state = ClusterState {
        cluster: "eu-prod-1".into(),
        ..ClusterState::default()
    };
    let store = qdrant::open(&server.url(), "fleet-resources", None)
        .await
        .unwrap();
    store.put_cluster(&state).await.unwrap();
    let left = fleet("leave eu-prod-1 --member-context eu-prod-1 --hub-context staging");
    let _ = left.expect_code(0);
    let none = format!(
        "get sa,deployment,secret,role,rolebinding -n {namespace} -l app.kubernetes.io/managed-by=kubectl-fleet -o name"
    );
    assert_eq!(kubectl(&none).success(), "");
    assert_ne!(kubectl("get clusterrole pequod-fleet-agent").code, Some(0));
    assert!(store.clusters().await.unwrap().is_empty());
}

/// A server with a model that says what it was told to.
async fn model_that_says(answer: &'static str) -> String {
    let handler = move |body: axum::Json<Value>| async move {
        assert!(
            body["messages"][0]["content"]
                .as_str()
                .unwrap()
                .contains("Clusters: ")
        );
        let message = serde_json::json!({"role": "assistant", "content": answer});
        axum::Json(serde_json::json!({"choices": [{"index": 0, "message": message}]}))
    };
    let router = axum::Router::new().route("/v1/chat/completions", axum::routing::post(handler));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_asked_only_what_the_grammar_leaves_over() {
    let folder = tempfile::tempdir().unwrap();
    let ask = async |question: &str, says: &'static str| {
        let url = model_that_says(says).await;
        let arguments = format!("ask {question} --model wise --model-url {url}");
        let folder = folder.path().to_owned();
        let asked = move || fleet(Path::new("/nonexistent"), &folder, &arguments).expect_code(0);
        tokio::task::spawn_blocking(asked).await.unwrap().stderr
    };
    let read = ask("whatever_keeps_me_up_at_night", "`health:Failed age<8h`").await;
    let shown = "as wise reads it:\nkubectl fleet search 'health:Failed age<8h'\n";
    assert!(read.starts_with(shown), "{read}");
    let prose = ask("whatever_keeps_me_up_at_night", "I would not know.").await;
    assert!(
        prose.starts_with("Warning: wise gave no query\nkubectl fleet search '"),
        "{prose}"
    );
    let clear = ask("failing", "kind:Wrong").await;
    assert!(
        clear.starts_with("kubectl fleet search 'health:Failed'"),
        "{clear}"
    );
    let arguments = "ask keeps_me_up --model wise --model-url http://127.0.0.1:9/v1";
    let away = fleet(Path::new("/nonexistent"), folder.path(), arguments).expect_code(0);
    assert!(
        away.stderr.starts_with("Warning: the model at "),
        "{}",
        away.stderr
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
        .env("KUBECONFIG", &kubeconfig)
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
    assert_eq!(tools.len(), 4);
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
    // The object itself, live, with this kubeconfig's rights; what it holds stays where it is.
    let id = &found["items"][0]["id"];
    let whole = ask(
        serde_json::json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {
        "name": "fleet_object", "arguments": {"id": id}}}),
    );
    let object = &whole["result"]["structuredContent"]["object"];
    assert_eq!(object["data"]["token"], "<redacted>", "{whole}");
    let refused = ask(
        serde_json::json!({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {
        "name": "fleet_search", "arguments": {"query": "colour:red"}}}),
    );
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    drop(requests);
    assert!(server.wait().unwrap().success());
}
