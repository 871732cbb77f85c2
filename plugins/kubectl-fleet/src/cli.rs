//! The command line. Every field's comment is what `--help` and the reference say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use pequod_cli::{KubectlArgs, OutputArgs};

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
    /// with `search` if it was misread.
    #[command(
        after_help = "Examples:\n  kubectl fleet ask failing pods in prod clusters older than 1h\n  kubectl fleet ask 'all database-related resources'\n  kubectl fleet ask 'deployments without replicas ready by cluster'"
    )]
    Ask(SearchArgs),
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
    /// Forgets a cluster and everything in it
    #[command(after_help = "Examples:\n  kubectl fleet leave eu-2")]
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

/// `leave`.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Id of the cluster in the fleet
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}
