//! Who uses whom, against the table in docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Package};

use super::Workspace;

/// Where the table stands.
pub(super) const TABLE: &str = "docs/architecture.md";

/// A crate's row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) belt: String,
    pub(super) may_use: BTreeSet<String>,
}

/// Reads the table: the rows with four columns whose first is a belt.
pub(super) fn table(text: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [belt @ ("pure" | "edge" | "front" | "dev"), names, _, uses] = cells.as_slice() else {
            continue;
        };
        let may_use: BTreeSet<String> = uses
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty() && *name != "–")
            .map(|name| format!("pequod-{name}"))
            .collect();
        for name in names.split(',').map(str::trim) {
            let row = Row {
                belt: (*belt).to_owned(),
                may_use: may_use.clone(),
            };
            rows.insert(name.to_owned(), row);
        }
    }
    rows
}

pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let rows = table(&workspace.read(Path::new(TABLE)));
    let packages = workspace.metadata.workspace_packages();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    packages
        .iter()
        .flat_map(|package| wrong_edges(package, &ours, &rows))
        .collect()
}

fn wrong_edges(
    package: &Package,
    ours: &BTreeSet<&str>,
    rows: &BTreeMap<String, Row>,
) -> Vec<String> {
    let name = package.name.as_str();
    let is_test_crate = package.manifest_path.as_str().contains("/tests/");
    let Some(row) = rows.get(name) else {
        if is_test_crate {
            return Vec::new();
        }
        return vec![format!("`{name}` has no row in the table of {TABLE}")];
    };
    if row.belt == "dev" {
        return Vec::new();
    }
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .filter(|dependency| ours.contains(dependency.name.as_str()))
        .filter(|dependency| !row.may_use.contains(&dependency.name))
        .map(|dependency| {
            format!(
                "`{name}` uses `{}`, which is not in its row of {TABLE}",
                dependency.name
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn reads_belts_names_and_edges() {
        let rows = table(
            "| belt | crate | charter | may use (of ours) |\n| --- | --- | --- | --- |\n\
             | pure | pequod-diag | reports | – |\n| edge | pequod-kube | I/O | api, diag |\n\
             | dev | pequod-testkit, xtask | tests | anything |\n| not | a | row |\n",
        );
        assert_eq!(rows.len(), 4);
        assert!(rows["pequod-diag"].may_use.is_empty());
        assert!(rows["pequod-kube"].may_use.contains("pequod-api"));
        assert_eq!(rows["xtask"].belt, "dev");
    }
}
