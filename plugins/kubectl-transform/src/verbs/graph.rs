//! `graph`: the rendered graph as a picture, or the object of one node as it is to be applied.

use std::fmt::Write as _;

use kube::Api;
use pequod_api::node::NodeId;
use pequod_api::{DependencyWhen, ResourceGraph};
use pequod_apply::store::{Store, StoreError};
use pequod_cli::{Exit, Failure, Format, KubectlArgs, Printer, to_json, to_yaml};
use pequod_diag::{Code, Diagnostic, Place};

use super::masked;
use crate::cli::{GraphArgs, GraphFormat};
use crate::graphs::opened;

pub(crate) async fn run(kubectl: &KubectlArgs, args: GraphArgs) -> Result<Exit, Failure> {
    let cluster = kubectl.connect().await?;
    let namespace = cluster.namespace();
    let name = &args.name;
    let api: Api<ResourceGraph> = Api::namespaced(cluster.client().clone(), namespace);
    let graph =
        api.get(name).await.map(opened).map_err(|error| {
            Failure::api(format!("get ResourceGraph {namespace}/{name}"), &error)
        })?;
    let mut printer = Printer::new(Format::Table);
    let Some(node) = &args.node else {
        let text = match args.output {
            GraphFormat::Dot => dot(&graph),
            GraphFormat::Mermaid => mermaid(&graph),
            GraphFormat::Json => to_json(&graph)?,
            GraphFormat::Yaml => to_yaml(&graph)?,
        };
        printer.data(&text)?;
        return Ok(Exit::Done);
    };
    let store = Store::of(cluster.access(), namespace, name).await?;
    let mut objects = store
        .read(&graph.spec.store)
        .await
        .map_err(|error| stored(&error))?;
    let Some(object) = objects.remove(&NodeId(node.clone())) else {
        let known: Vec<_> = graph
            .spec
            .nodes
            .iter()
            .map(|node| node.id.0.as_str())
            .collect();
        let place = Place::Path {
            document: format!("ResourceGraph {namespace}/{name}"),
            path: String::new(),
        };
        return Err(Failure::input(
            Diagnostic::error(Code("graph/no-node"), format!("there is no node `{node}`"))
                .at(place)
                .hint(format!("there are: {}", known.join(", "))),
        ));
    };
    let object = if args.show_secrets {
        object
    } else {
        masked::object(&object)
    };
    let text = match args.output {
        GraphFormat::Json => to_json(&object)?,
        _ => to_yaml(&object)?,
    };
    printer.data(&text)?;
    Ok(Exit::Done)
}

fn stored(error: &StoreError) -> Failure {
    match error {
        StoreError::Api(error) => error.clone().into(),
        other => Failure::remote(
            Diagnostic::error(Code("graph/store"), "the graph's objects cannot be read")
                .caused_by(other),
        ),
    }
}

/// Text inside double quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn dot(graph: &ResourceGraph) -> String {
    let mut text =
        String::from("digraph {\n  rankdir=LR\n  node [shape=box, fontname=\"sans-serif\"]\n");
    for node in &graph.spec.nodes {
        let id = quoted(&node.id.0);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  \"{id}\" [label=\"{id}\\n{}\"]",
            quoted(&node.target.to_string())
        );
    }
    for node in &graph.spec.nodes {
        for dependency in &node.depends_on {
            let style = match dependency.when {
                DependencyWhen::Ready => "",
                DependencyWhen::Applied => " [style=dashed]",
            };
            let (from, to) = (quoted(&dependency.id.0), quoted(&node.id.0));
            let _ = writeln!(text, "  \"{from}\" -> \"{to}\"{style}");
        }
    }
    text.push_str("}\n");
    text
}

fn mermaid(graph: &ResourceGraph) -> String {
    let nodes = &graph.spec.nodes;
    let number = |id: &NodeId| {
        nodes
            .iter()
            .position(|node| node.id == *id)
            .unwrap_or_default()
    };
    let mut text = String::from("flowchart LR\n");
    for (index, node) in nodes.iter().enumerate() {
        let label = format!("{}<br/>{}", node.id, node.target).replace('"', "#quot;");
        let _ = writeln!(text, "  n{index}[\"{label}\"]");
    }
    for (index, node) in nodes.iter().enumerate() {
        for dependency in &node.depends_on {
            let arrow = match dependency.when {
                DependencyWhen::Ready => "-->",
                DependencyWhen::Applied => "-.->",
            };
            let _ = writeln!(text, "  n{} {arrow} n{index}", number(&dependency.id));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn graph() -> ResourceGraph {
        let node = |id: &str, depends_on| json!({"id": id, "digest": "", "target": {"apiVersion": "v1", "kind": "ConfigMap", "name": id}, "dependsOn": depends_on});
        serde_json::from_value(json!({
            "apiVersion": "platform.pequod.io/v1alpha1", "kind": "ResourceGraph", "metadata": {"name": "shop"},
            "spec": {
                "source": {"transform": "shop", "generation": 1, "moduleDigest": "", "renderDigest": ""},
                "serviceAccountName": "default", "store": {},
                "nodes": [node("a\"b", json!([])), node("c", json!([{"id": "a\"b", "when": "Applied"}]))]
            }
        }))
        .unwrap()
    }

    #[test]
    fn a_picture_in_dot_quotes_what_it_must() {
        let text = dot(&graph());
        assert!(
            text.contains("\"a\\\"b\" -> \"c\" [style=dashed]"),
            "{text}"
        );
    }

    #[test]
    fn a_picture_in_mermaid_names_nodes_by_number() {
        let text = mermaid(&graph());
        assert!(
            text.contains("n0[\"a#quot;b<br/>ConfigMap a#quot;b\"]"),
            "{text}"
        );
        assert!(text.contains("n0 -.-> n1"), "{text}");
    }
}
