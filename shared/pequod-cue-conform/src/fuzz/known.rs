//! Differences that are meant: each has its row, with the reason, in the `[known]` part of
//! docs/cue-ledger.toml.

use std::collections::BTreeMap;

use pequod_cue_num::Decimal;
use pequod_cue_yaml::{Node as Yaml, Value};
use serde_json::value::RawValue;

use crate::node::Node;

/// All of them.
pub const NAMES: &[&str] = &[
    "asked-again",
    "matched-as-expected",
    "negative-zero",
    "open-list-arms",
    "says-bug",
    WRITTEN_OTHERWISE,
    "yaml-literals",
];

/// The reference says what we say, if the same program is written in another way.
pub(super) const WRITTEN_OTHERWISE: &str = "written-otherwise";

/// The paths that only were in error, or closed, once the reference was asked for them (`asked-again`). One that is a
/// struct or list when it is asked for its type, and none when it is asked whether it is closed, is such, too.
pub fn asked_again(theirs: &[Node]) -> Vec<&str> {
    let changed = |node: &Node| {
        matches!(&*node.kind, "struct" | "list") && node.code.is_empty() && node.closed.is_none()
    };
    let again = theirs.iter().filter(|node| node.again || changed(node));
    again.map(|node| &*node.path).collect()
}

/// Whether the reference says that a value fails because as many schemas matched as were expected (`matched-as-expected`).
pub fn matched_as_expected(theirs: &Node) -> bool {
    let Some((before, expected)) = theirs.message.split_once(" matched, expected ") else {
        return false;
    };
    let matched = before.rsplit(' ').next();
    let expected = expected.split(|c: char| !c.is_ascii_digit()).next();
    matched.is_some_and(|count| !count.is_empty()) && matched == expected
}

/// Whether the reference's reason is a bug of its own, by its own words (`says-bug`): it could not print what it met where
/// an argument should have been, or went to where nothing is and caught itself.
pub fn says_bug(theirs: &Node) -> bool {
    let bugs = [
        "BUG: non-stringifiable",
        "runtime error: invalid memory address or nil pointer dereference",
    ];
    bugs.iter().any(|bug| theirs.message.contains(bug))
}

/// Which of them it is that lies between two answers, if one does.
pub fn difference(ours: &Node, theirs: &Node) -> Option<&'static str> {
    if open_list_arms(ours, theirs) {
        return Some("open-list-arms");
    }
    let same_otherwise = ours.kind == theirs.kind && ours.arc == theirs.arc;
    let (ours, theirs) = match (&ours.leaf, &theirs.leaf) {
        (None, None) if same_otherwise => (ours.default.as_ref()?, theirs.default.as_ref()?),
        (ours, theirs) => (ours.as_ref()?, theirs.as_ref()?),
    };
    let (ours, theirs) = (ours.get(), theirs.get());
    if same_but_for(ours, theirs, |ours, theirs| {
        theirs.strip_prefix('-') == Some(ours) && number(ours).is_some_and(|n| n.is_zero())
    }) {
        return Some("negative-zero");
    }
    same_but_for(ours, theirs, |ours, theirs| {
        let text = |json| serde_json::from_str::<String>(json);
        matches!((text(ours), text(theirs)), (Ok(ours), Ok(theirs)) if same_yaml(&ours, &theirs))
    })
    .then_some("yaml-literals")
}

/// Whether JSON is the same, but for scalars that count as the same. Scalars are compared as they are written: a number
/// that was read may have lost digits.
fn same_but_for(ours: &str, theirs: &str, same: fn(&str, &str) -> bool) -> bool {
    type List<'a> = Vec<&'a RawValue>;
    type Fields<'a> = BTreeMap<String, &'a RawValue>;
    let list = |json| serde_json::from_str::<List<'_>>(json);
    let fields = |json| serde_json::from_str::<Fields<'_>>(json);
    if let (Ok(ours), Ok(theirs)) = (list(ours), list(theirs)) {
        let mut pairs = ours.iter().zip(&theirs);
        return ours.len() == theirs.len()
            && pairs.all(|(ours, theirs)| same_but_for(ours.get(), theirs.get(), same));
    }
    if let (Ok(ours), Ok(theirs)) = (fields(ours), fields(theirs)) {
        return ours.len() == theirs.len()
            && ours.iter().all(|(name, value)| {
                let other = theirs.get(name);
                other.is_some_and(|other| same_but_for(value.get(), other.get(), same))
            });
    }
    ours == theirs || same(ours, theirs)
}

/// Whether two paths differ only by labels that are the same YAML but for how numbers are spelled: such text was made
/// the name of a field.
pub fn respelled(ours: &str, theirs: &str) -> bool {
    // What was marshalled ends in a newline, which a path has escaped; most paths are not worth taking apart.
    if !theirs.contains("\\n\"") {
        return false;
    }
    let (ours, theirs) = (labels(ours), labels(theirs));
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(&theirs)
            .all(|(ours, theirs)| ours == theirs || same_yaml(ours, theirs))
}

/// The labels of a path, without their quotes.
fn labels(mut path: &str) -> Vec<String> {
    let mut labels = Vec::new();
    while !path.is_empty() {
        let mut quoted = serde_json::Deserializer::from_str(path).into_iter::<String>();
        let text = path.starts_with('"').then(|| quoted.next()).flatten();
        let end = if let Some(Ok(text)) = text {
            labels.push(text);
            quoted.byte_offset()
        } else {
            let end = path.find('.').unwrap_or(path.len());
            labels.push(path[..end].to_owned());
            end
        };
        path = &path[end..];
        path = path.strip_prefix('.').unwrap_or(path);
    }
    labels
}

/// Whether ours is a choice of lists, one of them open, where theirs is a single list; or what is left of a choice, and
/// still open, where theirs was closed by an arm that failed.
fn open_list_arms(ours: &Node, theirs: &Node) -> bool {
    let lists = ours.kind == "list" && theirs.kind == "list" && ours.arc == theirs.arc;
    let several = ours.text.contains(" | ") && ours.text.contains("...]");
    let left = ours.text.is_empty() && ours.default.is_some() && theirs.default.is_none();
    lists && (several || left && ours.closed == theirs.closed) && theirs.text.is_empty()
}

/// Whether two texts are the same YAML but for how numbers are spelled.
fn same_yaml(ours: &str, theirs: &str) -> bool {
    // What was marshalled ends in a newline.
    if !ours.ends_with('\n') || !theirs.ends_with('\n') {
        return false;
    }
    match (pequod_cue_yaml::load(ours), pequod_cue_yaml::load(theirs)) {
        (Ok(ours), Ok(theirs)) => same_all(&ours, &theirs),
        _ => false,
    }
}

fn same_all(ours: &[Yaml], theirs: &[Yaml]) -> bool {
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|(ours, theirs)| same(&ours.value, &theirs.value))
}

fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(ours), Value::Number(theirs)) => match (number(ours), number(theirs)) {
            (Some(ours), Some(theirs)) => ours.compare(&theirs).is_eq(),
            _ => false,
        },
        (Value::Sequence(ours), Value::Sequence(theirs)) => same_all(ours, theirs),
        (Value::Mapping(ours), Value::Mapping(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| {
                    ours.0.text == theirs.0.text && same(&ours.1.value, &theirs.1.value)
                })
        }
        _ => ours == theirs,
    }
}

fn number(text: &str) -> Option<Decimal> {
    let number = pequod_cue_syntax::literal::Number::parse(text).ok()?;
    Decimal::parse(&number.decimal).ok()
}

#[cfg(test)]
mod tests {
    use super::{
        NAMES, asked_again, difference, matched_as_expected, respelled, same_yaml, says_bug,
    };
    use crate::ledger::Ledger;
    use crate::node::Node;
    use serde_json::value::RawValue;

    #[test]
    fn only_the_spelling_of_numbers_may_differ() {
        assert!(same_yaml("- 16\n- a: 1E+2\n", "- 0x10\n- a: 1e2\n"));
        assert!(!same_yaml("- 16\n", "- 17\n"));
        assert!(!same_yaml("a: 16\n", "b: 16\n"));
        assert!(!same_yaml("- 16\n", "- \"16\"\n"));
        assert!(!same_yaml("16", "0x10"));
        assert!(respelled(r#"a."- 16\n".b"#, r#"a."- 0x10\n".b"#));
        assert!(!respelled(r#"a."- 16\n".b"#, r#"a."- 0x10\n".c"#));
        assert!(!respelled(r#"a."- 16\n""#, r#"a."- 0x10\n".b"#));
        assert!(!respelled("a.16", "a.0x10"));
        let leaf = |json: &str| Node {
            leaf: RawValue::from_string(json.to_owned()).ok(),
            ..Node::default()
        };
        assert_eq!(
            difference(&leaf("\"16\\n\""), &leaf("\"0x10\\n\"")),
            Some("yaml-literals")
        );
        assert_eq!(difference(&leaf("16"), &leaf("17")), None);
        assert_eq!(difference(&leaf("0"), &leaf("-0")), Some("negative-zero"));
        assert_eq!(difference(&leaf("1"), &leaf("-1")), None);
        let default = |json: &str, kind: &str| Node {
            default: leaf(json).leaf,
            kind: kind.to_owned(),
            ..Node::default()
        };
        let (zero, other) = (default("0", "int"), default("0", "(int|string)"));
        let negative = default("-0", "(int|string)");
        assert_eq!(difference(&other, &negative), Some("negative-zero"));
        assert_eq!(difference(&zero, &negative), None);
        let decided = Node {
            leaf: leaf("-0").leaf,
            ..default("-0", "int")
        };
        assert_eq!(difference(&zero, &decided), None);
    }

    #[test]
    fn a_choice_of_lists_may_be_one_list() {
        let list = |text: &str| Node {
            kind: "list".to_owned(),
            text: text.to_owned(),
            ..Node::default()
        };
        let known = Some("open-list-arms");
        assert_eq!(difference(&list("*[] | [...]"), &list("")), known);
        assert_eq!(difference(&list("[1] | [2]"), &list("")), None);
        assert_eq!(difference(&list(""), &list("*[] | [...]")), None);
        let open = Node {
            default: RawValue::from_string("[4]".to_owned()).ok(),
            ..list("")
        };
        assert_eq!(difference(&open, &list("")), known);
        assert_eq!(difference(&list(""), &open), None);
    }

    #[test]
    fn a_count_that_is_as_expected_is_no_reason() {
        let said = |message: &str| Node {
            message: message.to_owned(),
            ..Node::default()
        };
        let fails = "x: invalid value {c:1} (does not satisfy matchN): x: ";
        assert!(matched_as_expected(&said(&format!(
            "{fails}1 matched, expected 1 (and 2 more errors)"
        ))));
        assert!(!matched_as_expected(&said(&format!(
            "{fails}0 matched, expected 1"
        ))));
        assert!(!matched_as_expected(&said(&format!(
            "{fails}1 matched, expected 12"
        ))));
        assert!(!matched_as_expected(&said(&format!(
            "{fails}1 matched, expected >1"
        ))));
        assert!(!matched_as_expected(&said("")));
        assert!(says_bug(&said(
            "a: error in call to list.Concat: BUG: non-stringifiable *adt.scheduler (and 1 more errors)"
        )));
        assert!(says_bug(&said(
            "a: error in call to list.Sort: runtime error: invalid memory address or nil pointer dereference"
        )));
        assert!(!says_bug(&said("a: conflicting values \"BUG\" and 1")));
    }

    #[test]
    fn numbers_are_compared_digit_by_digit() {
        let leaf = |json: &str| Node {
            leaf: RawValue::from_string(json.to_owned()).ok(),
            ..Node::default()
        };
        let between = |ours: &str, theirs: &str| difference(&leaf(ours), &leaf(theirs));
        assert_eq!(between("0", "-0"), Some("negative-zero"));
        assert_eq!(
            between(r#"{"a":[0,1]}"#, r#"{"a":[-0,1]}"#),
            Some("negative-zero")
        );
        assert_eq!(between("-0", "0"), None);
        assert_eq!(
            between("10000000000000000000001", "10000000000000000000002"),
            None
        );
        assert_eq!(between("[1.50]", "[1.5]"), None);
        assert_eq!(between("1e-400", "2e-400"), None);
        assert_eq!(
            between(r#"["16\n"]"#, r#"["0x10\n"]"#),
            Some("yaml-literals")
        );
        assert_eq!(between(r#"["16\n",1]"#, r#"["0x10\n",2]"#), None);
    }

    #[test]
    fn a_struct_that_is_neither_open_nor_closed_was_asked_again() {
        let node = |path: &str, closed| Node {
            path: path.to_owned(),
            kind: "struct".to_owned(),
            closed,
            ..Node::default()
        };
        let nodes = [node("a", Some(true)), node("b", None)];
        assert_eq!(asked_again(&nodes), ["b"]);
    }

    #[test]
    fn every_known_difference_has_its_reason() {
        let text = std::fs::read_to_string(crate::ledger::file()).unwrap();
        let known = Ledger::parse(&text).known;
        let names: Vec<&str> = known.keys().map(String::as_str).collect();
        assert_eq!(names, NAMES);
        assert!(known.values().all(|reason| reason.len() > 40));
    }
}
