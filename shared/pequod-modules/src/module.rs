//! A module: the files of one package, and the digest that names their content.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pequod_cue::{Package, SourceFile};
use pequod_diag::{Diagnostic, Place};
use sha2::{Digest as _, Sha256};

use crate::codes;

/// The most that the files of a module may hold together.
pub const MAX_BYTES: usize = 16 << 20;

/// A CUE module, pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// `sha256:` and the digest of the files' names and texts.
    pub digest: String,
    /// The files; their names are what errors say.
    pub package: Package,
}

impl Module {
    /// A module of these files (name in the module, text). `origin` goes before the names in errors and is no part
    /// of the digest; it may be empty.
    pub fn new(origin: &str, files: BTreeMap<String, Arc<str>>) -> Result<Self, Diagnostic> {
        let size: usize = files.values().map(|text| text.len()).sum();
        if size > MAX_BYTES {
            return Err(Diagnostic::error(
                codes::LIMIT,
                format!("the module holds {size} bytes; at most {MAX_BYTES} are read"),
            )
            .at(Place::Path {
                document: origin.to_owned(),
                path: String::new(),
            }));
        }
        let mut hash = Sha256::new();
        for (name, text) in &files {
            for part in [name.as_bytes(), text.as_bytes()] {
                // Lengths keep the border between two parts a part of what is hashed.
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        let digest = hash
            .finalize()
            .iter()
            .fold("sha256:".to_owned(), |mut text, byte| {
                // Writing to a String cannot fail.
                let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
                text
            });
        let named = |name: String| {
            if origin.is_empty() {
                name
            } else {
                format!("{origin}/{name}")
            }
        };
        let files = files
            .into_iter()
            .map(|(name, text)| SourceFile::new(named(name), text))
            .collect();
        Ok(Self {
            digest,
            package: Package { files },
        })
    }

    /// The `.cue` files of a folder, for a module that is being written.
    pub fn from_directory(folder: &Path) -> Result<Self, Diagnostic> {
        let unreadable = |path: &Path, error: &std::io::Error| {
            Diagnostic::error(codes::NOT_FOUND, "the module cannot be read")
                .at(Place::Path {
                    document: path.display().to_string(),
                    path: String::new(),
                })
                .caused_by(error)
        };
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if path.extension().is_some_and(|extension| extension == "cue") {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
                files.insert(name.to_owned(), text.into());
            }
        }
        if files.is_empty() {
            return Err(
                Diagnostic::error(codes::NOT_FOUND, "the folder holds no .cue file").at(
                    Place::Path {
                        document: folder.display().to_string(),
                        path: String::new(),
                    },
                ),
            );
        }
        Self::new(&folder.display().to_string(), files)
    }
}
