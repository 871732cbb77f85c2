//! `kubectl storage scan --watch`: what appears and what goes, a line each.

use std::{collections::BTreeMap, time::Duration};

use pequod_cli::{Exit, Failure, KubectlArgs};

use super::{
    ScanArgs, gather, monitored,
    print::{Form, Output},
    scan,
};
use crate::monitor::state::{Change, FindingView};

/// Seconds between two looks: a monitor answers from memory, a scan asks everybody.
const ASKING: Duration = Duration::from_secs(2);
const SCANNING: Duration = Duration::from_mins(1);

const WANTS: gather::Wants = gather::Wants {
    snapshots: true,
    rights: false,
};

/// What a look came to.
struct Seen {
    complete: bool,
    findings: Vec<FindingView>,
}

/// Looks again and again, until it is told to stop. Only the first look may fail: an appliance or a
/// monitor that is away for a while comes back.
pub(super) async fn watch(
    kubectl: &KubectlArgs,
    arguments: &ScanArgs,
    only: &[String],
    output: &mut Output,
) -> Result<Exit, Failure> {
    let sessions = gather::Sessions::default();
    let asks = arguments.monitor.is_some() && !arguments.fresh;
    let mut known: Option<BTreeMap<String, FindingView>> = None;
    loop {
        let seen = if asks {
            asked(arguments).await
        } else {
            scanned(kubectl, arguments, &sessions, output).await
        };
        match seen {
            Err(failure) if known.is_none() => return Err(failure),
            Err(failure) => {
                for problem in &failure.problems {
                    output.say(&problem.message);
                }
            }
            Ok(seen) => {
                let kept = seen
                    .findings
                    .into_iter()
                    .filter(|row| only.is_empty() || only.contains(&row.code))
                    .map(|row| (row.id.clone(), row))
                    .collect();
                let before = known.unwrap_or_default();
                for change in changes(&before, &kept, seen.complete) {
                    tell(&change, &before, output)?;
                }
                // A look with a gap makes nothing disappear.
                known = Some(if seen.complete {
                    kept
                } else {
                    before.into_iter().chain(kept).collect()
                });
            }
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            () = tokio::time::sleep(if asks { ASKING } else { SCANNING }) => {}
        }
    }
}

async fn asked(arguments: &ScanArgs) -> Result<Seen, Failure> {
    let body = monitored::ask(arguments, "findings").await?;
    let complete = body.get("complete").and_then(serde_json::Value::as_bool) == Some(true);
    let findings = body
        .get("items")
        .cloned()
        .and_then(|items| serde_json::from_value(items).ok())
        .unwrap_or_default();
    Ok(Seen { complete, findings })
}

async fn scanned(
    kubectl: &KubectlArgs,
    arguments: &ScanArgs,
    sessions: &gather::Sessions,
    output: &mut Output,
) -> Result<Seen, Failure> {
    let gathered = gather::inventory(kubectl, arguments, WANTS, sessions).await?;
    for gap in gathered.inventory.gaps() {
        output.say(&format!(
            "incomplete: {}: {}: {}",
            gap.source, gap.asked, gap.reason
        ));
    }
    let report = scan(&gathered.inventory, arguments)?;
    Ok(Seen {
        complete: report.complete,
        findings: report.findings.iter().map(FindingView::from).collect(),
    })
}

fn changes(
    before: &BTreeMap<String, FindingView>,
    now: &BTreeMap<String, FindingView>,
    complete: bool,
) -> Vec<Change> {
    let found = now
        .iter()
        .filter(|(id, row)| before.get(*id) != Some(row))
        .map(|(_, row)| Change::Found {
            finding: Box::new(row.clone()),
        });
    let gone = before
        .keys()
        .filter(|id| complete && !now.contains_key(*id))
        .map(|id| Change::Gone { id: id.clone() });
    found.chain(gone).collect()
}

/// A line for people, or a line of JSON.
fn tell(
    change: &Change,
    before: &BTreeMap<String, FindingView>,
    output: &mut Output,
) -> Result<(), Failure> {
    if output.form() == Form::Json {
        let line = serde_json::to_string(change).unwrap_or_default();
        return output.line(&line);
    }
    let (word, row) = match change {
        Change::Found { finding } if before.contains_key(&finding.id) => ("changed", &**finding),
        Change::Found { finding } => ("found", &**finding),
        Change::Gone { id } => match before.get(id) {
            Some(row) => ("gone", row),
            None => return Ok(()),
        },
        Change::Scanned { .. } => return Ok(()),
    };
    output.line(&format!(
        "{word:<8} {} {} {} {} {}: {}",
        row.code, row.severity, row.state, row.kind, row.subject, row.message
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, message: &str) -> (String, FindingView) {
        let view = FindingView {
            id: id.to_owned(),
            message: message.to_owned(),
            ..FindingView::default()
        };
        (id.to_owned(), view)
    }

    #[test]
    fn a_look_with_a_gap_makes_nothing_disappear() {
        let before = BTreeMap::from([row("a", "as it was"), row("b", "as it was")]);
        let now = BTreeMap::from([row("a", "otherwise"), row("c", "new")]);
        let ids = |complete| -> Vec<String> {
            changes(&before, &now, complete)
                .iter()
                .map(|change| match change {
                    Change::Found { finding } => format!("+{}", finding.id),
                    Change::Gone { id } => format!("-{id}"),
                    Change::Scanned { .. } => "scanned".to_owned(),
                })
                .collect()
        };
        assert_eq!(ids(true), ["+a", "+c", "-b"]);
        assert_eq!(ids(false), ["+a", "+c"]);
    }
}
