//! `path`, in the dialects of Unix, Windows and Plan 9.
//!
//! A path is cut at its dialect's separators; on Windows it may begin with a volume: `C:` or
//! `\\host\share`.

mod pattern;

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
        let (path, system) = (a.text(0)?, System::of(a, 1)?);
        let (dir, file) = path.split_at(system.after_last_separator(path));
        Ok(Datum::texts([dir, file]))
    };
    "SplitList" (String, OsRequired) -> "list" = |a| Ok(Datum::texts(System::of(a, 1)?.split_list(a.text(0)?)));
    "Join" (Strings, Os) -> "string" = |a| {
        let parts: Vec<&str> = a.texts(0)?.into_iter().map(|part| &**part).collect();
        Ok(Datum::text(System::of(a, 1)?.join(&parts)))
    };
    "Match" (String, String, Os) -> "bool" = |a| {
        pattern::matches(a.text(0)?, a.text(1)?, System::of(a, 2)?).map(Datum::Bool)
    };
    "Clean" (String, Os) -> "string" = |a| Ok(Datum::text(System::of(a, 1)?.clean(a.text(0)?)));
    "ToSlash" (String, OsRequired) -> "string" = |a| Ok(Datum::text(System::of(a, 1)?.with_slashes(a.text(0)?)));
    "FromSlash" (String, OsRequired) -> "string" = |a| Ok(Datum::text(System::of(a, 1)?.with_separators(a.text(0)?)));
    "Ext" (String, Os) -> "string" = |a| {
        let (path, system) = (a.text(0)?, System::of(a, 1)?);
        let file = path.rsplit(|c| system.separates(c)).next().unwrap_or(path);
        Ok(Datum::text(file.rfind('.').map_or("", |at| &file[at..])))
    };
    "Resolve" (String, String, Os) -> "string" = |a| {
        let (dir, sub, system) = (a.text(0)?, a.text(1)?, System::of(a, 2)?);
        let path = if system.is_absolute(sub) { system.clean(sub) } else { system.join(&[&system.clean(dir), sub]) };
        Ok(Datum::text(path))
    };
    "Rel" (String, String, Os) -> "string" = |a| System::of(a, 2)?.relative(a.text(0)?, a.text(1)?);
    "Base" (String, Os) -> "string" = |a| Ok(Datum::text(System::of(a, 1)?.base(a.text(0)?)));
    "Dir" (String, Os) -> "string" = |a| {
        let (path, system) = (a.text(0)?, System::of(a, 1)?);
        let (volume, rest) = path.split_at(system.volume(path));
        let end = system.after_last_separator(path).max(volume.len()) - volume.len();
        let dir = system.clean(&rest[..end]);
        let only_volume = dir == "." && volume.len() > 2;
        Ok(Datum::text(if only_volume { volume.to_owned() } else { format!("{volume}{dir}") }))
    };
    "IsAbs" (String, Os) -> "bool" = |a| Ok(Datum::Bool(System::of(a, 1)?.is_absolute(a.text(0)?)));
    "VolumeName" (String, OsWindows) -> "string" = |a| {
        let path = a.text(0)?;
        Ok(Datum::text(&path[..System::of(a, 1)?.volume(path)]))
    };
];

/// A dialect of paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Unix,
    Windows,
    Plan9,
}

/// Systems whose paths are those of Unix.
const LIKE_UNIX: [&str; 15] = [
    "aix",
    "android",
    "darwin",
    "dragonfly",
    "freebsd",
    "hurd",
    "illumos",
    "ios",
    "js",
    "linux",
    "nacl",
    "netbsd",
    "openbsd",
    "solaris",
    "zos",
];

/// Names that are devices on Windows, in whatever folder one is.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Whether a name is that of an operating system.
pub(crate) fn is_system(name: &str) -> bool {
    matches!(name, "unix" | "windows" | "plan9") || LIKE_UNIX.contains(&name)
}

impl System {
    fn of(args: &Args<'_>, index: usize) -> Result<Self> {
        match &**args.text(index)? {
            "windows" => Ok(Self::Windows),
            "plan9" => Ok(Self::Plan9),
            name if name == "unix" || LIKE_UNIX.contains(&name) => Ok(Self::Unix),
            other => Err(Fault::error(format!(
                "unsupported OS {}",
                crate::gofmt::quote(other)
            ))),
        }
    }

    const fn separator(self) -> char {
        match self {
            Self::Windows => '\\',
            Self::Unix | Self::Plan9 => '/',
        }
    }

    fn separates(self, c: char) -> bool {
        c == '/' || c == self.separator()
    }

    /// The length of the volume's name at the beginning.
    fn volume(self, path: &str) -> usize {
        let bytes = path.as_bytes();
        if self != Self::Windows || bytes.len() < 2 {
            return 0;
        }
        if bytes[1] == b':' && bytes[0].is_ascii_alphabetic() {
            return 2;
        }
        // `\\host\share`: two names behind two separators; neither begins with a point.
        let slash = |at: usize| {
            bytes
                .get(at)
                .is_some_and(|&byte| matches!(byte, b'/' | b'\\'))
        };
        let begins = |at: usize| bytes.get(at).is_some_and(|&byte| byte != b'.') && !slash(at);
        if !slash(0) || !slash(1) || !begins(2) {
            return 0;
        }
        let Some(host_end) = (3..bytes.len() - 1).find(|&at| slash(at)) else {
            return 0;
        };
        if !begins(host_end + 1) {
            return 0;
        }
        (host_end + 1..bytes.len())
            .find(|&at| slash(at))
            .unwrap_or(bytes.len())
    }

    fn is_absolute(self, path: &str) -> bool {
        match self {
            Self::Unix => path.starts_with('/'),
            Self::Plan9 => path.starts_with(['/', '#']),
            Self::Windows => {
                let volume = self.volume(path);
                is_device(path) || (volume > 0 && path[volume..].starts_with(['/', '\\']))
            }
        }
    }

    fn with_slashes(self, path: &str) -> String {
        if self == Self::Windows {
            path.replace('\\', "/")
        } else {
            path.to_owned()
        }
    }

    fn with_separators(self, path: &str) -> String {
        if self == Self::Windows {
            path.replace('/', "\\")
        } else {
            path.to_owned()
        }
    }

    /// Where the last element begins; at least behind the volume.
    fn after_last_separator(self, path: &str) -> usize {
        let volume = self.volume(path);
        path[volume..]
            .rfind(|c| self.separates(c))
            .map_or(volume, |at| volume + at + 1)
    }

    fn split_list(self, paths: &str) -> Vec<String> {
        if paths.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Unix => paths.split(':').map(str::to_owned).collect(),
            Self::Plan9 => paths.split('\0').map(str::to_owned).collect(),
            Self::Windows => {
                let mut list = vec![String::new()];
                let mut quoted = false;
                for c in paths.chars() {
                    match c {
                        '"' => quoted = !quoted,
                        ';' if !quoted => list.push(String::new()),
                        _ => {
                            if let Some(last) = list.last_mut() {
                                last.push(c);
                            }
                        }
                    }
                }
                list
            }
        }
    }

    /// The shortest path of the same meaning: without empty elements, `.` and `x/..`.
    fn clean(self, path: &str) -> String {
        let (volume, rest) = path.split_at(self.volume(path));
        if rest.is_empty() {
            let share = volume.len() > 1 && volume.as_bytes()[1] != b':';
            return if share {
                self.with_separators(path)
            } else {
                format!("{path}.")
            };
        }
        let rooted = rest.starts_with(|c| self.separates(c));
        let mut parts: Vec<&str> = Vec::new();
        for part in rest.split(|c| self.separates(c)) {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|last| *last != "..") => {
                    parts.pop();
                }
                ".." if rooted => {}
                _ => parts.push(part),
            }
        }
        let root = if rooted { "/" } else { "" };
        let joined = parts.join("/");
        let rest = if !rooted && joined.is_empty() {
            "."
        } else {
            &joined
        };
        self.with_separators(&format!("{volume}{root}{rest}"))
    }

    fn join(self, parts: &[&str]) -> String {
        let Some(first) = parts.iter().position(|part| !part.is_empty()) else {
            return String::new();
        };
        let parts = &parts[first..];
        let separator = self.separator().to_string();
        if self != Self::Windows {
            return self.clean(&parts.join(&separator));
        }
        let head = parts[0];
        if head.len() == 2 && head.ends_with(':') {
            // What follows a drive stays relative to the drive's current folder.
            let rest: Vec<&str> = parts[1..]
                .iter()
                .copied()
                .skip_while(|part| part.is_empty())
                .collect();
            return self.clean(&format!("{head}{}", rest.join(&separator)));
        }
        let joined = self.clean(&parts.join(&separator));
        let shares = |path: &str| self.volume(path) > 2;
        let head = self.clean(head);
        if !shares(&joined) || shares(&head) {
            return joined;
        }
        // Joining must not make a share of what was none.
        let tail = self.clean(&parts[1..].join(&separator));
        if head.ends_with('\\') {
            format!("{head}{tail}")
        } else {
            format!("{head}\\{tail}")
        }
    }

    fn base(self, path: &str) -> String {
        if path.is_empty() {
            return ".".to_owned();
        }
        let path = path.trim_end_matches(|c| self.separates(c));
        let path = &path[self.volume(path)..];
        let file = path.rsplit(|c| self.separates(c)).next().unwrap_or("");
        if file.is_empty() {
            self.separator().to_string()
        } else {
            file.to_owned()
        }
    }

    fn same(self, a: &str, b: &str) -> bool {
        if self == Self::Windows {
            a == b || a.to_lowercase() == b.to_lowercase()
        } else {
            a == b
        }
    }

    fn relative(self, base: &str, target: &str) -> Result {
        let impossible = || Fault::error(format!("Rel: can't make {target} relative to {base}"));
        let (from_volume, to_volume) = (self.volume(base), self.volume(target));
        let (from, to) = (self.clean(base), self.clean(target));
        if self.same(&from, &to) {
            return Ok(Datum::text("."));
        }
        let (from, to) = (&from[from_volume..], &to[to_volume..]);
        let from = if from == "." { "" } else { from };
        let separator = self.separator();
        let rooted = |path: &str| path.starts_with(separator);
        if rooted(from) != rooted(to) || !self.same(&base[..from_volume], &target[..to_volume]) {
            return Err(impossible());
        }
        let parts = |path: &'_ str| -> Vec<String> {
            path.split(separator)
                .filter(|part| !part.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (from, to) = (parts(from), parts(to));
        let common = from
            .iter()
            .zip(&to)
            .take_while(|(a, b)| self.same(a, b))
            .count();
        if from.get(common).is_some_and(|part| part == "..") {
            return Err(impossible());
        }
        let up = std::iter::repeat_n("..".to_owned(), from.len() - common);
        let all: Vec<String> = up.chain(to.into_iter().skip(common)).collect();
        Ok(Datum::text(all.join(&separator.to_string())))
    }
}

/// `CON`, `PRN`, `AUX`, `NUL`, `COM1` to `COM9`, `LPT1` to `LPT9`, in any case.
fn is_device(path: &str) -> bool {
    let upper = path.to_ascii_uppercase();
    let numbered = upper
        .strip_prefix("COM")
        .or_else(|| upper.strip_prefix("LPT"));
    DEVICES.contains(&&*upper)
        || numbered.is_some_and(|digit| matches!(digit.as_bytes(), [b'1'..=b'9']))
}
