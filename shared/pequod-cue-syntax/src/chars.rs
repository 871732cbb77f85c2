//! Which characters make an identifier.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, ClassUnicode, HirKind};

static LETTERS: OnceLock<ClassUnicode> = OnceLock::new();
static DIGITS: OnceLock<ClassUnicode> = OnceLock::new();
static GRAPHIC: OnceLock<ClassUnicode> = OnceLock::new();

/// Unicode letters (general category L).
pub(crate) fn is_letter(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphabetic();
    }
    contains(LETTERS.get_or_init(|| class(r"\p{L}")), c)
}

/// Unicode decimal digits (general category Nd).
pub(crate) fn is_digit(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_digit();
    }
    contains(DIGITS.get_or_init(|| class(r"\p{Nd}")), c)
}

/// Letters, marks, numbers, punctuation and symbols beyond ASCII.
pub(crate) fn is_graphic(c: char) -> bool {
    contains(
        GRAPHIC.get_or_init(|| class(r"[\p{L}\p{M}\p{N}\p{P}\p{S}]")),
        c,
    )
}

/// Whether a character may stand inside an identifier.
pub(crate) fn is_identifier_part(c: char) -> bool {
    is_letter(c) || is_digit(c) || c == '_' || c == '$'
}

/// Whether a text is an identifier, `_` and prefixes included: what a label needs no quotes for
/// unless it begins with `_` or `#`.
pub fn is_identifier(text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    let (rest, underscore) = match text.strip_prefix('_') {
        Some("") => return true,
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let (rest, hash) = rest
        .strip_prefix('#')
        .map_or((rest, false), |rest| (rest, true));
    if (hash || !underscore) && rest.chars().next().is_some_and(is_digit) {
        return false;
    }
    rest.chars().all(is_identifier_part)
}

fn class(pattern: &str) -> ClassUnicode {
    match regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind) {
        Ok(HirKind::Class(Class::Unicode(class))) => class,
        _ => ClassUnicode::empty(),
    }
}

fn contains(class: &ClassUnicode, c: char) -> bool {
    class
        .ranges()
        .binary_search_by(|range| {
            if range.end() < c {
                std::cmp::Ordering::Less
            } else if range.start() > c {
                std::cmp::Ordering::Greater
            } else {
                std::cmp::Ordering::Equal
            }
        })
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::is_identifier;

    #[test]
    fn identifiers_may_be_prefixed_and_unicode() {
        for good in ["a", "_", "_a", "#A", "_#A", "$x", "é9", "_0", "日本"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "0a", "a-b", "#0", "_#0", "a b", "a.b"] {
            assert!(!is_identifier(bad), "{bad}");
        }
    }
}
