//! The chassis as a client sees it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set up its scene fails"
)]

mod limits;
mod operations;
mod stopping;
mod tls;

use std::time::Duration;

use axum::Router;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A server on a free port, stopped with its token.
struct Running {
    url: String,
    shutdown: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

async fn plain(router: Router, stopping: pequod_server::Stopping) -> Running {
    let (listener, address) = pequod_server::loopback().await.unwrap();
    let shutdown = CancellationToken::new();
    let server = pequod_server::Server::plain(listener, stopping);
    let task = tokio::spawn(server.run(router, shutdown.clone()));
    Running {
        url: format!("http://{address}"),
        shutdown,
        task,
    }
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}

fn provider() {
    // A second installation is refused; one is enough for the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
