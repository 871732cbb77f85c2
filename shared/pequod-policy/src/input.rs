//! What a policy is asked about.

use pequod_api::policy::KindSelector;
use serde_json::Value;

/// An object that is about to be written, and the request that writes it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The object as it would be stored.
    pub object: &'a Value,
    /// What policies see as `request`: operation, userInfo, oldObject, dryRun, options, name, namespace, kind.
    pub request: &'a Value,
}

impl Input<'_> {
    pub(crate) fn selected_by(&self, kinds: &[KindSelector]) -> bool {
        let fits = |pattern: &str, text: &str| pattern == "*" || pattern == text;
        kinds.is_empty()
            || kinds
                .iter()
                .any(|wanted| fits(&wanted.group, self.group) && fits(&wanted.kind, self.kind))
    }
}

/// Whether every field of `pattern` is in `object` and equal. Lists are compared whole.
pub(crate) fn contains(object: &Value, pattern: &Value) -> bool {
    match (object, pattern) {
        (Value::Object(object), Value::Object(pattern)) => pattern
            .iter()
            .all(|(key, wanted)| object.get(key).is_some_and(|value| contains(value, wanted))),
        (value, wanted) => value == wanted,
    }
}

#[cfg(test)]
mod tests {
    use pequod_api::policy::KindSelector;
    use serde_json::{Value, json};

    use super::{Input, contains};

    #[test]
    fn a_match_is_a_part_of_the_object() {
        let object =
            json!({"kind": "Pod", "metadata": {"labels": {"a": "1", "b": "2"}}, "list": [1, 2]});
        assert!(contains(&object, &json!({})));
        assert!(contains(
            &object,
            &json!({"kind": "Pod", "metadata": {"labels": {"a": "1"}}})
        ));
        assert!(contains(&object, &json!({"list": [1, 2]})));
        for other in [
            json!({"kind": "Job"}),
            json!({"metadata": {"labels": {"a": 1}}}),
            json!({"metadata": {"labels": {"c": "1"}}}),
            json!({"list": [1]}),
            json!({"metadata": "x"}),
        ] {
            assert!(!contains(&object, &other), "{other}");
        }
    }

    #[test]
    fn kinds_are_selected_by_group_and_name() {
        let deployment = Input {
            group: "apps",
            kind: "Deployment",
            namespace: "shop",
            object: &Value::Null,
            request: &Value::Null,
        };
        let selected = |group: &str, kind: &str| {
            deployment.selected_by(&[KindSelector {
                group: group.into(),
                kind: kind.into(),
            }])
        };
        assert!(deployment.selected_by(&[]));
        assert!(selected("apps", "Deployment"));
        assert!(selected("*", "*"));
        assert!(selected("*", "Deployment"));
        assert!(!selected("", "Deployment"));
        assert!(!selected("apps", "StatefulSet"));
    }
}
