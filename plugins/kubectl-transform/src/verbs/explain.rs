//! `explain`: what a module takes, from the comments of its `#Input`.
//!
//! Read from the text, not from the value: a value no longer knows its comments, its optional fields and how its
//! author wrote a constraint.

use std::fmt::Write as _;
use std::path::Path;

use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer};
use pequod_cue::Package;
use pequod_cue_syntax::ast::{Constraint, Decl, Expr, Field, LabelKind, Struct};
use pequod_cue_syntax::{FileId, parse_file, print_expr};
use pequod_diag::{Code, Diagnostic};
use pequod_modules::{Embedded, Module};

use super::modules;
use crate::cli::ExplainArgs;
use crate::input;

pub(crate) async fn run(kubectl: &KubectlArgs, args: ExplainArgs) -> Result<Exit, Failure> {
    let module = find(kubectl, &args.module).await?;
    let text = explain(&args.module, &module.package, args.field.as_deref())?;
    Printer::new(Format::Table).data(&text)?;
    Ok(Exit::Done)
}

async fn find(kubectl: &KubectlArgs, name: &str) -> Result<Module, Failure> {
    let path = Path::new(name);
    if let Some(embedded) = Embedded::named(name) {
        return embedded.module().map_err(Failure::input);
    }
    if path.is_dir() {
        return Module::from_directory(path).map_err(Failure::input);
    }
    if path.is_file() {
        let (text, transform) = input::read_transform(path)?;
        let reference = &transform.spec.cue_ref;
        let cluster = match reference.kind {
            pequod_api::CueRefType::Configmap => Some(kubectl.connect().await?),
            _ => None,
        };
        let namespace = transform.metadata.namespace.as_deref();
        let namespace = namespace
            .or(cluster.as_ref().map(pequod_kube::Cluster::namespace))
            .unwrap_or("default");
        let client = cluster.as_ref().map(pequod_kube::Cluster::client);
        let remote = input::remote();
        let sources = pequod_modules::Sources {
            client,
            secrets: client,
            remote: &remote,
        };
        return pequod_modules::fetch(reference, namespace, &sources)
            .await
            .map_err(|problem| input::module_failure(problem, &text.name));
    }
    Err(modules::unknown(name))
}

fn explain(name: &str, package: &Package, field: Option<&str>) -> Result<String, Failure> {
    let mut about = None;
    let mut schema: Vec<Field> = Vec::new();
    for file in &package.files {
        let file =
            parse_file(FileId(0), file.name.as_str(), file.text.clone()).map_err(Failure::input)?;
        about = about.or_else(|| {
            file.package
                .as_ref()
                .and_then(|package| package.doc.clone())
        });
        schema.extend(
            fields(&file.decls)
                .filter(|field| label(field) == "#Input")
                .cloned(),
        );
    }
    let Some(input) = schema.first() else {
        return Err(Failure::input(
            Diagnostic::error(Code("explain/no-schema"), format!("`{name}` has no #Input"))
                .hint("write what the module takes as `#Input: {…}` and `input: #Input`"),
        ));
    };
    let mut text = format!("MODULE:  {name}\n");
    paragraph(&mut text, about.as_deref(), "");
    let mut value = &input.value;
    let mut doc = input.doc.as_deref();
    if let Some(path) = field {
        let mut so_far = String::new();
        for part in path.split('.') {
            let found = as_struct(value)
                .into_iter()
                .flat_map(|inner| fields(&inner.decls))
                .find(|field| label(field) == part);
            let Some(found) = found else {
                return Err(no_field(value, path, part, &so_far));
            };
            value = &found.value;
            doc = found.doc.as_deref();
            if !so_far.is_empty() {
                so_far.push('.');
            }
            so_far.push_str(part);
        }
        let _ = writeln!(text, "\nFIELD:  {path} <{}>", kind(value));
    }
    paragraph(&mut text, doc.filter(|_| field.is_some()), "");
    if let Some(inner) = as_struct(value) {
        text.push_str("\nFIELDS:\n");
        describe(&mut text, inner, 1);
    }
    Ok(text)
}

fn no_field(value: &Expr, path: &str, part: &str, so_far: &str) -> Failure {
    let known: Vec<String> = as_struct(value)
        .into_iter()
        .flat_map(|inner| fields(&inner.decls))
        .map(label)
        .collect();
    let inside = if so_far.is_empty() {
        "the input".to_owned()
    } else {
        format!("`{so_far}`")
    };
    let problem = Diagnostic::error(
        Code("explain/no-field"),
        format!("{inside} has no field `{part}` (in `{path}`)"),
    );
    Failure::input(if known.is_empty() {
        problem
    } else {
        problem.hint(format!("there are: {}", known.join(", ")))
    })
}

fn describe(text: &mut String, inner: &Struct, depth: usize) {
    let indent = "  ".repeat(depth);
    for field in fields(&inner.decls) {
        let needed = match field.constraint {
            Constraint::Required => " -required-",
            Constraint::Optional | Constraint::Regular => "",
        };
        let _ = writeln!(
            text,
            "{indent}{} <{}>{needed}",
            label(field),
            kind(&field.value)
        );
        paragraph(text, field.doc.as_deref(), &format!("{indent}  "));
        match as_struct(&field.value) {
            Some(inner) if fields(&inner.decls).next().is_some() => {
                describe(text, inner, depth + 1);
            }
            _ => text.push('\n'),
        }
    }
}

fn paragraph(text: &mut String, doc: Option<&str>, indent: &str) {
    for line in doc.unwrap_or_default().lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{indent}{}", line.trim_start_matches("//").trim());
    }
}

fn fields(decls: &[Decl]) -> impl Iterator<Item = &Field> {
    decls.iter().filter_map(|decl| match decl {
        Decl::Field(field) => Some(field.as_ref()),
        _ => None,
    })
}

fn label(field: &Field) -> String {
    match &field.label.kind {
        LabelKind::Ident(ident) => ident.name.to_string(),
        LabelKind::String(text) => text.value.to_string(),
        LabelKind::Pattern(pattern) => format!("[{}]", print_expr(&pattern.expr)),
        LabelKind::Interpolation(_) | LabelKind::Dynamic(_) => "(computed)".to_owned(),
    }
}

fn as_struct(value: &Expr) -> Option<&Struct> {
    match value.without_parens() {
        Expr::Struct(inner) => Some(inner),
        _ => None,
    }
}

/// A field's type as its author wrote it; a struct is an object, one of patterns a map.
fn kind(value: &Expr) -> String {
    match as_struct(value) {
        Some(inner) => {
            let mut all = fields(&inner.decls);
            match (all.next(), all.next()) {
                (Some(only), None) if matches!(only.label.kind, LabelKind::Pattern(_)) => {
                    format!("map of {}", kind(&only.value))
                }
                _ => "object".to_owned(),
            }
        }
        None => print_expr(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, field: Option<&str>) -> Result<String, Failure> {
        explain("shop", &Package::of("shop.cue", text), field)
    }

    const SHOP: &str = "// Sells things.\npackage shop\n\n#Input: {\n\t// How many.\n\treplicas: *2 | int\n\t// What to run.\n\timage!: string\n\tdb: {\n\t\t// Whether.\n\t\tenabled: *false | bool\n\t}\n\tenv: [string]: string\n}\n";

    #[test]
    fn fields_are_listed_with_type_need_and_comment() {
        let text = of(SHOP, None).unwrap();
        for line in [
            "MODULE:  shop\nSells things.\n",
            "  replicas <*2 | int>\n    How many.\n",
            "  image <string> -required-\n    What to run.\n",
            "  db <object>\n    enabled <*false | bool>\n      Whether.\n",
            "  env <map of string>\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
    }

    #[test]
    fn one_field_can_be_asked_for() {
        let text = of(SHOP, Some("db.enabled")).unwrap();
        assert!(
            text.contains("FIELD:  db.enabled <*false | bool>\nWhether.\n"),
            "{text}"
        );
        let failure = of(SHOP, Some("db.size")).unwrap_err();
        assert_eq!(
            failure.problems.0[0].hint.as_deref(),
            Some("there are: enabled")
        );
    }

    #[test]
    fn a_module_without_a_schema_says_so() {
        let failure = of("package shop\n", None).unwrap_err();
        assert_eq!(failure.problems.0[0].code, Code("explain/no-schema"));
    }
}
