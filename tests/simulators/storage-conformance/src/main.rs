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
    let mut missed_gates = Vec::new();
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
                    Err(error) => missed_gates.push(format!("{} {error}", profile.name())),
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "a percentage")]
            let recall = if total.faults == 0 {
                100.0
            } else {
                total.found as f64 * 100.0 / total.faults as f64
            };
            println!(
                "{:<8} {volumes:>7} {worlds:>6} {:>9} {:>8} {:>8} {recall:>8.3}% {:>6}",
                profile.name(),
                total.volumes,
                total.faults,
                total.found,
                total.false_positives.len()
            );
            if worlds > 0 && recall <= 99.9 {
                missed_gates.push(format!(
                    "{} recall at {volumes}: {:?}",
                    profile.name(),
                    total.missed.first()
                ));
            }
            if let Some(first) = total.false_positives.first() {
                missed_gates.push(format!(
                    "{} false positives at {volumes}: {first}",
                    profile.name()
                ));
            }
        }
    }
    if missed_gates.is_empty() {
        println!("gates: met");
        ExitCode::SUCCESS
    } else {
        println!("gates: missed: {}", missed_gates.join("; "));
        ExitCode::from(1)
    }
}
