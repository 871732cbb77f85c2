//! `cargo xtask tidy`: what the layout promises, checked.
//!
//! Each check is a function from the workspace to the list of what is wrong; none changes anything.

mod edges;
mod files;
mod links;
mod modules;
mod purity;
mod sizes;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{Metadata, MetadataCommand};
use pequod_testkit::{Error, Result, workspace_root};

/// The workspace as the checks see it.
struct Workspace {
    root: PathBuf,
    metadata: Metadata,
    /// Every file under version control or about to be, relative to the root, sorted.
    files: Vec<PathBuf>,
}

impl Workspace {
    fn load() -> Result<Self> {
        let root = workspace_root().to_owned();
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .map_err(Error::while_doing("cargo metadata failed"))?;
        let files = listed_files(&root)?;
        Ok(Self {
            root,
            metadata,
            files,
        })
    }

    fn read(&self, file: &Path) -> String {
        fs::read_to_string(self.root.join(file)).unwrap_or_default()
    }

    fn with_extension<'w>(&'w self, extension: &'w str) -> impl Iterator<Item = &'w Path> {
        self.files
            .iter()
            .filter(move |file| file.extension().is_some_and(|found| found == extension))
            .map(PathBuf::as_path)
    }
}

/// Git knows which files count: those that are tracked, and new ones that are not ignored.
fn listed_files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .map_err(Error::while_doing("could not run git"))?;
    if !output.status.success() {
        return Err(Error::new("git ls-files failed: is this a checkout?"));
    }
    let mut files: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
        .filter(|file| root.join(file).is_file())
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

type Check = fn(&Workspace) -> Vec<String>;

const CHECKS: &[(&str, Check)] = &[
    ("crate edges", edges::check),
    ("pure crates", purity::check),
    ("file sizes", sizes::check),
    ("forgotten modules", modules::check),
    ("fixtures", files::check),
    ("links", links::check),
];

/// Runs every check and prints what is wrong.
///
/// # Errors
/// Says how much is wrong, or that the workspace cannot be read.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut count = 0;
    for (name, check) in CHECKS {
        let problems = check(&workspace);
        count += problems.len();
        for problem in problems {
            eprintln!("tidy: {name}: {problem}");
        }
    }
    if count > 0 {
        return Err(Error::new(format!("tidy: {count} problems")));
    }
    println!(
        "tidy: {} checks, {} files",
        CHECKS.len(),
        workspace.files.len()
    );
    Ok(())
}
