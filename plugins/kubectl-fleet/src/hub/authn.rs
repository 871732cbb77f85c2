//! Who asks: a bearer token, judged by the hub's own API server (TokenReview), by an identity provider (OIDC), or both.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::Api;
use kube::api::PostParams;
use sha2::{Digest as _, Sha256};

use super::Refusal;
use super::oidc::Oidc;
use crate::access::Caller;

/// The cookie of a browser that signed in.
pub const COOKIE: &str = "pequod-fleet";
/// A judged token is believed for so long.
const BELIEVED: Duration = Duration::from_secs(30);
const TOKENS: usize = 10_000;

/// Has tokens reviewed by an API server.
pub struct Reviews {
    /// The API server's.
    pub client: kube::Client,
    /// That cluster's id in the fleet.
    pub home: String,
    /// What a token must be meant for; empty for the API server itself.
    pub audiences: Vec<String>,
}

/// Judges tokens.
#[derive(Default)]
pub struct Authenticator {
    /// By an API server.
    pub reviews: Option<Reviews>,
    /// By an identity provider.
    pub oidc: Option<Oidc>,
    /// Everybody who reaches the hub is its user. Only on loopback.
    pub open: bool,
    /// Tokens that were judged, by their hashes.
    judged: Mutex<HashMap<[u8; 32], (Instant, Caller)>>,
}

/// The token of a request: of its Authorization header, or of the browser's cookie.
pub fn token(headers: &HeaderMap) -> Option<String> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.strip_prefix("Bearer "));
    if let Some(token) = bearer {
        return Some(token.trim().to_owned());
    }
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(';'))
        .filter_map(|it| it.trim().split_once('='))
        .find(|(name, value)| *name == COOKIE && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

impl Authenticator {
    /// Who asks.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        if self.open {
            return local(headers);
        }
        let nobody = || Refusal::Unauthenticated("a bearer token is needed".to_owned());
        let token = token(headers).ok_or_else(nobody)?;
        self.judge(&token).await
    }

    /// Whose a token is.
    pub async fn judge(&self, token: &str) -> Result<Caller, Refusal> {
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let lock = || self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, caller)) = lock().get(&hash)
            && at.elapsed() < BELIEVED
        {
            return Ok(caller.clone());
        }
        let caller = self.judge_anew(token).await?;
        let mut judged = lock();
        if judged.len() >= TOKENS {
            judged.retain(|_, (at, _)| at.elapsed() < BELIEVED);
        }
        judged.insert(hash, (Instant::now(), caller.clone()));
        Ok(caller)
    }

    async fn judge_anew(&self, token: &str) -> Result<Caller, Refusal> {
        // A token says who issued it; that is believed only to choose who judges it.
        if let Some(oidc) = &self.oidc
            && oidc.issued(token)
        {
            return oidc
                .judge(token, crate::agent::now(), None)
                .await
                .map_err(|error| Refusal::Unauthenticated(error.to_string()));
        }
        match &self.reviews {
            Some(reviews) => reviews.judge(token).await,
            None => Err(Refusal::Unauthenticated(
                "the token is not of the identity provider this hub trusts".to_owned(),
            )),
        }
    }
}

/// A page of another origin can make a browser ask, with another host's name: it is not answered.
fn local(headers: &HeaderMap) -> Result<Caller, Refusal> {
    let host = headers
        .get(header::HOST)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if !matches!(name, "localhost" | "127.0.0.1" | "[::1]") {
        return Err(Refusal::Unauthenticated(format!(
            "`{host}` is not this machine"
        )));
    }
    Ok(Caller {
        user: "local".to_owned(),
        ..Caller::default()
    })
}

impl Reviews {
    async fn judge(&self, token: &str) -> Result<Caller, Refusal> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: (!self.audiences.is_empty()).then(|| self.audiences.clone()),
            },
            ..TokenReview::default()
        };
        let api: Api<TokenReview> = Api::all(self.client.clone());
        let judged = api
            .create(&PostParams::default(), &review)
            .await
            .map_err(|error| {
                tracing::error!(%error, "a token could not be reviewed");
                Refusal::Unavailable("the token could not be reviewed".to_owned())
            })?;
        let status = judged.status.unwrap_or_default();
        let user = status
            .user
            .filter(|_| status.authenticated == Some(true))
            .filter(|user| user.username.as_ref().is_some_and(|it| !it.is_empty()));
        let Some(user) = user else {
            return Err(Refusal::Unauthenticated(
                "the token is not accepted".to_owned(),
            ));
        };
        Ok(Caller {
            user: user.username.unwrap_or_default(),
            groups: user.groups.unwrap_or_default(),
            home: Some(self.home.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn a_token_comes_in_a_header_or_a_cookie() {
        let bearer = headers(header::AUTHORIZATION, "Bearer abc");
        let cookie = headers(header::COOKIE, "a=b; pequod-fleet=abc");
        assert_eq!(token(&bearer).as_deref(), Some("abc"));
        assert_eq!(token(&cookie).as_deref(), Some("abc"));
        assert_eq!(token(&headers(header::COOKIE, "pequod-fleet=")), None);
    }

    #[tokio::test]
    async fn an_open_hub_answers_only_to_this_machines_name() {
        let open = Authenticator {
            open: true,
            ..Authenticator::default()
        };
        for (host, fits) in [
            ("localhost:8080", true),
            ("127.0.0.1", true),
            ("evil.example.com", false),
        ] {
            let asked = open.caller(&headers(header::HOST, host)).await;
            assert_eq!(asked.is_ok(), fits, "{host}");
        }
    }
}
