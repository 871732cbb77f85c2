//! Who asks, and how often.
//!
//! A token is either one of a file (a Secret, read again when it changes) or one that the API
//! server knows (TokenReview), whose owner may `get storagefindings.storage.pequod.io`
//! (SubjectAccessReview). Answers about tokens are remembered for a minute, by hash.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest, Sha256};

const REMEMBERED: Duration = Duration::from_mins(1);
/// More tokens than this are not remembered: somebody is guessing.
const MOST_REMEMBERED: usize = 10_000;

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No token, or one that nobody knows.
    Unknown,
    /// A known one that may not.
    Forbidden,
    /// The API server could not be asked.
    Unavailable,
    /// Too many; seconds until the next one is answered.
    TooMany(u64),
}

type Key = [u8; 32];
/// When the API server was asked, and what it said.
type Reviewed = (Instant, Result<String, Refused>);

fn key(token: &str) -> Key {
    Sha256::digest(token.as_bytes()).into()
}

#[derive(Debug, Default)]
struct Tokens {
    read: Option<SystemTime>,
    names: HashMap<Key, String>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// The gate in front of the API.
pub struct Gate {
    file: Option<PathBuf>,
    client: Option<Client>,
    per_second: f64,
    tokens: Mutex<Tokens>,
    reviewed: Mutex<HashMap<Key, Reviewed>>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate for the tokens of a file, one `NAME TOKEN` a line, and for those of a cluster.
    pub fn new(file: Option<PathBuf>, client: Option<Client>, per_second: f64) -> Self {
        Self {
            file,
            client,
            per_second: per_second.max(0.1),
            tokens: Mutex::default(),
            reviewed: Mutex::default(),
            buckets: Mutex::default(),
        }
    }

    /// The name of whoever has the token, if it may ask and has not asked too often.
    pub async fn admit(&self, token: Option<&str>) -> Result<String, Refused> {
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or(Refused::Unknown)?;
        let key = key(token);
        let name = match self.of_file(&key) {
            Some(name) => name,
            None => self.of_cluster(key, token).await?,
        };
        self.take(&name, Instant::now())?;
        Ok(name)
    }

    fn of_file(&self, key: &Key) -> Option<String> {
        let path = self.file.as_ref()?;
        let changed = std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if changed.is_none() || tokens.read != changed {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            tokens.names = text
                .lines()
                .filter_map(|line| line.trim().split_once(char::is_whitespace))
                .map(|(name, token)| (self::key(token.trim()), name.to_owned()))
                .collect();
            tokens.read = changed;
        }
        tokens.names.get(key).cloned()
    }

    async fn of_cluster(&self, key: Key, token: &str) -> Result<String, Refused> {
        let client = self.client.as_ref().ok_or(Refused::Unknown)?;
        {
            let known = self.reviewed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, answer)) = known.get(&key)
                && at.elapsed() < REMEMBERED
            {
                return answer.clone();
            }
        }
        let answer = review(client, token).await;
        if answer != Err(Refused::Unavailable) {
            let mut known = self.reviewed.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, (at, _)| at.elapsed() < REMEMBERED);
            if known.len() < MOST_REMEMBERED {
                known.insert(key, (Instant::now(), answer.clone()));
            }
        }
        answer
    }

    /// One request of a client's share: a second's worth may come at once.
    fn take(&self, name: &str, now: Instant) -> Result<(), Refused> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(name.to_owned()).or_insert(Bucket {
            left: self.per_second.max(1.0),
            at: now,
        });
        let gained = now.duration_since(bucket.at).as_secs_f64() * self.per_second;
        bucket.left = (bucket.left + gained).min(self.per_second.max(1.0));
        bucket.at = now;
        if bucket.left >= 1.0 {
            bucket.left -= 1.0;
            return Ok(());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds, rounded up"
        )]
        let wait = ((1.0 - bucket.left) / self.per_second).ceil() as u64;
        Err(Refused::TooMany(wait.max(1)))
    }
}

async fn review(client: &Client, token: &str) -> Result<String, Refused> {
    let reviews: Api<TokenReview> = Api::all(client.clone());
    let question = TokenReview {
        spec: TokenReviewSpec {
            token: Some(token.to_owned()),
            ..TokenReviewSpec::default()
        },
        ..TokenReview::default()
    };
    let answer = reviews
        .create(&PostParams::default(), &question)
        .await
        .map_err(|_| Refused::Unavailable)?;
    let status = answer.status.unwrap_or_default();
    let user = status
        .user
        .filter(|_| status.authenticated == Some(true))
        .ok_or(Refused::Unknown)?;
    let name = user.username.clone().ok_or(Refused::Unknown)?;
    let accesses: Api<SubjectAccessReview> = Api::all(client.clone());
    let question = SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: user.username,
            groups: user.groups,
            uid: user.uid,
            extra: user.extra,
            resource_attributes: Some(ResourceAttributes {
                group: Some("storage.pequod.io".to_owned()),
                resource: Some("storagefindings".to_owned()),
                verb: Some("get".to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    };
    let answer = accesses
        .create(&PostParams::default(), &question)
        .await
        .map_err(|_| Refused::Unavailable)?;
    if answer.status.is_some_and(|status| status.allowed) {
        Ok(name)
    } else {
        Err(Refused::Forbidden)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rotated_token_works_at_once_and_the_old_one_no_more() {
        let path = std::env::temp_dir().join(format!("pequod-tokens-{}", std::process::id()));
        std::fs::write(&path, "anna one\n").unwrap();
        let gate = Gate::new(Some(path.clone()), None, 10.0);
        assert_eq!(gate.admit(Some("one")).await, Ok("anna".to_owned()));
        let later = SystemTime::now() + Duration::from_secs(5);
        std::fs::write(&path, "anna two\n").unwrap();
        std::fs::File::open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(gate.admit(Some("one")).await, Err(Refused::Unknown));
        assert_eq!(gate.admit(Some("two")).await, Ok("anna".to_owned()));
        assert_eq!(gate.admit(None).await, Err(Refused::Unknown));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn each_client_has_its_own_share() {
        let gate = Gate::new(None, None, 2.0);
        let now = Instant::now();
        assert_eq!(gate.take("anna", now), Ok(()));
        assert_eq!(gate.take("anna", now), Ok(()));
        assert_eq!(gate.take("anna", now), Err(Refused::TooMany(1)));
        assert_eq!(gate.take("emma", now), Ok(()));
        assert_eq!(gate.take("anna", now + Duration::from_secs(1)), Ok(()));
    }
}
