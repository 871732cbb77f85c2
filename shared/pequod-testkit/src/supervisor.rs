//! Programs that run beside a test and never outlive it.
//!
//! The work is done by `control-plane supervise` of `tests/tools`: a small program that starts others on request and
//! kills them all when its standard input ends. That happens however the test ends, be it by a signal, which no
//! destructor of ours would survive.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::error::Context as _;
use crate::{Error, Result, Tools};

/// How long a supervisor takes at most to answer a request.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(20);

const GONE: &str = "the supervisor is gone";

/// The supervising program, and what it has told so far.
#[derive(Debug)]
pub struct Supervisor {
    child: Child,
    requests: Mutex<Requests>,
    exits: watch::Receiver<HashMap<String, String>>,
    logs: PathBuf,
}

#[derive(Debug)]
struct Requests {
    stdin: Option<ChildStdin>,
    answers: mpsc::Receiver<Event>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase", untagged)]
enum Request<'a> {
    Start {
        start: &'a str,
        command: Vec<String>,
        env: Vec<String>,
        log: &'a Path,
    },
    Signal {
        signal: &'a str,
        number: u8,
    },
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "event")]
    what: String,
    name: String,
    #[serde(default)]
    pid: u32,
    #[serde(default)]
    detail: String,
}

impl Supervisor {
    /// Starts the supervising program. What its programs print goes to files in `logs`; `remove` is removed at the end.
    pub fn start(tools: &Tools, logs: &Path, remove: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(tools.path("control-plane"));
        command.arg("supervise");
        if let Some(folder) = remove {
            command.arg("-remove").arg(folder);
        }
        Self::spawn(command, logs)
    }

    /// Starts a supervising program that goes on when this process ends, until it is sent SIGTERM.
    pub fn start_staying(tools: &Tools, logs: &Path) -> Result<Self> {
        let mut command = Command::new(tools.path("control-plane"));
        command.args(["supervise", "-stay"]);
        Self::spawn(command, logs)
    }

    fn spawn(mut command: Command, logs: &Path) -> Result<Self> {
        std::fs::create_dir_all(logs).map_err(Error::while_doing("no folder for logs"))?;
        let log = std::fs::File::create(logs.join("supervise.log"))
            .map_err(Error::while_doing("no file for the supervisor's log"))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(Error::while_doing("could not start the supervisor"))?;
        let (answers_in, answers) = mpsc::channel();
        let (exits_in, exits) = watch::channel(HashMap::new());
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || listen(stdout, &answers_in, &exits_in));
        }
        let requests = Mutex::new(Requests {
            stdin: child.stdin.take(),
            answers,
        });
        Ok(Self {
            child,
            requests,
            exits,
            logs: logs.to_owned(),
        })
    }

    /// The process id of the supervising program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts a program under the given name; its output is appended to `NAME.log`.
    ///
    /// Of the command, its program, arguments and set environment variables count.
    pub fn run(self: &Arc<Self>, name: &str, command: &Command) -> Result<Process> {
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        let log = self.logs.join(format!("{name}.log"));
        let line = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(text);
        let env = command
            .get_envs()
            .filter_map(|(key, value)| Some(format!("{}={}", text(key), text(value?))));
        let started = self.request(&Request::Start {
            start: name,
            command: line.collect(),
            env: env.collect(),
            log: &log,
        })?;
        Ok(Process {
            name: name.to_owned(),
            pid: started.pid,
            log,
            supervisor: Some(Arc::clone(self)),
        })
    }

    fn request(&self, request: &Request<'_>) -> Result<Event> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let line = serde_json::to_string(request).context(GONE)?;
        let stdin = requests.stdin.as_mut().ok_or_else(|| Error::new(GONE))?;
        writeln!(stdin, "{line}").context(GONE)?;
        let answer = requests.answers.recv_timeout(ANSWER).context(GONE)?;
        drop(requests);
        if answer.what == "failed" {
            return Err(Error::new(format!("`{}`: {}", answer.name, answer.detail)));
        }
        Ok(answer)
    }

    /// How the program of that name ended, if it has.
    pub fn exit_of(&self, name: &str) -> Option<String> {
        self.exits.borrow().get(name).cloned()
    }
}

/// Ends all programs and waits until they are gone (unless the supervisor is to stay).
impl Drop for Supervisor {
    fn drop(&mut self) {
        let requests = self
            .requests
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if requests.stdin.take().is_some() {
            let _ = self.child.wait();
        }
    }
}

impl Supervisor {
    /// Leaves the programs running, for a supervisor made by [`Supervisor::start_staying`].
    pub fn leave(&self) {
        // The pipe's end is dropped here, not in `drop`, which would wait.
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stdin
            .take();
    }
}

fn listen(
    stdout: ChildStdout,
    answers: &mpsc::Sender<Event>,
    exits: &watch::Sender<HashMap<String, String>>,
) {
    for line in BufReader::new(stdout).lines() {
        let Ok(event) = line
            .map_err(|_| ())
            .and_then(|line| serde_json::from_str::<Event>(&line).map_err(|_| ()))
        else {
            continue;
        };
        if event.what == "exited" {
            exits.send_modify(|exits| {
                exits.insert(event.name, event.detail);
            });
            continue;
        }
        if event.what == "started" {
            exits.send_modify(|exits| {
                exits.remove(&event.name);
            });
        }
        if answers.send(event).is_err() {
            return;
        }
    }
}

/// A program that runs beside the test. Dropping this kills it.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    supervisor: Option<Arc<Supervisor>>,
}

impl Process {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// All it has printed so far, earlier runs under the same name included.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it ended, if it has: `exit status 1`, `signal: killed`.
    pub fn exit(&self) -> Option<String> {
        self.supervisor.as_ref()?.exit_of(&self.name)
    }

    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub async fn kill(self) -> String {
        self.end(9).await
    }

    /// Asks it to stop, as a cluster does (SIGTERM), and waits until it is gone; gives back how it ended.
    pub async fn stop(self) -> String {
        self.end(15).await
    }

    /// Waits until it ends by itself; gives back how.
    pub async fn wait(&self) -> String {
        let Some(supervisor) = &self.supervisor else {
            return String::new();
        };
        let mut exits = supervisor.exits.clone();
        let exit = exits.wait_for(|exits| exits.contains_key(&self.name)).await;
        match exit {
            Ok(exits) => exits.get(&self.name).cloned().unwrap_or_default(),
            Err(_) => GONE.to_owned(),
        }
    }

    async fn end(self, number: u8) -> String {
        if let Some(supervisor) = &self.supervisor {
            // It may have ended by itself a moment ago: then there is nobody to signal.
            let _ = supervisor.request(&Request::Signal {
                signal: &self.name,
                number,
            });
        }
        self.wait().await
    }

    /// Leaves the program running when this is dropped, until its supervisor ends.
    pub fn leave(mut self) {
        self.supervisor = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(supervisor) = &self.supervisor
            && supervisor.exit_of(&self.name).is_none()
        {
            let _ = supervisor.request(&Request::Signal {
                signal: &self.name,
                number: 9,
            });
        }
    }
}
