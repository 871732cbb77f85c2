//! Values on their way out: JSON, YAML, CUE, text, bytes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use pequod_cue::{Shown, Value, ValueKind};
use pequod_cue_load::Encoding;
use pequod_cue_syntax::ast::Decl;
use pequod_cue_syntax::{FileId, for_each_name, format_file, parse_file};

use super::report::Problems;
use crate::cli::cue::OutArgs;

/// A file or the standard output, and in which form.
pub(super) struct Output {
    pub(super) encoding: Encoding,
    file: Option<String>,
    force: bool,
    /// Escape what HTML takes for its own.
    pub(super) escape: bool,
    /// The package clause of CUE output.
    pub(super) package: Option<String>,
    /// Imports that CUE output may need: names and specifications.
    pub(super) imports: Vec<(String, String)>,
    /// Labels that CUE output is put under.
    pub(super) under: Vec<String>,
    /// Whether several expressions are printed, each under its own text.
    pub(super) named: bool,
    bytes: Vec<u8>,
    count: usize,
}

impl Output {
    /// Reads `--out` and `--outfile`. `default` is the form where nothing says one.
    pub(super) fn new(args: &OutArgs, default: Encoding) -> Result<Self, Problems> {
        let (scope, file) = match args.outfile.as_deref() {
            None => (None, None),
            Some(outfile) => match outfile.split_once(':') {
                Some((scope, file)) if !outfile.starts_with('/') => (Some(scope), Some(file)),
                _ => (None, Some(outfile)),
            },
        };
        let scope = match (scope, args.out.as_deref()) {
            (Some(_), Some(out)) if out.contains(':') => {
                return Err(Problems::sentence(
                    "cannot specify qualifier in both --out and --outfile",
                ));
            }
            (scope, out) => out.or(scope),
        };
        let encoding = match (scope, file) {
            (Some(scope), _) => {
                let tag = scope.split('+').next().unwrap_or(scope);
                Encoding::named(tag)
                    .ok_or_else(|| Problems::sentence(format!("unknown filetype {tag}")))?
            }
            (None, Some(file)) if file != "-" => {
                let ending = Path::new(file)
                    .extension()
                    .and_then(|ending| ending.to_str())
                    .map(|ending| format!(".{ending}"));
                match ending {
                    None => {
                        return Err(Problems::sentence(format!(
                            "no encoding specified for file {file:?}"
                        )));
                    }
                    Some(ending) => Encoding::of_ending(&ending).ok_or_else(|| {
                        Problems::sentence(format!("unknown file extension {ending}"))
                    })?,
                }
            }
            (None, _) => default,
        };
        if let Encoding::Other(name) = &encoding {
            return Err(Problems::sentence(format!("unsupported encoding {name:?}")));
        }
        Ok(Self {
            encoding,
            file: file.filter(|file| *file != "-").map(ToOwned::to_owned),
            force: args.force,
            escape: false,
            package: None,
            imports: Vec::new(),
            under: Vec::new(),
            named: args.expressions.len() > 1,
            bytes: Vec::new(),
            count: 0,
        })
    }

    /// A value that is data. Fails where it is not.
    pub(super) fn data(&mut self, value: Value<'_>, shown: Shown) -> Result<(), Problems> {
        if self.encoding == Encoding::Cue {
            let issues = value.issues(true);
            if !issues.is_empty() {
                return Err(Problems::of(&issues));
            }
            return self.cue("", value, shown);
        }
        let issues = value.issues(true);
        if !issues.is_empty() {
            return Err(Problems::of(&issues));
        }
        match self.encoding {
            Encoding::Yaml => {
                if self.count > 0 {
                    self.bytes.extend_from_slice(b"---\n");
                }
                let text = value.to_yaml_text()?;
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Encoding::Text => match value.as_str() {
                Some(text) => {
                    self.bytes.extend_from_slice(text.as_bytes());
                    self.bytes.push(b'\n');
                }
                None => return Err(wrong_kind(value, "string")),
            },
            Encoding::Binary => match (value.kind(), value.as_bytes()) {
                (ValueKind::Bytes | ValueKind::String, Some(bytes)) => {
                    self.bytes.extend_from_slice(&bytes);
                }
                _ => return Err(wrong_kind(value, "bytes")),
            },
            _ => {
                let mut text = value.to_json_text(true)?;
                if self.escape {
                    text = text
                        .replace('&', "\\u0026")
                        .replace('<', "\\u003c")
                        .replace('>', "\\u003e");
                }
                self.bytes.extend_from_slice(text.as_bytes());
                self.bytes.push(b'\n');
            }
        }
        self.count += 1;
        Ok(())
    }

    /// A value as CUE, whatever is in it.
    pub(super) fn cue(
        &mut self,
        name: &str,
        value: Value<'_>,
        shown: Shown,
    ) -> Result<(), Problems> {
        let mut text = String::new();
        if self.named && !name.is_empty() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "// {name}");
        } else if self.count > 0 {
            text.push_str("// ---\n");
        }
        let body = self.put_under(value.to_cue_text(shown)?);
        if let Some(package) = &self.package {
            let _ = writeln!(text, "package {package}");
            if !body.is_empty() {
                text.push('\n');
            }
        }
        text.push_str(&self.imported(&body));
        if body.is_empty() && self.package.is_none() {
            // A file of nothing is an empty line.
            text.push('\n');
        }
        text.push_str(&body);
        self.bytes.extend_from_slice(text.as_bytes());
        self.count += 1;
        Ok(())
    }

    /// A text under the labels that were asked for.
    fn put_under(&self, body: String) -> String {
        if self.under.is_empty() {
            return body;
        }
        let labels: Vec<String> = self.under.iter().map(|label| labelled(label)).collect();
        let labels = labels.concat();
        let parse = |text: &str| parse_file(FileId(0), "output", text);
        let is_field = parse(&body).is_ok_and(|file| matches!(&file.decls[..], [Decl::Field(_)]));
        let whole = if is_field {
            format!("{labels}{body}")
        } else {
            format!("{labels}{{\n{body}\n}}")
        };
        parse(&whole).map_or(body, |file| format_file(&file))
    }

    /// The import clauses that a text needs, and an empty line.
    fn imported(&self, body: &str) -> String {
        if self.imports.is_empty() {
            return String::new();
        }
        let Ok(file) = parse_file(FileId(0), "output", body) else {
            return String::new();
        };
        let mut names = BTreeSet::new();
        for_each_name(&file.decls, &mut |ident| {
            names.insert(ident.name.to_string());
        });
        let needed: Vec<&str> = self
            .imports
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(_, spec)| spec.as_str())
            .collect();
        match &needed[..] {
            [] => String::new(),
            [one] => format!("import {one}\n\n"),
            several => format!("import (\n\t{}\n)\n\n", several.join("\n\t")),
        }
    }

    /// A text of CUE.
    pub(super) fn text(&mut self, text: &str) {
        if self.count > 0 {
            self.bytes.extend_from_slice(b"// ---\n");
        }
        self.bytes.extend_from_slice(text.as_bytes());
        self.count += 1;
    }

    /// Writes everything, and nothing if that is not possible.
    pub(super) fn finish(self) -> Result<(), Problems> {
        use std::io::Write as _;
        let wrong = |file: &str, error: std::io::Error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                Problems::sentence(format!("error writing {file:?}: file already exists"))
            } else {
                Problems::sentence(format!("error writing {file:?}: {error}"))
            }
        };
        match &self.file {
            None => print(&self.bytes),
            Some(file) => {
                let mut options = std::fs::OpenOptions::new();
                options.write(true);
                if self.force {
                    options.create(true).truncate(true);
                } else {
                    options.create_new(true);
                }
                options
                    .open(file)
                    .and_then(|mut out| out.write_all(&self.bytes))
                    .map_err(|error| wrong(file, error))
            }
        }
    }
}

/// `label: `
fn labelled(label: &str) -> String {
    if pequod_cue_syntax::is_identifier(label) && !label.starts_with(['_', '#']) {
        format!("{label}: ")
    } else {
        format!("{}: ", pequod_cue_syntax::literal::quote(label))
    }
}

/// Writes to the standard output; that nobody reads it any more is no error.
pub(super) fn print(bytes: &[u8]) -> Result<(), Problems> {
    use std::io::Write as _;
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Problems::sentence(format!("error writing \"-\": {error}")))
        }
        _ => Ok(()),
    }
}

fn wrong_kind(value: Value<'_>, wanted: &str) -> Problems {
    let found = match value.kind() {
        ValueKind::Null => "null",
        ValueKind::Bool => "bool",
        ValueKind::Int => "int",
        ValueKind::Float => "float",
        ValueKind::String => "string",
        ValueKind::Bytes => "bytes",
        ValueKind::Struct => "struct",
        ValueKind::List => "list",
        ValueKind::Bottom | ValueKind::Mixed => "_|_",
    };
    let path = value.path();
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    };
    let sentence = format!(
        "{path}cannot use value {} (type {found}) as {wanted}",
        value.show()
    );
    let mut problem = pequod_diag::Diagnostic::error(pequod_cue_load::codes::DATA, sentence);
    problem.place = value.position();
    problem.into()
}
