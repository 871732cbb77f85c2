//! What an order promises: permutations never show, cycles are named, nothing is stuck.

use std::collections::{BTreeMap, BTreeSet};

use pequod_graph::{Edge, Graph, GraphError, State, When, removal};
use proptest::prelude::*;

fn after(node: &str, after: &str) -> Edge<String> {
    Edge {
        node: node.into(),
        after: after.into(),
        when: When::Ready,
    }
}

fn ids(names: &str) -> Vec<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn names_an_unknown_dependency() {
    let error = Graph::build(ids("web"), [after("web", "db")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "node `web` depends on `db`, which is not a node of the graph"
    );
}

#[test]
fn names_a_duplicate_id() {
    assert_eq!(
        Graph::build(ids("a b a"), []).unwrap_err(),
        GraphError::Duplicate("a".to_owned())
    );
}

#[test]
fn names_a_node_that_depends_on_itself() {
    let error = Graph::build(ids("a"), [after("a", "a")]).unwrap_err();
    assert_eq!(error.to_string(), "nodes depend on each other: a → a");
}

#[test]
fn names_a_shortest_cycle_through_its_smallest_id() {
    let edges = [
        after("c", "d"),
        after("d", "b"),
        after("b", "c"),
        after("a", "c"),
        after("b", "d"),
    ];
    let error = Graph::build(ids("d c b a"), edges).unwrap_err();
    assert_eq!(error.to_string(), "nodes depend on each other: b → d → b");
}

#[test]
fn an_applied_edge_goes_on_before_readiness() {
    let edge = Edge {
        node: "b",
        after: "a",
        when: When::Applied,
    };
    let graph = Graph::build(
        ["a", "b", "c"],
        [
            edge,
            Edge {
                node: "c",
                after: "a",
                when: When::Ready,
            },
        ],
    )
    .unwrap();
    let state = |id: &&str| {
        if *id == "a" {
            State::Applied
        } else {
            State::Waiting
        }
    };
    assert_eq!(graph.frontier(state), [&"b"]);
}

#[test]
fn the_stronger_of_two_edges_counts() {
    let edge = |when| Edge {
        node: "b",
        after: "a",
        when,
    };
    let graph = Graph::build(["a", "b"], [edge(When::Ready), edge(When::Applied)]).unwrap();
    assert_eq!(graph.dependencies(&"b"), [(&"a", When::Ready)]);
}

#[test]
fn blocks_what_comes_after_a_failed_node_and_nothing_else() {
    let graph = Graph::build(ids("a b c d"), [after("b", "a"), after("c", "b")]).unwrap();
    let state = |id: &String| {
        if id == "a" {
            State::Failed
        } else {
            State::Waiting
        }
    };
    let blocked: Vec<_> = graph
        .blocked(state)
        .iter()
        .map(|b| (b.node.as_str(), b.by.as_str()))
        .collect();
    assert_eq!(blocked, [("b", "a"), ("c", "a")]);
    assert_eq!(graph.frontier(state), [&"d".to_owned()]);
}

#[test]
fn the_prune_set_is_what_the_graph_no_longer_has() {
    let graph = Graph::build(ids("a b"), []).unwrap();
    let recorded = ids("c a old");
    assert_eq!(
        graph.absent_from(&recorded),
        BTreeSet::from([&recorded[0], &recorded[2]])
    );
}

#[test]
fn a_cycle_in_an_old_record_is_removed_as_one_group() {
    let all = BTreeSet::from(["a", "b", "c"]);
    let edges = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "gone")];
    assert_eq!(
        removal::order(&all, edges.iter().map(|(n, a)| (n, a))),
        [vec![&"a", &"b"], vec![&"c"]]
    );
}

/// Nodes 0..n, and edges that may form cycles or name unknown nodes.
fn anything() -> impl Strategy<Value = (Vec<u8>, Vec<Edge<u8>>)> {
    (1_u8..12).prop_flat_map(|n| {
        let edge = (0..n, 0..n + 1, any::<bool>()).prop_map(|(node, after, ready)| Edge {
            node,
            after,
            when: if ready { When::Ready } else { When::Applied },
        });
        (
            Just((0..n).collect::<Vec<_>>()),
            prop::collection::vec(edge, 0..20),
        )
    })
}

/// Nodes and edges to smaller ids only: an order exists.
fn ordered() -> impl Strategy<Value = (Vec<u8>, Vec<Edge<u8>>)> {
    anything().prop_map(|(nodes, edges)| {
        let edges = edges.into_iter().filter(|e| e.after < e.node).collect();
        (nodes, edges)
    })
}

proptest! {
    #[test]
    fn the_order_of_the_arguments_never_shows(
        (graph, shuffled) in anything().prop_flat_map(|(nodes, edges)| {
            let shuffled = (Just(nodes.clone()).prop_shuffle(), Just(edges.clone()).prop_shuffle());
            (Just((nodes, edges)), shuffled)
        })
    ) {
        let state = |id: &u8| match id % 4 {
            0 => State::Ready, 1 => State::Applied, 2 => State::Failed, _ => State::Waiting,
        };
        match (Graph::build(graph.0, graph.1), Graph::build(shuffled.0, shuffled.1)) {
            (Ok(one), Ok(other)) => {
                prop_assert_eq!(one.waves(), other.waves());
                prop_assert_eq!(one.frontier(state), other.frontier(state));
                prop_assert_eq!(one.blocked(state), other.blocked(state));
            }
            (Err(one), Err(other)) => prop_assert_eq!(one, other),
            (one, other) => prop_assert!(false, "{one:?} but {other:?}"),
        }
    }

    #[test]
    fn going_by_the_frontier_reaches_every_node((nodes, edges) in ordered()) {
        let graph = Graph::build(nodes.clone(), edges.clone()).unwrap();
        let mut ready: BTreeMap<u8, State> = BTreeMap::new();
        while ready.len() < nodes.len() {
            let now: Vec<u8> =
                graph.frontier(|id| ready.get(id).copied().unwrap_or(State::Waiting))
                    .into_iter().copied().collect();
            prop_assert!(!now.is_empty());
            for id in now {
                prop_assert!(edges.iter().all(|e| e.node != id || ready.contains_key(&e.after)));
                ready.insert(id, State::Ready);
            }
        }
    }

    #[test]
    fn removal_never_sticks_and_goes_in_reverse((nodes, edges) in anything()) {
        let all: BTreeSet<u8> = nodes.into_iter().collect();
        let mut remaining = all.clone();
        let mut by_steps = Vec::new();
        while !remaining.is_empty() {
            let free: Vec<u8> =
                removal::frontier(&remaining, edges.iter().map(|e| (&e.node, &e.after)))
                    .into_iter().copied().collect();
            prop_assert!(!free.is_empty());
            remaining.retain(|id| !free.contains(id));
            by_steps.push(free);
        }
        let at_once: Vec<Vec<u8>> = removal::order(&all, edges.iter().map(|e| (&e.node, &e.after)))
            .into_iter().map(|wave| wave.into_iter().copied().collect()).collect();
        prop_assert_eq!(by_steps, at_once);
    }

    #[test]
    fn a_cycle_is_a_chain_of_given_edges((nodes, edges) in anything()) {
        if let Err(GraphError::Cycle(chain)) = Graph::build(nodes, edges.clone()) {
            prop_assert!(chain.len() > 1);
            prop_assert_eq!(chain.first(), chain.last());
            for step in chain.windows(2) {
                prop_assert!(edges.iter().any(|e| e.node == step[0] && e.after == step[1]));
            }
        }
    }
}
