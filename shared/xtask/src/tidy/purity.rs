//! Pure crates have no clock, environment, files, network, threads or processes.

use std::path::Path;

use super::{Workspace, edges};

const FORBIDDEN: &[&str] = &[
    "std::time",
    "std::env",
    "std::fs",
    "std::net",
    "std::process::Command",
    "std::thread",
    "tokio::",
];

pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let rows = edges::table(&workspace.read(Path::new(edges::TABLE)));
    let mut problems = Vec::new();
    for package in workspace.metadata.workspace_packages() {
        if rows
            .get(package.name.as_str())
            .is_none_or(|row| row.belt != "pure")
        {
            continue;
        }
        let Ok(folder) = package
            .manifest_path
            .with_file_name("src")
            .into_std_path_buf()
            .strip_prefix(&workspace.root)
            .map(Path::to_owned)
        else {
            continue;
        };
        for file in workspace
            .with_extension("rs")
            .filter(|file| file.starts_with(&folder))
        {
            let is_test = file.file_name().is_some_and(|name| name == "tests.rs");
            if !is_test {
                problems.extend(impurities(&workspace.read(file)).map(|(line, name)| {
                    format!("{}:{line}: `{name}` in a pure crate", file.display())
                }));
            }
        }
    }
    problems
}

/// The forbidden names outside comments, up to the file's tests.
fn impurities(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    (1..)
        .zip(text.lines())
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .flat_map(|(number, line)| {
            FORBIDDEN
                .iter()
                .filter(move |name| line.contains(**name))
                .map(move |name| (number, *name))
        })
}

#[cfg(test)]
mod tests {
    use super::impurities;

    #[test]
    fn finds_uses_but_not_comments_nor_tests() {
        let text = "// std::env is not used\nuse std::fs;\n#[cfg(test)]\nmod t { use std::env; }\n";
        assert_eq!(impurities(text).collect::<Vec<_>>(), [(2, "std::fs")]);
    }
}
