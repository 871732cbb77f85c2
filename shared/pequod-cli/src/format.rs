//! The forms in which data is printed.

use clap::{Args, ValueEnum};
use pequod_diag::{Code, Diagnostic};
use serde::Serialize;

use crate::Failure;

/// A form of output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// Columns for people, all of them.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
    /// One name a line, as `kubectl get -o name` prints it.
    Name,
}

/// The flag `-o`, for commands that print data.
#[derive(Debug, Clone, Default, Args)]
pub struct OutputArgs {
    /// Form of the output
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub output: Format,
}

/// A value as indented JSON, ending in a line break.
pub fn to_json(value: &impl Serialize) -> Result<String, Failure> {
    let mut text = serde_json::to_string_pretty(value).map_err(|error| not_printable(&error))?;
    text.push('\n');
    Ok(text)
}

/// A value as YAML, ending in a line break.
pub fn to_yaml(value: &impl Serialize) -> Result<String, Failure> {
    // By way of JSON: enums and flattened fields look in YAML as they look in JSON and in the cluster.
    let value = serde_json::to_value(value).map_err(|error| not_printable(&error))?;
    let mut text = serde_saphyr::to_string(&value).map_err(|error| not_printable(&error))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn not_printable(error: &dyn std::error::Error) -> Failure {
    Failure::input(
        Diagnostic::error(
            Code("cli/output"),
            "the result cannot be written in this form",
        )
        .caused_by(error),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn yaml_reads_back_as_what_was_written() {
        let value = json!({
            "text": "no", "number": "1.0", "empty": "", "lines": "a\nb\n", "list": [1, true, null, {}],
            "colon": "a: b", "hash": "x #y", "nested": {"a": [{"b": "c"}, []]}, "octal": "0o7", "date": "2026-01-01"
        });
        let text = to_yaml(&value).unwrap();
        let back: Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(back, value, "{text}");
    }
}
