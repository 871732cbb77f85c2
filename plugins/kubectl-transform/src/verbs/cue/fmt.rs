//! `cue fmt`.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use pequod_cli::Exit;
use pequod_cue_load::{Encoding, Files as _};
use pequod_cue_syntax::{FileId, format_file, format_simplified, parse_file};

use super::Ended;
use super::disk::Disk;
use super::report::Problems;
use crate::cli::cue::FmtArgs;

/// A text that is to be laid out.
struct Text {
    /// Its path; nothing for the standard input.
    path: Option<String>,
    /// What people call it.
    name: String,
}

/// Lays out files anew, or says which are not.
pub(super) fn fmt(folder: &str, args: &FmtArgs) -> Result<Exit, Ended> {
    let texts = if args.files {
        trees(folder, &args.inputs)?
    } else {
        packages(folder, &args.inputs)?
    };
    let mut out = String::new();
    let mut is_wrong = false;
    for text in &texts {
        let before = read(text)?;
        let name = text.path.as_deref().unwrap_or("-");
        let file = parse_file(FileId(0), name, before.as_str()).map_err(Problems::from)?;
        let after = if args.simplify {
            format_simplified(&file)
        } else {
            format_file(&file)
        };
        let same = before == after;
        is_wrong |= !same;
        match (&text.path, args.check || args.diff) {
            (Some(_), _) | (None, true) if same => {}
            (_, true) if args.diff => out.push_str(&difference(&text.name, &before, &after)),
            (_, true) => {
                let _ = writeln!(out, "{}", text.name);
            }
            (None, false) => out.push_str(&after),
            (Some(path), false) => std::fs::write(path, after)
                .map_err(|error| Problems::sentence(format!("open {path}: {error}")))?,
        }
    }
    super::output::print(out.as_bytes())?;
    Ok(if args.check && is_wrong {
        Exit::No
    } else {
        Exit::Done
    })
}

fn read(text: &Text) -> Result<String, Problems> {
    let mut bytes = Vec::new();
    match &text.path {
        None => std::io::stdin().lock().read_to_end(&mut bytes),
        Some(path) => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
    }
    .map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            Problems::sentence(format!("open {}: no such file or directory", text.name))
        } else {
            Problems::sentence(format!("open {}: {error}", text.name))
        }
    })?;
    String::from_utf8(bytes).map_err(|_| Problems::sentence(format!("{}: is not UTF-8", text.name)))
}

/// What changes, line by line.
fn difference(name: &str, before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    let mut text = format!("diff {name}.orig {name}\n--- {name}.orig\n+++ {name}\n");
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        // Of a stretch of one line, too, its length is said.
        let ranges: Vec<String> = hunk
            .ops()
            .iter()
            .fold([(usize::MAX, 0), (usize::MAX, 0)], |[old, new], op| {
                [(old, op.old_range()), (new, op.new_range())]
                    .map(|((start, end), range)| (start.min(range.start), end.max(range.end)))
            })
            .iter()
            .map(|(start, end)| {
                let count = end - start;
                format!("{},{count}", start + usize::from(count > 0))
            })
            .collect();
        let _ = writeln!(text, "@@ -{} +{} @@", ranges[0], ranges[1]);
        for change in hunk.iter_changes() {
            let _ = write!(text, "{}{}", change.tag(), change.value());
            if change.missing_newline() {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text.push('\n');
    text
}

/// The files of packages, whatever their build attributes say, and files that are named.
fn packages(folder: &str, inputs: &[String]) -> Result<Vec<Text>, Problems> {
    let here = [".".to_owned()];
    let inputs = if inputs.is_empty() { &here[..] } else { inputs };
    let arguments = pequod_cue_load::Arguments::read(inputs).map_err(Problems::sentence)?;
    let mut texts = Vec::new();
    for package in &arguments.packages {
        let (start, below) = match package.strip_suffix("...") {
            Some(start) => (start.trim_end_matches('/'), true),
            None => (package.as_str(), false),
        };
        let start = join(folder, start);
        let mut folders = vec![start.clone()];
        let mut found = false;
        while let Some(at) = folders.pop() {
            let Some(entries) = Disk.list(&at).map_err(Problems::sentence)? else {
                continue;
            };
            found = true;
            for entry in entries
                .iter()
                .rev()
                .filter(|entry| entry.is_folder && below)
            {
                let hidden = entry.name.starts_with(['.', '_']) || entry.name == "cue.mod";
                let inner = format!("{at}/{}", entry.name);
                if !hidden && !Path::new(&inner).join("cue.mod").is_dir() {
                    folders.push(inner);
                }
            }
            for entry in entries.iter().filter(|entry| !entry.is_folder) {
                if is_cue(&entry.name) {
                    texts.push(text(folder, format!("{at}/{}", entry.name)));
                }
            }
        }
        if !found {
            return Err(Problems::sentence(format!(
                "cannot find package {package:?}"
            )));
        }
    }
    let mut files = arguments.files;
    files.sort_by_cached_key(|(name, _)| (name.matches('/').count(), name.clone()));
    for (name, encoding) in files {
        if name == "-" {
            texts.push(stdin());
        } else if encoding == Encoding::Cue {
            texts.push(text(folder, join(folder, &name)));
        }
    }
    Ok(texts)
}

/// Files, and all files of CUE below folders.
fn trees(folder: &str, inputs: &[String]) -> Result<Vec<Text>, Problems> {
    let here = [".".to_owned()];
    let inputs = if inputs.is_empty() { &here[..] } else { inputs };
    let mut texts = Vec::new();
    for input in inputs {
        if input.ends_with("...") {
            return Err(Problems::sentence("cannot use \"...\" in --files mode"));
        }
        if input == "-" {
            texts.push(stdin());
            continue;
        }
        tree(folder, &join(folder, input), &mut texts)?;
    }
    Ok(texts)
}

fn tree(folder: &str, path: &str, texts: &mut Vec<Text>) -> Result<(), Problems> {
    let Some(entries) = Disk.list(path).map_err(Problems::sentence)? else {
        texts.push(text(folder, path.to_owned()));
        return Ok(());
    };
    for entry in entries {
        let inner = format!("{path}/{}", entry.name);
        if entry.is_folder {
            if !entry.name.starts_with(['.', '_']) && entry.name != "cue.mod" {
                tree(folder, &inner, texts)?;
            }
        } else if is_cue(&entry.name) {
            texts.push(text(folder, inner));
        }
    }
    Ok(())
}

fn is_cue(name: &str) -> bool {
    name.strip_suffix(".cue").is_some()
}

fn join(folder: &str, path: &str) -> String {
    let joined = Path::new(folder).join(path.trim_end_matches('/'));
    let plain: std::path::PathBuf = joined.components().collect();
    plain.display().to_string()
}

fn stdin() -> Text {
    Text {
        path: None,
        name: "-".to_owned(),
    }
}

fn text(folder: &str, path: String) -> Text {
    let name = path
        .strip_prefix(&format!("{folder}/"))
        .unwrap_or(&path)
        .to_owned();
    Text {
        path: Some(path),
        name,
    }
}
