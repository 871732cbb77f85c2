//! The hub on a real API server: who is let in, and what they find.

mod provider;
mod rules;
mod sign_in;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kubectl_fleet::agent::{self, Options};
use kubectl_fleet::hub::audit::Audit;
use kubectl_fleet::hub::authn::{Authenticator, Reviews};
use kubectl_fleet::hub::oidc::Oidc;
use kubectl_fleet::hub::rates::Rates;
use kubectl_fleet::hub::rights::Rights;
use kubectl_fleet::hub::{Hub, Parts};
use kubectl_fleet::store::{Store, embedded};
use pequod_testkit::ControlPlane;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A hub over a cluster that an agent reads.
struct Served {
    router: Router,
    store: Arc<dyn Store>,
    folder: tempfile::TempDir,
    stop: CancellationToken,
    agent: Option<tokio::task::JoinHandle<()>>,
}

impl Served {
    async fn new(cluster: &ControlPlane, namespaces: &[String], kinds: &[&str]) -> Self {
        Self::with(cluster, namespaces, kinds, None, Rates::new(1e6, 1e6)).await
    }

    async fn with(
        cluster: &ControlPlane,
        namespaces: &[String],
        kinds: &[&str],
        oidc: Option<Oidc>,
        rates: Rates,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(embedded::open(&folder.path().join("store")).unwrap());
        let options = Options {
            batch_window: Duration::from_millis(20),
            heartbeat: Duration::from_secs(1),
            namespaces: namespaces.to_vec(),
            include: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            ..Options::new("here")
        };
        let stop = CancellationToken::new();
        let running = agent::run(cluster.client(), store.clone(), options, stop.clone());
        let agent = tokio::spawn(async move {
            running.await.unwrap();
        });
        let mut authenticator = Authenticator::default();
        authenticator.oidc = oidc;
        authenticator.reviews = Some(Reviews {
            client: cluster.client(),
            home: "here".into(),
            audiences: Vec::new(),
        });
        let audit = Audit::to_file(&folder.path().join("audit.jsonl")).unwrap();
        let hub = Hub::new(Parts {
            store: store.clone(),
            authenticator,
            rights: Some(Rights::new(
                store.clone(),
                Duration::ZERO,
                Duration::from_secs(20),
            )),
            rates,
            audit,
            shutdown: stop.clone(),
        });
        let served = Self {
            router: hub.router(),
            store,
            folder,
            stop,
            agent: Some(agent),
        };
        served.complete().await;
        served
    }

    async fn complete(&self) {
        let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
        loop {
            let states = self.store.clusters().await.unwrap();
            if states
                .iter()
                .any(|state| state.judge(agent::now(), None).complete)
            {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{states:#?}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> (StatusCode, String) {
        let mut request = Request::get(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = self.send(request.body(Body::empty()).unwrap()).await;
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn json(&self, path: &str, token: &str) -> Value {
        let (status, body) = self.get(path, token).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    async fn end_agent(&mut self) {
        self.stop.cancel();
        if let Some(agent) = self.agent.take() {
            agent.await.unwrap();
        }
    }
}

const KINDS: &[&str] = &["configmaps", "secrets"];

async fn shop(cluster: &ControlPlane) -> String {
    let namespace = cluster.namespace("hub").await;
    let objects = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: shop}, annotations: {note: '<script>alert(1)</script>'}}
---
apiVersion: v1
kind: Secret
metadata: {name: credentials}
stringData: {password: hunter2}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [configmaps], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: alice, apiGroup: rbac.authorization.k8s.io}]
";
    cluster.apply(&namespace, objects).await;
    namespace
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_finds_what_they_may_read_and_it_is_written_down() {
    let cluster = ControlPlane::shared().await;
    let namespace = shop(cluster).await;
    let mut served = Served::new(cluster, std::slice::from_ref(&namespace), KINDS).await;

    // Nobody, and somebody who is not known.
    for token in ["", "wrong"] {
        let (status, body) = served.get("/api/v1/search", token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    }
    let to_login = served
        .send(Request::get("/").body(Body::empty()).unwrap())
        .await;
    assert_eq!(
        (to_login.status(), &to_login.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/login".parse().unwrap())
    );

    // An administrator finds everything, alice her ConfigMaps, bob nothing; nobody a secret's content.
    let query = format!("/api/v1/search?q=namespace:{namespace}%20-name:kube-root-ca.crt");
    let all = served.json(&query, "admin-token").await;
    assert_eq!(all["total"], 2, "{all}");
    assert!(!all.to_string().contains("hunter2"));
    let hers = served.json(&query, "alice-token").await;
    assert_eq!(
        (&hers["total"], &hers["items"][0]["name"]),
        (&json!(1), &json!("settings"))
    );
    let his = served.json(&query, "bob-token").await;
    assert_eq!(his["total"], 0);
    // No way around: by words, by counts, by id, by a pattern over values.
    let words = served
        .json("/api/v1/search?q=credentials", "alice-token")
        .await;
    assert_eq!(words["items"], json!([]));
    let facet = served
        .json("/api/v1/facets?field=kind", "alice-token")
        .await;
    assert_eq!(facet["values"][0]["value"], "ConfigMap");
    assert_eq!(facet["values"].as_array().unwrap().len(), 1, "{facet}");
    let id = format!("here/{namespace}/v1/Secret/credentials");
    let (status, _) = served
        .get(&format!("/api/v1/object?id={id}"), "alice-token")
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let pattern = served
        .json("/api/v1/search?q=name:cred*", "alice-token")
        .await;
    assert_eq!(pattern["total"], 0);

    // The page: labelled, escaped, without script.
    let (status, html) = served
        .get(&format!("/?q=namespace:{namespace}"), "alice-token")
        .await;
    assert_eq!(status, StatusCode::OK);
    for part in [
        "<html lang=\"en\">",
        "<label for=\"q\">",
        "role=\"search\"",
        "role=\"status\"",
        "class=\"skip\"",
        "<th scope=\"col\">Cluster</th>",
        "settings",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    assert!(!html.contains("credentials"), "{html}");
    let id = format!("here/{namespace}/v1/ConfigMap/settings");
    let (_, html) = served.get(&format!("/object?id={id}"), "alice-token").await;
    assert!(
        html.contains("&lt;script&gt;") && !html.contains("<script"),
        "{html}"
    );
    let (status, html) = served.get("/?q=colour:red", "alice-token").await;
    assert!(
        status == StatusCode::OK || status == StatusCode::BAD_REQUEST,
        "{html}"
    );

    // Over MCP, the same.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "fleet_search", "arguments": {"query": "kind:Secret,ConfigMap"}}});
    let request = Request::post("/mcp")
        .header("host", "localhost")
        .header("authorization", "Bearer alice-token")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .body(Body::from(call.to_string()))
        .unwrap();
    let answer = served.send(request).await;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8_lossy(&body);
    assert!(
        body.contains("settings") && !body.contains("credentials"),
        "{body}"
    );

    // Everything was written down.
    let audit = std::fs::read_to_string(served.folder.path().join("audit.jsonl")).unwrap();
    let line = audit
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|line| line["user"] == "alice" && line["action"] == "search")
        .unwrap();
    assert_eq!(line["total"], 1);
    assert!(!audit.contains("alice-token"));

    // An agent that is gone says nothing, so nothing is shown, and that is said.
    served.end_agent().await;
    let hers = served.json(&query, "alice-token").await;
    assert_eq!(
        (&hers["total"], &hers["freshness"]["complete"]),
        (&json!(0), &json!(false))
    );
    assert!(hers.to_string().contains("say what you may read"), "{hers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_to_wait() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("hub").await;
    let mut served = Served::with(cluster, &[namespace], KINDS, None, Rates::new(0.001, 2.0)).await;
    for expected in [200, 200, 429] {
        let (status, _) = served.get("/api/v1/clusters", "alice-token").await;
        assert_eq!(status.as_u16(), expected);
    }
    let (status, _) = served.get("/api/v1/clusters", "bob-token").await;
    assert_eq!(status, StatusCode::OK);
    served.end_agent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_come_over_a_websocket_to_those_who_may_see_them() {
    use futures::StreamExt as _;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

    let cluster = ControlPlane::shared().await;
    let namespace = shop(cluster).await;
    let mut served = Served::new(cluster, std::slice::from_ref(&namespace), KINDS).await;
    let (listener, address) = pequod_server::loopback().await.unwrap();
    let router = served.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let url = format!("ws://{address}/api/v1/watch?q=namespace:{namespace}");
    assert!(
        tokio_tungstenite::connect_async(url.clone()).await.is_err(),
        "nobody is let in"
    );
    let mut request = url.into_client_request().unwrap();
    request
        .headers_mut()
        .insert("authorization", "Bearer alice-token".parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let mut next = async || {
        let message = tokio::time::timeout(Duration::from_mins(1), socket.next());
        let message = message.await.unwrap().unwrap().unwrap();
        serde_json::from_str::<Value>(message.to_text().unwrap()).unwrap()
    };
    let first = next().await;
    assert_eq!(
        (&first["type"], &first["total"]),
        (&json!("snapshot"), &json!(2)),
        "{first}"
    );
    let objects = "
apiVersion: v1
kind: Secret
metadata: {name: another}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: another}
";
    cluster.apply(&namespace, objects).await;
    let added = next().await;
    assert_eq!(
        (&added["type"], &added["object"]["kind"]),
        (&json!("added"), &json!("ConfigMap")),
        "{added}"
    );
    cluster
        .kubectl(["delete", "-n", &namespace, "configmap", "another"])
        .success();
    assert_eq!(next().await["type"], "gone");
    served.end_agent().await;
}
