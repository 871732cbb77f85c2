//! A fixed share of the reference's archives, for every run of the tests.
//!
//! Only what needs no answers of the reference: the archives' own assertions, read from the Go module cache. How
//! many of them hold is in testdata/share.txt, written by `--write`; the test fails if fewer do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::subject;
use crate::txtar::Archive;

/// The folders of the share.
pub const FOLDERS: &[&str] = &[
    "basicrewrite",
    "choosedefault",
    "disjunctions",
    "fulleval",
    "inlinetest",
    "interpolation",
    "lists",
    "resolve",
    "scalars",
];

/// Where the module of the reference should lie, and what brings it there.
pub fn module() -> Result<PathBuf, String> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/tools/oracle");
    let manifest = fs::read_to_string(tool.join("go.mod")).map_err(|error| error.to_string())?;
    let version = manifest
        .split_whitespace()
        .skip_while(|word| *word != "cuelang.org/go")
        .nth(1)
        .ok_or("tests/tools/oracle/go.mod names no cuelang.org/go")?;
    let home = |name: &str| env::var_os(name).map(PathBuf::from);
    let cache = home("GOMODCACHE")
        .or_else(|| home("GOPATH").map(|path| path.join("pkg/mod")))
        .or_else(|| home("HOME").map(|path| path.join("go/pkg/mod")))
        .unwrap_or_default();
    let folder = cache.join(format!("cuelang.org/go@{version}"));
    if folder.join("cue/testdata").is_dir() {
        Ok(folder)
    } else {
        Err(format!(
            "{} is not there; bring it with: (cd tests/tools/oracle && go mod download cuelang.org/go)",
            folder.display()
        ))
    }
}

/// The archives of the share: name and text.
pub fn archives(module: &Path) -> std::io::Result<Vec<(String, String)>> {
    let mut archives = Vec::new();
    for folder in FOLDERS {
        for entry in fs::read_dir(module.join("cue/testdata").join(folder))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "txtar") {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                archives.push((format!("{folder}/{stem}"), fs::read_to_string(&path)?));
            }
        }
    }
    archives.sort();
    Ok(archives)
}

/// How many of an archive's assertions hold.
pub fn holding(name: &str, text: &str) -> usize {
    let archive = Archive::parse(text);
    let outcome = stacker::grow(256 << 20, || subject::answer(name, &archive, true));
    let held = outcome
        .assertions
        .iter()
        .filter(|assertion| assertion.of_value() && assertion.failure.is_empty());
    held.count()
}

/// The counts of all archives of the share.
pub fn counts(module: &Path) -> std::io::Result<BTreeMap<String, usize>> {
    let archives = archives(module)?.into_iter();
    Ok(archives
        .map(|(name, text)| {
            let held = holding(&name, &text);
            (name, held)
        })
        .collect())
}

/// The file with the known counts.
pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/share.txt")
}

/// Counts as the file has them.
pub fn to_text(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().fold(String::new(), |mut text, (name, held)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} {held}");
        text
    })
}

/// Reads the file's text.
pub fn parse(text: &str) -> BTreeMap<String, usize> {
    text.lines()
        .filter_map(|line| {
            let (name, held) = line.rsplit_once(' ')?;
            Some((name.to_owned(), held.parse().ok()?))
        })
        .collect()
}

/// What is worse than known, a sentence each.
pub fn falls(known: &BTreeMap<String, usize>, found: &BTreeMap<String, usize>) -> Vec<String> {
    known
        .iter()
        .filter_map(|(name, known)| {
            let found = found.get(name).copied().unwrap_or(0);
            (found < *known).then(|| format!("{name}: {found} assertions hold, not {known}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{archives, counts, falls, file, holding, module, parse, to_text};

    #[test]
    fn no_assertion_of_the_share_is_lost() {
        let module = module().unwrap_or_else(|missing| panic!("{missing}"));
        let known = parse(&std::fs::read_to_string(file()).unwrap());
        assert!(known.len() > 140, "{}", known.len());
        assert_eq!(falls(&known, &counts(&module).unwrap()), [""; 0]);
    }

    /// The check can fail: the same assertions under changed programs do not all hold.
    #[test]
    fn assertions_notice_another_answer() {
        let module = module().unwrap_or_else(|missing| panic!("{missing}"));
        let mut lost = 0;
        for (name, text) in &archives(&module).unwrap() {
            let changed: String = text
                .lines()
                .map(|line| match line.split_once(": 1") {
                    Some((label, rest)) if !line.contains("@test") => format!("{label}: 8{rest}\n"),
                    _ => format!("{line}\n"),
                })
                .collect();
            lost += holding(name, text).saturating_sub(holding(name, &changed));
        }
        assert!(lost > 20, "{lost}");
    }

    #[test]
    fn fewer_are_noticed_and_what_is_written_is_read() {
        let known = [("a".to_owned(), 3), ("b".to_owned(), 1)].into();
        assert_eq!(parse(&to_text(&known)), known);
        let found = [("a".to_owned(), 2), ("b".to_owned(), 2)].into();
        assert_eq!(falls(&known, &found), ["a: 2 assertions hold, not 3"]);
    }
}
