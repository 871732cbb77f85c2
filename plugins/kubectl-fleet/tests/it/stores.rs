//! What every store must do, asked of each of them.

use std::sync::Arc;
use std::time::Duration;

use kubectl_fleet::freshness::ClusterState;
use kubectl_fleet::query::{Field, Query, parse::parse};
use kubectl_fleet::store::{
    Capability, Change, Page, Store, StoreError, all, embedded, history, qdrant, shared,
};
use proptest::prelude::*;
use qdrant_simulator::{Fault, Qdrant};

use crate::fixture::{NOW, pod, served};

fn put(record: &kubectl_fleet::record::Record) -> Change {
    Change::Put(Box::new(record.clone()))
}

fn q(text: &str) -> Query {
    parse(text).unwrap()
}

async fn names(store: &dyn Store, query: &str) -> Vec<String> {
    let mut names: Vec<String> = all(store, &q(query), NOW)
        .await
        .unwrap()
        .into_iter()
        .map(|it| it.identity.name)
        .collect();
    names.sort();
    names
}

/// The conformance suite.
async fn conforms(store: &dyn Store) {
    let records = [
        pod("eu-prod-1", "shop", "web-1", true, 7200),
        pod("eu-prod-1", "shop", "web-2", false, 60),
        pod("us-prod-2", "shop", "postgres-0", true, 60),
        pod("staging", "kube-system", "coredns-1", false, 90_000),
    ];
    let changes: Vec<Change> = records.iter().map(put).collect();
    store.apply(&changes).await.unwrap();

    // What goes in comes out.
    let mut stored = all(store, &Query::default(), NOW).await.unwrap();
    stored.sort_by(|a, b| a.identity.cmp(&b.identity));
    let mut expected = records.to_vec();
    expected.sort_by(|a, b| a.identity.cmp(&b.identity));
    assert_eq!(stored, expected);

    // Every kind of term.
    for (query, expected) in [
        ("health:Failed", &["postgres-0", "web-1"][..]),
        ("health:Failed cluster:*prod* age>1h", &["web-1"]),
        ("-namespace:kube-system age<5m", &["postgres-0", "web-2"]),
        ("label:app.kubernetes.io/name=web", &["web-1", "web-2"]),
        (
            "label:tier kind:Pod group:-",
            &["coredns-1", "postgres-0", "web-1", "web-2"],
        ),
        ("condition:Ready=False", &["postgres-0", "web-1"]),
        ("reason:CrashLoop*", &["postgres-0", "web-1"]),
        ("name:web-1,web-2 phase:Running", &["web-1", "web-2"]),
        ("about:database", &["postgres-0"]),
        ("image:*/postgres:*", &["postgres-0"]),
        ("cluster:nowhere*", &[]),
        ("-cluster:*prod*", &["coredns-1"]),
        (
            "changed<10s",
            &["coredns-1", "postgres-0", "web-1", "web-2"],
        ),
    ] {
        assert_eq!(names(store, query).await, expected, "{query}");
        assert_eq!(
            store.count(&q(query), NOW).await.unwrap(),
            expected.len() as u64,
            "{query}"
        );
    }

    // Pages are complete and without doubles.
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store
            .list(&Query::default(), NOW, Page { limit: 1, after })
            .await
            .unwrap();
        assert_eq!(page.records.len(), 1);
        seen.extend(page.records);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 4);

    // Counts by value.
    let by = store
        .facet(Field::Health, &Query::default(), NOW, 10)
        .await
        .unwrap();
    assert_eq!(by, [("Current".to_owned(), 2), ("Failed".to_owned(), 2)]);

    // Words: the best first, within the filter.
    let found = store
        .search(&q("postgres crash loop"), NOW, 10)
        .await
        .unwrap()
        .records;
    assert_eq!(found[0].1.identity.name, "postgres-0");
    assert!(
        found
            .iter()
            .any(|(_, record)| record.identity.name == "web-1"),
        "found by its reason"
    );
    let found = store
        .search(&q("crash loop cluster:eu-prod-1"), NOW, 10)
        .await
        .unwrap()
        .records;
    assert_eq!(
        found
            .iter()
            .map(|(_, it)| it.identity.name.as_str())
            .collect::<Vec<_>>(),
        ["web-1"]
    );

    // Several changes of one object: the last one counts.
    let gone = records[0].identity.point();
    store
        .apply(&[Change::Delete(gone), put(&records[0]), Change::Delete(gone)])
        .await
        .unwrap();
    assert_eq!(names(store, "name:web-1").await, [""; 0]);
    store
        .apply(&[put(&records[0]), Change::Delete(gone), put(&records[0])])
        .await
        .unwrap();
    assert_eq!(names(store, "name:web-1").await, ["web-1"]);
    let by = store
        .facet(Field::Health, &Query::default(), NOW, 10)
        .await
        .unwrap();
    let counted = [("Current".to_owned(), 2), ("Failed".to_owned(), 2)];
    assert_eq!(by, counted, "nothing twice, nothing that is gone");

    // Clusters and capabilities live beside the objects and are not found among them.
    let state = ClusterState {
        cluster: "staging".into(),
        epoch: 3,
        ..ClusterState::default()
    };
    store.put_cluster(&state).await.unwrap();
    store
        .put_cluster(&ClusterState {
            epoch: 4,
            ..state.clone()
        })
        .await
        .unwrap();
    assert_eq!(
        store
            .clusters()
            .await
            .unwrap()
            .iter()
            .map(|it| it.epoch)
            .collect::<Vec<_>>(),
        [4]
    );
    let kind = Capability {
        cluster: "staging".into(),
        served: served("", "Pod", "pods"),
        description: "a pod".into(),
    };
    store
        .put_capabilities("staging", std::slice::from_ref(&kind))
        .await
        .unwrap();
    store
        .put_capabilities("staging", std::slice::from_ref(&kind))
        .await
        .unwrap();
    assert_eq!(store.capabilities().await.unwrap(), [kind]);
    assert_eq!(store.count(&Query::default(), NOW).await.unwrap(), 4);

    // A cluster is forgotten whole, and alone.
    store.forget("staging").await.unwrap();
    assert!(
        store.clusters().await.unwrap().is_empty()
            && store.capabilities().await.unwrap().is_empty()
    );
    assert_eq!(store.count(&Query::default(), NOW).await.unwrap(), 3);
    store.flush().await.unwrap();
}

#[tokio::test]
async fn the_embedded_store_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&embedded::open(folder.path()).unwrap()).await;
}

#[tokio::test]
async fn a_server_conforms() {
    let server = Qdrant::start().await.unwrap();
    conforms(
        &qdrant::open(&server.url(), "fleet-resources", None)
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        server.alias("fleet-resources").as_deref(),
        Some("fleet-resources-v1")
    );
}

#[tokio::test]
async fn a_store_that_another_process_holds_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    assert!(matches!(
        embedded::open(folder.path()),
        Err(StoreError::Busy(_))
    ));
    let serving = shared::serve(folder.path(), store).await.unwrap();
    conforms(&shared::connect(folder.path()).await.unwrap()).await;
    drop(serving);
    assert!(matches!(
        shared::connect(folder.path()).await,
        Err(StoreError::Busy(_))
    ));
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_any_more_is_nobody_elses() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let records = [
        pod("eu", "shop", "web-1", true, 10),
        pod("us", "shop", "web-2", true, 10),
    ];
    store.apply(&records.each_ref().map(put)).await.unwrap();
    let _serving = shared::serve(folder.path(), store).await.unwrap();
    let shared = shared::connect(folder.path()).await.unwrap();
    let (eu, us) = (q("cluster:eu"), q("cluster:us"));
    for polls in 1..40 {
        // As when the client of a hub hangs up.
        let mut given_up = shared.count(&eu, NOW);
        for _ in 0..polls {
            if futures::poll!(&mut given_up).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(given_up);
        let page = Page {
            limit: 10,
            after: None,
        };
        let answer = shared.list(&us, NOW, page).await.unwrap();
        assert_eq!(answer.records[0].identity.cluster, "us", "after {polls}");
    }
}

#[tokio::test]
async fn a_holder_that_was_started_anew_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(embedded::open(folder.path()).unwrap());
    let serving = shared::serve(folder.path(), store.clone()).await.unwrap();
    let shared = shared::connect(folder.path()).await.unwrap();
    let record = pod("eu", "shop", "web-1", true, 10);
    shared.apply(&[put(&record)]).await.unwrap();
    shared.flush().await.unwrap();
    drop((serving, store));
    let store: Arc<dyn Store> = loop {
        match embedded::open(folder.path()) {
            Ok(store) => break Arc::new(store),
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    };
    let gone = shared.count(&q("cluster:eu"), NOW).await.unwrap_err();
    assert!(gone.is_transient(), "{gone}");
    let _serving = shared::serve(folder.path(), store).await.unwrap();
    assert_eq!(shared.count(&q("cluster:eu"), NOW).await.unwrap(), 1);
}

#[tokio::test]
async fn a_store_whose_changes_are_written_down_conforms_and_knows_its_past() {
    let folder = tempfile::tempdir().unwrap();
    let inner: Arc<dyn Store> = Arc::new(embedded::open(&folder.path().join("s")).unwrap());
    let log = folder.path().join("history");
    let moment = || jiff::Timestamp::now().as_millisecond();
    let later = || {
        let begun = moment();
        while moment() == begun {
            std::hint::spin_loop();
        }
        moment()
    };
    let before_all = later();
    conforms(&history::Recorded::new(inner.clone(), log.clone(), 7)).await;
    assert!(history::at(&log, before_all - 1).unwrap().is_none());

    // Another recorder begins with what there is, also after a checkpoint and a line that a crash cut off: what was known
    // before them still is.
    let day = std::fs::read_dir(&log).unwrap().next().unwrap().unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(day.path())
        .unwrap();
    let at = moment();
    let cut = format!("{{\"checkpoint\":{{\"at\":{at},\"objects\":9}}}}\n{{\"change\":{{\"at\":1");
    std::io::Write::write_all(&mut file, cut.as_bytes()).unwrap();
    let store = history::Recorded::new(inner, log.clone(), 7);
    let record = pod("eu-prod-1", "shop", "new-1", true, 10);
    let first = later();
    store.apply(&[put(&record)]).await.unwrap();
    let second = later();
    let names = |moment| {
        let known = history::at(&log, moment).unwrap().unwrap();
        let mut names: Vec<String> = known.into_values().map(|it| it.identity.name).collect();
        names.sort();
        names
    };
    let old = ["postgres-0", "web-1", "web-2"].map(ToOwned::to_owned);
    later();
    store
        .apply(&[Change::Delete(record.identity.point())])
        .await
        .unwrap();
    // The suite's last step forgot a cluster: that is known from the next checkpoint on.
    // The last states of one object: it came and went.
    for (most, expected) in [(5, &[true, false][..]), (1, &[false])] {
        let past = history::past(&log, most, |it| it.identity.name == "new-1").unwrap();
        let states: Vec<bool> = past[0].states.iter().map(|(_, it)| it.is_some()).collect();
        assert_eq!((past.len(), states.as_slice()), (1, expected));
        assert_eq!(past[0].id, record.id);
    }
    assert!(names(first).ends_with(&old[1..]));
    assert_eq!(names(second), ["new-1", "postgres-0", "web-1", "web-2"]);
    assert_eq!(names(later()), old);
}

#[tokio::test]
async fn what_was_flushed_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let record = pod("eu", "shop", "web-1", true, 10);
    {
        let store = embedded::open(folder.path()).unwrap();
        store.apply(&[put(&record)]).await.unwrap();
        store.flush().await.unwrap();
    }
    let store = embedded::open(folder.path()).unwrap();
    assert_eq!(all(&store, &Query::default(), NOW).await.unwrap(), [record]);
    assert_eq!(
        store.search(&q("web"), NOW, 5).await.unwrap().records.len(),
        1
    );
}

#[tokio::test]
async fn a_servers_bad_day_is_told_apart_from_its_no() {
    let server = Qdrant::start().await.unwrap();
    let store = qdrant::open(&server.url(), "fleet", None).await.unwrap();
    server.fail(&[Fault::Unavailable, Fault::TooMany, Fault::DoneButFailed]);
    let record = pod("eu", "shop", "web-1", true, 10);
    for retry_after in [None, Some(1), None] {
        let error = store.apply(&[put(&record)]).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Unavailable { retry_after_seconds, .. } if *retry_after_seconds == retry_after),
            "{error}"
        );
    }
    // The third was done although it failed; doing it again changes nothing.
    store.apply(&[put(&record)]).await.unwrap();
    assert_eq!(store.count(&Query::default(), NOW).await.unwrap(), 1);
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_not_printed() {
    let server = Qdrant::start().await.unwrap();
    server.require_api_key("right");
    let secret = pequod_diag::Secret::new("wrong-hunter2".to_owned());
    let error = qdrant::open(&server.url(), "fleet", Some(secret))
        .await
        .err()
        .unwrap();
    assert!(
        !error.is_transient() && !error.to_string().contains("hunter2"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The store answers as the pure definition of a query does.
    #[test]
    fn stores_answer_as_the_definition_says(
        rows in prop::collection::vec((0..3usize, 0..3usize, 0..4usize, any::<bool>(), 0..200_000i64), 0..12),
        query in prop::sample::select(vec![
            "health:Failed", "-health:Failed age>1h", "cluster:c*,d namespace:n1", "-label:app.kubernetes.io/name=a",
            "name:*-1 age<1d", "-cluster:c1 -namespace:n*", "reason:CrashLoopBackOff", "phase:Running ready:none",
        ]),
    ) {
        let records: Vec<_> = rows.iter().map(|(cluster, namespace, name, failing, age)| {
            pod(["c1", "c2", "d"][*cluster], ["n1", "n2", "m"][*namespace], ["a-1", "a-2", "b-1", "b-2"][*name], *failing, *age)
        }).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let store = embedded::open(folder.path()).unwrap();
            let changes: Vec<Change> = records.iter().map(put).collect();
            store.apply(&changes).await.unwrap();
            let mut last = std::collections::BTreeMap::new();
            for record in &records {
                last.insert(record.identity.point(), record.clone());
            }
            let query = q(query);
            let expected: Vec<_> = last.values().filter(|record| query.matches(record, NOW)).cloned().collect();
            prop_assert_eq!(all(&store, &query, NOW).await.unwrap(), expected);
            Ok(())
        })?;
    }
}
