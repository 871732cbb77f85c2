//! The monitor as a process: who may ask, what is served, what changes when something is mended.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use kubectl_storage::{
    cleanup::Change as _,
    truenas::{
        client::{Address, Client},
        tls::Trust,
    },
};
use pequod_api::StorageFinding;
use serde_json::Value;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::site::{MISSING, ORPHAN, Site};

struct Monitor {
    url: String,
    health: String,
    process: pequod_testkit::Process,
}

impl Monitor {
    fn start(site: &Site<'_>, port: u16, health: u16) -> Self {
        std::fs::write(site.file("tokens"), "anna static-token\n").unwrap();
        std::fs::write(site.file("token"), "static-token").unwrap();
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_kubectl-storage"));
        let mut command = site.cluster.command(program, "admin");
        command
            .args([
                "monitor",
                "--interval",
                "1",
                "--snapshot-interval",
                "1",
                "--write-findings",
                "--token-review",
            ])
            .args(["--grace-hours", "0", "--rate", "20"])
            .arg(format!("--listen=127.0.0.1:{port}"))
            .arg(format!("--health=127.0.0.1:{health}"))
            .arg("--token-file")
            .arg(site.file("tokens"))
            .arg("--storage-config")
            .arg(site.file("storage.yaml"))
            .arg("--state-dir")
            .arg(site.file("monitor-state"));
        let process = site.cluster.spawn("storage-monitor", &command).unwrap();
        Self {
            url: format!("http://127.0.0.1:{port}"),
            health: format!("http://127.0.0.1:{health}"),
            process,
        }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (u16, Value) {
        let client = reqwest::Client::new();
        let mut request = client.get(format!("{}/api/v1/{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(),
        )
    }

    /// Asks until the answer is as wanted, up to half a minute.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let mut every = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..300 {
            every.tick().await;
            let client = reqwest::Client::new();
            let request = client
                .get(format!("{}/api/v1/{path}", self.url))
                .bearer_auth("static-token");
            let Ok(answer) = request.send().await else {
                continue;
            };
            last = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
            if wanted(&last) {
                return last;
            }
        }
        panic!("never as wanted: {last}\n{}", self.process.log());
    }
}

/// Gives back the name of the StorageFinding that was dismissed.
pub(crate) async fn serves_and_follows(site: &Site<'_>) -> String {
    let ports = pequod_testkit::free_ports(2).unwrap();
    let monitor = Monitor::start(site, ports[0], ports[1]);
    let has = |body: &Value, subject: &str| {
        body["items"].as_array().is_some_and(|rows| {
            rows.iter()
                .any(|row| row["subject"].as_str().unwrap().contains(subject))
        })
    };
    let found = monitor.until("findings", |body| has(body, MISSING)).await;
    assert!(has(&found, ORPHAN) && found["complete"] == true, "{found}");

    // Nobody, a stranger, an account of the cluster without the right, one with it.
    assert_eq!(monitor.get("status", None).await.0, 401);
    assert_eq!(monitor.get("status", Some("guessed")).await.0, 401);
    let stranger = "bob-token";
    assert_eq!(monitor.get("status", Some(stranger)).await.0, 403);
    let admin = "admin-token";
    let (code, status) = monitor.get("status", Some(admin)).await;
    assert_eq!((code, status["complete"].as_bool()), (200, Some(true)));
    assert_eq!(monitor.get("findings?code=x", Some(admin)).await.0, 400);
    assert_eq!(monitor.get("findings?limit=0", Some(admin)).await.0, 400);
    assert_eq!(monitor.get("nothing", Some(admin)).await.0, 404);
    let (code, document) = monitor.get("openapi.json", None).await;
    assert_eq!(code, 200);
    assert!(document["paths"]["/api/v1/findings"]["get"].is_object());

    // The command asks it first and says how old the answer is.
    let token = site.file("token");
    let asking = [
        "scan",
        "--monitor",
        &monitor.url,
        "--monitor-token-file",
        token.to_str().unwrap(),
    ];
    let out = site.expect(1, &asking);
    assert!(
        out.stdout.contains(ORPHAN) && out.stderr.contains("from the monitor"),
        "{out:?}"
    );
    let out = site.expect(1, &[&asking[..], &["--fresh"]].concat());
    assert!(!out.stderr.contains("from the monitor"), "{out:?}");

    // Objects: there is one; deleting it dismisses the finding and nothing else.
    let objects = kube::Api::<StorageFinding>::all(site.cluster.client());
    let mut every = tokio::time::interval(Duration::from_millis(200));
    let mut name = None;
    for _ in 0..150 {
        every.tick().await;
        let list = objects
            .list(&kube::api::ListParams::default())
            .await
            .unwrap();
        name = list
            .items
            .iter()
            .find(|object| {
                object.spec.subject.contains(MISSING) && object.spec.state == "confirmed"
            })
            .and_then(|object| object.metadata.name.clone());
        if name.is_some() {
            break;
        }
    }
    let name = name.unwrap();
    objects
        .delete(&name, &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let scanned = monitor.get("status", Some(admin)).await.1["readAt"]
        .as_i64()
        .unwrap();
    monitor
        .until("status", |status| {
            status["readAt"].as_i64().unwrap_or(0) > scanned + 2
        })
        .await;
    assert!(objects.get_opt(&name).await.unwrap().is_none(), "dismissed");
    let (_, still) = monitor.get("findings", Some(admin)).await;
    assert!(has(&still, MISSING));

    // Live: a real WebSocket client is told everything there is, and what changes.
    let address = format!("{}/api/v1/watch", monitor.url.replace("http", "ws"));
    let mut request = address.into_client_request().unwrap();
    let bearer = "Bearer static-token".parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let exemption = format!(
        "apiVersion: storage.pequod.io/v1alpha1\nkind: StorageExemption\nmetadata: {{name: known}}\n\
         spec: {{subject: tank/v/{ORPHAN}, reason: a test, expires: '2099-01-01T00:00:00Z'}}\n"
    );
    site.cluster.apply("default", &exemption).await;
    let gone = async {
        let (mut told, mut gone) = (false, false);
        while !(told && gone) {
            let Some(Ok(message)) = socket.next().await else {
                panic!("closed")
            };
            let Message::Text(text) = message else {
                continue;
            };
            let change: Value = serde_json::from_str(&text).unwrap();
            told |= change["type"] == "found"
                && change["finding"]["subject"]
                    .as_str()
                    .unwrap()
                    .contains(MISSING);
            gone |= change["type"] == "gone" && change["id"].as_str().unwrap().contains(ORPHAN);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone)
        .await
        .unwrap();
    monitor
        .until("status", |status| status["exempted"] == 1)
        .await;
    site.cluster
        .kubectl(["delete", "storageexemption", "known"])
        .success();

    // New snapshots are seen between scans and in them; the metrics say the same.
    let metrics = reqwest::get(format!("{}/metrics", monitor.health))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(metrics.contains("pequod_storage_findings{"), "{metrics}");
    assert!(metrics.contains("truenas_pool_used_bytes{"), "{metrics}");
    assert!(metrics.contains("truenas_dataset_used_bytes{"), "{metrics}");

    // Twenty a second and no more: of many at once most are too many.
    let client = reqwest::Client::new();
    let url = format!("{}/api/v1/status", monitor.url);
    let asked = (0..200).map(|_| client.get(&url).bearer_auth("static-token").send());
    let refused = futures::future::join_all(asked)
        .await
        .into_iter()
        .filter(|answer| answer.as_ref().unwrap().status().as_u16() == 429)
        .count();
    assert!(refused > 0);

    // A rotated token works without a restart, the old one no more.
    let later = std::time::SystemTime::now() + Duration::from_secs(5);
    std::fs::write(site.file("tokens"), "anna rotated\n").unwrap();
    std::fs::File::open(site.file("tokens"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert_eq!(monitor.get("status", Some("static-token")).await.0, 401);
    monitor.process.stop().await;
    name
}

/// What the appliance tells brings the next read forward: nothing else here would read within an hour.
pub(crate) async fn hears_of_changes(site: &Site<'_>) {
    let ports = pequod_testkit::free_ports(2).unwrap();
    std::fs::write(site.file("tokens"), "anna static-token\n").unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kubectl-storage"));
    let mut command = site.cluster.command(program, "admin");
    command
        .args(["monitor", "--interval", "3600"])
        .args(["--snapshot-interval", "3600"])
        .arg(format!("--listen=127.0.0.1:{}", ports[0]))
        .arg(format!("--health=127.0.0.1:{}", ports[1]))
        .arg("--token-file")
        .arg(site.file("tokens"))
        .arg("--storage-config")
        .arg(site.file("storage.yaml"))
        .arg("--state-dir")
        .arg(site.file("hearing-state"));
    let monitor = Monitor {
        url: format!("http://127.0.0.1:{}", ports[0]),
        health: format!("http://127.0.0.1:{}", ports[1]),
        process: site.cluster.spawn("storage-monitor", &command).unwrap(),
    };
    let scanned = |status: &Value| status["readAt"].is_i64();
    let first = monitor.until("status", scanned).await;
    let number = |body: &Value| -> u64 {
        let rows = body["items"].as_array().into_iter().flatten();
        rows.filter_map(|row| row["snapshots"].as_u64()).sum()
    };
    let before = number(&monitor.until("snapshots", |body| number(body) > 0).await);
    // Somebody else's session, on the same appliance.
    let address = Address {
        host: "localhost".to_owned(),
        port: site.nas.address.port(),
        plain: false,
        trust: Trust::fingerprint(&site.nas.fingerprint).unwrap(),
        key: pequod_diag::Secret::new("1-simulated".to_owned()),
    };
    let other = Client::connect(&address).await.unwrap();
    let wanted =
        serde_json::json!({"dataset": format!("tank/v/{}", crate::site::WHOLE), "name": "by-hand"});
    other
        .change("zfs.snapshot.create", &[wanted])
        .await
        .unwrap();
    monitor
        .until("snapshots", |body| number(body) == before + 1)
        .await;
    let status = monitor.until("status", scanned).await;
    assert_eq!(status["readAt"], first["readAt"], "no scan was needed");
    other
        .change(
            "zfs.snapshot.delete",
            &[serde_json::json!(format!(
                "tank/v/{}@by-hand",
                crate::site::WHOLE
            ))],
        )
        .await
        .unwrap();
    monitor.process.stop().await;
}

/// An authority, a server's certificate and a client's, in the site's folder.
fn certificates(site: &Site<'_>) {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).unwrap();
    std::fs::write(site.file("ca.pem"), authority.pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for (name, purpose) in [
        ("server", ExtendedKeyUsagePurpose::ServerAuth),
        ("client", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(site.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(site.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// Each notice, with the token that came along.
type Heard = Arc<Mutex<Vec<(Option<String>, Value)>>>;

/// Somebody who is told of findings; the first call is refused.
async fn receiver() -> (String, Heard) {
    let heard = Heard::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let keep = Arc::clone(&heard);
    let hook = move |headers: http::HeaderMap, axum::Json(body): axum::Json<Value>| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        let token = headers
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        if !first {
            keep.lock().unwrap().push((token, body));
        }
        let answer = if first {
            http::StatusCode::BAD_GATEWAY
        } else {
            http::StatusCode::NO_CONTENT
        };
        std::future::ready(answer)
    };
    let router = axum::Router::new().route("/hook", axum::routing::post(hook));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/hook"), heard)
}

/// The same monitor after a restart, behind TLS with certificates of clients, telling somebody else.
pub(crate) async fn is_guarded_and_tells(site: &Site<'_>, dismissed: &str) {
    certificates(site);
    let (url, heard) = receiver().await;
    let ports = pequod_testkit::free_ports(2).unwrap();
    std::fs::write(site.file("tokens"), "anna static-token\n").unwrap();
    let file = |name: &str| site.file(name).to_str().unwrap().to_owned();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_kubectl-storage"));
    let mut command = site.cluster.command(program, "admin");
    command
        .args([
            "monitor",
            "--interval",
            "1",
            "--write-findings",
            "--grace-hours",
            "0",
        ])
        .arg(format!("--listen=127.0.0.1:{}", ports[0]))
        .arg(format!("--health=127.0.0.1:{}", ports[1]))
        .args([
            "--tls-cert",
            &file("server.pem"),
            "--tls-key",
            &file("server.key"),
        ])
        .args([
            "--client-ca",
            &file("ca.pem"),
            "--token-file",
            &file("tokens"),
        ])
        .args(["--notify", &url, "--notify-token-file", &file("token")])
        .args(["--storage-config", &file("storage.yaml")])
        .args(["--state-dir", &file("monitor-state")]);
    let process = site.cluster.spawn("storage-monitor-tls", &command).unwrap();

    // Told at the second try, with the token, of what there is.
    let mut every = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..300 {
        every.tick().await;
        if !heard.lock().unwrap().is_empty() {
            break;
        }
    }
    let (token, notice) = heard.lock().unwrap().first().cloned().unwrap();
    assert_eq!(token.as_deref(), Some("Bearer static-token"));
    assert_eq!(notice["initial"], true);
    let subjects = notice["found"].to_string();
    assert!(subjects.contains(MISSING), "{notice}");

    // Without a certificate of the authority nobody is let in, token or not.
    let address = format!("https://localhost:{}", ports[0]);
    let (token, ca) = (file("token"), file("ca.pem"));
    let asking = [
        "scan",
        "--monitor",
        &address,
        "--monitor-token-file",
        &token,
        "--monitor-ca-file",
        &ca,
    ];
    site.expect(3, &asking);
    let (cert, key) = (file("client.pem"), file("client.key"));
    let known = ["--monitor-cert", &cert, "--monitor-key", &key];
    let out = site.expect(1, &[&asking[..], &known].concat());
    assert!(out.stderr.contains("from the monitor"), "{out:?}");

    // Who watches sees what is there, and what goes.
    let mut command = site.cluster.command(program, "admin");
    command.args([&asking[..], &known, &["--watch"]].concat());
    let watching = site.cluster.spawn("storage-watch", &command).unwrap();
    let sees = async |what: &str| {
        let mut every = tokio::time::interval(Duration::from_millis(100));
        for _ in 0..300 {
            every.tick().await;
            let log = watching.log();
            let (change, rest) = what.split_once(' ').unwrap();
            if log.lines().any(|line| {
                line.starts_with(change) && rest.split(' ').all(|word| line.contains(word))
            }) {
                return;
            }
        }
        panic!("never seen: {what}\n{}", watching.log());
    };
    sees(&format!("found PQS-2001 {MISSING}")).await;
    sees("found PQS-2005 csi-gone").await;
    site.cluster
        .kubectl(["delete", "volumeattachment", "csi-gone"])
        .success();
    sees("gone PQS-2005 csi-gone").await;
    watching.stop().await;
    let told = |heard: &[(Option<String>, Value)]| {
        heard
            .iter()
            .any(|(_, notice)| notice["gone"].to_string().contains("csi-gone"))
    };
    for _ in 0..300 {
        every.tick().await;
        if told(&heard.lock().unwrap()) {
            break;
        }
    }
    assert!(told(&heard.lock().unwrap()));

    // What was dismissed before the restart is still dismissed.
    let objects = kube::Api::<StorageFinding>::all(site.cluster.client());
    assert!(objects.get_opt(dismissed).await.unwrap().is_none());
    assert!(
        !objects
            .list(&kube::api::ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
    process.stop().await;
}
