//! What is loaded, and what is unified with what.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pequod_cue::Unit;
use pequod_cue_load::{DataFile, Failed, Instance, Loaded, Request, TagValue, load};
use pequod_cue_syntax::ast::{Decl, Expr, File};
use pequod_modules::Registry;

use super::disk::Disk;
use super::place::{Document, Placement};
use super::report::Problems;
use crate::cli::cue::InputArgs;

/// What a command works on.
pub(super) struct Plan {
    pub(super) loaded: Loaded,
    /// Packages that are printed or checked each by itself.
    pub(super) instances: Vec<Instance>,
    /// The package that documents are unified with.
    pub(super) schema: Option<Unit>,
    /// Documents that the first of the packages is unified with.
    pub(super) beside: Option<Unit>,
    /// Documents that are looked at one by one.
    pub(super) documents: Vec<File>,
    /// Labels that CUE output is put under.
    pub(super) under: Vec<String>,
}

impl Plan {
    /// The imports of all packages: the names they have and how they are written.
    pub(super) fn imports(&self) -> Vec<(String, String)> {
        let mut imports = Vec::new();
        let files = self
            .instances
            .iter()
            .flat_map(|instance| &instance.unit.files);
        for import in files.flat_map(|file| &file.imports) {
            let path = pequod_cue_syntax::literal::quote(&import.path);
            let spec = match &import.name {
                Some(name) => format!("{} {path}", name.name),
                None => path,
            };
            let one = (import.local_name().to_owned(), spec);
            if !imports.contains(&one) {
                imports.push(one);
            }
        }
        imports
    }
}

/// Loads what arguments name. With `merge`, documents become part of the package they are given with.
pub(super) async fn plan(folder: &str, args: &InputArgs, merge: bool) -> Result<Plan, Problems> {
    let mut loaded = loaded(folder, args).await?;
    let placement = Placement::new(args, &mut loaded)?;
    let data = std::mem::take(&mut loaded.data);
    let mut instances = std::mem::take(&mut loaded.instances);
    if data.is_empty() {
        if args.schema.is_some() {
            return Err(Problems::sentence(
                "-d/--schema flag requires non-CUE input files",
            ));
        }
        let labels = placement.as_ref().and_then(Placement::fixed);
        let under = labels
            .unwrap_or_default()
            .into_iter()
            .map(ToOwned::to_owned);
        return Ok(Plan {
            under: under.collect(),
            loaded,
            instances,
            schema: None,
            beside: None,
            documents: Vec::new(),
        });
    }
    let packages = instances
        .iter()
        .filter(|instance| !instance.is_files)
        .count();
    if packages > 1 {
        return Err(Problems::sentence(format!(
            "too many packages defined ({packages}) in combination with files"
        )));
    }
    let schema = match packages {
        1 => {
            let at = instances.iter().position(|instance| !instance.is_files);
            at.map(|at| instances.remove(at))
        }
        _ => instances.pop(),
    };
    if schema.is_none() && args.schema.is_some() {
        return Err(Problems::sentence(
            "-d/--schema flag specified without a schema",
        ));
    }
    check_package(args, schema.as_ref())?;
    let mut files = Vec::new();
    for file in &data {
        files.extend(file_documents(file, placement.as_ref(), &mut loaded)?);
    }
    let together = args.schema.is_none() && ((merge && args.merge) || placement.is_some());
    if !together {
        return Ok(Plan {
            under: Vec::new(),
            loaded,
            instances,
            schema: schema.map(|schema| schema.unit),
            beside: None,
            documents: files,
        });
    }
    if schema.is_none() && files.is_empty() {
        return Ok(Plan {
            under: Vec::new(),
            loaded,
            instances,
            schema: None,
            beside: None,
            documents: Vec::new(),
        });
    }
    // Documents know nothing of the package's names, nor it of theirs: they are unified as values.
    let data = Unit {
        path: String::new(),
        files,
        imports: BTreeMap::new(),
    };
    let (unit, beside) = match schema {
        Some(schema) => (schema.unit, Some(data)),
        None => (data, None),
    };
    instances.insert(
        0,
        Instance {
            name: "command-line-arguments".to_owned(),
            package: String::new(),
            module: String::new(),
            unit,
            is_files: true,
        },
    );
    Ok(Plan {
        under: Vec::new(),
        loaded,
        instances,
        schema: None,
        beside,
        documents: Vec::new(),
    })
}

fn check_package(args: &InputArgs, schema: Option<&Instance>) -> Result<(), Problems> {
    if let (Some(wanted), Some(schema)) = (&args.package, schema)
        && schema.is_files
        && !schema.package.is_empty()
        && schema.package != *wanted
    {
        return Err(Problems::sentence(format!(
            "\"package\" flag clashes with existing package name ({wanted} vs {})",
            schema.package
        )));
    }
    Ok(())
}

/// Loads, fetching modules that are not at hand until nothing is missing.
async fn loaded(folder: &str, args: &InputArgs) -> Result<Loaded, Problems> {
    let stdin = super::stdin(&args.inputs).map_err(|failure| Problems::from(failure.problems))?;
    let mut registry = Registry::from_environment();
    let variables = args.inject_vars.then(variables);
    loop {
        let modules = registry.modules();
        let result = load(&Request {
            files: Arc::new(Disk),
            folder: folder.to_owned(),
            arguments: args.inputs.clone(),
            tags: args.inject.clone(),
            variables: variables.clone(),
            modules: &modules,
            stdin: stdin.clone(),
        });
        match result {
            Ok(mut loaded) => {
                for file in &mut loaded.data {
                    if file.path == "-"
                        && let Some(bytes) = &stdin
                    {
                        file.bytes = Some(bytes.clone());
                    }
                }
                return Ok(loaded);
            }
            Err(Failed::Problems(problems)) => return Err(problems.into()),
            Err(Failed::Missing(missing)) => {
                for module in missing {
                    registry.fetch(&module).await;
                }
            }
        }
    }
}

/// What tags may ask for by `var=`.
fn variables() -> BTreeMap<String, TagValue> {
    let text = |value: String| TagValue::Text(value);
    let environment = |name: &str| std::env::var(name).unwrap_or_default();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let folder = std::env::current_dir().unwrap_or_default();
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let random: u128 = uuid::Uuid::new_v4().as_u128();
    BTreeMap::from([
        ("now".to_owned(), text(jiff::Timestamp::now().to_string())),
        ("os".to_owned(), text(os.to_owned())),
        ("arch".to_owned(), text(arch.to_owned())),
        ("cwd".to_owned(), text(folder.display().to_string())),
        ("username".to_owned(), text(environment("USER"))),
        ("hostname".to_owned(), text(host.trim().to_owned())),
        (
            "rand".to_owned(),
            TagValue::Number(format!("{random:#034x}")),
        ),
    ])
}

/// The documents of a file as files of a package.
fn file_documents(
    file: &DataFile,
    placement: Option<&Placement>,
    loaded: &mut Loaded,
) -> Result<Vec<File>, Problems> {
    let bytes = match &file.bytes {
        Some(bytes) => bytes.clone(),
        None => std::fs::read(&file.path)
            .map_err(|error| {
                let why = if error.kind() == std::io::ErrorKind::NotFound {
                    "no such file or directory".to_owned()
                } else {
                    error.to_string()
                };
                Problems::sentence(format!("open {}: {why}", file.path))
            })?
            .into(),
    };
    let id = loaded.next_id();
    let (source, values) = pequod_cue_load::documents(id, &file.path, &bytes, &file.encoding)?;
    loaded.sources.push(source.clone());
    let Some(placement) = placement else {
        return Ok(values
            .into_iter()
            .map(|value| pequod_cue_load::file_of(source.clone(), value))
            .collect());
    };
    let count = values.len();
    let name = relative(&file.path);
    let documents = values
        .into_iter()
        .enumerate()
        .map(|(index, value)| Document {
            value,
            file: name.clone(),
            index,
            count,
        })
        .collect();
    let decls: Vec<Decl> = placement.place(documents, loaded)?;
    let mut placed =
        pequod_cue_load::file_of(source, Expr::Null(pequod_cue_syntax::Span::default()));
    placed.decls = decls;
    Ok(vec![placed])
}

/// A path as it was most likely given.
fn relative(path: &str) -> String {
    let folder = std::env::current_dir().unwrap_or_default();
    Path::new(path)
        .strip_prefix(&folder)
        .map_or_else(|_| path.to_owned(), |rest| rest.display().to_string())
}
