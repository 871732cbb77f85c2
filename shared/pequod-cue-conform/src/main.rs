//! `cargo xtask conformance cue`: the table of agreement with the reference implementation.

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use pequod_cue_conform::fuzz::corpus::Corpus;
use pequod_cue_conform::fuzz::robust::{self, Target};
use pequod_cue_conform::fuzz::verdict::Verdict;
use pequod_cue_conform::ledger::Ledger;
use pequod_cue_conform::oracle::Oracle;
use pequod_cue_conform::{fuzz, ledger, page, report, share, suite, worker};
use pequod_diag::Exit;

/// Compares our CUE evaluator with the reference implementation on its own test archives.
#[derive(Debug, Parser)]
#[command(name = "conformance cue")]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
struct Options {
    /// Only archives whose path contains this.
    #[arg(default_value = "")]
    filter: String,
    /// Print every difference, too.
    #[arg(long)]
    details: bool,
    /// Look at the reference's own answers instead of ours: all must agree.
    #[arg(long)]
    reference: bool,
    /// Note what came of this run in docs/cue-ledger.toml and docs/cue-conformance.md.
    #[arg(long)]
    write: bool,
    /// How many processes to use.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Seconds that one archive may take.
    #[arg(long, default_value_t = 20)]
    patience_seconds: u64,
    /// Seconds that the reference may take for one program that nobody wrote.
    #[arg(long, default_value_t = 20)]
    official_patience_seconds: u64,
    /// Compare answers to this many programs that nobody wrote, instead.
    #[arg(long, value_name = "CASES")]
    fuzz: Option<u64>,
    /// Which such programs.
    #[arg(long, requires = "fuzz", value_enum, default_value_t = fuzz::Programs::Mixed)]
    programs: fuzz::Programs,
    /// Feed this many broken inputs to each of parser, evaluator, YAML, decimals and regular expressions, instead.
    #[arg(long, value_name = "CASES")]
    robust: Option<u64>,
    /// Compare answers to the archives with their declarations in other orders, instead.
    #[arg(long)]
    orders: bool,
    /// The seed of such a run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first case of such a run: with `--fuzz 1` or `--robust 1`, that case alone.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many signatures of differences to print.
    #[arg(long, default_value_t = 40)]
    signatures: usize,
    /// Answer requests on standard input (used by this program itself).
    #[arg(long, hide = true)]
    work: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let result = if options.work {
        worker::serve().map(|()| Exit::Done).map_err(Into::into)
    } else if let Some(cases) = options.fuzz {
        fuzz(&options, cases)
    } else if options.orders {
        orders(&options)
    } else if let Some(cases) = options.robust {
        robust(&options, cases)
    } else {
        compare(&options)
    };
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            let mut text = format!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            // There is nobody left to tell.
            let _ = writeln!(io::stderr(), "{text}");
            Exit::Input.into()
        }
    }
}

fn fuzz(options: &Options, cases: u64) -> Result<Exit, Box<dyn std::error::Error>> {
    let oracle = Oracle::build()?;
    let corpus = Corpus::read(&oracle)?;
    let plan = fuzz::Plan {
        programs: options.programs,
        seed: options.seed,
        first: options.first,
        cases,
        jobs: options.jobs,
        patience: Duration::from_secs(options.patience_seconds),
        official_patience: Duration::from_secs(options.official_patience_seconds),
    };
    let findings = fuzz::run(&oracle, &corpus, plan)?;
    let mut out = io::stdout().lock();
    if options.write {
        let name = format!(
            "{}, seed {}, from case {}",
            plan.programs.name(),
            plan.seed,
            plan.first
        );
        record(&name, &findings.sentence())?;
    }
    if cases == 1 {
        out.write_all(fuzz::program(&plan, plan.first, &corpus).as_bytes())?;
    }
    out.write_all(findings.signatures(options.signatures).as_bytes())?;
    out.write_all(findings.table().as_bytes())?;
    let grave: u64 = [Verdict::OursValue, Verdict::Crash, Verdict::Timeout]
        .iter()
        .filter_map(|verdict| findings.counts.get(verdict))
        .sum();
    gates(
        &mut out,
        grave,
        "programs with another value, a crash or no end",
    )
}

fn orders(options: &Options) -> Result<Exit, Box<dyn std::error::Error>> {
    let patience = Duration::from_secs(options.patience_seconds);
    let found = fuzz::orders(&Oracle::build()?, &options.filter, patience)?;
    let mut out = io::stdout().lock();
    if options.write && options.filter.is_empty() {
        let outcome = format!(
            "{} orders of {} files ({} of which differ as they are written): in {} both sides agree as well, in {} not",
            found.orders,
            found.files,
            found.differing_as_written,
            found.agreeing,
            found.differing.len()
        );
        record("orders", &outcome)?;
    }
    for (archive, order, detail) in &found.differing {
        let line = detail.lines().next().unwrap_or_default();
        writeln!(out, "{archive} order {order}: {line}")?;
    }
    writeln!(
        out,
        "{} files in {} orders; in {} both sides agree as well as in the written one; {} differ there",
        found.files, found.orders, found.agreeing, found.differing_as_written
    )?;
    gates(
        &mut out,
        found.differing.len() as u64,
        "orders that matter to one side only",
    )
}

fn robust(options: &Options, cases: u64) -> Result<Exit, Box<dyn std::error::Error>> {
    let patience = Duration::from_secs(options.patience_seconds);
    let all = options.first..options.first + cases;
    let broken = robust::all(options.seed, all, patience, &Target::ALL)?;
    let mut out = io::stdout().lock();
    if cases == 1 {
        for target in Target::ALL {
            let text = robust::text(target, options.seed, options.first);
            writeln!(out, "-- {} --\n{text}", target.name())?;
        }
    }
    for case in &broken {
        writeln!(
            out,
            "{:?} case {}: {:?} {}",
            case.target, case.case, case.poison, case.message
        )?;
    }
    let targets = Target::ALL.len();
    if options.write {
        record_robust(cases, targets, broken.len() as u64)?;
    }
    writeln!(
        out,
        "{cases} inputs to each of {targets} targets, seed {}",
        options.seed
    )?;
    gates(&mut out, broken.len() as u64, "inputs without an answer")
}

/// Notes what came of a long run, with the processor time it took, in the ledger and on the page.
fn record(name: &str, outcome: &str) -> io::Result<()> {
    let path = ledger::file();
    let mut ledger = Ledger::parse(&fs::read_to_string(&path)?);
    let outcome = match cpu_ticks() {
        Some(ticks) => {
            let tenths = ticks / 600;
            format!(
                "{outcome}; {}.{} minutes of processor time",
                tenths / 10,
                tenths % 10
            )
        }
        None => outcome.to_owned(),
    };
    ledger.runs.insert(name.to_owned(), outcome);
    write_runs(&ledger)
}

fn write_runs(ledger: &Ledger) -> io::Result<()> {
    let path = ledger::file();
    fs::write(&path, ledger.to_text())?;
    let file = path.with_file_name("cue-conformance.md");
    let text = report::with_runs(&fs::read_to_string(&file)?, &ledger.runs);
    page::write(&file, "", &text)
}

/// Adds a run to what all such runs came to: they are of interest for the time they lasted.
fn record_robust(cases: u64, targets: usize, broken: u64) -> io::Result<()> {
    let path = ledger::file();
    let mut ledger = Ledger::parse(&fs::read_to_string(&path)?);
    let before = ledger.runs.get("robust").map(String::as_str);
    let [runs, inputs, without, tenths] = robust_totals(before.unwrap_or_default());
    let minutes = tenths + cpu_ticks().unwrap_or_default() / 600;
    let outcome = format!(
        "{} runs: {} inputs to each of {targets} targets, {} without an answer, {}.{} minutes of processor time",
        runs + 1,
        inputs + cases,
        without + broken,
        minutes / 10,
        minutes % 10
    );
    ledger.runs.insert("robust".to_owned(), outcome);
    write_runs(&ledger)
}

/// Runs, inputs, those without an answer, and tenths of minutes, as they stand in the ledger.
fn robust_totals(outcome: &str) -> [u64; 4] {
    let mut numbers = outcome
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse::<u64>().ok());
    let mut next = || numbers.next().unwrap_or_default();
    let (runs, inputs, _targets, without) = (next(), next(), next(), next());
    [runs, inputs, without, next() * 10 + next()]
}

/// What this process and its children took, in hundredths of a second; none where the system does not say.
fn cpu_ticks() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(4);
    Some(ticks.filter_map(|field| field.parse::<u64>().ok()).sum())
}

fn gates(
    out: &mut impl Write,
    missed: u64,
    what: &str,
) -> Result<Exit, Box<dyn std::error::Error>> {
    if missed == 0 {
        writeln!(out, "gates: met")?;
        return Ok(Exit::Done);
    }
    writeln!(out, "gates: missed: {missed} {what}")?;
    Ok(Exit::No)
}

fn compare(options: &Options) -> Result<Exit, Box<dyn std::error::Error>> {
    let patience = Duration::from_secs(options.patience_seconds);
    let subject = if options.reference {
        suite::Subject::Reference
    } else {
        suite::Subject::Ours
    };
    let cases = suite::run(subject, &options.filter, options.jobs, patience)?;
    let sums = suite::sums(&cases);
    let mut out = io::stdout().lock();
    if options.details {
        out.write_all(report::details(&cases).as_bytes())?;
    }
    let table = report::table(&sums);
    out.write_all(table.as_bytes())?;
    if options.reference || !options.filter.is_empty() {
        return Ok(Exit::Done);
    }
    let path = ledger::file();
    let ledger = Ledger::parse(&fs::read_to_string(&path).unwrap_or_default());
    let stale = fuzz::found::stale(&Oracle::build()?, options.write)?;
    if options.write {
        let ledger = ledger.with(&sums);
        fs::write(&path, ledger.to_text())?;
        let text = report::with_runs(&report::page(&table), &ledger.runs);
        page::write(&path.with_file_name("cue-conformance.md"), "", &text)?;
        fs::write(
            share::file(),
            share::to_text(&share::counts(&share::module()?)?),
        )?;
        return Ok(Exit::Done);
    }
    let mut deviations = ledger.deviations(&sums);
    deviations.extend(
        stale
            .iter()
            .map(|file| format!("{file}: the reference says something else")),
    );
    for deviation in &deviations {
        writeln!(out, "{deviation}")?;
    }
    let met = deviations.is_empty();
    let missed = format!(
        "missed: {} deviations from docs/cue-ledger.toml",
        deviations.len()
    );
    writeln!(out, "gates: {}", if met { "met" } else { &missed })?;
    Ok(if met { Exit::Done } else { Exit::No })
}

#[cfg(test)]
mod tests {
    use super::robust_totals;

    #[test]
    fn totals_are_read_as_they_are_written() {
        let text = "3 runs: 90000 inputs to each of 5 targets, 0 without an answer, 12.7 minutes of processor time";
        assert_eq!(robust_totals(text), [3, 90_000, 0, 127]);
        assert_eq!(robust_totals(""), [0; 4]);
    }
}
