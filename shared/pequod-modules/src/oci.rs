//! Artifacts of OCI registries, by the distribution API.
//!
//! Three requests (manifest, blob, perhaps a token) are all that fetching a module takes, so this is written on the
//! HTTP client that the workspace has: a registry library would bring a second TLS configuration and ten times the
//! code. Every answer has a size limit and every request a time limit; what may pass is tried again with growing
//! pauses. Digests are checked, never believed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

/// The most that a manifest may hold.
const MAX_MANIFEST: usize = 4 << 20;
/// The most that a packed module may hold.
const MAX_BLOB: usize = 64 << 20;
/// How often a request is tried.
const TRIES: u32 = 4;

/// Why something could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OciError {
    /// The reference is none.
    #[error("{0:?} is no reference to an artifact")]
    Reference(String),
    /// There is no such artifact.
    #[error("module not found")]
    NotFound,
    /// The registry wants other credentials, or any.
    #[error("{0}")]
    Denied(String),
    /// The registry does not answer, or not in time, or with an error of its own.
    #[error("{0}")]
    Unreachable(String),
    /// What came is not what was asked for.
    #[error("{0}")]
    Wrong(String),
    /// It is too large.
    #[error("{0}")]
    Limit(String),
}

/// Where an artifact is: `ghcr.io/acme/shop:v1.2.0@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Host, perhaps with a port.
    pub host: String,
    /// Its name there.
    pub repository: String,
    /// `v1.2.0`; `latest` where neither tag nor digest is given.
    pub tag: Option<String>,
    /// `sha256:…`
    pub digest: Option<String>,
    /// Whether to speak HTTP without TLS.
    pub insecure: bool,
}

impl Reference {
    /// Reads a reference; `oci://` before it is allowed.
    ///
    /// ```
    /// use pequod_modules::Reference;
    ///
    /// let reference = Reference::parse("oci://ghcr.io/acme/shop:v1.2.0").unwrap();
    /// assert_eq!((&*reference.host, &*reference.repository), ("ghcr.io", "acme/shop"));
    /// assert_eq!(reference.tag.as_deref(), Some("v1.2.0"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, OciError> {
        let wrong = || OciError::Reference(text.to_owned());
        let rest = text.strip_prefix("oci://").unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let is_name = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
            !text.is_empty()
                && text.chars().all(plain)
                && !text.contains("//")
                && !text.contains("..")
        };
        let is_digest = |text: &str| {
            text.strip_prefix("sha256:").is_some_and(|hex| {
                hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
            })
        };
        let is_host = !host.is_empty()
            && host
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
        let well = is_host
            && is_name(repository)
            && tag.is_none_or(|tag| is_name(tag) && !tag.contains('/'))
            && digest.is_none_or(is_digest);
        if !well {
            return Err(wrong());
        }
        Ok(Self {
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(ToOwned::to_owned),
            digest: digest.map(ToOwned::to_owned),
            insecure: is_loopback(host),
        })
    }
}

/// Registries of this machine need no TLS.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Names and passwords by host.
#[derive(Clone, Default)]
pub struct Credentials {
    by_host: BTreeMap<String, (String, String)>,
    tokens: BTreeMap<String, String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts: Vec<_> = self.by_host.keys().chain(self.tokens.keys()).collect();
        f.debug_struct("Credentials")
            .field("hosts", &hosts)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the `auths` of a docker configuration (`.dockerconfigjson`).
    pub fn from_docker_config(text: &str) -> Result<Self, String> {
        let json: Json = serde_json::from_str(text)
            .map_err(|error| format!("it is not JSON (line {})", error.line()))?;
        let mut credentials = Self::default();
        let auths = json.get("auths").and_then(Json::as_object);
        for (host, entry) in auths.into_iter().flatten() {
            let text = |name: &str| {
                entry
                    .get(name)
                    .and_then(Json::as_str)
                    .map(ToOwned::to_owned)
            };
            let pair = match (text("username"), text("password")) {
                (Some(user), Some(password)) => Some((user, password)),
                _ => text("auth")
                    .and_then(|auth| base64::engine::general_purpose::STANDARD.decode(auth).ok())
                    .and_then(|auth| String::from_utf8(auth).ok())
                    .and_then(|auth| {
                        let (user, password) = auth.split_once(':')?;
                        Some((user.to_owned(), password.to_owned()))
                    }),
            };
            let host = host
                .trim_start_matches("https://")
                .trim_start_matches("http://")
                .split('/')
                .next()
                .unwrap_or(host)
                .to_owned();
            if let Some(pair) = pair {
                credentials.by_host.insert(host, pair);
            }
        }
        Ok(credentials)
    }

    /// A name and password for one host.
    #[must_use]
    pub fn with(mut self, host: &str, user: &str, password: &str) -> Self {
        let pair = (user.to_owned(), password.to_owned());
        self.by_host.insert(host.to_owned(), pair);
        self
    }

    /// A token for one host.
    #[must_use]
    pub fn with_token(mut self, host: &str, token: &str) -> Self {
        self.tokens.insert(host.to_owned(), token.to_owned());
        self
    }

    /// What tells those who have these credentials for a host from all others. No way leads back to a password.
    pub(crate) fn fingerprint(&self, host: &str) -> String {
        let (user, password) = self.of(host).unwrap_or_default();
        let token = self.tokens.get(host).map_or("", String::as_str);
        let lengths = format!("{} {} {} ", user.len(), password.len(), token.len());
        sha256([&lengths, user, password, token].concat().as_bytes())
    }

    /// The name and password for a host.
    pub fn of(&self, host: &str) -> Option<(&str, &str)> {
        let (user, password) = self.by_host.get(host)?;
        Some((user, password))
    }
}

/// An artifact's content.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The digest of its manifest.
    pub digest: String,
    /// The packed module.
    pub blob: Arc<[u8]>,
    /// How it is packed.
    pub media_type: String,
}

/// `sha256:` and the digest of some bytes.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
            text
        })
}

/// Speaks to registries.
#[derive(Debug, Clone)]
pub struct OciClient {
    http: reqwest::Client,
    first_pause: Duration,
}

impl OciClient {
    /// A client whose requests take at most so long each.
    pub fn new(patience: Duration) -> Result<Self, OciError> {
        // Somebody else may have chosen already; then that holds.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(patience)
            .connect_timeout(patience.min(Duration::from_secs(10)))
            .user_agent(concat!("pequod/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| OciError::Unreachable(error.to_string()))?;
        Ok(Self {
            http,
            first_pause: Duration::from_millis(200),
        })
    }

    /// Fetches an artifact: its manifest, then the layer that holds the module.
    pub async fn fetch(
        &self,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Artifact, OciError> {
        let name = reference
            .digest
            .as_deref()
            .or(reference.tag.as_deref())
            .unwrap_or("latest");
        let path = format!("manifests/{name}");
        let accept = "application/vnd.oci.image.manifest.v1+json";
        let bytes = self
            .get(reference, &path, accept, credentials, MAX_MANIFEST)
            .await?;
        let digest = sha256(&bytes);
        if let Some(pinned) = &reference.digest
            && *pinned != digest
        {
            return Err(OciError::Wrong(format!(
                "the registry gave a manifest with the digest {digest} instead of {pinned}"
            )));
        }
        let manifest: Json = serde_json::from_slice(&bytes)
            .map_err(|_| OciError::Wrong("the manifest is no JSON".to_owned()))?;
        let layers = manifest.get("layers").and_then(Json::as_array);
        let packed = |layer: &&Json| {
            let kind = layer
                .get("mediaType")
                .and_then(Json::as_str)
                .unwrap_or_default();
            kind == "application/zip" || kind.ends_with("tar+gzip")
        };
        let layer = layers
            .and_then(|layers| layers.iter().find(packed))
            .ok_or_else(|| {
                OciError::Wrong(
                    "the artifact is no CUE module: it has no layer of the type application/zip"
                        .to_owned(),
                )
            })?;
        let text = |name: &str| layer.get(name).and_then(Json::as_str).unwrap_or_default();
        let (wanted, media_type) = (text("digest").to_owned(), text("mediaType").to_owned());
        let size = layer.get("size").and_then(Json::as_u64).unwrap_or_default();
        if size > MAX_BLOB as u64 {
            return Err(OciError::Limit(format!(
                "the packed module holds {size} bytes; at most {MAX_BLOB} are read"
            )));
        }
        let path = format!("blobs/{wanted}");
        let blob = self
            .get(reference, &path, "*/*", credentials, MAX_BLOB)
            .await?;
        let found = sha256(&blob);
        if found != wanted {
            return Err(OciError::Wrong(format!(
                "the registry gave a layer with the digest {found} instead of {wanted}"
            )));
        }
        Ok(Artifact {
            digest,
            blob: blob.into(),
            media_type,
        })
    }

    async fn get(
        &self,
        reference: &Reference,
        path: &str,
        accept: &str,
        credentials: &Credentials,
        limit: usize,
    ) -> Result<Vec<u8>, OciError> {
        let mut pause = self.first_pause;
        let mut last = OciError::Unreachable("the registry was not asked".to_owned());
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(pause).await;
                pause *= 3;
            }
            match self.once(reference, path, accept, credentials, limit).await {
                Err(error @ OciError::Unreachable(_)) => last = error,
                other => return other,
            }
        }
        Err(last)
    }

    async fn once(
        &self,
        reference: &Reference,
        path: &str,
        accept: &str,
        credentials: &Credentials,
        limit: usize,
    ) -> Result<Vec<u8>, OciError> {
        let scheme = if reference.insecure { "http" } else { "https" };
        let url = format!(
            "{scheme}://{}/v2/{}/{path}",
            reference.host, reference.repository
        );
        let request = |authorization: Option<String>| {
            let request = self.http.get(&url).header("accept", accept);
            match authorization {
                Some(value) => request.header("authorization", value),
                None => request,
            }
        };
        let token = credentials.tokens.get(&reference.host);
        let first = token.map(|token| format!("Bearer {token}"));
        let mut answer = request(first)
            .send()
            .await
            .map_err(|error| unreachable(&error))?;
        if answer.status() == 401 && token.is_none() {
            let challenge = answer
                .headers()
                .get("www-authenticate")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            if let Some(authorization) = self.answer(&challenge, reference, credentials).await? {
                answer = request(Some(authorization))
                    .send()
                    .await
                    .map_err(|error| unreachable(&error))?;
            }
        }
        let status = answer.status();
        if status.is_success() {
            return bounded(answer, limit).await;
        }
        let said = bounded(answer, 64 << 10).await.unwrap_or_default();
        let reason = format!("{status}{}", said_by(&said));
        Err(match status.as_u16() {
            404 => OciError::NotFound,
            401 | 403 => OciError::Denied(reason),
            429 | 500..=599 => OciError::Unreachable(reason),
            _ => OciError::Wrong(reason),
        })
    }

    /// What a challenge asks for, if there is something to answer with.
    async fn answer(
        &self,
        challenge: &str,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Option<String>, OciError> {
        let pair = credentials.of(&reference.host);
        let basic = pair.map(|(user, password)| {
            let text = format!("{user}:{password}");
            let encoded = base64::engine::general_purpose::STANDARD.encode(text);
            format!("Basic {encoded}")
        });
        let (scheme, parameters) = challenge.split_once(' ').unwrap_or((challenge, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Ok(basic);
        }
        let parameter = |name: &str| {
            let start = parameters.find(&format!("{name}=\""))? + name.len() + 2;
            let rest = parameters.get(start..)?;
            rest.split('"').next().map(ToOwned::to_owned)
        };
        let Some(realm) = parameter("realm") else {
            return Ok(basic);
        };
        // A password goes over TLS only, or stays on this machine.
        let safe = realm.starts_with("https://") || reference.insecure;
        if basic.is_some() && !safe {
            return Err(OciError::Denied(format!(
                "the registry wants the password sent to {realm}, which has no TLS"
            )));
        }
        let scope = parameter("scope")
            .unwrap_or_else(|| format!("repository:{}:pull", reference.repository));
        let mut query = vec![("scope", scope)];
        query.extend(parameter("service").map(|service| ("service", service)));
        let mut url = reqwest::Url::parse(&realm)
            .map_err(|_| OciError::Wrong(format!("the registry names {realm:?} for tokens")))?;
        url.query_pairs_mut().extend_pairs(query);
        let mut request = self.http.get(url);
        if let Some(basic) = basic {
            request = request.header("authorization", basic);
        }
        let answer = request.send().await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        let body = bounded(answer, 1 << 20).await?;
        if !status.is_success() {
            return Err(OciError::Denied(format!("{status}{}", said_by(&body))));
        }
        let json: Json = serde_json::from_slice(&body)
            .map_err(|_| OciError::Wrong("the registry's token is no JSON".to_owned()))?;
        let token = json.get("token").or_else(|| json.get("access_token"));
        Ok(token
            .and_then(Json::as_str)
            .map(|token| format!("Bearer {token}")))
    }
}

/// The first sentence of a registry's errors.
fn said_by(body: &[u8]) -> String {
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    let Some(error) = json.pointer("/errors/0") else {
        return String::new();
    };
    let text = |name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default();
    let code = text("code").to_lowercase();
    format!(": {code}: {}", text("message"))
}

fn unreachable(error: &reqwest::Error) -> OciError {
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        let mut source: &dyn std::error::Error = error;
        while let Some(inner) = source.source() {
            source = inner;
        }
        source.to_string()
    };
    OciError::Unreachable(format!("cannot do HTTP request: {why}"))
}

/// A body, read no further than its limit.
async fn bounded(mut answer: reqwest::Response, limit: usize) -> Result<Vec<u8>, OciError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(&error))? {
        if bytes.len() + chunk.len() > limit {
            return Err(OciError::Limit(format!(
                "the registry's answer is larger than {limit} bytes"
            )));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_host_name_tag_and_digest() {
        let pinned = format!("r.io:5000/a/b@sha256:{}", "0".repeat(64));
        assert!(Reference::parse(&pinned).unwrap().digest.is_some());
        assert!(Reference::parse("localhost:5000/a").unwrap().insecure);
        for wrong in [
            "a",
            "r.io/",
            "r.io/a:",
            "r.io/a@sha256:12",
            "r.io/../a",
            "r.io/a b",
            "/a",
        ] {
            assert!(Reference::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn docker_configurations_are_read_in_both_forms_and_never_shown() {
        let text = r#"{"auths": {"https://r.io/v1/": {"auth": "dTpw"}, "s.io": {"username": "a", "password": "b"}}}"#;
        let credentials = Credentials::from_docker_config(text).unwrap();
        assert_eq!(credentials.of("r.io"), Some(("u", "p")));
        assert_eq!(credentials.of("s.io"), Some(("a", "b")));
        assert!(!format!("{credentials:?}").contains("dTpw"));
        assert!(Credentials::from_docker_config("{").is_err());
    }
}
