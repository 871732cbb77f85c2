//! Where changes wait on disk when the store is away and the queue in memory is full.
//!
//! Whole queues are appended to a file and read back in the same order once the store answers. Nothing here has to
//! survive the process: an agent that begins reads its cluster anew and finds whatever differs, so leftovers are
//! removed. A disk that is full, or a spool at its limit, takes nothing more; then the agent stops reading, and that
//! loses nothing either.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};

use crate::store::Change;

const PREFIX: &str = "changes-";

/// Changes on disk, oldest first.
#[derive(Debug, Default)]
pub(super) struct Spool {
    folder: Option<PathBuf>,
    limit_bytes: u64,
    bytes: u64,
    waiting: u64,
    current: Option<(File, Part)>,
    full: VecDeque<Part>,
    next: u64,
    refusing: bool,
}

/// A file of changes.
#[derive(Debug, Clone)]
pub(super) struct Part {
    path: PathBuf,
    bytes: u64,
    changes: u64,
}

impl Spool {
    /// In a folder, which is made if it is not there; without one, a spool that takes nothing.
    pub(super) fn open(folder: Option<&Path>, limit_bytes: u64) -> io::Result<Self> {
        if let Some(folder) = folder {
            fs::create_dir_all(folder)?;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(Self {
            folder: folder.map(Path::to_owned),
            limit_bytes,
            ..Self::default()
        })
    }

    /// Whether it may be tried to put something in.
    pub(super) fn can_take(&self) -> bool {
        self.folder.is_some() && !self.refusing && self.bytes < self.limit_bytes
    }

    /// How many changes lie here.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Puts all of them in, or none.
    pub(super) fn append<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
    ) -> io::Result<u64> {
        let outcome = self.try_append(changes);
        // Tried again only when something was read back: a full disk does not empty itself.
        self.refusing = outcome.is_err();
        outcome
    }

    fn try_append<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) -> io::Result<u64> {
        let Some(folder) = &self.folder else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut lines = Vec::new();
        let mut count = 0;
        for change in changes {
            serde_json::to_writer(&mut lines, change)?;
            lines.push(b'\n');
            count += 1;
        }
        if self.current.is_none() {
            let path = folder.join(format!("{PREFIX}{}.jsonl", self.next));
            self.next += 1;
            let part = Part {
                path: path.clone(),
                bytes: 0,
                changes: 0,
            };
            self.current = Some((File::create(path)?, part));
        }
        let Some((file, part)) = &mut self.current else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = file.write_all(&lines) {
            // Half a queue would be read back as a whole one. A file that cannot even be cut has no place in the spool.
            if file.set_len(part.bytes).is_err() && part.changes == 0 {
                self.current = None;
            }
            return Err(error);
        }
        part.bytes += lines.len() as u64;
        part.changes += count;
        self.bytes += lines.len() as u64;
        self.waiting += count;
        Ok(count)
    }

    /// The oldest file, closed to new changes.
    pub(super) fn oldest(&mut self) -> Option<Part> {
        if self.full.is_empty()
            && let Some((_, part)) = self.current.take_if(|(_, part)| part.changes > 0)
        {
            self.full.push_back(part);
        }
        self.full.front().cloned()
    }

    /// Whether there is anything.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// The oldest file was read and written.
    pub(super) fn done(&mut self, part: &Part) -> io::Result<()> {
        self.full.pop_front();
        self.bytes = self.bytes.saturating_sub(part.bytes);
        self.waiting = self.waiting.saturating_sub(part.changes);
        self.refusing = false;
        fs::remove_file(&part.path)
    }
}

impl Part {
    /// Its changes, in the order in which they were put in.
    pub(super) fn read(&self) -> io::Result<Changes> {
        Ok(Changes {
            lines: BufReader::new(File::open(&self.path)?).lines(),
            left: self.changes,
        })
    }
}

/// Changes read back.
pub(super) struct Changes {
    lines: Lines<BufReader<File>>,
    left: u64,
}

impl Changes {
    /// The next ones, at most so many; none at the end. A file that ends too early is an error: what it held is lost.
    pub(super) fn next(&mut self, most: usize) -> io::Result<Vec<Change>> {
        let mut changes = Vec::new();
        while changes.len() < most && self.left > 0 {
            let line = self.lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
            changes.push(serde_json::from_str(&line)?);
            self.left -= 1;
        }
        Ok(changes)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn deletions(ids: std::ops::Range<u128>) -> Vec<Change> {
        ids.map(|id| Change::Delete(Uuid::from_u128(id))).collect()
    }

    fn drain(spool: &mut Spool) -> Vec<Change> {
        let mut all = Vec::new();
        while let Some(part) = spool.oldest() {
            let mut changes = part.read().unwrap();
            loop {
                let some = changes.next(3).unwrap();
                if some.is_empty() {
                    break;
                }
                all.extend(some);
            }
            spool.done(&part).unwrap();
        }
        all
    }

    #[test]
    fn what_goes_in_comes_out_in_order_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("changes-7.jsonl"), "of an earlier agent").unwrap();
        let mut spool = Spool::open(Some(folder.path()), 1 << 20).unwrap();
        assert!(spool.is_empty() && drain(&mut spool).is_empty());
        spool.append(deletions(0..10).iter()).unwrap();
        let first = spool.oldest().unwrap();
        // What comes while the first is read goes behind it.
        spool.append(deletions(10..12).iter()).unwrap();
        assert_eq!((first.changes, spool.waiting()), (10, 12));
        assert_eq!(drain(&mut spool), deletions(0..12));
        assert!(spool.is_empty());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn beyond_its_limit_it_takes_nothing_until_something_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(Some(folder.path()), 10).unwrap();
        spool.append(deletions(0..1).iter()).unwrap();
        assert!(!spool.can_take());
        assert_eq!(drain(&mut spool).len(), 1);
        assert!(spool.can_take());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_refuses_a_queue_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(Some(folder.path()), 1 << 20).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("changes-0.jsonl")).unwrap();
        assert!(spool.append(deletions(0..3).iter()).is_err());
        assert!(spool.is_empty() && !spool.can_take());
    }
}
