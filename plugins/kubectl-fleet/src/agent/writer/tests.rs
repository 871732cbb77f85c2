//! What is said while something is still being written.

use std::sync::Mutex;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::meaning::Vector;
use crate::observe::{self, Served};
use crate::store::Stored;
use crate::store::points::{PointStore, Points, Target};
use crate::store::wire::{self, Point, WHAT};

/// Takes a while to write, and notes how many objects it held when it was told how the cluster is.
#[derive(Default)]
struct Slow {
    objects: Mutex<u64>,
    told: Mutex<Vec<(ClusterState, u64)>>,
}

impl Points for Arc<Slow> {
    fn upsert(&self, points: Vec<Point>) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async move {
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            for point in points {
                if point.payload[WHAT] == "object" {
                    *self.objects.lock().unwrap() += 1;
                } else {
                    let state = wire::part(point.payload, "state")?;
                    let objects = *self.objects.lock().unwrap();
                    self.told.lock().unwrap().push((state, objects));
                }
            }
            Ok(())
        })
    }
    fn delete(&self, _: Vec<Uuid>) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async { Ok(()) })
    }
    fn delete_where(&self, _: Value) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async { Ok(()) })
    }
    fn scroll(
        &self,
        _: Value,
        _: usize,
        _: Option<Uuid>,
    ) -> BoxFuture<'_, Stored<(Vec<Value>, Option<Uuid>)>> {
        Box::pin(async { Ok((Vec::new(), None)) })
    }
    fn nearest(&self, _: Target, _: Value, _: usize) -> BoxFuture<'_, Stored<Vec<(f32, Value)>>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn make_space(&self, _: String, _: usize) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async { Ok(()) })
    }
    fn place(&self, _: String, _: Vec<(Uuid, Vector)>) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async { Ok(()) })
    }
    fn count(&self, _: Value) -> BoxFuture<'_, Stored<u64>> {
        Box::pin(async { Ok(0) })
    }
    fn facet(
        &self,
        _: &'static str,
        _: Option<Value>,
        _: usize,
    ) -> BoxFuture<'_, Stored<Vec<(String, u64)>>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn flush(&self) -> BoxFuture<'_, Stored<()>> {
        Box::pin(async { Ok(()) })
    }
}

#[tokio::test]
async fn nothing_is_claimed_between_the_batches_of_a_flush() {
    let served = Served {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        resource: "configmaps".into(),
        namespaced: true,
        aliases: Vec::new(),
        categories: Vec::new(),
        about: Vec::new(),
    };
    let (events, received) = mpsc::channel(64);
    for at in 0..9 {
        let object = json!({"metadata": {"name": format!("m{at}"), "namespace": "n"}});
        let record = observe::record("c", &served, &object, Vec::new(), 0).unwrap();
        let change = Event::Changed(Change::Put(Box::new(record)));
        events.send(change).await.ok().unwrap();
    }
    for event in [
        Event::Begun(vec!["configmaps".into()]),
        Event::State("configmaps".into(), Phase::Watching, 9, String::new()),
        Event::Undiscovered(Vec::new(), 0),
        Event::Heard(now() + 60),
    ] {
        events.send(event).await.ok().unwrap();
    }
    drop(events);
    let slow = Arc::new(Slow::default());
    let options = Options {
        batch_window: Duration::from_mins(1),
        batch_size: 3,
        queue: 100,
        // It speaks whenever it may.
        heartbeat: Duration::from_nanos(1),
        ..Options::new("c")
    };
    let state = ClusterState {
        cluster: "c".into(),
        ..ClusterState::default()
    };
    let store = Arc::new(PointStore::new(slow.clone()));
    let writer = Writer::new(store, state, Lag::default(), &options).unwrap();
    let summary = writer.write(received, CancellationToken::new()).await;
    assert!(summary.unwrap().state.complete_at > 0);
    for (state, objects) in slow.told.lock().unwrap().iter() {
        assert!(
            state.complete_at == 0 || *objects == 9,
            "said to be complete with {objects} objects"
        );
    }
}
