//! `cue eval` and `cue export`.

use pequod_cli::Exit;
use pequod_cue::Shown;
use pequod_cue_load::Encoding;

use super::Ended;
use super::evaluate::evaluate;
use super::output::Output;
use super::plan::plan;
use super::report::{Problems, Report};
use crate::cli::cue::{EvalArgs, ExportArgs};

/// Prints values, decided or not.
pub(super) async fn eval(folder: &str, report: &Report, args: &EvalArgs) -> Result<Exit, Ended> {
    let mut output = Output::new(&args.out, Encoding::Cue)?;
    output.package.clone_from(&args.input.package);
    let concrete = args.concrete.unwrap_or_default();
    let shown = Shown {
        definitions: !concrete,
        hidden: (args.show_hidden || args.all) && !concrete,
        optional: (args.show_optional || args.all) && !concrete,
        attributes: args.show_attributes,
        errors: args.ignore,
        collapse: args.simplify,
        spaces: Some(4),
        ..Shown::default()
    };
    let mut plan = plan(folder, &args.input, true).await?;
    output.imports = plan.imports();
    output.under.clone_from(&plan.under);
    let schema = args.input.schema.as_deref();
    let evaluated = evaluate(&mut plan, schema, &args.out.expressions, args.ignore)?;
    let several = plan.instances.len() > 1;
    let mut worst = Exit::Done;
    for item in &evaluated.items {
        let Some(value) = evaluated.value(item) else {
            continue;
        };
        let header = |worst: &mut Exit| {
            *worst = Exit::Input;
            if several {
                Report::line(&format!("// {}", item.name));
            }
        };
        if output.encoding != Encoding::Cue {
            if let Err(problems) = output.data(value, shown) {
                header(&mut worst);
                report.print(&problems);
            }
            continue;
        }
        if !args.ignore {
            let issues = value.issues(false);
            if !issues.is_empty() {
                output.finish()?;
                header(&mut worst);
                return Err(Problems::of(&issues).into());
            }
            if concrete {
                let issues = value.issues(true);
                if !issues.is_empty() {
                    header(&mut worst);
                    report.print(&Problems::of(&issues));
                    continue;
                }
            }
        }
        output.cue(&item.name, value, shown)?;
    }
    output.finish()?;
    Ok(worst)
}

/// Prints data.
pub(super) async fn export(folder: &str, args: &ExportArgs) -> Result<Exit, Ended> {
    let mut output = Output::new(&args.out, Encoding::Json)?;
    output.package.clone_from(&args.input.package);
    output.escape = args.escape;
    let shown = Shown {
        collapse: true,
        docs: true,
        ..Shown::default()
    };
    let mut plan = plan(folder, &args.input, true).await?;
    output.imports = plan.imports();
    output.under.clone_from(&plan.under);
    let schema = args.input.schema.as_deref();
    let evaluated = evaluate(&mut plan, schema, &args.out.expressions, false)?;
    for item in &evaluated.items {
        if let Some(value) = evaluated.value(item)
            && let Err(problems) = output.data(value, shown)
        {
            output.finish()?;
            return Err(problems.into());
        }
    }
    output.finish()?;
    Ok(Exit::Done)
}
