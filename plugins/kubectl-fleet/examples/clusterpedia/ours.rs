//! kubectl-fleet: `sync`, which reads the clusters and holds the embedded store, and `serve`, which answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pequod_testkit::{ControlPlane, Process, free_ports};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ask::{Asked, Dialect, Found, Kind, Question, of_cluster};
use crate::lane::{self, Lane, Memory, Side, most_held, until};
use crate::members::{Members, NAMESPACE, cluster_name};

/// Its own language of queries.
pub(crate) struct Words;

impl Dialect for Words {
    fn path(
        &self,
        question: &Question,
        limit: usize,
        _counted: bool,
    ) -> (String, Vec<(&str, String)>) {
        let words = match question {
            Question::All(Kind::Pod) => format!("kind:Pod namespace:{NAMESPACE}"),
            Question::All(Kind::ConfigMap) => format!("kind:ConfigMap namespace:{NAMESPACE}"),
            Question::Name(name) => format!("kind:ConfigMap name:{name}"),
            Question::Labels { team } => format!(
                "kind:Pod label:app.kubernetes.io/name=web label:team=team-{team} label:pod-template-hash"
            ),
            Question::Phase(phase) => format!("kind:Pod phase:{phase}"),
            Question::Changed { name, value, .. } => {
                format!("kind:ConfigMap namespace:{NAMESPACE} name:{name} label:v={value}")
            }
            Question::One { name, .. } => {
                format!("kind:ConfigMap namespace:{NAMESPACE} name:{name}")
            }
        };
        let words = match of_cluster(question) {
            Some(cluster) => format!("{words} cluster:{cluster}"),
            None => words,
        };
        let query = vec![("q", words), ("limit", limit.to_string())];
        ("/api/v1/search".to_owned(), query)
    }

    /// It always counts.
    fn found(&self, answer: &Value) -> Found {
        Found {
            shown: answer["items"].as_array().map_or(0, Vec::len),
            total: answer["total"].as_u64(),
        }
    }
}

struct Ours<'a> {
    hub: &'a ControlPlane,
    program: PathBuf,
    folder: TempDir,
    port: u16,
    asked: Asked<Words>,
    reads: Option<Process>,
    answers: Option<Process>,
}

pub(crate) async fn lane(hub: &ControlPlane, members: &Members, number: usize) -> Lane {
    let program = std::env::current_exe().unwrap();
    let program = program.ancestors().nth(2).unwrap().join("kubectl-fleet");
    let folder = tempfile::tempdir().unwrap();
    write_kubeconfig(members, folder.path());
    let port = free_ports(1).unwrap()[0];
    let side = Ours {
        hub,
        program,
        folder,
        port,
        asked: Asked::new(Words, hub, port),
        reads: None,
        answers: None,
    };
    lane::measure(side, members, number).await
}

/// One with a context for each cluster.
fn write_kubeconfig(members: &Members, folder: &Path) {
    let (mut clusters, mut users, mut contexts) = (Vec::new(), Vec::new(), Vec::new());
    for (at, cluster) in members.clusters.iter().enumerate() {
        let text = std::fs::read_to_string(cluster.kubeconfig()).unwrap();
        let mut of_one: Value = serde_json::from_str(&text).unwrap();
        let name = cluster_name(at);
        clusters.push(json!({"name": name, "cluster": of_one["clusters"][0]["cluster"].take()}));
        users.push(json!({"name": name, "user": of_one["users"][0]["user"].take()}));
        contexts.push(json!({"name": name, "context": {"cluster": name, "user": name}}));
    }
    let all = json!({"apiVersion": "v1", "kind": "Config", "clusters": clusters, "users": users, "contexts": contexts});
    std::fs::write(folder.join("kubeconfig"), all.to_string()).unwrap();
}

impl Ours<'_> {
    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }
}

impl Side for Ours<'_> {
    type Dialect = Words;

    fn asked(&self) -> &Asked<Words> {
        &self.asked
    }

    async fn begin(&mut self) {
        let again = self.store().exists();
        let mut sync = self.hub.command(&self.program, "admin");
        sync.args(["sync", "--all-contexts", "--watch", "--window-seconds", "0"])
            .args(["--include-kinds", "pods,configmaps", "--store"])
            .arg(self.store())
            // One that was killed could not say that it is gone.
            .args(again.then_some("--take-over"))
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"));
        self.reads = Some(self.hub.spawn("ours-sync", &sync).unwrap());
        // Whoever opens the store first holds it.
        let shared = self.store().join("serving.json");
        until(Duration::from_millis(20), async || shared.exists()).await;
        let certificates = self.hub.folder();
        let mut serve = self.hub.command(&self.program, "admin");
        serve
            .args([
                "serve",
                "--token-review",
                "--home-cluster",
                "hub",
                "--health-address",
                "127.0.0.1:0",
            ])
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .arg("--tls-cert")
            .arg(certificates.join("apiserver.crt"))
            .arg("--tls-key")
            .arg(certificates.join("apiserver.key"))
            // One caller is to ask as fast as it can.
            .args(["--requests-per-second", "100000", "--burst", "100000"])
            .arg("--store")
            .arg(self.store());
        self.answers = Some(self.hub.spawn("ours-serve", &serve).unwrap());
    }

    /// What holds the store takes with it who answers from it.
    async fn kill(&mut self) {
        for process in [self.reads.take(), self.answers.take()]
            .into_iter()
            .flatten()
        {
            process.kill().await;
        }
        let _ = std::fs::remove_file(self.store().join("serving.json"));
    }

    fn memory(&self) -> Memory {
        Memory {
            reads: most_held(self.reads.as_ref()),
            answers: most_held(self.answers.as_ref()),
            database: 0.0,
        }
    }

    fn processes(&self) -> Vec<&Process> {
        self.reads.iter().chain(&self.answers).collect()
    }
}
