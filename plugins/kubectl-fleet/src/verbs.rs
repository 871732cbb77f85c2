//! The verbs: each asks [`crate::answer`] or runs an [`crate::agent`], and prints.

mod ask;
mod backup;
mod clusters;
mod events;
mod history;
mod join;
mod live;
mod object;
mod opened;
mod operations;
mod search;
mod serve;
mod show;
mod sync;
mod watch;

use pequod_cli::{Exit, Failure};

use crate::cli::{Cli, TopVerb, Verb};

/// Does what the command line says.
pub async fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli {
        kubectl,
        store,
        verb,
    } = cli;
    match verb {
        Verb::Sync(args) => sync::sync(&kubectl, &store, &args).await,
        Verb::Agent(args) => sync::agent(&kubectl, &store, &args).await,
        Verb::Get(args) => search::get(&kubectl, &store, &args).await,
        Verb::Search(args) => search::search(&store, &args).await,
        Verb::Ask(args) => ask::ask(&store, &args).await,
        Verb::Describe(args) => live::describe(&kubectl, &store, &args).await,
        Verb::Tree(args) => object::tree(&kubectl, &store, &args).await,
        Verb::Diff(args) => object::diff(&kubectl, &store, &args).await,
        Verb::Top(TopVerb::Problems(args)) => clusters::problems(&store, &args).await,
        Verb::Kinds(args) => clusters::kinds(&store, &args).await,
        Verb::Clusters(args) => clusters::clusters(&store, &args).await,
        Verb::Capabilities(args) => clusters::capabilities(&store, &args).await,
        Verb::Watch(args) => watch::watch(&store, &args).await,
        Verb::Events(args) => events::events(&kubectl, &store, &args).await,
        Verb::Serve(args) => serve::serve(&kubectl, &store, &args).await,
        Verb::History(args) => history::history(&store, &args).await,
        Verb::Backup(args) => backup::backup(&store, &args).await,
        Verb::Restore(args) => backup::restore(&store, &args).await,
        Verb::Join(args) => join::join(&kubectl, &store, &args).await,
        Verb::Leave(args) => join::leave(&kubectl, &store, &args).await,
        Verb::Mcp => {
            live::serve_mcp(kubectl, &store).await?;
            Ok(Exit::Done)
        }
        Verb::Completion(args) => args.run::<Cli>(),
    }
}

pub(crate) use opened::open;
