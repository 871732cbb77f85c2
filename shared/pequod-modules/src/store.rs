//! Packed modules on disk.
//!
//! A bounded folder: what was used longest ago goes first, and what nobody used for a week goes anyway. Every entry
//! begins with the digest of its content, so that what somebody else wrote there is not believed. A folder that
//! cannot be written keeps nothing, and that is no error.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::oci::sha256;

/// The most that the folder may hold.
const MAX_BYTES: u64 = 512 << 20;
/// How long an entry is kept that nobody uses.
const MAX_UNUSED: Duration = Duration::from_hours(7 * 24);
/// How long the digest is that an entry begins with.
const DIGEST: usize = "sha256:".len() + 64;

/// A folder of packed modules, or none.
#[derive(Debug)]
pub(crate) struct Store {
    folder: Option<PathBuf>,
    pub(crate) max_bytes: u64,
    max_unused: Duration,
    evicted: AtomicU64,
    bytes: AtomicU64,
}

impl Store {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let store = Self {
            folder,
            max_bytes: MAX_BYTES,
            max_unused: MAX_UNUSED,
            evicted: AtomicU64::default(),
            bytes: AtomicU64::default(),
        };
        store.tidy(None);
        store
    }

    /// How many entries were dropped.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// How large all entries are together.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Where an entry lies. Whatever the key is, its name is plain.
    fn path(&self, key: &str) -> Option<PathBuf> {
        let name = sha256(key.as_bytes()).replace(':', "-");
        Some(self.folder.as_ref()?.join(name))
    }

    /// An entry, if it is there and what was put there.
    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
        let path = self.path(key)?;
        let entry = std::fs::read(&path).ok()?;
        // Used now; a folder that cannot be written keeps its order.
        if let Ok(file) = std::fs::File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        let (digest, packed) = entry.split_at_checked(DIGEST)?;
        (sha256(packed).as_bytes() == digest).then(|| packed.to_vec())
    }

    /// Keeps an entry.
    pub(crate) fn put(&self, key: &str, packed: &[u8]) {
        let Some(path) = self.path(key) else {
            return;
        };
        let write = || -> std::io::Result<()> {
            let folder = path.parent().ok_or(std::io::ErrorKind::NotFound)?;
            std::fs::create_dir_all(folder)?;
            // Whoever reads meanwhile sees the whole file or none.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            std::io::Write::write_all(&mut file, sha256(packed).as_bytes())?;
            std::io::Write::write_all(&mut file, packed)?;
            file.persist(&path)?;
            Ok(())
        };
        if write().is_ok() {
            self.tidy(Some(&path));
        }
    }

    /// Drops what nobody used for long, then what was used longest ago until the rest fits.
    fn tidy(&self, newest: Option<&Path>) {
        let Some(folder) = &self.folder else { return };
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let mut kept: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let metadata = entry.metadata().ok()?;
                Some((metadata.modified().ok()?, metadata.len(), entry.path()))
            })
            .collect();
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, size, _)| size).sum();
        for (used, size, path) in &kept {
            let unused = used.elapsed().unwrap_or_default() > self.max_unused;
            let goes = (unused || total > self.max_bytes) && Some(path.as_path()) != newest;
            if goes && std::fs::remove_file(path).is_ok() {
                self.evicted.fetch_add(1, Ordering::Relaxed);
                total = total.saturating_sub(*size);
            }
        }
        self.bytes.store(total, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn age(store: &Store, key: &str, seconds: u64) {
        let path = store.path(key).unwrap();
        let file = std::fs::File::options().append(true).open(path).unwrap();
        let when = SystemTime::now() - Duration::from_secs(seconds);
        file.set_modified(when).unwrap();
    }

    #[test]
    fn what_was_used_longest_ago_goes_first_and_what_was_changed_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::new(Some(folder.path().to_owned()));
        store.max_bytes = 300;
        for (key, seconds) in [("a", 30), ("b", 20), ("c", 10)] {
            store.put(key, &[b'x'; 29]);
            age(&store, key, seconds);
        }
        assert!(store.get("a").is_some());
        store.put("d", &[b'y'; 29]);
        assert!(store.get("b").is_none());
        assert!(store.get("a").is_some());
        assert_eq!((store.evicted(), store.bytes()), (1, 300));
        std::fs::write(store.path("a").unwrap(), "other").unwrap();
        assert!(store.get("a").is_none());
    }

    #[test]
    fn what_nobody_used_for_a_week_goes_although_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(Some(folder.path().to_owned()));
        store.put("a", b"1");
        store.put("b", b"2");
        age(&store, "a", 8 * 24 * 3600);
        let again = Store::new(Some(folder.path().to_owned()));
        assert!(again.get("a").is_none());
        assert!(again.get("b").is_some());
        assert_eq!(again.evicted(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_written_keeps_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let store = Store::new(Some(file.path().join("below")));
        store.put("a", b"1");
        assert!(store.get("a").is_none());
    }
}
