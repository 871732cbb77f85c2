//! `cue`: the commands of the language's own tool, on our evaluator.
//!
//! A thin front: arguments and messages are those of the reference's `cue`, so that scripts and habits carry over. Exit codes are ours: 1 when data does not hold, 2 when something cannot be used.
//!
//! * `disk`: the machine's files for the loader;
//! * `plan`: what is loaded, and what is unified with what;
//! * `evaluate`: the values of that;
//! * `place`: where data goes (`--path`, `--list`);
//! * `output`: values as JSON, YAML, CUE, text;
//! * `consolidate`: the files of a package as one (`def`);
//! * `emit`: data as CUE, laid out like the data (`import`);
//! * `report`: errors in the reference's form.

use std::sync::Arc;

use pequod_cli::{Exit, Failure};

use crate::cli::cue::{CueArgs, CueVerb};

mod consolidate;
mod def;
mod disk;
mod emit;
mod eval;
mod evaluate;
mod fmt;
mod import;
mod output;
mod place;
mod plan;
mod report;
mod vet;

/// How a command of the language ended.
pub(crate) enum Ended {
    /// With problems to be printed.
    Problems(Exit, report::Problems),
}

impl From<report::Problems> for Ended {
    fn from(problems: report::Problems) -> Self {
        Self::Problems(Exit::Input, problems)
    }
}

pub(crate) async fn run(args: CueArgs) -> Result<Exit, Failure> {
    let folder = disk::working_folder()?;
    let report = report::Report::new(&folder);
    let ended = match args.verb {
        CueVerb::Eval(args) => eval::eval(&folder, &report, &args).await,
        CueVerb::Export(args) => eval::export(&folder, &args).await,
        CueVerb::Vet(args) => vet::vet(&folder, &report, &args).await,
        CueVerb::Def(args) => def::def(&folder, &args).await,
        CueVerb::Fmt(args) => fmt::fmt(&folder, &args),
        CueVerb::Import(args) => import::import(&folder, &args),
    };
    match ended {
        Ok(exit) => Ok(exit),
        Err(Ended::Problems(exit, problems)) => {
            report.print(&problems);
            Ok(exit)
        }
    }
}

/// What `-` stands for, if an argument asks for it.
fn stdin(arguments: &[String]) -> Result<Option<Arc<[u8]>>, Failure> {
    if !arguments
        .iter()
        .any(|argument| argument == "-" || argument == "/dev/stdin")
    {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)?;
    Ok(Some(bytes.into()))
}
