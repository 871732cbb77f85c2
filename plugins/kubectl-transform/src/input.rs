//! Transforms that a person wrote: read, checked, and every complaint with its place.

use std::path::Path;

use pequod_api::Transform;
use pequod_cli::documents::{self, Text};
use pequod_cli::{Failure, KubectlArgs};
use pequod_cue::Program;
use pequod_diag::{Code, Diagnostic, Diagnostics, Place};
use pequod_modules::{Module, Remote, Sources};
use pequod_render::{Cluster, Context, Refused};
use serde_json::Value;

use crate::cli::SourceArgs;
use crate::facts;

/// What a Transform may hold at its top.
const FIELDS: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];

/// A Transform with everything that it is rendered with.
#[derive(Debug)]
pub struct Source {
    /// What its reader calls the file.
    pub name: String,
    /// The Transform.
    pub transform: Transform,
    /// Its module.
    pub module: Module,
    /// The module, compiled.
    pub program: Program,
    /// Its context.
    pub context: Context,
}

/// Reads a Transform from a file or the standard input.
pub fn read_transform(file: &Path) -> Result<(Text, Transform), Failure> {
    let text = documents::read(file)?;
    let transform = parse_transform(&text)?;
    Ok((text, transform))
}

/// Reads a Transform from a text.
pub fn parse_transform(text: &Text) -> Result<Transform, Failure> {
    let document = text.document()?;
    let Value::Object(fields) = &document else {
        return Err(text.whole("input/transform", "is no object"));
    };
    for (name, wanted) in [
        ("apiVersion", "platform.pequod.io/v1alpha1"),
        ("kind", "Transform"),
    ] {
        match fields.get(name) {
            None => {
                return Err(text.problem_at(
                    "input/transform",
                    &format!("is missing: it should be `{wanted}`"),
                    name,
                ));
            }
            Some(found) if found == wanted => {}
            Some(found) => {
                let found = found
                    .as_str()
                    .map_or_else(|| found.to_string(), ToOwned::to_owned);
                let what = format!("is `{found}`, not `{wanted}`");
                return Err(text.problem_at("input/transform", &what, name));
            }
        }
    }
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let mut failure =
            text.problem_at("input/transform", "is not a field of a Transform", unknown);
        // A key of the top level stands at the beginning of its line, unless the document is JSON.
        let line = text.text.lines().position(|line| {
            line.strip_prefix(unknown.as_str())
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        });
        if let (Some(line), Some(problem)) = (line, failure.problems.0.first_mut()) {
            problem.message = format!("`{unknown}` is not a field of a Transform");
            problem.place = Some(Place::Text {
                file: text.name.clone(),
                line: u32::try_from(line + 1).unwrap_or(u32::MAX),
                column: 1,
            });
        }
        return Err(failure);
    }
    let transform: Transform = text.typed()?;
    if transform
        .metadata
        .name
        .as_deref()
        .unwrap_or_default()
        .is_empty()
    {
        return Err(text.problem_at("input/transform", "is missing", "metadata.name"));
    }
    Ok(transform)
}

/// Reads everything that the arguments name.
pub async fn source(kubectl: &KubectlArgs, args: &SourceArgs) -> Result<Source, Failure> {
    let (text, transform) = read_transform(&args.file)?;
    let cluster = if args.live {
        Some(kubectl.connect().await?)
    } else {
        None
    };
    let namespace = match (&kubectl.namespace, &cluster) {
        (Some(namespace), _) => namespace.clone(),
        (None, Some(cluster)) => cluster.namespace().to_owned(),
        (None, None) => "default".to_owned(),
    };
    agree_on_namespace(kubectl, &text.name, &transform)?;

    let mut context = Context::of(&transform, &namespace, Cluster::default());
    if let Some(file) = &args.context_file {
        context = merged(context, read_context(file)?);
    }
    if let Some(cluster) = &cluster {
        context.cluster = facts::cluster(cluster.client()).await?;
    }
    let module = if let Some(folder) = &args.module {
        Module::from_directory(folder)
    } else {
        let client = cluster.as_ref().map(pequod_kube::Cluster::client);
        let remote = remote();
        let sources = Sources {
            client,
            secrets: client,
            remote: &remote,
        };
        pequod_modules::fetch(&transform.spec.cue_ref, &context.namespace, &sources).await
    }
    .map_err(|problem| module_failure(problem, &text.name))?;
    let program = module.compile().map_err(Failure::input)?;
    Ok(Source {
        name: text.name,
        transform,
        module,
        program,
        context,
    })
}

/// Where modules of registries and repositories are kept on a person's machine.
pub fn remote() -> Remote {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")));
    let remote = cache.map_or_else(Remote::default, |folder| {
        Remote::in_folder(folder.join("pequod/modules"))
    });
    remote.with_registries(&registries())
}

/// Where modules that modules depend on are: `CUE_REGISTRY`, as for the language's own tool.
pub fn registries() -> String {
    std::env::var("CUE_REGISTRY").unwrap_or_default()
}

/// What a Transform is rendered with, as the controller has it.
#[derive(Debug)]
pub struct Prepared {
    /// Its module.
    pub module: Module,
    /// The module, compiled.
    pub program: Program,
    /// Its context in this cluster.
    pub context: Context,
}

/// Fetches and asks for what the controller fetches and asks for. `module` takes the place of the Transform's own.
pub async fn prepared(
    transform: &Transform,
    cluster: &pequod_kube::Cluster,
    module: Option<Module>,
    file: &str,
) -> Result<Prepared, Failure> {
    let context = Context::of(
        transform,
        cluster.namespace(),
        facts::cluster(cluster.client()).await?,
    );
    let module = if let Some(module) = module {
        module
    } else {
        let reference = &transform.spec.cue_ref;
        let remote = remote();
        let sources = Sources {
            client: Some(cluster.client()),
            secrets: Some(cluster.client()),
            remote: &remote,
        };
        pequod_modules::fetch(reference, &context.namespace, &sources)
            .await
            .map_err(|problem| module_failure(problem, file))?
    };
    let program = module.compile().map_err(Failure::input)?;
    Ok(Prepared {
        module,
        program,
        context,
    })
}

/// `-n a` for a Transform that says `namespace: b` is a mistake, as kubectl has it.
pub fn agree_on_namespace(
    kubectl: &KubectlArgs,
    file: &str,
    transform: &Transform,
) -> Result<(), Failure> {
    match (&kubectl.namespace, &transform.metadata.namespace) {
        (Some(flag), Some(own)) if flag != own => {
            let place = Place::Path {
                document: file.to_owned(),
                path: "metadata.namespace".to_owned(),
            };
            let what = format!("is `{own}`, but the option --namespace says `{flag}`");
            Err(Failure::input(
                Diagnostic::error(Code("input/namespace"), what).at(place),
            ))
        }
        _ => Ok(()),
    }
}

/// A module that is not there is the input's fault; a cluster that does not answer is the cluster's.
pub fn module_failure(mut problem: Diagnostic, file: &str) -> Failure {
    if let Some(Place::Path { document, .. }) = &mut problem.place
        && document.is_empty()
    {
        file.clone_into(document);
    }
    if problem.code == pequod_modules::codes::UNREACHABLE {
        Failure::remote(problem)
    } else {
        Failure::input(problem)
    }
}

/// Why nothing was rendered, with the file in the places that name only a path.
pub fn refused(refused: Refused, file: &str) -> Failure {
    let mut problems: Diagnostics = refused.problems;
    for problem in &mut problems.0 {
        if let Some(Place::Path { document, path }) = &mut problem.place
            && document.is_empty()
            && (path.starts_with("spec.") || path.starts_with("metadata."))
        {
            file.clone_into(document);
        }
    }
    Failure::input(problems)
}

fn read_context(file: &Path) -> Result<Context, Failure> {
    documents::read(file)?.typed()
}

/// The Transform's own metadata, completed by what the file says.
fn merged(own: Context, file: Context) -> Context {
    let namespace = if file.namespace.is_empty() {
        own.namespace
    } else {
        file.namespace
    };
    let mut labels = file.labels;
    labels.extend(own.labels);
    let mut annotations = file.annotations;
    annotations.extend(own.annotations);
    Context {
        name: own.name,
        namespace,
        labels,
        annotations,
        cluster: file.cluster,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Transform, String> {
        let text = Text {
            name: "shop.yaml".into(),
            text: text.into(),
        };
        parse_transform(&text).map_err(|failure| failure.problems.to_string())
    }

    const HEAD: &str =
        "apiVersion: platform.pequod.io/v1alpha1\nkind: Transform\nmetadata: {name: shop}\n";

    #[test]
    fn a_transform_is_read() {
        let text = format!(
            "{HEAD}spec:\n  cueRef: {{type: embedded, ref: webservice}}\n  input: {{image: 'a:1'}}\n"
        );
        let transform = parse(&text).unwrap();
        assert_eq!(transform.spec.service_account_name, "default");
        assert_eq!(transform.spec.input.unwrap()["image"], "a:1");
    }

    #[test]
    fn an_unknown_field_of_the_spec_is_named_with_line_and_column() {
        let text =
            format!("{HEAD}spec:\n  cueRef: {{type: embedded, ref: webservice}}\n  inputs: {{}}\n");
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with("shop.yaml:6:3"), "{error}");
        assert!(error.contains("inputs"), "{error}");
    }

    #[test]
    fn an_unknown_field_at_the_top_is_named_with_its_line() {
        let error = parse(&format!("{HEAD}specs: {{}}\n")).unwrap_err();
        assert_eq!(
            error,
            "shop.yaml:4:1: `specs` is not a field of a Transform"
        );
    }

    #[test]
    fn another_kind_is_refused() {
        let error = parse("apiVersion: v1\nkind: Secret\n").unwrap_err();
        assert_eq!(
            error,
            "shop.yaml: apiVersion: is `v1`, not `platform.pequod.io/v1alpha1`"
        );
    }

    #[test]
    fn a_transform_without_a_name_is_refused() {
        let error = parse("apiVersion: platform.pequod.io/v1alpha1\nkind: Transform\nmetadata: {}\nspec: {cueRef: {type: inline, ref: ''}}\n").unwrap_err();
        assert_eq!(error, "shop.yaml: metadata.name: is missing");
    }

    #[test]
    fn an_unknown_kind_of_source_is_named_with_its_place() {
        let error = parse(&format!(
            "{HEAD}spec:\n  cueRef:\n    type: http\n    ref: x\n"
        ))
        .unwrap_err();
        assert!(error.starts_with("shop.yaml:6:11"), "{error}");
    }
}
