//! A module: the files of one package, and the digest that names their content.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pequod_cue::{Package, Program, SourceFile};
use pequod_cue_load::{Failed, Loaded, MemoryFiles, ModuleVersion, Opened, Request, load};
use pequod_diag::{Diagnostic, Diagnostics, Place};
use sha2::{Digest as _, Sha256};

use crate::remote::Tree;
use crate::{Registry, codes};

/// The most that the files of a module may hold together.
pub const MAX_BYTES: usize = 16 << 20;

/// A CUE module, pinned.
#[derive(Debug, Clone)]
pub struct Module {
    /// `sha256:` and the digest of the files' names and texts.
    pub digest: String,
    /// The files; their names are what errors say.
    pub package: Package,
    /// All of a module that has packages or dependencies.
    whole: Option<Arc<Whole>>,
}

/// A module with its packages and what it depends on.
struct Whole {
    files: Arc<MemoryFiles>,
    folder: String,
    dependencies: BTreeMap<ModuleVersion, Opened>,
}

impl std::fmt::Debug for Whole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole")
            .field("folder", &self.folder)
            .field("dependencies", &self.dependencies.keys())
            .finish_non_exhaustive()
    }
}

impl Whole {
    fn of(tree: Tree) -> Self {
        Self {
            files: Arc::new(MemoryFiles {
                origin: tree.origin,
                files: tree.files,
            }),
            folder: tree.folder,
            dependencies: BTreeMap::new(),
        }
    }

    fn load(&self) -> Result<Loaded, Failed> {
        load(&Request {
            files: self.files.clone(),
            folder: String::new(),
            arguments: vec![if self.folder.is_empty() {
                ".".to_owned()
            } else {
                format!("./{}", self.folder)
            }],
            tags: Vec::new(),
            variables: None,
            modules: &self.dependencies,
            stdin: None,
        })
    }
}

impl PartialEq for Module {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && self.package == other.package
    }
}

impl Eq for Module {}

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
        let digest = hex(&hash.finalize());
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
            whole: None,
        })
    }

    /// Compiles the package with everything it imports.
    pub fn compile(&self) -> Result<Program, Diagnostics> {
        let Some(whole) = &self.whole else {
            return Program::compile(&self.package);
        };
        let mut loaded = whole.load().map_err(problems)?;
        let Some(instance) = loaded.instances.pop() else {
            return Program::compile(&self.package);
        };
        let units = loaded.units(instance.unit);
        Program::compile_units(&units, &[], loaded.sources)
    }

    /// A package of a module, with the modules it depends on; those that are not among its files are fetched.
    pub(crate) async fn of_tree(tree: Tree, registry: &mut Registry) -> Result<Self, Diagnostic> {
        let origin = tree.origin.clone();
        let mut whole = Whole::of(tree);
        let loaded = loop {
            // Parsing is work for a processor, not for the threads that wait for the network.
            let reading = tokio::task::spawn_blocking(move || {
                let loaded = whole.load();
                (whole, loaded)
            });
            let loaded = match reading.await {
                Ok((back, loaded)) => {
                    whole = back;
                    loaded
                }
                Err(error) => {
                    let message = "reading the module was ended";
                    return Err(Diagnostic::error(codes::UNREACHABLE, message).caused_by(&error));
                }
            };
            match loaded {
                Ok(loaded) => break loaded,
                Err(Failed::Missing(missing)) => {
                    for module in &missing {
                        registry.fetch(module).await;
                    }
                    whole.dependencies = registry.modules();
                }
                Err(failed @ Failed::Problems(_)) => {
                    let mut problems = problems(failed).0.into_iter();
                    let first = problems.next();
                    return Err(first.unwrap_or_else(|| {
                        Diagnostic::error(codes::NOT_FOUND, "the module holds no package")
                    }));
                }
            }
        };
        Ok(Self::of_loaded(whole, &loaded, &origin))
    }

    fn of_loaded(whole: Whole, loaded: &Loaded, origin: &str) -> Self {
        let files = loaded
            .instances
            .first()
            .map(|instance| {
                let sources = instance.unit.files.iter().map(|file| &file.source);
                sources
                    .map(|source| SourceFile::new(source.name().to_string(), source.text().clone()))
                    .collect()
            })
            .unwrap_or_default();
        // The texts of everything that was read, in the order of their names, name the content.
        let mut texts: Vec<_> = loaded
            .sources
            .iter()
            .map(|source| (source.name().clone(), source.text().clone()))
            .collect();
        texts.sort();
        texts.dedup();
        let mut hash = Sha256::new();
        for (name, text) in &texts {
            let name = name.strip_prefix(origin).unwrap_or(name);
            for part in [name.as_bytes(), text.as_bytes()] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        Self {
            digest: hex(&hash.finalize()),
            package: Package { files },
            whole: Some(Arc::new(whole)),
        }
    }

    /// The `.cue` files of a folder, for a module that is being written.
    ///
    /// A folder of a module has the module's packages, and copies of others below `cue.mod`.
    pub fn from_directory(folder: &Path) -> Result<Self, Diagnostic> {
        if let Some(root) = module_root(folder) {
            return Self::from_module(&root, folder);
        }
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

impl Module {
    fn from_module(root: &Path, folder: &Path) -> Result<Self, Diagnostic> {
        let unreadable = |error: std::io::Error| {
            Diagnostic::error(codes::NOT_FOUND, "the module cannot be read")
                .at(Place::Path {
                    document: root.display().to_string(),
                    path: String::new(),
                })
                .caused_by(&error)
        };
        let mut files = BTreeMap::new();
        gather(root, "", &mut files, &mut 0).map_err(unreadable)?;
        let absolute = std::fs::canonicalize(folder).map_err(unreadable)?;
        let inside = absolute.strip_prefix(root).unwrap_or(Path::new(""));
        let origin = root.display().to_string();
        let whole = Whole::of(Tree {
            files,
            origin: origin.clone(),
            folder: inside.to_string_lossy().replace('\\', "/"),
        });
        match whole.load() {
            Ok(loaded) => Ok(Self::of_loaded(whole, &loaded, &origin)),
            Err(failed) => {
                let hint = matches!(failed, Failed::Missing(_));
                let first = problems(failed).0.into_iter().next();
                let problem = first.unwrap_or_else(|| {
                    Diagnostic::error(codes::NOT_FOUND, "the module holds no package")
                });
                Err(if hint {
                    problem
                        .hint("copy it below cue.mod/pkg, or push the module and refer to it there")
                } else {
                    problem
                })
            }
        }
    }
}

/// The folder with `cue.mod/module.cue` that a folder lies in.
fn module_root(folder: &Path) -> Option<std::path::PathBuf> {
    let absolute = std::fs::canonicalize(folder).ok()?;
    let root = absolute
        .ancestors()
        .find(|folder| folder.join("cue.mod/module.cue").is_file())?;
    Some(root.to_owned())
}

/// The files of a folder that a module is made of, as far as they are not too large.
fn gather(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Arc<[u8]>>,
    size: &mut usize,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') {
                gather(&entry.path(), &format!("{path}/"), files, size)?;
            }
            continue;
        }
        let wanted = ["cue", "json", "yaml", "yml", "txt"];
        if Path::new(&name)
            .extension()
            .is_some_and(|ending| wanted.iter().any(|wanted| ending == *wanted))
        {
            let bytes = std::fs::read(entry.path())?;
            *size += bytes.len();
            if *size > MAX_BYTES {
                return Err(std::io::Error::other(format!(
                    "the module holds more than {MAX_BYTES} bytes"
                )));
            }
            files.insert(path, bytes.into());
        }
    }
    Ok(())
}

/// `sha256:` and a hash.
fn hex(hash: &[u8]) -> String {
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}

/// Why a module could not be loaded.
fn problems(failed: Failed) -> Diagnostics {
    match failed {
        Failed::Problems(problems) => problems,
        Failed::Missing(modules) => Diagnostics(
            modules
                .iter()
                .map(|module| {
                    Diagnostic::error(codes::NOT_FOUND, format!("module {module} was not fetched"))
                })
                .collect(),
        ),
    }
}
