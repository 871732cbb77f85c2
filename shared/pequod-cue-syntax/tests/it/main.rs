//! Behaviour of the parser, from texts.

#![expect(
    clippy::panic,
    reason = "test functions outside #[test] report by panicking"
)]

mod accepts;
mod comments;
mod formats;
mod prints;
mod rejects;
mod robust;
