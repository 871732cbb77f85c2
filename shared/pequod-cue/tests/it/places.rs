//! Where an error is: every value that has a part in it.

use pequod_cue::{Budget, Inputs, Package, Program};

/// The places of the first error about a path, as `line:column`.
fn places(source: &str, path: &str) -> Vec<String> {
    let program = Program::compile(&Package::of("in.cue", source)).unwrap();
    let evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .unwrap();
    let issues = evaluation.root().issues(true);
    let issue = issues
        .iter()
        .find(|issue| issue.path.to_string() == path)
        .unwrap();
    let places = issue.places.iter().map(ToString::to_string);
    places
        .map(|place| place.trim_start_matches("in.cue:").to_owned())
        .collect()
}

#[test]
fn a_missing_field_of_what_is_shared_is_where_it_was_asked_for_and_where_it_is_shared() {
    let source = "#Input: host!: string\ninput: #Input\n";
    assert_eq!(places(source, "input.host"), ["1:9", "2:8"]);
}

#[test]
fn an_operand_that_is_not_decided_is_where_it_was_written_too() {
    let source = "name: string\ngreeting: name + \"!\"\ntext: \"\\(name)!\"\nfields: {(name): 1}\n";
    assert_eq!(places(source, "greeting"), ["2:11", "1:7"]);
    assert_eq!(places(source, "text"), ["3:7", "1:7"]);
    assert_eq!(places(source, "fields"), ["4:11", "1:7"]);
}

#[test]
fn a_value_that_is_rejected_is_where_it_was_written_too() {
    let source =
        "import \"strings\"\nname: strings.MinRunes(3)\nname: \"a\"\ncount: <3\ncount: 5\n";
    assert_eq!(places(source, "name"), ["2:7", "3:7"]);
    assert_eq!(places(source, "count"), ["4:8", "5:8"]);
}
