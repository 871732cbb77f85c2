//! `cargo run -p pequod-cue --example export FILE.cue [PATH]`: a file as JSON, as `cue export -e PATH` prints it.

use std::process::ExitCode;

use pequod_cue::{Budget, Inputs, Package, Program};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(file) = args.next() else {
        eprintln!("usage: export FILE.cue [PATH]");
        return ExitCode::from(2);
    };
    let path = args.next().unwrap_or_default();
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{file}: {error}");
            return ExitCode::from(2);
        }
    };
    let result = Program::compile(&Package::of(file, text))
        .and_then(|program| program.evaluate(&Inputs::new(), &Budget::default()))
        .and_then(|evaluation| match evaluation.root().lookup(&path) {
            Some(value) => value.to_json_text(true),
            None => Ok(format!("no value at {path}")),
        });
    match result {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            for problem in &problems {
                eprint!(
                    "{}",
                    pequod_diag::render(problem, pequod_diag::Style::Plain)
                );
            }
            ExitCode::from(1)
        }
    }
}
