//! `cue vet`.

use pequod_cli::Exit;

use super::Ended;
use super::evaluate::evaluate;
use super::plan::plan;
use super::report::{Problems, Report};
use crate::cli::cue::VetArgs;

/// Checks packages, or documents against a package.
pub(super) async fn vet(folder: &str, report: &Report, args: &VetArgs) -> Result<Exit, Ended> {
    let mut plan = plan(folder, &args.input, false).await?;
    let against = !plan.documents.is_empty();
    if against && plan.schema.is_none() {
        return Err(Problems::sentence("data files specified without a schema").into());
    }
    let schema = args.input.schema.as_deref();
    let evaluated = evaluate(&mut plan, schema, &[], true)?;
    let mut worst = Exit::Done;
    let mut said = false;
    for item in &evaluated.items {
        let Some(value) = evaluated.value(item) else {
            continue;
        };
        let wrong = value.issues(false);
        if !wrong.is_empty() && args.concrete != Some(true) {
            // What contradicts ends it, what is missing does not.
            return Err(Ended::Problems(Exit::No, Problems::of(&wrong)));
        }
        let issues = match (against, args.concrete) {
            (false, Some(false)) => Vec::new(),
            _ => value.issues(true),
        };
        if issues.is_empty() {
            continue;
        }
        if !against && args.concrete.is_none() {
            if !said {
                said = true;
                worst = Exit::No;
                Report::line(
                    "some instances are incomplete; use the -c flag to show errors or -c=false to allow incomplete instances",
                );
            }
            continue;
        }
        worst = Exit::No;
        report.print(&Problems::of(&issues));
    }
    Ok(worst)
}
