//! What a long-running part says about itself: probes and metrics on an address of their own.

use std::net::SocketAddr;

use pequod_cli::Failure;
use pequod_diag::{Code, Diagnostic};
use pequod_server::{Health, Server, Stopping};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Listens on an address.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let what = format!("cannot listen on {address}");
        Failure::input(Diagnostic::error(Code("fleet/listen"), what).caused_by(&error))
    })
}

/// Serves /livez, /healthz, /readyz and /metrics until `stop`.
pub(super) async fn serve(
    address: SocketAddr,
    health: Health,
    registry: Registry,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, Failure> {
    let listener = listen(address).await?;
    let operations = pequod_server::operations(health, registry);
    Ok(tokio::spawn(async move {
        if let Err(error) = Server::plain(listener, Stopping::promptly())
            .run(operations, stop)
            .await
        {
            tracing::error!(%error, "probes are not answered any more");
        }
    }))
}
