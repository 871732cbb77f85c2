//! What is measured of each side, in the same way.

use std::time::{Duration, Instant};

use pequod_testkit::{Process, percentile};

use crate::ask::{Asked, Dialect, Question};
use crate::members::{Members, map_name, spare};

/// Requests of each question, after a few that do not count.
const REQUESTS: usize = 200;
const WARMING: usize = 5;
/// Changes that are waited for.
const CHANGES: usize = 100;
/// Objects that one answer shows.
const PAGE: usize = 100;
/// How often a side that reads everything is asked how far it is.
const OFTEN: Duration = Duration::from_millis(250);
/// How often a change is asked for.
const VERY_OFTEN: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_mins(10);

/// One of the two.
pub(crate) trait Side {
    type Dialect: Dialect;

    fn asked(&self) -> &Asked<Self::Dialect>;
    /// Lets it begin to read the clusters; it may be that it did once.
    async fn begin(&mut self);
    /// Ends what reads the clusters, as a lack of memory would.
    async fn kill(&mut self);
    fn memory(&self) -> Memory;
    /// Its processes, while they should run.
    fn processes(&self) -> Vec<&Process>;
}

/// Whoever waits for a side that has ended waits in vain.
fn runs(side: &impl Side) {
    for process in side.processes() {
        let exit = process.exit();
        assert!(exit.is_none(), "it ended ({exit:?}): {}", process.log());
    }
}

/// In MiB: the most that a process has held; of a database with its processes, what it holds now.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) reads: f64,
    pub(crate) answers: f64,
    pub(crate) database: f64,
}

impl Memory {
    pub(crate) fn all(self) -> f64 {
        self.reads + self.answers + self.database
    }
}

/// A question that was asked many times.
pub(crate) struct Timed {
    pub(crate) figure: &'static str,
    pub(crate) what: &'static str,
    /// Objects that match.
    pub(crate) total: u64,
    pub(crate) usual: f64,
    pub(crate) slow: f64,
    /// Of an answer.
    pub(crate) bytes: usize,
}

/// The figures of one side; durations of questions and changes in milliseconds.
pub(crate) struct Lane {
    pub(crate) objects: u64,
    pub(crate) sync: Duration,
    pub(crate) questions: Vec<Timed>,
    pub(crate) visible: (f64, f64),
    pub(crate) restart: Duration,
    pub(crate) memory: Memory,
}

pub(crate) async fn measure(mut side: impl Side, members: &Members, number: usize) -> Lane {
    let objects = members.objects().await;
    let begun = Instant::now();
    side.begin().await;
    until(OFTEN, async || {
        runs(&side);
        side.asked().objects().await == Some(objects)
    })
    .await;
    let sync = begun.elapsed();
    eprintln!("  read in {sync:.1?}");
    let questions = questions(side.asked(), members).await;
    let visible = changes(side.asked(), members, number).await;
    let memory = side.memory();
    let restart = restart(&mut side, members, number).await;
    Lane {
        objects,
        sync,
        questions,
        visible,
        restart,
        memory,
    }
}

/// Until it is so, asking that often.
pub(crate) async fn until(often: Duration, mut so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !so().await {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        tokio::time::sleep(often).await;
    }
}

async fn questions<D: Dialect>(asked: &Asked<D>, members: &Members) -> Vec<Timed> {
    let name = |at: usize| Question::Name(map_name(at * 37 % members.each_kind));
    let three = |at: usize| Question::Labels { team: at % 97 };
    let failed = |_| Question::Phase("Failed");
    let none = |_| Question::Phase("Unknown");
    vec![
        times(asked, ("name", "by name, all clusters"), &name).await,
        times(asked, ("labels", "three labels, all clusters"), &three).await,
        times(asked, ("status", "status, of one Pod in fifty"), &failed).await,
        times(asked, ("none", "status that no Pod has"), &none).await,
        counts(asked).await,
    ]
}

async fn times<D: Dialect>(
    asked: &Asked<D>,
    (figure, what): (&'static str, &'static str),
    question: &dyn Fn(usize) -> Question,
) -> Timed {
    let (mut times, mut bytes) = (Vec::new(), 0);
    for at in 0..REQUESTS + WARMING {
        let question = question(at);
        let begun = Instant::now();
        let text = asked.read(&question, PAGE).await;
        if at >= WARMING {
            times.push(begun.elapsed());
            bytes += text.len();
        }
    }
    Timed {
        figure,
        what,
        total: asked.count(&question(1)).await.unwrap(),
        usual: percentile(&mut times, 0.5),
        slow: percentile(&mut times, 0.99),
        bytes: bytes / REQUESTS,
    }
}

/// How many have failed, without showing more than one.
async fn counts<D: Dialect>(asked: &Asked<D>) -> Timed {
    let (mut times, mut total) = (Vec::new(), 0);
    let question = Question::Phase("Failed");
    for at in 0..REQUESTS + WARMING {
        let begun = Instant::now();
        total = asked.count(&question).await.unwrap();
        if at >= WARMING {
            times.push(begun.elapsed());
        }
    }
    Timed {
        figure: "count",
        what: "counting a status",
        total,
        usual: percentile(&mut times, 0.5),
        slow: percentile(&mut times, 0.99),
        bytes: 0,
    }
}

/// From the API server's answer to a change until it is found.
async fn changes<D: Dialect>(asked: &Asked<D>, members: &Members, number: usize) -> (f64, f64) {
    let mut times = Vec::new();
    for at in 0..CHANGES {
        let (name, value) = (map_name(at), format!("of-{number}-{at}"));
        members.label(0, &name, &value).await;
        let begun = Instant::now();
        let question = Question::Changed {
            cluster: 0,
            name,
            value,
        };
        until(VERY_OFTEN, async || {
            asked.any(&question).await == Some(true)
        })
        .await;
        times.push(begun.elapsed());
    }
    (percentile(&mut times, 0.5), percentile(&mut times, 0.99))
}

/// What reads is killed, two objects change meanwhile, it is started again: until both are as they are.
async fn restart(side: &mut impl Side, members: &Members, number: usize) -> Duration {
    side.kill().await;
    let (name, value) = (map_name(1), format!("while-{number}-was-down"));
    members.label(0, &name, &value).await;
    members.delete(1, &spare(number)).await;
    let changed = Question::Changed {
        cluster: 0,
        name,
        value,
    };
    let deleted = Question::One {
        cluster: 1,
        name: spare(number),
    };
    let begun = Instant::now();
    side.begin().await;
    until(OFTEN, async || {
        runs(side);
        side.asked().any(&changed).await == Some(true)
            && side.asked().any(&deleted).await == Some(false)
    })
    .await;
    begun.elapsed()
}

/// The most memory that a process has held, in MiB.
pub(crate) fn most_held(process: Option<&Process>) -> f64 {
    process.map_or(0.0, |it| {
        mebibytes(&format!("/proc/{}/status", it.pid()), "VmHWM:")
    })
}

/// A line in kB of a file that the kernel makes, in MiB.
pub(crate) fn mebibytes(file: &str, key: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
}
