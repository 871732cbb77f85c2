//! `strings`
//!
//! Indices and lengths count bytes unless a name says runes.

use std::sync::Arc;

use crate::datum::Datum;
use crate::function::{Args, Fault, Function, Result, functions, room_for};

/// How often something may be repeated.
pub(crate) const MAX_REPEAT: i64 = 1_000_000;

pub(crate) const FUNCTIONS: &[Function] = functions![
    "ByteAt" (Bytes, Int) -> "int" = |a| {
        let index = usize::try_from(a.int(1)?).ok();
        let byte = index.and_then(|index| a.bytes(0).ok()?.get(index));
        byte.map(|byte| Datum::int(i64::from(*byte))).ok_or_else(out_of_range)
    };
    "ByteSlice" (Bytes, Int, Int) -> "bytes" = |a| {
        let range = range(a, a.bytes(0)?.len())?;
        Ok(Datum::bytes(&a.bytes(0)?[range]))
    };
    "Runes" (String) -> "list" = |a| {
        Ok(Datum::List(a.text(0)?.chars().map(|c| Datum::int(i64::from(u32::from(c)))).collect()))
    };
    "Repeat" (String, Int) -> "string" = |a| {
        let text = a.text(0)?;
        Ok(Datum::text(text.repeat(repeats(a.int(1)?, text.len())?)))
    };
    "MinRunes" (String, Int) -> "bool" = |a| {
        let count = i64::try_from(a.text(0)?.chars().count()).unwrap_or(i64::MAX);
        Ok(Datum::Bool(count >= a.int(1)?))
    };
    "MaxRunes" (String, Int) -> "bool" = |a| {
        let count = i64::try_from(a.text(0)?.chars().count()).unwrap_or(i64::MAX);
        Ok(Datum::Bool(count <= a.int(1)?))
    };
    "ToTitle" (String) -> "string" = |a| Ok(first_letters(a.text(0)?, title));
    "ToCamel" (String) -> "string" = |a| Ok(first_letters(a.text(0)?, lower));
    "SliceRunes" (String, Int, Int) -> "string" = |a| {
        let runes: Vec<char> = a.text(0)?.chars().collect();
        let range = range(a, runes.len())?;
        Ok(Datum::text(runes[range].iter().collect::<String>()))
    };
    "Compare" (String, String) -> "int" = |a| Ok(Datum::int(a.text(0)?.cmp(a.text(1)?) as i64));
    "Count" (String, String) -> "int" = |a| {
        let (text, part) = (a.text(0)?, a.text(1)?);
        // Between all runes, and at both ends.
        let empty = part.is_empty();
        let count =
            if empty { text.chars().count() + 1 } else { text.matches(&**part).count() };
        Ok(Datum::count(count))
    };
    "Contains" (String, String) -> "bool" = |a| Ok(Datum::Bool(a.text(0)?.contains(&**a.text(1)?)));
    "ContainsAny" (String, String) -> "bool" = |a| Ok(Datum::Bool(a.text(0)?.contains(any_of(a.text(1)?))));
    "LastIndex" (String, String) -> "int" = |a| Ok(index(a.text(0)?.rfind(&**a.text(1)?)));
    "IndexAny" (String, String) -> "int" = |a| Ok(index(a.text(0)?.find(any_of(a.text(1)?))));
    "LastIndexAny" (String, String) -> "int" = |a| Ok(index(a.text(0)?.rfind(any_of(a.text(1)?))));
    "SplitN" (String, String, Int) -> "list" = |a| Ok(split(a.text(0)?, a.text(1)?, a.int(2)?, false));
    "SplitAfterN" (String, String, Int) -> "list" = |a| Ok(split(a.text(0)?, a.text(1)?, a.int(2)?, true));
    "Split" (String, String) -> "list" = |a| Ok(split(a.text(0)?, a.text(1)?, -1, false));
    "SplitAfter" (String, String) -> "list" = |a| Ok(split(a.text(0)?, a.text(1)?, -1, true));
    "Fields" (String) -> "list" = |a| Ok(Datum::texts(a.text(0)?.split(is_space).filter(|part| !part.is_empty())));
    "Join" (Strings, String) -> "string" = |a| {
        let texts: Vec<&str> = a.texts(0)?.into_iter().map(|text| &**text).collect();
        let separator = a.text(1)?;
        room_for(separator.len().saturating_mul(texts.len()))?;
        Ok(Datum::text(texts.join(separator)))
    };
    "HasPrefix" (String, String) -> "bool" = |a| Ok(Datum::Bool(a.text(0)?.starts_with(&**a.text(1)?)));
    "HasSuffix" (String, String) -> "bool" = |a| Ok(Datum::Bool(a.text(0)?.ends_with(&**a.text(1)?)));
    "ToUpper" (String) -> "string" = |a| Ok(Datum::text(a.text(0)?.chars().map(upper).collect::<String>()));
    "ToLower" (String) -> "string" = |a| Ok(Datum::text(a.text(0)?.chars().map(lower).collect::<String>()));
    "Trim" (String, String) -> "string" = |a| Ok(Datum::text(a.text(0)?.trim_matches(any_of(a.text(1)?))));
    "TrimLeft" (String, String) -> "string" = |a| Ok(Datum::text(a.text(0)?.trim_start_matches(any_of(a.text(1)?))));
    "TrimRight" (String, String) -> "string" = |a| Ok(Datum::text(a.text(0)?.trim_end_matches(any_of(a.text(1)?))));
    "TrimSpace" (String) -> "string" = |a| Ok(Datum::text(a.text(0)?.trim_matches(is_space)));
    "TrimPrefix" (String, String) -> "string" = |a| {
        let text = a.text(0)?;
        Ok(Datum::text(text.strip_prefix(&**a.text(1)?).unwrap_or(text)))
    };
    "TrimSuffix" (String, String) -> "string" = |a| {
        let text = a.text(0)?;
        Ok(Datum::text(text.strip_suffix(&**a.text(1)?).unwrap_or(text)))
    };
    "Replace" (String, String, String, Int) -> "string" = |a| {
        let (text, old, new) = (a.text(0)?, a.text(1)?, a.text(2)?);
        let count = usize::try_from(a.int(3)?).unwrap_or(usize::MAX);
        if new.len() > old.len() {
            let found = text.matches(&**old).take(count).count();
            room_for(text.len().saturating_add(found.saturating_mul(new.len())))?;
        }
        Ok(Datum::text(text.replacen(&**old, new, count)))
    };
    "Index" (String, String) -> "int" = |a| Ok(index(a.text(0)?.find(&**a.text(1)?)));
];

fn out_of_range() -> Fault {
    Fault::error("index out of range")
}

/// The second and third argument as a range inside a length.
fn range(args: &Args<'_>, length: usize) -> Result<std::ops::Range<usize>> {
    let (Ok(start), Ok(end)) = (usize::try_from(args.int(1)?), usize::try_from(args.int(2)?))
    else {
        return Err(out_of_range());
    };
    if start > end || end > length {
        Err(out_of_range())
    } else {
        Ok(start..end)
    }
}

/// A count of repetitions of something of this length.
pub(crate) fn repeats(count: i64, length: usize) -> Result<usize> {
    if count > MAX_REPEAT {
        return Err(Fault::error(format!(
            "count {count} exceeds limit of {MAX_REPEAT}"
        )));
    }
    let count = usize::try_from(count).map_err(|_| Fault::error("negative count"))?;
    room_for(count.saturating_mul(length))?;
    Ok(count)
}

fn index(found: Option<usize>) -> Datum {
    found.map_or(Datum::int(-1), Datum::count)
}

fn any_of(chars: &str) -> impl Fn(char) -> bool + Copy {
    move |c| chars.contains(c)
}

/// White space as Go sees it.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{1c}'..='\u{1f}')
}

/// One character for one: what would become several stays.
fn upper(c: char) -> char {
    single(c, c.to_uppercase())
}

fn lower(c: char) -> char {
    // The one letter whose small form is written with two characters.
    if c == '\u{130}' {
        'i'
    } else {
        single(c, c.to_lowercase())
    }
}

fn title(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        _ => upper(c),
    }
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn first_letters(text: &str, change: fn(char) -> char) -> Datum {
    let mut previous = ' ';
    let changed = text.chars().map(|c| {
        let begins = is_space(std::mem::replace(&mut previous, c));
        if begins { change(c) } else { c }
    });
    Datum::text(changed.collect::<String>())
}

/// Splits at a separator into at most `count` pieces; negative means all, zero means none.
fn split(text: &str, separator: &str, count: i64, keep: bool) -> Datum {
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    if limit == 0 {
        return Datum::List(Vec::new());
    }
    if separator.is_empty() {
        let mut pieces: Vec<Arc<str>> = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if pieces.len() + 1 == limit {
                pieces.push(rest.into());
                break;
            }
            let (first, after) = rest.split_at(c.len_utf8());
            pieces.push(first.into());
            rest = after;
        }
        return Datum::texts(pieces);
    }
    let pieces = text.splitn(limit, separator);
    if !keep {
        return Datum::texts(pieces);
    }
    let pieces: Vec<&str> = pieces.collect();
    let last = pieces.len() - 1;
    Datum::texts(pieces.iter().enumerate().map(|(index, piece)| {
        if index == last {
            (*piece).to_owned()
        } else {
            format!("{piece}{separator}")
        }
    }))
}
