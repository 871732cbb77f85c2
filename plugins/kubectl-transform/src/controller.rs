//! `kubectl-transform controller`: the two controllers in one process.
//!
//! [`transform`] renders Transforms and writes ResourceGraphs; [`graph`] executes these. One replica works at a
//! time; the others wait for its Lease and answer health checks meanwhile.

pub mod facts;
pub mod graph;
pub mod metrics;
pub mod transform;

use pequod_apply::Executor;
use pequod_cli::{Exit, Failure, KubectlArgs};
use pequod_diag::{Code, Diagnostic};
use pequod_kube::Cluster;
use pequod_kube::events::Events;
use pequod_kube::lease::LeaderElection;
use pequod_server::process::{self, LogFormat};
use pequod_server::{Check, Health, Server, Stopping, operations};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::{self, ControllerArgs};

/// Name of the Lease.
const LEASE: &str = "pequod-transform-controller";

/// Runs until a signal comes or the leadership is lost.
pub async fn run(kubectl: &KubectlArgs, args: ControllerArgs) -> Result<Exit, Failure> {
    let format = match args.log_format {
        cli::LogFormat::Json => LogFormat::Json,
        cli::LogFormat::Text => LogFormat::Text,
    };
    process::log(format, &args.replica.log);
    let cluster = kubectl.connect().await?;
    let shutdown =
        process::shutdown_on_signal().map_err(|error| cannot("listen for signals", &error))?;

    let mut registry = Registry::default();
    let metrics = metrics::Metrics::register(&mut registry);
    let health = Health::new();
    let working = health.check("controllers");
    let listener = TcpListener::bind(args.replica.health.health_address)
        .await
        .map_err(|error| {
            cannot(
                &format!("listen on {}", args.replica.health.health_address),
                &error,
            )
        })?;
    let server = Server::plain(listener, Stopping::default());
    let serving = server.run(operations(health, registry), shutdown.clone());
    let serving = tokio::spawn(serving);

    tracing::info!(
        url = cluster.url(),
        identity = args.replica.identity,
        "connected"
    );
    let outcome = lead(&cluster, &args, &metrics, &working, &shutdown).await;
    shutdown.cancel();
    // The last answers are sent; a server that fails at its end has nobody left to tell.
    let _ = serving.await;
    outcome
}

fn cannot(what: &str, error: &dyn std::error::Error) -> Failure {
    Failure::input(
        Diagnostic::error(Code("controller/start"), format!("cannot {what}")).caused_by(error),
    )
}

async fn lead(
    cluster: &Cluster,
    args: &ControllerArgs,
    metrics: &metrics::Metrics,
    working: &Check,
    shutdown: &CancellationToken,
) -> Result<Exit, Failure> {
    if args.replica.no_leader_election {
        work(cluster, args, metrics, working, shutdown).await;
        return Ok(Exit::Done);
    }
    // A replica that waits is ready to take over.
    working.ready();
    let election =
        LeaderElection::new(&args.replica.lease_namespace, LEASE, &args.replica.identity);
    tracing::info!(
        lease = LEASE,
        namespace = args.replica.lease_namespace,
        "waiting for the lease"
    );
    let Some(leadership) = election.acquire(cluster.client().clone(), shutdown).await else {
        return Ok(Exit::Done);
    };
    tracing::info!(lease = LEASE, "leading");
    let stop = shutdown.child_token();
    let lost = leadership.lost().clone();
    tokio::select! {
        () = work(cluster, args, metrics, working, &stop) => {}
        () = lost.cancelled() => {
            stop.cancel();
            let what = "the lease was lost: another replica may work now";
            return Err(Failure::remote(Diagnostic::error(Code("controller/lease"), what)));
        }
    }
    leadership.release().await;
    Ok(Exit::Done)
}

async fn work(
    cluster: &Cluster,
    args: &ControllerArgs,
    metrics: &metrics::Metrics,
    working: &Check,
    stop: &CancellationToken,
) {
    let events = |controller: &str| {
        Events::new(
            cluster.client().clone(),
            controller,
            Some(args.replica.identity.clone()),
        )
    };
    let options = pequod_apply::Options {
        parallelism: args.parallelism.max(1),
        ..pequod_apply::Options::default()
    };
    let executor = Executor::new(
        cluster.clone(),
        events("pequod-resourcegraph-controller"),
        metrics.apply.clone(),
        options,
    );
    working.ready();
    let transforms = transform::run(
        cluster.clone(),
        events("pequod-transform-controller"),
        metrics.clone(),
        stop.clone(),
    );
    tokio::join!(
        transforms,
        graph::run(cluster.clone(), executor, stop.clone())
    );
}
