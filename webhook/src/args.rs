//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::manifests::{Endpoint, Settings};

/// Admission webhook: CUE policies on every write, and the stamp of who asked for what
#[derive(Debug, Parser)]
#[command(
    name = "pequod-webhook",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What else can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the two webhook configurations as YAML
    Manifests(ManifestsArgs),
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where admission reviews are answered, over TLS
    #[arg(long, default_value = "0.0.0.0:9443", value_name = "ADDRESS")]
    pub address: SocketAddr,
    /// Where /livez, /healthz, /readyz and /metrics are answered
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    pub health_address: SocketAddr,
    /// Our own namespace: of the Secrets and the Lease; nothing in it is judged
    #[arg(long, env = "POD_NAMESPACE", default_value = "pequod-system")]
    pub namespace: String,
    /// Name of this replica
    #[arg(long, env = "POD_NAME", default_value = "pequod-webhook")]
    pub identity: String,
    /// Name of the Secret that holds the certificates
    #[arg(long, default_value = "pequod-webhook-tls", value_name = "NAME")]
    pub secret: String,
    /// Name of the Secret that holds the keys of stamps
    #[arg(long, default_value = "pequod-stamp-keys", value_name = "NAME")]
    pub stamp_secret: String,
    /// DNS name or IP address that the API server calls us by (repeat for several)
    #[arg(
        long = "dns-name",
        default_value = "pequod-webhook.pequod-system.svc",
        value_name = "NAME"
    )]
    pub dns_names: Vec<String>,
    /// Name of the ValidatingWebhookConfiguration whose CA bundle we write
    #[arg(long, default_value = "pequod-webhook", value_name = "NAME")]
    pub validating_configuration: String,
    /// Name of the MutatingWebhookConfiguration whose CA bundle we write
    #[arg(long, default_value = "pequod-webhook", value_name = "NAME")]
    pub mutating_configuration: String,
    /// Certificate chain made by somebody else; then no certificate or CA bundle is written
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, requires = "tls_certificate", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Further namespace in which nothing is judged or stamped (repeat for several)
    #[arg(long = "exempt-namespace", value_name = "NAMESPACE")]
    pub exempt_namespaces: Vec<String>,
    /// How long all policies together may take for one object; keep it below the webhook's timeout
    #[arg(long, default_value_t = 2_500, value_name = "MILLISECONDS")]
    pub deadline_ms: u64,
    /// How long to go on answering after the signal to stop
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    pub drain_seconds: u64,
    /// How long a new CA stands in the configurations before its certificate is served
    #[arg(
        long,
        default_value_t = 10,
        value_name = "SECONDS",
        hide_short_help = true
    )]
    pub announce_seconds: u64,
    /// How long the old CA stays after that
    #[arg(
        long,
        default_value_t = 600,
        value_name = "SECONDS",
        hide_short_help = true
    )]
    pub overlap_seconds: u64,
    /// Path to a kubeconfig file; by default, the Pod's own ServiceAccount
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// What is logged, in the syntax of RUST_LOG
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Log for people instead of collectors
    #[arg(long)]
    pub log_text: bool,
}

/// What the configurations say.
#[derive(Debug, Clone, Args)]
pub struct ManifestsArgs {
    /// Name of both configurations
    #[arg(long, default_value = "pequod-webhook")]
    pub name: String,
    /// Our own namespace
    #[arg(long, default_value = "pequod-system")]
    pub namespace: String,
    /// Name of the Service
    #[arg(long, default_value = "pequod-webhook", conflicts_with = "url")]
    pub service: String,
    /// Base URL of a webhook outside of the cluster, instead of a Service
    #[arg(long)]
    pub url: Option<String>,
    /// Let writes through that cannot be judged
    #[arg(long)]
    pub fail_open: bool,
    /// Further namespace in which nothing is asked (repeat for several)
    #[arg(long = "exempt-namespace", value_name = "NAMESPACE")]
    pub exempt_namespaces: Vec<String>,
}

impl From<ManifestsArgs> for Settings {
    fn from(args: ManifestsArgs) -> Self {
        Self {
            endpoint: args
                .url
                .map_or(Endpoint::Service(args.service), Endpoint::Url),
            fail_closed: !args.fail_open,
            exempt_namespaces: args.exempt_namespaces,
            ..Self::new(&args.name, &args.namespace)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
