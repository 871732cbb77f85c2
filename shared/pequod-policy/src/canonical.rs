//! One spelling for one value: what digests are taken over.
//!
//! JSON objects with their keys in byte order, no white space, without fields that are `null` (the API server
//! drops some of them between admission and storage). Numbers and strings are as `serde_json` writes them; both
//! sides of every comparison come from the API server's one encoder.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// Writes `value` to `out`.
pub(crate) fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, _)| key)
                .collect();
            keys.sort_unstable();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                // Writing to a String cannot fail.
                let _ = write!(out, "{}:", Value::String(key.clone()));
                write(&fields[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        scalar => {
            let _ = write!(out, "{scalar}");
        }
    }
}

/// `sha256:` and the digest of `text` in hexadecimal.
pub(crate) fn digest(text: &str) -> String {
    format!("sha256:{}", hex(&Sha256::digest(text.as_bytes())))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn key_order_and_nulls_do_not_matter() {
        let text = |value| {
            let mut out = String::new();
            super::write(&value, &mut out);
            out
        };
        assert_eq!(
            text(json!({"b": [1, null, "x\n"], "a": {"d": null, "c": 1.5}})),
            r#"{"a":{"c":1.5},"b":[1,null,"x\n"]}"#
        );
        assert_eq!(
            text(json!({"a": 1, "b": 2})),
            text(json!({"b": 2, "a": 1, "c": null}))
        );
    }
}
