//! `example.com/m/p@v0:q`: path, major version, package.

/// An import path taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportPath {
    /// Without version and qualifier.
    pub path: String,
    /// Behind the `@`; may be empty.
    pub version: String,
    /// The package: what stands behind the colon, or what the path ends in.
    pub qualifier: String,
    /// Whether there was a colon.
    pub explicit: bool,
}

impl ImportPath {
    /// Takes a path apart.
    ///
    /// ```
    /// use pequod_cue_load::ImportPath;
    ///
    /// let path = ImportPath::parse("example.com/m/p@v0:q");
    /// assert_eq!((&*path.path, &*path.version, &*path.qualifier), ("example.com/m/p", "v0", "q"));
    /// assert_eq!(ImportPath::parse("example.com/m/p").qualifier, "p");
    /// ```
    pub fn parse(text: &str) -> Self {
        let (base, explicit) = match text.rfind(['/', ':']) {
            Some(at) if text[at..].starts_with(':') => {
                let base = if at == 0 { "." } else { &text[..at] };
                (base, Some(&text[at + 1..]))
            }
            _ => (text, None),
        };
        let (path, version) = base.split_once('@').unwrap_or((base, ""));
        let qualifier = match explicit {
            Some(qualifier) => qualifier.to_owned(),
            None => implied(path).to_owned(),
        };
        Self {
            path: path.to_owned(),
            version: version.to_owned(),
            qualifier,
            explicit: explicit.is_some(),
        }
    }

    /// Without the qualifier.
    pub fn unqualified(&self) -> String {
        if self.version.is_empty() {
            self.path.clone()
        } else {
            format!("{}@{}", self.path, self.version)
        }
    }

    /// With the qualifier only where the path does not imply it.
    pub fn canonical(&self) -> String {
        if self.qualifier == implied(&self.path) || self.qualifier.is_empty() {
            self.unqualified()
        } else {
            format!("{}:{}", self.unqualified(), self.qualifier)
        }
    }
}

/// The package a path implies: its last part, if that is an identifier.
fn implied(path: &str) -> &str {
    let last = path.rsplit('/').next().unwrap_or(path);
    if is_package_name(last) { last } else { "" }
}

/// Whether a text can be a package's name.
pub(crate) fn is_package_name(text: &str) -> bool {
    pequod_cue_syntax::is_identifier(text) && !text.starts_with('#') && !text.starts_with("_#")
}

/// Whether a path is one of the language's own packages: its first part has no dot.
pub(crate) fn is_standard(path: &str) -> bool {
    let first = path.split(['/', ':', '@']).next().unwrap_or(path);
    !first.contains('.')
}

/// Whether an argument is a path in the file system: `.`, `./a`, `../a`.
pub(crate) fn is_local(path: &str) -> bool {
    path == "." || path == ".." || path.starts_with("./") || path.starts_with("../")
}
