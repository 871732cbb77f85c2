//! Who was told what, one line of JSON each: time, user, groups, action, the exact query, how many objects.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::json;

use crate::access::Caller;

/// The log: a file that only grows, or the process's own.
#[derive(Debug, Default)]
pub struct Audit(Option<Mutex<File>>);

impl Audit {
    /// Appends to a file.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self(Some(Mutex::new(file))))
    }

    /// Writes a line.
    pub fn note(&self, caller: &Caller, action: &str, query: &str, total: u64) -> io::Result<()> {
        let Some(file) = &self.0 else {
            tracing::info!(target: "audit", user = %caller.user, groups = ?caller.groups, action, query, total);
            return Ok(());
        };
        let line = json!({
            "time": jiff::Timestamp::now().to_string(), "user": caller.user, "groups": caller.groups,
            "home": caller.home, "action": action, "query": query, "total": total,
        });
        // One write a line: two of them do not mix.
        let text = format!("{line}\n");
        file.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(text.as_bytes())
    }
}
