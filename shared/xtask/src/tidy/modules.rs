//! Source files that no `mod` line reaches: their tests would silently not run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Workspace;

pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let mut reached = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for package in workspace.metadata.workspace_packages() {
        if let Some(folder) = package.manifest_path.parent() {
            folders.extend(
                folder
                    .as_std_path()
                    .strip_prefix(&workspace.root)
                    .map(Path::to_owned),
            );
        }
        for target in &package.targets {
            if let Ok(root) = target.src_path.as_std_path().strip_prefix(&workspace.root) {
                reach(workspace, root, true, &mut reached);
            }
        }
    }
    workspace
        .with_extension("rs")
        .filter(|file| folders.iter().any(|folder| is_source_of(file, folder)))
        .filter(|file| !reached.contains(*file))
        .map(|file| format!("{} is reached by no `mod` line", file.display()))
        .chain(
            workspace
                .with_extension("rs")
                .filter(|file| file.file_name().is_some_and(|name| name == "mod.rs"))
                .map(|file| format!("{}: name it after its module", file.display())),
        )
        .collect()
}

/// Whether a file lies in a package's `src`, `tests`, `benches` or `examples`. Fuzz targets are packages apart.
fn is_source_of(file: &Path, folder: &Path) -> bool {
    file.strip_prefix(folder).is_ok_and(|rest| {
        ["src", "tests", "benches", "examples"]
            .iter()
            .any(|part| rest.starts_with(part))
            && !rest.components().any(|part| part.as_os_str() == "testdata")
    })
}

/// Marks a file and all that its `mod` lines name.
fn reach(workspace: &Workspace, file: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) {
    if !reached.insert(file.to_owned()) {
        return;
    }
    let parent = file.parent().unwrap_or(Path::new(""));
    let own_folder = match file.file_stem() {
        Some(stem) if !is_root => parent.join(stem),
        _ => parent.to_owned(),
    };
    for name in declared(&workspace.read(file)) {
        let next = own_folder.join(format!("{name}.rs"));
        if workspace.files.binary_search(&next).is_ok() {
            reach(workspace, &next, false, reached);
        }
    }
}

/// The names in lines such as `pub(crate) mod name;`.
fn declared(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let line = line.trim().strip_suffix(';')?;
        let (before, name) = line.rsplit_once("mod ")?;
        let is_declaration =
            before.is_empty() || before.trim_end() == "pub" || before.starts_with("pub(");
        (is_declaration && !name.contains(' ')).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::declared;

    #[test]
    fn finds_declarations_only() {
        let text = "mod a;\npub mod b;\npub(crate) mod c;\nmod inline {\n    mod d;\n}\n// mod e;\nuse f;\n";
        assert_eq!(declared(text).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }
}
