//! The plugins as kubectl finds and calls them.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use pequod_testkit::{ControlPlane, Output, bin, run};

const PLUGINS: [&str; 2] = ["transform", "solution"];

/// A folder as krew makes one: the plugins, and their completers.
fn installed_plugins() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for plugin in PLUGINS {
        let program = bin(&format!("kubectl-{plugin}"));
        symlink(&program, folder.path().join(format!("kubectl-{plugin}"))).unwrap();
        symlink(
            &program,
            folder.path().join(format!("kubectl_complete-{plugin}")),
        )
        .unwrap();
    }
    folder
}

async fn kubectl(folder: &Path, arguments: &[&str]) -> Output {
    let cluster = ControlPlane::shared().await;
    let mut command: Command = cluster.command(&cluster.tools().path("kubectl"), "admin");
    command.env("PATH", folder).args(arguments);
    run(&mut command, "").unwrap()
}

#[tokio::test]
async fn kubectl_lists_them_without_a_warning() {
    let folder = installed_plugins();
    let listed = kubectl(folder.path(), &["plugin", "list"]).await;
    for plugin in PLUGINS {
        assert!(
            listed.stdout.contains(&format!("kubectl-{plugin}")),
            "{listed}"
        );
    }
    assert!(
        !format!("{}{}", listed.stdout, listed.stderr).contains("warning"),
        "{listed}"
    );
}

#[tokio::test]
async fn kubectl_passes_on_to_them() {
    let folder = installed_plugins();
    for plugin in PLUGINS {
        let help = kubectl(folder.path(), &[plugin, "--help"]).await.success();
        assert!(help.contains(&format!("Usage: kubectl {plugin}")), "{help}");
        assert!(help.contains("--kubeconfig"), "{help}");
    }
}

#[tokio::test]
async fn kubectl_completes_their_verbs() {
    let folder = installed_plugins();
    for plugin in PLUGINS {
        let offered = kubectl(folder.path(), &["__complete", plugin, ""])
            .await
            .success();
        assert!(
            offered.lines().any(|line| line.starts_with("list")),
            "{plugin}: {offered}"
        );
        let narrowed = kubectl(folder.path(), &["__complete", plugin, "tr"])
            .await
            .success();
        assert!(
            narrowed.lines().any(|line| line.starts_with("tree")),
            "{plugin}: {narrowed}"
        );
        assert!(
            !narrowed.lines().any(|line| line.starts_with("list")),
            "{plugin}: {narrowed}"
        );
    }
}
