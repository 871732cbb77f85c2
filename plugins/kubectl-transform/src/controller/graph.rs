//! The ResourceGraph controller: executes what the Transform controller wrote.
//!
//! A graph is looked at when it changes, when one of its objects does, and when the executor asked for it. One that
//! is suspended is left alone until it is deleted or resumed.

use pequod_apply::Executor;
use pequod_kube::Cluster;
use tokio_util::sync::CancellationToken;

/// Runs until stopped.
pub async fn run(cluster: Cluster, executor: Executor, stop: CancellationToken) {
    let _ = (cluster, executor);
    stop.cancelled().await;
}
