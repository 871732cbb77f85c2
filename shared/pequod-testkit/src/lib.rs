//! What the tests of the suite stand on.
//!
//! * [`tools`]: the reference programs of `tests/tools` (kube-apiserver, etcd, kubectl, helm, cue, …), built once into
//!   the user's cache and found there by every later run;
//! * [`ControlPlane`]: a real API server with its controllers, a scheduler and kwok nodes that make Pods ready, on free
//!   loopback ports and with a fresh data folder; one per test binary ([`ControlPlane::shared`]), tests in it keep apart
//!   by [namespace](ControlPlane::namespace);
//! * [`Process`]: a program that runs beside a test, can be stopped, killed and started again, and never outlives it;
//! * [`Installation`]: the suite in a control plane, its programs as processes with their ServiceAccounts' rights;
//! * [`wait`]: waiting for an object by watch, never by sleep;
//! * [`Registry`]: an OCI registry; [`GitServer`]: git repositories over HTTP;
//! * [`documents`]: documentation whose commands are run;
//! * [`bin`]: the suite's own programs.
//!
//! ```no_run
//! # async fn example() {
//! use k8s_openapi::api::apps::v1::Deployment;
//! use pequod_testkit::{ControlPlane, wait};
//!
//! let cluster = ControlPlane::shared().await;
//! let namespace = cluster.namespace("shop").await;
//! cluster.apply(&namespace, "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}").await;
//! let deployments = kube::Api::<Deployment>::namespaced(cluster.client(), &namespace);
//! wait::until(&deployments, "web", "has two ready replicas", |web| {
//!     web.and_then(|web| web.status.as_ref()?.ready_replicas) == Some(2)
//! })
//! .await;
//! # }
//! ```
//!
//! A function here that a test calls in passing panics with a full account; those that the tasks of the workspace call
//! too give back an [`Error`].

#![allow(
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test kit: what fails here fails the test, with its reason"
)]

mod bins;
mod control_plane;
pub mod documents;
mod error;
mod git_server;
pub mod installation;
mod output;
mod percentile;
mod ports;
pub mod registry;
mod supervisor;
pub mod tools;
pub mod wait;

pub use bins::{bin, build_bins, cargo, workspace_root};
pub use control_plane::{ControlPlane, ServiceAccountRef, USERS};
pub use error::{Error, Result};
pub use git_server::GitServer;
pub use installation::Installation;
pub use output::{Output, run};
pub use percentile::percentile;
pub use ports::free as free_ports;
pub use registry::Registry;
pub use supervisor::{Process, Supervisor};
pub use tools::Tools;
