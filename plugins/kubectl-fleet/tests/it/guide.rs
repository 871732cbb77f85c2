//! docs/guides/fleet.md, followed from top to bottom by somebody with a laptop, three contexts and nothing installed.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pequod_testkit::documents::{Step, is_in, steps};
use pequod_testkit::{ControlPlane, Output, workspace_root};

use crate::commands::three_contexts;

/// Commands that go on until they are ended, and what they say as soon as they do what they are for.
const GO_ON: &[(&str, &str)] = &[
    ("kubectl fleet sync eu-prod-1 us-prod-2 -w", "following"),
    ("kubectl fleet watch health:Failed", "waiting for changes"),
];

/// Commands that another test runs.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "kubectl fleet serve --no-authentication",
        "tests/it/serve.rs, on a port that is free",
    ),
    (
        "kubectl fleet mcp",
        "tests/it/commands.rs, which speaks to it",
    ),
    (
        "kubectl fleet sync --all-contexts --embedding-dir ~/models/all-MiniLM-L6-v2",
        "tests/it/meaning.rs, with the model: cargo xtask conformance meaning",
    ),
    (
        "kubectl fleet search something that takes money --embedding-dir ~/models/all-MiniLM-L6-v2",
        "the same",
    ),
    (
        "kubectl fleet search something that takes money --embedding-url http://localhost:11434 --embedding-protocol ollama --embedding-model all-minilm",
        "tests/it/meaning.rs, with a server of its own",
    ),
    (
        "kubectl fleet ask what keeps me up at night --model llama3.2 --model-url http://localhost:11434/v1",
        "tests/it/commands.rs, with a server of its own",
    ),
];

struct Follower<'a> {
    cluster: &'a ControlPlane,
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
}

impl<'a> Follower<'a> {
    fn new(cluster: &'a ControlPlane) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let charts = workspace_root().join("charts");
        std::os::unix::fs::symlink(charts, folder.path().join("charts")).unwrap();
        Self {
            cluster,
            kubeconfig: three_contexts(cluster, folder.path()),
            folder,
        }
    }

    fn shell(&self, text: &str) -> Command {
        let plugin = Path::new(env!("CARGO_BIN_EXE_kubectl-fleet"));
        let path = format!(
            "{}:{}:{}",
            plugin.parent().unwrap().display(),
            self.cluster.tools().folder().display(),
            std::env::var("PATH").unwrap()
        );
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", text])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PEQUOD_FLEET_STORE", self.folder.path().join("store"))
            .env_remove("PEQUOD_FLEET_QDRANT");
        command
    }

    fn run(&self, text: &str) -> Output {
        // What a chart would install is rendered: it would make the API server wait for Pods that never run here.
        let text = text.replace("helm upgrade --install", "helm template");
        pequod_testkit::run(&mut self.shell(&text), "").unwrap()
    }

    /// Starts something that goes on, waits for its first words, and ends it.
    fn begin(&self, text: &str, words: &str) {
        let mut child = self
            .shell(&format!("exec {text}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = said.map_while(Result::ok);
        let found = said.any(|line| line.contains(words));
        // It leaves in order.
        let mut end = Command::new("kill");
        let ended = end.args(["-TERM", &child.id().to_string()]).status();
        assert!(ended.unwrap().success());
        said.for_each(drop);
        child.wait().unwrap();
        assert!(found, "`{text}` ended without `{words}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_guide_does_what_the_guide_says() {
    let cluster = ControlPlane::start().await.unwrap();
    let document = std::fs::read_to_string(workspace_root().join("docs/guides/fleet.md")).unwrap();
    tokio::task::block_in_place(|| {
        let follower = Follower::new(&cluster);
        let mut not_run = BTreeSet::new();
        for step in steps(&document) {
            match step {
                Step::File { name, text } => {
                    std::fs::write(follower.folder.path().join(name), text).unwrap();
                }
                Step::Command {
                    text,
                    exit,
                    expected,
                } => {
                    if let Some((_, words)) = GO_ON.iter().find(|(command, _)| *command == text) {
                        follower.begin(&text, words);
                        not_run.insert(text);
                        continue;
                    }
                    if ELSEWHERE.iter().any(|(command, _)| *command == text) {
                        not_run.insert(text);
                        continue;
                    }
                    let output = follower.run(&text);
                    assert_eq!(output.code, Some(exit), "`{text}`: {output}");
                    for line in expected {
                        assert!(
                            is_in(&line, &output.stdout) || is_in(&line, &output.stderr),
                            "`{text}` does not print `{line}`: {output}"
                        );
                    }
                }
            }
        }
        let listed: BTreeSet<String> = [GO_ON, ELSEWHERE]
            .concat()
            .iter()
            .map(|(command, _)| (*command).to_owned())
            .collect();
        assert_eq!(not_run, listed, "a listed command is not in the guide");
    });
}
