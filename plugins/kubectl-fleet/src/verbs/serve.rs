//! `serve`: the hub.

use std::time::Duration;

use pequod_cli::{Exit, Failure, KubectlArgs};
use pequod_diag::{Code, Diagnostic, Secret};
use pequod_server::tls::CertificateFiles;
use pequod_server::{Certificates, Health, HttpMetrics, Limits, Server, Stopping, limited};
use prometheus_client::registry::Registry;

use super::opened::failure;
use super::{open, operations, sync};
use crate::cli::{ServeArgs, StoreArgs};
use crate::hub::audit::Audit;
use crate::hub::authn::{Authenticator, Reviews};
use crate::hub::oidc::{self, Oidc};
use crate::hub::rates::Rates;
use crate::hub::rights::Rights;
use crate::hub::{Hub, Parts};

fn usage(message: &str) -> Failure {
    Failure::input(Diagnostic::error(Code("fleet/usage"), message.to_owned()))
}

pub(super) async fn serve(
    kubectl: &KubectlArgs,
    store: &StoreArgs,
    args: &ServeArgs,
) -> Result<Exit, Failure> {
    pequod_server::process::log(
        pequod_server::process::LogFormat::Json,
        &std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned()),
    );
    let authenticator = authenticator(kubectl, args).await?;
    let opened = open(store).await?;
    let _serving = opened.share().await;
    let stop = sync::shutdown()?;
    let rights = (!authenticator.open).then(|| {
        Rights::new(
            opened.store.clone(),
            Duration::from_secs(args.rights_seconds),
            Duration::from_secs(args.rights_wait_seconds),
        )
    });
    let audit = match &args.audit_log {
        Some(path) => Audit::to_file(path).map_err(|error| {
            let message = format!("the audit log {} cannot be written", path.display());
            Failure::input(Diagnostic::error(Code("fleet/audit"), message).caused_by(&error))
        })?,
        None => Audit::default(),
    };
    let mut registry = Registry::default();
    let http = HttpMetrics::register(&mut registry);
    let health = Health::new();
    let check = health.check("store");
    let hub = Hub::new(Parts {
        store: opened.store.clone(),
        authenticator,
        rights,
        rates: Rates::new(args.requests_per_second, args.burst),
        audit,
        shutdown: stop.clone(),
    });
    let limits = Limits {
        deadline: Duration::from_secs(30),
        ..Limits::default()
    };
    let router = http.count(limited(hub.router(), limits));
    let probes =
        operations::serve(args.health.health_address, health, registry, stop.clone()).await?;
    let watched = {
        let (store, stop) = (opened.store.clone(), stop.clone());
        tokio::spawn(async move {
            loop {
                match store.clusters().await {
                    Ok(_) => check.ready(),
                    Err(error) => check.not_ready(error.to_string()),
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(Duration::from_secs(5)) => {}
                }
            }
        })
    };
    let server = server(args, &stop).await?;
    let address = server.local_addr().map_err(|error| broken(&error))?;
    tracing::info!(%address, "serving the fleet");
    server
        .run(router, stop.clone())
        .await
        .map_err(|error| broken(&error))?;
    stop.cancel();
    // How these end says nothing about the work.
    let _ = tokio::join!(probes, watched);
    opened
        .store
        .flush()
        .await
        .map_err(|error| failure(&error))?;
    Ok(Exit::Done)
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::remote(Diagnostic::error(Code("fleet/serve"), "the hub cannot serve").caused_by(error))
}

async fn server(
    args: &ServeArgs,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<Server, Failure> {
    let listener = operations::listen(args.listen).await?;
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(Server::plain(listener, Stopping::promptly()));
    };
    let files = CertificateFiles {
        certificate: certificate.clone(),
        key: key.clone(),
    };
    let certificates = Certificates::empty();
    files.load(&certificates).await.map_err(|error| {
        let problem = Diagnostic::error(Code("fleet/tls"), "the certificate cannot be used");
        Failure::input(problem.caused_by(&error))
    })?;
    tokio::spawn(files.follow(certificates.clone(), Duration::from_secs(30), stop.clone()));
    Ok(Server::tls(listener, certificates, Stopping::promptly()))
}

async fn authenticator(kubectl: &KubectlArgs, args: &ServeArgs) -> Result<Authenticator, Failure> {
    let mut authenticator = Authenticator::default();
    if args.no_authentication {
        if !args.listen.ip().is_loopback() {
            return Err(usage(
                "--no-authentication shows everything to everybody: it listens on loopback only",
            ));
        }
        authenticator.open = true;
        return Ok(authenticator);
    }
    if let Some(issuer) = &args.oidc_issuer {
        authenticator.oidc = Some(provider(issuer, args)?);
    }
    if args.token_review {
        let Some(home) = args.home_cluster.clone() else {
            return Err(usage(
                "--token-review needs --home-cluster: the id of the cluster whose tokens are reviewed",
            ));
        };
        let cluster = kubectl.connect().await?;
        authenticator.reviews = Some(Reviews {
            client: cluster.client().clone(),
            home,
            audiences: args.audience.clone(),
        });
    }
    if authenticator.oidc.is_none() && authenticator.reviews.is_none() {
        return Err(usage(
            "say who may ask: --token-review, --oidc-issuer, or --no-authentication on loopback",
        ));
    }
    Ok(authenticator)
}

fn provider(issuer: &str, args: &ServeArgs) -> Result<Oidc, Failure> {
    let Some(client_id) = args.oidc_client_id.clone() else {
        return Err(usage("--oidc-issuer needs --oidc-client-id"));
    };
    if !issuer.starts_with("https://") && !args.listen.ip().is_loopback() {
        return Err(usage(
            "the address of an identity provider begins with https://",
        ));
    }
    let file = |path: &std::path::PathBuf| {
        std::fs::read(path).map_err(|error| {
            let message = format!("{} cannot be read", path.display());
            Failure::input(Diagnostic::error(Code("fleet/oidc"), message).caused_by(&error))
        })
    };
    let secret = args
        .oidc_client_secret_file
        .as_ref()
        .map(file)
        .transpose()?;
    let client_secret =
        secret.map(|bytes| Secret::new(String::from_utf8_lossy(&bytes).trim().to_owned()));
    Oidc::new(oidc::Settings {
        issuer: issuer.to_owned(),
        client_id,
        client_secret,
        username_claim: args.oidc_username_claim.clone(),
        username_prefix: args.oidc_username_prefix.clone(),
        groups_claim: args.oidc_groups_claim.clone(),
        groups_prefix: args.oidc_groups_prefix.clone(),
        authority_pem: args.oidc_ca_file.as_ref().map(file).transpose()?,
    })
    .map_err(|error| {
        let problem = Diagnostic::error(Code("fleet/oidc"), "the identity provider cannot be used");
        Failure::input(problem.caused_by(&error))
    })
}
