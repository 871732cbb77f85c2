//! Which version of which module: the least that satisfies everybody.
//!
//! Every module says the least version it needs of those it depends on; the highest of these for each module and major
//! version is taken. Nothing newer is ever looked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use crate::files::Files;
use crate::{ModuleFile, Version};

/// A module of a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleVersion {
    /// With the major version: `example.com/m@v0`.
    pub path: String,
    /// The whole version: `v0.1.2`.
    pub version: String,
}

impl ModuleVersion {
    /// The path without the major version.
    pub fn base(&self) -> &str {
        self.path.split('@').next().unwrap_or_default()
    }
}

impl std::fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.base(), self.version)
    }
}

/// What is known of a module.
#[derive(Clone)]
pub enum Opened {
    /// Its files.
    Here(Arc<dyn Files>),
    /// Nothing yet: it has to be fetched.
    Unknown,
    /// It cannot be had. A sentence.
    Failed(String),
}

/// Modules that have been fetched.
pub trait Modules {
    /// A module's files.
    fn open(&self, module: &ModuleVersion) -> Opened;
}

impl Modules for BTreeMap<ModuleVersion, Opened> {
    fn open(&self, module: &ModuleVersion) -> Opened {
        self.get(module).cloned().unwrap_or(Opened::Unknown)
    }
}

/// Reads `module.cue` of modules, each once.
pub(crate) struct Graph<'a> {
    pub(crate) modules: &'a dyn Modules,
    /// Modules that somebody must fetch first.
    pub(crate) missing: BTreeSet<ModuleVersion>,
    /// What stands for a module here: by path with major version, its files.
    pub(crate) replaced: BTreeMap<String, (Arc<dyn Files>, Rc<ModuleFile>)>,
    /// A module that another stands for.
    pub(crate) renamed: BTreeMap<String, ModuleVersion>,
    files: BTreeMap<ModuleVersion, Result<Rc<ModuleFile>, String>>,
    selected: Option<Result<BTreeMap<String, String>, String>>,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(modules: &'a dyn Modules) -> Self {
        Self {
            modules,
            missing: BTreeSet::new(),
            replaced: BTreeMap::new(),
            renamed: BTreeMap::new(),
            files: BTreeMap::new(),
            selected: None,
        }
    }

    /// A module's files; an error is a sentence. A missing one is noted.
    pub(crate) fn open(&mut self, module: &ModuleVersion) -> Result<Arc<dyn Files>, String> {
        if let Some((files, _)) = self.replaced.get(&module.path) {
            return Ok(files.clone());
        }
        let module = self.renamed.get(&module.path).unwrap_or(module);
        match self.modules.open(module) {
            Opened::Here(files) => Ok(files),
            Opened::Failed(sentence) => Err(sentence),
            Opened::Unknown => {
                self.missing.insert(module.clone());
                Err(format!("module {module}: not fetched"))
            }
        }
    }

    /// What a module's `module.cue` says.
    pub(crate) fn file(&mut self, module: &ModuleVersion) -> Result<Rc<ModuleFile>, String> {
        if let Some((_, file)) = self.replaced.get(&module.path) {
            return Ok(file.clone());
        }
        if let Some(known) = self.files.get(module) {
            return known.clone();
        }
        let read = self.open(module).and_then(|files| {
            let path = "cue.mod/module.cue";
            let bytes = files.read(path)?;
            let bytes = bytes.ok_or_else(|| format!("module {module}: it has no {path}"))?;
            let text = String::from_utf8_lossy(&bytes);
            ModuleFile::parse(&files.display(path), &text)
                .map(Rc::new)
                .map_err(|problems| problems.to_string())
        });
        self.files.insert(module.clone(), read.clone());
        read
    }

    /// The version of every module that anything the main module needs needs.
    pub(crate) fn selected(
        &mut self,
        main: &ModuleFile,
    ) -> Result<BTreeMap<String, String>, String> {
        if let Some(selected) = &self.selected {
            return selected.clone();
        }
        let selected = self.select(main);
        self.selected = Some(selected.clone());
        selected
    }

    fn select(&mut self, main: &ModuleFile) -> Result<BTreeMap<String, String>, String> {
        let mut highest: BTreeMap<String, String> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<ModuleVersion> = needs(main).collect();
        let mut first_error = None;
        while let Some(module) = queue.pop_front() {
            if module.path == main.module || !seen.insert(module.clone()) {
                continue;
            }
            let newer = highest
                .get(&module.path)
                .is_none_or(|known| Version::parse(known) < Version::parse(&module.version));
            if newer {
                highest.insert(module.path.clone(), module.version.clone());
            }
            // All that are missing are named at once.
            match self.file(&module) {
                Ok(file) => queue.extend(needs(&file)),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(highest), Err)
    }
}

/// What a module depends on.
fn needs(file: &ModuleFile) -> impl Iterator<Item = ModuleVersion> + '_ {
    file.dependencies
        .iter()
        .map(|(path, dependency)| ModuleVersion {
            path: path.clone(),
            version: dependency.version.clone().unwrap_or_default(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryFiles;

    fn module(path: &str, version: &str, deps: &[(&str, &str)]) -> (ModuleVersion, Opened) {
        let deps: Vec<String> = deps
            .iter()
            .map(|(path, version)| format!("deps: {path:?}: v: {version:?}\n"))
            .collect();
        let deps = deps.concat();
        let text = format!("module: {path:?}\nlanguage: version: \"v0.9.0\"\n{deps}");
        let mut files = MemoryFiles::default();
        files
            .files
            .insert("cue.mod/module.cue".to_owned(), text.into_bytes().into());
        let version = ModuleVersion {
            path: path.to_owned(),
            version: version.to_owned(),
        };
        (version, Opened::Here(Arc::new(files)))
    }

    fn main(deps: &[(&str, &str)]) -> ModuleFile {
        ModuleFile {
            module: "main.com@v0".to_owned(),
            language: "v0.9.0".to_owned(),
            dependencies: deps
                .iter()
                .map(|(path, version)| {
                    let dependency = crate::Dependency {
                        version: Some((*version).to_owned()),
                        ..crate::Dependency::default()
                    };
                    ((*path).to_owned(), dependency)
                })
                .collect(),
        }
    }

    #[test]
    fn the_highest_least_version_is_taken_and_nothing_newer() {
        let modules = BTreeMap::from([
            module("b.com@v0", "v0.1.0", &[("d.com@v0", "v0.3.0")]),
            module("c.com@v0", "v0.2.0", &[("d.com@v0", "v0.10.0")]),
            module("d.com@v0", "v0.3.0", &[]),
            module("d.com@v0", "v0.10.0", &[]),
            module("d.com@v0", "v0.11.0", &[]),
        ]);
        let mut graph = Graph::new(&modules);
        let main = main(&[("b.com@v0", "v0.1.0"), ("c.com@v0", "v0.2.0")]);
        assert_eq!(graph.selected(&main).unwrap()["d.com@v0"], "v0.10.0");
        assert!(graph.missing.is_empty());
    }

    #[test]
    fn all_missing_modules_are_named_at_once() {
        let modules = BTreeMap::new();
        let mut graph = Graph::new(&modules);
        let main = main(&[("b.com@v0", "v0.1.0"), ("c.com@v0", "v0.2.0")]);
        assert!(graph.selected(&main).is_err());
        assert_eq!(graph.missing.len(), 2);
    }
}
