//! The store that the command line names, opened.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pequod_cli::Failure;
use pequod_diag::{Code, Diagnostic, Secret};

use crate::answer::{self, Known};
use crate::cli::StoreArgs;
use crate::store::history::Recorded;
use crate::store::shared::{self, Serving};
use crate::store::{Store, StoreError, embedded, history, qdrant};

/// An open store.
pub(crate) struct Opened {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// The directory, if this process holds one.
    directory: Option<PathBuf>,
}

impl Opened {
    /// The store with its changes written down for so many days, if this process holds its directory.
    pub(crate) fn recorded(&self, days: usize) -> Result<Arc<dyn Store>, Failure> {
        if days == 0 {
            return Ok(self.store.clone());
        }
        let Some(directory) = &self.directory else {
            let problem = Diagnostic::error(
                Code("fleet/history"),
                "history is kept by the process that holds an embedded store",
            );
            return Err(Failure::input(problem.hint(
                "end the other `kubectl fleet` that holds it, or choose another --store",
            )));
        };
        let folder = directory.join(history::FOLDER);
        Ok(Arc::new(Recorded::new(self.store.clone(), folder, days)))
    }

    /// Lets other processes use it, for as long as the answer lives.
    pub(crate) async fn share(&self) -> Option<Serving> {
        let directory = self.directory.as_ref()?;
        match shared::serve(directory, self.store.clone()).await {
            Ok(serving) => Some(serving),
            Err(error) => {
                tracing::warn!(%error, "other processes cannot use the store meanwhile");
                None
            }
        }
    }

    /// What the fleet knows of itself.
    pub(crate) async fn known(&self) -> Result<Known, Failure> {
        answer::known(&*self.store)
            .await
            .map_err(|error| failure(&error))
    }
}

/// A store's problem as the end of a command.
pub(crate) fn failure(error: &StoreError) -> Failure {
    Failure::remote(answer::problem(error))
}

/// Opens it: the Qdrant server if one is named, else the directory, through the process that holds it if one does.
pub(crate) async fn open(args: &StoreArgs) -> Result<Opened, Failure> {
    if let Some(url) = &args.qdrant {
        let key = api_key(args)?;
        let store = qdrant::open(url, &args.collection, key)
            .await
            .map_err(|error| failure(&error))?;
        return Ok(Opened {
            store: Arc::new(store),
            directory: None,
        });
    }
    let directory = directory(args)?;
    let mut last = StoreError::Busy(directory.display().to_string());
    // The one before may just be ending.
    for _ in 0..50 {
        let opening = directory.clone();
        let opened = tokio::task::spawn_blocking(move || embedded::open(&opening)).await;
        match opened.unwrap_or_else(|error| Err(StoreError::Refused(error.to_string()))) {
            Ok(store) => {
                return Ok(Opened {
                    store: Arc::new(store),
                    directory: Some(directory),
                });
            }
            Err(StoreError::Busy(_)) => {}
            Err(error) => return Err(failure(&error)),
        }
        match shared::connect(&directory).await {
            Ok(store) => {
                return Ok(Opened {
                    store: Arc::new(store),
                    directory: None,
                });
            }
            Err(error) => last = error,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(failure(&last))
}

fn api_key(args: &StoreArgs) -> Result<Option<Secret<String>>, Failure> {
    if let Some(file) = &args.qdrant_api_key_file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let message = format!("the API key in {} cannot be read", file.display());
            Failure::input(Diagnostic::error(Code("fleet/api-key"), message).caused_by(&error))
        })?;
        return Ok(Some(Secret::new(text.trim().to_owned())));
    }
    Ok(std::env::var("PEQUOD_FLEET_QDRANT_API_KEY")
        .ok()
        .filter(|key| !key.is_empty())
        .map(Secret::new))
}

/// The directory of the embedded store.
pub(super) fn directory(args: &StoreArgs) -> Result<PathBuf, Failure> {
    if let Some(directory) = &args.store {
        return Ok(directory.clone());
    }
    let data = std::env::var_os("XDG_DATA_HOME")
        .or_else(|| std::env::var_os("LOCALAPPDATA"))
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/share")));
    data.map(|data| data.join("pequod").join("fleet"))
        .ok_or_else(|| {
            let problem = Diagnostic::error(
                Code("fleet/store"),
                "there is no home directory for the store",
            );
            Failure::input(problem.hint("name a directory with --store, or a server with --qdrant"))
        })
}
