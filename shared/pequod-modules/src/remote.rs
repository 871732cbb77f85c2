//! Modules from registries and repositories, fetched once and kept.
//!
//! Content is kept on disk under the digest or commit that names it, so it can be believed for ever; what a tag or
//! branch stands for is believed for a minute. Whoever comes with other credentials gets nothing of what was kept:
//! they have to show to the registry that they may have it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pequod_api::{CueRef, CueRefType};
use pequod_cue_load::archive;
use pequod_diag::{Diagnostic, Place};

use crate::git::{self, GitError, GitReference};
use crate::oci::{Credentials, OciClient, OciError, Reference};
use crate::store::Store;
use crate::{MAX_BYTES, Module, Registry, codes};

/// How long a tag or branch is believed to stand for the same.
const BELIEVED: Duration = Duration::from_mins(1);
/// How long one request to a registry, or a whole fetch from a repository, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The files of a module and what names them.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Arc<[u8]>>,
    /// What errors call it.
    pub(crate) origin: String,
    /// The package's folder.
    pub(crate) folder: String,
}

/// What fetching did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RemoteCounts {
    /// Modules that came over the network.
    pub fetched: u64,
    /// Modules that were there.
    pub hits: u64,
    /// Modules that could not be had.
    pub failed: u64,
    /// Modules that were dropped for others, or because nobody used them for long.
    pub evicted: u64,
    /// How many bytes the kept ones are large.
    pub bytes: u64,
}

/// Fetches modules from registries and repositories. One for all of a process.
#[derive(Debug)]
pub struct Remote {
    store: Arc<Store>,
    registries: String,
    patience: Duration,
    /// What a tag or branch was found to stand for, and when.
    names: Mutex<HashMap<String, (Instant, String)>>,
    fetched: AtomicU64,
    hits: AtomicU64,
    failed: AtomicU64,
}

impl Default for Remote {
    /// Keeps nothing on disk.
    fn default() -> Self {
        Self {
            store: Arc::new(Store::new(None)),
            registries: String::new(),
            patience: PATIENCE,
            names: Mutex::default(),
            fetched: AtomicU64::default(),
            hits: AtomicU64::default(),
            failed: AtomicU64::default(),
        }
    }
}

impl Remote {
    /// Keeps modules in a folder.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            store: Arc::new(Store::new(Some(folder.into()))),
            ..Self::default()
        }
    }

    /// Where modules that modules depend on are, in the form of `CUE_REGISTRY`.
    #[must_use]
    pub fn with_registries(mut self, registries: &str) -> Self {
        registries.clone_into(&mut self.registries);
        self
    }

    /// How long a request may take.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What it did so far.
    pub fn counts(&self) -> RemoteCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RemoteCounts {
            fetched: of(&self.fetched),
            hits: of(&self.hits),
            failed: of(&self.failed),
            evicted: self.store.evicted(),
            bytes: self.store.bytes(),
        }
    }

    /// The module that an `oci` or `git` reference names, with everything that it depends on.
    pub async fn module(
        &self,
        kind: CueRefType,
        reference: &str,
        credentials: &Credentials,
    ) -> Result<Module, Diagnostic> {
        let reference = CueRef {
            kind,
            reference: reference.to_owned(),
            path: None,
            pull_secret_ref: None,
        };
        self.read(&reference, credentials).await
    }

    /// The same of a whole reference.
    pub(crate) async fn read(
        &self,
        reference: &CueRef,
        credentials: &Credentials,
    ) -> Result<Module, Diagnostic> {
        let tree = self.tree(reference, credentials).await?;
        let mut registry =
            Registry::new(&self.registries, credentials.clone()).keeping_in(self.store.clone());
        Module::of_tree(tree, &mut registry).await
    }

    /// The files that an `oci` or `git` reference names.
    async fn tree(
        &self,
        reference: &CueRef,
        credentials: &Credentials,
    ) -> Result<Tree, Diagnostic> {
        let result = match reference.kind {
            CueRefType::Git => self.checkout(reference, credentials).await,
            _ => self.artifact(reference, credentials).await,
        };
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    async fn artifact(
        &self,
        cue_ref: &CueRef,
        credentials: &Credentials,
    ) -> Result<Tree, Diagnostic> {
        let refused = |error: OciError| oci_problem(&cue_ref.reference, &error);
        let reference = Reference::parse(&cue_ref.reference).map_err(refused)?;
        let who = credentials.fingerprint(&reference.host);
        let name = format!("oci {} {who}", cue_ref.reference);
        let key = |digest: &str| {
            let Reference {
                host, repository, ..
            } = &reference;
            format!("oci {host}/{repository}@{digest} {who}")
        };
        let pinned = reference.digest.clone().or_else(|| self.believed(&name));
        let kept = pinned.and_then(|digest| self.store.get(&key(&digest)));
        let packed = if let Some(packed) = kept {
            self.hits.fetch_add(1, Ordering::Relaxed);
            packed
        } else {
            let client = OciClient::new(self.patience).map_err(refused)?;
            let artifact = client
                .fetch(&reference, credentials)
                .await
                .map_err(refused)?;
            self.fetched.fetch_add(1, Ordering::Relaxed);
            self.believe(&name, &artifact.digest);
            self.store.put(&key(&artifact.digest), &artifact.blob);
            artifact.blob.to_vec()
        };
        let files = unpacked(&packed)
            .map_err(|why| problem(codes::LIMIT, format!("`{}`: {why}", cue_ref.reference)))?;
        Ok(Tree {
            files,
            origin: cue_ref.reference.trim_start_matches("oci://").to_owned(),
            folder: cue_ref.path.clone().unwrap_or_default(),
        })
    }

    async fn checkout(
        &self,
        cue_ref: &CueRef,
        credentials: &Credentials,
    ) -> Result<Tree, Diagnostic> {
        let refused = |error: GitError| git_problem(&cue_ref.reference, &error);
        let reference = GitReference::parse(&cue_ref.reference).map_err(refused)?;
        let who = credentials.fingerprint(reference.host());
        let name = format!("git {} {who}", cue_ref.reference);
        let commit = if reference.is_pinned() {
            reference.revision.clone()
        } else {
            self.believed(&name)
        };
        let key = |commit: &str| format!("git {} {commit} {who}", reference.url);
        let kept = commit
            .as_ref()
            .and_then(|commit| self.store.get(&key(commit)))
            .and_then(|packed| archive::unpack(&packed, MAX_BYTES).ok());
        let files = if let Some(files) = kept {
            self.hits.fetch_add(1, Ordering::Relaxed);
            files
        } else {
            let checkout = git::fetch(&reference, credentials, MAX_BYTES, self.patience)
                .await
                .map_err(refused)?;
            self.fetched.fetch_add(1, Ordering::Relaxed);
            self.believe(&name, &checkout.commit);
            let packed = archive::pack(
                checkout
                    .files
                    .iter()
                    .map(|(name, content)| (&**name, &**content)),
            );
            self.store.put(&key(&checkout.commit), &packed);
            checkout.files
        };
        let folder = match (&*reference.folder, cue_ref.path.as_deref()) {
            ("", path) => path.unwrap_or_default().to_owned(),
            (folder, None) => folder.to_owned(),
            (folder, Some(path)) => format!("{folder}/{path}"),
        };
        Ok(Tree {
            files,
            origin: reference.url.clone(),
            folder,
        })
    }

    fn believed(&self, name: &str) -> Option<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let (when, stands_for) = names.get(name)?;
        (when.elapsed() < BELIEVED).then(|| stands_for.clone())
    }

    fn believe(&self, name: &str, stands_for: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|_, (when, _)| when.elapsed() < BELIEVED);
        names.insert(name.to_owned(), (Instant::now(), stands_for.to_owned()));
    }
}

/// A packed module: a zip archive, or a compressed tar archive as other tools push them.
fn unpacked(packed: &[u8]) -> Result<BTreeMap<String, Arc<[u8]>>, String> {
    if packed.starts_with(&[0x1f, 0x8b]) {
        return git::unpack_tar(flate2::read::GzDecoder::new(packed), MAX_BYTES)
            .map_err(|error| error.to_string());
    }
    archive::unpack(packed, MAX_BYTES)
}

fn problem(code: pequod_diag::Code, message: String) -> Diagnostic {
    Diagnostic::error(code, message).at(Place::Path {
        document: String::new(),
        path: "spec.cueRef".to_owned(),
    })
}

fn oci_problem(reference: &str, error: &OciError) -> Diagnostic {
    let code = match error {
        OciError::Reference(_) => codes::REFERENCE,
        OciError::NotFound => codes::NOT_FOUND,
        OciError::Denied(_) => codes::DENIED,
        OciError::Unreachable(_) => codes::UNREACHABLE,
        OciError::Wrong(_) => codes::WRONG,
        OciError::Limit(_) => codes::LIMIT,
    };
    let found = problem(code, format!("`{reference}`: {error}"));
    match error {
        OciError::Denied(_) => found.hint(
            "name a Secret of the type kubernetes.io/dockerconfigjson in spec.cueRef.pullSecretRef",
        ),
        _ => found,
    }
}

fn git_problem(reference: &str, error: &GitError) -> Diagnostic {
    let code = match error {
        GitError::Reference(_) => codes::REFERENCE,
        GitError::NotFound(_) => codes::NOT_FOUND,
        GitError::Denied(_) => codes::DENIED,
        GitError::Unreachable(_) => codes::UNREACHABLE,
        GitError::Limit(_) => codes::LIMIT,
    };
    let found = problem(code, format!("`{reference}`: {error}"));
    match error {
        GitError::Denied(_) => found
            .hint("name a Secret with the keys username and password in spec.cueRef.pullSecretRef"),
        _ => found,
    }
}
