//! `list`: the Transforms of a namespace, or of all.

use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;
use pequod_api::Transform;
use pequod_cli::{Exit, Failure, KubectlArgs, Printer, Table, age};

use crate::cli::ListArgs;

pub(crate) async fn run(kubectl: &KubectlArgs, args: ListArgs) -> Result<Exit, Failure> {
    let cluster = kubectl.connect().await?;
    let client = cluster.client().clone();
    let api: Api<Transform> = if args.all_namespaces {
        Api::all(client)
    } else {
        Api::namespaced(client, cluster.namespace())
    };
    let transforms = api
        .list(&ListParams::default())
        .await
        .map_err(|error| Failure::api("list Transforms", &error))?
        .items;
    Printer::new(args.output.output).many(
        &transforms,
        |transform| {
            format!(
                "transform.platform.pequod.io/{}",
                transform.metadata.name.as_deref().unwrap_or_default()
            )
        },
        |transforms| table(transforms, args.all_namespaces, Timestamp::now()),
    )?;
    Ok(Exit::Done)
}

fn table(transforms: &[Transform], namespaces: bool, now: Timestamp) -> Table {
    let mut columns = vec!["NAME", "MODULE", "READY", "REASON", "NODES", "AGE"];
    if namespaces {
        columns.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&columns).wide(&["MESSAGE"]);
    for transform in transforms {
        let status = transform.status.clone().unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let born = transform.metadata.creation_timestamp.as_ref();
        let mut row = vec![
            transform.metadata.name.clone().unwrap_or_default(),
            module(transform),
            ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
            ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
            status.nodes.unwrap_or_default(),
            born.map(|born| age(now.as_second() - born.0.as_second()))
                .unwrap_or_default(),
            ready.map(|ready| ready.message.clone()).unwrap_or_default(),
        ];
        if namespaces {
            row.insert(0, transform.metadata.namespace.clone().unwrap_or_default());
        }
        table.row(row);
    }
    table
}

/// The module in a word: an inline text has no name.
pub(crate) fn module(transform: &Transform) -> String {
    use pequod_api::CueRefType as Kind;
    let reference = &transform.spec.cue_ref;
    match reference.kind {
        Kind::Inline => "(inline)".to_owned(),
        Kind::Embedded => reference.reference.clone(),
        Kind::Configmap => format!("configmap/{}", reference.reference),
        Kind::Oci => format!("oci://{}", reference.reference),
        Kind::Git => format!("git+{}", reference.reference),
    }
}
