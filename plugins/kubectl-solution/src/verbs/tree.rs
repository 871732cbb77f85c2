//! `tree`: a Solution's members and what they own.
//!
//! What a member owns is looked up in its own namespace, among the kinds that workloads are made of, and only by
//! the owner's uid: a name proves nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pequod_api::ObjectRef;
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Paint, Printer};
use pequod_kube::{Access, object, status};
use serde_json::Value;

use super::{get, health};
use crate::cli::TreeArgs;

/// The kinds that the kinds of Kubernetes make of themselves.
const OWNED: [(&str, &str); 5] = [
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
];

/// An object in the tree.
struct Node {
    reference: ObjectRef,
    health: String,
    message: String,
}

pub(crate) async fn run(kubectl: &KubectlArgs, args: TreeArgs) -> Result<Exit, Failure> {
    let cluster = kubectl.connect().await?;
    let solution = get::read(&cluster, &args.name).await?;
    let inventory = super::status(&solution).inventory;
    let mut printer = Printer::new(Format::Table);

    let access = cluster.access();
    let mut namespaces: Vec<&str> = inventory
        .iter()
        .filter_map(|member| member.object.namespace.as_deref())
        .collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let mut owned = BTreeMap::new();
    for namespace in namespaces {
        for (api_version, kind) in OWNED {
            // A kind that may not be listed is left out: the members themselves are all there.
            let _ = collect(&access, api_version, kind, namespace, &mut owned).await;
        }
    }

    let mut text = get::head(&solution, &printer);
    let last = inventory.len().saturating_sub(1);
    for (index, member) in inventory.into_iter().enumerate() {
        let node = Node {
            reference: member.object,
            health: member.health,
            message: member.message.unwrap_or_default(),
        };
        draw(
            &node,
            &member.uid,
            &owned,
            "",
            index == last,
            &printer,
            &mut text,
        );
    }
    printer.data(&text)?;
    Ok(Exit::Done)
}

type Owned = BTreeMap<String, Vec<(String, Node)>>;

async fn collect(
    access: &Access,
    api_version: &str,
    kind: &str,
    namespace: &str,
    owned: &mut Owned,
) -> Result<(), pequod_kube::ApiError> {
    let kind = access.kind(api_version, kind).await?;
    let path = format!(
        "{}/namespaces/{namespace}/{}",
        if api_version.contains('/') {
            format!("/apis/{api_version}")
        } else {
            format!("/api/{api_version}")
        },
        kind.resource.plural
    );
    let what = format!("list {} in {namespace}", kind.resource.plural);
    let mut list: Value = access.raw_get(&path, &what).await?;
    let items = list
        .get_mut("items")
        .and_then(Value::as_array_mut)
        .map(std::mem::take);
    for mut item in items.unwrap_or_default() {
        // Items of a list leave out what the list says.
        item["apiVersion"] = kind.resource.api_version.clone().into();
        item["kind"] = kind.resource.kind.clone().into();
        let owners = item
            .pointer("/metadata/ownerReferences")
            .and_then(Value::as_array);
        let owner = owners
            .into_iter()
            .flatten()
            .find(|owner| owner["controller"] == true);
        let Some(owner) = owner
            .and_then(|owner| owner["uid"].as_str())
            .map(str::to_owned)
        else {
            continue;
        };
        let (Some(reference), Some(uid)) = (object::reference(&item), object::uid(&item)) else {
            continue;
        };
        let verdict = status::of(Some(&item));
        let node = Node {
            reference,
            health: format!("{:?}", verdict.status),
            message: verdict.message,
        };
        // Old ReplicaSets, kept to go back to, would hide the one that counts.
        if item["kind"] == "ReplicaSet" && item.pointer("/spec/replicas") == Some(&0.into()) {
            continue;
        }
        owned.entry(owner).or_default().push((uid.to_owned(), node));
    }
    Ok(())
}

fn draw(
    node: &Node,
    uid: &str,
    owned: &Owned,
    indent: &str,
    last: bool,
    printer: &Printer,
    text: &mut String,
) {
    let (branch, below) = if last {
        ("└─", "  ")
    } else {
        ("├─", "│ ")
    };
    let message = if node.message.is_empty() || node.health == "Current" {
        String::new()
    } else {
        format!("  {}", printer.paint(Paint::Faint, &node.message))
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{indent}{branch} {}  {}{message}",
        node.reference,
        health(&node.health, printer)
    );
    let children = owned.get(uid).map_or(&[][..], Vec::as_slice);
    let indent = format!("{indent}{below} ");
    for (index, (uid, child)) in children.iter().enumerate() {
        draw(
            child,
            uid,
            owned,
            &indent,
            index + 1 == children.len(),
            printer,
            text,
        );
    }
}
