//! How the programs are linked: as `kubectl transform` is, which they stand for where starts are measured.
//!
//! A program that may lie anywhere has tables of addresses, which the loader fills in when it starts. The list of their
//! places is several times as long as the tables, unless it is packed; the loader reads all of it before anything runs.

use std::env;
use std::process::Command;

/// From here on the loader of glibc reads packed lists.
const READS_PACKED: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if loader_reads_packed() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether this machine's loader does. What is linked here needs a glibc as new as this machine's in any case.
fn loader_reads_packed() -> bool {
    let variable = |name: &str| env::var(name).unwrap_or_default();
    variable("HOST") == variable("TARGET")
        && variable("CARGO_CFG_TARGET_OS") == "linux"
        && variable("CARGO_CFG_TARGET_ENV") == "gnu"
        && glibc().is_some_and(|version| version >= READS_PACKED)
}

/// The version of glibc here: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf")
        .arg("GNU_LIBC_VERSION")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
