//! `encoding/csv`: lines of fields between commas, after [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180).
//!
//! A field in quotes may hold commas, line ends and doubled quotes. All lines must have as many
//! fields as the first; empty lines count for nothing. A quote may only stand where a field
//! begins or ends.

use crate::datum::Datum;
use crate::function::{Fault, Function, Result, functions};

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Encode" (Rows) -> "string" = |a| {
        let mut out = String::new();
        for row in rows(a.datum(0)?)? {
            for (index, column) in rows(row)?.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_field(&mut out, column)?;
            }
            out.push('\n');
        }
        Ok(Datum::text(out))
    };
    "Decode" (Bytes) -> "rows" = |a| {
        let text = std::str::from_utf8(a.bytes(0)?).map_err(|_| Fault::unsupported("CSV that is not UTF-8"))?;
        let records = decode(text)?;
        Ok(Datum::List(records.into_iter().map(Datum::texts).collect()))
    };
];

fn rows(datum: &Datum) -> Result<&[Datum]> {
    match datum {
        Datum::List(rows) => Ok(rows),
        other => Err(Fault::error(format!(
            "cannot use value {} (type {}) as list",
            crate::json::show(other),
            other.kind()
        ))),
    }
}

fn write_field(out: &mut String, datum: &Datum) -> Result<()> {
    let encoded;
    let text = match datum {
        Datum::String(text) => &**text,
        other => {
            encoded = crate::json::encode(other)?;
            &encoded
        }
    };
    let plain = text.is_empty()
        || (text != "\\."
            && !text.contains([',', '"', '\r', '\n'])
            && !text.starts_with(char::is_whitespace));
    if plain {
        out.push_str(text);
    } else {
        out.push('"');
        out.push_str(&text.replace('"', "\"\""));
        out.push('"');
    }
    Ok(())
}

/// Reads lines, each ending in `\n` (but perhaps the last), `\r\n` read as one.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
}

impl Lines<'_> {
    fn next(&mut self) -> Option<String> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.rest.find('\n').map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(match line.strip_suffix("\r\n") {
            Some(line) => format!("{line}\n"),
            // A carriage return at the very end is dropped.
            None if rest.is_empty() => line.strip_suffix('\r').unwrap_or(line).to_owned(),
            None => line.to_owned(),
        })
    }
}

fn decode(text: &str) -> Result<Vec<Vec<String>>> {
    let mut lines = Lines {
        rest: text,
        number: 0,
    };
    let mut records: Vec<Vec<String>> = Vec::new();
    while let Some(line) = lines.next() {
        if line == "\n" || line.is_empty() {
            continue;
        }
        let start = lines.number;
        let record = read_record(&mut lines, line)?;
        if records
            .first()
            .is_some_and(|first| first.len() != record.len())
        {
            return Err(Fault::error(format!(
                "record on line {start}: wrong number of fields"
            )));
        }
        records.push(record);
    }
    Ok(records)
}

fn read_record(lines: &mut Lines<'_>, mut line: String) -> Result<Vec<String>> {
    let start = lines.number;
    let mut record = Vec::new();
    let mut at = 0;
    loop {
        let rest = &line[at..];
        if !rest.starts_with('"') {
            let content = rest.strip_suffix('\n').unwrap_or(rest);
            let comma = content.find(',');
            let field = &content[..comma.unwrap_or(content.len())];
            if let Some(quote) = field.find('"') {
                let column = at + quote + 1;
                return Err(failed(
                    start,
                    lines.number,
                    column,
                    "bare \" in non-quoted field",
                ));
            }
            record.push(field.to_owned());
            match comma {
                Some(comma) => at += comma + 1,
                None => return Ok(record),
            }
            continue;
        }
        at += 1;
        let mut field = String::new();
        loop {
            let Some(quote) = line[at..].find('"') else {
                field.push_str(&line[at..]);
                let column = line.len() + 1;
                let number = lines.number;
                line = lines.next().ok_or_else(|| {
                    failed(
                        start,
                        number,
                        column,
                        "extraneous or missing \" in quoted-field",
                    )
                })?;
                at = 0;
                continue;
            };
            field.push_str(&line[at..at + quote]);
            at += quote + 1;
            match line[at..].chars().next() {
                Some('"') => {
                    field.push('"');
                    at += 1;
                }
                Some(',') => {
                    at += 1;
                    record.push(std::mem::take(&mut field));
                    break;
                }
                None | Some('\n') => {
                    record.push(field);
                    return Ok(record);
                }
                Some(_) => {
                    return Err(failed(
                        start,
                        lines.number,
                        at,
                        "extraneous or missing \" in quoted-field",
                    ));
                }
            }
        }
    }
}

fn failed(start: usize, line: usize, column: usize, why: &str) -> Fault {
    let place = format!("parse error on line {line}, column {column}: {why}");
    Fault::error(if start == line {
        place
    } else {
        format!("record on line {start}; {place}")
    })
}
