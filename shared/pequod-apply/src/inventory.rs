//! What a graph may have created.
//!
//! The rule that makes a crash harmless: before anything is created, the inventory has it; and nothing leaves the
//! inventory before its object is known to be gone (or let go).

use std::collections::{BTreeMap, BTreeSet};

use pequod_api::resource_graph::InventoryItem;
use pequod_api::{ApplyMode, NodeId, ObjectRef, ResourceNode};

/// An object without its version: versions of one group name the same object.
pub type ObjectKey = (String, String, Option<String>, String);

/// Which object a reference names.
pub fn key(target: &ObjectRef) -> ObjectKey {
    (
        target.group().to_owned(),
        target.kind.clone(),
        target.namespace.clone(),
        target.name.clone(),
    )
}

/// Adds what the nodes may create, and brings the policies of what is there up to date. `targets` are the nodes'
/// targets as the cluster knows them (with namespace, or without). Answers whether anything changed.
///
/// Nothing is taken out. A node that got another target has two items then: the old one is to be pruned.
pub fn extend<'a>(
    inventory: &mut Vec<InventoryItem>,
    nodes: impl IntoIterator<Item = (&'a ResourceNode, &'a ObjectRef)>,
    service_account: &str,
) -> bool {
    let before = inventory.clone();
    let mut index: BTreeMap<ObjectKey, usize> = inventory
        .iter()
        .enumerate()
        .map(|(at, item)| (key(&item.target), at))
        .collect();
    for (node, target) in nodes {
        if node.apply.mode == ApplyMode::Observe {
            continue;
        }
        let new = InventoryItem {
            node: node.id.clone(),
            target: target.clone(),
            uid: None,
            apply: node.apply,
            depends_on: node.depends_on.iter().map(|d| d.id.clone()).collect(),
            service_account_name: service_account.to_owned(),
        };
        if let Some(&at) = index.get(&key(target)) {
            let uid = inventory[at].uid.take();
            inventory[at] = InventoryItem { uid, ..new };
        } else {
            index.insert(key(target), inventory.len());
            inventory.push(new);
        }
    }
    *inventory != before
}

/// The places of the items whose object no node stands for any more.
///
/// A node that only observes an object which the graph had made keeps it from being pruned.
pub fn leaving<'a>(
    inventory: &[InventoryItem],
    targets: impl IntoIterator<Item = &'a ObjectRef>,
) -> Vec<usize> {
    let wanted: BTreeSet<ObjectKey> = targets.into_iter().map(key).collect();
    (0..inventory.len())
        .filter(|&at| !wanted.contains(&key(&inventory[at].target)))
        .collect()
}

/// Two nodes with one target object, if there are any.
pub fn shared_target<'a>(
    nodes: impl IntoIterator<Item = (&'a NodeId, &'a ObjectRef)>,
) -> Option<(&'a NodeId, &'a NodeId, &'a ObjectRef)> {
    let mut seen: BTreeMap<ObjectKey, &NodeId> = BTreeMap::new();
    for (id, target) in nodes {
        if let Some(first) = seen.insert(key(target), id) {
            return Some((first, id, target));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use pequod_api::ApplyPolicy;

    use super::*;

    fn target(name: &str, version: &str) -> ObjectRef {
        ObjectRef {
            api_version: version.into(),
            kind: "Deployment".into(),
            namespace: Some("shop".into()),
            name: name.into(),
        }
    }

    fn node(id: &str, name: &str) -> ResourceNode {
        ResourceNode {
            id: id.into(),
            target: target(name, "apps/v1"),
            digest: String::new(),
            depends_on: vec![],
            ready_when: vec![],
            apply: ApplyPolicy::default(),
            ignore: vec![],
        }
    }

    fn grown(inventory: &mut Vec<InventoryItem>, nodes: &[ResourceNode]) -> bool {
        extend(inventory, nodes.iter().map(|n| (n, &n.target)), "sa")
    }

    #[test]
    fn grows_and_never_shrinks() {
        let mut inventory = Vec::new();
        assert!(grown(&mut inventory, &[node("a", "x"), node("b", "y")]));
        assert!(!grown(&mut inventory, &[node("a", "x")]));
        assert_eq!(inventory.len(), 2);
        let now = [node("a", "x")];
        assert_eq!(leaving(&inventory, now.iter().map(|n| &n.target)), [1]);
    }

    #[test]
    fn another_version_or_id_is_the_same_object_and_keeps_its_uid() {
        let mut inventory = Vec::new();
        grown(&mut inventory, &[node("a", "x")]);
        inventory[0].uid = Some("u".into());
        let mut renamed = node("b", "x");
        renamed.target = target("x", "apps/v2");
        assert!(grown(&mut inventory, std::slice::from_ref(&renamed)));
        assert_eq!(inventory.len(), 1);
        assert_eq!(
            (inventory[0].node.0.as_str(), inventory[0].uid.as_deref()),
            ("b", Some("u"))
        );
        assert!(leaving(&inventory, [&renamed.target]).is_empty());
    }

    #[test]
    fn what_is_only_observed_is_not_ours_to_remove() {
        let mut inventory = Vec::new();
        let mut watched = node("a", "x");
        watched.apply.mode = ApplyMode::Observe;
        assert!(!grown(&mut inventory, &[watched]));
    }

    #[test]
    fn finds_two_nodes_with_one_object() {
        let nodes = [node("a", "x"), node("b", "y"), node("c", "x")];
        let found = shared_target(nodes.iter().map(|n| (&n.id, &n.target))).unwrap();
        assert_eq!((found.0.0.as_str(), found.1.0.as_str()), ("a", "c"));
    }
}
