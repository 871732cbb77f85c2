use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::observe::{Served, record};

fn served(group: &str, kind: &str) -> Served {
    Served {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        resource: format!("{}s", kind.to_lowercase()),
        namespaced: true,
        aliases: Vec::new(),
        categories: Vec::new(),
        about: Vec::new(),
    }
}

fn pod(name: &str, status: &Value) -> Record {
    let object = json!({
        "metadata": {"name": name, "namespace": "shop", "uid": name,
            "labels": {"app.kubernetes.io/name": "checkout", "pod-template-hash": "7d9f", "team": "payments"},
            "annotations": {"example.com/description": "takes the money"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "checkout-7d9f", "uid": "r"}]},
        "spec": {"containers": [{"image": "registry.example.com:5000/shop/checkout:1.2@sha256:00"}]},
        "status": status,
    });
    record("eu", &served("", "Pod"), &object, Vec::new(), 0).unwrap()
}

#[test]
fn what_is_embedded_of_an_object_is_what_it_is_and_not_how_it_is() {
    let well = pod("checkout-7d9f-abcde", &json!({"phase": "Running"}));
    let ill = pod("checkout-7d9f-fghij", &json!({"phase": "Failed"}));
    assert_eq!(text(&well), text(&ill));
    assert_eq!(
        text(&well),
        "pod checkout. namespace shop. image checkout. labels name checkout team payments. description takes the money"
    );
}

#[test]
fn a_hostile_object_makes_a_bounded_text() {
    let mut record = pod("x", &json!({}));
    record
        .annotations
        .insert("description".into(), "é".repeat(1_000_000));
    assert!(text(&record).len() <= TEXT_BYTES);
}

/// A model of two numbers that counts what it is asked; it may be broken.
struct Counting {
    asked: Arc<AtomicUsize>,
    answer: fn(&String) -> Vec<f32>,
}

impl Embed for Counting {
    fn model(&self) -> &'static str {
        "Some/Model:v1"
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        self.asked.fetch_add(texts.len(), Ordering::Relaxed);
        Box::pin(async move { Ok(texts.iter().map(self.answer).collect()) })
    }
}

#[tokio::test]
async fn a_text_is_asked_for_once() {
    let asked = Arc::<AtomicUsize>::default();
    let model = Counting {
        asked: asked.clone(),
        #[expect(clippy::cast_precision_loss, reason = "short texts")]
        answer: |text| vec![text.len() as f32, 1.0],
    };
    let meaning = Meaning::new(model);
    assert_eq!(
        meaning.space().await.unwrap().name,
        "meaning-some-model-v1-2"
    );
    let texts = ["a", "bb", "a"].map(ToOwned::to_owned);
    let vectors = meaning.vectors(&texts).await.unwrap();
    let first: Vec<u32> = vectors.iter().flatten().map(|it| it[0].to_bits()).collect();
    assert_eq!(first, [1f32, 2.0, 1.0].map(f32::to_bits));
    meaning.vectors(&texts).await.unwrap();
    // One text to find out the length, and two that differ.
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_model_that_talks_nonsense_is_not_believed() {
    let answers: [fn(&String) -> Vec<f32>; 3] = [
        |_| Vec::new(),
        |_| vec![f32::NAN],
        |text| vec![0.0; text.len()],
    ];
    for answer in answers {
        let meaning = Meaning::new(Counting {
            asked: Arc::default(),
            answer,
        });
        let error = meaning.vectors(&["hello".to_owned()]).await.unwrap_err();
        assert!(matches!(error, ModelError::Unexpected(_)), "{error}");
    }
}

/// A model that refuses requests in which a word is, and after so many of them every one.
struct Squeamish {
    asked: Arc<AtomicUsize>,
    refuses: &'static str,
    patience: usize,
}

impl Embed for Squeamish {
    fn model(&self) -> &'static str {
        "squeamish"
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, ModelError>> {
        let before = self.asked.fetch_add(1, Ordering::Relaxed);
        let refused = before >= self.patience || texts.iter().any(|it| it.contains(self.refuses));
        Box::pin(async move {
            if refused {
                Err(ModelError::Refused("not this".to_owned()))
            } else {
                Ok(vec![vec![1.0, 0.0]; texts.len()])
            }
        })
    }
}

#[tokio::test]
async fn a_text_that_is_refused_keeps_no_other_from_its_vector() {
    let asked = Arc::<AtomicUsize>::default();
    let meaning = Meaning::new(Squeamish {
        asked: asked.clone(),
        refuses: "poison",
        patience: usize::MAX,
    });
    let texts = ["a", "poison", "b"].map(ToOwned::to_owned);
    let there =
        |vectors: &[Option<Vector>]| -> Vec<bool> { vectors.iter().map(Option::is_some).collect() };
    let vectors = meaning.vectors(&texts).await.unwrap();
    assert_eq!(there(&vectors), [true, false, true]);
    // How long vectors are, all at once, whether anything is accepted, and each by itself. Then it is remembered.
    assert_eq!(asked.load(Ordering::Relaxed), 6);
    let vectors = meaning.vectors(&texts).await.unwrap();
    assert_eq!(there(&vectors), [true, false, true]);
    assert_eq!(asked.load(Ordering::Relaxed), 6);
    let error = meaning.vector("poison").await.unwrap_err();
    assert_eq!(error.to_string(), "the model refused: `poison`");
}

#[tokio::test]
async fn a_model_that_refuses_everything_is_not_asked_for_each_text() {
    let asked = Arc::<AtomicUsize>::default();
    let meaning = Meaning::new(Squeamish {
        asked: asked.clone(),
        refuses: "poison",
        patience: 1,
    });
    let texts = ["a", "b", "c"].map(ToOwned::to_owned);
    assert!(meaning.vectors(&texts).await.is_err());
    // How long vectors are, all at once, and whether anything is accepted.
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[test]
fn two_lists_become_one_in_which_what_both_have_comes_first() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| pod(name, &json!({})));
    let names = |found: &[(f32, Record)]| -> String {
        found
            .iter()
            .map(|(_, it)| it.identity.name.as_str())
            .collect()
    };
    let words = vec![(9.0, a.clone()), (5.0, b.clone())];
    let near = vec![(0.9, c.clone()), (0.8, b.clone()), (0.1, d)];
    let found = fused(words.clone(), near, 10);
    // `d` is too far from anything to be meant.
    assert_eq!(names(&found), "bac");
    assert_eq!(names(&fused(words, Vec::new(), 1)), "a");
    assert!(fused(Vec::new(), Vec::new(), 5).is_empty());
}
