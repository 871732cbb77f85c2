//! Which module has a package.
//!
//! Every part of a package's path may be a module's path. The main module and what it needs directly are asked first,
//! then everything that is needed indirectly. A package in two modules is ambiguous; copies under `cue.mod/pkg`, `gen`
//! and `usr` count as one.

use std::rc::Rc;
use std::sync::Arc;

use crate::ModuleFile;
use crate::files::{Files, join};
use crate::import_path::ImportPath;
use crate::requirements::{Graph, ModuleVersion};

/// A module with its files.
#[derive(Clone)]
pub(crate) struct Module {
    /// `example.com/m@v0`; empty without one.
    pub(crate) path: String,
    /// `v0.1.0`; empty for the main module.
    pub(crate) version: String,
    /// What its `module.cue` says.
    pub(crate) file: Rc<ModuleFile>,
    /// Its files.
    pub(crate) files: Arc<dyn Files>,
    /// Its root there.
    pub(crate) root: String,
}

/// Where a package lies.
#[derive(Clone)]
pub(crate) struct Found {
    /// In which module.
    pub(crate) module: Module,
    /// Its folders: more than one only for the folders of `cue.mod`.
    pub(crate) folders: Vec<String>,
    /// Whether it lies in a folder of `cue.mod`.
    pub(crate) vendored: bool,
}

/// The folders of `cue.mod` that hold copies of packages.
pub(crate) const VENDORED: [&str; 3] = ["cue.mod/gen", "cue.mod/usr", "cue.mod/pkg"];

/// Finds the package that an import in a module means. The error is a sentence.
pub(crate) fn find(
    graph: &mut Graph<'_>,
    main: &Module,
    importer: &Module,
    path: &ImportPath,
) -> Result<Found, String> {
    check_path(path)?;
    let mut places: Vec<(String, Found)> = Vec::new();
    let vendored: Vec<String> = VENDORED
        .iter()
        .map(|folder| join(&main.root, &format!("{folder}/{}", path.path)))
        .filter(|folder| has_cue(&*main.files, folder))
        .collect();
    if let Some(first) = vendored.first() {
        let name = format!("local ({})", shown(main, first));
        places.push((
            name,
            Found {
                module: main.clone(),
                folders: vendored,
                vendored: true,
            },
        ));
    }
    let mut selected = main
        .file
        .dependencies
        .iter()
        .map(|(path, dependency)| (path.clone(), dependency.version.clone().unwrap_or_default()))
        .collect();
    for all in [false, true] {
        if all {
            selected = graph
                .selected(&main.file)
                .map_err(|error| format!("cannot expand module graph: {error}"))?;
        }
        let mut prefix: &str = &path.path;
        loop {
            if let Some(module) = module_at(graph, main, importer, prefix, path, &selected)?
                && let Some(folder) = folder_in(main, &module, prefix, &path.path)
            {
                let shown = shown(&module, &folder);
                let name = if module.version.is_empty() {
                    format!("{} ({shown})", module.path)
                } else {
                    format!("{} {} ({shown})", module.path, module.version)
                };
                places.push((
                    name,
                    Found {
                        module,
                        folders: vec![folder],
                        vendored: false,
                    },
                ));
            }
            match prefix.rsplit_once('/') {
                Some((shorter, _)) => prefix = shorter,
                None => break,
            }
        }
        if places.len() > 1 {
            let names: Vec<&str> = places.iter().rev().map(|(name, _)| name.as_str()).collect();
            return Err(format!(
                "ambiguous import: found package {} in multiple locations:\n\t{}",
                path.canonical(),
                names.join("\n\t")
            ));
        }
        if let Some((_, found)) = places.pop() {
            return Ok(found);
        }
    }
    Err(format!(
        "cannot find module providing package {}",
        path.canonical()
    ))
}

/// What a path of a module's files is called in a list of places: from the module's root.
fn shown(module: &Module, folder: &str) -> String {
    match crate::files::inside(&module.root, folder) {
        Some("") | None => ".".to_owned(),
        Some(inside) => inside.to_owned(),
    }
}

fn check_path(path: &ImportPath) -> Result<(), String> {
    if path.version.contains('.') {
        let text = if path.explicit {
            format!("{}:{}", path.unqualified(), path.qualifier)
        } else {
            path.unqualified()
        };
        return Err(format!(
            "malformed import path {text:?}: import paths can only contain a major version specifier"
        ));
    }
    if path.qualifier.contains('@') {
        return Err(format!(
            "malformed import path {:?}: package qualifier must not contain a version; use path@version:qualifier syntax",
            format!("{}:{}", path.unqualified(), path.qualifier)
        ));
    }
    if path.qualifier == "_" {
        return Err(format!(
            "_ is not a valid import path qualifier in {:?}",
            format!("{}:_", path.unqualified())
        ));
    }
    Ok(())
}

/// The module of a path that might have the package.
fn module_at(
    graph: &mut Graph<'_>,
    main: &Module,
    importer: &Module,
    prefix: &str,
    path: &ImportPath,
    selected: &std::collections::BTreeMap<String, String>,
) -> Result<Option<Module>, String> {
    let major = if path.version.is_empty() {
        let own = importer.file.default_major(prefix);
        if let Some(major) = own.or_else(|| main.file.default_major(prefix)) {
            major.to_owned()
        } else {
            let mut majors = selected.keys().filter_map(|key| {
                let (base, major) = key.split_once('@')?;
                (base == prefix).then_some(major)
            });
            match (majors.next(), majors.next()) {
                (Some(only), None) => only.to_owned(),
                _ => return Ok(None),
            }
        }
    } else {
        path.version.clone()
    };
    let full = format!("{prefix}@{major}");
    // A module that stands for another calls itself by its own name.
    let full = match graph.renamed.iter().find(|(_, target)| target.path == full) {
        Some((original, _)) if !selected.contains_key(&full) => original.clone(),
        _ => full,
    };
    if full == main.path {
        return Ok(Some(main.clone()));
    }
    let Some(version) = selected.get(&full) else {
        return Ok(None);
    };
    let version = ModuleVersion {
        path: full,
        version: version.clone(),
    };
    let cannot = |error| format!("cannot fetch {version}: {error}");
    let files = graph.open(&version).map_err(cannot)?;
    let file = graph.file(&version).map_err(cannot)?;
    Ok(Some(Module {
        path: version.path.clone(),
        version: version.version.clone(),
        file,
        files,
        root: String::new(),
    }))
}

/// The folder of a package in a module, if it holds CUE files and belongs to that module.
fn folder_in(main: &Module, module: &Module, prefix: &str, path: &str) -> Option<String> {
    let rest = path.strip_prefix(prefix)?;
    let folder = join(&module.root, rest.trim_start_matches('/'));
    if module.path == main.path {
        // A module within the module keeps its packages to itself.
        let mut at = folder.clone();
        while at != module.root && at.len() > module.root.len() {
            if is_file(&*module.files, &join(&at, "cue.mod/module.cue")) {
                return None;
            }
            at = crate::files::folder_of(&at);
        }
    }
    has_cue(&*module.files, &folder).then_some(folder)
}

pub(crate) fn is_file(files: &dyn Files, path: &str) -> bool {
    matches!(files.read(path), Ok(Some(_)))
}

/// Whether a folder holds a file of CUE.
pub(crate) fn has_cue(files: &dyn Files, folder: &str) -> bool {
    let Ok(Some(entries)) = files.list(folder) else {
        return false;
    };
    entries
        .iter()
        .any(|entry| !entry.is_folder && crate::files::is_cue(&entry.name))
}
