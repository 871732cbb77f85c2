//! The command line of `kubectl transform cue`. Names and short forms are those of the reference's tool, except
//! where kubectl has taken a letter.

use clap::{ArgAction, Args, Subcommand};

/// `cue`.
#[derive(Debug, Args)]
pub struct CueArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: CueVerb,
}

/// The verbs of `cue`.
#[derive(Debug, Subcommand)]
pub enum CueVerb {
    /// Evaluates and prints a configuration
    ///
    /// Prints the value of each package, and of files named one by one together. Fields that are not decided yet are
    /// printed as they stand; an error ends it.
    #[command(
        after_help = "Examples:\n  # The package in this folder\n  kubectl transform cue eval\n\n  # One value of a file\n  kubectl transform cue eval shop.cue -e 'deployment.spec'"
    )]
    Eval(EvalArgs),
    /// Prints data in JSON, YAML, CUE or text
    ///
    /// Everything printed is data: a value that is not decided is an error.
    #[command(
        after_help = "Examples:\n  kubectl transform cue export ./app --out yaml\n\n  # With a value for `env: string @tag(env)`\n  kubectl transform cue export -t env=production -e objects"
    )]
    Export(ExportArgs),
    /// Checks packages, or data against a package
    ///
    /// Without files of data, the packages themselves are checked. With them, every document is unified with the
    /// package (or with the value that --schema names) and must be complete then.
    #[command(
        after_help = "Examples:\n  kubectl transform cue vet -c ./...\n\n  # A document against a definition\n  kubectl transform cue vet schema.cue data.yaml -d '#Config'"
    )]
    Vet(VetArgs),
    /// Prints a package as one file
    ///
    /// Definitions, constraints and references stay as they are written; what several files say of a field stands
    /// together. Nothing is printed of a package that does not hold.
    #[command(
        after_help = "Examples:\n  # The package in this folder\n  kubectl transform cue def\n\n  # One definition\n  kubectl transform cue def ./schema -e '#Config'"
    )]
    Def(DefArgs),
    /// Lays out CUE files in the usual form
    ///
    /// Files are written anew where that changes them. Packages are all CUE files of their folders, those behind build
    /// attributes included. With --check or --diff nothing is written.
    #[command(
        after_help = "Examples:\n  # Everything below this folder\n  kubectl transform cue fmt ./...\n\n  # A text on its way\n  kubectl transform cue fmt - < a.cue"
    )]
    Fmt(FmtArgs),
    /// Makes CUE files of data
    ///
    /// `data.yaml` becomes `data.cue` beside it. A kind before the files says what they hold: json, yaml, text, binary.
    #[command(
        after_help = "Examples:\n  # shop.yaml to shop.cue\n  kubectl transform cue import shop.yaml\n\n  # Kubernetes objects by kind and name\n  kubectl transform cue import objects.yaml -l 'strings.ToCamel(kind)' -l metadata.name"
    )]
    Import(ImportArgs),
}

/// What is loaded.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct InputArgs {
    /// Packages (`.`, `./app`, `example.com/m/p`) and files (`a.cue`, `b.yaml`, `json: c`)
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::AnyPath)]
    pub inputs: Vec<String>,
    /// Set a tag: `name=value` for a field with @tag, `name` for a file with @if
    #[arg(short = 't', long, value_name = "TAG")]
    pub inject: Vec<String>,
    /// Give tags that ask for them the time, the host's name and other facts
    #[arg(short = 'T', long)]
    pub inject_vars: bool,
    /// Value of the package that documents are checked against or unified with
    #[arg(short = 'd', long, value_name = "EXPRESSION")]
    pub schema: Option<String>,
    /// Where a document goes: labels (`a: b:`) or an expression over the document (`strings.ToLower(kind)`)
    #[arg(short = 'l', long, value_name = "LABEL")]
    pub path: Vec<String>,
    /// Collect the documents of a place in a list
    #[arg(long)]
    pub list: bool,
    /// Let expressions of --path see `data`, `filename`, `index` and `recordCount`
    #[arg(long)]
    pub with_context: bool,
    /// Name of the package of the output, and of the files that are made of data
    #[arg(short = 'p', long, value_name = "NAME")]
    pub package: Option<String>,
    /// Unify documents with the package rather than evaluate each
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub merge: bool,
}

/// Where the output goes.
#[derive(Debug, Args)]
pub struct OutArgs {
    /// Form of the output: json, yaml, cue, text, binary
    #[arg(long, value_name = "FORMAT")]
    pub out: Option<String>,
    /// File to write, with an optional format before it (`yaml:app.data`)
    #[arg(short = 'o', long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub outfile: Option<String>,
    /// Replace a file that is there
    #[arg(short = 'f', long)]
    pub force: bool,
    /// Print this expression only; more than one are printed one after the other
    #[arg(short = 'e', long = "expression", value_name = "EXPRESSION")]
    pub expressions: Vec<String>,
}

/// `cue eval`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct EvalArgs {
    /// What is loaded.
    #[command(flatten)]
    pub input: InputArgs,
    /// Where it goes.
    #[command(flatten)]
    pub out: OutArgs,
    /// Everything must be data
    #[arg(short = 'c', long = "concrete", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub concrete: Option<bool>,
    /// Print optional and hidden fields
    #[arg(short = 'a', long = "all")]
    pub all: bool,
    /// Print hidden fields
    #[arg(short = 'H', long)]
    pub show_hidden: bool,
    /// Print optional fields
    #[arg(short = 'O', long)]
    pub show_optional: bool,
    /// Print attributes of fields
    #[arg(short = 'A', long)]
    pub show_attributes: bool,
    /// Print what there is although there are errors
    #[arg(short = 'i', long)]
    pub ignore: bool,
    /// Write a struct of one field on one line
    #[arg(long)]
    pub simplify: bool,
}

/// `cue export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// What is loaded.
    #[command(flatten)]
    pub input: InputArgs,
    /// Where it goes.
    #[command(flatten)]
    pub out: OutArgs,
    /// Escape `<`, `>` and `&` in JSON
    #[arg(long)]
    pub escape: bool,
}

/// `cue vet`.
#[derive(Debug, Args)]
pub struct VetArgs {
    /// What is loaded.
    #[command(flatten)]
    pub input: InputArgs,
    /// Whether packages must be data: `-c`, or `-c=false` for a package that is not meant to be
    #[arg(short = 'c', long = "concrete", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub concrete: Option<bool>,
}

/// `cue def`.
#[derive(Debug, Args)]
pub struct DefArgs {
    /// What is loaded.
    #[command(flatten)]
    pub input: InputArgs,
    /// Where it goes.
    #[command(flatten)]
    pub out: OutArgs,
    /// Print attributes of fields
    #[arg(short = 'A', long)]
    pub show_attributes: bool,
}

/// `cue fmt`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct FmtArgs {
    /// Packages (`.`, `./...`), files, or `-` for the standard input
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::AnyPath)]
    pub inputs: Vec<String>,
    /// Write nothing; name the files that are not laid out, and answer no if there are any
    #[arg(long)]
    pub check: bool,
    /// Write nothing; print what would change
    #[arg(short = 'd', long)]
    pub diff: bool,
    /// Take inputs as files, and as folders with all files below them
    #[arg(long)]
    pub files: bool,
    /// Write labels without quotes where they need none
    #[arg(long)]
    pub simplify: bool,
}

/// `cue import`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct ImportArgs {
    /// A kind (`json`, `yaml`, `text`, `binary`, `data`), then files and folders of data
    #[arg(value_name = "INPUT", value_hint = clap::ValueHint::AnyPath)]
    pub inputs: Vec<String>,
    /// Where a document goes: labels (`a: b:`) or an expression over the document (`strings.ToLower(kind)`)
    #[arg(short = 'l', long, value_name = "LABEL")]
    pub path: Vec<String>,
    /// Collect the documents of a place in a list
    #[arg(long)]
    pub list: bool,
    /// Let expressions of --path see `data`, `filename`, `index` and `recordCount`
    #[arg(long)]
    pub with_context: bool,
    /// Name of the package of the files that are made
    #[arg(short = 'p', long, value_name = "NAME")]
    pub package: Option<String>,
    /// File to write; `-` is the standard output
    #[arg(short = 'o', long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub outfile: Option<String>,
    /// Replace files that are there
    #[arg(short = 'f', long)]
    pub force: bool,
    /// In folders, take files with this ending
    #[arg(long, value_name = "ENDING")]
    pub ext: Vec<String>,
    /// In folders, take files whose name this regular expression matches
    #[arg(long, value_name = "REGEX")]
    pub name: Option<String>,
    /// Print the documents of a file one after the other
    #[arg(long)]
    pub files: bool,
}
