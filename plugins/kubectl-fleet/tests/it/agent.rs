//! The agent on a real API server.

use std::sync::Arc;
use std::time::Duration;

use kubectl_fleet::agent::{self, AgentError, Options};
use kubectl_fleet::freshness::Phase;
use kubectl_fleet::health::Health;
use kubectl_fleet::query::parse::parse;
use kubectl_fleet::record::Record;
use kubectl_fleet::store::{Store, StoreError, all, embedded, qdrant};
use pequod_testkit::ControlPlane;
use qdrant_simulator::Qdrant;
use tokio_util::sync::CancellationToken;

struct Running {
    store: Arc<dyn Store>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<agent::Summary, AgentError>>,
}

fn options(cluster: &str, namespace: &str) -> Options {
    Options {
        batch_window: Duration::from_millis(50),
        heartbeat: Duration::from_secs(1),
        rediscover: Duration::from_secs(2),
        namespaces: vec![namespace.to_owned()],
        ..Options::new(cluster)
    }
}

fn start(client: kube::Client, store: Arc<dyn Store>, options: Options) -> Running {
    let stop = CancellationToken::new();
    let task = tokio::spawn(agent::run(client, store.clone(), options, stop.clone()));
    Running { store, stop, task }
}

impl Running {
    async fn end(self) -> agent::Summary {
        self.stop.cancel();
        self.task.await.unwrap().unwrap()
    }
}

/// Asks the store again and again until what it answers is as expected.
async fn eventually(
    store: &dyn Store,
    query: &str,
    what: &str,
    fits: impl Fn(&[Record]) -> bool,
) -> Vec<Record> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let records = all(store, &parse(query).unwrap(), agent::now())
            .await
            .unwrap();
        if fits(&records) {
            return records;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: {records:#?}"
        );
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn complete(store: &dyn Store, cluster: &str) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let states = store.clusters().await.unwrap();
        let state = states.iter().find(|state| state.cluster == cluster);
        if state.is_some_and(|state| state.judge(agent::now(), None).complete) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{state:#?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {description: Web server}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'registry.example.com/postgres:17'}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_read_followed_and_forgotten_as_it_changes() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("fleet").await;
    cluster.apply(&namespace, DEPLOYMENT).await;
    let secret =
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {password: hunter2}}";
    cluster.apply(&namespace, secret).await;

    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let running = start(cluster.client(), store, options("a", &namespace));
    let store = running.store.clone();
    complete(&*store, "a").await;

    // Status, printer columns, owners, what it is about.
    let web = eventually(&*store, "kind:Deployment ready:full", "available", |it| {
        it.len() == 1
    })
    .await;
    assert_eq!(
        (web[0].health, &*web[0].about),
        (Health::Current, &["database".to_owned()][..])
    );
    assert!(
        web[0]
            .status
            .columns
            .contains(&("Ready".to_owned(), "2/2".to_owned())),
        "{:?}",
        web[0].status.columns
    );
    let pods = eventually(
        &*store,
        "kind:Pod phase:Running owner:ReplicaSet/web-*",
        "pods",
        |it| it.len() == 2,
    )
    .await;
    assert!(pods.iter().all(|pod| pod.health == Health::Current));

    // Secrets: their metadata only.
    let stored = serde_json::to_string(
        &all(&*store, &parse("kind:Secret").unwrap(), 0)
            .await
            .unwrap(),
    )
    .unwrap();
    assert!(
        stored.contains("\"s\"") && !stored.contains("hunter2") && !stored.contains("aHVudGVyMg"),
        "{stored}"
    );

    // A change, then a deletion.
    cluster
        .apply(
            &namespace,
            &DEPLOYMENT.replace("replicas: 2", "replicas: 0"),
        )
        .await;
    eventually(
        &*store,
        "kind:Deployment ready:zero",
        "scaled to zero",
        |it| it.len() == 1,
    )
    .await;
    eventually(&*store, "kind:Pod", "no pods", <[Record]>::is_empty).await;

    // A definition that comes, and leaves with its objects.
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.fleet.example.com}
spec:
  group: fleet.example.com
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, shortNames: [wdg]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Flavour, type: string, jsonPath: .spec.flavour}]
    schema: {openAPIV3Schema: {type: object, description: 'A database of widgets.', x-kubernetes-preserve-unknown-fields: true}}
";
    cluster.apply("", definition).await;
    let widget = "{apiVersion: fleet.example.com/v1, kind: Widget, metadata: {name: w}, spec: {flavour: sour}}";
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while cluster
        .try_apply(cluster.client(), &namespace, widget)
        .await
        .is_err()
        && tokio::time::Instant::now() < deadline
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let widgets = eventually(&*store, "kind:Widget", "the widget", |it| it.len() == 1).await;
    assert_eq!(
        widgets[0].status.columns,
        [("Flavour".to_owned(), "sour".to_owned())]
    );
    assert_eq!(widgets[0].about, ["database"]);
    let known = store.capabilities().await.unwrap();
    assert!(
        known
            .iter()
            .any(|it| it.served.aliases.contains(&"wdg".to_owned())
                && it.description.contains("database"))
    );
    cluster
        .kubectl(["delete", "crd", "widgets.fleet.example.com"])
        .success();
    eventually(&*store, "kind:Widget", "no widget", <[Record]>::is_empty).await;
    complete(&*store, "a").await;

    // Nothing that a reader could not see was written, and the one who leaves says so.
    let summary = running.end().await;
    assert_eq!(summary.state.dropped, 0);
    assert_eq!(store.clusters().await.unwrap()[0].heartbeat_seconds, 0);
    assert!(
        summary
            .state
            .kinds
            .values()
            .all(|kind| kind.phase == Phase::Watching),
        "{:?}",
        summary.state.kinds
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_no_agent_looked_is_made_good_and_nothing_is_written_twice() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("fleet").await;
    for name in ["stays", "goes", "changes"] {
        let map = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, labels: {{v: a}}}}, data: {{k: v}}}}"
        );
        cluster.apply(&namespace, &map).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let only = || Options {
        include: vec!["configmaps".into(), "serviceaccounts".into()],
        once: true,
        ..options("b", &namespace)
    };
    let stop = CancellationToken::new();
    let first = agent::run(cluster.client(), store.clone(), only(), stop.clone())
        .await
        .unwrap();
    assert!(first.written >= 3 && first.state.epoch == 1, "{first:?}");

    cluster
        .kubectl(["delete", "-n", &namespace, "configmap", "goes"])
        .success();
    let changed = "{apiVersion: v1, kind: ConfigMap, metadata: {name: changes, labels: {v: b}}, data: {k: v}}";
    cluster.apply(&namespace, changed).await;
    let second = agent::run(cluster.client(), store.clone(), only(), stop.clone())
        .await
        .unwrap();
    assert_eq!((second.written, second.state.epoch), (2, 2));
    assert_eq!(
        all(&*store, &parse("label:v=b").unwrap(), 0)
            .await
            .unwrap()
            .len(),
        1
    );
    assert!(
        all(&*store, &parse("name:goes").unwrap(), 0)
            .await
            .unwrap()
            .is_empty()
    );
    let third = agent::run(cluster.client(), store.clone(), only(), stop)
        .await
        .unwrap();
    assert_eq!(third.written, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_store_loses_nothing() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("fleet").await;
    let server = Qdrant::start().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(qdrant::open(&server.url(), "fleet", None).await.unwrap());
    let running = start(cluster.client(), store, options("c", &namespace));
    complete(&*running.store, "c").await;

    server.set_down(true);
    for name in ["one", "two", "three"] {
        let map = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}");
        cluster.apply(&namespace, &map).await;
    }
    cluster
        .kubectl(["delete", "-n", &namespace, "configmap", "two"])
        .success();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(matches!(
        running.store.clusters().await,
        Err(StoreError::Unavailable { .. })
    ));
    server.set_down(false);
    let mine = format!("kind:ConfigMap namespace:{namespace} -name:kube-root-ca.crt");
    eventually(&*running.store, &mine, "one and three", |it| {
        let mut names: Vec<&str> = it
            .iter()
            .map(|record| record.identity.name.as_str())
            .collect();
        names.sort_unstable();
        names == ["one", "three"]
    })
    .await;
    complete(&*running.store, "c").await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_with_the_same_id_is_refused() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("fleet").await;
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let small = || Options {
        include: vec!["configmaps".into()],
        ..options("d", &namespace)
    };
    let running = start(cluster.client(), store.clone(), small());
    complete(&*store, "d").await;
    let refused = agent::run(
        cluster.client(),
        store.clone(),
        small(),
        CancellationToken::new(),
    )
    .await;
    assert!(
        matches!(refused, Err(AgentError::Taken { .. })),
        "{refused:?}"
    );
    running.end().await;

    // The id of another cluster is refused for good.
    let mut state = store.clusters().await.unwrap().remove(0);
    state.cluster_uid = "another".into();
    store.put_cluster(&state).await.unwrap();
    let refused = agent::run(cluster.client(), store, small(), CancellationToken::new()).await;
    assert!(
        matches!(refused, Err(AgentError::OtherCluster { .. })),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_as_large_and_as_hostile_as_an_api_server_takes_is_found_and_bounded() {
    let cluster = ControlPlane::shared().await;
    let namespace = cluster.namespace("hostile").await;
    let quarter = "x".repeat(250_000);
    let large = serde_json::json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "large", "labels": {"size": "large"}, "annotations": {
            "example.com/note": "\u{202e}'; DROP TABLE \"fleet\" -- *:* \n\u{1b}[31m", "example.com/pad": quarter}},
        "data": {"a": quarter, "b": quarter, "c": quarter},
    });
    let maps = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(
        cluster.client(),
        &namespace,
    );
    let large = serde_json::from_value(large).unwrap();
    maps.create(&kube::api::PostParams::default(), &large)
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let only_maps = Options {
        include: vec!["configmaps".into()],
        once: true,
        ..options("a", &namespace)
    };
    let read = agent::run(
        cluster.client(),
        store.clone(),
        only_maps,
        CancellationToken::new(),
    );
    let mut state = read.await.unwrap().state;
    // Other tests define kinds in this API server; what is not found out of them yet is of no concern here.
    state.undiscovered.clear();
    assert!(state.in_step() && state.dropped == 0, "{state:?}");
    let found = all(&*store, &parse("label:size=large").unwrap(), agent::now())
        .await
        .unwrap();
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(found.len(), 1);
    assert!(text.len() < 20_000, "{}", text.len());
    // Its words are words, whatever they say.
    let words = store
        .search(&parse("drop table fleet").unwrap(), agent::now(), 5)
        .await
        .unwrap();
    assert_eq!(words.records.len(), 1);
}
