//! `cargo xtask bench` and `cargo xtask conformance`: named suites that measure, held against gates.
//!
//! A suite prints its table as it goes and gives back its [`Figure`]s; the gates for them stand in `gates.yaml` with
//! the reason for each number. The last line is `gates: met` or `gates: missed: …`.

use pequod_testkit::{Error, Result, workspace_root};
use serde::Deserialize;

/// A named measurement.
pub(crate) struct Suite {
    /// How it is called on the command line.
    pub(crate) name: &'static str,
    /// What it measures, against what.
    pub(crate) about: &'static str,
    /// Measures, prints a table, gives back the figures. Gets the arguments after `--`.
    pub(crate) run: fn(&[String]) -> Result<Vec<Figure>>,
}

/// One measured number that a gate may be about.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// Its name in `gates.yaml`.
    pub(crate) name: String,
    /// The number.
    pub(crate) value: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Gate {
    suite: String,
    figure: String,
    at_most: Option<f64>,
    at_least: Option<f64>,
    source: String,
}

/// Runs the named suite of the given ones, or all of them.
///
/// # Errors
/// An unknown name, a suite that could not measure, a gate that was missed.
pub(crate) fn run(kind: &str, suites: &[Suite], name: Option<&str>, rest: &[String]) -> Result<()> {
    let gates = gates()?;
    if let Some(name) = name
        && !suites.iter().any(|suite| suite.name == name)
    {
        let known: Vec<_> = suites.iter().map(|suite| suite.name).collect();
        let known = if known.is_empty() {
            "none yet".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Error::new(format!(
            "no {kind} `{name}`; there are: {known}"
        )));
    }
    if suites.is_empty() {
        println!("{kind}: no suites yet");
    }
    let mut missed = Vec::new();
    for suite in suites
        .iter()
        .filter(|suite| name.is_none_or(|name| suite.name == name))
    {
        println!("# {kind} {}: {}\n", suite.name, suite.about);
        let figures = (suite.run)(rest)?;
        println!();
        missed.extend(judge(&gates, suite.name, &figures));
        // Where two kinds have a suite of one name, the gate says which it means: `bench storage`.
        let named = format!("{kind} {}", suite.name);
        missed.extend(judge(&gates, &named, &figures));
    }
    if missed.is_empty() {
        println!("gates: met");
        return Ok(());
    }
    println!("gates: missed: {}", missed.join("; "));
    // The line above is the message: nothing may come after it.
    std::process::exit(1)
}

/// Every gate of the suite that does not hold; one without its figure does not.
fn judge(gates: &[Gate], suite: &str, figures: &[Figure]) -> Vec<String> {
    let of_suite = gates.iter().filter(|gate| gate.suite == suite);
    of_suite
        .filter_map(|gate| {
            let name = format!("{suite}.{}", gate.figure);
            let Some(figure) = figures.iter().find(|figure| figure.name == gate.figure) else {
                return Some(format!("{name} was not measured"));
            };
            let value = figure.value;
            let bound = match (gate.at_most, gate.at_least) {
                (Some(most), _) if value > most || value.is_nan() => format!("at most {most}"),
                (_, Some(least)) if value < least || value.is_nan() => format!("at least {least}"),
                _ => return None,
            };
            Some(format!(
                "{name} is {value:.3}, not {bound} ({})",
                gate.source
            ))
        })
        .collect()
}

fn gates() -> Result<Vec<Gate>> {
    let path = workspace_root().join("shared/xtask/gates.yaml");
    let failed = || format!("could not read {}", path.display());
    let text = std::fs::read_to_string(&path).map_err(Error::while_doing(failed()))?;
    serde_saphyr::from_str(&text).map_err(Error::while_doing(failed()))
}

#[cfg(test)]
mod tests {
    use super::{Figure, Gate, gates, judge};

    fn gate(at_most: Option<f64>, at_least: Option<f64>) -> Vec<Gate> {
        let source = "a study".to_owned();
        vec![Gate {
            suite: "render".to_owned(),
            figure: "ratio".to_owned(),
            at_most,
            at_least,
            source,
        }]
    }

    fn figure(value: f64) -> Vec<Figure> {
        vec![Figure {
            name: "ratio".to_owned(),
            value,
        }]
    }

    #[test]
    fn a_gate_is_missed_beyond_its_bound() {
        assert!(judge(&gate(Some(1.0), None), "render", &figure(0.9)).is_empty());
        let missed = judge(&gate(Some(1.0), None), "render", &figure(1.2));
        assert_eq!(missed, ["render.ratio is 1.200, not at most 1 (a study)"]);
        assert_eq!(
            judge(&gate(None, Some(3.0)), "render", &figure(1.2)).len(),
            1
        );
    }

    #[test]
    fn a_gate_is_missed_when_its_figure_is_not_there_or_no_number() {
        assert_eq!(
            judge(&gate(Some(1.0), None), "render", &[]),
            ["render.ratio was not measured"]
        );
        assert_eq!(
            judge(&gate(Some(1.0), None), "render", &figure(f64::NAN)).len(),
            1
        );
    }

    #[test]
    fn the_gates_of_this_workspace_can_be_read_and_have_one_bound_and_a_source() {
        for gate in gates().unwrap() {
            assert!(gate.at_most.is_some() ^ gate.at_least.is_some(), "{gate:?}");
            assert!(!gate.source.is_empty(), "{gate:?}");
        }
    }
}
