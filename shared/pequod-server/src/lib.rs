//! The chassis of everything in Pequod that listens.
//!
//! A program builds an [`axum::Router`], wraps it in [`limits`], and hands it with a bound listener to
//! [`Server::run`], which returns when the shutdown token fired and the last request was answered:
//!
//! * [`server`]: accepting, TLS, and the three phases of stopping (serve, drain, close);
//! * [`tls`]: certificates that change while connections are open; a bad one never replaces a good one;
//! * [`limits`]: body size, concurrency with a bounded queue, a deadline for each request;
//! * [`health`]: what a program says about itself on `/livez`, `/healthz` and `/readyz`;
//! * [`metrics`]: what it counts, on `/metrics`;
//! * [`process`]: log lines as JSON and the signals that end a process.
//!
//! Nothing here knows Kubernetes, CUE or what is served.

pub mod health;
pub mod limits;
pub mod metrics;
pub mod process;
pub mod server;
pub mod tls;

pub use health::{Check, Health};
pub use limits::{Limits, limited};
pub use metrics::{HttpMetrics, operations};
pub use server::{Server, Stopping};
pub use tls::{Certificates, TlsError};

/// A listener on any free port of the loopback interface, for tests.
pub async fn loopback() -> std::io::Result<(tokio::net::TcpListener, std::net::SocketAddr)> {
    let listener = tokio::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
