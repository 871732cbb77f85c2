//! Patterns for file names: `*`, `?`, `[a-z]`, and a backslash before what shall be plain (but on
//! Windows, where it separates).
//!
//! A star stands for any run of characters without a separator; the first one that fits is taken,
//! and the rest of the pattern is tried behind it. A pattern is checked to its end even if the
//! name already differs.

use super::System;
use crate::function::{Fault, Result};

/// Whether a name matches a pattern as a whole.
pub(super) fn matches(pattern: &str, name: &str, system: System) -> Result<bool> {
    let mut pattern: Vec<char> = pattern.chars().collect();
    let mut name: Vec<char> = name.chars().collect();
    while !pattern.is_empty() {
        let (star, chunk, rest) = next_chunk(&pattern, system)?;
        if star && chunk.is_empty() {
            return Ok(!name.contains(&system.separator()));
        }
        let found = match matched(&chunk, &name, system)? {
            Some(after) if after == name.len() || !rest.is_empty() => Some(after),
            _ if star => later(&chunk, &name, system, rest.is_empty())?,
            _ => None,
        };
        let Some(after) = found else {
            // What is left must still be well-formed.
            let mut rest = rest;
            while !rest.is_empty() {
                rest = next_chunk(&rest, system)?.2;
            }
            return Ok(false);
        };
        name.drain(..after);
        pattern = rest;
    }
    Ok(name.is_empty())
}

/// Where a chunk ends in a name, if the star before it takes some characters.
fn later(chunk: &[char], name: &[char], system: System, last: bool) -> Result<Option<usize>> {
    for start in 0..name.len() {
        if name[start] == system.separator() {
            break;
        }
        let start = start + 1;
        match matched(chunk, &name[start..], system)? {
            Some(after) if last && start + after < name.len() => {}
            Some(after) => return Ok(Some(start + after)),
            None => {}
        }
    }
    Ok(None)
}

type Chunk = (bool, Vec<char>, Vec<char>);

/// A star or none, what stands before the next star, and what follows.
fn next_chunk(pattern: &[char], system: System) -> Result<Chunk> {
    let (star, body) = match pattern {
        ['*', '*', ..] => {
            return Err(Fault::error("'**' is not supported in patterns as of yet"));
        }
        ['*', body @ ..] => (true, body),
        body => (false, body),
    };
    let mut in_class = false;
    let mut at = 0;
    while let Some(c) = body.get(at) {
        match c {
            '\\' if system != System::Windows && at + 1 < body.len() => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '*' if !in_class => break,
            _ => {}
        }
        at += 1;
    }
    Ok((star, body[..at].to_vec(), body[at..].to_vec()))
}

fn malformed() -> Fault {
    Fault::error("syntax error in pattern")
}

/// How many characters of a name a chunk without stars takes.
fn matched(mut chunk: &[char], name: &[char], system: System) -> Result<Option<usize>> {
    let mut at = 0;
    let mut failed = false;
    while let Some((&first, after)) = chunk.split_first() {
        let c = name.get(at).copied();
        failed |= c.is_none();
        match first {
            '[' => {
                let (fits, rest) = class(after, if failed { None } else { c }, system)?;
                failed |= !fits;
                chunk = rest;
            }
            '?' => {
                failed |= c == Some(system.separator());
                chunk = after;
            }
            '\\' if system != System::Windows => {
                let (&plain, rest) = after.split_first().ok_or_else(malformed)?;
                failed |= c != Some(plain);
                chunk = rest;
            }
            plain => {
                failed |= c != Some(plain);
                chunk = after;
            }
        }
        at += 1;
    }
    Ok((!failed).then_some(at))
}

/// Whether a character is of a class, of which the opening bracket is read; and what follows.
fn class(chunk: &[char], c: Option<char>, system: System) -> Result<(bool, &[char])> {
    let (negated, mut chunk) = match chunk {
        ['^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let c = c.unwrap_or('\0');
    let (mut found, mut ranges) = (false, 0);
    loop {
        if let [']', rest @ ..] = chunk
            && ranges > 0
        {
            return Ok((found != negated, rest));
        }
        let (low, rest) = member(chunk, system)?;
        let (high, rest) = match rest {
            ['-', rest @ ..] => member(rest, system)?,
            rest => (low, rest),
        };
        found |= (low..=high).contains(&c);
        ranges += 1;
        chunk = rest;
    }
}

/// A character of a class; the class cannot end with it.
fn member(chunk: &[char], system: System) -> Result<(char, &[char])> {
    let (c, rest) = match chunk {
        [] | ['-' | ']', ..] => return Err(malformed()),
        ['\\', rest @ ..] if system != System::Windows => {
            rest.split_first().ok_or_else(malformed)?
        }
        [c, rest @ ..] => (c, rest),
    };
    if rest.is_empty() {
        return Err(malformed());
    }
    Ok((*c, rest))
}
