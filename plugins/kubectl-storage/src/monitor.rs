//! `kubectl storage monitor`: one session per appliance, one scan for everybody who asks.
//!
//! A loop scans, remembers and publishes ([`scanner`]); everything that is served is a read of the
//! last published [`state::Published`], so a slow appliance never makes a slow answer. Findings
//! are kept as objects for people ([`objects`]); nothing here changes an appliance.

pub mod api;
pub mod auth;
pub(crate) mod metrics;
pub mod notify;
mod objects;
pub mod scanner;
pub mod state;
