//! Search by meaning: with models behind real HTTP, in every store, through the command line; and with a real model.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use kubectl_fleet::meaning::remote::{self, Protocol};
use kubectl_fleet::meaning::{Embed as _, Meaning, local};
use kubectl_fleet::query::parse::parse;
use kubectl_fleet::store::{Change, Found, Store, embedded, qdrant, shared};
use pequod_diag::Secret;
use pequod_testkit::ControlPlane;
use qdrant_simulator::Qdrant;
use serde_json::{Value, json};

use crate::commands::{fleet, three_contexts};
use crate::fixture::{NOW, pod};

/// A server with a model that knows three topics: what a text is about is how often it says their words.
#[derive(Default)]
struct Model {
    asked: AtomicUsize,
    down: AtomicBool,
    requests: Mutex<Vec<(String, String)>>,
}

const TOPICS: [&[&str]; 3] = [
    &["money", "checkout", "billing", "invoice", "payments"],
    &["picture", "photo", "thumbnail", "resize"],
    &["pod", "kubernetes"],
];

#[expect(clippy::cast_precision_loss, reason = "a handful of words")]
fn vector(text: &str) -> Vec<f32> {
    let said = |word: &&&str| text.to_lowercase().contains(**word);
    let count = |words: &[&str]| words.iter().filter(said).count() as f32;
    let mut vector: Vec<f32> = TOPICS.iter().map(|words| count(words)).collect();
    vector[2] = 0.1;
    vector
}

async fn answer(
    State(model): State<Arc<Model>>,
    uri: Uri,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> Response {
    let key = headers.get("authorization").and_then(|it| it.to_str().ok());
    let key = key.unwrap_or_default().to_owned();
    let path = uri.path().to_owned();
    model.requests.lock().unwrap().push((path.clone(), key));
    if model.down.load(Ordering::Relaxed) {
        let error = json!({"error": {"message": "the model is loading"}});
        return (StatusCode::SERVICE_UNAVAILABLE, axum::Json(error)).into_response();
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let texts: Vec<&str> = body["input"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    model.asked.fetch_add(texts.len(), Ordering::Relaxed);
    let answer = match path.as_str() {
        // In an order of its own, as the interface allows.
        "/v1/embeddings" => {
            let data: Vec<Value> = texts
                .iter()
                .enumerate()
                .rev()
                .map(|(at, text)| json!({"object": "embedding", "index": at, "embedding": vector(text)}))
                .collect();
            json!({"object": "list", "data": data, "model": body["model"]})
        }
        "/api/embed" => {
            let vectors: Vec<Vec<f32>> = texts.iter().map(|text| vector(text)).collect();
            json!({"model": body["model"], "embeddings": vectors})
        }
        _ => {
            let error = json!({"error": "no such path"});
            return (StatusCode::NOT_FOUND, axum::Json(error)).into_response();
        }
    };
    axum::Json(answer).into_response()
}

/// Starts it on a free port of this machine.
async fn model() -> (Arc<Model>, String) {
    let model = Arc::<Model>::default();
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new()
        .fallback(answer)
        .with_state(model.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (model, url)
}

fn meaning(url: &str) -> Arc<Meaning> {
    let model = remote::open(&format!("{url}/v1"), Protocol::Openai, "topics", None).unwrap();
    Arc::new(Meaning::new(model))
}

fn put(name: &str) -> Change {
    Change::Put(Box::new(pod("eu", "shop", name, false, 60)))
}

fn names(found: &Found) -> Vec<&str> {
    let records = found.records.iter();
    records.map(|(_, it)| it.identity.name.as_str()).collect()
}

/// What each store with a model must do.
async fn conforms(store: &dyn Store, model: &Model) {
    let invoices = parse("invoices").unwrap();
    store
        .apply(&[put("checkout-1"), put("thumbnail-1"), put("invoice-1")])
        .await
        .unwrap();
    // Not grasped yet: found by words.
    let found = store.search(&invoices, NOW, 10).await.unwrap();
    assert_eq!(names(&found), ["invoice-1"]);

    assert_eq!(store.grasp("eu").await.unwrap(), 3);
    assert_eq!(store.grasp("eu").await.unwrap(), 0);
    assert_eq!(store.grasp("elsewhere").await.unwrap(), 0);
    let found = store.search(&invoices, NOW, 10).await.unwrap();
    assert_eq!(names(&found), ["invoice-1", "checkout-1"]);
    assert_eq!(found.only_words, None);
    // Within the filter, and no object of another topic.
    let elsewhere = parse("invoices cluster:us").unwrap();
    let found = store.search(&elsewhere, NOW, 10).await.unwrap();
    assert!(found.records.is_empty());

    // An object that changes keeps its meaning, and nobody is asked again.
    let asked = model.asked.load(Ordering::Relaxed);
    let failing = pod("eu", "shop", "checkout-1", true, 60);
    store
        .apply(&[Change::Put(Box::new(failing))])
        .await
        .unwrap();
    let found = store.search(&invoices, NOW, 10).await.unwrap();
    assert_eq!(names(&found), ["invoice-1", "checkout-1"]);
    assert_eq!(model.asked.load(Ordering::Relaxed), asked);

    // The model is away: words are searched, and it is said; what is written waits for nobody.
    model.down.store(true, Ordering::Relaxed);
    store.apply(&[put("billing-1")]).await.unwrap();
    assert!(store.grasp("eu").await.unwrap_err().is_transient());
    let found = store
        .search(&parse("billing").unwrap(), NOW, 10)
        .await
        .unwrap();
    assert_eq!(names(&found), ["billing-1"]);
    assert!(
        found
            .only_words
            .as_ref()
            .unwrap()
            .contains("the model is loading"),
        "{found:?}"
    );
    model.down.store(false, Ordering::Relaxed);
    assert_eq!(store.grasp("eu").await.unwrap(), 1);
    let found = store
        .search(&parse("billing").unwrap(), NOW, 10)
        .await
        .unwrap();
    assert_eq!(found.records.len(), 3, "{found:?}");
    store.forget("eu").await.unwrap();
    let found = store.search(&invoices, NOW, 10).await.unwrap();
    assert!(found.records.is_empty());
}

#[tokio::test]
async fn the_embedded_store_searches_by_meaning_and_does_so_after_a_restart() {
    let (model, url) = model().await;
    let folder = tempfile::tempdir().unwrap();
    conforms(
        &embedded::open(folder.path())
            .unwrap()
            .with(Some(meaning(&url))),
        &model,
    )
    .await;
    {
        let store = embedded::open(folder.path())
            .unwrap()
            .with(Some(meaning(&url)));
        store.apply(&[put("checkout-1")]).await.unwrap();
        assert_eq!(store.grasp("eu").await.unwrap(), 1);
        store.flush().await.unwrap();
    }
    let store = embedded::open(folder.path())
        .unwrap()
        .with(Some(meaning(&url)));
    let found = store
        .search(&parse("invoices").unwrap(), NOW, 10)
        .await
        .unwrap();
    assert_eq!(names(&found), ["checkout-1"]);
    assert_eq!(store.grasp("eu").await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_searches_by_meaning() {
    let (model, url) = model().await;
    let server = Qdrant::start().await.unwrap();
    let store = qdrant::open(&server.url(), "fleet", None).await.unwrap();
    conforms(&store.with(Some(meaning(&url))), &model).await;
}

#[tokio::test]
async fn a_store_that_another_process_holds_searches_with_the_holders_model() {
    let (model, url) = model().await;
    let folder = tempfile::tempdir().unwrap();
    let store = embedded::open(folder.path())
        .unwrap()
        .with(Some(meaning(&url)));
    let serving = shared::serve(folder.path(), Arc::new(store)).await.unwrap();
    conforms(&shared::connect(folder.path()).await.unwrap(), &model).await;
    drop(serving);
}

#[tokio::test]
async fn another_model_has_a_space_of_its_own() {
    let (_, url) = model().await;
    let folder = tempfile::tempdir().unwrap();
    let first = embedded::open(folder.path())
        .unwrap()
        .with(Some(meaning(&url)));
    first.apply(&[put("checkout-1")]).await.unwrap();
    first.grasp("eu").await.unwrap();
    drop(first);
    let ollama = remote::open(&url, Protocol::Ollama, "other:latest", None).unwrap();
    let other = Some(Arc::new(Meaning::new(ollama)));
    let second = embedded::open(folder.path()).unwrap().with(other);
    // Nothing was made with this one: nothing is mistaken for it, and words go on working.
    let question = parse("invoices").unwrap();
    let found = second.search(&question, NOW, 10).await.unwrap();
    assert!(
        found.records.is_empty() && found.only_words.is_some(),
        "{found:?}"
    );
    assert_eq!(second.grasp("eu").await.unwrap(), 1);
    let found = second.search(&question, NOW, 10).await.unwrap();
    assert_eq!(names(&found), ["checkout-1"]);
}

#[tokio::test]
async fn a_key_is_sent_and_not_printed_and_a_no_is_told_with_its_reason() {
    let (model, url) = model().await;
    let key = || Some(Secret::new("hunter2".to_owned()));
    let open = |url: &str| remote::open(url, Protocol::Openai, "topics", key()).unwrap();
    open(&format!("{url}/v1/"))
        .embed(&["x".to_owned()])
        .await
        .unwrap();
    let requests = model.requests.lock().unwrap().clone();
    assert_eq!(
        requests,
        [("/v1/embeddings".to_owned(), "Bearer hunter2".to_owned())]
    );
    let error = open(&url)
        .embed(&["x".to_owned()])
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no such path") && !error.contains("hunter2"),
        "{error}"
    );
    assert!(remote::open("file:///etc/passwd", Protocol::Ollama, "m", None).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_reads_and_searches_with_a_model() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("meaning").await;
    let maps = "
{apiVersion: v1, kind: ConfigMap, metadata: {name: checkout-settings}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: thumbnail-settings}}
";
    cluster.apply(&namespace, maps).await;
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = three_contexts(cluster, folder.path());
    let store = folder.path().join("store");
    let (model, url) = model().await;
    let with =
        format!("--embedding-url {url} --embedding-protocol ollama --embedding-model topics");
    let run = async |arguments: String| {
        let (kubeconfig, store) = (kubeconfig.clone(), store.clone());
        let run = move || fleet(&kubeconfig, &store, &arguments).expect_code(0);
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    run(format!(
        "sync staging --include-kinds configmaps --include-namespaces {namespace} {with}"
    ))
    .await;
    let search = format!("search invoices kind:ConfigMap namespace:{namespace} -o name");
    assert_eq!(
        run(search.clone()).await.stdout,
        "",
        "words alone find nothing"
    );
    let found = run(format!("{search} {with}")).await;
    let expected = format!("staging/{namespace}/v1/ConfigMap/checkout-settings\n");
    assert_eq!(found.stdout, expected);
    model.down.store(true, Ordering::Relaxed);
    let away = run(format!("{search} {with}")).await;
    assert!(
        away.stderr.contains("Warning: only words were searched"),
        "{}",
        away.stderr
    );
    let wrong = format!(
        "search invoices --embedding-dir {}",
        folder.path().display()
    );
    let wrong = fleet(&kubeconfig, &store, &wrong).expect_code(2);
    assert!(wrong.stderr.contains("config.json"), "{}", wrong.stderr);
}

/// What its authors publish of it: the similarities of three sentences.
#[tokio::test]
#[ignore = "needs all-MiniLM-L6-v2 in PEQUOD_FLEET_MODEL: cargo xtask conformance meaning"]
async fn a_published_model_gives_the_numbers_that_are_published_of_it() {
    let model = local::open(std::env::var("PEQUOD_FLEET_MODEL").unwrap().as_ref()).unwrap();
    let texts = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ];
    let texts = texts.map(ToOwned::to_owned);
    let begun = std::time::Instant::now();
    let vectors = model.embed(&texts).await.unwrap();
    println!("three sentences in {:.1?}", begun.elapsed());
    let mut worst: f32 = 0.0;
    for (a, b, published) in [(0, 1, 0.6660), (0, 2, 0.1046), (1, 2, 0.1411), (0, 0, 1.0)] {
        let like: f32 = vectors[a].iter().zip(&vectors[b]).map(|(a, b)| a * b).sum();
        println!("{like:.4}, published {published:.4}");
        worst = worst.max((like - published).abs());
    }
    assert_eq!(vectors[0].len(), 384);
    assert!(worst < 0.0002, "{worst}");
    println!("figures: similarityOff={worst:.5}");
}
