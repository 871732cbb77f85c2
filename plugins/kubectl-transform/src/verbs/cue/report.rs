//! Errors in the form of the reference: a sentence, then every place on a line of its own.

use std::io::Write as _;

use pequod_cue::Issue;
use pequod_diag::{Diagnostic, Diagnostics, Path, Place, Step};

/// A sentence and the places it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    sentence: String,
    places: Vec<Place>,
    path: String,
    /// The place it is sorted by; those without one come first.
    noticed: Option<Place>,
}

/// Several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// One without a place.
    pub(super) fn sentence(sentence: impl Into<String>) -> Self {
        Self(vec![Problem {
            sentence: sentence.into(),
            places: Vec::new(),
            path: String::new(),
            noticed: None,
        }])
    }

    /// What the reference can and we cannot.
    pub(super) fn unsupported(sentence: impl Into<String>) -> Self {
        Diagnostic::error(pequod_cue_load::codes::UNSUPPORTED, sentence.into()).into()
    }

    pub(super) fn of(issues: &[Issue]) -> Self {
        let mut problems = Vec::new();
        for issue in issues {
            add(issue, &mut problems);
        }
        Self(problems)
    }
}

/// `a[2].b` as `a.2.b`.
fn dotted(path: &Path) -> String {
    let steps = path.0.iter().map(|step| match step {
        Step::Index(index) => index.to_string(),
        other => Path(vec![other.clone()]).to_string(),
    });
    steps.collect::<Vec<_>>().join(".")
}

/// Errors that were noticed nowhere in particular: no side of a conflict is the first, nor is where something was written that is
/// not finished. Elsewhere the first place is where it was noticed.
const NOWHERE: [&str; 3] = [
    "conflicting values",
    "incomplete value",
    "field is required but not present",
];

/// An error, then what lies below it.
fn add(issue: &Issue, problems: &mut Vec<Problem>) {
    let path = dotted(&issue.path);
    let sentence = if path.is_empty() {
        issue.sentence.clone()
    } else {
        format!("{path}: {}", issue.sentence)
    };
    let mut places = issue.places.clone();
    let mut sentence = sentence;
    if issue.sentence.ends_with("errors in empty disjunction") {
        sentence.push(':');
        places.clear();
    }
    let nowhere = NOWHERE
        .iter()
        .any(|start| issue.sentence.starts_with(start));
    let noticed = usize::from(!nowhere);
    if let Some(rest) = places.get_mut(noticed..) {
        rest.sort();
    }
    places.dedup();
    problems.push(Problem {
        sentence,
        noticed: places.first().filter(|_| noticed == 1).cloned(),
        places,
        path,
    });
    for below in &issue.below {
        add(below, problems);
    }
}

impl From<Diagnostics> for Problems {
    fn from(problems: Diagnostics) -> Self {
        Self(problems.0.into_iter().map(Problem::from).collect())
    }
}

impl From<Diagnostic> for Problems {
    fn from(problem: Diagnostic) -> Self {
        Self(vec![problem.into()])
    }
}

impl From<Diagnostic> for Problem {
    fn from(problem: Diagnostic) -> Self {
        let labels = problem.labels.into_iter().map(|label| label.place);
        Self {
            noticed: problem.place.clone(),
            sentence: problem.message,
            places: problem.place.into_iter().chain(labels).collect(),
            path: String::new(),
        }
    }
}

/// Prints problems on the standard error.
pub(crate) struct Report {
    folder: String,
}

impl Report {
    pub(super) fn new(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Prints a line.
    pub(super) fn line(text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Prints, sorted and without repetitions.
    pub(super) fn print(&self, problems: &Problems) {
        let mut sorted = problems.0.clone();
        sorted.sort_by(|a, b| a.noticed.cmp(&b.noticed).then_with(|| a.path.cmp(&b.path)));
        sorted.dedup();
        let mut text = String::new();
        for problem in &sorted {
            let hidden = format!(" {}/.", self.folder);
            let inner = format!(" {}/", self.folder);
            let sentence = problem.sentence.replace(&hidden, " .");
            text.push_str(&sentence.replace(&inner, " ./"));
            if problem.places.is_empty() {
                text.push('\n');
                continue;
            }
            text.push_str(":\n");
            for place in &problem.places {
                text.push_str("    ");
                text.push_str(&self.place(place));
                text.push('\n');
            }
        }
        // There is nobody else to tell.
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    fn place(&self, place: &Place) -> String {
        match place {
            Place::Text { file, line, column } => {
                format!("{}:{line}:{column}", self.relative(file))
            }
            other @ Place::Path { .. } => other.to_string(),
        }
    }

    /// A file's name as seen from the working folder.
    fn relative(&self, file: &str) -> String {
        if let Some(rest) = file.strip_prefix(&format!("{}/", self.folder)) {
            return if rest.starts_with('.') {
                rest.to_owned()
            } else {
                format!("./{rest}")
            };
        }
        if !file.starts_with('/') {
            return file.to_owned();
        }
        let mut up = String::new();
        let mut base = self.folder.as_str();
        loop {
            if let Some(rest) = file
                .strip_prefix(base)
                .and_then(|rest| rest.strip_prefix('/'))
            {
                return format!("{up}{rest}");
            }
            match base.rsplit_once('/') {
                Some((parent, _)) => {
                    up.push_str("../");
                    base = parent;
                }
                None => return file.to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn places_are_seen_from_the_working_folder() {
        let report = Report::new("/w/a");
        assert_eq!(report.relative("/w/a/x.cue"), "./x.cue");
        assert_eq!(report.relative("/w/b/x.cue"), "../b/x.cue");
        assert_eq!(report.relative("--expression"), "--expression");
    }
}
