//! The grammar of Go's `regexp/syntax` in Perl mode, one function per production.
//!
//! ```text
//! alternation = concatenation { "|" concatenation }
//! concatenation = { repetition }
//! repetition  = atom [ ( "*" | "+" | "?" | "{" n [ "," [ m ] ] "}" ) [ "?" ] ]
//! atom        = literal | "." | "^" | "$" | class | escape | group
//! group       = "(" [ "?" flags ":" | "?P<" name ">" | "?<" name ">" ] alternation ")" | "(?" flags ")"
//! ```

use regex_syntax::hir::{
    Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition,
};

use crate::class::{perl_class, unicode_class};
use crate::{Error, ErrorKind};

/// The most that a count may be, and the most that nested counts may multiply to.
const MAX_REPEAT: u32 = 1000;
/// The most levels of groups.
const MAX_DEPTH: u32 = 1000;

/// Flags of the Perl kind, in force up to the end of the group that set them.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are four flags of the language, each on or off"
)]
pub(crate) struct Flags {
    /// `i`: letters match either case.
    pub(crate) fold: bool,
    /// `m`: `^` and `$` match at line ends.
    pub(crate) multi_line: bool,
    /// `s`: `.` matches a line break.
    pub(crate) dot_newline: bool,
    /// `U`: `x*` is as short as can be, `x*?` as long.
    pub(crate) swap_greed: bool,
}

pub(crate) struct Parser<'p> {
    text: &'p str,
    at: usize,
    pub(crate) flags: Flags,
    names: Vec<Option<String>>,
    depth: u32,
}

/// Parses a whole text.
/// The names of the groups come beside the tree: Go lets two groups share one, which the engine does not.
pub(crate) fn parse(text: &str) -> Result<(Hir, Vec<Option<String>>), Error> {
    let mut parser = Parser {
        text,
        at: 0,
        flags: Flags::default(),
        names: vec![None],
        depth: 0,
    };
    let hir = parser.alternation()?;
    if parser.rest().is_empty() {
        Ok((hir, parser.names))
    } else {
        // Only a `)` without its `(` ends an alternation early.
        Err(Error::new(ErrorKind::UnexpectedParen, text))
    }
}

/// An element of a concatenation, with what the next operator needs to know of it.
struct Element {
    hir: Hir,
    /// The largest product of nested counts inside.
    repeats: u32,
}

impl<'p> Parser<'p> {
    pub(crate) fn rest(&self) -> &'p str {
        &self.text[self.at..]
    }

    pub(crate) fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    pub(crate) fn eat(&mut self, expected: char) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.skip(expected.len_utf8());
        }
        found
    }

    fn alternation(&mut self) -> Result<Hir, Error> {
        Ok(self.alternation_counted()?.hir)
    }

    fn alternation_counted(&mut self) -> Result<Element, Error> {
        let first = self.concatenation()?;
        let mut repeats = first.repeats;
        let mut arms = vec![first.hir];
        while self.eat('|') {
            let next = self.concatenation()?;
            repeats = repeats.max(next.repeats);
            arms.push(next.hir);
        }
        Ok(Element {
            hir: Hir::alternation(arms),
            repeats,
        })
    }

    /// Elements side by side, up to `|`, `)` or the end.
    fn concatenation(&mut self) -> Result<Element, Error> {
        let mut parts: Vec<Element> = Vec::new();
        // Where the operator began that made the last element; a second one right behind it is a mistake.
        let mut operator: Option<usize> = None;
        loop {
            let rest = self.rest();
            let Some(next) = rest.chars().next() else {
                break;
            };
            match next {
                '|' | ')' => break,
                '*' | '+' | '?' => {
                    let begin = self.at;
                    self.skip(1);
                    let (min, max) = match next {
                        '*' => (0, None),
                        '+' => (1, None),
                        _ => (0, Some(1)),
                    };
                    self.repeat(&mut parts, begin, operator, min, max)?;
                    operator = Some(begin);
                }
                '{' => {
                    let begin = self.at;
                    if let Some((min, max, length)) = counts(rest) {
                        self.skip(length);
                        let over = min > MAX_REPEAT
                            || max.is_some_and(|max| max > MAX_REPEAT || max < min);
                        if over {
                            let part = &self.text[begin..self.at];
                            return Err(Error::new(ErrorKind::InvalidRepeatSize, part));
                        }
                        self.repeat(&mut parts, begin, operator, min, max)?;
                        operator = Some(begin);
                    } else {
                        self.skip(1);
                        parts.push(plain(self.literal('{')));
                        operator = None;
                    }
                }
                '(' if rest.starts_with("(?") => {
                    if let Some(group) = self.special_group()? {
                        parts.push(group);
                    }
                    operator = None;
                }
                '(' => {
                    self.skip(1);
                    parts.push(self.capture(None)?);
                    operator = None;
                }
                '\\' if rest.starts_with("\\Q") => {
                    self.skip(2);
                    let quoted = self.rest();
                    let end = quoted.find("\\E").unwrap_or(quoted.len());
                    parts.extend(quoted[..end].chars().map(|c| plain(self.literal(c))));
                    self.skip((end + 2).min(quoted.len()));
                    operator = None;
                }
                _ => {
                    let atom = self.atom(next)?;
                    parts.push(plain(atom));
                    operator = None;
                }
            }
        }
        let repeats = parts.iter().map(|part| part.repeats).max().unwrap_or(1);
        let hir = Hir::concat(parts.into_iter().map(|part| part.hir).collect());
        Ok(Element { hir, repeats })
    }

    /// Applies a repetition operator to the last element.
    fn repeat(
        &mut self,
        parts: &mut Vec<Element>,
        begin: usize,
        before: Option<usize>,
        min: u32,
        max: Option<u32>,
    ) -> Result<(), Error> {
        let lazy = self.eat('?');
        let operator = &self.text[begin..self.at];
        if let Some(before) = before {
            let both = &self.text[before..self.at];
            return Err(Error::new(ErrorKind::InvalidRepeatOp, both));
        }
        let Some(last) = parts.pop() else {
            return Err(Error::new(ErrorKind::MissingRepeatArgument, operator));
        };
        // `*`, `+` and `?` count once; a bounded count multiplies with those inside it.
        let is_count = operator.starts_with('{');
        let times = if is_count {
            max.unwrap_or(min).max(1)
        } else {
            1
        };
        let repeats = last.repeats.saturating_mul(times);
        if is_count && repeats > MAX_REPEAT {
            return Err(Error::new(ErrorKind::InvalidRepeatSize, operator));
        }
        let greedy = lazy == self.flags.swap_greed;
        let hir = Hir::repetition(Repetition {
            min,
            max,
            greedy,
            sub: Box::new(last.hir),
        });
        parts.push(Element { hir, repeats });
        Ok(())
    }

    /// What begins with `(?`: a named group, a group with flags, or flags for the rest of this group.
    fn special_group(&mut self) -> Result<Option<Element>, Error> {
        let whole = self.rest();
        let named = if whole.starts_with("(?P<") {
            Some(4)
        } else {
            None
        }
        .or(if whole.starts_with("(?<") {
            Some(3)
        } else {
            None
        })
        .filter(|&start| whole.len() > start);
        if let Some(start) = named {
            let end = whole
                .find('>')
                .ok_or_else(|| Error::new(ErrorKind::InvalidNamedCapture, whole))?;
            let name = &whole[start..end];
            let valid =
                !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
            if !valid {
                return Err(Error::new(ErrorKind::InvalidNamedCapture, &whole[..=end]));
            }
            self.skip(end + 1);
            return self.capture(Some(name.to_owned())).map(Some);
        }
        self.skip(2);
        let outer = self.flags;
        let (mut value, mut saw) = (true, false);
        loop {
            let next = self.rest().chars().next();
            if let Some(next) = next {
                self.skip(next.len_utf8());
            }
            match next {
                Some('i') => self.flags.fold = value,
                Some('m') => self.flags.multi_line = value,
                Some('s') => self.flags.dot_newline = value,
                Some('U') => self.flags.swap_greed = value,
                Some('-') if value => {
                    value = false;
                    saw = false;
                    continue;
                }
                Some(':') if value || saw => {
                    let group = self.group_body()?;
                    self.flags = outer;
                    return Ok(Some(group));
                }
                Some(')') if value || saw => return Ok(None),
                _ => {
                    let part = &whole[..whole.len() - self.rest().len()];
                    return Err(Error::new(ErrorKind::InvalidPerlOp, part));
                }
            }
            saw = true;
        }
    }

    /// A group that is numbered; the parser stands behind its opening.
    fn capture(&mut self, name: Option<String>) -> Result<Element, Error> {
        let number = self.names.len();
        self.names.push(name);
        let Element { hir, repeats } = self.group_body()?;
        let index =
            u32::try_from(number).map_err(|_| Error::new(ErrorKind::TooLarge, self.text))?;
        let hir = Hir::capture(Capture {
            index,
            name: None,
            sub: Box::new(hir),
        });
        Ok(Element { hir, repeats })
    }

    /// The inside of a group and its `)`. Flags that the inside sets end with it.
    fn group_body(&mut self) -> Result<Element, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::new(ErrorKind::NestingDepth, self.text));
        }
        let flags = self.flags;
        let inner = self.alternation_counted()?;
        self.flags = flags;
        self.depth -= 1;
        if !self.eat(')') {
            return Err(Error::new(ErrorKind::MissingParen, self.text));
        }
        Ok(inner)
    }

    /// A single character, a class or an assertion.
    fn atom(&mut self, next: char) -> Result<Hir, Error> {
        let rest = self.rest();
        match next {
            '^' => {
                self.skip(1);
                Ok(Hir::look(if self.flags.multi_line {
                    Look::StartLF
                } else {
                    Look::Start
                }))
            }
            '$' => {
                self.skip(1);
                Ok(Hir::look(if self.flags.multi_line {
                    Look::EndLF
                } else {
                    Look::End
                }))
            }
            '.' => {
                self.skip(1);
                let mut class = ClassUnicode::empty();
                if !self.flags.dot_newline {
                    class.push(ClassUnicodeRange::new('\n', '\n'));
                }
                class.negate();
                Ok(class_hir(class))
            }
            '[' => Ok(class_hir(self.bracket_class()?)),
            '\\' => {
                let assertion = match rest.as_bytes().get(1) {
                    Some(b'A') => Some(Look::Start),
                    Some(b'z') => Some(Look::End),
                    Some(b'b') => Some(Look::WordAscii),
                    Some(b'B') => Some(Look::WordAsciiNegate),
                    _ => None,
                };
                if let Some(look) = assertion {
                    self.skip(2);
                    return Ok(Hir::look(look));
                }
                if let Some((class, length)) = unicode_class(rest, self.flags)? {
                    self.skip(length);
                    return Ok(class_hir(class));
                }
                if let Some((class, length)) = perl_class(rest, self.flags) {
                    self.skip(length);
                    return Ok(class_hir(class));
                }
                Ok(self
                    .escape()?
                    .map_or_else(Hir::fail, |character| self.literal(character)))
            }
            _ => {
                self.skip(next.len_utf8());
                Ok(self.literal(next))
            }
        }
    }

    fn literal(&self, character: char) -> Hir {
        if self.flags.fold {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(character, character)]);
            // Without the case tables the character would only match itself.
            let _ = class.try_case_fold_simple();
            return class_hir(class);
        }
        Hir::literal(character.to_string().into_bytes())
    }

    /// An escape that stands for one character; the parser stands at its backslash. `None` is a surrogate: it can
    /// be written, but no text holds one.
    pub(crate) fn escape(&mut self) -> Result<Option<char>, Error> {
        let whole = self.rest();
        self.skip(1);
        let Some(next) = self.rest().chars().next() else {
            return Err(Error::new(ErrorKind::TrailingBackslash, ""));
        };
        self.skip(next.len_utf8());
        let invalid = |parser: &Self| {
            let part = &whole[..whole.len() - parser.rest().len()];
            Error::new(ErrorKind::InvalidEscape, part)
        };
        match next {
            // One digit alone would be a back-reference, which this language has not.
            '1'..='7' if !self.rest().starts_with(|c| matches!(c, '0'..='7')) => Err(invalid(self)),
            '0'..='7' => {
                let mut value = next as u32 - '0' as u32;
                for _ in 1..3 {
                    match self.rest().chars().next() {
                        Some(digit @ '0'..='7') => {
                            value = value * 8 + (digit as u32 - '0' as u32);
                            self.skip(1);
                        }
                        _ => break,
                    }
                }
                Ok(char::from_u32(value))
            }
            'x' => self
                .hexadecimal()
                .map(char::from_u32)
                .ok_or_else(|| invalid(self)),
            'a' => Ok(Some('\x07')),
            'f' => Ok(Some('\x0C')),
            'n' => Ok(Some('\n')),
            'r' => Ok(Some('\r')),
            't' => Ok(Some('\t')),
            'v' => Ok(Some('\x0B')),
            _ if next.is_ascii() && !next.is_ascii_alphanumeric() => Ok(Some(next)),
            _ => Err(invalid(self)),
        }
    }

    /// `7F` or `{10FFFF}`, after `\x`. On a mistake the parser stands behind the offending character.
    fn hexadecimal(&mut self) -> Option<u32> {
        let next = |parser: &mut Self| {
            let character = parser.rest().chars().next()?;
            parser.skip(character.len_utf8());
            Some(character)
        };
        let first = next(self)?;
        if first != '{' {
            let second = next(self)?;
            return Some(first.to_digit(16)? * 16 + second.to_digit(16)?);
        }
        let (mut value, mut digits) = (0u32, 0);
        loop {
            match next(self)? {
                '}' if digits > 0 => return Some(value),
                character => {
                    value = value * 16 + character.to_digit(16)?;
                    digits += 1;
                    if value > char::MAX as u32 {
                        return None;
                    }
                }
            }
        }
    }
}

fn plain(hir: Hir) -> Element {
    Element { hir, repeats: 1 }
}

/// A class; the empty one never matches.
fn class_hir(class: ClassUnicode) -> Hir {
    if class.ranges().is_empty() {
        return Hir::fail();
    }
    let hir = Hir::class(Class::Unicode(class));
    debug_assert!(!matches!(hir.kind(), HirKind::Empty));
    hir
}

/// `{n}`, `{n,}` or `{n,m}` at the beginning of a text: the counts, and how long it is. Anything else in braces is
/// ordinary text. A count too large for a number is reported as too large by its value.
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let inner = &text[1..text.find('}')?];
    let number = |digits: &str| {
        let valid = !digits.is_empty()
            && digits.bytes().all(|digit| digit.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        valid.then(|| digits.parse().unwrap_or(u32::MAX))
    };
    let length = inner.len() + 2;
    match inner.split_once(',') {
        None => number(inner).map(|count| (count, Some(count), length)),
        Some((low, "")) => number(low).map(|low| (low, None, length)),
        Some((low, high)) => Some((number(low)?, Some(number(high)?), length)),
    }
}
