//! What it means that two answers differ, and which differences are of one kind.

use std::collections::{BTreeMap, BTreeSet};

use super::known;
use crate::node::{Node, Outcome, Poison};

/// How two answers to one program compare, from harmless to grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// They agree at all levels.
    #[default]
    Same,
    /// They differ as the ledger says they do.
    Known,
    /// The values are the same; fields of a struct are output in another order.
    Order,
    /// The reference gave no answer: it panicked, or took too long.
    NoReference,
    /// We say that we do not have it.
    Unsupported,
    /// We ran into a budget.
    Limit,
    /// Both are errors, of another class.
    OtherError,
    /// The whole is an error on both sides; below it, values differ.
    BelowError,
    /// Ours is an error, theirs a value.
    OursError,
    /// Ours is a value, theirs another or an error.
    OursValue,
    /// We took too long.
    Timeout,
    /// We panicked.
    Crash,
}

impl Verdict {
    /// All, from harmless to grave.
    pub const ALL: [Self; 12] = [
        Self::Same,
        Self::Known,
        Self::Order,
        Self::NoReference,
        Self::Unsupported,
        Self::Limit,
        Self::OtherError,
        Self::BelowError,
        Self::OursError,
        Self::OursValue,
        Self::Timeout,
        Self::Crash,
    ];

    /// Its name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Known => "different as the ledger says",
            Self::Order => "fields in another order",
            Self::NoReference => "no official answer",
            Self::Unsupported => "unsupported",
            Self::Limit => "limit",
            Self::OtherError => "both errors, of another class",
            Self::BelowError => "both errors, another value below",
            Self::OursError => "ours an error, official a value",
            Self::OursValue => "ours a value, official differs",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
        }
    }
}

/// A verdict with the kind of the difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The gravest thing found.
    pub verdict: Verdict,
    /// Programs with the same signature most likely show the same cause.
    pub signature: String,
    /// Where, and what either side says.
    pub detail: String,
}

/// Compares answers.
pub fn judge(ours: &Outcome, theirs: &Outcome) -> Judgement {
    let plain = |verdict, signature: String, detail: String| Judgement {
        verdict,
        signature,
        detail,
    };
    if let Some(poison) = theirs.poison {
        return plain(Verdict::NoReference, format!("{poison:?}"), String::new());
    }
    if theirs.error.starts_with("panic:") {
        return plain(
            Verdict::NoReference,
            "panic".to_owned(),
            theirs.error.clone(),
        );
    }
    if let Some(poison) = ours.poison {
        let verdict = match poison {
            Poison::Unsupported => Verdict::Unsupported,
            Poison::Limit => Verdict::Limit,
            Poison::Crash => Verdict::Crash,
            Poison::Timeout => Verdict::Timeout,
        };
        return plain(verdict, template(&ours.error), ours.error.clone());
    }
    match (ours.error.is_empty(), theirs.error.is_empty()) {
        (false, false) => plain(Verdict::Same, String::new(), String::new()),
        (false, true) => {
            let fails = fails(&theirs.nodes);
            plain(
                if fails {
                    Verdict::OtherError
                } else {
                    Verdict::OursError
                },
                format!("refused: {}", template(&ours.error)),
                format!("ours refused: {}", ours.error),
            )
        }
        (true, false) => {
            let fails = fails(&ours.nodes);
            plain(
                if fails {
                    Verdict::OtherError
                } else {
                    Verdict::OursValue
                },
                format!("official refused: {}", template(&theirs.error)),
                format!("official refused: {}", theirs.error),
            )
        }
        (true, true) => judge_nodes(&ours.nodes, &theirs.nodes),
    }
}

/// Whether the whole is an error that no input repairs.
fn fails(nodes: &[Node]) -> bool {
    nodes
        .first()
        .is_some_and(|root| !matches!(&*root.code, "" | "incomplete" | "cycle"))
}

fn judge_nodes(ours: &[Node], theirs: &[Node]) -> Judgement {
    let broken = broken_on_both_sides(ours, theirs);
    let broken_here: Vec<&str> = broken_nodes(ours).filter(|path| !path.is_empty()).collect();
    let mut upstream = known::asked_again(theirs);
    let bugs: Vec<&str> = theirs
        .iter()
        .filter(|node| known::says_bug(node))
        .map(|node| &*node.path)
        .collect();
    // What is above only tells of it.
    let is_above = |path: &str| bugs.iter().any(|bug| *bug != path && lies_in(&[path], bug));
    let at_its_place = |path: &&str| !path.is_empty() && !is_above(path);
    upstream.extend(bugs.iter().copied().filter(at_its_place));
    let mut worst = Judgement {
        verdict: Verdict::Same,
        signature: String::new(),
        detail: String::new(),
    };
    let mut depth = 0;
    let mut note = |path: &str, verdict: Verdict, our: Option<&Node>, their: Option<&Node>| {
        let verdict = match verdict {
            Verdict::OursError | Verdict::OursValue if lies_in(&broken, path) => {
                Verdict::BelowError
            }
            Verdict::OursValue if lies_in(&upstream, path) => Verdict::Known,
            // Nobody gets a part of what is an error: an error it is that they get.
            Verdict::OursValue if lies_in(&broken_here, path) => Verdict::OursError,
            verdict => verdict,
        };
        let here = path.len() + 1;
        // The deepest of the gravest is nearest to the cause.
        if verdict > worst.verdict || (verdict == worst.verdict && here > depth) {
            depth = here;
            worst = Judgement {
                verdict,
                signature: format!("{} <> {}", kind(our), kind(their)),
                detail: format!("{path}: ours {}; official {}", show(our), show(their)),
            };
        }
    };
    let mut rest: BTreeMap<(&str, &str), &Node> = BTreeMap::new();
    for node in ours {
        rest.entry((&node.path, &node.arc)).or_insert(node);
    }
    for their in theirs {
        let our = [&*their.arc, "", "?", "!"]
            .into_iter()
            .find_map(|arc| rest.remove(&(&*their.path, arc)));
        let respelled =
            |(path, arc): &&(&str, &str)| *arc == their.arc && known::respelled(path, &their.path);
        let elsewhere = match our {
            None => rest.keys().find(respelled).copied(),
            Some(_) => None,
        };
        let elsewhere = elsewhere.and_then(|key| rest.remove(&key));
        let our = our.or(elsewhere);
        let verdict = match our {
            Some(our) if elsewhere.is_some() => compare(our, their).max(Verdict::Known),
            None if their.code.is_empty() => {
                if fails(ours) {
                    Verdict::OursError
                } else {
                    Verdict::OursValue
                }
            }
            None => Verdict::OtherError,
            Some(our) => compare(our, their),
        };
        if verdict != Verdict::Same {
            note(&their.path, verdict, our, Some(their));
        }
    }
    for our in rest.into_values() {
        let verdict = if our.code.is_empty() {
            Verdict::OursValue
        } else {
            Verdict::OtherError
        };
        note(&our.path, verdict, Some(our), None);
    }
    worst
}

/// The paths at which both sides say that the value is an error which no input repairs.
fn broken_on_both_sides<'n>(ours: &'n [Node], theirs: &[Node]) -> Vec<&'n str> {
    let theirs: BTreeSet<&str> = broken_nodes(theirs).collect();
    broken_nodes(ours)
        .filter(|path| theirs.contains(path))
        .collect()
}

/// The paths of what is an error that no input repairs.
fn broken_nodes(nodes: &[Node]) -> impl Iterator<Item = &str> {
    let broken = nodes
        .iter()
        .filter(|node| !matches!(&*node.code, "" | "incomplete" | "cycle"));
    broken.map(|node| &*node.path)
}

/// Whether a path leads into one of these values, or is one of them.
fn lies_in(broken: &[&str], path: &str) -> bool {
    broken.iter().any(|outer| match path.strip_prefix(outer) {
        Some(rest) => outer.is_empty() || rest.is_empty() || rest.starts_with('.'),
        None => false,
    })
}

fn compare(ours: &Node, theirs: &Node) -> Verdict {
    match (ours.code.is_empty(), theirs.code.is_empty()) {
        (true, true) if crate::compare::agreement(ours, theirs) == 3 => {
            if ours.order == theirs.order {
                Verdict::Same
            } else {
                Verdict::Order
            }
        }
        (true, true) if known::difference(ours, theirs).is_some() => Verdict::Known,
        (_, false)
            if ours.code != theirs.code
                && (known::matched_as_expected(theirs) || known::says_bug(theirs)) =>
        {
            Verdict::Known
        }
        (true, _) => Verdict::OursValue,
        (false, true) => Verdict::OursError,
        (false, false) if ours.code == theirs.code => Verdict::Same,
        (false, false) => Verdict::OtherError,
    }
}

fn kind(node: Option<&Node>) -> String {
    let Some(node) = node else {
        return "nothing".to_owned();
    };
    if node.code.is_empty() {
        let mut text = format!("{}{}", node.kind, node.arc);
        if node.default.is_some() {
            text.push_str(" with default");
        }
        if let Some(closed) = node.closed {
            text.push_str(if closed { " closed" } else { " open" });
        }
        return text;
    }
    format!("{}: {}", node.code, template(&node.message))
}

fn show(node: Option<&Node>) -> String {
    node.map_or("nothing".to_owned(), crate::compare::describe)
}

/// A message without what differs from program to program: paths, texts, numbers.
fn template(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    // Paths stand before a colon and hold no spaces.
    let mut line = line;
    while let Some((head, tail)) = line.split_once(": ") {
        if head.contains(' ') {
            break;
        }
        line = tail;
    }
    let mut out = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                if !quoted {
                    out.push('S');
                }
                quoted = !quoted;
            }
            _ if quoted => {}
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            c => out.push(c),
        }
        if out.len() > 70 {
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Verdict, judge, template};
    use crate::node::{Node, Outcome, Poison};

    fn node(path: &str, code: &str, leaf: &str) -> Node {
        Node {
            path: path.into(),
            kind: if code.is_empty() { "int" } else { "_|_" }.into(),
            code: code.into(),
            leaf: serde_json::value::RawValue::from_string(leaf.into()).ok(),
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
    fn each_difference_has_its_verdict() {
        let root = || node("", "", "");
        let failed = || node("", "eval", "");
        let cases = [
            (vec![root(), node("a", "", "1")], Verdict::Same),
            (vec![root(), node("a", "", "2")], Verdict::OursValue),
            (vec![root()], Verdict::OursValue),
            (vec![failed(), node("a", "eval", "")], Verdict::OursError),
        ];
        for (ours, verdict) in cases {
            let theirs = outcome(vec![root(), node("a", "", "1")]);
            assert_eq!(judge(&outcome(ours), &theirs).verdict, verdict);
        }
        let theirs = outcome(vec![failed(), node("a", "eval", ""), node("b", "", "1")]);
        let ours = |a, b: &str| outcome(vec![failed(), node("a", a, ""), node("b", "", b)]);
        assert_eq!(judge(&ours("eval", "1"), &theirs).verdict, Verdict::Same);
        assert_eq!(
            judge(&ours("cycle", "1"), &theirs).verdict,
            Verdict::OtherError
        );
        assert_eq!(
            judge(&ours("eval", "2"), &theirs).verdict,
            Verdict::BelowError
        );
        let nothing = Outcome {
            poison: Some(Poison::Crash),
            ..Outcome::default()
        };
        assert_eq!(judge(&nothing, &theirs).verdict, Verdict::Crash);
        let refused = Outcome {
            error: "in.cue:1:1: reference \"x\" not found".into(),
            ..Outcome::default()
        };
        assert_eq!(
            judge(&outcome(vec![root()]), &refused).verdict,
            Verdict::OursValue
        );
        assert_eq!(
            judge(&refused, &outcome(vec![root()])).verdict,
            Verdict::OursError
        );
    }

    #[test]
    fn what_lies_in_an_error_matters_less_than_what_lies_beside_it() {
        let answer = |inside, beside| {
            let broken = Node {
                arc: "?".into(),
                ..node("a", "eval", "")
            };
            let nodes = vec![
                node("", "", ""),
                broken,
                node("a.b", "", inside),
                node("ab", "", beside),
            ];
            outcome(nodes)
        };
        let verdict = |inside, beside| judge(&answer(inside, beside), &answer("1", "1")).verdict;
        assert_eq!(verdict("2", "1"), Verdict::BelowError);
        assert_eq!(verdict("1", "2"), Verdict::OursValue);
        let sound = outcome(vec![node("", "", ""), node("a", "", "1")]);
        assert_eq!(judge(&answer("1", "1"), &sound).verdict, Verdict::OursValue);
        let ours = outcome(vec![
            node("", "eval", ""),
            node("a", "eval", ""),
            node("a.b", "", "1"),
        ]);
        assert_eq!(judge(&ours, &sound).verdict, Verdict::OursError);
    }

    #[test]
    fn an_error_that_only_came_with_the_question_is_known() {
        let theirs = |again| {
            let asked = Node {
                again,
                ..node("a", "incomplete", "")
            };
            outcome(vec![node("", "", ""), asked])
        };
        let ours = outcome(vec![
            node("", "", ""),
            node("a", "", ""),
            node("a.b", "", "1"),
        ]);
        assert_eq!(judge(&ours, &theirs(true)).verdict, Verdict::Known);
        assert_eq!(judge(&ours, &theirs(false)).verdict, Verdict::OursValue);
    }

    #[test]
    fn what_lies_below_a_bug_of_the_reference_is_known() {
        let theirs = |message: &str| {
            let failed = Node {
                message: message.to_owned(),
                ..node("a", "eval", "")
            };
            outcome(vec![node("", "eval", ""), failed])
        };
        let ours = outcome(vec![
            node("", "", ""),
            node("a", "", ""),
            node("a.0", "", "1"),
        ]);
        let bug = "a: error in call to list.Sort: runtime error: invalid memory address or nil pointer dereference";
        let mut known = theirs(bug);
        known.nodes[0] = Node {
            message: bug.to_owned(),
            ..node("", "eval", "")
        };
        assert_eq!(judge(&ours, &known).verdict, Verdict::Known);
        assert_eq!(judge(&ours, &theirs("a: no")).verdict, Verdict::OursValue);
        let mut more = ours;
        more.nodes.push(node("b", "", "1"));
        assert_eq!(judge(&more, &known).verdict, Verdict::OursValue);
    }

    #[test]
    fn a_struct_that_only_the_question_closed_is_known() {
        let with = |closed, again| {
            let asked = Node {
                closed: Some(closed),
                again,
                ..node("a", "", "")
            };
            outcome(vec![node("", "", ""), asked])
        };
        let verdict = |again| judge(&with(false, false), &with(true, again)).verdict;
        assert_eq!(verdict(true), Verdict::Known);
        assert_eq!(verdict(false), Verdict::OursValue);
    }

    #[test]
    fn another_order_is_noticed_and_less_than_another_value() {
        let with = |order: &[&str], leaf| {
            let order = order.iter().map(|name| (*name).to_owned()).collect();
            let root = Node {
                order,
                ..node("", "", "")
            };
            outcome(vec![root, node("a", "", leaf), node("b", "", "1")])
        };
        let verdict = |ours, leaf| judge(&with(ours, leaf), &with(&["a", "b"], "1")).verdict;
        assert_eq!(verdict(&["a", "b"], "1"), Verdict::Same);
        assert_eq!(verdict(&["b", "a"], "1"), Verdict::Order);
        assert_eq!(verdict(&["b", "a"], "2"), Verdict::OursValue);
    }

    #[test]
    fn signatures_forget_names_and_numbers() {
        assert_eq!(
            template("a.b: conflicting values 12 and \"x\""),
            template("c: conflicting values 3 and \"yz\"")
        );
    }
}
