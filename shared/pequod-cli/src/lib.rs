//! The chassis of a kubectl plugin.
//!
//! Every plugin of Pequod parses, prints, fails and completes in the same way, because it does so here:
//!
//! * [`KubectlArgs`]: kubectl's global flags, with kubectl's names and meaning;
//! * [`Printer`], [`Table`], [`Format`]: data on stdout in five forms, words on stderr;
//! * [`Failure`]: what ends a command early, with its exit code;
//! * [`Progress`]: what long work says while it lasts;
//! * [`run`]: the body of a plugin's `main`, including completion for a shell and for `kubectl`;
//! * [`candidates`]: what is offered for an argument while it is typed;
//! * [`CompletionArgs`]: the verb `completion`;
//! * [`ReplicaArgs`]: what every controller takes;
//! * [`documents`]: reading YAML and JSON from files and stdin, with positions in the errors;
//! * [`sweep`]: the rules that every plugin's command line is tested against.
//!
//! ```no_run
//! use clap::Parser;
//! use pequod_cli::{Exit, KubectlArgs, Printer};
//!
//! /// Says hello.
//! #[derive(Parser)]
//! #[command(name = "kubectl-hello", bin_name = "kubectl hello")]
//! struct Hello {
//!     #[command(flatten)]
//!     kubectl: KubectlArgs,
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     pequod_cli::run(|hello: Hello| async move {
//!         let mut printer = Printer::new(Default::default());
//!         printer.line(hello.kubectl.namespace.as_deref().unwrap_or("default"))?;
//!         Ok(Exit::Done)
//!     })
//! }
//! ```

pub mod candidates;
pub mod completion;
pub mod documents;
pub mod reference;
pub mod replica;
pub mod sweep;

mod failure;
mod format;
mod kubectl;
mod printer;
mod progress;
mod run;
mod table;

pub use completion::CompletionArgs;
pub use failure::Failure;
pub use format::{Format, OutputArgs, to_json, to_yaml};
pub use kubectl::KubectlArgs;
pub use pequod_diag::Exit;
pub use printer::{Paint, Printer};
pub use progress::Progress;
pub use replica::{HealthArgs, ReplicaArgs};
pub use run::run;
pub use table::{Table, age};
