//! `cargo xtask conformance storage`: the accuracy figures, drivers at work, and the random histories of clean-up, as
//! tables and a verdict. Arguments: worlds of 500 volumes, worlds of 10,000, histories, drivers at work.

use std::process::ExitCode;

use storage_conformance::{
    Score,
    histories::{Tally, history},
    measure,
    working::{Run, working},
};
use storage_ground_truth::Recipe;
use truenas_simulator::Profile;

/// Seeds at 500 volumes, at 10,000, histories, and drivers at work; the arguments say otherwise.
const SEEDS: (u64, u64, u64, u64) = (1000, 5, 10_000, 1000);

fn main() -> ExitCode {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let small = numbers.next().unwrap_or(SEEDS.0);
    let large = numbers.next().unwrap_or(SEEDS.1);
    let histories = numbers.next().unwrap_or(SEEDS.2);
    let drivers = numbers.next().unwrap_or(SEEDS.3);
    let mut complaints = Vec::new();
    let (mut faults, mut found, mut false_positives, mut failed) = (0, 0, 0, 0);
    println!(
        "{:<8} {:>7} {:>6} {:>9} {:>8} {:>8} {:>9} {:>6}",
        "release", "volumes", "worlds", "examined", "faults", "found", "recall", "false"
    );
    for profile in Profile::ALL {
        for (volumes, worlds) in [(500, small), (10_000, large)] {
            let mut total = Score::default();
            for seed in 0..worlds {
                match measure(&Recipe::standard(seed, volumes), profile) {
                    Ok(score) => total.add(score),
                    Err(error) => {
                        failed += 1;
                        complaints.push(format!("failed: {} {error}", profile.name()));
                    }
                }
            }
            println!(
                "{:<8} {volumes:>7} {worlds:>6} {:>9} {:>8} {:>8} {:>8.3}% {:>6}",
                profile.name(),
                total.volumes,
                total.faults,
                total.found,
                percent(total.found, total.faults),
                total.false_positives.len()
            );
            faults += total.faults;
            found += total.found;
            false_positives += total.false_positives.len();
            let name = profile.name();
            complaints.extend(
                total
                    .missed
                    .iter()
                    .take(3)
                    .map(|missed| format!("missed: {name} {missed}")),
            );
            complaints.extend(
                total
                    .false_positives
                    .iter()
                    .take(3)
                    .map(|wrong| format!("false: {name} {wrong}")),
            );
        }
    }
    let recall = if faults == 0 {
        0.0
    } else {
        percent(found, faults)
    };
    false_positives += at_work(drivers, &mut complaints, &mut failed);
    let tally = cleanup(histories, &mut complaints, &mut failed);
    println!(
        "figures: falsePositives={false_positives} recallPercent={recall:.4} failedRuns={failed} \
         wrongHistories={}",
        tally.wrong.len()
    );
    for line in &complaints {
        println!("{line}");
    }
    if complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}

/// Drivers that work and fail while scans go on; gives back what was wrongly called an orphan.
fn at_work(drivers: u64, complaints: &mut Vec<String>, failed: &mut usize) -> usize {
    let mut total = Run::default();
    for seed in 0..drivers {
        match working(seed) {
            Ok(run) => total.add(run),
            Err(error) => {
                *failed += 1;
                complaints.push(format!("failed: driver {seed}: {error}"));
            }
        }
    }
    println!(
        "\n{:>15} {:>8} {:>9} {:>8} {:>6}",
        "drivers at work", "volumes", "abandoned", "scans", "false"
    );
    println!(
        "{drivers:>15} {:>8} {:>9} {:>8} {:>6}",
        total.begun,
        total.abandoned,
        total.scans,
        total.wrong.len()
    );
    complaints.extend(
        total
            .wrong
            .iter()
            .take(3)
            .map(|wrong| format!("false: {wrong}")),
    );
    total.wrong.len()
}

/// Random histories of clean-up.
fn cleanup(histories: u64, complaints: &mut Vec<String>, failed: &mut usize) -> Tally {
    let mut tally = Tally::default();
    for seed in 0..histories {
        match history(seed) {
            Ok(one) => tally.add(one),
            Err(error) => {
                *failed += 1;
                complaints.push(format!("failed: history {seed}: {error}"));
            }
        }
    }
    println!(
        "\n{:>9} {:>11} {:>8} {:>8} {:>8} {:>8} {:>6}",
        "histories", "quarantined", "undone", "purged", "refused", "stopped", "wrong"
    );
    println!(
        "{:>9} {:>11} {:>8} {:>8} {:>8} {:>8} {:>6}",
        tally.histories,
        tally.quarantined,
        tally.undone,
        tally.purged,
        tally.refused,
        tally.stopped,
        tally.wrong.len()
    );
    complaints.extend(
        tally
            .wrong
            .iter()
            .take(5)
            .map(|wrong| format!("wrong: {wrong}")),
    );
    tally
}

#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        100.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}
