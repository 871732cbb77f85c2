//! Putting the parts together: what runs, in which order it starts, and when it says that it is ready.
//!
//! A replica is ready when three things hold: every policy was read and compiled, there is a certificate, and it
//! has answered a call to itself over TLS, as the API server would make it. Before that the API server would
//! either get no answer, or worse, one without policies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{Api, Client};
use pequod_kube::lease::LeaderElection;
use pequod_policy::PolicySet;
use pequod_policy::stamp::Keys;
use pequod_server::tls::CertificateFiles;
use pequod_server::{Certificates, Check, Health, HttpMetrics, Server, Stopping, TlsError};
use prometheus_client::registry::Registry;
use serde_json::json;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::args::ServeArgs;
use crate::handler::{Current, Webhook};
use crate::keeper::{self, Keeper};
use crate::manifests::EXEMPT_NAMESPACES;
use crate::metrics::Metrics;
use crate::policies::{self, Reports};
use crate::rotation::{BUNDLE, CERTIFICATE, KEY, Pace};
use crate::secrets;

/// Why the webhook does not start, or ends by itself.
#[derive(Debug, Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The API server does not say which cluster this is.
    #[error("the namespace kube-system cannot be read")]
    Cluster(#[source] Box<kube::Error>),
    /// The certificate that was given cannot be used.
    #[error("the certificate cannot be used")]
    Certificate(#[source] TlsError),
    /// Serving failed.
    #[error("serving ended")]
    Serve(#[source] std::io::Error),
}

/// The two listeners.
#[derive(Debug)]
pub struct Listeners {
    /// For admission reviews.
    pub webhook: TcpListener,
    /// For probes and metrics.
    pub health: TcpListener,
}

impl Listeners {
    /// Listens where the arguments say.
    pub async fn bind(args: &ServeArgs) -> Result<Self, ServeError> {
        let bind = async |address| {
            TcpListener::bind(address)
                .await
                .map_err(|source| ServeError::Listen { address, source })
        };
        Ok(Self {
            webhook: bind(args.address).await?,
            health: bind(args.health_address).await?,
        })
    }
}

/// Serves until `shutdown`.
pub async fn serve(
    args: ServeArgs,
    client: Client,
    listeners: Listeners,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listeners.webhook.local_addr().map_err(ServeError::Serve)?;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let http = HttpMetrics::register(&mut registry);
    let health = Health::new();
    let (policies_ready, self_call) = (health.check("policies"), health.check("self-call"));
    let stopping = Stopping {
        linger: Duration::from_secs(args.drain_seconds),
        grace: Duration::from_secs(10),
    };

    let tasks = TaskTracker::new();
    // Probes first: while the rest waits for the API server, they say so.
    let operations = pequod_server::operations(health, registry);
    let probes = Server::plain(listeners.health, stopping).run(operations, shutdown.clone());
    tasks.spawn(async move {
        if let Err(error) = probes.await {
            warn!(%error, "probes are no longer answered");
        }
    });

    let Some(cluster) = cluster_id(&client, &self_call, &shutdown).await? else {
        return Ok(());
    };
    let policies = Current::new(PolicySet::default());
    let keys = Current::new(Keys::default());
    let certificates = Certificates::empty();
    let (reports, reported) = watch::channel(Reports::default());
    let (trusted, bundle) = watch::channel(String::new());

    tasks.spawn(policies::follow(
        client.clone(),
        policies.clone(),
        reports,
        policies_ready,
        metrics.clone(),
        shutdown.clone(),
    ));
    tasks.spawn(follow_keys(
        &args,
        client.clone(),
        keys.clone(),
        shutdown.clone(),
    ));
    let own = follow_certificate(
        &args,
        &client,
        &certificates,
        trusted,
        &metrics,
        &tasks,
        &shutdown,
    );
    let managed = own.await?;
    let name = args.dns_names.first().cloned().unwrap_or_default();
    tasks.spawn(call_self(
        name,
        address,
        bundle,
        certificates.clone(),
        self_call,
        shutdown.clone(),
    ));
    let keeper = Keeper {
        client: client.clone(),
        namespace: args.namespace.clone(),
        certificates: managed,
        stamp_secret: args.stamp_secret.clone(),
        reports: reported,
        metrics: metrics.clone(),
    };
    let election = LeaderElection::new(&args.namespace, "pequod-webhook", &args.identity);
    tasks.spawn(lead(election, keeper, client, shutdown.clone()));

    let exempt = EXEMPT_NAMESPACES.map(str::to_owned).into_iter();
    let exempt = exempt
        .chain([args.namespace.clone()])
        .chain(args.exempt_namespaces.clone());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let webhook = Webhook {
        policies,
        keys,
        cluster,
        exempt: exempt.collect(),
        deadline: Duration::from_millis(args.deadline_ms),
        metrics,
        turns: Arc::new(Semaphore::new(cores)),
    };
    let server = Server::tls(listeners.webhook, certificates, stopping);
    let served = server
        .run(http.count(webhook.router()), shutdown.clone())
        .await;
    shutdown.cancel();
    tasks.close();
    tasks.wait().await;
    served.map_err(ServeError::Serve)
}

/// The uid of `kube-system`; waits for an API server that is not there yet.
async fn cluster_id(
    client: &Client,
    check: &Check,
    shutdown: &CancellationToken,
) -> Result<Option<Arc<str>>, ServeError> {
    let api: Api<Namespace> = Api::all(client.clone());
    loop {
        match api.get("kube-system").await {
            Ok(found) => return Ok(Some(found.metadata.uid.unwrap_or_default().into())),
            Err(error @ kube::Error::Api(_)) => return Err(ServeError::Cluster(Box::new(error))),
            Err(error) => {
                warn!(%error, "the API server does not answer yet");
                check.not_ready_yet(format!("the API server does not answer: {error}"));
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => return Ok(None),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

fn follow_keys(
    args: &ServeArgs,
    client: Client,
    keys: Current<Keys>,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (namespace, name) = (args.namespace.clone(), args.stamp_secret.clone());
    async move {
        secrets::follow(client, &namespace, &name, shutdown, |secret| {
            let new = secret.as_ref().map(secrets::keys).unwrap_or_default();
            info!(keys = new.ids().count(), "stamp keys in use");
            keys.set(new);
        })
        .await;
    }
}

/// Keeps the certificate in use up to date, from files or from our Secret; answers what the keeper has to keep.
async fn follow_certificate(
    args: &ServeArgs,
    client: &Client,
    certificates: &Certificates,
    trusted: watch::Sender<String>,
    metrics: &Metrics,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<Option<keeper::Certificates>, ServeError> {
    if let (Some(certificate), Some(key)) = (&args.tls_certificate, &args.tls_key) {
        let files = CertificateFiles {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        files
            .load(certificates)
            .await
            .map_err(ServeError::Certificate)?;
        let period = Duration::from_secs(10);
        tasks.spawn(files.follow(certificates.clone(), period, shutdown.clone()));
        return Ok(None);
    }
    let in_use = certificates.clone();
    let metrics = metrics.clone();
    let (client, shutdown) = (client.clone(), shutdown.clone());
    let (namespace, name) = (args.namespace.clone(), args.secret.clone());
    tasks.spawn(async move {
        secrets::follow(client, &namespace, &name, shutdown, |secret| {
            if let Some(secret) = secret {
                use_certificate(&secret, &in_use, &trusted, &metrics);
            }
        })
        .await;
    });
    Ok(Some(keeper::Certificates {
        secret: args.secret.clone(),
        names: args.dns_names.clone(),
        validating: args.validating_configuration.clone(),
        mutating: args.mutating_configuration.clone(),
        pace: Pace {
            announce: Duration::from_secs(args.announce_seconds),
            overlap: Duration::from_secs(args.overlap_seconds),
        },
    }))
}

fn use_certificate(
    secret: &Secret,
    certificates: &Certificates,
    trusted: &watch::Sender<String>,
    metrics: &Metrics,
) {
    let content = secrets::content(secret);
    if let Some(end) = content.not_after() {
        metrics.certificate(end.duration_since(Timestamp::now()).as_secs());
    }
    let text = |key: &str| {
        content
            .data
            .get(key)
            .map(String::as_str)
            .unwrap_or_default()
    };
    match certificates.replace(text(CERTIFICATE).as_bytes(), text(KEY).as_bytes()) {
        Ok(true) => {
            metrics.rotated();
            info!(
                fingerprint = certificates.fingerprint(),
                "certificate in use"
            );
        }
        Ok(false) => {}
        Err(error) => {
            warn!(%error, "the certificate in the Secret cannot be used; the old one stays");
        }
    }
    trusted.send_replace(text(BUNDLE).to_owned());
}

/// Calls ourselves as the API server does, whenever the certificate changes, until it works.
async fn call_self(
    name: String,
    address: SocketAddr,
    mut bundle: watch::Receiver<String>,
    certificates: Certificates,
    check: Check,
    shutdown: CancellationToken,
) {
    let mut checked = None;
    loop {
        let current = certificates.fingerprint();
        let authorities = bundle.borrow_and_update().clone();
        if current.is_some() && checked != current {
            match self_call(&name, address, &authorities).await {
                Ok(()) => {
                    checked = current;
                    check.ready();
                }
                Err(error) => check.not_ready(error),
            }
        } else if current.is_none() {
            check.not_ready_yet("there is no certificate yet");
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            // With certificates from files nobody sends; then time is what passes.
            Ok(()) = bundle.changed() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

async fn self_call(name: &str, address: SocketAddr, authorities: &str) -> Result<(), String> {
    let loopback = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let target = SocketAddr::new(loopback, address.port());
    let host = if name.parse::<IpAddr>().is_ok() {
        loopback.to_string()
    } else {
        name.to_owned()
    };
    let mut client = reqwest::Client::builder()
        .no_proxy()
        .resolve(&host, target)
        .timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(0);
    if authorities.is_empty() {
        // Somebody else's certificate: whom the API server trusts is between the two of them.
        client = client.tls_danger_accept_invalid_certs(true);
    } else {
        let roots = reqwest::Certificate::from_pem_bundle(authorities.as_bytes());
        client = client.tls_certs_only(roots.map_err(|error| format!("the CA bundle: {error}"))?);
    }
    let call = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {"uid": "self-call", "operation": "CONNECT", "kind": {"group": "", "version": "v1", "kind": "Pod"}}
    });
    let client = client.build().map_err(|error| error.to_string())?;
    let answer = client
        .post(format!("https://{host}:{}/validate", address.port()))
        .json(&call)
        .send()
        .await
        .map_err(|error| chain(&error))?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("a call to ourselves got {}", answer.status()))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Takes the lease, works while it is held, takes it again when it was lost.
async fn lead(
    election: LeaderElection,
    keeper: Keeper,
    client: Client,
    shutdown: CancellationToken,
) {
    while let Some(leadership) = election.acquire(client.clone(), &shutdown).await {
        let stop = leadership.lost().child_token();
        tokio::select! {
            () = keeper.clone().keep(stop) => {}
            () = shutdown.cancelled() => {}
        }
        leadership.release().await;
    }
}
