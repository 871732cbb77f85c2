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

/// A few lines that are a value of 2 to the 60th values, as far as nobody takes it apart.
fn doubled(first: &str, each: impl Fn(u32) -> String) -> String {
    (1..=60).fold(format!("a0: {first}\n"), |text, at| {
        text + &format!("a{at}: {}\n", each(at - 1))
    })
}

#[test]
fn what_is_shared_is_counted_as_often_as_it_is_taken_apart() {
    let imports = "import \"list\"\nimport \"encoding/csv\"\nimport \"encoding/json\"\nimport \"encoding/toml\"\nimport \"encoding/yaml\"\n";
    let lists = doubled("[1, 2]", |of| format!("[a{of}, a{of}]"));
    let structs = doubled("{x: 1}", |of| format!("{{l: a{of}, r: a{of}}}"));
    let budget = Budget {
        steps: 200_000,
        ..Budget::default()
    };
    for (value, call) in [
        (&lists, "list.FlattenN(a60, -1)"),
        (&lists, "csv.Encode(a60)"),
        (&structs, "json.Marshal(a60)"),
        (&structs, "yaml.Marshal(a60)"),
        (&structs, "toml.Marshal(a60)"),
    ] {
        let package = call.split('.').next().unwrap();
        let used = imports
            .lines()
            .find(|line| line.ends_with(&format!("{package}\"")));
        let text = format!("{}\n{value}b: {call}\n", used.unwrap());
        assert!(limit(&text, &budget).contains("steps"), "{call}");
    }
}

#[test]
fn what_is_written_has_a_budget() {
    let structs = doubled("{x: 1}", |of| format!("{{l: a{of}, r: a{of}}}"));
    let program = Program::compile(&Package::of("in.cue", &*structs)).unwrap();
    let budget = Budget {
        bytes: 1 << 20,
        ..Budget::default()
    };
    let evaluation = program.evaluate(&Inputs::new(), &budget).unwrap();
    let root = evaluation.root();
    root.validate(true).unwrap();
    for written in [
        root.to_json_text(false).map(drop),
        root.to_json_text(true).map(drop),
        root.to_json().map(drop),
        root.to_yaml_text().map(drop),
        root.to_cue_text(pequod_cue::Shown::default()).map(drop),
    ] {
        let errors = written.unwrap_err();
        assert_eq!(errors.iter().next().unwrap().code, codes::LIMIT, "{errors}");
    }
    let small = evaluation.root().lookup("a3").unwrap();
    assert_eq!(small.to_json_text(false).unwrap().len(), 8 * 7 + 7 * 11);
}

#[test]
fn the_errors_of_what_is_shared_are_listed_so_far() {
    let structs = doubled("{x: int}", |of| format!("{{l: a{of}, r: a{of}}}"));
    let program = Program::compile(&Package::of("in.cue", &*structs)).unwrap();
    let evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .unwrap();
    let issues = evaluation.root().issues(true);
    assert!(issues.last().unwrap().sentence.starts_with("more than"));
}

#[test]
fn errors_that_show_large_values_are_listed_so_far() {
    let text = "import \"list\"\n_l: list.Range(0, 10000, 1)\nx: [for i in list.Range(0, 3000, 1) {\"\\(_l)\"}]";
    let program = Program::compile(&Package::of("in.cue", text)).unwrap();
    let evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .unwrap();
    let issues = evaluation.root().issues(true);
    assert!(issues.last().unwrap().sentence.starts_with("more than"));
    let size: usize = issues.iter().map(|issue| issue.sentence.len()).sum();
    assert!(size < 80 << 20, "{size}");
}

#[test]
fn results_larger_than_what_they_are_made_of_are_refused() {
    let texts = "s: \"a\" * 1000000\nt: \"b\" * 1000000\n";
    for call in [
        "strings.Replace(s, \"a\", t, -1)",
        "strings.Replace(s, \"\", t, -1)",
        "strings.Join(strings.Split(s, \"\"), t)",
        "regexp.ReplaceAll(\"a\", s, t)",
        "regexp.ReplaceAllLiteral(\"a\", s, t)",
        "regexp.ReplaceAll(\"^(a*)$\", s, \"${1}\" * 1000)",
        "json.Indent(\"[\" + \"1,\" * 1000 + \"1]\", s, t)",
    ] {
        let package = match call.split('.').next().unwrap() {
            "json" => "encoding/json",
            package => package,
        };
        let text = format!("import \"{package}\"\n{texts}b: {call}\n");
        let errors = run(&text, &Budget::default()).unwrap_err();
        let code = errors.iter().next().unwrap().code;
        assert!(
            code == codes::UNSUPPORTED || code == codes::LIMIT,
            "{call}: {errors}"
        );
    }
}

#[test]
fn long_work_of_one_step_is_charged_by_its_size() {
    let budget = Budget {
        steps: 2_000_000,
        ..Budget::default()
    };
    let each = |call: &str| {
        format!(
            "import \"list\"\nimport \"strings\"\nimport \"regexp\"\nimport \"crypto/sha256\"\n\
             s: strings.Repeat(\"ab\", 100000)\n_r: regexp.Valid(\"a\")\n_h: sha256.Sum256(\"\")\n\
             c: [for i in list.Range(0, 10000, 1) {{{call}}}]\n"
        )
    };
    for call in [
        "strings.Count(s, \"b\")",
        "sha256.Sum256(s)",
        "s < s + \"c\"",
        "\"\\(s)\" != \"\"",
        "s =~ \"x$\"",
        "regexp.Find(\"b$\", s)",
        "\"x\" =~ \"((a{50}){10}b|\\(i)){1,2}\"",
        "1E90000 + i",
    ] {
        limit(&each(call), &budget);
    }
    // Groups of many states, remembered at every byte; and all matches of what is looked for to the end each time.
    for call in [
        "regexp.FindAllSubmatch(strings.Repeat(\"(a)?\", 500), s, -1)",
        "regexp.FindAll(\".*[^a-z]|[a-z]\", s, -1)",
    ] {
        limit(&each(call), &budget);
    }
}

#[test]
fn regular_expressions_take_memory_as_long_as_they_are_kept() {
    let text = "import \"list\"\na: [for i in list.Range(0, 1000, 1) {\"x\" =~ \"b{500}\\(i)\"}]";
    let budget = Budget {
        bytes: 8 << 20,
        ..Budget::default()
    };
    assert!(limit(text, &budget).contains("bytes"));
}
