//! What the fuzz found once, reduced, with the reference's answers: testdata/found.
//!
//! A file says in its first lines what was wrong (and, if so, that it is not supported here), then the program, then
//! what the reference makes of it. A test holds our answers against that without the reference; `conformance cue` holds
//! the files against the reference, and writes them with `--write`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use super::official;
use crate::node::{Node, Outcome};
use crate::oracle::Oracle;

const SOURCE: &str = "-- in.cue --\n";
const ANSWER: &str = "-- official --\n";
/// Stands in front of a program that is not answered here.
#[cfg(test)]
const REFUSED: &str = "Here: unsupported.\n";
const PATIENCE: Duration = Duration::from_secs(20);

/// A finding.
struct Found {
    path: PathBuf,
    /// All in front of the answer.
    head: String,
    program: String,
    answer: String,
}

/// Names of the findings for which the reference says something else than the file; the files are mended if
/// `write` says so.
pub fn stale(oracle: &Oracle, write: bool) -> io::Result<Vec<String>> {
    let mut theirs = official(oracle)?;
    let mut stale = Vec::new();
    for found in all()? {
        let files = [serde_json::json!({"name": "in.cue", "data": found.program})];
        let request = serde_json::json!({"id": "found", "files": files});
        let line = theirs
            .ask(&request.to_string(), PATIENCE)
            .map_err(|poison| io::Error::other(format!("no official answer: {poison:?}")))?;
        let answer = lines(&serde_json::from_str(&line)?);
        if answer == found.answer {
            continue;
        }
        if write {
            fs::write(&found.path, format!("{}{ANSWER}{answer}", found.head))?;
        }
        stale.push(found.path.display().to_string());
    }
    Ok(stale)
}

fn all() -> io::Result<Vec<Found>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/found");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    paths.sort();
    paths.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> io::Result<Found> {
    let text = fs::read_to_string(&path)?;
    let (head, answer) = text.split_once(ANSWER).unwrap_or((&text, ""));
    let Some((_, program)) = head.split_once(SOURCE) else {
        let why = format!("{} has no program", path.display());
        return Err(io::Error::other(why));
    };
    Ok(Found {
        head: head.to_owned(),
        program: program.to_owned(),
        answer: answer.to_owned(),
        path,
    })
}

/// What an answer comes to, without texts: a line for each path.
fn lines(outcome: &Outcome) -> String {
    if !outcome.error.is_empty() {
        return "refused\n".to_owned();
    }
    let mut text = String::new();
    for node in &outcome.nodes {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}{}: {}", node.path, node.arc, brief(node));
    }
    text
}

fn brief(node: &Node) -> String {
    if !node.code.is_empty() {
        return format!("{} error", node.code);
    }
    let mut text = node.kind.clone();
    for (name, json) in [("", &node.leaf), ("default ", &node.default)] {
        if let Some(json) = json {
            let _ = write!(text, " {name}{}", json.get());
        }
    }
    match node.closed {
        Some(true) => text.push_str(" closed"),
        Some(false) => text.push_str(" open"),
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{REFUSED, all, lines};
    use crate::subject;
    use crate::txtar::Archive;

    #[test]
    fn what_was_found_stays_mended() {
        let found = all().unwrap();
        assert!(found.len() > 10);
        let mut wrong = String::new();
        for found in found {
            let archive = Archive::parse(&format!("-- in.cue --\n{}", found.program));
            let outcome = subject::answer("found", &archive, true);
            let (ours, theirs) = if found.head.contains(REFUSED) {
                (format!("{:?}\n", outcome.poison), "Some(Unsupported)\n")
            } else {
                (lines(&outcome), &*found.answer)
            };
            if ours != theirs {
                let path = found.path.display();
                // Writing to a String cannot fail.
                let _ = writeln!(wrong, "{path}\nours:\n{ours}official:\n{theirs}");
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
    }
}
