//! What crosses the borders of the products, tried on a real API server with every program as a process of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests: what fails here fails the test"
)]

mod admission;
mod charts;
mod crash;
mod custom_resources;
mod documents;
mod lease;
mod plugins;
mod samples;
mod suite;
