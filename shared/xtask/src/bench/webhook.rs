//! How long an answer takes inside the webhook, with 1 and with 100 policies of which every tenth matches.

use pequod_testkit::{Error, Result};

use crate::conformance::released;
use crate::suites::Figure;

pub(super) fn run(_: &[String]) -> Result<Vec<Figure>> {
    let output = released("pequod-webhook", &["--example", "latency"])
        .output()
        .map_err(Error::while_doing("could not run cargo"))?;
    if !output.status.success() {
        return Err(Error::new(
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ));
    }
    println!("| policies | that match | requests | p50 µs | p99 µs |");
    println!("| --- | --- | --- | --- | --- |");
    let mut figures = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let field = |name: &str| {
            line.split(' ')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
                .ok_or_else(|| Error::new(format!("no `{name}` in: {line}")))
        };
        let (policies, p50, p99) = (field("policies")?, field("p50_us")?, field("p99_us")?);
        println!(
            "| {policies} | {} | {} | {p50} | {p99} |",
            field("matching")?,
            field("requests")?
        );
        for (name, value) in [("P50Us", p50), ("P99Us", p99)] {
            let value = value.parse().map_err(Error::while_doing("no number"))?;
            figures.push(Figure {
                name: format!("policies{policies}{name}"),
                value,
            });
        }
    }
    Ok(figures)
}
