//! `kubectl storage` at 10,000 volumes and 50,000 snapshots, for each release of TrueNAS: time and memory of a scan
//! against the same answers parsed into nothing, the history, and the monitor's API.

use pequod_testkit::{Error, Result};

use crate::conformance::released;
use crate::suites::Figure;

/// Figures that are gated, and in which unit they are told.
const SCAN: [&str; 5] = [
    "scanSeconds",
    "ratio",
    "incrementalSeconds",
    "validateSeconds",
    "memoryMiB",
];

/// Arguments: volumes, snapshots of each.
pub(super) fn run(arguments: &[String]) -> Result<Vec<Figure>> {
    let simulator = super::release("truenas-simulator")?;
    let plugin = super::release("kubectl-storage")?;
    let volumes = arguments.first().map_or("10000", String::as_str);
    let snapshots = arguments.get(1).map_or("5", String::as_str);
    let output = released("storage-conformance", &["--example", "bench"])
        .arg("all")
        .arg(simulator)
        .arg(plugin)
        .args([volumes, snapshots])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(Error::while_doing("could not run cargo"))?;
    if !output.status.success() {
        return Err(Error::new("the storage bench did not end well"));
    }
    println!("| TrueNAS | scan s | bare s | ratio | incremental s | validate s | memory MiB |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut worst = SCAN.map(|_| 0.0_f64);
    let mut figures = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let field = |name: &str| {
            line.split(' ')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| Error::new(format!("no `{name}` in: {line}")))
        };
        let number = |name: &str| -> Result<f64> {
            field(name)?
                .parse()
                .map_err(Error::while_doing("no number"))
        };
        if line.starts_with("scan ") {
            println!(
                "| {} | {} | {} | {} | {} | {} | {} |",
                field("release")?,
                field("scanSeconds")?,
                field("bareSeconds")?,
                field("ratio")?,
                field("incrementalSeconds")?,
                field("validateSeconds")?,
                field("memoryMiB")?,
            );
            for (worst, name) in worst.iter_mut().zip(SCAN) {
                *worst = worst.max(number(name)?);
            }
        } else if line.starts_with("history ") || line.starts_with("api ") {
            println!("\n{line}");
            for name in ["samplesPerMinute", "p99Ms", "cliP50Ms"] {
                if let Ok(value) = number(name) {
                    figures.push(Figure {
                        name: name.to_owned(),
                        value,
                    });
                }
            }
        }
    }
    figures.extend(SCAN.iter().zip(worst).map(|(name, value)| Figure {
        name: (*name).to_owned(),
        value,
    }));
    Ok(figures)
}
