//! `cue import`.

use std::io::Read as _;
use std::path::Path;

use pequod_cli::Exit;
use pequod_cue_load::{Encoding, Files as _, Loaded, documents, file_of};
use pequod_cue_syntax::ast::{Decl, Expr, LabelKind};

use super::Ended;
use super::disk::Disk;
use super::emit;
use super::place::{Document, Placement};
use super::report::{Problems, Report};
use crate::cli::cue::{ImportArgs, InputArgs};

/// What files are taken for, and which are looked for in folders.
struct Mode {
    /// Whatever their names say.
    encoding: Option<Encoding>,
    endings: Vec<String>,
    /// Whether what looks like a schema is refused.
    is_auto: bool,
}

impl Mode {
    fn read(args: &ImportArgs) -> Result<(Self, &[String]), Problems> {
        let json = [".json", ".jsonl", ".ldjson", ".ndjson"];
        let yaml = [".yaml", ".yml"];
        let first = args.inputs.first().map_or("", String::as_str);
        let owned = |endings: &[&str]| endings.iter().map(|&ending| ending.to_owned()).collect();
        let (encoding, endings, is_auto): (_, Vec<String>, _) = match first {
            "json" => (Some(Encoding::Json), owned(&json), false),
            "yaml" => (Some(Encoding::Yaml), owned(&yaml), false),
            "text" => (Some(Encoding::Text), owned(&[".txt"]), false),
            "binary" => (Some(Encoding::Binary), Vec::new(), false),
            "data" => (None, [owned(&json), owned(&yaml)].concat(), false),
            "jsonschema" | "openapi" | "proto" | "toml" => {
                let sentence = format!("importing {first} is not supported");
                return Err(Problems::unsupported(sentence));
            }
            _ => (None, [owned(&json), owned(&yaml)].concat(), true),
        };
        let rest = if is_auto && first != "auto" {
            &args.inputs[..]
        } else {
            args.inputs.get(1..).unwrap_or_default()
        };
        let mut mode = Self {
            encoding,
            endings,
            is_auto,
        };
        if args.ext.is_empty() {
            if mode.encoding == Some(Encoding::Binary) {
                return Err(Problems::sentence(
                    "use of --ext flag required in binary mode",
                ));
            }
        } else {
            mode.endings = args
                .ext
                .iter()
                .map(|ending| format!(".{}", ending.trim_start_matches('.')))
                .collect();
        }
        Ok((mode, rest))
    }

    fn encoding(&self, path: &str) -> Result<Encoding, Problems> {
        let ending = Path::new(path)
            .extension()
            .and_then(|ending| ending.to_str())
            .map(|ending| format!(".{ending}"))
            .unwrap_or_default();
        let own = Encoding::of_ending(&ending);
        match (&self.encoding, own) {
            // Several values in one file are no other kind of file.
            (Some(Encoding::Json), Some(Encoding::JsonLines)) => Ok(Encoding::JsonLines),
            (Some(encoding), _) => Ok(encoding.clone()),
            (None, Some(encoding)) => Ok(encoding),
            (None, None) => Err(Problems::sentence(format!(
                "unknown file extension {ending}"
            ))),
        }
    }
}

/// Makes CUE files of data.
pub(super) fn import(folder: &str, args: &ImportArgs) -> Result<Exit, Ended> {
    let (mode, inputs) = Mode::read(args)?;
    let mut loaded = Loaded {
        instances: Vec::new(),
        data: Vec::new(),
        dependencies: Vec::new(),
        sources: Vec::new(),
    };
    let input = InputArgs {
        inputs: Vec::new(),
        inject: Vec::new(),
        inject_vars: false,
        schema: None,
        path: args.path.clone(),
        list: args.list,
        with_context: args.with_context,
        package: args.package.clone(),
        merge: true,
    };
    let placement = Placement::new(&input, &mut loaded)?;
    let mut printed = String::new();
    for (path, kind) in files(folder, &mode, args, inputs)? {
        let encoding = match kind {
            Some(encoding) => encoding,
            None => mode.encoding(&path)?,
        };
        let shown = shown(folder, &path);
        let bytes = read(&path, &shown)?;
        let (source, values) =
            documents(loaded.next_id(), &path, &bytes, &encoding).map_err(Problems::from)?;
        loaded.sources.push(source.clone());
        if mode.is_auto && values.iter().any(is_schema) {
            return Err(Problems::unsupported(format!(
                "{shown} is a schema, and importing schemas is not supported; `import data` takes it as data"
            ))
            .into());
        }
        let mut texts: Vec<Vec<Decl>> = Vec::new();
        match &placement {
            Some(placement) => {
                let count = values.len();
                let documents = values
                    .into_iter()
                    .enumerate()
                    .map(|(index, value)| Document {
                        value,
                        file: shown.clone(),
                        index,
                        count,
                    })
                    .collect();
                texts.push(placement.place(documents, &loaded)?);
            }
            None if values.len() > 1 && !args.files => {
                return Err(Problems::sentence(format!(
                    "path, list, or files flag needed to handle multiple objects in file ./{shown}"
                ))
                .into());
            }
            None => texts.extend(
                values
                    .into_iter()
                    .map(|value| file_of(source.clone(), value).decls),
            ),
        }
        let mut text = String::new();
        for decls in &texts {
            text.push_str(&emit::text(
                decls,
                args.package.as_deref(),
                &source,
                &encoding,
            )?);
        }
        match args.outfile.as_deref() {
            Some("-") => printed.push_str(&text),
            None if path == "-" => printed.push_str(&text),
            Some(name) => write(args, &Path::new(folder).join(name), &text)?,
            None => write(args, &Path::new(&path).with_extension("cue"), &text)?,
        }
    }
    super::output::print(printed.as_bytes())?;
    Ok(Exit::Done)
}

fn read(path: &str, shown: &str) -> Result<Vec<u8>, Problems> {
    let mut bytes = Vec::new();
    let read = if path == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Problems::sentence(
            format!("open {shown}: no such file or directory"),
        )),
        Err(error) => Err(Problems::sentence(format!("open {shown}: {error}"))),
    }
}

/// Writes a file, unless it is there.
fn write(args: &ImportArgs, path: &Path, text: &str) -> Result<(), Problems> {
    let shown = path.display().to_string();
    if path.exists() && !args.force {
        Report::line(&format!(
            "Skipping file {shown:?}: already exists.\nUse -f to override."
        ));
        return Ok(());
    }
    std::fs::write(path, text)
        .map_err(|error| Problems::sentence(format!("error writing {shown:?}: {error}")))
}

/// Schemas say so at their top.
fn is_schema(value: &Expr) -> bool {
    let Expr::Struct(lit) = value else {
        return false;
    };
    lit.decls.iter().any(|decl| {
        let Decl::Field(field) = decl else {
            return false;
        };
        let name = match &field.label.kind {
            LabelKind::Ident(ident) => &*ident.name,
            LabelKind::String(lit) => &*lit.value,
            _ => "",
        };
        let says =
            |text: &str| matches!(&field.value, Expr::String(lit) if lit.value.contains(text));
        (name == "$schema" && says("json-schema.org")) || (name == "openapi" && says("3."))
    })
}

/// The files that are named, with the kind that was said before them, and those of folders that are.
fn files(
    folder: &str,
    mode: &Mode,
    args: &ImportArgs,
    inputs: &[String],
) -> Result<Vec<(String, Option<Encoding>)>, Problems> {
    let wanted = match &args.name {
        Some(pattern) => Some(
            pequod_cue_regex::Regex::new(pattern)
                .map_err(|error| Problems::sentence(format!("--name: {error}")))?,
        ),
        None => None,
    };
    let here = [".".to_owned()];
    let inputs = if inputs.is_empty() { &here[..] } else { inputs };
    let mut found = Vec::new();
    let mut kind = None;
    for input in inputs {
        if let Some(scope) = input.strip_suffix(':')
            && let Some(encoding) = Encoding::named(scope)
        {
            kind = Some(encoding);
            continue;
        }
        if input == "-" {
            found.push((input.clone(), kind.clone()));
            continue;
        }
        let (start, below) = match input.strip_suffix("...") {
            Some(start) => (start.trim_end_matches('/'), true),
            None => (input.as_str(), false),
        };
        let start = plain(&Path::new(folder).join(start));
        if Disk.list(&start).map_err(Problems::sentence)?.is_none() {
            found.push((start, kind.clone()));
            continue;
        }
        let mut folders = vec![start];
        while let Some(at) = folders.pop() {
            let entries = Disk.list(&at).map_err(Problems::sentence)?;
            for entry in entries.unwrap_or_default() {
                let path = format!("{at}/{}", entry.name);
                if entry.is_folder {
                    if below && !entry.name.starts_with(['.', '_']) && entry.name != "cue.mod" {
                        folders.push(path);
                    }
                    continue;
                }
                let ends = mode
                    .endings
                    .iter()
                    .any(|ending| entry.name.ends_with(ending));
                let matches = wanted
                    .as_ref()
                    .is_none_or(|wanted| wanted.find_all(&entry.name).next().is_some());
                if ends && matches {
                    found.push((path, None));
                }
            }
        }
    }
    Ok(found)
}

fn plain(path: &Path) -> String {
    let plain: std::path::PathBuf = path.components().collect();
    plain.display().to_string()
}

fn shown(folder: &str, path: &str) -> String {
    path.strip_prefix(&format!("{folder}/"))
        .unwrap_or(path)
        .to_owned()
}
