//! The command line.

mod cleaning;
mod forecasts;
pub(crate) mod gather;
mod monitored;
mod print;
mod snapshots;
mod state;
mod troubleshoot;
mod watching;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use pequod_cli::{CompletionArgs, Exit, Failure, KubectlArgs, Table};
use pequod_diag::{Code, Diagnostic};

use crate::{
    adopt, explain,
    finding::{Code as FindingCode, Severity, State, code_named},
    ledger::Ledger,
    matcher::{self, Report, Rules},
    model::Inventory,
    usage, validate,
};
use print::{Form, Output};

/// Kubernetes, democratic-csi and TrueNAS seen as one
#[derive(Debug, Parser)]
#[command(name = "kubectl-storage", bin_name = "kubectl storage", version)]
pub struct Storage {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    scan: ScanArgs,
    #[command(flatten)]
    kubectl: KubectlArgs,
}

/// What to look at, and with what memory.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of a scan")]
pub struct ScanArgs {
    /// File that says how appliances are reached and which parents are exclusive (see the guide)
    /// [default: ~/.config/pequod/storage.yaml, if it is there]
    #[arg(long, global = true, value_name = "FILE", env = "PEQUOD_STORAGE_CONFIG", value_hint = clap::ValueHint::FilePath)]
    storage_config: Option<PathBuf>,

    /// Contexts of all clusters that use the appliances, separated by commas
    #[arg(long, global = true, value_name = "NAMES", value_delimiter = ',')]
    contexts: Vec<String>,

    /// Hours that something must have been an orphan, and that must lie between two scans
    #[arg(long, global = true, value_name = "HOURS", default_value_t = 24)]
    grace_hours: u32,

    /// Folder in which candidates are remembered between scans
    #[arg(long, global = true, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    state_dir: Option<PathBuf>,

    /// Namespaces of the democratic-csi releases; without them Secrets of all namespaces are listed
    #[arg(long, global = true, value_name = "NAMES", value_delimiter = ',')]
    driver_namespaces: Vec<String>,

    /// Address of a monitor (https://HOST:PORT) to ask instead of scanning
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PEQUOD_STORAGE_MONITOR"
    )]
    monitor: Option<String>,

    /// File with the token for the monitor
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    monitor_token_file: Option<PathBuf>,

    /// Certificate to show to the monitor, PEM
    #[arg(long, global = true, value_name = "FILE", requires = "monitor_key", value_hint = clap::ValueHint::FilePath)]
    monitor_cert: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, global = true, value_name = "FILE", requires = "monitor_cert", value_hint = clap::ValueHint::FilePath)]
    monitor_key: Option<PathBuf>,

    /// File with the authorities of the monitor's certificate, PEM
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    monitor_ca_file: Option<PathBuf>,

    /// Scan, whatever a monitor knows
    #[arg(long, global = true)]
    fresh: bool,

    /// Form of the output
    #[arg(
        short = 'o',
        long = "output",
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    output: Form,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// What was found: drivers, appliances, volumes
    Status,
    /// Compare both sides and show every finding
    Scan {
        /// Show only findings of these codes, for example PQS-1001
        #[arg(long, value_name = "CODES", value_delimiter = ',')]
        only: Vec<String>,

        /// Go on, and print what appears and what goes, a line each (with -o json a line of JSON)
        #[arg(long)]
        watch: bool,
    },
    /// Show what is on the NAS and belongs to nothing, with the bytes it takes
    Orphans {
        /// Go on, and print what appears and what goes, a line each (with -o json a line of JSON)
        #[arg(long)]
        watch: bool,
    },
    /// Show snapshots of volumes: how many, how old, how large
    Snapshots {
        /// Show each snapshot, and the VolumeSnapshot it belongs to
        #[arg(long)]
        each: bool,
    },
    /// Show what was promised, what is taken and what is left
    Usage {
        /// Also list volumes that are at least so full
        #[arg(long, value_name = "PERCENT", default_value_t = 90)]
        near_full: u64,
    },
    /// Check the configuration of drivers, classes, nodes and appliances
    Validate,
    /// Say what breaks at which release of TrueNAS
    Doctor,
    /// Show the chain from the Pod to the snapshots, and where it breaks
    Explain {
        /// pod/NAMESPACE/NAME, pvc/NAMESPACE/NAME, pv/NAME or a dataset
        subject: String,
    },
    /// Show datasets with clones, and what removing each would free
    Tree,
    /// Write down, step by step, how confirmed orphans would be put into quarantine or removed
    Plan(cleaning::PlanArgs),
    /// Approve a submitted plan in your own name
    Approve {
        /// Name of the CleanupPlan
        name: String,
    },
    /// Carry a plan out, if nothing moved since it was made
    Apply(cleaning::ApplyArgs),
    /// Take a quarantine back
    Undo {
        /// File or digest of a plan, or one dataset, target or share
        name: String,
    },
    /// Check the audit log and show it
    Audit,
    /// Show how snapshots stand to the retention policies of --storage-config
    Retention,
    /// Print a PersistentVolume and a claim for a volume that lost them; nothing is applied
    Adopt {
        /// Dataset of the volume
        dataset: String,
        /// Name of the claim
        #[arg(long, value_name = "NAME")]
        claim: String,
        /// CSI driver, where several use the parent
        #[arg(long, value_name = "DRIVER")]
        driver: Option<String>,
    },
    /// Say when pools and drivers' parents will be full, from the history of earlier scans
    Forecast {
        /// Warn about what is likely to reach 90 percent within so many days
        #[arg(long, value_name = "DAYS", default_value_t = 7)]
        warn_days: u32,

        /// Forecast volumes too
        #[arg(long)]
        volumes: bool,
    },
    /// Scan again and again, serve what was seen, and keep StorageFindings in step
    Monitor(monitored::MonitorArgs),
    /// Ask what is wrong, and walk through it
    Troubleshoot {
        /// What to look at; asked for when not given
        subject: Option<String>,
    },
    /// Print the script that completes `kubectl-storage` in a shell
    ///
    /// `kubectl storage` itself is completed by kubectl's own completion, which asks the executable
    /// `kubectl_complete-storage` that comes with the plugin.
    #[command(after_help = "Examples:\n  source <(kubectl-storage completion bash)")]
    Completion(CompletionArgs),
}

/// Does what the command line says.
pub async fn run(arguments: Storage) -> Result<Exit, Failure> {
    let mut output = Output::new(arguments.scan.output);
    let command = arguments.command.clone().unwrap_or(Command::Status);
    if let Command::Completion(shell) = &command {
        return shell.run::<Storage>();
    }
    let wants = gather::Wants {
        snapshots: !matches!(command, Command::Validate | Command::Doctor),
        rights: matches!(command, Command::Validate | Command::Troubleshoot { .. }),
    };
    if let Command::Scan { only, .. } = &command
        && let Some(wrong) = only.iter().find(|code| code_named(code).is_none())
    {
        let problem = Diagnostic::error(
            Code("storage/code"),
            format!("`{wrong}` is no code of a finding"),
        );
        return Err(Failure::input(
            problem.hint("the guide lists them: PQS-1001 to PQS-9002"),
        ));
    }
    if let Command::Monitor(monitor) = command {
        return monitored::serve(&arguments.kubectl, &arguments.scan, monitor).await;
    }
    if let Command::Scan { only, watch: true } = &command {
        return watching::watch(&arguments.kubectl, &arguments.scan, only, &mut output).await;
    }
    if let Command::Orphans { watch: true } = &command {
        let codes = FindingCode::ALL.iter().filter(|code| code.removable());
        let only: Vec<String> = codes.map(|code| code.id().to_owned()).collect();
        return watching::watch(&arguments.kubectl, &arguments.scan, &only, &mut output).await;
    }
    if let Some(exit) = monitored::answer(&arguments.scan, &command, &mut output).await? {
        return Ok(exit);
    }
    if let Command::Approve { name } = &command {
        return cleaning::approve(&arguments.kubectl, name, &mut output).await;
    }
    let gathered = gather::inventory(
        &arguments.kubectl,
        &arguments.scan,
        wants,
        &gather::Sessions::default(),
    )
    .await?;
    let inventory = &gathered.inventory;
    for gap in inventory.gaps() {
        output.say(&format!(
            "incomplete: {}: {}: {}",
            gap.source, gap.asked, gap.reason
        ));
    }
    let exit = match command {
        Command::Status => status(inventory, &mut output)?,
        Command::Scan { only, .. } => {
            let report = scan(inventory, &arguments.scan)?;
            let kept: Vec<_> = report
                .findings
                .iter()
                .filter(|found| only.is_empty() || only.iter().any(|code| code == found.code.id()))
                .collect();
            output.findings(&kept)?;
            output.say(&summary(&report));
            answer(kept.iter().any(|found| found.severity >= Severity::Warning))
        }
        Command::Orphans { .. } => {
            let report = scan(inventory, &arguments.scan)?;
            let kept: Vec<_> = report
                .findings
                .iter()
                .filter(|found| found.removable() || found.code == FindingCode::MassOrphan)
                .collect();
            output.findings(&kept)?;
            output.say(&summary(&report));
            answer(kept.iter().any(|found| found.state != State::Reported))
        }
        Command::Snapshots { each: true } => snapshots::each(inventory, &mut output)?,
        Command::Snapshots { each: false } => {
            snapshots::by_volume(inventory, &arguments.scan, &mut output)?
        }
        Command::Usage { near_full } => usage_of(inventory, near_full, &mut output)?,
        Command::Validate => {
            let checks = validate::validate(inventory);
            let mut table = Table::new(&["CODE", "SEVERITY", "SUBJECT", "MESSAGE", "REMEDY"]);
            for check in &checks {
                table.row([
                    check.code,
                    check.severity.as_str(),
                    &check.subject,
                    &check.message,
                    check.remedy,
                ]);
            }
            output.rows(&checks, &table)?;
            answer(
                checks
                    .iter()
                    .any(|check| check.severity >= Severity::Warning),
            )
        }
        Command::Doctor => doctor(inventory, &mut output)?,
        Command::Explain { subject } => explained(inventory, &subject, &mut output)?,
        Command::Tree => {
            let branches = explain::tree(inventory);
            let mut table = Table::new(&["DATASET", "FREES", "ORIGIN"]);
            for branch in &branches {
                table.row([
                    format!("{}{}", "  ".repeat(branch.depth), branch.dataset),
                    usage::human(branch.frees_bytes),
                    branch.origin.as_deref().unwrap_or_default().to_owned(),
                ]);
            }
            output.rows(&branches, &table)?;
            Exit::Done
        }
        Command::Plan(plan) => {
            let (kubectl, scan) = (&arguments.kubectl, &arguments.scan);
            cleaning::planned(&gathered, kubectl, scan, &plan, &mut output).await?
        }
        Command::Apply(apply) => {
            let (kubectl, scan) = (&arguments.kubectl, &arguments.scan);
            Box::pin(cleaning::apply(
                &gathered,
                kubectl,
                scan,
                &apply,
                &mut output,
            ))
            .await?
        }
        Command::Undo { name } => {
            let (kubectl, scan) = (&arguments.kubectl, &arguments.scan);
            cleaning::undo(&gathered, kubectl, scan, &name, &mut output).await?
        }
        Command::Approve { .. } | Command::Monitor(_) | Command::Completion(_) => Exit::Done,
        Command::Audit => cleaning::audited(&gathered, &arguments.scan, &mut output)?,
        Command::Retention => cleaning::retained(&gathered, &mut output)?,
        Command::Adopt {
            dataset,
            claim,
            driver,
        } => {
            let namespace = arguments.kubectl.namespace.clone();
            let wish = adopt::Wish {
                dataset,
                driver,
                namespace: namespace.unwrap_or_else(|| "default".to_owned()),
                claim,
            };
            adopted(inventory, &wish, &mut output)?
        }
        Command::Forecast { warn_days, volumes } => {
            let wanted = forecasts::Wanted { warn_days, volumes };
            forecasts::show(inventory, &arguments.scan, wanted, &mut output)?
        }
        Command::Troubleshoot { subject } => {
            troubleshoot::walk(inventory, &arguments.scan, subject, &mut output)?
        }
    };
    // What could not be read weighs more than what was found in the rest.
    Ok(if inventory.gaps().is_empty() {
        exit
    } else {
        Exit::Remote
    })
}

fn answer(no: bool) -> Exit {
    if no { Exit::No } else { Exit::Done }
}

/// Scans, and remembers what was seen.
pub(crate) fn scan(inventory: &Inventory, arguments: &ScanArgs) -> Result<Report, Failure> {
    let rules = rules(arguments);
    let store = state::Store::of(inventory, arguments.state_dir.as_deref())?;
    let (mut report, ledger) = judged(inventory, &rules, &store)?;
    if report.complete && !report.guarded {
        store.save(&ledger)?;
        let history = forecasts::remember(&store, inventory, rules.now)?;
        let filling = forecasts::filling(&history, inventory, rules.now)?;
        report.findings.extend(filling);
    }
    Ok(report)
}

/// The same, and nothing is remembered of it.
fn look(inventory: &Inventory, arguments: &ScanArgs) -> Result<Report, Failure> {
    let store = state::Store::of(inventory, arguments.state_dir.as_deref())?;
    Ok(judged(inventory, &rules(arguments), &store)?.0)
}

fn rules(arguments: &ScanArgs) -> Rules {
    Rules {
        grace_seconds: i64::from(arguments.grace_hours) * 3600,
        ..Rules::at(jiff::Timestamp::now().as_second())
    }
}

fn judged(
    inventory: &Inventory,
    rules: &Rules,
    store: &state::Store,
) -> Result<(Report, Ledger), Failure> {
    let mut ledger = store.load()?;
    let mut report = matcher::examine(inventory, &ledger.memory, rules);
    ledger.advance(&mut report, rules);
    Ok((report, ledger))
}

/// Where the monitor remembers which objects it wrote.
pub(crate) fn objects_file(
    inventory: &Inventory,
    arguments: &ScanArgs,
) -> Result<PathBuf, Failure> {
    let store = state::Store::of(inventory, arguments.state_dir.as_deref())?;
    store.prepare()?;
    Ok(store.objects())
}

fn adopted(
    inventory: &Inventory,
    wish: &adopt::Wish,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let manifests = adopt::manifests(inventory, wish).map_err(|why| {
        Failure::input(Diagnostic::error(
            Code("storage/adopt"),
            format!("{} cannot be adopted: {why}", wish.dataset),
        ))
    })?;
    output.manifests(&manifests)?;
    output.say("nothing was applied; the reclaim policy is Retain");
    Ok(Exit::Done)
}

fn summary(report: &Report) -> String {
    let count = |state| {
        report
            .findings
            .iter()
            .filter(|found| found.state == state)
            .count()
    };
    let counts = report.counts;
    format!(
        "{} volumes, {} matched, {} too young; {} confirmed, {} candidates, {} reported{}",
        counts.volumes,
        counts.matched,
        counts.young,
        count(State::Confirmed),
        count(State::Candidate),
        count(State::Reported),
        match (report.complete, report.guarded) {
            (false, _) => "; the scan is incomplete: nothing was confirmed",
            (_, true) => "; the mass-orphan guard stopped it: nothing was confirmed",
            _ => "",
        }
    )
}

fn status(inventory: &Inventory, output: &mut Output) -> Result<Exit, Failure> {
    let mut table = Table::new(&[
        "CLUSTER",
        "DRIVER",
        "KIND",
        "APPLIANCE",
        "RELEASE",
        "PARENT",
        "VOLUMES",
    ]);
    let mut rows = Vec::new();
    for cluster in &inventory.clusters {
        for instance in &cluster.instances {
            let nas = inventory
                .appliances
                .iter()
                .find(|nas| nas.name == instance.nas);
            let release = nas.map_or_else(String::new, |nas| {
                format!("{}.{:02}", nas.release.0, nas.release.1)
            });
            let volumes = cluster
                .volumes
                .iter()
                .filter(|volume| volume.driver == instance.driver)
                .count();
            table.row([
                cluster.name.to_string(),
                instance.driver.to_string(),
                instance.kind.to_string(),
                instance.nas.to_string(),
                release,
                instance.parent.to_string(),
                volumes.to_string(),
            ]);
            rows.push(instance);
        }
    }
    output.rows(&rows, &table)?;
    output.say(&format!(
        "found {} drivers, {} appliances, {} volumes in {} clusters",
        rows.len(),
        inventory.appliances.len(),
        inventory
            .clusters
            .iter()
            .map(|cluster| cluster.volumes.len())
            .sum::<usize>(),
        inventory.clusters.len(),
    ));
    Ok(Exit::Done)
}

fn usage_of(inventory: &Inventory, near_full: u64, output: &mut Output) -> Result<Exit, Failure> {
    let list = usage::usage(inventory);
    let mut table = Table::new(&[
        "KIND",
        "NAME",
        "VOLUMES",
        "PROMISED",
        "TAKEN",
        "SNAPSHOTS",
        "LEFT",
        "OVERCOMMIT",
    ])
    .wide(&["SITE", "THIN"]);
    for row in &list {
        table.row([
            row.kind.to_owned(),
            row.name.to_string(),
            row.volumes.to_string(),
            usage::human(row.allocated_bytes),
            usage::human(row.used_bytes),
            usage::human(row.snapshot_bytes),
            row.available_bytes.map_or_else(String::new, usage::human),
            row.overcommit_percent
                .map_or_else(String::new, |percent| format!("{percent}%")),
            row.site.to_string(),
            usage::human(row.thin_bytes()),
        ]);
    }
    output.rows(&list, &table)?;
    let full = usage::near_full(inventory, near_full);
    for volume in &full {
        output.say(&format!(
            "{} on {} is {} % full",
            volume.dataset, volume.nas, volume.percent
        ));
    }
    Ok(answer(!full.is_empty()))
}

fn doctor(inventory: &Inventory, output: &mut Output) -> Result<Exit, Failure> {
    let mut table = Table::new(&["DRIVER", "KIND", "RELEASE", "NEXT", "WHAT BREAKS"]);
    let mut rows = Vec::new();
    let mut breaks_now = false;
    for instance in inventory
        .clusters
        .iter()
        .flat_map(|cluster| &cluster.instances)
    {
        let nas = inventory
            .appliances
            .iter()
            .find(|nas| nas.name == instance.nas);
        let Some(nas) = nas else { continue };
        for release in [nas.release, (25, 4), (25, 10), (26, 0)] {
            if release < nas.release {
                continue;
            }
            let what =
                validate::breaks(&instance.kind, instance.settings.image.as_deref(), release);
            breaks_now |= what.is_some() && release == nas.release;
            let show = |(major, minor): (u16, u16)| format!("{major}.{minor:02}");
            table.row([
                instance.driver.to_string(),
                instance.kind.to_string(),
                show(nas.release),
                show(release),
                what.unwrap_or("nothing is known to").to_owned(),
            ]);
            rows.push(
                serde_json::json!({"driver": instance.driver, "kind": instance.kind,
                "release": show(nas.release), "next": show(release), "breaks": what}),
            );
        }
    }
    output.rows(&rows, &table)?;
    Ok(answer(breaks_now))
}

fn explained(inventory: &Inventory, subject: &str, output: &mut Output) -> Result<Exit, Failure> {
    let chains = explain::explain(inventory, subject);
    if chains.is_empty() {
        let problem = Diagnostic::error(
            Code("storage/unknown-subject"),
            format!("`{subject}` is on neither side"),
        );
        return Err(Failure::input(problem.hint(
            "name pod/NAMESPACE/NAME, pvc/NAMESPACE/NAME, pv/NAME or a dataset",
        )));
    }
    let mut table = Table::new(&["", "KIND", "NAME", "SAYS"]);
    for link in chains.iter().flatten() {
        let mark = if link.whole { "ok" } else { "BREAKS" };
        table.row([mark, link.kind, &link.name, &link.says]);
    }
    output.rows(&chains, &table)?;
    Ok(answer(chains.iter().flatten().any(|link| !link.whole)))
}
