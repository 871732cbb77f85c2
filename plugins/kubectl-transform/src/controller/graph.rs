//! The ResourceGraph controller: executes what the Transform controller wrote.
//!
//! A graph is looked at when it changes, when one of its objects does, and when the executor asked for it. One that
//! is suspended is left alone until it is deleted or resumed.

use pequod_apply::{Executor, drive};
use pequod_kube::Cluster;
use tokio_util::sync::CancellationToken;

/// How many graphs are worked on at once.
const CONCURRENCY: u16 = 16;

/// Runs until stopped; passes that are under way are finished.
pub async fn run(cluster: Cluster, executor: Executor, stop: CancellationToken) {
    drive::run(cluster.client().clone(), None, executor, CONCURRENCY, stop).await;
}
