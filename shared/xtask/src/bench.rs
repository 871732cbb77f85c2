//! The suites of `cargo xtask bench`: figures side by side with a rival or a limit, as ratios.

mod apply;
mod cue;
mod fleet;
mod measure;
mod page;
mod render;
mod storage;
mod webhook;

use pequod_testkit::{Error, Result, workspace_root};

pub(crate) use measure::child;

use crate::suites::Suite;

/// All of them.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "cue",
        about: "the CUE evaluator against the official one, as whole processes and inside one",
        run: cue::run,
    },
    Suite {
        name: "render",
        about: "`kubectl transform render` against `cue export`, as whole processes",
        run: render::run,
    },
    Suite {
        name: "apply",
        about: "a graph of 200 ConfigMaps against the same objects sent by a bare client",
        run: apply::run,
    },
    Suite {
        name: "webhook",
        about: "an admission review inside the webhook, from body to body",
        run: webhook::run,
    },
    Suite {
        name: "storage",
        about: "a scan of 10,000 volumes and 50,000 snapshots, against merely parsing the same answers",
        run: storage::run,
    },
    Suite {
        name: "fleet",
        about: "an agent against bare listing and bare writing, and questions to the embedded store",
        run: fleet::run,
    },
    Suite {
        name: "clusterpedia",
        about: "Clusterpedia and kubectl-fleet over the same API servers: reading them, answering, following changes",
        run: fleet::beside_clusterpedia,
    },
];

/// A program of the suite, built for release: what people install is what is measured.
fn release(name: &str) -> Result<std::path::PathBuf> {
    release_binary(name, name)
}

/// A program of a package that has several.
fn release_binary(package: &str, name: &str) -> Result<std::path::PathBuf> {
    let status = pequod_testkit::cargo()
        .args(["build", "--release", "--quiet", "--package", package])
        .args(["--bin", name])
        .status()
        .map_err(Error::while_doing("could not run cargo"))?;
    if !status.success() {
        return Err(Error::new(format!("{name} does not build for release")));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), std::path::PathBuf::from);
    Ok(target.join("release").join(name))
}
