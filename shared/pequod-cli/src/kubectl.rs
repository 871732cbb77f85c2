//! kubectl's global flags.
//!
//! Names, short forms and meaning are those of `kubectl options`; nothing is added and no name is used for
//! anything else ([`crate::sweep`] holds every plugin to it). Turning them into a connection is the business of
//! the crate that talks to API servers.

use std::path::PathBuf;

use clap::Args;
use pequod_diag::{Diagnostic, Secret};
use pequod_kube::{Cluster, ConnectError, ConnectOptions};

use crate::Failure;

/// The flags that say which cluster is meant and as whom it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Options of kubectl")]
pub struct KubectlArgs {
    /// Path to the kubeconfig file
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,

    /// Name of the kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// Name of the kubeconfig cluster to use
    #[arg(long, global = true, value_name = "NAME")]
    pub cluster: Option<String>,

    /// Name of the kubeconfig user to use
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,

    /// Namespace of this request
    #[arg(short = 'n', long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Address and port of the Kubernetes API server
    #[arg(
        short = 's',
        long,
        global = true,
        value_name = "URL",
        hide_short_help = true
    )]
    pub server: Option<String>,

    /// Bearer token for authentication to the API server
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    pub token: Option<String>,

    /// Username for basic authentication to the API server
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub username: Option<String>,

    /// Password for basic authentication to the API server
    #[arg(long, global = true, value_name = "PASSWORD", hide_short_help = true)]
    pub password: Option<String>,

    /// User or service account to impersonate for the operation
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        hide_short_help = true
    )]
    pub impersonate: Option<String>,

    /// Group to impersonate for the operation; may be given several times
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        hide_short_help = true
    )]
    pub impersonate_group: Vec<String>,

    /// UID to impersonate for the operation
    #[arg(
        long = "as-uid",
        global = true,
        value_name = "UID",
        hide_short_help = true
    )]
    pub impersonate_uid: Option<String>,

    /// Path to a certificate file of the certificate authority
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, value_hint = clap::ValueHint::FilePath)]
    pub certificate_authority: Option<PathBuf>,

    /// Path to a client certificate file for TLS
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, value_hint = clap::ValueHint::FilePath)]
    pub client_certificate: Option<PathBuf>,

    /// Path to a client key file for TLS
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true, value_hint = clap::ValueHint::FilePath)]
    pub client_key: Option<PathBuf>,

    /// Server name to use for validation of the server's certificate
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub tls_server_name: Option<String>,

    /// Do not check the server's certificate; makes your connection insecure
    #[arg(long, global = true, hide_short_help = true)]
    pub insecure_skip_tls_verify: bool,

    /// Time to wait before giving up on a single server request, for example 1s, 2m, 3h; 0 means no limit
    #[arg(long, global = true, value_name = "TIME", hide_short_help = true)]
    pub request_timeout: Option<String>,

    /// Do not ask the server to compress its responses
    #[arg(long, global = true, hide_short_help = true)]
    pub disable_compression: bool,
}

impl KubectlArgs {
    /// Connects to the cluster that is meant. Nothing is sent yet.
    pub async fn connect(&self) -> Result<Cluster, Failure> {
        Cluster::connect(&self.options())
            .await
            .map_err(|error| connect_failure(&error))
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            namespace: self.namespace.clone(),
            server: self.server.clone(),
            token: self.token.clone().map(Secret::new),
            username: self.username.clone(),
            password: self.password.clone().map(Secret::new),
            impersonate: self.impersonate.clone(),
            impersonate_group: self.impersonate_group.clone(),
            impersonate_uid: self.impersonate_uid.clone(),
            certificate_authority: self.certificate_authority.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            tls_server_name: self.tls_server_name.clone(),
            insecure_skip_tls_verify: self.insecure_skip_tls_verify,
            request_timeout: self.request_timeout.clone(),
            disable_compression: self.disable_compression,
        }
    }
}

/// A wrong flag or kubeconfig is the caller's; everything else is the cluster's.
fn connect_failure(error: &ConnectError) -> Failure {
    let problem: Diagnostic = error.to_diagnostic();
    match error {
        ConnectError::Client(_) => Failure::remote(problem),
        _ => Failure::input(problem),
    }
}

/// kubectl's global flags, long and short, including those that mean nothing to a plugin: none of them may be
/// given another meaning. From `kubectl options` of 1.35.
pub(crate) const LONG: &[&str] = &[
    "as",
    "as-group",
    "as-uid",
    "as-user-extra",
    "cache-dir",
    "certificate-authority",
    "client-certificate",
    "client-key",
    "cluster",
    "context",
    "disable-compression",
    "insecure-skip-tls-verify",
    "kubeconfig",
    "kuberc",
    "log-flush-frequency",
    "match-server-version",
    "namespace",
    "password",
    "profile",
    "profile-output",
    "request-timeout",
    "server",
    "tls-server-name",
    "token",
    "user",
    "username",
    "v",
    "vmodule",
    "warnings-as-errors",
];

/// The short forms among them.
pub(crate) const SHORT: &[char] = &['n', 's', 'v'];
