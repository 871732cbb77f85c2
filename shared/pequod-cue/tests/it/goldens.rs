//! `testdata/*.txtar`: a package and what it exports, or the error it gives.
//!
//! The outputs were made by the official tool; where one is installed, it is asked again.

use std::path::{Path, PathBuf};
use std::process::Command;

use pequod_cue::{Budget, Inputs, Package, Program};
use pequod_diag::Diagnostics;

struct Case {
    name: String,
    source: String,
    json: Option<String>,
    error: Option<(String, String)>,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| case(path)).collect()
}

fn case(path: &Path) -> Case {
    let text = std::fs::read_to_string(path).unwrap();
    let section = |name: &str| {
        let (_, rest) = text.split_once(&format!("-- {name} --\n"))?;
        Some(
            rest.split_once("\n-- ")
                .map_or(rest, |(body, _)| body)
                .trim_end()
                .to_owned(),
        )
    };
    let error = section("error").map(|body| {
        let (code, sentence) = body.split_once('\n').unwrap_or((&body, ""));
        (code.to_owned(), sentence.to_owned())
    });
    Case {
        name: path.file_stem().unwrap().to_string_lossy().into_owned(),
        source: section("in.cue").unwrap(),
        json: section("out.json"),
        error,
    }
}

fn export(source: &str) -> Result<String, Diagnostics> {
    let program = Program::compile(&Package::of("in.cue", source))?;
    let evaluation = program.evaluate(&Inputs::new(), &Budget::default())?;
    evaluation.root().to_json_text(true)
}

#[test]
fn packages_export_what_the_official_tool_exports() {
    for case in cases() {
        let Some(json) = case.json else { continue };
        assert_eq!(
            export(&case.source).unwrap_or_else(|e| e.to_string()),
            json,
            "{}",
            case.name
        );
    }
}

#[test]
fn errors_have_their_code_and_sentence() {
    for case in cases() {
        let Some((code, sentence)) = case.error else {
            continue;
        };
        let errors = export(&case.source).expect_err(&case.name);
        let found = errors
            .iter()
            .any(|error| error.code.0.starts_with(&code) && error.message.contains(&sentence));
        assert!(found, "{}: {errors} is not {code}: {sentence}", case.name);
        assert!(
            errors.iter().any(|error| error.place.is_some()),
            "{}: {errors} has no place",
            case.name
        );
    }
}

#[test]
fn field_order_and_declaration_order_do_not_change_values() {
    let forwards = "a: b + 1\nb: c * 2\nc: *3 | int\nd: {x: a, y: b}\n";
    let backwards: String = forwards
        .lines()
        .rev()
        .map(|line| format!("{line}\n"))
        .collect();
    let value =
        |text: &str| -> serde_json::Value { serde_json::from_str(&export(text).unwrap()).unwrap() };
    assert_eq!(value(forwards), value(&backwards));
}

/// The tests' own tools lie in the user's cache.
fn official() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")))?;
    let tools = std::fs::read_dir(cache.join("pequod/tools")).ok()?;
    tools
        .filter_map(|entry| Some(entry.ok()?.path().join("cue")))
        .find(|path| path.exists())
}

#[test]
fn the_official_tool_agrees_with_the_goldens() {
    let Some(tool) = official() else {
        // The goldens themselves are its output; `cargo xtask conformance cue` asks it about more.
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for case in cases() {
        let file = folder.path().join("in.cue");
        std::fs::write(&file, &case.source).unwrap();
        let output = Command::new(&tool)
            .arg("export")
            .arg(&file)
            .output()
            .unwrap();
        assert_eq!(
            output.status.success(),
            case.json.is_some()
                || case
                    .error
                    .as_ref()
                    .is_some_and(|(code, _)| code == "cue/unsupported" && output.status.success()),
            "{}",
            case.name
        );
        if let Some(json) = case.json {
            assert_eq!(
                String::from_utf8_lossy(&output.stdout).trim_end(),
                json,
                "{}",
                case.name
            );
        }
    }
}
