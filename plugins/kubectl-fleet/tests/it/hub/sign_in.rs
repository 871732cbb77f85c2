//! People and programs that an identity provider knows.

use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use kubectl_fleet::agent;
use kubectl_fleet::hub::rates::Rates;
use pequod_testkit::ControlPlane;
use serde_json::{Value, json};

use super::provider::{Provider, base64};
use super::{KINDS, Served, shop};

/// A hub that believes an identity provider.
async fn hub(namespace: &String, provider: &Provider) -> Served {
    Served::with(
        ControlPlane::shared().await,
        std::slice::from_ref(namespace),
        KINDS,
        Some(provider.oidc()),
        Rates::new(1e6, 1e6),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_providers_user_has_the_rights_of_that_name() {
    let namespace = shop(ControlPlane::shared().await).await;
    let provider = Provider::start().await;
    let mut served = hub(&namespace, &provider).await;
    let claims = provider.claims("alice");
    let query = format!("/api/v1/search?q=namespace:{namespace}%20-name:kube-root-ca.crt");
    let hers = served.json(&query, &provider.token(&claims)).await;
    assert_eq!(hers["total"], 1);

    // Tokens that are not what they say.
    for (key, value) in [
        ("exp", json!(agent::now() - 600)),
        ("aud", json!("somebody else")),
        ("sub", json!("system:masters")),
    ] {
        let mut claims = claims.clone();
        claims[key] = value;
        let (status, _) = served.get(&query, &provider.token(&claims)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{key}");
    }
    let good = provider.token(&claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let header = base64(b"{\"alg\":\"none\"}");
    let payload = signed.split_once('.').unwrap().1;
    for forged in [
        format!("{header}.{payload}."),
        format!("{signed}.{}", base64(&[7; 64])),
        format!("{header}.{payload}.{signature}"),
    ] {
        let (status, _) = served.get(&query, &forged).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{forged}");
    }
    // A group of Kubernetes itself cannot be had from outside.
    let mut claims = claims.clone();
    claims["groups"] = json!(["system:masters"]);
    claims["sub"] = json!("mallory");
    let none = served.json(&query, &provider.token(&claims)).await;
    assert_eq!(none["total"], 0);
    served.end_agent().await;
}

/// Goes where an answer leads, as a browser does, with the cookies that it has.
async fn go(served: &Served, to: &str, cookies: &[String]) -> Response<Body> {
    let request = Request::get(to)
        .header(header::HOST, "fleet.example.com")
        .header(header::COOKIE, cookies.join("; "));
    served.send(request.body(Body::empty()).unwrap()).await
}

fn location(answer: &Response<Body>) -> String {
    let location = answer.headers().get(header::LOCATION);
    location.unwrap().to_str().unwrap().to_owned()
}

fn cookies(answer: &Response<Body>) -> Vec<String> {
    let set = answer.headers().get_all(header::SET_COOKIE).iter();
    set.map(|it| it.to_str().unwrap().split(';').next().unwrap().to_owned())
        .collect()
}

/// Begins to sign in, and does what the provider asks: the cookies of the browser, and where it is sent back to.
async fn signed_in_there(served: &Served) -> (Vec<String>, String) {
    let begun = go(served, "/login/start", &[]).await;
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = browser.get(location(&begun)).send().await.unwrap();
    let back = answer.headers()[header::LOCATION.as_str()]
        .to_str()
        .unwrap();
    let path = back.strip_prefix("http://fleet.example.com").unwrap();
    assert!(path.starts_with("/login/callback?"), "{back}");
    (cookies(&begun), path.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_at_the_provider_and_finds_what_its_user_may_read() {
    let namespace = shop(ControlPlane::shared().await).await;
    let provider = Provider::start().await;
    let mut served = hub(&namespace, &provider).await;
    let (browser, back) = signed_in_there(&served).await;

    // Somebody else's browser that was sent there.
    let stranger = go(&served, &back, &[]).await;
    assert_eq!(stranger.status(), StatusCode::BAD_REQUEST);
    let wrong = go(&served, &back, &["pequod-fleet-state=other".to_owned()]).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);

    let home = go(&served, &back, &browser).await;
    assert_eq!(
        (home.status(), location(&home).as_str()),
        (StatusCode::SEE_OTHER, "/")
    );
    let signed_in = cookies(&home);
    let query = format!("/api/v1/search?q=namespace:{namespace}%20-name:kube-root-ca.crt");
    let found = go(&served, &query, &signed_in).await;
    assert_eq!(found.status(), StatusCode::OK);
    let found = axum::body::to_bytes(found.into_body(), 1 << 20)
        .await
        .unwrap();
    let found: Value = serde_json::from_slice(&found).unwrap();
    assert_eq!(found["total"], 1, "{found}");

    // The same way back a second time leads nowhere.
    let again = go(&served, &back, &browser).await;
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    served.end_agent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_not_as_it_should_be_is_refused() {
    let namespace = shop(ControlPlane::shared().await).await;
    let provider = Provider::start().await;
    let mut served = hub(&namespace, &provider).await;
    let refused = async |browser: &[String], back: &str| {
        let answer = go(&served, back, browser).await;
        answer.status() == StatusCode::BAD_REQUEST && cookies(&answer).is_empty()
    };

    // A code that was put in the place of another.
    let (browser, back) = signed_in_there(&served).await;
    let (_, other) = signed_in_there(&served).await;
    let code = |path: &str| path.split(['=', '&']).nth(1).unwrap().to_owned();
    let swapped = back.replace(&code(&back), &code(&other));
    assert!(refused(&browser, &swapped).await, "another one's code");
    let (browser, back) = signed_in_there(&served).await;
    let made_up = back.replace(&code(&back), "made-up");
    assert!(refused(&browser, &made_up).await, "no code at all");

    // A token that is an answer to something else, or for somebody else.
    for (claim, value) in [
        ("nonce", json!("of another sign-in")),
        ("aud", json!("another program")),
        ("exp", json!(agent::now() - 600)),
    ] {
        provider.lie(claim, &value);
        let (browser, back) = signed_in_there(&served).await;
        assert!(refused(&browser, &back).await, "{claim}");
    }
    provider.lie("sub", &json!("bob"));
    let (browser, back) = signed_in_there(&served).await;
    assert!(
        !refused(&browser, &back).await,
        "nothing is wrong with that one"
    );
    served.end_agent().await;
}
