//! `kubectl solution`: an application as one object.
//!
//! * [`cli`]: the command line;
//! * `verbs`: one module a verb;
//! * [`controller`]: what keeps `Solution.status` true, `kubectl-solution controller`.

pub mod cli;
pub mod controller;
mod verbs;

use pequod_cli::{Exit, Failure};

use cli::{Cli, Verb};

/// Does what a command line says.
pub async fn run(cli: Cli) -> Result<Exit, Failure> {
    let kubectl = &cli.kubectl;
    match cli.verb {
        Verb::List(args) => verbs::list::run(kubectl, args).await,
        Verb::Get(args) => verbs::get::run(kubectl, args).await,
        Verb::Tree(args) => verbs::tree::run(kubectl, args).await,
        Verb::Controller(args) => controller::run(kubectl, args).await,
        Verb::Completion(args) => args.run::<Cli>(),
    }
}
