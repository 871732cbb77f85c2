//! `kubectl fleet`.

use std::process::ExitCode;

/// Memory goes from thread to thread here: an object is read in one, written in a second and given up in a third.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pequod_cli::run(kubectl_fleet::run)
}
