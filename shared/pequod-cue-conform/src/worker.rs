//! Cases in child processes.
//!
//! A case may hang, or end the process it runs in. So they run in a child (this same program, told
//! to `--work`), which answers one line a case; a child that does not answer in time is killed,
//! and a new one goes on with the next case.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::node::{Outcome, Poison};
use crate::subject;
use crate::txtar::Archive;

/// A case as it is sent to a child.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Its name.
    pub case: String,
    /// The archive's text.
    pub archive: String,
    /// Or only parse.
    pub evaluate: bool,
}

/// Reads requests and answers them, until there are no more: the child's side.
pub fn serve() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        let archive = Archive::parse(&request.archive);
        // Deep values need a deep stack; how deep is the evaluator's budget's business.
        let outcome = stacker::grow(256 << 20, || {
            subject::answer(&request.case, &archive, request.evaluate)
        });
        serde_json::to_writer(&mut out, &outcome)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

struct Worker {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
}

impl Worker {
    fn start() -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--work")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
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

    fn ask(&mut self, request: &Request, patience: Duration) -> Result<Outcome, Poison> {
        let mut line = serde_json::to_vec(request).map_err(|_| Poison::Crash)?;
        line.push(b'\n');
        if self
            .input
            .write_all(&line)
            .and_then(|()| self.input.flush())
            .is_err()
        {
            return Err(Poison::Crash);
        }
        match self.answers.recv_timeout(patience) {
            Ok(answer) => serde_json::from_str(&answer).map_err(|_| Poison::Crash),
            Err(RecvTimeoutError::Timeout) => Err(Poison::Timeout),
            Err(RecvTimeoutError::Disconnected) => Err(Poison::Crash),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may be gone already, and nothing depends on it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs cases in `count` children; the answers come in the order of the requests.
pub fn run(requests: &[Request], count: usize, patience: Duration) -> io::Result<Vec<Outcome>> {
    let next = Mutex::new(requests.iter().enumerate());
    let answers = Mutex::new(Vec::with_capacity(requests.len()));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count.max(1))
            .map(|_| scope.spawn(|| work(&next, &answers, patience)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("a worker's thread ended")))
        })
    })?;
    let mut answers = answers
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by_key(|(index, _)| *index);
    Ok(answers.into_iter().map(|(_, outcome)| outcome).collect())
}

type Queue<'a> = Mutex<std::iter::Enumerate<std::slice::Iter<'a, Request>>>;

fn work(
    next: &Queue<'_>,
    answers: &Mutex<Vec<(usize, Outcome)>>,
    patience: Duration,
) -> io::Result<()> {
    let mut worker = Worker::start()?;
    loop {
        let taken = next.lock().map_or(None, |mut queue| queue.next());
        let Some((index, request)) = taken else {
            return Ok(());
        };
        let outcome = match worker.ask(request, patience) {
            Ok(outcome) => outcome,
            Err(poison) => {
                worker = Worker::start()?;
                Outcome {
                    case: request.case.clone(),
                    error: "no answer".to_owned(),
                    poison: Some(poison),
                    ..Outcome::default()
                }
            }
        };
        if let Ok(mut answers) = answers.lock() {
            answers.push((index, outcome));
        }
    }
}
