//! A reference page for each program, as the program itself prints it.

use std::path::Path;
use std::process::Command;

use pequod_testkit::{Result, bin, run, workspace_root};

use super::Files;

/// Where the pages lie.
pub(super) const REFERENCE: &str = "docs/reference";

pub(super) fn generate(files: &mut Files) -> Result<()> {
    for program in plugins() {
        let page = run(Command::new(bin(&program)).arg("__reference"), "")?.success();
        files.insert(Path::new(REFERENCE).join(format!("{program}.md")), page);
    }
    // The webhook is no plugin: its help stands as it is.
    let help = run(
        Command::new(bin("pequod-webhook"))
            .arg("--help")
            .env("COLUMNS", "100"),
        "",
    )?
    .success();
    let page = format!(
        "# pequod-webhook\n\nGenerated from the program's own help.\n\n```text\n{}\n```\n",
        help.trim()
    );
    files.insert(Path::new(REFERENCE).join("pequod-webhook.md"), page);
    Ok(())
}

/// One folder, one plugin.
fn plugins() -> Vec<String> {
    let entries = std::fs::read_dir(workspace_root().join("plugins"));
    let mut names: Vec<String> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("src/main.rs").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
