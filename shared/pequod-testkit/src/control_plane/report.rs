//! What a failed test shows of the control plane: the ends of its logs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

/// Programs whose routine words tell little: only their complaints are shown.
const COMPONENTS: [&str; 6] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kwok",
    "supervise",
];
const LINES: usize = 60;
const COMPLAINTS: usize = 8;

static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// From now on a panic prints the ends of the logs under this folder, on the thread that panics: where the test runner
/// collects a test's output.
pub(super) fn on_panic(folder: &Path) {
    FOLDERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(folder.join("logs"));
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            let folders = FOLDERS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            for folder in folders {
                print(&folder);
            }
        }));
    });
}

fn print(folder: &Path) {
    let mut logs: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    logs.sort();
    for log in logs {
        let name = log
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = if COMPONENTS.contains(&name.as_str()) {
            last(
                text.lines().filter(|line| line.starts_with(['E', 'F'])),
                COMPLAINTS,
            )
        } else {
            last(text.lines(), LINES)
        };
        if !lines.is_empty() {
            eprintln!("--- end of {name}'s log\n{}", lines.join("\n"));
        }
    }
}

fn last<'a>(lines: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    let mut lines: Vec<_> = lines.collect();
    lines.drain(..lines.len().saturating_sub(count));
    lines
}
