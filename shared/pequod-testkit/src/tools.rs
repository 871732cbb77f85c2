//! The reference programs that tests run against: built from the Go modules of `tests/tools`, once a machine.
//!
//! Each folder there is a module that pins one program (their dependencies do not fit together in one); the control
//! plane's components are one program that looks at the name it is called by. They are built into
//! `$XDG_CACHE_HOME/pequod/tools/<key>`, where the key is a hash over the sources of those modules and the version of
//! Go: another pin or another Go gives another folder, and nothing there is ever changed. A build goes to a folder
//! beside it first and is renamed when it is whole; a lock lets a second process wait for the first one's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::{Error, Result, workspace_root};

/// Names under which the control plane's program is called.
const CONTROL_PLANE: [&str; 5] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
];

/// The module of Kubernetes whose version the components report.
const KUBERNETES: &str = "k8s.io/kubernetes";

/// A folder with all reference programs.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Finds the programs, or builds them: that takes about ten minutes on two cores with empty caches, and is said on
    /// standard error.
    pub fn find_or_build() -> Result<Self> {
        let modules = modules()?;
        let cache = cache_folder("tools")?;
        let folder = cache.join(key(&modules)?);
        if folder.exists() {
            return Ok(Self { folder });
        }
        fs::create_dir_all(&cache).map_err(Error::while_doing(format!(
            "could not create {}",
            cache.display()
        )))?;
        let lock = File::create(cache.join("lock")).map_err(Error::while_doing(
            "could not create the lock of the tools folder",
        ))?;
        lock.lock()
            .map_err(Error::while_doing("could not lock the tools folder"))?;
        if !folder.exists() {
            build(&modules, &folder)?;
        }
        Ok(Self { folder })
    }

    /// The path of a program: `kubectl`, `etcd`, `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`,
    /// `control-plane`, `kwok`, `helm`, `registry`, `cue`.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder that holds them, for a `PATH`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// The module folders under `tests/tools`, by name.
fn modules() -> Result<Vec<PathBuf>> {
    let folder = workspace_root().join("tests/tools");
    let mut modules = list(&folder)?;
    modules.retain(|path| path.join("go.mod").exists());
    Ok(modules)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = || Error::while_doing(format!("could not read {}", folder.display()));
    let mut paths = fs::read_dir(folder)
        .map_err(failed())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(failed())?;
    paths.sort();
    Ok(paths)
}

/// The folder in the user's cache for programs of that sort. It may not be there yet.
pub fn cache_folder(sort: &str) -> Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .ok_or_else(|| Error::new("neither XDG_CACHE_HOME nor HOME says where the cache is"))?;
    Ok(cache.join("pequod").join(sort))
}

/// Hash over the version of Go and the name and content of every `go.mod`, `go.sum` and `.go` file.
fn key(modules: &[PathBuf]) -> Result<String> {
    let version = go(workspace_root(), &["version"])?;
    let mut hash = Sha256::new();
    hash.update(version.trim());
    for module in modules {
        for path in list(module)? {
            let is_source = ["mod", "sum", "go"]
                .iter()
                .any(|extension| path.extension().is_some_and(|found| found == *extension));
            if !is_source {
                continue;
            }
            let text = fs::read(&path).map_err(Error::while_doing(format!(
                "could not read {}",
                path.display()
            )))?;
            let name = path.strip_prefix(workspace_root()).unwrap_or(&path);
            hash.update(name.as_os_str().as_encoded_bytes());
            hash.update(text.len().to_le_bytes());
            hash.update(&text);
        }
    }
    let digest = hash.finalize();
    let bytes: [u8; 8] = std::array::from_fn(|at| digest[at]);
    Ok(format!("{:016x}", u64::from_be_bytes(bytes)))
}

fn build(modules: &[PathBuf], folder: &Path) -> Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    let unfinished = tempfile::Builder::new()
        .prefix("unfinished-")
        .tempdir_in(parent)
        .map_err(Error::while_doing(
            "could not create a folder for the tools",
        ))?;
    eprintln!(
        "building the reference tools into {} (once; some minutes)",
        folder.display()
    );
    for module in modules {
        let name = module
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let program = unfinished.path().join(&name).to_string_lossy().into_owned();
        let manifest = fs::read_to_string(module.join("go.mod")).map_err(Error::while_doing(
            format!("could not read the go.mod of {name}"),
        ))?;
        let package = word_after(&manifest, "tool").unwrap_or(".");
        let stamp = word_after(&manifest, KUBERNETES)
            .map(version_stamp)
            .unwrap_or_default();
        let flags = format!("-s -w {stamp}");
        eprintln!("  {name}");
        go(
            module,
            &[
                "build",
                "-trimpath",
                "-ldflags",
                flags.trim(),
                "-o",
                &program,
                package,
            ],
        )?;
    }
    for name in CONTROL_PLANE {
        std::os::unix::fs::symlink("control-plane", unfinished.path().join(name))
            .map_err(Error::while_doing(format!("could not link {name}")))?;
    }
    fs::rename(unfinished.keep(), folder).map_err(Error::while_doing(format!(
        "could not move the tools to {}",
        folder.display()
    )))
}

/// The word that follows the given one at the start of a line of a go.mod.
fn word_after<'a>(manifest: &'a str, word: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(word)).then(|| words.next()).flatten()
    })
}

/// Linker flags that make the components report the given version, as a release's build does.
fn version_stamp(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (
        numbers.next().unwrap_or_default(),
        numbers.next().unwrap_or_default(),
    );
    let variable = "-X k8s.io/component-base/version";
    format!(
        "{variable}.gitVersion={version} {variable}.gitMajor={major} {variable}.gitMinor={minor}"
    )
}

/// Runs go, and gives back what it printed.
fn go(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("go")
        .args(arguments)
        .current_dir(folder)
        // The modules pin everything; a workspace file or a vendor mode of the user's would unpin it.
        .env("GOWORK", "off")
        .env("GOFLAGS", "-mod=readonly")
        .output()
        .map_err(Error::while_doing(
            "could not run `go`, which builds the reference tools; see https://go.dev/dl",
        ))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let (line, said) = (arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    Err(Error::new(format!(
        "`go {line}` in {} failed:\n{said}",
        folder.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::{version_stamp, word_after};

    const MANIFEST: &str =
        "module x\n\ntool helm.sh/helm/v4/cmd/helm\n\nrequire (\n\tk8s.io/kubernetes v1.35.4\n)\n";

    #[test]
    fn finds_package_and_version_in_a_manifest() {
        assert_eq!(
            word_after(MANIFEST, "tool"),
            Some("helm.sh/helm/v4/cmd/helm")
        );
        assert_eq!(word_after(MANIFEST, "k8s.io/kubernetes"), Some("v1.35.4"));
        assert_eq!(word_after(MANIFEST, "replace"), None);
    }

    #[test]
    fn stamps_the_version_in_three_parts() {
        assert!(
            version_stamp("v1.35.4")
                .ends_with("gitMajor=1 -X k8s.io/component-base/version.gitMinor=35")
        );
    }
}
