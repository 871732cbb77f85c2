//! A model behind HTTP: the embeddings interface that OpenAI made and most servers copy, and Ollama's own.

use std::time::Duration;

use futures::future::BoxFuture;
use pequod_diag::Secret;
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Embed, ModelError};

/// How a server is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// POST URL/embeddings, as OpenAI, vLLM, LM Studio, LocalAI and others have it
    #[default]
    Openai,
    /// POST URL/api/embed, as Ollama has it
    Ollama,
}

/// A longer answer is none: a thousand vectors of four thousand numbers in JSON.
const ANSWER_BYTES: usize = 96 << 20;

/// A model on a server.
pub struct Remote {
    client: reqwest::Client,
    url: String,
    protocol: Protocol,
    model: String,
    api_key: Option<Secret<String>>,
}

/// A model on a server; nothing is sent yet.
pub fn open(
    url: &str,
    protocol: Protocol,
    model: &str,
    api_key: Option<Secret<String>>,
) -> Result<Remote, ModelError> {
    let url = url.trim_end_matches('/');
    let plain = url.starts_with("http://");
    if !plain && !url.starts_with("https://") {
        return Err(ModelError::Refused(format!("`{url}` is no address")));
    }
    Ok(Remote {
        client: client(Duration::from_mins(1))?,
        url: match protocol {
            Protocol::Openai => format!("{url}/embeddings"),
            Protocol::Ollama => format!("{url}/api/embed"),
        },
        protocol,
        model: model.to_owned(),
        api_key,
    })
}

/// A client that goes where it is sent and nowhere else: what is sent is the user's, and so is the key.
pub(crate) fn client(patience: Duration) -> Result<reqwest::Client, ModelError> {
    // Already installed is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .timeout(patience)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| ModelError::Refused(error.to_string()))
}

#[derive(Deserialize)]
struct OpenAi {
    data: Vec<OpenAiVector>,
}

#[derive(Deserialize)]
struct OpenAiVector {
    index: usize,
    embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct Ollama {
    embeddings: Vec<Vec<f32>>,
}

impl Remote {
    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let body = match self.protocol {
            Protocol::Openai => {
                json!({ "model": self.model, "input": texts, "encoding_format": "float" })
            }
            Protocol::Ollama => json!({ "model": self.model, "input": texts, "truncate": true }),
        };
        let answer = post(&self.client, &self.url, self.api_key.as_ref(), &body).await?;
        let unexpected = |error: serde_json::Error| ModelError::Unexpected(error.to_string());
        match self.protocol {
            Protocol::Openai => {
                let mut answer: OpenAi = serde_json::from_value(answer).map_err(unexpected)?;
                // The interface allows any order, and says which is which.
                answer.data.sort_by_key(|vector| vector.index);
                let ordered = answer
                    .data
                    .iter()
                    .enumerate()
                    .all(|(at, it)| at == it.index);
                if !ordered {
                    return Err(ModelError::Unexpected("vectors are missing".to_owned()));
                }
                Ok(answer.data.into_iter().map(|it| it.embedding).collect())
            }
            Protocol::Ollama => {
                let answer: Ollama = serde_json::from_value(answer).map_err(unexpected)?;
                Ok(answer.embeddings)
            }
        }
    }
}

/// Posts JSON and reads JSON, of a bounded length.
pub(crate) async fn post(
    client: &reqwest::Client,
    url: &str,
    api_key: Option<&Secret<String>>,
    body: &Value,
) -> Result<Value, ModelError> {
    let away = |why: String| ModelError::Unavailable {
        at: url.to_owned(),
        why,
    };
    let mut request = client.post(url).json(body);
    if let Some(key) = api_key {
        request = request.bearer_auth(key.expose());
    }
    let mut answer = request
        .send()
        .await
        .map_err(|error| away(crate::store::qdrant::chain(&error)))?;
    let status = answer.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = answer
        .chunk()
        .await
        .map_err(|error| away(crate::store::qdrant::chain(&error)))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > ANSWER_BYTES {
            return Err(ModelError::Unexpected("its answer has no end".to_owned()));
        }
    }
    let document: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if status.is_success() {
        return Ok(document);
    }
    let said = ["/error/message", "/error"]
        .into_iter()
        .find_map(|path| document.pointer(path)?.as_str())
        .unwrap_or_default();
    let why = crate::record::cut(&format!("it answered {status} {said}"), 300);
    let transient = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
    Err(if transient {
        away(why)
    } else {
        ModelError::Refused(why)
    })
}

impl Embed for Remote {
    fn model(&self) -> &str {
        &self.model
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        Box::pin(self.ask(texts))
    }
}
