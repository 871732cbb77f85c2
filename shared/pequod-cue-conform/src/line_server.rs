//! A child process that answers one line with one line, and is not waited for longer than patience
//! lasts.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crate::node::Poison;

/// The child. It ends when this is dropped.
#[derive(Debug)]
pub struct LineServer {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl LineServer {
    /// Starts it.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("the child has no pipe");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let (sender, answers) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            input,
            answers,
        })
    }

    /// The answer to a line. After a failure the child is of no more use.
    pub fn ask(&mut self, line: &str, patience: Duration) -> Result<String, Poison> {
        let sent = self
            .input
            .write_all(line.as_bytes())
            .and_then(|()| self.input.write_all(b"\n"))
            .and_then(|()| self.input.flush());
        if sent.is_err() {
            return Err(Poison::Crash);
        }
        self.answers
            .recv_timeout(patience)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => Poison::Timeout,
                RecvTimeoutError::Disconnected => Poison::Crash,
            })
    }
}

impl Drop for LineServer {
    fn drop(&mut self) {
        // It may be gone already, and nothing depends on it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
