//! Cases in child processes.
//!
//! A case may hang, or end the process it runs in. So they run in a child (this same program, told
//! to `--work`), which answers one line a case; a child that does not answer in time is killed,
//! and a new one goes on with the next case.

use std::io::{self, BufRead, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fuzz::robust::{self, Chunk};
use crate::line_server::LineServer;
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
    /// Instead of all that, broken input of our own making.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robust: Option<Chunk>,
}

impl Request {
    /// A package of the files in an archive's text.
    pub fn package(case: impl Into<String>, archive: String) -> Self {
        Self {
            case: case.into(),
            archive,
            evaluate: true,
            robust: None,
        }
    }
}

/// Reads requests and answers them, until there are no more: the child's side.
pub fn serve() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let request: Request = serde_json::from_str(&line?)?;
        if let Some(chunk) = &request.robust {
            let outcome = stacker::grow(256 << 20, || robust::run(chunk));
            serde_json::to_writer(&mut out, &outcome)?;
            out.write_all(b"\n")?;
            out.flush()?;
            continue;
        }
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

/// A child that answers cases.
#[derive(Debug)]
pub struct Worker(LineServer);

impl Worker {
    /// Starts this program again.
    pub fn start() -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--work").stderr(Stdio::null());
        Ok(Self(LineServer::start(command)?))
    }

    /// Our answer; a child that gave none must be started anew.
    pub fn ask(&mut self, request: &Request, patience: Duration) -> Result<Outcome, Poison> {
        let line = serde_json::to_string(request).map_err(|_| Poison::Crash)?;
        let answer = self.0.ask(&line, patience)?;
        serde_json::from_str(&answer).map_err(|_| Poison::Crash)
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
