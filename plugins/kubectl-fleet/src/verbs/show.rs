//! How lists of objects look.

use pequod_cli::{Exit, Failure, Format, Paint, Printer, Table, age, to_json, to_yaml};
use serde_json::{Value, json};

use crate::answer::Answered;
use crate::cli::ListArgs;
use crate::freshness::Freshness;
use crate::health::Health;
use crate::record::Record;

/// Prints an answer with everything that belongs to it; the exit code it stands for.
pub(super) fn answered(
    printer: &mut Printer,
    answered: &Answered,
    list: &ListArgs,
    now: i64,
) -> Result<Exit, Failure> {
    match printer.format() {
        Format::Json | Format::Yaml => document(printer, "FleetAnswer", answered)?,
        Format::Name => {
            for record in &answered.items {
                printer.line(&record.id)?;
            }
        }
        Format::Table | Format::Wide => {
            if !answered.counts.is_empty() {
                let mut table = Table::new(&["VALUE", "COUNT"]);
                for count in &answered.counts {
                    table.row([count.value.clone(), count.count.to_string()]);
                }
                printer.data(&table.to_text(false))?;
            } else if answered.items.is_empty() {
                printer.say("nothing found");
            } else {
                let wide = printer.format() == Format::Wide;
                let text = table(&answered.items, wide, now).to_text(wide);
                printer.data(&text)?;
            }
            let shown = answered.items.len() as u64;
            if answered.counts.is_empty() && answered.total > shown {
                printer.say(&format!("{shown} of {} shown; see --limit", answered.total));
            }
        }
    }
    for warning in &answered.warnings {
        printer.say(&format!("Warning: {warning}"));
    }
    for word in &answered.unknown_kinds {
        printer.say(&format!("Warning: no cluster serves a kind `{word}`"));
    }
    Ok(worth(printer, &answered.freshness, list))
}

/// Prints a document of ours as JSON or YAML.
pub(super) fn document(
    printer: &mut Printer,
    kind: &str,
    content: &impl serde::Serialize,
) -> Result<(), Failure> {
    let mut document = json!({ "apiVersion": "fleet.pequod.io/v1alpha1", "kind": kind });
    if let (Some(document), Ok(Value::Object(content))) =
        (document.as_object_mut(), serde_json::to_value(content))
    {
        document.extend(content);
    }
    let text = if printer.format() == Format::Yaml {
        to_yaml(&document)?
    } else {
        to_json(&document)?
    };
    printer.data(&text)
}

/// Says what an answer is worth: the footer below a table, the warnings in every form.
pub(super) fn worth(printer: &mut Printer, freshness: &Freshness, list: &ListArgs) -> Exit {
    if matches!(printer.format(), Format::Table | Format::Wide) {
        printer.say(&freshness.footer());
    }
    for warning in freshness.warnings() {
        printer.say(&warning);
    }
    if list.require_complete && !freshness.complete {
        Exit::Remote
    } else {
        Exit::Done
    }
}

/// A table: with the printer columns of their kind if they are of one, else with their states.
pub(super) fn table(records: &[Record], wide: bool, now: i64) -> Table {
    let one_kind = records
        .windows(2)
        .all(|pair| pair[0].identity.kind == pair[1].identity.kind);
    let namespaced = records
        .iter()
        .any(|record| !record.identity.namespace.is_empty());
    let mut columns = vec!["CLUSTER".to_owned()];
    if namespaced {
        columns.push("NAMESPACE".to_owned());
    }
    let mut printed: Vec<String> = Vec::new();
    if one_kind {
        for record in records {
            for (name, _) in &record.status.columns {
                if !printed.contains(name) {
                    printed.push(name.clone());
                }
            }
        }
        columns.push("NAME".to_owned());
        columns.extend(printed.iter().map(|name| name.to_uppercase()));
        if printed.is_empty() || wide {
            columns.push("HEALTH".to_owned());
        }
    } else {
        columns.extend(["KIND", "NAME", "HEALTH"].map(str::to_owned));
    }
    let reasons = !one_kind || wide || records.iter().any(|record| !record.reason.is_empty());
    if reasons {
        columns.push("REASON".to_owned());
    }
    columns.push("AGE".to_owned());
    if wide {
        columns.extend(["ABOUT", "MESSAGE"].map(str::to_owned));
    }
    let mut table = Table::named(columns);
    for record in records {
        let mut row = vec![record.identity.cluster.clone()];
        if namespaced {
            row.push(record.identity.namespace.clone());
        }
        if one_kind {
            row.push(record.identity.name.clone());
            for name in &printed {
                let cell = record
                    .status
                    .columns
                    .iter()
                    .find(|(column, _)| column == name);
                row.push(cell.map(|(_, cell)| cell.clone()).unwrap_or_default());
            }
            if printed.is_empty() || wide {
                row.push(record.health.as_str().to_owned());
            }
        } else {
            row.extend([
                record.identity.kind.clone(),
                record.identity.name.clone(),
                record.health.as_str().to_owned(),
            ]);
        }
        if reasons {
            row.push(record.reason.clone());
        }
        row.push(since(record.created_at, now));
        if wide {
            row.extend([record.about.join(","), record.message.clone()]);
        }
        table.row(row);
    }
    table
}

/// How long ago a moment was.
pub(super) fn since(moment: i64, now: i64) -> String {
    if moment == 0 {
        String::new()
    } else {
        age((now - moment).max(0))
    }
}

/// A state, painted.
pub(super) fn health(printer: &Printer, health: Health) -> String {
    let paint = match health {
        Health::Current => Paint::Good,
        Health::InProgress | Health::Terminating => Paint::Attention,
        Health::Failed => Paint::Bad,
        Health::Unknown => Paint::Faint,
    };
    printer.paint(paint, health.as_str())
}
