//! From a reference to a module.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use pequod_api::{CueRef, CueRefType};
use pequod_diag::{Diagnostic, Place};

use crate::{Embedded, Module, embedded};

/// The codes of this crate's diagnostics.
pub mod codes {
    use pequod_diag::Code;

    /// There is no such module.
    pub const NOT_FOUND: Code = Code("module/not-found");
    /// The reference contradicts itself.
    pub const REFERENCE: Code = Code("module/reference");
    /// The module is too large.
    pub const LIMIT: Code = Code("module/limit");
    /// The source could not be asked.
    pub const UNREACHABLE: Code = Code("module/unreachable");
    /// This kind of source is not supported.
    pub const UNSUPPORTED: Code = Code("module/unsupported");
    /// A cluster is needed to read the module, and there is none.
    pub const NEEDS_CLUSTER: Code = Code("module/needs-cluster");
}

/// The module that a Transform of this namespace refers to.
///
/// Without a client, sources that lie in a cluster cannot be read.
pub async fn fetch(
    reference: &CueRef,
    namespace: &str,
    client: Option<&Client>,
) -> Result<Module, Diagnostic> {
    match reference.kind {
        CueRefType::Inline => {
            refuse_path(reference)?;
            inline(&reference.reference)
        }
        CueRefType::Embedded => {
            refuse_path(reference)?;
            from_embedded(&reference.reference)
        }
        CueRefType::Configmap => {
            refuse_path(reference)?;
            let Some(client) = client else {
                return Err(problem(
                    codes::NEEDS_CLUSTER,
                    "the module lies in a ConfigMap: a cluster is needed to read it",
                )
                .hint("read a local copy: --module FOLDER"));
            };
            from_config_map(&reference.reference, namespace, client).await
        }
        CueRefType::Oci => Err(unsupported("oci", "an OCI registry")),
        CueRefType::Git => Err(unsupported("git", "a git repository")),
    }
}

fn problem(code: pequod_diag::Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, message).at(Place::Path {
        document: String::new(),
        path: "spec.cueRef".to_owned(),
    })
}

fn unsupported(kind: &str, source: &str) -> Diagnostic {
    problem(codes::UNSUPPORTED, format!("modules from {source} (type `{kind}`) are not supported yet"))
        .hint("put the module's .cue files into a ConfigMap (type `configmap`), or its text into the Transform (type `inline`)")
}

fn refuse_path(reference: &CueRef) -> Result<(), Diagnostic> {
    match &reference.path {
        None => Ok(()),
        Some(path) => Err(problem(
            codes::REFERENCE,
            format!("`path: {path}` means nothing here: the source has no folders"),
        )
        .hint("remove spec.cueRef.path")),
    }
}

fn inline(text: &str) -> Result<Module, Diagnostic> {
    if text.trim().is_empty() {
        return Err(problem(
            codes::NOT_FOUND,
            "`ref` is empty; it should be the module's CUE text",
        ));
    }
    Module::new(
        "",
        BTreeMap::from([("inline.cue".to_owned(), Arc::from(text))]),
    )
}

fn from_embedded(name: &str) -> Result<Module, Diagnostic> {
    Embedded::named(name)
        .ok_or_else(|| {
            let known: Vec<_> = embedded().iter().map(|module| module.name).collect();
            problem(
                codes::NOT_FOUND,
                format!("no module `{name}` comes with Pequod"),
            )
            .hint(format!("there are: {}", known.join(", ")))
        })?
        .module()
}

async fn from_config_map(
    name: &str,
    namespace: &str,
    client: &Client,
) -> Result<Module, Diagnostic> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await.map_err(|error| {
        problem(
            codes::UNREACHABLE,
            format!("ConfigMap {namespace}/{name} cannot be read"),
        )
        .caused_by(&error)
    })?;
    let Some(found) = found else {
        return Err(problem(
            codes::NOT_FOUND,
            format!("ConfigMap {namespace}/{name} does not exist"),
        ));
    };
    config_map_module(name, found)
}

fn config_map_module(name: &str, found: ConfigMap) -> Result<Module, Diagnostic> {
    let (files, other): (BTreeMap<_, _>, BTreeMap<_, _>) = found
        .data
        .unwrap_or_default()
        .into_iter()
        .partition(|(key, _)| {
            Path::new(key)
                .extension()
                .is_some_and(|extension| extension == "cue")
        });
    if files.is_empty() {
        let keys: Vec<_> = other.keys().map(String::as_str).collect();
        let message = if keys.is_empty() {
            format!("ConfigMap `{name}` is empty")
        } else {
            format!(
                "ConfigMap `{name}` has no key that ends in .cue, only: {}",
                keys.join(", ")
            )
        };
        return Err(problem(codes::NOT_FOUND, message).hint(
            "kubectl create configmap NAME --from-file=FOLDER makes one from a module's folder",
        ));
    }
    let files = files
        .into_iter()
        .map(|(key, text)| (key, text.into()))
        .collect();
    Module::new(&format!("configmap/{name}"), files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map(data: &[(&str, &str)]) -> ConfigMap {
        let data = data
            .iter()
            .map(|&(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        ConfigMap {
            data: Some(data),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn only_cue_files_of_a_config_map_are_the_module() {
        let with = config_map_module("m", config_map(&[("a.cue", "a: 1"), ("README.md", "x")]));
        let without = config_map_module("m", config_map(&[("a.cue", "a: 1")]));
        assert_eq!(with.as_ref().unwrap().digest, without.unwrap().digest);
        assert_eq!(with.unwrap().package.files[0].name, "configmap/m/a.cue");
    }

    #[test]
    fn the_digest_is_of_the_content_and_not_of_the_object() {
        let one = config_map_module("one", config_map(&[("a.cue", "a: 1")])).unwrap();
        let other = config_map_module("other", config_map(&[("a.cue", "a: 1")])).unwrap();
        let changed = config_map_module("one", config_map(&[("a.cue", "a: 2")])).unwrap();
        assert_eq!(one.digest, other.digest);
        assert_ne!(one.digest, changed.digest);
    }

    #[test]
    fn a_border_between_files_is_part_of_the_digest() {
        let one = config_map_module("m", config_map(&[("a.cue", "b.cuex")])).unwrap();
        let two = config_map_module("m", config_map(&[("a.cue", ""), ("b.cue", "x")])).unwrap();
        assert_ne!(one.digest, two.digest);
    }

    #[test]
    fn a_config_map_without_cue_says_what_it_has() {
        let error = config_map_module("m", config_map(&[("a.txt", "")])).unwrap_err();
        assert!(error.message.contains("a.txt"), "{error}");
    }
}
