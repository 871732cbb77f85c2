//! The suite, installed into a control plane as a person would: by its charts.
//!
//! The Pods of the charts' Deployments are kwok's, which runs nothing. In their place the programs run as processes
//! beside the control plane, each with a token of the ServiceAccount that its Pod would have: a right that the chart
//! forgot is missed here too. The API server reaches the webhook by URL.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::{ControlPlane, Error, Process, Result, bin, ports, workspace_root};

/// Where the suite is installed, and the name of its release.
pub const NAMESPACE: &str = "pequod-system";
const RELEASE: &str = "pequod";

/// How long a program may take to become ready.
const START: Duration = Duration::from_mins(1);

/// The programs of an installation. Dropping this kills them; the charts stay.
#[derive(Debug)]
pub struct Installation {
    webhook_url: String,
    webhook: Process,
    transform: Process,
    solution: Process,
}

impl Installation {
    /// Installs the charts and starts webhook and controllers; comes back when all are ready and the API server
    /// reaches the webhook.
    pub async fn install(cluster: &ControlPlane) -> Result<Self> {
        let ports = ports::free(4)?;
        let [webhook, health, transform, solution] = ports[..] else {
            return Err(Error::new("not as many ports as asked for"));
        };
        let webhook_url = format!("https://127.0.0.1:{webhook}");
        install_charts(cluster, &webhook_url)?;
        let webhook = start_webhook(cluster, webhook, health)?;
        let transform_process = start_transform_controller(cluster, transform)?;
        let solution_process = start_solution_controller(cluster, solution)?;
        for (process, port) in [
            (&webhook, health),
            (&transform_process, transform),
            (&solution_process, solution),
        ] {
            until_ready(process, port).await?;
        }
        until_admitting(cluster).await?;
        Ok(Self {
            webhook_url,
            webhook,
            transform: transform_process,
            solution: solution_process,
        })
    }

    /// Where the webhook answers.
    pub fn webhook_url(&self) -> &str {
        &self.webhook_url
    }

    /// The webhook, the Transform controller and the Solution controller, for whoever ends or keeps them.
    pub fn into_processes(self) -> [Process; 3] {
        [self.webhook, self.transform, self.solution]
    }
}

/// Installs both charts; the webhook is to be reached at the URL.
pub fn install_charts(cluster: &ControlPlane, webhook_url: &str) -> Result<()> {
    let url = format!("webhook.url={webhook_url}");
    let [crds, suite] = ["pequod-crds", "pequod"].map(chart);
    for arguments in [
        vec![
            "install",
            "pequod-crds",
            &crds,
            "-n",
            NAMESPACE,
            "--create-namespace",
        ],
        vec!["install", RELEASE, &suite, "-n", NAMESPACE, "--set", &url],
    ] {
        let output = cluster.helm(arguments);
        if output.code != Some(0) {
            return Err(Error::new(output.to_string()));
        }
    }
    Ok(())
}

/// The folder of a chart.
pub fn chart(name: &str) -> String {
    workspace_root()
        .join("charts")
        .join(name)
        .to_string_lossy()
        .into_owned()
}

/// Starts the webhook with its ServiceAccount's rights, as the chart's Deployment would.
pub fn start_webhook(cluster: &ControlPlane, port: u16, health: u16) -> Result<Process> {
    let mut command = program(cluster, "pequod-webhook", "pequod-webhook")?;
    command
        .args([
            format!("--address=127.0.0.1:{port}"),
            format!("--health-address=127.0.0.1:{health}"),
        ])
        .args([
            format!("--namespace={NAMESPACE}"),
            "--dns-name=127.0.0.1".to_owned(),
        ])
        .args(["--log-text", "--drain-seconds=0", "--announce-seconds=0"]);
    cluster.spawn("webhook", &command)
}

/// Starts the Transform controller with its ServiceAccount's rights. It works without a lease: one that is killed
/// could not give its own back.
pub fn start_transform_controller(cluster: &ControlPlane, health: u16) -> Result<Process> {
    let mut command = program(cluster, "kubectl-transform", "pequod-transform-controller")?;
    command
        .args(["controller", "--no-leader-election", "--log-format=text"])
        .arg(format!("--health-address=127.0.0.1:{health}"));
    cluster.spawn("transform-controller", &command)
}

/// Starts the Solution controller with its ServiceAccount's rights.
pub fn start_solution_controller(cluster: &ControlPlane, health: u16) -> Result<Process> {
    let mut command = program(cluster, "kubectl-solution", "pequod-solution-controller")?;
    command.args(["controller", "--no-leader-election"]).args([
        format!("--lease-namespace={NAMESPACE}"),
        format!("--health-address=127.0.0.1:{health}"),
    ]);
    cluster.spawn("solution-controller", &command)
}

fn program(cluster: &ControlPlane, name: &str, account: &str) -> Result<Command> {
    let kubeconfig = account_kubeconfig(cluster, account)?;
    let mut command = Command::new(bin(name));
    command
        .env("KUBECONFIG", &kubeconfig)
        .arg("--kubeconfig")
        .arg(&kubeconfig);
    Ok(command)
}

/// A kubeconfig with a token of one of the installation's ServiceAccounts.
fn account_kubeconfig(cluster: &ControlPlane, account: &str) -> Result<PathBuf> {
    let token = cluster.kubectl([
        "create",
        "token",
        account,
        "-n",
        NAMESPACE,
        "--duration=24h",
    ]);
    if token.code != Some(0) {
        return Err(Error::new(token.to_string()));
    }
    cluster.kubeconfig_with_token(account, token.stdout.trim())
}

/// Waits until the program says on its health port that it is ready.
pub async fn until_ready(process: &Process, port: u16) -> Result<()> {
    let begin = Instant::now();
    loop {
        let answer = get(port, "/readyz").unwrap_or_default();
        if answer.split(' ').nth(1) == Some("200") {
            return Ok(());
        }
        if let Some(exit) = process.exit() {
            return Err(Error::new(format!(
                "a program ended ({exit}):\n{}",
                process.log()
            )));
        }
        if begin.elapsed() > START {
            let log = process.log();
            return Err(Error::new(format!(
                "a program is not ready: {answer}\n{log}"
            )));
        }
        // A program that is only just starting has nothing to watch yet.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the API server has taken note of the webhook's certificate.
pub async fn until_admitting(cluster: &ControlPlane) -> Result<()> {
    let begin = Instant::now();
    loop {
        let attempt = [
            "create",
            "configmap",
            "attempt",
            "-n",
            "default",
            "--dry-run=server",
        ];
        let output = cluster.kubectl(attempt);
        if output.code == Some(0) {
            return Ok(());
        }
        if begin.elapsed() > START {
            return Err(Error::new(format!("the webhook is not reached: {output}")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
