//! Fetches CUE modules, pins them by the digest of their content, and keeps them compiled.
//!
//! [`fetch`] turns the `cueRef` of a Transform into a [`Module`]: from its own text (`inline`), a ConfigMap of its
//! namespace (`configmap`), the modules that come with Pequod (`embedded`), a registry (`oci`) or a repository (`git`). [`Module::from_directory`] reads one
//! that is being written. The digest is a hash of the files' names and texts, whatever the source: a ConfigMap that
//! is deleted and made anew with the same content is the same module. [`Programs`] compiles each digest once.
//!
//! A module is at most [`MAX_BYTES`] large.

mod cache;
mod embedded;
mod fetch;
mod git;
mod module;
mod oci;
mod registry;
mod remote;
mod store;

pub use cache::Programs;
pub use embedded::{Embedded, embedded};
pub use fetch::{Sources, codes, fetch};
pub use git::{Checkout, GitError, GitReference};
pub use module::{MAX_BYTES, Module};
pub use oci::{Artifact, Credentials, OciClient, OciError, Reference, sha256};
pub use registry::Registry;
pub use remote::{Remote, RemoteCounts};
