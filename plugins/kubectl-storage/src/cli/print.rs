//! The forms of output, those for programs that read test and analysis reports included.

use clap::ValueEnum;
use pequod_cli::{Failure, Printer, Table, age, to_json, to_yaml};
use serde::Serialize;
use serde_json::json;

use crate::{
    finding::{Finding, Severity, State},
    usage::human,
};

/// A form of output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Columns for people
    #[default]
    Table,
    /// Columns for people, all of them
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// Comma-separated values
    Csv,
    /// JUnit XML: a failed test for each finding
    Junit,
    /// SARIF 2.1.0, for code-scanning pages
    Sarif,
}

/// Where output goes.
pub(super) struct Output {
    form: Form,
    printer: Printer,
}

impl Output {
    pub(super) fn new(form: Form) -> Self {
        Self {
            form,
            printer: Printer::new(pequod_cli::Format::default()),
        }
    }

    /// The form that was asked for.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// A line of data.
    pub(super) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.printer.data(&format!("{line}\n"))
    }

    /// Words for the person at the terminal.
    pub(super) fn say(&mut self, words: &str) {
        self.printer.say(words);
    }

    /// Rows of any kind.
    pub(super) fn rows<T: Serialize>(&mut self, rows: &[T], table: &Table) -> Result<(), Failure> {
        match self.form {
            Form::Json | Form::Junit | Form::Sarif => self.printer.data(&to_json(&rows)?),
            Form::Yaml => self.printer.data(&to_yaml(&rows)?),
            Form::Csv => self.printer.data(&csv_of(rows)),
            Form::Table | Form::Wide if table.is_empty() => {
                self.say("nothing found");
                Ok(())
            }
            Form::Table | Form::Wide => self.printer.data(&table.to_text(self.form == Form::Wide)),
        }
    }

    /// Manifests: YAML unless JSON is asked for.
    pub(super) fn manifests(&mut self, manifests: &[serde_json::Value]) -> Result<(), Failure> {
        if self.form == Form::Json {
            return self.printer.data(&to_json(&manifests)?);
        }
        let documents = manifests
            .iter()
            .map(to_yaml)
            .collect::<Result<Vec<_>, _>>()?;
        self.printer.data(&documents.join("---\n"))
    }

    /// Findings.
    pub(super) fn findings(&mut self, findings: &[&Finding]) -> Result<(), Failure> {
        match self.form {
            Form::Junit => self.printer.data(&junit(findings)),
            Form::Sarif => self.printer.data(&to_json(&sarif(findings))?),
            _ => {
                let mut table = Table::new(&[
                    "CODE", "SEVERITY", "STATE", "SUBJECT", "SIZE", "AGE", "MESSAGE",
                ])
                .wide(&["WHY NOT", "NEXT"]);
                for found in findings {
                    table.row([
                        found.code.id().to_owned(),
                        found.severity.as_str().to_owned(),
                        state(found.state).to_owned(),
                        format!("{} {}", found.subject.kind, found.subject.id),
                        found.bytes.map_or_else(String::new, human),
                        found.age_seconds.map_or_else(String::new, age),
                        found.message.clone(),
                        found.blockers.join("; "),
                        found.next.clone().unwrap_or_default(),
                    ]);
                }
                self.rows(findings, &table)
            }
        }
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Reported => "reported",
        State::Candidate => "candidate",
        State::Confirmed => "confirmed",
    }
}

/// Scalar fields of each row; what is nested is written as JSON.
fn csv_of<T: Serialize>(rows: &[T]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .filter_map(|row| serde_json::to_value(row).ok())
        .collect();
    let mut columns: Vec<String> = Vec::new();
    for name in rows
        .iter()
        .filter_map(|row| row.as_object())
        .flat_map(|row| row.keys())
    {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let mut text = columns.join(",") + "\n";
    for row in &rows {
        let cells: Vec<_> = columns
            .iter()
            .map(|name| match row.get(name) {
                None | Some(serde_json::Value::Null) => String::new(),
                Some(serde_json::Value::String(cell)) => quoted(cell),
                Some(other) => quoted(&other.to_string()),
            })
            .collect();
        text += &cells.join(",");
        text.push('\n');
    }
    text
}

/// Quotes where RFC 4180 wants it, and keeps a spreadsheet from reading a name as a formula.
fn quoted(cell: &str) -> String {
    let safe = if cell.starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if safe.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}

fn xml(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || *c == '\n')
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn junit(findings: &[&Finding]) -> String {
    use std::fmt::Write as _;

    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"kubectl-storage\" tests=\"{0}\" failures=\"{0}\">\n",
        findings.len()
    );
    for found in findings {
        let _ = writeln!(
            text,
            "  <testcase classname=\"{}\" name=\"{}\"><failure type=\"{}\">{}</failure></testcase>",
            found.code,
            xml(&found.subject.to_string()),
            found.severity.as_str(),
            xml(&found.message),
        );
    }
    text + "</testsuite>\n"
}

fn sarif(findings: &[&Finding]) -> serde_json::Value {
    let level = |severity| match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error | Severity::Critical => "error",
    };
    let mut codes: Vec<_> = findings.iter().map(|found| found.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<_> = codes
        .iter()
        .map(|code| json!({"id": code.id(), "shortDescription": {"text": code.title()}}))
        .collect();
    let results: Vec<_> = findings
        .iter()
        .map(|found| {
            json!({"ruleId": found.code.id(), "level": level(found.severity),
                "message": {"text": found.message},
                "locations": [{"logicalLocations": [{"fullyQualifiedName": found.subject.to_string()}]}]})
        })
        .collect();
    json!({"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{"tool": {"driver": {"name": "kubectl-storage",
            "version": env!("CARGO_PKG_VERSION"), "rules": rules}}, "results": results}]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Code, Subject};

    fn hostile() -> Finding {
        let subject = Subject::new(&"nas".into(), "Dataset", "tank/<v>&\"☃\"");
        Finding::reported(Code::VolumeOrphan, subject, "a, \"b\"\nc")
    }

    #[test]
    fn hostile_names_stay_data() {
        let text = junit(&[&hostile()]);
        assert!(text.contains("tank/&lt;v&gt;&amp;&quot;☃&quot;"));
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }

    #[test]
    fn sarif_names_the_rule_once() {
        let report = sarif(&[&hostile(), &hostile()]);
        assert_eq!(
            report["runs"][0]["tool"]["driver"]["rules"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        assert_eq!(report["runs"][0]["results"].as_array().unwrap().len(), 2);
    }
}
