//! What is compiled: the texts of one package.

use std::sync::Arc;

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The name errors carry; files of a package are taken in the order of their names.
    pub name: String,
    /// The text.
    pub text: Arc<str>,
}

impl SourceFile {
    /// A file from its name and text.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// The files of one package. Imports are those of the standard library.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Package {
    /// In any order.
    pub files: Vec<SourceFile>,
}

impl Package {
    /// A package of one file.
    pub fn of(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self {
            files: vec![SourceFile::new(name, text)],
        }
    }
}
