//! Sources of the reference's archives, and what mutation makes of them.

use std::fs;

use super::random::Random;
use crate::oracle::{Oracle, OracleError};
use crate::suite::SUITES;
use crate::txtar::Archive;

/// The longest source that is mutated, in bytes.
const MAX_SOURCE: usize = 3_000;

/// Small sources, without the assertions in them.
#[derive(Debug)]
pub struct Corpus {
    sources: Vec<String>,
}

impl Corpus {
    /// Reads the archives that are evaluated.
    pub fn read(oracle: &Oracle) -> Result<Self, OracleError> {
        let mut sources = Vec::new();
        for (suite, _) in SUITES.iter().filter(|(_, evaluate)| *evaluate) {
            for outcome in oracle.suite(suite)? {
                let path = oracle.module.join(format!("{}.txtar", outcome.case));
                let text = fs::read_to_string(&path)
                    .map_err(|source| OracleError::File { path, source })?;
                for file in Archive::parse(&text).sources() {
                    let plain = without_assertions(&file.data);
                    for part in parts(&plain) {
                        sources.push(part);
                    }
                }
            }
        }
        Ok(Self { sources })
    }

    /// A corpus of these sources.
    pub fn of(sources: Vec<String>) -> Self {
        Self { sources }
    }

    /// One of the sources.
    pub fn pick(&self, random: &mut Random) -> &str {
        &self.sources[random.below(self.sources.len())]
    }

    /// A source with one to four changes.
    pub fn mutated(&self, mut random: Random) -> String {
        let mut text = self.pick(&mut random).to_owned();
        for _ in 0..=random.below(4) {
            let changed = self.change(&text, &mut random);
            if !changed.trim().is_empty() {
                text = changed;
            }
        }
        text
    }

    fn change(&self, text: &str, random: &mut Random) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return text.to_owned();
        }
        let at = random.below(lines.len());
        match random.below(10) {
            0 => {
                lines.remove(at);
            }
            1 => {
                let line = lines[at].clone();
                lines.insert(random.below(lines.len() + 1), line);
            }
            2 => {
                let other = random.below(lines.len());
                lines.swap(at, other);
            }
            3 => {
                let other = self.pick(random).to_owned();
                let donors: Vec<&str> = other.lines().collect();
                if !donors.is_empty() {
                    lines.insert(at, donors[random.below(donors.len())].to_owned());
                }
            }
            _ => return change_token(text, random),
        }
        lines.join("\n") + "\n"
    }
}

/// Files that are too long in parts: what stands between empty lines at their top level, behind their
/// imports.
fn parts(text: &str) -> Vec<String> {
    if text.len() <= MAX_SOURCE {
        return vec![text.to_owned()];
    }
    let mut parts = Vec::new();
    let mut part = String::new();
    for block in text.split("\n\n") {
        if !part.is_empty() && part.len() + block.len() > MAX_SOURCE {
            parts.push(std::mem::take(&mut part));
        }
        if block.len() <= MAX_SOURCE {
            part.push_str(block);
            part.push_str("\n\n");
        }
    }
    parts.push(part);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// The text without `@test(…)`.
fn without_assertions(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("@test(") {
        out.push_str(&rest[..at]);
        rest = &rest[at + "@test(".len()..];
        let mut depth = 1;
        let mut quoted = false;
        let mut escaped = false;
        let mut end = rest.len();
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '(' | '[' | '{' if !quoted => depth += 1,
                ')' | ']' | '}' if !quoted => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                end = at + c.len_utf8();
                break;
            }
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// A token of a text: where it begins, where it ends, and what it is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Like {
    Name,
    Number,
    Text,
    Sign,
}

fn tokens(text: &str) -> Vec<(usize, usize, Like)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'#' | b'$');
        let like = match bytes[at] {
            byte if byte.is_ascii_whitespace() || !byte.is_ascii() => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                while at < bytes.len() && bytes[at] != b'\n' {
                    at += 1;
                }
                continue;
            }
            byte if byte.is_ascii_digit() => {
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'.') {
                    at += 1;
                }
                Like::Number
            }
            byte if name(byte) => {
                while at < bytes.len() && name(bytes[at]) {
                    at += 1;
                }
                Like::Name
            }
            b'"' => {
                at += 1;
                while at < bytes.len() && bytes[at] != b'"' && bytes[at] != b'\n' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(bytes.len());
                Like::Text
            }
            _ => {
                at += 1;
                Like::Sign
            }
        };
        at = at.min(bytes.len());
        if text.is_char_boundary(start) && text.is_char_boundary(at) {
            found.push((start, at, like));
        }
    }
    found
}

const OTHER_SIGNS: &[&str] = &[
    "&", "|", "+", "-", "*", "<", ">", "?:", "!:", ":", ",", ".", "...", "==", "!=", "*1|", "/",
];
const OTHER_TEXTS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"b\"",
    "string",
    "_",
    "\"\\(1)\"",
    "1",
    "=~\"a\"",
];
const OTHER_NUMBERS: &[&str] = &[
    "0", "1", "2", "-1", "1.0", "int", "number", "1e3", "\"1\"", ">0", "<=5", "null", "*1 | int",
    "0.5",
];
const OTHER_NAMES: &[&str] = &[
    "_",
    "int",
    "string",
    "a",
    "b",
    "#A",
    "_h",
    "close({})",
    "_|_",
    "{a: 1}",
    "[1, 2]",
    "null",
    "true",
    "{...}",
    "(1 | *2)",
];

/// One token instead of another, or one less, or one more.
fn change_token(text: &str, random: &mut Random) -> String {
    let tokens = tokens(text);
    if tokens.is_empty() {
        return text.to_owned();
    }
    let (start, end, like) = tokens[random.below(tokens.len())];
    let same: Vec<&str> = tokens
        .iter()
        .filter(|(_, _, other)| *other == like)
        .map(|(start, end, _)| &text[*start..*end])
        .collect();
    let new = match (random.below(6), like) {
        (0, _) => "",
        (1 | 2, _) => random.pick(&same),
        (_, Like::Sign) => random.pick(OTHER_SIGNS),
        (_, Like::Text) => random.pick(OTHER_TEXTS),
        (_, Like::Number) => random.pick(OTHER_NUMBERS),
        (_, Like::Name) => random.pick(OTHER_NAMES),
    };
    format!("{}{new}{}", &text[..start], &text[end..])
}

/// Bytes that mean something in one of the languages.
const SIGNS: &[u8] = b"{}[]()\"'\\:,.#_?!&|*@\n 09-+e";

/// Bytes with some of them changed, removed, or doubled: mostly no program at all.
pub fn mutated_bytes(source: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = source.to_vec();
    for _ in 0..=random.below(6) {
        if bytes.is_empty() {
            bytes.push(random.byte());
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.byte(),
            1 => {
                bytes.remove(at);
            }
            2 => bytes.insert(at, SIGNS[random.below(SIGNS.len())]),
            3 => {
                let end = (at + 1 + random.below(12)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                for _ in 0..random.below(20) {
                    bytes.splice(at..at, part.iter().copied());
                }
            }
            4 => bytes.truncate(at),
            _ => {
                let end = (at + 1 + random.below(30)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Corpus, Random, without_assertions};

    #[test]
    fn assertions_leave_no_trace() {
        assert_eq!(
            without_assertions("a: 1 @test(eq, \")\", {b: (1)})\nb: 2"),
            "a: 1 \nb: 2"
        );
    }

    #[test]
    fn a_mutation_is_the_same_for_the_same_seed_and_changes_something() {
        let corpus = Corpus::of(vec!["a: 1\nb: a + 2\nc: \"x\"\n".into()]);
        let mutant = |case| corpus.mutated(Random::new(7, case));
        assert_eq!(mutant(3), mutant(3));
        let changed = (0..50)
            .filter(|case| mutant(*case) != corpus.sources[0])
            .count();
        assert!(changed > 40, "{changed}");
    }
}
