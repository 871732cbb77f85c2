//! What of `kubectl storage` is compared with something else: worlds in which the truth is known, a client that is made
//! from the API's document, and the driver itself.

use pequod_testkit::{Result, workspace_root};

use super::{measured, python_packages};
use crate::suites::Figure;

/// Arguments: worlds of 500 volumes, of 10,000, histories of clean-up, drivers at work.
pub(super) fn accuracy(arguments: &[String]) -> Result<Vec<Figure>> {
    program(&[], arguments)
}

/// Arguments are schemathesis'.
pub(super) fn api(arguments: &[String]) -> Result<Vec<Figure>> {
    let folder = workspace_root().join("target/schemathesis");
    python_packages(&folder, &["schemathesis==4.32.5"])?;
    let schemathesis = folder.join("bin/schemathesis").display().to_string();
    let arguments: Vec<String> = [schemathesis]
        .into_iter()
        .chain(arguments.iter().cloned())
        .collect();
    program(&["--example", "api"], &arguments)
}

/// Argument: a folder with the driver's sources, instead of a clone of them.
pub(super) fn driver(arguments: &[String]) -> Result<Vec<Figure>> {
    let usual = workspace_root().join("target/democratic-csi");
    let folder = arguments
        .first()
        .cloned()
        .unwrap_or_else(|| usual.display().to_string());
    program(&["--example", "driver"], &[folder])
}

/// A program of `storage-conformance` measures.
fn program(which: &[&str], arguments: &[String]) -> Result<Vec<Figure>> {
    measured("storage-conformance", which, arguments)
}
