//! Running a program to its end and reading what it said.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// What a program that has ended left behind.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Output {
    /// Its standard output, if it ended with code 0; else a panic that shows everything.
    #[track_caller]
    pub fn success(self) -> String {
        assert!(self.code == Some(0), "{self}");
        self.stdout
    }

    /// Itself, if it ended with the given code; else a panic that shows everything.
    #[track_caller]
    #[must_use]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(self.code == Some(code), "expected exit code {code}: {self}");
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self
            .code
            .map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
        write!(f, "`{}` ended with {code}", self.command)?;
        write!(
            f,
            "\n--- stdout\n{}--- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}

/// Runs the command to its end, with the given text as its standard input.
pub fn run(command: &mut Command, stdin: &str) -> Result<Output> {
    let line = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ");
    let failed = || Error::while_doing(format!("could not run `{line}`"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed())?;
    let mut pipe = child.stdin.take();
    let text = stdin.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that does not read all of its input closes it early: its right.
        pipe.as_mut()
            .map_or(Ok(()), |pipe| pipe.write_all(text.as_bytes()))
    });
    let output = child.wait_with_output().map_err(failed())?;
    let _ = writer.join();
    Ok(Output {
        command: line,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
