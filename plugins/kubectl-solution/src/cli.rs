//! The command line. Every field's comment is what `--help` and the reference say.

use clap::{Args, Parser, Subcommand};
use pequod_api::Solution;
use pequod_cli::{CompletionArgs, KubectlArgs, OutputArgs, ReplicaArgs, candidates};

/// An application as one object: what it consists of, how it stands, who changed it last.
///
/// A Solution's members are the objects of its namespace with the label `dot-ai.io/solution` and its name, and the
/// objects of the Transform of its name. The controller keeps its status; nothing is ever written to its spec.
///
/// Exit codes: 0 done; 1 the answer is no (not all members are ready); 2 the command line cannot be used; 3 the
/// cluster refused or could not be reached.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-solution",
    bin_name = "kubectl solution",
    version,
    propagate_version = false
)]
pub struct Cli {
    /// Which cluster, and as whom.
    #[command(flatten)]
    pub kubectl: KubectlArgs,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Lists Solutions
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  kubectl solution list\n  kubectl solution list -A -o wide"
    )]
    List(ListArgs),
    /// Shows a Solution with its members; exits with 1 unless all are ready
    #[command(
        after_help = "Examples:\n  kubectl solution get shop\n  kubectl solution get shop -o yaml"
    )]
    Get(GetArgs),
    /// Shows a Solution's members and what they own, as a tree
    #[command(after_help = "Examples:\n  kubectl solution tree shop")]
    Tree(TreeArgs),
    /// Keeps the status of all Solutions; runs in a cluster
    #[command(
        hide = true,
        after_help = "Examples:\n  # On your own machine, against the cluster of your kubeconfig\n  kubectl solution controller --no-leader-election"
    )]
    Controller(ControllerArgs),
    /// Prints the script that completes `kubectl-solution` in a shell
    ///
    /// `kubectl solution` itself is completed by kubectl's own completion, which asks the executable
    /// `kubectl_complete-solution` that comes with the plugin.
    #[command(after_help = "Examples:\n  source <(kubectl-solution completion bash)")]
    Completion(CompletionArgs),
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// Name of the Solution
    #[arg(value_name = "NAME", add = candidates::names::<Solution>())]
    pub name: String,
    /// How to print.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `tree`.
#[derive(Debug, Args)]
pub struct TreeArgs {
    /// Name of the Solution
    #[arg(value_name = "NAME", add = candidates::names::<Solution>())]
    pub name: String,
}

/// `controller`.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// One of several replicas.
    #[command(flatten)]
    pub replica: ReplicaArgs,
    /// Name of the Secret with the keys of the webhook's stamps
    #[arg(long, value_name = "NAME", default_value = "pequod-stamp-keys")]
    pub stamp_secret: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_follows_the_rules_of_all_plugins() {
        assert_eq!(
            pequod_cli::sweep::problems(&super::Cli::command()),
            Vec::<String>::new()
        );
    }
}
