//! What was found, as a tree.

use std::collections::HashMap;

use pequod_cue_syntax::literal::{quote, string_label_needs_quotes};

use super::ErrorSpec;
use crate::node::Node;

/// Nodes by path and by parent.
#[derive(Debug)]
pub struct Tree<'a> {
    by_path: HashMap<(String, &'a str), &'a Node>,
    children: HashMap<String, Vec<&'a Node>>,
}

/// A path and a label behind it.
pub(super) fn join(path: &str, label: &str) -> String {
    let label = label
        .split_once('$')
        .filter(|_| label.starts_with('_'))
        .map_or(label, |(name, _)| name);
    if path.is_empty() {
        label.to_owned()
    } else {
        format!("{path}.{label}")
    }
}

/// A label as paths show it.
pub(super) fn quoted(label: &str) -> String {
    if string_label_needs_quotes(label) {
        quote(label)
    } else {
        label.to_owned()
    }
}

/// The parent of a path and its last label, which may be quoted.
fn split(path: &str) -> (&str, &str) {
    let end = if path.ends_with('"') {
        // The label begins at the quote that no backslash stands before.
        let mut at = path.len() - 1;
        loop {
            match path[..at].rfind('"') {
                Some(quote) if quote > 0 && path.as_bytes()[quote - 1] == b'\\' => at = quote,
                Some(quote) => break quote,
                None => break 0,
            }
        }
    } else {
        path.rfind('.').map_or(0, |dot| dot + 1)
    };
    (
        path[..end].strip_suffix('.').unwrap_or(&path[..end]),
        &path[end..],
    )
}

impl<'a> Tree<'a> {
    /// Sorts nodes by where they are.
    pub fn new(nodes: &'a [Node]) -> Self {
        let mut tree = Self {
            by_path: HashMap::new(),
            children: HashMap::new(),
        };
        for node in nodes {
            tree.by_path.insert((node.path.clone(), &node.arc), node);
            if !node.path.is_empty() {
                tree.children
                    .entry(split(&node.path).0.to_owned())
                    .or_default()
                    .push(node);
            }
        }
        tree
    }

    /// The node at a path.
    pub fn find(&self, path: &str, arc: &str) -> Option<&'a Node> {
        ["", "!", "?"]
            .into_iter()
            .filter(|candidate| arc.is_empty() || *candidate == arc)
            .find_map(|arc| self.by_path.get(&(path.to_owned(), arc)).copied())
    }

    /// The node of exactly this arc type.
    pub(super) fn exactly(&self, path: &str, arc: &str) -> Option<&'a Node> {
        self.by_path
            .iter()
            .find(|((p, a), _)| p == path && *a == arc)
            .map(|(_, node)| *node)
    }

    /// Fields and elements, with their labels.
    pub(super) fn children(&self, path: &str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        let children = self
            .children
            .get(path)
            .map(Vec::as_slice)
            .unwrap_or_default();
        children.iter().map(|node| (split(&node.path).1, *node))
    }

    /// Whether the value at a path, or one below it if any will do, is such an error.
    pub(super) fn error(&self, path: &str, spec: &ErrorSpec) -> Result<(), String> {
        let node = self.find(path, "").ok_or("there is no such value")?;
        if !spec.any {
            return spec.holds(node);
        }
        self.any_error(node, spec)
    }

    fn any_error(&self, node: &Node, spec: &ErrorSpec) -> Result<(), String> {
        if spec.holds(node).is_ok()
            || self
                .children(&node.path)
                .any(|(_, child)| self.any_error(child, spec).is_ok())
        {
            Ok(())
        } else {
            Err("no such error below".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn labels_may_hold_dots_in_quotes() {
        assert_eq!(split("a.b"), ("a", "b"));
        assert_eq!(split("a"), ("", "a"));
        assert_eq!(split("a.\"b.c\""), ("a", "\"b.c\""));
        assert_eq!(split("\"x\\\"y\""), ("", "\"x\\\"y\""));
    }
}
