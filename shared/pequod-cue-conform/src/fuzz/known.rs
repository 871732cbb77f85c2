//! Differences that are meant: each has its row, with the reason, in the `[known]` part of
//! docs/cue-ledger.toml.

use pequod_cue_num::Decimal;
use pequod_cue_yaml::{Node as Yaml, Value};

use crate::node::Node;

/// All of them.
pub const NAMES: &[&str] = &["yaml-literals"];

/// Which of them it is that lies between two answers, if one does.
pub fn difference(ours: &Node, theirs: &Node) -> Option<&'static str> {
    let text = |node: &Node| serde_json::from_str::<String>(node.leaf.as_ref()?.get()).ok();
    let (ours, theirs) = (text(ours)?, text(theirs)?);
    same_yaml(&ours, &theirs).then_some(NAMES[0])
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
    use super::{NAMES, difference, same_yaml};
    use crate::ledger::Ledger;
    use crate::node::Node;

    #[test]
    fn only_the_spelling_of_numbers_may_differ() {
        assert!(same_yaml("- 16\n- a: 1E+2\n", "- 0x10\n- a: 1e2\n"));
        assert!(!same_yaml("- 16\n", "- 17\n"));
        assert!(!same_yaml("a: 16\n", "b: 16\n"));
        assert!(!same_yaml("- 16\n", "- \"16\"\n"));
        assert!(!same_yaml("16", "0x10"));
        let leaf = |json: &str| Node {
            leaf: serde_json::value::RawValue::from_string(json.to_owned()).ok(),
            ..Node::default()
        };
        assert_eq!(
            difference(&leaf("\"16\\n\""), &leaf("\"0x10\\n\"")),
            Some("yaml-literals")
        );
        assert_eq!(difference(&leaf("16"), &leaf("17")), None);
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
