//! An identity provider that speaks OpenID Connect: authorization code with PKCE (RFC 7636), ID tokens signed with ES256.
//!
//! Whoever comes to its page is signed in at once as the user it was told; all else is checked as the specifications ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use http::StatusCode;
use kubectl_fleet::agent;
use kubectl_fleet::hub::oidc::{Oidc, Settings};
use pequod_diag::Secret;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

const SECRET: &str = "the hub's own";

type Parameters = HashMap<String, String>;

#[derive(Clone)]
pub(super) struct Provider(Arc<Parts>);

struct Parts {
    issuer: String,
    key: EcdsaKeyPair,
    /// What a code was given for; each is good once.
    codes: Mutex<HashMap<String, Parameters>>,
    /// Claims of the tokens it gives that are not as they should be.
    lies: Mutex<Value>,
}

pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    pub(super) async fn start() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let (listener, address) = pequod_server::loopback().await.unwrap();
        let issuer = format!("http://{address}");
        let point = key.public_key().as_ref();
        let keys = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "other"},
            {"kty": "EC", "crv": "P-256", "kid": "k1", "x": base64(&point[1..33]), "y": base64(&point[33..])}]});
        let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys"),
            "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token")});
        let provider = Self(Arc::new(Parts {
            issuer,
            key,
            codes: Mutex::default(),
            lies: Mutex::new(json!({})),
        }));
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || axum::Json(document)),
            )
            .route("/keys", get(async move || axum::Json(keys)))
            .route("/authorize", get(authorize))
            .route("/token", post(exchange))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// What a hub knows of it.
    pub(super) fn oidc(&self) -> Oidc {
        Oidc::new(Settings {
            issuer: self.0.issuer.clone(),
            client_id: "fleet".into(),
            client_secret: Some(Secret::new(SECRET.to_owned())),
            username_claim: "sub".into(),
            username_prefix: String::new(),
            groups_claim: "groups".into(),
            groups_prefix: String::new(),
            authority_pem: None,
        })
        .unwrap()
    }

    /// What a token says of somebody, if nothing is wrong with it.
    pub(super) fn claims(&self, user: &str) -> Value {
        json!({"iss": self.0.issuer, "aud": "fleet", "sub": user, "exp": agent::now() + 600})
    }

    /// A token that says whatever it is given.
    pub(super) fn token(&self, claims: &Value) -> String {
        let header = base64(json!({"alg": "ES256", "kid": "k1"}).to_string().as_bytes());
        let signed = format!("{header}.{}", base64(claims.to_string().as_bytes()));
        let signature = self
            .0
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .unwrap();
        format!("{signed}.{}", base64(signature.as_ref()))
    }

    /// From now on this claim, and no other, is wrong in the tokens it gives to those who sign in.
    pub(super) fn lie(&self, claim: &str, value: &Value) {
        *self.0.lies.lock().unwrap() = json!({ claim: value });
    }
}

/// The page where people sign in.
async fn authorize(
    State(provider): State<Provider>,
    Query(asked): Query<Parameters>,
) -> Result<Redirect, (StatusCode, String)> {
    let is = |key: &str, value: &str| asked.get(key).is_some_and(|it| it == value);
    let scopes = asked.get("scope").map_or("", String::as_str);
    let right = is("response_type", "code")
        && is("client_id", "fleet")
        && is("code_challenge_method", "S256")
        && scopes.split(' ').any(|scope| scope == "openid");
    if !right {
        return Err((StatusCode::BAD_REQUEST, format!("{asked:?}")));
    }
    let code = uuid::Uuid::new_v4().to_string();
    let back = format!(
        "{}?code={code}&state={}",
        asked["redirect_uri"], asked["state"]
    );
    provider.0.codes.lock().unwrap().insert(code, asked);
    Ok(Redirect::to(&back))
}

/// A code for a token (RFC 6749, 4.1.3; RFC 7636, 4.6).
async fn exchange(
    State(provider): State<Provider>,
    Form(asked): Form<Parameters>,
) -> Result<axum::Json<Value>, (StatusCode, axum::Json<Value>)> {
    let refused = |why: &str| (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": why })));
    let of = |key: &str| asked.get(key).cloned().unwrap_or_default();
    if (of("client_id"), of("client_secret")) != ("fleet".to_owned(), SECRET.to_owned()) {
        return Err(refused("invalid_client"));
    }
    let given = provider.0.codes.lock().unwrap().remove(&of("code"));
    let given = given.ok_or_else(|| refused("invalid_grant"))?;
    let challenge = digest::digest(&digest::SHA256, of("code_verifier").as_bytes());
    let same = of("grant_type") == "authorization_code"
        && given["redirect_uri"] == of("redirect_uri")
        && given["code_challenge"] == base64(challenge.as_ref());
    if !same {
        return Err(refused("invalid_grant"));
    }
    let mut claims = provider.claims("alice");
    claims["nonce"] = json!(given["nonce"]);
    let lies = provider.0.lies.lock().unwrap().clone();
    for (claim, value) in lies.as_object().unwrap() {
        claims[claim] = value.clone();
    }
    let token = provider.token(&claims);
    Ok(axum::Json(
        json!({"id_token": token, "access_token": "unused", "token_type": "Bearer"}),
    ))
}
