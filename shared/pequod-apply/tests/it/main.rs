//! The executor against a real API server.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::used_underscore_binding,
    reason = "tests: what fails here fails the test, and arguments are `json!` literals"
)]

mod adoption;
mod deletion;
mod drift;
mod faults;
mod order;
mod planning;
mod pruning;
mod refusals;
mod scale;
mod world;
