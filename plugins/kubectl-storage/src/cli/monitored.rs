//! The monitor as a command, and the monitor as somebody to ask before scanning oneself.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use pequod_cli::{Exit, Failure, KubectlArgs, Table, age};
use pequod_diag::{Code, Diagnostic, Secret};
use pequod_server::{
    Certificates, Health, HttpMetrics, Limits, Server, Stopping, limited, operations, process,
    tls::CertificateFiles,
};
use serde_json::Value;
use tokio::net::TcpListener;

use super::{Command, ScanArgs, print::Output};
use crate::{
    monitor::{
        api::{Served, router},
        auth::Gate,
        metrics::Seen,
        notify::{self, Receiver},
        scanner::{self, Pace},
        state::Hub,
    },
    usage::human,
};

/// How the monitor is served.
#[derive(Debug, Clone, Args)]
pub(super) struct MonitorArgs {
    /// Where the API listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,

    /// Where health and metrics are served, without TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    health: SocketAddr,

    /// Certificate of the API, PEM; without one it only listens on a loopback address
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    tls_cert: Option<PathBuf>,

    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    tls_key: Option<PathBuf>,

    /// Authorities, PEM: only clients with a certificate of theirs are let in
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    client_ca: Option<PathBuf>,

    /// File with tokens, one NAME TOKEN a line; read again when it changes
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<PathBuf>,

    /// Also accept tokens of the cluster whose owners may get storagefindings
    #[arg(long)]
    token_review: bool,

    /// Seconds between two scans
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    interval: u64,

    /// Seconds between two reads of new snapshots
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    snapshot_interval: u64,

    /// Requests a second that are answered to one client
    #[arg(long, value_name = "NUMBER", default_value_t = 50.0)]
    rate: f64,

    /// Keep StorageFinding objects in step
    #[arg(long)]
    write_findings: bool,

    /// Where to POST what appeared and what went, after each scan that found a difference
    #[arg(long, value_name = "URL")]
    notify: Option<String>,

    /// File with a token to send along
    #[arg(long, value_name = "FILE", requires = "notify", value_hint = clap::ValueHint::FilePath)]
    notify_token_file: Option<PathBuf>,

    /// File with the authorities of that receiver's certificate, PEM
    #[arg(long, value_name = "FILE", requires = "notify", value_hint = clap::ValueHint::FilePath)]
    notify_ca_file: Option<PathBuf>,
}

fn unable(what: impl Into<String>, error: &dyn std::error::Error) -> Failure {
    Failure::input(Diagnostic::error(Code("storage/monitor"), what.into()).caused_by(error))
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address)
        .await
        .map_err(|error| unable(format!("cannot listen on {address}"), &error))
}

/// `kubectl storage monitor`.
pub(super) async fn serve(
    kubectl: &KubectlArgs,
    scan: &ScanArgs,
    arguments: MonitorArgs,
) -> Result<Exit, Failure> {
    process::log(process::LogFormat::Json, "info");
    let stop =
        process::shutdown_on_signal().map_err(|error| unable("cannot wait for signals", &error))?;
    let connection = kubectl.connect().await?;
    let client = connection.client().clone();
    let hub = Arc::new(Hub::default());
    let reviewed = arguments.token_review.then(|| client.clone());
    let gate = Gate::new(arguments.token_file.clone(), reviewed, arguments.rate);

    let listener = listen(arguments.listen).await?;
    let stopping = Stopping {
        linger: Duration::from_secs(1),
        grace: Duration::from_secs(5),
    };
    let server = match (&arguments.tls_cert, &arguments.tls_key) {
        (Some(chain), Some(key)) => {
            let certificates = Certificates::empty();
            if let Some(path) = &arguments.client_ca {
                let authorities = std::fs::read(path)
                    .map_err(|error| unable(format!("cannot read {}", path.display()), &error))?;
                certificates
                    .demand_clients_of(&authorities)
                    .map_err(|error| unable("--client-ca cannot be used", &error))?;
            }
            let files = CertificateFiles {
                certificate: chain.clone(),
                key: key.clone(),
            };
            files
                .load(&certificates)
                .await
                .map_err(|error| unable("the certificate cannot be used", &error))?;
            let (following, token) = (certificates.clone(), stop.clone());
            tokio::spawn(async move {
                files
                    .follow(following, Duration::from_secs(30), token)
                    .await;
            });
            Server::tls(listener, certificates, stopping)
        }
        _ if arguments.listen.ip().is_loopback() => Server::plain(listener, stopping),
        _ => {
            return Err(Failure::input(
                Diagnostic::error(
                    Code("storage/monitor"),
                    "tokens are not taken over a plain connection from another machine",
                )
                .hint("give --tls-cert and --tls-key, or listen on a loopback address"),
            ));
        }
    };
    let notifying = match &arguments.notify {
        None => None,
        Some(url) => {
            let receiver = Receiver::new(
                url,
                arguments.notify_token_file.clone(),
                arguments.notify_ca_file.as_deref(),
            )
            .map_err(|why| Failure::input(Diagnostic::error(Code("storage/notify"), why)))?;
            let (hub, stop) = (Arc::clone(&hub), stop.clone());
            Some(tokio::spawn(notify::run(hub, receiver, stop)))
        }
    };
    let health = Health::new();
    let mut registry = prometheus_client::registry::Registry::default();
    let http = HttpMetrics::register(&mut registry);
    registry.register_collector(Box::new(Seen(Arc::clone(&hub))));
    let served = Served {
        hub: Arc::clone(&hub),
        gate: Arc::new(gate),
    };
    let api = http.count(limited(router(served), Limits::default()));
    let probes = Server::plain(listen(arguments.health).await?, stopping);
    let (hub_of_scan, token) = (Arc::clone(&hub), stop.clone());
    let pace = Pace {
        scan: Duration::from_secs(arguments.interval.max(1)),
        snapshots: Duration::from_secs(arguments.snapshot_interval.max(1)),
    };
    let (kubectl, scan) = (kubectl.clone(), scan.clone());
    let scanning = tokio::spawn(scanner::run(
        hub_of_scan,
        kubectl,
        scan,
        pace,
        client,
        arguments.write_findings,
        token,
    ));
    let (one, two) = tokio::join!(
        server.run(api, stop.clone()),
        probes.run(operations(health, registry), stop)
    );
    one.and(two)
        .map_err(|error| unable("the server ended", &error))?;
    scanning
        .await
        .map_err(|error| unable("the scanner ended", &error))?;
    if let Some(notifying) = notifying {
        notifying
            .await
            .map_err(|error| unable("the notifier ended", &error))?;
    }
    Ok(Exit::Done)
}

/// Asks the monitor, when there is one and it knows the answer.
pub(super) async fn answer(
    arguments: &ScanArgs,
    command: &Command,
    output: &mut Output,
) -> Result<Option<Exit>, Failure> {
    if arguments.monitor.is_none() || arguments.fresh {
        return Ok(None);
    }
    let (path, columns): (&str, &[(&'static str, &str)]) = match command {
        Command::Scan { .. } | Command::Orphans { .. } => (
            "findings",
            &[
                ("CODE", "code"),
                ("SEVERITY", "severity"),
                ("STATE", "state"),
                ("SUBJECT", "subject"),
                ("SIZE", "bytes"),
                ("MESSAGE", "message"),
            ],
        ),
        Command::Usage { .. } => (
            "usage",
            &[
                ("KIND", "kind"),
                ("NAME", "name"),
                ("VOLUMES", "volumes"),
                ("PROMISED", "allocatedBytes"),
                ("TAKEN", "usedBytes"),
                ("LEFT", "availableBytes"),
            ],
        ),
        Command::Snapshots { each: false } => (
            "snapshots",
            &[
                ("DATASET", "dataset"),
                ("SNAPSHOTS", "snapshots"),
                ("CSI", "csi"),
                ("TAKE", "usedBytes"),
            ],
        ),
        Command::Validate => (
            "checks",
            &[
                ("CODE", "code"),
                ("SEVERITY", "severity"),
                ("SUBJECT", "subject"),
                ("MESSAGE", "message"),
                ("REMEDY", "remedy"),
            ],
        ),
        _ => return Ok(None),
    };
    let body = ask(arguments, path).await?;
    let Some(read_at) = body.get("readAt").and_then(Value::as_i64) else {
        output.say("the monitor has not scanned yet; --fresh scans from here");
        return Ok(Some(Exit::Remote));
    };
    let keep = |row: &Value| {
        let code = row.get("code").and_then(Value::as_str).unwrap_or_default();
        match command {
            Command::Scan { only, .. } => only.is_empty() || only.iter().any(|known| known == code),
            Command::Orphans { .. } => {
                crate::finding::code_named(code).is_some_and(crate::finding::Code::removable)
            }
            _ => true,
        }
    };
    let rows: Vec<Value> = body
        .get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|row| keep(row))
        .cloned()
        .collect();
    let names: Vec<&'static str> = columns.iter().map(|(name, _)| *name).collect();
    let mut table = Table::new(&names);
    for row in &rows {
        table.row(columns.iter().map(|(_, field)| cell(row, field)));
    }
    output.rows(&rows, &table)?;
    let now = jiff::Timestamp::now().as_second();
    let complete = body.get("complete").and_then(Value::as_bool) == Some(true);
    output.say(&format!(
        "from the monitor, {} old{}; --fresh scans now",
        age(now - read_at),
        if complete { "" } else { ", incomplete" }
    ));
    let found = !rows.is_empty() && matches!(path, "findings" | "checks");
    Ok(Some(match (complete, found) {
        (false, _) => Exit::Remote,
        (true, true) => Exit::No,
        (true, false) => Exit::Done,
    }))
}

fn cell(row: &Value, field: &str) -> String {
    match row.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if field.to_lowercase().ends_with("bytes") => {
            number.as_u64().map_or_else(String::new, human)
        }
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// Asks the monitor for what is under a path of its API.
pub(super) async fn ask(arguments: &ScanArgs, path: &str) -> Result<Value, Failure> {
    let root = arguments.monitor.as_deref().unwrap_or_default();
    let problem = |message: String| {
        Failure::remote(
            Diagnostic::error(Code("storage/monitor"), message)
                .hint("--fresh scans from here instead"),
        )
    };
    let token = match &arguments.monitor_token_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|error| unable(format!("cannot read {}", path.display()), &error))?;
            Some(Secret::new(text.trim().to_owned()))
        }
    };
    if notify::exposes(root) {
        return Err(Failure::input(Diagnostic::error(
            Code("storage/monitor"),
            "a token is not sent over a plain connection to another machine",
        )));
    }
    let trust = match &arguments.monitor_ca_file {
        None => crate::truenas::tls::Trust::System,
        Some(path) => crate::truenas::tls::Trust::Authority(
            std::fs::read(path)
                .map_err(|error| unable(format!("cannot read {}", path.display()), &error))?,
        ),
    };
    let identity = match (&arguments.monitor_cert, &arguments.monitor_key) {
        (Some(chain), Some(key)) => {
            let read = |path: &PathBuf| {
                std::fs::read(path)
                    .map_err(|error| unable(format!("cannot read {}", path.display()), &error))
            };
            Some((read(chain)?, read(key)?))
        }
        _ => None,
    };
    let identity = identity.as_ref().map(|(chain, key)| (&**chain, &**key));
    let config = trust
        .config_as(identity)
        .map_err(|error| problem(error.reason))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .timeout(Duration::from_secs(10))
        .build()
        .map_err(|error| problem(error.to_string()))?;
    let mut request = client.get(format!("{}/api/v1/{path}", root.trim_end_matches('/')));
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let answer = request
        .send()
        .await
        .map_err(|error| problem(format!("the monitor does not answer: {error}")))?;
    let status = answer.status();
    let bytes = answer
        .bytes()
        .await
        .map_err(|error| problem(format!("the monitor's answer breaks off: {error}")))?;
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if !status.is_success() {
        let message = body
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        return Err(problem(format!("the monitor answers {status}: {message}")));
    }
    Ok(body)
}
