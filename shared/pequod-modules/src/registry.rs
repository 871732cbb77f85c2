//! Modules that modules depend on, from the registries that `CUE_REGISTRY` names.
//!
//! The simple form of the reference: `prefix=host/path` pairs and a default, with commas between them; `+insecure`
//! for HTTP, `none` for nothing. A module `example.com/m@v0` of version `v0.1.2` is the artifact
//! `host/path/example.com/m:v0.1.2`. Fetched modules are kept in a folder by path and version, which never change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pequod_cue_load::{MemoryFiles, ModuleVersion, Opened, archive};

use crate::oci::{Credentials, OciClient, OciError, Reference};
use crate::store::Store;

/// The most that a dependency may hold unpacked.
const MAX_UNPACKED: usize = 128 << 20;
/// Where modules are if nobody says.
const CENTRAL: &str = "registry.cue.works";

/// A registry for some modules.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// The beginning of their paths; empty for all.
    prefix: String,
    /// Host and path there; nothing if there is none.
    host: Option<(String, String)>,
    insecure: bool,
}

/// Fetches modules by path and version, and remembers what came of it.
pub struct Registry {
    rules: Result<Vec<Rule>, String>,
    credentials: Result<Credentials, String>,
    cache: Cache,
    known: BTreeMap<ModuleVersion, Opened>,
}

/// Where fetched modules are kept.
enum Cache {
    /// Nowhere.
    None,
    /// Below the folder that the language's own tool uses, in its layout.
    Folder(PathBuf),
    /// Among the modules that Transforms name.
    Store(Arc<Store>),
}

impl Registry {
    /// The registries, credentials and cache folder that the environment names.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = variable("HOME").map(PathBuf::from);
        let cache = variable("CUE_CACHE_DIR")
            .map(PathBuf::from)
            .or_else(|| variable("XDG_CACHE_HOME").map(|folder| PathBuf::from(folder).join("cue")))
            .or_else(|| home.as_ref().map(|home| home.join(".cache/cue")));
        let docker = variable("DOCKER_AUTH_CONFIG").or_else(|| {
            let folder = variable("DOCKER_CONFIG")
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(".docker")))?;
            std::fs::read_to_string(folder.join("config.json")).ok()
        });
        // A broken file is an error only where credentials are asked for.
        let credentials = docker.map_or_else(
            || Ok(Credentials::default()),
            |text| {
                Credentials::from_docker_config(&text).map_err(|why| {
                    format!("invalid config file at $DOCKER_CONFIG: decode failed: {why}")
                })
            },
        );
        let rules = rules(&variable("CUE_REGISTRY").unwrap_or_default());
        Self {
            rules,
            credentials,
            cache: cache.map_or(Cache::None, |folder| {
                Cache::Folder(folder.join("mod/download"))
            }),
            known: BTreeMap::new(),
        }
    }

    /// Registries, in the form of `CUE_REGISTRY`, with credentials and without a cache on disk.
    pub fn new(registries: &str, credentials: Credentials) -> Self {
        Self {
            rules: rules(registries),
            credentials: Ok(credentials),
            cache: Cache::None,
            known: BTreeMap::new(),
        }
    }

    /// Keeps fetched modules there.
    #[must_use]
    pub(crate) fn keeping_in(mut self, store: Arc<Store>) -> Self {
        self.cache = Cache::Store(store);
        self
    }

    /// What is known so far.
    pub fn modules(&self) -> BTreeMap<ModuleVersion, Opened> {
        self.known.clone()
    }

    /// Fetches a module; that it cannot be had is an answer, too.
    pub async fn fetch(&mut self, module: &ModuleVersion) {
        let opened = match self.files(module).await {
            Ok(files) => Opened::Here(Arc::new(files)),
            Err(why) => Opened::Failed(why),
        };
        self.known.insert(module.clone(), opened);
    }

    async fn files(&self, module: &ModuleVersion) -> Result<MemoryFiles, String> {
        let packed = if let Some(bytes) = self.kept(module) {
            bytes
        } else {
            let bytes = self.download(module).await?;
            self.keep(module, &bytes);
            bytes
        };
        let files = archive::unpack(&packed, MAX_UNPACKED)
            .map_err(|why| format!("module {module}: {why}"))?;
        Ok(MemoryFiles {
            origin: format!("{module}"),
            files,
        })
    }

    fn kept(&self, module: &ModuleVersion) -> Option<Vec<u8>> {
        match &self.cache {
            Cache::None => None,
            Cache::Folder(folder) => std::fs::read(path_in(folder, module)).ok(),
            Cache::Store(store) => store.get(&self.key(module)?),
        }
    }

    /// Keeps a packed module; a cache that cannot be written is none.
    fn keep(&self, module: &ModuleVersion, bytes: &[u8]) {
        match &self.cache {
            Cache::None => {}
            Cache::Folder(folder) => keep(&path_in(folder, module), bytes),
            Cache::Store(store) => {
                if let Some(key) = self.key(module) {
                    store.put(&key, bytes);
                }
            }
        }
    }

    /// What a module is kept under: where it comes from, and with whose credentials.
    fn key(&self, module: &ModuleVersion) -> Option<String> {
        let reference = self.reference(module).ok()?;
        let who = self.credentials.as_ref().ok()?.fingerprint(&reference.host);
        let Reference {
            host, repository, ..
        } = &reference;
        Some(format!(
            "module {host}/{repository}:{} {who}",
            module.version
        ))
    }

    /// The artifact that a module is.
    fn reference(&self, module: &ModuleVersion) -> Result<Reference, String> {
        let rules = self.rules.as_ref().map_err(Clone::clone)?;
        let base = module.base();
        let matching = |rule: &&Rule| {
            rule.prefix.is_empty()
                || base == rule.prefix
                || base
                    .strip_prefix(&*rule.prefix)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        let rule = rules
            .iter()
            .filter(matching)
            .max_by_key(|rule| rule.prefix.len());
        let Some(Rule {
            host: Some((host, path)),
            insecure,
            ..
        }) = rule
        else {
            return Err("module not found".to_owned());
        };
        let repository = if path.is_empty() {
            base.to_owned()
        } else {
            format!("{path}/{base}")
        };
        Ok(Reference {
            host: host.clone(),
            repository,
            tag: Some(module.version.clone()),
            digest: None,
            insecure: *insecure,
        })
    }

    async fn download(&self, module: &ModuleVersion) -> Result<Vec<u8>, String> {
        let reference = self.reference(module)?;
        let of_module = |why: String| format!("module {module}: {why}");
        let credentials = self.credentials.as_ref().map_err(|why| {
            let address = format!("https://{}/v2/{}", reference.host, reference.repository);
            of_module(format!(
                "cannot do HTTP request: Get {address:?}: cannot load OCI auth configuration: {why}"
            ))
        })?;
        let client =
            OciClient::new(Duration::from_mins(1)).map_err(|error| of_module(error.to_string()))?;
        match client.fetch(&reference, credentials).await {
            Ok(artifact) if artifact.media_type == "application/zip" => Ok(artifact.blob.to_vec()),
            Ok(artifact) => Err(of_module(format!(
                "it is packed as {}",
                artifact.media_type
            ))),
            Err(OciError::Unreachable(why) | OciError::Denied(why)) => Err(of_module(why)),
            Err(error) => Err(of_module(error.to_string())),
        }
    }
}

/// `example.com/m/@v/v0.1.2.zip`
fn path_in(folder: &std::path::Path, module: &ModuleVersion) -> PathBuf {
    folder.join(format!("{}/@v/{}.zip", module.base(), module.version))
}

/// Writes a file that is whole or not there.
fn keep(path: &std::path::Path, bytes: &[u8]) {
    let write = || -> std::io::Result<()> {
        let folder = path.parent().ok_or(std::io::ErrorKind::NotFound)?;
        std::fs::create_dir_all(folder)?;
        // Whoever reads meanwhile sees the whole file or none.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.persist(path)?;
        Ok(())
    };
    let _ = write();
}

/// Reads the simple form of `CUE_REGISTRY`.
fn rules(text: &str) -> Result<Vec<Rule>, String> {
    let text = text.strip_prefix("simple:").unwrap_or(text);
    let mut rules = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (prefix, target) = part.split_once('=').unwrap_or(("", part));
        let (target, insecure) = match target.split_once('+') {
            Some((target, "insecure")) => (target, true),
            Some((target, "secure")) => (target, false),
            Some((_, other)) => {
                return Err(format!(
                    "bad value for registry: unknown suffix (\"+{other}\"), need +insecure, +secure or no suffix)"
                ));
            }
            None => {
                let host = target.split('/').next().unwrap_or(target);
                (
                    target,
                    Reference::parse(&format!("{host}/x")).is_ok_and(|r| r.insecure),
                )
            }
        };
        let host = if target == "none" {
            None
        } else {
            let (host, path) = target.split_once('/').unwrap_or((target, ""));
            if Reference::parse(&format!("{host}/x")).is_err() {
                return Err(format!(
                    "bad value for registry: invalid registry {target:?}: invalid host name {host:?} in registry"
                ));
            }
            Some((host.to_owned(), path.trim_end_matches('/').to_owned()))
        };
        rules.push(Rule {
            prefix: prefix.to_owned(),
            host,
            insecure,
        });
    }
    if !rules.iter().any(|rule| rule.prefix.is_empty()) {
        rules.push(Rule {
            prefix: String::new(),
            host: Some((CENTRAL.to_owned(), String::new())),
            insecure: false,
        });
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_and_a_default_are_read() {
        let rules = rules("a.com=r.io/x+insecure,localhost:5000,b.com=none").unwrap();
        assert_eq!(rules[0].host, Some(("r.io".to_owned(), "x".to_owned())));
        assert!(rules[0].insecure && rules[1].insecure);
        assert_eq!(rules[2].host, None);
        assert_eq!(
            super::rules("").unwrap()[0].host.as_ref().unwrap().0,
            CENTRAL
        );
        assert!(super::rules("malformed!registry@url").is_err());
    }
}
