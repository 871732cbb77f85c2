//! Secrets as they may be shown.

use serde_json::Value;

/// The object; if it is a Secret, its values masked.
pub(crate) fn object(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Secret" && object["apiVersion"] == "v1" {
        for field in ["data", "stringData"] {
            if let Some(Value::Object(entries)) = object.get_mut(field) {
                for value in entries.values_mut() {
                    *value = Value::from("(masked)");
                }
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::object;
    use serde_json::json;

    #[test]
    fn only_the_values_of_secrets_are_masked() {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}, "type": "Opaque"});
        let shown = object(&secret);
        assert_eq!(shown["data"]["a"], "(masked)");
        assert_eq!(shown["type"], "Opaque");
        let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "x"}});
        assert_eq!(object(&other), other);
    }
}
