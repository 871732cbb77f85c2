//! One text for one value: keys in the order of their bytes, no white space. What digests are made of.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The value with all keys in order.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(
                fields
                    .into_iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect(),
            )
        }
        scalar => scalar.clone(),
    }
}

/// The value's canonical text.
pub fn canonical(value: &Value) -> String {
    sorted(value).to_string()
}

/// `sha256:` and the digest of the value's canonical text, in hexadecimal.
///
/// ```
/// use serde_json::json;
///
/// let one = pequod_render::digest(&json!({"a": 1, "b": 2}));
/// assert_eq!(one, pequod_render::digest(&json!({"b": 2, "a": 1})));
/// assert!(one.starts_with("sha256:"));
/// ```
pub fn digest(value: &Value) -> String {
    let hash = Sha256::digest(canonical(value).as_bytes());
    hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    })
}
