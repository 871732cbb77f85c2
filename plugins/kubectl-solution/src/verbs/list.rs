//! `list`: the Solutions of a namespace, or of all.

use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;
use pequod_api::Solution;
use pequod_cli::{Exit, Failure, KubectlArgs, Printer, Table, age};

use super::status;
use crate::cli::ListArgs;

pub(crate) async fn run(kubectl: &KubectlArgs, args: ListArgs) -> Result<Exit, Failure> {
    let cluster = kubectl.connect().await?;
    let client = cluster.client().clone();
    let api: Api<Solution> = if args.all_namespaces {
        Api::all(client)
    } else {
        Api::namespaced(client, cluster.namespace())
    };
    let solutions = api
        .list(&ListParams::default())
        .await
        .map_err(|error| Failure::api("list Solutions", &error))?
        .items;
    Printer::new(args.output.output).many(
        &solutions,
        |solution| {
            let name = solution.metadata.name.as_deref().unwrap_or_default();
            format!("solution.dot-ai.io/{name}")
        },
        |solutions| table(solutions, args.all_namespaces, Timestamp::now()),
    )?;
    Ok(Exit::Done)
}

fn table(solutions: &[Solution], namespaces: bool, now: Timestamp) -> Table {
    let mut columns = vec!["NAME", "STATE", "READY", "CHANGED BY", "AGE"];
    if namespaces {
        columns.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&columns).wide(&["WITH", "INTENT"]);
    for solution in solutions {
        let status = status(solution);
        let born = solution.metadata.creation_timestamp.as_ref();
        let change = status.last_change;
        let mut row = vec![
            solution.metadata.name.clone().unwrap_or_default(),
            format!("{:?}", status.state),
            status.ready.unwrap_or_default(),
            change
                .as_ref()
                .map(|change| change.actor.clone())
                .unwrap_or_default(),
            born.map(|born| age(now.as_second() - born.0.as_second()))
                .unwrap_or_default(),
            change.and_then(|change| change.tool).unwrap_or_default(),
            solution.spec.intent.clone().unwrap_or_default(),
        ];
        if namespaces {
            row.insert(0, solution.metadata.namespace.clone().unwrap_or_default());
        }
        table.row(row);
    }
    table
}
