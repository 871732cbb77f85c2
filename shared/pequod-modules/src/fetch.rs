//! From a reference to a module.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, Client};
use pequod_api::{CueRef, CueRefType};
use pequod_diag::{Diagnostic, Place};

use crate::oci::Credentials;
use crate::{Embedded, Module, Remote, embedded};

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
    /// The source wants other credentials, or any.
    pub const DENIED: Code = Code("module/denied");
    /// What the source gave is not what was asked for.
    pub const WRONG: Code = Code("module/wrong");
    /// A cluster is needed to read the module, and there is none.
    pub const NEEDS_CLUSTER: Code = Code("module/needs-cluster");
}

/// The module that a Transform of this namespace refers to.
///
/// Without a client, sources that lie in a cluster cannot be read.
pub async fn fetch(
    reference: &CueRef,
    namespace: &str,
    sources: &Sources<'_>,
) -> Result<Module, Diagnostic> {
    let client = sources.client;
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
        CueRefType::Oci | CueRefType::Git => {
            let credentials = match &reference.pull_secret_ref {
                Some(secret) => pull_secret(&secret.name, namespace, reference, sources).await?,
                None => Credentials::default(),
            };
            sources.remote.read(reference, &credentials).await
        }
    }
}

fn problem(code: pequod_diag::Code, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, message).at(Place::Path {
        document: String::new(),
        path: "spec.cueRef".to_owned(),
    })
}

/// Where modules are read.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// For ConfigMaps; without it, sources that lie in a cluster cannot be read.
    pub client: Option<&'a Client>,
    /// For pull secrets: in the cluster, with the rights of the Transform's ServiceAccount and no others.
    pub secrets: Option<&'a Client>,
    /// For registries and repositories.
    pub remote: &'a Remote,
}

/// The credentials of a Secret: those of registries, or a name and password for the host of the reference.
async fn pull_secret(
    name: &str,
    namespace: &str,
    reference: &CueRef,
    sources: &Sources<'_>,
) -> Result<Credentials, Diagnostic> {
    let Some(client) = sources.secrets else {
        let message = format!(
            "the credentials lie in Secret {namespace}/{name}: a cluster is needed to read it"
        );
        return Err(problem(codes::NEEDS_CLUSTER, message));
    };
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api.get_opt(name).await.map_err(|error| {
        let message = format!("Secret {namespace}/{name} cannot be read");
        problem(codes::UNREACHABLE, message).caused_by(&error)
    })?;
    let data = found
        .ok_or_else(|| {
            let message = format!("Secret {namespace}/{name} does not exist");
            problem(codes::NOT_FOUND, message)
        })?
        .data
        .unwrap_or_default();
    let text = |key: &str| {
        data.get(key)
            .and_then(|bytes| std::str::from_utf8(&bytes.0).ok())
    };
    if let Some(config) = text(".dockerconfigjson") {
        return Credentials::from_docker_config(config).map_err(|why| {
            let message = format!("Secret {namespace}/{name}: .dockerconfigjson: {why}");
            problem(codes::REFERENCE, message)
        });
    }
    let address = reference.reference.split_once("://");
    let host = address.map_or(&*reference.reference, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    match (text("username"), text("password")) {
        (Some(user), Some(password)) => Ok(Credentials::default().with(host, user, password)),
        _ => Err(problem(
            codes::REFERENCE,
            format!(
                "Secret {namespace}/{name} holds neither .dockerconfigjson nor username and password"
            ),
        )),
    }
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
