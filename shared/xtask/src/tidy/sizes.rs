//! A ratchet on long files: over the limit only with a reason, and never longer than when the reason was given.

use std::collections::BTreeMap;
use std::path::Path;

use super::Workspace;

/// Lines a source file may have without a reason.
const LIMIT: usize = 1000;
/// The exceptions: `path lines reason…`, one a line.
const LIST: &str = "shared/xtask/sizes.txt";

pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let list = workspace.read(Path::new(LIST));
    let lengths: BTreeMap<String, usize> = workspace
        .with_extension("rs")
        .map(|file| {
            (
                file.display().to_string(),
                workspace.read(file).lines().count(),
            )
        })
        .collect();
    judge(&list, &lengths)
}

fn judge(list: &str, lengths: &BTreeMap<String, usize>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut allowed = BTreeMap::new();
    for line in list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let mut parts = line.splitn(3, ' ');
        let (Some(path), Some(Ok(lines)), Some(reason)) = (
            parts.next(),
            parts.next().map(str::parse::<usize>),
            parts.next(),
        ) else {
            problems.push(format!("{LIST}: not `path lines reason`: {line}"));
            continue;
        };
        if reason.trim().is_empty() {
            problems.push(format!("{LIST}: {path} has no reason"));
        }
        allowed.insert(path, lines);
    }
    for (path, &length) in lengths {
        match allowed.get(path.as_str()) {
            None if length > LIMIT => problems.push(format!(
                "{path} has {length} lines; split it, or list it in {LIST} with a reason"
            )),
            Some(&most) if length > most => {
                problems.push(format!("{path} grew from {most} to {length} lines"));
            }
            _ => {}
        }
    }
    for path in allowed.keys() {
        if lengths.get(*path).is_none_or(|&length| length <= LIMIT) {
            problems.push(format!("{LIST}: {path} no longer needs its line"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::judge;

    fn lengths(pairs: &[(&str, usize)]) -> BTreeMap<String, usize> {
        pairs
            .iter()
            .map(|(path, length)| ((*path).to_owned(), *length))
            .collect()
    }

    #[test]
    fn a_long_file_needs_a_reason_and_may_not_grow() {
        assert_eq!(judge("", &lengths(&[("a.rs", 1000)])), Vec::<String>::new());
        assert_eq!(judge("", &lengths(&[("a.rs", 1001)])).len(), 1);
        assert!(judge("a.rs 1100 one table", &lengths(&[("a.rs", 1100)])).is_empty());
        assert_eq!(
            judge("a.rs 1100 one table", &lengths(&[("a.rs", 1101)])).len(),
            1
        );
        assert_eq!(
            judge("a.rs 1100 one table", &lengths(&[("a.rs", 900)])).len(),
            1
        );
    }
}
