//! Budgets end evaluations, and work is counted the same everywhere.

use pequod_cue::{Budget, Counters, Inputs, Package, Program, codes};

fn run(text: &str, budget: &Budget<'_>) -> Result<Counters, pequod_diag::Diagnostics> {
    let program = Program::compile(&Package::of("in.cue", text))?;
    Ok(program.evaluate(&Inputs::new(), budget)?.counters())
}

fn limit(text: &str, budget: &Budget<'_>) -> String {
    let errors = run(text, budget).unwrap_err();
    assert_eq!(errors.iter().next().unwrap().code, codes::LIMIT, "{errors}");
    errors.to_string()
}

#[test]
fn steps_are_bounded() {
    let text = "import \"list\"\na: [for x in list.Range(0, 1000, 1) for y in list.Range(0, 1000, 1) {x * y}]";
    let budget = Budget {
        steps: 10_000,
        ..Budget::default()
    };
    assert!(limit(text, &budget).contains("steps"));
}

#[test]
fn depth_is_bounded() {
    let text = "#F: {n: int, out: [if n > 0 {(#F & {n: n - 1}).out}, 0][0]}\n".to_owned();
    let mut chain = text;
    for at in 0..3000 {
        chain.push_str(&format!("v{at}: v{} + 1\n", at + 1));
    }
    chain.push_str("v3000: 0\n");
    let budget = Budget {
        depth: 200,
        ..Budget::default()
    };
    assert!(limit(&chain, &budget).contains("depth"));
}

#[test]
fn what_is_copied_for_arms_is_charged() {
    // Few nodes are evaluated, but most are copied, and compared with one another.
    let product = |count: u32| -> String {
        (0..count)
            .map(|at| format!("a: {{x{at}: 1}} | {{x{at}: 2}} | {{x{at}: 3}}\n"))
            .collect()
    };
    let counters = run(&product(6), &Budget::default()).unwrap();
    assert!(counters.steps > 20 * counters.disjuncts, "{counters:?}");
    assert!(limit(&product(12), &Budget::default()).contains("budget of"));
}

#[test]
fn a_caller_may_stop() {
    let text = "import \"list\"\na: [for x in list.Range(0, 100000, 1) {x}]";
    let stop = || true;
    let budget = Budget {
        stop: Some(&stop),
        ..Budget::default()
    };
    assert!(limit(text, &budget).contains("deadline"));
}

#[test]
fn a_limit_is_no_value_that_a_disjunction_could_drop() {
    let text = "import \"list\"\na: *1 | len([for x in list.Range(0, 100000, 1) {x}])";
    let budget = Budget {
        steps: 5_000,
        ..Budget::default()
    };
    limit(text, &budget);
}

#[test]
fn equal_work_is_counted_equally() {
    let text = "#A: {n: int, m: n + 1}\na: #A & {n: 1}\nb: (#A | {n: string}) & {n: \"x\"}\nl: [for i in [1, 2, 3] {v: i}]";
    let first = run(text, &Budget::default()).unwrap();
    assert_eq!(first, run(text, &Budget::default()).unwrap());
}

#[test]
fn arms_that_obviously_fail_are_not_tried() {
    let arms: Vec<_> = (0..20)
        .map(|at| format!("{{kind: \"k{at}\", n: int}}"))
        .collect();
    let text = format!("x: {}\nx: kind: \"k7\"\nx: n: 1\n", arms.join(" | "));
    let counters = run(&text, &Budget::default()).unwrap();
    assert_eq!(counters.disjuncts, 1);
}

#[test]
fn what_arms_within_arms_died_of_is_told_at_once() {
    // Each level dies of the one before and of something else. A sentence that counts the lines below it, line by line,
    // would be made 2 to the 40th times.
    let mut text = String::from("a0: (1 | 2) & \"x\"\n");
    for at in 1..40 {
        let before = at - 1;
        text += &format!("a{at}: ((a{before} & int) | {at}) & \"x\"\n");
    }
    let program = Program::compile(&Package::of("in.cue", &*text)).unwrap();
    let evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .unwrap();
    let issues = evaluation.root().issues(true);
    assert!(!issues.is_empty());
}

#[test]
fn a_struct_does_not_copy_the_errors_of_its_fields() {
    // Each error as a list of its own and all those before it: twenty gigabytes.
    let conflicts: String = (0..100_000)
        .map(|at| format!("a{at}: {at} & \"x\"\n"))
        .collect();
    let program = Program::compile(&Package::of("in.cue", &*conflicts)).unwrap();
    let evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .unwrap();
    assert_eq!(evaluation.root().issues(true).len(), 100_000);
}
