//! The store that the command line names, opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pequod_cli::Failure;
use pequod_diag::{Code, Diagnostic, Secret};

use crate::answer::{self, Known};
use crate::cli::{MeaningArgs, StoreArgs};
use crate::meaning::{Meaning, local, remote};
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
    let meaning = meaning(&args.meaning).await?;
    if let Some(url) = &args.qdrant {
        let file = args.qdrant_api_key_file.as_deref();
        let key = secret(file, "PEQUOD_FLEET_QDRANT_API_KEY")?;
        let store = qdrant::open(url, &args.collection, key)
            .await
            .map_err(|error| failure(&error))?;
        return Ok(Opened {
            store: Arc::new(store.with(meaning)),
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
                    store: Arc::new(store.with(meaning)),
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

/// The model that the command line names, if it names one.
async fn meaning(args: &MeaningArgs) -> Result<Option<Arc<Meaning>>, Failure> {
    let unusable = |error: &dyn std::error::Error| {
        let problem = Diagnostic::error(Code("fleet/model"), "the model cannot be used");
        Failure::input(problem.caused_by(error))
    };
    if let Some(directory) = args.embedding_dir.clone() {
        // A model is read whole: some hundred megabytes.
        let reading = tokio::task::spawn_blocking(move || local::open(&directory)).await;
        let model = match reading {
            Ok(model) => model.map_err(|error| unusable(&error))?,
            Err(error) => return Err(unusable(&error)),
        };
        return Ok(Some(Arc::new(Meaning::new(model))));
    }
    let (Some(url), Some(model)) = (&args.embedding_url, &args.embedding_model) else {
        return Ok(None);
    };
    let file = args.embedding_api_key_file.as_deref();
    let key = secret(file, "PEQUOD_FLEET_EMBEDDING_API_KEY")?;
    let model =
        remote::open(url, args.embedding_protocol, model, key).map_err(|error| unusable(&error))?;
    Ok(Some(Arc::new(Meaning::new(model))))
}

/// An API key: of a file, else of the environment, if there is one.
pub(super) fn secret(
    file: Option<&Path>,
    variable: &str,
) -> Result<Option<Secret<String>>, Failure> {
    if let Some(file) = file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let message = format!("the API key in {} cannot be read", file.display());
            Failure::input(Diagnostic::error(Code("fleet/api-key"), message).caused_by(&error))
        })?;
        return Ok(Some(Secret::new(text.trim().to_owned())));
    }
    Ok(std::env::var(variable)
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
