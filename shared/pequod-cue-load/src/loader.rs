//! All of it together: from arguments to instances.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use pequod_cue::{Question, Unit};
use pequod_cue_syntax::ast::{Expr, File};
use pequod_cue_syntax::{Source, Span, parse_expr};
use pequod_diag::{Diagnostic, Diagnostics};

use crate::argument::{DataFile, files as file_arguments, split};
use crate::embed::embed;
use crate::files::{Files, folder_of, inside, join, relative};
use crate::import_path::{ImportPath, is_local, is_standard};
use crate::package::{Choice, Gathered, order};
use crate::requirements::{Graph, ModuleVersion, Modules, Opened};
use crate::resolve::{Found, Module, VENDORED, find, is_file};
use crate::tag::{TagValue, Tags};
use crate::{ModuleFile, codes};

/// What is to be loaded.
pub struct Request<'a> {
    /// The files of the machine, with absolute paths; or of a module, with the paths in it.
    pub files: Arc<dyn Files>,
    /// The folder that relative paths begin at.
    pub folder: String,
    /// Packages and files.
    pub arguments: Vec<String>,
    /// `name=value` and `name`, for `@tag` and `@if`.
    pub tags: Vec<String>,
    /// The values of variables, if tags may ask for them.
    pub variables: Option<BTreeMap<String, TagValue>>,
    /// Dependencies that are at hand.
    pub modules: &'a dyn Modules,
    /// What `-` stands for.
    pub stdin: Option<Arc<[u8]>>,
}

/// Why nothing was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// These modules must be fetched first.
    Missing(Vec<ModuleVersion>),
    /// What is wrong.
    Problems(Diagnostics),
}

impl From<Diagnostic> for Failed {
    fn from(problem: Diagnostic) -> Self {
        Self::Problems(problem.into())
    }
}

/// A package that was asked for.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What it is called where several are printed.
    pub name: String,
    /// Its package name; may be empty.
    pub package: String,
    /// The module it belongs to; may be empty.
    pub module: String,
    /// Its files, and the places of the packages it imports.
    pub unit: Unit,
    /// Whether it is made of files that were named one by one.
    pub is_files: bool,
}

/// What was loaded.
pub struct Loaded {
    /// What was asked for.
    pub instances: Vec<Instance>,
    /// Files of data that were named, in the order given.
    pub data: Vec<DataFile>,
    /// Imported packages; the first is number 1, for number 0 is the instance that is compiled with them.
    pub dependencies: Vec<Unit>,
    /// Every text, by its number.
    pub sources: Vec<Arc<Source>>,
}

impl Loaded {
    /// The units of a program that evaluates a package.
    pub fn units(&self, unit: Unit) -> Vec<Unit> {
        std::iter::once(unit)
            .chain(self.dependencies.iter().cloned())
            .collect()
    }

    /// An expression of the command line as a question about the package that is evaluated.
    pub fn question(&mut self, name: &str, text: &str) -> Result<Question, Diagnostics> {
        let id = pequod_cue_syntax::FileId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        let (source, expr) = parse_expr(id, name, text)?;
        self.sources.push(source);
        Ok(Question { unit: 0, expr })
    }

    /// The number the next source will have.
    pub fn next_id(&self) -> pequod_cue_syntax::FileId {
        pequod_cue_syntax::FileId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX))
    }
}

impl Instance {
    /// Adds a document of data as a file of the package.
    pub fn add_data(&mut self, source: Arc<Source>, value: Expr) {
        self.unit.files.push(crate::data::file_of(source, value));
    }
}

/// Every text that was read.
#[derive(Default)]
pub(crate) struct Sources {
    pub(crate) all: Vec<Arc<Source>>,
}

/// Loads what arguments name and everything it imports.
pub fn load(request: &Request<'_>) -> Result<Loaded, Failed> {
    let mut arguments = Vec::with_capacity(request.arguments.len());
    for argument in &request.arguments {
        if argument.starts_with('/') {
            arguments.push(format!("./{}", relative(&request.folder, argument)));
        } else {
            arguments.push(argument.clone());
        }
    }
    if arguments.is_empty() {
        arguments.push(".".to_owned());
    }
    let (mut packages, others) = split(&arguments);
    let others = file_arguments(&others).map_err(sentence)?;
    let published = match (&mut packages[..], &others[..]) {
        ([package], []) => published(request, package)?,
        _ => None,
    };
    let is_published = published.is_some();
    let main = match published {
        Some(main) => main,
        None => main_module(request)?,
    };
    let mut loader = Loader {
        request,
        main: main.clone(),
        graph: Graph::new(request.modules),
        sources: Sources::default(),
        tags: Tags {
            given: request.tags.clone(),
            ..Tags::default()
        },
        units: Vec::new(),
        known: BTreeMap::new(),
        stack: Vec::new(),
        open: Vec::new(),
        from_pattern: false,
    };
    // What stands for other modules is its author's business, not its users'.
    if !is_published {
        loader.replacements()?;
    }
    let result = loader.instances(&packages, &others);
    if !loader.graph.missing.is_empty() {
        let missing = std::mem::take(&mut loader.graph.missing);
        return Err(Failed::Missing(missing.into_iter().collect()));
    }
    let (instances, data) = result?;
    Ok(Loaded {
        instances,
        data,
        dependencies: loader.units,
        sources: loader.sources.all,
    })
}

fn sentence(message: impl Into<String>) -> Failed {
    Diagnostic::error(codes::LOAD, message).into()
}

/// The module that a package such as `example.com/m/p@v1.2.3` is of, if that is what the argument is; the argument
/// then names the package within it.
fn published(request: &Request<'_>, package: &mut String) -> Result<Option<Module>, Failed> {
    let path = ImportPath::parse(package);
    if is_local(&path.path) || crate::Version::parse(&path.version).is_none() {
        return Ok(None);
    }
    let major = crate::Version::major(&path.version).to_owned();
    let mut prefix = path.path.as_str();
    let mut first = None;
    loop {
        let module = ModuleVersion {
            path: format!("{prefix}@{major}"),
            version: path.version.clone(),
        };
        match request.modules.open(&module) {
            Opened::Unknown => return Err(Failed::Missing(vec![module])),
            Opened::Failed(why) => {
                first.get_or_insert(why);
            }
            Opened::Here(files) => {
                let name = "cue.mod/module.cue";
                let bytes = files.read(name).map_err(sentence)?.unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let file =
                    ModuleFile::parse(&files.display(name), &text).map_err(Failed::Problems)?;
                *package = format!("{}@{major}:{}", path.path, path.qualifier);
                return Ok(Some(Module {
                    path: file.module.clone(),
                    version: String::new(),
                    file: Rc::new(file),
                    files,
                    root: String::new(),
                }));
            }
        }
        match prefix.rsplit_once('/') {
            Some((shorter, _)) => prefix = shorter,
            None => break,
        }
    }
    let why = first.unwrap_or_default();
    Err(sentence(format!(
        "cannot find package {:?}: {why}",
        path.unqualified()
    )))
}

/// The module that the folder lies in; one without a path if it lies in none.
fn main_module(request: &Request<'_>) -> Result<Module, Failed> {
    let mut root = request.folder.clone();
    loop {
        let path = join(&root, "cue.mod/module.cue");
        if let Some(bytes) = request.files.read(&path).map_err(sentence)? {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let name = request.files.display(&path);
            let file = ModuleFile::parse(&name, &text).map_err(Failed::Problems)?;
            return Ok(Module {
                path: file.module.clone(),
                version: String::new(),
                file: Rc::new(file),
                files: request.files.clone(),
                root,
            });
        }
        let parent = folder_of(&root);
        if parent == root || root.is_empty() {
            break;
        }
        root = parent;
    }
    Ok(Module {
        path: String::new(),
        version: String::new(),
        file: Rc::default(),
        files: request.files.clone(),
        root: request.folder.clone(),
    })
}

/// Files and kinds of arguments that are no packages.
type Named = (String, crate::Encoding, bool);

struct Loader<'a> {
    request: &'a Request<'a>,
    main: Module,
    graph: Graph<'a>,
    sources: Sources,
    tags: Tags,
    units: Vec<Unit>,
    /// Packages by module, folder and name: their places, or what is wrong with them.
    known: BTreeMap<String, Result<usize, Vec<Diagnostic>>>,
    /// The import paths of the packages that are being loaded, outermost first.
    stack: Vec<String>,
    /// The same by module, folder and name.
    open: Vec<String>,
    /// Whether a pattern such as `./...` is being followed.
    from_pattern: bool,
}

impl Loader<'_> {
    /// What stands for other modules by `cue.mod/local-module.cue`.
    fn replacements(&mut self) -> Result<(), Failed> {
        let path = join(&self.main.root, "cue.mod/local-module.cue");
        let files = self.request.files.clone();
        let Some(bytes) = files.read(&path).map_err(sentence)? else {
            return Ok(());
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let local =
            ModuleFile::parse_local(&files.display(&path), &text).map_err(Failed::Problems)?;
        let mut merged = (*self.main.file).clone();
        for (path, dependency) in local.dependencies {
            let own = merged.dependencies.entry(path.clone()).or_default();
            if dependency.version.is_some() {
                own.version.clone_from(&dependency.version);
            }
            own.default |= dependency.default;
            let Some(replace) = dependency.replace else {
                continue;
            };
            if replace.starts_with("./") || replace.starts_with("../") || replace.starts_with('/') {
                let root = if replace.starts_with('/') {
                    replace.clone()
                } else {
                    join(&self.main.root, &replace)
                };
                let file = join(&root, "cue.mod/module.cue");
                let bytes = files.read(&file).map_err(sentence)?.ok_or_else(|| {
                    sentence(format!(
                        "replacement directory {root:?} has no cue.mod/module.cue"
                    ))
                })?;
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let module =
                    ModuleFile::parse(&files.display(&file), &text).map_err(Failed::Problems)?;
                if module.module != path {
                    return Err(sentence(format!(
                        "replacement directory {root:?} has module path {:?}, want {path:?}",
                        module.module
                    )));
                }
                let tree: Arc<dyn Files> = Arc::new(Rooted {
                    files: files.clone(),
                    root,
                });
                self.graph.replaced.insert(path, (tree, Rc::new(module)));
            } else {
                let (base, version) = replace.split_once('@').unwrap_or((&replace, "v0"));
                let target = format!("{base}@{}", crate::Version::major(version));
                let version = if version.contains('.') {
                    version.to_owned()
                } else {
                    merged
                        .dependencies
                        .get(&target)
                        .and_then(|dependency| dependency.version.clone())
                        .unwrap_or_default()
                };
                let target = ModuleVersion {
                    path: target,
                    version,
                };
                self.graph.renamed.insert(path, target);
            }
        }
        self.main.file = Rc::new(merged);
        Ok(())
    }

    fn instances(
        &mut self,
        packages: &[String],
        others: &[Named],
    ) -> Result<(Vec<Instance>, Vec<DataFile>), Failed> {
        let mut instances = Vec::new();
        let mut problems = Vec::new();
        for argument in packages {
            let path = ImportPath::parse(argument);
            if path.qualifier == "_" && path.explicit {
                return Err(sentence(format!(
                    "invalid import path qualifier _ in {argument:?}"
                )));
            }
            if path.path.contains("...") {
                self.tree(&path, argument, &mut instances, &mut problems)?;
            } else if is_local(&path.path) {
                self.folder(&path, argument, &mut instances, &mut problems)?;
            } else {
                self.absolute(&path, argument, &mut instances, &mut problems)?;
            }
            if !problems.is_empty() {
                return Err(Failed::Problems(Diagnostics(problems)));
            }
        }
        let mut data = Vec::new();
        if !others.is_empty() {
            let files = self.named_files(others, &mut data, &mut problems)?;
            instances.extend(files);
        }
        if !problems.is_empty() {
            return Err(Failed::Problems(Diagnostics(problems)));
        }
        let mut files: Vec<&mut File> = instances
            .iter_mut()
            .flat_map(|instance| instance.unit.files.iter_mut())
            .collect();
        let problems = self
            .tags
            .inject(&mut files, self.request.variables.as_ref());
        if !problems.is_empty() {
            return Err(Failed::Problems(Diagnostics(problems)));
        }
        Ok((instances, data))
    }

    /// `./a`, `.:b`: a folder of the machine.
    fn folder(
        &mut self,
        path: &ImportPath,
        argument: &str,
        instances: &mut Vec<Instance>,
        problems: &mut Vec<Diagnostic>,
    ) -> Result<(), Failed> {
        let folder = join(&self.request.folder, &path.path);
        let Some(rest) = inside(&self.main.root, &folder).map(ToOwned::to_owned) else {
            return Err(sentence(format!(
                "cannot determine import path for {argument:?} (dir outside of root)"
            )));
        };
        if !self.main.path.is_empty() {
            let mut at = folder.clone();
            while at != self.main.root {
                if is_file(&*self.main.files, &join(&at, "cue.mod/module.cue")) {
                    return Err(sentence(format!(
                        "cannot determine import path for {argument:?} (directory is in a nested module)"
                    )));
                }
                at = folder_of(&at);
            }
        }
        if is_file(&*self.main.files, &folder) {
            let shown = format!("./{}", relative(&self.request.folder, &folder));
            return Err(sentence(format!(
                "{shown} is a file and not a package directory"
            )));
        }
        let import = if self.main.path.is_empty() {
            String::new()
        } else {
            let (base, major) = self
                .main
                .path
                .split_once('@')
                .unwrap_or((&self.main.path, "v0"));
            let slash = if rest.is_empty() { "" } else { "/" };
            format!("{base}{slash}{rest}@{major}")
        };
        let name = if path.explicit { &*path.qualifier } else { "" };
        // A folder whose packages none is named like it is shown without the dot.
        let display = path.path.clone();
        let found = Found {
            module: self.main.clone(),
            folders: self.with_vendored(&folder),
            vendored: false,
        };
        let instance = self.instance(&found, name, &display, &import, problems);
        instances.extend(instance);
        Ok(())
    }

    /// A folder below `cue.mod/gen` has brothers in the other two.
    fn with_vendored(&self, folder: &str) -> Vec<String> {
        let gen_folder = join(&self.main.root, VENDORED[0]);
        match inside(&gen_folder, folder) {
            Some(rest) => VENDORED
                .iter()
                .map(|vendored| join(&self.main.root, &join(vendored, rest)))
                .collect(),
            None => vec![folder.to_owned()],
        }
    }

    /// `./...`: every folder below one.
    fn tree(
        &mut self,
        path: &ImportPath,
        argument: &str,
        instances: &mut Vec<Instance>,
        problems: &mut Vec<Diagnostic>,
    ) -> Result<(), Failed> {
        if !is_local(&path.path) {
            let own =
                !self.main.path.is_empty() && inside(self.main.file.base(), &path.path).is_some();
            return Err(sentence(if own {
                format!("cue: {argument:?} matched no packages")
            } else {
                format!("pattern not allowed in external package path {argument:?}")
            }));
        }
        let (before, _) = path.path.split_once("...").unwrap_or((&path.path, ""));
        let start = join(&self.request.folder, before.trim_end_matches('/'));
        let mut folders = vec![start.clone()];
        let mut found_any = false;
        let mut queue = Vec::new();
        while let Some(folder) = folders.pop() {
            let entries = self.main.files.list(&folder).map_err(sentence)?;
            for entry in entries.unwrap_or_default().into_iter().rev() {
                let skip = entry.name.starts_with(['.', '_'])
                    || entry.name == "testdata"
                    || entry.name == "cue.mod";
                let inner = join(&folder, &entry.name);
                if entry.is_folder
                    && !skip
                    && !matches!(self.main.files.list(&join(&inner, "cue.mod")), Ok(Some(_)))
                {
                    folders.push(inner);
                }
            }
            queue.push(folder);
        }
        for folder in queue {
            if !crate::resolve::has_cue(&*self.main.files, &folder) {
                continue;
            }
            let rest = relative(&self.request.folder, &folder);
            let name = if path.explicit {
                format!(":{}", path.qualifier)
            } else {
                String::new()
            };
            let local = format!("./{rest}{name}");
            let mut own = Vec::new();
            self.from_pattern = true;
            let followed = self.folder(&ImportPath::parse(&local), &local, instances, &mut own);
            self.from_pattern = false;
            followed?;
            let nothing = |problem: &Diagnostic| {
                problem.message.starts_with("no CUE files in")
                    || problem.message.starts_with("build constraints exclude")
            };
            found_any |= own.is_empty();
            problems.extend(own.into_iter().filter(|problem| !nothing(problem)));
        }
        if !found_any && problems.is_empty() {
            return Err(sentence(format!("cue: {argument:?} matched no packages")));
        }
        Ok(())
    }

    /// `example.com/m/p`: a package by its import path.
    fn absolute(
        &mut self,
        path: &ImportPath,
        argument: &str,
        instances: &mut Vec<Instance>,
        problems: &mut Vec<Diagnostic>,
    ) -> Result<(), Failed> {
        if matches!(argument, "all" | "std" | "cmd") {
            return Err(sentence(format!("cue: {argument:?} matched no packages")));
        }
        let found = self.find(&self.main.clone(), argument);
        match found {
            Ok(found) => {
                let mut own = Vec::new();
                let instance = self.instance(&found, &path.qualifier, argument, argument, &mut own);
                nothing_by_name(&mut own, path);
                problems.extend(own);
                instances.extend(instance);
            }
            Err(message) => problems.push(Diagnostic::error(codes::LOAD, message)),
        }
        Ok(())
    }

    fn instance(
        &mut self,
        found: &Found,
        name: &str,
        display: &str,
        import: &str,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Instance> {
        if !import.is_empty() {
            self.stack.push(import.to_owned());
        }
        let loaded = self.package(found, name, display);
        if !import.is_empty() {
            self.stack.pop();
        }
        match loaded {
            Ok((gathered, imports)) => Some(Instance {
                name: instance_name(import, &gathered.name),
                package: gathered.name.clone(),
                module: found.module.path.clone(),
                unit: Unit {
                    path: String::new(),
                    files: gathered.files.into_iter().map(|(_, file)| file).collect(),
                    imports,
                },
                is_files: false,
            }),
            Err(own) => {
                problems.extend(own);
                None
            }
        }
    }

    /// Files named one by one: those of CUE are one package, the others data.
    fn named_files(
        &mut self,
        others: &[Named],
        data: &mut Vec<DataFile>,
        problems: &mut Vec<Diagnostic>,
    ) -> Result<Option<Instance>, Failed> {
        let main = self.main.clone();
        let mut gathered = Gathered::default();
        let mut named = Vec::new();
        for (name, encoding, is_data) in others {
            let path = if name == "-" {
                name.clone()
            } else {
                join(&self.request.folder, name)
            };
            if *encoding != crate::Encoding::Cue {
                data.push(DataFile {
                    path,
                    encoding: encoding.clone(),
                    is_data: *is_data,
                    bytes: None,
                });
                continue;
            }
            let bytes = if name == "-" || path == "/dev/stdin" {
                self.request.stdin.clone()
            } else {
                self.request.files.read(&path).map_err(sentence)?
            };
            let Some(bytes) = bytes else {
                return Err(sentence(format!(
                    "open {}: no such file or directory",
                    self.request.files.display(&path)
                )));
            };
            if *is_data {
                self.refuse_names(&path, &bytes)?;
            }
            named.push((path, bytes));
        }
        if named.is_empty() {
            return Ok(None);
        }
        named.sort_by_cached_key(|(path, _)| order(path));
        let mut choice = Choice {
            module: &main,
            is_main: true,
            display: "command-line-arguments",
            from_pattern: false,
            sources: &mut self.sources,
            tags: &mut self.tags,
        };
        for (path, bytes) in &named {
            choice.add_named(&mut gathered, path, bytes);
        }
        if gathered.files.is_empty() && gathered.problems.is_empty() {
            let mut message = "build constraints exclude all CUE files in .:".to_owned();
            for (path, reason) in &gathered.ignored {
                // Writing to a String cannot fail.
                let _ = write!(message, "\n    {path}: {reason}");
            }
            gathered
                .problems
                .push(Diagnostic::error(codes::LOAD, message));
        }
        problems.append(&mut gathered.problems);
        let imports = match self.complete(&main, &mut gathered) {
            Ok(imports) => imports,
            Err(own) => {
                problems.extend(own);
                return Ok(None);
            }
        };
        Ok(Some(Instance {
            name: "command-line-arguments".to_owned(),
            package: gathered.name.clone(),
            module: main.path.clone(),
            unit: Unit {
                path: String::new(),
                files: gathered.files.into_iter().map(|(_, file)| file).collect(),
                imports,
            },
            is_files: true,
        }))
    }

    /// A file that must be data looks up no names.
    fn refuse_names(&self, path: &str, bytes: &[u8]) -> Result<(), Failed> {
        let name = self.request.files.display(path);
        // What cannot be parsed is an error of its own, elsewhere.
        let Ok(file) = pequod_cue_syntax::parse_file(
            self.sources.next_id(),
            name,
            String::from_utf8_lossy(bytes).into_owned(),
        ) else {
            return Ok(());
        };
        let mut first = None;
        pequod_cue_syntax::for_each_name(&file.decls, &mut |ident| {
            first.get_or_insert(ident.span);
        });
        match first {
            Some(span) => Err(Diagnostic::error(
                codes::DATA,
                "references not allowed in data mode",
            )
            .at(file.source.place(span.start))
            .into()),
            None => Ok(()),
        }
    }

    /// Reads a package and what it imports.
    fn package(
        &mut self,
        found: &Found,
        name: &str,
        display: &str,
    ) -> Result<(Gathered, BTreeMap<String, usize>), Vec<Diagnostic>> {
        let root = if found.vendored {
            // The folder above the copies is nobody's.
            join(&found.module.root, "cue.mod")
        } else {
            found.module.root.clone()
        };
        let is_main = found.module.path == self.main.path;
        let mut choice = Choice {
            module: &found.module,
            is_main,
            display,
            from_pattern: self.from_pattern,
            sources: &mut self.sources,
            tags: &mut self.tags,
        };
        let mut gathered = choice.gather(&found.folders, &root, name);
        if !gathered.problems.is_empty() {
            return Err(gathered.problems);
        }
        let imports = self.complete(&found.module, &mut gathered)?;
        Ok((gathered, imports))
    }

    /// Embedded files and imports of a package.
    fn complete(
        &mut self,
        module: &Module,
        gathered: &mut Gathered,
    ) -> Result<BTreeMap<String, usize>, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        for (folder, file) in &mut gathered.files {
            embed(file, folder, module, &mut self.sources, &mut problems);
        }
        let mut wanted: BTreeMap<String, (Arc<Source>, Span)> = BTreeMap::new();
        for (_, file) in &gathered.files {
            for import in &file.imports {
                wanted
                    .entry(import.path.to_string())
                    .or_insert_with(|| (file.source.clone(), import.span));
            }
        }
        let mut imports = BTreeMap::new();
        for (path, (source, span)) in wanted {
            match self.import(module, &path) {
                Ok(Some(unit)) => {
                    imports.insert(path, unit);
                }
                Ok(None) => {}
                Err(mut inner) => {
                    for problem in &mut inner {
                        // What lies deeper than one import is told by its places alone.
                        let nested = problem.place.is_some() || self.stack.len() != 1;
                        let stack = if nested {
                            String::new()
                        } else {
                            format!("{}: ", self.stack.join("."))
                        };
                        problem.message = format!("{stack}import failed: {}", problem.message);
                        // The import comes first, then what it brought up.
                        let inner = problem.place.replace(source.place(span.start));
                        if let Some(place) = inner {
                            let label = pequod_diag::Label {
                                place,
                                text: String::new(),
                            };
                            problem.labels.insert(0, label);
                        }
                    }
                    problems.extend(inner);
                    // The first import that fails ends it.
                    break;
                }
            }
        }
        if problems.is_empty() {
            Ok(imports)
        } else {
            Err(problems)
        }
    }

    /// Finds a package by its import path. The error is a sentence.
    fn find(&mut self, importer: &Module, path: &str) -> Result<Found, String> {
        let parsed = ImportPath::parse(path);
        if is_standard(path) {
            return Err(format!(
                "standard library import path {path:?} cannot be imported as a CUE package"
            ));
        }
        if parsed.qualifier.is_empty() {
            return Err(format!(
                "cannot determine package name for {path:?}; set it explicitly with ':'"
            ));
        }
        if self.main.path.is_empty() {
            return Err(
                "imports are unavailable because there is no cue.mod/module.cue file".to_owned(),
            );
        }
        let main = self.main.clone();
        find(&mut self.graph, &main, importer, &parsed)
            .map_err(|error| format!("cannot find package {:?}: {error}", parsed.unqualified()))
    }

    /// The place of an imported package; nothing for one of the language's own.
    fn import(&mut self, importer: &Module, path: &str) -> Result<Option<usize>, Vec<Diagnostic>> {
        let wrong = |message: String| vec![Diagnostic::error(codes::LOAD, message)];
        if is_local(path) {
            return Err(wrong(format!(
                "relative import paths not allowed ({path:?})"
            )));
        }
        if is_standard(path) {
            return Ok(None);
        }
        let parsed = ImportPath::parse(path);
        let found = self.find(importer, path).map_err(|message| {
            let mut problems = wrong(message);
            if parsed.explicit && parsed.qualifier == "_" {
                let message = format!("_ is not a valid import path qualifier in {path:?}");
                problems.insert(0, Diagnostic::error(codes::LOAD, message));
            }
            problems
        })?;
        let key = format!(
            "{}@{}/{}:{}",
            found.module.path,
            found.module.version,
            found.folders.join("+"),
            parsed.qualifier
        );
        if self.open.contains(&key) {
            return Err(wrong("package import cycle not allowed".to_owned()));
        }
        if let Some(known) = self.known.get(&key) {
            return known.clone().map(Some);
        }
        self.open.push(key.clone());
        self.stack.push(path.to_owned());
        let loaded = self.package(&found, &parsed.qualifier, path);
        self.stack.pop();
        self.open.pop();
        let result = match loaded {
            Ok((gathered, imports)) => {
                self.units.push(Unit {
                    path: key.clone(),
                    files: gathered.files.into_iter().map(|(_, file)| file).collect(),
                    imports,
                });
                // Number 0 is the instance.
                Ok(self.units.len())
            }
            Err(mut problems) => {
                nothing_by_name(&mut problems, &parsed);
                Err(problems)
            }
        };
        self.known.insert(key, result.clone());
        result.map(Some)
    }
}

/// `example.com/m/p@v0:q`, as several instances are told apart.
fn instance_name(import: &str, package: &str) -> String {
    let path = ImportPath::parse(import);
    if path.explicit || path.qualifier == package || package.is_empty() {
        import.to_owned()
    } else {
        format!("{import}:{package}")
    }
}

/// A package that has files, but none of the name that was asked for.
fn nothing_by_name(problems: &mut [Diagnostic], path: &ImportPath) {
    for problem in problems {
        let none = problem.message.starts_with("no CUE files in")
            || problem.message.starts_with("build constraints exclude");
        if none {
            problem.message = format!(
                "cannot find package {:?}: no files in package directory with package name {:?}",
                path.unqualified(),
                path.qualifier
            );
        }
    }
}

/// The files below a folder, as a tree of its own.
struct Rooted {
    files: Arc<dyn Files>,
    root: String,
}

impl Files for Rooted {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        self.files.read(&join(&self.root, path))
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<crate::Entry>>, String> {
        self.files.list(&join(&self.root, folder))
    }

    fn display(&self, path: &str) -> String {
        self.files.display(&join(&self.root, path))
    }
}
