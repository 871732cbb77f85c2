//! `kubectl transform` as a process: without a cluster, and on a real API server with its controller beside it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests: what fails here fails the test"
)]

mod bad_input;
mod lifecycle;
mod reference;
mod remote;

use std::path::{Path, PathBuf};
use std::process::Command;

use pequod_testkit::{Output, run, workspace_root};

/// Runs the plugin without any cluster.
#[track_caller]
fn offline(arguments: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-transform"));
    command
        .args(arguments)
        .env("KUBECONFIG", "/nonexistent")
        .env_remove("NO_COLOR");
    run(&mut command, stdin).unwrap()
}

fn sample(name: &str) -> PathBuf {
    let samples: &Path = &workspace_root().join("samples");
    samples.join(name)
}

/// A Transform `t` with an inline module.
fn inline(module: &str, input: &str) -> String {
    let module = module.replace('\n', "\n      ");
    format!(
        "apiVersion: platform.pequod.io/v1alpha1\nkind: Transform\nmetadata: {{name: t}}\nspec:\n  cueRef:\n    type: inline\n    ref: |\n      {module}\n  input: {input}\n"
    )
}
