//! Files of one package, and of none.

use pequod_cue::{Budget, Inputs, Package, Program, SourceFile};

fn export(files: &[&str]) -> Result<String, String> {
    let files = files
        .iter()
        .enumerate()
        .map(|(at, text)| SourceFile::new(format!("{at}.cue"), *text))
        .collect();
    let program = Program::compile(&Package { files }).map_err(|error| error.to_string())?;
    let evaluation = program
        .evaluate(&Inputs::new(), &Budget::default())
        .map_err(|error| error.to_string())?;
    evaluation
        .root()
        .to_json_text(false)
        .map_err(|error| error.to_string())
}

#[test]
fn files_of_a_package_see_the_names_of_each_other() {
    let files = ["package p\na: b", "package p\nb: 1"];
    assert_eq!(export(&files).unwrap(), r#"{"a":1,"b":1}"#);
}

/// Their values are unified all the same.
#[test]
fn names_of_a_file_without_a_package_stay_in_it() {
    for nameless in ["b: 1", "package _\nb: 1"] {
        let error = export(&["a: b", nameless]).unwrap_err();
        assert!(error.contains(r#"a: reference "b" not found"#), "{error}");
        let values = export(&["a: 1", &format!("{nameless}\nc: b")]).unwrap();
        assert_eq!(values, r#"{"a":1,"b":1,"c":1}"#);
    }
}

#[test]
fn a_file_without_a_package_sees_the_names_of_the_package() {
    let files = ["a: b", "package p\nb: 1"];
    assert_eq!(export(&files).unwrap(), r#"{"a":1,"b":1}"#);
}
