//! `kubectl-solution controller`: the only writer of `Solution.status`.
//!
//! ```text
//!   kinds ──▶ watch (a kind each) ──▶ index ──▶ status ──▶ work (writes)
//!             Solutions, Transforms, ResourceGraphs ─▲
//! ```
//!
//! * `kinds`: which kinds there are that we may watch, asked again every minute;
//! * `watch`: what is kept of each member: whether it is ready, and who is proven to have asked for it;
//! * `index`: which objects are members of which Solution;
//! * `status`: what a Solution's status is, given its members and its last status; pure;
//! * `work`: when it is written: nothing is, until all lists are complete, nor when nothing changed.

mod index;
mod kinds;
mod status;
mod watch;
mod work;

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use pequod_cli::{Exit, Failure, KubectlArgs};
use pequod_diag::{Code, Diagnostic};
use pequod_kube::lease::LeaderElection;
use pequod_server::process::{LogFormat, log, shutdown_on_signal};
use pequod_server::{Health, Server, Stopping};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::cli::ControllerArgs;

/// Runs until a signal comes.
pub async fn run(kubectl: &KubectlArgs, args: ControllerArgs) -> Result<Exit, Failure> {
    log(LogFormat::Json, &args.replica.log);
    let shutdown = shutdown_on_signal()?;
    let cluster = kubectl.connect().await?;
    let mut registry = Registry::default();
    let metrics = work::Metrics::register(&mut registry);
    let health = Health::new();
    let check = health.check("api-server");
    let listener = TcpListener::bind(args.replica.health.health_address)
        .await
        .map_err(|error| {
            let what = format!("cannot listen on {}", args.replica.health.health_address);
            Failure::input(Diagnostic::error(Code("controller/listen"), what).caused_by(&error))
        })?;
    let operations = pequod_server::operations(health, registry);
    let probes = Server::plain(listener, Stopping::promptly()).run(operations, shutdown.clone());
    let probes = tokio::spawn(probes);

    let client = cluster.client().clone();
    let cluster_id = cluster_id(&client).await?;
    check.ready();
    let election = (!args.replica.no_leader_election).then(|| {
        LeaderElection::new(
            &args.replica.lease_namespace,
            "pequod-solution-controller",
            &args.replica.identity,
        )
    });
    let controller = work::Controller {
        client: client.clone(),
        cluster: cluster_id,
        args,
        metrics,
    };
    lead(election, controller, client, &shutdown).await;
    shutdown.cancel();
    // How probes ended says nothing about the work.
    let _ = probes.await;
    Ok(Exit::Done)
}

/// Works whenever the lease is held.
async fn lead(
    election: Option<LeaderElection>,
    controller: work::Controller,
    client: Client,
    shutdown: &CancellationToken,
) {
    let Some(election) = election else {
        return controller.run(shutdown.child_token()).await;
    };
    while let Some(leadership) = election.acquire(client.clone(), shutdown).await {
        let stop = leadership.lost().child_token();
        let ending = {
            let stop = stop.clone();
            let shutdown = shutdown.clone();
            tokio::spawn(async move {
                shutdown.cancelled().await;
                stop.cancel();
            })
        };
        controller.clone().run(stop).await;
        ending.abort();
        leadership.release().await;
    }
}

/// The uid of `kube-system`: which cluster the stamps must be made for.
async fn cluster_id(client: &Client) -> Result<Arc<str>, Failure> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = api
        .get("kube-system")
        .await
        .map_err(|error| Failure::api("get the namespace kube-system", &error))?;
    Ok(found.metadata.uid.unwrap_or_default().into())
}
