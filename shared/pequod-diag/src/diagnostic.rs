//! The problem itself, as data.

use std::fmt;

use serde::Serialize;

use crate::path::Path;

/// A stable name of a kind of problem, for example `cue/conflict` or `graph/cycle`.
///
/// The part before the slash names the area. Codes are documented, never reused for another
/// meaning, and the only thing about a diagnostic that a program may branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Code(pub &'static str);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How grave a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The work goes on; the reader should know.
    Warning,
    /// The work was not done.
    Error,
}

/// Where a problem is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase", untagged)]
pub enum Place {
    /// A point in a text.
    Text {
        /// The file's name as the reader gave it, or a description such as `<stdin>`.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Column in bytes, from 1.
        column: u32,
    },
    /// A value in a document.
    Path {
        /// What the path is a path in: a file's name, `spec.input`, `Deployment shop/web`.
        document: String,
        /// The path, in the notation of the document's language (`spec.replicas`, `/spec/replicas`).
        path: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Path { document, path } if document.is_empty() => f.write_str(path),
            Self::Path { document, path } if path.is_empty() => f.write_str(document),
            Self::Path { document, path } => write!(f, "{document}: {path}"),
        }
    }
}

/// A further place that has part in a problem: the other side of a conflict, the first definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is there; may be empty where the place speaks for itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// One problem.
///
/// ```
/// use pequod_diag::{Code, Diagnostic, Place};
///
/// let problem = Diagnostic::error(Code("graph/cycle"), "node `a` depends on itself")
///     .at(Place::Path { document: "shop.cue".into(), path: "graph.nodes.a.dependsOn".into() })
///     .hint("remove `a` from its own dependsOn");
/// assert_eq!(problem.to_string(), "shop.cue: graph.nodes.a.dependsOn: node `a` depends on itself");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Which kind of problem.
    pub code: Code,
    /// One sentence, lower case, naming the value.
    pub message: String,
    /// Where it is, if it is anywhere in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// The value it is about, if it is about one; the message then begins with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Path>,
    /// Further places, in the order they should be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What to do about it: where possible, the exact next command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What brought it about, outermost first, one sentence a layer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

impl Diagnostic {
    /// An error of the given kind.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            place: None,
            path: None,
            labels: Vec::new(),
            hint: None,
            causes: Vec::new(),
        }
    }

    /// A warning of the given kind.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, message)
        }
    }

    /// Sets where the problem is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Sets which value it is about, and puts that before the message.
    #[must_use]
    pub fn about(mut self, path: Path) -> Self {
        self.message = format!("{path}: {}", self.message);
        self.path = Some(path);
        self
    }

    /// The message without the path of the value it is about.
    pub fn sentence(&self) -> &str {
        let Some(path) = &self.path else {
            return &self.message;
        };
        let rest = self.message.strip_prefix(&path.to_string());
        rest.and_then(|rest| rest.strip_prefix(": "))
            .unwrap_or(&self.message)
    }

    /// Adds a further place.
    #[must_use]
    pub fn label(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            place,
            text: text.into(),
        });
        self
    }

    /// Sets what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the chain of errors behind it.
    #[must_use]
    pub fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            self.causes.push(cause.to_string());
            next = cause.source();
        }
        self
    }

    /// Whether the work was not done.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// One line: place, message. The full form is [`crate::render`].
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Several problems found in one go, at least one of them an error.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// The problems, in the order they should be read.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
