//! The evaluator through its one door.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::type_complexity,
    reason = "tests: what fails here fails the test, and is read as it stands"
)]

mod files;
mod goldens;
mod inputs;
mod limits;
mod places;
