//! `kubectl fleet`: every object of every cluster, found in one place, with the truth about how fresh and complete it is.
//!
//! Data flows one way: an API server's objects become [`record`]s ([`observe`], [`health`], [`redact`]), an [`agent`]
//! sends those that changed to a [`store`], and a [`query`] finds them there, within what the caller may read ([`access`]). What is known about the answer itself, how
//! old it is and what is missing from it, travels beside it ([`freshness`]) and reaches every reader.
//!
//! The core (all but [`agent`], [`store`], [`meaning`]'s models, [`hub`], [`metrics`] and [`cli`]) is pure: no clock, no network, no files.

pub mod access;
pub mod agent;
pub mod answer;
pub mod cli;
pub mod concepts;
pub mod freshness;
pub mod health;
pub mod hub;
pub mod identity;
pub mod mcp;
pub mod meaning;
pub mod metrics;
pub mod observe;
pub mod query;
pub mod record;
pub mod redact;
pub mod store;
pub mod text;
mod verbs;

pub use verbs::run;
