//! Two answers, level by level.
//!
//! 1. *Class*: a value, or which class of error.
//! 2. *Value*: also the arc type, the set of types and the concrete scalar, numbers by their text.
//! 3. *Closedness*: also whether structs and lists are closed, and which default there is.
//!
//! A node that only one side has counts against all levels.

use std::collections::{BTreeMap, VecDeque};
use std::ops::AddAssign;

use serde_json::value::RawValue;

use crate::node::{Node, Outcome};

/// How many nodes agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// All nodes, of both sides.
    pub nodes: usize,
    /// Those that agree at level 1, 2 and 3.
    pub levels: [usize; 3],
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.nodes += other.nodes;
        for (level, more) in self.levels.iter_mut().zip(other.levels) {
            *level += more;
        }
    }
}

/// A node on which the sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub path: String,
    /// From which level on.
    pub level: u8,
    /// What we say.
    pub ours: String,
    /// What the reference says.
    pub theirs: String,
}

/// Compares the answers to one archive.
pub fn compare(ours: &Outcome, theirs: &Outcome) -> (Score, Vec<Difference>) {
    if !theirs.error.is_empty() {
        return compare_failures(ours, theirs);
    }
    let mut score = Score::default();
    let mut differences = Vec::new();
    // Hidden fields of two packages may share a path: they are taken in order.
    let mut rest: BTreeMap<(&str, &str), VecDeque<&Node>> = BTreeMap::new();
    for node in &ours.nodes {
        rest.entry((&node.path, &node.arc))
            .or_default()
            .push_back(node);
    }
    for their in &theirs.nodes {
        score.nodes += 1;
        // The same path with another arc type is the same node with a difference.
        let our = [&*their.arc, "", "?", "!"]
            .into_iter()
            .find_map(|arc| rest.get_mut(&(&*their.path, arc))?.pop_front());
        let agreed = our.map_or(0, |our| agreement(our, their));
        for level in &mut score.levels[..usize::from(agreed)] {
            *level += 1;
        }
        if agreed < 3 {
            let missing = || {
                ours.poison
                    .map_or("nothing".to_owned(), |poison| format!("{poison:?}"))
            };
            differences.push(Difference {
                path: their.path.clone(),
                level: agreed + 1,
                ours: our.map_or_else(missing, describe),
                theirs: describe(their),
            });
        }
    }
    for our in rest.into_values().flatten() {
        score.nodes += 1;
        differences.push(Difference {
            path: our.path.clone(),
            level: 1,
            ours: describe(our),
            theirs: "nothing".to_owned(),
        });
    }
    (score, differences)
}

/// A package that the reference refuses to compile counts as one node.
fn compare_failures(ours: &Outcome, theirs: &Outcome) -> (Score, Vec<Difference>) {
    if ours.poison.is_none() && !ours.error.is_empty() {
        return (
            Score {
                nodes: 1,
                levels: [1; 3],
            },
            Vec::new(),
        );
    }
    let ours = ours
        .poison
        .map_or("a value".to_owned(), |poison| format!("{poison:?}"));
    let difference = Difference {
        path: String::new(),
        level: 1,
        ours,
        theirs: theirs.error.clone(),
    };
    (
        Score {
            nodes: 1,
            levels: [0; 3],
        },
        vec![difference],
    )
}

/// The highest level at which two nodes agree.
pub(crate) fn agreement(ours: &Node, theirs: &Node) -> u8 {
    if ours.code != theirs.code {
        return 0;
    }
    let value = ours.arc == theirs.arc
        && ours.kind == theirs.kind
        && same_json(ours.leaf.as_deref(), theirs.leaf.as_deref());
    if !value {
        return 1;
    }
    let closed = ours.closed == theirs.closed
        && same_json(ours.default.as_deref(), theirs.default.as_deref());
    if closed { 3 } else { 2 }
}

/// Numbers are equal if their texts are.
fn same_json(ours: Option<&RawValue>, theirs: Option<&RawValue>) -> bool {
    match (ours, theirs) {
        (None, None) => true,
        (Some(ours), Some(theirs)) => {
            let (ours, theirs) = (ours.get(), theirs.get());
            ours == theirs || (!is_number(ours) && parsed(ours) == parsed(theirs))
        }
        _ => false,
    }
}

fn is_number(json: &str) -> bool {
    json.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

fn parsed(json: &str) -> Option<serde_json::Value> {
    serde_json::from_str(json).ok()
}

pub(crate) fn describe(node: &Node) -> String {
    let mut text = format!("{}{}", node.kind, node.arc);
    if !node.code.is_empty() {
        return format!("{} error: {}", node.code, node.message);
    }
    if let Some(leaf) = &node.leaf {
        text = format!("{text} {leaf}");
    }
    if let Some(default) = &node.default {
        text = format!("{text} default {default}");
    }
    if let Some(closed) = node.closed {
        text.push_str(if closed { " closed" } else { " open" });
    }
    if !node.order.is_empty() {
        text = format!("{text} {{{}}}", node.order.join(", "));
    }
    if !node.text.is_empty() {
        text = format!("{text} {}", node.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Score, compare};
    use crate::node::{Node, Outcome, Poison};

    fn node(path: &str, kind: &str, code: &str, leaf: Option<&str>) -> Node {
        Node {
            path: path.into(),
            kind: kind.into(),
            code: code.into(),
            leaf: leaf.map(|leaf| serde_json::value::RawValue::from_string(leaf.into()).unwrap()),
            ..Node::default()
        }
    }

    fn outcome(nodes: Vec<Node>) -> Outcome {
        Outcome {
            nodes,
            ..Outcome::default()
        }
    }

    #[test]
    fn equal_answers_agree_at_all_levels() {
        let make = || {
            outcome(vec![
                node("a", "int", "", Some("1")),
                node("b", "_|_", "eval", None),
            ])
        };
        let (score, differences) = compare(&make(), &make());
        assert_eq!(
            score,
            Score {
                nodes: 2,
                levels: [2; 3]
            }
        );
        assert!(differences.is_empty());
    }

    #[test]
    fn wrong_answers_are_found() {
        let theirs = outcome(vec![
            node("a", "int", "", Some("1")),
            node("b", "_|_", "eval", None),
            node("c", "float", "", Some("1.0")),
        ]);
        for (ours, level) in [
            (node("a", "int", "", Some("2")), 2),
            (node("a", "float", "", Some("1")), 2),
            (node("a", "_|_", "incomplete", None), 1),
            (node("x", "int", "", Some("1")), 1),
            (node("c", "float", "", Some("1")), 2),
        ] {
            let (score, differences) = compare(&outcome(vec![ours]), &theirs);
            assert!(score.levels[2] == 0, "{differences:?}");
            assert!(
                differences
                    .iter()
                    .any(|difference| difference.level == level)
            );
        }
    }

    #[test]
    fn no_answer_is_no_match() {
        let theirs = outcome(vec![node("a", "int", "", Some("1"))]);
        let ours = Outcome {
            poison: Some(Poison::Unsupported),
            error: "x".into(),
            ..Outcome::default()
        };
        assert_eq!(
            compare(&ours, &theirs).0,
            Score {
                nodes: 1,
                levels: [0; 3]
            }
        );
        let refused = Outcome {
            error: "refused".into(),
            ..Outcome::default()
        };
        assert_eq!(
            compare(&ours, &refused).0.levels,
            [0; 3],
            "unsupported is not an error found"
        );
        assert_eq!(compare(&outcome(vec![]), &refused).0.levels, [0; 3]);
    }
}
