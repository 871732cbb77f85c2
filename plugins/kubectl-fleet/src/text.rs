//! Words of a record, and what they weigh: BM25 as sparse vectors, computed here so that every store ranks alike.
//!
//! A document's vector holds the saturated frequency of each of its words; a query's holds ones. The store multiplies
//! by the inverse document frequency (Qdrant's `idf` modifier), which is the part that needs the whole collection.
//! `CrashLoopBackOff` is found by itself and by `crash loop`; `postgres-0` by `postgres`.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::health::Health;
use crate::record::Record;

/// A sparse vector: word hashes in ascending order, and their weights.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Sparse {
    /// Hashes of words.
    pub indices: Vec<u32>,
    /// The weight of each.
    pub values: Vec<f32>,
}

/// BM25's saturation and length normalisation, and the usual number of weighted words of a record.
const K1: f32 = 1.2;
const B: f32 = 0.5;
const USUAL_LENGTH: f32 = 60.0;

/// Words too frequent in questions to say anything.
const STOP: &[&str] = &[
    "a", "all", "an", "and", "any", "are", "at", "be", "by", "do", "every", "find", "for", "from",
    "get", "give", "have", "has", "how", "in", "is", "it", "its", "list", "me", "of", "on", "or",
    "please", "show", "that", "the", "their", "there", "things", "to", "what", "where", "which",
    "with",
];

/// The words of a text: lower case, split at punctuation and inside camel case, plurals cut to the singular. A
/// compound yields its parts and itself.
pub fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for chunk in text.split(|c: char| !c.is_alphanumeric()) {
        if chunk.is_empty() || chunk.len() > 64 {
            continue;
        }
        let parts = camel(chunk);
        if parts.len() > 1 {
            words.extend(parts.iter().map(|part| singular(&part.to_lowercase())));
        }
        words.push(singular(&chunk.to_lowercase()));
    }
    words.retain(|word| !STOP.contains(&word.as_str()));
    words
}

/// The parts of a camel-case word: `CrashLoopBackOff`, `HTTPRoute`.
fn camel(word: &str) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut parts = vec![String::new()];
    for (at, &letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || (before.is_uppercase() && after.is_some_and(|next| next.is_lowercase()))
            });
        if begins {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts
}

/// A word without the ending of its plural. Crude, and the same on both sides, which is what counts.
pub fn singular(word: &str) -> String {
    if word.len() > 4 && word.ends_with("ies") {
        return format!("{}y", &word[..word.len() - 3]);
    }
    for ending in ["sses", "shes", "ches", "xes"] {
        if word.len() > ending.len() + 1 && word.ends_with(ending) {
            return word[..word.len() - 2].to_owned();
        }
    }
    let keep = word.len() < 4
        || ["ss", "us", "is", "os"]
            .iter()
            .any(|ending| word.ends_with(ending));
    if !keep && word.ends_with('s') && word.is_ascii() {
        word[..word.len() - 1].to_owned()
    } else {
        word.to_owned()
    }
}

/// FNV-1a: the same on every machine and in every release, as what is stored outlives both.
fn hash(word: &str) -> u32 {
    word.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// The vector of a record. Names and kinds weigh more than what is said about them.
///
/// What nearly every object says is left out: keys of labels and annotations, registries, bare numbers, that it is well.
/// Such words tell nothing apart, and each costs a store as much time to write as there are objects that have it.
pub fn document(record: &Record) -> Sparse {
    let mut weights: BTreeMap<String, f32> = BTreeMap::new();
    let mut add = |text: &str, weight: f32| {
        for word in words(text) {
            *weights.entry(word).or_default() += weight;
        }
    };
    add(&record.identity.name, 3.0);
    add(&record.identity.kind, 3.0);
    add(&record.identity.namespace, 1.5);
    add(&record.identity.cluster, 1.0);
    add(&record.identity.api_group, 1.0);
    for image in &record.images {
        add(without_registry(image), 1.5);
    }
    for (_, value) in record.labels.iter().filter_map(|it| it.split_once('=')) {
        add(value, 0.5);
    }
    for value in record.annotations.values() {
        add(value, 0.4);
    }
    for concept in &record.about {
        add(concept, 2.0);
    }
    if record.health != Health::Current {
        add(record.health.as_str(), 0.5);
    }
    add(&record.reason, 2.0);
    add(&record.message, 1.0);
    let says = |cell: &&String| cell.chars().any(char::is_alphabetic);
    for cell in record.status.columns.iter().map(|(_, it)| it).filter(says) {
        add(cell, 0.5);
    }
    for condition in record
        .status
        .conditions
        .iter()
        .filter(|condition| condition.status != "True")
    {
        add(&condition.kind, 0.5);
        add(&condition.reason, 1.0);
        add(&condition.message, 0.5);
    }
    of_weights(&weights)
}

/// An image without the host that it comes from.
fn without_registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path,
        _ => image,
    }
}

/// The vector of a plain text.
pub fn plain(text: &str) -> Sparse {
    let mut weights: BTreeMap<String, f32> = BTreeMap::new();
    for word in words(text) {
        *weights.entry(word).or_default() += 1.0;
    }
    of_weights(&weights)
}

fn of_weights(weights: &BTreeMap<String, f32>) -> Sparse {
    let length: f32 = weights.values().sum();
    let norm = K1 * (1.0 - B + B * length / USUAL_LENGTH);
    sorted(
        weights
            .iter()
            .map(|(word, &weight)| (hash(word), weight * (K1 + 1.0) / (weight + norm))),
    )
}

/// The vector of a question. Words and synonyms count the same; the store's frequencies decide.
pub fn question<'a>(texts: impl IntoIterator<Item = &'a str>) -> Sparse {
    sorted(
        texts
            .into_iter()
            .flat_map(words)
            .map(|word| (hash(&word), 1.0)),
    )
}

fn sorted(weights: impl Iterator<Item = (u32, f32)>) -> Sparse {
    let mut merged: BTreeMap<u32, f32> = BTreeMap::new();
    for (index, weight) in weights {
        let slot = merged.entry(index).or_default();
        *slot = slot.max(weight);
    }
    let (indices, values) = merged.into_iter().unzip();
    Sparse { indices, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compounds_are_found_whole_and_in_parts() {
        assert_eq!(
            words("CrashLoopBackOff"),
            ["crash", "loop", "back", "off", "crashloopbackoff"]
        );
        assert_eq!(words("HTTPRoute"), ["http", "route", "httproute"]);
        assert_eq!(words("web-frontend_2 (the)"), ["web", "frontend", "2"]);
    }

    #[test]
    fn plural_and_singular_are_one_word() {
        for (many, one) in [
            ("pods", "pod"),
            ("policies", "policy"),
            ("ingresses", "ingress"),
            ("redis", "redis"),
            ("status", "status"),
            ("dns", "dns"),
            ("classes", "class"),
            ("databases", "database"),
        ] {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn an_image_is_found_by_its_path_and_not_by_its_registry() {
        for (image, path) in [
            ("registry.example.com:5000/shop/web:1", "shop/web:1"),
            ("localhost/web", "web"),
            ("library/postgres", "library/postgres"),
            ("redis:7", "redis:7"),
        ] {
            assert_eq!(without_registry(image), path);
        }
    }

    #[test]
    fn hostile_text_is_bounded() {
        let long = "x".repeat(1_000_000);
        assert!(words(&long).is_empty());
        assert_eq!(words("\u{1F600} é \u{0}"), ["é"]);
    }

    #[test]
    fn a_vector_is_sorted_and_has_no_doubles() {
        let vector = plain("b a b c a");
        assert!(vector.indices.is_sorted_by(|a, b| a < b));
        assert_eq!(vector.indices.len(), vector.values.len());
    }
}
