//! The reference's command scripts, run with our command.
//!
//! A script is an archive: files for a folder of its own, and lines that run the command and compare what it prints
//! with other files of the archive. The language is that of Go's `testscript`, as far as scripts need it that run
//! nothing but the verbs that `kubectl transform cue` has; a script that needs more is counted as out of scope, by
//! this rule and by no list.

mod registry;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::txtar::Archive;

/// The verbs that scripts of the first kind need and nothing else.
pub const EVALUATING: [&str; 3] = ["eval", "export", "vet"];

/// The verbs that scripts of the second kind may need, too.
pub const WRITING: [&str; 3] = ["def", "fmt", "import"];

/// What else scripts may use.
const WORDS: [&str; 16] = [
    "cd", "cmp", "cmpenv", "cp", "env", "env-fill", "exec", "exists", "grep", "mkdir", "mv", "rm",
    "stderr", "stdin", "stdout", "symlink",
];

/// What came of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every line held.
    Passed,
    /// A line did not hold; which, and why.
    Failed(String),
    /// It needs what the rule leaves out.
    OutOfScope(String),
}

/// A script's lines as words.
fn lines(archive: &Archive) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(archive.comment.lines())
        .map(|(number, line)| (number, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// A line: conditions in front, a `!` or `?`, a word with arguments.
struct Line {
    conditions: Vec<String>,
    negated: bool,
    either: bool,
    words: Vec<String>,
}

fn parse(line: &str, variables: &BTreeMap<String, String>) -> Line {
    let mut rest = line;
    let mut conditions = Vec::new();
    while let Some(inner) = rest.strip_prefix('[')
        && let Some((condition, after)) = inner.split_once(']')
    {
        conditions.push(condition.to_owned());
        rest = after.trim_start();
    }
    let (negated, either) = (rest.starts_with('!'), rest.starts_with('?'));
    if negated || either {
        rest = rest[1..].trim_start();
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = rest.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' if quoted && chars.peek() == Some(&'\'') => {
                chars.next();
                word.get_or_insert_default().push('\'');
            }
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if quoted => word.get_or_insert_default().push(c),
            '#' if word.is_none() => break,
            c if c.is_whitespace() => words.extend(word.take()),
            '$' => {
                let braces = chars.peek() == Some(&'{');
                if braces {
                    chars.next();
                }
                let mut name = String::new();
                while let Some(&c) = chars.peek() {
                    let goes_on = if braces {
                        c != '}'
                    } else {
                        c == '_' || c.is_ascii_alphanumeric()
                    };
                    if !goes_on {
                        break;
                    }
                    name.push(c);
                    chars.next();
                }
                if braces {
                    chars.next();
                }
                let value = match &*name {
                    "/" => "/",
                    ":" => ":",
                    "$" => "$",
                    name => variables.get(name).map_or("", String::as_str),
                };
                word.get_or_insert_default().push_str(value);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Line {
        conditions,
        negated,
        either,
        words,
    }
}

/// Whether a script runs a verb that writes CUE.
pub fn writes(text: &str) -> bool {
    let archive = Archive::parse(text);
    lines(&archive).any(|(_, text)| {
        let words = parse(text, &BTreeMap::new()).words;
        let is = |at: usize, wanted: &[&str]| {
            words.get(at).is_some_and(|word| wanted.contains(&&**word))
        };
        is(0, &["exec"]) && is(1, &["cue"]) && is(2, &WRITING)
    })
}

/// Why a script is out of scope, if it is.
fn out_of_scope(archive: &Archive) -> Option<String> {
    let mut runs = false;
    for (_, text) in lines(archive) {
        let line = parse(text, &BTreeMap::new());
        let Some(first) = line.words.first().map(String::as_str) else {
            continue;
        };
        if first == "exec" {
            let program = line.words.get(1).map_or("", String::as_str);
            let verb = line.words.get(2).map_or("", String::as_str);
            if program != "cue" || !(EVALUATING.contains(&verb) || WRITING.contains(&verb)) {
                return Some(format!("runs {program} {verb}"));
            }
            runs = true;
        } else if !WORDS.contains(&first) && !matches!(first, "stop" | "skip") {
            return Some(format!("uses {first}"));
        }
    }
    (!runs).then(|| "runs nothing".to_owned())
}

/// Runs a script in a folder of its own.
pub fn run(program: &Path, text: &str, folder: &Path, patience: Duration) -> io::Result<Outcome> {
    let archive = Archive::parse(text);
    if let Some(reason) = out_of_scope(&archive) {
        return Ok(Outcome::OutOfScope(reason));
    }
    for file in &archive.files {
        let path = folder.join(&file.name);
        if file.name.ends_with('/') {
            fs::create_dir_all(path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // The last file of an archive may lack the end of its last line.
        let missing = !file.data.is_empty() && !file.data.ends_with('\n');
        let end = if missing { "\n" } else { "" };
        fs::write(path, format!("{}{end}", file.data))?;
    }
    let work = folder.display().to_string();
    let temporary = folder.join(".tmp");
    fs::create_dir_all(&temporary)?;
    let mut variables = BTreeMap::from([
        ("WORK".to_owned(), work),
        (
            "HOME".to_owned(),
            folder.join(".home").display().to_string(),
        ),
        (
            "CUE_CACHE_DIR".to_owned(),
            temporary.join("cache").display().to_string(),
        ),
    ]);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let Some(id) = name.strip_prefix("_registry").filter(|_| path.is_dir()) else {
            continue;
        };
        let prefix = fs::read_to_string(folder.join(format!("{name}_prefix"))).unwrap_or_default();
        let prefix = prefix.trim();
        let host = registry::serve(&path, prefix)?;
        let slash = if prefix.is_empty() { "" } else { "/" };
        variables.insert(
            format!("CUE_REGISTRY{id}"),
            format!("{host}{slash}{prefix}+insecure"),
        );
        variables.insert(format!("DEBUG_REGISTRY{id}_HOST"), host);
    }
    let mut script = Script {
        program,
        folder: folder.to_owned(),
        at: folder.to_owned(),
        variables,
        stdin: Vec::new(),
        stdout: String::new(),
        stderr: String::new(),
        patience,
    };
    for (number, text) in lines(&archive) {
        let line = parse(text, &script.variables);
        if !line.conditions.iter().all(|condition| holds(condition)) {
            continue;
        }
        match script.line(&line) {
            Ok(true) => {}
            Ok(false) => return Ok(Outcome::Passed),
            Err(why) => return Ok(Outcome::Failed(format!("line {number}: {text}\n{why}"))),
        }
    }
    Ok(Outcome::Passed)
}

fn holds(condition: &str) -> bool {
    match condition.strip_prefix('!') {
        Some(inner) => !holds(inner),
        None => matches!(condition, "unix" | "linux" | "symlink" | "exec:cat"),
    }
}

struct Script<'a> {
    program: &'a Path,
    folder: PathBuf,
    at: PathBuf,
    variables: BTreeMap<String, String>,
    stdin: Vec<u8>,
    stdout: String,
    stderr: String,
    patience: Duration,
}

impl Script<'_> {
    /// Does a line; no means that the script ends here. The error is what did not hold.
    fn line(&mut self, line: &Line) -> Result<bool, String> {
        let Some((word, arguments)) = line.words.split_first() else {
            return Ok(true);
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let io = |error: io::Error| error.to_string();
        match (word.as_str(), &arguments[..]) {
            ("exec", ["cue", arguments @ ..]) => {
                let passed = self.exec(arguments)?;
                if !line.either && passed == line.negated {
                    return Err(format!(
                        "unexpected {}\n{}",
                        if passed { "success" } else { "failure" },
                        self.stderr
                    ));
                }
            }
            ("stdin", [name]) => {
                self.stdin = match *name {
                    "stdout" => self.stdout.clone().into_bytes(),
                    "-" => Vec::new(),
                    name => fs::read(self.path(name)).map_err(io)?,
                };
            }
            ("cd", [folder]) => self.at = self.path(folder),
            ("env", pairs) => {
                for pair in pairs {
                    if let Some((name, value)) = pair.split_once('=') {
                        self.variables.insert(name.to_owned(), value.to_owned());
                    }
                }
            }
            ("env-fill", names) => {
                for name in names {
                    let text = fs::read_to_string(self.path(name)).map_err(io)?;
                    fs::write(self.path(name), self.filled(&text)).map_err(io)?;
                }
            }
            ("cp", [sources @ .., target]) => {
                for source in sources {
                    let content = self.content(source)?;
                    let mut path = self.path(target);
                    if path.is_dir() {
                        path.push(Path::new(source).file_name().unwrap_or_default());
                    }
                    fs::write(path, content).map_err(io)?;
                }
            }
            ("mkdir", folders) => {
                for folder in folders {
                    fs::create_dir_all(self.path(folder)).map_err(io)?;
                }
            }
            ("mv", [from, to]) => fs::rename(self.path(from), self.path(to)).map_err(io)?,
            ("rm", names) => {
                for name in names {
                    let path = self.path(name);
                    let gone = if path.is_dir() {
                        fs::remove_dir_all(path)
                    } else {
                        fs::remove_file(path)
                    };
                    if let Err(error) = gone
                        && error.kind() != io::ErrorKind::NotFound
                    {
                        return Err(error.to_string());
                    }
                }
            }
            ("exists", names) => {
                for name in names {
                    if self.path(name).exists() == line.negated {
                        return Err(format!("{name} does not satisfy it"));
                    }
                }
            }
            ("symlink", [name, "->", target]) => {
                link(target, &self.path(name)).map_err(io)?;
            }
            ("cmp" | "cmpenv", [actual, expected]) => {
                let actual = self.content(actual)?;
                let mut expected = fs::read_to_string(self.path(expected)).map_err(io)?;
                if word == "cmpenv" {
                    expected = self.filled(&expected);
                }
                if (actual == expected) == line.negated {
                    return Err(format!("got:\n{actual}\nwant:\n{expected}"));
                }
            }
            ("stdout" | "stderr" | "grep", arguments) => {
                self.search(word, arguments, line.negated)?;
            }
            ("stop" | "skip", _) => return Ok(false),
            (word, arguments) => return Err(format!("{word} with {} arguments", arguments.len())),
        }
        Ok(true)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    fn content(&self, name: &str) -> Result<String, String> {
        match name {
            "stdout" => Ok(self.stdout.clone()),
            "stderr" => Ok(self.stderr.clone()),
            name => fs::read_to_string(self.path(name)).map_err(|error| error.to_string()),
        }
    }

    fn filled(&self, text: &str) -> String {
        let mut text = text.replace("${/}", "/");
        for (name, value) in &self.variables {
            text = text.replace(&format!("${{{name}}}"), value);
            text = text.replace(&format!("${name}"), value);
        }
        text
    }

    fn search(&self, word: &str, arguments: &[&str], negated: bool) -> Result<(), String> {
        let (count, arguments) = match arguments.split_first() {
            Some((first, rest)) if first.starts_with("-count=") => {
                (first["-count=".len()..].parse::<usize>().ok(), rest)
            }
            _ => (None, arguments),
        };
        let (pattern, text) = match (word, arguments) {
            ("stdout", [pattern]) => (pattern, self.stdout.clone()),
            ("stderr", [pattern]) => (pattern, self.stderr.clone()),
            ("grep", [pattern, file]) => (pattern, self.content(file)?),
            _ => return Err("unknown form".to_owned()),
        };
        let regex = pequod_cue_regex::Regex::new(&format!("(?m){pattern}"))
            .map_err(|error| error.to_string())?;
        let found = regex.find_all(&text).count();
        let holds = count.map_or(found > 0, |count| found == count);
        if holds == negated {
            return Err(format!("{pattern} in:\n{text}"));
        }
        Ok(())
    }

    fn exec(&mut self, arguments: &[&str]) -> Result<bool, String> {
        let wrong = |error: io::Error| format!("cannot run the command: {error}");
        let mut child = Command::new(self.program)
            .arg("cue")
            .args(arguments)
            .current_dir(&self.at)
            .env_clear()
            .envs(&self.variables)
            .env("PWD", &self.at)
            .env("PEQUOD_CUE_ROOT", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(wrong)?;
        if let Some(mut input) = child.stdin.take() {
            let bytes = std::mem::take(&mut self.stdin);
            // The command need not read it.
            thread::spawn(move || input.write_all(&bytes));
        }
        let begun = Instant::now();
        let outputs = [reader(child.stdout.take()), reader(child.stderr.take())];
        let status = loop {
            if let Some(status) = child.try_wait().map_err(wrong)? {
                break status;
            }
            if begun.elapsed() > self.patience {
                // It may be gone by now.
                let _ = child.kill();
                let _ = child.wait();
                return Err("no answer in time".to_owned());
            }
            thread::sleep(Duration::from_millis(2));
        };
        let [stdout, stderr] = outputs.map(|output| output.join().unwrap_or_default());
        self.stdout = stdout;
        self.stderr = stderr;
        Ok(status.success())
    }
}

/// Everything a pipe gives, read aside so that neither pipe holds up the other.
fn reader(pipe: Option<impl io::Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is what there is.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(unix)]
fn link(target: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn link(_: &str, _: &Path) -> io::Result<()> {
    Err(io::Error::other("no symbolic links here"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_in_testscript() {
        let variables = BTreeMap::from([("A".to_owned(), "x y".to_owned())]);
        let line = parse("[unix] ! exec cue 'it''s $A' $A/b ${A}c # end", &variables);
        assert!(line.negated);
        assert_eq!(line.conditions, ["unix"]);
        assert_eq!(line.words, ["exec", "cue", "it's $A", "x y/b", "x yc"]);
    }

    #[test]
    fn scripts_that_run_something_else_are_out_of_scope() {
        let archive = Archive::parse("exec cue trim\n");
        assert_eq!(out_of_scope(&archive).as_deref(), Some("runs cue trim"));
        assert!(writes("exec cue eval\n! exec cue fmt\n") && !writes("exec cue eval\n"));
        let archive = Archive::parse("exec cue eval\ncmp stdout x\n");
        assert_eq!(out_of_scope(&archive), None);
    }
}
