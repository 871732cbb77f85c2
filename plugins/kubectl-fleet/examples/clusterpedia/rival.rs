//! Clusterpedia: its collector, its API server and Postgres, as its manifests start them.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::wait::{Condition as _, conditions};
use kube::{Api, ResourceExt as _};
use pequod_testkit::{ControlPlane, Error, Process, Result, free_ports, run, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ask::{Asked, Dialect, Found, Kind, Question, of_cluster};
use crate::lane::{self, Lane, Memory, Side, mebibytes, most_held, until};
use crate::members::{Members, NAMESPACE, cluster_name};
use crate::source::Programs;

/// Paths and parameters of its API.
pub(crate) struct Resources;

impl Dialect for Resources {
    fn path(
        &self,
        question: &Question,
        limit: usize,
        counted: bool,
    ) -> (String, Vec<(&str, String)>) {
        let (kind, namespaced, mut query) = match question {
            Question::All(Kind::Pod) => ("pods", true, Vec::new()),
            Question::All(Kind::ConfigMap) => ("configmaps", true, Vec::new()),
            Question::Name(name) => ("configmaps", false, vec![("names", name.clone())]),
            Question::Labels { team } => {
                let selector =
                    format!("app.kubernetes.io/name=web,team=team-{team},pod-template-hash");
                ("pods", false, vec![("labelSelector", selector)])
            }
            Question::Phase(phase) => {
                let selector = format!("status.phase={phase}");
                ("pods", false, vec![("fieldSelector", selector)])
            }
            Question::Changed { name, value, .. } => {
                let labelled = ("labelSelector", format!("v={value}"));
                ("configmaps", true, vec![("names", name.clone()), labelled])
            }
            Question::One { name, .. } => ("configmaps", true, vec![("names", name.clone())]),
        };
        query.push(("limit", limit.to_string()));
        if counted {
            query.push(("withRemainingCount", "true".to_owned()));
        }
        let cluster = of_cluster(question).map_or(String::new(), |it| format!("/clusters/{it}"));
        let namespace = if namespaced {
            format!("/namespaces/{NAMESPACE}")
        } else {
            String::new()
        };
        let path =
            format!("/apis/clusterpedia.io/v1beta1/resources{cluster}/api/v1{namespace}/{kind}");
        (path, query)
    }

    fn found(&self, answer: &Value) -> Found {
        let shown = answer["items"].as_array().map_or(0, Vec::len);
        let remaining = answer["metadata"]["remainingItemCount"].as_i64();
        Found {
            shown,
            total: remaining.map(|it| u64::try_from(it).unwrap_or_default() + shown as u64),
        }
    }
}

/// The folder with Postgres's programs: beside `initdb` in the PATH, or the newest of Debian's.
pub(crate) fn postgres_programs() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut debian: Vec<PathBuf> = debian
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    debian.sort();
    debian
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .ok_or_else(|| {
            Error::new("Clusterpedia needs Postgres, which is not installed (Debian: `postgresql`)")
        })
}

/// A database in a folder of its own. Postgres refuses to run as root: then it runs as its usual user.
struct Postgres {
    _folder: TempDir,
    process: Process,
    port: u16,
}

const USER: &str = "postgres";

fn as_user(program: &Path, root: bool) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([format!("--reuid={USER}"), format!("--regid={USER}")])
        .args(["--clear-groups", "--reset-env"])
        .arg(program);
    command
}

fn id(of: &[&str]) -> u32 {
    let output = run(Command::new("id").args(of), "").unwrap().success();
    output.trim().parse().unwrap()
}

impl Postgres {
    async fn start(hub: &ControlPlane, programs: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = id(&["-u"]) == 0;
        if root {
            let (user, group) = (id(&["-u", USER]), id(&["-g", USER]));
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let data = folder.path().join("data");
        let mut init = as_user(&programs.join("initdb"), root);
        init.args([
            "--auth=trust",
            "--encoding=UTF8",
            "--username",
            USER,
            "--pgdata",
        ]);
        run(init.arg(&data), "").unwrap().success();
        let port = free_ports(1).unwrap()[0];
        let mut serve = as_user(&programs.join("postgres"), root);
        serve.arg("-D").arg(&data).arg("-k").arg(folder.path());
        serve.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        let process = hub.spawn("postgres", &serve).unwrap();
        until(Duration::from_millis(50), async || {
            process.log().contains("ready to accept connections")
        })
        .await;
        Self {
            _folder: folder,
            process,
            port,
        }
    }

    /// Its processes share memory: each counts what it has of it.
    fn memory(&self) -> f64 {
        let processes = std::fs::read_dir("/proc").unwrap();
        let own = self.process.pid().to_string();
        processes
            .filter_map(|it| it.ok()?.file_name().into_string().ok())
            .filter(|pid| {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                let parent = stat
                    .rsplit_once(") ")
                    .and_then(|(_, rest)| rest.split(' ').nth(1));
                *pid == own || parent == Some(own.as_str())
            })
            .map(|pid| mebibytes(&format!("/proc/{pid}/smaps_rollup"), "Pss:"))
            .sum()
    }
}

struct Rival<'a> {
    hub: &'a ControlPlane,
    members: &'a Members,
    programs: &'a Programs,
    postgres: Postgres,
    settings: PathBuf,
    asked: Asked<Resources>,
    reads: Option<Process>,
    answers: Process,
}

pub(crate) async fn lane(
    hub: &ControlPlane,
    members: &Members,
    programs: &Programs,
    postgres: &Path,
    number: usize,
) -> Lane {
    let postgres = Postgres::start(hub, postgres).await;
    define(hub, programs).await;
    let settings = hub.folder().join("clusterpedia.yaml");
    let (port, database) = (free_ports(1).unwrap()[0], postgres.port);
    let text = json!({"type": "postgres", "host": "127.0.0.1", "port": database, "user": USER, "database": USER});
    std::fs::write(&settings, text.to_string()).unwrap();
    let answers = hub.spawn(
        "clusterpedia-apiserver",
        &apiserver(hub, programs, &settings, port),
    );
    let mut side = Rival {
        hub,
        members,
        programs,
        postgres,
        settings,
        asked: Asked::new(Resources, hub, port),
        reads: None,
        answers: answers.unwrap(),
    };
    // Both make the tables: one after the other.
    until(Duration::from_millis(50), async || {
        side.answers.log().contains("Serving securely")
    })
    .await;
    // It is there, idle, before the clock starts: it has no cluster to read yet.
    side.start_collector();
    let collector = side.reads.as_ref().unwrap();
    until(Duration::from_millis(50), async || {
        collector.log().contains("successfully acquired lease")
    })
    .await;
    lane::measure(side, members, number).await
}

async fn define(hub: &ControlPlane, programs: &Programs) {
    hub.apply(
        "",
        "{apiVersion: v1, kind: Namespace, metadata: {name: clusterpedia-system}}",
    )
    .await;
    let definitions = Api::<CustomResourceDefinition>::all(hub.client());
    for text in programs.definitions() {
        for applied in hub.apply("", &text).await {
            let established = conditions::is_crd_established();
            wait::until(&definitions, &applied.name_any(), "is established", |it| {
                established.matches_object(it)
            })
            .await;
        }
    }
}

fn apiserver(hub: &ControlPlane, programs: &Programs, settings: &Path, port: u16) -> Command {
    let mut command = hub.command(&programs.apiserver(), "admin");
    let file = |flag: &str, path: PathBuf| format!("--{flag}={}", path.display());
    command
        .arg(file("storage-config", settings.to_owned()))
        .arg("-v=3")
        .args([
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
        ])
        .arg(file("tls-cert-file", hub.folder().join("apiserver.crt")))
        .arg(file(
            "tls-private-key-file",
            hub.folder().join("apiserver.key"),
        ))
        .arg(file("kubeconfig", hub.kubeconfig()))
        .arg(file("authentication-kubeconfig", hub.kubeconfig()))
        .arg(file("authorization-kubeconfig", hub.kubeconfig()))
        // There is no aggregation here whose headers would be believed.
        .arg("--authentication-skip-lookup");
    command
}

impl Rival<'_> {
    fn start_collector(&mut self) {
        let mut command = self.hub.command(&self.programs.collector(), "admin");
        command
            .arg(format!("--storage-config={}", self.settings.display()))
            .arg("--feature-gates=PruneManagedFields=true,PruneLastAppliedConfiguration=true")
            .arg(format!("--kubeconfig={}", self.hub.kubeconfig().display()))
            .arg(format!("--metrics-port={}", free_ports(1).unwrap()[0]));
        let process = self.hub.spawn("clusterpedia-collector", &command);
        self.reads = Some(process.unwrap());
    }
}

impl Side for Rival<'_> {
    type Dialect = Resources;

    fn asked(&self) -> &Asked<Resources> {
        &self.asked
    }

    async fn begin(&mut self) {
        if self.reads.is_none() {
            return self.start_collector();
        }
        for (at, cluster) in self.members.clusters.iter().enumerate() {
            let kubeconfig = std::fs::read(cluster.kubeconfig()).unwrap();
            let kubeconfig = serde_json::to_value(k8s_openapi::ByteString(kubeconfig)).unwrap();
            let object = json!({"apiVersion": "cluster.clusterpedia.io/v1alpha2", "kind": "PediaCluster",
                "metadata": {"name": cluster_name(at)},
                "spec": {"kubeconfig": kubeconfig, "syncResources": [{"group": "", "resources": ["pods", "configmaps"]}]}});
            self.hub.apply("", &object.to_string()).await;
        }
    }

    async fn kill(&mut self) {
        if let Some(process) = self.reads.take() {
            process.kill().await;
        }
    }

    fn memory(&self) -> Memory {
        Memory {
            reads: most_held(self.reads.as_ref()),
            answers: most_held(Some(&self.answers)),
            database: self.postgres.memory(),
        }
    }

    fn processes(&self) -> Vec<&Process> {
        let others = [&self.answers, &self.postgres.process];
        self.reads.iter().chain(others).collect()
    }
}
