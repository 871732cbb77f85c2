//! `cue def`.

use pequod_cli::Exit;
use pequod_cue::Shown;
use pequod_cue_load::Encoding;
use pequod_cue_syntax::ast::{Expr, SelectorLabel};
use pequod_cue_syntax::{FileId, format_file, parse_expr, parse_file};

use super::Ended;
use super::consolidate::{consolidated, has_patterns, written};
use super::evaluate::evaluate;
use super::output::Output;
use super::plan::plan;
use super::report::Problems;
use crate::cli::cue::DefArgs;

/// Prints packages as they are written, each as one file.
pub(super) async fn def(folder: &str, args: &DefArgs) -> Result<Exit, Ended> {
    let mut output = Output::new(&args.out, Encoding::Cue)?;
    let mut plan = plan(folder, &args.input, true).await?;
    let schema = args.input.schema.as_deref();
    let evaluated = evaluate(&mut plan, schema, &args.out.expressions, false)?;
    let whole = args.out.expressions.is_empty() && output.encoding == Encoding::Cue;
    if whole && plan.documents.is_empty() {
        for (at, instance) in plan.instances.iter().enumerate() {
            let package = args.input.package.as_deref();
            let mut files = instance.unit.files.clone();
            // Data looks up no names: it may stand with any package.
            let beside = plan.beside.as_ref().filter(|_| at == 0);
            if beside.is_some() {
                // What is made of a package and data belongs to no package.
                for file in &mut files {
                    file.package = None;
                }
            }
            files.extend(beside.into_iter().flat_map(|unit| unit.files.clone()));
            let text = consolidated(&files, package, args.show_attributes)?;
            output.text(&text);
        }
        output.finish()?;
        return Ok(Exit::Done);
    }
    // What is asked for by an expression is in no file: its value is printed, as far as it is decided.
    output.package.clone_from(&args.input.package);
    let shown = Shown {
        definitions: true,
        hidden: true,
        optional: true,
        docs: true,
        keep_defaults: true,
        collapse: true,
        attributes: args.show_attributes,
        ..Shown::default()
    };
    let own = plan.instances.iter().map(|instance| &instance.unit);
    let files: Vec<_> = own.flat_map(|unit| unit.files.iter().cloned()).collect();
    let imported = plan.loaded.dependencies.iter();
    let imported: Vec<_> = imported.flat_map(|unit| unit.files.clone()).collect();
    let patterns = has_patterns(&files) || has_patterns(&imported);
    for item in &evaluated.items {
        let Some(value) = evaluated.value(item) else {
            continue;
        };
        let issues = value.issues(false);
        if !issues.is_empty() {
            return Err(Problems::of(&issues).into());
        }
        let is_cue = output.encoding == Encoding::Cue;
        let as_written = parse_expr(FileId(0), "--expression", item.name.as_str())
            .ok()
            .and_then(|(_, path)| written(&files, &path, args.show_attributes));
        if is_cue && as_written.is_none() && patterns {
            return Err(Problems::unsupported(format!(
                "{}: the package has patterns, and a value that was worked out does not show them; leave out --expression",
                item.name
            ))
            .into());
        }
        if is_cue && is_definition(&item.name) {
            // Its value stays closed only as a definition.
            let body = match as_written {
                Some(body) => body,
                None => value.to_cue_text(shown).map_err(Problems::from)?,
            };
            output.text(&closed(&body, args.input.package.as_deref())?);
        } else if let (true, Some(body)) = (is_cue, as_written) {
            let head = args.input.package.as_ref();
            let head = head.map_or_else(String::new, |name| format!("package {name}\n\n"));
            let text = format!("{head}{body}\n");
            let file = parse_file(FileId(0), "def", text).map_err(Problems::from)?;
            output.text(&format_file(&file));
        } else if output.encoding == Encoding::Cue {
            output.cue(&item.name, value, shown)?;
        } else {
            output.data(value, shown)?;
        }
    }
    output.finish()?;
    Ok(Exit::Done)
}

/// Whether an expression is the path of a definition.
fn is_definition(text: &str) -> bool {
    let parsed = parse_expr(FileId(0), "--expression", text);
    let Ok((_, expr)) = parsed else { return false };
    match &expr {
        Expr::Ident(ident) => ident.name.contains('#'),
        Expr::Selector(selector) => match &selector.selector {
            SelectorLabel::Ident(ident) => ident.name.contains('#'),
            SelectorLabel::String(_) => false,
        },
        _ => false,
    }
}

/// A definition's value as a file that is one.
fn closed(body: &str, package: Option<&str>) -> Result<String, Problems> {
    let head = package.map_or_else(String::new, |name| format!("package {name}\n"));
    let body = body.trim_end();
    let text = format!("{head}\n_#def\n_#def: {{\n{body}\n}}\n");
    let file = parse_file(FileId(0), "def", text)?;
    Ok(format_file(&file))
}
