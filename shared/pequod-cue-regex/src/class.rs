//! Character classes: `[…]`, `\d`, `[:alpha:]`, `\p{Greek}`.
//!
//! Go's classes are plain lists of ranges and named classes: `&&`, `--`, `~~` and nested brackets, which the
//! engine's own syntax would read as set operations, are ordinary characters here.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

use crate::parse::{Flags, Parser};
use crate::{Error, ErrorKind};

type Ranges = &'static [(char, char)];

/// Perl's classes, ASCII only as in Go; `\s` has no vertical tab.
const DIGIT: Ranges = &[('0', '9')];
const SPACE: Ranges = &[('\t', '\n'), ('\x0C', '\r'), (' ', ' ')];
const WORD: Ranges = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// POSIX's classes, ASCII only.
const POSIX: &[(&str, Ranges)] = &[
    ("alnum", &[('0', '9'), ('A', 'Z'), ('a', 'z')]),
    ("alpha", &[('A', 'Z'), ('a', 'z')]),
    ("ascii", &[('\0', '\x7F')]),
    ("blank", &[('\t', '\t'), (' ', ' ')]),
    ("cntrl", &[('\0', '\x1F'), ('\x7F', '\x7F')]),
    ("digit", DIGIT),
    ("graph", &[('!', '~')]),
    ("lower", &[('a', 'z')]),
    ("print", &[(' ', '~')]),
    ("punct", &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
    ("space", &[('\t', '\r'), (' ', ' ')]),
    ("upper", &[('A', 'Z')]),
    ("word", WORD),
    ("xdigit", &[('0', '9'), ('A', 'F'), ('a', 'f')]),
];

/// The scripts whose full name has four letters. Go knows scripts by their full names; the tables also answer to
/// the four-letter codes of ISO 15924, which Go refuses.
const FOUR_LETTER_SCRIPTS: &[&str] = &[
    "ahom", "cham", "kawi", "lisu", "modi", "newa", "thai", "toto",
];

fn class_of(ranges: Ranges) -> ClassUnicode {
    ClassUnicode::new(
        ranges
            .iter()
            .map(|&(low, high)| ClassUnicodeRange::new(low, high)),
    )
}

/// The members of a class as they are collected, under the flags in force.
struct Members {
    set: ClassUnicode,
    fold: bool,
}

impl Members {
    fn add(&mut self, mut class: ClassUnicode, negated: bool) {
        if self.fold {
            // The tables cannot fail for ranges of `char`; without them nothing folds.
            let _ = class.try_case_fold_simple();
        }
        if negated {
            class.negate();
        }
        self.set.union(&class);
    }

    fn add_range(&mut self, low: char, high: char) {
        if high < low {
            return;
        }
        self.add(
            ClassUnicode::new([ClassUnicodeRange::new(low, high)]),
            false,
        );
    }
}

/// `\d \D \s \S \w \W`, if that is what the text begins with.
pub(crate) fn perl_class(text: &str, flags: Flags) -> Option<(ClassUnicode, usize)> {
    let letter = text.strip_prefix('\\')?.chars().next()?;
    let ranges = match letter.to_ascii_lowercase() {
        'd' => DIGIT,
        's' => SPACE,
        'w' => WORD,
        _ => return None,
    };
    let mut members = Members {
        set: ClassUnicode::empty(),
        fold: flags.fold,
    };
    members.add(class_of(ranges), letter.is_ascii_uppercase());
    Some((members.set, 2))
}

/// `\pL`, `\p{Greek}`, `\P{^Lu}`, if that is what the text begins with.
pub(crate) fn unicode_class(
    text: &str,
    flags: Flags,
) -> Result<Option<(ClassUnicode, usize)>, Error> {
    let Some(after) = text
        .strip_prefix("\\p")
        .or_else(|| text.strip_prefix("\\P"))
    else {
        return Ok(None);
    };
    let Some(first) = after.chars().next() else {
        return Err(Error::new(ErrorKind::InvalidCharRange, text));
    };
    let (name, length) = if first == '{' {
        let end = text
            .find('}')
            .ok_or_else(|| Error::new(ErrorKind::InvalidCharRange, text))?;
        (&text[3..end], end + 1)
    } else {
        (&after[..first.len_utf8()], 2 + first.len_utf8())
    };
    let mut negated = text.starts_with("\\P");
    let bare = name.strip_prefix('^').unwrap_or(name);
    negated ^= bare.len() != name.len();

    let class =
        table(bare).ok_or_else(|| Error::new(ErrorKind::InvalidCharRange, &text[..length]))?;
    let mut members = Members {
        set: ClassUnicode::empty(),
        fold: flags.fold,
    };
    members.add(class, negated);
    Ok(Some((members.set, length)))
}

/// The characters of a general category, or of a script by its full name.
fn table(name: &str) -> Option<ClassUnicode> {
    let folded: String = name
        .chars()
        .filter(|c| !matches!(c, ' ' | '_' | '-'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    if folded.is_empty() || !folded.chars().all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    if folded == "any" {
        return Some(class_of(&[('\0', '\u{10FFFF}')]));
    }
    if folded == "ascii" {
        return Some(class_of(&[('\0', '\x7F')]));
    }
    let is_code = folded.len() == 4 && !FOUR_LETTER_SCRIPTS.contains(&folded.as_str());
    lookup("gc", &folded).or_else(|| if is_code { None } else { lookup("sc", &folded) })
}

fn lookup(property: &str, name: &str) -> Option<ClassUnicode> {
    let hir = regex_syntax::parse(&format!(r"\p{{{property}={name}}}")).ok()?;
    match hir.into_kind() {
        regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => Some(class),
        // A class of one character comes back as that character.
        regex_syntax::hir::HirKind::Literal(literal) => {
            let mut characters = std::str::from_utf8(&literal.0).ok()?.chars();
            let only = characters.next()?;
            Some(ClassUnicode::new([ClassUnicodeRange::new(only, only)]))
        }
        _ => None,
    }
}

impl Parser<'_> {
    /// A class in brackets; the parser stands at its `[`.
    pub(crate) fn bracket_class(&mut self) -> Result<ClassUnicode, Error> {
        let whole = self.rest();
        self.skip(1);
        let negated = self.eat('^');
        let mut members = Members {
            set: ClassUnicode::empty(),
            fold: self.flags.fold,
        };
        let mut first = true;
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return Err(Error::new(ErrorKind::MissingBracket, whole));
            }
            // A bracket in the first place is an ordinary character.
            if !first && self.eat(']') {
                break;
            }
            first = false;
            if let Some(length) = posix_class(rest, &mut members)? {
                self.skip(length);
                continue;
            }
            if let Some((class, length)) = unicode_class(rest, self.flags)? {
                members.set.union(&class);
                self.skip(length);
                continue;
            }
            if let Some((class, length)) = perl_class(rest, self.flags) {
                members.set.union(&class);
                self.skip(length);
                continue;
            }
            let low = self.class_character(whole)?;
            let mut high = low;
            let after = self.rest();
            // `-` before the closing bracket is an ordinary character.
            if after.len() >= 2 && after.starts_with('-') && !after.starts_with("-]") {
                self.skip(1);
                high = self.class_character(whole)?;
                if code(high, u32::MAX) < code(low, 0) {
                    let range = &rest[..rest.len() - self.rest().len()];
                    return Err(Error::new(ErrorKind::InvalidCharRange, range));
                }
            }
            // A surrogate as a bound stands for the nearest character inside the range.
            members.add_range(low.unwrap_or('\u{E000}'), high.unwrap_or('\u{D7FF}'));
        }
        if negated {
            members.set.negate();
        }
        Ok(members.set)
    }

    fn class_character(&mut self, whole: &str) -> Result<Option<char>, Error> {
        match self.rest().chars().next() {
            None => Err(Error::new(ErrorKind::MissingBracket, whole)),
            Some('\\') => self.escape(),
            Some(character) => {
                self.skip(character.len_utf8());
                Ok(Some(character))
            }
        }
    }
}

/// The order of range bounds, with a value for surrogates.
fn code(bound: Option<char>, surrogate: u32) -> u32 {
    bound.map_or(surrogate, u32::from)
}

/// `[:alpha:]` or `[:^alpha:]`: how long it is, if the text begins with one.
fn posix_class(text: &str, members: &mut Members) -> Result<Option<usize>, Error> {
    let Some(inner) = text.strip_prefix("[:") else {
        return Ok(None);
    };
    let Some(end) = inner.find(":]") else {
        return Ok(None);
    };
    let name = &inner[..end];
    let length = end + 4;
    let (bare, negated) = name
        .strip_prefix('^')
        .map_or((name, false), |bare| (bare, true));
    let (_, ranges) = POSIX
        .iter()
        .find(|(known, _)| *known == bare)
        .ok_or_else(|| Error::new(ErrorKind::InvalidCharRange, &text[..length]))?;
    members.add(class_of(ranges), negated);
    Ok(Some(length))
}
