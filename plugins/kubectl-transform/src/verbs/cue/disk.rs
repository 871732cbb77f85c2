//! The machine's files for the loader.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use pequod_cli::Failure;
use pequod_cue_load::{Entry, Files};
use pequod_diag::{Code, Diagnostic};

/// The most that is read from one file.
const MAX_BYTES: u64 = 256 << 20;

/// The folder that the command runs in, with `/` between its parts.
pub(super) fn working_folder() -> Result<String, Failure> {
    let folder = std::env::current_dir()?;
    folder.to_str().map(ToOwned::to_owned).ok_or_else(|| {
        Failure::input(Diagnostic::error(
            Code("cue/load"),
            "the name of the working folder is not UTF-8",
        ))
    })
}

/// All files of this machine.
pub(super) struct Disk;

/// Whether an error only says that there is nothing of that kind.
fn is_absent(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    )
}

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        let describe = |error: std::io::Error| format!("open {path}: {error}");
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_absent(error.kind()) => return Ok(None),
            Err(error) => return Err(describe(error)),
        };
        if metadata.is_dir() {
            return Ok(None);
        }
        if metadata.len() > MAX_BYTES {
            return Err(format!("{path} is larger than {MAX_BYTES} bytes"));
        }
        match std::fs::read(path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if is_absent(error.kind()) => Ok(None),
            Err(error) => Err(describe(error)),
        }
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        let describe = |error: std::io::Error| format!("open {folder}: {error}");
        let entries = match std::fs::read_dir(Path::new(folder)) {
            Ok(entries) => entries,
            Err(error) if is_absent(error.kind()) => return Ok(None),
            Err(error) => return Err(describe(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(describe)?;
            // A name that is no text cannot be imported.
            let Some(name) = entry.file_name().to_str().map(ToOwned::to_owned) else {
                continue;
            };
            let is_folder = std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir());
            found.push(Entry { name, is_folder });
        }
        found.sort();
        Ok(Some(found))
    }
}
