//! What every controller takes: where its probes are, by which Lease one of several replicas works, what it logs.

use std::net::SocketAddr;

use clap::Args;

/// Where probes and metrics are.
#[derive(Debug, Clone, Args)]
pub struct HealthArgs {
    /// Address of /healthz, /readyz and /metrics
    #[arg(
        long,
        env = "PEQUOD_HEALTH_ADDRESS",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:8081"
    )]
    pub health_address: SocketAddr,
}

/// The flags of one of several replicas of a controller.
#[derive(Debug, Clone, Args)]
pub struct ReplicaArgs {
    /// Where its probes are.
    #[command(flatten)]
    pub health: HealthArgs,
    /// Namespace of the Lease by which one of several replicas works, and of what they share
    #[arg(
        long,
        env = "PEQUOD_LEASE_NAMESPACE",
        value_name = "NAMESPACE",
        default_value = "pequod-system"
    )]
    pub lease_namespace: String,
    /// Work without a Lease: only while nobody else does
    #[arg(long, env = "PEQUOD_NO_LEADER_ELECTION")]
    pub no_leader_election: bool,
    /// Name of this replica
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value_t = identity())]
    pub identity: String,
    /// What is logged: error, warn, info, debug, or a filter such as `kubectl_transform=debug,info`
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// The name of a replica that nobody named: of this process.
pub fn identity() -> String {
    format!("process-{}", std::process::id())
}
