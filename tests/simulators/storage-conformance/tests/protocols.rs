//! The client against the simulator, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test: what fails here fails it")]

use std::time::Duration;

use futures::FutureExt as _;
use kubectl_storage::{
    cleanup::Change as _,
    model::{Text, nas::Nas as Rows},
    truenas::{
        Caller, ErrorKind,
        client::{Address, Client},
        events::Hints,
        read::{Scope, read},
        tls::Trust,
        websocket::Dialect,
    },
};
use pequod_diag::Secret;
use serde_json::{Value, json};
use storage_ground_truth::{Recipe, world};
use truenas_simulator::{
    Nas, Profile, Trouble, failure,
    server::{Options, Running, start},
};

async fn simulator(profile: Profile, volumes: usize) -> Running {
    let world = world(&Recipe::standard(1, volumes));
    let nas = Nas::new(profile, &world.nas).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    start(listener, nas, Options::default()).unwrap()
}

fn address(running: &Running) -> Address {
    Address {
        host: "localhost".to_owned(),
        port: running.address.port(),
        plain: false,
        trust: Trust::fingerprint(&running.fingerprint).unwrap(),
        key: Secret::new("1-simulated".to_owned()),
    }
}

fn scope() -> Scope {
    let parents = ["tank/blue/iscsi/v", "tank/blue/nfs/v", "tank/shared/v"];
    Scope {
        parents: parents.into_iter().map(Text::from).collect(),
        snapshots: true,
    }
}

async fn rows(client: &Client) -> Rows {
    read(client, &"nas".into(), &scope()).await.unwrap()
}

#[tokio::test]
async fn the_newest_dialect_of_each_release_is_chosen() {
    for profile in Profile::ALL {
        let running = simulator(profile, 5).await;
        let client = Client::connect(&address(&running)).await.unwrap();
        let wanted = if profile.json_rpc() {
            "JSON-RPC"
        } else {
            "WebSocket (legacy)"
        };
        assert_eq!(client.dialect(), wanted, "{profile:?}");
        running.stop().await;
    }
}

#[tokio::test]
async fn every_dialect_reads_the_same() {
    for profile in Profile::ALL {
        let running = simulator(profile, 60).await;
        let address = address(&running);
        let first = rows(&Client::websocket(&address, Dialect::Legacy).await.unwrap()).await;
        assert_eq!(first.gaps, []);
        assert!(first.datasets.len() > 40 && !first.snapshots.is_empty());
        let mut others = Vec::new();
        if profile.json_rpc() {
            others.push(Client::websocket(&address, Dialect::JsonRpc).await.unwrap());
        }
        if profile.rest() && profile < Profile::V2510 {
            others.push(Client::rest(&address).unwrap());
        }
        for client in others {
            assert_eq!(
                format!("{:?}", rows(&client).await),
                format!("{first:?}"),
                "{profile:?}"
            );
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_wrong_key_is_a_login_error_and_is_tried_once() {
    let running = simulator(Profile::V2504, 5).await;
    let wrong = Address {
        key: Secret::new("2-wrong".to_owned()),
        ..address(&running)
    };
    assert_eq!(
        Client::connect(&wrong).await.unwrap_err().kind,
        ErrorKind::Login
    );
    running.stop().await;
}

#[tokio::test]
async fn too_many_logins_are_named() {
    let running = simulator(Profile::V2510, 5).await;
    let mut last = None;
    for _ in 0..21 {
        last = Client::connect(&address(&running)).await.err();
    }
    assert_eq!(last.unwrap().kind, ErrorKind::Throttled);
    running.stop().await;
}

#[tokio::test]
async fn a_key_never_goes_over_a_plain_connection() {
    let running = simulator(Profile::V2504, 5).await;
    let plain = Address {
        plain: true,
        ..address(&running)
    };
    assert_eq!(
        Client::connect(&plain).await.unwrap_err().kind,
        ErrorKind::Plain
    );
    assert_eq!(Client::rest(&plain).unwrap_err().kind, ErrorKind::Plain);
    // Nothing was sent: the key still works.
    assert!(Client::connect(&address(&running)).await.is_ok());
    running.stop().await;
}

#[tokio::test]
async fn another_certificate_is_refused() {
    let running = simulator(Profile::V2504, 5).await;
    for trust in [Trust::System, Trust::Fingerprint([7; 32])] {
        let other = Address {
            trust,
            ..address(&running)
        };
        assert_eq!(
            Client::connect(&other).await.unwrap_err().kind,
            ErrorKind::Certificate
        );
    }
    let authority = Trust::Authority(running.certificate.clone().into_bytes());
    assert!(
        Client::connect(&Address {
            trust: authority,
            ..address(&running)
        })
        .await
        .is_ok()
    );
    running.stop().await;
}

#[tokio::test]
async fn a_dropped_connection_is_made_again() {
    for dialect in [Dialect::JsonRpc, Dialect::Legacy] {
        let running = simulator(Profile::V2504, 10).await;
        let client = Client::websocket(&address(&running), dialect)
            .await
            .unwrap();
        running
            .nas
            .lock()
            .unwrap()
            .script
            .next("pool.dataset.query", Trouble::Drop);
        assert_eq!(rows(&client).await.gaps, []);
        running.stop().await;
    }
}

#[tokio::test]
async fn whatever_fails_is_a_gap_and_the_rest_is_read() {
    let troubles = [
        failure(13, "EACCES", "Not authorized"),
        failure(14, "EFAULT", "pool is suspended"),
        Trouble::Truncate,
    ];
    for trouble in troubles {
        let running = simulator(Profile::V2504, 10).await;
        let client = Client::connect(&address(&running)).await.unwrap();
        running
            .nas
            .lock()
            .unwrap()
            .script
            .next("iscsi.extent.query", trouble.clone());
        let nas = rows(&client).await;
        assert_eq!(nas.gaps.len(), 1, "{trouble:?}");
        assert_eq!(&*nas.gaps[0].asked, "iscsi.extent.query");
        assert!(!nas.targets.is_empty() && !nas.datasets.is_empty());
        running.stop().await;
    }
}

#[tokio::test]
async fn errors_of_the_proxy_are_gaps() {
    for status in [502, 504] {
        let running = simulator(Profile::V2410, 10).await;
        let client = Client::rest(&address(&running)).unwrap();
        running
            .nas
            .lock()
            .unwrap()
            .script
            .next("zfs.snapshot.query", Trouble::Proxy(status));
        assert_eq!(rows(&client).await.gaps.len(), 1);
        running.stop().await;
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_is_not_sent() {
    let running = simulator(Profile::V2504, 5).await;
    let client = Client::connect(&address(&running)).await.unwrap();
    let names: Vec<String> = (0..1500)
        .map(|number| format!("tank/k8s/volumes/pvc-{number:036}"))
        .collect();
    let filters = serde_json::json!([["id", "in", names]]);
    let error = client
        .call("pool.dataset.query", &[filters])
        .await
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(
        client.call("system.version", &[]).await.is_ok(),
        "the connection lives on"
    );
    running.stop().await;
}

/// Everything that is told until the next call is answered, as one.
async fn told(client: &Client) -> Hints {
    // Events go out before the answer to a call that came after them, or a moment later.
    let hints = tokio::time::timeout(Duration::from_secs(10), client.hints());
    hints.await.unwrap()
}

#[tokio::test]
async fn changes_are_told_in_both_dialects_and_no_event_is_taken_for_an_answer() {
    for (profile, dialect, release) in [
        (Profile::V2410, Dialect::Legacy, (24, 10)),
        (Profile::V2510, Dialect::JsonRpc, (25, 10)),
        (Profile::V2510, Dialect::Legacy, (25, 10)),
    ] {
        let running = simulator(profile, 80).await;
        let connect = || async {
            Client::websocket(&address(&running), dialect)
                .await
                .unwrap()
        };
        let (hearer, other) = (connect().await, connect().await);
        hearer.listen(release).await.unwrap();
        hearer.listen(release).await.unwrap();
        // Numbers of rows that are also numbers of calls to come.
        let mut numbers = Vec::new();
        for _ in 0..30 {
            let share = [json!({"path": "/mnt/tank/by-hand", "enabled": true})];
            let made = other.change("sharing.nfs.create", &share).await.unwrap();
            numbers.extend(made.decode::<Value>().unwrap()["id"].as_u64());
        }
        let to_come = numbers.iter().filter(|id| (12..38).contains(*id));
        assert!(to_come.count() > 8, "{numbers:?}");
        for _ in 0..30 {
            let answer = hearer.call("core.ping", &[]).await.unwrap();
            assert_eq!(answer.decode::<String>().unwrap(), "pong", "{profile:?}");
        }
        let hints = told(&hearer).await;
        assert!(hints.others && !hints.snapshots, "{hints:?}");
        let prefix = if release >= (25, 10) { "pool" } else { "zfs" };
        let dataset = &rows(&other).await.datasets[1].id;
        let wanted = [json!({"dataset": dataset, "name": "by-hand"})];
        other
            .change(&format!("{prefix}.snapshot.create"), &wanted)
            .await
            .unwrap();
        let mut hints = told(&hearer).await;
        while !hints.snapshots {
            hints = told(&hearer).await;
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn after_a_broken_connection_anything_may_have_changed() {
    for dialect in [Dialect::JsonRpc, Dialect::Legacy] {
        let running = simulator(Profile::V2504, 10).await;
        let client = Client::websocket(&address(&running), dialect)
            .await
            .unwrap();
        client.listen((25, 4)).await.unwrap();
        running
            .nas
            .lock()
            .unwrap()
            .script
            .next("pool.query", Trouble::Drop);
        assert_eq!(rows(&client).await.gaps, []);
        let hints = told(&client).await;
        assert!(hints.others && hints.snapshots);
        running.stop().await;
    }
}

#[tokio::test]
async fn lost_events_are_told_by_nobody_and_read_by_everybody() {
    let world = world(&Recipe::standard(1, 20));
    let nas = Nas::new(Profile::V2504, &world.nas).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        lose_events: true,
        ..Options::default()
    };
    let running = start(listener, nas, options).unwrap();
    let client = Client::connect(&address(&running)).await.unwrap();
    client.listen((25, 4)).await.unwrap();
    let before = rows(&client).await;
    let wanted = [json!({"dataset": before.datasets[1].id, "name": "by-hand"})];
    client.change("zfs.snapshot.create", &wanted).await.unwrap();
    let after = rows(&client).await;
    assert_eq!(after.snapshots.len(), before.snapshots.len() + 1);
    assert!(client.hints().now_or_never().is_none());
    running.stop().await;
}
