//! `kubectl storage troubleshoot`: from a name to the chain it hangs in, to what is wrong with it,
//! to what to do.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use pequod_cli::{Exit, Failure, Table};
use pequod_diag::{Code, Diagnostic};

use super::{ScanArgs, print::Output, scan};
use crate::{explain, finding::Severity, model::Inventory, validate};

/// Walks through one subject, or asks for one after the other.
pub(super) fn walk(
    inventory: &Inventory,
    arguments: &ScanArgs,
    subject: Option<String>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if let Some(subject) = subject {
        return one(inventory, arguments, &subject, output);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::input(
            Diagnostic::error(Code("storage/subject"), "nothing to look at")
                .hint("name pod/NAMESPACE/NAME, pvc/NAMESPACE/NAME, pv/NAME or a dataset"),
        ));
    }
    let mut last = Exit::Done;
    loop {
        eprint!("pod/NAMESPACE/NAME, pvc/NAMESPACE/NAME, pv/NAME or dataset (empty ends): ");
        // The prompt is a courtesy; nothing depends on it.
        let _ = std::io::stderr().flush();
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let subject = line.trim();
        if read.is_err() || subject.is_empty() {
            return Ok(last);
        }
        last = one(inventory, arguments, subject, output)?;
    }
}

fn one(
    inventory: &Inventory,
    arguments: &ScanArgs,
    subject: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let chains = explain::explain(inventory, subject);
    if chains.is_empty() {
        output.say(&format!("`{subject}` is on neither side"));
        return Ok(Exit::No);
    }
    let mut table = Table::new(&["", "KIND", "NAME", "SAYS"]);
    let mut names: Vec<&str> = Vec::new();
    let mut broken = false;
    for link in chains.iter().flatten() {
        broken |= !link.whole;
        names.push(&link.name);
        let mark = if link.whole { "ok" } else { "BREAKS" };
        table.row([mark, link.kind, &link.name, &link.says]);
    }
    output.rows(&chains, &table)?;
    let report = scan(inventory, arguments)?;
    let about: Vec<_> = report
        .findings
        .iter()
        .filter(|found| names.iter().any(|name| *name == &*found.subject.id))
        .collect();
    for found in &about {
        output.say(&format!(
            "{} {}: {}{}",
            found.code,
            found.severity.as_str(),
            found.message,
            found
                .cause
                .as_ref()
                .map_or_else(String::new, |cause| format!(" ({cause})"))
        ));
        for why in &found.blockers {
            output.say(&format!("  it may not be removed: {why}"));
        }
        if let Some(next) = &found.next {
            output.say(&format!("  next: {next}"));
        }
    }
    for check in validate::validate(inventory)
        .iter()
        .filter(|check| check.severity >= Severity::Error)
    {
        output.say(&format!(
            "{} {}: {}; {}",
            check.code, check.subject, check.message, check.remedy
        ));
    }
    if !broken && about.is_empty() {
        output.say("the chain is whole and nothing is known to be wrong with it");
    }
    Ok(if broken || !about.is_empty() {
        Exit::No
    } else {
        Exit::Done
    })
}
