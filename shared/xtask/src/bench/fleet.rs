//! `cargo xtask bench fleet [-- OBJECTS-IN-THE-STORE [OBJECTS-IN-EACH-API-SERVER [API-SERVERS]]]`: the program `bench` of
//! kubectl-fleet's examples measures, in a release build.

use std::process::Command;

use pequod_testkit::{Error, Result, workspace_root};

use crate::suites::Figure;

/// Runs it; its last line is `figures: name=value …`.
pub(super) fn run(arguments: &[String]) -> Result<Vec<Figure>> {
    // It starts an agent as a process of its own.
    super::release("kubectl-fleet")?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--release", "--package", "kubectl-fleet"])
        .args(["--example", "bench", "--"])
        .args(arguments)
        .current_dir(workspace_root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(Error::while_doing("could not run cargo"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    Ok(crate::conformance::figures(&text))
}
