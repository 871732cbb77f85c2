//! The admission webhook: CUE policies on every write, and the stamp of who asked for what.
//!
//! ```text
//!   ClusterCuePolicies ──watch──▶ policies ─┐
//!   Secret: stamp keys ──watch──▶ secrets ──┼─▶ handler ◀── API server
//!   Secret: certificate ─watch──▶ TLS ──────┘
//!                     ▲
//!                     └── keeper (one replica, under a Lease): rotates, writes CA bundles and statuses
//! ```
//!
//! * [`handler`]: the answers; * [`review`]: the questions;
//! * [`policies`], [`secrets`]: what answers are made from, kept up to date by watches;
//! * [`certificate`], [`rotation`], [`keeper`]: what one replica does for all;
//! * [`manifests`]: what the API server is told to ask, and what never;
//! * [`serve`]: all of it together.
//!
//! No request makes the webhook call the API server, and no request changes what it holds.

pub mod args;
pub mod certificate;
pub mod handler;
pub mod keeper;
pub mod manifests;
pub mod metrics;
pub mod policies;
pub mod review;
pub mod rotation;
pub mod run;
pub mod secrets;
pub mod serve;
