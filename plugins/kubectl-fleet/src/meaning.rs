//! Search by meaning: texts as dense vectors, made by a model that somebody chose, beside the words that need none.
//!
//! A model is behind [`Embed`]: a directory ([`local`]) or a server ([`remote`]). Each model has a vector space of its own
//! in the store, named after it, so that several can be there and none is mistaken for another. **Reading a cluster never
//! waits for a model**: an object is stored with its words at once; its vector follows ([`crate::store::Store::grasp`]),
//! and until then it is found by its words. What is embedded of an object is what it is, not how it is at the moment, and
//! without generated endings: the thousand Pods of a Deployment are one text, and a restart changes nothing.

pub mod local;
pub mod remote;

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use rustc_hash::FxHashMap;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::record::{Record, cut};

/// Why a text has no vector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The model cannot be reached, or is overloaded.
    #[error("the model at {at} does not answer: {why}")]
    Unavailable {
        /// Where it should be.
        at: String,
        /// What happened.
        why: String,
    },
    /// It said no.
    #[error("the model refused: {0}")]
    Refused(String),
    /// What it answered is not what was asked for.
    #[error("the model answered something unexpected: {0}")]
    Unexpected(String),
}

/// A model that turns texts into vectors.
pub trait Embed: Send + Sync {
    /// What it is called.
    fn model(&self) -> &str;

    /// A vector for each text, all of the same length.
    fn embed<'a>(&'a self, texts: &'a [String])
    -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>>;
}

/// How many texts are sent to a model at once.
pub(crate) const TEXTS: usize = 64;
/// How many texts' vectors are remembered.
const REMEMBERED: usize = 4096;
/// The longest text of an object, in bytes.
const TEXT_BYTES: usize = 1024;

/// A text that no model has a reason to refuse.
const HARMLESS: &str = "kubernetes";

/// A vector, shared by the objects whose text is the same.
pub(crate) type Vector = Arc<[f32]>;

/// A model, the space that its vectors live in, and the vectors of the last texts.
pub struct Meaning {
    model: Box<dyn Embed>,
    space: OnceCell<Space>,
    remembered: Mutex<FxHashMap<String, Said>>,
}

/// What a model said to a text.
#[derive(Debug, Clone)]
enum Said {
    Yes(Vector),
    /// It refused this one, and not everything.
    No,
}

impl Said {
    fn vector(self) -> Option<Vector> {
        match self {
            Self::Yes(vector) => Some(vector),
            Self::No => None,
        }
    }
}

/// Where the vectors of a model live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Space {
    /// The name of the vector in the store.
    pub(crate) name: String,
    /// How many numbers a vector has.
    pub(crate) dimensions: usize,
}

impl Meaning {
    /// Of a model.
    pub fn new(model: impl Embed + 'static) -> Self {
        Self {
            model: Box::new(model),
            space: OnceCell::new(),
            remembered: Mutex::default(),
        }
    }

    /// What the model is called.
    pub fn model(&self) -> &str {
        self.model.model()
    }

    /// Where its vectors live. How long they are is found out by the first text that it is given.
    pub(crate) async fn space(&self) -> Result<&Space, ModelError> {
        self.space
            .get_or_try_init(async || {
                let texts = [HARMLESS.to_owned()];
                let dimensions = self.asked(&texts).await?[0].len();
                Ok(Space {
                    name: space_name(self.model.model(), dimensions),
                    dimensions,
                })
            })
            .await
    }

    /// The vector of a question.
    pub(crate) async fn vector(&self, text: &str) -> Result<Vector, ModelError> {
        let vectors = self.vectors(&[text.to_owned()]).await?;
        let refused = || ModelError::Refused(format!("`{text}`"));
        vectors.into_iter().next().flatten().ok_or_else(refused)
    }

    /// The vectors of texts, of which those that are not remembered are asked for. A text that the model refuses has none,
    /// and the others have theirs.
    pub(crate) async fn vectors(
        &self,
        texts: &[String],
    ) -> Result<Vec<Option<Vector>>, ModelError> {
        let expected = self.space().await?.dimensions;
        let mut known: FxHashMap<&String, Said> = FxHashMap::default();
        let mut unknown: Vec<String> = Vec::new();
        for text in texts {
            match self.remembered(text) {
                Some(said) => {
                    known.insert(text, said);
                }
                None if !unknown.contains(text) => unknown.push(text.clone()),
                None => {}
            }
        }
        let mut fresh = Vec::new();
        for some in unknown.chunks(TEXTS) {
            fresh.extend(self.accepted(some).await?);
        }
        if fresh.iter().flatten().any(|it| it.len() != expected) {
            return Err(ModelError::Unexpected(format!(
                "a vector that is not of {expected} numbers"
            )));
        }
        for (text, vector) in unknown.iter().zip(fresh) {
            let said = vector.map_or(Said::No, |vector| Said::Yes(vector.into()));
            self.remember(text, said.clone());
            known.insert(text, said);
        }
        Ok(texts
            .iter()
            .map(|it| known.get(it).cloned()?.vector())
            .collect())
    }

    /// Asks for all of them at once, and one by one if that is refused. A model that refuses anything at all is an error.
    async fn accepted(&self, texts: &[String]) -> Result<Vec<Option<Vec<f32>>>, ModelError> {
        match self.asked(texts).await {
            Ok(vectors) => return Ok(vectors.into_iter().map(Some).collect()),
            Err(ModelError::Refused(_)) => self.asked(&[HARMLESS.to_owned()]).await?,
            Err(error) => return Err(error),
        };
        let mut accepted = Vec::with_capacity(texts.len());
        for text in texts {
            accepted.push(match self.asked(std::slice::from_ref(text)).await {
                Ok(mut vectors) => vectors.pop(),
                Err(error @ ModelError::Refused(_)) => {
                    tracing::warn!(%error, model = self.model(), "an object is found by its words only");
                    None
                }
                Err(error) => return Err(error),
            });
        }
        Ok(accepted)
    }

    async fn asked(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let vectors = self.model.embed(texts).await?;
        let sound = |vector: &Vec<f32>| {
            !vector.is_empty() && vector.len() <= 65_536 && vector.iter().all(|it| it.is_finite())
        };
        if vectors.len() != texts.len() || !vectors.iter().all(sound) {
            return Err(ModelError::Unexpected(format!(
                "not a vector of numbers for each of {} texts",
                texts.len()
            )));
        }
        Ok(vectors)
    }

    /// The space and the vector of a record, if its text is remembered.
    pub(crate) fn known(&self, record: &Record) -> Option<(&str, Vector)> {
        let space = self.space.get()?;
        Some((&space.name, self.remembered(&text(record))?.vector()?))
    }

    fn remembered(&self, text: &str) -> Option<Said> {
        let remembered = self.remembered.lock();
        remembered
            .unwrap_or_else(PoisonError::into_inner)
            .get(text)
            .cloned()
    }

    fn remember(&self, text: &str, said: Said) {
        let remembered = self.remembered.lock();
        let mut remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED {
            // Texts come again within minutes or never: beginning anew costs a few questions.
            remembered.clear();
        }
        remembered.insert(text.to_owned(), said);
    }
}

/// The name of a model's space: its own, in the letters that a store takes, and how long its vectors are.
fn space_name(model: &str, dimensions: usize) -> String {
    let letters: String = model
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .take(64)
        .collect();
    format!("meaning-{letters}-{dimensions}")
}

/// What of an object is given to a model: what it is, in words, without what is generated or passes.
pub(crate) fn text(record: &Record) -> String {
    let identity = &record.identity;
    let mut text = format!("{} {}", spaced(&identity.kind), stem(record));
    let mut say = |what: &str, values: &[String]| {
        if !values.is_empty() {
            text.extend([". ", what, " ", &values.join(" ")]);
        }
    };
    if !identity.namespace.is_empty() {
        say("namespace", std::slice::from_ref(&identity.namespace));
    }
    say("for", &record.about);
    let images: Vec<String> = record.images.iter().map(|image| short(image)).collect();
    say("image", &images);
    let labels: Vec<String> = record
        .labels
        .iter()
        .filter_map(|label| label.split_once('='))
        .filter(|(key, value)| !generated(key) && !value.is_empty())
        .map(|(key, value)| format!("{} {value}", key.rsplit('/').next().unwrap_or(key)))
        .collect();
    say("labels", &labels);
    let said: Vec<String> = record
        .annotations
        .iter()
        .filter(|(key, _)| key.to_lowercase().contains("description"))
        .map(|(_, value)| value.clone())
        .collect();
    say("description", &said);
    cut(&text, TEXT_BYTES)
}

/// `StatefulSet` as two words.
fn spaced(kind: &str) -> String {
    let mut text = String::new();
    for c in kind.chars() {
        if c.is_uppercase() && text.chars().last().is_some_and(char::is_lowercase) {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// The name without what a controller has put behind it.
fn stem(record: &Record) -> &str {
    let name = record.identity.name.as_str();
    let Some((kind, owner)) = record
        .owners
        .first()
        .and_then(|owner| owner.split_once('/'))
    else {
        return name;
    };
    if !name.starts_with(owner) {
        return name;
    }
    // A ReplicaSet's own name ends with a hash as well.
    match owner.rsplit_once('-') {
        Some((deployment, _)) if kind == "ReplicaSet" => deployment,
        _ => owner,
    }
}

/// An image without its registry, tag and digest.
fn short(image: &str) -> String {
    let path = image.split('@').next().unwrap_or(image);
    let last = path.rsplit('/').next().unwrap_or(path);
    last.split(':').next().unwrap_or(last).to_owned()
}

fn generated(key: &str) -> bool {
    [
        "hash",
        "pod-index",
        "pod-name",
        "controller-uid",
        "job-name",
        "revision",
        "generation",
        "chart",
        "managed-by",
        "version",
    ]
    .iter()
    .any(|part| key.ends_with(part))
}

/// The share of the best score that a neighbour must have to be one.
const NEAR: f32 = 0.5;
/// What keeps the first places of a list from deciding alone (reciprocal rank fusion's usual number).
const DAMPING: f32 = 60.0;

/// One list of two, each in its own order: reciprocal rank fusion, which needs no common scale of scores.
pub(crate) fn fused(
    words: Vec<(f32, Record)>,
    meaning: Vec<(f32, Record)>,
    limit: usize,
) -> Vec<(f32, Record)> {
    let best = meaning.first().map_or(0.0, |(score, _)| *score);
    let near = meaning
        .into_iter()
        .filter(|(score, _)| *score >= best * NEAR);
    let mut merged: FxHashMap<Uuid, (f32, Record)> = FxHashMap::default();
    let lists = [words, near.collect()];
    for list in lists {
        let mut place = DAMPING;
        for (_, record) in list {
            place += 1.0;
            let entry = merged.entry(record.identity.point());
            entry.or_insert((0.0, record)).0 += 1.0 / place;
        }
    }
    let mut merged: Vec<(f32, Record)> = merged.into_values().collect();
    // Equal scores come in the order of their ids, in every store.
    merged.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.id.cmp(&b.1.id)));
    merged.truncate(limit);
    merged
}

#[cfg(test)]
mod tests;
