//! When the serving certificate changes, and in which steps, so that no call fails on the way.
//!
//! The state lies in one Secret, is changed by one process (the holder of the lease), and every replica serves
//! what it finds there. The API server trusts what stands in the webhook configurations' `caBundle`.
//!
//! | stage | entered when | trusted | served |
//! | --- | --- | --- | --- |
//! | none | there is no usable Secret | – | – |
//! | steady | at first, or [`OVERLAP`] after switching | the authority in use | the certificate in use |
//! | announced | the certificate nears its end, its names changed, or somebody asked | both authorities | the old certificate |
//! | switched | [`ANNOUNCE`] after the bundle was announced | both authorities | the new certificate |
//!
//! [`next`] is the transition function: pure, given the clock. Each step is one write of the Secret; a crash
//! between two of them loses nothing, for the next holder goes on from what it finds.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::certificate::{CertificateError, RENEW_DAYS, issue};

/// From when both authorities stand in the configurations until the new certificate is served: time for every
/// API server to see the change.
pub const ANNOUNCE: Duration = Duration::from_secs(10);
/// From when the new certificate is served until the old authority is dropped: time for every replica.
pub const OVERLAP: Duration = Duration::from_mins(10);

/// Key of the serving certificate, as Secrets of type `kubernetes.io/tls` have it.
pub const CERTIFICATE: &str = "tls.crt";
/// Key of its private key.
pub const KEY: &str = "tls.key";
/// Key of everything the API server is to trust.
pub const BUNDLE: &str = "ca.crt";
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
/// The authority of the newest certificate: what stays in the bundle when the old one goes.
const NEWEST_AUTHORITY: &str = "newest-ca.crt";

/// Annotation: until when the certificate in use, or the announced one, is valid.
const NOT_AFTER: &str = "policy.pequod.io/not-after";
/// Annotation: the names it is for, joined by commas.
const NAMES: &str = "policy.pequod.io/names";
/// Annotation: `announced` or `switched`, a space, and when.
const STAGE: &str = "policy.pequod.io/rotation";
/// Annotation that anybody who may write the Secret can set to have the certificate rotated now.
pub const REQUEST: &str = "policy.pequod.io/rotate";

/// The content of the Secret: its data as text, and its annotations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// `data`.
    pub data: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
}

/// How long the stages last. Tests of a whole rotation are impatient.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// See [`ANNOUNCE`].
    pub announce: Duration,
    /// See [`OVERLAP`].
    pub overlap: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            announce: ANNOUNCE,
            overlap: OVERLAP,
        }
    }
}

enum Stage {
    None,
    Steady,
    Announced(Timestamp),
    Switched(Timestamp),
}

impl Content {
    fn stage(&self) -> Stage {
        if ![CERTIFICATE, KEY, BUNDLE]
            .iter()
            .all(|key| self.data.contains_key(*key))
        {
            return Stage::None;
        }
        let stage = self.annotations.get(STAGE).and_then(|text| {
            let (word, since) = text.split_once(' ')?;
            Some((word, since.parse().ok()?))
        });
        match stage {
            Some(("announced", since)) if self.data.contains_key(NEXT_KEY) => {
                Stage::Announced(since)
            }
            Some(("switched", since)) => Stage::Switched(since),
            _ => Stage::Steady,
        }
    }

    /// Until when the newest certificate is valid; `None` if it is not known.
    pub fn not_after(&self) -> Option<Timestamp> {
        self.annotations.get(NOT_AFTER)?.parse().ok()
    }

    fn is_due(&self, names: &str, now: Timestamp) -> bool {
        let margin = SignedDuration::from_hours(24 * RENEW_DAYS);
        self.annotations.contains_key(REQUEST)
            || self.annotations.get(NAMES).map(String::as_str) != Some(names)
            || self
                .not_after()
                .is_none_or(|end| end.duration_since(now) < margin)
    }
}

/// The content that the Secret should have now; `None` if it is right as it is.
pub fn next(
    content: &Content,
    names: &[String],
    pace: Pace,
    now: Timestamp,
) -> Result<Option<Content>, CertificateError> {
    let joined = names.join(",");
    let passed = |since: Timestamp, wait: Duration| {
        // A clock that went backwards must not make a stage last for ever.
        now < since || now.duration_since(since).unsigned_abs() >= wait
    };
    let mut new = content.clone();
    match content.stage() {
        Stage::None => {
            let issued = issue(names, now)?;
            new.data.clear();
            new.data.insert(CERTIFICATE.to_owned(), issued.certificate);
            new.data.insert(KEY.to_owned(), issued.key.expose().clone());
            new.data.insert(BUNDLE.to_owned(), issued.authority.clone());
            new.data
                .insert(NEWEST_AUTHORITY.to_owned(), issued.authority);
            new.annotations
                .insert(NOT_AFTER.to_owned(), issued.not_after.to_string());
            new.annotations.insert(NAMES.to_owned(), joined);
            new.annotations.remove(STAGE);
            new.annotations.remove(REQUEST);
        }
        Stage::Steady if content.is_due(&joined, now) => {
            let issued = issue(names, now)?;
            let old = content
                .data
                .get(BUNDLE)
                .map(String::as_str)
                .unwrap_or_default();
            new.data
                .insert(BUNDLE.to_owned(), format!("{}{}", issued.authority, old));
            new.data
                .insert(NEWEST_AUTHORITY.to_owned(), issued.authority);
            new.data
                .insert(NEXT_CERTIFICATE.to_owned(), issued.certificate);
            new.data
                .insert(NEXT_KEY.to_owned(), issued.key.expose().clone());
            new.annotations
                .insert(NOT_AFTER.to_owned(), issued.not_after.to_string());
            new.annotations.insert(NAMES.to_owned(), joined);
            new.annotations
                .insert(STAGE.to_owned(), format!("announced {now}"));
            new.annotations.remove(REQUEST);
        }
        Stage::Announced(since) if passed(since, pace.announce) => {
            for (from, to) in [(NEXT_CERTIFICATE, CERTIFICATE), (NEXT_KEY, KEY)] {
                if let Some(text) = new.data.remove(from) {
                    new.data.insert(to.to_owned(), text);
                }
            }
            new.annotations
                .insert(STAGE.to_owned(), format!("switched {now}"));
        }
        Stage::Switched(since) if passed(since, pace.overlap) => {
            if let Some(newest) = content.data.get(NEWEST_AUTHORITY) {
                new.data.insert(BUNDLE.to_owned(), newest.clone());
            }
            new.annotations.remove(STAGE);
        }
        Stage::Steady | Stage::Announced(_) | Stage::Switched(_) => return Ok(None),
    }
    Ok(Some(new))
}

#[cfg(test)]
mod tests {
    use jiff::{Timestamp, ToSpan};

    use super::{BUNDLE, CERTIFICATE, Content, Pace, REQUEST, next};

    fn names() -> Vec<String> {
        vec!["web.pequod.svc".to_owned()]
    }

    fn step(content: &Content, now: Timestamp) -> Option<Content> {
        next(content, &names(), Pace::default(), now).unwrap()
    }

    fn start() -> (Content, Timestamp) {
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
        (step(&Content::default(), now).unwrap(), now)
    }

    fn authorities(content: &Content) -> usize {
        content.data[BUNDLE].matches("BEGIN CERTIFICATE").count()
    }

    #[test]
    fn a_fresh_certificate_stays() {
        let (content, now) = start();
        assert_eq!(authorities(&content), 1);
        assert_eq!(step(&content, now), None);
        assert_eq!(step(&content, now + (24 * 59).hours()), None);
    }

    #[test]
    fn trust_comes_before_use_and_goes_after_it() {
        let (old, mut now) = start();
        now += (24 * 61).hours();
        let announced = step(&old, now).unwrap();
        assert_eq!(authorities(&announced), 2, "both are trusted");
        assert_eq!(
            announced.data[CERTIFICATE], old.data[CERTIFICATE],
            "the old is served"
        );
        assert_eq!(step(&announced, now + 9.seconds()), None);

        now += 10.seconds();
        let switched = step(&announced, now).unwrap();
        assert_eq!(authorities(&switched), 2);
        assert_ne!(switched.data[CERTIFICATE], old.data[CERTIFICATE]);
        assert!(
            !switched.data.contains_key("next.key"),
            "no key is kept twice"
        );
        assert_eq!(step(&switched, now + 9.minutes()), None);

        now += 10.minutes();
        let steady = step(&switched, now).unwrap();
        assert_eq!(authorities(&steady), 1);
        assert!(
            !steady.data[BUNDLE].contains(old.data[BUNDLE].trim()),
            "the old is dropped"
        );
        assert_eq!(steady.data[CERTIFICATE], switched.data[CERTIFICATE]);
        assert_eq!(step(&steady, now), None);
    }

    #[test]
    fn it_rotates_on_request_and_when_names_change() {
        let (mut content, now) = start();
        let other = vec!["other.pequod.svc".to_owned()];
        assert!(
            next(&content, &other, Pace::default(), now)
                .unwrap()
                .is_some()
        );
        content
            .annotations
            .insert(REQUEST.to_owned(), "now".to_owned());
        let announced = step(&content, now).unwrap();
        assert!(!announced.annotations.contains_key(REQUEST), "once");
    }

    #[test]
    fn a_damaged_secret_is_made_anew() {
        let (mut content, now) = start();
        content.data.remove(CERTIFICATE);
        assert!(step(&content, now).unwrap().data.contains_key(CERTIFICATE));
        content.annotations.clear();
        assert!(step(&content, now).is_some());
    }
}
