//! `cargo xtask codegen [--check]`: what is made from the sources and committed.
//!
//! * the CRD manifests of charts/pequod-crds, and docs/reference/crds.md, from the types of `pequod-api`;
//! * docs/reference/kubectl-NAME.md, from each plugin's command line.
//!
//! krew manifests are not made here but by `dist`, since they carry checksums of archives.

mod commands;
mod crds;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use pequod_testkit::{Error, Result, workspace_root};

/// Paths relative to the root, and what stands in them.
type Files = BTreeMap<PathBuf, String>;

/// Writes every generated file, or with `check` says which differ from what would be written.
///
/// # Errors
/// A file that cannot be written, or with `check` that differs or is too many.
pub(crate) fn run(check: bool) -> Result<()> {
    let mut files = Files::new();
    crds::generate(&mut files)?;
    commands::generate(&mut files)?;

    let stale = stale(&files);
    if check {
        for path in &stale {
            eprintln!("codegen: {} is out of date", path.display());
        }
        return if stale.is_empty() {
            println!("codegen: {} files are up to date", files.len());
            Ok(())
        } else {
            Err(Error::new(
                "codegen: run `cargo xtask codegen` and commit what it writes",
            ))
        };
    }
    for path in &stale {
        let target = workspace_root().join(path);
        let outcome = match files.get(path) {
            Some(text) => target
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&target, text)),
            None => fs::remove_file(&target),
        };
        outcome.map_err(Error::while_doing(format!(
            "could not write {}",
            path.display()
        )))?;
        println!("codegen: wrote {}", path.display());
    }
    Ok(())
}

/// The files that differ from what they should hold, and those in generated folders that should not be there.
fn stale(files: &Files) -> Vec<PathBuf> {
    let root = workspace_root();
    let mut stale: Vec<PathBuf> = files
        .iter()
        .filter(|(path, text)| fs::read_to_string(root.join(path)).ok().as_ref() != Some(*text))
        .map(|(path, _)| path.clone())
        .collect();
    for folder in [crds::CHART, commands::REFERENCE] {
        let entries = fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        for entry in entries {
            let path = PathBuf::from(folder).join(entry.file_name());
            if !files.contains_key(&path) {
                stale.push(path);
            }
        }
    }
    stale.sort();
    stale
}
