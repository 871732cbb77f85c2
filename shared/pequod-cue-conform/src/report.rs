//! The table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::node::Poison;
use crate::suite::{Case, Sums};

/// The table of all folders with a line of totals, in Markdown.
pub fn table(sums: &BTreeMap<String, Sums>) -> String {
    let mut text = String::from(
        "| folder | archives | nodes | class | value | closedness | sources | `eq` | `err` | assertions | unsupported | limit | crash | timeout |\n\
         | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |\n",
    );
    let mut total = Sums::default();
    for (folder, sum) in sums {
        row(&mut text, folder, sum);
        total.add_all(sum);
    }
    row(&mut text, "**all**", &total);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "\nOf the assertions, `eq` holds in {} and `err` (class and text) in {}.",
        share(total.equal[1], total.equal[0]),
        share(total.errors[1], total.errors[0])
    );
    text.push_str(&beyond_values(&total));
    text
}

/// What holds of the assertions that are not about values.
fn beyond_values(total: &Sums) -> String {
    let [allows, places, first, suberr, placed] = total
        .details
        .map(|[all, held]| format!("{held}/{all} ({})", share(held, all)));
    format!(
        "\nWhat the same attributes say beyond the value is counted by itself, and of those again that the reference's answers \
         meet: `allows` (which further fields a struct or list could have) holds in {allows}; an error stands at exactly the \
         places that `pos` lists in {places}, and the first of its places is one of the listed in {first}; an error consists of \
         as many errors with such texts as `suberr` lists in {suberr}, and these stand at exactly the places listed in {placed}.\n"
    )
}

fn row(text: &mut String, folder: &str, sum: &Sums) {
    let [class, value, closed] = sum.score.levels.map(|count| share(count, sum.score.nodes));
    let poisoned = |poison| sum.poisoned.get(&poison).copied().unwrap_or_default();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "| {folder} | {} | {} | {class} | {value} | {closed} | {}/{} | {}/{} | {}/{} | {}/{} | {} | {} | {} | {} |",
        sum.cases,
        sum.score.nodes,
        sum.sources[1],
        sum.sources[0],
        sum.equal[1],
        sum.equal[0],
        sum.errors[1],
        sum.errors[0],
        sum.assertions[1],
        sum.assertions[0],
        poisoned(Poison::Unsupported),
        poisoned(Poison::Limit),
        poisoned(Poison::Crash),
        poisoned(Poison::Timeout),
    );
}

/// Per cent with one decimal, rounded down: 100 % means all.
fn share(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let permille = part * 1000 / whole;
    format!("{}.{} %", permille / 10, permille % 10)
}

/// Where on the page the long runs begin.
const RUNS: &str = "\n## Long runs\n";

/// The page with what came of long runs.
pub fn with_runs(page: &str, runs: &BTreeMap<String, String>) -> String {
    let page = page.split(RUNS).next().unwrap_or(page);
    let mut text = format!(
        "{page}{RUNS}\nEach line is written by the run itself, with `--write`. *Fuzz* compares answers to programs out of a \
         grammar and to changed sources of the archives, case by case known by seed and number. What differs is asked once more, of a \
         process that was asked nothing before, and is counted as known if the ledger has a row for it: among them the \
         programs to which the reference gives our answer when they are written in another way that says the same. \
         *Orders* puts the declarations of archives in all other orders, or seeded ones if they are many, and counts those in which both \
         sides agree as they do in the written one. *Robust* feeds broken bytes to parser, evaluator, YAML, decimals \
         and regular expressions.\n\n| run | outcome |\n| --- | --- |\n"
    );
    for (run, outcome) in runs {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {run} | {outcome} |");
    }
    text
}

/// The page that holds the table.
pub fn page(table: &str) -> String {
    format!(
        "# CUE conformance\n\n\
         Written by `cargo xtask conformance cue --write`. The reference is cuelang.org/go at the version that \
         tests/tools/oracle pins; its own test archives are evaluated by it and by us, and compared value path by \
         value path.\n\n\
         - **class**: a value, or which class of error (`eval`, `user`, `incomplete`, `cycle`, `structural_cycle`).\n\
         - **value**: also presence, the set of types, and the concrete scalar with numbers by their text.\n\
         - **closedness**: also whether structs and lists are closed, and which default there is.\n\
         - **sources**: files whose form is judged as the reference does.\n\
         - **eq**, **err**, **assertions**: the archives' own `@test` attributes (`eq`, `err`, `kind`, `closed`) that hold, of those \
         that the reference's answers meet under the same reading.\n\
         - The last columns count archives without an answer; all their nodes count as not agreeing.\n\n\
         What differs is in [cue-ledger.toml](cue-ledger.toml): a check fails if a count falls, and if one rises \
         without the ledger saying so.\n\n{table}"
    )
}

/// Everything in which cases differ, for people at work on it.
pub fn details(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases {
        let failed: Vec<_> = case
            .ours
            .assertions
            .iter()
            .filter(|assertion| !assertion.failure.is_empty() && !assertion.todo)
            .collect();
        if case.differences.is_empty() && case.misjudged.is_empty() && failed.is_empty() {
            continue;
        }
        let _ = writeln!(text, "{}", case.name);
        if !case.ours.error.is_empty() {
            let _ = writeln!(text, "  {:?} {}", case.ours.poison, case.ours.error);
        }
        for (name, ours, theirs) in &case.misjudged {
            let _ = writeln!(text, "  source {name}: ours {ours:?}, theirs {theirs:?}");
        }
        if case.ours.poison.is_some() {
            continue;
        }
        for difference in &case.differences {
            let _ = writeln!(
                text,
                "  L{} {}: ours {}; theirs {}",
                difference.level, difference.path, difference.ours, difference.theirs
            );
        }
        for assertion in failed {
            let _ = writeln!(
                text,
                "  @test({}) {}: {}",
                assertion.directive, assertion.path, assertion.failure
            );
        }
    }
    text
}
