//! Tests of the fleet over its public parts.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed expectation is a failed test"
)]

mod agent;
mod commands;
mod fixture;
mod guide;
mod history;
mod hub;
mod meaning;
mod relevance;
mod serve;
mod stores;
