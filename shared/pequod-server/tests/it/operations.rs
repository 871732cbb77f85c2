use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use pequod_server::{Health, HttpMetrics, operations};
use prometheus_client::registry;
use tower::ServiceExt as _;

async fn fetch(router: &Router, path: &str) -> (u16, String) {
    let request = Request::builder().uri(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_follows_the_checks_and_liveness_does_not() {
    let health = Health::new();
    let check = health.check("policies");
    let router = operations(health, registry::Registry::default());
    assert_eq!(
        fetch(&router, "/readyz").await,
        (503, "[-]policies not ready: starting\n".to_owned())
    );
    assert_eq!(fetch(&router, "/livez").await.0, 200);
    check.ready();
    assert_eq!(
        fetch(&router, "/readyz").await,
        (200, "[+]policies ok\n".to_owned())
    );
}

#[tokio::test]
async fn requests_are_counted_by_route_and_code() {
    let mut registry = registry::Registry::default();
    let counted = HttpMetrics::register(&mut registry)
        .count(Router::new().route("/thing/{name}", get(async || "x")));
    fetch(&counted, "/thing/one").await;
    fetch(&counted, "/thing/two").await;
    let (_, text) = fetch(&operations(Health::new(), registry), "/metrics").await;
    assert!(
        text.contains(r#"pequod_http_requests_total{route="/thing/{name}",code="200"} 2"#),
        "{text}"
    );
    assert!(text.contains("pequod_http_requests_under_way 0"), "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}
