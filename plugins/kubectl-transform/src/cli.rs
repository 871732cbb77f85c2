//! The command line. Every field's comment is what `--help` and the reference say.

pub mod cue;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pequod_api::Transform;
use pequod_cli::{CompletionArgs, KubectlArgs, OutputArgs, ReplicaArgs, candidates};

/// A platform in CUE: one Transform in, a graph of Kubernetes objects out.
///
/// A Transform names a CUE module and the input that it takes. `render`, `vet` and `plan` show what would come of
/// it without a controller; `apply` hands it to the controller in the cluster, which applies the objects in the
/// order of their dependencies, watches and repairs them; `delete` removes them in reverse.
///
/// Exit codes: 0 done; 1 the answer is no (differences, violations, not ready); 2 the command line or an input
/// cannot be used, and nothing was changed; 3 the cluster refused or could not be reached.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-transform",
    bin_name = "kubectl transform",
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
    /// Prints the objects of a Transform, offline
    ///
    /// Evaluates the module with the Transform's input and prints the objects as they would be applied. The same
    /// module, input and context give the same bytes here and in the controller. Values of Secrets are masked
    /// unless --show-secrets is given; `-o value` prints `graph.nodes` as `cue export -e graph.nodes` does.
    #[command(
        after_help = "Examples:\n  # What would be applied\n  kubectl transform render shop.yaml\n\n  # With the context of a cluster, written down\n  kubectl transform render shop.yaml --context-file production.yaml\n\n  # While writing a module\n  kubectl transform render shop.yaml --module ./modules/shop -o json"
    )]
    Render(RenderArgs),
    /// Checks a Transform, offline
    ///
    /// Compiles the module, checks the input against its schema, renders, and asks the module's policies. Exits
    /// with 1 if a policy of severity Error does not hold, and with 2 if something is wrong.
    #[command(
        after_help = "Examples:\n  kubectl transform vet shop.yaml\n\n  # From another program\n  generate | kubectl transform vet -"
    )]
    Vet(VetArgs),
    /// Shows what applying a Transform would change, without changing anything
    ///
    /// Renders, and asks the API server by dry runs, with the rights of the Transform's ServiceAccount. Exits with 0
    /// if nothing would change, 1 if something would or a policy does not hold, 3 if something would be refused. The
    /// digest in the last line can be approved with spec.approvedPlan.
    #[command(
        after_help = "Examples:\n  kubectl transform plan shop.yaml\n\n  # What a changed module would do\n  kubectl transform plan shop.yaml --module ./modules/shop"
    )]
    Plan(PlanArgs),
    /// Hands a Transform to the controller
    ///
    /// The Transform is rendered and checked here first; if that fails the cluster is left untouched. With --wait
    /// the command ends when all objects are ready, and with 1 if that is not the case in time.
    #[command(
        after_help = "Examples:\n  kubectl transform apply shop.yaml --wait --timeout 5m\n\n  # What the API server would say\n  kubectl transform apply shop.yaml --dry-run server"
    )]
    Apply(ApplyArgs),
    /// Shows a Transform with the state of its nodes
    #[command(
        visible_alias = "tree",
        after_help = "Examples:\n  kubectl transform status shop\n\n  # Until you have seen enough\n  kubectl transform tree shop --watch"
    )]
    Status(StatusArgs),
    /// Shows the rendered graph, or the object of one node
    #[command(
        after_help = "Examples:\n  kubectl transform graph shop | dot -Tsvg > shop.svg\n  kubectl transform graph shop -o mermaid\n\n  # What was asked for, to compare with what is there\n  kubectl transform graph shop web"
    )]
    Graph(GraphArgs),
    /// Deletes a Transform and its objects, in reverse order
    #[command(after_help = "Examples:\n  kubectl transform delete shop --wait")]
    Delete(DeleteArgs),
    /// Lists Transforms
    #[command(
        visible_alias = "ls",
        after_help = "Examples:\n  kubectl transform list\n  kubectl transform list -A -o wide"
    )]
    List(ListArgs),
    /// Documents what a module takes as input
    ///
    /// The text comes from the comments of the module's `#Input`.
    #[command(
        after_help = "Examples:\n  kubectl transform explain webservice\n  kubectl transform explain webservice autoscaling\n\n  # A module that is being written, or the one of a Transform\n  kubectl transform explain ./modules/shop\n  kubectl transform explain shop.yaml"
    )]
    Explain(ExplainArgs),
    /// Lists the modules that come with Pequod, or prints the text of one
    #[command(
        after_help = "Examples:\n  kubectl transform modules\n\n  # As a start for your own\n  kubectl transform modules webservice > shop.cue"
    )]
    Modules(ModulesArgs),
    /// Evaluates, exports and checks CUE, as the language's own tool does
    Cue(cue::CueArgs),
    /// Runs the controllers (in the cluster)
    ///
    /// The Transform controller renders; the ResourceGraph controller applies, with the rights of each
    /// Transform's ServiceAccount and no others. Of several replicas the holder of the Lease works.
    #[command(
        after_help = "Examples:\n  # Against the cluster of your kubeconfig, while developing\n  kubectl-transform controller --no-leader-election --log-format text"
    )]
    Controller(ControllerArgs),
    /// Prints the script that completes `kubectl-transform` in a shell
    ///
    /// `kubectl transform` itself is completed by kubectl's own completion, which asks the executable
    /// `kubectl_complete-transform` that comes with the plugin.
    #[command(after_help = "Examples:\n  source <(kubectl-transform completion bash)")]
    Completion(CompletionArgs),
}

/// A Transform in a file, and what it is rendered with.
#[derive(Debug, Clone, Args)]
pub struct SourceArgs {
    /// File with the Transform, in YAML or JSON; - is the standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
    /// File with the context that the module reads: labels, cluster version, kinds served
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub context_file: Option<PathBuf>,
    /// Folder with the module's .cue files, instead of what the Transform's cueRef says
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub module: Option<PathBuf>,
    /// Ask the cluster for its version and kinds, and for modules that lie in it
    #[arg(long, conflicts_with = "context_file")]
    pub live: bool,
}

/// `render`.
#[derive(Debug, Args)]
pub struct RenderArgs {
    /// What is rendered.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Form of the output
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub output: RenderFormat,
    /// Print the values of Secrets
    #[arg(long)]
    pub show_secrets: bool,
}

/// Forms of rendered objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum RenderFormat {
    /// A YAML document for each object
    #[default]
    Yaml,
    /// A List in JSON
    Json,
    /// `graph.nodes` as the module says it, in JSON
    Value,
    /// One name a line
    Name,
}

/// `vet`.
#[derive(Debug, Args)]
pub struct VetArgs {
    /// What is checked.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// File with the Transform, in YAML or JSON; - is the standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
    /// Folder with the module's .cue files, instead of what the Transform's cueRef says
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    pub module: Option<PathBuf>,
    /// Plan with your own rights instead of those of the Transform's ServiceAccount
    #[arg(long)]
    pub as_me: bool,
    /// The form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Name of the Transform
    #[arg(value_name = "NAME", add = candidates::names::<Transform>())]
    pub name: String,
    /// Node whose object is printed
    #[arg(value_name = "NODE")]
    pub node: Option<String>,
    /// Form of the output
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub output: GraphFormat,
    /// Print the values of Secrets
    #[arg(long)]
    pub show_secrets: bool,
}

/// Forms of a graph.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// Graphviz
    #[default]
    Dot,
    /// Mermaid
    Mermaid,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// Write
    #[default]
    None,
    /// Send nothing
    Client,
    /// Ask the API server what it would say
    Server,
}

/// Whether and how long to wait.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Wait for the end
    #[arg(long)]
    pub wait: bool,
    /// How long to wait, for example 30s, 5m, 1h
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_time)]
    pub timeout: std::time::Duration,
}

/// `apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// File with the Transform, in YAML or JSON; - is the standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
    /// Whether to send the Transform at all
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub dry_run: DryRun,
    /// Take over fields of the Transform that another field manager owns
    #[arg(long)]
    pub force_conflicts: bool,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Name of the Transform
    #[arg(value_name = "NAME", add = candidates::names::<Transform>())]
    pub name: String,
    /// Show it again whenever it changes
    #[arg(short = 'w', long)]
    pub watch: bool,
    /// The form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Name of the Transform
    #[arg(value_name = "NAME", add = candidates::names::<Transform>())]
    pub name: String,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Those of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// The form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Name of a module that comes with Pequod, a folder with .cue files, or a file with a Transform
    #[arg(value_name = "MODULE", add = crate::verbs::modules::candidates())]
    pub module: String,
    /// Field of the input, for example autoscaling.max
    #[arg(value_name = "FIELD")]
    pub field: Option<String>,
}

/// `modules`.
#[derive(Debug, Args)]
pub struct ModulesArgs {
    /// Name of the module whose text is printed
    #[arg(value_name = "NAME", add = crate::verbs::modules::candidates())]
    pub name: Option<String>,
    /// The form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Forms of log lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line
    #[default]
    Json,
    /// Text for people
    Text,
}

/// `controller`.
#[derive(Debug, Clone, Args)]
pub struct ControllerArgs {
    /// One of several replicas.
    #[command(flatten)]
    pub replica: ReplicaArgs,
    /// How many objects of a graph are worked on at once
    #[arg(
        long,
        env = "PEQUOD_PARALLELISM",
        value_name = "NUMBER",
        default_value_t = 8
    )]
    pub parallelism: usize,
    /// Form of the log lines
    #[arg(
        long,
        env = "PEQUOD_LOG_FORMAT",
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
}

/// `30s`, `5m`, `1h30m`, as kubectl writes times.
fn parse_time(text: &str) -> Result<std::time::Duration, String> {
    let span: jiff::Span = text
        .parse()
        .map_err(|_| "want a time such as 30s, 5m or 1h".to_owned())?;
    std::time::Duration::try_from(span).map_err(|_| "want a time such as 30s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_keeps_the_rules() {
        assert_eq!(
            pequod_cli::sweep::problems(&Cli::command()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn times_are_written_as_kubectl_writes_them() {
        assert_eq!(parse_time("1m30s").unwrap().as_secs(), 90);
        assert!(parse_time("soon").is_err());
        assert!(parse_time("-5s").is_err());
    }
}
