//! `path` for Unix; the other systems' dialects are not here.

use crate::datum::Datum;
use crate::function::{Args, Const, Fault, Function, Result, constants, functions};

/// The systems.
pub(crate) const CONSTANTS: &[Const] = constants![
    "Unix" = "\"unix\"";
    "Windows" = "\"windows\"";
    "Plan9" = "\"plan9\"";
];

pub(crate) const FUNCTIONS: &[Function] = functions![
    "Split" (String, Os) -> "list" = |a| {
        unix(a, 1)?;
        let path = a.text(0)?;
        let (dir, file) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        Ok(Datum::texts([dir, file]))
    };
    "SplitList" (String, OsRequired) -> "list" = |a| {
        unix(a, 1)?;
        let paths = a.text(0)?;
        let none = paths.is_empty();
        Ok(Datum::texts(paths.split(':').filter(|_| !none)))
    };
    "Join" (Strings, Os) -> "string" = |a| {
        unix(a, 1)?;
        let parts: Vec<&str> = a.texts(0)?.into_iter().map(|part| &**part).collect();
        Ok(Datum::text(join(&parts)))
    };
    "Clean" (String, Os) -> "string" = |a| {
        unix(a, 1)?;
        Ok(Datum::text(clean(a.text(0)?)))
    };
    "ToSlash" (String, OsRequired) -> "string" = |a| {
        unix(a, 1)?;
        Ok(Datum::text(&**a.text(0)?))
    };
    "FromSlash" (String, OsRequired) -> "string" = |a| {
        unix(a, 1)?;
        Ok(Datum::text(&**a.text(0)?))
    };
    "Ext" (String, Os) -> "string" = |a| {
        unix(a, 1)?;
        let path = a.text(0)?;
        let file = path.rsplit('/').next().unwrap_or(path);
        Ok(Datum::text(file.rfind('.').map_or("", |at| &file[at..])))
    };
    "Resolve" (String, String, Os) -> "string" = |a| {
        unix(a, 2)?;
        let (dir, sub) = (a.text(0)?, a.text(1)?);
        Ok(Datum::text(if sub.starts_with('/') { clean(sub) } else { join(&[&clean(dir), sub]) }))
    };
    "Rel" (String, String, Os) -> "string" = |a| {
        unix(a, 2)?;
        relative(a.text(0)?, a.text(1)?)
    };
    "Base" (String, Os) -> "string" = |a| {
        unix(a, 1)?;
        let path = a.text(0)?;
        if path.is_empty() {
            return Ok(Datum::text("."));
        }
        let file = path.trim_end_matches('/').rsplit('/').next().unwrap_or("");
        Ok(Datum::text(if file.is_empty() { "/" } else { file }))
    };
    "Dir" (String, Os) -> "string" = |a| {
        unix(a, 1)?;
        let path = a.text(0)?;
        Ok(Datum::text(clean(&path[..path.rfind('/').map_or(0, |at| at + 1)])))
    };
    "IsAbs" (String, Os) -> "bool" = |a| {
        unix(a, 1)?;
        Ok(Datum::Bool(a.text(0)?.starts_with('/')))
    };
    "VolumeName" (String, OsWindows) -> "string" = |a| {
        unix(a, 1)?;
        Ok(Datum::text(""))
    };
];

fn unix(args: &Args<'_>, index: usize) -> Result<()> {
    let system = args.text(index)?;
    if &**system == "unix" {
        Ok(())
    } else {
        Err(Fault::unsupported(format!("paths of {system}")))
    }
}

/// The shortest path of the same meaning: without empty elements, `.` and `x/..`.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

fn join(parts: &[&str]) -> String {
    match parts.iter().position(|part| !part.is_empty()) {
        Some(first) => clean(&parts[first..].join("/")),
        None => String::new(),
    }
}

fn relative(base: &str, target: &str) -> Result {
    let impossible = || Fault::error(format!("Rel: can't make {target} relative to {base}"));
    let (from, to) = (clean(base), clean(target));
    if from == to {
        return Ok(Datum::text("."));
    }
    if from.starts_with('/') != to.starts_with('/') {
        return Err(impossible());
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/')
            .filter(|part| !matches!(*part, "" | "."))
            .map(str::to_owned)
            .collect()
    };
    let (from, to) = (parts(&from), parts(&to));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if from.get(common).is_some_and(|part| part == "..") {
        return Err(impossible());
    }
    let up = std::iter::repeat_n("..".to_owned(), from.len() - common);
    let all: Vec<String> = up.chain(to.into_iter().skip(common)).collect();
    Ok(Datum::text(all.join("/")))
}
