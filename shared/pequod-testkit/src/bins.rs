//! The suite's own programs, as the tests and tasks call them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{Error, Result};

/// Set by whoever has just built all programs of the workspace: tests then take them as they are.
const BUILT: &str = "PEQUOD_BINS_BUILT";

/// The root folder of this workspace.
pub fn workspace_root() -> &'static Path {
    const HERE: &str = env!("CARGO_MANIFEST_DIR");
    Path::new(HERE)
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new(HERE))
}

/// The path of a program of the suite, for example `bin("kubectl-transform")`.
///
/// The first call in a process sees to it that the programs are up to date with their sources ([`build_bins`]), so a
/// test never runs yesterday's; panics if there is no such program.
#[track_caller]
pub fn bin(name: &str) -> PathBuf {
    static FRESH: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let fresh = FRESH.get_or_init(|| {
        if std::env::var_os(BUILT).is_some() {
            return Ok(());
        }
        build_bins().map_err(|error| error.to_string())
    });
    if let Err(error) = fresh {
        panic!("{error}");
    }
    let path = profile_folder().map(|folder| folder.join(name));
    match path {
        Ok(path) if path.exists() => path,
        Ok(path) => panic!(
            "no program `{name}` in this workspace: {} is not there",
            path.display()
        ),
        Err(error) => panic!("{error}"),
    }
}

/// Cargo, in the workspace. What the cargo that runs this program tells of this program's package is kept from it:
/// build scripts that ask to be run again when that changes (ring's) would have nearly everything built anew, here and
/// then once more by the next cargo that is called by hand.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    for (name, _) in std::env::vars_os() {
        let of_the_package = name
            .to_str()
            .is_some_and(|it| it.starts_with("CARGO_PKG_") || it.starts_with("CARGO_MANIFEST_"));
        if of_the_package {
            command.env_remove(name);
        }
    }
    command
}

/// Builds all programs of the workspace, in the profile of the running program.
pub fn build_bins() -> Result<()> {
    let folder = profile_folder()?;
    let mut build = cargo();
    build.args(["build", "--workspace", "--bins", "--quiet"]);
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let status = build
        .status()
        .map_err(Error::while_doing("could not run cargo"))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::new("the programs of the suite do not build"))
    }
}

/// `target/debug` or `target/release`, from where the running program lies: itself there, or in `deps` as tests do.
fn profile_folder() -> Result<PathBuf> {
    let program = std::env::current_exe()
        .map_err(Error::while_doing("where this program lies is unknown"))?;
    let mut folder = program.parent().unwrap_or(Path::new("/"));
    if folder.ends_with("deps") || folder.ends_with("examples") {
        folder = folder.parent().unwrap_or(folder);
    }
    Ok(folder.to_owned())
}
