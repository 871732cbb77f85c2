//! Whether a text is a URL, as far as Go's parser looks, and escapes in URLs.
//!
//! A URL is `scheme:opaque` or `[scheme:][//[user@]host[:port]][path][?query][#fragment]`. Escapes
//! must be well-formed in all parts but the query; the host has stricter rules, since it is compared.

use crate::datum::Datum;
use crate::function::{Fault, Result};
use crate::gofmt::quote;

/// What is well-formed, or why it is not.
type Checked<T> = std::result::Result<T, String>;

/// Whether a URL is absolute; or why it is none.
pub(super) fn is_absolute(text: &str) -> Result<bool> {
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let failed = |text: &str, why: String| Fault::error(format!("parse {}: {why}", quote(text)));
    let absolute = parse(before).map_err(|why| failed(before, why))?;
    decoded(fragment, Part::Fragment).map_err(|why| failed(text, why))?;
    Ok(absolute)
}

fn parse(before: &str) -> Checked<bool> {
    if before.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("net/url: invalid control character in URL".into());
    }
    if before == "*" {
        return Ok(false);
    }
    let (scheme, rest) = split_scheme(before)?;
    let absolute = !scheme.is_empty();
    let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') {
        if absolute {
            return Ok(true);
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|first| first.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    let mut path = rest;
    if let Some(authority) = rest.strip_prefix("//")
        && (absolute || !rest.starts_with("///"))
    {
        let end = authority.find('/').unwrap_or(authority.len());
        path = &authority[end..];
        check_authority(&scheme, &authority[..end])?;
    }
    decoded(path, Part::Path)?;
    Ok(absolute)
}

/// The scheme in lower case, and what follows its colon.
fn split_scheme(text: &str) -> Checked<(String, &str)> {
    for (at, c) in text.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".into()),
            ':' => return Ok((text[..at].to_ascii_lowercase(), &text[at + 1..])),
            _ => break,
        }
    }
    Ok((String::new(), text))
}

fn check_authority(scheme: &str, authority: &str) -> Checked<()> {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return check_host(scheme, authority);
    };
    check_host(scheme, host)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(plain) {
        return Err("net/url: invalid userinfo".into());
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    decoded(name, Part::User)?;
    decoded(password, Part::User)?;
    Ok(())
}

fn check_host(scheme: &str, host: &str) -> Checked<()> {
    match host.rfind('[') {
        Some(0) => {
            let end = host.rfind(']').ok_or("missing ']' in host")?;
            check_port(&host[end + 1..])?;
            decoded(&host[end + 1..], Part::Host)?;
            check_literal(&host[1..end])
        }
        Some(_) => Err("invalid IP-literal".into()),
        None => {
            if let Some(first) = host.find(':') {
                // Lists of hosts, as data bases have them, hold more colons.
                let strict = matches!(scheme, "http" | "https");
                let at = if strict {
                    first
                } else {
                    host.rfind(':').unwrap_or(first)
                };
                check_port(&host[at..])?;
            }
            decoded(host, Part::Host).map(|_| ())
        }
    }
}

/// An IPv6 address, perhaps with a zone behind `%25`.
fn check_literal(text: &str) -> Checked<()> {
    let (address, zone) = match text.find("%25") {
        Some(at) => (
            decoded(&text[..at], Part::Host)?,
            Some(decoded(&text[at..], Part::Zone)?),
        ),
        None => (decoded(text, Part::Host)?, None),
    };
    let shown = format!("{address}{}", zone.as_deref().unwrap_or_default());
    let (address, zone) = shown
        .split_once('%')
        .map_or((&*shown, None), |(address, zone)| (address, Some(zone)));
    match super::parse(address) {
        Ok(address) if address.is_ipv4() && zone.is_none() => Err("invalid IP-literal".into()),
        Ok(_) if zone != Some("") => Ok(()),
        Ok(_) => Err(format!(
            "invalid host: ParseAddr({}): zone must be a non-empty string",
            quote(&shown)
        )),
        Err(fault) => Err(format!("invalid host: {}", fault.text)),
    }
}

fn check_port(text: &str) -> Checked<()> {
    let valid = text.is_empty()
        || text
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if valid {
        Ok(())
    } else {
        Err(format!("invalid port {} after host", quote(text)))
    }
}

/// The parts of a URL, which differ in what an escape may stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    User,
    Host,
    Zone,
    Path,
    Query,
    Fragment,
}

fn decoded(text: &str, part: Part) -> Checked<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            let host = matches!(part, Part::Host | Part::Zone);
            if host && byte.is_ascii() && !host_byte(byte) {
                return Err(format!(
                    "invalid character {} in host name",
                    quote(&char::from(byte).to_string())
                ));
            }
            out.push(if byte == b'+' && part == Part::Query {
                b' '
            } else {
                byte
            });
            continue;
        }
        let digit = |at: usize| {
            after
                .get(at)
                .and_then(|&byte| char::from(byte).to_digit(16))
        };
        let wrong = || {
            let end = after.len().min(2);
            let shown = format!("%{}", String::from_utf8_lossy(&after[..end]));
            format!("invalid URL escape {}", quote(&shown))
        };
        let (high, low) = digit(0).zip(digit(1)).ok_or_else(wrong)?;
        let value = u8::try_from(high << 4 | low).unwrap_or(0);
        let is_percent = &after[..2] == b"25";
        // A host may only escape what is not ASCII; a zone also percent signs and what is plain.
        if part == Part::Host && high < 8 && !is_percent {
            return Err(wrong());
        }
        if part == Part::Zone && !is_percent && value != b' ' && !zone_byte(value) {
            return Err(wrong());
        }
        out.push(value);
        rest = &after[2..];
    }
    // Only hosts are looked at any further, and those are compared as they are.
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte)
}

fn zone_byte(byte: u8) -> bool {
    host_byte(byte) || byte == b'%'
}

pub(super) fn escape(text: &str, also_plain: &[u8]) -> String {
    use std::fmt::Write as _;
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut out, byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || also_plain.contains(&byte)
            {
                out.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
            out
        })
}

pub(super) fn unescape(text: &str, query: bool) -> Result {
    let part = if query { Part::Query } else { Part::Path };
    decoded(text, part).map(Datum::text).map_err(Fault::error)
}
