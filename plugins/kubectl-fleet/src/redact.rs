//! What never leaves a cluster: copies of objects, bookkeeping, and anything that looks like a secret.
//!
//! Annotations hold more than notes: `kubectl apply` keeps the whole object in one, charts and operators put tokens and
//! passwords into others. The rule errs on the safe side: a value that looks like a credential is replaced, whatever
//! its key says, and a key that names a credential loses its value, whatever it looks like.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::record::cut;

/// What stands in place of a secret value.
pub const REDACTED: &str = "<redacted>";
/// The longest annotation value that is kept, in bytes.
const VALUE_BYTES: usize = 256;
/// How many annotations of one object are kept.
const COUNT: usize = 32;

/// Annotations that are copies of the object or bookkeeping of tools.
const COPIES: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    "kapp.k14s.io/original",
    "kapp.k14s.io/original-diff-md5",
    "objectset.rio.cattle.io/applied",
    "banzaicloud.com/last-applied",
    "deployment.kubernetes.io/revision-history",
    "control-plane.alpha.kubernetes.io/leader",
];

/// Words that name a credential when they are a part of a key.
const SECRET_WORDS: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "credential",
    "credentials",
    "privatekey",
    "accesskey",
    "secretkey",
    "passphrase",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "dockerconfigjson",
];

/// The annotations of an object that may be shown.
pub fn annotations(raw: Option<&Map<String, Value>>) -> BTreeMap<String, String> {
    let Some(raw) = raw else {
        return BTreeMap::new();
    };
    let mut kept: BTreeMap<String, String> = raw
        .iter()
        .filter(|(key, _)| {
            !COPIES.contains(&key.as_str()) && !key.ends_with("last-applied-configuration")
        })
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?)))
        .map(|(key, value)| {
            let shown = if names_secret(&key) || looks_secret(value) {
                REDACTED.to_owned()
            } else {
                cut(value, VALUE_BYTES)
            };
            (key, shown)
        })
        .collect();
    while kept.len() > COUNT {
        kept.pop_last();
    }
    kept
}

/// A text from a status that may be shown: cut, and without words that look like a credential.
pub fn text(raw: &str, bytes: usize) -> String {
    if !raw.split_whitespace().any(looks_secret) {
        return cut(raw, bytes);
    }
    let words: Vec<&str> = raw
        .split_whitespace()
        .map(|word| if looks_secret(word) { REDACTED } else { word })
        .collect();
    cut(&words.join(" "), bytes)
}

/// Whether a key names a credential: one of its words is such a word, or ends in one (`dbPassword`).
fn names_secret(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key).to_ascii_lowercase();
    let joined: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|word| SECRET_WORDS.contains(&word))
        || [
            "password",
            "token",
            "apikey",
            "privatekey",
            "accesskey",
            "secretkey",
            "credentials",
        ]
        .iter()
        .any(|word| joined.ends_with(word))
}

/// How credentials of known issuers begin.
const PREFIXES: &[&str] = &[
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "AIza",
    "hvs.",
    "s.",
    "dop_v1_",
    "npm_",
    "eyJhbGciOi",
    "Bearer ",
    "Basic ",
    "-----BEGIN ",
];

/// Whether a value looks like a credential: a known prefix, a URL with a password, a PEM block, or a long random word.
fn looks_secret(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'', ',', ';']);
    let long_enough = value.len() >= 20;
    if long_enough && PREFIXES.iter().any(|prefix| value.starts_with(prefix)) {
        return true;
    }
    if value.contains("PRIVATE KEY-----") {
        return true;
    }
    // scheme://user:password@host
    if let Some((_, rest)) = value.split_once("://") {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        if authority
            .rsplit_once('@')
            .is_some_and(|(user, _)| user.contains(':'))
        {
            return true;
        }
    }
    let lower = value.to_ascii_lowercase();
    [
        "password=",
        "passwd=",
        "pwd=",
        "token=",
        "secret=",
        "api_key=",
        "apikey=",
    ]
    .iter()
    .any(|assignment| lower.contains(assignment))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(value: &Value) -> BTreeMap<String, String> {
        annotations(value.as_object())
    }

    #[test]
    fn copies_of_the_object_are_dropped() {
        let kept = kept(&json!({
            "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"password\":\"hunter2\"}}",
            "description": "Web server",
        }));
        assert_eq!(
            kept.into_iter().collect::<Vec<_>>(),
            [("description".to_owned(), "Web server".to_owned())]
        );
    }

    #[test]
    fn credentials_are_replaced_by_key_and_by_value() {
        let kept = kept(&json!({
            "example.com/db-password": "x",
            "example.com/dbPassword": "x",
            "example.com/API_TOKEN": "x",
            "note": "ghp_0123456789abcdefghijklmnop",
            "url": "postgres://app:hunter2@db:5432/app",
            "dsn": "host=db user=app password=hunter2",
            "key": "-----BEGIN EC PRIVATE KEY-----\nMHc",
        }));
        assert!(kept.values().all(|value| value == REDACTED), "{kept:?}");
    }

    #[test]
    fn harmless_values_stay() {
        let kept = kept(&json!({
            "url": "https://example.com/a@b:c",
            "prometheus.io/scrape": "true",
            "author": "Ada",
            "checksum/config": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        }));
        assert!(!kept.values().any(|value| value == REDACTED), "{kept:?}");
    }

    #[test]
    fn hostile_sizes_are_bounded() {
        let many: Map<String, Value> = (0..1000)
            .map(|n| (format!("k{n:04}"), json!("é".repeat(10_000))))
            .collect();
        let kept = annotations(Some(&many));
        assert_eq!(kept.len(), COUNT);
        assert!(kept.values().all(|value| value.len() <= VALUE_BYTES));
    }

    #[test]
    fn a_status_message_loses_its_credential_only() {
        assert_eq!(
            text(
                "cannot reach postgres://app:hunter2@db:5432/app : timeout",
                512
            ),
            "cannot reach <redacted> : timeout"
        );
    }
}
