//! The embedded store of another process: who holds the directory answers for it on loopback.
//!
//! `kubectl fleet sync` keeps the store open for hours; `kubectl fleet get` in the next terminal must work all the
//! same. The holder listens on a loopback port and writes port and a random token into the directory, readable by its
//! owner only. Requests and answers are lines of JSON. Who cannot read the directory cannot read the store.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use pequod_diag::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use super::{Answer, Capability, Change, Found, Note, Page, Store, StoreError, Stored};
use crate::freshness::ClusterState;
use crate::query::{Field, Query};

/// Where the holder of a directory can be reached.
#[derive(Serialize, Deserialize)]
struct Address {
    port: u16,
    token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    Apply(Vec<Change>),
    List(Query, i64, Page),
    Search(Query, i64, usize),
    Grasp(String),
    Count(Query, i64),
    Facet(Field, Query, i64, usize),
    Clusters,
    PutCluster(Box<ClusterState>),
    Capabilities,
    PutCapabilities(String, Vec<Capability>),
    Forget(String),
    PutNote(Note),
    Notes(String, String),
    DeleteNotes(String, String, Vec<String>),
    Flush,
}

const ADDRESS: &str = "serving.json";
/// The longest request: a batch of a thousand records is far below.
const LINE_BYTES: u64 = 256 << 20;

/// Takes the address back when the holder leaves.
pub struct Serving {
    file: PathBuf,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
        // A file that cannot be removed leads to a port where nobody answers, which readers can tell.
        let _ = fs::remove_file(&self.file);
    }
}

/// Lets other processes use the store of a directory that this process holds.
pub async fn serve(directory: &Path, store: Arc<dyn Store>) -> std::io::Result<Serving> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = Address {
        port: listener.local_addr()?.port(),
        token: Uuid::new_v4().to_string(),
    };
    let file = directory.join(ADDRESS);
    write_private(&file, &serde_json::to_vec(&address)?)?;
    let token = Arc::new(Secret::new(address.token));
    let task = tokio::spawn(async move {
        // They end with the holder, so that the store can be opened again.
        let mut readers = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            while readers.try_join_next().is_some() {}
            let (store, token) = (store.clone(), token.clone());
            readers.spawn(async move {
                if let Err(error) = answer(stream, store, &token).await {
                    tracing::debug!(%error, "a reader of the store left");
                }
            });
        }
    });
    Ok(Serving { file, task })
}

fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let _ = fs::remove_file(file);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(bytes)
}

async fn answer(
    stream: TcpStream,
    store: Arc<dyn Store>,
    token: &Secret<String>,
) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(tokio::io::AsyncReadExt::take(read, LINE_BYTES)).lines();
    if lines.next_line().await?.as_ref() != Some(token.expose()) {
        return Ok(());
    }
    while let Some(line) = lines.next_line().await? {
        lines.get_mut().get_mut().set_limit(LINE_BYTES);
        let answer = match serde_json::from_str(&line) {
            Ok(request) => perform(&*store, request).await,
            Err(error) => Err(StoreError::Refused(error.to_string())),
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        write.write_all(text.as_bytes()).await?;
    }
    Ok(())
}

async fn perform(store: &dyn Store, request: Request) -> Stored<Value> {
    fn value<T: Serialize>(answer: &T) -> Stored<Value> {
        serde_json::to_value(answer).map_err(|error| StoreError::Corrupt(error.to_string()))
    }
    match request {
        Request::Apply(changes) => value(&store.apply(&changes).await?),
        Request::List(query, now, page) => value(&store.list(&query, now, page).await?),
        Request::Search(query, now, limit) => value(&store.search(&query, now, limit).await?),
        Request::Grasp(cluster) => value(&store.grasp(&cluster).await?),
        Request::Count(query, now) => value(&store.count(&query, now).await?),
        Request::Facet(field, query, now, limit) => {
            value(&store.facet(field, &query, now, limit).await?)
        }
        Request::Clusters => value(&store.clusters().await?),
        Request::PutCluster(state) => value(&store.put_cluster(&state).await?),
        Request::Capabilities => value(&store.capabilities().await?),
        Request::PutCapabilities(cluster, kinds) => {
            value(&store.put_capabilities(&cluster, &kinds).await?)
        }
        Request::Forget(cluster) => value(&store.forget(&cluster).await?),
        Request::PutNote(note) => value(&store.put_note(&note).await?),
        Request::Notes(what, cluster) => value(&store.notes(&what, &cluster).await?),
        Request::DeleteNotes(what, cluster, ids) => {
            value(&store.delete_notes(&what, &cluster, &ids).await?)
        }
        Request::Flush => value(&store.flush().await?),
    }
}

/// The store of a directory that another process holds.
pub struct Shared {
    directory: PathBuf,
    /// None while it is broken.
    connection: Arc<Mutex<Option<Connection>>>,
}

type Connection = BufReader<TcpStream>;

/// Connects to the process that holds a directory.
pub async fn connect(directory: &Path) -> Stored<Shared> {
    let connection = dial(directory).await?;
    Ok(Shared {
        directory: directory.to_owned(),
        connection: Arc::new(Mutex::new(Some(connection))),
    })
}

async fn dial(directory: &Path) -> Stored<Connection> {
    let busy = || StoreError::Busy(directory.display().to_string());
    let address = fs::read(directory.join(ADDRESS)).map_err(|_| busy())?;
    let address: Address = serde_json::from_slice(&address).map_err(|_| busy())?;
    let mut stream = TcpStream::connect(("127.0.0.1", address.port))
        .await
        .map_err(|_| busy())?;
    stream
        .write_all(format!("{}\n", address.token).as_bytes())
        .await
        .map_err(|_| busy())?;
    Ok(BufReader::new(stream))
}

/// A request and its answer, both lines.
async fn exchange(connection: &mut Connection, line: &str) -> std::io::Result<String> {
    connection.get_mut().write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    if connection.read_line(&mut answer).await? == 0 {
        return Err(std::io::Error::other("the process that held it has left"));
    }
    Ok(answer)
}

impl Shared {
    fn ask<T: serde::de::DeserializeOwned + Send>(
        &self,
        request: Request,
    ) -> BoxFuture<'_, Stored<T>> {
        let (directory, connection) = (self.directory.clone(), self.connection.clone());
        Box::pin(async move {
            let mut line = serde_json::to_string(&request)
                .map_err(|error| StoreError::Refused(error.to_string()))?;
            line.push('\n');
            // Whoever gives up waiting must leave neither an answer behind for the next one nor a change that is done
            // after the next one's: what was begun is ended, in its turn.
            let turn: JoinHandle<Stored<String>> = tokio::spawn(async move {
                let mut connection = connection.lock().await;
                // A holder that was started anew listens elsewhere. What it is asked a second time changes nothing more.
                if let Some(mut before) = connection.take()
                    && let Ok(answer) = exchange(&mut before, &line).await
                {
                    *connection = Some(before);
                    return Ok(answer);
                }
                let gone = |why: String| StoreError::Unavailable {
                    at: directory.display().to_string(),
                    why,
                    retry_after_seconds: None,
                };
                let mut anew = dial(&directory)
                    .await
                    .map_err(|_| gone("no process answers for it".to_owned()))?;
                let answer = exchange(&mut anew, &line)
                    .await
                    .map_err(|error| gone(error.to_string()))?;
                *connection = Some(anew);
                Ok(answer)
            });
            let answer = turn
                .await
                .map_err(|error| StoreError::Corrupt(error.to_string()))??;
            serde_json::from_str::<Stored<T>>(&answer)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?
        })
    }
}

impl Store for Shared {
    fn apply<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, Stored<()>> {
        self.ask(Request::Apply(changes.to_vec()))
    }

    fn list<'a>(&'a self, query: &'a Query, now: i64, page: Page) -> BoxFuture<'a, Stored<Answer>> {
        self.ask(Request::List(query.clone(), now, page))
    }

    fn search<'a>(
        &'a self,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Found>> {
        self.ask(Request::Search(query.clone(), now, limit))
    }

    fn grasp<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<usize>> {
        self.ask(Request::Grasp(cluster.to_owned()))
    }

    fn count<'a>(&'a self, query: &'a Query, now: i64) -> BoxFuture<'a, Stored<u64>> {
        self.ask(Request::Count(query.clone(), now))
    }

    fn facet<'a>(
        &'a self,
        field: Field,
        query: &'a Query,
        now: i64,
        limit: usize,
    ) -> BoxFuture<'a, Stored<Vec<(String, u64)>>> {
        self.ask(Request::Facet(field, query.clone(), now, limit))
    }

    fn clusters(&self) -> BoxFuture<'_, Stored<Vec<ClusterState>>> {
        self.ask(Request::Clusters)
    }

    fn put_cluster<'a>(&'a self, state: &'a ClusterState) -> BoxFuture<'a, Stored<()>> {
        self.ask(Request::PutCluster(Box::new(state.clone())))
    }

    fn capabilities(&self) -> BoxFuture<'_, Stored<Vec<Capability>>> {
        self.ask(Request::Capabilities)
    }

    fn put_capabilities<'a>(
        &'a self,
        cluster: &'a str,
        kinds: &'a [Capability],
    ) -> BoxFuture<'a, Stored<()>> {
        self.ask(Request::PutCapabilities(cluster.to_owned(), kinds.to_vec()))
    }

    fn forget<'a>(&'a self, cluster: &'a str) -> BoxFuture<'a, Stored<()>> {
        self.ask(Request::Forget(cluster.to_owned()))
    }

    fn put_note<'a>(&'a self, note: &'a Note) -> BoxFuture<'a, Stored<()>> {
        self.ask(Request::PutNote(note.clone()))
    }

    fn notes<'a>(&'a self, what: &'a str, cluster: &'a str) -> BoxFuture<'a, Stored<Vec<Note>>> {
        self.ask(Request::Notes(what.to_owned(), cluster.to_owned()))
    }

    fn delete_notes<'a>(
        &'a self,
        what: &'a str,
        cluster: &'a str,
        ids: &'a [String],
    ) -> BoxFuture<'a, Stored<()>> {
        self.ask(Request::DeleteNotes(
            what.to_owned(),
            cluster.to_owned(),
            ids.to_vec(),
        ))
    }

    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        self.ask(Request::Flush)
    }
}
