//! Our answers: the one place that knows our evaluator's interface.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pequod_cue_syntax::{FileId, parse_file};

use crate::node::{Judged, Outcome, Poison};
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
                outcome.assertions = crate::assertion::check(archive, &outcome.nodes);
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

fn evaluated(_archive: &Archive) -> Outcome {
    Outcome {
        error: "evaluation is not connected yet".to_owned(),
        poison: Some(Poison::Unsupported),
        ..Outcome::default()
    }
}
