//! Relative links in Markdown files that lead nowhere.

use std::path::Path;

use super::Workspace;

pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for file in workspace.with_extension("md") {
        let folder = workspace.root.join(file.parent().unwrap_or(Path::new("")));
        for target in targets(&workspace.read(file)) {
            let path = target.split('#').next().unwrap_or_default();
            if !path.is_empty() && !folder.join(path).exists() {
                problems.push(format!("{}: `{target}` leads nowhere", file.display()));
            }
        }
    }
    problems
}

/// The targets of `[text](target)` outside code, those with a scheme left out.
fn targets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let before = &line[..line.len() - after.len()];
            let in_code = before.matches('`').count() % 2 == 1;
            let Some((target, behind)) = after.split_once(')') else {
                break;
            };
            if !in_code && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.split(' ').next().unwrap_or_default().to_owned());
            }
            rest = behind;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::targets;

    #[test]
    fn finds_relative_targets_outside_code() {
        let text = "[a](b.md#c) and [d](https://e.f)\n```\n[g](h)\n```\n`[i](j)` [k](l)\n";
        assert_eq!(targets(text), ["b.md#c", "l"]);
    }
}
