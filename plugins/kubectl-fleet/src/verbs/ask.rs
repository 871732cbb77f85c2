//! `ask`: a question in plain words, read by the grammar, and by a model only where that leaves words over.

use std::time::Duration;

use pequod_cli::{Exit, Failure, Printer};
use pequod_diag::{Code, Diagnostic};
use serde_json::{Value, json};

use super::opened::secret;
use super::{open, search};
use crate::cli::{AskArgs, ModelArgs, StoreArgs};
use crate::meaning::{ModelError, remote};
use crate::query::vocabulary::Vocabulary;
use crate::query::{Query, prompt, words};

pub(super) async fn ask(store: &StoreArgs, args: &AskArgs) -> Result<Exit, Failure> {
    let opened = open(store).await?;
    let known = opened.known().await?;
    let question = args.search.words.join(" ");
    let mut printer = Printer::new(args.search.list.output.output);
    let mut query = words::understand(&question, &known.vocabulary);
    if let Some(model) = model(&args.model)?
        && !query.text.is_empty()
    {
        match model.read(&question, &known.vocabulary).await {
            Ok(Some(read)) => {
                printer.say(&format!("as {} reads it:", model.name));
                query = read;
            }
            Ok(None) => printer.say(&format!("Warning: {} gave no query", model.name)),
            // The grammar's reading is there, and is shown.
            Err(error) => printer.say(&format!("Warning: {error}")),
        }
    }
    let shown = search::shell_quoted(&query.to_string());
    printer.say(&format!("kubectl fleet search {shown}"));
    search::list(&opened, &query, args.search.limit, &args.search.list).await
}

/// A model behind the interface for conversations that OpenAI made and most servers copy, Ollama among them.
struct Model {
    client: reqwest::Client,
    url: String,
    name: String,
    api_key: Option<pequod_diag::Secret<String>>,
}

fn model(args: &ModelArgs) -> Result<Option<Model>, Failure> {
    let (Some(url), Some(name)) = (&args.model_url, &args.model) else {
        return Ok(None);
    };
    let usage = |message: String| Failure::input(Diagnostic::error(Code("fleet/model"), message));
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(usage(format!("`{url}` is no address")));
    }
    let file = args.model_api_key_file.as_deref();
    Ok(Some(Model {
        client: remote::client(Duration::from_mins(1)).map_err(|error| usage(error.to_string()))?,
        url: format!("{}/chat/completions", url.trim_end_matches('/')),
        name: name.clone(),
        api_key: secret(file, "PEQUOD_FLEET_MODEL_API_KEY")?,
    }))
}

impl Model {
    /// The query that it reads in a question; none if it says something else.
    async fn read(
        &self,
        question: &str,
        vocabulary: &Vocabulary,
    ) -> Result<Option<Query>, ModelError> {
        let body = json!({
            "model": self.name,
            "temperature": 0,
            "messages": [
                {"role": "system", "content": prompt::instructions(vocabulary)},
                {"role": "user", "content": question},
            ],
        });
        let answer = remote::post(&self.client, &self.url, self.api_key.as_ref(), &body).await?;
        let said = answer
            .pointer("/choices/0/message/content")
            .and_then(Value::as_str)
            .ok_or_else(|| ModelError::Unexpected("there is no message in it".to_owned()))?;
        Ok(prompt::answered(said))
    }
}
