//! Which arguments are packages, which are files, and of which kind.
//!
//! `cue eval ./app data.yaml json: answers` names a package, a file known by its ending, and one whose kind is said
//! before it. A kind said holds for all files behind it.

use crate::import_path::{ImportPath, is_package_name};

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encoding {
    /// CUE
    Cue,
    /// One JSON value
    Json,
    /// JSON values, one behind the other
    JsonLines,
    /// YAML documents
    Yaml,
    /// A text
    Text,
    /// Bytes
    Binary,
    /// One that the reference knows and we do not read
    Other(String),
}

impl Encoding {
    /// What it is called.
    pub fn name(&self) -> &str {
        match self {
            Self::Cue => "cue",
            Self::Json => "json",
            Self::JsonLines => "jsonl",
            Self::Yaml => "yaml",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Other(name) => name,
        }
    }

    /// The one that a tag such as `yaml` names.
    pub fn named(tag: &str) -> Option<Self> {
        Some(match tag {
            "cue" | "schema" | "data" | "graph" | "auto" => Self::Cue,
            "json" => Self::Json,
            "jsonl" => Self::JsonLines,
            "yaml" => Self::Yaml,
            "text" => Self::Text,
            "binary" => Self::Binary,
            "toml" | "xml" | "proto" | "textproto" | "pb" | "go" | "code" | "openapi"
            | "jsonschema" | "dag" | "lang" | "koala" => Self::Other(tag.to_owned()),
            _ => return None,
        })
    }

    /// The one that a file's ending names.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Some(match ending {
            ".cue" | "-" => Self::Cue,
            ".json" => Self::Json,
            ".jsonl" | ".ldjson" | ".ndjson" => Self::JsonLines,
            ".yaml" | ".yml" => Self::Yaml,
            ".txt" => Self::Text,
            ".toml" => Self::Other("toml".to_owned()),
            ".xml" => Self::Other("xml".to_owned()),
            ".proto" => Self::Other("proto".to_owned()),
            ".textproto" | ".textpb" => Self::Other("textproto".to_owned()),
            ".go" => Self::Other("go".to_owned()),
            ".wasm" => Self::Other("binary".to_owned()),
            _ => return None,
        })
    }
}

/// A file of data named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its path, absolute; `-` is the standard input.
    pub path: String,
    /// What it holds.
    pub encoding: Encoding,
    /// Whether CUE in it must be data.
    pub is_data: bool,
    /// Its content, where that is no file's.
    pub bytes: Option<std::sync::Arc<[u8]>>,
}

/// Arguments told apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    /// Packages and patterns.
    pub packages: Vec<String>,
    /// Files, and what each holds.
    pub files: Vec<(String, Encoding)>,
}

impl Arguments {
    /// Tells packages from files. The error is a sentence.
    pub fn read(arguments: &[String]) -> Result<Self, String> {
        let (packages, others) = split(arguments);
        let files = files(&others)?;
        Ok(Self {
            packages,
            files: files
                .into_iter()
                .map(|(name, encoding, _)| (name, encoding))
                .collect(),
        })
    }
}

/// The ending of a file's name, with the dot; a name that only begins with a dot has none.
pub(crate) fn ending(name: &str) -> &str {
    if name == "-" {
        return "-";
    }
    let base = crate::files::base_of(name);
    match base.rfind('.') {
        Some(0) | None => "",
        Some(at) => &base[at..],
    }
}

/// Whether an argument names a package rather than a file.
pub(crate) fn is_package(argument: &str) -> bool {
    match argument {
        "." | ".." => return true,
        "" | "-" => return false,
        _ => {}
    }
    let path = ImportPath::parse(argument);
    if path.explicit {
        if path.path.contains(':') || path.path == "-" {
            return false;
        }
        return is_package_name(&path.qualifier) || path.path.contains('/');
    }
    if !path.version.is_empty() {
        return !path.version.contains('/');
    }
    ending(argument).trim_start_matches('.').is_empty()
}

/// Arguments apart: packages, and files with kinds before them. Behind a kind everything is a file.
pub(crate) fn split(arguments: &[String]) -> (Vec<String>, Vec<String>) {
    let mut packages = Vec::new();
    let mut files = Vec::new();
    let mut scoped = false;
    for argument in arguments {
        let is_kind = !argument.starts_with('/')
            && argument
                .split_once(':')
                .is_some_and(|(scope, file)| !scope.is_empty() && file.is_empty());
        scoped |= is_kind;
        if !scoped && is_package(argument) {
            packages.push(argument.clone());
        } else {
            files.push(argument.clone());
        }
    }
    (packages, files)
}

/// The files that arguments name, and what each holds.
pub(crate) fn files(arguments: &[String]) -> Result<Vec<(String, Encoding, bool)>, String> {
    let mut found = Vec::new();
    let mut kind: Option<(Encoding, bool)> = None;
    let mut waiting: Option<&str> = None;
    for (at, argument) in arguments.iter().enumerate() {
        let scope = (!argument.starts_with('/'))
            .then(|| argument.split_once(':'))
            .flatten();
        match scope {
            None => {
                if argument.is_empty() {
                    return Err("empty file name".to_owned());
                }
                let (encoding, is_data) = match &kind {
                    Some(kind) => kind.clone(),
                    None => (of_name(argument)?, false),
                };
                found.push((argument.clone(), encoding, is_data));
                waiting = None;
            }
            Some(("", _)) => return Err(format!("empty filetype prefix in {argument:?}")),
            Some((scope, file)) if !file.is_empty() => {
                return Err(format!(
                    "cannot combine file type and file name; did you mean {:?}?",
                    format!("{scope}: {file}")
                ));
            }
            Some((scope, _)) => {
                if let Some(before) = waiting {
                    return Err(format!(
                        "scoped qualifier {:?} without file",
                        format!("{before}:")
                    ));
                }
                if at + 1 == arguments.len() {
                    return Err(format!(
                        "scoped qualifier {:?} without file",
                        format!("{scope}:")
                    ));
                }
                kind = Some(of_scope(scope)?);
                waiting = Some(scope);
            }
        }
    }
    Ok(found)
}

fn of_name(name: &str) -> Result<Encoding, String> {
    let ending = ending(name);
    if ending.is_empty() {
        return Err(format!("no encoding specified for file {name:?}"));
    }
    Encoding::of_ending(ending).ok_or_else(|| format!("unknown file extension {ending}"))
}

/// `json`, `yaml+data`: encoding, and whether it must be data.
pub(crate) fn of_scope(scope: &str) -> Result<(Encoding, bool), String> {
    let mut encoding = None;
    let mut is_data = false;
    for tag in scope.split('+') {
        let (name, value) = match tag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (tag, None),
        };
        let Some(named) = Encoding::named(name) else {
            return Err(format!("unknown filetype {name}"));
        };
        if value.is_some() {
            return Err(format!("cannot specify value for tag {name:?}"));
        }
        is_data |= name == "data";
        if !matches!(name, "data" | "graph" | "schema" | "auto") || encoding.is_none() {
            encoding = Some(named);
        }
    }
    Ok((encoding.unwrap_or(Encoding::Cue), is_data))
}

#[cfg(test)]
mod tests {
    use super::{Encoding, files, is_package, split};

    #[test]
    fn packages_and_files_are_told_apart_by_their_form() {
        for package in [
            ".",
            "./a",
            "./.foo",
            "a.com/b:c",
            "a.com/b@v1",
            ":c",
            "./...",
        ] {
            assert!(is_package(package), "{package}");
        }
        for file in ["a.cue", "-", "./x.json", "json:", "yaml:x.y"] {
            assert!(!is_package(file), "{file}");
        }
    }

    #[test]
    fn a_kind_holds_for_the_files_behind_it() {
        let arguments = ["x.cue", "json:", "a", "b", "yaml:", "-"].map(ToOwned::to_owned);
        let (packages, rest) = split(&arguments);
        assert_eq!(packages, Vec::<String>::new());
        let kinds: Vec<_> = files(&rest)
            .unwrap()
            .into_iter()
            .map(|file| file.1)
            .collect();
        let json = Encoding::Json;
        assert_eq!(kinds, [Encoding::Cue, json.clone(), json, Encoding::Yaml]);
        assert_eq!(
            files(&["json:".to_owned()]).unwrap_err(),
            "scoped qualifier \"json:\" without file"
        );
    }
}
