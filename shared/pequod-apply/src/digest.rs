//! Digests of JSON values: over the text with sorted keys, so that the order of keys never shows.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// `sha256:` and the digest of the value.
///
/// The same function as the renderer's; both crates must agree on it and neither may use the other.
pub fn digest(value: &Value) -> String {
    let mut hash = Sha256::new();
    feed(value, &mut hash);
    hex(&hash.finalize())
}

pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}

fn feed(value: &Value, hash: &mut Sha256) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            for (at, (key, value)) in fields.into_iter().enumerate() {
                hash.update(if at == 0 { "{" } else { "," });
                hash.update(Value::String(key.clone()).to_string());
                hash.update(":");
                feed(value, hash);
            }
            hash.update(
                if value.as_object().is_some_and(serde_json::Map::is_empty) {
                    "{}"
                } else {
                    "}"
                },
            );
        }
        Value::Array(items) => {
            hash.update("[");
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    hash.update(",");
                }
                feed(item, hash);
            }
            hash.update("]");
        }
        scalar => hash.update(scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn is_that_of_the_text_with_sorted_keys() {
        let value = json!({"b": [1, {"y": null, "x": "ü\n"}, []], "a": {}});
        let text = r#"{"a":{},"b":[1,{"x":"ü\n","y":null},[]]}"#;
        assert_eq!(digest(&value), of_bytes(text.as_bytes()));
    }
}
