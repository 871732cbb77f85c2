//! A Transform with its nodes, as a tree for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pequod_api::node::NodeId;
use pequod_api::resource_graph::NodeStatus;
use pequod_api::{NodePhase, ResourceGraph, ResourceNode, Transform};
use pequod_cli::{Paint, Printer};
use pequod_graph::{Edge, Graph, When};

/// The text: the Transform, what its status says, and every node once, below the last of those it waits for.
pub(crate) fn text(
    transform: &Transform,
    graph: Option<&ResourceGraph>,
    wide: bool,
    printer: &Printer,
) -> String {
    let mut text = head(transform, printer);
    let Some(graph) = graph else { return text };
    let nodes = &graph.spec.nodes;
    let status = graph.status.clone().unwrap_or_default().node_status;
    let children = children(nodes);
    let width = nodes
        .iter()
        .map(|node| node.target.to_string().chars().count())
        .max()
        .unwrap_or(0);
    let mut lines = Lines {
        children: &children,
        status: &status,
        wide,
        printer,
        text: &mut text,
        width,
    };
    let roots: &[&ResourceNode] = children.get(&None).map_or(&[], Vec::as_slice);
    for (index, node) in roots.iter().enumerate() {
        lines.node(node, "", index + 1 == roots.len());
    }
    text
}

fn head(transform: &Transform, printer: &Printer) -> String {
    let metadata = &transform.metadata;
    let status = transform.status.clone().unwrap_or_default();
    let ready = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    let word = match ready.map(|ready| ready.status.as_str()) {
        Some("True") => printer.paint(Paint::Good, "Ready"),
        Some("False") => printer.paint(
            if super::outcome::is_stalled(transform) {
                Paint::Bad
            } else {
                Paint::Attention
            },
            ready.map_or("NotReady", |ready| ready.reason.as_str()),
        ),
        _ => printer.paint(Paint::Attention, "Unknown"),
    };
    let mut text = format!(
        "Transform {}/{}  {word}  {}  module {}\n",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
        status.nodes.as_deref().unwrap_or("no nodes"),
        super::list::module(transform),
    );
    if let Some(ready) = ready.filter(|ready| ready.status != "True") {
        let _ = writeln!(text, "  {}", ready.message.replace('\n', "\n  "));
    }
    for violation in &status.violations {
        let _ = writeln!(text, "  {}", super::vet::problem(violation));
    }
    if let Some(serde_json::Value::Object(outputs)) = &status.outputs {
        for (name, value) in outputs {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned);
            let _ = writeln!(text, "  {name}: {value}");
        }
    }
    text
}

type Children<'a> = BTreeMap<Option<&'a NodeId>, Vec<&'a ResourceNode>>;

/// The nodes by the one they hang below: of those they wait for, the one that comes last.
fn children(nodes: &[ResourceNode]) -> Children<'_> {
    let edges = nodes.iter().flat_map(|node| {
        node.depends_on.iter().map(|dependency| Edge {
            node: &node.id,
            after: &dependency.id,
            when: When::Ready,
        })
    });
    let waves: BTreeMap<&NodeId, usize> =
        match Graph::build(nodes.iter().map(|node| &node.id), edges) {
            Ok(graph) => graph
                .waves()
                .into_iter()
                .enumerate()
                .flat_map(|(wave, ids)| ids.into_iter().map(move |id| (*id, wave)))
                .collect(),
            // A graph without an order was never executed; show its nodes side by side.
            Err(_) => BTreeMap::new(),
        };
    let mut children = Children::new();
    for node in nodes {
        let parent = node
            .depends_on
            .iter()
            .map(|dependency| &dependency.id)
            .filter(|id| waves.contains_key(id))
            .max_by_key(|id| waves.get(id));
        children.entry(parent).or_default().push(node);
    }
    children
}

struct Lines<'a> {
    children: &'a Children<'a>,
    status: &'a BTreeMap<NodeId, NodeStatus>,
    wide: bool,
    printer: &'a Printer,
    text: &'a mut String,
    width: usize,
}

impl Lines<'_> {
    fn node(&mut self, node: &ResourceNode, indent: &str, last: bool) {
        let status = self.status.get(&node.id).cloned().unwrap_or_default();
        let paint = match status.phase {
            NodePhase::Ready => Paint::Good,
            NodePhase::Failed => Paint::Bad,
            NodePhase::Pending | NodePhase::Blocked => Paint::Faint,
            NodePhase::Applied | NodePhase::Deleting => Paint::Attention,
        };
        let branch = if last { "└─ " } else { "├─ " };
        let phase = format!("{:?}", status.phase);
        let _ = write!(
            self.text,
            "{indent}{branch}{}  {:width$}  {}",
            node.id,
            node.target.to_string(),
            self.printer.paint(paint, &phase),
            width = self.width,
        );
        if self.wide {
            let digest = node.digest.strip_prefix("sha256:").unwrap_or(&node.digest);
            let _ = write!(self.text, "  {}", digest.get(..12).unwrap_or(digest));
        }
        if let Some(message) = status.message.filter(|_| status.phase != NodePhase::Ready) {
            let _ = write!(self.text, "  {}", message.replace('\n', " "));
        }
        self.text.push('\n');
        let below = self
            .children
            .get(&Some(&node.id))
            .map_or(&[][..], Vec::as_slice);
        let indent = format!("{indent}{}", if last { "   " } else { "│  " });
        for (index, child) in below.iter().enumerate() {
            self.node(child, &indent, index + 1 == below.len());
        }
    }
}
