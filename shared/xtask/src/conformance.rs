//! The suites of `cargo xtask conformance`: long comparisons with a reference.

use std::process::Command;

use pequod_testkit::{Error, Result, workspace_root};

use crate::suites::{Figure, Suite};

/// All of them.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "cue",
        about: "the CUE evaluator against the official one, on its own test archives",
        run: cue,
    },
    Suite {
        name: "storage",
        about: "what kubectl storage confirms, against worlds in which the truth is known",
        run: storage,
    },
];

/// The program of `pequod-cue-conform` measures; it starts itself again for each archive, so it is a process of its own.
fn cue(arguments: &[String]) -> Result<Vec<Figure>> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "pequod-cue-conform",
            "--",
        ])
        .args(arguments)
        .current_dir(workspace_root())
        .status()
        .map_err(Error::while_doing("could not run cargo"))?;
    let fell_back = if status.success() { 0.0 } else { 1.0 };
    Ok(vec![Figure {
        name: "fellBack".to_owned(),
        value: fell_back,
    }])
}

/// The program of `storage-conformance` measures; its last but one kind of line is
/// `figures: name=value …`. Arguments: how many worlds of 500 and of 10,000 volumes.
fn storage(arguments: &[String]) -> Result<Vec<Figure>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "storage-conformance",
            "--",
        ])
        .args(arguments)
        .current_dir(workspace_root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(Error::while_doing("could not run cargo"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    let figures = text
        .lines()
        .find_map(|line| line.strip_prefix("figures: "))
        .unwrap_or_default();
    Ok(figures
        .split(' ')
        .filter_map(|figure| {
            let (name, value) = figure.split_once('=')?;
            Some(Figure {
                name: name.to_owned(),
                value: value.parse().ok()?,
            })
        })
        .collect())
}
