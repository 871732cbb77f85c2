//! The commands that plan, carry out, undo and account for clean-up.

use std::{
    collections::BTreeSet,
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use pequod_cli::{Exit, Failure, KubectlArgs, Table, age, to_json};
use pequod_diag::{Code, Diagnostic};

use super::{
    ScanArgs,
    gather::{self, Approval, Gathered},
    look,
    print::Output,
    scan, state,
};
use crate::{
    approval,
    cleanup::{
        Audit, Item, Phase, Plan, Recheck, Request, apply as carry_out,
        audit::{AuditError, Event},
        execute::{Stop, Work},
        plan::{self, Candidate, Refusal},
        undo as take_back,
    },
    matcher::Report,
    model::Inventory,
    retention,
    usage::human,
};

/// What is planned.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct PlanArgs {
    /// Datasets, snapshots, targets or shares; everything that is confirmed when none is named
    #[arg(value_name = "SUBJECT")]
    only: Vec<String>,

    /// Remove what has been in quarantine long enough, instead of putting something into it
    #[arg(long)]
    purge: bool,

    /// Write on each volume that has a PersistentVolume whose it is (the property pequod:cluster), instead
    #[arg(long, conflicts_with_all = ["purge", "retention"])]
    claim: bool,

    /// Days that something must have been in quarantine before it may be removed
    #[arg(long, value_name = "DAYS", default_value_t = 14)]
    keep_days: u32,

    /// Also snapshots that no retention policy keeps any more
    #[arg(long)]
    retention: bool,

    /// File to write the plan to
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Also write a CleanupPlan that another person may approve
    #[arg(long)]
    submit: bool,
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn refused(refusal: &Refusal) -> Failure {
    Failure::input(Diagnostic::error(Code("storage/plan"), refusal.to_string()))
}

fn unaudited(error: &AuditError) -> Failure {
    Failure::input(
        Diagnostic::error(Code("storage/audit"), error.to_string())
            .hint("nothing is changed while the audit log cannot be trusted and written"),
    )
}

fn file_problem(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::input(
        Diagnostic::error(
            Code("storage/file"),
            format!("cannot use {}", path.display()),
        )
        .caused_by(error),
    )
}

fn read_plan(path: &Path) -> Result<Plan, Failure> {
    let bytes = std::fs::read(path).map_err(|error| file_problem(path, &error))?;
    let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| file_problem(path, &error))?;
    plan.verify().map_err(|refusal| refused(&refusal))?;
    Ok(plan)
}

/// Makes the plan that a request asks for, from a fresh scan.
fn build(
    gathered: &Gathered,
    arguments: &ScanArgs,
    audit: &Audit,
    request: &Request,
    with_retention: bool,
) -> Result<Plan, Failure> {
    let report = scan(&gathered.inventory, arguments)?;
    let mut candidates = candidates(&report, &gathered.inventory, request.phase);
    if with_retention {
        let policies = &gathered.settings.retention;
        candidates
            .extend(retention::evaluate(&gathered.inventory, policies, request.now).candidates);
    }
    plan::build(&report, &gathered.inventory, &candidates, audit, request)
        .map_err(|refusal| refused(&refusal))
}

/// What a plan of this kind may be about.
fn candidates(report: &Report, inventory: &Inventory, phase: Phase) -> Vec<Candidate> {
    match phase {
        Phase::Quarantine | Phase::Purge => plan::candidates(report),
        Phase::Claim => plan::unclaimed(report, inventory),
    }
}

fn audit_of(gathered: &Gathered, arguments: &ScanArgs) -> Result<PathBuf, Failure> {
    let store = state::Store::of(&gathered.inventory, arguments.state_dir.as_deref())?;
    Ok(store.audit())
}

fn show(plan: &Plan, output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new(&["ITEM", "FREES", "STEP"]);
    for item in &plan.items {
        let frees = item.bytes.map_or_else(String::new, human);
        if item.steps.is_empty() {
            table.row([item.id.clone(), frees.clone(), "wait".to_owned()]);
        }
        for (at, step) in item.steps.iter().enumerate() {
            let first = at == 0;
            table.row([
                if first {
                    item.id.clone()
                } else {
                    String::new()
                },
                if first { frees.clone() } else { String::new() },
                step.to_string(),
            ]);
        }
    }
    output.rows(&plan.items, &table)
}

/// `kubectl storage plan`.
pub(super) async fn planned(
    gathered: &Gathered,
    kubectl: &KubectlArgs,
    scan_args: &ScanArgs,
    arguments: &PlanArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let path = audit_of(gathered, scan_args)?;
    let audit = Audit::read(&path).map_err(|error| unaudited(&error))?;
    let connection = kubectl.connect().await?;
    let author = approval::whoami(connection.client())
        .await
        .map_err(|error| Failure::api("could not ask who you are", &error))?;
    let request = Request {
        phase: match (arguments.purge, arguments.claim) {
            (true, _) => Phase::Purge,
            (_, true) => Phase::Claim,
            _ => Phase::Quarantine,
        },
        now: now(),
        author,
        only: arguments.only.clone(),
        keep_days: arguments.keep_days,
    };
    let plan = build(gathered, scan_args, &audit, &request, arguments.retention)?;
    show(&plan, output)?;
    if plan.items.is_empty() {
        output.say(match request.phase {
            Phase::Claim => {
                "nothing to plan: every volume with a PersistentVolume says whose it is"
            }
            _ => "nothing to plan: only what two complete scans confirmed gets into a plan",
        });
        return Ok(Exit::Done);
    }
    if let Some(out) = &arguments.out {
        let text = to_json(&plan)?;
        std::fs::write(out, text).map_err(|error| file_problem(out, &error))?;
        output.say(&format!(
            "plan {} written to {}",
            plan.digest,
            out.display()
        ));
    }
    if arguments.submit {
        let name = approval::submit(connection.client(), &plan)
            .await
            .map_err(|error| not_approved(&error))?;
        output.say(&format!(
            "CleanupPlan {name} waits for somebody else: kubectl storage approve {name}"
        ));
    }
    Ok(Exit::No)
}

fn not_approved(error: &approval::NotApproved) -> Failure {
    let problem = Diagnostic::error(Code("storage/approval"), error.to_string());
    match error {
        approval::NotApproved::Api(_) => Failure::remote(problem),
        _ => Failure::input(problem),
    }
}

/// `kubectl storage approve`.
pub(super) async fn approve(
    kubectl: &KubectlArgs,
    name: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let connection = kubectl.connect().await?;
    let plan = approval::approve(connection.client(), name)
        .await
        .map_err(|error| not_approved(&error))?;
    output.say(&format!(
        "{name} ({} of {} items by {}) is approved",
        plan.spec.phase, plan.spec.items, plan.spec.author
    ));
    Ok(Exit::Done)
}

/// What is carried out.
#[derive(Debug, Clone, Args)]
pub(super) struct ApplyArgs {
    /// File with the plan
    #[arg(value_name = "PLAN", value_hint = clap::ValueHint::FilePath)]
    plan: PathBuf,

    /// First eight characters of the plan's digest, instead of typing them
    #[arg(long, value_name = "DIGEST")]
    confirm: Option<String>,
}

/// Reads both sides again, right before an item is touched.
struct Again<'a> {
    kubectl: &'a KubectlArgs,
    scan_args: &'a ScanArgs,
    phase: Phase,
    with_retention: bool,
    /// For how long what was read is believed.
    lasts: Duration,
    sessions: gather::Sessions,
    last: tokio::sync::Mutex<Option<(Instant, BTreeSet<String>)>>,
}

impl Again<'_> {
    /// Identities of everything that may be dealt with now.
    async fn candidates(&self) -> Result<BTreeSet<String>, String> {
        let words = |failure: Failure| {
            let problems = failure.problems.iter();
            let messages: Vec<_> = problems.map(|known| known.message.clone()).collect();
            messages.join("; ")
        };
        let wants = gather::Wants {
            snapshots: true,
            rights: false,
        };
        let gathered = gather::inventory(self.kubectl, self.scan_args, wants, &self.sessions)
            .await
            .map_err(words)?;
        let report = look(&gathered.inventory, self.scan_args).map_err(words)?;
        if !report.complete || report.guarded {
            return Err("another look was incomplete or guarded".to_owned());
        }
        let mut candidates = candidates(&report, &gathered.inventory, self.phase);
        if self.with_retention {
            let policies = &gathered.settings.retention;
            candidates.extend(retention::evaluate(&gathered.inventory, policies, now()).candidates);
        }
        Ok(candidates.into_iter().map(|known| known.identity).collect())
    }
}

impl Recheck for Again<'_> {
    async fn still(&self, item: &Item) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if last
            .as_ref()
            .is_none_or(|(at, _)| at.elapsed() >= self.lasts)
        {
            *last = Some((Instant::now(), self.candidates().await?));
        }
        match &*last {
            Some((_, candidates)) if candidates.contains(&item.identity) => Ok(()),
            _ => Err(match self.phase {
                Phase::Claim => {
                    "another look at both sides does not find its PersistentVolume any more"
                }
                _ => "another look at both sides does not find it orphaned any more",
            }
            .to_owned()),
        }
    }
}

fn stopped(stop: &Stop) -> Failure {
    let problem = Diagnostic::error(Code("storage/apply"), stop.to_string());
    match stop {
        Stop::Step { .. } => Failure::remote(problem),
        _ => Failure::input(problem),
    }
}

fn confirmed(plan: &Plan, given: Option<&str>) -> Result<(), Failure> {
    let wanted = plan.digest.get(..8).unwrap_or(&plan.digest);
    let typed = match given {
        Some(given) => given.to_owned(),
        None if std::io::stdin().is_terminal() => {
            eprint!("type {wanted} to carry this plan out: ");
            // The prompt is a courtesy; nothing depends on it.
            let _ = std::io::stderr().flush();
            let mut line = String::new();
            std::io::stdin()
                .read_line(&mut line)
                .map_err(|error| file_problem(Path::new("standard input"), &error))?;
            line.trim().to_owned()
        }
        None => String::new(),
    };
    if typed == wanted {
        Ok(())
    } else {
        Err(Failure::input(
            Diagnostic::error(Code("storage/confirm"), "the plan was not confirmed")
                .hint(format!("give --confirm {wanted}")),
        ))
    }
}

/// `kubectl storage apply`.
pub(super) async fn apply(
    gathered: &Gathered,
    kubectl: &KubectlArgs,
    scan_args: &ScanArgs,
    arguments: &ApplyArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let plan = read_plan(&arguments.plan)?;
    let connection = kubectl.connect().await?;
    let actor = approval::whoami(connection.client())
        .await
        .map_err(|error| Failure::api("could not ask who you are", &error))?;
    let asked = match gathered.settings.approval {
        Approval::Always => true,
        Approval::Purge => plan.phase == Phase::Purge,
        Approval::Never => false,
    };
    if asked {
        let approver = approval::approved(connection.client(), &plan)
            .await
            .map_err(|error| not_approved(&error))?;
        output.say(&format!("approved by {approver}"));
    }
    let path = audit_of(gathered, scan_args)?;
    let mut audit = Audit::open(&path).map_err(|error| unaudited(&error))?;
    let with_retention = plan
        .items
        .iter()
        .any(|item| item.code.starts_with("retention "));
    let fresh = build(gathered, scan_args, &audit, &plan.request(), with_retention)?;
    plan.unmoved(&fresh).map_err(|refusal| refused(&refusal))?;
    confirmed(&plan, arguments.confirm.as_deref())?;
    let names: BTreeSet<&str> = plan.items.iter().map(|item| item.site.as_str()).collect();
    let writers = gathered.writers(&names).await?;
    let work = Work {
        actor: &actor,
        now: &now,
    };
    let again = Again {
        kubectl,
        scan_args,
        phase: plan.phase,
        with_retention,
        lasts: match plan.phase {
            Phase::Quarantine | Phase::Claim => Duration::from_secs(10),
            // What is removed is gone.
            Phase::Purge => Duration::ZERO,
        },
        sessions: gather::Sessions::default(),
        last: tokio::sync::Mutex::default(),
    };
    let outcome = carry_out(&plan, &writers, &mut audit, &work, &again)
        .await
        .map_err(|stop| stopped(&stop))?;
    let what = match plan.phase {
        Phase::Quarantine => "in quarantine",
        Phase::Purge => "removed",
        Phase::Claim => "say whose they are",
    };
    output.say(&format!(
        "{} items {what}, {} calls, each read back; audit log: {}",
        outcome.items,
        outcome.calls,
        path.display()
    ));
    Ok(Exit::Done)
}

/// `kubectl storage undo`.
pub(super) async fn undo(
    gathered: &Gathered,
    kubectl: &KubectlArgs,
    scan_args: &ScanArgs,
    name: &str,
    output: &mut Output,
) -> Result<Exit, Failure> {
    // A plan's file, its digest, or one thing.
    let path = Path::new(name);
    let name = if path.is_file() {
        read_plan(path)?.digest
    } else {
        name.to_owned()
    };
    let connection = kubectl.connect().await?;
    let actor = approval::whoami(connection.client())
        .await
        .map_err(|error| Failure::api("could not ask who you are", &error))?;
    let log = audit_of(gathered, scan_args)?;
    let mut audit = Audit::open(&log).map_err(|error| unaudited(&error))?;
    let names: BTreeSet<String> = audit
        .items()
        .into_iter()
        .filter(|(identity, known)| {
            *identity == name || known.plan == name || known.item.id == name
        })
        .map(|(_, known)| known.item.site)
        .collect();
    let writers = gathered
        .writers(&names.iter().map(String::as_str).collect())
        .await?;
    let work = Work {
        actor: &actor,
        now: &now,
    };
    let outcome = take_back(&name, &writers, &mut audit, &work)
        .await
        .map_err(|stop| stopped(&stop))?;
    output.say(&format!(
        "{} items are as they were before, {} calls",
        outcome.items, outcome.calls
    ));
    Ok(Exit::Done)
}

/// `kubectl storage audit`: the whole chain was checked before the first line is shown.
pub(super) fn audited(
    gathered: &Gathered,
    scan_args: &ScanArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let audit = Audit::read(&audit_of(gathered, scan_args)?).map_err(|error| unaudited(&error))?;
    let mut table = Table::new(&["NUMBER", "AGE", "ACTOR", "EVENT", "WHAT"]).wide(&["PLAN"]);
    let time = now();
    for entry in audit.entries() {
        let (event, what) = match &entry.event {
            Event::Begun { item, .. } => ("begun", item.id.clone()),
            Event::Intent { step } => ("intent", step.to_string()),
            Event::Done { step } => ("done", step.to_string()),
            Event::Failed { step, why } => ("failed", format!("{step}: {why}")),
            Event::Finished => ("finished", entry.item.clone()),
            Event::Undone => ("undone", entry.item.clone()),
            Event::Left => ("left", entry.item.clone()),
        };
        table.row([
            entry.number.to_string(),
            age(time - entry.at),
            entry.actor.clone(),
            event.to_owned(),
            what,
            entry.plan.clone(),
        ]);
    }
    output.rows(audit.entries(), &table)?;
    output.say(&format!(
        "{} lines, the chain is whole",
        audit.entries().len()
    ));
    Ok(Exit::Done)
}

/// `kubectl storage retention`.
pub(super) fn retained(gathered: &Gathered, output: &mut Output) -> Result<Exit, Failure> {
    let policies = &gathered.settings.retention;
    let found = retention::evaluate(&gathered.inventory, policies, now());
    let mut table = Table::new(&[
        "POLICY",
        "DATASET",
        "SNAPSHOTS",
        "EXPIRED",
        "FREES",
        "COVERED",
    ]);
    for row in &found.standings {
        table.row([
            row.policy.clone(),
            row.dataset.to_string(),
            row.snapshots.to_string(),
            row.expired.to_string(),
            human(row.expired_bytes),
            if row.uncovered { "no" } else { "yes" }.to_owned(),
        ]);
    }
    output.rows(&found.standings, &table)?;
    if policies.is_empty() {
        output.say("no policies: write them under `retention` in --storage-config");
    }
    let open = found
        .standings
        .iter()
        .any(|row| row.expired > 0 || row.uncovered);
    Ok(if open { Exit::No } else { Exit::Done })
}
