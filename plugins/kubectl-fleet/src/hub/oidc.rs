//! OpenID Connect: tokens of an identity provider, checked against its published keys, and signing in by browser
//! (authorization code with PKCE).
//!
//! Signatures: RS256 and ES256, which every provider offers. Claims: `iss`, `aud`, `exp`, `nbf`, and the ones that name
//! user and groups. A name that begins with `system:` is refused: no provider may make somebody a part of Kubernetes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use pequod_diag::Secret;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::recent::Recent;
use crate::access::Caller;

/// How far clocks may be apart.
const SKEW_SECONDS: i64 = 30;
/// Keys are fetched again after so long, or when a token names one that is not known.
const KEYS_HOLD: Duration = Duration::from_mins(10);
/// But not more often than this.
const KEYS_PAUSE: Duration = Duration::from_secs(10);
/// A sign-in that was begun and not finished by then has to be begun anew.
const SIGN_IN: Duration = Duration::from_mins(10);
/// More are not remembered: nobody is known yet who begins one. The oldest has to be begun anew.
const SIGN_INS: usize = 10_000;

/// Which identity provider, and what of its tokens is believed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its address, as in the tokens' `iss`.
    pub issuer: String,
    /// The hub's id there, as in the tokens' `aud`.
    pub client_id: String,
    /// The hub's secret there, if it has one.
    pub client_secret: Option<Secret<String>>,
    /// The claim that names the user.
    pub username_claim: String,
    /// What stands before the user's name.
    pub username_prefix: String,
    /// The claim that names the groups.
    pub groups_claim: String,
    /// What stands before each group's name.
    pub groups_prefix: String,
    /// The certificate of the authority that the provider's is from, in PEM, if it is a private one.
    pub authority_pem: Option<Vec<u8>>,
}

/// Why a token is not believed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OidcError {
    /// It is no token.
    #[error("this is no token of an identity provider")]
    Malformed,
    /// Its signature is not by the provider.
    #[error("the token's signature is not valid")]
    Signature,
    /// A claim of it says so.
    #[error("the token {0}")]
    Claim(&'static str),
    /// The provider does not answer.
    #[error("the identity provider does not answer: {0}")]
    Provider(String),
}

#[derive(Debug, Clone, Deserialize)]
struct Key {
    #[serde(default)]
    kid: String,
    kty: String,
    #[serde(default)]
    n: String,
    #[serde(default)]
    e: String,
    #[serde(default)]
    crv: String,
    #[serde(default)]
    x: String,
    #[serde(default)]
    y: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    #[serde(default)]
    authorization_endpoint: String,
    #[serde(default)]
    token_endpoint: String,
}

#[derive(Default)]
struct Keys {
    fetched: Option<Instant>,
    keys: Vec<Key>,
}

/// A sign-in that was begun.
struct Begun {
    at: Instant,
    nonce: String,
    verifier: String,
    redirect: String,
}

/// An identity provider.
pub struct Oidc {
    settings: Settings,
    http: reqwest::Client,
    document: Recent<Discovery>,
    keys: tokio::sync::Mutex<Keys>,
    begun: Mutex<HashMap<String, Begun>>,
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64.decode(part).ok()?).ok()
}

fn bytes(text: &str) -> Vec<u8> {
    let bytes = BASE64.decode(text).unwrap_or_default();
    // Leading zeros are no part of a number.
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes[zeros..].to_vec()
}

impl Key {
    fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match (algorithm, self.kty.as_str()) {
            ("RS256", "RSA") => RsaPublicKeyComponents {
                n: bytes(&self.n),
                e: bytes(&self.e),
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            .is_ok(),
            ("ES256", "EC") if self.crv == "P-256" => {
                let coordinate = |text: &str| {
                    let bytes = bytes(text);
                    let mut whole = vec![0u8; 32usize.saturating_sub(bytes.len())];
                    whole.extend(bytes);
                    whole
                };
                let mut point = vec![4];
                point.extend(coordinate(&self.x));
                point.extend(coordinate(&self.y));
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature)
                    .is_ok()
            }
            _ => false,
        }
    }
}

impl Oidc {
    /// With its settings. The provider is asked when the first token comes.
    pub fn new(settings: Settings) -> Result<Self, OidcError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let failed = |error: reqwest::Error| OidcError::Provider(error.to_string());
        let mut http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = &settings.authority_pem {
            http = http.tls_certs_merge([reqwest::Certificate::from_pem(pem).map_err(failed)?]);
        }
        Ok(Self {
            settings,
            http: http.build().map_err(failed)?,
            document: Recent::new(KEYS_HOLD),
            keys: tokio::sync::Mutex::default(),
            begun: Mutex::default(),
        })
    }

    /// Whether a token says that it is of this provider.
    pub fn issued(&self, token: &str) -> bool {
        let claims = token.split('.').nth(1).and_then(decoded);
        claims.is_some_and(|claims| claims.get("iss") == Some(&self.settings.issuer.clone().into()))
    }

    /// Whose a token is, at `now` in seconds since 1970.
    pub async fn judge(
        &self,
        token: &str,
        now: i64,
        nonce: Option<&str>,
    ) -> Result<Caller, OidcError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(OidcError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(OidcError::Malformed)?;
        let header = decoded(header).ok_or(OidcError::Malformed)?;
        let claims = decoded(claims).ok_or(OidcError::Malformed)?;
        let signature = BASE64.decode(signature).map_err(|_| OidcError::Malformed)?;
        let word = |key: &str| header.get(key).and_then(Value::as_str).unwrap_or_default();
        let (algorithm, kid) = (word("alg"), word("kid"));
        if !matches!(algorithm, "RS256" | "ES256") {
            return Err(OidcError::Signature);
        }
        let keys = self.keys(kid).await?;
        let signed_by_it = keys
            .iter()
            .filter(|key| kid.is_empty() || key.kid == kid)
            .any(|key| key.verifies(algorithm, signed.as_bytes(), &signature));
        if !signed_by_it {
            return Err(OidcError::Signature);
        }
        self.believe(&claims, now, nonce)
    }

    /// What the claims of a token whose signature is valid say.
    fn believe(&self, claims: &Value, now: i64, nonce: Option<&str>) -> Result<Caller, OidcError> {
        let settings = &self.settings;
        let text = |key: &str| claims.get(key).and_then(Value::as_str).unwrap_or_default();
        let time = |key: &str| claims.get(key).and_then(Value::as_i64);
        if text("iss") != settings.issuer {
            return Err(OidcError::Claim("is of another provider"));
        }
        let meant = match claims.get("aud") {
            Some(Value::String(audience)) => *audience == settings.client_id,
            Some(Value::Array(audiences)) => audiences
                .iter()
                .any(|audience| audience.as_str() == Some(&settings.client_id)),
            _ => false,
        };
        if !meant {
            return Err(OidcError::Claim("is not meant for this hub"));
        }
        match time("exp") {
            Some(end) if end + SKEW_SECONDS > now => {}
            _ => return Err(OidcError::Claim("has expired")),
        }
        if time("nbf").is_some_and(|begin| begin - SKEW_SECONDS > now) {
            return Err(OidcError::Claim("is not valid yet"));
        }
        if nonce.is_some_and(|nonce| text("nonce") != nonce) {
            return Err(OidcError::Claim("is not an answer to this sign-in"));
        }
        if settings.username_claim == "email"
            && claims.get("email_verified") == Some(&Value::Bool(false))
        {
            return Err(OidcError::Claim("names an address that is not verified"));
        }
        let name = text(&settings.username_claim);
        let user = format!("{}{name}", settings.username_prefix);
        if name.is_empty() {
            return Err(OidcError::Claim("does not name its user"));
        }
        if user.starts_with("system:") {
            return Err(OidcError::Claim("names a user of Kubernetes itself"));
        }
        let groups = match claims.get(&settings.groups_claim) {
            Some(Value::String(group)) => vec![group.clone()],
            Some(Value::Array(groups)) => groups
                .iter()
                .filter_map(Value::as_str)
                .map(ToOwned::to_owned)
                .collect(),
            _ => Vec::new(),
        };
        let groups = groups
            .into_iter()
            .map(|group| format!("{}{group}", settings.groups_prefix))
            .filter(|group| !group.starts_with("system:"))
            .collect();
        Ok(Caller {
            user,
            groups,
            home: None,
        })
    }

    async fn document(&self) -> Result<Arc<Discovery>, OidcError> {
        let issuer = self.settings.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let read = async {
            let found: Discovery = self.json(&url).await?;
            if found.issuer != self.settings.issuer {
                return Err(OidcError::Provider(format!(
                    "it calls itself {}",
                    found.issuer
                )));
            }
            Ok(found)
        };
        self.document.get(read).await
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, url: &str) -> Result<T, OidcError> {
        let failed = |error: reqwest::Error| OidcError::Provider(error.to_string());
        let answer = self.http.get(url).send().await.map_err(failed)?;
        answer
            .error_for_status()
            .map_err(failed)?
            .json()
            .await
            .map_err(failed)
    }

    async fn keys(&self, kid: &str) -> Result<Vec<Key>, OidcError> {
        let mut known = self.keys.lock().await;
        let age = known.fetched.map(|at| at.elapsed());
        let has = kid.is_empty() || known.keys.iter().any(|key| key.kid == kid);
        let good = match age {
            None => false,
            Some(age) if has => age < KEYS_HOLD,
            Some(age) => age < KEYS_PAUSE,
        };
        if !good {
            #[derive(Deserialize)]
            struct Set {
                keys: Vec<Value>,
            }
            let document = self.document().await?;
            let set: Set = self.json(&document.jwks_uri).await?;
            // Keys of kinds that are not known here are no reason to refuse the others.
            known.keys = set
                .keys
                .into_iter()
                .filter_map(|key| serde_json::from_value(key).ok())
                .collect();
            known.fetched = Some(Instant::now());
        }
        Ok(known.keys.clone())
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, HashMap<String, Begun>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a sign-in: the state that the browser must bring back, and where it has to go.
    pub async fn begin(&self, redirect: &str) -> Result<(String, String), OidcError> {
        let document = self.document().await?;
        let random = || Uuid::new_v4().simple().to_string();
        let (state, nonce) = (random(), random());
        let verifier = random() + &random();
        let challenge = BASE64.encode(Sha256::digest(verifier.as_bytes()));
        let parameters = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", redirect),
            ("scope", "openid profile email groups"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut url = document.authorization_endpoint.clone();
        for (at, (key, value)) in parameters.iter().enumerate() {
            url.push(if at == 0 && !url.contains('?') {
                '?'
            } else {
                '&'
            });
            url.push_str(key);
            url.push('=');
            url.push_str(&super::page::in_url(value));
        }
        let begun = Begun {
            at: Instant::now(),
            nonce,
            verifier,
            redirect: redirect.to_owned(),
        };
        let mut all = self.begun();
        all.retain(|_, begun| begun.at.elapsed() < SIGN_IN);
        if all.len() >= SIGN_INS {
            let oldest = all.iter().min_by_key(|(_, begun)| begun.at);
            if let Some(oldest) = oldest.map(|(state, _)| state.clone()) {
                all.remove(&oldest);
            }
        }
        all.insert(state.clone(), begun);
        Ok((state, url))
    }

    /// Ends a sign-in: the token of the one who signed in.
    pub async fn finish(&self, state: &str, code: &str, now: i64) -> Result<String, OidcError> {
        let begun = self.begun().remove(state);
        let Some(begun) = begun.filter(|begun| begun.at.elapsed() < SIGN_IN) else {
            return Err(OidcError::Claim("came too late, or from somewhere else"));
        };
        let failed = |error: reqwest::Error| OidcError::Provider(error.to_string());
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &begun.redirect),
            ("client_id", &self.settings.client_id),
            ("code_verifier", &begun.verifier),
        ];
        if let Some(secret) = &self.settings.client_secret {
            form.push(("client_secret", secret.expose()));
        }
        let body: Vec<String> = form
            .iter()
            .map(|(key, value)| format!("{key}={}", super::page::in_url(value)))
            .collect();
        let document = self.document().await?;
        let answer: Value = self
            .http
            .post(&document.token_endpoint)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.join("&"))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(failed)?
            .json()
            .await
            .map_err(failed)?;
        let token = answer
            .get("id_token")
            .and_then(Value::as_str)
            .ok_or(OidcError::Malformed)?;
        self.judge(token, now, Some(&begun.nonce)).await?;
        Ok(token.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn provider() -> Oidc {
        Oidc::new(Settings {
            issuer: "https://id.example.com".into(),
            client_id: "fleet".into(),
            client_secret: None,
            username_claim: "sub".into(),
            username_prefix: String::new(),
            groups_claim: "groups".into(),
            groups_prefix: "oidc:".into(),
            authority_pem: None,
        })
        .unwrap()
    }

    fn good() -> Value {
        json!({"iss": "https://id.example.com", "aud": ["fleet", "other"], "exp": 2000, "sub": "alice", "groups": ["devs"]})
    }

    #[test]
    fn a_good_token_names_its_user_and_groups() {
        let caller = provider().believe(&good(), 1000, None).unwrap();
        assert_eq!(
            (caller.user.as_str(), caller.groups[0].as_str(), caller.home),
            ("alice", "oidc:devs", None)
        );
    }

    #[test]
    fn every_claim_counts() {
        for (key, value) in [
            ("iss", json!("https://evil.example.com")),
            ("aud", json!("other")),
            ("aud", json!(null)),
            ("exp", json!(960)),
            ("exp", json!(null)),
            ("nbf", json!(1040)),
            ("sub", json!("")),
            ("sub", json!("system:admin")),
        ] {
            let mut claims = good();
            claims[key] = value.clone();
            assert!(
                provider().believe(&claims, 1000, None).is_err(),
                "{key} {value}"
            );
        }
        assert!(provider().believe(&good(), 1000, Some("n")).is_err());
    }

    /// Key and signature were made by OpenSSL.
    #[test]
    fn an_rsa_signature_is_checked() {
        let key = Key {
            kid: String::new(),
            kty: "RSA".into(),
            n: "n7YZ4hV-CSmvKvc8k-4IIwMJM5PK10tkGyWnSX9_lMmro7Qh05QLbtNJ_SManeLvFfOBuQeykxKFsCnkBVelq1T5TY6_aULgi5st2EDN7UX0DNUCySLIh6RLIJtt_cMjZZdx_pZiAcHItuzE0cwesmvlFOg7IpGdgA78ak2bVyZfJqAbe7GBTvN56YEmNm75jHhTtuufD62kAXoHacGUHf9QOLWcRDfDCOkkhGWRP6N50JrnaxGZo1R9_ICQdz4vjNUOUZ3TkiXvM4e7AaVZeGgO2WqQBjJtlWmuTFq96RfCTlxxYcD-sMUlAcMEJtvedZ-fIJyjgNZgf8HGdo6hMQ".into(),
            e: "AQAB".into(),
            crv: String::new(),
            x: String::new(),
            y: String::new(),
        };
        let message = "header.claims";
        let signature = BASE64
            .decode("WHs9UAZy7Z3EdR04747o9QcKOzWsBfLBpF6VKNshlJ-Y4ZXJ2xHfuAQSubUuKSg-IIPmxiahSubqJOpBRp9QvFQ8AY_UEoS9YQ8UoDraAj1GIWdM0-Gvqpt9L7tPYqDhQ4hpbWE42p5qozPYwiBbgoDcOxsbIxF_dPTvqj9j67VO7Re00h7XU8ylG7wnYubYUH7eTnH9rSA_vTYNc3Wuq7qntqucCU6m8BjUMA_5qFKhZglODOXE1la3VlNpD7lHLQJklTsCk3igd1gH22vUlrE_dYzZb2y1dAd-DyHPnpTvnV3KB-E7A4iwDx8r3qAlNJUcjl8LcCWnl73RkaRgRg")
            .unwrap();
        assert!(key.verifies("RS256", message.as_bytes(), &signature));
        assert!(!key.verifies("RS256", b"something else", &signature));
        assert!(!key.verifies("none", message.as_bytes(), &signature));
    }
}
