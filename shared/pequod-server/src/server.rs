//! Accepting connections, and stopping without losing a request.
//!
//! A server goes through three phases:
//!
//! | phase | entered when | new connections | open connections |
//! | --- | --- | --- | --- |
//! | serving | the server starts | accepted | kept alive |
//! | draining | the shutdown token fires | accepted | told to go elsewhere: `Connection: close` with the next HTTP/1 answer, GOAWAY on HTTP/2 |
//! | closing | [`Stopping::linger`] has passed | refused | finish the request they are in, for at most [`Stopping::grace`] |
//!
//! The middle phase exists because a load balancer, and the API server's connection pool in particular, goes on
//! sending to a process for seconds after that was told to stop (kubernetes#127335). Whoever refuses at once
//! fails those calls, and behind a webhook with `failurePolicy: Fail` each of them is somebody's failed write.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::middleware::{Next, from_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::tls::Certificates;

/// A peer that has not finished its TLS handshake by then is disconnected.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long an HTTP/1 connection may wait for its next request's head.
const IDLE: Duration = Duration::from_mins(2);
/// More than this many open connections are not accepted; they wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 4_096;
/// Requests that one HTTP/2 connection may have open at once.
const MAX_STREAMS: u32 = 250;

/// How a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping {
    /// For how long it goes on accepting after it was told to stop.
    pub linger: Duration,
    /// For how long requests that are under way may still take after that.
    pub grace: Duration,
}

impl Default for Stopping {
    /// 10 s and 10 s: together with a margin below the 30 s that Kubernetes gives a Pod.
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

impl Stopping {
    /// Closes at once; requests that are under way may finish. For tests and for what nobody balances load over.
    pub const fn promptly() -> Self {
        Self {
            linger: Duration::ZERO,
            grace: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Serving,
    Draining,
    Closing,
}

/// Something that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    certificates: Option<Certificates>,
    stopping: Stopping,
}

impl Server {
    /// A server without TLS: for probes and metrics.
    pub fn plain(listener: TcpListener, stopping: Stopping) -> Self {
        Self {
            listener,
            certificates: None,
            stopping,
        }
    }

    /// A server with TLS, HTTP/1.1 and HTTP/2. While there is no certificate, handshakes fail.
    pub fn tls(listener: TcpListener, certificates: Certificates, stopping: Stopping) -> Self {
        Self {
            listener,
            certificates: Some(certificates),
            stopping,
        }
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is cancelled, then drains and closes. Returns when the last connection is gone.
    pub async fn run(self, router: Router, shutdown: CancellationToken) -> io::Result<()> {
        let Self {
            listener,
            certificates,
            stopping,
        } = self;
        let address = listener.local_addr()?;
        let acceptor = certificates.map(|certificates| TlsAcceptor::from(certificates.config()));
        info!(%address, tls = acceptor.is_some(), "listening");

        let (phase, watched) = watch::channel(Phase::Serving);
        let router = router.layer(from_fn({
            let phase = watched.clone();
            move |request, next| announce_close(phase.clone(), request, next)
        }));
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();

        let mut closing = pin!(async {
            shutdown.cancelled().await;
            info!(%address, linger = ?stopping.linger, "draining");
            phase.send_replace(Phase::Draining);
            tokio::time::sleep(stopping.linger).await;
        });
        loop {
            tokio::select! {
                biased;
                () = &mut closing => break,
                Some(_) = connections.join_next() => {}
                accepted = accept(&listener, &slots) => {
                    let (stream, slot) = accepted;
                    let acceptor = acceptor.clone();
                    let router = router.clone();
                    let phase = watched.clone();
                    connections.spawn(async move {
                        connection(stream, acceptor, router, phase).await;
                        drop(slot);
                    });
                }
            }
        }

        drop(listener);
        phase.send_replace(Phase::Closing);
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(stopping.grace, all).await.is_err() {
            warn!(%address, open = connections.len(), "connections were cut off after the grace period");
            connections.shutdown().await;
        }
        info!(%address, "stopped");
        Ok(())
    }
}

/// The next connection, once there is a slot for it.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed, so a slot always comes.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, slot),
            Err(error) => {
                // Out of file descriptors, or the peer left already. The former passes only with time.
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    phase: watch::Receiver<Phase>,
) {
    // Answers are small and waited for.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY could not be set");
    }
    let Some(acceptor) = acceptor else {
        return requests(stream, false, router, phase).await;
    };
    let handshake = acceptor.accept(stream);
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            requests(stream, http2, router, phase).await;
        }
        Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
        Err(_) => debug!("TLS handshake took too long"),
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    router: Router,
    mut phase: watch::Receiver<Phase>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(Duration::from_secs(30));
    let mut connection =
        // With upgrades: a router may turn a connection into a WebSocket.
        pin!(builder.serve_connection_with_upgrades(
            TokioIo::new(stream),
            TowerToHyperService::new(router)
        ));
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(%error, "connection ended");
                }
                return;
            }
            changed = phase.changed() => match *phase.borrow_and_update() {
                // The server is gone: so is the reason to wait.
                _ if changed.is_err() => return,
                // GOAWAY loses nothing: the peer learns which of its requests will be answered.
                Phase::Draining if http2 => connection.as_mut().graceful_shutdown(),
                // An idle HTTP/1 connection would be cut here, perhaps under a request that is on its way;
                // it is closed with its next answer instead.
                Phase::Serving | Phase::Draining => {}
                Phase::Closing => connection.as_mut().graceful_shutdown(),
            },
        }
    }
}

/// Tells HTTP/1 peers, from the draining phase on, that this answer is the connection's last.
async fn announce_close(
    phase: watch::Receiver<Phase>,
    request: Request,
    next: Next,
) -> axum::response::Response {
    let http1 = request.version() < Version::HTTP_2;
    let mut response = next.run(request).await;
    if http1 && *phase.borrow() != Phase::Serving {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
