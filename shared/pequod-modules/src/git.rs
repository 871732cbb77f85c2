//! Modules in git repositories.
//!
//! `https://host/repo.git?ref=v1.2.0` names a branch, tag or commit; a full commit is a pin. The `git` program does
//! the work: it knows every transport, proxy and credential that a site may have, and a library that did would weigh
//! more than everything else here together. It runs without the user's or the machine's configuration, asks nobody for
//! a password, runs no hooks, checks nothing out: files are read from the fetched commit itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use pequod_cue_load::archive::is_plain;

use crate::oci::{Credentials, is_loopback};

/// The most that one answer of the program may hold.
const MAX_ARCHIVE: usize = 64 << 20;

/// The most that is kept of what it says in words.
const MAX_WORDS: usize = 64 << 10;

/// Where a module is: `https://host/repo.git?ref=v1.2.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitReference {
    /// What is cloned.
    pub url: String,
    /// A branch, tag or commit; what the repository's `HEAD` is if there is none.
    pub revision: Option<String>,
    /// A folder in the repository; empty for its root.
    pub folder: String,
}

/// Why a repository could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The reference is none.
    #[error("{0}")]
    Reference(String),
    /// There is no such repository, revision or folder.
    #[error("{0}")]
    NotFound(String),
    /// It wants other credentials, or any.
    #[error("{0}")]
    Denied(String),
    /// It does not answer, or not in time.
    #[error("{0}")]
    Unreachable(String),
    /// It is too large.
    #[error("{0}")]
    Limit(String),
}

impl GitReference {
    /// Reads a reference: `?ref=` and `?path=` may stand behind the address.
    ///
    /// ```
    /// use pequod_modules::GitReference;
    ///
    /// let reference = GitReference::parse("https://example.com/p.git?ref=v1&path=shop").unwrap();
    /// assert_eq!(reference.url, "https://example.com/p.git");
    /// assert_eq!((reference.revision.as_deref(), &*reference.folder), (Some("v1"), "shop"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let (url, query) = text.split_once('?').unwrap_or((text, ""));
        let schemes = ["https://", "http://", "ssh://", "git://"];
        // Anything else could be a path of this machine, or an option.
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(GitError::Reference(format!(
                "{url:?} is no address of a repository: it should begin with https://, ssh://, git:// or http://"
            )));
        }
        if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(GitError::Reference(format!(
                "{url:?} is no address of a repository"
            )));
        }
        let mut reference = Self {
            url: url.to_owned(),
            revision: None,
            folder: String::new(),
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("ref", revision)) if is_revision(revision) => {
                    reference.revision = Some(revision.to_owned());
                }
                Some(("path", folder)) if is_plain(folder) => {
                    folder.clone_into(&mut reference.folder);
                }
                _ => {
                    return Err(GitError::Reference(format!(
                        "{pair:?} means nothing: ref=REVISION and path=FOLDER may stand behind the question mark"
                    )));
                }
            }
        }
        Ok(reference)
    }

    /// The host that it is on, perhaps with a port.
    pub(crate) fn host(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or_default()
    }

    /// Whether the revision is a whole commit, which never changes.
    pub fn is_pinned(&self) -> bool {
        self.revision.as_deref().is_some_and(is_commit)
    }
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A revision that no shell, option or refspec can be made of.
fn is_revision(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) && !text.contains("..")
}

/// A repository's files at a commit.
#[derive(Debug, Clone)]
pub struct Checkout {
    /// The commit.
    pub commit: String,
    /// Its files by path.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

/// Fetches the files of a revision. Together they may hold `limit` bytes, and it may take `patience`.
pub(crate) async fn fetch(
    reference: &GitReference,
    credentials: &Credentials,
    limit: usize,
    patience: Duration,
) -> Result<Checkout, GitError> {
    let is_plain_http = reference.url.starts_with("http://") && !is_loopback(reference.host());
    if is_plain_http && credentials.of(reference.host()).is_some() {
        return Err(GitError::Reference(format!(
            "{:?}: a password is sent over https:// only",
            reference.url
        )));
    }
    let folder = tempfile::tempdir()
        .map_err(|error| GitError::Unreachable(format!("no temporary folder: {error}")))?;
    let git = Git {
        folder: folder.path(),
        reference,
        credentials,
    };
    match tokio::time::timeout(patience, git.fetch(limit)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(GitError::Unreachable(format!(
            "the repository did not answer within {} s",
            patience.as_secs()
        ))),
    }
}

struct Git<'a> {
    folder: &'a Path,
    reference: &'a GitReference,
    credentials: &'a Credentials,
}

impl Git<'_> {
    async fn fetch(&self, limit: usize) -> Result<Checkout, GitError> {
        self.run(&["init", "--quiet", "--bare", "."]).await?;
        let revision = self.reference.revision.as_deref().unwrap_or("HEAD");
        self.run(&[
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-recurse-submodules",
            "--",
            &self.reference.url,
            revision,
        ])
        .await?;
        let commit = self.run(&["rev-parse", "FETCH_HEAD^{commit}"]).await?;
        let commit = String::from_utf8_lossy(&commit).trim().to_owned();
        if self.reference.is_pinned() && self.reference.revision.as_deref() != Some(&*commit) {
            return Err(GitError::NotFound(format!(
                "the repository gave the commit {commit} instead of {revision}"
            )));
        }
        let archive = self.run(&["archive", "--format=tar", &commit]).await?;
        Ok(Checkout {
            files: unpack_tar(&*archive, limit)?,
            commit,
        })
    }

    async fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut command = Command::new("git");
        command
            .args([
                "-c",
                "protocol.file.allow=never",
                "-c",
                "core.hooksPath=/dev/null",
            ])
            .args(arguments)
            .current_dir(self.folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(header) = self.authorization() {
            // In the environment: arguments can be read by everybody on the machine. And to no other host than the
            // one that was named.
            command
                .env("GIT_CONFIG_COUNT", "2")
                .env("GIT_CONFIG_KEY_0", "http.extraHeader")
                .env("GIT_CONFIG_VALUE_0", header)
                .env("GIT_CONFIG_KEY_1", "http.followRedirects")
                .env("GIT_CONFIG_VALUE_1", "false");
        }
        let broken = |error: std::io::Error| {
            GitError::Unreachable(format!("the program git cannot be run: {error}"))
        };
        let mut child = command.spawn().map_err(broken)?;
        // No more is read than may be kept: a small repository can unpack to more than the machine has.
        let out = bounded(child.stdout.take(), MAX_ARCHIVE);
        let err = bounded(child.stderr.take(), MAX_WORDS);
        let (out, err) = tokio::try_join!(out, err).map_err(broken)?;
        if out.len() > MAX_ARCHIVE {
            return Err(GitError::Limit(format!(
                "it holds more than {MAX_ARCHIVE} bytes"
            )));
        }
        if child.wait().await.map_err(broken)?.success() {
            return Ok(out);
        }
        let said = String::from_utf8_lossy(&err).into_owned();
        let line = said
            .lines()
            .rev()
            .find(|line| line.contains("fatal:") || line.contains("error:"))
            .or_else(|| said.lines().last())
            .unwrap_or_default()
            .trim_start_matches("fatal: ")
            .to_owned();
        Err(kind_of(&said, line))
    }

    fn authorization(&self) -> Option<String> {
        use base64::Engine as _;
        let (user, password) = self.credentials.of(self.reference.host())?;
        let encoded =
            base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Some(format!("Authorization: Basic {encoded}"))
    }
}

/// What a pipe brings, but no more than one byte over the limit; of what a program says beyond it nothing is kept.
async fn bounded(
    pipe: Option<impl tokio::io::AsyncRead + Unpin>,
    limit: usize,
) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn kind_of(said: &str, line: String) -> GitError {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&[
        "Authentication failed",
        "could not read Username",
        "could not read Password",
        "returned error: 403",
        "returned error: 401",
    ]) {
        GitError::Denied(line)
    } else if has(&[
        "couldn't find remote ref",
        "not our ref",
        "not found",
        "does not exist",
        "returned error: 404",
    ]) {
        GitError::NotFound(line)
    } else {
        GitError::Unreachable(line)
    }
}

/// The files of a tar archive that a module is made of.
pub(crate) fn unpack_tar(
    archive: impl std::io::Read,
    limit: usize,
) -> Result<BTreeMap<String, Arc<[u8]>>, GitError> {
    use std::io::Read as _;
    let broken =
        |error: std::io::Error| GitError::Unreachable(format!("the archive is broken: {error}"));
    let mut files = BTreeMap::new();
    let mut left = limit;
    for entry in tar::Archive::new(archive).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry
            .path()
            .map_err(broken)?
            .to_str()
            .map(ToOwned::to_owned);
        let Some(path) = path.filter(|path| is_plain(path)) else {
            continue;
        };
        // Only what a module is made of: a repository may hold much else.
        let wanted = [".cue", ".json", ".yaml", ".yml", ".txt"];
        if !wanted.iter().any(|ending| path.ends_with(ending)) {
            continue;
        }
        let mut content = Vec::new();
        entry
            .by_ref()
            .take(left as u64 + 1)
            .read_to_end(&mut content)
            .map_err(broken)?;
        if content.len() > left {
            return Err(GitError::Limit(format!(
                "the module is larger than {limit} bytes"
            )));
        }
        left -= content.len();
        files.insert(path, content.into());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_other_machines_are_repositories() {
        for wrong in [
            "/srv/repo",
            "file:///srv/repo",
            "--upload-pack=x",
            "ext::sh -c x",
            "https://a b",
        ] {
            assert!(GitReference::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in [
            "ref=--x",
            "ref=a..b",
            "path=../x",
            "path=/x",
            "other=1",
            "ref=a b",
        ] {
            assert!(
                GitReference::parse(&format!("https://a/b?{wrong}")).is_err(),
                "{wrong}"
            );
        }
    }

    #[tokio::test]
    async fn a_password_goes_over_tls_only() {
        let reference = GitReference::parse("http://git.example.com/shop?ref=v1").unwrap();
        let credentials = Credentials::default().with("git.example.com", "a", "b");
        let error = fetch(&reference, &credentials, 1, Duration::from_secs(1))
            .await
            .unwrap_err();
        assert!(matches!(error, GitError::Reference(_)), "{error}");
    }

    #[test]
    fn only_a_whole_commit_is_a_pin() {
        let of =
            |revision: &str| GitReference::parse(&format!("https://a/b?ref={revision}")).unwrap();
        assert!(of(&"a".repeat(40)).is_pinned());
        assert!(!of("v1.0.0").is_pinned());
    }
}
