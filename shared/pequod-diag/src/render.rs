//! A problem as text for a terminal.

use std::fmt::Write as _;

use crate::{Diagnostic, Severity};

/// Whether to use colour. The caller knows its terminal; this crate does not look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Text only.
    Plain,
    /// ANSI colours.
    Colour,
}

impl Style {
    const fn paint(self, code: &'static str) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Colour => code,
        }
    }
}

/// The full form of a problem, ending in a line break:
///
/// ```text
/// error[cue/conflict]: conflicting values 1 and 2
///   --> shop.cue:3:5
///    = shop.cue:9:5: the other value
///    = caused by: …
///    = help: …
/// ```
pub fn render(problem: &Diagnostic, style: Style) -> String {
    let (word, colour) = match problem.severity {
        Severity::Error => ("error", "\x1b[1;31m"),
        Severity::Warning => ("warning", "\x1b[1;33m"),
    };
    let (bold, blue, reset) = (
        style.paint("\x1b[1m"),
        style.paint("\x1b[1;34m"),
        style.paint("\x1b[0m"),
    );
    let colour = style.paint(colour);

    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{colour}{word}[{}]{reset}{bold}: {}{reset}",
        problem.code, problem.message
    );
    if let Some(place) = &problem.place {
        let _ = writeln!(text, "  {blue}-->{reset} {place}");
    }
    for label in &problem.labels {
        let separator = if label.text.is_empty() { "" } else { ": " };
        let _ = writeln!(
            text,
            "   {blue}={reset} {}{separator}{}",
            label.place, label.text
        );
    }
    for cause in &problem.causes {
        let _ = writeln!(text, "   {blue}={reset} caused by: {cause}");
    }
    if let Some(hint) = &problem.hint {
        let _ = writeln!(text, "   {blue}={reset} {bold}help{reset}: {hint}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Style, render};
    use crate::{Code, Diagnostic, Place};

    fn conflict() -> Diagnostic {
        let place = |line| Place::Text {
            file: "shop.cue".into(),
            line,
            column: 5,
        };
        Diagnostic::error(Code("cue/conflict"), "conflicting values 1 and 2")
            .at(place(3))
            .label(place(9), "the other value")
            .hint("remove one")
    }

    #[test]
    fn plain_text_names_code_place_other_side_and_way_out() {
        assert_eq!(
            render(&conflict(), Style::Plain),
            "error[cue/conflict]: conflicting values 1 and 2\n  --> shop.cue:3:5\n   = \
             shop.cue:9:5: the other value\n   = help: remove one\n"
        );
    }

    #[test]
    fn colour_is_only_used_when_asked_for() {
        assert!(!render(&conflict(), Style::Plain).contains('\x1b'));
        assert!(render(&conflict(), Style::Colour).contains('\x1b'));
    }
}
