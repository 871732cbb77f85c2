//! `regexp`

use std::ops::Range;
use std::sync::Arc;

use pequod_cue_regex::{Groups, Regex, quote_meta};

use crate::datum::Datum;
use crate::function::{Fault, Function, Result, functions, room_for};

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Find" (Pattern, String) -> "string" = |a| {
        let (regex, text) = (a.pattern(0)?, a.text(1)?);
        let found = regex.find(text).ok_or_else(no_match)?;
        Ok(Datum::text(&text[found]))
    };
    "FindAll" (Pattern, String, Int) -> "list" = |a| {
        let (regex, text) = (a.pattern(0)?, a.text(1)?);
        let found: Vec<_> = regex.find_all(text).take(limit(a.int(2)?)).collect();
        some(&found)?;
        Ok(Datum::texts(found.into_iter().map(|range| &text[range])))
    };
    "FindSubmatch" (Pattern, String) -> "list" = |a| {
        let (regex, text) = (a.pattern(0)?, a.text(1)?);
        Ok(groups(text, &regex.captures(text).ok_or_else(no_match)?))
    };
    "FindAllSubmatch" (Pattern, String, Int) -> "rows" = |a| {
        let (regex, text) = (a.pattern(0)?, a.text(1)?);
        let found = captures(&regex, text, a.int(2)?)?;
        Ok(Datum::List(found.iter().map(|found| groups(text, found)).collect()))
    };
    "FindNamedSubmatch" (Pattern, String) -> "struct" = |a| {
        let (regex, text) = (a.pattern(0)?, a.text(1)?);
        let found = regex.captures(text).ok_or_else(no_match)?;
        Ok(named(&regex, text, &found))
    };
    "FindAllNamedSubmatch" (Pattern, String, Int) -> "list" = |a| {
        let (regex, text) = (a.pattern(0)?, a.text(1)?);
        let found = captures(&regex, text, a.int(2)?)?;
        Ok(Datum::List(found.iter().map(|found| named(&regex, text, found)).collect()))
    };
    "ReplaceAll" (Pattern, String, String) -> "string" = |a| {
        let (regex, text, template) = (a.pattern(0)?, a.text(1)?, a.text(2)?);
        replace(&regex, text, |found, out| expand(&regex, template, text, found, out))
    };
    "ReplaceAllLiteral" (Pattern, String, String) -> "string" = |a| {
        let (regex, text, literal) = (a.pattern(0)?, a.text(1)?, a.text(2)?);
        replace(&regex, text, |_, out| append(out, literal))
    };
    "Valid" (Pattern) -> "bool" = |a| a.pattern(0).map(|_| Datum::Bool(true));
    "Match" (Pattern, String) -> "bool" = |a| Ok(Datum::Bool(a.pattern(0)?.is_match(a.text(1)?)));
    "QuoteMeta" (String) -> "string" = |a| Ok(Datum::text(quote_meta(a.text(0)?)));
];

fn no_match() -> Fault {
    Fault::error("no match")
}

fn some<T>(found: &[T]) -> Result<()> {
    if found.is_empty() {
        Err(no_match())
    } else {
        Ok(())
    }
}

fn limit(count: i64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The groups of so many matches; none is an error.
fn captures(regex: &Regex, text: &str, count: i64) -> Result<Vec<Groups>> {
    let mut found: Vec<Groups> = Vec::new();
    let mut size = 0;
    for groups in regex.captures_all(text).take(limit(count)) {
        size += groups.len() * size_of::<Option<Range<usize>>>();
        room_for(size)?;
        found.push(groups);
    }
    some(&found)?;
    Ok(found)
}

fn append(out: &mut String, text: &str) -> Result<()> {
    room_for(out.len().saturating_add(text.len()))?;
    out.push_str(text);
    Ok(())
}

fn group<'t>(text: &'t str, range: Option<&Range<usize>>) -> &'t str {
    range.map_or("", |range| &text[range.clone()])
}

fn groups(text: &str, found: &Groups) -> Datum {
    Datum::texts(found.iter().map(|range| group(text, range.as_ref())))
}

fn named(regex: &Regex, text: &str, found: &Groups) -> Datum {
    let names = regex.group_names().zip(found.iter());
    let mut fields: Vec<(Arc<str>, Datum)> = names
        .filter_map(|(name, range)| {
            let name = name.filter(|name| !name.is_empty())?;
            Some((name.into(), Datum::text(group(text, range.as_ref()))))
        })
        .collect();
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Datum::Struct(fields)
}

fn replace(
    regex: &Regex,
    text: &str,
    mut with: impl FnMut(&Groups, &mut String) -> Result<()>,
) -> Result {
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for found in regex.captures_all(text) {
        let Some(Some(whole)) = found.first() else {
            continue;
        };
        out.push_str(&text[end..whole.start]);
        with(&found, &mut out)?;
        end = whole.end;
    }
    out.push_str(&text[end..]);
    Ok(Datum::text(out))
}

/// Writes a template: `$1`, `${1}`, `$name`, `${name}`, `$$`. A name goes as far as letters, digits
/// and underscores do; what names no group is empty.
fn expand(
    regex: &Regex,
    template: &str,
    text: &str,
    found: &Groups,
    out: &mut String,
) -> Result<()> {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        append(out, &rest[..at])?;
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let braced = after.strip_prefix('{');
        let body = braced.unwrap_or(after);
        let length = body
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(body.len());
        let (name, tail) = body.split_at(length);
        let tail = if braced.is_some() {
            tail.strip_prefix('}')
        } else {
            Some(tail)
        };
        let (false, Some(tail)) = (name.is_empty(), tail) else {
            // Not a name: the dollar stands for itself.
            out.push('$');
            rest = after;
            continue;
        };
        let number = if name.len() > 1 && name.starts_with('0') {
            None
        } else {
            name.parse().ok()
        };
        let number: Option<usize> =
            number.or_else(|| regex.group_names().position(|group| group == Some(name)));
        let range = number
            .and_then(|number| found.get(number))
            .and_then(Option::as_ref);
        append(out, group(text, range))?;
        rest = tail;
    }
    append(out, rest)
}
