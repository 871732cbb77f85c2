//! The thread that writes.
//!
//! The engine expects that writes and flushes exclude each other. One thread does them, in the order in which they were
//! asked for; one that is given up while it waits is never done, so that whoever writes next can rely on what it read
//! since.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::Held;
use super::shard::refused;
use crate::store::Stored;

type Job = Box<dyn FnOnce(&Held) + Send>;

/// The thread, and what it is to do. Dropped once everything asked for is done.
pub(super) struct Writing {
    /// None: it is to end.
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writing {
    pub(super) fn new(held: Arc<Held>) -> std::io::Result<Self> {
        let (jobs, asked) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write(&held, &asked))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Does something when it is its turn.
    pub(super) async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Held) -> Stored<T> + Send + 'static,
    ) -> Stored<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |held| {
            if !answer.is_closed() {
                let _ = answer.send(work(held));
            }
        });
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
        answered
            .await
            .unwrap_or_else(|_| Err(refused(&"the engine panicked; stderr has what it said")))
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write(held: &Held, asked: &Receiver<Job>) {
    let mut ahead: Option<JoinHandle<()>> = None;
    for job in asked {
        let _ = catch_unwind(AssertUnwindSafe(|| job(held)));
        if ahead.is_none() && held.durable.is_due() {
            let points = held.points.clone();
            ahead = thread::Builder::new()
                .name("store-ahead".to_owned())
                .spawn(move || write_out(&points))
                .ok();
        }
        if ahead.take_if(|it| it.is_finished()).is_some() {
            let flushed = catch_unwind(AssertUnwindSafe(|| held.durable.flush(&held.shard)));
            // What a panic said is on stderr; the next flush tries again.
            if let Ok(Err(error)) = flushed {
                tracing::error!(%error, "the store could not be flushed");
            }
        }
    }
}

/// Has the system write to disk what it has not yet written of a directory's files, so that a flush, which holds up all
/// writes, finds little to wait for. What fails here fails in the flush, and is told there.
pub(super) fn write_out(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            write_out(&path);
        } else if let Ok(file) = File::open(&path) {
            let _ = file.sync_data();
        }
    }
}
