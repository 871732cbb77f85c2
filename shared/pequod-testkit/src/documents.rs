//! Documentation whose commands are run.
//!
//! A document is a script from top to bottom. In a block fenced as `sh`, every line is a command that must succeed
//! (`\` at its end goes on in the next line, a comment after two blanks is left out). In one fenced as `console`,
//! lines after `$ ` are commands, and every line below one must be in what it prints: `…` stands for anything, a run
//! of blanks counts as one. `# exit 1` at the end of a command says how it ends if not with 0. The block after a line
//! `<!-- file: NAME -->` is a file of that name. Other blocks are for reading only.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::{ControlPlane, Output, bin, run, workspace_root};

/// What a document asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A file in the reader's folder.
    File {
        /// Its name.
        name: String,
        /// What is in it.
        text: String,
    },
    /// A command of the reader's shell.
    Command {
        /// The command.
        text: String,
        /// The exit code it must end with.
        exit: i32,
        /// Lines that must be in what it prints.
        expected: Vec<String>,
    },
}

/// What the document asks for, in its order.
pub fn steps(document: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut file: Option<String> = None;
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- file: ") {
            file = Some(name.trim_end_matches("-->").trim().to_owned());
            continue;
        }
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let body: Vec<&str> = lines
            .by_ref()
            .take_while(|line| !line.starts_with("```"))
            .collect();
        if let Some(name) = file.take() {
            let text = format!("{}\n", body.join("\n"));
            steps.push(Step::File { name, text });
        } else if info == "sh" {
            steps.extend(plain(&body));
        } else if info == "console" {
            steps.extend(session(&body));
        }
    }
    steps
}

fn plain(body: &[&str]) -> Vec<Step> {
    body.join("\n")
        .replace("\\\n", " ")
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(command)
        .collect()
}

fn session(body: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in body {
        if let Some(text) = line.strip_prefix("$ ") {
            steps.push(command(text));
        } else if let Some(Step::Command { expected, .. }) = steps.last_mut()
            && !line.trim().is_empty()
        {
            expected.push((*line).to_owned());
        }
    }
    steps
}

fn command(line: &str) -> Step {
    let (text, exit) = match line.rsplit_once("# exit ") {
        Some((text, exit)) => (text, exit.trim().parse().ok()),
        None => (line, None),
    };
    let text = text.split("  #").next().unwrap_or_default();
    Step::Command {
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        exit: exit.unwrap_or(0),
        expected: Vec::new(),
    }
}

/// Whether a line is in an output: the parts between `…` in this order, a run of blanks as one.
pub fn is_in(line: &str, output: &str) -> bool {
    let normal = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = normal(line);
    output.lines().map(normal).any(|have| {
        let mut rest = have.as_str();
        line.split('…').map(str::trim).all(|part| {
            let found = rest.find(part);
            rest = found.map_or("", |at| &rest[at + part.len()..]);
            found.is_some()
        })
    })
}

/// A person who reads documentation and does what it says, in a folder of their own that has the workspace's charts
/// and samples in it.
#[derive(Debug)]
pub struct Reader<'a> {
    cluster: &'a ControlPlane,
    folder: tempfile::TempDir,
    elsewhere: &'a [(&'a str, &'a str)],
}

impl<'a> Reader<'a> {
    /// A reader who is an administrator of the cluster. `elsewhere` are commands that are not run here, each with the
    /// reason, or with what runs it instead.
    pub fn new(cluster: &'a ControlPlane, elsewhere: &'a [(&'a str, &'a str)]) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        for name in ["charts", "samples", "certs", "shared"] {
            symlink(workspace_root().join(name), folder.path().join(name))
                .unwrap_or_else(|error| panic!("{error}"));
        }
        fs::copy(cluster.kubeconfig(), folder.path().join("kubeconfig"))
            .unwrap_or_else(|error| panic!("{error}"));
        Self {
            cluster,
            folder,
            elsewhere,
        }
    }

    /// The reader's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a line in the reader's shell.
    pub fn shell(&self, text: &str) -> Output {
        let plugins = bin("kubectl-transform");
        let plugins = plugins.parent().unwrap_or(Path::new("/"));
        let tools = self.cluster.tools().folder();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = self.cluster.command(Path::new("bash"), "admin");
        command
            .args(["-euo", "pipefail", "-c", text])
            .current_dir(self.folder.path())
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("PEQUOD_FLEET_STORE", self.folder.path().join("fleet"))
            .env(
                "PATH",
                format!("{}:{}:{path}", plugins.display(), tools.display()),
            );
        run(&mut command, "").unwrap_or_else(|error| panic!("{error}"))
    }

    /// Does what the document says, and panics where the document is wrong. The commands that it did not run are
    /// given back.
    pub fn follow(&self, document: &str) -> BTreeSet<String> {
        let text = fs::read_to_string(workspace_root().join(document))
            .unwrap_or_else(|error| panic!("{document}: {error}"));
        let steps = steps(&text);
        assert!(!steps.is_empty(), "{document} asks for nothing");
        let mut left_out = BTreeSet::new();
        for step in steps {
            match step {
                Step::File { name, text } => {
                    let file = self.folder.path().join(&name);
                    let made = file.parent().map_or(Ok(()), fs::create_dir_all);
                    made.and_then(|()| fs::write(&file, text))
                        .unwrap_or_else(|error| panic!("{document}: {name}: {error}"));
                }
                Step::Command { text, .. }
                    if self.elsewhere.iter().any(|(command, _)| *command == text) =>
                {
                    left_out.insert(text);
                }
                Step::Command {
                    text,
                    exit,
                    expected,
                } => {
                    let output = self.shell(&text);
                    assert!(
                        output.code == Some(exit),
                        "{document}: `{text}` should end with {exit}: {output}"
                    );
                    for line in expected {
                        assert!(
                            is_in(&line, &output.stdout) || is_in(&line, &output.stderr),
                            "{document}: `{text}` does not print `{line}`: {output}"
                        );
                    }
                }
            }
        }
        left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, exit: i32, expected: &[&str]) -> Step {
        Step::Command {
            text: text.into(),
            exit,
            expected: expected.iter().map(|&line| line.to_owned()).collect(),
        }
    }

    #[test]
    fn a_document_is_read_as_it_is_meant() {
        let document = "<!-- file: a.yaml -->\n```yaml\nk: v\n```\n\n```console\n$ kubectl x # exit 1\nno  …\n\n$ ls\n```\n\
                        ```sh\na  # why\nb \\\n  c\n```\n```text\nnothing\n```\n```\n$ nor this\n```\n";
        let file = Step::File {
            name: "a.yaml".into(),
            text: "k: v\n".into(),
        };
        assert_eq!(
            steps(document),
            [
                file,
                run("kubectl x", 1, &["no  …"]),
                run("ls", 0, &[]),
                run("a", 0, &[]),
                run("b c", 0, &[])
            ]
        );
    }

    #[test]
    fn a_line_with_gaps_is_found_in_its_order_only() {
        assert!(is_in("no …", "some\nno  thing\n"));
        assert!(is_in("a … c", "a b c"));
        assert!(!is_in("c … a", "a b c"));
        assert!(!is_in("no … more", "no thing\n"));
    }
}
