//! Clusterpedia's programs: built once from its newest release into the user's cache folder, `pequod/rivals`.
//!
//! Its module cannot be built through the module proxy (it replaces one of its own by a folder), so the release is cloned,
//! and built from what it brings along. Nothing of it is in this repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use pequod_testkit::{Error, Result, tools};

const REPOSITORY: &str = "https://github.com/clusterpedia-io/clusterpedia";
/// The release, and the commit that it was when this was written.
pub(crate) const RELEASE: &str = "v0.9.1";
const COMMIT: &str = "b7a6468e36680004763006fc97a6012726606184";

/// A folder with its programs, and with the definitions of its resources.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    pub(crate) fn apiserver(&self) -> PathBuf {
        self.folder.join("apiserver")
    }

    pub(crate) fn collector(&self) -> PathBuf {
        self.folder.join("clustersynchro-manager")
    }

    /// The definitions of clusters and of what is read of them, as YAML.
    pub(crate) fn definitions(&self) -> Vec<String> {
        ["pediaclusters", "clustersyncresources"]
            .iter()
            .map(|kind| format!("cluster.clusterpedia.io_{kind}.yaml"))
            .map(|file| fs::read_to_string(self.folder.join(file)).unwrap())
            .collect()
    }
}

pub(crate) fn find_or_build() -> Result<Programs> {
    let cache = tools::cache_folder("rivals")?;
    let folder = cache.join(format!("clusterpedia-{RELEASE}"));
    if folder.exists() {
        return Ok(Programs { folder });
    }
    let failed = || Error::while_doing(format!("could not write to {}", cache.display()));
    fs::create_dir_all(&cache).map_err(failed())?;
    let lock = File::create(cache.join("lock")).map_err(failed())?;
    lock.lock().map_err(failed())?;
    if !folder.exists() {
        build(&cache, &folder)?;
    }
    Ok(Programs { folder })
}

fn build(cache: &Path, folder: &Path) -> Result<()> {
    eprintln!(
        "building Clusterpedia {RELEASE} into {} (once; some minutes)",
        folder.display()
    );
    let unfinished = tempfile::Builder::new()
        .prefix("unfinished-")
        .tempdir_in(cache)
        .map_err(Error::while_doing("could not create a folder to build in"))?;
    let (source, built) = (unfinished.path().join("src"), unfinished.path().join("bin"));
    let mut clone = Command::new("git");
    clone
        .args(["-c", "advice.detachedHead=false", "clone", "--quiet"])
        .args(["--depth", "1", "--branch", RELEASE, REPOSITORY]);
    run(clone.arg(&source))?;
    let mut head = Command::new("git");
    head.args(["rev-parse", "HEAD"]).current_dir(&source);
    let commit = run(&mut head)?;
    if commit.trim() != COMMIT {
        return Err(Error::new(format!(
            "{RELEASE} of {REPOSITORY} is {}, not {COMMIT}",
            commit.trim()
        )));
    }
    let mut go = Command::new("go");
    go.args(["build", "-mod=vendor", "-trimpath", "-ldflags=-s -w", "-o"])
        .arg(built.join(""))
        .args(["./cmd/apiserver", "./cmd/clustersynchro-manager"])
        .current_dir(&source)
        // As its own makefile does it.
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off");
    run(&mut go)?;
    let failed = || Error::while_doing("could not move what was built");
    let definitions = source.join("kustomize/crds");
    for entry in fs::read_dir(definitions).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        fs::copy(entry.path(), built.join(entry.file_name())).map_err(failed())?;
    }
    fs::rename(&built, folder).map_err(failed())
}

/// What a command printed.
fn run(command: &mut Command) -> Result<String> {
    let output = pequod_testkit::run(command, "")?;
    if output.code == Some(0) {
        return Ok(output.stdout);
    }
    Err(Error::new(output.to_string()))
}
