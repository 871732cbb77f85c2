//! The command line. Every field's comment is what `--help` and the reference say.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use pequod_cli::{CompletionArgs, HealthArgs, KubectlArgs, OutputArgs};

use crate::meaning::remote::Protocol;

/// Every object of every cluster, found in one place.
///
/// `sync` reads clusters into a store; all other commands answer from it at once, over all clusters. Below every list
/// stands how fresh it is, and a warning says when it is stale or partial. An object's details are read live with
/// `describe`, with your own rights.
///
/// Exit codes: 0 done; 1 the answer is no (problems, differences); 2 the command line or an input cannot be used; 3 a
/// cluster or the store could not be reached, or the answer is incomplete and --require-complete was given.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-fleet",
    bin_name = "kubectl fleet",
    version,
    propagate_version = false
)]
pub struct Cli {
    /// Which cluster, and as whom, where a cluster is asked.
    #[command(flatten)]
    pub kubectl: KubectlArgs,
    /// Where records are kept.
    #[command(flatten)]
    pub store: StoreArgs,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Where records are kept: a directory, or a Qdrant server.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of the store")]
pub struct StoreArgs {
    /// Directory of the embedded store [default: pequod/fleet in the user's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "PEQUOD_FLEET_STORE", value_hint = clap::ValueHint::DirPath)]
    pub store: Option<PathBuf>,

    /// Address of a Qdrant server's REST API, instead of the embedded store
    #[arg(long, global = true, value_name = "URL", env = "PEQUOD_FLEET_QDRANT")]
    pub qdrant: Option<String>,

    /// Collection on the Qdrant server
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "PEQUOD_FLEET_COLLECTION",
        default_value = "fleet-resources"
    )]
    pub collection: String,

    /// File with the Qdrant server's API key; else the environment variable PEQUOD_FLEET_QDRANT_API_KEY
    #[arg(long, global = true, value_name = "FILE", env = "PEQUOD_FLEET_QDRANT_API_KEY_FILE", value_hint = clap::ValueHint::FilePath)]
    pub qdrant_api_key_file: Option<PathBuf>,

    /// The model that meaning is searched with, if one is.
    #[command(flatten)]
    pub meaning: MeaningArgs,
}

/// A model for search by meaning. Without one, words are searched.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of search by meaning")]
pub struct MeaningArgs {
    /// Directory of a model (config.json, tokenizer.json, model.safetensors) to search by meaning, too; BERT models
    #[arg(long, global = true, value_name = "DIR", env = "PEQUOD_FLEET_EMBEDDING_DIR", conflicts_with = "embedding_url", value_hint = clap::ValueHint::DirPath)]
    pub embedding_dir: Option<PathBuf>,

    /// Address of a server with a model instead, such as https://api.openai.com/v1 or http://localhost:11434
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PEQUOD_FLEET_EMBEDDING_URL",
        requires = "embedding_model"
    )]
    pub embedding_url: Option<String>,

    /// Name of the model there
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "PEQUOD_FLEET_EMBEDDING_MODEL"
    )]
    pub embedding_model: Option<String>,

    /// How the server is spoken to
    #[arg(
        long,
        global = true,
        value_name = "PROTOCOL",
        env = "PEQUOD_FLEET_EMBEDDING_PROTOCOL",
        value_enum,
        default_value_t
    )]
    pub embedding_protocol: Protocol,

    /// File with its API key; else the environment variable PEQUOD_FLEET_EMBEDDING_API_KEY
    #[arg(long, global = true, value_name = "FILE", env = "PEQUOD_FLEET_EMBEDDING_API_KEY_FILE", value_hint = clap::ValueHint::FilePath)]
    pub embedding_api_key_file: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Reads clusters into the store, from here
    ///
    /// Nothing is installed anywhere: the contexts of your kubeconfig are read with your rights. Without --watch each
    /// is read once; with it, every change is followed until you stop it, while other terminals use the same store.
    #[command(
        after_help = "Examples:\n  # The current context\n  kubectl fleet sync\n\n  # Several, and go on following them\n  kubectl fleet sync eu-1 eu-2 us-1 --watch\n\n  # All of them\n  kubectl fleet sync --all-contexts"
    )]
    Sync(SyncArgs),
    /// Keeps one cluster's part of the store in step, inside that cluster
    #[command(
        after_help = "Examples:\n  kubectl fleet agent --cluster-id eu-1 --qdrant https://qdrant.example.com:6333"
    )]
    Agent(AgentArgs),
    /// Lists objects of a kind over all clusters
    #[command(
        after_help = "Examples:\n  kubectl fleet get pods\n  kubectl fleet get deploy -n shop -l app=web\n  kubectl fleet get certificates.cert-manager.io --clusters 'eu-*' -o json\n  kubectl fleet get deployment/web"
    )]
    Get(GetArgs),
    /// Finds objects by an exact query, by words, or both
    ///
    /// Terms are FIELD:VALUE with fields cluster, namespace, name, kind, group, health, reason, phase, label,
    /// condition, owner, ready, image, about, and age or changed with < and >. `-` before a term negates it, a comma
    /// separates alternatives, `*` stands for anything, by:FIELD counts. Other words are searched everywhere. A query
    /// that begins with a negated term stands after `--`.
    #[command(
        after_help = "Examples:\n  kubectl fleet search 'kind:Pod health:Failed cluster:*prod* age>1h'\n  kubectl fleet search payment gateway\n  kubectl fleet search 'about:database -health:Current'\n  kubectl fleet search 'health:Failed by:reason'"
    )]
    Search(SearchArgs),
    /// Answers a question in plain words
    ///
    /// The question is turned into an exact query, without a model, and the query is shown: correct it and use it
    /// with `search` if it was misread. With --model, a model is asked where words are left over that mean nothing
    /// here; it is sent the question and the names of kinds, clusters and namespaces, and its answer is a query, too.
    #[command(
        after_help = "Examples:\n  kubectl fleet ask failing pods in prod clusters older than 1h\n  kubectl fleet ask 'all database-related resources'\n  kubectl fleet ask 'deployments without replicas ready by cluster'"
    )]
    Ask(AskArgs),
    /// Shows an object live, read from its cluster with your own rights
    #[command(
        after_help = "Examples:\n  kubectl fleet describe deployment web -n shop --clusters eu-1"
    )]
    Describe(ObjectArgs),
    /// Shows an object with its owners and everything it owns
    #[command(
        after_help = "Examples:\n  kubectl fleet tree deployment web -n shop --clusters eu-1"
    )]
    Tree(ObjectArgs),
    /// Compares the same object across clusters
    ///
    /// Exits with 1 if it differs, or is missing somewhere.
    #[command(after_help = "Examples:\n  kubectl fleet diff deployment web -n shop")]
    Diff(ObjectArgs),
    /// Shows what is worst
    #[command(subcommand)]
    Top(TopVerb),
    /// Lists the kinds of the fleet, with the number of their objects
    #[command(after_help = "Examples:\n  kubectl fleet kinds")]
    Kinds(ListArgs),
    /// Lists the clusters: freshness, completeness, lag, drops
    ///
    /// Exits with 1 if one of them is not complete.
    #[command(after_help = "Examples:\n  kubectl fleet clusters\n  kubectl fleet clusters -o wide")]
    Clusters(ListArgs),
    /// Finds kinds by what they are for
    #[command(after_help = "Examples:\n  kubectl fleet capabilities database")]
    Capabilities(CapabilitiesArgs),
    /// Shows changes of matching objects as they reach the store
    #[command(after_help = "Examples:\n  kubectl fleet watch health:Failed")]
    Watch(WatchArgs),
    /// Shows what happened, read live from each cluster with your own rights
    ///
    /// Events are never stored: they are many, and old in minutes.
    #[command(
        after_help = "Examples:\n  kubectl fleet events --warnings\n  kubectl fleet events 'deployment/web*' -n shop"
    )]
    Events(EventsArgs),
    /// Serves the fleet to everybody who may see some of it: REST, WebSocket, MCP, and pages for a browser
    ///
    /// Each caller finds exactly what they may read in each member cluster. That cluster's agent asks its API server;
    /// of a cluster that gives no answer nothing is shown. The interface is described at /openapi.json.
    #[command(
        after_help = "Examples:\n  # For yourself, on this machine\n  kubectl fleet serve --no-authentication\n\n  # For everybody with a token of this cluster\n  kubectl fleet serve --token-review --home-cluster hub --qdrant https://qdrant.example.com:6333"
    )]
    Serve(Box<ServeArgs>),
    /// Shows what was known at a moment, or what has changed since
    ///
    /// `sync --history-days` records it, beside an embedded store.
    #[command(
        after_help = "Examples:\n  kubectl fleet history kind:Deployment -health:Current --at 10:30\n  kubectl fleet history namespace:shop --since 1h\n  kubectl fleet history kind:Deployment name:shop --last 5"
    )]
    History(HistoryArgs),
    /// Writes everything the store holds to a file
    #[command(after_help = "Examples:\n  kubectl fleet backup fleet.jsonl")]
    Backup(BackupArgs),
    /// Fills an empty store from a backup
    #[command(after_help = "Examples:\n  kubectl fleet restore fleet.jsonl --store ./restored")]
    Restore(RestoreArgs),
    /// Puts an agent into a cluster
    ///
    /// The objects are those of the chart with its defaults. With --hub-context, a Secret there gets a kubeconfig with
    /// which others, such as an assistant's server, may read the cluster as the role view, which shows no Secrets.
    #[command(
        after_help = "Examples:\n  # See what it would make\n  kubectl fleet join eu-1 --qdrant https://qdrant.example.com:6333 --dry-run\n\n  # Make it, and leave a kubeconfig in the hub\n  kubectl fleet join eu-1 --qdrant https://qdrant.example.com:6333 --hub-context hub"
    )]
    Join(JoinArgs),
    /// Forgets a cluster and everything in it
    ///
    /// With --member-context and --hub-context, what `join` made there is taken away first.
    #[command(
        after_help = "Examples:\n  kubectl fleet leave eu-2\n  kubectl fleet leave eu-1 --member-context eu-1 --hub-context hub"
    )]
    Leave(LeaveArgs),
    /// Serves the fleet to an assistant over the Model Context Protocol, on stdin and stdout, read-only
    #[command(after_help = "Examples:\n  kubectl fleet mcp")]
    Mcp,
    /// Prints the completion script of a shell
    #[command(
        after_help = "Examples:\n  kubectl fleet completion bash > ~/.local/share/bash-completion/completions/kubectl-fleet"
    )]
    Completion(CompletionArgs),
}

/// What of a cluster is read.
#[derive(Debug, Clone, Default, Args)]
pub struct ScopeArgs {
    /// Only these kinds, as patterns of RESOURCE.GROUP (pods, *.cert-manager.io)
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub include_kinds: Vec<String>,
    /// Never these kinds
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub exclude_kinds: Vec<String>,
    /// Only objects in these namespaces and cluster-wide ones, as patterns
    #[arg(long, value_name = "NAMESPACES", value_delimiter = ',')]
    pub include_namespaces: Vec<String>,
    /// Never objects in these namespaces
    #[arg(long, value_name = "NAMESPACES", value_delimiter = ',')]
    pub exclude_namespaces: Vec<String>,
    /// Only objects with these labels
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Changes are collected for so many seconds before they are written
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub window_seconds: f64,
    /// At most so many changes are written at a time
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub batch_size: usize,
    /// Take the cluster over from another agent that still seems alive
    #[arg(long)]
    pub take_over: bool,
    /// At most so many changes wait in memory while the store is away
    #[arg(long, value_name = "COUNT", default_value_t = 5_000)]
    pub queue: usize,
    /// Then they wait in this folder; without one, the watches wait
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub spool: Option<PathBuf>,
    /// They take about so much room there at most, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub spool_mib: u64,
}

/// `sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    /// Contexts of the kubeconfig; none is the current one
    #[arg(value_name = "CONTEXT")]
    pub contexts: Vec<String>,
    /// All contexts of the kubeconfig
    #[arg(long, conflicts_with = "contexts")]
    pub all_contexts: bool,
    /// Go on following the clusters
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// Keep what changes for so many days, for `history`; 0 keeps nothing
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub history_days: usize,
    /// What of them is read.
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// `agent`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Id of the cluster in the fleet
    #[arg(long, value_name = "ID", env = "PEQUOD_FLEET_CLUSTER_ID")]
    pub cluster_id: String,
    /// Secret that holds the cluster's kubeconfig, noted in its state
    #[arg(
        long,
        value_name = "NAME",
        env = "PEQUOD_FLEET_CLUSTER_SECRET_REF",
        default_value = ""
    )]
    pub cluster_secret_ref: String,
    /// What of it is read.
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Where its probes are.
    #[command(flatten)]
    pub health: HealthArgs,
    /// Namespace of the Lease by which one of several replicas reads the cluster; without it there is only one
    #[arg(long, env = "PEQUOD_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of this replica
    #[arg(long, env = "POD_NAME", value_name = "NAME", default_value_t = pequod_cli::replica::identity())]
    pub identity: String,
}

/// What every list takes.
#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Exit with 3 if the answer may be incomplete
    #[arg(long)]
    pub require_complete: bool,
}

/// `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// Kind, or KIND/NAME; several kinds with commas
    #[arg(value_name = "KIND[/NAME]")]
    pub kind: String,
    /// Names
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// All namespaces; the default unless -n is given
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// Only objects with these labels: KEY=VALUE or KEY, with commas; KEY!=VALUE
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Only these clusters, as names or patterns with commas
    #[arg(long, value_name = "CLUSTERS", value_delimiter = ',')]
    pub clusters: Vec<String>,
    /// Only objects that changed within this time (30m, 1h, 2d)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// At most so many objects
    #[arg(long, value_name = "COUNT", default_value_t = 500)]
    pub limit: usize,
    /// How it is shown.
    #[command(flatten)]
    pub list: ListArgs,
}

/// `search` and `ask`.
#[derive(Debug, Args)]
pub struct SearchArgs {
    /// The query, or the question
    #[arg(value_name = "WORDS", required = true)]
    pub words: Vec<String>,
    /// At most so many objects
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    pub limit: usize,
    /// How it is shown.
    #[command(flatten)]
    pub list: ListArgs,
}

/// `ask`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The question and how its answer is shown.
    #[command(flatten)]
    pub search: SearchArgs,
    /// The model that is asked where the grammar does not suffice.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// A model that reads questions.
#[derive(Debug, Clone, Default, Args)]
pub struct ModelArgs {
    /// Name of a model that is asked where words of the question are left over
    #[arg(
        long,
        value_name = "NAME",
        env = "PEQUOD_FLEET_MODEL_NAME",
        requires = "model_url"
    )]
    pub model: Option<String>,
    /// Address of its server's OpenAI-compatible interface, such as http://localhost:11434/v1
    #[arg(
        long,
        value_name = "URL",
        env = "PEQUOD_FLEET_MODEL_URL",
        requires = "model"
    )]
    pub model_url: Option<String>,
    /// File with its API key; else the environment variable PEQUOD_FLEET_MODEL_API_KEY
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub model_api_key_file: Option<PathBuf>,
}

/// Commands about one object.
#[derive(Debug, Args)]
pub struct ObjectArgs {
    /// Kind, or KIND/NAME
    #[arg(value_name = "KIND[/NAME]")]
    pub kind: String,
    /// Name
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Only these clusters, as names or patterns with commas
    #[arg(long, value_name = "CLUSTERS", value_delimiter = ',')]
    pub clusters: Vec<String>,
    /// How it is shown.
    #[command(flatten)]
    pub list: ListArgs,
}

/// What can be worst.
#[derive(Debug, Subcommand)]
pub enum TopVerb {
    /// Objects that are not current, counted by kind and reason, failures first
    ///
    /// Exits with 1 if there are any.
    #[command(
        after_help = "Examples:\n  kubectl fleet top problems\n  kubectl fleet top problems --clusters 'prod-*'"
    )]
    Problems(ProblemsArgs),
}

/// `top problems`.
#[derive(Debug, Args)]
pub struct ProblemsArgs {
    /// Only these clusters, as names or patterns with commas
    #[arg(long, value_name = "CLUSTERS", value_delimiter = ',')]
    pub clusters: Vec<String>,
    /// How it is shown.
    #[command(flatten)]
    pub list: ListArgs,
}

/// `capabilities`.
#[derive(Debug, Args)]
pub struct CapabilitiesArgs {
    /// What it should be for; none lists all
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
    /// How it is shown.
    #[command(flatten)]
    pub list: ListArgs,
}

/// `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The query
    #[arg(value_name = "QUERY")]
    pub words: Vec<String>,
    /// How often the store is asked, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub interval_seconds: f64,
}

/// `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Only about this object, KIND/NAME or a pattern
    #[arg(value_name = "KIND/NAME")]
    pub object: Option<String>,
    /// Only these clusters, as names or patterns with commas
    #[arg(long, value_name = "CLUSTERS", value_delimiter = ',')]
    pub clusters: Vec<String>,
    /// Only warnings
    #[arg(long)]
    pub warnings: bool,
    /// At most so many, the latest
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub limit: usize,
    /// Form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where its probes are.
    #[command(flatten)]
    pub health: HealthArgs,
    /// Certificate chain, in PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    pub tls_cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    pub tls_key: Option<PathBuf>,
    /// Show everything to everybody who reaches it: on loopback only
    #[arg(long, conflicts_with_all = ["token_review", "oidc_issuer"])]
    pub no_authentication: bool,
    /// Have tokens reviewed by the API server that the kubeconfig, or the ServiceAccount, names
    #[arg(long)]
    pub token_review: bool,
    /// Id of that cluster in the fleet: its ServiceAccounts mean nobody elsewhere
    #[arg(long, value_name = "ID")]
    pub home_cluster: Option<String>,
    /// What reviewed tokens must be meant for; else the API server itself
    #[arg(long, value_name = "AUDIENCES", value_delimiter = ',')]
    pub audience: Vec<String>,
    /// Address of an OpenID Connect provider that all clusters trust
    #[arg(long, value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// Id of the hub there
    #[arg(long, value_name = "ID")]
    pub oidc_client_id: Option<String>,
    /// File with its secret there, if it has one
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// Claim that names the user, as the clusters have it
    #[arg(long, value_name = "CLAIM", default_value = "sub")]
    pub oidc_username_claim: String,
    /// What stands before the user's name, as the clusters have it
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub oidc_username_prefix: String,
    /// Claim that names the groups
    #[arg(long, value_name = "CLAIM", default_value = "groups")]
    pub oidc_groups_claim: String,
    /// What stands before each group's name
    #[arg(long, value_name = "PREFIX", default_value = "")]
    pub oidc_groups_prefix: String,
    /// Certificate of the authority that the provider's is from, in PEM, if it is a private one
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub oidc_ca_file: Option<PathBuf>,
    /// For how long an agent's word about somebody's rights holds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub rights_seconds: u64,
    /// How long an agent may take to give it; until then nothing of its cluster is shown
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub rights_wait_seconds: u64,
    /// Requests a second that one caller may send in the long run
    #[arg(long, value_name = "COUNT", default_value_t = 20.0)]
    pub requests_per_second: f64,
    /// Requests that one caller may send at once
    #[arg(long, value_name = "COUNT", default_value_t = 60.0)]
    pub burst: f64,
    /// File to which every answer is noted, with who asked for it; else the process's log
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub audit_log: Option<PathBuf>,
}

/// `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The query, of exact terms
    #[arg(value_name = "QUERY")]
    pub words: Vec<String>,
    /// Objects as they were then: 2h ago, 10:30 today, or 2026-01-31T10:30:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// What came (+), left (-) or changed (~) since then
    #[arg(long, value_name = "TIME", conflicts_with = "at")]
    pub since: Option<String>,
    /// The last so many states of each object, the newest first
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["at", "since"], required_unless_present_any = ["at", "since"])]
    pub last: Option<usize>,
    /// Form of the output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
}

/// `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The file
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
}

/// `join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// Context of the kubeconfig that leads to the cluster
    #[arg(value_name = "CONTEXT")]
    pub context: String,
    /// Id of the cluster in the fleet [default: the context's name]
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Container image of the agent
    #[arg(long, value_name = "IMAGE", default_value = concat!("ghcr.io/pequod-io/pequod:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// Context of the cluster where a Secret gets a kubeconfig that may read this one
    #[arg(long, value_name = "CONTEXT")]
    pub hub_context: Option<String>,
    /// Print the objects and change nothing; what is secret in them is left out
    #[arg(long)]
    pub dry_run: bool,
}

/// `leave`.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Id of the cluster in the fleet
    #[arg(value_name = "ID")]
    pub id: String,
    /// Context of the cluster, to take away what `join` made there
    #[arg(long, value_name = "CONTEXT")]
    pub member_context: Option<String>,
    /// Context of the cluster whose Secret holds a kubeconfig for it
    #[arg(long, value_name = "CONTEXT")]
    pub hub_context: Option<String>,
}
