//! Data in, and the record of what was read.

use pequod_cue::{Budget, Inputs, Package, Program, ReadSet};
use serde_json::{Value as Json, json};

const MODULE: &str = r#"
input: {name: string, db: *false | bool}
observed: [string]: {...}
graph: nodes: {
	config: object: data: name: input.name
	if input.db {
		db: object: kind: "Cluster"
	}
	web: object: {
		kind: "Deployment"
		env: [if input.db {{name: "HOST", value: observed.db.status.host}}]
	}
	via: object: host: "\(helper.address):5432"
}
helper: address: observed.db.status.host
"#;

fn paths(reads: &ReadSet) -> Vec<(String, bool)> {
    reads
        .iter()
        .map(|read| (read.path.join("."), read.present))
        .collect()
}

fn render(
    observed: &Json,
) -> (
    Vec<(String, bool)>,
    Vec<(String, bool)>,
    Vec<(String, bool)>,
    bool,
) {
    let program = Program::compile(&Package::of("m.cue", MODULE)).unwrap();
    let input = json!({"name": "shop", "db": true});
    let inputs = Inputs::new()
        .fill("input", &input)
        .external("observed", observed);
    let evaluation = program.evaluate(&inputs, &Budget::default()).unwrap();
    let of = |path: &str| paths(&evaluation.root().lookup(path).unwrap().reads());
    let web = evaluation.root().lookup("graph.nodes.web.object").unwrap();
    (
        of("graph.nodes.config.object"),
        of("graph.nodes.web.object"),
        of("graph.nodes.via.object"),
        web.is_incomplete(),
    )
}

#[test]
fn a_read_of_what_is_there_is_recorded_for_the_value_that_read_it() {
    let (config, web, via, incomplete) = render(&json!({"db": {"status": {"host": "h"}}}));
    assert_eq!(config, []);
    assert_eq!(web, [("observed.db.status.host".to_owned(), true)]);
    assert_eq!(via, [("observed.db.status.host".to_owned(), true)]);
    assert!(!incomplete);
}

#[test]
fn a_read_of_what_is_not_there_is_incomplete_and_recorded() {
    let (config, web, via, incomplete) = render(&json!({}));
    assert_eq!(config, []);
    assert_eq!(web, [("observed.db".to_owned(), false)]);
    assert_eq!(via, [("observed.db".to_owned(), false)]);
    assert!(incomplete);
}

#[test]
fn one_program_serves_many_evaluations() {
    let program =
        Program::compile(&Package::of("p.cue", "input: n: int\nout: input.n * 2")).unwrap();
    for n in 0..50 {
        let input = json!({"n": n});
        let evaluation = program
            .evaluate(&Inputs::new().fill("input", &input), &Budget::default())
            .unwrap();
        assert_eq!(
            evaluation.root().lookup("out").unwrap().to_json().unwrap(),
            json!(n * 2)
        );
    }
}

#[test]
fn a_policy_says_what_is_wrong_with_an_object() {
    let text = "object: {metadata: labels: owner!: string\nspec: replicas: <=50}";
    let program = Program::compile(&Package::of("p.cue", text)).unwrap();
    let mut evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .unwrap();
    let good = json!({"metadata": {"labels": {"owner": "a"}}, "spec": {"replicas": 3, "more": 1}});
    assert!(evaluation.check("object", &good).is_ok());
    let bad = json!({"metadata": {"labels": {"owner": "a"}}, "spec": {"replicas": 51}});
    let errors = evaluation.check("object", &bad).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("spec.replicas: invalid value 51 (out of bound <=50)"),
        "{errors}"
    );
    let missing = json!({"metadata": {"labels": {}}, "spec": {"replicas": 1}});
    let errors = evaluation.check("object", &missing).unwrap_err();
    assert!(
        errors
            .to_string()
            .contains("owner: field is required but not present"),
        "{errors}"
    );
}

#[test]
fn conflicting_input_names_both_sides() {
    let program = Program::compile(&Package::of("p.cue", "input: n: int")).unwrap();
    let input = json!({"n": "three"});
    let evaluation = program
        .evaluate(&Inputs::new().fill("input", &input), &Budget::default())
        .unwrap();
    let errors = evaluation.root().validate(false).unwrap_err();
    assert!(
        errors.to_string().contains("input.n: conflicting values"),
        "{errors}"
    );
}
