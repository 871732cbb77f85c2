//! `status`, `tree`: how a Transform and its nodes are.

use futures::StreamExt as _;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use pequod_api::{ResourceGraph, Transform};
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer};
use serde::Serialize;

use super::outcome::{Outcome, outcome};
use super::tree;
use crate::cli::StatusArgs;
use crate::graphs::opened;

/// Both objects: what `-o json` and `-o yaml` print.
#[derive(Serialize)]
struct Both {
    transform: Transform,
    #[serde(skip_serializing_if = "Option::is_none")]
    graph: Option<ResourceGraph>,
}

pub(crate) async fn run(kubectl: &KubectlArgs, args: StatusArgs) -> Result<Exit, Failure> {
    let cluster = kubectl.connect().await?;
    let client = cluster.client();
    let namespace = cluster.namespace();
    let mut printer = Printer::new(args.output.output);
    if args.watch {
        return watch(client, namespace, &args.name, &mut printer).await;
    }
    let both = both(client, namespace, &args.name).await?;
    let ready = outcome(&both.transform) == Outcome::Ready;
    print(&both, &mut printer)?;
    Ok(if ready { Exit::Done } else { Exit::No })
}

fn print(both: &Both, printer: &mut Printer) -> Result<(), Failure> {
    let wide = printer.format() == Format::Wide;
    printer.one(
        both,
        |both| {
            let name = both.transform.metadata.name.as_deref().unwrap_or_default();
            format!("transform.platform.pequod.io/{name}")
        },
        |both, printer| tree::text(&both.transform, both.graph.as_ref(), wide, printer),
    )
}

async fn both(client: &Client, namespace: &str, name: &str) -> Result<Both, Failure> {
    let transforms: Api<Transform> = Api::namespaced(client.clone(), namespace);
    let transform = transforms
        .get(name)
        .await
        .map_err(|error| Failure::api(format!("get Transform {namespace}/{name}"), &error))?;
    let graph = match transform
        .status
        .as_ref()
        .and_then(|s| s.resource_graph_ref.as_ref())
    {
        None => None,
        Some(reference) => {
            let graphs: Api<ResourceGraph> = Api::namespaced(client.clone(), namespace);
            let what = || format!("get ResourceGraph {namespace}/{}", reference.name);
            graphs
                .get_opt(&reference.name)
                .await
                .map(|found| found.map(opened))
                .map_err(|error| Failure::api(what(), &error))?
        }
    };
    Ok(Both { transform, graph })
}

/// Prints again whenever one of the two changed, until interrupted or the Transform is gone.
async fn watch(
    client: &Client,
    namespace: &str,
    name: &str,
    printer: &mut Printer,
) -> Result<Exit, Failure> {
    print(&both(client, namespace, name).await?, printer)?;
    let transforms: Api<Transform> = Api::namespaced(client.clone(), namespace);
    let graphs: Api<ResourceGraph> = Api::namespaced(client.clone(), namespace);
    let transforms = watcher::watch_object(transforms, name)
        .default_backoff()
        .map(|event| matches!(event, Ok(None)));
    let graphs = watcher::watch_object(graphs, name)
        .default_backoff()
        .map(|_| false);
    let mut changes = std::pin::pin!(futures::stream::select(transforms, graphs));
    let mut last = String::new();
    while let Some(gone) = changes.next().await {
        if gone {
            printer.say(&format!("Transform {namespace}/{name} is gone"));
            return Ok(Exit::Done);
        }
        let now = both(client, namespace, name).await?;
        let text = tree::text(&now.transform, now.graph.as_ref(), false, printer);
        if text != last {
            last = text;
            printer.line("")?;
            print(&now, printer)?;
        }
    }
    Ok(Exit::Done)
}
