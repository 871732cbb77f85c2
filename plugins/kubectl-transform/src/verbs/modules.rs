//! `modules`: what comes with Pequod.

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use pequod_cli::{Exit, Failure, Printer, Table};
use pequod_diag::{Code, Diagnostic};
use pequod_modules::{Embedded, embedded};
use serde::Serialize;

use crate::cli::ModulesArgs;

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    summary: &'static str,
    digest: String,
}

/// What is offered for the name of a module while it is typed.
pub(crate) fn candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        embedded()
            .iter()
            .map(|module| CompletionCandidate::new(module.name).help(Some(module.summary.into())))
            .collect()
    })
}

pub(crate) fn run(args: &ModulesArgs) -> Result<Exit, Failure> {
    let mut printer = Printer::new(args.output.output);
    if let Some(name) = &args.name {
        let module = Embedded::named(name).ok_or_else(|| unknown(name))?;
        printer.data(&as_one_file(module))?;
        return Ok(Exit::Done);
    }
    let mut listed = Vec::new();
    for module in embedded() {
        let digest = module.module().map_err(Failure::input)?.digest;
        listed.push(Listed {
            name: module.name,
            summary: module.summary,
            digest,
        });
    }
    printer.many(
        &listed,
        |module| module.name.to_owned(),
        |modules| {
            let mut table = Table::new(&["NAME", "WHAT IT IS"]).wide(&["DIGEST"]);
            for module in modules {
                table.row([module.name, module.summary, &module.digest]);
            }
            table
        },
    )?;
    Ok(Exit::Done)
}

/// The files as one, which a person can save and change: one `package`, one block of imports.
fn as_one_file(module: &Embedded) -> String {
    let (mut head, mut imports, mut body) = (String::new(), Vec::new(), String::new());
    // The schema first: it says what the module is for.
    let mut files: Vec<_> = module.files.to_vec();
    files.sort_by_key(|(name, _)| *name != "schema.cue");
    for (_, text) in files {
        let (before, after) = text.split_once("\npackage ").unwrap_or(("", text));
        if head.is_empty() && !before.is_empty() {
            head = format!("{before}\n");
        }
        let after = if before.is_empty() {
            after.trim_start_matches("package ")
        } else {
            after
        };
        for line in after.lines().skip(1) {
            if line.starts_with("import ") {
                imports.push(line);
            } else {
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    imports.sort_unstable();
    imports.dedup();
    let imports = if imports.is_empty() {
        String::new()
    } else {
        format!("\n{}\n", imports.join("\n"))
    };
    let mut text = format!("{head}package {}\n{imports}", module.name);
    let mut blank = false;
    for line in body.lines() {
        if !(line.is_empty() && blank) {
            text.push_str(line);
            text.push('\n');
        }
        blank = line.is_empty();
    }
    text
}

pub(crate) fn unknown(name: &str) -> Failure {
    let known: Vec<_> = embedded().iter().map(|module| module.name).collect();
    Failure::input(
        Diagnostic::error(
            Code("module/not-found"),
            format!("no module `{name}` comes with Pequod"),
        )
        .hint(format!("there are: {}", known.join(", "))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_printed_as_one_file_is_the_same_module() {
        for module in embedded() {
            let text = as_one_file(module);
            assert_eq!(text.matches("\npackage ").count(), 1, "{text}");
            let file = pequod_cue_syntax::parse_file(
                pequod_cue_syntax::FileId(0),
                module.name,
                text.as_str(),
            )
            .unwrap();
            let separate: usize = module
                .files
                .iter()
                .map(|&(name, text)| {
                    let id = pequod_cue_syntax::FileId(0);
                    pequod_cue_syntax::parse_file(id, name, text)
                        .unwrap()
                        .decls
                        .len()
                })
                .sum();
            assert_eq!(file.decls.len(), separate);
        }
    }
}
