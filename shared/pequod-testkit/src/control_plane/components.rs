//! The command lines of the components.

use std::path::Path;
use std::process::Command;

use crate::{Error, Result, Tools};

/// Range of Service addresses; nothing routes there.
const SERVICES: &str = "10.0.0.0/24";
const ISSUER: &str = "https://kubernetes.default.svc";

fn flag(name: &str, value: impl AsRef<Path>) -> String {
    format!("--{name}={}", value.as_ref().display())
}

pub(super) fn etcd(tools: &Tools, data: &Path, client: u16, peer: u16) -> Command {
    let (client, peer) = (
        format!("http://127.0.0.1:{client}"),
        format!("http://127.0.0.1:{peer}"),
    );
    let mut command = Command::new(tools.path("etcd"));
    command
        .arg(flag("data-dir", data))
        .arg("--name=test")
        .arg("--unsafe-no-fsync")
        .arg("--log-level=warn")
        .args([
            flag("listen-client-urls", &client),
            flag("advertise-client-urls", &client),
        ])
        .args([
            flag("listen-peer-urls", &peer),
            flag("initial-advertise-peer-urls", &peer),
        ])
        .arg(format!("--initial-cluster=test={peer}"));
    command
}

pub(super) fn apiserver(tools: &Tools, folder: &Path, port: u16, etcd: u16) -> Command {
    let mut command = Command::new(tools.path("kube-apiserver"));
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"))
        .args([
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
        ])
        // Else the controller that publishes the address of `kubernetes` refuses a loopback address.
        .arg("--endpoint-reconciler-type=none")
        .arg(flag("cert-dir", folder))
        .arg(flag("tls-cert-file", folder.join("apiserver.crt")))
        .arg(flag("tls-private-key-file", folder.join("apiserver.key")))
        .arg(flag("token-auth-file", folder.join("tokens.csv")))
        .arg(flag("service-account-key-file", folder.join("tokens.pub")))
        .arg(flag(
            "service-account-signing-key-file",
            folder.join("tokens.key"),
        ))
        .arg(format!("--service-account-issuer={ISSUER}"))
        .arg(format!("--service-cluster-ip-range={SERVICES}"))
        .args([
            "--authorization-mode=RBAC",
            "--allow-privileged",
            "--profiling=false",
        ]);
    command
}

/// Controller manager, scheduler and kwok, which only need a kubeconfig.
pub(super) fn controllers(tools: &Tools, folder: &Path) -> [(&'static str, Command); 3] {
    let kubeconfig = flag("kubeconfig", folder.join("admin.kubeconfig"));

    let mut manager = Command::new(tools.path("kube-controller-manager"));
    manager
        .arg(&kubeconfig)
        .arg(flag(
            "service-account-private-key-file",
            folder.join("tokens.key"),
        ))
        .arg(flag("root-ca-file", folder.join("ca.crt")))
        .args([
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
        ])
        .arg("--profiling=false");

    let mut scheduler = Command::new(tools.path("kube-scheduler"));
    scheduler.arg(&kubeconfig).args([
        "--leader-elect=false",
        "--secure-port=0",
        "--profiling=false",
    ]);

    let mut kwok = Command::new(tools.path("kwok"));
    kwok.arg(&kubeconfig)
        .arg(flag("config", folder.join("kwok.yaml")))
        .args(["--manage-all-nodes=true", "--node-lease-duration-seconds=0"]);

    [
        ("kube-controller-manager", manager),
        ("kube-scheduler", scheduler),
        ("kwok", kwok),
    ]
}

pub(super) fn write_kwok_config(folder: &Path) -> Result<()> {
    std::fs::write(
        folder.join("kwok.yaml"),
        include_str!("../../assets/stages.yaml"),
    )
    .map_err(Error::while_doing("could not write kwok.yaml"))
}
