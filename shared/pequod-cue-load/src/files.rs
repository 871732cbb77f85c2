//! Where files come from, and paths as texts.
//!
//! Paths have `/` between their parts on every system. Those of a [`Files`] are either all absolute (a machine's
//! files) or all relative to the root of a module.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Something in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name, without the folder's.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A tree of files to read from.
pub trait Files: Send + Sync {
    /// A file's content; nothing if there is no file of that path. The error is a sentence.
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String>;
    /// What a folder holds, by name; nothing if there is no such folder.
    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String>;
    /// What people call a file of that path.
    fn display(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// Files in memory, with paths relative to their root.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles {
    /// What goes before the paths when people read them.
    pub origin: String,
    /// The files.
    pub files: BTreeMap<String, Arc<[u8]>>,
}

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> Result<Option<Arc<[u8]>>, String> {
        Ok(self.files.get(path).cloned())
    }

    fn list(&self, folder: &str) -> Result<Option<Vec<Entry>>, String> {
        let prefix = match folder {
            "" | "." => String::new(),
            folder => format!("{folder}/"),
        };
        let entries: BTreeSet<Entry> = self
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&prefix))
            .map(|rest| match rest.split_once('/') {
                Some((folder, _)) => Entry {
                    name: folder.to_owned(),
                    is_folder: true,
                },
                None => Entry {
                    name: rest.to_owned(),
                    is_folder: false,
                },
            })
            .collect();
        let there = !entries.is_empty() || prefix.is_empty();
        Ok(there.then(|| entries.into_iter().collect()))
    }

    fn display(&self, path: &str) -> String {
        join(&self.origin, path)
    }
}

/// Two paths, one behind the other.
pub(crate) fn join(base: &str, path: &str) -> String {
    if path.is_empty() || path == "." {
        base.to_owned()
    } else if base.is_empty() || base == "." {
        clean(path)
    } else {
        clean(&format!("{base}/{path}"))
    }
}

/// A path without `.`, `..` and doubled slashes, as far as that can be told from its text.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The folder a path lies in; a root lies in itself.
pub(crate) fn folder_of(path: &str) -> String {
    match path.rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
        None => String::new(),
    }
}

/// Whether a name is that of a file of CUE: the ending is in small letters.
pub(crate) fn is_cue(name: &str) -> bool {
    name.strip_suffix(".cue").is_some()
}

/// The last part of a path.
pub(crate) fn base_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The way from a folder to a path, both absolute.
pub(crate) fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    let to: Vec<&str> = to.split('/').filter(|part| !part.is_empty()).collect();
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - common);
    let parts: Vec<&str> = up.chain(to[common..].iter().copied()).collect();
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

/// A path without the folder it lies in; nothing if it lies elsewhere.
pub(crate) fn inside<'p>(root: &str, path: &'p str) -> Option<&'p str> {
    let rest = path.strip_prefix(root)?;
    if rest.is_empty() || root.is_empty() || root == "/" {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::{clean, inside, join, relative};

    #[test]
    fn paths_are_told_from_their_text_alone() {
        assert_eq!(clean("/a/./b/../c//d"), "/a/c/d");
        assert_eq!(clean("../a/.."), "..");
        assert_eq!(join("/a", "../b"), "/b");
        assert_eq!(relative("/a/b", "/a/c/d"), "../c/d");
        assert_eq!(relative("/a", "/a"), ".");
        assert_eq!(inside("/a", "/a/b"), Some("b"));
        assert_eq!(inside("/a", "/ab"), None);
    }
}
