//! A model in a directory, as it is published: `config.json`, `tokenizer.json`, `model.safetensors` and, where it has
//! one, `1_Pooling/config.json`. Nothing is downloaded.

mod bert;
mod weights;
mod wordpiece;

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Embed, ModelError};
use bert::{Bert, Config};
use weights::Weights;
use wordpiece::WordPiece;

/// Texts of objects are short; a model that could read more does not have to.
const TOKENS: usize = 256;

/// Why a directory is not a model that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        why: String,
    },
    /// It contradicts itself.
    #[error("{0}")]
    Broken(String),
    /// It is of a kind that is not known here.
    #[error("{0} is not supported; BERT models with a WordPiece vocabulary are")]
    Unsupported(String),
}

/// A model in this process.
pub struct Local {
    name: String,
    model: Arc<(WordPiece, Bert, usize)>,
}

/// Opens the model of a directory. Its name is the directory's.
pub fn open(directory: &Path) -> Result<Local, LocalError> {
    let config: Config = document(&directory.join("config.json"))?;
    let tokenizer: Value = document(&directory.join("tokenizer.json"))?;
    let pooling = directory.join("1_Pooling/config.json");
    let pooling: Value = if pooling.exists() {
        document(&pooling)?
    } else {
        Value::Null
    };
    let set = |key: &str| pooling.get(key).and_then(Value::as_bool) == Some(true);
    let first_token = set("pooling_mode_cls_token");
    if !pooling.is_null() && !first_token && !set("pooling_mode_mean_tokens") {
        return Err(LocalError::Unsupported(
            "a pooling that is neither of the mean nor of the first token".to_owned(),
        ));
    }
    let most = TOKENS.min(config.max_position_embeddings);
    let weights = Weights::read(&directory.join("model.safetensors"))?;
    let bert = Bert::new(&config, weights, first_token)?;
    let name = std::path::absolute(directory)
        .ok()
        .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .unwrap_or_else(|| "local".to_owned());
    Ok(Local {
        name,
        model: Arc::new((WordPiece::of(&tokenizer)?, bert, most)),
    })
}

fn document<T: DeserializeOwned>(path: &Path) -> Result<T, LocalError> {
    let unreadable = |why: String| LocalError::Unreadable {
        file: path.display().to_string(),
        why,
    };
    let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))
}

impl Embed for Local {
    fn model(&self) -> &str {
        &self.name
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        let (model, texts) = (self.model.clone(), texts.to_vec());
        Box::pin(async move {
            let work = tokio::task::spawn_blocking(move || {
                let (tokenizer, bert, most) = &*model;
                let vector = |text: &String| bert.vector(&tokenizer.tokens(text, *most));
                texts.iter().map(vector).collect()
            });
            work.await
                .map_err(|error| ModelError::Unexpected(error.to_string()))
        })
    }
}
