//! `kubectl transform`: a platform in CUE.
//!
//! * [`cli`]: the command line;
//! * `verbs`: one module a verb;
//! * [`engine`]: from a Transform to a rendered graph, the same for verbs and controller;
//! * [`input`]: Transforms that a person wrote, read with positions;
//! * [`facts`]: what a module may know of the cluster;
//! * [`controller`]: the two controllers, `kubectl-transform controller`.

pub mod cli;
pub mod controller;
pub mod engine;
pub mod facts;
mod graphs;
pub mod input;
mod verbs;

use pequod_cli::{Exit, Failure};

use cli::{Cli, Verb};

/// Does what a command line says.
pub async fn run(cli: Cli) -> Result<Exit, Failure> {
    let kubectl = &cli.kubectl;
    match cli.verb {
        Verb::Render(args) => verbs::render::run(kubectl, args).await,
        Verb::Vet(args) => verbs::vet::run(kubectl, args).await,
        Verb::Plan(args) => verbs::plan::run(kubectl, args).await,
        Verb::Graph(args) => verbs::graph::run(kubectl, args).await,
        Verb::Apply(args) => verbs::apply::run(kubectl, args).await,
        Verb::Status(args) => verbs::status::run(kubectl, args).await,
        Verb::Delete(args) => verbs::delete::run(kubectl, args).await,
        Verb::List(args) => verbs::list::run(kubectl, args).await,
        Verb::Explain(args) => verbs::explain::run(kubectl, args).await,
        Verb::Modules(args) => verbs::modules::run(&args),
        Verb::Cue(args) => verbs::cue::run(args).await,
        Verb::Controller(args) => controller::run(kubectl, args).await,
        Verb::Completion(args) => args.run::<Cli>(),
    }
}
