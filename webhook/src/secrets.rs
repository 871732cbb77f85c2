//! The two Secrets: reading them as they change, and making them.
//!
//! Every replica follows both. Only the holder of the lease writes, and each write carries the resource version
//! that was read.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use pequod_api::names::{LABEL_PART_OF, PART_OF};
use pequod_policy::stamp::Keys;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::rotation::Content;

/// Follows one Secret; `seen` is told its content whenever it changes, `None` while there is no such Secret.
pub async fn follow(
    client: Client,
    namespace: &str,
    name: &str,
    shutdown: CancellationToken,
    mut seen: impl FnMut(Option<Secret>),
) {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let mut stream = pin!(watcher::watch_object(api, name).default_backoff());
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            event = stream.next() => match event {
                Some(Ok(secret)) => seen(secret),
                Some(Err(error)) => {
                    warn!(%error, secret = name, "a Secret cannot be watched; what is known stays in use");
                }
                None => return,
            },
        }
    }
}

/// The content of a certificate Secret. What is no text is left out, and so counts as missing.
pub fn content(secret: &Secret) -> Content {
    let text = |(key, value): (&String, &ByteString)| {
        Some((key.clone(), String::from_utf8(value.0.clone()).ok()?))
    };
    Content {
        data: secret.data.iter().flatten().filter_map(text).collect(),
        annotations: secret.metadata.annotations.clone().unwrap_or_default(),
    }
}

/// Writes the content of a certificate Secret; `old` is what was read.
pub async fn write_content(
    api: &Api<Secret>,
    name: &str,
    old: Option<Secret>,
    content: Content,
) -> Result<(), kube::Error> {
    let data = content
        .data
        .into_iter()
        .map(|(key, text)| (key, ByteString(text.into_bytes())));
    let mut secret = old.unwrap_or_else(|| new(name, "kubernetes.io/tls"));
    secret.data = Some(data.collect());
    secret.metadata.annotations = Some(content.annotations);
    write(api, name, &secret).await
}

async fn write(api: &Api<Secret>, name: &str, secret: &Secret) -> Result<(), kube::Error> {
    if secret.metadata.resource_version.is_some() {
        api.replace(name, &PostParams::default(), secret).await?;
    } else {
        api.create(&PostParams::default(), secret).await?;
    }
    Ok(())
}

fn new(name: &str, kind: &str) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([(
                LABEL_PART_OF.to_owned(),
                PART_OF.to_owned(),
            )])),
            ..ObjectMeta::default()
        },
        type_: Some(kind.to_owned()),
        ..Secret::default()
    }
}

/// How many days a stamp key signs before the next one does.
const KEY_DAYS: i64 = 90;
/// How many keys are kept: what the oldest of them signed was signed four years ago.
const KEYS_KEPT: usize = 16;

/// The keys in a Secret: one entry a key, named so that the newest comes last.
pub fn keys(secret: &Secret) -> Keys {
    Keys::new(
        secret
            .data
            .iter()
            .flatten()
            .map(|(id, key)| (id.clone(), key.0.clone())),
    )
}

/// Adds a stamp key if there is none or the newest is old.
pub async fn ensure_keys(api: &Api<Secret>, name: &str, now: Timestamp) -> Result<(), kube::Error> {
    let old = api.get_opt(name).await?;
    let known = old.as_ref().map(keys).unwrap_or_default();
    if known.ids().last().is_some_and(|id| !is_old(id, now)) {
        return Ok(());
    }
    let (Some(key), Some(tail)) = (random::<32>(), random::<3>()) else {
        warn!("there is no randomness for a stamp key");
        return Ok(());
    };
    let mut secret = old.unwrap_or_else(|| new(name, "policy.pequod.io/stamp-keys"));
    let data = secret.data.get_or_insert_default();
    data.insert(key_id(now, tail), ByteString(key.to_vec()));
    while data.len() > KEYS_KEPT {
        data.pop_first();
    }
    write(api, name, &secret).await
}

/// `20260301T120000Z-a1b2c3`
fn key_id(now: Timestamp, tail: [u8; 3]) -> String {
    let [a, b, c] = tail;
    format!("{}-{a:02x}{b:02x}{c:02x}", now.strftime("%Y%m%dT%H%M%SZ"))
}

fn is_old(id: &str, now: Timestamp) -> bool {
    let begun = id.split_once('-').and_then(|(time, _)| {
        let time = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    });
    // A key of another name was put there by somebody who rotates by hand.
    begun.is_some_and(|begun| now.duration_since(begun) > SignedDuration::from_hours(24 * KEY_DAYS))
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan};

    use super::{is_old, key_id};

    #[test]
    fn the_id_of_a_key_says_when_it_began_and_sorts_by_it() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let id = key_id(now, [1, 2, 255]);
        assert_eq!(id, "20260301T120000Z-0102ff");
        assert!(!is_old(&id, now + (24 * 89).hours()));
        assert!(is_old(&id, now + (24 * 91).hours()));
        assert!(key_id(now + 1.second(), [0, 0, 0]) > id);
        assert!(!is_old("mine", now));
    }
}
