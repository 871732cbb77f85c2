//! `cargo xtask conformance storage`: the accuracy figures, as a table and a verdict.

use std::process::ExitCode;

use storage_conformance::{Score, measure};
use storage_ground_truth::Recipe;
use truenas_simulator::Profile;

/// Seeds at 500 volumes and at 10,000; the first two arguments say otherwise.
const SEEDS: (u64, u64) = (1000, 5);

fn main() -> ExitCode {
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok());
    let small = numbers.next().unwrap_or(SEEDS.0);
    let large = numbers.next().unwrap_or(SEEDS.1);
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
    println!(
        "figures: falsePositives={false_positives} recallPercent={recall:.4} failedRuns={failed}"
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

#[expect(clippy::cast_precision_loss, reason = "a percentage")]
fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        100.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}
