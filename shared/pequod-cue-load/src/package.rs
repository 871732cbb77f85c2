//! Which files of a folder make a package.
//!
//! A package is the files of one package name in a folder, with those of the same name in the folders above it up to
//! the module's root. Names that begin with `.` or `_` are left out, so are `_test.cue` and `_tool.cue`.

use std::fmt::Write as _;
use std::sync::Arc;

use pequod_cue_syntax::ast::File;
use pequod_cue_syntax::{FileId, Source, parse_file};
use pequod_diag::{Diagnostic, Diagnostics};

use crate::build::excluded;
use crate::codes;
use crate::files::{base_of, folder_of, is_cue, join};
use crate::loader::Sources;
use crate::resolve::Module;
use crate::tag::Tags;

/// The files of a package, and what is wrong with them.
#[derive(Default)]
pub(crate) struct Gathered {
    /// The package's name; empty if no file has one.
    pub(crate) name: String,
    /// Its files with the folders they lie in.
    pub(crate) files: Vec<(String, File)>,
    /// Files that are left out, with the reason.
    pub(crate) ignored: Vec<(String, String)>,
    /// What is wrong.
    pub(crate) problems: Vec<Diagnostic>,
    first_file: String,
}

/// How files are chosen.
pub(crate) struct Choice<'a> {
    /// Of which module.
    pub(crate) module: &'a Module,
    /// Whether that is the main module, whose build tags may be set.
    pub(crate) is_main: bool,
    /// What the package is called in messages.
    pub(crate) display: &'a str,
    /// Whether a pattern such as `./...` led here.
    pub(crate) from_pattern: bool,
    /// Where the sources go.
    pub(crate) sources: &'a mut Sources,
    /// What was said on the command line.
    pub(crate) tags: &'a mut Tags,
}

/// A file of a folder, judged.
enum Judged {
    /// It belongs to the package, or would if its build attributes held.
    Belongs,
    /// It does not.
    Foreign,
}

impl Choice<'_> {
    /// Gathers a package from its folders and those above them. Without a name the folder decides.
    pub(crate) fn gather(&mut self, folders: &[String], root: &str, name: &str) -> Gathered {
        let mut gathered = Gathered {
            name: name.to_owned(),
            ..Gathered::default()
        };
        let mut strict = !name.is_empty();
        let there = folders
            .iter()
            .any(|folder| matches!(self.module.files.list(folder), Ok(Some(_))));
        if !there {
            let message = format!("cannot find package {:?}", self.display);
            gathered
                .problems
                .push(Diagnostic::error(codes::LOAD, message));
            return gathered;
        }
        for folder in folders {
            let mut at = folder.clone();
            let mut first = true;
            loop {
                let mut added = false;
                match self.module.files.list(&at) {
                    Ok(entries) => {
                        for entry in entries.unwrap_or_default() {
                            if entry.is_folder || !is_cue(&entry.name) {
                                continue;
                            }
                            let path = join(&at, &entry.name);
                            let judged = self.add(&mut gathered, &path, first, strict);
                            added |= matches!(judged, Judged::Belongs);
                        }
                    }
                    Err(error) => {
                        let message = format!("import failed reading dir {at}: {error}");
                        gathered
                            .problems
                            .push(Diagnostic::error(codes::LOAD, message));
                    }
                }
                if gathered.name.is_empty() || at == root || (first && !added) {
                    break;
                }
                if self.module.path.is_empty() {
                    break;
                }
                strict = true;
                first = false;
                at = folder_of(&at);
            }
        }
        gathered
            .files
            .sort_by_cached_key(|(_, file)| order(file.source.name()));
        if gathered.problems.is_empty() && gathered.files.is_empty() {
            let barren = folders.iter().all(|folder| {
                let entries = self.module.files.list(folder);
                let entries = entries.ok().flatten().unwrap_or_default();
                entries.iter().all(|entry| entry.is_folder)
            });
            gathered.problems.push(if barren {
                let message = format!("cue: {:?} matched no packages", self.display);
                Diagnostic::error(codes::LOAD, message)
            } else {
                self.nothing(&gathered.ignored)
            });
        }
        gathered
    }

    /// A folder whose name is that of one of its packages is shown with its dot.
    fn shown_folder(&self, first: &str, second: &str) -> &str {
        let base = base_of(self.display);
        if !self.from_pattern && (base == first || base == second) {
            return self.display;
        }
        self.display.strip_prefix("./").unwrap_or(self.display)
    }

    fn nothing(&self, ignored: &[(String, String)]) -> Diagnostic {
        let counted: Vec<_> = ignored
            .iter()
            .filter(|(path, _)| !base_of(path).starts_with('_'))
            .collect();
        if counted.is_empty() {
            let message = format!("no CUE files in {}", self.display);
            return Diagnostic::error(codes::LOAD, message);
        }
        let mut message = format!(
            "build constraints exclude all CUE files in {}:",
            self.display
        );
        for (path, reason) in ignored {
            // Writing to a String cannot fail.
            let _ = write!(message, "\n    {path}: {reason}");
        }
        Diagnostic::error(codes::LOAD, message)
    }

    fn add(&mut self, gathered: &mut Gathered, path: &str, first: bool, strict: bool) -> Judged {
        let base = base_of(path);
        let display = self.module.files.display(path);
        if let Some(prefix) = ['.', '_']
            .into_iter()
            .find(|prefix| base.starts_with(*prefix))
        {
            if first {
                let reason = format!("filename starts with a '{prefix}'");
                gathered.ignored.push((display, reason));
            }
            return Judged::Foreign;
        }
        let bytes = match self.module.files.read(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Judged::Foreign,
            Err(error) => {
                gathered
                    .problems
                    .push(Diagnostic::error(codes::LOAD, error));
                return Judged::Foreign;
            }
        };
        let file = match self.sources.parse(&display, &bytes) {
            Ok(file) => file,
            Err(problems) => {
                gathered.problems.extend(problems.0);
                return Judged::Foreign;
            }
        };
        let name = package_name(&file);
        if name == "_" && gathered.name != "_" {
            if first {
                gathered
                    .ignored
                    .push((display, "no package name".to_owned()));
            }
            return Judged::Foreign;
        }
        if self.leave_out(gathered, &file, &display) {
            return Judged::Belongs;
        }
        if gathered.name.is_empty() {
            name.clone_into(&mut gathered.name);
            base.clone_into(&mut gathered.first_file);
        } else if gathered.name != name {
            if strict {
                let reason = format!("package is {name}, want {}", gathered.name);
                gathered.ignored.push((display, reason));
            } else {
                let message = format!(
                    "found packages {:?} ({}) and {name:?} ({base}) in {:?}",
                    gathered.name,
                    gathered.first_file,
                    self.shown_folder(&gathered.name, name)
                );
                gathered
                    .problems
                    .push(Diagnostic::error(codes::LOAD, message));
            }
            return Judged::Foreign;
        }
        for (ending, mode) in [("_test.cue", "test"), ("_tool.cue", "cmd")] {
            if base.ends_with(ending) {
                let reason = format!("{ending} files excluded in non-{mode} mode");
                gathered.ignored.push((display, reason));
                return Judged::Belongs;
            }
        }
        gathered.files.push((folder_of(path), file));
        Judged::Belongs
    }

    /// Adds a file that was named itself: whatever its name, with or without a package.
    pub(crate) fn add_named(&mut self, gathered: &mut Gathered, path: &str, bytes: &[u8]) {
        let display = self.module.files.display(path);
        let file = match self.sources.parse(&display, bytes) {
            Ok(file) => file,
            Err(problems) => {
                gathered.problems.extend(problems.0);
                return;
            }
        };
        if self.leave_out(gathered, &file, &display) {
            return;
        }
        let name = package_name(&file);
        let base = base_of(path);
        if name != "_" {
            if gathered.name.is_empty() {
                name.clone_into(&mut gathered.name);
                base.clone_into(&mut gathered.first_file);
            } else if gathered.name != name {
                let message = format!(
                    "found packages {:?} ({}) and {name:?} ({base}) in \".\"",
                    gathered.name, gathered.first_file
                );
                gathered
                    .problems
                    .push(Diagnostic::error(codes::LOAD, message));
                return;
            }
        }
        gathered.files.push((folder_of(path), file));
    }

    fn leave_out(&mut self, gathered: &mut Gathered, file: &File, display: &str) -> bool {
        let tags = &mut *self.tags;
        let is_main = self.is_main;
        match excluded(file, &mut |name| is_main && tags.is_set(name)) {
            Ok(None) => false,
            Ok(Some(reason)) => {
                gathered.ignored.push((display.to_owned(), reason));
                true
            }
            Err(problem) => {
                gathered.problems.push(problem);
                true
            }
        }
    }
}

/// Files of a folder come before those of the folders in it, else by name.
pub(crate) fn order(name: &str) -> (usize, String) {
    (name.matches('/').count(), name.to_owned())
}

/// The package a file says it belongs to; `_` if it says none.
pub(crate) fn package_name(file: &File) -> &str {
    file.package
        .as_ref()
        .map_or("_", |package| &package.name.name)
}

impl Sources {
    /// The number of the next source.
    pub(crate) fn next_id(&self) -> FileId {
        FileId(u32::try_from(self.all.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn push(&mut self, source: Arc<Source>) {
        self.all.push(source);
    }

    /// Parses a file, which is a source whatever comes of it.
    pub(crate) fn parse(&mut self, name: &str, bytes: &[u8]) -> Result<File, Diagnostics> {
        let id = self.next_id();
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.push(Arc::new(Source::new(id, name, "")));
            return Err(Diagnostic::error(codes::LOAD, format!("{name}: is not UTF-8")).into());
        };
        match parse_file(id, name, text) {
            Ok(file) => {
                self.push(file.source.clone());
                Ok(file)
            }
            Err(problems) => {
                self.push(Arc::new(Source::new(id, name, text)));
                Err(problems)
            }
        }
    }
}
