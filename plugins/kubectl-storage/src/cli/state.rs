//! Where candidates are remembered between scans: one file for each set of clusters and appliances.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use pequod_cli::Failure;
use pequod_diag::{Code, Diagnostic};
use sha2::{Digest, Sha256};

use crate::{ledger::Ledger, model::Inventory};

/// The file.
pub(crate) struct Store {
    path: PathBuf,
}

impl Store {
    /// The file of what is scanned: another set of clusters is another memory, because what one
    /// scan does not see must not make another forget.
    pub(crate) fn of(inventory: &Inventory, folder: Option<&Path>) -> Result<Self, Failure> {
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => default_folder().ok_or_else(|| {
                Failure::input(
                    Diagnostic::error(Code("storage/state"), "no folder to remember candidates in")
                        .hint("set HOME or give --state-dir"),
                )
            })?,
        };
        let mut names: Vec<_> = inventory
            .clusters
            .iter()
            .map(|cluster| format!("cluster {}", cluster.uid))
            .chain(
                inventory
                    .appliances
                    .iter()
                    .map(|nas| format!("nas {}", nas.name)),
            )
            .collect();
        names.sort();
        let digest = Sha256::digest(names.join("\n"));
        let name = digest[..8]
            .iter()
            .fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
        Ok(Self {
            path: folder.join(format!("{name}.json")),
        })
    }

    /// What is remembered; nothing when this is the first scan.
    pub(super) fn load(&self) -> Result<Ledger, Failure> {
        match fs::read(&self.path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| self.failed("read", &error))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ledger::default()),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    /// Remembers. The file is replaced whole: a crash leaves the old one.
    pub(super) fn save(&self, ledger: &Ledger) -> Result<(), Failure> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| self.failed("write", &error))?;
        let bytes = serde_json::to_vec(ledger).map_err(|error| self.failed("write", &error))?;
        let fresh = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        fs::write(&fresh, bytes)
            .and_then(|()| fs::rename(&fresh, &self.path))
            .map_err(|error| self.failed("write", &error))
    }

    /// Makes the folder.
    pub(super) fn prepare(&self) -> Result<(), Failure> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| self.failed("write", &error))
    }

    /// The audit log beside the memory.
    pub(super) fn audit(&self) -> PathBuf {
        self.path.with_extension("audit.jsonl")
    }

    /// What the monitor wrote as objects, beside the memory.
    pub(crate) fn objects(&self) -> PathBuf {
        self.path.with_extension("objects.json")
    }

    /// The history beside the memory.
    pub(super) fn history(&self) -> PathBuf {
        self.path.with_extension("history.db")
    }

    fn failed(&self, verb: &str, error: &dyn std::error::Error) -> Failure {
        Failure::input(
            Diagnostic::error(
                Code("storage/state"),
                format!(
                    "cannot {verb} the memory of earlier scans, {}",
                    self.path.display()
                ),
            )
            .caused_by(error),
        )
    }
}

fn default_folder() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| {
            std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"))
        })?;
    Some(base.join("pequod/storage"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_memory_is_an_error_and_not_a_first_scan() {
        let folder = std::env::temp_dir().join(format!("pequod-state-{}", std::process::id()));
        let store = Store::of(&Inventory::default(), Some(&folder)).unwrap();
        assert_eq!(store.load().unwrap(), Ledger::default());
        store.save(&Ledger::default()).unwrap();
        assert_eq!(store.load().unwrap(), Ledger::default());
        fs::write(&store.path, "{").unwrap();
        assert!(store.load().is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
