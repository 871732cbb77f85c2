//! Our answers: the one place that knows our evaluator's interface.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use pequod_cue::inspect::{Asked, DumpError, DumpNode, FaultCode};
use pequod_cue::{Budget, Inputs, Package, Program, codes};
use pequod_cue_load::{Failed, MemoryFiles, Request, load};
use pequod_cue_syntax::{FileId, parse_file};
use pequod_diag::{Diagnostic, Diagnostics};
use serde_json::value::RawValue;

use crate::assertion;
use crate::node::{Judged, Node, Outcome, Poison, Told};
use crate::txtar::Archive;

/// What we make of an archive. Never panics; a hang or a broken stack is the caller's to notice.
pub fn answer(case: &str, archive: &Archive, evaluate: bool) -> Outcome {
    let sources = archive
        .sources()
        .map(|file| judge(&file.name, &file.data))
        .collect();
    let mut outcome = Outcome {
        case: case.to_owned(),
        sources,
        ..Outcome::default()
    };
    if evaluate {
        let result = catch_unwind(AssertUnwindSafe(|| evaluated(archive)));
        match result {
            Ok(evaluated) => {
                outcome.error = evaluated.error;
                outcome.poison = evaluated.poison;
                outcome.nodes = evaluated.nodes;
                outcome.assertions = assertion::check(archive, &outcome.nodes);
            }
            Err(payload) => {
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                outcome.error = format!("panic: {}", text.unwrap_or("no message"));
                outcome.poison = Some(Poison::Crash);
            }
        }
    }
    outcome
}

fn judge(name: &str, text: &str) -> Judged {
    match parse_file(FileId(0), name, text) {
        Ok(_) => Judged {
            name: name.to_owned(),
            accept: true,
            error: String::new(),
        },
        Err(errors) => {
            let error = errors
                .iter()
                .next()
                .map(ToString::to_string)
                .unwrap_or_default();
            Judged {
                name: name.to_owned(),
                accept: false,
                error,
            }
        }
    }
}

/// The files at the archive's top level are one package; what it imports are folders of the archive.
fn evaluated(archive: &Archive) -> Outcome {
    let arguments = archive
        .sources()
        .map(|file| &file.name)
        .filter(|name| {
            !name.contains('/') && !name.ends_with("_test.cue") && !name.ends_with("_tool.cue")
        })
        .cloned()
        .collect();
    let evaluation = program(archive, arguments)
        .and_then(|program| program.evaluate(&Inputs::new(), &Budget::default()));
    match evaluation {
        Ok(mut evaluation) => {
            let asked = Asked {
                errors: assertion::any(archive),
                fields: assertion::fields(archive),
            };
            let nodes = evaluation.dump(&asked).into_iter().map(node).collect();
            Outcome {
                nodes,
                ..Outcome::default()
            }
        }
        Err(errors) => refused(&errors),
    }
}

/// The package of these files with everything it imports.
fn program(archive: &Archive, arguments: Vec<String>) -> Result<Program, Diagnostics> {
    let files = archive
        .files
        .iter()
        .map(|file| (file.name.clone(), Arc::from(file.data.as_bytes())))
        .collect();
    let loaded = load(&Request {
        files: Arc::new(MemoryFiles {
            origin: String::new(),
            files,
        }),
        folder: String::new(),
        arguments,
        tags: Vec::new(),
        variables: None,
        modules: &BTreeMap::new(),
        stdin: None,
    });
    let mut loaded = loaded.map_err(|failed| match failed {
        Failed::Problems(problems) => problems,
        Failed::Missing(modules) => Diagnostics(
            modules
                .iter()
                .map(|module| {
                    Diagnostic::error(
                        codes::REFERENCE,
                        format!("module {module} is not in the archive"),
                    )
                })
                .collect(),
        ),
    })?;
    let Some(instance) = loaded.instances.pop() else {
        return Program::compile(&Package { files: Vec::new() });
    };
    Program::compile_units(&loaded.units(instance.unit), &[], loaded.sources)
}

fn refused(errors: &Diagnostics) -> Outcome {
    let has = |code| errors.iter().any(|error| error.code == code);
    let poison = if has(codes::UNSUPPORTED) {
        Some(Poison::Unsupported)
    } else if has(codes::LIMIT) {
        Some(Poison::Limit)
    } else {
        None
    };
    Outcome {
        error: errors.to_string(),
        poison,
        ..Outcome::default()
    }
}

fn node(node: DumpNode) -> Node {
    let json = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
    Node {
        path: node.path,
        arc: node.presence.to_owned(),
        kind: node.kind,
        code: node.fault.map_or("", code).to_owned(),
        message: node.message,
        leaf: json(node.leaf),
        default: json(node.default),
        closed: node.closed,
        order: node.order,
        text: node.text,
        again: false,
        errors: node.errors.into_iter().map(told).collect(),
        accepts: node.accepts,
    }
}

fn told(error: DumpError) -> Told {
    Told {
        message: error.message,
        places: error.places.iter().map(ToString::to_string).collect(),
    }
}

const fn code(code: FaultCode) -> &'static str {
    match code {
        FaultCode::Eval => "eval",
        FaultCode::User | FaultCode::Literal => "user",
        FaultCode::Structural => "structural_cycle",
        FaultCode::Incomplete => "incomplete",
        FaultCode::Cycle => "cycle",
    }
}
