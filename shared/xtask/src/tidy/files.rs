//! Fixtures that no test reads.

use std::path::Path;

use super::Workspace;

/// Folders whose files are there for tests.
const FIXTURE_FOLDERS: &[&str] = &["testdata", "samples", "fixtures"];

/// A fixture is read when some source names its file, or its folder (a test that walks it).
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let sources: Vec<String> = workspace
        .with_extension("rs")
        .map(|file| workspace.read(file))
        .collect();
    workspace
        .files
        .iter()
        .filter(|file| {
            file.parent().is_some_and(|folder| {
                folder
                    .components()
                    .any(|part| FIXTURE_FOLDERS.iter().any(|name| part.as_os_str() == *name))
            })
        })
        .filter(|file| {
            file.extension()
                .is_none_or(|extension| extension != "rs" && extension != "md")
        })
        .filter(|file| !is_named(file, &sources))
        .map(|file| format!("{} is read by no test", file.display()))
        .collect()
}

fn is_named(file: &Path, sources: &[String]) -> bool {
    let name = file
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let folder = file
        .parent()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    let mentions = |what: &str| sources.iter().any(|source| source.contains(what));
    name.is_some_and(|name| mentions(&name))
        || folder.is_some_and(|folder| {
            mentions(&format!("{folder}\"")) || mentions(&format!("{folder}/\""))
        })
        || file.components().any(|part| part.as_os_str() == "testdata") && mentions("testdata\"")
}
